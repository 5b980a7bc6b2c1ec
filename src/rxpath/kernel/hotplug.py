"""CPU hotplug: /sys/devices/system/cpu/cpuN/online and the steps by which a CPU goes down and comes back.

What lives here: the order of steps in each release, the thread of the CPU that runs those that belong to it, stopping
the machine for the moment of death.  What does not: what a step does to timers, interrupts, tasks or softnet_data;
their owners do that, and the network core registers its own step (`setup_state`).

Steps and their order: kernel/cpu.c cpuhp_hp_states and include/linux/cpuhotplug.h of 6.1.192, those with something to
do here.  5.15 moves high-resolution timers when the CPU is dead and not while it dies.  3.13 has notifiers in place of
states (CPU_DOWN_PREPARE, CPU_DYING, CPU_DEAD), run by whoever writes the file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from rxpath.kernel.cpu import MODE_IDLE, MODE_KTHREAD, Cpu
from rxpath.kernel.errno import EBUSY, EINVAL, linux_error
from rxpath.kernel.sched import TASK_INTERRUPTIBLE, TASK_RUNNING, Completion, Task
from rxpath.kernel.softirq import takeover_tasklets

if TYPE_CHECKING:
    from rxpath.kernel.core import Kernel

Callback = Callable[[Cpu], None]

# Sections: steps before the CPU runs or after it is dead, on the CPU that controls; steps on the CPU itself with
# interrupts off; steps in a thread of that CPU.
PREPARE: Final = 0
STARTING: Final = 1
ONLINE: Final = 2

FIXUP_WAIT_NS: Final = 1_000_000  # fixup_irqs waits a millisecond for messages under way; all CPUs stand still


class CpuhpStep:
    """One state: its name, its section, what is called on the way up and on the way down."""

    __slots__ = ("name", "section", "startup", "startup_name", "teardown", "teardown_name")

    def __init__(self, name: str, section: int) -> None:
        self.name = name
        self.section = section
        self.startup: Callback | None = None
        self.startup_name = ""
        self.teardown: Callback | None = None
        self.teardown_name = ""


V6_1: Final = (
    ("softirq:dead", PREPARE),
    ("net/dev:dead", PREPARE),
    ("workqueue:prepare", PREPARE),
    ("hrtimers:prepare", PREPARE),
    ("smpcfd:prepare", PREPARE),
    ("base/topology:prepare", PREPARE),
    ("timers:prepare", PREPARE),
    ("cpu:bringup", PREPARE),
    ("sched:starting", STARTING),
    ("smpcfd:dying", STARTING),
    ("hrtimers:dying", STARTING),
    ("sched:waitempty", ONLINE),
    ("smpboot/threads:online", ONLINE),
    ("irq/affinity:online", ONLINE),
    ("workqueue:online", ONLINE),
    ("sched:active", ONLINE),
)
# the order of dying is from below upwards: dead are first timers, then high-resolution ones, tasklets, devices
V3_13: Final = (
    ("base/topology:prepare", PREPARE),
    ("net/dev:dead", PREPARE),
    ("softirq:dead", PREPARE),
    ("hrtimers:prepare", PREPARE),
    ("timers:prepare", PREPARE),
    ("cpu:bringup", PREPARE),
    ("smpcfd:dying", STARTING),
    ("sched:starting", STARTING),
    ("smpboot/threads:online", ONLINE),
    ("workqueue:online", ONLINE),
    ("sched:active", ONLINE),
)


class MultiStop:
    """One stop_machine: everybody arrives with interrupts off, `target` runs the function, then all go on."""

    __slots__ = ("target", "count", "arrived", "done", "error", "finished")

    def __init__(self, target: Cpu, count: int, finished: Completion) -> None:
        self.target = target
        self.count = count
        self.arrived = 0
        self.done = False
        self.error: OSError | None = None
        self.finished = finished


class Hotplug:
    """The hotplug state of one kernel."""

    __slots__ = (
        "kernel",
        "steps",
        "by_name",
        "threads",
        "stoppers",
        "work",
        "ap",
        "idle_dead",
        "lock_waiters",
        "busy",
        "journal",
        "worker",
        "job",
        "error",
    )

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        n = len(kernel.cpus)
        self.steps: list[CpuhpStep] = []
        self.by_name: dict[str, CpuhpStep] = {}
        self.threads: list[Task | None] = [None] * n  # cpuhp/N
        self.stoppers: list[Task | None] = [None] * n  # migration/N
        self.work: list[MultiStop | None] = [None] * n
        self.ap: list[tuple[bool, Completion] | None] = [None] * n  # what cpuhp/N is asked for: (up, done)
        self.idle_dead: list[Completion | None] = [None] * n
        self.lock_waiters: list[Task] = []
        self.busy = False
        self.journal: list[str] = []  # the functions of the last transition, in their order
        self.worker: Task | None = None
        self.job: tuple[Cpu, Completion] | None = None
        self.error: OSError | None = None
        variant = kernel.release.cpu_hotplug
        for name, section in V3_13 if variant == "v3_13" else V6_1:
            step = CpuhpStep(name, section)
            self.steps.append(step)
            self.by_name[name] = step
        self._register(variant)

    def setup_state(
        self, name: str, startup: tuple[str, Callback] | None, teardown: tuple[str, Callback] | None
    ) -> None:
        """cpuhp_setup_state_nocalls (3.13: a notifier): functions with names; a state that is not there is left out."""
        step = self.by_name.get(name)
        if step is None:
            return
        if startup is not None:
            step.startup_name, step.startup = startup
        if teardown is not None:
            step.teardown_name, step.teardown = teardown

    def _register(self, variant: str) -> None:
        if variant == "v3_13":
            self.setup_state("softirq:dead", None, ("takeover_tasklets", self._takeover_tasklets))
            self.setup_state("hrtimers:prepare", None, ("migrate_hrtimers", self._hrtimers_to_control))
            self.setup_state("timers:prepare", None, ("migrate_timers", self._timers_dead))
            self.setup_state("cpu:bringup", ("__cpu_up", self._bringup), None)
            self.setup_state("smpcfd:dying", None, ("flush_smp_call_function_queue", self._smpcfd_dying))
            self.setup_state("sched:starting", None, ("migrate_tasks", self._migrate_tasks))
            self.setup_state(
                "smpboot/threads:online",
                ("smpboot_unpark_threads", self._unpark_threads),
                ("smpboot_park_threads", self._park_threads),
            )
            self.setup_state(
                "workqueue:online",
                ("workqueue_cpu_up_callback", self._workqueue_online),
                ("workqueue_cpu_down_callback", self._workqueue_offline),
            )
            self.setup_state(
                "sched:active",
                ("sched_cpu_active", self._sched_active),
                ("sched_cpu_inactive", self._sched_inactive),
            )
            return
        self.setup_state("softirq:dead", None, ("takeover_tasklets", self._takeover_tasklets))
        self.setup_state("workqueue:prepare", ("workqueue_prepare_cpu", self._nothing), None)
        dead = ("hrtimers_dead_cpu", self._hrtimers_to_control) if variant == "v5_15" else None
        self.setup_state("hrtimers:prepare", ("hrtimers_prepare_cpu", self._nothing), dead)
        self.setup_state("smpcfd:prepare", ("smpcfd_prepare_cpu", self._nothing), ("smpcfd_dead_cpu", self._nothing))
        self.setup_state(
            "timers:prepare", ("timers_prepare_cpu", self._nothing), ("timers_dead_cpu", self._timers_dead)
        )
        self.setup_state("cpu:bringup", ("bringup_cpu", self._bringup), ("finish_cpu", self._nothing))
        self.setup_state("sched:starting", ("sched_cpu_starting", self._nothing), ("sched_cpu_dying", self._nothing))
        self.setup_state("smpcfd:dying", None, ("smpcfd_dying_cpu", self._smpcfd_dying))
        if variant == "v6_1":
            self.setup_state(
                "hrtimers:dying",
                ("hrtimers_cpu_starting", self._nothing),
                ("hrtimers_cpu_dying", self._hrtimers_dying),
            )
        self.setup_state("sched:waitempty", None, ("sched_cpu_wait_empty", self._wait_empty))
        self.setup_state(
            "smpboot/threads:online",
            ("smpboot_unpark_threads", self._unpark_threads),
            ("smpboot_park_threads", self._park_threads),
        )
        self.setup_state("irq/affinity:online", ("irq_affinity_online_cpu", self._nothing), None)
        self.setup_state(
            "workqueue:online",
            ("workqueue_online_cpu", self._workqueue_online),
            ("workqueue_offline_cpu", self._workqueue_offline),
        )
        self.setup_state(
            "sched:active",
            ("sched_cpu_activate", self._sched_active),
            ("sched_cpu_deactivate", self._sched_deactivate),
        )

    # --- what the steps do ----------------------------------------------------------------------------------
    def _nothing(self, cpu: Cpu) -> None:
        """A step that Linux has and that finds nothing to do here."""

    def _sched_deactivate(self, cpu: Cpu) -> None:
        cpu.active = False
        cpu.balance_push = True
        self.kernel.sched.push_tasks(cpu)

    def _sched_inactive(self, cpu: Cpu) -> None:
        cpu.active = False

    def _migrate_tasks(self, cpu: Cpu) -> None:
        cpu.balance_push = True
        self.kernel.sched.push_tasks(cpu)

    def _sched_active(self, cpu: Cpu) -> None:
        cpu.active = True
        cpu.balance_push = False

    def _workqueue_offline(self, cpu: Cpu) -> None:
        self.kernel.workqueue.workqueue_offline_cpu(cpu)
        if cpu.balance_push:
            self.kernel.sched.push_tasks(cpu)

    def _workqueue_online(self, cpu: Cpu) -> None:
        self.kernel.workqueue.workqueue_online_cpu(cpu)

    def _park_threads(self, cpu: Cpu) -> None:
        if cpu.ksoftirqd is not None:
            self.kernel.sched.kthread_park(cpu.ksoftirqd)

    def _unpark_threads(self, cpu: Cpu) -> None:
        if cpu.ksoftirqd is not None:
            self.kernel.sched.kthread_unpark(cpu.ksoftirqd)

    def _wait_empty(self, cpu: Cpu) -> None:
        """Until nobody is left here but threads of this CPU."""
        sched = self.kernel.sched
        while any(not t.bound for t in cpu.rq):
            sched.push_tasks(cpu)

    def _smpcfd_dying(self, cpu: Cpu) -> None:
        """Calls whose interrupt did not come any more are made now."""
        self.kernel.generic_smp_call_function_single_interrupt(cpu)

    def _hrtimers_dying(self, cpu: Cpu) -> None:
        self.kernel.timers.migrate_hrtimers(cpu, next(c for c in self.kernel.cpus if c.online and c.active))

    def _hrtimers_to_control(self, cpu: Cpu) -> None:
        self.kernel.timers.migrate_hrtimers(cpu, self.kernel.cur())

    def _timers_dead(self, cpu: Cpu) -> None:
        self.kernel.timers.timers_dead_cpu(cpu, self.kernel.cur())

    def _takeover_tasklets(self, cpu: Cpu) -> None:
        takeover_tasklets(self.kernel)

    def _bringup(self, cpu: Cpu) -> None:
        """The CPU is started: it runs the steps of its start, is online, and idles."""
        k = self.kernel
        k.log.printk(6, "smpboot: Booting Node 0 Processor %d APIC %#x" % (cpu.id, cpu.id))
        for step in self.steps:
            if step.section == STARTING and step.startup is not None:
                self._call(step, cpu, True)
        cpu.mode = MODE_IDLE
        cpu.mode_since = k.engine.now
        cpu.online = True
        k.engine.wake(cpu)
        stopper = self.stoppers[cpu.id]
        if stopper is not None:
            k.sched.kthread_unpark(stopper)

    def _call(self, step: CpuhpStep, cpu: Cpu, up: bool) -> None:
        fn = step.startup if up else step.teardown
        if fn is None:
            return
        name = step.startup_name if up else step.teardown_name
        k = self.kernel
        self.journal.append(name)
        at = self.steps.index(step)
        if k.trace.cpuhp_enter.on:
            k.trace.cpuhp_enter.fire(cpu.id, len(self.steps) if up else 0, at, name)
        fn(cpu)
        if k.trace.cpuhp_exit.on:
            k.trace.cpuhp_exit.fire(cpu.id, at, at, 0)

    # --- the file -------------------------------------------------------------------------------------------
    def online_store(self, cpu: Cpu, up: bool) -> None:
        """device_online or device_offline of a CPU, by the task that writes; it cannot be killed meanwhile.

        Raises OSError: EBUSY (the last CPU), ENOSPC (no room for its interrupts elsewhere).
        """
        k = self.kernel
        me = k.sched.current()
        while self.busy:  # lock_device_hotplug
            self.lock_waiters.append(me)
            me.state = TASK_INTERRUPTIBLE
            k.sched.sleep()
        if cpu.online is up:
            return
        mode = me.mode
        me.mode = MODE_KTHREAD
        self.busy = True
        self.journal = []
        try:
            if up:
                self._cpu_up(cpu)
            elif k.release.cpu_hotplug == "v3_13":
                self._cpu_down(cpu)
            else:
                self._work_on_cpu(cpu)
        finally:
            me.mode = mode
            self.busy = False
            waiters = self.lock_waiters
            self.lock_waiters = []
            for t in waiters:
                k.sched.wake_up_process(t)

    def _work_on_cpu(self, cpu: Cpu) -> None:
        """cpu_down_maps_locked: a worker of the first CPU that stays does it."""
        k = self.kernel
        t = self.worker
        if t is None:
            at = next((c for c in k.cpus if c.online and c is not cpu), None)
            if at is None:
                raise linux_error(EBUSY, "cpu%d" % cpu.id)
            t = k.sched.create("kworker/%d:1" % at.id, at, _Worker(self), MODE_KTHREAD)
            self.worker = t
        done = Completion(k.sched)
        self.job = (cpu, done)
        k.sched.wake_up_process(t)
        done.wait()
        error = self.error
        self.error = None
        if error is not None:
            raise error

    def worker_thread(self) -> None:
        """The loop of that worker."""
        me = self.worker
        assert me is not None
        while True:
            me.state = TASK_INTERRUPTIBLE
            job = self.job
            if job is None:
                self.kernel.sched.sleep()
                continue
            me.state = TASK_RUNNING
            self.job = None
            cpu, done = job
            try:
                self._cpu_down(cpu)
            except OSError as e:
                self.error = e
            done.complete()

    def _cpu_down(self, cpu: Cpu) -> None:
        k = self.kernel
        if sum(1 for c in k.cpus if c.online) == 1:
            raise linux_error(EBUSY, "cpu%d" % cpu.id)
        self._kick_ap(cpu, False)
        error = self.takedown_cpu(cpu)
        if error is not None:
            self._kick_ap(cpu, True)
            raise error
        k.log.printk(6, "smpboot: CPU %d is now offline" % cpu.id)
        for step in reversed(self.steps):
            if step.section == PREPARE:
                self._call(step, cpu, False)

    def _cpu_up(self, cpu: Cpu) -> None:
        for step in self.steps:
            if step.section == PREPARE:
                self._call(step, cpu, True)
        self._kick_ap(cpu, True)

    # --- the CPU's own part ---------------------------------------------------------------------------------
    def _kick_ap(self, cpu: Cpu, up: bool) -> None:
        """Run the steps of the online section: in cpuhp/N on that CPU, in 3.13 here."""
        k = self.kernel
        if k.release.cpu_hotplug == "v3_13":
            self._online_section(cpu, up)
            return
        t = self.threads[cpu.id]
        if t is None:
            t = k.sched.create("cpuhp/%d" % cpu.id, cpu, _CpuhpThread(self, cpu), MODE_KTHREAD)
            t.bound = True
            self.threads[cpu.id] = t
        done = Completion(k.sched)
        self.ap[cpu.id] = (up, done)
        k.sched.wake_up_process(t)
        done.wait()

    def _online_section(self, cpu: Cpu, up: bool) -> None:
        for step in self.steps if up else reversed(self.steps):
            if step.section == ONLINE:
                self._call(step, cpu, up)

    def cpuhp_thread_fun(self, cpu: Cpu) -> None:
        """The loop of cpuhp/N."""
        me = self.threads[cpu.id]
        assert me is not None
        while True:
            me.state = TASK_INTERRUPTIBLE
            asked = self.ap[cpu.id]
            if asked is None:
                self.kernel.sched.sleep()
                continue
            me.state = TASK_RUNNING
            self.ap[cpu.id] = None
            up, done = asked
            self._online_section(cpu, up)
            done.complete()

    # --- death ----------------------------------------------------------------------------------------------
    def takedown_cpu(self, cpu: Cpu) -> OSError | None:
        """Stop all CPUs, let `cpu` leave, and wait until its idle task has reported that it is dead."""
        k = self.kernel
        self.journal.append("takedown_cpu")
        dead = Completion(k.sched)
        self.idle_dead[cpu.id] = dead
        online = [c for c in k.cpus if c.online]
        ms = MultiStop(cpu, len(online), Completion(k.sched))
        for c in online:
            t = self.stoppers[c.id]
            if t is None:
                t = k.sched.create("migration/%d" % c.id, c, _StopperThread(self, c), MODE_KTHREAD)
                t.bound = t.stopper = True
                self.stoppers[c.id] = t
            self.work[c.id] = ms
            k.sched.wake_up_process(t)
        ms.finished.wait()
        if ms.error is not None:
            self.idle_dead[cpu.id] = None
            return ms.error
        dead.wait()
        return None

    def cpu_stopper_thread(self, cpu: Cpu) -> None:
        """The loop of migration/N."""
        me = self.stoppers[cpu.id]
        assert me is not None
        sched = self.kernel.sched
        while True:
            me.state = TASK_INTERRUPTIBLE
            work = self.work[cpu.id]
            if me.should_park:
                me.state = TASK_RUNNING
                sched.kthread_parkme(me)
            elif work is None:
                sched.sleep()
            else:
                me.state = TASK_RUNNING
                self.work[cpu.id] = None
                self.multi_cpu_stop(cpu, work)

    def multi_cpu_stop(self, cpu: Cpu, ms: MultiStop) -> None:
        eng = self.kernel.engine
        cpu.local_irq_disable()
        ms.arrived += 1
        if ms.arrived == ms.count and cpu is not ms.target:
            eng.wake(ms.target)
        if cpu is ms.target:
            while ms.arrived < ms.count:
                cpu.idle_wait()
            try:
                self.take_cpu_down(cpu)
            except OSError as e:
                ms.error = e
            ms.done = True
            for c in self.kernel.cpus:
                if c.online and c is not cpu:
                    eng.wake(c)
            ms.finished.complete()
        else:
            while not ms.done:
                cpu.idle_wait()
        cpu.local_irq_enable()

    def take_cpu_down(self, cpu: Cpu) -> None:
        """On the CPU that goes, interrupts off, everybody else standing still."""
        k = self.kernel
        self.journal.append("take_cpu_down")
        if k.release.cpu_hotplug != "v3_13":
            k.irq.lapic_can_unplug_cpu(cpu)
        cpu.online = False
        self.journal.append("fixup_irqs")
        if k.costs.enabled:
            end = k.engine.now + FIXUP_WAIT_NS
            k.engine.at(end, _Wake(cpu))
            while k.engine.now < end:
                cpu.idle_wait()
        k.irq.fixup_irqs(cpu)
        for step in reversed(self.steps):
            if step.section == STARTING:
                self._call(step, cpu, False)
        if any(not t.bound for t in cpu.rq):
            raise AssertionError("Dying CPU not properly vacated!")
        cpu.irq_pending.clear()
        stopper = self.stoppers[cpu.id]
        assert stopper is not None
        stopper.should_park = True

    def cpuhp_report_idle_dead(self, cpu: Cpu) -> None:
        """The idle task of a CPU that is no longer online: tell whoever waits."""
        cpu.attention = False
        cpu.need_resched = False
        done = self.idle_dead[cpu.id]
        self.idle_dead[cpu.id] = None
        if done is not None:
            done.complete()


class _Worker:
    __slots__ = ("hotplug",)

    def __init__(self, hotplug: Hotplug) -> None:
        self.hotplug = hotplug

    def __call__(self) -> None:
        self.hotplug.worker_thread()


class _CpuhpThread:
    __slots__ = ("hotplug", "cpu")

    def __init__(self, hotplug: Hotplug, cpu: Cpu) -> None:
        self.hotplug = hotplug
        self.cpu = cpu

    def __call__(self) -> None:
        self.hotplug.cpuhp_thread_fun(self.cpu)


class _StopperThread:
    __slots__ = ("hotplug", "cpu")

    def __init__(self, hotplug: Hotplug, cpu: Cpu) -> None:
        self.hotplug = hotplug
        self.cpu = cpu

    def __call__(self) -> None:
        self.hotplug.cpu_stopper_thread(self.cpu)


class _Wake:
    __slots__ = ("cpu",)

    def __init__(self, cpu: Cpu) -> None:
        self.cpu = cpu

    def __call__(self) -> None:
        self.cpu.engine.wake(self.cpu)


def kstrtobool(text: str, variant: str) -> bool:
    """A truth value by its first letters.  Raises OSError(EINVAL).

    3.13: y, Y, 1, n, N, 0; 4.6 adds on and off; later also t and f.
    """
    one, two = text[:1], text[:2].lower()
    if one and one in "yY1":
        return True
    if one and one in "nN0":
        return False
    if variant != "v3_13":
        if two == "on":
            return True
        if two == "of":
            return False
    if variant == "v6_1" and one:
        if one in "tT":
            return True
        if one in "fF":
            return False
    raise linux_error(EINVAL, text.strip())


__all__ = ["Callback", "Hotplug", "kstrtobool"]
