"""A CPU as the kernel sees it: preempt counts, pending interrupts and softirqs, run queue, where its time
went.

What lives here: state and the rules when an interrupt may be taken and when a task may be preempted.  What does not:
interrupt flow (irq.py), the softirq loop (softirq.py), the choice of the next task (sched.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rxpath.sim.engine import Cpu as EngineCpu
from rxpath.sim.engine import Engine

if TYPE_CHECKING:
    from rxpath.kernel.core import Kernel
    from rxpath.kernel.sched import Task

MODE_IDLE: Final = 0
MODE_PROGRAM: Final = 1
MODE_KSOFTIRQD: Final = 2
MODE_SOFTIRQ: Final = 3
MODE_HARDIRQ: Final = 4
MODE_KTHREAD: Final = 5
MODE_NAMES: Final = ("idle", "program", "ksoftirqd", "softirq", "hardirq", "kthread")

NR_SOFTIRQS: Final = 10

# entries of `irq_pending` that are not device interrupts
VEC_LOCAL_TIMER: Final = -1
VEC_CALL_FUNCTION: Final = -2
VEC_RESCHEDULE: Final = -3


class Cpu(EngineCpu):
    """Per-CPU state; the engine's part (time, horizon, parking) is the base class."""

    __slots__ = (
        "kernel",
        "online",
        "active",
        "balance_push",
        "switching",
        "hardirq_count",
        "softirq_count",
        "preempt_off",
        "softirq_pending",
        "irq_pending",
        "need_resched",
        "rq",
        "curr",
        "idle",
        "ksoftirqd",
        "softirq_stat",
        "acct",
        "mode",
        "mode_since",
        "loc_count",
        "res_count",
        "cal_count",
        "csd_queue",
        "timer_queue",
        "irq_time",
        "depth",
        "max_depth",
        "slice_event",
        "min_vruntime",
        "serving_softirq",
    )

    def __init__(self, kernel: Kernel, engine: Engine, cpu_id: int) -> None:
        super().__init__(engine, cpu_id)
        self.kernel = kernel
        self.online = True
        self.active = True
        self.balance_push = False  # going down: tasks that are not this CPU's own leave it
        self.switching: Task | None = None  # being switched out; its stack is still in use
        self.hardirq_count = 0
        self.softirq_count = 0  # BH-disabled depth, the serving softirq loop included
        self.preempt_off = 0
        self.softirq_pending = 0
        self.irq_pending: list[int] = []
        self.need_resched = False
        self.rq: list[Task] = []  # runnable tasks but the current one
        self.curr: Task | None = None
        self.idle: Task | None = None
        self.ksoftirqd: Task | None = None
        self.softirq_stat = [0] * NR_SOFTIRQS
        self.acct = [0] * len(MODE_NAMES)
        self.mode = MODE_IDLE
        self.mode_since = 0
        self.loc_count = 0
        self.res_count = 0
        self.cal_count = 0
        self.csd_queue: list[object] = []
        self.timer_queue: list[object] = []
        self.irq_time = 0
        self.depth = 0
        self.max_depth = 0
        self.slice_event: object = None
        self.min_vruntime = 0
        self.serving_softirq = False

    # --- modes ----------------------------------------------------------------------------------------------
    def set_mode(self, mode: int) -> int:
        """Book the time since the last change to the old mode; returns the old mode."""
        now = self.engine.now
        old = self.mode
        self.acct[old] += now - self.mode_since
        self.mode_since = now
        self.mode = mode
        return old

    def in_interrupt(self) -> bool:
        """hardirq, softirq being served, or bottom halves off (Linux's in_interrupt())."""
        return self.hardirq_count > 0 or self.softirq_count > 0

    # --- interrupts -----------------------------------------------------------------------------------------
    def pend(self, vector: int) -> None:
        """An interrupt arrived; it is taken at the next charge or when interrupts are enabled."""
        self.irq_pending.append(vector)
        self.need_attention()

    def tick(self) -> None:
        """The periodic tick, where it still is needed."""
        if self.online and self.softirq_pending and VEC_LOCAL_TIMER not in self.irq_pending:
            self.pend(VEC_LOCAL_TIMER)

    def take_interrupts(self) -> None:
        """Take what is pending, then hand the CPU over when somebody deserves it (engine hook)."""
        while True:
            if self.irq_pending and self.irqs_off == 0 and self.hardirq_count == 0:
                self.kernel.irq.common_interrupt(self, self.irq_pending.pop(0))
            elif self.need_resched and self.preemptible():
                self.kernel.sched.schedule(self)
                if self.engine.current is not self:  # the task that called goes on elsewhere
                    return
            else:
                return

    def preemptible(self) -> bool:
        return (
            self.softirq_count == 0
            and self.preempt_off == 0
            and self.hardirq_count == 0
            and self.irqs_off == 0
            and self.curr is not self.idle
        )

    def local_irq_disable(self) -> None:
        self.irqs_off += 1

    def local_irq_enable(self) -> None:
        """Realise the time that accrued; what waited is taken at once."""
        self.irqs_off -= 1
        if self.irqs_off == 0:
            if self.accrued:
                n = self.accrued
                self.accrued = 0
                if self.hardirq_count:
                    self.accrued = n
                else:
                    self.charge(n)
            elif self.attention and self.hardirq_count == 0:
                self.attention = False
                self.take_interrupts()

    # --- bottom halves --------------------------------------------------------------------------------------
    def local_bh_disable(self) -> None:
        self.softirq_count += 1

    def local_bh_enable(self) -> None:
        """Reaching zero outside of interrupts runs what is pending (Linux: do_softirq)."""
        self.softirq_count -= 1
        if self.softirq_count == 0 and self.hardirq_count == 0:
            if self.softirq_pending and self.irqs_off == 0:
                self.kernel.softirq.do_softirq(self)
            if self.need_resched:
                self.attention = True
                if self.irqs_off == 0:
                    self.engine.horizon = 0

    def accrued_or_charge(self, n: int) -> None:
        """Time spent by code that may or may not run with interrupts off or in a hard interrupt."""
        if self.irqs_off or self.hardirq_count:
            self.accrued += n
        else:
            self.charge(n)

    # --- callers between two runs ---------------------------------------------------------------------------
    def enter_from_outside(self) -> None:
        """Whoever calls between two runs acts as this CPU with interrupts off, until `leave_to_outside`."""
        self.engine.current = self
        self.irqs_off += 1

    def leave_to_outside(self) -> None:
        """What was raised meanwhile waits for the next run, and so does the time that it cost."""
        self.irqs_off -= 1
        self.engine.current = None
        if self.attention or self.softirq_pending:
            self.need_attention()

    def resched_curr(self) -> None:
        """Somebody should run here instead of the current task."""
        if not self.need_resched:
            self.need_resched = True
            self.need_attention()
