"""ioctl on an AF_INET socket: `inet_ioctl(net, cmd, ifr)`, and SIOCGIFCONF's list.

What lives here: the commands about IPv4 addresses (devinet_ioctl); all others go to net/core/dev_ioctl.py.  Facts:
net/ipv4/devinet.c of 6.1.
"""

from __future__ import annotations

import struct
from typing import Final

from rxpath.kernel.errno import EADDRNOTAVAIL, EINVAL, linux_error
from rxpath.net.core import dev_ioctl as d
from rxpath.net.core.netdevice import IFF_UP, Net, NetDevice, dev_open
from rxpath.net.core.sock import AF_INET
from rxpath.net.ipv4.devinet import InDevice, InIfaddr, inet_del_ifa, inet_insert_ifa
from rxpath.wire.addr import inet_make_mask

GETTERS: Final = (d.SIOCGIFADDR, d.SIOCGIFBRDADDR, d.SIOCGIFNETMASK, d.SIOCGIFDSTADDR)
SETTERS: Final = (d.SIOCSIFADDR, d.SIOCSIFBRDADDR, d.SIOCSIFNETMASK)


def sockaddr_in(address: int) -> bytes:
    """struct sockaddr_in without a port, 16 bytes."""
    return struct.pack("<H", AF_INET) + b"\0\0" + address.to_bytes(4, "big") + bytes(8)


def inet_abc_len(address: int) -> int:
    """The prefix length of an address's class; -1 for one that has none."""
    if address == 0:
        return 0
    first = address >> 24
    return 8 if first < 128 else 16 if first < 192 else 24 if first < 224 else -1


def inet_gifconf(net: Net) -> bytes:
    """SIOCGIFCONF: a `struct ifreq` for each IPv4 address of each device, in their order."""
    out = b""
    for dev in net.devices:
        in_dev: InDevice | None = dev.ip_ptr
        for ifa in in_dev.ifa_list if in_dev is not None else []:
            out += ifa.label.encode()[:15].ljust(16, b"\0") + sockaddr_in(ifa.local) + bytes(8)
    return out


def _find(in_dev: InDevice | None, label: str) -> InIfaddr | None:
    for ifa in in_dev.ifa_list if in_dev is not None else []:
        if ifa.label == label:
            return ifa
    return None


def devinet_ioctl(net: Net, cmd: int, ifr: bytearray) -> int:
    """The address of the device that `ifr_name` names, got or set.  ENODEV, EADDRNOTAVAIL, EINVAL."""
    dev = d.dev_by_ifr(net, ifr)
    in_dev: InDevice | None = dev.ip_ptr
    label = d.ifr_name(ifr)
    ifa = _find(in_dev, label)
    if cmd in GETTERS:
        if ifa is None:
            raise linux_error(EADDRNOTAVAIL, label)
        value = {
            d.SIOCGIFADDR: ifa.local,
            d.SIOCGIFBRDADDR: ifa.broadcast,
            d.SIOCGIFDSTADDR: ifa.address,
        }.get(cmd, ifa.mask)
        ifr[d.UNION_AT : d.UNION_AT + 16] = sockaddr_in(value)
        return 0
    family = struct.unpack_from("<H", ifr, d.UNION_AT)[0]
    address = int.from_bytes(ifr[d.UNION_AT + 4 : d.UNION_AT + 8], "big")
    if cmd == d.SIOCSIFADDR:
        if family != AF_INET or inet_abc_len(address) < 0:
            raise linux_error(EINVAL, label)
        _set_address(dev, in_dev, ifa, label, address)
        return 0
    if ifa is None or in_dev is None:
        raise linux_error(EADDRNOTAVAIL, label)
    length = ifa.prefixlen
    broadcast = address
    if cmd == d.SIOCSIFNETMASK:
        length = bin(address).count("1")
        if inet_make_mask(length) != address:
            raise linux_error(EINVAL, label)
        # the broadcast address follows where it was the old subnet's
        theirs = ifa.broadcast == ifa.local | (~ifa.mask & 0xFFFFFFFF)
        broadcast = -1 if theirs else ifa.broadcast
    if (length, broadcast) != (ifa.prefixlen, ifa.broadcast):
        inet_del_ifa(in_dev, ifa)
        inet_insert_ifa(dev, ifa.local, length, broadcast=broadcast, scope=ifa.scope, label=label)
    return 0


def _set_address(dev: NetDevice, in_dev: InDevice | None, ifa: InIfaddr | None, label: str, address: int) -> None:
    if ifa is not None and in_dev is not None:
        if ifa.local == address:
            return
        inet_del_ifa(in_dev, ifa)
    if address:
        if not dev.flags & IFF_UP:
            dev_open(dev)
        inet_insert_ifa(dev, address, inet_abc_len(address), broadcast=-1, label=label)


def inet_ioctl(net: Net, cmd: int, ifr: bytearray) -> int:
    """As `dev_ioctl`, with the commands about addresses."""
    if cmd in GETTERS or cmd in SETTERS:
        return devinet_ioctl(net, cmd, ifr)
    return d.dev_ioctl(net, cmd, ifr)
