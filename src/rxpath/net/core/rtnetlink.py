"""rtnetlink as bytes: messages of a NETLINK_ROUTE socket in, datagrams out; what it tells of links.

What lives here: the form of messages and attributes, and links: told, and changed in address, MTU, queue length and
flags.  IPv4's messages are in the `Handlers` of net/ipv4/rtnetlink.py.  Facts:
include/uapi/linux/{netlink,rtnetlink,if_link}.h and net/core/rtnetlink.c of 6.1.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from rxpath.kernel.errno import EEXIST, EINVAL, ENODEV, ENOTSUP, EOPNOTSUPP, linux_error
from rxpath.net.core.dev_ioctl import dev_change_flags, dev_get_flags
from rxpath.net.core.netdevice import (
    STAT_FIELDS,
    Net,
    NetDevice,
    dev_get_stats,
    dev_set_mac_address,
    dev_set_mtu,
)

NLMSG_HDR: Final = struct.Struct("<IHHII")
NLMSG_ERROR: Final = 2
NLMSG_DONE: Final = 3
NLM_F_REQUEST: Final = 1
NLM_F_MULTI: Final = 2
NLM_F_ACK: Final = 4
NLM_F_DUMP: Final = 0x300
NLM_F_REPLACE: Final = 0x100
NLM_F_EXCL: Final = 0x200
NLM_F_CREATE: Final = 0x400
RTM_NEWLINK: Final = 16
RTM_GETLINK: Final = 18
RTM_SETLINK: Final = 19
RTM_NEWADDR: Final = 20
RTM_DELADDR: Final = 21
RTM_GETADDR: Final = 22
RTM_NEWROUTE: Final = 24
RTM_DELROUTE: Final = 25
RTM_GETROUTE: Final = 26
RTM_NEWNEIGH: Final = 28
RTM_DELNEIGH: Final = 29
RTM_GETNEIGH: Final = 30
DATAGRAM: Final = 16384  # a dump is cut into pieces of about this size

IFINFOMSG: Final = struct.Struct("<BxHiII")
IFLA_ADDRESS: Final = 1
IFLA_BROADCAST: Final = 2
IFLA_IFNAME: Final = 3
IFLA_MTU: Final = 4
IFLA_QDISC: Final = 6
IFLA_STATS: Final = 7
IFLA_TXQLEN: Final = 13
IFLA_MAP: Final = 14
IFLA_OPERSTATE: Final = 16
IFLA_LINKMODE: Final = 17
IFLA_STATS64: Final = 23
IFLA_GROUP: Final = 27
IFLA_PROMISCUITY: Final = 30
IFLA_NUM_TX_QUEUES: Final = 31
IFLA_NUM_RX_QUEUES: Final = 32
IFLA_CARRIER: Final = 33
IFLA_CARRIER_CHANGES: Final = 35
IFLA_CARRIER_UP_COUNT: Final = 47
IFLA_CARRIER_DOWN_COUNT: Final = 48
IFLA_MIN_MTU: Final = 50
IFLA_MAX_MTU: Final = 51
IFLA_PERM_ADDRESS: Final = 54

OPERSTATES: Final = ("unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up")


def nla(kind: int, data: bytes) -> bytes:
    """One attribute, padded to four bytes."""
    return struct.pack("<HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


def nla_u32(kind: int, value: int) -> bytes:
    return nla(kind, struct.pack("<I", value & 0xFFFFFFFF))


def nla_text(kind: int, text: str) -> bytes:
    return nla(kind, text.encode() + b"\0")


def parse_attrs(data: bytes) -> dict[int, bytes]:
    """Attributes by type.  OSError(EINVAL) when one is longer than what is there."""
    out: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(data):
        n, kind = struct.unpack_from("<HH", data, at)
        if n < 4 or at + n > len(data):
            raise linux_error(EINVAL, "netlink attribute")
        out[kind & 0x3FFF] = data[at + 4 : at + n]
        at += (n + 3) & ~3
    return out


def attr_u32(attrs: dict[int, bytes], kind: int, default: int = 0) -> int:
    data = attrs.get(kind)
    if data is None:
        return default
    if len(data) < 4:
        raise linux_error(EINVAL, "netlink attribute")
    return int(struct.unpack_from("<I", data)[0])


# (net, body of the request, its flags) -> the bodies of the answers
Handler = Callable[[Net, bytes, int], list[bytes]]
# type of the request -> (type of the answers, function); 0: it changes something and is answered by success alone
Handlers = dict[int, tuple[int, Handler]]


def rtnl_fill_ifinfo(dev: NetDevice) -> bytes:
    """struct ifinfomsg with its attributes."""
    stats = dev_get_stats(dev)
    values = [int(getattr(stats, f)) for f in STAT_FIELDS]
    operstate = dev.operstate()
    a = nla_text(IFLA_IFNAME, dev.name)
    a += nla_u32(IFLA_TXQLEN, dev.tx_queue_len)
    a += nla(IFLA_OPERSTATE, bytes([OPERSTATES.index(operstate) if operstate in OPERSTATES else 0]))
    a += nla(IFLA_LINKMODE, bytes([dev.link_mode & 1]))
    a += nla_u32(IFLA_MTU, dev.mtu) + nla_u32(IFLA_MIN_MTU, dev.min_mtu) + nla_u32(IFLA_MAX_MTU, dev.max_mtu)
    a += nla_u32(IFLA_GROUP, 0) + nla_u32(IFLA_PROMISCUITY, dev.promiscuity)
    a += nla_u32(IFLA_NUM_TX_QUEUES, len(dev.tx_queues)) + nla_u32(IFLA_NUM_RX_QUEUES, len(dev.rx_queues))
    a += nla(IFLA_CARRIER, bytes([int(dev.carrier_ok)])) + nla_text(IFLA_QDISC, dev.qdisc_name)
    a += nla_u32(IFLA_CARRIER_CHANGES, dev.carrier_up_count + dev.carrier_down_count)
    a += nla_u32(IFLA_CARRIER_UP_COUNT, dev.carrier_up_count)
    a += nla_u32(IFLA_CARRIER_DOWN_COUNT, dev.carrier_down_count)
    a += nla(IFLA_MAP, struct.pack("<QQQHBB4x", 0, 0, 0, dev.irq & 0xFFFF, 0, 0))
    a += nla(IFLA_ADDRESS, dev.dev_addr) + nla(IFLA_BROADCAST, bytes(6) if dev.is_loopback else dev.broadcast)
    if not dev.is_loopback:
        a += nla(IFLA_PERM_ADDRESS, dev.perm_addr)
    # rtnl_link_stats64 as uapi has it: 25 of u64; rtnl_link_stats: the first 24 as u32
    a += nla(IFLA_STATS64, struct.pack("<%dQ" % len(values), *values))
    a += nla(IFLA_STATS, struct.pack("<24I", *(v & 0xFFFFFFFF for v in values[:24])))
    return IFINFOMSG.pack(0, dev.type, dev.ifindex, dev_get_flags(dev), 0) + a


def is_dump(flags: int) -> bool:
    return flags & NLM_F_DUMP == NLM_F_DUMP


def rtnl_getlink(net: Net, body: bytes, flags: int) -> list[bytes]:
    """All links, or the one that the index or IFLA_IFNAME names.  ENODEV, EINVAL."""
    if is_dump(flags):
        return [rtnl_fill_ifinfo(d) for d in net.devices]
    if len(body) < IFINFOMSG.size:
        raise linux_error(EINVAL, "ifinfomsg")
    index = IFINFOMSG.unpack_from(body)[2]
    name = parse_attrs(body[IFINFOMSG.size :]).get(IFLA_IFNAME, b"").split(b"\0", 1)[0].decode("utf-8", "replace")
    if index <= 0 and not name:
        raise linux_error(EINVAL, "neither index nor name")
    for d in net.devices:
        if (d.ifindex == index) if index > 0 else (d.name == name):
            return [rtnl_fill_ifinfo(d)]
    raise linux_error(ENODEV, name or str(index))


CHANGED: Final = frozenset({IFLA_ADDRESS, IFLA_MTU, IFLA_IFNAME, IFLA_TXQLEN})


def rtnl_setlink(net: Net, body: bytes, flags: int) -> list[bytes]:
    """RTM_SETLINK, and RTM_NEWLINK of a link that is there.  EINVAL, ENODEV; ENOTSUP by name for all but
    address, mtu, txqueuelen and flags.
    """
    if len(body) < IFINFOMSG.size:
        raise linux_error(EINVAL, "ifinfomsg")
    _, _, index, on, change = IFINFOMSG.unpack_from(body)
    attrs = parse_attrs(body[IFINFOMSG.size :])
    name = attrs.get(IFLA_IFNAME, b"").split(b"\0", 1)[0].decode("utf-8", "replace")
    if index <= 0 and not name:
        raise linux_error(EINVAL, "neither index nor name")
    found = [d for d in net.devices if (d.ifindex == index if index > 0 else d.name == name)]
    if not found:
        if flags & NLM_F_CREATE:
            raise OSError(ENOTSUP, "making links")
        raise linux_error(ENODEV, name or str(index))
    dev = found[0]
    for kind in attrs:
        if kind not in CHANGED:
            raise OSError(ENOTSUP, f"attribute {kind} of a link")
    if index > 0 and name and name != dev.name:
        raise OSError(ENOTSUP, "renaming an interface")
    if flags & NLM_F_EXCL:
        raise linux_error(EEXIST, dev.name)
    if IFLA_ADDRESS in attrs:
        dev_set_mac_address(dev, attrs[IFLA_ADDRESS])
    if IFLA_MTU in attrs:
        dev_set_mtu(dev, attr_u32(attrs, IFLA_MTU))
    if on or change:
        dev_change_flags(dev, (dev_get_flags(dev) & ~change) | (on & change) if change else on)
    if IFLA_TXQLEN in attrs:
        dev.tx_queue_len = attr_u32(attrs, IFLA_TXQLEN)
    return []


def rtnl_newlink(net: Net, body: bytes, flags: int) -> list[bytes]:
    """As rtnl_setlink; ENODEV when no link is named (by which ip tells that there is RTM_NEWLINK)."""
    if len(body) >= IFINFOMSG.size and IFINFOMSG.unpack_from(body)[2] == 0 and len(body) == IFINFOMSG.size:
        raise linux_error(ENODEV, "no link is named")
    return rtnl_setlink(net, body, flags)


LINK_HANDLERS: Final[Handlers] = {
    RTM_GETLINK: (RTM_NEWLINK, rtnl_getlink),
    RTM_NEWLINK: (0, rtnl_newlink),
    RTM_SETLINK: (0, rtnl_setlink),
}


def rtnetlink_rcv(net: Net, data: bytes, portid: int, handlers: Handlers) -> list[bytes]:
    """The datagrams that answer the datagram `data` (one or several requests).

    A request that is not understood is answered by NLMSG_ERROR with -EOPNOTSUPP, as Linux answers one without handler.
    """
    out: list[bytes] = []
    at = 0
    while at + NLMSG_HDR.size <= len(data):
        n, kind, flags, seq, _ = NLMSG_HDR.unpack_from(data, at)
        if n < NLMSG_HDR.size or at + n > len(data):
            break
        head = data[at : at + NLMSG_HDR.size]
        out += _one(net, head, data[at + NLMSG_HDR.size : at + n], kind, flags, seq, portid, handlers)
        at += (n + 3) & ~3
    return out


def _one(
    net: Net, head: bytes, body: bytes, kind: int, flags: int, seq: int, portid: int, handlers: Handlers
) -> list[bytes]:
    if kind < 16 or not flags & NLM_F_REQUEST:
        return []
    try:
        if kind not in handlers:
            raise linux_error(EOPNOTSUPP, f"rtnetlink {kind}")
        answer, fn = handlers[kind]
        dump = answer != 0 and is_dump(flags)  # in a request that changes something the bits mean replace and excl
        bodies = fn(net, body, flags)
    except OSError as e:
        return [_message(NLMSG_ERROR, 0, seq, portid, struct.pack("<i", -(e.errno or EINVAL)) + head)]
    parts = [_message(answer, NLM_F_MULTI if dump else 0, seq, portid, b) for b in bodies]
    if dump:
        parts.append(_message(NLMSG_DONE, NLM_F_MULTI, seq, portid, bytes(4)))
    elif flags & NLM_F_ACK:
        parts.append(_message(NLMSG_ERROR, 0, seq, portid, bytes(4) + head))
    out = [b""]
    for p in parts:
        if out[-1] and len(out[-1]) + len(p) > DATAGRAM:
            out.append(b"")
        out[-1] += p
    return out


def _message(kind: int, flags: int, seq: int, portid: int, body: bytes) -> bytes:
    size = NLMSG_HDR.size + len(body)
    return NLMSG_HDR.pack(size, kind, flags, seq, portid) + body + bytes(-size % 4)
