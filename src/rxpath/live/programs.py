"""Programs that run inside of a live machine: readers and echoes, as `--listen` asks for.

Not here: sockets of the host's own programs (sockets.py).
"""

from __future__ import annotations

from typing import Any, Final

from rxpath.config import ListenConfig
from rxpath.kernel.errno import ENOTSUP
from rxpath.machine import Machine
from rxpath.sockets import Socket

SOCK_STREAM: Final = 1
SOCK_DGRAM: Final = 2
SOL_SOCKET: Final = 1
SO_RCVBUF: Final = 8
SO_REUSEPORT: Final = 15


class LiveReader:
    """Tasks that read one port until the machine ends; with `echo` what came goes back.

    `read` counts messages (TCP: pieces), `failed` echoes that could not be sent, `connections` accepted ones.
    OSError ENOTSUP for a cost: in real time work takes as long as it takes.
    """

    def __init__(self, machine: Machine, spec: ListenConfig) -> None:
        if spec.cost_ns:
            raise OSError(ENOTSUP, "cost= of a listener in real time")
        self.machine = machine
        self.spec = spec
        self.read = 0
        self.failed = 0
        self.connections = 0
        self.name = f"{spec.proto}:{spec.port}"
        first = max(0, spec.cpu)
        sock = None
        for n in range(spec.readers):
            if sock is None or spec.reuseport:
                sock = self._open()
            cpu = (first + n) % len(machine.kernel.cpus)
            machine.spawn(_program(self, sock), cpu=cpu, name=self.name)

    def _open(self) -> Socket:
        spec = self.spec
        sock: Socket = self.machine.socket(2, SOCK_STREAM if spec.proto == "tcp" else SOCK_DGRAM)
        if spec.rcvbuf:
            sock.setsockopt(SOL_SOCKET, SO_RCVBUF, spec.rcvbuf)
        if spec.reuseport:
            sock.setsockopt(SOL_SOCKET, SO_REUSEPORT, 1)
        sock.bind((spec.address, spec.port))
        if spec.proto == "tcp":
            sock.listen()
        return sock

    def datagrams(self, sock: Socket) -> None:
        echo = self.spec.echo
        while True:
            try:
                data, addr = sock.recvfrom(65535)
                self.read += 1
                if echo:
                    sock.sendto(data, addr)
            except OSError:  # what the network refuses ends no server
                self.failed += 1

    def connections_of(self, sock: Socket) -> None:
        while True:
            try:
                conn, _ = sock.accept()
            except OSError:
                self.failed += 1
                continue
            self.connections += 1
            cpu = self.machine.kernel.cur().id
            self.machine.spawn(_conversation(self, conn), cpu=cpu, name=self.name)

    def stream(self, conn: Socket) -> None:
        echo = self.spec.echo
        with conn:
            try:
                while data := conn.recv(65536):
                    self.read += 1
                    if echo:
                        conn.sendall(data)
            except OSError:
                self.failed += 1


def _program(reader: LiveReader, sock: Socket) -> Any:
    if reader.spec.proto == "tcp":
        return lambda: reader.connections_of(sock)
    return lambda: reader.datagrams(sock)


def _conversation(reader: LiveReader, conn: Socket) -> Any:
    return lambda: reader.stream(conn)
