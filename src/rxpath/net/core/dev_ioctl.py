"""The interface ioctls of a socket, SIOCGIF* and SIOCSIF*, as bytes: `dev_ioctl(net, cmd, ifr)`.

What lives here: `struct ifreq` of x86-64 (40 bytes: a name of 16, a union of 24) and the commands that concern the
device itself.  Addresses are net/ipv4/inet_ioctl.py, SIOCETHTOOL's own buffer ethtool_ioctl.py.  Facts:
net/core/dev_ioctl.c of 6.1.
"""

from __future__ import annotations

import struct
from typing import Final

from rxpath.kernel.errno import EINVAL, ENODEV, ENOTSUP, EOPNOTSUPP, linux_error
from rxpath.net.core.netdevice import (
    IFF_ALLMULTI,
    IFF_PROMISC,
    IFF_RUNNING,
    IFF_UP,
    IFNAMSIZ,
    Net,
    NetDevice,
    dev_close,
    dev_open,
    dev_set_allmulti,
    dev_set_mac_address,
    dev_set_mtu,
    dev_set_promiscuity,
)

SIOCGIFNAME: Final = 0x8910
SIOCGIFCONF: Final = 0x8912
SIOCGIFFLAGS: Final = 0x8913
SIOCSIFFLAGS: Final = 0x8914
SIOCGIFADDR: Final = 0x8915
SIOCSIFADDR: Final = 0x8916
SIOCGIFDSTADDR: Final = 0x8917
SIOCGIFBRDADDR: Final = 0x8919
SIOCSIFBRDADDR: Final = 0x891A
SIOCGIFNETMASK: Final = 0x891B
SIOCSIFNETMASK: Final = 0x891C
SIOCGIFMETRIC: Final = 0x891D
SIOCSIFMETRIC: Final = 0x891E
SIOCGIFMTU: Final = 0x8921
SIOCSIFMTU: Final = 0x8922
SIOCSIFNAME: Final = 0x8923
SIOCSIFHWADDR: Final = 0x8924
SIOCGIFHWADDR: Final = 0x8927
SIOCGIFSLAVE: Final = 0x8929
SIOCGIFINDEX: Final = 0x8933
SIOCGIFTXQLEN: Final = 0x8942
SIOCSIFTXQLEN: Final = 0x8943
SIOCETHTOOL: Final = 0x8946
SIOCGMIIPHY: Final = 0x8947
SIOCGMIIREG: Final = 0x8948
SIOCSMIIREG: Final = 0x8949
SIOCGIFMAP: Final = 0x8970

IFREQ_SIZE: Final = 40
UNION_AT: Final = 16
IFF_LOWER_UP: Final = 1 << 16
IFF_DORMANT: Final = 1 << 17


def dev_get_flags(dev: NetDevice) -> int:
    """What user space sees: IFF_RUNNING and IFF_LOWER_UP follow the carrier."""
    flags = dev.flags & ~(IFF_RUNNING | IFF_LOWER_UP | IFF_DORMANT)
    if dev.flags & IFF_UP and dev.carrier_ok:
        flags |= IFF_RUNNING | IFF_LOWER_UP
    return flags


def user_switch(dev: NetDevice, on: bool, flag: int) -> None:
    """The user's own IFF_PROMISC or IFF_ALLMULTI (`gflags`): counted once, whoever else wants it too."""
    key = f"user_{flag}"
    if bool(dev.attr.get(key)) == on:
        return
    dev.attr[key] = on
    (dev_set_promiscuity if flag == IFF_PROMISC else dev_set_allmulti)(dev, 1 if on else -1)


def dev_change_flags(dev: NetDevice, flags: int) -> None:
    """IFF_UP, IFF_PROMISC and IFF_ALLMULTI as asked; other flags are the kernel's.  Raises what ndo_open raises."""
    for bit in (IFF_PROMISC, IFF_ALLMULTI):
        user_switch(dev, bool(flags & bit), bit)
    if (flags ^ dev.flags) & IFF_UP:
        if flags & IFF_UP:
            dev_open(dev)
        else:
            dev_close(dev)


def dev_by_ifr(net: Net, ifr: bytearray) -> NetDevice:
    """The device that `ifr_name` names (an alias's `:n` does not count).  ENODEV."""
    name = ifr_name(ifr).partition(":")[0]
    dev = net.by_name.get(name)
    if dev is None:
        raise linux_error(ENODEV, name)
    return dev


def ifr_name(ifr: bytearray) -> str:
    return bytes(ifr[: IFNAMSIZ - 1]).split(b"\0", 1)[0].decode("utf-8", "replace")


def _value(ifr: bytearray) -> int:
    return int(struct.unpack_from("<i", ifr, UNION_AT)[0])


def _answer(ifr: bytearray, union: bytes) -> None:
    ifr[UNION_AT : UNION_AT + len(union)] = union


def _get(dev: NetDevice, cmd: int) -> bytes | None:
    """The union that a SIOCGIF* command fills; None for another command."""
    if cmd == SIOCGIFFLAGS:
        return struct.pack("<H", dev_get_flags(dev) & 0xFFFF)
    if cmd == SIOCGIFMETRIC:
        return bytes(4)
    if cmd == SIOCGIFMTU:
        return struct.pack("<i", dev.mtu)
    if cmd == SIOCGIFHWADDR:
        return struct.pack("<H", dev.type) + dev.dev_addr.ljust(14, b"\0")
    if cmd == SIOCGIFMAP:  # mem_start, mem_end, base_addr, irq, dma, port
        return struct.pack("<QQHBBB3x", 0, 0, 0, dev.irq & 0xFF, 0, 0)
    if cmd == SIOCGIFINDEX:
        return struct.pack("<i", dev.ifindex)
    if cmd == SIOCGIFTXQLEN:
        return struct.pack("<i", dev.tx_queue_len)
    return None


def dev_ioctl(net: Net, cmd: int, ifr: bytearray) -> int:
    """One command on `ifr`, 40 bytes, answered in place.  Returns 0 or raises OSError with Linux's errno.

    ENODEV: no such device; EINVAL: a value out of range, or no interface command; EOPNOTSUPP: the driver has it not;
    ENOTSUP by name: what the machine does not model.
    """
    if cmd == SIOCGIFNAME:
        index = _value(ifr)
        for d in net.devices:
            if d.ifindex == index:
                ifr[:IFNAMSIZ] = d.name.encode()[: IFNAMSIZ - 1].ljust(IFNAMSIZ, b"\0")
                return 0
        raise linux_error(ENODEV, str(index))
    dev = dev_by_ifr(net, ifr)
    got = _get(dev, cmd)
    if got is not None:
        _answer(ifr, got)
    elif cmd == SIOCSIFFLAGS:
        dev_change_flags(dev, int(struct.unpack_from("<H", ifr, UNION_AT)[0]))
    elif cmd == SIOCSIFMTU:
        dev_set_mtu(dev, _value(ifr))
    elif cmd == SIOCSIFHWADDR:
        if struct.unpack_from("<H", ifr, UNION_AT)[0] != dev.type:
            raise linux_error(EINVAL, dev.name)
        dev_set_mac_address(dev, bytes(ifr[UNION_AT + 2 : UNION_AT + 8]))
    elif cmd == SIOCSIFTXQLEN:
        if _value(ifr) < 0:
            raise linux_error(EINVAL, dev.name)
        dev.tx_queue_len = _value(ifr)
    elif cmd in (SIOCSIFMETRIC, SIOCGMIIPHY, SIOCGMIIREG, SIOCSMIIREG):
        raise linux_error(EOPNOTSUPP, dev.name)
    elif cmd == SIOCSIFNAME:
        raise OSError(ENOTSUP, "renaming an interface")
    else:
        raise linux_error(EINVAL, f"ioctl {cmd:#x}")
    return 0
