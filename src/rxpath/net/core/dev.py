"""Boot of the core: net_dev_init, its sysctls and its files, and the walk that counts frames in flight."""

from __future__ import annotations

from rxpath.formats import net_dev, ptype, softnet_stat
from rxpath.formats.layouts import LAYOUTS
from rxpath.kernel.core import Kernel
from rxpath.kernel.errno import EINVAL, linux_error
from rxpath.kernel.softirq import NET_RX_SOFTIRQ, NET_TX_SOFTIRQ
from rxpath.kernel.sysctl import INT_MAX
from rxpath.net.core.gro import gro_in_flight
from rxpath.net.core.loopback import loopback_net_init
from rxpath.net.core.napi import NetRxAction
from rxpath.net.core.net_sysfs import netdev_kobject_init
from rxpath.net.core.netdevice import ETH_P_ALL, Net, SoftnetData, dev_get_stats
from rxpath.net.core.steering import BacklogNapi, backlog_in_flight, rps_trigger_softirq
from rxpath.net.core.xmit import NetTxAction

SOCK_MIN_RCVBUF = 2304
SOCK_MIN_SNDBUF = 4608


def register_initcalls(k: Kernel, net: Net) -> None:
    k.initcalls.add("subsys", "net_dev_init", lambda: net_dev_init(net))
    k.initcalls.add("fs", "sysctl_core_init", lambda: sysctl_core_init(net))


def net_dev_init(net: Net) -> None:
    """subsys_initcall: files, per-CPU softnet_data with its backlog, loopback first, softirqs."""
    k = net.kernel
    f = k.files
    f.add("/proc/net/dev", lambda: net_dev_text(net))
    f.add("/proc/net/softnet_stat", lambda: softnet_text(net))
    f.add("/proc/net/ptype", lambda: ptype_text(net))
    for cpu in k.cpus:
        sd = SoftnetData(net, cpu)
        sd.backlog = BacklogNapi(net, sd)
        sd.trigger = rps_trigger_softirq
        net.softnet.append(sd)
    loopback_net_init(net)
    netdev_kobject_init(net)
    k.softirq.open_softirq(NET_TX_SOFTIRQ, NetTxAction(net))
    k.softirq.open_softirq(NET_RX_SOFTIRQ, NetRxAction(net))


def net_dev_text(net: Net) -> str:
    return net_dev.render(
        net_dev.NetDev(
            tuple(net_dev.from_link_stats(d.name, dev_get_stats(d).as_dict()) for d in net.devices)
        )
    )


def softnet_text(net: Net) -> str:
    rows = [
        softnet_stat.SoftnetRow(
            sd.cpu.id,
            sd.processed,
            sd.dropped,
            sd.time_squeeze,
            sd.cpu_collision,
            sd.received_rps,
            sd.flow_limit_count,
            len(sd.input_pkt_queue) + len(sd.process_queue),
            len(sd.input_pkt_queue),
            len(sd.process_queue),
        )
        for sd in net.softnet
        if sd.cpu.online
    ]
    return softnet_stat.render(
        softnet_stat.SoftnetStat(tuple(rows)), LAYOUTS[net.kernel.release.name].softnet_stat
    )


def ptype_text(net: Net) -> str:
    rows = []
    for lst in ([p for d in net.devices for p in d.ptype_all], net.ptype_all, net.ptype_specific, *net.ptype_base):
        for p in lst:
            rows.append(
                ptype.PacketType(
                    p.type if p.type != ETH_P_ALL else 3, p.dev.name if p.dev is not None else "", p.name
                )
            )
    return ptype.render(ptype.Ptype(tuple(rows)))


def _attr(net: Net, name: str, lo: int, hi: int = INT_MAX) -> None:
    def put(v: int) -> None:
        setattr(net, name, v)

    net.kernel.sysctl.int_value("net.core." + name, lambda: int(getattr(net, name)), put, lo, hi)


def sysctl_core_init(net: Net) -> None:
    """fs_initcall: net.core.*, ranges as the release checks them."""
    k = net.kernel
    r = k.release
    s = k.sysctl
    any_int = -(1 << 31)
    _attr(net, "rmem_default", SOCK_MIN_RCVBUF)
    _attr(net, "rmem_max", SOCK_MIN_RCVBUF)
    _attr(net, "wmem_default", SOCK_MIN_SNDBUF)
    _attr(net, "wmem_max", SOCK_MIN_SNDBUF)
    _attr(net, "optmem_max", any_int)
    _attr(net, "somaxconn", 0)
    _attr(net, "netdev_budget", any_int)
    _attr(net, "netdev_max_backlog", any_int)
    _attr(net, "netdev_tstamp_prequeue", any_int)
    _attr(net, "busy_read", 0)
    _attr(net, "busy_poll", 0)
    _attr(net, "message_cost", any_int)
    _attr(net, "message_burst", any_int)
    if r.budget_usecs_per_hz:
        _attr(net, "netdev_budget_usecs", r.budget_usecs_per_hz // k.hz if r.budget_usecs_min_checked else 0)
    if r.gro_normal_batch:
        _attr(net, "gro_normal_batch", 1)

    def weights(_: int = 0) -> None:
        net.dev_rx_weight = net.dev_weight * net.dev_weight_rx_bias
        net.dev_tx_weight = net.dev_weight * net.dev_weight_tx_bias

    def weight(name: str) -> None:
        def put(v: int) -> None:
            setattr(net, name, v)
            weights()

        s.int_value("net.core." + name, lambda: int(getattr(net, name)), put, 1 if r.weight_bias else any_int)

    weight("dev_weight")
    if r.weight_bias:
        weight("dev_weight_rx_bias")
        weight("dev_weight_tx_bias")

    def put_len(v: int) -> None:
        if v <= 0 or v & (v - 1):
            raise linux_error(EINVAL, "flow_limit_table_len")
        net.flow_limit_table_len = v

    s.int_value("net.core.flow_limit_table_len", lambda: net.flow_limit_table_len, put_len)

    def put_qdisc(text: str) -> None:
        net.default_qdisc = text.strip()

    s.register("net.core.default_qdisc", lambda: net.default_qdisc, put_qdisc)
    if r.rss_key_random:
        s.register(
            "net.core.netdev_rss_key", lambda: ":".join("%02x" % b for b in (net.rss_key or bytes(52))), None
        )


def netdev_rss_key_fill(net: Net, n: int) -> bytes:
    """The first `n` bytes of the key that all devices of this boot share (drawn on first use)."""
    if not net.rss_key:
        net.rss_key = net.kernel.rng("netdev_rss_key").randbytes(52)
    return net.rss_key[:n]


def core_in_flight(net: Net) -> int:
    """Wire frames between the devices' rings and the protocols: GRO, batches, backlogs."""
    n = 0
    for napi in net.napi_hash.values():
        n += gro_in_flight(napi)
    for sd in net.softnet:
        n += backlog_in_flight(sd)
        b = sd.backlog
        if b is not None:
            n += gro_in_flight(b)
    return n
