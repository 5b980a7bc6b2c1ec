"""The engine's rules: order at one instant, horizon, charge, parking, atomic sections."""

from __future__ import annotations

from greenlet import getcurrent, greenlet
from hypothesis import given
from hypothesis import strategies as st

from rxpath.sim.clock import Clock
from rxpath.sim.engine import SWEEP_AT, Cpu, Engine


class Busy(Cpu):
    """A CPU that runs a list of charges and logs when each ended."""

    __slots__ = ("log", "work", "taken", "pending")

    def __init__(self, engine: Engine, cpu_id: int, work: list[int], log: list[tuple[int, str]]) -> None:
        super().__init__(engine, cpu_id)
        self.work = work
        self.log = log
        self.taken = 0
        self.pending = 0
        engine.cpus.append(self)
        self.resume = greenlet(self.main)
        self.runnable = True

    def main(self) -> None:
        for n in self.work:
            self.charge(n)
            self.log.append((self.engine.now, "cpu%d" % self.id))
        self.runnable = False
        assert self.engine.hub is not None
        getcurrent().parent = self.engine.hub
        self.engine.current = None

    def take_interrupts(self) -> None:
        self.taken += self.pending
        self.pending = 0


def run(works: list[list[int]], events: list[int]) -> list[tuple[int, str]]:
    eng = Engine(Clock())
    log: list[tuple[int, str]] = []
    for i, w in enumerate(works):
        Busy(eng, i, w, log)
    for n, t in enumerate(events):
        eng.at(t, lambda n=n: log.append((eng.now, "event%d" % n)))  # type: ignore[misc]
    eng.run()
    return log


def test_events_go_before_cpus_at_one_instant() -> None:
    assert run([[10]], [10]) == [(10, "event0"), (10, "cpu0")]


def test_events_of_one_instant_keep_the_order_of_their_making() -> None:
    assert run([], [5, 5, 3]) == [(3, "event2"), (5, "event0"), (5, "event1")]


def test_cpus_of_one_instant_go_by_id() -> None:
    assert run([[10, 10], [10, 10]], []) == [(10, "cpu0"), (10, "cpu1"), (20, "cpu0"), (20, "cpu1")]


@given(st.lists(st.lists(st.integers(0, 30), max_size=6), max_size=4), st.lists(st.integers(0, 120), max_size=8))
def test_the_log_is_in_order_of_time_and_each_cpu_spends_exactly_its_charges(
    works: list[list[int]], events: list[int]
) -> None:
    log = run(works, events)
    assert [t for t, _ in log] == sorted(t for t, _ in log)
    for i, w in enumerate(works):
        ends = [t for t, name in log if name == "cpu%d" % i]
        total = 0
        expect = []
        for n in w:
            total += n
            expect.append(total)
        assert ends == expect
    assert sorted(t for t, name in log if name.startswith("event")) == sorted(events)
    assert log == run(works, events)


def test_charge_accrues_while_interrupts_are_off() -> None:
    eng = Engine(Clock())
    log: list[tuple[int, str]] = []
    c = Busy(eng, 0, [], log)

    def main() -> None:
        c.irqs_off += 1
        c.charge(100)
        assert eng.now == 0 and c.accrued == 100
        c.irqs_off -= 1
        c.charge(c.accrued)
        log.append((eng.now, "done"))
        c.runnable = False
        assert eng.hub is not None
        getcurrent().parent = eng.hub
        eng.current = None

    c.resume = greenlet(main)
    eng.at(50, lambda: log.append((eng.now, "event")))
    eng.run()
    assert log == [(50, "event"), (100, "done")]


def test_attention_is_taken_inside_the_charge_that_meets_it() -> None:
    eng = Engine(Clock())
    log: list[tuple[int, str]] = []
    c = Busy(eng, 0, [100], log)

    def arrive() -> None:
        c.pending += 1
        c.need_attention()

    eng.at(40, arrive)
    eng.run()
    assert c.taken == 1 and log == [(100, "cpu0")]


def test_until_stops_inside_a_charge_and_the_rest_is_kept() -> None:
    eng = Engine(Clock())
    log: list[tuple[int, str]] = []
    Busy(eng, 0, [100], log)
    eng.run(until=30)
    assert log == []
    eng.run()
    assert log == [(100, "cpu0")]


def test_cancelled_events_do_not_pile_up() -> None:
    eng = Engine(Clock())
    hits: list[int] = []
    for n in range(20_000):
        eng.cancel(eng.at(1_000_000 + n, lambda: hits.append(-1)))
        if n % 1000 == 0:
            eng.at(2_000_000 - n, lambda n=n: hits.append(n))  # type: ignore[misc]
        assert len(eng.heap) <= SWEEP_AT + 1 + 20
    done = eng.at(5, lambda: hits.append(0))
    eng.run()
    eng.cancel(done)  # has run: no event of the heap
    assert hits == [0, *range(19_000, -1, -1000)] and (eng.heap, eng.forgotten) == ([], 0)


def test_cancelled_events_do_not_run() -> None:
    eng = Engine(Clock())
    hits: list[int] = []
    ev = eng.at(5, lambda: hits.append(1))
    eng.cancel(ev)
    eng.run()
    assert hits == []
