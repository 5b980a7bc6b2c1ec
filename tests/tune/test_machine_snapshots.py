"""Snapshots that modelled machines write are read like a real host's, and the doctor names the fault put in.

Every driver on every release of the table: two moments of one machine, a fault between them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product

import pytest

from rxpath.config import MachineConfig, NicConfig
from rxpath.kernel.errno import ENODEV
from rxpath.kernel.sched import TASK_INTERRUPTIBLE
from rxpath.link.generator import LoadGenerator
from rxpath.link.source import BadFcsFrame
from rxpath.machine import DRIVERS, Machine
from rxpath.tools.machine_snapshot import snapshot_text
from rxpath.tools.run import run_checked
from rxpath.tune import engine, intake
from rxpath.tune.replay import Listener, ReaderProgram

RELEASES = ("3.13", "5.15", "6.1", "6.18")
HOST = "02:00:00:00:00:01"
MS = 1_000_000
BASE = 5100
PORTS = 32
Frames = list[tuple[int, bytes]]
CASES = list(product(DRIVERS, RELEASES))


def boot(driver: str, release: str) -> Machine:
    nic = NicConfig(model=driver, mac=HOST, addresses=["10.0.0.1/24"])
    m = Machine(MachineConfig(release=release, cpus=2, nics=[nic]))
    try:
        return m.boot()
    except OSError as error:
        if error.errno == ENODEV:
            pytest.skip(f"{driver} on {release}: {error.strerror}")
        raise


def advance(m: Machine, ns: int) -> None:
    """Virtual time passes; a source that runs dry may end a run early."""
    end = m.now + ns
    while m.now < end:
        m.run(end)


def read_on(m: Machine, ports: int, cost_ns: int, cpu: int = 0, rcvbuf: int = 0) -> None:
    for port in range(BASE, BASE + ports):
        ReaderProgram(m, Listener("udp", port, cpu, cost_ns, rcvbuf))


def load(count: int, gap_ns: int, *, ports: int = 1, flows: int = 1, size: int = 64) -> Frames:
    """Datagrams `gap_ns` apart, to `ports` ports in turn."""
    each = [
        iter(
            LoadGenerator(
                count=count, pps=1000, sizes=size, flows=flows, src=0x0A000003, dst_mac=bytes.fromhex(HOST.replace(":", "")),
                dport=BASE + p, sport=44000,
            )
        )
        for p in range(ports)
    ]  # fmt: skip
    return [(i * gap_ns, next(each[i % ports])[1]) for i in range(count)]


@dataclass(frozen=True)
class Taken:
    machine: Machine
    before: str
    after: str

    def report(self) -> engine.Report:
        taken = intake.read_machine_snapshot(self.before + self.after, "machine")
        assert taken.problems == []
        assert len(taken.snapshots) == 2
        return engine.diagnose(taken)

    def decided(self) -> dict[str, str]:
        """Rule -> kind, of decided findings; nothing may be left undecided, nothing unreadable."""
        report = self.report()
        assert report.problems == []
        (diagnosis,) = report.diagnoses
        assert [f.title for f in diagnosis.findings if f.undecided] == []
        return {f.rule: f.kind for f in diagnosis.findings}


def run(
    driver: str, release: str, prepare: Callable[[Machine], Frames], lead_ns: int = 0, length_ns: int = 1000 * MS
) -> Taken:
    """`lead_ns`: how long the load runs before the first moment."""
    m = boot(driver, release)
    try:
        frames = prepare(m)
        advance(m, 10 * MS)
        if lead_ns:
            m.attach(0, frames)
            advance(m, lead_ns)
        before = snapshot_text(m)
        if not lead_ns:
            m.attach(0, frames)
        advance(m, length_ns)
        return Taken(m, before, snapshot_text(m))
    finally:
        m.closed = True
        m.kernel.close()


def lost(m: Machine, stage: str) -> int:
    """Frames that ended at a stage, by the machine's own account."""
    return sum(n for (s, _, _), n in m.ledger.dropped.items() if s == stage)


def stalled(m: Machine) -> Frames:
    """A short ring, and a CPU that something keeps from its interrupts while a burst comes."""
    run_checked(m, "ethtool -G eth0 rx 128")
    m.wait_for_link()
    read_on(m, PORTS, 1000, rcvbuf=200_000)
    advance(m, 10 * MS)

    def hold(number: int) -> None:
        m.kernel.sched.current().state = TASK_INTERRUPTIBLE
        m.kernel.sched.sleep(11 * MS)  # into the burst, which comes after 10 ms
        cpu = m.kernel.cpus[number]
        cpu.local_bh_disable()
        cpu.charge(4 * MS)
        cpu.local_bh_enable()

    for n in range(2):
        m.spawn(partial(hold, n), cpu=n, name="hold")
    # 4 ms of the wire are far more than 128 descriptors and the card's memory; the CPU alone would keep up
    fast = m.config.nics[0].model == "ixgbe"
    return load(1800 if fast else 1500, 3500 if fast else 9000, ports=PORTS, size=1000)


def slow_reader(m: Machine) -> Frames:
    read_on(m, 1, 400_000, cpu=1)
    return load(6000, 100_000, size=200)


def bad_cable(m: Machine) -> Frames:
    read_on(m, 1, 1000)
    return [(t, BadFcsFrame(f) if i % 20 == 7 else f) for i, (t, f) in enumerate(load(1000, 200_000))]


def short_backlog(m: Machine) -> Frames:
    m.kernel.sysctl.set("net.core.netdev_max_backlog", "10")
    for q in m.files.listdir("/sys/class/net/eth0/queues"):
        if q.startswith("rx-"):
            m.files.write(f"/sys/class/net/eth0/queues/{q}/rps_cpus", "2")
    read_on(m, PORTS, 1000)
    return load(1000, 3000, ports=PORTS)


def light(m: Machine) -> Frames:
    read_on(m, 4, 1000)
    return load(500, MS, ports=4, flows=4)


@pytest.mark.parametrize(("driver", "release"), CASES)
def test_stalled_cpu_and_short_ring(driver: str, release: str) -> None:
    taken = run(driver, release, stalled)
    assert lost(taken.machine, "nic") > 0 and lost(taken.machine, "backlog") == lost(taken.machine, "socket") == 0
    found = taken.decided()
    assert {rule for rule, kind in found.items() if kind == "fault"} == {"R01"}


@pytest.mark.parametrize(("driver", "release"), CASES)
def test_slow_reader(driver: str, release: str) -> None:
    taken = run(driver, release, slow_reader, lead_ns=300 * MS, length_ns=200 * MS)
    assert lost(taken.machine, "socket") > 0
    assert set(taken.decided()) == ({"R42", "R43"} if release == "3.13" else {"R42"})


@pytest.mark.parametrize(("driver", "release"), CASES)
def test_bad_cable(driver: str, release: str) -> None:
    taken = run(driver, release, bad_cable)
    assert lost(taken.machine, "nic") == 50
    assert set(taken.decided()) == {"R07"}
    (finding,) = taken.report().diagnoses[0].findings
    assert [rule for rule, _ in finding.negative] == ["N1"], "no knob mends a wire"
    assert any(e.after is not None for e in finding.evidence)


@pytest.mark.parametrize(("driver", "release"), CASES)
def test_short_backlog(driver: str, release: str) -> None:
    taken = run(driver, release, short_backlog)
    assert lost(taken.machine, "backlog") > 0 and lost(taken.machine, "nic") == 0
    found = taken.decided()
    assert "R24" in found
    assert {rule for rule, kind in found.items() if kind == "fault"} == {"R24"}


@pytest.mark.parametrize(("driver", "release"), CASES)
def test_light_traffic_is_healthy(driver: str, release: str) -> None:
    taken = run(driver, release, light)
    assert taken.machine.ledger.delivered == 500 and not taken.machine.ledger.dropped
    assert taken.decided() == {}
    assert taken.report().status() == 0
    assert (taken.report().diagnoses[0].harmless) == []


def test_refusal_of_an_old_ethtool_is_no_damage() -> None:
    text = "Channel parameters for eth0:\nCannot get device channel parameters: Operation not supported\n"
    taken = intake.read_text("# ethtool -l eth0\n" + text + "# cat /proc/uptime\n10.00 0.00\n")
    assert taken.problems == []
    cut = intake.read_text("# ethtool -l eth0\n" + text.replace("Operation not supported", "Opera"))
    assert cut.problems
