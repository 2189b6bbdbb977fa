"""What python3-docker of Debian, unmodified, does with a daemon: each step asserts what dockerd would have given."""
import io
import sys
import tarfile
import time

import docker

client = docker.from_env()
assert client.ping()
assert client.version()["ApiVersion"]
info = client.info()
assert info["OSType"] == "linux" and info["Images"] >= 1

# run, with and without waiting for the end
assert client.containers.run("busybox", ["echo", "hello"], remove=True) == b"hello\n"
try:
    client.containers.run("busybox", ["sh", "-c", "echo no >&2; exit 7"], remove=True)
    raise AssertionError("a failing container must raise")
except docker.errors.ContainerError as error:
    assert error.exit_status == 7 and b"no" in error.stderr, error
try:
    client.containers.run("nosuch.invalid/image:1")
    raise AssertionError("a missing image must raise")
except (docker.errors.ImageNotFound, docker.errors.APIError):
    pass

box = client.containers.run(
    "busybox",
    ["sh", "-c", "echo up; while :; do sleep 1; done"],
    name="py-box",
    detach=True,
    environment={"A": "1"},
    labels={"made.by": "py"},
    ports={"80/tcp": None},
    mem_limit="128m",
)
try:
    box.reload()
    assert box.status == "running", box.status
    assert box.attrs["HostConfig"]["Memory"] == 128 << 20
    assert client.containers.list(filters={"label": "made.by=py"}) == [box]
    assert client.containers.get("py-box").short_id == box.short_id
    published = box.attrs["NetworkSettings"]["Ports"]["80/tcp"]
    assert int(published[0]["HostPort"]) > 0, published
    for line in box.logs(stream=True, follow=True):
        assert line == b"up\n", line
        break

    # exec: output, exit code, demultiplexed, streamed, with environment and user
    code, output = box.exec_run(["sh", "-c", "echo $A $B; id -u; exit 3"], environment={"B": "2"}, user="1")
    assert (code, output) == (3, b"1 2\n1\n"), (code, output)
    code, (out, err) = box.exec_run(["sh", "-c", "echo out; echo err >&2"], demux=True)
    assert (code, out, err) == (0, b"out\n", b"err\n")
    _, stream = box.exec_run(["sh", "-c", "echo one; echo two"], stream=True)
    assert b"".join(stream) == b"one\ntwo\n"
    _, socket = box.exec_run("cat", stdin=True, socket=True)
    socket._sock.sendall(b"typed\n")
    header = socket.read(8)
    assert header[0] == 1 and socket.read(int.from_bytes(header[4:], "big")) == b"typed\n"
    socket.close()

    # what it does, and what it uses
    assert any("sleep" in " ".join(row) or "sh" in " ".join(row) for row in box.top()["Processes"])
    stats = box.stats(stream=False)
    assert stats["memory_stats"]["usage"] > 0 and stats["pids_stats"]["current"] >= 1
    box.pause()
    box.reload()
    assert box.status == "paused"
    box.unpause()
    box.rename("py-renamed")
    box.update(cpu_shares=512)
    box.restart(timeout=0)
    box.reload()
    assert box.status == "running" and box.name == "py-renamed"
    box.kill()
    assert box.wait()["StatusCode"] == 137
    box.start()
    box.stop(timeout=0)
    assert box.attrs["Id"] == box.id
finally:
    box.remove(force=True)
try:
    client.containers.get("py-renamed")
    raise AssertionError("it is removed")
except docker.errors.NotFound:
    pass

# attach to a terminal-less container that reads its input
cat = client.api.create_container("busybox", "cat", stdin_open=True)
socket = client.api.attach_socket(cat, params={"stdin": 1, "stdout": 1, "stream": 1})
client.api.start(cat)
socket._sock.sendall(b"in and out\n")
header = socket.read(8)
assert socket.read(int.from_bytes(header[4:], "big")) == b"in and out\n"
client.api.stop(cat, timeout=0)
client.api.remove_container(cat)

# files: in, out, what changed, all of them, and an image of them
box = client.containers.create("busybox", ["cat", "/put/file"])
buffer = io.BytesIO()
with tarfile.open(fileobj=buffer, mode="w") as archive:
    member = tarfile.TarInfo("put/file")
    member.size = 4
    archive.addfile(member, io.BytesIO(b"put\n"))
assert box.put_archive("/", buffer.getvalue())
box.start()
assert box.wait()["StatusCode"] == 0 and box.logs() == b"put\n"
stream, stat = box.get_archive("/put/file")
assert stat["name"] == "file" and stat["size"] == 4, stat
got = tarfile.open(fileobj=io.BytesIO(b"".join(stream)))
assert got.extractfile("file").read() == b"put\n"
assert {"Path": "/put/file", "Kind": 1} in box.diff(), box.diff()
assert len(b"".join(box.export())) > 10_000
committed = box.commit("py-committed", "1", changes="CMD [\"cat\", \"/put/file\"]")
box.remove()
assert client.containers.run("py-committed:1", remove=True) == b"put\n"
client.images.remove(committed.id)

# volumes and networks
volume = client.volumes.create("py-volume", labels={"made.by": "py"})
mounted = {"py-volume": {"bind": "/data", "mode": "rw"}}
client.containers.run("busybox", ["sh", "-c", "echo kept > /data/file"], volumes=mounted, remove=True)
assert client.containers.run("busybox", ["cat", "/data/file"], volumes=mounted, remove=True) == b"kept\n"
assert client.volumes.list(filters={"label": "made.by=py"}) == [volume]
volume.remove()
network = client.networks.create("py-network", driver="bridge")
server = client.containers.run("busybox", ["sleep", "1000"], name="py-server", network="py-network", detach=True)
found = client.containers.run("busybox", ["nslookup", "py-server"], network="py-network", remove=True)
network.reload()
address = network.attrs["Containers"][server.id]["IPv4Address"].split("/")[0]
assert address.encode() in found, (address, found)
server.remove(force=True)
network.remove()

# images
image = client.images.get("busybox")
assert image.tags and image.history()
assert image.tag("py", "1") and "py:1" in client.images.get("py:1").tags
saved = b"".join(client.images.get("py:1").save())
client.images.remove("py:1")
assert tarfile.open(fileobj=io.BytesIO(saved)).getnames()
assert client.images.load(saved)[0].id == image.id

# events of the past, and disk usage
past = list(client.events(since=0, until=int(time.time()) + 1, decode=True, filters={"type": "container"}))
assert {"create", "start", "die", "destroy"} <= {event["Action"] for event in past}
assert client.df()["Images"]
assert client.networks.list(names=["bridge"])
assert client.containers.prune()["SpaceReclaimed"] >= 0
print("python3-docker", docker.__version__, "on", sys.version.split()[0])
