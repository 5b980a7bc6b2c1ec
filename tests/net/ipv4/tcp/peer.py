"""A peer on the wire for tests of TCP: its segments, byte by byte, and a machine with one connection from it."""

from __future__ import annotations

from collections.abc import Callable

from rxpath.config import MachineConfig, NicConfig
from rxpath.machine import Machine
from rxpath.net.core.neighbour import NUD_PERMANENT, neigh_add
from rxpath.net.core.sock import SO_RCVBUF, SOL_SOCKET
from rxpath.net.ipv4.tcp.sock import ConnHint, TcpSock, tcp_state_of
from rxpath.sockets import Socket
from rxpath.wire.addr import ip4
from rxpath.wire.build import tcp_frame
from rxpath.wire.tcp import TcpOptions, TcpView

PEER_MAC = bytes.fromhex("020000000001")
HOST_MAC = bytes.fromhex("020000000002")
PEER, HOST = ip4("192.0.2.1"), ip4("192.0.2.2")
ISN = 7000
MS = 1_000_000
FIN, SYN, RST, PSH, ACK, URG = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
NO_OPTIONS = TcpOptions()


def seg(
    offset: int,
    data: bytes = b"",
    flags: int = ACK | PSH,
    *,
    urg_ptr: int = 0,
    bad: bool = False,
    tos: int = 0,
    acked: int = 1,
    options: TcpOptions = NO_OPTIONS,
) -> bytes:
    """A segment of the peer, `offset` bytes into its stream; `acked` of ours.  PSH keeps GRO from merging."""
    return tcp_frame(
        PEER_MAC,
        HOST_MAC,
        PEER,
        HOST,
        40000,
        8000,
        999 if flags == SYN else 1000 + offset,
        ISN + acked if flags & ACK else 0,
        flags,
        data,
        tcp_options=options,
        urg_ptr=urg_ptr,
        tos=tos,
        checksum=0x1234 if bad else None,
    )


def machine(release: str, cpus: int = 1) -> Machine:
    """With an e1000e that knows the peer, and the initial sequence number of its connection given."""
    nic = NicConfig(model="e1000e", mac="02:00:00:00:00:02", addresses=["192.0.2.2/24"])
    m = Machine(MachineConfig(release=release, costs="none", cpus=cpus, nics=[nic]))
    m.boot()
    dev = m.ports[0].dev
    assert dev is not None
    m.in_task(lambda: neigh_add(m.net.ipv4.arp_tbl, PEER, dev, PEER_MAC, NUD_PERMANENT))
    tcp_state_of(m.net.ipv4).hints[(HOST, 8000, PEER, 40000, 999)] = ConnHint(ISN)
    return m


class Bench:
    """One connection from the peer, accepted; `reader` then runs with it as a program."""

    def __init__(
        self,
        reader: Callable[[Socket], None],
        release: str = "3.13",
        *,
        rcvbuf: int = 0,
        low_latency: int = 0,
        cpu: int = 0,
        options: TcpOptions = NO_OPTIONS,
        sysctls: dict[str, int] | None = None,
    ) -> None:
        """`options`: of the SYN.  With time stamps the later segments need them, too."""
        self.m = m = machine(release, 2)
        self.ts = tcp_state_of(m.net.ipv4)
        self.ts.tcp_low_latency = low_latency
        for name, value in (sysctls or {}).items():
            m.kernel.files.write(f"/proc/sys/net/ipv4/{name}", f"{value}\n")
        self.frames: list[bytes] = []
        m.ports[0].on_transmit = lambda _now, frame: self.frames.append(frame)

        def server() -> None:
            s = Socket(m.net, 2, 1, 0)
            s.bind(("0.0.0.0", 8000))
            if rcvbuf:
                s.setsockopt(SOL_SOCKET, SO_RCVBUF, rcvbuf)
            s.listen(5)
            c, _ = s.accept()
            reader(c)

        m.spawn(server, cpu=cpu)
        self.feed((1, seg(0, flags=SYN, options=options)))
        third = NO_OPTIONS
        if options.tsval is not None:
            third = TcpOptions(tsval=options.tsval, tsecr=TcpOptions.parse(self.sent[-1].options).tsval or 0)
        self.feed((1, seg(0, flags=ACK, options=third)))
        self.sk = next(s for s in m.net.sockets if isinstance(s, TcpSock) and s.dport)

    @property
    def sent(self) -> list[TcpView]:
        """The machine's segments."""
        return [TcpView(f[34 : 14 + int.from_bytes(f[16:18], "big")]) for f in self.frames if f[12:14] == b"\x08\x00"]

    def feed(self, *frames: tuple[float, bytes], until_ms: int = 20) -> None:
        """Frames at milliseconds from now."""
        self.m.attach(0, [(int(t * MS), f) for t, f in frames])
        self.m.run(until=self.m.now + until_ms * MS)

    def count(self, name: str) -> int:
        return int(self.m.net.ipv4.tcpext[name])

    def end(self, delivered: int) -> None:
        """The books: nothing waits in the prequeue, so many segments were read, and no frame is lost to sight."""
        self.m.check()
        assert self.sk.prequeue_mem == 0
        assert not self.sk.prequeue
        assert self.m.ledger.delivered == delivered
        self.m.close()
        assert self.m.in_flight() == 0
        self.m.ledger.check(0)


def chunks(n: int, size: int = 100) -> list[bytes]:
    return [bytes([65 + i]) * size for i in range(n)]
