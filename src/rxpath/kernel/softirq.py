"""Softirqs: raise, irq exit, the loop with its restart limits, ksoftirqd and who owns softirqs in which
release.

Facts: kernel/softirq.c of 3.13, 5.15, 6.1, 6.12.  Ten vectors: TIMER, NET_TX, NET_RX, SCHED and HRTIMER do work here
or may be opened by whoever needs them; HI, BLOCK, IRQ_POLL, TASKLET and RCU are there to be counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rxpath.kernel.cpu import MODE_SOFTIRQ, NR_SOFTIRQS, Cpu
from rxpath.kernel.sched import TASK_INTERRUPTIBLE, TASK_RUNNING

if TYPE_CHECKING:
    from rxpath.kernel.core import Kernel

HI_SOFTIRQ: Final = 0
TIMER_SOFTIRQ: Final = 1
NET_TX_SOFTIRQ: Final = 2
NET_RX_SOFTIRQ: Final = 3
BLOCK_SOFTIRQ: Final = 4
IRQ_POLL_SOFTIRQ: Final = 5
TASKLET_SOFTIRQ: Final = 6
SCHED_SOFTIRQ: Final = 7
HRTIMER_SOFTIRQ: Final = 8
RCU_SOFTIRQ: Final = 9

MAX_SOFTIRQ_RESTART: Final = 10
_SOFTIRQ_NOW_MASK: Final = (1 << HI_SOFTIRQ) | (1 << TASKLET_SOFTIRQ)


class SoftirqAction:
    """Subclass and implement `action` (runs on `cpu`, interrupts on, bottom halves off)."""

    __slots__ = ()

    def action(self, cpu: Cpu) -> None:
        """Counting vectors do nothing."""


class Softirqs:
    """The vectors of one kernel."""

    __slots__ = ("kernel", "vec", "max_time_jiffies", "defer_to_ksoftirqd", "threadirqs")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.vec: list[SoftirqAction] = [SoftirqAction() for _ in range(NR_SOFTIRQS)]
        self.max_time_jiffies = (2 * kernel.hz + 999) // 1000  # msecs_to_jiffies(2)
        self.defer_to_ksoftirqd = kernel.release.softirq_defer_to_ksoftirqd
        self.threadirqs = False

    def open_softirq(self, nr: int, action: SoftirqAction) -> None:
        self.vec[nr] = action

    def invoke_softirq(self, cpu: Cpu) -> None:
        if self.defer_to_ksoftirqd and ksoftirqd_running(cpu):
            return
        if self.threadirqs:
            wakeup_softirqd(cpu)
            return
        handle_softirqs(cpu)

    def do_softirq(self, cpu: Cpu) -> None:
        """From process context, when bottom halves are enabled again."""
        if cpu.in_interrupt() or not cpu.softirq_pending:
            return
        if self.defer_to_ksoftirqd and ksoftirqd_running(cpu):
            return
        handle_softirqs(cpu)


def ksoftirqd_running(cpu: Cpu) -> bool:
    """4.9 to 6.4: this CPU's ksoftirqd is runnable and nothing urgent is pending."""
    if cpu.softirq_pending & _SOFTIRQ_NOW_MASK:
        return False
    t = cpu.ksoftirqd
    return t is not None and t.state == TASK_RUNNING and not t.should_park


def __raise_softirq_irqoff(cpu: Cpu, nr: int) -> None:
    """Set the pending bit; nothing else."""
    tp = cpu.kernel.trace.softirq_raise
    if tp.on:
        tp.fire(nr)
    cpu.softirq_pending |= 1 << nr


def raise_softirq_irqoff(cpu: Cpu, nr: int) -> None:
    """Set the pending bit; outside of interrupts and with bottom halves on, wake ksoftirqd."""
    __raise_softirq_irqoff(cpu, nr)
    if cpu.hardirq_count == 0 and cpu.softirq_count == 0:
        wakeup_softirqd(cpu)


def wakeup_softirqd(cpu: Cpu) -> None:
    t = cpu.ksoftirqd
    if t is not None and t.state != TASK_RUNNING:
        cpu.kernel.sched.wake_up_process(t)


def handle_softirqs(cpu: Cpu) -> None:
    """The loop (3.13 to 6.1: __do_softirq): at most 10 passes, 2 ms, and while no task deserves the CPU."""
    k = cpu.kernel
    soft = k.softirq
    vec = soft.vec
    trace = k.trace
    end = k.jiffies() + soft.max_time_jiffies
    max_restart = MAX_SOFTIRQ_RESTART
    pending = cpu.softirq_pending
    old_mode = cpu.set_mode(MODE_SOFTIRQ) if cpu.curr is not cpu.ksoftirqd else -1
    cpu.softirq_count += 1
    cpu.serving_softirq = True
    cpu.depth += 1
    if cpu.depth > cpu.max_depth:
        cpu.max_depth = cpu.depth
    stat = cpu.softirq_stat
    cost = k.costs.softirq_dispatch
    while True:
        cpu.softirq_pending = 0
        if cost:
            cpu.charge(cost)
        elif cpu.attention:  # interrupts are on from here
            cpu.charge(0)
        nr = 0
        while pending:
            if pending & 1:
                stat[nr] += 1
                if trace.softirq_entry.on:
                    trace.softirq_entry.fire(nr)
                vec[nr].action(cpu)
                if trace.softirq_exit.on:
                    trace.softirq_exit.fire(nr)
            pending >>= 1
            nr += 1
        if k.real_time:
            k.pump()
        pending = cpu.softirq_pending
        if not pending:
            break
        max_restart -= 1
        if not (k.jiffies() < end and not cpu.need_resched and max_restart):
            wakeup_softirqd(cpu)
            break
    cpu.depth -= 1
    cpu.serving_softirq = False
    cpu.softirq_count -= 1
    if old_mode >= 0:
        cpu.set_mode(old_mode)


def run_ksoftirqd(cpu: Cpu) -> None:
    if cpu.softirq_pending:
        handle_softirqs(cpu)
        cpu.kernel.sched.cond_resched(cpu)


def ksoftirqd_should_run(cpu: Cpu) -> bool:
    return cpu.softirq_pending != 0


def smpboot_thread_fn(cpu: Cpu) -> None:
    """The loop of a per-CPU thread, for ksoftirqd: run while there is something to do, else sleep."""
    k = cpu.kernel
    me = cpu.ksoftirqd
    assert me is not None
    while True:
        me.state = TASK_INTERRUPTIBLE
        if me.should_park:
            me.state = TASK_RUNNING
            k.sched.kthread_parkme(me)
        elif not ksoftirqd_should_run(cpu):
            k.sched.sleep()
        else:
            me.state = TASK_RUNNING
            run_ksoftirqd(cpu)


def takeover_tasklets(k: Kernel) -> None:
    """A dead CPU's tasklets would be appended to the lists of this one (there are none); both vectors are raised."""
    cpu = k.cur()
    cpu.local_irq_disable()
    raise_softirq_irqoff(cpu, TASKLET_SOFTIRQ)
    raise_softirq_irqoff(cpu, HI_SOFTIRQ)
    cpu.local_irq_enable()


def spawn_ksoftirqd(k: Kernel) -> None:
    """early_initcall: one thread a CPU, through smpboot_register_percpu_thread."""
    for cpu in k.cpus:
        k.smpboot_register_percpu_thread(cpu)
