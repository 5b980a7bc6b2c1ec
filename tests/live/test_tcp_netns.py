"""TCP on a real TAP in a network namespace: the host's own programs talk to stdlib programs on the stack.

`make soak` runs the full sizes (50 MB, ten seconds, 500 and 1,000 connections), `make test` small ones.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

import rxpath

SRC = str(Path(rxpath.__file__).parents[1])
EXAMPLES = Path(__file__).parents[2] / "examples"

PROLOGUE = """
    import asyncio, hashlib, json, os, random, re, resource, signal, socket, struct, subprocess, sys, threading, time
    SIZES = json.loads(sys.argv[1])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    result = {}

    def port_open(port, process, limit=25):
        end = time.monotonic() + limit
        while True:
            try:
                socket.create_connection(("10.9.0.2", port), 2).close()
                return
            except OSError:
                if process.poll() is not None or time.monotonic() > end:
                    process.kill()
                    raise RuntimeError(process.communicate()) from None
                time.sleep(0.1)

    class Stack:
        '''A Python program on the machine, and what it said.'''
        def __init__(self, *words, port, options=()):
            self.p = subprocess.Popen(
                [sys.executable, "-m", "rxpath.run", "--tap", "t0", "--address", "10.9.0.2/24",
                 "--host-address", "10.9.0.1/24", "--account", *options, *words],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            port_open(port, self.p)
        def machine(self, *words):
            done = subprocess.run([sys.executable, "-m", "rxpath", "-n", "t0", *words], capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            return done.stdout
        def counter(self, group, name):
            rows = [r.split() for r in self.machine("cat", "/proc/net/netstat").splitlines()]
            rows += [r.split() for r in self.machine("cat", "/proc/net/snmp").splitlines()]
            heads, values = [r for r in rows if r[0] == group + ":"]
            return int(dict(zip(heads[1:], values[1:]))[name])
        def end(self):
            self.p.send_signal(signal.SIGINT)
            out, err = self.p.communicate(timeout=30)
            result["status"] = self.p.returncode
            result["said"], result["account"] = out, err
"""


def need(*programs: str) -> None:
    """Skip with a word when it cannot run here."""
    if sys.platform != "linux":
        pytest.skip("needs Linux")
    for p in ("ip", "unshare", *programs):
        if shutil.which(p) is None:
            pytest.skip(f"needs the program {p}")
    if not os.path.exists("/dev/net/tun"):
        pytest.skip("needs /dev/net/tun")
    if subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs the right to make network namespaces")


def inside(script: str, tmp_path: Path, *, limit: float = 120, **sizes: Any) -> Any:
    """Run a script in a namespace of its own; what it puts into `result`."""
    path = tmp_path / "script.py"
    path.write_text(textwrap.dedent(PROLOGUE) + textwrap.dedent(script) + "\nprint(json.dumps(result))\n", "utf-8")
    done = subprocess.run(
        ["unshare", "-n", sys.executable, str(path), json.dumps(sizes)],
        capture_output=True,
        text=True,
        timeout=limit,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": SRC, "XDG_RUNTIME_DIR": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.netns
def test_curl_fetches_a_file_from_http_server(tmp_path: Path, soak: bool) -> None:
    need("curl")
    (tmp_path / "www").mkdir()
    size = 50_000_000 if soak else 3_000_000
    r = inside(
        """
        data = random.Random(1).randbytes(SIZES["size"])
        open("www/file", "wb").write(data)
        s = Stack("-m", "http.server", "80", "--directory", "www", port=80)
        began = time.monotonic()
        done = subprocess.run(["curl", "-sS", "-o", "got", "-w", "%{http_code}", "http://10.9.0.2/file"],
                              capture_output=True, text=True)
        result["seconds"] = time.monotonic() - began
        result["code"], result["err"] = done.stdout, done.stderr
        result["same"] = hashlib.sha256(open("got", "rb").read()).digest() == hashlib.sha256(data).digest()
        # several clients at once are served by threads
        open("www/small", "wb").write(data[:500_000])
        many = [subprocess.Popen(["curl", "-sS", "-o", f"got{n}", "http://10.9.0.2/small"]) for n in range(8)]
        result["many"] = [p.wait(60) for p in many]
        result["small"] = [open(f"got{n}", "rb").read() == data[:500_000] for n in range(8)]
        s.end()
        """,
        tmp_path,
        limit=240,
        size=size,
    )
    print(f"{size / r['seconds'] / 1e6:.2f} MB/s")
    assert (r["code"], r["err"], r["same"]) == ("200", "", True)
    assert r["many"] == [0] * 8 and all(r["small"])
    assert r["status"] == 0, r["account"]


@pytest.mark.netns
def test_iperf3_runs_both_ways(tmp_path: Path, soak: bool) -> None:
    need("iperf3")
    r = inside(
        """
        s = Stack(SIZES["server"], port=5201)
        for name, more in (("to", []), ("from", ["-R"]), ("four", ["-P", "4"]), ("both", ["--bidir"])):
            done = subprocess.run(["iperf3", "-J", "-c", "10.9.0.2", "-t", str(SIZES["seconds"]), *more],
                                  capture_output=True, text=True)
            answer = json.loads(done.stdout)
            assert not answer.get("error"), answer["error"]
            end = answer["end"]
            result[name] = [end["sum_sent"]["bytes"], end["sum_received"]["bytes"],
                            end["sum_received"]["bits_per_second"], len(end["streams"])]
        s.end()
        """,
        tmp_path,
        server=str(EXAMPLES / "iperf3_server.py"),
        seconds=10 if soak else 1,
    )
    for name, (sent, received, rate, streams) in {n: r[n] for n in ("to", "from", "four", "both")}.items():
        print(f"{name}: {rate / 1e6:.1f} Mbit/s")
        assert 0 < received <= sent
        assert streams == {"four": 4, "both": 2}.get(name, 1)
    assert "received" in r["said"] and "sent" in r["said"]


ECHO = """
    import socketserver
    class Echo(socketserver.BaseRequestHandler):
        def handle(self):
            while data := self.request.recv(65536):
                self.request.sendall(data)
    class Server(socketserver.ThreadingTCPServer):
        request_queue_size = 1024
        daemon_threads = True
    with Server(("", 7), Echo) as server:
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass
"""

ASYNC_ECHO = """
    import asyncio
    async def echo(reader, writer):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()
    async def main():
        servers = [await asyncio.start_server(echo, "0.0.0.0", port, backlog=1024) for port in (7, 8, 9)]
        await asyncio.gather(*(s.serve_forever() for s in servers))
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
"""

MANY = """
    s = Stack("server.py", port=SIZES["ports"][-1])     # the program opens them in this order
    N, PORTS, SIZE = SIZES["count"], SIZES["ports"], SIZES["size"]
    opened = 0
    gate = asyncio.Event()
    async def one(n):
        global opened
        reader, writer = await asyncio.open_connection("10.9.0.2", PORTS[n % len(PORTS)])
        opened += 1
        if opened == N:
            gate.set()
        await gate.wait()                       # all are open at once before any says a word
        data = random.Random(n).randbytes(SIZE)
        writer.write(data)
        got = await reader.readexactly(SIZE)
        writer.write_eof()
        rest = await reader.read()
        writer.close()
        return got == data and rest == b""
    async def main():
        global gate
        gate = asyncio.Event()
        return await asyncio.wait_for(asyncio.gather(*(one(n) for n in range(N))), 150)
    began = time.monotonic()
    result["right"] = sum(asyncio.run(main()))
    result["seconds"] = time.monotonic() - began
    result["overflows"] = s.counter("TcpExt", "ListenOverflows")
    s.end()
"""


@pytest.mark.netns
@pytest.mark.parametrize("kind", ["socketserver", "asyncio"])
def test_many_connections_at_once(kind: str, tmp_path: Path, soak: bool) -> None:
    """Threads: 500 connections; asyncio: 1,000 on three listeners."""
    need()
    (tmp_path / "server.py").write_text(textwrap.dedent(ECHO if kind == "socketserver" else ASYNC_ECHO), "utf-8")
    count = (500 if kind == "socketserver" else 1000) // (1 if soak else 5)
    ports = [7] if kind == "socketserver" else [7, 8, 9]
    r = inside(MANY, tmp_path, limit=240, count=count, ports=ports, size=5000)
    print(f"{count} connections, {r['seconds']:.1f} s")
    assert r["right"] == count
    assert r["overflows"] == 0
    assert r["status"] == 0, r["account"]


@pytest.mark.netns
@pytest.mark.parametrize(("nic", "cpus"), [("e1000e", 2), ("igb", 4), ("ixgbe", 4)])
def test_every_card_on_many_cpus(nic: str, cpus: int, tmp_path: Path, soak: bool) -> None:
    """Interrupts, timers and programs on several CPUs share the connections; the card cuts what TCP sends (TSO)."""
    need()
    (tmp_path / "server.py").write_text(textwrap.dedent(ECHO), "utf-8")
    r = inside(
        """
        s = Stack("--nic", SIZES["nic"], "--cpus", str(SIZES["cpus"]), "server.py", port=7)
        def talk(n):
            data = random.Random(n).randbytes(SIZES["size"])
            c = socket.create_connection(("10.9.0.2", 7), 60)
            c.settimeout(60)
            def send():
                c.sendall(data)
                c.shutdown(socket.SHUT_WR)
            t = threading.Thread(target=send)
            t.start()
            same.append(b"".join(iter(lambda: c.recv(1 << 20), b"")) == data)
            t.join()
            c.close()
        same = []
        threads = [threading.Thread(target=talk, args=(n,)) for n in range(3)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        result["same"] = same
        counts = dict(l.split(":") for l in s.machine("ethtool", "-S", "eth0").splitlines()[1:])
        result["cut"] = int(counts.get("     tx_tcp_seg_good", 1))
        s.end()
        """,
        tmp_path,
        nic=nic,
        cpus=cpus,
        size=3_000_000 if soak else 1_000_000,
    )
    assert r["same"] == [True] * 3
    assert r["cut"] > 0
    assert r["status"] == 0, r["account"]


@pytest.mark.netns
@pytest.mark.parametrize("way", ["faults", "netem"])
def test_a_lossy_link_delivers_every_byte(way: str, tmp_path: Path, soak: bool) -> None:
    """5 % lost, some doubled and out of order, both ways; netem where the kernel has it (towards the machine)."""
    need("tc")
    (tmp_path / "server.py").write_text(textwrap.dedent(ECHO), "utf-8")
    r = inside(
        """
        if SIZES["way"] == "faults":
            s = Stack("--faults", "drop=5%,duplicate=2%,reorder=5%", "server.py", port=7)
        else:
            s = Stack("server.py", port=7)
            words = ["tc", "qdisc", "add", "dev", "t0", "root", "netem", "delay", "2ms", "loss", "5%",
                     "duplicate", "2%", "reorder", "25%", "limit", "10000"]
            if subprocess.run(words, capture_output=True).returncode:
                result["no netem"] = True
                s.end()
                print(json.dumps(result))
                sys.exit()
        data = random.Random(2).randbytes(SIZES["size"])
        c = socket.create_connection(("10.9.0.2", 7), 60)
        c.settimeout(100)
        def send():
            c.sendall(data)
            c.shutdown(socket.SHUT_WR)
        t = threading.Thread(target=send)
        t.start()
        parts = []
        began = time.monotonic()
        while part := c.recv(1 << 20):
            parts.append(part)
        t.join()
        result["seconds"] = time.monotonic() - began
        result["same"] = b"".join(parts) == data
        result["retransmitted"] = s.counter("Tcp", "RetransSegs")
        c.close()
        s.end()
        """,
        tmp_path,
        limit=240,
        way=way,
        size=5_000_000 if soak else 400_000,
    )
    if r.get("no netem"):
        pytest.skip("this kernel has no netem (the fault wrapper is tested beside)")
    print(f"{r['seconds']:.1f} s, {r['retransmitted']} segments sent again")
    assert r["same"]
    assert r["retransmitted"] > 0 or way == "netem"
    assert r["status"] == 0, r["account"]


@pytest.mark.netns
def test_half_closed_connections(tmp_path: Path) -> None:
    """`nc -N` ends its half first and still gets the answer; and the server's half may end first (as ssh's does)."""
    need("nc")
    (tmp_path / "server.py").write_text(
        textwrap.dedent(
            """
            import hashlib, socket, threading
            def digest(conn):                  # answers when the client has ended
                h = hashlib.sha256()
                while data := conn.recv(65536):
                    h.update(data)
                conn.sendall(h.hexdigest().encode() + b"\\n" * 100_000)
                conn.close()
            def first(conn):                   # ends first, and goes on reading
                conn.sendall(b"that was all\\n")
                conn.shutdown(socket.SHUT_WR)
                n = 0
                while data := conn.recv(65536):
                    n += len(data)
                print("read", n, flush=True)
                conn.close()
            def serve(port, talk):
                with socket.create_server(("", port)) as s:
                    while True:
                        conn, _ = s.accept()
                        threading.Thread(target=talk, args=(conn,), daemon=True).start()
            for port, talk in ((7, digest), (8, first)):
                threading.Thread(target=serve, args=(port, talk), daemon=True).start()
            try:
                threading.Event().wait()
            except KeyboardInterrupt:
                pass
            """
        ),
        "utf-8",
    )
    r = inside(
        """
        s = Stack("server.py", port=7)
        data = random.Random(3).randbytes(300_000)
        done = subprocess.run(["nc", "-N", "10.9.0.2", "7"], input=data, capture_output=True, timeout=60)
        result["digest"] = done.stdout[:64].decode() == hashlib.sha256(data).hexdigest()
        result["length"] = len(done.stdout)
        c = socket.create_connection(("10.9.0.2", 8), 20)
        got = b""
        while part := c.recv(100):
            got += part
        result["first"] = got.decode()
        for _ in range(20):
            c.sendall(bytes(10_000))
            time.sleep(0.01)
        c.shutdown(socket.SHUT_WR)
        c.close()
        time.sleep(1)
        result["ss"] = s.machine("ss", "-tn")
        s.end()
        """,
        tmp_path,
    )
    assert r["digest"] and r["length"] == 64 + 100_000
    assert r["first"] == "that was all\n"
    assert "read 200000" in r["said"]
    assert "CLOSE-WAIT" not in r["ss"] and "FIN-WAIT" not in r["ss"]
    assert r["status"] == 0, r["account"]


@pytest.mark.netns
def test_a_syn_flood_leaves_clients_working(tmp_path: Path, soak: bool) -> None:
    """The SYN queue is full of nobody's: who was there goes on, and who comes gets in by a cookie."""
    need()
    (tmp_path / "server.py").write_text(textwrap.dedent(ECHO).replace("1024", "16"), "utf-8")
    r = inside(
        """
        s = Stack("--do", "ip route add default via 10.9.0.1", "server.py", port=7)
        old = socket.create_connection(("10.9.0.2", 7), 20)
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
        raw.setsockopt(socket.IPPROTO_IP, socket.IP_HDRINCL, 1)
        def total(b):
            n = sum(struct.unpack(f">{len(b) // 2}H", b))
            n = (n & 0xFFFF) + (n >> 16)
            return ~((n & 0xFFFF) + (n >> 16)) & 0xFFFF
        dst = socket.inet_aton("10.9.0.2")
        rng = random.Random(4)
        def syn(n):
            src = socket.inet_aton("198.51.100.%d" % (n % 250 + 1))
            tcp = struct.pack(">HHIIBBHHH", rng.randrange(1024, 65536), 7, rng.getrandbits(32), 0, 5 << 4, 2, 64240, 0, 0)
            check = total(src + dst + struct.pack(">HH", 6, len(tcp)) + tcp)
            tcp = tcp[:16] + struct.pack(">H", check) + tcp[18:]
            return struct.pack(">BBHHHBBH4s4s", 0x45, 0, 40, 0, 0, 64, 6, 0, src, dst) + tcp
        stop = threading.Event()
        def dropped():
            row = next(r for r in open("/proc/net/dev") if r.strip().startswith("t0:"))
            return int(row.split(":")[1].split()[11])
        def flood():
            n = 0
            lost = dropped()
            end = time.monotonic() + 60
            while not stop.is_set() or (n < SIZES["syns"] and time.monotonic() < end):
                for _ in range(20):
                    raw.sendto(syn(n), ("10.9.0.2", 0))
                    n += 1
                # what is full here is the SYN queue, not the TAP's: a busy machine gets as many as it takes
                now = dropped()
                time.sleep(0.005 if now == lost else 0.25)
                lost = now
            result["syns"] = n
        t = threading.Thread(target=flood)
        t.start()
        time.sleep(0.5)
        asked = answered = fresh = 0
        while asked < SIZES["words"]:
            word = b"%09d" % asked
            old.sendall(word)
            asked += 1
            got = b""
            while len(got) < len(word):
                got += old.recv(100)
            answered += got == word
            if asked % 20 == 0:
                with socket.create_connection(("10.9.0.2", 7), 20) as new:
                    new.sendall(b"new")
                    fresh += new.recv(10) == b"new"
            time.sleep(0.01)
        stop.set()
        t.join()
        result.update(asked=asked, answered=answered, fresh=fresh)
        result["cookies"] = s.counter("TcpExt", "SyncookiesSent")
        result["by cookie"] = s.counter("TcpExt", "SyncookiesRecv")
        old.close()
        s.end()
        """,
        tmp_path,
        syns=40_000 if soak else 3_000,
        words=600 if soak else 40,
    )
    print({k: r[k] for k in ("syns", "asked", "fresh", "cookies", "by cookie")})
    assert r["answered"] == r["asked"]
    assert r["fresh"] == r["asked"] // 20
    assert r["cookies"] > 100 and r["by cookie"] > 0
    assert r["status"] == 0, r["account"]


@pytest.mark.netns
def test_clients_that_are_killed_leave_nothing(tmp_path: Path) -> None:
    """SIGKILL in the middle of a transfer, a client that never ends its request: the server serves on."""
    need("curl")
    (tmp_path / "www").mkdir()
    r = inside(
        """
        open("www/file", "wb").write(bytes(50_000_000))
        open("www/small", "wb").write(b"small")
        s = Stack("-m", "http.server", "80", "--directory", "www", port=80)
        killed = []
        for n in range(4):
            p = subprocess.Popen(["curl", "-sS", "-o", f"got{n}", "http://10.9.0.2/file"])
            end = time.monotonic() + 25
            while not os.path.exists(f"got{n}") or os.path.getsize(f"got{n}") < 200_000:
                assert time.monotonic() < end and p.poll() is None
                time.sleep(0.01)
            p.kill()
            killed.append(p.wait())
        result["killed"] = killed
        # one that stops in the middle of a request
        mute = socket.create_connection(("10.9.0.2", 80))
        mute.sendall(b"GET /small HTTP/1.1")
        done = subprocess.run(["curl", "-sS", "http://10.9.0.2/small"], capture_output=True, text=True)
        result["small"] = done.stdout
        end = time.monotonic() + 20
        while True:
            states = [r.split()[0] for r in s.machine("ss", "-tan").splitlines()[1:]]
            left = [x for x in states if x not in ("LISTEN", "TIME-WAIT")]
            if left == ["ESTAB"] or time.monotonic() > end:
                break
            time.sleep(0.2)
        result["left"] = left
        s.end()
        mute.close()
        """,
        tmp_path,
    )
    assert r["killed"] == [-9] * 4 and r["small"] == "small"
    assert r["left"] == ["ESTAB"]  # the mute one
    assert r["status"] == 0, r["account"]
