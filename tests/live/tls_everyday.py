"""A program that knows nothing of a machine: TLS by asyncio, http.server, urllib, sendfile and a session used again.

Its one argument is a certificate with its key for `localhost`.  What it prints is compared with what it prints on the
host's sockets (test_tls_judged.py).
"""

from __future__ import annotations

import asyncio
import hashlib
import http.server
import os
import socket
import ssl
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from typing import Any

N = 2_000_000
CERTIFICATE = sys.argv[1]
SERVER = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
SERVER.load_cert_chain(CERTIFICATE)
CLIENT = ssl.create_default_context(cafile=CERTIFICATE)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def streams(path: str, whole: str) -> None:
    """Four clients at once read a file that the server sends, and the server hears their goodbye."""

    async def serve(r: asyncio.StreamReader, w: asyncio.StreamWriter) -> None:
        with open(path, "rb") as file:
            sent = await asyncio.get_running_loop().sendfile(w.transport, file, fallback=True)
        print("sendfile", sent, "heard", await r.read())
        w.close()
        await w.wait_closed()
        ends.append(1)

    async def ask() -> None:
        r, w = await asyncio.open_connection(*server.sockets[0].getsockname(), ssl=CLIENT, server_hostname="localhost")
        data = await r.readexactly(N)
        print("stream", digest(data) == whole, w.get_extra_info("ssl_object").version(), w.can_write_eof())
        w.write(b"thanks")
        w.close()
        await w.wait_closed()

    ends: list[int] = []
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=SERVER)
    await asyncio.gather(*[ask() for _ in range(4)])
    while len(ends) < 4:
        await asyncio.sleep(0.01)
    server.close()


class Quiet(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass


def https(path: str, whole: str) -> None:
    os.chdir(os.path.dirname(path))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    server.socket = SERVER.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    url = f"https://localhost:{server.server_port}/{os.path.basename(path)}"
    for _ in range(3):
        with urllib.request.urlopen(url, context=CLIENT) as answer:
            print("https", answer.status, digest(answer.read()) == whole)
    try:
        urllib.request.urlopen(url, context=ssl.create_default_context())
    except urllib.error.URLError as e:
        print(type(e).__name__, type(e.reason).__name__, e.reason.reason)  # type: ignore[union-attr]
    server.shutdown()
    server.server_close()


def again(path: str) -> None:
    """`sendfile` of the socket, and a session of TLS 1.2 that a second connection uses again."""
    SERVER.maximum_version = ssl.TLSVersion.TLSv1_2

    def serve() -> None:
        for _ in range(2):
            with SERVER.wrap_socket(listener.accept()[0], server_side=True) as s, open(path, "rb") as file:
                said.append((s.sendfile(file), s.session_reused, s.recv(1)))

    said: list[tuple[int, bool | None, bytes]] = []
    session = None
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        for _ in range(2):
            raw = socket.create_connection(listener.getsockname())
            with CLIENT.wrap_socket(raw, server_hostname="localhost", session=session) as c:
                left = N
                while left:
                    left -= len(c.recv(65536))
                session = c.session
                c.send(b"x")
        thread.join()
    print("session", said)


with tempfile.TemporaryDirectory() as place:
    name = os.path.join(place, "file")
    octets = bytes(range(250)) * (N // 250)
    with open(name, "wb") as made:
        made.write(octets)
    asyncio.run(streams(name, digest(octets)))
    https(name, digest(octets))
    again(name)
    os.chdir("/")
