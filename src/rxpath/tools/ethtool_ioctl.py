"""What the program ethtool does with ioctl: it fills a structure, calls, and reads the answer.

What belongs here: one small function a request, the client's side of net/core/ethtool_ioctl.py.  Each raises
OSError with the kernel's errno.
"""

from __future__ import annotations

import struct

from rxpath.kernel.errno import EOPNOTSUPP, linux_error
from rxpath.net.core import ethtool_ioctl as k
from rxpath.net.core.ethtool import RxFlowSpec
from rxpath.net.core.netdevice import Net


def call(net: Net, dev: str, data: bytearray) -> int:
    """ioctl(SIOCETHTOOL); raises OSError, returns what the kernel returned."""
    r = k.dev_ethtool(net, dev, data)
    if r < 0:
        raise linux_error(-r, dev)
    return r


def value(net: Net, dev: str, cmd: int, put: int = 0) -> int:
    """struct ethtool_value."""
    b = bytearray(struct.pack("<II", cmd, put))
    call(net, dev, b)
    return int(struct.unpack_from("<I", b, 4)[0])


def words(net: Net, dev: str, cmd: int, n: int, put: list[int] | None = None) -> list[int]:
    """A structure of `n` u32, the first the command; returns the others."""
    b = bytearray(struct.pack(f"<{n}I", cmd, *(put or [0] * (n - 1))))
    call(net, dev, b)
    return list(struct.unpack(f"<{n}I", bytes(b)))[1:]


def drvinfo(net: Net, dev: str) -> tuple[list[str], list[int]]:
    """(driver, version, firmware, bus, expansion ROM), (private flags, statistics, tests, EEPROM, registers)."""
    b = bytearray(struct.pack("<I", k.ETHTOOL_GDRVINFO).ljust(196, b"\0"))
    call(net, dev, b)
    texts = [bytes(b[4 + 32 * i : 36 + 32 * i]).split(b"\0")[0].decode() for i in range(5)]
    return texts, list(struct.unpack_from("<5I", b, 176))


def strings(net: Net, dev: str, sset: int) -> list[str]:
    """The strings of a set; none where the device has no such set."""
    b = bytearray(struct.pack("<IIQI", k.ETHTOOL_GSSET_INFO, 0, 1 << sset, 0))
    call(net, dev, b)
    mask, n = struct.unpack_from("<QI", b, 8)
    if not mask or not n:
        return []
    b = bytearray(struct.pack("<III", k.ETHTOOL_GSTRINGS, sset, n) + bytes(32 * n))
    call(net, dev, b)
    return [bytes(b[12 + 32 * i : 44 + 32 * i]).split(b"\0")[0].decode() for i in range(n)]


def stats(net: Net, dev: str, n: int) -> list[int]:
    b = bytearray(struct.pack("<II", k.ETHTOOL_GSTATS, n) + bytes(8 * n))
    call(net, dev, b)
    return list(struct.unpack_from(f"<{n}Q", b, 8))


def test(net: Net, dev: str, n: int, flags: int) -> tuple[int, list[int]]:
    """(flags afterwards, one number a test)."""
    b = bytearray(struct.pack("<IIII", k.ETHTOOL_TEST, flags, 0, n) + bytes(8 * n))
    call(net, dev, b)
    return struct.unpack_from("<I", b, 4)[0], list(struct.unpack_from(f"<{n}Q", b, 16))


def regs(net: Net, dev: str, n: int) -> tuple[int, bytes]:
    """(version, bytes)."""
    b = bytearray(struct.pack("<III", k.ETHTOOL_GREGS, 0, n) + bytes(n))
    call(net, dev, b)
    version, n = struct.unpack_from("<II", b, 4)
    return version, bytes(b[12 : 12 + n])


def eeprom(net: Net, dev: str, offset: int, n: int) -> bytes:
    b = bytearray(struct.pack("<IIII", k.ETHTOOL_GEEPROM, 0, offset, n) + bytes(n))
    call(net, dev, b)
    (n,) = struct.unpack_from("<I", b, 12)
    return bytes(b[16 : 16 + n])


class Link:
    """What GLINKSETTINGS or GSET tell."""

    __slots__ = ("speed", "duplex", "port", "phy", "autoneg", "mdix", "mdix_ctrl", "transceiver", "modes")

    def __init__(self) -> None:
        self.speed = self.duplex = self.port = self.phy = self.autoneg = 0
        self.mdix = self.mdix_ctrl = self.transceiver = 0
        self.modes: tuple[list[str], list[str], list[str]] = ([], [], [])


def link_settings(net: Net, dev: str) -> Link:
    """GLINKSETTINGS with its handshake; where the kernel has it not, GSET."""
    x = Link()
    b = bytearray(struct.pack("<I11xb", k.ETHTOOL_GLINKSETTINGS, 0).ljust(48, b"\0"))
    try:
        call(net, dev, b)
        n = -struct.unpack_from("<b", b, 15)[0]
        b = bytearray(struct.pack("<I11xb", k.ETHTOOL_GLINKSETTINGS, n).ljust(48 + 12 * n, b"\0"))
        call(net, dev, b)
        v = struct.unpack_from("<IIBBBBBBBbB", b)
        x.speed, x.duplex, x.port, x.phy, x.autoneg = v[1:6]
        x.mdix, x.mdix_ctrl, x.transceiver = v[7], v[8], v[10]
        w = 4 * n
        maps = [bytes(b[48 + w * i : 48 + w * (i + 1)]) for i in range(3)]
    except OSError as e:
        if e.errno != EOPNOTSUPP:
            raise
        b = bytearray(struct.pack("<I", k.ETHTOOL_GSET).ljust(44, b"\0"))
        call(net, dev, b)
        v = struct.unpack("<IIIHBBBBBBIIHBBI8x", bytes(b))
        x.speed, x.duplex, x.port, x.phy = v[3] | v[12] << 16, v[4], v[5], v[6]
        x.transceiver, x.autoneg, x.mdix, x.mdix_ctrl = v[7], v[8], v[13], v[14]
        if x.speed == 0xFFFF:
            x.speed = 0xFFFFFFFF
        maps = [struct.pack("<I", m) for m in (v[1], v[2], v[15])]
    x.modes = (k.modes_of(maps[0]), k.modes_of(maps[1]), k.modes_of(maps[2]))
    return x


def rx_rings(net: Net, dev: str) -> int:
    b = bytearray(struct.pack("<I", k.ETHTOOL_GRXRINGS).ljust(k.RXNFC_SIZE, b"\0"))
    call(net, dev, b)
    return int(struct.unpack_from("<Q", b, 8)[0])


def rx_hash(net: Net, dev: str, flow: int) -> int:
    b = bytearray(struct.pack("<II", k.ETHTOOL_GRXFH, flow).ljust(k.RXNFC_SIZE, b"\0"))
    call(net, dev, b)
    return int(struct.unpack_from("<Q", b, 8)[0])


def set_rx_hash(net: Net, dev: str, flow: int, bits: int) -> None:
    call(net, dev, bytearray(struct.pack("<IIQ", k.ETHTOOL_SRXFH, flow, bits).ljust(k.RXNFC_SIZE, b"\0")))


def rx_rule_count(net: Net, dev: str) -> tuple[int, int]:
    """(rules, size of the table)."""
    b = bytearray(struct.pack("<I", k.ETHTOOL_GRXCLSRLCNT).ljust(k.RXNFC_SIZE, b"\0"))
    call(net, dev, b)
    return struct.unpack_from("<I", b, 184)[0], struct.unpack_from("<Q", b, 8)[0]


def rx_rule_locations(net: Net, dev: str, count: int) -> list[int]:
    b = bytearray(struct.pack("<I", k.ETHTOOL_GRXCLSRLALL).ljust(k.RXNFC_SIZE + 4 * count, b"\0"))
    struct.pack_into("<I", b, 184, count)
    call(net, dev, b)
    return list(struct.unpack_from(f"<{struct.unpack_from('<I', b, 184)[0]}I", b, 188))


def rx_rule(net: Net, dev: str, location: int) -> RxFlowSpec:
    b = bytearray(struct.pack("<I", k.ETHTOOL_GRXCLSRULE).ljust(k.RXNFC_SIZE, b"\0"))
    struct.pack_into("<I", b, k.FS_AT + 160, location)
    call(net, dev, b)
    return k.unpack_flow_spec(bytes(b[k.FS_AT : k.FS_AT + 168]))


def insert_rx_rule(net: Net, dev: str, spec: RxFlowSpec) -> int:
    b = bytearray(struct.pack("<I", k.ETHTOOL_SRXCLSRLINS).ljust(k.RXNFC_SIZE, b"\0"))
    b[k.FS_AT : k.FS_AT + 168] = k.pack_flow_spec(spec)
    call(net, dev, b)
    return int(struct.unpack_from("<I", b, k.FS_AT + 160)[0])


def delete_rx_rule(net: Net, dev: str, location: int) -> None:
    b = bytearray(struct.pack("<I", k.ETHTOOL_SRXCLSRLDEL).ljust(k.RXNFC_SIZE, b"\0"))
    struct.pack_into("<I", b, k.FS_AT + 160, location)
    call(net, dev, b)


def rxfh_sizes(net: Net, dev: str) -> tuple[int, int]:
    """(entries of the table, bytes of the key).  Raises OSError(EOPNOTSUPP) on kernels without GRSSH."""
    b = bytearray(struct.pack("<I", k.ETHTOOL_GRSSH).ljust(24, b"\0"))
    call(net, dev, b)
    indir, key = struct.unpack_from("<II", b, 8)
    return indir, key


def rxfh(net: Net, dev: str) -> tuple[list[int], bytes, int]:
    """(table, key, hash function bits)."""
    indir, key = rxfh_sizes(net, dev)
    b = bytearray(struct.pack("<IIII8x", k.ETHTOOL_GRSSH, 0, indir, key) + bytes(4 * indir + key))
    call(net, dev, b)
    return (
        list(struct.unpack_from(f"<{indir}I", b, 24)),
        bytes(b[24 + 4 * indir : 24 + 4 * indir + key]),
        b[16],
    )


def rxfh_indir(net: Net, dev: str) -> list[int]:
    """GRXFHINDIR, the older way."""
    b = bytearray(struct.pack("<II", k.ETHTOOL_GRXFHINDIR, 0))
    call(net, dev, b)
    n = struct.unpack_from("<I", b, 4)[0]
    b = bytearray(struct.pack("<II", k.ETHTOOL_GRXFHINDIR, n) + bytes(4 * n))
    call(net, dev, b)
    return list(struct.unpack_from(f"<{n}I", b, 8))


def set_rxfh(net: Net, dev: str, table: list[int] | None, key: bytes, hfunc: int) -> None:
    """`table` None: unchanged, empty: the default."""
    n = k.RXFH_NO_CHANGE if table is None else len(table)
    b = struct.pack("<IIIIB7x", k.ETHTOOL_SRSSH, 0, n, len(key), hfunc)
    call(net, dev, bytearray(b + struct.pack(f"<{len(table or [])}I", *(table or [])) + key))


def set_rxfh_indir(net: Net, dev: str, table: list[int]) -> None:
    call(net, dev, bytearray(struct.pack(f"<{2 + len(table)}I", k.ETHTOOL_SRXFHINDIR, len(table), *table)))
