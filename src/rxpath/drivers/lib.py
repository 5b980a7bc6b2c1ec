"""What Linux's headers give every driver: delays and small helpers that are not of one driver.

Delays: a task sleeps; code that may not sleep spends the time; outside of any CPU (a machine between two runs) the
engine runs on until the time has passed.  In real time, without anybody who waits for the clock, they return at once:
a modelled device needs no settling.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rxpath.kernel.core import Kernel
from rxpath.kernel.sched import TASK_INTERRUPTIBLE, TASK_RUNNING

if TYPE_CHECKING:
    from rxpath.net.core.skbuff import SkBuff


def sleep_ns(kernel: Kernel, ns: int) -> None:
    """Let `ns` nanoseconds pass in whatever context this is."""
    eng = kernel.engine
    if eng.current is None:
        if eng.hub is None and not eng.in_event and (not kernel.real_time or eng.waiter is not None):
            stop = eng.stop
            eng.run(eng.now + ns)
            eng.stop = stop
        return
    cpu = kernel.cur()
    t = cpu.curr
    if t is None or t is cpu.idle or cpu.in_interrupt() or cpu.irqs_off or cpu.preempt_off:
        cpu.accrued_or_charge(ns)
        return
    end = eng.now + ns
    while eng.now < end:
        t.state = TASK_INTERRUPTIBLE
        kernel.sched.sleep(end - eng.now)
        t.state = TASK_RUNNING


def msleep(kernel: Kernel, ms: int) -> None:
    """At least `ms` milliseconds."""
    sleep_ns(kernel, ms * 1_000_000)


def usleep_range(kernel: Kernel, lo: int, hi: int) -> None:
    """Between `lo` and `hi` microseconds; here always `lo`."""
    sleep_ns(kernel, lo * 1000)


def udelay(kernel: Kernel, us: int) -> None:
    """Busy-wait; free of charge on a machine that charges no CPU time."""
    if kernel.costs.enabled and kernel.engine.current is not None:
        kernel.cur().accrued_or_charge(us * 1000)


def skb_clone_tx_timestamp(skb: SkBuff) -> None:
    """net/core/timestamping.c: a PHY that stamps would get a clone; there is none."""


def is_valid_ether_addr(addr: bytes) -> bool:
    return len(addr) == 6 and not addr[0] & 1 and addr != b"\0" * 6


def format_mac(addr: bytes) -> str:
    return ":".join("%02x" % b for b in addr)


def round_jiffies(kernel: Kernel, j: int) -> int:
    """`j`, moved to a full second of jiffies (skewed by the CPU), so that timers of many devices expire
    together.
    """
    cur = kernel.engine.current
    skew = (cur.id if cur is not None else 0) * 3
    hz = kernel.hz
    original = j
    j += skew
    rem = j % hz
    j = j - rem if rem < hz // 4 else j - rem + hz
    j -= skew
    return j if j > kernel.jiffies() else original
