"""The bridge: host threads against the engine's thread; every call ends, and no datagram is lost on the way."""

from __future__ import annotations

import errno
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from rxpath.config import ConfigError, MachineConfig, NicConfig
from rxpath.live.bridge import Bridge
from rxpath.live.machine import LiveMachine, live


def in_thread(fn: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    """Run `fn` in a thread; the list gets what it returned or raised."""
    got: list[Any] = []

    def body() -> None:
        try:
            got.append(fn())
        except BaseException as e:
            got.append(e)

    t = threading.Thread(target=body, daemon=True)
    t.start()
    return t, got


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "never came true"
        time.sleep(0.002)


def bound(net: LiveMachine, port: int) -> Any:
    s = net.socket.socket(net.socket.AF_INET, net.socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", port))
    return s


def waiting(net: LiveMachine, n: int = 1) -> Callable[[], bool]:
    b = net.bridge
    assert b is not None
    return lambda: len(b.pending) == n


def test_many_threads_each_with_its_own_socket(net: LiveMachine) -> None:
    def talk(who: int) -> int:
        with net.socket.socket(net.socket.AF_INET, net.socket.SOCK_DGRAM) as s:
            s.connect(("127.0.0.1", 7))
            for n in range(60):
                text = b"%d/%d" % (who, n)
                s.send(text)
                assert s.recv(100) == text
            return 60

    threads = [in_thread(lambda who=who: talk(who)) for who in range(8)]
    for t, _ in threads:
        t.join(30)
    assert [got for _, got in threads] == [[60]] * 8
    assert net.programs[0].read == 480


def test_many_threads_read_one_socket_and_share_every_datagram(net: LiveMachine) -> None:
    s = bound(net, 9)
    seen: Counter[bytes] = Counter()
    lock = threading.Lock()

    def read() -> None:
        while (data := s.recv(100)) != b"end":
            with lock:
                seen[data] += 1

    threads = [in_thread(read) for _ in range(5)]
    until(waiting(net, 5))
    tx = net.socket.socket(net.socket.AF_INET, net.socket.SOCK_DGRAM)
    for n in range(400):
        tx.sendto(b"%d" % n, ("127.0.0.1", 9))
    until(lambda: sum(seen.values()) == 400)
    for _ in threads:
        tx.sendto(b"end", ("127.0.0.1", 9))
    for t, got in threads:
        t.join(20)
        assert got == [None]
    assert seen == Counter({b"%d" % n: 1 for n in range(400)})


def test_who_waits_longest_is_served_first(net: LiveMachine) -> None:
    s = bound(net, 9)
    first, got_first = in_thread(lambda: s.recv(10))
    until(waiting(net, 1))
    second, got_second = in_thread(lambda: s.recv(10))
    until(waiting(net, 2))
    s.sendto(b"one", ("127.0.0.1", 9))
    first.join(20)
    s.sendto(b"two", ("127.0.0.1", 9))
    second.join(20)
    assert (got_first, got_second) == ([b"one"], [b"two"])


def test_a_call_that_timed_out_takes_nothing(net: LiveMachine) -> None:
    s = bound(net, 9)
    s.settimeout(0.03)
    with pytest.raises(TimeoutError, match="timed out"):
        s.recv(10)
    assert net.bridge is not None and not net.bridge.pending
    assert net.bridge.call(lambda: len(s._file.inner.sk.wq.entries)) == 0
    s.sendto(b"later", ("127.0.0.1", 9))
    assert s.recv(10) == b"later"


def test_datagrams_that_race_with_time_limits_are_never_lost(net: LiveMachine) -> None:
    s = bound(net, 9)
    s.settimeout(0.0003)
    sent = 300

    def send() -> None:
        for n in range(sent):
            s2.sendto(b"%d" % n, ("127.0.0.1", 9))
            time.sleep(0.0003)

    s2 = net.socket.socket(net.socket.AF_INET, net.socket.SOCK_DGRAM)
    t, failed = in_thread(send)
    got: list[int] = []
    late = 0
    while len(got) < sent and late < 20_000:
        try:
            got.append(int(s.recv(10)))
        except TimeoutError:
            late += 1
    t.join(20)
    assert failed == [None]
    assert got == list(range(sent))


def test_close_ends_who_waits(net: LiveMachine) -> None:
    s = bound(net, 9)
    t, got = in_thread(lambda: s.recv(10))
    until(waiting(net))
    s.close()
    t.join(20)
    assert isinstance(got[0], OSError) and got[0].errno == errno.EBADF
    with pytest.raises(OSError, match="Bad file descriptor"):
        s.recv(1)
    s.close()
    # the port is free again
    bound(net, 9).close()


def test_the_end_of_the_machine_ends_who_waits() -> None:
    net = live(None, "10.9.0.2/24").start()
    s = bound(net, 9)
    t, got = in_thread(lambda: s.recv(10))
    until(waiting(net))
    net.close()
    t.join(20)
    assert isinstance(got[0], OSError) and got[0].errno == errno.ESHUTDOWN
    with pytest.raises(OSError, match="stopped"):
        s.send(b"x")
    s.close()
    net.close()


def test_calls_against_the_end_all_come_back() -> None:
    """Threads that call without a pause while the machine ends: none hangs."""
    net = live(None, "10.9.0.2/24").start()
    s = bound(net, 9)

    def hammer() -> str:
        try:
            while True:
                s.getsockname()
        except OSError as e:
            return errno.errorcode[e.errno or 0]

    threads = [in_thread(hammer) for _ in range(6)]
    time.sleep(0.02)
    net.close()
    for t, got in threads:
        t.join(20)
        assert got == ["ESHUTDOWN"]


class Broken(Exception):
    pass


def test_a_program_that_fails_ends_the_machine_and_every_call() -> None:
    net = live(None, "10.9.0.2/24").start()
    s = bound(net, 9)
    t, got = in_thread(lambda: s.recv(10))
    until(waiting(net))
    b = net.bridge
    assert b is not None and b.machine is not None
    machine = b.machine

    def bad() -> None:
        raise Broken("as asked")

    b.post(lambda: machine.spawn(bad))
    t.join(20)
    assert isinstance(got[0], Broken)
    assert net.wait(20)
    with pytest.raises(Broken):
        net.close()
    with pytest.raises(Broken):
        s.recv(1)


def test_what_a_call_raises_is_the_callers_and_the_machine_lives(net: LiveMachine) -> None:
    def bad() -> None:
        raise Broken("as asked")

    b = net.bridge
    assert b is not None
    with pytest.raises(Broken):
        b.call(bad)
    with pytest.raises(Broken):
        b.run_task(bad)
    assert b.call(lambda: 5) == 5


def test_what_setup_raises_start_raises() -> None:
    config = MachineConfig()
    config.nics.append(NicConfig(addresses=["10.9.0.2/24"]))
    b = Bridge(config, None)

    def bad(machine: object) -> None:
        raise Broken("as asked")

    b.setup.append(bad)
    with pytest.raises(Broken):
        b.start()
    assert b.done.is_set()
    with pytest.raises(Broken):
        b.call(lambda: 1)


def test_ctrl_c_leaves_a_blocked_call_and_takes_nothing(net: LiveMachine) -> None:
    s = bound(net, 9)
    ready = waiting(net)
    main = threading.main_thread().ident
    assert main is not None and threading.current_thread() is threading.main_thread()

    left = threading.Event()

    def interrupt() -> None:
        until(ready)
        for _ in range(10):  # Python loses one that comes while a weak reference's callback runs
            signal.pthread_kill(main, signal.SIGINT)
            if left.wait(5):
                break

    t, _ = in_thread(interrupt)
    with pytest.raises(KeyboardInterrupt):
        s.recv(10)
    left.set()
    t.join(20)
    s.sendto(b"later", ("127.0.0.1", 9))
    assert s.recv(10) == b"later"


def test_time_is_real_and_costs_nothing(net: LiveMachine) -> None:
    b = net.bridge
    assert b is not None and b.machine is not None
    k = b.machine.kernel
    assert k.costs.context_switch == 0
    before = b.call(lambda: k.engine.now)
    t = time.monotonic_ns()
    b.run_task(lambda: sleep_in(k, 30_000_000))
    assert time.monotonic_ns() - t >= 30_000_000
    assert b.call(lambda: k.engine.now) - before >= 30_000_000


def sleep_in(kernel: Any, ns: int) -> None:
    from rxpath.drivers.lib import sleep_ns

    sleep_ns(kernel, ns)


def test_a_task_that_sleeps_holds_up_nobody(net: LiveMachine) -> None:
    b = net.bridge
    assert b is not None and b.machine is not None
    k = b.machine.kernel
    t, got = in_thread(lambda: b.run_task(lambda: sleep_in(k, 3_600_000_000_000)))
    until(lambda: bool(b.pending))
    assert b.call(lambda: "answered") == "answered"
    net.close()
    t.join(20)
    assert isinstance(got[0], OSError) and got[0].errno == errno.ESHUTDOWN


def test_memory_does_not_grow_with_what_went_by(net: LiveMachine) -> None:
    b = net.bridge
    assert b is not None and b.machine is not None
    m = b.machine
    s = bound(net, 9)
    s.settimeout(0.0)
    for n in range(300):
        s.sendto(b"%d" % n, ("127.0.0.1", 9))
        s.recv(10)
        with pytest.raises(BlockingIOError):
            s.recv(10)
    assert not b.pending and not b.inbox and not b.ops
    assert not m.wire_times and not m.socket_latency
    tasks = b.call(lambda: len(m.kernel.sched.tasks))
    for _ in range(20):
        b.run_task(lambda: None)
    assert b.call(lambda: len(m.kernel.sched.tasks)) == tasks


def test_a_forgotten_socket_is_closed(net: LiveMachine) -> None:
    s = bound(net, 9)
    del s
    bound(net, 9).close()


def test_what_cannot_be_is_said_in_one_line() -> None:
    with pytest.raises(ConfigError, match="prefix length"):
        live(None, "10.9.0.2")
    with pytest.raises(ConfigError, match="address"):
        live(None)
    with pytest.raises(OSError, match="real time"):
        live(None, "10.9.0.2/24", listen=["udp:7,cost=5us"]).start()
    with pytest.raises(OSError, match="not an interface name"):
        live("no/name", "10.9.0.2/24").start()
