"""Texts of real kernels parse, and rendered again from their values they are the same bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rxpath.formats import interrupts, net_dev, netstat, snmp, softirqs, softnet_stat, udp
from rxpath.formats.layouts import LAYOUTS

RECORDS = {"6.1": "files.txt", "6.18": "files-6.18.txt"}

FILES: list[tuple[str, Any, str | None]] = [
    ("/proc/interrupts", interrupts, "interrupts"),
    ("/proc/softirqs", softirqs, "softirqs"),
    ("/proc/net/softnet_stat", softnet_stat, "softnet_stat"),
    ("/proc/net/dev", net_dev, None),
    ("/proc/net/snmp", snmp, None),
    ("/proc/net/netstat", netstat, None),
    ("/proc/net/udp", udp, "udp"),
]


def _render(module: Any, value: Any, release: str, field: str | None) -> str:
    render: Callable[..., str] = module.render
    return render(value) if field is None else render(value, getattr(LAYOUTS[release], field))


@pytest.mark.parametrize("release", list(RECORDS))
@pytest.mark.parametrize(("path", "module", "field"), FILES, ids=[f[0] for f in FILES])
def test_real_text_round_trips(golden: Any, release: str, path: str, module: Any, field: str | None) -> None:
    text = golden.text(RECORDS[release], f"cat {path}")
    assert text.count("\n") >= 1
    assert _render(module, module.parse(text), release, field) == text


def test_interrupts_of_each_mode(golden: Any) -> None:
    texts = [t for c, t in golden.commands("interrupt-modes.txt") if c == "cat /proc/interrupts"]
    assert len(texts) >= 3
    for text in texts:
        assert interrupts.render(interrupts.parse(text), LAYOUTS["6.1"].interrupts) == text


def test_values_are_what_the_text_says(golden: Any) -> None:
    irqs = interrupts.parse(golden.text("files.txt", "cat /proc/interrupts"))
    row = irqs.of_action("eth0")[0]
    assert (row.irq, row.counts, row.chip, row.hwirq, row.flow) == (25, (4, 0), "PCI-MSI", 524288, "edge")
    assert [r.actions for r in irqs.of_action("eth0")] == [("eth0-rx-0",), ("eth0-tx-0",), ("eth0",)]
    cal = irqs.arch_row("CAL")
    assert cal is not None and cal.counts == (509, 415)
    soft = softirqs.parse(golden.text("files.txt", "cat /proc/softirqs"))
    assert soft.counts["NET_RX"] == (4, 0)
    stat = softnet_stat.parse(golden.text("files.txt", "cat /proc/net/softnet_stat"))
    assert [r.cpu for r in stat.rows] == [0, 1]
    mib = snmp.parse(golden.text("files.txt", "cat /proc/net/snmp"))
    assert mib.get("Tcp", "MaxConn") == -1 and mib.get("Ip", "DefaultTTL") == 64
    assert mib.get("Ip", "OutTransmits", -7) == -7


def test_layout_names_are_those_of_the_record(golden: Any) -> None:
    for release, record in RECORDS.items():
        for module, field in ((snmp, "snmp"), (netstat, "netstat")):
            value = module.parse(golden.text(record, f"cat /proc/net/{field}"))
            seen = tuple((g.name, g.names) for g in value.groups if g.name != "IcmpMsg")
            assert seen == getattr(LAYOUTS[release], field).groups
        soft = softirqs.parse(golden.text(record, "cat /proc/softirqs"))
        assert softirqs.layout_of(soft) == LAYOUTS[release].softirqs
        assert softnet_stat.layout_of(golden.text(record, "cat /proc/net/softnet_stat")) == LAYOUTS[release].softnet_stat
        assert interrupts.layout_of(golden.text(record, "cat /proc/interrupts")) == LAYOUTS[release].interrupts
