"""Boot of the core: net_dev_init, its sysctls and its files, and the walk that counts frames in flight."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from rxpath.formats import cpumask, dev_mcast, net_dev, ptype, softnet_stat
from rxpath.formats.layouts import LAYOUTS
from rxpath.kernel.core import Kernel
from rxpath.kernel.cpu import Cpu
from rxpath.kernel.errno import EINVAL, ENOENT, linux_error
from rxpath.kernel.softirq import NET_RX_SOFTIRQ, NET_TX_SOFTIRQ, raise_softirq_irqoff
from rxpath.kernel.sysctl import INT_MAX, SysctlTable, parse_ints
from rxpath.net.core.gro import gro_in_flight
from rxpath.net.core.loopback import loopback_net_init
from rxpath.net.core.napi import NetRxAction, ____napi_schedule
from rxpath.net.core.net_sysfs import netdev_kobject_init
from rxpath.net.core.netdevice import ETH_P_ALL, Net, SoftnetData, dev_get_stats
from rxpath.net.core.receive import netif_rx
from rxpath.net.core.steering import BacklogNapi, backlog_in_flight, net_rps_send_ipi, rps_trigger_softirq
from rxpath.net.core.xmit import NetTxAction

# queueing disciplines that may be the default; here every one is a FIFO under its name (xmit.py)
QDISCS: Final = ("pfifo_fast", "pfifo", "bfifo", "fq_codel", "fq", "sfq", "cake", "noqueue")
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
    f.add("/proc/net/dev_mcast", lambda: dev_mcast_text(net))
    for cpu in k.cpus:
        sd = SoftnetData(net, cpu)
        sd.backlog = BacklogNapi(net, sd)
        sd.trigger = rps_trigger_softirq
        net.softnet.append(sd)
    loopback_net_init(net)
    netdev_kobject_init(net)
    k.hotplug.setup_state("net/dev:dead", None, dev_cpu_callback(net))
    k.softirq.open_softirq(NET_TX_SOFTIRQ, NetTxAction(net))
    k.softirq.open_softirq(NET_RX_SOFTIRQ, NetRxAction(net))


def dev_cpu_callback(net: Net) -> tuple[str, Callable[[Cpu], None]]:
    """The release's function for the state of a dead CPU."""
    if net.kernel.release.cpu_hotplug == "v3_13":
        return "dev_cpu_callback", partial(dev_cpu_dead_3_13, net)
    return "dev_cpu_dead", partial(dev_cpu_dead, net)


def _take_output(sd: SoftnetData, old: SoftnetData) -> None:
    """Completed buffers and queues that wait for NET_TX go over."""
    sd.completion_queue.extend(old.completion_queue)
    old.completion_queue.clear()
    sd.output_queue.extend(old.output_queue)
    old.output_queue.clear()


def dev_cpu_dead(net: Net, dead: Cpu) -> None:
    """This CPU takes over what the network core of a dead one left: completed buffers, queues that wait for NET_TX,
    scheduled NAPIs, steering's interrupts that were not sent, and its backlog, which goes through netif_rx again.

    A scheduled backlog is not polled here (its poll belongs to its CPU): its state is cleared.
    """
    cpu = net.kernel.cur()
    sd, old = net.softnet[cpu.id], net.softnet[dead.id]
    cpu.local_irq_disable()
    _take_output(sd, old)
    while old.poll_list:
        napi = old.poll_list.pop(0)
        napi.on_list = False
        if napi is old.backlog:
            napi.state = 0
        else:
            ____napi_schedule(sd, napi, cpu)
    raise_softirq_irqoff(cpu, NET_TX_SOFTIRQ)
    cpu.local_irq_enable()
    net_rps_send_ipi(old)
    _requeue_backlog(old)


def dev_cpu_dead_3_13(net: Net, dead: Cpu) -> None:
    """3.13: the poll list is appended as it is, backlog included, and interrupts that were not sent are left."""
    cpu = net.kernel.cur()
    sd, old = net.softnet[cpu.id], net.softnet[dead.id]
    cpu.local_irq_disable()
    _take_output(sd, old)
    if old.poll_list:
        for napi in old.poll_list:
            napi.list_owner = cpu.id
        sd.poll_list.extend(old.poll_list)
        old.poll_list = []
        raise_softirq_irqoff(cpu, NET_RX_SOFTIRQ)
    raise_softirq_irqoff(cpu, NET_TX_SOFTIRQ)
    cpu.local_irq_enable()
    cpu.local_bh_disable()  # netif_rx of that time leaves what it raised for later
    _requeue_backlog(old)
    cpu.local_bh_enable()


def _requeue_backlog(old: SoftnetData) -> None:
    for queue in (old.process_queue, old.input_pkt_queue):
        while queue:
            netif_rx(queue.popleft())
            old.input_queue_head += 1


def net_dev_text(net: Net) -> str:
    return net_dev.render(
        net_dev.NetDev(tuple(net_dev.from_link_stats(d.name, dev_get_stats(d).as_dict()) for d in net.devices))
    )


def dev_mcast_text(net: Net) -> str:
    return dev_mcast.render(
        dev_mcast.DevMcast(
            tuple(
                dev_mcast.McastAddress(d.ifindex, d.name, users, 0, addr.hex())
                for d in net.devices
                for addr, users in d.mc.items()
            )
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
    return softnet_stat.render(softnet_stat.SoftnetStat(tuple(rows)), LAYOUTS[net.kernel.release.name].softnet_stat)


def ptype_text(net: Net) -> str:
    rows = []
    for lst in ([p for d in net.devices for p in d.ptype_all], net.ptype_all, net.ptype_specific, *net.ptype_base):
        for p in lst:
            rows.append(
                ptype.PacketType(p.type if p.type != ETH_P_ALL else 3, p.dev.name if p.dev is not None else "", p.name)
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
        name = text.strip()
        if name not in QDISCS:
            raise linux_error(ENOENT, name)
        net.default_qdisc = name

    s.register("net.core.default_qdisc", lambda: net.default_qdisc, put_qdisc)
    if r.rss_key_random:
        s.register("net.core.netdev_rss_key", lambda: ":".join("%02x" % b for b in (net.rss_key or bytes(52))), None)

    for name, value, lo, hi, mode in HELD:
        held_sysctl(s, "net.core." + name, value, lo, hi, mode)
    held_sysctl(s, "net.core.warnings", r.net_warnings, any_int, INT_MAX, 0o644)

    bits = len(k.cpus)

    def put_default_mask(text: str) -> None:
        net.rps_default_mask = cpumask.parse_mask(text, bits)

    s.register("net.core.rps_default_mask", lambda: cpumask.render_mask(net.rps_default_mask, bits), put_default_mask)


# sysctls whose value is kept and changes nothing for what is received: name, default, lowest, highest, mode
HELD: Final = (
    ("bpf_jit_enable", 1, 0, 2, 0o644),
    ("bpf_jit_harden", 0, 0, 2, 0o600),
    ("bpf_jit_kallsyms", 1, 0, 1, 0o600),
    ("bpf_jit_limit", 528482304, 0, INT_MAX, 0o600),
    ("devconf_inherit_init_net", 0, 0, 3, 0o644),
    ("fb_tunnels_only_for_init_net", 0, 0, 2, 0o644),
    ("high_order_alloc_disable", 0, 0, 1, 0o644),
    ("max_skb_frags", 17, 1, 17, 0o644),
    ("mem_pcpu_rsv", 256, 256, INT_MAX, 0o644),
    ("netdev_unregister_timeout_secs", 10, 1, 3600, 0o644),
    ("skb_defer_max", 64, 0, INT_MAX, 0o644),
    ("tstamp_allow_data", 1, 0, 1, 0o644),
    ("txrehash", 1, 0, 1, 0o644),
)


def held_sysctl(s: SysctlTable, name: str, value: int, lo: int, hi: int, mode: int) -> None:
    """An integer that is kept, with Linux's range, and read by nobody here."""
    cell = [value]

    def write(text: str) -> None:
        cell[0] = parse_ints(text, 1, lo, hi)[0]

    s.register(name, lambda: "%d" % cell[0], write, mode)


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
