"""The bridge between host threads and the engine's thread.

The rule: one engine thread owns all state.  A host thread never touches a green thread: it posts an operation
with a future and wakes the engine; the machine's own task `host` tries it as a system call that may not block,
and when it would block leaves an entry in the socket's wait queue.  Close, failure and Ctrl-C complete every
future.

Not here: what a socket looks like to a program (sockets.py), commands from other processes (control.py).
"""

from __future__ import annotations

import os
import threading

# the interpreter's own, whatever a program (gevent) puts into these modules
from _thread import allocate_lock, get_ident
from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from select import POLLIN, poll, select
from time import sleep
from typing import Any, Final

from rxpath.config import MachineConfig
from rxpath.kernel.cpu import MODE_PROGRAM
from rxpath.kernel.errno import ENOTSUP, ESHUTDOWN, linux_error
from rxpath.kernel.sched import TASK_INTERRUPTIBLE, TASK_RUNNING, Task
from rxpath.link.badcable import BadCable
from rxpath.link.tap import Tap, TapError
from rxpath.machine import Machine
from rxpath.net.core.sock import WaitQueueEntry, WaitQueueHead
from rxpath.sim.clock import MonotonicClock
from rxpath.sim.engine import NEVER
from rxpath.sim.ledger import LedgerError
from rxpath.sockets import EBADF

READ_BATCH: Final = 64  # frames taken from the TAP at one look
POLL_EVERY_NS: Final = 50_000  # how often a busy machine looks at the wire
PAUSE_QUANTUM_NS: Final = 512  # 512 bit times at 1 Gbit/s
SELECT_LIMIT: Final = 1024  # descriptors that select(2) cannot watch
STOP_LIMIT_S: Final = 10.0
SIGNAL_LOOK: Final = 1.0  # seconds after which the main thread, blocked in a call, asks Python for signals


class Operation:
    """One call of a host thread: `fn` is tried; BlockingIOError means wait on `wq` and try again.

    A future of one lock: the engine fills in `value` or `error` and opens `gate`; a whole concurrent Future costs
    more than many a call.
    """

    __slots__ = ("done", "entry", "error", "fn", "gate", "number", "value", "wq")

    def __init__(self, fn: Callable[[], Any], wq: WaitQueueHead | None) -> None:
        self.fn = fn
        self.wq = wq
        self.number = 0  # order of arrival: who waits longest is tried first
        self.done = False
        self.value: Any = None
        self.error: BaseException | None = None
        self.gate = allocate_lock()
        self.gate.acquire()
        self.entry: OperationWait | None = None

    def __lt__(self, other: Operation) -> bool:
        return self.number < other.number

    def set_result(self, value: Any) -> None:
        if not self.done:
            self.value = value
            self.done = True
            self.gate.release()

    def set_error(self, error: BaseException) -> None:
        if not self.done:
            self.error = error
            self.done = True
            self.gate.release()

    def wait(self, timeout: float | None) -> bool:
        """Until it is done, or `timeout` seconds have passed (False)."""
        if self.done:
            return True
        if timeout is None:
            # A signal that comes between Python's last look and the wait itself ends no wait: look now and then.
            step = SIGNAL_LOOK if threading.current_thread() is threading.main_thread() else -1.0
            while not self.gate.acquire(timeout=step):
                pass
            return True
        return self.gate.acquire(timeout=timeout) or self.done

    def result(self) -> Any:
        error = self.error
        if error is None:
            return self.value
        self.error = None
        if isinstance(error, OSError):  # the answer of a call: where in the engine it arose is nobody's business
            error.__traceback__ = None
        try:
            raise error
        finally:  # or each error would be a cycle, and what its frames hold would stay until the collector comes
            del error, self


class OperationWait(WaitQueueEntry):
    """In a socket's wait queue: any wake-up makes the operation be tried again."""

    __slots__ = ("bridge", "op")

    def __init__(self, bridge: Bridge, op: Operation) -> None:
        super().__init__(None)
        self.bridge = bridge
        self.op = op

    def func(self, key: int) -> bool:
        wq = self.wq
        if wq is not None:
            wq.remove(self)
        self.op.entry = None
        self.bridge.retry(self.op)
        return True


class EngineThread(threading.Thread):
    """Ends without a word although a program has put other threads into `threading` (gevent, eventlet)."""

    def _delete(self) -> None:
        try:
            super()._delete()  # type: ignore[misc]
        except KeyError:  # looked for under another's number
            pass


class Bridge:
    """A machine in real time on a thread of its own, wired to a TAP device (None: a NIC without a cable).

    `start` boots in virtual time and returns when the machine serves; `call` runs a function of the machine's
    sockets for a host thread, `run_task` one that may sleep; `stop` ends everything and checks that every frame
    that the TAP gave is accounted for.  `setup`: functions to run on the booted machine before it serves.
    No CPU time is charged in real time: work takes as long as it takes.
    """

    def __init__(self, config: MachineConfig, tap: Tap | BadCable | None) -> None:
        self.config = config
        self.tap = tap
        self.machine: Machine | None = None
        self.thread: threading.Thread | None = None
        self.ready = threading.Event()
        self.done = threading.Event()
        self.failure: BaseException | None = None
        self.stopping = False
        self.finished = False
        self.inbox: deque[Operation] = deque()
        self.ops: list[Operation] = []  # a heap by order of arrival
        self.pending: dict[int, Operation] = {}
        self.at_end: dict[Callable[[], None], None] = {}
        self.host_task: Task | None = None
        # reentrant: a destructor or a signal handler may wake the engine while this thread does so already
        self.lock = threading.RLock()
        self.wake_r, self.wake_w = os.pipe()
        os.set_blocking(self.wake_r, False)
        os.set_blocking(self.wake_w, False)
        self.awake = False  # somebody has written to the pipe
        self.sleeping = False  # the engine sleeps, or is about to and has not looked yet
        self.paused_until = 0  # engine ns: the card has sent a PAUSE frame, and we are the link partner
        self.more = False  # the last look at the wire did not see its end
        self.last_poll = 0
        self.next_number = 0
        self.clock = MonotonicClock()
        self.setup: list[Callable[[Machine], None]] = []
        self.pid = os.getpid()
        # The process is about to end: who still calls (but the main thread) waits for that instead of an error.
        self.abandon = False

    # --- host threads -------------------------------------------------------------------------------------------
    def start(self) -> Bridge:
        """Boot and serve; raises what boot or `setup` raised."""
        self.thread = EngineThread(target=self._main, name="rxpath-engine", daemon=True)
        self.thread.start()
        self.ready.wait()
        if self.failure is not None:
            self.thread.join()
            raise self.failure
        return self

    def call(self, fn: Callable[[], Any], wq: WaitQueueHead | None = None, timeout: float | None = None) -> Any:
        """Run `fn` in the engine as the task `host`, and return what it returns or raise what it raises.

        When it raises BlockingIOError and `wq` is given, it is tried again at each wake-up of `wq` until
        `timeout` seconds have passed (TimeoutError); without `wq` BlockingIOError is raised.  ESHUTDOWN when
        the machine has stopped; what it failed with, when it failed.
        """
        op = Operation(fn, wq)
        self._submit(op)
        return self._result(op, timeout)

    def run_task(self, fn: Callable[[], Any], name: str = "sh") -> Any:
        """Run `fn` as a task of its own, which may sleep, and wait for its end."""
        op = Operation(fn, None)

        def body() -> None:
            try:
                result = fn()
            except Exception as e:
                self.pending.pop(id(op), None)
                op.set_error(e)
                return
            self.pending.pop(id(op), None)
            op.set_result(result)

        def begin() -> None:
            self.pending[id(op)] = op
            assert self.machine is not None
            self.machine.spawn(body, name=name)

        self.call(begin)
        return self._result(op, None)

    def post(self, fn: Callable[[], Any]) -> None:
        """Run `fn` in the engine, some time soon, without waiting; nothing happens when it has stopped."""
        if not self.finished and os.getpid() == self.pid:
            self.inbox.append(Operation(fn, None))
            self._wake()

    def _submit(self, op: Operation) -> None:
        if self.finished:
            if self.abandon and threading.current_thread() is not threading.main_thread():
                return
            raise self._stopped()
        if os.getpid() != self.pid:  # the engine's thread has stayed behind
            raise OSError(ENOTSUP, "a live machine in a forked process")
        self.inbox.append(op)
        self._wake()
        if self.finished:  # the engine may have emptied its inbox for the last time before that
            self._fail_all()

    def _result(self, op: Operation, timeout: float | None) -> Any:
        try:
            if op.wait(timeout):
                return op.result()
        except BaseException:
            if not op.done:  # Ctrl-C: nobody will read what it would bring
                self.post(lambda: self._give_up(op))
            raise
        # The engine decides: either it is done by now, or it is given up and has taken nothing.
        self.post(lambda: self._give_up(op))
        if self.finished:
            self._fail_all()
        op.wait(None)
        return op.result()

    def _give_up(self, op: Operation) -> None:
        self._forget(op)
        op.set_error(TimeoutError("timed out"))

    def in_engine(self) -> bool:
        """Whether the caller is the engine's thread, which may not wait for itself."""
        return self.thread is not None and self.thread.ident == get_ident()

    def _wake(self) -> None:
        """After something was put where the engine looks: it must not sleep over it."""
        if self.awake or not self.sleeping:
            return
        self.awake = True
        with self.lock:
            if self.finished:
                return
            try:
                os.write(self.wake_w, b"x")
            except BlockingIOError:
                pass

    def request_stop(self) -> None:
        """Ask the engine to end and return at once; for signal handlers."""
        self.stopping = True
        self._wake()

    def wait(self, timeout: float | None = None) -> bool:
        """Until the machine has ended; False when `timeout` seconds passed first."""
        return self.done.wait(timeout)

    def stop(self) -> None:
        """End the machine; every future is completed.  Raises what the engine failed with.

        RuntimeError when it does not end within ten seconds.
        """
        if self.thread is None:
            return
        self.request_stop()
        self.thread.join(STOP_LIMIT_S)
        if self.thread.is_alive():
            raise RuntimeError("the machine does not end")
        if self.failure is not None:
            raise self.failure

    # --- the engine's thread ------------------------------------------------------------------------------------
    def _main(self) -> None:
        m: Machine | None = None
        try:
            config = MachineConfig.from_dict({**self.config.to_dict(), "costs": "none"}, "live")
            m = Machine(config)
            m.keep_times = False
            self.machine = m
            m.boot()
            for fn in self.setup:
                fn(m)
            self._serve(m)
            m.close()
            if self.tap is not None and self.tap.rx_frames != m.ledger.wire:
                raise LedgerError(f"TAP gave {self.tap.rx_frames} frames, {m.ledger.wire} were on the wire")
        except BaseException as e:
            self.failure = e
            if m is not None and not m.closed:
                m.closed = True
                m.kernel.engine.waiter = None
                m.kernel.close()
        finally:
            self.stopping = True
            with self.lock:
                self.finished = True
                os.close(self.wake_r)
                os.close(self.wake_w)
            self._fail_all()
            for end in list(self.at_end):
                end()
            if self.tap is not None:
                self.tap.close()
            self.ready.set()
            self.done.set()

    def _serve(self, m: Machine) -> None:
        """From virtual into real time, until `stop` or a failure, and back."""
        k = m.kernel
        eng = k.engine
        virtual = eng.clock
        if self.tap is not None and m.ports:
            m.ports[0].on_transmit = self._transmit
            if hasattr(m.ports[0].model, "pause_sink"):
                m.ports[0].model.pause_sink = self._pause
        self.clock.advance_to(eng.now)
        eng.clock = self.clock
        k.real_time = True
        k.io_poll = self._io_poll
        eng.waiter = self._wait
        self.host_task = k.sched.create("host", k.cpus[0], self._host, MODE_PROGRAM)
        k.sched.wake_up_process(self.host_task)
        self.ready.set()
        try:
            while not self.stopping:
                eng.run()
                if k.task_errors:
                    raise k.task_errors[0][1]
        finally:
            eng.waiter = None
            k.io_poll = None
            k.real_time = False
            eng.clock = virtual

    def _transmit(self, now: int, frame: bytes) -> None:
        assert self.tap is not None
        self.tap.write(frame)

    def _pause(self, quanta: int) -> None:
        """The card has negotiated flow control and its FIFO fills (or, 0, has emptied): the TAP's queue waits."""
        m = self.machine
        assert m is not None
        self.paused_until = m.kernel.engine.now + quanta * PAUSE_QUANTUM_NS if quanta else 0

    def _stopped(self) -> Exception:
        if isinstance(self.failure, Exception):
            return self.failure
        return linux_error(ESHUTDOWN, "the machine has stopped")

    def _fail_all(self) -> None:
        if self.abandon:
            return
        error = self._stopped()
        while self.inbox or self.ops:
            try:
                op = self.inbox.popleft() if self.inbox else self.ops.pop()
            except IndexError:
                continue
            self._end(op, error)
        while self.pending:
            try:
                _, op = self.pending.popitem()
            except KeyError:
                break
            self._end(op, error)

    def _end(self, op: Operation, error: Exception) -> None:
        with self.lock:  # several threads may find that the machine has ended
            op.set_error(error)

    def _wait(self, until: int) -> None:
        """Sleep until `until` (engine ns), a frame, or a host thread.  Called on the hub."""
        self.sleeping = True  # from here on a host thread wakes us; before that its operation is in the inbox
        tap = self.tap
        now = self.clock.read()
        paused = self.paused_until > now
        if self.inbox or self.stopping or (self.more and not paused):
            self.sleeping = False
            self._take(tap is not None)
            return
        fds = [self.wake_r]
        if paused:
            until = min(until, self.paused_until)
        elif tap is not None:
            fds.append(tap.fileno())
        ready = self._readable(fds, None if until == NEVER else max(0, until - now) / 1e9)
        self.sleeping = False
        if self.wake_r in ready:
            try:
                os.read(self.wake_r, 4096)
            except BlockingIOError:
                pass
            self.awake = False
        self._take(len(ready) > 1 or (len(ready) == 1 and ready[0] != self.wake_r))

    def _io_poll(self) -> None:
        """Called where a busy machine reads its clock: look at the wire and the inbox now and then."""
        m = self.machine
        assert m is not None
        now = m.kernel.engine.now
        if now - self.last_poll >= POLL_EVERY_NS:
            self.last_poll = now
            self._take(self.tap is not None)

    def _readable(self, fds: list[int], timeout: float | None) -> list[int]:
        if max(fds) < SELECT_LIMIT:
            return select(fds, [], [], timeout)[0]
        # A host program with many descriptors: poll(2) knows milliseconds only, so the rest of one is slept in
        # small pieces.
        p = poll()
        for fd in fds:
            p.register(fd, POLLIN)
        got = p.poll(None if timeout is None else int(timeout * 1000))
        if not got and timeout is not None and 0 < timeout < 0.001:
            sleep(min(timeout, 0.0001))
        return [fd for fd, _ in got]

    def _take(self, wire: bool) -> None:
        """Take what host threads have, and the wire when `wire`; never sleeps."""
        m = self.machine
        assert m is not None
        eng = m.kernel.engine
        t = eng.clock.read()
        if t > eng.now:
            eng.now = t
        if self.stopping:
            eng.stop = True
            return  # and no frame more: a flood must not keep the machine from its end
        if self.inbox:
            while self.inbox:
                op = self.inbox.popleft()
                op.number = self.next_number
                self.next_number += 1
                heappush(self.ops, op)
            if self.host_task is not None:
                m.kernel.sched.wake_up_process(self.host_task)
        tap = self.tap
        if wire and self.paused_until and self.paused_until <= eng.now:
            # over, unless the card asks again: its timer may be due too, and comes first
            self.paused_until = 0
            self.more = True
            return
        if wire and tap is not None and self.paused_until <= eng.now:
            read = tap.read
            receive = m.ports[0].receive
            for _ in range(READ_BATCH):
                try:
                    frame = read()
                except OSError as e:
                    raise TapError(e.errno, f"TAP {tap.name}: {e.strerror}: the device is gone") from None
                if frame is None:
                    self.more = False
                    return
                receive(frame)
                if self.paused_until > eng.now:
                    break
            self.more = True

    # --- the task `host` ----------------------------------------------------------------------------------------
    def _host(self) -> None:
        m = self.machine
        t = self.host_task
        assert m is not None and t is not None
        sched = m.kernel.sched
        while True:
            while self.ops:
                self._attempt(heappop(self.ops))
            t.state = TASK_INTERRUPTIBLE
            if self.ops:
                t.state = TASK_RUNNING
                continue
            sched.sleep()

    def _attempt(self, op: Operation) -> None:
        self.pending.pop(id(op), None)
        if op.done:  # given up
            return
        wq = op.wq
        entry: OperationWait | None = None
        if wq is not None:  # in the queue before it is tried, so that no wake-up is missed
            op.entry = entry = OperationWait(self, op)
            wq.add(entry)
        try:
            result = op.fn()
        except BlockingIOError as e:
            if entry is None:
                op.set_error(e)
            elif entry.wq is not None:
                self.pending[id(op)] = op
            return
        except Exception as e:
            self._forget(op)
            op.set_error(e)
            return
        if entry is not None:
            self._forget(op)
        op.set_result(result)

    def retry(self, op: Operation) -> None:
        """A socket that `op` waits for woke up."""
        self.pending.pop(id(op), None)
        heappush(self.ops, op)
        m = self.machine
        if m is not None and self.host_task is not None:
            m.kernel.sched.wake_up_process(self.host_task)

    def fail_waiters(self, wq: WaitQueueHead) -> None:
        """In the engine: whoever waits on `wq` gets EBADF, for its socket is closed."""
        for e in list(wq.entries):
            if isinstance(e, OperationWait):
                self._forget(e.op)
                e.op.set_error(OSError(EBADF, "Bad file descriptor"))

    def _forget(self, op: Operation) -> None:
        e = op.entry
        if e is not None and e.wq is not None:
            e.wq.remove(e)
        op.entry = None
        self.pending.pop(id(op), None)

    # --- looking ------------------------------------------------------------------------------------------------
    def account(self) -> dict[str, Any]:
        """The ledger as it stands, with the TAP's own counts; of a running machine through `call` only."""
        m = self.machine
        assert m is not None
        led = m.ledger
        tap = self.tap
        return {
            "wire": led.wire,
            "delivered": led.delivered,
            "consumed": {": ".join(k): n for k, n in sorted(led.consumed.items())},
            "dropped": {f"{k[0]}: {k[1]} [{k[2]}]": n for k, n in sorted(led.dropped.items())},
            "in_flight": 0 if m.closed else m.in_flight(),
            "sent": led.own_sent,
            "tap": {}
            if tap is None
            else {
                "read": tap.rx_frames,
                "written": tap.tx_frames,
                "not written": tap.tx_dropped,
                **(tap.counts() if isinstance(tap, BadCable) else {}),
            },
        }
