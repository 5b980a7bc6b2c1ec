"""The bridge between host threads and the engine's thread.

The rule: one engine thread owns all state.  A host thread never touches a green thread: it posts an operation with a future and wakes the
engine; the machine's own task `host` tries it as a system call that may not block, and when it would block leaves an entry in the socket's
wait queue.  Close, failure and Ctrl-C complete every future.

Not here: what a socket looks like to a program (socketmodule.py).
"""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from rxpath.config import MachineConfig
from rxpath.kernel.cpu import MODE_PROGRAM
from rxpath.kernel.errno import ESHUTDOWN, linux_error
from rxpath.kernel.sched import TASK_INTERRUPTIBLE, TASK_RUNNING, Task
from rxpath.link.tap import Tap
from rxpath.machine import Machine
from rxpath.net.core.sock import WaitQueueEntry, WaitQueueHead
from rxpath.sim.clock import MonotonicClock
from rxpath.sim.engine import NEVER

READ_BATCH = 64
POLL_EVERY_NS = 50_000


class Operation:
    """One call of a host thread: `fn` is tried; BlockingIOError means wait on `wq`."""

    __slots__ = ("entry", "fn", "future", "wq")

    def __init__(self, fn: Callable[[], Any], wq: WaitQueueHead | None) -> None:
        self.fn = fn
        self.wq = wq
        self.future: Future[Any] = Future()
        self.entry: OperationWait | None = None


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


class Bridge:
    """A machine in real time on a thread of its own, wired to a TAP device.

    `start` returns when it serves; `call` runs a function of the machine's sockets for a host thread; `stop` ends everything.
    """

    def __init__(self, config: MachineConfig, tap: Tap | None) -> None:
        self.config = config
        self.tap = tap
        self.machine: Machine | None = None
        self.thread: threading.Thread | None = None
        self.ready = threading.Event()
        self.failure: BaseException | None = None
        self.stopping = False
        self.inbox: deque[Operation] = deque()
        self.ops: deque[Operation] = deque()
        self.pending: dict[int, Operation] = {}
        self.host_task: Task | None = None
        self.wake_r, self.wake_w = os.pipe()
        os.set_blocking(self.wake_r, False)
        os.set_blocking(self.wake_w, False)
        self.last_poll = 0
        self.setup: list[Callable[[Machine], None]] = []
        self.tick: Callable[[Machine], None] | None = None

    # --- host threads -------------------------------------------------------------------------------------------
    def start(self) -> Bridge:
        """Boot and serve; raises what boot raised."""
        self.thread = threading.Thread(target=self._main, name="rxpath-engine", daemon=True)
        self.thread.start()
        self.ready.wait()
        if self.failure is not None:
            self.thread.join()
            raise self.failure
        return self

    def call(
        self, fn: Callable[[], Any], wq: WaitQueueHead | None = None, timeout: float | None = None
    ) -> Any:
        """Run `fn` in the engine as the task `host`.

        When it raises BlockingIOError and `wq` is given, it is tried again at each wake-up of `wq` until `timeout` seconds have passed
        (TimeoutError); without `wq` BlockingIOError is raised.
        """
        if self.stopping or self.failure is not None:
            raise linux_error(ESHUTDOWN, "the machine has stopped")
        op = Operation(fn, wq)
        self.inbox.append(op)
        self.wake()
        try:
            return op.future.result(timeout)
        except TimeoutError:
            if op.future.done():
                return op.future.result()
            op.future.cancel()
            self.post(lambda: self._forget(op))
            raise TimeoutError("timed out") from None

    def post(self, fn: Callable[[], Any]) -> None:
        """Run `fn` in the engine, some time soon, without waiting."""
        self.inbox.append(Operation(fn, None))
        self.wake()

    def wake(self) -> None:
        try:
            os.write(self.wake_w, b"x")
        except BlockingIOError:
            pass
        except OSError:
            pass

    def stop(self) -> None:
        """End the machine; every future is completed.  Raises what the engine failed with."""
        if self.thread is None:
            return
        self.stopping = True
        self.wake()
        if threading.current_thread() is not self.thread:
            self.thread.join(10)
        if self.failure is not None:
            raise self.failure

    # --- the engine's thread ------------------------------------------------------------------------------------
    def _main(self) -> None:
        try:
            m = Machine(self.config)
            m.keep_times = False
            self.machine = m
            m.boot()
            for fn in self.setup:
                fn(m)
            k = m.kernel
            port = m.ports[0]
            if self.tap is not None:
                port.on_transmit = self._transmit
            clock = MonotonicClock()
            clock.advance_to(k.engine.now)
            k.engine.clock = clock
            k.real_time = True
            k.io_poll = self._io_poll
            k.engine.waiter = self._wait
            self.host_task = k.sched.create("host", k.cpus[0], self._host, MODE_PROGRAM)
            k.sched.wake_up_process(self.host_task)
            self.ready.set()
            k.engine.run()
            if k.task_errors:
                raise k.task_errors[0][1]
            k.engine.waiter = None
            k.real_time = False
            k.engine.clock.is_virtual = True
            m.close()
        except BaseException as e:
            self.failure = e
        finally:
            self.stopping = True
            self._fail_all()
            self.ready.set()
            if self.tap is not None:
                self.tap.close()
            os.close(self.wake_r)
            os.close(self.wake_w)

    def _transmit(self, now: int, frame: bytes) -> None:
        if self.tap is not None:
            self.tap.write(frame)

    def _fail_all(self) -> None:
        error = self.failure if isinstance(self.failure, Exception) else None
        for q in (self.inbox, self.ops):
            while q:
                self._fail(q.popleft(), error)
        for op in list(self.pending.values()):
            self._fail(op, error)
        self.pending.clear()

    def _fail(self, op: Operation, error: Exception | None) -> None:
        if not op.future.done():
            op.future.set_exception(error or linux_error(ESHUTDOWN, "the machine has stopped"))

    def _wait(self, until: int) -> None:
        """Sleep until `until` (engine ns), a frame, or a host thread.  Called on the hub."""
        m = self.machine
        assert m is not None
        eng = m.kernel.engine
        timeout: float | None = None
        if until != NEVER:
            timeout = max(0, until - eng.clock.read()) / 1e9
        self._select(timeout)
        if self.tick is not None:
            self.tick(m)

    def _io_poll(self) -> None:
        """Called where a busy machine reads its clock: look at the wire now and then."""
        m = self.machine
        assert m is not None
        now = m.kernel.engine.now
        if now - self.last_poll >= POLL_EVERY_NS:
            self.last_poll = now
            self._select(0)

    def _select(self, timeout: float | None) -> None:
        m = self.machine
        assert m is not None
        eng = m.kernel.engine
        fds = [self.wake_r]
        tap = self.tap
        if tap is not None:
            fds.append(tap.fileno())
        ready, _, _ = select.select(fds, [], [], timeout)
        t = eng.clock.read()
        if t > eng.now:
            eng.now = t
        if self.wake_r in ready:
            while True:
                try:
                    if len(os.read(self.wake_r, 4096)) < 4096:
                        break
                except BlockingIOError:
                    break
            if self.stopping:
                eng.stop = True
        if self.inbox:
            while self.inbox:
                self.ops.append(self.inbox.popleft())
            if self.host_task is not None:
                m.kernel.sched.wake_up_process(self.host_task)
        if tap is not None and len(ready) > (self.wake_r in ready):
            receive = m.ports[0].receive
            for _ in range(READ_BATCH):
                frame = tap.read()
                if frame is None:
                    break
                receive(frame)

    # --- the task `host` ----------------------------------------------------------------------------------------
    def _host(self) -> None:
        m = self.machine
        assert m is not None
        t = self.host_task
        assert t is not None
        sched = m.kernel.sched
        while True:
            while self.ops:
                self._attempt(self.ops.popleft())
            t.state = TASK_INTERRUPTIBLE
            if self.ops:
                t.state = TASK_RUNNING
                continue
            sched.sleep()

    def _attempt(self, op: Operation) -> None:
        self.pending.pop(id(op), None)
        if op.future.cancelled():
            return
        try:
            result = op.fn()
        except BlockingIOError as e:
            if op.wq is None:
                op.future.set_exception(e)
                return
            op.entry = OperationWait(self, op)
            op.wq.add(op.entry)
            self.pending[id(op)] = op
            return
        except Exception as e:
            if not op.future.done():
                op.future.set_exception(e)
            return
        if not op.future.done():
            try:
                op.future.set_result(result)
            except Exception:  # cancelled in between
                return

    def retry(self, op: Operation) -> None:
        """A socket that `op` waits for woke up."""
        self.ops.append(op)
        m = self.machine
        if m is not None and self.host_task is not None:
            m.kernel.sched.wake_up_process(self.host_task)

    def _forget(self, op: Operation) -> None:
        e = op.entry
        if e is not None and e.wq is not None:
            e.wq.remove(e)
        self.pending.pop(id(op), None)
