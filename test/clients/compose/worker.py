import os, socket, time

def words(*parts):
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in map(str.encode, parts))

def connected():
    # The store may be a moment behind: compose starts it first, and waits for nothing.
    while True:
        try:
            return socket.create_connection((os.environ["STORE"], 6379), 60)
        except OSError as error:
            print("no store yet:", error, flush=True)
            time.sleep(0.2)

line = connected()
line.settimeout(None)
print("worker ready", socket.gethostname(), flush=True)
while True:
    line.sendall(words("BLPOP", "jobs", "0"))
    job = line.recv(4096).decode().split("\r\n")[4]
    line.sendall(words("SADD", "done", job))
    line.recv(4096)
    print("did", job, flush=True)
