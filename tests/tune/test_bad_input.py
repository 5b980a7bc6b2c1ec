"""Counters that wrap or were reset, hosts that are mixed up, texts that are cut or damaged: a clear line, no wrong verdict."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rxpath.tune import delta, engine, intake, report

from .hosts import START, Host, healthy, pair
from .scenarios import SCENARIOS


def judge(text: str) -> engine.Report:
    return engine.diagnose(intake.read_text(text))


# -- wraps and resets


def test_softnet_column_wraps_at_32_bits():
    h = Host()
    h.soft[0]["processed"] = 0xFFFFFF00
    h.soft[0]["dropped"] = 0xFFFFFFF0

    def fault(x: Host) -> None:
        x.soft[0]["dropped"] += 0x100  # printed as 000000f0

    result = judge(pair(h, fault))
    finding = next(f for f in result.diagnoses[0].findings if f.rule == "R24")
    assert finding.evidence[0].delta == 0x100


@pytest.mark.parametrize(
    ("before", "after", "bits", "interval", "want"),
    [
        (5, 9, 64, None, 4),
        (9, 5, 64, 10, None),
        (0xFFFFFFF0, 0x10, 32, 10, 0x20),
        (0x80000000, 0x10, 32, 10, None),
        (0xF0000000, 0x0FFFFFFF, 32, 1, None),  # half a thousand million events in a second
        (0xFFFFFFF0, 0x10, 32, None, 0x20),
        (1 << 40, 5, 32, 10, None),
        (65530, 10, 16, 10, 16),
        (40000, 10, 16, 10, None),
    ],
)
def test_move(before, after, bits, interval, want):
    m = delta.move(before, after, bits, None if interval is None else interval * delta.SECOND)
    assert m.delta == want
    assert (m.delta is None) == bool(m.why)


@given(st.integers(0, 2**32 - 1), st.integers(0, 10_000_000))
def test_a_small_movement_is_found_across_the_wrap(start, moved):
    m = delta.move(start, (start + moved) % 2**32, 32, 10 * delta.SECOND)
    assert m.delta == moved


def test_driver_restart_is_said_and_its_counters_are_not_judged():
    h = Host()
    h.eth["rx_missed_errors"] = 10_000_000
    h.eth["rx_no_dma_resources"] = 5

    def restart(x: Host) -> None:
        for name in x.eth:
            x.eth[name] = 0
        x.eth["rx_missed_errors"] = 900  # lost since the restart: from which moment on is not known

    result = judge(pair(h, restart))
    d = result.diagnoses[0]
    assert d.findings == []
    assert any("eth0" in line and "restarted" in line for line in d.lines)
    assert result.status() == 3


def test_reboot_between_the_snapshots():
    h = Host()
    first = h.mark()
    again = Host(boot=1_699_999_999, uptime_cs=3000)
    again.now_ns = h.now_ns + 60_000_000_000
    result = judge(first + again.text())
    d = result.diagnoses[0]
    assert d.single and any("booted" in line for line in d.lines)
    assert result.status() == 3


def test_counters_of_another_namespace_do_not_make_a_verdict():
    h = Host()
    first = h.mark()
    h.tick(10)
    h.snmp["Udp"]["InDatagrams"] = 5
    h.snmp["Udp"]["RcvbufErrors"] = 9000
    h.snmp["Ip"]["InReceives"] = 5
    result = judge(first + h.text())
    assert not result.diagnoses[0].findings
    assert result.status() == 3 and any("fell" in x or "reset" in x for x in result.diagnoses[0].lines)


def test_interrupt_counts_that_begin_anew_are_unknown_not_negative():
    h = Host()
    first = h.mark()
    h.tick(10)
    h.irq = [[0] * h.cpus for _ in range(h.queues)]
    result = judge(first + h.text())
    assert result.diagnoses[0].findings == []


def test_order_of_the_moments_does_not_matter():
    text = SCENARIOS["R01"](True)
    cut = text.rindex(START)
    a, b = judge(text), judge(text[cut:] + text[:cut])
    assert [f.rule for f in a.diagnoses[0].findings] == [f.rule for f in b.diagnoses[0].findings] == ["R01"]


def test_wrong_order_without_times_is_said():
    h = Host()
    h.without = {"uptime", "date"}
    first = h.mark().replace(START, "#")
    h.tick(10)
    second = h.text().replace(START, "#")
    strip = [line.split("  ## ")[0] for line in (second + first).splitlines()]
    result = judge("\n".join(strip) + "\n")
    assert result.diagnoses[0].unusable and result.status() == 3
    assert "wrong order" in report.text(result)


# -- CPU hotplug


def test_cpu_goes_offline_with_cpu_numbers():
    h = Host(cpus=4, queues=4)
    first = h.mark()
    h.tick(10)
    parts = h.text().splitlines(True)
    rows = [i for i, line in enumerate(parts) if line.endswith(" 00000002\n")]
    assert len(rows) == 1
    del parts[rows[0]]
    result = judge(first + "".join(parts))
    assert result.diagnoses[0].findings == []


def test_cpu_goes_offline_without_cpu_numbers():
    """11 columns name no CPU: after CPU 0 went, every row would be judged against its neighbour's."""
    h = Host(cpus=4, queues=4, release="3.13.0-170-generic", softnet_columns=11)
    for c, s in enumerate(h.soft):
        s["dropped"] = 1000 * c
    first = h.mark()
    h.tick(10)
    text = h.text()
    head, _, rest = text.partition("/proc/net/softnet_stat")
    line, _, tail = rest.partition("\n")
    gone = tail.split("\n", 1)[1]
    result = judge(first + head + "/proc/net/softnet_stat" + line + "\n" + gone)
    assert [f for f in result.diagnoses[0].findings if f.rule == "R24"] == []


def test_rows_without_cpu_numbers_are_those_of_the_online_cpus():
    """CPU 1 is offline: the second row of 11 columns is CPU 2's."""
    h = Host(cpus=4, queues=4, release="3.13.0-170-generic", softnet_columns=11)

    def less(text: str) -> str:
        lines = [x for x in text.splitlines(True) if not x.startswith("cpu1 ")]
        at = next(i for i, x in enumerate(lines) if x.startswith("# cat /proc/net/softnet_stat"))
        del lines[at + 2]
        return "".join(lines)

    first = less(h.mark())
    h.tick(10)
    h.soft[2]["dropped"] += 5000
    (finding,) = judge(first + less(h.text())).diagnoses[0].findings
    assert (finding.rule, finding.subject) == ("R24", "CPU 2")


def test_a_counter_that_one_moment_lacks_is_unknown():
    h = Host(driver="bnxt_en", queues=4)
    h.eth["[0]: rx_discards"] = 4000
    first = "".join(x for x in h.mark().splitlines(True) if "[0]: rx_discards" not in x)
    h.tick(10)
    assert judge(first + h.text()).diagnoses[0].findings == []


# -- mixed hosts


def test_two_hosts_are_not_compared():
    a, b = healthy(3), healthy(4)
    result = judge(a[: a.rindex(START)] + b[b.rindex(START) :])
    assert len(result.diagnoses) == 2
    assert all(d.single for d in result.diagnoses)
    assert any("not compared" in x and "host3" in x and "host4" in x for x in result.diagnoses[0].lines)
    assert result.status() == 3


def test_two_hosts_of_one_name_are_told_by_their_cards():
    a = Host()
    b = Host(driver="igb", queues=4)
    first = a.mark()
    b.now_ns, b.uptime_cs = a.now_ns + 10**10, a.uptime_cs + 1000
    b.lose("missed", 10**9)
    result = judge(first + b.text())
    assert len(result.diagnoses) == 2


# -- damage


def _no_wrong_verdict(result: engine.Report) -> None:
    for d in result.diagnoses:
        assert d.findings == [], report.text(result)
    for line in result.problems:
        assert "\n" not in line and len(line) < 400


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 40), st.floats(0, 1), st.booleans())
def test_cut_anywhere(seed, where, front):
    text = healthy(seed)
    at = int(len(text) * where)
    result = judge(text[at:] if front else text[:at])
    _no_wrong_verdict(result)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 40), st.integers(0, 2**32))
def test_lines_lost(seed, chance):
    r = random.Random(chance)
    lines = healthy(seed).splitlines(True)
    for _ in range(r.randrange(1, 60)):
        del lines[r.randrange(len(lines))]
    _no_wrong_verdict(judge("".join(lines)))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=3000))
def test_random_bytes(data):
    result = engine.diagnose(intake.read_inputs(["-"], lambda: data))
    assert result.status() in (0, 2)
    _no_wrong_verdict(result)
    report.text(result, verbose=True)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 40), st.integers(0, 2**32))
def test_letters_damaged_never_crash(seed, chance):
    """A damaged digit is another number, so a verdict may be wrong; the program may not be."""
    r = random.Random(chance)
    data = bytearray(healthy(seed).encode())
    for _ in range(r.randrange(1, 200)):
        data[r.randrange(len(data))] = r.randrange(1, 127)
    result = engine.diagnose(intake.read_inputs(["-"], lambda: bytes(data)))
    report.text(result, verbose=True)
    report.script(result)
    report.as_json(result)
