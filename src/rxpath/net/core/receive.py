"""The receive core: from a driver (or a backlog) through taps, VLAN and rx_handler to the protocol handlers.

Facts: net/core/dev.c __netif_receive_skb_core, netif_receive_skb_list_internal (3.13, 5.15, 6.1, 6.12),
net/ethernet/eth.c.
"""

from __future__ import annotations

from typing import Final

from rxpath.kernel.cpu import Cpu
from rxpath.net.core.netdevice import (
    RX_HANDLER_ANOTHER,
    RX_HANDLER_CONSUMED,
    RX_HANDLER_EXACT,
    Net,
    NetDevice,
    PacketType,
)
from rxpath.net.core.skbuff import (
    PACKET_BROADCAST,
    PACKET_HOST,
    PACKET_MULTICAST,
    PACKET_OTHERHOST,
    SkBuff,
    kfree_skb_reason,
    skb_clone,
    skb_clone_observer,
)
from rxpath.net.core.steering import NET_RX_DROP, NET_RX_SUCCESS, enqueue_to_backlog, get_rps_cpu
from rxpath.sim.ledger import Site
from rxpath.wire.ethernet import ETH_P_802_2, ETH_P_802_3, ETH_P_8021AD, ETH_P_8021Q

SITE_UNHANDLED: Final = Site("core", "no protocol handler", "rx_dropped", "UNHANDLED_PROTO")
SITE_NOHANDLER: Final = Site("core", "no handler on an inactive slave", "rx_nohandler", "UNHANDLED_PROTO")
SITE_VLAN_SHORT: Final = Site("core", "VLAN header cut off", "none", "NOT_SPECIFIED")
SITE_VLAN_DOWN: Final = Site("core", "VLAN device is down", "rx_dropped", "NOT_SPECIFIED")


def eth_type_trans(skb: SkBuff, dev: NetDevice) -> int:
    """Set device, MAC header, pkt_type and protocol; pull the 14 bytes.  Returns the protocol."""
    skb.dev = dev
    head = skb.head
    d = skb.data
    skb.mac_header = d
    skb.data = d + 14
    skb.len -= 14
    if head[d : d + 6] != dev.dev_addr:
        if head[d] & 1:
            skb.pkt_type = PACKET_BROADCAST if head[d : d + 6] == dev.broadcast else PACKET_MULTICAST
        else:
            skb.pkt_type = PACKET_OTHERHOST
    proto = head[d + 12] << 8 | head[d + 13]
    if proto >= 0x0600:
        skb.protocol = proto
        return proto
    if skb.len >= 2 and head[d + 14] == 0xFF and head[d + 15] == 0xFF:
        skb.protocol = ETH_P_802_3
    else:
        skb.protocol = ETH_P_802_2
    return skb.protocol


def skb_defer_rx_timestamp(skb: SkBuff) -> bool:
    """No PHY here that time-stamps."""
    return False


def netif_receive_skb(skb: SkBuff) -> int:
    """One packet, from a driver without GRO, a completed 3.13 GRO packet, or TUN."""
    net = skb.net
    tp = net.kernel.trace.netif_receive_skb_entry
    if tp.on:
        tp.fire(skb)
    ret = netif_receive_skb_internal(net, skb)
    tp = net.kernel.trace.netif_receive_skb_exit
    if tp.on:
        tp.fire(ret)
    return ret


def netif_receive_skb_internal(net: Net, skb: SkBuff) -> int:
    if net.tstamp_needed and net.netdev_tstamp_prequeue and not skb.tstamp:
        skb.tstamp = net.kernel.ktime_get_real()
    skb_defer_rx_timestamp(skb)
    if net.rps_needed:
        cpu = get_rps_cpu(net, skb)
        if cpu >= 0:
            return enqueue_to_backlog(net, skb, cpu)
    return __netif_receive_skb(skb)


def __netif_receive_skb(skb: SkBuff) -> int:
    net = skb.net
    out: list[tuple[SkBuff, PacketType, NetDevice]] = []
    ret = __netif_receive_skb_core(net, skb, out)
    if out:
        s, pt, orig = out[0]
        dev = s.dev
        assert dev is not None
        ret = pt.func(s, dev, orig)
    return ret


def netif_receive_skb_list_internal(net: Net, skbs: list[SkBuff]) -> None:
    """A batch: time stamps for all, then RPS for each, then the rest as a list."""
    k = net.kernel
    if k.trace.netif_receive_skb_list_entry.on:
        for skb in skbs:
            k.trace.netif_receive_skb_list_entry.fire(skb)
    stamp = net.tstamp_needed and net.netdev_tstamp_prequeue
    for skb in skbs:
        if stamp and not skb.tstamp:
            skb.tstamp = k.ktime_get_real()
        skb_defer_rx_timestamp(skb)
    if net.rps_needed:
        rest: list[SkBuff] = []
        for skb in skbs:
            cpu = get_rps_cpu(net, skb)
            if cpu >= 0:
                enqueue_to_backlog(net, skb, cpu)
            else:
                rest.append(skb)
        skbs = rest
        if not skbs:
            return
    __netif_receive_skb_list_core(net, skbs)
    if k.trace.netif_receive_skb_list_exit.on:
        k.trace.netif_receive_skb_list_exit.fire(0)


def __netif_receive_skb_list_core(net: Net, skbs: list[SkBuff]) -> None:
    """Consecutive packets with the same last handler and device form a sublist for its list function."""
    cur_pt: PacketType | None = None
    cur_orig: NetDevice | None = None
    sub: list[SkBuff] = []
    out: list[tuple[SkBuff, PacketType, NetDevice]] = []
    for skb in skbs:
        __netif_receive_skb_core(net, skb, out)
        if not out:
            continue
        s, pt, orig = out.pop()
        if pt is cur_pt and orig is cur_orig:
            sub.append(s)
            continue
        if cur_pt is not None and cur_orig is not None:
            _deliver_sublist(cur_pt, sub, cur_orig)
        cur_pt = pt
        cur_orig = orig
        sub = [s]
    if cur_pt is not None and cur_orig is not None:
        _deliver_sublist(cur_pt, sub, cur_orig)


def _deliver_sublist(pt: PacketType, skbs: list[SkBuff], orig: NetDevice) -> None:
    if pt.has_list_func:
        pt.list_func(skbs, orig, orig)
    else:
        for s in skbs:
            dev = s.dev
            assert dev is not None
            pt.func(s, dev, orig)


def __netif_receive_skb_core(net: Net, skb: SkBuff, out: list[tuple[SkBuff, PacketType, NetDevice]]) -> int:
    """Taps, VLAN, rx_handler, protocol lookup.

    The last handler is not called: it is put into `out` with its skb ("previous handler" chaining, 5.x);
    earlier ones get a clone.
    """
    k = net.kernel
    trace = k.trace
    if net.tstamp_needed and not net.netdev_tstamp_prequeue and not skb.tstamp:
        skb.tstamp = k.ktime_get_real()
    if trace.netif_receive_skb.on:
        trace.netif_receive_skb.fire(skb, skb.dev)
    cpu: Cpu = k.engine.current
    sd = net.softnet[cpu.id]
    cost = k.costs.core
    if cost:
        cpu.charge(cost)
    skb.network_header = skb.data
    dev = skb.dev
    assert dev is not None
    orig_dev = dev
    exact = False
    prev: PacketType | None = None
    while True:
        skb.skb_iif = dev.ifindex
        sd.processed += 1
        proto = skb.protocol
        if proto == ETH_P_8021Q or proto == ETH_P_8021AD:
            if not skb_vlan_untag(skb):
                return NET_RX_DROP
            proto = skb.protocol
        if net.ptype_all or dev.ptype_all:
            for pt in net.ptype_all + dev.ptype_all:
                if prev is not None:
                    deliver_skb(skb, prev, orig_dev)
                prev = pt
        if skb.vlan_present:
            if prev is not None:
                deliver_skb(skb, prev, orig_dev)
                prev = None
            if vlan_do_receive(skb):
                vd = skb.dev
                assert vd is not None
                dev = vd
                if not dev.running():
                    dev.core_rx_dropped += 1
                    kfree_skb_reason(skb, SITE_VLAN_DOWN)
                    return NET_RX_DROP
                continue
        rx_handler = dev.rx_handler
        if rx_handler is not None:
            if prev is not None:
                deliver_skb(skb, prev, orig_dev)
                prev = None
            r = rx_handler.handle(skb)
            if r == RX_HANDLER_CONSUMED:
                return NET_RX_SUCCESS
            if r == RX_HANDLER_ANOTHER:
                nd = skb.dev
                assert nd is not None
                dev = nd
                continue
            if r == RX_HANDLER_EXACT:
                exact = True
        break
    while skb.vlan_present:
        again = False
        if skb.vlan_tci & 0xFFF:
            skb.pkt_type = PACKET_OTHERHOST
        else:
            again = proto == ETH_P_8021Q or proto == ETH_P_8021AD  # a tag within a priority tag: strip and look again
        __vlan_hwaccel_clear_tag(skb)
        if again:
            if not skb_vlan_untag(skb):
                return NET_RX_DROP
            proto = skb.protocol
    if not exact:
        for pt in net.ptype_base[proto & 15]:
            if pt.type == proto:
                if prev is not None:
                    deliver_skb(skb, prev, orig_dev)
                prev = pt
    if net.ptype_specific:
        for pt in net.ptype_specific:
            if pt.type == proto:
                if prev is not None:
                    deliver_skb(skb, prev, orig_dev)
                prev = pt
    if orig_dev.ptype_specific:
        for pt in orig_dev.ptype_specific:
            if pt.type == proto:
                if prev is not None:
                    deliver_skb(skb, prev, orig_dev)
                prev = pt
    if dev is not orig_dev and dev.ptype_specific:
        for pt in dev.ptype_specific:
            if pt.type == proto:
                if prev is not None:
                    deliver_skb(skb, prev, orig_dev)
                prev = pt
    if prev is None:
        if exact and k.release.rx_nohandler:
            dev.core_rx_nohandler += 1
            kfree_skb_reason(skb, SITE_NOHANDLER)
        else:
            dev.core_rx_dropped += 1
            kfree_skb_reason(skb, SITE_UNHANDLED)
        return NET_RX_DROP
    out.append((skb, prev, orig_dev))
    return NET_RX_SUCCESS


def deliver_skb(skb: SkBuff, pt: PacketType, orig_dev: NetDevice) -> int:
    """An earlier handler gets a reference of its own."""
    cloned = skb.cloned
    c = skb_clone_observer(skb) if pt.observer else skb_clone(skb)
    c.shared = True
    dev = c.dev
    assert dev is not None
    ret = pt.func(c, dev, orig_dev)
    if c.shared:  # it let go of its reference before it needed a copy
        skb.cloned = cloned
    return ret


def skb_vlan_untag(skb: SkBuff) -> bool:
    """The tag in the payload becomes metadata; False when the frame is too short (it was freed)."""
    d = skb.data
    if skb.vlan_present:
        return True
    if skb.tail - d < 6:  # the tag and what follows it
        kfree_skb_reason(skb, SITE_VLAN_SHORT)
        return False
    head = skb.head
    skb.vlan_present = True
    skb.vlan_proto = skb.protocol
    skb.vlan_tci = head[d] << 8 | head[d + 1]
    proto = head[d + 2] << 8 | head[d + 3]
    mac = skb.mac_header
    # the addresses move up by four bytes, as skb_reorder_vlan_header does
    skb.head = head[:mac] + b"\0\0\0\0" + head[mac : mac + 12] + head[d + 2 :]
    skb.mac_header = mac + 4
    skb.data = d + 4
    skb.len -= 4
    if proto >= 0x0600:
        skb.protocol = proto
    elif skb.len >= 2 and skb.head[skb.data] == 0xFF and skb.head[skb.data + 1] == 0xFF:
        skb.protocol = ETH_P_802_3
    else:
        skb.protocol = ETH_P_802_2
    skb.network_header = skb.data
    return True


def __vlan_hwaccel_clear_tag(skb: SkBuff) -> None:
    skb.vlan_present = False
    skb.vlan_tci = 0
    if skb.net.kernel.release.vlan_all_cleared:
        skb.vlan_proto = 0


def vlan_do_receive(skb: SkBuff) -> bool:
    """Hand the packet to the VLAN device of its id, if there is one."""
    dev = skb.dev
    assert dev is not None
    vd = dev.vlan_devs.get(skb.vlan_tci & 0xFFF)
    if vd is None:
        return False
    skb.dev = vd
    __vlan_hwaccel_clear_tag(skb)
    if skb.pkt_type == PACKET_OTHERHOST and skb.head[skb.mac_header : skb.mac_header + 6] == vd.dev_addr:
        skb.pkt_type = PACKET_HOST
    on = vd.on_transmit
    vd.attr["rx_packets"] = vd.attr.get("rx_packets", 0) + 1
    vd.attr["rx_bytes"] = vd.attr.get("rx_bytes", 0) + skb.len
    if skb.pkt_type == PACKET_MULTICAST:
        vd.attr["multicast"] = vd.attr.get("multicast", 0) + 1
    del on
    return True


def netif_rx(skb: SkBuff) -> int:
    """From a driver without NAPI, loopback, or the old TUN: always through a backlog; bottom halves run what
    was raised.
    """
    net = skb.net
    k = net.kernel
    if net.tstamp_needed and net.netdev_tstamp_prequeue and not skb.tstamp:
        skb.tstamp = k.ktime_get_real()
    tp = k.trace.netif_rx
    if tp.on:
        tp.fire(skb, skb.dev)
    cpu = -1
    if net.rps_needed:
        cpu = get_rps_cpu(net, skb)
    cur = k.cur()
    if cpu < 0:
        cpu = cur.id
    if cur.hardirq_count:
        return enqueue_to_backlog(net, skb, cpu)
    cur.local_bh_disable()
    ret = enqueue_to_backlog(net, skb, cpu)
    cur.local_bh_enable()
    return ret
