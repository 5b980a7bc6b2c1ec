"""The engine: events and CPUs on one integer-nanosecond time line.

What lives here: the heap of events, CPUs as parkable green threads, the horizon, `Cpu.charge`.  What does not:
anything about interrupts, softirqs or tasks (kernel/cpu.py fills the hooks `take_interrupts` and `reschedule`).

The order at one instant is total and the same everywhere: events by (time, sequence of their making), then
CPUs by id.

`charge(n)` is the only way time passes on a CPU and its only preemption point.  The horizon is the earliest moment at
which anything else may happen; a charge that ends before it costs one comparison.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Any, Final

from greenlet import getcurrent, greenlet

from rxpath.sim.clock import Clock

NEVER: Final = 1 << 62
SWEEP_AT: Final = 4096  # so many cancelled events lie in the heap before it is worth to take them out


class EngineError(RuntimeError):
    """A rule of the engine was broken (blocking in an event, a task that outlives its machine...)."""


class Event:
    """One thing that will happen at its time; made by `Engine.at`."""

    __slots__ = ("fn",)

    def __init__(self, fn: Callable[[], None]) -> None:
        self.fn: Callable[[], None] | None = fn


class Cpu:
    """A processor as the engine sees it: a local time, parked or running, and hooks that the kernel fills.

    `time` is valid while the CPU is parked; while it runs, its time is `engine.now`.
    """

    __slots__ = (
        "engine",
        "id",
        "time",
        "runnable",
        "resume",
        "irqs_off",
        "accrued",
        "attention",
        "charge_start",
        "interruptible",
    )

    def __init__(self, engine: Engine, cpu_id: int) -> None:
        self.engine = engine
        self.id = cpu_id
        self.time = 0
        self.runnable = False
        self.resume: greenlet | None = None
        self.irqs_off = 0  # depth; while > 0 code is atomic and charges accrue
        self.accrued = 0
        self.attention = False  # an interrupt or a reschedule waits for the next charge
        self.charge_start = 0  # while parked inside a charge: when it began; `time` is when it ends
        self.interruptible = False

    # --- hooks ----------------------------------------------------------------------------------------------
    def take_interrupts(self) -> None:
        """Run what is pending on this CPU (called with interrupts enabled, on the current stack)."""

    # --- time -----------------------------------------------------------------------------------------------
    def charge(self, n: int) -> None:
        """Spend `n` ns here.  Interrupts, events and other CPUs that come first happen first."""
        if self.irqs_off:
            self.accrued += n
            return
        eng = self.engine
        t = eng.now + n
        if t < eng.horizon:
            eng.now = t
            return
        left = self._charge_alone(n) if eng.alone else n
        if left >= 0:
            self._charge_slow(left)

    def _charge_slow(self, n: int) -> None:
        eng = self.engine
        left = n
        if eng.current is not self and eng.current is not None:  # whoever asks was moved to another CPU meanwhile
            eng.current._charge_slow(n)
            return
        while True:
            if self.attention:
                self.attention = False
                self.take_interrupts()
                if eng.current is not self and eng.current is not None:
                    eng.current._charge_slow(left)  # the rest is spent there
                    return
            left = self._pass(left, True)
            if left < 0:
                return

    def _charge_alone(self, n: int) -> int:
        """`_charge_slow` on the only CPU in virtual time, where nothing but events can come first.

        -1 when the time has passed, else what is left at the end of the run (`until`, or somebody asked to stop).
        """
        eng = self.engine
        heap = eng.heap
        now = eng.now
        end = now + n
        while not eng.stop:
            if self.attention:
                left = end - now
                self.attention = False
                self.take_interrupts()
                now = eng.now
                end = now + left
            first = heap[0][0] if heap else NEVER
            if first > end or first > eng.until:
                if end > eng.until:
                    break
                eng.now = end
                if self.attention:
                    eng.horizon = 0
                else:
                    eng.horizon = first if first <= eng.until else eng.until + 1
                return -1
            if first > now:
                eng.now = now = first
            eng.run_due()
        return end - now

    def advance(self, n: int) -> None:
        """Like charge, but takes no interrupt and cannot be preempted: the time of an atomic section,
        realised.
        """
        eng = self.engine
        t = eng.now + n
        if t < eng.horizon:
            eng.now = t
            return
        left = n
        while left >= 0:
            left = self._pass(left, False)
        if self.attention:
            eng.horizon = 0

    def _pass(self, left: int, interruptible: bool) -> int:
        """One step towards `left` ns from now: -1 when they have passed, else what is left.

        Events before the end run inline.  When another CPU comes first this one parks until the end, and is woken
        earlier only by an interrupt (`need_attention`), if it may take one.
        """
        eng = self.engine
        t = eng.now + left
        others = eng.others_bound(self)
        if eng.heap:
            e = eng.heap[0][0]
            if e <= t and e <= eng.until and not eng.stop and (e < others or eng.events_first(self, e)):
                if e > eng.now:
                    left -= e - eng.now
                    eng.now = e
                eng.run_due()
                return left
        if t < others and t <= eng.until and not eng.stop:
            eng.now = t
            eng.horizon = 0 if self.attention else eng.compute_horizon(self)
            return -1
        self.time = t
        self.charge_start = eng.now
        self.interruptible = interruptible
        self.resume = getcurrent()
        eng.hub_switch()
        self.interruptible = False
        eng.now = self.time
        eng.current = self
        return t - self.time

    def park(self) -> None:
        """Give the engine to whoever is earlier; returns when this CPU is the earliest again."""
        eng = self.engine
        self.time = eng.now
        self.resume = getcurrent()
        eng.hub_switch()
        eng.now = self.time
        eng.current = self
        eng.horizon = 0 if self.attention else eng.compute_horizon(self)

    def idle_wait(self) -> None:
        """Nothing to run: sleep until `Engine.wake`."""
        self.runnable = False
        self.park()

    def need_attention(self) -> None:
        """Make the next charge of this CPU look at `take_interrupts`; wakes it when it is idle or in a long
        charge.
        """
        self.attention = True
        eng = self.engine
        if eng.current is self:
            if not self.irqs_off:
                eng.horizon = 0
        elif not self.runnable:
            eng.wake(self)
        elif self.interruptible:
            at = eng.now if eng.now > self.charge_start else self.charge_start
            if at < self.time:
                self.time = at
                eng.lower_horizon(self)


class Engine:
    """Events and CPUs; `run` is called on the machine's own greenlet, the hub."""

    __slots__ = (
        "clock",
        "now",
        "horizon",
        "forgotten",
        "heap",
        "seq",
        "cpus",
        "current",
        "hub",
        "until",
        "stop",
        "in_event",
        "waiter",
        "alone",
    )

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.now = 0
        self.horizon = 0
        self.heap: list[tuple[int, int, Event]] = []
        self.forgotten = 0  # events of the heap that were cancelled
        self.seq = 0
        self.cpus: list[Cpu] = []
        self.current: Any = None  # the running Cpu (of the kernel's subclass), None in the hub
        self.hub: greenlet | None = None
        self.until = NEVER
        self.stop = False
        self.in_event = False
        self.waiter: Callable[[int], None] | None = None  # real time only: sleep until that moment or an outside event
        self.alone = False  # one CPU, virtual time: known while `run` runs

    # --- events ---------------------------------------------------------------------------------------------
    def at(self, t: int, fn: Callable[[], None]) -> Event:
        """Call `fn` at time `t` (not before now).  Events run inline: they never charge, block or switch."""
        if t < self.now:
            t = self.now
        ev = Event(fn)
        self.seq += 1
        heappush(self.heap, (t, self.seq, ev))
        if t < self.horizon:
            self.horizon = t
        return ev

    def again(self, ev: Event, t: int, fn: Callable[[], None]) -> None:
        """`at` for an event that has run and a moment not before now: the same object with a new place."""
        ev.fn = fn
        self.seq = seq = self.seq + 1
        heappush(self.heap, (t, seq, ev))
        if t < self.horizon:
            self.horizon = t

    def after(self, ns: int, fn: Callable[[], None]) -> Event:
        return self.at(self.now + ns, fn)

    def cancel(self, ev: Event | None) -> None:
        """Forget an event; one that has run already is forgotten quietly."""
        if ev is not None and ev.fn is not None:
            ev.fn = None
            self.forgotten += 1
            if self.forgotten > SWEEP_AT and self.forgotten * 2 > len(self.heap):
                self._sweep()

    def _sweep(self) -> None:
        """Take the forgotten events out: those of a long time ahead (keepalive, TIME_WAIT) would pile up."""
        self.heap[:] = [e for e in self.heap if e[2].fn is not None]
        heapify(self.heap)
        self.forgotten = 0

    def run_due(self) -> None:
        """Run every event whose time is not later than now, in order."""
        heap = self.heap
        saved = self.in_event
        self.in_event = True
        while heap and heap[0][0] <= self.now:
            ev = heappop(heap)[2]
            fn = ev.fn
            if fn is not None:
                ev.fn = None
                fn()
            else:
                self.forgotten -= 1
        self.in_event = saved

    # --- CPUs -----------------------------------------------------------------------------------------------
    def wake(self, cpu: Cpu) -> None:
        """Make a parked idle CPU runnable from now on."""
        if cpu.runnable:
            return
        cpu.runnable = True
        if cpu.time < self.now:
            cpu.time = self.now
        self.lower_horizon(cpu)

    def lower_horizon(self, cpu: Cpu) -> None:
        """`cpu` became runnable, or earlier: the running CPU must not pass it."""
        cur: Cpu | None = self.current
        if cur is not None and cur is not cpu:
            bound = cpu.time if cpu.id < cur.id else cpu.time + 1
            if bound < self.horizon:
                self.horizon = bound

    def others_bound(self, cpu: Cpu) -> int:
        """The first moment that `cpu` may not reach because another CPU comes first."""
        h = NEVER
        if len(self.cpus) > 1:
            for o in self.cpus:
                if o.runnable and o is not cpu:
                    t = o.time if o.id < cpu.id else o.time + 1
                    if t < h:
                        h = t
        return h

    def events_first(self, cpu: Cpu, e: int) -> bool:
        """Whether events of time `e` come before every other CPU."""
        for o in self.cpus:
            if o.runnable and o is not cpu and o.time < e:
                return False
        return True

    def compute_horizon(self, cpu: Cpu) -> int:
        h = self.others_bound(cpu)
        if self.heap and self.heap[0][0] < h:
            h = self.heap[0][0]
        if self.until < h:
            h = self.until + 1
        return h

    def hub_switch(self) -> None:
        hub = self.hub
        if hub is None:
            raise EngineError("a CPU was used outside of Engine.run")
        self.current = None
        hub.switch()

    def _earliest(self) -> Cpu | None:
        best: Cpu | None = None
        for c in self.cpus:
            if c.runnable and (best is None or c.time < best.time):
                best = c
        return best

    def run(self, until: int = NEVER) -> None:
        """Run until nothing is left to do, `until` (ns, inclusive) has passed, or `stop` is set."""
        if self.hub is not None:
            raise EngineError("Engine.run is not reentrant")
        self.hub = getcurrent()
        self.until = until
        self.stop = False
        self.alone = len(self.cpus) == 1 and self.clock.is_virtual
        real = not self.clock.is_virtual
        try:
            while not self.stop:
                if real:
                    t = self.clock.read()
                    if t > self.now:
                        self.now = t
                if self.alone:
                    only = self.cpus[0]
                    c = only if only.runnable else None
                else:
                    c = self._earliest()
                t_ev = self.heap[0][0] if self.heap else NEVER
                if c is not None and c.time < t_ev:
                    if c.time > until:
                        if until > self.now:
                            self.now = until
                        break
                    self.current = c
                    if real and c.time < self.now:
                        c.time = self.now
                    self.now = c.time
                    g = c.resume
                    if g is None:
                        raise EngineError("cpu%d has no context" % c.id)
                    g.switch()
                    continue
                if t_ev > until or (t_ev == NEVER and not real):
                    if until != NEVER and until > self.now:
                        self.now = until
                    break
                if real:
                    if t_ev > self.now:
                        if self.waiter is None:
                            raise EngineError("real time needs a waiter")
                        self.waiter(t_ev)
                        continue
                else:
                    self.now = t_ev
                self.run_due()
        finally:
            self.hub = None
            self.current = None
