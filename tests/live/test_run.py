"""`python -m rxpath.run`: programs of the standard library on the machine, unchanged; here over its loopback."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import rxpath

SRC = str(Path(rxpath.__file__).parents[1])


def run(program: str, tmp_path: Path, *args: str, options: tuple[str, ...] = ("--address", "10.9.0.2/24")) -> tuple[int, str, str]:  # fmt: skip
    """Status, what it printed, and what it said on standard error."""
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(program), "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "rxpath.run", *options, str(path), *args],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": SRC, "XDG_RUNTIME_DIR": str(tmp_path)},
    )
    return done.returncode, done.stdout, done.stderr


def right(program: str, tmp_path: Path, *args: str) -> str:
    status, out, err = run(program, tmp_path, *args)
    assert status == 0, err
    return out


def test_the_program_is_main_and_sees_the_machines_sockets(tmp_path: Path) -> None:
    out = right(
        """
        import sys, socket, _socket
        assert __name__ == "__main__" and sys.argv[1:] == ["-x", "--address", "y"], sys.argv
        assert socket.socket.__module__ == "rxpath.live"
        assert issubclass(socket.socket, _socket.socket)
        import asyncio.selector_events, http.client, multiprocessing.connection, ssl, urllib.request, logging.handlers
        for m in (asyncio.selector_events, http.client, multiprocessing.connection, urllib.request, logging.handlers):
            assert m.socket is socket, m
        print(socket.gethostbyname(socket.gethostname()), socket.getfqdn(), [n for _, n in socket.if_nameindex()])
        """,
        tmp_path,
        "-x",
        "--address",
        "y",
    )
    assert out == "10.9.0.2 rxpath ['lo', 'eth0']\n"


def test_http_server_and_urllib_on_two_listeners(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(range(256)) * 2000)
    out = right(
        """
        import http.server, threading, urllib.error, urllib.request
        class Post(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[::-1])
            def log_message(self, *args):
                pass
        class Quiet(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *args):
                pass
        servers = [http.server.ThreadingHTTPServer(("", 80), Quiet), http.server.ThreadingHTTPServer(("", 8080), Post)]
        for s in servers:
            threading.Thread(target=s.serve_forever).start()
        want = open("file", "rb").read()
        def fetch():
            assert urllib.request.urlopen("http://10.9.0.2/file").read() == want
            request = urllib.request.Request("http://localhost:8080/", data=want)
            assert urllib.request.urlopen(request).read() == want[::-1]
        threads = [threading.Thread(target=fetch) for _ in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        try:
            urllib.request.urlopen("http://localhost/none")
        except urllib.error.HTTPError as e:
            print(e.code)
        try:
            urllib.request.urlopen("http://localhost:81/")
        except urllib.error.URLError as e:
            print(type(e.reason).__name__)
        for s in servers:
            s.shutdown()
            s.server_close()
        print("done")
        """,
        tmp_path,
    )
    assert out == "404\nConnectionRefusedError\ndone\n"


def test_socketserver_of_every_kind(tmp_path: Path) -> None:
    out = right(
        """
        import socket, socketserver, threading
        class Line(socketserver.StreamRequestHandler):
            def handle(self):
                for line in self.rfile:
                    self.wfile.write(line.upper())
        class Datagram(socketserver.DatagramRequestHandler):
            def handle(self):
                self.wfile.write(self.rfile.read().upper())
        for n, (cls, handler) in enumerate([(socketserver.TCPServer, Line), (socketserver.ThreadingTCPServer, Line),
                                            (socketserver.UDPServer, Datagram),
                                            (socketserver.ThreadingUDPServer, Datagram)]):
            with cls(("127.0.0.1", 0), handler) as server:
                t = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
                t.start()
                if handler is Line:
                    with socket.create_connection(server.server_address) as c, c.makefile("rw", newline="") as f:
                        for m in range(50):
                            print("line", n, m, file=f, flush=True)
                            assert f.readline() == f"LINE {n} {m}\\n"
                else:
                    with socket.socket(type=socket.SOCK_DGRAM) as c:
                        c.connect(server.server_address)
                        for m in range(50):
                            c.send(b"datagram %d" % m)
                            assert c.recv(100) == b"DATAGRAM %d" % m
                server.shutdown()
                t.join()
            print(cls.__name__)
        """,
        tmp_path,
    )
    assert out.split() == ["TCPServer", "ThreadingTCPServer", "UDPServer", "ThreadingUDPServer"]


def test_asyncio_serves_many_on_three_listeners(tmp_path: Path, soak: bool) -> None:
    """Streams with backpressure (more than the buffers hold), subprocesses and signals of the loop beside it."""
    out = right(
        """
        import asyncio, os, signal, sys
        COUNT = int(sys.argv[1])
        async def echo(r, w):
            while data := await r.read(65536):
                w.write(data)
                await w.drain()
            w.close()
        async def one(n, ports):
            r, w = await asyncio.open_connection("localhost", ports[n % 3])
            data = os.urandom(3000 if n else 3_000_000)
            async def send():
                for at in range(0, len(data), 100_000):
                    w.write(data[at:at + 100_000])
                    await w.drain()
                w.write_eof()
            task = asyncio.create_task(send())
            got = await r.read(-1)
            await task
            w.close()
            await w.wait_closed()
            return got == data
        class Upper(asyncio.DatagramProtocol):
            def connection_made(self, transport):
                self.t = transport
            def datagram_received(self, data, addr):
                self.t.sendto(data.upper(), addr)
        async def main():
            loop = asyncio.get_running_loop()
            servers = [await asyncio.start_server(echo, "0.0.0.0", 0, backlog=2000) for _ in range(3)]
            ports = [s.sockets[0].getsockname()[1] for s in servers]
            assert all(await asyncio.gather(*(one(n, ports) for n in range(COUNT))))
            t, _ = await loop.create_datagram_endpoint(Upper, local_addr=("127.0.0.1", 9))
            asked = loop.create_future()
            class Ask(asyncio.DatagramProtocol):
                def datagram_received(self, data, addr):
                    asked.set_result(data)
            u, _ = await loop.create_datagram_endpoint(Ask, remote_addr=("127.0.0.1", 9))
            u.sendto(b"word")
            assert await asyncio.wait_for(asked, 20) == b"WORD"
            try:
                await asyncio.open_connection("127.0.0.1", 1)
            except ConnectionRefusedError:
                print("refused")
            p = await asyncio.create_subprocess_exec("echo", "child", stdout=asyncio.subprocess.PIPE)
            print((await p.communicate())[0].decode().strip())
            got = asyncio.Event()
            loop.add_signal_handler(signal.SIGUSR1, got.set)
            os.kill(os.getpid(), signal.SIGUSR1)
            await asyncio.wait_for(got.wait(), 20)
            print(await loop.run_in_executor(None, lambda: "thread"))
            with open(sys.argv[0], "rb") as f:
                r, w = await asyncio.open_connection("localhost", ports[0])
                await loop.sendfile(w.transport, f)
                w.write_eof()
                assert await r.read() == open(sys.argv[0], "rb").read()
            print("sendfile")
            for x in (t, u, *servers):
                x.close()
        asyncio.run(main())
        """,
        tmp_path,
        "500" if soak else "100",
    )
    assert out.split() == ["refused", "child", "thread", "sendfile"]


def test_how_a_program_ends(tmp_path: Path) -> None:
    assert run("import sys; sys.exit(7)", tmp_path)[0] == 7
    status, out, err = run("import sys\nprint('x')\nsys.exit('a word')", tmp_path)
    assert (status, out, err) == (1, "x\n", "a word\n")
    status, _, err = run("def f():\n    1 / 0\nf()", tmp_path)
    assert status == 1
    assert "ZeroDivisionError" in err and "program.py" in err and "rxpath" not in err.replace(str(tmp_path), "")
    # threads: those that are no daemons finish, the others end with the process, without a word
    status, out, err = run(
        """
        import socket, threading, time
        s = socket.create_server(("", 5))
        threading.Thread(target=s.accept, daemon=True).start()
        def last():
            time.sleep(0.3)
            socket.create_connection(("127.0.0.1", 5)).close()
            print("last")
        threading.Thread(target=last).start()
        print("main")
        """,
        tmp_path,
    )
    assert (status, out, err) == (0, "main\nlast\n", "")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ((), "--address is missing"),
        (("--address", "10.9.0.2"), "prefix length is missing"),
        (("--address", "10.9.0.2/24", "--nic", "ne2000"), "ne2000"),
        (("--address", "10.9.0.2/24", "--tap", "a/name"), "not a name"),
    ],
)
def test_what_cannot_be_is_one_line(options: tuple[str, ...], word: str, tmp_path: Path) -> None:
    status, out, err = run("print('ran')", tmp_path, options=options)
    assert status == 2 and out == ""
    assert err.count("\n") == 1 and word in err


def test_a_module_by_name(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rxpath.run", "--address", "10.9.0.2/24", "--account", "-m", "timeit", "-n", "1", "-r", "1",
         "import socket; socket.create_server(('', 1)).close()"],
        capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "PYTHONPATH": SRC},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "1 loop" in done.stdout and "0 frames from the wire" in done.stderr


def test_a_forked_child_is_told_that_the_machine_stayed_behind(tmp_path: Path) -> None:
    out = right(
        """
        import os, socket, subprocess, sys
        s = socket.create_server(("", 5))
        pid = os.fork()
        if not pid:
            try:
                socket.socket()
            except OSError as e:
                os._exit(0 if "forked" in str(e) else 1)
            os._exit(2)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        print(subprocess.run([sys.executable, "-c", "import socket; print(socket.socket.__module__)"],
                             capture_output=True, text=True).stdout.strip())
        socket.create_connection(("localhost", 5)).close()
        """,
        tmp_path,
    )
    assert out == "0\nsocket\n"


def test_what_cannot_work_is_refused_where_it_is_imported(tmp_path: Path) -> None:
    (tmp_path / "uvloop.py").write_text("print('used')")
    out = right(
        """
        try:
            import uvloop
        except ImportError as e:
            print(e)
        """,
        tmp_path,
    )
    assert out == "uvloop drives descriptors by itself and cannot use a machine's sockets\n"


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rxpath.run", "--address", "10.9.0.2/24", "nosuch.py"],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": SRC, "XDG_RUNTIME_DIR": str(tmp_path)},
    )
    said = "rxpath.run: can't open file 'nosuch.py': No such file or directory\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)
