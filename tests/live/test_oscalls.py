"""`os.read` and its like on descriptors of the machine, as `rxpath.run` puts them into place."""

from __future__ import annotations

from pathlib import Path

from tests.live.test_run import right


def test_what_goes_past_the_module_socket_finds_the_machine(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(range(256)) * 4000)
    out = right(
        """
        import os, socket, threading
        a = socket.create_server(("", 7))
        b = socket.create_connection(("10.9.0.2", 7))
        c, _ = a.accept()
        assert os.write(b.fileno(), b"hello") == 5 and os.read(c.fileno(), 100) == b"hello"
        assert os.writev(c.fileno(), [b"a", b"bc"]) == 3
        parts = [bytearray(2), bytearray(2)]
        assert os.readv(b.fileno(), parts) == 3 and parts == [b"ab", b"c\\0"]
        b.setblocking(False)
        try:
            os.read(b.fileno(), 1)
        except BlockingIOError:
            print("would block")
        b.setblocking(True)
        # a file by sendfile(2), from an offset and from where the file is
        got = bytearray()
        with open("file", "rb") as f:
            whole = f.read()
            f.seek(0)
            def send():
                at = 100
                while n := os.sendfile(c.fileno(), f.fileno(), at, 100_000):
                    at += n
                while os.sendfile(c.fileno(), f.fileno(), None, 300_000):
                    pass
                c.shutdown(socket.SHUT_WR)
            t = threading.Thread(target=send)
            t.start()
            while data := os.read(b.fileno(), 65536):
                got += data
            t.join()
        assert got == whole[100:] + whole
        # a descriptor that is closed is closed; another of the same socket lives
        d = os.dup(b.fileno())
        os.close(b.detach())
        os.write(d, b"still")
        assert os.read(c.fileno(), 10) == b"still"
        os.close(d)
        assert os.read(c.fileno(), 10) == b""
        try:
            os.close(d)
        except OSError as e:
            print(e)
        r, w = os.pipe()  # the host's own are the host's
        os.write(w, b"pipe")
        assert os.read(os.dup(r), 10) == b"pipe"
        """,
        tmp_path,
    )
    assert out == "would block\n[Errno 9] Bad file descriptor\n"


def test_connections_of_multiprocessing_and_asyncios_sendfile(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(1_000_000))
    out = right(
        """
        import asyncio, threading
        from multiprocessing.connection import Client, Listener
        with Listener(("10.9.0.2", 6000), authkey=b"key") as listener:
            def serve():
                with listener.accept() as c:
                    c.send({"sum": sum(c.recv())})
            t = threading.Thread(target=serve)
            t.start()
            with Client(("10.9.0.2", 6000), authkey=b"key") as c:
                c.send(list(range(100_000)))
                print(c.recv())
            t.join()
        async def main():
            async def serve(reader, writer):
                with open("file", "rb") as f:  # sendfile(2) itself
                    await asyncio.get_running_loop().sendfile(writer.transport, f, fallback=False)
                writer.close()
            async with await asyncio.start_server(serve, "10.9.0.2", 7):
                reader, writer = await asyncio.open_connection("10.9.0.2", 7)
                print(len(await reader.read()))
                writer.close()
        asyncio.run(main())
        """,
        tmp_path,
    )
    assert out == "{'sum': 4999950000}\n1000000\n"
