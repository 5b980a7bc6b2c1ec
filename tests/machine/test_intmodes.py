"""Interrupt modes of e1000e on a whole machine: names in /proc/interrupts, the fallbacks, and a datagram in each."""

from __future__ import annotations

import pytest

from rxpath.formats import interrupts

from .box import Box

MSIX = ["eth0-rx-0", "eth0-tx-0", "eth0"]


@pytest.mark.parametrize("params,refuse,names,chip,handler", [
    ({"IntMode": "0"}, [], ["eth0"], "IO-APIC", "e1000_intr"),
    ({"IntMode": "1"}, [], ["eth0"], "PCI-MSI", "e1000_intr_msi"),
    ({"IntMode": "2"}, [], MSIX, "PCI-MSI", "e1000_intr_msix_rx"),
    ({}, [], MSIX, "PCI-MSI", "e1000_intr_msix_rx"),
    ({}, ["msix"], ["eth0"], "PCI-MSI", "e1000_intr_msi"),
    ({}, ["msix", "msi"], ["eth0"], "IO-APIC", "e1000_intr"),
    ({"IntMode": "1"}, ["msi"], ["eth0"], "IO-APIC", "e1000_intr"),
])  # fmt: skip
def test_mode(params: dict[str, str], refuse: list[str], names: list[str], chip: str, handler: str) -> None:
    b = Box(params=params, refuse=refuse)
    rows = interrupts.parse(b.m.files.read("/proc/interrupts")).rows
    rows = tuple(r for r in rows if any(a.startswith("eth0") for a in r.actions))
    assert [a for r in rows for a in r.actions] == names
    assert {r.chip for r in rows} == {chip}
    acts = [a for d in b.m.kernel.irq.descs.values() for a in d.actions if a.name.startswith("eth0")]
    assert getattr(acts[0].handler, "__name__", "") == handler
    assert b.m.kernel.log.text().count("Falling back") == len(refuse)
    s = b.bound(5000)
    moved_before = b.take()["interrupts"]
    b.rx(b.udp(5000, 100))
    assert b.drain(s) == [100]
    after = b.take()["interrupts"]
    assert after[names[0] + ".cpu0"] > moved_before[names[0] + ".cpu0"]
    b.close()
