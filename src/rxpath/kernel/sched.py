"""Tasks and the run queue: a minimal rule in the manner of CFS.

The rule, all of it: every CPU runs the runnable task with the least virtual run time (ties: who was queued first); a
task that shares its CPU runs for `SLICE_NS`; a woken task starts at no less than the CPU's least virtual time minus
`WAKEUP_BONUS_NS`, and takes the CPU at once when it is behind the current task by more than `WAKEUP_GRANULARITY_NS`.
Tasks stay on their CPU unless it goes down (hotplug.py); nothing balances.  No nice levels.  (kernel/sched/fair.c:
least vruntime, sched_min_granularity, wake-up preemption.)
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from greenlet import GreenletExit, getcurrent, greenlet

from rxpath.kernel.cpu import MODE_IDLE, MODE_KTHREAD, MODE_PROGRAM, Cpu
from rxpath.kernel.errno import EINTR, linux_error
from rxpath.sim.engine import Event

if TYPE_CHECKING:
    from rxpath.kernel.core import Kernel

TASK_RUNNING: Final = 0
TASK_INTERRUPTIBLE: Final = 1
TASK_DEAD: Final = 2
TASK_PARKED: Final = 3

SLICE_NS: Final = 3_000_000
WAKEUP_BONUS_NS: Final = 3_000_000
WAKEUP_GRANULARITY_NS: Final = 1_000_000
RECURSION_LIMIT: Final = 200_000


class Task:
    """A kernel thread or a user program: a green thread that belongs to one CPU."""

    __slots__ = (
        "pid",
        "name",
        "cpu",
        "fn",
        "green",
        "state",
        "vruntime",
        "exec_start",
        "mode",
        "on_rq",
        "error",
        "killed",
        "sum_exec",
        "joiners",
        "result",
        "timed_out",
        "bound",
        "stopper",
        "allowed",
        "should_park",
        "should_stop",
        "parked",
    )

    def __init__(self, pid: int, name: str, cpu: Cpu, fn: Callable[[], Any], mode: int) -> None:
        self.pid = pid
        self.name = name
        self.cpu = cpu
        self.fn = fn
        self.green: greenlet | None = None
        self.state = TASK_INTERRUPTIBLE
        self.vruntime = 0
        self.exec_start = 0
        self.sum_exec = 0
        self.mode = mode
        self.on_rq = False
        self.error: BaseException | None = None
        self.killed = False
        self.joiners: list[Task] = []
        self.result: Any = None
        self.timed_out = False
        self.bound = False  # a per-CPU kernel thread: it never leaves its CPU
        self.stopper = False  # of the stop class: before everybody else
        self.allowed = 1 << cpu.id if mode == MODE_PROGRAM else -1
        self.should_park = False
        self.should_stop = False
        self.parked: Completion | None = None

    def __repr__(self) -> str:
        return f"Task({self.pid} {self.name} cpu{self.cpu.id})"


class Completion:
    """`struct completion`: tasks wait until somebody has called `complete`."""

    __slots__ = ("sched", "done", "waiters")

    def __init__(self, sched: Scheduler) -> None:
        self.sched = sched
        self.done = False
        self.waiters: list[Task] = []

    def complete(self) -> None:
        self.done = True
        waiters = self.waiters
        self.waiters = []
        for t in waiters:
            self.sched.wake_up_process(t)

    def wait(self) -> None:
        """wait_for_completion, by the task that runs."""
        while not self.done:
            me = self.sched.current()
            self.waiters.append(me)
            me.state = TASK_INTERRUPTIBLE
            self.sched.sleep()


class Scheduler:
    """Makes tasks and decides who runs."""

    __slots__ = ("kernel", "tasks", "next_pid", "root")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.tasks: list[Task] = []
        self.next_pid = 1
        # a new green thread begins at the depth of whoever starts it: many tasks started from each other add up to a
        # depth that no stack has
        if sys.getrecursionlimit() < RECURSION_LIMIT:
            sys.setrecursionlimit(RECURSION_LIMIT)
        self.root = getcurrent()  # parent of all: a green thread made inside another must not be its child

    # --- making ---------------------------------------------------------------------------------------------
    def create(self, name: str, cpu: Cpu, fn: Callable[[], Any], mode: int = MODE_PROGRAM) -> Task:
        """A new sleeping task; `wake_up_process` starts it."""
        t = Task(self.next_pid, name, cpu, fn, mode)
        self.next_pid += 1
        self.tasks.append(t)
        t.green = greenlet(lambda *a: self._main(t), self.root)
        return t

    def make_idle(self, cpu: Cpu) -> None:
        t = Task(0, "swapper/%d" % cpu.id, cpu, lambda: None, MODE_IDLE)
        t.state = TASK_RUNNING
        t.green = greenlet(lambda *a: self._idle_loop(cpu), self.root)
        cpu.idle = t
        cpu.curr = t
        cpu.resume = t.green

    def _main(self, t: Task) -> None:
        try:
            t.result = t.fn()
        except GreenletExit:
            t.killed = True
        except BaseException as e:
            t.error = e
            self.kernel.task_failed(t, e)
        t.state = TASK_DEAD
        if t in self.tasks:
            self.tasks.remove(t)
        for j in t.joiners:
            self.wake_up_process(j)
        if t.killed or self.kernel.closing:
            return
        cpu = t.cpu
        self._update_curr(cpu)
        nxt = self._pick(cpu)
        self._switch_in(cpu, nxt)
        me = getcurrent()
        assert nxt.green is not None
        me.parent = nxt.green  # a finished green thread passes control to its parent: the next task

    def _idle_loop(self, cpu: Cpu) -> None:
        while True:
            if not cpu.online:
                self.kernel.hotplug.cpuhp_report_idle_dead(cpu)
                while not cpu.online:
                    cpu.idle_wait()
            cpu.attention = False
            cpu.take_interrupts()
            if cpu.rq:
                self.schedule(cpu)
                continue
            cpu.need_resched = False
            if cpu.irqs_off == 0 and (cpu.attention or cpu.irq_pending):
                continue
            if cpu.softirq_pending and cpu.irqs_off == 0:
                # raised outside of interrupts: an idle CPU keeps its tick until the next one has run it
                tick = self.kernel.tick_ns
                cpu.engine.at((cpu.engine.now // tick + 1) * tick, cpu.tick)
            cpu.idle_wait()

    # --- choosing -------------------------------------------------------------------------------------------
    def _update_curr(self, cpu: Cpu) -> None:
        c = cpu.curr
        if c is None or c is cpu.idle:
            return
        now = cpu.engine.now
        d = now - c.exec_start
        c.exec_start = now
        c.vruntime += d
        c.sum_exec += d

    def _pick(self, cpu: Cpu) -> Task:
        rq = cpu.rq
        if not rq:
            assert cpu.idle is not None
            return cpu.idle
        best = rq[0]
        for t in rq:
            if t.vruntime < best.vruntime:
                best = t
            if t.stopper:
                best = t
                break
        rq.remove(best)
        best.on_rq = False
        if best.vruntime > cpu.min_vruntime:
            cpu.min_vruntime = best.vruntime
        return best

    def _switch_in(self, cpu: Cpu, nxt: Task) -> None:
        tp = self.kernel.trace.sched_switch
        if tp.on:
            tp.fire(cpu.curr, nxt)
        cpu.curr = nxt
        nxt.exec_start = cpu.engine.now
        cpu.set_mode(nxt.mode)
        self._arm_slice(cpu)

    def _arm_slice(self, cpu: Cpu) -> None:
        """A tick matters only while somebody else wants this CPU (NO_HZ otherwise)."""
        ev = cpu.slice_event
        if isinstance(ev, Event):
            cpu.engine.cancel(ev)
        cpu.slice_event = None
        if cpu.rq and cpu.curr is not cpu.idle:

            def expire() -> None:
                cpu.slice_event = None
                if cpu.rq:
                    cpu.resched_curr()

            cpu.slice_event = cpu.engine.after(SLICE_NS, expire)

    def schedule(self, cpu: Cpu) -> None:
        """Switch to the next task; returns when the calling task is chosen again.

        Legal only at preempt count 0 (asserted): not from hard or soft interrupts nor with bottom halves off.
        """
        assert cpu.hardirq_count == 0 and cpu.softirq_count == 0 and cpu.irqs_off == 0, "scheduling while atomic"
        prev = cpu.curr
        assert prev is not None
        self._update_curr(cpu)
        cpu.need_resched = False
        pushed = False
        if prev.state == TASK_RUNNING and prev is not cpu.idle:
            if cpu.balance_push and not prev.bound:
                pushed = True
            else:
                cpu.rq.append(prev)
                prev.on_rq = True
        nxt = self._pick(cpu)
        if nxt is prev:
            prev.exec_start = cpu.engine.now
            self._arm_slice(cpu)
            return
        cost = self.kernel.costs.context_switch
        self._switch_in(cpu, nxt)
        if pushed:
            self._activate(prev, self.select_fallback_rq(prev))
        elif cost:
            cpu.switching = prev
            cpu.preempt_off += 1
            cpu.charge(cost)
            cpu.preempt_off -= 1
            cpu.switching = None
        assert nxt.green is not None
        nxt.green.switch()
        # prev runs again

    def cond_resched(self, cpu: Cpu) -> None:
        if cpu.need_resched and cpu.preemptible():
            self.schedule(cpu)

    # --- waking and sleeping --------------------------------------------------------------------------------
    def wake_up_process(self, t: Task) -> bool:
        """try_to_wake_up: True when the task was asleep.  It is queued on its own CPU."""
        if t.state != TASK_INTERRUPTIBLE:
            return False
        t.state = TASK_RUNNING
        cpu = t.cpu
        if cpu.curr is t:  # it is on its way to sleep and has not left the CPU yet
            return True
        if cpu.balance_push and not t.bound and cpu.switching is not t:
            cpu = self.select_fallback_rq(t)
        tp = self.kernel.trace.sched_wakeup
        if tp.on:
            tp.fire(t, cpu.id)
        self._activate(t, cpu)
        return True

    def _activate(self, t: Task, cpu: Cpu) -> None:
        """Queue a runnable task on a CPU; it takes the CPU at once when it deserves to."""
        if t.cpu is not cpu:
            t.vruntime += cpu.min_vruntime - t.cpu.min_vruntime
            t.cpu = cpu
        self._update_curr_remote(cpu)
        floor = cpu.min_vruntime - WAKEUP_BONUS_NS
        if t.vruntime < floor:
            t.vruntime = floor
        cpu.rq.append(t)
        t.on_rq = True
        c = cpu.curr
        if c is cpu.idle or c is None:
            if not cpu.need_resched:
                if self.kernel.engine.current is not cpu:
                    cpu.res_count += 1
                cpu.resched_curr()
        elif t.vruntime + WAKEUP_GRANULARITY_NS < c.vruntime or t.stopper:
            cpu.resched_curr()
        elif cpu.slice_event is None:
            self._arm_slice(cpu)

    # --- CPUs that go down --------------------------------------------------------------------------------------
    def select_fallback_rq(self, t: Task) -> Cpu:
        """Where a task goes whose CPU is going: the first active CPU that it is allowed on; if there is none its
        affinity is broken, and for programs the log says so.
        """
        for widened in (False, True):
            for c in self.kernel.cpus:
                if c.online and not c.balance_push and t.allowed >> c.id & 1:
                    return c
            if not widened:
                t.allowed = -1
                if t.mode == MODE_PROGRAM:
                    self.kernel.log.printk(
                        4, "process %d (%s) no longer affine to cpu%d" % (t.pid, t.name[:15], t.cpu.id)
                    )
        raise AssertionError("no active CPU")

    def push_tasks(self, cpu: Cpu) -> None:
        """Runnable tasks that are not this CPU's own go elsewhere."""
        for t in [t for t in cpu.rq if not t.bound]:
            cpu.rq.remove(t)
            self._activate(t, self.select_fallback_rq(t))

    def kthread_park(self, t: Task) -> None:
        """Ask a per-CPU thread to park and wait until it has."""
        done = Completion(self)
        t.parked = done
        t.should_park = True
        self.wake_up_process(t)
        done.wait()

    def kthread_parkme(self, t: Task) -> None:
        """The thread itself: rest until `kthread_unpark`."""
        while t.should_park:
            t.state = TASK_PARKED
            done = t.parked
            t.parked = None
            if done is not None:
                done.complete()
            self.sleep()
            t.state = TASK_RUNNING

    def kthread_stop(self, t: Task) -> None:
        """Tell a kernel thread to end; it does at its next look."""
        t.should_stop = True
        self.wake_up_process(t)

    def kthread_unpark(self, t: Task) -> None:
        t.should_park = False
        if t.state == TASK_PARKED:
            t.state = TASK_INTERRUPTIBLE
            self.wake_up_process(t)

    def _update_curr_remote(self, cpu: Cpu) -> None:
        if self.kernel.engine.current is cpu:
            self._update_curr(cpu)
            c = cpu.curr
            if c is not None and c is not cpu.idle and c.vruntime > cpu.min_vruntime:
                low = c.vruntime
                for t in cpu.rq:
                    if t.vruntime < low:
                        low = t.vruntime
                if low > cpu.min_vruntime:
                    cpu.min_vruntime = low

    def current(self) -> Task:
        """The task that runs now."""
        cpu: Cpu = self.kernel.engine.current
        assert cpu.curr is not None
        return cpu.curr

    def sleep(self, timeout_ns: int = -1) -> bool:
        """Sleep in state TASK_INTERRUPTIBLE (set by the caller) until woken; False when the time ran out
        first.
        """
        cpu: Cpu = self.kernel.engine.current
        t = cpu.curr
        assert t is not None
        if cpu.softirq_count or cpu.hardirq_count:
            raise AssertionError("sleeping in atomic context")
        if t.state == TASK_RUNNING:
            return True
        if timeout_ns == 0:
            t.state = TASK_RUNNING
            return False
        ev: Event | None = None
        t.timed_out = False
        if timeout_ns > 0:

            def fire() -> None:
                t.timed_out = True
                self.wake_up_process(t)

            ev = cpu.engine.after(timeout_ns, fire)
        self.schedule(cpu)
        self.kernel.engine.cancel(ev)
        if t.killed:
            raise linux_error(EINTR)
        return not t.timed_out

    def busy_programs(self) -> bool:
        """Whether a user program runs or wants to."""
        return any(t.mode == MODE_PROGRAM and t.state == TASK_RUNNING for t in self.tasks)

    def kill_programs(self) -> None:
        """User programs end by GreenletExit; kernel threads stay.  Called from the hub."""
        for t in list(self.tasks):
            if t.mode != MODE_PROGRAM:
                continue
            cpu = t.cpu
            if t in cpu.rq:
                cpu.rq.remove(t)
            g = t.green
            t.killed = True
            if cpu.curr is t or cpu.resume is g:  # parked inside a charge, perhaps that of switching away
                cpu.curr = cpu.idle
                cpu.irqs_off = 0
                cpu.softirq_count = 0
                cpu.hardirq_count = 0
                cpu.preempt_off = 0
                assert cpu.idle is not None
                cpu.resume = cpu.idle.green
                cpu.set_mode(MODE_IDLE)
                cpu.runnable = True
            if g is not None and g:
                g.parent = getcurrent()
                g.throw(GreenletExit)
            t.state = TASK_DEAD
            if t in self.tasks:
                self.tasks.remove(t)

    # --- ending ---------------------------------------------------------------------------------------------
    def kill_all(self) -> None:
        """Every task ends by GreenletExit; called from the hub when the machine closes."""
        for t in list(self.tasks):
            g = t.green
            t.killed = True
            if g is not None and g:  # started and not dead
                g.parent = getcurrent()
                g.throw(GreenletExit)
        for c in self.kernel.cpus:
            idle = c.idle
            if idle is not None and idle.green is not None and idle.green:
                idle.green.parent = getcurrent()
                idle.green.throw(GreenletExit)
        self.tasks.clear()


__all__ = [
    "MODE_KTHREAD",
    "MODE_PROGRAM",
    "SLICE_NS",
    "TASK_DEAD",
    "TASK_INTERRUPTIBLE",
    "TASK_PARKED",
    "TASK_RUNNING",
    "Completion",
    "Scheduler",
    "Task",
]
