import os, socket

def store(*words):
    with socket.create_connection((os.environ["STORE"], 6379), 60) as line:
        line.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in map(str.encode, words)))
        return line.recv(4096).decode().strip()

listener = socket.create_server(("", 8000))
print("web listens", flush=True)
while True:
    peer, _ = listener.accept()
    with peer:
        path = peer.recv(4096).split()[1].decode()
        if path.startswith("/job/"):
            said = store("RPUSH", "jobs", path[5:])
        elif path == "/done":
            said = store("SCARD", "done")
        else:
            said = store("INCR", "hits")
        print("asked for", path, flush=True)
        peer.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(said), said.encode()))
