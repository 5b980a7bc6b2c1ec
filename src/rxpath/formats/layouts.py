"""The known releases as data: one `Layouts` a release, to be put into the release table of the kernel.

Belongs here: which layout of each format a release prints.  No code.
"""

from __future__ import annotations

from dataclasses import dataclass

from . import arp, interrupts, line_pairs, netstat, snmp, softirqs, softnet_stat, udp

_VECTORS = ("HI", "TIMER", "NET_TX", "NET_RX", "BLOCK", "IRQ_POLL", "TASKLET", "SCHED", "HRTIMER", "RCU")


@dataclass(frozen=True, slots=True)
class Layouts:
    """One layout for each format whose text differs between releases."""

    softnet_stat: softnet_stat.Layout
    interrupts: interrupts.Layout
    softirqs: softirqs.Layout
    snmp: line_pairs.Layout
    netstat: line_pairs.Layout
    udp: udp.Layout
    arp: arp.Layout


LAYOUTS: dict[str, Layouts] = {
    "3.13": Layouts(
        softnet_stat=softnet_stat.Layout(columns=11),
        interrupts=interrupts.Layout(hwirq=False),
        softirqs=softirqs.Layout(tuple("BLOCK_IOPOLL" if v == "IRQ_POLL" else v for v in _VECTORS)),
        snmp=snmp.LAYOUT_3_13,
        netstat=netstat.LAYOUT_3_13,
        udp=udp.Layout(indent=2),
        arp=arp.Layout(mac_width=0),
    ),
    "5.15": Layouts(
        softnet_stat=softnet_stat.Layout(columns=13),
        interrupts=interrupts.Layout(),
        softirqs=softirqs.Layout(_VECTORS),
        snmp=snmp.LAYOUT_5_15,
        netstat=netstat.LAYOUT_5_15,
        udp=udp.Layout(),
        arp=arp.Layout(mac_width=0),
    ),
    "6.1": Layouts(
        softnet_stat=softnet_stat.Layout(columns=13),
        interrupts=interrupts.Layout(),
        softirqs=softirqs.Layout(_VECTORS),
        snmp=snmp.LAYOUT_6_1,
        netstat=netstat.LAYOUT_6_1,
        udp=udp.Layout(),
        arp=arp.Layout(),
    ),
    "6.18": Layouts(
        softnet_stat=softnet_stat.Layout(columns=15),
        interrupts=interrupts.Layout(gap_before=True),
        softirqs=softirqs.Layout(_VECTORS),
        snmp=snmp.LAYOUT_6_18,
        netstat=netstat.LAYOUT_6_18,
        udp=udp.Layout(),
        arp=arp.Layout(),
    ),
}
