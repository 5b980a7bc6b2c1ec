"""Texts of real kernels parse, and rendered again from their values they are the same bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rxpath.formats import (
    arp,
    cpumask,
    dev_mcast,
    igmp,
    interrupts,
    irq,
    meminfo,
    neigh_stat,
    net_dev,
    netstat,
    packet,
    protocols,
    ptype,
    raw,
    route,
    snmp,
    snmp6,
    sockstat,
    softirqs,
    softnet_stat,
    stat,
    sysctl,
    tcp,
    udp,
)
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
    ("/proc/net/tcp", tcp, None),
    ("/proc/net/raw", raw, None),
    ("/proc/net/ptype", ptype, None),
    ("/proc/net/protocols", protocols, None),
    ("/proc/net/sockstat", sockstat, None),
    ("/proc/net/arp", arp, "arp"),
    ("/proc/net/route", route, None),
    ("/proc/net/igmp", igmp, None),
    ("/proc/net/dev_mcast", dev_mcast, None),
    ("/proc/net/packet", packet, None),
    ("/proc/net/stat/arp_cache", neigh_stat, None),
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


@pytest.mark.parametrize(
    ("path", "module", "field"),
    [
        ("/proc/net/udp6", udp, "udp"),
        ("/proc/net/tcp6", tcp, None),
        ("/proc/stat", stat, None),
        ("/proc/meminfo", meminfo, None),
        ("/proc/net/snmp6", snmp6, None),
    ],
)
def test_more_files_of_6_18(golden: Any, path: str, module: Any, field: str | None) -> None:
    text = golden.text("files-6.18.txt", f"cat {path}")
    assert _render(module, module.parse(text), "6.18", field) == text


def test_rt_cache_of_6_1(golden: Any) -> None:
    text = golden.text("files.txt", "cat /proc/net/stat/rt_cache")
    assert neigh_stat.render(neigh_stat.parse(text)) == text
    assert neigh_stat.parse(text).names == neigh_stat.RT_CACHE


def test_irq_directory_of_6_1(golden: Any) -> None:
    """Every value of /proc/irq/25 comes back from its number."""
    lines = next(
        t for c, t in golden.commands("files.txt") if c.startswith("for i in $(grep -E 'eth0'")
    ).split("\n")
    seen = dict(line.split(" = ", 1) for line in lines if " = " in line)
    for number, mask, effective in ((25, 3, 1), (26, 3, 2), (27, 3, 1)):
        assert cpumask.render_mask(mask, 2) == seen[f"/proc/irq/{number}/smp_affinity"]
        assert cpumask.render_list(mask) == seen[f"/proc/irq/{number}/smp_affinity_list"]
        assert cpumask.render_mask(effective, 2) == seen[f"/proc/irq/{number}/effective_affinity"]
        assert cpumask.render_list(effective) == seen[f"/proc/irq/{number}/effective_affinity_list"]
    at = lines.index("/proc/irq/25/spurious = count 0")
    text = "\n".join(lines[at : at + 3]).split(" = ")[1] + "\n"
    assert irq.render_spurious(irq.parse_spurious(text)) == text


def test_every_sysctl_of_6_1_comes_back(golden: Any) -> None:
    text = golden.raw("sysctl.txt").split("\n\n", 1)[1].split("\n10\n")[0]
    value = sysctl.parse(text)
    assert len(value.values) == text.count("/proc/sys/") > 230
    numbers = 0
    for name, shown in value.values.items():
        vector = value.vector(name)
        if vector is not None:
            numbers += 1
            assert sysctl.render(vector) == shown + "\n"
        line = f"{sysctl.path_of_name(name)} = {shown}"
        assert line in text
    assert numbers > 190
    assert value.vector("net.ipv4.tcp_rmem") == (4096, 131072, 3566176)
    assert value.number("net.core.netdev_budget") == 300


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
        assert (
            softnet_stat.layout_of(golden.text(record, "cat /proc/net/softnet_stat"))
            == LAYOUTS[release].softnet_stat
        )
        assert (
            interrupts.layout_of(golden.text(record, "cat /proc/interrupts")) == LAYOUTS[release].interrupts
        )
