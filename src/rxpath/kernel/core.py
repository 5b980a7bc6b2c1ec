"""One Kernel: the parts of kernel/ put together, and what they need from each other.

Everything hangs off an instance; many machines live in one process.  The network stack hangs itself on `Kernel.net`
through initcalls; nothing here knows it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from rxpath.hw.irqchip import InterruptController
from rxpath.hw.memory import Memory
from rxpath.hw.pcibus import PciHost
from rxpath.kernel.cpu import MODE_KSOFTIRQD, VEC_CALL_FUNCTION, Cpu
from rxpath.kernel.files import FileTree
from rxpath.kernel.hotplug import Hotplug
from rxpath.kernel.initcall import Initcalls
from rxpath.kernel.irq import IrqDesc, Irqs
from rxpath.kernel.log import KernelLog
from rxpath.kernel.mm import NetdevAlloc, NetdevAlloc61, NetdevAlloc313, NetdevAlloc515, NetdevAlloc618
from rxpath.kernel.release import Release
from rxpath.kernel.sched import Scheduler, Task
from rxpath.kernel.softirq import Softirqs, smpboot_thread_fn, spawn_ksoftirqd
from rxpath.kernel.sysctl import SysctlTable
from rxpath.kernel.timer import Timers, Workqueue
from rxpath.kernel.trace import Tracepoints
from rxpath.sim.clock import Clock
from rxpath.sim.costs import Costs
from rxpath.sim.engine import Engine
from rxpath.sim.ledger import Ledger


class CallSingle:
    """A call to run in another CPU's function-call interrupt: subclass and implement `func`."""

    __slots__ = ("queued",)

    def __init__(self) -> None:
        self.queued = False

    def func(self, cpu: Cpu) -> None:
        raise NotImplementedError


def skb_allocator(variant: str) -> NetdevAlloc:
    if variant == "v3_13":
        return NetdevAlloc313(True)
    if variant == "v5_15":
        return NetdevAlloc515(False)
    if variant == "v6_1":
        return NetdevAlloc61(True)
    return NetdevAlloc618(True)


class Kernel:
    """A booting or running kernel.

    `hz` 100, 250 or 1000.  `seed`: everything that Linux draws at random comes from here, split by purpose (`rng`).
    `config`: CONFIG_ switches that differ from the distribution's defaults, by name.
    """

    __slots__ = (
        "release",
        "hz",
        "tick_ns",
        "engine",
        "cpus",
        "costs",
        "ledger",
        "trace",
        "log",
        "files",
        "sysctl",
        "memory",
        "irqchip",
        "pci",
        "irq",
        "softirq",
        "sched",
        "timers",
        "workqueue",
        "initcalls",
        "config",
        "seed",
        "real_time",
        "closing",
        "io_poll",
        "skb_alloc",
        "task_errors",
        "boot_jiffies",
        "irq_listener",
        "wall_base_ns",
        "cmdline",
        "hostname",
        "modules",
        "dca_notifiers",
        "smpboot_threads",
        "hotplug",
    )

    def __init__(
        self,
        release: Release,
        *,
        ncpus: int = 1,
        hz: int = 250,
        seed: int = 0,
        clock: Clock | None = None,
        costs: Costs | None = None,
        config: dict[str, bool] | None = None,
    ) -> None:
        self.release = release
        self.hz = hz
        self.tick_ns = 1_000_000_000 // hz
        clk = clock if clock is not None else Clock()
        self.engine = Engine(clk)
        self.real_time = not clk.is_virtual
        self.costs = costs if costs is not None else Costs()
        self.ledger = Ledger()
        self.trace = Tracepoints(self.engine)
        self.log = KernelLog(self.engine)
        self.files = FileTree()
        self.sysctl = SysctlTable(self.files, release.sysctls_absent)
        self.memory = Memory()
        self.irqchip = InterruptController(ncpus)
        self.config = dict(config or {})
        self.seed = seed
        self.closing = False
        # real time only: looks at the outside while CPUs are busy
        self.io_poll: Callable[[], None] | None = None
        self.cmdline = ""
        self.hostname = "rxpath"
        self.task_errors: list[tuple[Task, BaseException]] = []
        self.boot_jiffies = (1 << 32) - 300 * hz  # INITIAL_JIFFIES: five minutes before the 32-bit wrap
        self.wall_base_ns = 1_700_000_000 * 1_000_000_000
        self.skb_alloc = skb_allocator(release.skb_alloc)
        self.cpus = [Cpu(self, self.engine, i) for i in range(ncpus)]
        self.engine.cpus.extend(self.cpus)
        self.pci = PciHost(self.engine, self.memory, self.irqchip, self.ledger)
        self.irq = Irqs(self, self.irqchip)
        self.softirq = Softirqs(self)
        self.sched = Scheduler(self)
        self.timers = Timers(self)
        self.workqueue = Workqueue(self)
        self.initcalls = Initcalls()
        self.irq_listener: list[Callable[[IrqDesc], None]] = []
        self.modules: dict[str, object] = {}
        # who wants to hear of providers of direct cache access (drivers/dca): modules, in the order of registration
        self.dca_notifiers: list[Any] = []
        self.smpboot_threads: list[Task] = []
        self.hotplug = Hotplug(self)

    # --- switches and randomness ----------------------------------------------------------------------------
    def config_enabled(self, name: str, default: bool = True) -> bool:
        """Whether CONFIG_`name` is on."""
        return self.config.get(name, default)

    def rng(self, purpose: str) -> random.Random:
        """A generator of its own for each purpose: drawing for one never shifts another."""
        return random.Random(f"{self.seed}/{purpose}")

    # --- time -----------------------------------------------------------------------------------------------
    def jiffies(self) -> int:
        return self.boot_jiffies + self.engine.now // self.tick_ns

    def jiffies_to_ns(self, jiffies: int) -> int:
        """Engine time of that tick."""
        return (jiffies - self.boot_jiffies) * self.tick_ns

    def msecs_to_jiffies(self, ms: int) -> int:
        return (ms * self.hz + 999) // 1000

    def usecs_to_jiffies(self, us: int) -> int:
        return (us * self.hz + 999_999) // 1_000_000

    def ktime_get_real(self) -> int:
        """Wall-clock nanoseconds (a fixed epoch in virtual time)."""
        return self.wall_base_ns + self.engine.now

    def pump(self) -> None:
        """Real time only: read the clock and run what is due."""
        eng = self.engine
        t = eng.clock.read()
        if t > eng.now:
            eng.now = t
            eng.run_due()
        if self.io_poll is not None:
            self.io_poll()

    def cur(self) -> Cpu:
        """The CPU that runs now (smp_processor_id)."""
        c: Cpu = self.engine.current
        return c

    # --- CPUs -----------------------------------------------------------------------------------------------
    def smpboot_register_percpu_thread(self, cpu: Cpu) -> None:
        """ksoftirqd/N, bound to its CPU, asleep."""
        t = self.sched.create("ksoftirqd/%d" % cpu.id, cpu, lambda: smpboot_thread_fn(cpu), MODE_KSOFTIRQD)
        t.bound = True
        cpu.ksoftirqd = t
        self.smpboot_threads.append(t)

    def smp_call_function_single_async(self, cpu: Cpu, csd: CallSingle) -> None:
        """Queue a call and interrupt the other CPU."""
        if csd.queued or not cpu.online:
            return
        csd.queued = True
        cpu.csd_queue.append(csd)
        if len(cpu.csd_queue) == 1:
            self.cur().accrued_or_charge(self.costs.ipi_send)
            cpu.pend(VEC_CALL_FUNCTION)

    def generic_smp_call_function_single_interrupt(self, cpu: Cpu) -> None:
        q = cpu.csd_queue
        while q:
            csd = q.pop(0)
            assert isinstance(csd, CallSingle)
            csd.queued = False
            csd.func(cpu)

    # --- tasks ----------------------------------------------------------------------------------------------
    def in_task(self, fn: Callable[[], Any], name: str = "task", cpu: int = 0) -> Any:
        """Run `fn` to its end as a task on `cpu`, and return what it returns (or raise what it raises).

        From outside: the engine runs meanwhile.
        """
        t = self.sched.create(name, self.cpus[cpu], fn)
        done: list[bool] = []
        orig = t.fn
        eng = self.engine

        def run() -> Any:
            try:
                return orig()
            except Exception as e:
                t.error = e
                return None
            finally:
                done.append(True)
                eng.stop = True

        t.fn = run
        self.sched.wake_up_process(t)
        while not done:
            eng.stop = False
            before = eng.now
            eng.run()
            if not done and eng.now == before and not eng.heap:
                raise RuntimeError(f"{name} waits for something that never comes")
        eng.stop = False
        if t.error is not None:
            raise t.error
        return t.result

    # --- boot and end ---------------------------------------------------------------------------------------
    def start(self) -> None:
        """Before initcalls: idle tasks, softirq vectors of the core, ksoftirqd."""
        for c in self.cpus:
            self.sched.make_idle(c)
        self.timers.init()
        self.initcalls.calls["early"].insert(0, ("spawn_ksoftirqd", lambda: spawn_ksoftirqd(self)))

    def task_failed(self, task: Task, error: BaseException) -> None:
        """A program raised: the machine stops and `Machine.run` raises it again."""
        self.task_errors.append((task, error))
        self.engine.stop = True

    def irq_changed(self, desc: IrqDesc) -> None:
        for fn in self.irq_listener:
            fn(desc)

    def close(self) -> None:
        self.closing = True
        self.sched.kill_all()
