"""Jiffies, the timer wheel (TIMER softirq), high-resolution timers (hard interrupt) and deferred work
(kworker).

Tickless: a CPU gets a local timer interrupt only when something is due on it.

The wheel of 4.8 and later never moves a timer between its levels, so it is late: by one tick, and the farther away the
coarser (kernel/time/timer.c calc_wheel_index, 6.1); that of 3.13 is exact.  From 6.9 on pinned timers have a wheel of
their own, which is looked at first (BASE_LOCAL; run_timer_softirq).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from rxpath.kernel.cpu import MODE_KTHREAD, VEC_LOCAL_TIMER, Cpu
from rxpath.kernel.sched import TASK_INTERRUPTIBLE, Task
from rxpath.kernel.softirq import TIMER_SOFTIRQ, SoftirqAction, raise_softirq_irqoff
from rxpath.sim.engine import Event

if TYPE_CHECKING:
    from rxpath.kernel.core import Kernel

LVL_CLK_SHIFT: Final = 3
LVL_SIZE: Final = 64


class TimerList:
    """`struct timer_list`: runs `fn()` in the TIMER softirq once jiffies reach `expires`."""

    __slots__ = ("kernel", "fn", "pinned", "expires", "bucket", "level", "event", "cpu_id", "queued", "life")

    def __init__(self, kernel: Kernel, fn: Callable[[], None], pinned: bool = False) -> None:
        self.kernel = kernel
        self.fn = fn
        self.pinned = pinned and kernel.timers.local_first  # TIMER_PINNED, where it has an effect
        self.expires = 0
        self.bucket = 0  # jiffies at which the wheel comes to it
        self.level = 0
        self.event: Event | None = None
        self.cpu_id = -1
        self.queued = False
        self.life = 0  # how often that CPU had died when the timer was armed

    def pending(self) -> bool:
        return self.queued

    def mod_timer(self, expires: int) -> None:
        """(Re)arm for absolute `expires` jiffies, on the CPU that runs now."""
        k = self.kernel
        bucket, level = k.timers.calc_wheel_index(expires)
        if self.queued and self.event is not None and (bucket, level) == (self.bucket, self.level):
            self.expires = expires
            return
        self.del_timer()
        self.expires = expires
        self.bucket = bucket
        self.level = level
        self.queued = True
        cur = k.engine.current
        self.cpu_id = cur.id if cur is not None else 0
        self.life = len(k.timers.heirs[self.cpu_id])
        t = k.jiffies_to_ns(bucket)
        # the tick that finds it is the first one at or after its bucket's, never the current one
        now = k.engine.now
        if t <= now:
            t = (now // k.tick_ns + 1) * k.tick_ns
        self.event = k.engine.at(t, self._due)

    def del_timer(self) -> bool:
        was = self.queued
        self.queued = False
        k = self.kernel
        k.engine.cancel(self.event)
        self.event = None
        q = k.timers.expired[self.cpu_id] if self.cpu_id >= 0 else None
        if q is not None and self in q:
            q.remove(self)
        return was

    def _due(self) -> None:
        self.event = None
        k = self.kernel
        self.cpu_id = heir(k.timers.heirs, self.cpu_id, self.life)
        cpu = k.cpus[self.cpu_id]
        q = k.timers.expired[cpu.id]
        at = len(q)
        if self.pinned:
            while at and not q[at - 1].pinned:
                at -= 1
        if k.timers.coarse:  # outer levels first, in a bucket the last one armed
            while at and q[at - 1].pinned == self.pinned:
                if q[at - 1].bucket != self.bucket or q[at - 1].level > self.level:
                    break
                at -= 1
        q.insert(at, self)
        if len(q) == 1:
            cpu.pend(VEC_LOCAL_TIMER)


class HrTimer:
    """`struct hrtimer`, pinned: runs `fn()` in the hard timer interrupt of CPU `cpu_id`."""

    __slots__ = ("kernel", "fn", "event", "cpu_id", "queued", "life")

    def __init__(self, kernel: Kernel, fn: Callable[[], None]) -> None:
        self.kernel = kernel
        self.fn = fn
        self.event: Event | None = None
        self.cpu_id = 0
        self.queued = False
        self.life = 0

    def start(self, ns: int) -> None:
        """Fire `ns` from now on the current CPU."""
        self.cancel()
        k = self.kernel
        cur = k.engine.current
        self.cpu_id = cur.id if cur is not None else 0
        self.life = len(k.timers.hr_heirs[self.cpu_id])
        self.queued = True
        self.event = k.engine.after(ns, self._due)

    def cancel(self) -> bool:
        was = self.queued
        self.queued = False
        self.kernel.engine.cancel(self.event)
        self.event = None
        q = self.kernel.timers.hr_expired[self.cpu_id]
        if self in q:
            q.remove(self)
        return was

    def _due(self) -> None:
        k = self.kernel
        self.event = None
        self.cpu_id = heir(k.timers.hr_heirs, self.cpu_id, self.life)
        cpu = k.cpus[self.cpu_id]
        q = k.timers.hr_expired[cpu.id]
        q.append(self)
        if len(q) == 1:
            cpu.pend(VEC_LOCAL_TIMER)


def heir(heirs: list[list[tuple[int, int]]], cpu_id: int, life: int) -> int:
    """The CPU to which the timers of that life of a CPU have come."""
    while life < len(heirs[cpu_id]):
        cpu_id, life = heirs[cpu_id][life]
    return cpu_id


class _TimerSoftirq(SoftirqAction):
    __slots__ = ("timers",)

    def __init__(self, timers: Timers) -> None:
        self.timers = timers

    def action(self, cpu: Cpu) -> None:
        self.timers.run_timer_softirq(cpu)


class Timers:
    """Expired timers by CPU, between the interrupt that found them and the softirq that runs them.

    `heirs`: for each CPU and each time it died, the (CPU, life of that CPU) that took its armed timers over; a timer
    is led there when it is due.
    """

    __slots__ = ("kernel", "coarse", "local_first", "expired", "hr_expired", "heirs", "hr_heirs")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.coarse = kernel.release.timer_wheel != "v3_13"
        self.local_first = kernel.release.timer_wheel == "v6_9"
        n = len(kernel.cpus)
        self.expired: list[list[TimerList]] = [[] for _ in range(n)]
        self.hr_expired: list[list[HrTimer]] = [[] for _ in range(n)]
        self.heirs: list[list[tuple[int, int]]] = [[] for _ in range(n)]
        self.hr_heirs: list[list[tuple[int, int]]] = [[] for _ in range(n)]

    def timers_dead_cpu(self, dead: Cpu, new: Cpu) -> None:
        """The wheel of a dead CPU is merged into that of the CPU that runs this."""
        self.heirs[dead.id].append((new.id, len(self.heirs[new.id])))
        q = self.expired[dead.id]
        for t in q:
            t.cpu_id = new.id
        if q:
            self.expired[new.id].extend(q)
            q.clear()
            new.pend(VEC_LOCAL_TIMER)

    def migrate_hrtimers(self, dead: Cpu, new: Cpu) -> None:
        """High-resolution timers go to another CPU, which looks at once at what is due."""
        self.hr_heirs[dead.id].append((new.id, len(self.hr_heirs[new.id])))
        q = self.hr_expired[dead.id]
        for t in q:
            t.cpu_id = new.id
        if q:
            self.hr_expired[new.id].extend(q)
            q.clear()
            new.pend(VEC_LOCAL_TIMER)

    def calc_wheel_index(self, expires: int) -> tuple[int, int]:
        """(jiffies of the bucket, level) of a timer that is armed now."""
        if not self.coarse:
            return expires, 0
        delta = expires - self.kernel.jiffies()
        if delta < 0:
            return expires, 0
        level = 0
        shift = 0
        while delta >= (LVL_SIZE - 1) << shift and level < 8:
            level += 1
            shift += LVL_CLK_SHIFT
        return ((expires >> shift) + 1) << shift, level

    def init(self) -> None:
        self.kernel.softirq.open_softirq(TIMER_SOFTIRQ, _TimerSoftirq(self))

    def sysvec_apic_timer_interrupt(self, cpu: Cpu) -> None:
        q = self.hr_expired[cpu.id]
        while q:
            t = q.pop(0)
            t.queued = False
            t.fn()
        if self.expired[cpu.id]:
            raise_softirq_irqoff(cpu, TIMER_SOFTIRQ)

    def run_timer_softirq(self, cpu: Cpu) -> None:
        q = self.expired[cpu.id]
        n = len(q)
        while q and n:
            n -= 1
            t = q.pop(0)
            t.queued = False
            t.fn()
        if q:
            raise_softirq_irqoff(cpu, TIMER_SOFTIRQ)


class Work:
    """`struct work_struct`: `fn()` in process context, on the kworker of the CPU that queued it."""

    __slots__ = ("fn", "queued")

    def __init__(self, fn: Callable[[], None]) -> None:
        self.fn = fn
        self.queued = False


class DelayedWork:
    """A work item behind a timer."""

    __slots__ = ("work", "timer", "kernel")

    def __init__(self, kernel: Kernel, fn: Callable[[], None]) -> None:
        self.kernel = kernel
        self.work = Work(fn)
        self.timer = TimerList(kernel, self._fire)

    def _fire(self) -> None:
        self.kernel.workqueue.schedule_work(self.work)

    def schedule(self, delay_jiffies: int) -> None:
        if self.timer.queued or self.work.queued:
            return
        if delay_jiffies <= 0:
            self.kernel.workqueue.schedule_work(self.work)
        else:
            self.timer.mod_timer(self.kernel.jiffies() + delay_jiffies)

    def cancel(self) -> None:
        self.timer.del_timer()
        self.kernel.workqueue.cancel_work(self.work)


class Workqueue:
    """The system workqueue: one kworker a CPU, made when first needed."""

    __slots__ = ("kernel", "queues", "workers")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.queues: list[list[Work]] = [[] for _ in kernel.cpus]
        self.workers: list[Task | None] = [None for _ in kernel.cpus]

    def schedule_work(self, work: Work) -> bool:
        if work.queued:
            return False
        work.queued = True
        k = self.kernel
        cur = k.engine.current
        cpu = k.cpus[cur.id if cur is not None else 0]
        self.queues[cpu.id].append(work)
        w = self.workers[cpu.id]
        if w is None:
            w = k.sched.create("kworker/%d:0" % cpu.id, cpu, lambda: self._worker(cpu.id), MODE_KTHREAD)
            w.bound = not cpu.balance_push
            self.workers[cpu.id] = w
        if w.bound and w.cpu is not cpu and w.state == TASK_INTERRUPTIBLE:
            at = w.cpu  # it left with its CPU and has rested elsewhere since
            if at.curr is not w and at.switching is not w:
                w.cpu = cpu
        k.sched.wake_up_process(w)
        return True

    def cancel_work(self, work: Work) -> None:
        if work.queued:
            work.queued = False
            for q in self.queues:
                if work in q:
                    q.remove(work)

    def workqueue_offline_cpu(self, cpu: Cpu) -> None:
        """Workers of a CPU that goes down are bound to it no longer: they finish its queue wherever they run."""
        w = self.workers[cpu.id]
        if w is not None:
            w.bound = False

    def workqueue_online_cpu(self, cpu: Cpu) -> None:
        """They are bound again: they come back when they are next given something to do."""
        w = self.workers[cpu.id]
        if w is not None:
            w.bound = True

    def _worker(self, cpu_id: int) -> None:
        k = self.kernel
        q = self.queues[cpu_id]
        while True:
            while q:
                w = q.pop(0)
                w.queued = False
                w.fn()
                k.cur().charge(0)
            me = self.workers[cpu_id]
            assert me is not None
            me.state = TASK_INTERRUPTIBLE
            if q:
                me.state = 0
                continue
            k.sched.sleep()
