"""SIOCETHTOOL: the kernel's binary interface, `dev_ethtool(net, ifname, data)`.

What lives here: the structures of include/uapi/linux/ethtool.h as bytes, little endian as on x86-64, and what
each command does with them.  The buffer is user memory: a command reads its structure there and writes its
answer there; a buffer too short for it is EFAULT.  What does not live here: the netlink form with its messages
(ethtool.py) and any text.  Facts: net/ethtool/ioctl.c of 6.1; a kernel without ethtool_netlink (3.13) has
neither GLINKSETTINGS nor GRSSH, and its core checks neither ring nor channel maxima.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from rxpath.kernel.errno import EFAULT, EINVAL, EMSGSIZE, ENODEV, EOPNOTSUPP, linux_error
from rxpath.net.core import ethtool as et
from rxpath.net.core.ethtool import EthtoolOps, Rxfh, RxFlowSpec
from rxpath.net.core.netdevice import NETIF_F_TSO, Net, NetDevice

ETHTOOL_GSET: Final = 0x01
ETHTOOL_SSET: Final = 0x02
ETHTOOL_GDRVINFO: Final = 0x03
ETHTOOL_GREGS: Final = 0x04
ETHTOOL_GWOL: Final = 0x05
ETHTOOL_SWOL: Final = 0x06
ETHTOOL_GMSGLVL: Final = 0x07
ETHTOOL_SMSGLVL: Final = 0x08
ETHTOOL_NWAY_RST: Final = 0x09
ETHTOOL_GLINK: Final = 0x0A
ETHTOOL_GEEPROM: Final = 0x0B
ETHTOOL_SEEPROM: Final = 0x0C
ETHTOOL_GCOALESCE: Final = 0x0E
ETHTOOL_SCOALESCE: Final = 0x0F
ETHTOOL_GRINGPARAM: Final = 0x10
ETHTOOL_SRINGPARAM: Final = 0x11
ETHTOOL_GPAUSEPARAM: Final = 0x12
ETHTOOL_SPAUSEPARAM: Final = 0x13
ETHTOOL_GRXCSUM: Final = 0x14
ETHTOOL_SRXCSUM: Final = 0x15
ETHTOOL_GTXCSUM: Final = 0x16
ETHTOOL_STXCSUM: Final = 0x17
ETHTOOL_GSG: Final = 0x18
ETHTOOL_SSG: Final = 0x19
ETHTOOL_TEST: Final = 0x1A
ETHTOOL_GSTRINGS: Final = 0x1B
ETHTOOL_PHYS_ID: Final = 0x1C
ETHTOOL_GSTATS: Final = 0x1D
ETHTOOL_GTSO: Final = 0x1E
ETHTOOL_STSO: Final = 0x1F
ETHTOOL_GPERMADDR: Final = 0x20
ETHTOOL_GUFO: Final = 0x21
ETHTOOL_GGSO: Final = 0x23
ETHTOOL_SGSO: Final = 0x24
ETHTOOL_GFLAGS: Final = 0x25
ETHTOOL_SFLAGS: Final = 0x26
ETHTOOL_GPFLAGS: Final = 0x27
ETHTOOL_SPFLAGS: Final = 0x28
ETHTOOL_GRXFH: Final = 0x29
ETHTOOL_SRXFH: Final = 0x2A
ETHTOOL_GGRO: Final = 0x2B
ETHTOOL_SGRO: Final = 0x2C
ETHTOOL_GRXRINGS: Final = 0x2D
ETHTOOL_GRXCLSRLCNT: Final = 0x2E
ETHTOOL_GRXCLSRULE: Final = 0x2F
ETHTOOL_GRXCLSRLALL: Final = 0x30
ETHTOOL_SRXCLSRLDEL: Final = 0x31
ETHTOOL_SRXCLSRLINS: Final = 0x32
ETHTOOL_GSSET_INFO: Final = 0x37
ETHTOOL_GRXFHINDIR: Final = 0x38
ETHTOOL_SRXFHINDIR: Final = 0x39
ETHTOOL_GFEATURES: Final = 0x3A
ETHTOOL_SFEATURES: Final = 0x3B
ETHTOOL_GCHANNELS: Final = 0x3C
ETHTOOL_SCHANNELS: Final = 0x3D
ETHTOOL_GET_TS_INFO: Final = 0x41
ETHTOOL_GRSSH: Final = 0x46
ETHTOOL_SRSSH: Final = 0x47
ETHTOOL_GLINKSETTINGS: Final = 0x4C
ETHTOOL_SLINKSETTINGS: Final = 0x4D

ETH_SS_FEATURES: Final = 4
ETH_SS_RSS_HASH_FUNCS: Final = 5
ETH_SS_LINK_MODES: Final = 9
ETH_SS_MSG_CLASSES: Final = 10
GSTRING_LEN: Final = 32
RXFH_NO_CHANGE: Final = 0xFFFFFFFF
RXFH_FUNC_NO_CHANGE: Final = 0
RX_CLS_FLOW_DISC: Final = 0xFFFFFFFFFFFFFFFF
RX_CLS_LOC_SPECIAL: Final = 0x80000000
RX_CLS_LOC_ANY: Final = 0xFFFFFFFF
ETHER_FLOW: Final = 0x12
IP_USER_FLOW: Final = et.IP_USER_FLOW
FLOW_EXT: Final = 0x80000000
ETHTOOL_F_UNSUPPORTED: Final = 1
ETHTOOL_F_WISH: Final = 2

ETH_FLAG_TXVLAN: Final = 1 << 7
ETH_FLAG_RXVLAN: Final = 1 << 8
ETH_FLAG_LRO: Final = 1 << 15
ETH_FLAG_NTUPLE: Final = 1 << 27
ETH_FLAG_RXHASH: Final = 1 << 28
FLAG_FEATURES: Final = {
    ETH_FLAG_TXVLAN: "tx-vlan-hw-insert",
    ETH_FLAG_RXVLAN: "rx-vlan-hw-parse",
    ETH_FLAG_LRO: "rx-lro",
    ETH_FLAG_NTUPLE: "rx-ntuple-filter",
    ETH_FLAG_RXHASH: "rx-hashing",
}

MSG_CLASSES: Final = tuple(
    "drv probe link timer ifdown ifup rx_err tx_err tx_queued intr tx_done rx_status pktdata hw wol".split()
)
RSS_HASH_FUNCS: Final = ("toeplitz", "xor", "crc32")

_MODES: Final = (
    "10baseT/Half 10baseT/Full 100baseT/Half 100baseT/Full 1000baseT/Half 1000baseT/Full Autoneg TP AUI MII"
    " FIBRE BNC 10000baseT/Full Pause Asym_Pause 2500baseX/Full Backplane 1000baseKX/Full 10000baseKX4/Full"
    " 10000baseKR/Full 10000baseR_FEC 20000baseMLD2/Full 20000baseKR2/Full 40000baseKR4/Full"
    " 40000baseCR4/Full 40000baseSR4/Full 40000baseLR4/Full 56000baseKR4/Full 56000baseCR4/Full"
    " 56000baseSR4/Full 56000baseLR4/Full 25000baseCR/Full 25000baseKR/Full 25000baseSR/Full"
    " 50000baseCR2/Full 50000baseKR2/Full 100000baseKR4/Full 100000baseSR4/Full 100000baseCR4/Full"
    " 100000baseLR4_ER4/Full 50000baseSR2/Full 1000baseX/Full 10000baseCR/Full 10000baseSR/Full"
    " 10000baseLR/Full 10000baseLRM/Full 10000baseER/Full 2500baseT/Full 5000baseT/Full None RS BASER"
)
LINK_MODES: Final = tuple(_MODES.split())
"""Names of the link mode bits; the faster ones behind them do not occur on the cards here."""
LINK_MODE_WORDS: Final = 4  # 93 bits in 6.1

_6_1: Final = (
    "tx-scatter-gather tx-checksum-ipv4 - tx-checksum-ip-generic tx-checksum-ipv6 highdma"
    " tx-scatter-gather-fraglist tx-vlan-hw-insert rx-vlan-hw-parse rx-vlan-filter vlan-challenged"
    " tx-generic-segmentation tx-lockless netns-local rx-gro rx-lro tx-tcp-segmentation tx-gso-robust"
    " tx-tcp-ecn-segmentation tx-tcp-mangleid-segmentation tx-tcp6-segmentation tx-fcoe-segmentation"
    " tx-gre-segmentation tx-gre-csum-segmentation tx-ipxip4-segmentation tx-ipxip6-segmentation"
    " tx-udp_tnl-segmentation tx-udp_tnl-csum-segmentation tx-gso-partial tx-tunnel-remcsum-segmentation"
    " tx-sctp-segmentation tx-esp-segmentation - tx-udp-segmentation tx-gso-list tx-checksum-fcoe-crc"
    " tx-checksum-sctp fcoe-mtu rx-ntuple-filter rx-hashing rx-checksum tx-nocache-copy loopback rx-fcs rx-all"
    " tx-vlan-stag-hw-insert rx-vlan-stag-hw-parse rx-vlan-stag-filter l2-fwd-offload hw-tc-offload"
    " esp-hw-offload esp-tx-csum-hw-offload rx-udp_tunnel-port-offload tls-hw-tx-offload tls-hw-rx-offload"
    " rx-gro-hw tls-hw-record rx-gro-list macsec-hw-offload rx-udp-gro-forwarding hsr-tag-ins-offload"
    " hsr-tag-rm-offload hsr-fwd-offload hsr-dup-offload"
)
_3_13: Final = (
    "tx-scatter-gather tx-checksum-ipv4 - tx-checksum-ip-generic tx-checksum-ipv6 highdma"
    " tx-scatter-gather-fraglist tx-vlan-hw-insert rx-vlan-hw-parse rx-vlan-filter vlan-challenged"
    " tx-generic-segmentation tx-lockless netns-local rx-gro rx-lro tx-tcp-segmentation"
    " tx-udp-fragmentation tx-gso-robust tx-tcp-ecn-segmentation tx-tcp6-segmentation tx-fcoe-segmentation"
    " tx-gre-segmentation tx-ipip-segmentation tx-sit-segmentation tx-udp_tnl-segmentation"
    " tx-mpls-segmentation tx-checksum-fcoe-crc tx-checksum-sctp fcoe-mtu rx-ntuple-filter rx-hashing"
    " rx-checksum tx-nocache-copy loopback rx-fcs rx-all tx-vlan-stag-hw-insert rx-vlan-stag-hw-parse"
    " rx-vlan-stag-filter l2-fwd-offload"
)
_GONE_6_18: Final = frozenset(("tx-lockless", "netns-local", "fcoe-mtu"))


def _features(release: str) -> tuple[str, ...]:
    names = tuple("" if n == "-" else n for n in (_3_13 if release == "3.13" else _6_1).split())
    return tuple("" if n in _GONE_6_18 else n for n in names) if release == "6.18" else names


FEATURE_NAMES: Final = {r: _features(r) for r in ("3.13", "5.15", "6.1", "6.18")}
"""By release's name: netdev_features_strings in the order of the bits, "" for a bit without name.  3.13 and
5.15 unchecked, 6.1 recorded, 6.18 by which names a record of it no longer shows."""


# --- features that the core itself gives every device ---------------------------------------------------------


def soft_feature(dev: NetDevice, name: str) -> bool:
    """Whether register_netdevice makes this feature changeable: it is not in the driver's hw_features."""
    if name == "tx-nocache-copy":
        return not dev.is_loopback
    if name == "tx-tcp-mangleid-segmentation":
        return bool(dev.hw_features & NETIF_F_TSO) and dev.net.kernel.release.ethtool_netlink
    if name in ("rx-gro-list", "rx-udp-gro-forwarding"):
        return dev.net.kernel.release.ethtool_netlink
    return False


class FeatureState:
    """One feature of a device: may it change, was it asked for, is it on."""

    __slots__ = ("name", "available", "wanted", "active")

    def __init__(self, name: str, available: bool, wanted: bool, active: bool) -> None:
        self.name = name
        self.available = available
        self.wanted = wanted
        self.active = active


def feature_states(dev: NetDevice) -> list[FeatureState]:
    """Every bit of the release, in order; a nameless one has the name ""."""
    soft: dict[str, bool] = dev.attr.get("soft_features", {})
    out: list[FeatureState] = []
    for name in FEATURE_NAMES[dev.net.kernel.release.name]:
        bit = et.FEATURE_STRINGS.get(name, 0)
        if bit:
            available = bool(dev.hw_features & bit) or soft_feature(dev, name)
            active = bool(dev.features & bit)
            wanted = bool(dev.wanted_features & bit) if dev.hw_features & bit else active
        else:
            available = soft_feature(dev, name)
            active = wanted = soft.get(name, False)
        out.append(FeatureState(name, available, wanted, active))
    return out


def set_features(dev: NetDevice, wanted: dict[str, bool]) -> et.FeatureChange:
    """ethnl_set_features, also for the features that the core itself gives; names of this release.

    Raises OSError(EINVAL) for a name that the release does not have.
    """
    names = FEATURE_NAMES[dev.net.kernel.release.name]
    known: dict[str, bool] = {}
    changed: dict[str, bool] = {}
    refused: dict[str, bool] = {}
    for name, on in wanted.items():
        if not name or name not in names:
            raise linux_error(EINVAL, name)
        bit = et.FEATURE_STRINGS.get(name, 0)
        if bit:
            if soft_feature(dev, name):
                dev.hw_features |= bit
            known[name] = on
        elif soft_feature(dev, name):
            soft: dict[str, bool] = dev.attr.setdefault("soft_features", {})
            if soft.get(name, False) != on:
                changed[name] = on
            soft[name] = on
        elif on:
            refused[name] = on
    if known:
        change = et.ethnl_set_features(dev, known)
        changed.update(change.changed)
        refused.update(change.refused)
    order = {n: i for i, n in enumerate(names)}
    return et.FeatureChange(
        dict(sorted(changed.items(), key=lambda x: order[x[0]])),
        dict(sorted(refused.items(), key=lambda x: order[x[0]])),
    )


# --- user memory ----------------------------------------------------------------------------------------------


def _get(data: bytearray, off: int, n: int) -> bytes:
    if off + n > len(data):
        raise linux_error(EFAULT)
    return bytes(data[off : off + n])


def _put(data: bytearray, off: int, b: bytes) -> None:
    if off + len(b) > len(data):
        raise linux_error(EFAULT)
    data[off : off + len(b)] = b


def _u32(data: bytearray, off: int) -> int:
    return int(struct.unpack("<I", _get(data, off, 4))[0])


def _text(s: str, n: int = 32) -> bytes:
    return s.encode()[: n - 1].ljust(n, b"\0")


def _modern(dev: NetDevice) -> bool:
    return dev.net.kernel.release.ethtool_netlink


def _only_modern(dev: NetDevice) -> None:
    if not _modern(dev):
        raise linux_error(EOPNOTSUPP, dev.name)


# --- one function a command -----------------------------------------------------------------------------------


def mode_words(names: list[str], words: int) -> bytes:
    """Link modes by name to the kernel's bitmap of `words` u32."""
    bits = 0
    for n in names:
        if n in LINK_MODES:
            bits |= 1 << LINK_MODES.index(n)
    return bits.to_bytes(words * 4, "little")


def modes_of(bitmap: bytes) -> list[str]:
    """The inverse of `mode_words`."""
    bits = int.from_bytes(bitmap, "little")
    return [n for i, n in enumerate(LINK_MODES) if bits >> i & 1]


def get_link_ksettings(dev: NetDevice, ops: EthtoolOps, data: bytearray) -> None:
    _only_modern(dev)
    head = _get(data, 0, 48)
    nwords = struct.unpack_from("<b", head, 15)[0]
    if nwords != LINK_MODE_WORDS:
        ops.get_link_ksettings()  # refused before any handshake where the driver has no such operation
        _put(data, 0, struct.pack("<I11xb", ETHTOOL_GLINKSETTINGS, -LINK_MODE_WORDS).ljust(48, b"\0"))
        return
    s = ops.get_link_ksettings()
    out = struct.pack(
        "<IIBBBBBBBbBBBB",
        ETHTOOL_GLINKSETTINGS,
        s.speed & 0xFFFFFFFF,
        s.duplex,
        s.port,
        s.phy_address,
        s.autoneg,
        0,
        s.mdix,
        s.mdix_ctrl,
        LINK_MODE_WORDS,
        0 if s.transceiver == "internal" else 1,
        0,
        0,
        0,
    ).ljust(48, b"\0")
    for modes in (s.supported, s.advertising, s.lp_advertising):
        out += mode_words(modes, LINK_MODE_WORDS)
    _put(data, 0, out)


def set_link_ksettings(dev: NetDevice, ops: EthtoolOps, data: bytearray) -> None:
    _only_modern(dev)
    v = struct.unpack_from("<IIBBBBBBBb", _get(data, 0, 48))
    if v[9] != LINK_MODE_WORDS:
        raise linux_error(EINVAL, dev.name)
    s = ops.get_link_ksettings()
    s.speed, s.duplex, s.port, s.phy_address, s.autoneg = v[1], v[2], v[3], v[4], v[5]
    if s.speed == 0xFFFFFFFF:
        s.speed = et.SPEED_UNKNOWN
    s.mdix_ctrl = v[8]
    n = LINK_MODE_WORDS * 4
    s.advertising = modes_of(_get(data, 48 + n, n))
    ops.set_link_ksettings(s)


def get_settings(dev: NetDevice, ops: EthtoolOps, data: bytearray) -> None:
    """struct ethtool_cmd: the 32 oldest link modes only."""
    s = ops.get_link_ksettings()
    speed = s.speed & 0xFFFFFFFF
    low = [int.from_bytes(mode_words(m, 8)[:4], "little") for m in (s.supported, s.advertising, s.lp_advertising)]
    _put(
        data,
        0,
        struct.pack(
            "<IIIHBBBBBBIIHBBI8x",
            ETHTOOL_GSET,
            low[0],
            low[1],
            speed & 0xFFFF,
            s.duplex,
            s.port,
            s.phy_address,
            0 if s.transceiver == "internal" else 1,
            s.autoneg,
            0,
            0,
            0,
            speed >> 16,
            s.mdix,
            s.mdix_ctrl,
            low[2],
        ),
    )


def set_settings(dev: NetDevice, ops: EthtoolOps, data: bytearray) -> None:
    v = struct.unpack("<IIIHBBBBBBIIHBBI8x", _get(data, 0, 44))
    s = ops.get_link_ksettings()
    s.advertising = modes_of(struct.pack("<I", v[2]))
    speed = v[3] | v[12] << 16
    s.speed = et.SPEED_UNKNOWN if speed == 0xFFFFFFFF else speed
    s.duplex, s.port, s.phy_address, s.autoneg, s.mdix_ctrl = v[4], v[5], v[6], v[8], v[14]
    ops.set_link_ksettings(s)


def get_drvinfo(dev: NetDevice, ops: EthtoolOps, data: bytearray) -> None:
    i = et.ethtool_get_drvinfo(dev)
    out = struct.pack("<I", ETHTOOL_GDRVINFO)
    for text in (i.driver, i.version, i.fw_version, i.bus_info, i.erom_version):
        out += _text(text)
    out += bytes(12)
    _put(
        data,
        0,
        out + struct.pack("<5I", i.n_priv_flags, i.n_stats, i.testinfo_len, i.eedump_len, i.regdump_len),
    )


def get_regs(dev: NetDevice, ops: EthtoolOps, data: bytearray) -> None:
    want = _u32(data, 8)
    n = min(want, ops.get_regs_len())
    r = ops.get_regs()
    _put(data, 0, struct.pack("<III", ETHTOOL_GREGS, r.version, n) + r.data[:n])


def get_wol(dev: NetDevice, ops: EthtoolOps, data: bytearray) -> None:
    w = ops.get_wol()
    _put(data, 0, struct.pack("<III8x", ETHTOOL_GWOL, w.supported, w.wolopts))


def set_wol(dev: NetDevice, ops: EthtoolOps, data: bytearray) -> None:
    wanted = _u32(data, 8)
    supported = ops.get_wol().supported
    if wanted & ~supported:
        raise linux_error(EINVAL, dev.name)
    ops.set_wol(wanted)


def get_msglevel(dev: NetDevice, ops: EthtoolOps, data: bytearray) -> None:
    _put(data, 0, struct.pack("<II", ETHTOOL_GMSGLVL, ops.get_msglevel()))


def set_msglevel(dev: NetDevice, ops: EthtoolOps, data: bytearray) -> None:
    ops.get_msglevel()
    ops.set_msglevel(_u32(data, 4))


def nway_reset(dev: NetDevice, ops: EthtoolOps, data: bytearray) -> None:
    ops.nway_reset()


def get_link(dev: NetDevice, ops: EthtoolOps, data: bytearray) -> None:
    _put(data, 0, struct.pack("<II", ETHTOOL_GLINK, int(dev.running() and ops.get_link())))


def get_eeprom(dev: NetDevice, ops: EthtoolOps, data: bytearray) -> None:
    off, n = _u32(data, 8), _u32(data, 12)
    total = ops.get_eeprom_len()
    if off + n < off or off + n > total:
        raise linux_error(EINVAL, dev.name)
    magic, content = ops.get_eeprom(off, n)
    _put(data, 0, struct.pack("<IIII", ETHTOOL_GEEPROM, magic, off, len(content)) + content)


def set_eeprom(dev: NetDevice, ops: EthtoolOps, data: bytearray) -> None:
    magic, off, n = _u32(data, 4), _u32(data, 8), _u32(data, 12)
    if off + n > ops.get_eeprom_len():
        raise linux_error(EINVAL, dev.name)
    ops.set_eeprom(magic, off, _get(data, 16, n))


IOCTL_COALESCE: Final = et.COALESCE_FIELDS[:8] + tuple(n for n in et.COALESCE_FIELDS[8:] if not n.startswith("cqe-"))
"""The members of struct ethtool_coalesce after cmd, by ethtool's names."""


def get_coalesce(dev: NetDevice, ops: EthtoolOps, data: bytearray) -> None:
    c = ops.get_coalesce()
    _put(data, 0, struct.pack("<23I", ETHTOOL_GCOALESCE, *(c.get(n) & 0xFFFFFFFF for n in IOCTL_COALESCE)))


def set_coalesce(dev: NetDevice, ops: EthtoolOps, data: bytearray) -> None:
    c = ops.get_coalesce()
    values = struct.unpack("<23I", _get(data, 0, 92))[1:]
    for name, value in zip(IOCTL_COALESCE, values, strict=True):
        if value and name not in ops.supported_coalesce and _modern(dev):
            raise linux_error(EOPNOTSUPP, dev.name)
        c.values[name] = value
    ops.set_coalesce(c)


def get_ringparam(dev: NetDevice, ops: EthtoolOps, data: bytearray) -> None:
    p = ops.get_ringparam()
    _put(
        data,
        0,
        struct.pack(
            "<9I",
            ETHTOOL_GRINGPARAM,
            p.rx_max_pending,
            p.rx_mini_max_pending,
            p.rx_jumbo_max_pending,
            p.tx_max_pending,
            p.rx_pending,
            p.rx_mini_pending,
            p.rx_jumbo_pending,
            p.tx_pending,
        ),
    )


def set_ringparam(dev: NetDevice, ops: EthtoolOps, data: bytearray) -> None:
    p = ops.get_ringparam()
    rx, mini, jumbo, tx = struct.unpack("<9I", _get(data, 0, 36))[5:]
    if _modern(dev) and (
        rx > p.rx_max_pending or mini > p.rx_mini_max_pending or jumbo > p.rx_jumbo_max_pending or tx > p.tx_max_pending
    ):
        raise linux_error(EINVAL, dev.name)
    p.rx_pending, p.rx_mini_pending, p.rx_jumbo_pending, p.tx_pending = rx, mini, jumbo, tx
    ops.set_ringparam(p)


def get_channels(dev: NetDevice, ops: EthtoolOps, data: bytearray) -> None:
    c = ops.get_channels()
    _put(
        data,
        0,
        struct.pack(
            "<9I",
            ETHTOOL_GCHANNELS,
            c.max_rx,
            c.max_tx,
            c.max_other,
            c.max_combined,
            c.rx_count,
            c.tx_count,
            c.other_count,
            c.combined_count,
        ),
    )


def set_channels(dev: NetDevice, ops: EthtoolOps, data: bytearray) -> None:
    rx, tx, other, combined = struct.unpack("<9I", _get(data, 0, 36))[5:]
    if _modern(dev):
        et.ethnl_set_channels(dev, [("rx", rx), ("tx", tx), ("other", other), ("combined", combined)])
        return
    c = ops.get_channels()
    c.rx_count, c.tx_count, c.other_count, c.combined_count = rx, tx, other, combined
    ops.set_channels(c)


def get_pauseparam(dev: NetDevice, ops: EthtoolOps, data: bytearray) -> None:
    p = ops.get_pauseparam()
    _put(data, 0, struct.pack("<4I", ETHTOOL_GPAUSEPARAM, int(p.autoneg), int(p.rx_pause), int(p.tx_pause)))


def set_pauseparam(dev: NetDevice, ops: EthtoolOps, data: bytearray) -> None:
    ops.get_pauseparam()
    _, autoneg, rx, tx = struct.unpack("<4I", _get(data, 0, 16))
    ops.set_pauseparam(et.PauseParam(bool(autoneg), bool(rx), bool(tx)))


def self_test(dev: NetDevice, ops: EthtoolOps, data: bytearray) -> None:
    n = ops.get_sset_count(et.ETH_SS_TEST)
    flags = _u32(data, 4)
    r = ops.self_test(flags)
    _put(data, 0, struct.pack("<IIII", ETHTOOL_TEST, flags | r.flags, 0, n))
    _put(data, 16, struct.pack("<%dQ" % n, *(v & 0xFFFFFFFFFFFFFFFF for v in r.data[:n])))


def _sset(dev: NetDevice, ops: EthtoolOps, sset: int) -> list[str]:
    """The strings of a set.  Raises OSError(EOPNOTSUPP)."""
    if sset == ETH_SS_FEATURES:
        return list(FEATURE_NAMES[dev.net.kernel.release.name])
    if _modern(dev):
        if sset == ETH_SS_RSS_HASH_FUNCS:
            return list(RSS_HASH_FUNCS)
        if sset == ETH_SS_LINK_MODES:
            return list(LINK_MODES)
        if sset == ETH_SS_MSG_CLASSES:
            return list(MSG_CLASSES)
    if sset > et.ETH_SS_PRIV_FLAGS:
        raise linux_error(EOPNOTSUPP, dev.name)
    ops.get_sset_count(sset)
    return ops.get_strings(sset)


def get_strings(dev: NetDevice, ops: EthtoolOps, data: bytearray) -> None:
    sset, room = _u32(data, 4), _u32(data, 8)
    names = _sset(dev, ops, sset)
    if room and room != len(names):
        names = []
    body = b"".join(_text(n) for n in names)
    _put(data, 0, struct.pack("<III", ETHTOOL_GSTRINGS, sset, len(names)) + body)


def get_sset_info(dev: NetDevice, ops: EthtoolOps, data: bytearray) -> None:
    (mask,) = struct.unpack("<Q", _get(data, 8, 8))
    if not mask:
        return
    found = 0
    counts = b""
    for i in range(64):
        if mask >> i & 1:
            try:
                counts += struct.pack("<I", len(_sset(dev, ops, i)))
            except OSError:
                continue
            found |= 1 << i
    _put(data, 0, struct.pack("<IIQ", ETHTOOL_GSSET_INFO, 0, found) + counts)


def phys_id(dev: NetDevice, ops: EthtoolOps, data: bytearray) -> None:
    ops.set_phys_id(True)
    ops.set_phys_id(False)


def get_stats(dev: NetDevice, ops: EthtoolOps, data: bytearray) -> None:
    n = ops.get_sset_count(et.ETH_SS_STATS)
    room = _u32(data, 4)
    values = ops.get_ethtool_stats() if not room or room == n else []
    _put(data, 0, struct.pack("<II", ETHTOOL_GSTATS, len(values)))
    _put(data, 8, struct.pack("<%dQ" % len(values), *(v & 0xFFFFFFFFFFFFFFFF for v in values)))


def get_perm_addr(dev: NetDevice, ops: EthtoolOps, data: bytearray) -> None:
    if _u32(data, 4) < 6:
        raise OSError(525, "ETOOSMALL")
    _put(data, 0, struct.pack("<II", ETHTOOL_GPERMADDR, 6) + dev.perm_addr)


def get_flags(dev: NetDevice, ops: EthtoolOps, data: bytearray) -> None:
    flags = 0
    for bit, name in FLAG_FEATURES.items():
        if dev.features & et.FEATURE_STRINGS[name]:
            flags |= bit
    _put(data, 0, struct.pack("<II", ETHTOOL_GFLAGS, flags))


def set_flags(dev: NetDevice, ops: EthtoolOps, data: bytearray) -> None:
    flags = _u32(data, 4)
    known = 0
    for bit in FLAG_FEATURES:
        known |= bit
    if flags & ~known:
        raise linux_error(EINVAL, dev.name)
    wanted: dict[str, bool] = {}
    for bit, name in FLAG_FEATURES.items():
        f = et.FEATURE_STRINGS[name]
        if bool(flags & bit) != bool(dev.features & f):
            if not dev.hw_features & f:
                raise linux_error(EINVAL if dev.features & f else EOPNOTSUPP, dev.name)
            wanted[name] = bool(flags & bit)
    if wanted:
        et.ethnl_set_features(dev, wanted)


_ONE: Final = {
    ETHTOOL_GRXCSUM: ("rx-checksum",),
    ETHTOOL_GTXCSUM: ("tx-checksum-ip-generic",),
    ETHTOOL_GSG: ("tx-scatter-gather",),
    ETHTOOL_GTSO: ("tx-tcp-segmentation", "tx-tcp6-segmentation"),
    ETHTOOL_GGSO: ("tx-generic-segmentation",),
    ETHTOOL_GGRO: ("rx-gro",),
    ETHTOOL_GUFO: (),
}


def get_one_feature(dev: NetDevice, ops: EthtoolOps, data: bytearray) -> None:
    cmd = _u32(data, 0)
    on = any(dev.features & et.FEATURE_STRINGS[n] for n in _ONE[cmd])
    _put(data, 0, struct.pack("<II", cmd, int(on)))


def set_one_feature(dev: NetDevice, ops: EthtoolOps, data: bytearray) -> None:
    """Refused with EOPNOTSUPP when nothing of it can be changed."""
    names = [n for n in _ONE[_u32(data, 0) - 1] if dev.hw_features & et.FEATURE_STRINGS[n]]
    if not names:
        raise linux_error(EOPNOTSUPP, dev.name)
    et.ethnl_set_features(dev, dict.fromkeys(names, bool(_u32(data, 4))))


def get_priv_flags(dev: NetDevice, ops: EthtoolOps, data: bytearray) -> None:
    _put(data, 0, struct.pack("<II", ETHTOOL_GPFLAGS, ops.get_priv_flags()))


def set_priv_flags(dev: NetDevice, ops: EthtoolOps, data: bytearray) -> None:
    ops.set_priv_flags(_u32(data, 4))


def get_features(dev: NetDevice, ops: EthtoolOps, data: bytearray) -> None:
    """Blocks of 32 bits: available, requested, active, never_changed."""
    states = feature_states(dev)
    blocks = (len(states) + 31) // 32
    room = _u32(data, 4)
    _put(data, 0, struct.pack("<II", ETHTOOL_GFEATURES, blocks))
    for b in range(min(room, blocks)):
        words = [0, 0, 0, 0]
        for i, s in enumerate(states[b * 32 : b * 32 + 32]):
            words[0] |= s.available << i
            words[1] |= s.wanted << i
            words[2] |= s.active << i
            words[3] |= (s.name in ("vlan-challenged", "tx-lockless", "netns-local")) << i
        _put(data, 8 + 16 * b, struct.pack("<4I", *words))


def set_features_ioctl(dev: NetDevice, ops: EthtoolOps, data: bytearray) -> int:
    """Blocks of (valid, requested).  Returns ETHTOOL_F_* bits: 1 something cannot be changed, 2 not as asked."""
    states = feature_states(dev)
    blocks = (len(states) + 31) // 32
    if _u32(data, 4) != blocks:
        raise linux_error(EINVAL, dev.name)
    wanted: dict[str, bool] = {}
    result = 0
    for i, s in enumerate(states):
        valid = _u32(data, 8 + 8 * (i // 32)) >> (i % 32) & 1
        if not valid:
            continue
        if not s.name:
            raise linux_error(EINVAL, dev.name)
        if not s.available:
            result |= ETHTOOL_F_UNSUPPORTED
            continue
        wanted[s.name] = bool(_u32(data, 12 + 8 * (i // 32)) >> (i % 32) & 1)
    if wanted and set_features(dev, wanted).refused:
        result |= ETHTOOL_F_WISH
    return result


# struct ethtool_rxnfc: cmd, flow_type, data u64, fs (168 bytes at 16), rule_cnt at 184, rule_locs from 188
RXNFC_SIZE: Final = 192
FS_AT: Final = 16
_IP4: Final = struct.Struct(">IIHHB")

SPEC_IP4: Final = (et.TCP_V4_FLOW, et.UDP_V4_FLOW, et.SCTP_V4_FLOW)


def pack_flow_spec(s: RxFlowSpec) -> bytes:
    """struct ethtool_rx_flow_spec, 168 bytes.  Masks: a set bit is compared."""

    def union(v: dict[str, int]) -> bytes:
        if s.flow_type in SPEC_IP4:
            b = _IP4.pack(
                v.get("src-ip", 0),
                v.get("dst-ip", 0),
                v.get("src-port", 0),
                v.get("dst-port", 0),
                v.get("tos", 0),
            )
        elif s.flow_type in (IP_USER_FLOW, et.IPV4_FLOW):
            b = struct.pack(
                ">IIIBBB",
                v.get("src-ip", 0),
                v.get("dst-ip", 0),
                v.get("l4data", 0),
                v.get("tos", 0),
                1,
                v.get("l4proto", 0),
            )
        else:
            b = (
                v.get("dst", 0).to_bytes(6, "big")
                + v.get("src", 0).to_bytes(6, "big")
                + struct.pack(">H", v.get("proto", 0))
            )
        return b.ljust(52, b"\0")

    def ext(v: dict[str, int]) -> bytes:
        return struct.pack(
            ">2x6sHHII",
            bytes(6),
            v.get("vlan-etype", 0),
            v.get("vlan", 0),
            v.get("user-def", 0) >> 32,
            v.get("user-def", 0) & 0xFFFFFFFF,
        )

    flow = s.flow_type | (FLOW_EXT if any(n in s.masks for n in ("vlan", "vlan-etype", "user-def")) else 0)
    out = struct.pack("<I", flow) + union(s.values) + ext(s.values) + union(s.masks) + ext(s.masks) + bytes(4)
    cookie = RX_CLS_FLOW_DISC if s.ring_cookie < 0 else s.ring_cookie
    return out + struct.pack("<QI4x", cookie, s.location & 0xFFFFFFFF)


def unpack_flow_spec(b: bytes) -> RxFlowSpec:
    """The inverse of `pack_flow_spec`.  Raises OSError(EOPNOTSUPP) for a flow type without IPv4 or Ethernet."""
    flow = struct.unpack_from("<I", b)[0]
    kind = flow & 0xFF

    def union(at: int) -> dict[str, int]:
        if kind in SPEC_IP4:
            v = _IP4.unpack_from(b, at)
            return dict(zip(("src-ip", "dst-ip", "src-port", "dst-port", "tos"), v, strict=True))
        if kind in (IP_USER_FLOW, et.IPV4_FLOW):
            src, dst, l4, tos, _, proto = struct.unpack_from(">IIIBBB", b, at)
            return {"src-ip": src, "dst-ip": dst, "l4data": l4, "tos": tos, "l4proto": proto}
        if kind == ETHER_FLOW:
            return {
                "dst": int.from_bytes(b[at : at + 6], "big"),
                "src": int.from_bytes(b[at + 6 : at + 12], "big"),
                "proto": int.from_bytes(b[at + 12 : at + 14], "big"),
            }
        raise linux_error(EOPNOTSUPP, f"flow type {kind}")

    def ext(at: int) -> dict[str, int]:
        if not flow & FLOW_EXT:
            return {}
        _, etype, tci, hi, lo = struct.unpack_from(">2x6sHHII", b, at)
        return {"vlan-etype": etype, "vlan": tci, "user-def": hi << 32 | lo}

    values = union(4) | ext(56)
    masks = union(76) | ext(128)
    cookie, location = struct.unpack_from("<QI", b, 152)
    return RxFlowSpec(
        kind,
        values,
        masks,
        -1 if cookie == RX_CLS_FLOW_DISC else cookie,
        -1 if location & RX_CLS_LOC_SPECIAL else location,
    )


def get_rxnfc(dev: NetDevice, ops: EthtoolOps, data: bytearray) -> None:
    cmd = _u32(data, 0)
    if cmd == ETHTOOL_GRXFH:
        _put(data, 8, struct.pack("<Q", ops.get_rx_hash(_u32(data, 4))))
        return
    if cmd == ETHTOOL_GRXRINGS:
        _put(data, 8, struct.pack("<Q", ops.get_rx_rings()))
        return
    if cmd == ETHTOOL_GRXCLSRLCNT:
        count, size = ops.get_rx_rule_count()
        # bit 31 of data: the driver chooses locations itself; here locations are the user's
        _put(data, 8, struct.pack("<Q", size))
        _put(data, 184, struct.pack("<I", count))
        return
    rules = ops.get_rx_rules()
    if cmd == ETHTOOL_GRXCLSRULE:
        (location,) = struct.unpack("<I", _get(data, FS_AT + 160, 4))
        for r in rules:
            if r.location == location:
                _put(data, FS_AT, pack_flow_spec(r))
                return
        raise linux_error(EINVAL, dev.name)
    room = _u32(data, 184)
    if room < len(rules):
        raise linux_error(EMSGSIZE, dev.name)
    _, size = ops.get_rx_rule_count()
    _put(data, 8, struct.pack("<Q", size))
    _put(data, 184, struct.pack("<I", len(rules)) + b"".join(struct.pack("<I", r.location) for r in rules))


def set_rxnfc(dev: NetDevice, ops: EthtoolOps, data: bytearray) -> None:
    cmd = _u32(data, 0)
    if cmd == ETHTOOL_SRXFH:
        (bits,) = struct.unpack("<Q", _get(data, 8, 8))
        ops.set_rx_hash(_u32(data, 4), bits)
    elif cmd == ETHTOOL_SRXCLSRLDEL:
        ops.delete_rx_rule(struct.unpack("<I", _get(data, FS_AT + 160, 4))[0])
    else:
        ops.get_rx_rule_count()  # EOPNOTSUPP comes before any look at the rule
        location = ops.insert_rx_rule(unpack_flow_spec(_get(data, FS_AT, 168)))
        _put(data, FS_AT + 160, struct.pack("<I", location))


def get_rxfh_indir(dev: NetDevice, ops: EthtoolOps, data: bytearray) -> None:
    size = ops.get_rxfh_indir_size()
    if size == 0:
        raise linux_error(EOPNOTSUPP, dev.name)
    room = _u32(data, 4)
    _put(data, 4, struct.pack("<I", size))
    if room < size:
        if room == 0:
            return
        raise linux_error(EINVAL, dev.name)
    table = ops.get_rxfh().indir or []
    _put(data, 8, struct.pack("<%dI" % len(table), *table))


def set_rxfh_indir(dev: NetDevice, ops: EthtoolOps, data: bytearray) -> None:
    size = ops.get_rxfh_indir_size()
    if size == 0:
        raise linux_error(EOPNOTSUPP, dev.name)
    n = _u32(data, 4)
    if n not in (0, size):
        raise linux_error(EINVAL, dev.name)
    et.ethtool_set_rxfh(dev, Rxfh(list(struct.unpack("<%dI" % n, _get(data, 8, 4 * n)))))


def get_rxfh(dev: NetDevice, ops: EthtoolOps, data: bytearray) -> None:
    """struct ethtool_rxfh: with sizes 0 it tells the sizes."""
    _only_modern(dev)
    indir = ops.get_rxfh_indir_size()
    try:
        key = ops.get_rxfh_key_size()
    except OSError:
        key = 0
    context, user_indir, user_key = struct.unpack("<III", _get(data, 4, 12))
    if context:
        raise linux_error(EOPNOTSUPP, dev.name)
    _put(data, 8, struct.pack("<II", indir, key))
    if user_indir not in (0, indir) or user_key not in (0, key):
        raise linux_error(EINVAL, dev.name)
    x = ops.get_rxfh()
    _put(data, 16, bytes([x.hfunc]))
    out = b""
    if user_indir:
        out += struct.pack("<%dI" % indir, *(x.indir or [0] * indir))
    if user_key:
        out += (x.key or b"").ljust(key, b"\0")
    _put(data, 24, out)


def set_rxfh(dev: NetDevice, ops: EthtoolOps, data: bytearray) -> None:
    _only_modern(dev)
    ops.get_rx_rings()
    context, n, k, hfunc = struct.unpack("<IIIB", _get(data, 4, 13))
    if context:
        raise linux_error(EOPNOTSUPP, dev.name)
    indir = ops.get_rxfh_indir_size()
    try:
        key = ops.get_rxfh_key_size()
    except OSError:
        key = 0
    if (
        n not in (0, RXFH_NO_CHANGE, indir)
        or k not in (0, key)
        or (n == RXFH_NO_CHANGE and k == 0 and hfunc == RXFH_FUNC_NO_CHANGE)
    ):
        raise linux_error(EINVAL, dev.name)
    x = Rxfh(None, None, hfunc or ops.get_rxfh().hfunc)
    at = 24
    if n != RXFH_NO_CHANGE:
        x.indir = list(struct.unpack("<%dI" % n, _get(data, at, 4 * n)))
        at += 4 * indir if n else 0
    if k:
        x.key = _get(data, at, k)
    et.ethtool_set_rxfh(dev, x)


SOF_TIMESTAMPING: Final = (
    "hardware-transmit",
    "software-transmit",
    "hardware-receive",
    "software-receive",
    "software-system-clock",
    "hardware-legacy-clock",
    "hardware-raw-clock",
)
HWTSTAMP_TX: Final = ("off", "on", "onestep-sync", "onestep-p2p")
HWTSTAMP_FILTERS: Final = (
    "none",
    "all",
    "some",
    "ptpv1-l4-event",
    "ptpv1-l4-sync",
    "ptpv1-l4-delay-req",
    "ptpv2-l4-event",
    "ptpv2-l4-sync",
    "ptpv2-l4-delay-req",
    "ptpv2-l2-event",
    "ptpv2-l2-sync",
    "ptpv2-l2-delay-req",
    "ptpv2-event",
    "ptpv2-sync",
    "ptpv2-delay-req",
    "ntp-all",
)


def _bits(names: list[str], table: tuple[str, ...]) -> int:
    bits = 0
    for i, n in enumerate(table):
        if n in names:
            bits |= 1 << i
    return bits


def get_ts_info(dev: NetDevice, ops: EthtoolOps, data: bytearray) -> None:
    """Without the driver's word: software receive stamps, no clock."""
    try:
        t = ops.get_ts_info()
    except OSError as e:
        if e.errno != EOPNOTSUPP:
            raise
        t = et.TsInfo(["software-receive", "software-system-clock"])
    _put(
        data,
        0,
        struct.pack(
            "<IIiI12xI12x",
            ETHTOOL_GET_TS_INFO,
            _bits(t.capabilities, SOF_TIMESTAMPING),
            t.phc_index,
            _bits(t.tx_types, HWTSTAMP_TX),
            _bits(t.rx_filters, HWTSTAMP_FILTERS),
        ),
    )


Handler = Callable[[NetDevice, EthtoolOps, bytearray], int | None]

HANDLERS: Final[dict[int, Handler]] = {
    ETHTOOL_GSET: get_settings,
    ETHTOOL_SSET: set_settings,
    ETHTOOL_GDRVINFO: get_drvinfo,
    ETHTOOL_GREGS: get_regs,
    ETHTOOL_GWOL: get_wol,
    ETHTOOL_SWOL: set_wol,
    ETHTOOL_GMSGLVL: get_msglevel,
    ETHTOOL_SMSGLVL: set_msglevel,
    ETHTOOL_NWAY_RST: nway_reset,
    ETHTOOL_GLINK: get_link,
    ETHTOOL_GEEPROM: get_eeprom,
    ETHTOOL_SEEPROM: set_eeprom,
    ETHTOOL_GCOALESCE: get_coalesce,
    ETHTOOL_SCOALESCE: set_coalesce,
    ETHTOOL_GRINGPARAM: get_ringparam,
    ETHTOOL_SRINGPARAM: set_ringparam,
    ETHTOOL_GPAUSEPARAM: get_pauseparam,
    ETHTOOL_SPAUSEPARAM: set_pauseparam,
    ETHTOOL_TEST: self_test,
    ETHTOOL_GSTRINGS: get_strings,
    ETHTOOL_PHYS_ID: phys_id,
    ETHTOOL_GSTATS: get_stats,
    ETHTOOL_GPERMADDR: get_perm_addr,
    ETHTOOL_GFLAGS: get_flags,
    ETHTOOL_SFLAGS: set_flags,
    ETHTOOL_GPFLAGS: get_priv_flags,
    ETHTOOL_SPFLAGS: set_priv_flags,
    ETHTOOL_GRXFH: get_rxnfc,
    ETHTOOL_SRXFH: set_rxnfc,
    ETHTOOL_GRXRINGS: get_rxnfc,
    ETHTOOL_GRXCLSRLCNT: get_rxnfc,
    ETHTOOL_GRXCLSRULE: get_rxnfc,
    ETHTOOL_GRXCLSRLALL: get_rxnfc,
    ETHTOOL_SRXCLSRLDEL: set_rxnfc,
    ETHTOOL_SRXCLSRLINS: set_rxnfc,
    ETHTOOL_GSSET_INFO: get_sset_info,
    ETHTOOL_GRXFHINDIR: get_rxfh_indir,
    ETHTOOL_SRXFHINDIR: set_rxfh_indir,
    ETHTOOL_GRSSH: get_rxfh,
    ETHTOOL_SRSSH: set_rxfh,
    ETHTOOL_GFEATURES: get_features,
    ETHTOOL_SFEATURES: set_features_ioctl,
    ETHTOOL_GCHANNELS: get_channels,
    ETHTOOL_SCHANNELS: set_channels,
    ETHTOOL_GET_TS_INFO: get_ts_info,
    ETHTOOL_GLINKSETTINGS: get_link_ksettings,
    ETHTOOL_SLINKSETTINGS: set_link_ksettings,
    ETHTOOL_GRXCSUM: get_one_feature,
    ETHTOOL_GTXCSUM: get_one_feature,
    ETHTOOL_GSG: get_one_feature,
    ETHTOOL_GTSO: get_one_feature,
    ETHTOOL_GGSO: get_one_feature,
    ETHTOOL_GGRO: get_one_feature,
    ETHTOOL_GUFO: get_one_feature,
    ETHTOOL_SRXCSUM: set_one_feature,
    ETHTOOL_STXCSUM: set_one_feature,
    ETHTOOL_SSG: set_one_feature,
    ETHTOOL_STSO: set_one_feature,
    ETHTOOL_SGSO: set_one_feature,
    ETHTOOL_SGRO: set_one_feature,
}


def dev_ethtool(net: Net, ifname: str, data: bytearray) -> int:
    """ioctl(SIOCETHTOOL) with `data` as the memory at ifr_data; its first u32 is the command.

    Returns 0, a positive result (SFEATURES), or -errno.  ENODEV: no such device or a detached one; EFAULT: the
    buffer is shorter than the structure; EOPNOTSUPP: no such command or the driver has it not.
    """
    dev = net.by_name.get(ifname)
    if dev is None or not dev.present:
        return -ENODEV
    if len(data) < 4:
        return -EFAULT
    handler = HANDLERS.get(_u32(data, 0))
    if handler is None:
        return -EOPNOTSUPP
    ops = dev.ethtool_ops if dev.ethtool_ops is not None else EthtoolOps(dev)
    try:
        ops.begin()
        try:
            result = handler(dev, ops, data)
        finally:
            ops.complete()
    except OSError as e:
        return -(e.errno or EINVAL)
    return 0 if result is None else result
