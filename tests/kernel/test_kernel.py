"""Interrupts, softirqs, tasks, timers: the kernel without a network."""

from __future__ import annotations

import pytest

from rxpath.hw.irqchip import msi_message
from rxpath.kernel.core import Kernel
from rxpath.kernel.irq import IRQ_HANDLED, IRQ_NONE, IRQF_SHARED
from rxpath.kernel.release import R_3_13, R_6_1, R_6_18, ReleaseError, find_release, provenance, taken_for
from rxpath.kernel.sched import TASK_INTERRUPTIBLE
from rxpath.kernel.softirq import NET_RX_SOFTIRQ, SoftirqAction, raise_softirq_irqoff
from rxpath.kernel.sysctl import bitmap_text, parse_bitmap
from rxpath.kernel.timer import HrTimer, TimerList
from rxpath.sim.costs import Costs, load_profile


def boot(**kw: object) -> Kernel:
    k = Kernel(R_6_1, **kw)  # type: ignore[arg-type]
    k.start()
    k.initcalls.do_initcalls()
    return k


def idle(k: Kernel) -> None:
    """Let ksoftirqd threads go to sleep."""
    for c in k.cpus:
        assert c.ksoftirqd is not None
        k.sched.wake_up_process(c.ksoftirqd)
    k.engine.run(k.engine.now)


class Count(SoftirqAction):
    def __init__(self) -> None:
        self.times: list[int] = []
        self.again = 0
        self.cost = 0

    def action(self, cpu: object) -> None:
        k = cpu.kernel  # type: ignore[attr-defined]
        self.times.append(k.engine.now)
        if self.cost:
            cpu.charge(self.cost)  # type: ignore[attr-defined]
        if self.again:
            self.again -= 1
            raise_softirq_irqoff(cpu, NET_RX_SOFTIRQ)  # type: ignore[arg-type]


def test_a_task_sleeps_and_wakes_at_the_right_time() -> None:
    k = boot()
    seen: list[int] = []

    def prog() -> None:
        for _ in range(3):
            t.state = TASK_INTERRUPTIBLE
            k.sched.sleep(1000)
            seen.append(k.engine.now)

    t = k.sched.create("p", k.cpus[0], prog)
    k.sched.wake_up_process(t)
    k.engine.run()
    assert seen == [1000, 2000, 3000]
    k.close()


def test_two_tasks_share_a_cpu_by_slices() -> None:
    k = boot()
    ends: dict[str, int] = {}

    def make(name: str) -> None:
        def prog() -> None:
            for _ in range(100):
                k.cpus[0].charge(1_000_000)
            ends[name] = k.engine.now

        k.sched.wake_up_process(k.sched.create(name, k.cpus[0], prog))

    make("a")
    make("b")
    k.engine.run()
    assert max(ends.values()) == 200_000_000
    assert min(ends.values()) > 190_000_000  # they took turns
    k.close()


def test_interrupt_runs_the_handler_then_softirqs_and_never_nests() -> None:
    k = boot(costs=Costs(dict.fromkeys(("hardirq",), 500)))
    c = k.cpus[0]
    act = Count()
    k.softirq.open_softirq(NET_RX_SOFTIRQ, act)
    depth: list[int] = []

    def handler(irq: int, dev: object) -> int:
        depth.append(c.hardirq_count)
        raise_softirq_irqoff(c, NET_RX_SOFTIRQ)
        return IRQ_HANDLED

    d = k.irq.alloc_msi(0, "msix", "dev", lambda cpu, vec: None)
    k.irq.request_irq(d.irq, handler, 0, "x", d)
    addr, data = msi_message(d.cpu, d.vector)
    k.engine.at(100, lambda: k.irqchip.msi(addr, data))
    k.engine.at(200, lambda: k.irqchip.msi(addr, data))  # arrives during the first: waits
    k.engine.run()
    assert depth == [1, 1]
    assert d.kstat == [2]
    assert act.times[-1] == 1100
    assert c.softirq_stat[NET_RX_SOFTIRQ] == len(act.times)
    k.close()


def test_softirq_restarts_ten_passes_then_ksoftirqd() -> None:
    k = boot()
    idle(k)
    c = k.cpus[0]
    act = Count()
    act.again = 25
    k.softirq.open_softirq(NET_RX_SOFTIRQ, act)
    d = k.irq.alloc_msi(0, "msix", "dev", lambda cpu, vec: None)
    inline: list[int] = []

    def handler(irq: int, dev: object) -> int:
        raise_softirq_irqoff(c, NET_RX_SOFTIRQ)
        return IRQ_HANDLED

    k.irq.request_irq(d.irq, handler, 0, "x", d)
    k.trace.sched_switch.attach(lambda tp, cpu, now, v: inline.append(len(act.times)))
    k.irqchip.msi(*msi_message(d.cpu, d.vector))
    k.engine.run()
    assert inline[0] == 10  # ten passes in the interrupted idle task, then a switch to ksoftirqd
    assert len(act.times) == 26
    k.close()


def test_shared_line_both_handlers_run_and_a_storm_disables_it() -> None:
    k = boot()
    d = k.irq.line_desc(16, "dev")
    calls: list[str] = []
    # type: ignore[func-returns-value]
    k.irq.request_irq(16, lambda i, dev: calls.append("a") or IRQ_NONE, IRQF_SHARED, "a", "a")
    # type: ignore[func-returns-value]
    k.irq.request_irq(16, lambda i, dev: calls.append("b") or IRQ_NONE, IRQF_SHARED, "b", "b")
    with pytest.raises(OSError, match="busy"):
        k.irq.request_irq(16, lambda i, dev: IRQ_NONE, 0, "c", "c")
    k.irqchip.set_line(16, 0, True)
    k.engine.run()
    assert calls[:2] == ["a", "b"]
    assert d.spurious_disabled and len(calls) == 2 * 100_000
    assert any("nobody cared" in r.text for r in k.log.records)
    k.close()


def test_affinity_moves_at_the_next_interrupt() -> None:
    k = boot(ncpus=2)
    d = k.irq.alloc_msi(0, "msix", "dev", lambda cpu, vec: None)
    k.irq.request_irq(d.irq, lambda i, dev: IRQ_HANDLED, 0, "x", d)

    def fire() -> None:
        k.irqchip.msi(*msi_message(d.cpu, d.vector))
        k.engine.run()

    assert d.cpu == 0
    k.irq.set_affinity(d.irq, 2)
    fire()
    assert d.kstat == [1, 0] and d.cpu == 1
    fire()
    assert d.kstat == [1, 1]
    k.irq.set_affinity(d.irq, 3)  # wider: stays
    fire()
    assert d.kstat == [1, 2]
    with pytest.raises(OSError):
        k.irq.set_affinity(d.irq, 4)
    k.close()


def test_timers_run_on_ticks_and_hrtimers_between() -> None:
    k = boot()
    seen: list[tuple[str, int]] = []
    t = TimerList(k, lambda: seen.append(("wheel", k.engine.now)))
    h = HrTimer(k, lambda: seen.append(("hr", k.engine.now)))
    t.mod_timer(k.jiffies() + 2)
    h.start(1234)
    k.engine.run()
    assert seen == [("hr", 1234), ("wheel", 3 * k.tick_ns)]  # the wheel is a tick late
    k.close()


@pytest.mark.parametrize(
    "text,name",
    [
        ("5.15", "5.15"),
        ("v3.13", "3.13"),
        ("3.10.0-1160.el7.x86_64", "3.13"),
        ("5.4.0-150-generic", "5.15"),
        ("6.18.44-fc", "6.18"),
        ("6.2.0", "6.1"),
    ],
)
def test_release_of_uname(text: str, name: str) -> None:
    assert find_release(text).name == name


@pytest.mark.parametrize("text", ["windows", "9.9", "5.20", "6", "6.x", "6.1 or so", "", "3.20.1", "1.2.13"])
def test_release_that_is_none(text: str) -> None:
    with pytest.raises(ReleaseError):
        find_release(text)


def test_a_release_that_is_taken_for_another_is_said() -> None:
    assert taken_for("6.1") == taken_for("v5.15") == ""
    assert taken_for("5.4.0-150-generic") == "release 5.4.0-150-generic: taken for 5.15, the nearest"


def test_where_fields_are_known_from() -> None:
    assert all(provenance()[f] for f in provenance() if f != "name")
    assert R_3_13.net_rx_action != R_6_18.net_rx_action


def test_cost_profile_is_complete_and_ordered() -> None:
    p = load_profile()
    low, high = p.costs("low"), p.costs("high")
    assert all(getattr(low, s) <= getattr(p.costs(), s) <= getattr(high, s) for s in p.stages)


@pytest.mark.parametrize(
    "text,shown",
    [
        ("", ""),
        ("\n", ""),
        ("7,1-3,2-5,9\n", "1-5,7,9"),
        ("0x10-0x1f,010", "8,16-31"),
        ("1\n2", "1-2"),
        ("0-65535", "0-65535"),
        ("1-2\n\n3,", "1-3"),
    ],
)
def test_a_bitmap_is_read_back_in_order(text: str, shown: str) -> None:
    assert bitmap_text(parse_bitmap(text, 1 << 16)) == shown


@pytest.mark.parametrize("text", ["65536", "-1", "5-3", "1-", "1 2", "1,,2", ",1", "08", "0x", "1-2-3", "1" * 21])
def test_what_is_no_bitmap(text: str) -> None:
    with pytest.raises(OSError, match="22"):
        parse_bitmap(text, 1 << 16)
