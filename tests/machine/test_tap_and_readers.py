"""A tap on the host (`-w FILE --at tap`) with a tap's effects, the record of the wire without any, and groups of readers."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from rxpath.link.capture import CaptureReader
from rxpath.link.capture_writer import INBOUND, OUTBOUND
from rxpath.observe.tap import DeviceTap
from rxpath.sim.ledger import Fate, Ledger, Site
from rxpath.wire.build import tcp_frame

from .box import DEMO, HOST, PEER, PEER_MAC, Box
from .test_command import rxpath

DF = 0x4000
GRO_OFF = ("--do", "ethtool -K eth0 gro off")  # a merged frame is one at the tap


def send(box: Box, frames: list[bytes]) -> None:
    """All at one moment, so that one poll takes them."""
    for frame in frames:
        assert box.m.ports[0].receive(frame)
    box.run()


class Seen:
    """A tap on the box's interface that keeps what it saw."""

    def __init__(self, box: Box) -> None:
        self.frames: list[tuple[bytes, bool]] = []
        dev = box.m.ports[0].dev
        assert dev is not None
        self.tap = DeviceTap(box.m.net, dev, self.saw)
        self.tap.open()

    def saw(self, now: int, frame: bytes, outgoing: bool) -> None:
        self.frames.append((frame, outgoing))


def test_a_tap_sees_both_ways_and_changes_no_fate() -> None:
    box = Box()
    seen = Seen(box)
    sock = box.m.socket()
    sock.bind(("", 7))
    frames = [box.udp(7, 20), box.udp(9, 20)]  # one for a program, one that is answered with an ICMP error
    send(box, frames)
    assert [f for f, out in seen.frames if not out] == frames
    assert [f[23] for f, out in seen.frames if out] == [1]
    assert sock.recvfrom(100)[0] == b"d" * 20
    ledger = box.m.kernel.ledger
    assert (ledger.delivered, ledger.total_dropped()) == (1, 1)
    seen.tap.close()
    send(box, [box.udp(9, 20)])
    assert len(seen.frames) == 3
    box.m.check()


def test_a_tap_puts_the_tag_back_that_the_card_took_off() -> None:
    box = Box()
    seen = Seen(box)
    plain = box.udp(7, 40)
    tagged = plain[:12] + b"\x81\x00\x20\x05" + plain[12:]
    send(box, [tagged])
    assert [f for f, out in seen.frames if not out] == [tagged]


def test_a_tap_sees_merged_frames() -> None:
    box = Box()
    seen = Seen(box)
    data = bytes(range(250)) * 4
    send(
        box,
        [
            tcp_frame(PEER_MAC, box.mac, PEER, HOST, 4000, 80, 1000 + 1000 * n, 1, 0x10, data, frag_off=DF)
            for n in range(4)
        ],
    )
    assert [len(f) for f, out in seen.frames if not out] == [14 + 20 + 20 + 4000]
    box.m.check()


def test_a_frame_that_only_a_tap_takes_is_not_in_rx_dropped() -> None:
    strange = b"\xff" * 6 + PEER_MAC + b"\x12\x34" + bytes(46)

    def rx_dropped(box: Box) -> int:
        return int(box.m.files.read("/proc/net/dev").splitlines()[-1].split()[4])

    box = Box()
    send(box, [strange])
    assert rx_dropped(box) == 1
    box = Box()
    Seen(box)
    send(box, [strange])
    assert rx_dropped(box) == 0
    assert box.m.kernel.ledger.dropped == {("core", "no handler, seen by a tap", "none"): 1}
    box.m.check()


def test_a_copy_that_was_not_wanted_has_no_say() -> None:
    """A packet socket whose filter refuses a frame neither delivers nor consumes it."""
    drop, refused = Site("udp", "no socket on that port", "NoPorts"), Site("packet", "filter")
    for order in ((-1, 0), (0, -1)):
        ledger = Ledger()
        ledger.wire = 1
        fate = Fate(2, 1)
        for outcome in order:
            ledger.settle(fate, outcome, refused if outcome < 0 else drop)
        assert ledger.dropped == {("udp", "no socket on that port", "NoPorts"): 1}
        ledger.check(0)
    ledger = Ledger()
    ledger.settle(Fate(1, 1), -1, refused)
    assert ledger.dropped == {("packet", "filter", "none"): 1}


def test_records_of_the_command(tmp_path: Path) -> None:
    runs = {}
    for at in ("wire", "tap"):
        file = tmp_path / f"{at}.pcapng"
        done = rxpath("replay", str(DEMO), "-w", str(file), "--at", at, "--json", "-q", *GRO_OFF)
        assert done.returncode == 0, done.stderr
        runs[at] = json.loads(done.stdout)
        with CaptureReader(str(file)) as reader:
            records = list(reader.records())
        ways = Counter(direction for _, _, _, _, direction in records)
        ledger = runs[at]["ledger"]
        if at == "wire":
            assert len(records) == ledger["wire"] + ledger["own"]["sent"]
        else:
            reached = next(s["in"] for s in ledger["stages"] if s["stage"] == "gro")
            assert ways[INBOUND] == reached and ways[OUTBOUND] == ledger["own"]["sent"]
            times = [record[0] for record in records]
            assert times == sorted(times)
    plain = json.loads(rxpath("replay", str(DEMO), "--json", "-q", *GRO_OFF).stdout)
    assert runs["wire"] == plain, "recording the wire has no effect"


def test_readers_go_to_the_following_cpus() -> None:
    words = ("load", "--count", "4k", "--rate", "400k", "--cpus", "4", "--flows", "64", "--json", "-q")
    shared = json.loads(rxpath(*words, "--listen", "udp:9,readers=3,cpu=1,cost=20us").stdout)
    assert [(s["cpu"], s["readers"]) for s in shared["sockets"]] == [(1, 3)]
    busy = [c["program_ns"] > 0 for c in shared["cpus"]]
    assert busy[1:] == [True, True, True]
    group = json.loads(rxpath(*words, "--listen", "udp:9,readers=3,cpu=2,reuseport").stdout)
    assert [s["cpu"] for s in group["sockets"]] == [2, 3, 0]
    assert all(s["read"] > 0 for s in group["sockets"])
    assert sum(s["read"] for s in group["sockets"]) == 4000
