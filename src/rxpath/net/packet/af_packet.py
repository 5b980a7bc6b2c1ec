"""AF_PACKET: sockets that see frames (SOCK_RAW) or packets (SOCK_DGRAM) of a device or of all, and send frames.

What lives here: PacketSock and its packet type.  Memory-mapped rings, fanout and virtio headers are not modelled
(ENOTSUP).
Facts: net/packet/af_packet.c (6.1), linux/if_packet.h; drop reason recorded on 6.18.
"""

from __future__ import annotations

from struct import Struct
from typing import Any, Final

from rxpath.formats import packet
from rxpath.kernel.errno import (
    EINVAL,
    EMSGSIZE,
    ENETDOWN,
    ENODEV,
    ENOPROTOOPT,
    ENOTSUP,
    ENXIO,
    EOPNOTSUPP,
    ESOCKTNOSUPPORT,
    linux_error,
)
from rxpath.net.core.datagram import skb_copy_datagram_msg, skb_free_datagram, skb_recv_datagram
from rxpath.net.core.filter import sk_run_filter
from rxpath.net.core.netdevice import (
    ETH_P_ALL,
    IFF_UP,
    NETDEV_DOWN,
    NETDEV_UP,
    Net,
    NetDevice,
    PacketType,
    dev_add_pack,
    dev_mc_add,
    dev_mc_del,
    dev_remove_pack,
    dev_set_allmulti,
    dev_set_promiscuity,
)
from rxpath.net.core.skbuff import (
    CHECKSUM_PARTIAL,
    CHECKSUM_UNNECESSARY,
    PACKET_LOOPBACK,
    PACKET_OUTGOING,
    SkBuff,
    ___pskb_trim,
    __alloc_skb,
    consume_skb,
    kfree_skb_reason,
    pskb_trim,
    skb_end,
    skb_put,
)
from rxpath.net.core.sock import (
    AF_PACKET,
    MSG_DONTWAIT,
    MSG_ERRQUEUE,
    MSG_PEEK,
    MSG_TRUNC,
    SOCK_DGRAM,
    SOCK_RAW,
    SOF_TIMESTAMPING_TX_RECORD_MASK,
    SOL_PACKET,
    SOL_SOCKET,
    Msg,
    Proto,
    Sock,
    SockcmCookie,
    opt_int,
    sk_error_report,
    sk_getsockopt,
    sk_release,
    sk_setsockopt,
    skb_set_owner_r,
    skb_set_owner_w,
    sock_cmsg_send,
    sock_def_readable,
    sock_recv_cmsgs,
)
from rxpath.net.core.timestamping import sock_recv_errqueue, sock_tx_timestamp
from rxpath.net.core.xmit import dev_queue_xmit
from rxpath.sim.ledger import IGNORED, Site
from rxpath.wire.ethernet import ETH_P_8021AD, ETH_P_8021Q

PACKET_ADD_MEMBERSHIP: Final = 1
PACKET_DROP_MEMBERSHIP: Final = 2
PACKET_RECV_OUTPUT: Final = 3
PACKET_RX_RING: Final = 5
PACKET_STATISTICS: Final = 6
PACKET_COPY_THRESH: Final = 7
PACKET_AUXDATA: Final = 8
PACKET_ORIGDEV: Final = 9
PACKET_VERSION: Final = 10
PACKET_HDRLEN: Final = 11
PACKET_RESERVE: Final = 12
PACKET_TX_RING: Final = 13
PACKET_LOSS: Final = 14
PACKET_VNET_HDR: Final = 15
PACKET_TX_TIMESTAMP: Final = 16
PACKET_TIMESTAMP: Final = 17
PACKET_FANOUT: Final = 18
PACKET_TX_HAS_OFF: Final = 19
PACKET_QDISC_BYPASS: Final = 20
PACKET_ROLLOVER_STATS: Final = 21
PACKET_FANOUT_DATA: Final = 22
PACKET_IGNORE_OUTGOING: Final = 23
PACKET_VNET_HDR_SZ: Final = 24
TPACKET_V3: Final = 2

PACKET_MR_MULTICAST: Final = 0
PACKET_MR_PROMISC: Final = 1
PACKET_MR_ALLMULTI: Final = 2
PACKET_MR_UNICAST: Final = 3
ETH_ALEN: Final = 6

_INT_OPTS: Final = (
    PACKET_COPY_THRESH,
    PACKET_VERSION,
    PACKET_RESERVE,
    PACKET_LOSS,
    PACKET_TIMESTAMP,
    PACKET_TX_HAS_OFF,
    PACKET_QDISC_BYPASS,
    PACKET_IGNORE_OUTGOING,
)

SITE_PACKET_PURGED: Final = Site("socket", "packet socket closed unread", "none", "QUEUE_PURGE")
SITE_PACKET_FILTER: Final = Site("packet", "filter of a packet socket or loop-back of a group packet")
SITE_PACKET_REFUSED: Final = Site("packet", "a frame that cannot be sent", "none", "NOT_SPECIFIED")
SITE_PACKET_FULL: Final = Site("socket", "receive buffer of a packet socket full", "socket drops", "PACKET_SOCK_ERROR")

_AUX: Final = Struct("=IIIHHHH")
_MREQ: Final = Struct("=iHH8s")


class PacketHook(PacketType):
    """The packet type of one socket."""

    __slots__ = ("sk",)

    def __init__(self, sk: PacketSock, proto: int, dev: NetDevice | None) -> None:
        super().__init__(proto, "packet_rcv", dev)
        self.sk = sk
        self.af_packet_sk = sk

    def func(self, skb: SkBuff, dev: NetDevice, orig_dev: NetDevice) -> int:
        return packet_rcv(self.sk, skb, dev, orig_dev)


class PacketCb:
    """What recvmsg needs of a frame: its address fields and its length before it was cut."""

    __slots__ = ("ifindex", "hatype", "pkttype", "addr", "origlen", "proto")

    def __init__(self, ifindex: int, hatype: int, pkttype: int, addr: bytes, origlen: int, proto: int) -> None:
        self.proto = proto
        self.ifindex = ifindex
        self.hatype = hatype
        self.pkttype = pkttype
        self.addr = addr
        self.origlen = origlen


class PacketSock(Sock):
    """`struct packet_sock`: protocol 0 receives nothing until bound to one."""

    __slots__ = (
        "hook",
        "ifindex",
        "proto_",
        "auxdata",
        "origdev",
        "ignore_outgoing",
        "tp_packets",
        "tp_drops",
        "mclist",
        "ints",
    )

    def __init__(self, net: Net, type_: int, protocol: int, prot: Proto) -> None:
        super().__init__(net, AF_PACKET, type_, protocol, prot)
        self.proto_ = ((protocol & 0xFF) << 8) | (protocol >> 8)
        self.ifindex = 0
        self.hook: PacketHook | None = None
        self.auxdata = False
        self.origdev = False
        self.ignore_outgoing = False
        self.tp_packets = 0
        self.tp_drops = 0
        self.ints: dict[int, int] = {}  # options that are an int
        self.mclist: list[tuple[int, int, bytes]] = []
        if self.proto_:
            self._register()

    def _register(self) -> None:
        dev = self.net.by_index.get(self.ifindex) if self.ifindex else None
        h = PacketHook(self, self.proto_, dev)
        h.ignore_outgoing = self.ignore_outgoing
        self.hook = h
        dev_add_pack(self.net, h)

    def unhash(self) -> None:
        if self.hook is not None:
            dev_remove_pack(self.net, self.hook)
            self.hook = None

    # --- the operations of a program -------------------------------------------------------------------------------
    def bind_address(self, address: tuple[Any, ...]) -> None:
        """("eth0", ETH_P_IP) as the standard library has it; "" = any device.  Raises ENODEV."""
        name = address[0]
        proto = (int(address[1]) if len(address) > 1 else 0) or self.proto_
        ifindex = 0
        if name:
            dev = self.net.by_name.get(name)
            if dev is None:
                raise linux_error(ENODEV, str(name))
            ifindex = dev.ifindex
        self.unhash()
        self.ifindex = ifindex
        self.proto_ = proto & 0xFFFF
        if not self.proto_:
            return
        if not name or self.net.by_name[name].flags & IFF_UP:
            self._register()
        else:
            self.net_down()

    def net_down(self) -> None:
        """Nothing comes until the device is up; the program hears of it once."""
        self.unhash()
        self.err = ENETDOWN
        sk_error_report(self)

    def getsockname(self) -> tuple[Any, ...]:
        dev = self.net.by_index.get(self.ifindex)
        return (
            dev.name if dev is not None else "",
            self.proto_,
            0,
            dev.type if dev is not None else 0,
            dev.dev_addr if dev is not None else b"",
        )

    def recvmsg(self, size: int, flags: int) -> Msg:
        return packet_recvmsg(self, size, flags)

    def sendmsg(self, data: bytes, name: Any, control: Any, flags: int) -> int:
        return packet_snd(self, data, name, control)

    def siocinq(self) -> int:
        return self.receive_queue[0].len if self.receive_queue else 0

    def shutdown_how(self, how: int) -> None:
        raise linux_error(EOPNOTSUPP)

    def close(self) -> None:
        if self.dead:
            return
        self.unhash()
        for ifindex, kind, addr in self.mclist:
            dev = self.net.by_index.get(ifindex)
            if dev is not None:
                _dev_mc(dev, kind, addr, -1)
        self.mclist.clear()
        sk_release(self, SITE_PACKET_PURGED if self.net.kernel.release.packet_chains_per_net else None)

    def setsockopt(self, level: int, optname: int, value: int | bytes) -> None:
        if level == SOL_SOCKET:
            sk_setsockopt(self, optname, value)
        elif level != SOL_PACKET:
            raise linux_error(ENOPROTOOPT)
        elif optname in (PACKET_ADD_MEMBERSHIP, PACKET_DROP_MEMBERSHIP):
            packet_mc(self, optname == PACKET_ADD_MEMBERSHIP, value)
        elif optname == PACKET_AUXDATA:
            self.auxdata = bool(opt_int(value))
        elif optname == PACKET_ORIGDEV:
            self.origdev = bool(opt_int(value))
        elif optname in (PACKET_RX_RING, PACKET_TX_RING):
            packet_set_ring(self, optname, value)
        elif optname == PACKET_VNET_HDR:
            if opt_int(value):
                raise linux_error(ENOTSUP, "PACKET_VNET_HDR")
        elif optname == PACKET_VNET_HDR_SZ and self.net.kernel.release.packet_vnet_hdr_sz:
            v = opt_int(value)
            if v in (10, 12):
                raise linux_error(ENOTSUP, "PACKET_VNET_HDR_SZ")
            if v:
                raise linux_error(EINVAL)
        elif optname == PACKET_FANOUT:
            if isinstance(value, bytes) and len(value) not in (4, 8):
                raise linux_error(EINVAL)
            raise linux_error(ENOTSUP, "PACKET_FANOUT")
        elif optname == PACKET_FANOUT_DATA:
            raise linux_error(EINVAL, "not in a group")
        elif optname in _INT_OPTS:
            if isinstance(value, bytes) and len(value) != 4:
                raise linux_error(EINVAL, "four bytes expected")
            packet_set_int(self, optname, opt_int(value))
        else:
            raise linux_error(ENOPROTOOPT, f"SOL_PACKET option {optname}")

    def getsockopt(self, level: int, optname: int) -> int | bytes:
        if level == SOL_SOCKET:
            return sk_getsockopt(self, optname)
        if level != SOL_PACKET:
            raise linux_error(ENOPROTOOPT)
        if optname == PACKET_STATISTICS:
            p, d = self.tp_packets, self.tp_drops
            self.tp_packets = self.tp_drops = 0
            return (p + d).to_bytes(4, "little") + d.to_bytes(4, "little")
        if optname == PACKET_AUXDATA:
            return int(self.auxdata)
        if optname == PACKET_ORIGDEV:
            return int(self.origdev)
        if optname == PACKET_IGNORE_OUTGOING:
            return int(self.ignore_outgoing)
        if optname in _INT_OPTS:
            return self.ints.get(optname, 0)
        if optname in (PACKET_VNET_HDR, PACKET_FANOUT):
            return 0
        if optname == PACKET_VNET_HDR_SZ and self.net.kernel.release.packet_vnet_hdr_sz:
            return 0
        if optname in (PACKET_HDRLEN, PACKET_ROLLOVER_STATS):
            raise linux_error(EINVAL, "the buffer names no version, or there is no group")
        raise linux_error(ENOPROTOOPT)


def packet_set_int(sk: PacketSock, optname: int, v: int) -> None:
    """Options that take an int and nothing else.  Those of rings are kept and have no effect.  Raises EINVAL."""
    if optname == PACKET_IGNORE_OUTGOING:
        if v not in (0, 1):
            raise linux_error(EINVAL)
        sk.ignore_outgoing = bool(v)
        if sk.hook is not None:
            sk.hook.ignore_outgoing = bool(v)
        return
    if optname == PACKET_VERSION and v not in (0, 1, 2):
        raise linux_error(EINVAL)
    if optname == PACKET_RESERVE and v < 0:
        raise linux_error(EINVAL)
    sk.ints[optname] = int(v != 0) if optname in (PACKET_LOSS, PACKET_TX_HAS_OFF, PACKET_QDISC_BYPASS) else v


def packet_set_ring(sk: PacketSock, optname: int, value: int | bytes) -> None:
    """PACKET_RX_RING, PACKET_TX_RING: there are none, so none may be taken away.  Raises EINVAL, ENOTSUP."""
    if isinstance(value, int) or len(value) < (28 if sk.ints.get(PACKET_VERSION) == TPACKET_V3 else 16):
        raise linux_error(EINVAL)
    if any(value[4:8]):
        raise linux_error(ENOTSUP, "PACKET_RX_RING" if optname == PACKET_RX_RING else "PACKET_TX_RING")
    if any(value[12:16]):
        raise linux_error(EINVAL)


def packet_mc(sk: PacketSock, add: bool, value: int | bytes) -> None:
    """PACKET_ADD_MEMBERSHIP: promiscuous, all groups, one group.  What is left and was never joined is no error.
    Raises EINVAL, ENODEV.
    """
    if isinstance(value, int) or len(value) < 16:
        raise linux_error(EINVAL)
    ifindex, kind, alen, _ = _MREQ.unpack_from(value)
    addr = value[8 : 8 + alen]
    if len(value) < 8 + alen:
        raise linux_error(EINVAL)
    dev = sk.net.by_index.get(ifindex)
    key = (ifindex, kind, addr)
    if add:
        if dev is None:
            raise linux_error(ENODEV)
        if alen > ETH_ALEN or (kind in (PACKET_MR_MULTICAST, PACKET_MR_UNICAST) and alen != ETH_ALEN):
            raise linux_error(EINVAL)
        _dev_mc(dev, kind, addr, 1)
        sk.mclist.append(key)
    elif key in sk.mclist:
        sk.mclist.remove(key)
        if dev is not None:
            _dev_mc(dev, kind, addr, -1)


def _dev_mc(dev: NetDevice, kind: int, addr: bytes, by: int) -> None:
    if kind == PACKET_MR_PROMISC:
        dev_set_promiscuity(dev, by)
    elif kind == PACKET_MR_ALLMULTI:
        dev_set_allmulti(dev, by)
    elif kind == PACKET_MR_MULTICAST:
        if by > 0:
            dev_mc_add(dev, addr)
        else:
            dev_mc_del(dev, addr)
    elif kind == PACKET_MR_UNICAST:
        raise linux_error(ENOTSUP, "PACKET_MR_UNICAST")


def packet_rcv(sk: PacketSock, skb: SkBuff, dev: NetDevice, orig_dev: NetDevice) -> int:
    """A frame for the socket (a reference of its own): filter, charge, queue."""
    if skb.pkt_type == PACKET_LOOPBACK:
        consume_skb(skb, SITE_PACKET_FILTER)
        return 0
    skb.dev = dev
    if sk.type != SOCK_DGRAM:
        skb.len += skb.data - skb.mac_header
        skb.data = skb.mac_header
    elif skb.pkt_type == PACKET_OUTGOING:
        skb.pull(skb.network_header - skb.data)
    snap = skb.len
    f = sk.filter
    if f is not None or not snap:
        n = sk_run_filter(f.prog, skb) if f is not None else 0
        if n == 0:
            skb_end(skb, IGNORED, SITE_PACKET_FILTER)
            consume_skb(skb, None)
            return 0
        if n < snap:
            snap = n
    if sk.rmem_alloc >= sk.rcvbuf:
        sk.tp_drops += 1
        sk.drops += 1
        kfree_skb_reason(skb, SITE_PACKET_FULL)
        return 0
    shared = skb.shared
    skb.shared = False  # skb_share_check
    head = skb.head
    mac = skb.mac_header
    skb.cb = PacketCb(
        orig_dev.ifindex if sk.origdev else dev.ifindex,
        dev.type,
        skb.pkt_type,
        head[mac + 6 : mac + 12],
        skb.len,
        vlan_get_protocol_dgram(skb, snap)
        if sk.type == SOCK_DGRAM and sk.net.kernel.release.packet_chains_per_net
        else skb.protocol,
    )
    if snap < skb.len:
        if skb.data_len:
            ___pskb_trim(skb, snap)
        elif shared:
            pskb_trim(skb, snap)
        else:  # the frame itself: the file that it was written to still owns it, and it keeps its size
            skb.trim(snap)
    skb_set_owner_r(skb, sk)
    skb.dev = None
    skb.dst = None
    sk.tp_packets += 1
    skb.dropcount = sk.drops if sk.rxq_ovfl else 0
    sk.receive_queue.append(skb)
    hook = sk.net.on_socket
    if hook is not None:
        hook(skb)
    sock_def_readable(sk)
    return 0


def vlan_get_protocol_dgram(skb: SkBuff, snap: int) -> int:
    """The protocol behind the VLAN tags that are still in the frame; 0 when they are cut off (by the filter too) or
    more than eight.
    """
    end = skb.data + snap
    proto = skb.protocol
    at = skb.mac_header + 14
    for _ in range(8):
        if proto not in (ETH_P_8021Q, ETH_P_8021AD):
            return proto
        if at + 4 > end:
            return 0
        proto = skb.head[at + 2] << 8 | skb.head[at + 3]
        at += 4
    return 0


def packet_recvmsg(sk: PacketSock, size: int, flags: int) -> Msg:
    """Read one frame; the address is (device, protocol, packet type, hardware type, source address)."""
    if flags & ~(MSG_PEEK | MSG_DONTWAIT | MSG_TRUNC | MSG_ERRQUEUE):
        raise linux_error(EINVAL)
    if flags & MSG_ERRQUEUE:
        return sock_recv_errqueue(sk, size, SOL_PACKET, PACKET_TX_TIMESTAMP)
    skb = skb_recv_datagram(sk, flags)
    msg = Msg()
    if skb is None:
        return msg
    cb = skb.cb
    assert isinstance(cb, PacketCb)
    skb_copy_datagram_msg(msg, skb, size)
    sock_recv_cmsgs(msg, sk, skb)
    dev = sk.net.by_index.get(cb.ifindex)
    msg.name = (dev.name if dev is not None else "", cb.proto, cb.pkttype, cb.hatype, cb.addr)
    if sk.auxdata:
        status = 1
        if skb.ip_summed == CHECKSUM_PARTIAL:
            status |= 8
        elif cb.pkttype != PACKET_OUTGOING and (skb.ip_summed == CHECKSUM_UNNECESSARY or skb.csum_valid):
            status |= 128
        tci = tpid = 0
        if skb.vlan_present:
            tci, tpid = skb.vlan_tci, skb.vlan_proto
            status |= 16 | 64
        elif sk.type == SOCK_DGRAM and skb.protocol in (ETH_P_8021Q, ETH_P_8021AD) and dev is not None:
            at = skb.mac_header + 14
            tci, tpid = int.from_bytes(skb.head[at : at + 2], "big"), skb.protocol
            status |= 16 | 64
        msg.control.append(
            (
                SOL_PACKET,
                PACKET_AUXDATA,
                _AUX.pack(status, cb.origlen, skb.len, 0, max(skb.network_header - skb.data, 0), tci, tpid),
            )
        )
    # family and protocol of the address stand where the length was kept: a second look after a peek finds them there
    cb.origlen = 17 | (cb.proto & 0xFF) << 24 | (cb.proto >> 8) << 16
    if flags & MSG_TRUNC:
        msg.n = skb.len
    skb_free_datagram(sk, skb, flags)
    return msg


def packet_snd(sk: PacketSock, data: bytes, name: Any, control: list[tuple[int, int, bytes]]) -> int:
    """Send a frame as it is (SOCK_RAW), or a packet to a hardware address (SOCK_DGRAM).  Raises ENXIO, ENETDOWN,
    EMSGSIZE, EINVAL.
    """
    if name is not None:
        dev = sk.net.by_name.get(name[0])
        proto = int(name[1])
    else:
        dev = sk.net.by_index.get(sk.ifindex)
        proto = sk.proto_
    if dev is None:
        raise linux_error(ENXIO, "no device")
    if not dev.flags & IFF_UP:
        raise linux_error(ENETDOWN)
    sockc = SockcmCookie(sk)
    if control:
        sock_cmsg_send(sk, control, sockc)
    reserve = 0 if sk.type == SOCK_DGRAM else dev.hard_header_len
    n = len(data)
    if n > dev.mtu + reserve + 4:
        raise linux_error(EMSGSIZE)
    skb = __alloc_skb(sk.net, n + 16)
    err = 0
    if sk.type == SOCK_DGRAM:
        addr = bytes(name[4]) if name is not None and len(name) > 4 else b""
        if not addr:
            err = EINVAL
        data = addr + dev.dev_addr + proto.to_bytes(2, "big") + data
    elif n < dev.hard_header_len:
        err = EINVAL
    if not err and n > dev.mtu + reserve and data[12:14] != b"\x81\x00":
        err = EMSGSIZE
    if err:
        kfree_skb_reason(skb, SITE_PACKET_REFUSED)
        raise linux_error(err)
    skb_put(skb, data)
    skb_set_owner_w(skb, sk)
    skb.txstamp = sock_tx_timestamp(sk, sockc.tsflags & SOF_TIMESTAMPING_TX_RECORD_MASK, sockc.ts_opt_id)
    skb.dev = dev
    skb.mark = sockc.mark
    skb.priority = sockc.priority
    skb.network_header = 14
    skb.protocol = int.from_bytes(data[12:14], "big") if proto in (0, ETH_P_ALL) else proto
    if sk.net.kernel.release.packet_vlan_header:
        skb.network_header = vlan_network_offset(data, skb.protocol)
    dev_queue_xmit(skb)
    return n


def vlan_network_offset(frame: bytes, proto: int) -> int:
    """Where the network header of a frame to send begins: behind its VLAN tags, unless it ends among them."""
    at = 14
    while proto in (ETH_P_8021Q, ETH_P_8021AD):
        if at + 4 > len(frame):
            return 14
        proto = frame[at + 2] << 8 | frame[at + 3]
        at += 4
    return at


class PacketFamily:
    """Hangs on `net.packet`; makes the sockets."""

    __slots__ = ("net", "prot")

    def __init__(self, net: Net) -> None:
        self.net = net
        self.prot = Proto("PACKET")

    def create(self, type_: int, protocol: int) -> PacketSock:
        """`protocol` in network byte order, as the system call has it.  Raises ESOCKTNOSUPPORT."""
        if type_ not in (SOCK_RAW, SOCK_DGRAM):
            raise linux_error(ESOCKTNOSUPPORT)
        return PacketSock(self.net, type_, protocol, self.prot)


def packet_notifier(net: Net, event: str, dev: NetDevice) -> None:
    """A device went down or came up: the sockets bound to it leave and come back."""
    if event not in (NETDEV_UP, NETDEV_DOWN):
        return
    for s in net.sockets:
        if isinstance(s, PacketSock) and s.ifindex == dev.ifindex:
            if event == NETDEV_UP and s.hook is None and s.proto_:
                s._register()
            elif event == NETDEV_DOWN and s.hook is not None:
                s.net_down()


def packet_init(net: Net) -> None:
    """device_initcall."""
    net.packet = PacketFamily(net)
    net.notifiers.append(lambda event, dev: packet_notifier(net, event, dev))
    net.kernel.files.add("/proc/net/packet", lambda: packet_text(net))


def packet_text(net: Net) -> str:
    """/proc/net/packet: the programs' packet sockets; pointers are not shown."""
    rows = [
        packet.PacketSock(0, 3, s.type, s.proto_, s.ifindex, int(s.hook is not None), s.rmem_alloc, s.uid, s.inode)
        for s in net.sockets
        if isinstance(s, PacketSock)
    ]
    return packet.render(packet.Packet(tuple(rows)))
