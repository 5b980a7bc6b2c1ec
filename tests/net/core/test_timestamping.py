"""Time stamps of what is sent: every driver makes them, releases know their flags, nothing of them outlives a socket.

What the records look like is compared with recorded cases (tests/conform/cases: stamp_*, ts_*).
"""

from __future__ import annotations

import struct

import pytest

from rxpath.config import MachineConfig, NicConfig
from rxpath.machine import Machine
from rxpath.net.core.neighbour import NUD_PERMANENT, neigh_add
from rxpath.net.core.sock import (
    MSG_ERRQUEUE,
    SO_TIMESTAMPING,
    SOF_TIMESTAMPING_OPT_ID,
    SOF_TIMESTAMPING_OPT_ID_TCP,
    SOF_TIMESTAMPING_SOFTWARE,
    SOF_TIMESTAMPING_TX_SCHED,
    SOF_TIMESTAMPING_TX_SOFTWARE,
    SOL_SOCKET,
)
from rxpath.sockets import Socket
from rxpath.wire.addr import ip4, mac

PEER = "10.0.0.1"
WANTED = SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID
SCHED, SND = 1, 0


def machine(model: str = "e1000e", release: str = "6.18") -> Machine:
    m = Machine(MachineConfig(release=release, costs="none", nics=[NicConfig(model=model, addresses=["10.0.0.2/24"])]))
    m.boot()
    dev = m.dev("eth0")
    m.in_task(lambda: neigh_add(m.net.ipv4.arp_tbl, ip4(PEER), dev, mac("02:00:00:00:00:01"), NUD_PERMANENT))
    m.run(m.now + 3_000_000_000)
    return m


def records(s: Socket) -> list[tuple[int, int, int]]:
    """(what, number, seconds) of each record, in order."""
    out = []
    while True:
        try:
            _, control, _, _ = s.recvmsg(2000, 500, MSG_ERRQUEUE)
        except BlockingIOError:
            return out
        (stamp,) = (v for lv, ty, v in control if (lv, ty) == (SOL_SOCKET, SO_TIMESTAMPING))
        (err,) = (v for lv, ty, v in control if lv == 0)
        errno, origin, _, _, _, info, data = struct.unpack_from("=IBBBBII", err)
        assert (errno, origin) == (42, 4)
        out.append((info, data, struct.unpack_from("=q", stamp)[0]))


@pytest.mark.parametrize("model", ["e1000e", "igb", "ixgbe"])
def test_drivers_stamp(model: str) -> None:
    m = machine(model)
    s = m.socket()
    s.setblocking(False)
    s.setsockopt(SOL_SOCKET, SO_TIMESTAMPING, WANTED)
    for _ in range(2):
        m.in_task(lambda: s.sendto(b"x" * 100, (PEER, 9)))
    m.run(m.now + 1_000_000_000)  # byte limits keep the second until the first one is sent
    got = records(s)
    assert [(what, number) for what, number, _ in got] == [(SCHED, 0), (SND, 0), (SCHED, 1), (SND, 1)]
    assert all(seconds > 0 for _, _, seconds in got)
    m.close()


def test_unread_records_go_with_their_socket() -> None:
    m = machine()
    s = m.socket()
    s.setblocking(False)
    s.setsockopt(SOL_SOCKET, SO_TIMESTAMPING, WANTED)
    s.sendto(b"x" * 100, (PEER, 9))
    m.run(m.now + 1_000_000)
    sk = s.sk
    assert sk.rmem_alloc > 0
    s.close()
    assert sk.rmem_alloc == 0 and not sk.error_queue
    m.close()


@pytest.mark.parametrize(("release", "last"), [("3.13", 6), ("5.15", 15), ("6.1", 15), ("6.18", 18)])
def test_releases_know_their_flags(release: str, last: int) -> None:
    m = machine(release=release)
    s = m.socket()
    with pytest.raises(OSError, match="22"):
        s.setsockopt(SOL_SOCKET, SO_TIMESTAMPING, 1 << last + 1)
    if last != 15:  # SOF_TIMESTAMPING_BIND_PHC wants a clock
        s.setsockopt(SOL_SOCKET, SO_TIMESTAMPING, 1 << last)
    if release == "6.18":
        with pytest.raises(OSError, match="22"):  # only together with OPT_ID
            s.setsockopt(SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_OPT_ID_TCP)
    m.close()
