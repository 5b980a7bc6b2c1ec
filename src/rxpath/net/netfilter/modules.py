"""The modules behind iptables, as modprobe and the kernel itself load them: ip_tables, the tables, matches and targets.

What belongs here: what each registers and needs.  A table's hooks come with its module in 3.13, later with its
first use.  Facts: the module_init functions of net/ipv4/netfilter and net/netfilter.
"""

from __future__ import annotations

from typing import Any, Final

from rxpath.kernel.core import Kernel
from rxpath.kernel.module import Module
from rxpath.net.core.netdevice import Net
from rxpath.net.netfilter.ip_tables import (
    TABLES,
    IptTable,
    ipt_register_table,
    ipt_unregister_table,
    tables_text,
)
from rxpath.net.netfilter.x_tables import XtRegistry

# name -> (needs, matches of any family, matches of IPv4, targets of any family, targets of IPv4)
_Row = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], tuple[str, ...], tuple[str, ...]]
NETFILTER_MODULES: Final[dict[str, _Row]] = {
    "x_tables": ((), (), (), (), ()),
    "ip_tables": (("x_tables",), (), ("icmp",), (), ("ERROR",)),
    "iptable_filter": (("ip_tables", "x_tables"), (), (), (), ()),
    "iptable_raw": (("ip_tables", "x_tables"), (), (), (), ()),
    "xt_tcpudp": (("x_tables",), (), ("tcp", "udp", "udplite"), (), ()),
    "xt_multiport": (("x_tables",), (), ("multiport",), (), ()),
    "xt_limit": (("x_tables",), ("limit",), (), (), ()),
    "xt_comment": (("x_tables",), ("comment",), (), (), ()),
    "nf_log_syslog": ((), (), (), (), ()),
    "nf_reject_ipv4": ((), (), (), (), ()),
    "xt_LOG": (("nf_log_syslog", "x_tables"), (), (), (), ("LOG",)),
    "ipt_REJECT": (("nf_reject_ipv4", "x_tables"), (), (), (), ("REJECT",)),
}
TABLE_OF_MODULE: Final[dict[str, str]] = {"iptable_filter": "filter", "iptable_raw": "raw"}


class NetfilterModule(Module):
    """One of NETFILTER_MODULES; `needs` are loaded before it."""

    __slots__ = ("needs", "net", "of_release")

    def __init__(self, name: str, release: str) -> None:
        super().__init__(name)
        self.net: Net | None = None
        self.of_release = release
        # 3.13 has the logging and the rejecting inside xt_LOG and ipt_REJECT
        self.needs = tuple(n for n in NETFILTER_MODULES[name][0] if release != "3.13" or not n.startswith("nf_"))

    def _extensions(self, reg: XtRegistry) -> tuple[tuple[tuple[str, ...], list[str]], ...]:
        """The names of this module's matches and targets, and the list that each belongs to."""
        _, any_m, v4_m, any_t, v4_t = NETFILTER_MODULES[self.name]
        return (
            (any_m, reg.matches_any),
            (v4_m, reg.matches_ipv4),
            (any_t, reg.targets_any),
            (v4_t, reg.targets_ipv4),
        )

    def init(self, kernel: Kernel, net: Any) -> None:
        self.net = net
        nf = net.netfilter
        if nf.registry is None:
            nf.registry = XtRegistry()
        reg: XtRegistry = nf.registry
        for names, lst in self._extensions(reg):
            for n in names:
                lst.insert(0, n)
        if self.name == "ip_tables":
            kernel.files.add("/proc/net/ip_tables_names", lambda: tables_text(net), None, 0o440)
            kernel.files.add("/proc/net/ip_tables_matches", reg.matches_text, None, 0o440)
            kernel.files.add("/proc/net/ip_tables_targets", reg.targets_text, None, 0o440)
        table = TABLE_OF_MODULE.get(self.name, "")
        if table and self.of_release == "3.13":
            ipt_register_table(net, table)

    def exit(self, kernel: Kernel) -> None:
        net = self.net
        if net is None:
            return
        self.net = None
        nf = net.netfilter
        reg: XtRegistry = nf.registry
        for names, lst in self._extensions(reg):
            for n in names:
                lst.remove(n)
        if self.name == "ip_tables":
            for what in ("names", "matches", "targets"):
                kernel.files.remove("/proc/net/ip_tables_" + what)
        table = TABLE_OF_MODULE.get(self.name, "")
        if table:
            ipt_unregister_table(net, table)

    def in_use(self) -> bool:
        """Whether a rule holds it."""
        net = self.net
        if net is None:
            return False
        _, any_m, v4_m, any_t, v4_t = NETFILTER_MODULES[self.name]
        names = (*any_m, *v4_m, *any_t, *v4_t)
        for table in net.netfilter.tables.values():
            if not isinstance(table, IptTable):
                continue
            for c in table.chains():
                for r in c.rules:
                    if any(m.name in names for m in r.matches):
                        return True
                    if r.target is not None and r.target.name in names:
                        return True
        return False


def request_module(modules: list[Module], kernel: Kernel, net: Net, name: str) -> None:
    """Load a module of NETFILTER_MODULES and what it needs; nothing when it is there."""
    if any(m.name == name for m in modules):
        return
    m = NetfilterModule(name, kernel.release.name)
    for needed in m.needs:
        request_module(modules, kernel, net, needed)
    m.init(kernel, net)
    modules.append(m)


def xt_find_table(modules: list[Module], kernel: Kernel, net: Net, name: str) -> IptTable | None:
    """The table, its module loaded and its hooks registered for it; None: there is no such table."""
    if name not in TABLES or not kernel.config_enabled("IP_NF_IPTABLES"):
        return None
    request_module(modules, kernel, net, "iptable_" + name)
    table = net.netfilter.tables.get(name)
    if isinstance(table, IptTable):
        return table
    return ipt_register_table(net, name)
