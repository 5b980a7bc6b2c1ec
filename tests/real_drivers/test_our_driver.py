"""Our e1000e and Linux 6.1's own, each on our 82574L: same frames at the same virtual times, same accesses,
same polls.

No CPU costs, one CPU, the guest's HZ; keys and ring addresses are masked.  What differs is explained in
docs/differences.md.
"""

from __future__ import annotations

import random
import re
from typing import Any

import bench as b
import pytest
from bench import Bench
from tests.drivers.host import MAC, Host, frame

from rxpath.hw.nic.i82574 import I82574
from rxpath.hw.regs import i82574 as r

WHY = b.missing()
pytestmark = [
    pytest.mark.real_driver,
    pytest.mark.skipif(bool(WHY), reason=WHY),
    pytest.mark.xdist_group("real_drivers"),
]

Access = tuple[int, str, str, int]
HZ = 100  # the guest's
SETTLE_S = 20
QUIET_NS = 60_000_000
MASKED = ("RDBAL", "RDBAH", "TDBAL", "TDBAH", "RSSRK", "SYSTIM")


class Logged(I82574):
    """An 82574L that remembers every access of its registers: (time, R or W, name, value)."""

    def __init__(self) -> None:
        super().__init__(MAC)
        self.log: list[Access] = []

    def _note(self, kind: str, off: int, value: int) -> None:
        name = r.NAMES.get(off, hex(off))
        self.log.append((self.bus.now_ns(), kind, name, 0 if name.startswith(MASKED) else value))

    def mmio_read(self, bar: int, off: int, size: int) -> int:
        v = super().mmio_read(bar, off, size)
        if bar == 0:
            self._note("R", off, v)
        return v

    def mmio_write(self, bar: int, off: int, size: int, value: int) -> None:
        if bar == 0:
            self._note("W", off, value)
        super().mmio_write(bar, off, size, value)

    def take(self) -> list[Access]:
        out, self.log = self.log, []
        return out


def traffic(seed: int) -> list[tuple[int, bytes]]:
    """Frames that nobody asks for, with times in ns: all paces, both sides of copybreak, and a burst that
    overflows the ring.
    """
    rnd = random.Random(seed)
    out: list[tuple[int, bytes]] = []
    t = 0
    for i in range(300):
        t += rnd.choice([1000, 5000, 20_000, 100_000, 400_000])
        out.append((t, frame(rnd.choice([60, 100, 255, 256, 600, 1514]), fill=i)))
    t += 2_000_000
    out += [(t, frame(rnd.choice([60, 1514]), fill=i)) for i in range(330)]
    for i in range(100):
        t += 50_000
        out.append((t, frame(300, fill=i)))
    return out


def start(now: int) -> int:
    """Between two beats of the watchdog."""
    return (now // 1_000_000_000 + 1) * 1_000_000_000 + 300_000_000


class Result:
    """What one driver did: accesses of probe and of the receive path (times from its start), polls, frames."""

    def __init__(self) -> None:
        self.probe: list[Access] = []
        self.receive: list[Access] = []
        self.polls: list[int] = []
        self.packets = 0
        self.missed = 0


def the_real_one(mode: int, frames: list[tuple[int, bytes]]) -> Result:
    res = Result()
    model = Logged()
    with Bench(model, cmdline=("e1000e.IntMode=%d" % mode,)) as bench:
        bench.sh("true")
        res.probe = model.take()
        bench.sh("ip link set eth0 up; mount -t tracefs none /sys/kernel/tracing")
        bench.run(SETTLE_S)
        bench.sh("cd /sys/kernel/tracing; echo 1 > events/napi/napi_poll/enable; echo > trace")
        before = bench.stats()
        t0 = start(bench.backend.time)
        for t, f in frames:
            bench.backend.at(t0 + t, bench._deliver, f)
        bench.backend.advance(t0 - 1, wall_timeout=300)
        model.take()
        bench.backend.advance(t0 + frames[-1][0] + QUIET_NS, wall_timeout=300)
        res.receive = [(t - t0, k, n, v) for t, k, n, v in model.take()]
        trace = bench.sh("cat /sys/kernel/tracing/trace")
        after = bench.stats()
        res.packets = after["rx_packets"] - before["rx_packets"]
        res.missed = after["rx_missed_errors"] - before["rx_missed_errors"]
    works = [int(w) for w in re.findall(r"for device eth0 work (\d+) budget 64", trace)]
    res.polls = works
    return res


def ours(mode: int, frames: list[tuple[int, bytes]]) -> Result:
    res = Result()

    def plugged(i: int) -> Logged:
        m = Logged()
        m.link_change(True)
        return m

    h = Host(hz=HZ, params={"IntMode": str(mode)}, model=plugged)
    h.kernel.costs.softirq_dispatch = _Free()
    model: Any = h.models[0]
    res.probe = model.take()
    h.up()
    h.run(SETTLE_S * 1_000_000_000)
    before = h.adapter().stats.gprc
    eng = h.kernel.engine
    t0 = start(eng.now)
    for t, f in frames:
        eng.at(t0 + t, _Arrival(model, f))
    eng.run(t0 - 1)
    model.take()
    h.kernel.trace.napi_poll.attach(lambda tp, cpu, t, v: res.polls.append(v[2]))
    eng.run(t0 + frames[-1][0] + QUIET_NS)
    res.receive = [(t - t0, k, n, v) for t, k, n, v in model.take()]
    from rxpath.net.core.ethtool import ethtool_get_stats

    s = dict(ethtool_get_stats(h.dev()))
    res.packets = s["rx_packets"] - before
    res.missed = s["rx_missed_errors"]
    return res


class _Free(int):
    """No nanosecond, and yet a point where interrupts are taken: softirqs begin by enabling them."""

    def __bool__(self) -> bool:
        return True


class _Arrival:
    def __init__(self, model: Any, data: bytes) -> None:
        self.model = model
        self.data = data

    def __call__(self) -> None:
        self.model.receive(self.data, None, True)


@pytest.mark.parametrize("mode", [2, 1, 0])
def test_same_frames_same_accesses_same_polls(mode: int) -> None:
    frames = traffic(mode)
    real, mine = the_real_one(mode, frames), ours(mode, frames)
    assert [a[1:] for a in mine.probe if a[2] != "STATUS"] == [a[1:] for a in real.probe if a[2] != "STATUS"]
    assert len(mine.probe) > 800
    assert mine.packets == real.packets > 600 and mine.missed == real.missed > 0
    assert [a[1:] for a in mine.receive] == [a[1:] for a in real.receive]
    # the guest's delays and its handling of a second message are all that takes time there
    late = [abs(x[0] - y[0]) for x, y in zip(mine.receive, real.receive, strict=True)]
    assert max(late) <= 20_000 and sum(t > 0 for t in late) * 10 < len(late)
    assert mine.polls == real.polls[-len(mine.polls) :]
    assert sum(mine.polls) == mine.packets
