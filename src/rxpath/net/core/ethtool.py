"""ethtool, the kernel's side: what a driver may implement, the values that pass, and the checks that the core
makes before it asks.

What lives here: `EthtoolOps` (one virtual method an operation; the default is "not supported"), value classes, and
one function an operation of user space, with the core's own checks in the core's order.  What does not: any text that
ethtool prints (tools/ with formats/ethtool).
Facts: net/ethtool/{ioctl,rings,coalesce,channels,features,pause,debug}.c of 6.1; refusals recorded on 6.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rxpath.kernel.errno import EINVAL, ENODEV, EOPNOTSUPP, linux_error
from rxpath.net.core.netdevice import NETIF_F, netdev_update_features

if TYPE_CHECKING:
    from rxpath.net.core.netdevice import NetDevice

ETH_SS_TEST: Final = 0
ETH_SS_STATS: Final = 1
ETH_SS_PRIV_FLAGS: Final = 2

ETH_TEST_FL_OFFLINE: Final = 1
ETH_TEST_FL_FAILED: Final = 2

SPEED_UNKNOWN: Final = -1
DUPLEX_HALF: Final = 0
DUPLEX_FULL: Final = 1
DUPLEX_UNKNOWN: Final = 0xFF
AUTONEG_DISABLE: Final = 0
AUTONEG_ENABLE: Final = 1
PORT_TP: Final = 0
PORT_FIBRE: Final = 3
PORT_NONE: Final = 0xEF
PORT_OTHER: Final = 0xFF
ETH_TP_MDI_INVALID: Final = 0
ETH_TP_MDI: Final = 1
ETH_TP_MDI_X: Final = 2
ETH_TP_MDI_AUTO: Final = 3

WAKE_PHY: Final = 1
WAKE_UCAST: Final = 2
WAKE_MCAST: Final = 4
WAKE_BCAST: Final = 8
WAKE_ARP: Final = 16
WAKE_MAGIC: Final = 32

RXH_L2DA: Final = 1 << 1
RXH_VLAN: Final = 1 << 2
RXH_L3_PROTO: Final = 1 << 3
RXH_IP_SRC: Final = 1 << 4
RXH_IP_DST: Final = 1 << 5
RXH_L4_B_0_1: Final = 1 << 6
RXH_L4_B_2_3: Final = 1 << 7
RXH_DISCARD: Final = 1 << 31

TCP_V4_FLOW: Final = 1
UDP_V4_FLOW: Final = 2
SCTP_V4_FLOW: Final = 3
AH_ESP_V4_FLOW: Final = 4
TCP_V6_FLOW: Final = 5
UDP_V6_FLOW: Final = 6
SCTP_V6_FLOW: Final = 7
AH_ESP_V6_FLOW: Final = 8
IP_USER_FLOW: Final = 0x0D
IPV4_FLOW: Final = 16
IPV6_FLOW: Final = 17

ETH_RSS_HASH_TOP: Final = 1
ETH_RSS_HASH_XOR: Final = 2
ETH_RSS_HASH_CRC32: Final = 4

FEATURE_STRINGS: Final[dict[str, int]] = {
    "tx-scatter-gather": NETIF_F["sg"],
    "tx-checksum-ip-generic": NETIF_F["tx-ip-generic"],
    "highdma": NETIF_F["highdma"],
    "tx-vlan-hw-insert": NETIF_F["txvlan"],
    "rx-vlan-hw-parse": NETIF_F["rxvlan"],
    "rx-vlan-filter": NETIF_F["rx-vlan-filter"],
    "tx-generic-segmentation": NETIF_F["gso"],
    "tx-tcp-segmentation": NETIF_F["tso"],
    "tx-tcp6-segmentation": NETIF_F["tso6"],
    "tx-udp-segmentation": NETIF_F["tx-udp-segmentation"],
    "rx-checksum": NETIF_F["rx"],
    "rx-gro": NETIF_F["gro"],
    "rx-lro": NETIF_F["lro"],
    "rx-ntuple-filter": NETIF_F["ntuple"],
    "rx-hashing": NETIF_F["rxhash"],
    "rx-fcs": NETIF_F["rx-fcs"],
    "rx-all": NETIF_F["rx-all"],
    "loopback": NETIF_F["loopback"],
    "hw-tc-offload": NETIF_F["hw-tc-offload"],
    "rx-gro-hw": NETIF_F["gro-hw"],
    "rx-gro-list": NETIF_F["rx-gro-list"],
    "rx-udp-gro-forwarding": NETIF_F["rx-udp-gro-forwarding"],
}
"""The kernel's names (netdev_features_strings) of the bits that exist here."""

FEATURE_GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "rx": ("rx-checksum",),
    "tx": ("tx-checksum-ip-generic",),
    "sg": ("tx-scatter-gather",),
    "tso": ("tx-tcp-segmentation", "tx-tcp6-segmentation"),
    "gso": ("tx-generic-segmentation",),
    "gro": ("rx-gro",),
    "lro": ("rx-lro",),
    "rxvlan": ("rx-vlan-hw-parse",),
    "txvlan": ("tx-vlan-hw-insert",),
    "ntuple": ("rx-ntuple-filter",),
    "rxhash": ("rx-hashing",),
}
"""The short names that ethtool -K takes, and what each stands for."""

COALESCE_FIELDS: Final = (
    "rx-usecs",
    "rx-frames",
    "rx-usecs-irq",
    "rx-frames-irq",
    "tx-usecs",
    "tx-frames",
    "tx-usecs-irq",
    "tx-frames-irq",
    "stats-block-usecs",
    "adaptive-rx",
    "adaptive-tx",
    "pkt-rate-low",
    "rx-usecs-low",
    "rx-frame-low",
    "tx-usecs-low",
    "tx-frame-low",
    "pkt-rate-high",
    "rx-usecs-high",
    "rx-frame-high",
    "tx-usecs-high",
    "tx-frame-high",
    "sample-interval",
    "cqe-mode-rx",
    "cqe-mode-tx",
)
"""In the order of the netlink attributes: the order in which unsupported ones are refused."""


class ExtackError(OSError):
    """A refusal with the core's explanation: `extack` text, `offset` of the attribute in the request (-1:
    none).
    """

    def __init__(self, errno: int, extack: str, offset: int = -1) -> None:
        super().__init__(errno, linux_error(errno).strerror or "")
        self.extack = extack
        self.offset = offset


# --- values -------------------------------------------------------------------------------------------------


class RingParam:
    """`struct ethtool_ringparam`: maxima and current sizes in descriptors; 0 maximum = there is no such ring."""

    __slots__ = (
        "rx_max_pending",
        "rx_mini_max_pending",
        "rx_jumbo_max_pending",
        "tx_max_pending",
        "rx_pending",
        "rx_mini_pending",
        "rx_jumbo_pending",
        "tx_pending",
        "rx_buf_len",
        "cqe_size",
        "tx_push",
    )

    def __init__(self) -> None:
        self.rx_max_pending = 0
        self.rx_mini_max_pending = 0
        self.rx_jumbo_max_pending = 0
        self.tx_max_pending = 0
        self.rx_pending = 0
        self.rx_mini_pending = 0
        self.rx_jumbo_pending = 0
        self.tx_pending = 0
        self.rx_buf_len = 0
        self.cqe_size = 0
        self.tx_push = 0


class Coalesce:
    """`struct ethtool_coalesce`: values by ethtool's names (COALESCE_FIELDS), microseconds or frames; absent
    = 0.
    """

    __slots__ = ("values",)

    def __init__(self, values: dict[str, int] | None = None) -> None:
        self.values: dict[str, int] = dict(values or {})

    def get(self, name: str) -> int:
        return self.values.get(name, 0)


class Channels:
    """`struct ethtool_channels`."""

    __slots__ = (
        "max_rx",
        "max_tx",
        "max_other",
        "max_combined",
        "rx_count",
        "tx_count",
        "other_count",
        "combined_count",
    )

    def __init__(self) -> None:
        self.max_rx = 0
        self.max_tx = 0
        self.max_other = 0
        self.max_combined = 0
        self.rx_count = 0
        self.tx_count = 0
        self.other_count = 0
        self.combined_count = 0


class Rxfh:
    """RSS: indirection table (queue numbers), key, hash functions (ETH_RSS_HASH_* bits)."""

    __slots__ = ("indir", "key", "hfunc", "hfuncs_supported")

    def __init__(self, indir: list[int] | None = None, key: bytes | None = None, hfunc: int = ETH_RSS_HASH_TOP) -> None:
        self.indir = indir
        self.key = key
        self.hfunc = hfunc
        self.hfuncs_supported = ETH_RSS_HASH_TOP


class RxFlowSpec:
    """`struct ethtool_rx_flow_spec`: match values and masks by field name (src-ip, dst-ip, src-port,
    dst-port, l4proto, tos, vlan, ...).

    `ring_cookie`: receive queue, or -1 to drop.  `location`: rule number, -1 = any.
    """

    __slots__ = ("flow_type", "values", "masks", "ring_cookie", "location")

    def __init__(
        self,
        flow_type: int,
        values: dict[str, int],
        masks: dict[str, int] | None = None,
        ring_cookie: int = 0,
        location: int = -1,
    ) -> None:
        self.flow_type = flow_type
        self.values = dict(values)
        self.masks = dict(masks or {})
        self.ring_cookie = ring_cookie
        self.location = location


class DrvInfo:
    """`struct ethtool_drvinfo`, the five strings and the four counts."""

    __slots__ = (
        "driver",
        "version",
        "fw_version",
        "erom_version",
        "bus_info",
        "n_priv_flags",
        "n_stats",
        "testinfo_len",
        "eedump_len",
        "regdump_len",
    )

    def __init__(self) -> None:
        self.driver = ""
        self.version = ""
        self.fw_version = ""
        self.erom_version = ""
        self.bus_info = ""
        self.n_priv_flags = 0
        self.n_stats = 0
        self.testinfo_len = 0
        self.eedump_len = 0
        self.regdump_len = 0


class LinkSettings:
    """`struct ethtool_link_ksettings`: speed in Mbit/s (SPEED_UNKNOWN), modes by name ("1000baseT/Full",
    "Autoneg", "TP", "Pause").
    """

    __slots__ = (
        "speed",
        "duplex",
        "port",
        "phy_address",
        "autoneg",
        "mdix",
        "mdix_ctrl",
        "transceiver",
        "supported",
        "advertising",
        "lp_advertising",
    )

    def __init__(self) -> None:
        self.speed = SPEED_UNKNOWN
        self.duplex = DUPLEX_UNKNOWN
        self.port = PORT_OTHER
        self.phy_address = 0
        self.autoneg = AUTONEG_DISABLE
        self.mdix = ETH_TP_MDI_INVALID
        self.mdix_ctrl = ETH_TP_MDI_INVALID
        self.transceiver = "internal"
        self.supported: list[str] = []
        self.advertising: list[str] = []
        self.lp_advertising: list[str] = []


class PauseParam:
    __slots__ = ("autoneg", "rx_pause", "tx_pause")

    def __init__(self, autoneg: bool = False, rx_pause: bool = False, tx_pause: bool = False) -> None:
        self.autoneg = autoneg
        self.rx_pause = rx_pause
        self.tx_pause = tx_pause


class WolInfo:
    """WAKE_* bits supported and in force."""

    __slots__ = ("supported", "wolopts")

    def __init__(self, supported: int = 0, wolopts: int = 0) -> None:
        self.supported = supported
        self.wolopts = wolopts


class Regs:
    """A register dump: the driver's version word and the bytes."""

    __slots__ = ("version", "data")

    def __init__(self, version: int, data: bytes) -> None:
        self.version = version
        self.data = data


class TestResult:
    """`struct ethtool_test`: flags after the test, one value a test (0 = passed)."""

    __slots__ = ("flags", "data")

    def __init__(self, flags: int, data: list[int]) -> None:
        self.flags = flags
        self.data = data


class TsInfo:
    """Time stamping: capability names, PHC index (-1 none), transmit types and receive filters by ethtool's
    names.
    """

    __slots__ = ("capabilities", "phc_index", "tx_types", "rx_filters")

    def __init__(
        self,
        capabilities: list[str],
        phc_index: int = -1,
        tx_types: list[str] | None = None,
        rx_filters: list[str] | None = None,
    ) -> None:
        self.capabilities = capabilities
        self.phc_index = phc_index
        self.tx_types = tx_types or []
        self.rx_filters = rx_filters or []


class FeatureChange:
    """What ethtool -K led to: features that changed, and what was asked for and did not happen (kernel's
    names).
    """

    __slots__ = ("changed", "refused")

    def __init__(self, changed: dict[str, bool], refused: dict[str, bool]) -> None:
        self.changed = changed
        self.refused = refused


# --- what a driver implements -------------------------------------------------------------------------------


class EthtoolOps:
    """`struct ethtool_ops`: subclass in a driver; what it does not override raises OSError(EOPNOTSUPP).

    `supported_coalesce`: fields of -C that the driver takes (the core refuses others since 5.7). `test_names`,
    `stat_names` and `priv_flag_names` come through get_strings.
    """

    __slots__ = ("dev", "supported_coalesce")

    def __init__(self, dev: NetDevice) -> None:
        self.dev = dev
        self.supported_coalesce: tuple[str, ...] = ()

    def _no(self) -> OSError:
        return linux_error(EOPNOTSUPP, self.dev.name)

    def begin(self) -> None:
        """Before any operation.  Raises OSError."""

    def complete(self) -> None:
        """After it."""

    def get_drvinfo(self, info: DrvInfo) -> None:
        raise self._no()

    def get_link(self) -> bool:
        """ethtool_op_get_link: the carrier."""
        return self.dev.carrier_ok

    def get_link_ksettings(self) -> LinkSettings:
        raise self._no()

    def set_link_ksettings(self, s: LinkSettings) -> None:
        raise self._no()

    def nway_reset(self) -> None:
        raise self._no()

    def get_regs(self) -> Regs:
        raise self._no()

    def get_regs_len(self) -> int:
        raise self._no()

    def get_wol(self) -> WolInfo:
        raise self._no()

    def set_wol(self, wolopts: int) -> None:
        raise self._no()

    def get_msglevel(self) -> int:
        raise self._no()

    def set_msglevel(self, value: int) -> None:
        raise self._no()

    def get_eeprom_len(self) -> int:
        raise self._no()

    def get_eeprom(self, offset: int, length: int) -> tuple[int, bytes]:
        """(magic, bytes)."""
        raise self._no()

    def set_eeprom(self, magic: int, offset: int, data: bytes) -> None:
        raise self._no()

    def get_coalesce(self) -> Coalesce:
        raise self._no()

    def set_coalesce(self, c: Coalesce) -> None:
        raise self._no()

    def get_ringparam(self) -> RingParam:
        raise self._no()

    def set_ringparam(self, p: RingParam) -> None:
        raise self._no()

    def get_pauseparam(self) -> PauseParam:
        raise self._no()

    def set_pauseparam(self, p: PauseParam) -> None:
        raise self._no()

    def self_test(self, flags: int) -> TestResult:
        raise self._no()

    def get_sset_count(self, sset: int) -> int:
        raise self._no()

    def get_strings(self, sset: int) -> list[str]:
        raise self._no()

    def get_ethtool_stats(self) -> list[int]:
        raise self._no()

    def set_phys_id(self, on: bool) -> None:
        raise self._no()

    def get_priv_flags(self) -> int:
        raise self._no()

    def set_priv_flags(self, flags: int) -> None:
        raise self._no()

    def get_rx_rings(self) -> int:
        """ETHTOOL_GRXRINGS of get_rxnfc."""
        raise self._no()

    def get_rx_hash(self, flow_type: int) -> int:
        """ETHTOOL_GRXFH: RXH_* bits."""
        raise self._no()

    def set_rx_hash(self, flow_type: int, bits: int) -> None:
        raise self._no()

    def get_rx_rule_count(self) -> tuple[int, int]:
        """ETHTOOL_GRXCLSRLCNT: (rules, table size)."""
        raise self._no()

    def get_rx_rules(self) -> list[RxFlowSpec]:
        raise self._no()

    def insert_rx_rule(self, spec: RxFlowSpec) -> int:
        """Returns the location."""
        raise self._no()

    def delete_rx_rule(self, location: int) -> None:
        raise self._no()

    def get_rxfh_indir_size(self) -> int:
        raise self._no()

    def get_rxfh_key_size(self) -> int:
        raise self._no()

    def get_rxfh(self) -> Rxfh:
        raise self._no()

    def set_rxfh(self, x: Rxfh) -> None:
        """None parts stay as they are."""
        raise self._no()

    def get_channels(self) -> Channels:
        raise self._no()

    def set_channels(self, c: Channels) -> None:
        raise self._no()

    def get_ts_info(self) -> TsInfo:
        raise self._no()

    def get_eee(self) -> dict[str, int]:
        raise self._no()

    def set_eee(self, eee: dict[str, int]) -> None:
        raise self._no()

    def get_module_eeprom(self, offset: int, length: int) -> bytes:
        raise self._no()

    def flash_device(self, name: str, region: int) -> None:
        raise self._no()

    def get_dump(self) -> bytes:
        raise self._no()

    def set_dump(self, value: int) -> None:
        raise self._no()


# --- one function an operation of user space ----------------------------------------------------------------


def _ops(dev: NetDevice) -> EthtoolOps:
    """Raises OSError: ENODEV for a device that is detached, EOPNOTSUPP without operations."""
    if not dev.present:
        raise linux_error(ENODEV, dev.name)
    if dev.ethtool_ops is None:
        raise linux_error(EOPNOTSUPP, dev.name)
    return dev.ethtool_ops


def _attr_offset(dev: NetDevice, index: int, size: int = 8) -> int:
    """Where the `index`-th attribute of a request begins: netlink and generic headers, then the nest that
    names the device.
    """
    name = 4 + (len(dev.name) + 1 + 3) // 4 * 4 if (len(dev.name) + 1) % 4 else 4 + len(dev.name) + 1
    return 16 + 4 + 4 + name + index * size


def _netlink(dev: NetDevice) -> bool:
    return dev.net.kernel.release.ethtool_netlink


def ethtool_get_drvinfo(dev: NetDevice) -> DrvInfo:
    """-i: the driver's strings; what it leaves out is filled in (version since 5.8: the kernel's release)."""
    info = DrvInfo()
    ops = _ops(dev)
    try:
        ops.get_drvinfo(info)
    except OSError as e:
        parent = dev.parent
        if e.errno != EOPNOTSUPP or parent is None or getattr(parent, "driver", None) is None:
            raise
        info.driver = parent.driver.name
        info.bus_info = parent.name
    if not info.version and _netlink(dev):
        info.version = dev.net.kernel.release.uname
    for sset, attr in (
        (ETH_SS_TEST, "testinfo_len"),
        (ETH_SS_STATS, "n_stats"),
        (ETH_SS_PRIV_FLAGS, "n_priv_flags"),
    ):
        try:
            setattr(info, attr, ops.get_sset_count(sset))
        except OSError:
            pass
    try:
        info.regdump_len = ops.get_regs_len()
    except OSError:
        pass
    try:
        info.eedump_len = ops.get_eeprom_len()
    except OSError:
        pass
    return info


def ethtool_get_stats(dev: NetDevice) -> list[tuple[str, int]]:
    """-S: names and values, in the driver's order.  Raises OSError(EOPNOTSUPP)."""
    ops = _ops(dev)
    ops.get_sset_count(ETH_SS_STATS)
    return list(zip(ops.get_strings(ETH_SS_STATS), ops.get_ethtool_stats(), strict=True))


def ethnl_get_rings(dev: NetDevice) -> RingParam:
    return _ops(dev).get_ringparam()


def ethnl_set_rings(dev: NetDevice, wanted: list[tuple[str, int]]) -> None:
    """-G: `wanted` are (rx | rx-mini | rx-jumbo | tx, descriptors) in the order given.

    Raises ExtackError(EINVAL) above a maximum, OSError(EOPNOTSUPP), or what the driver raises.  Nothing
    changed: the driver is not asked.
    """
    ops = _ops(dev)
    p = ops.get_ringparam()
    names = [n for n, _ in wanted]
    for name, what in (("rx-buf-len", "rx buf len"), ("cqe-size", "cqe size"), ("tx-push", "tx push")):
        if name in names:  # no driver here takes them
            raise ExtackError(EOPNOTSUPP, f"setting {what} not supported", _attr_offset(dev, names.index(name)))
    ops.begin()
    try:
        before = (p.rx_pending, p.rx_mini_pending, p.rx_jumbo_pending, p.tx_pending)
        at: dict[str, int] = {}
        for i, (name, value) in enumerate(wanted):
            if value < 0 or value > 0xFFFFFFFF:
                raise linux_error(EINVAL, name)
            at[name] = i
            if name == "rx":
                p.rx_pending = value
            elif name == "rx-mini":
                p.rx_mini_pending = value
            elif name == "rx-jumbo":
                p.rx_jumbo_pending = value
            elif name == "tx":
                p.tx_pending = value
            else:
                raise linux_error(EINVAL, name)
        if before == (p.rx_pending, p.rx_mini_pending, p.rx_jumbo_pending, p.tx_pending):
            return
        for name, value, top in (
            ("rx", p.rx_pending, p.rx_max_pending),
            ("rx-mini", p.rx_mini_pending, p.rx_mini_max_pending),
            ("rx-jumbo", p.rx_jumbo_pending, p.rx_jumbo_max_pending),
            ("tx", p.tx_pending, p.tx_max_pending),
        ):
            if value > top:
                if _netlink(dev):
                    raise ExtackError(EINVAL, "requested ring size exceeds maximum", _attr_offset(dev, at.get(name, 0)))
                raise linux_error(EINVAL, name)
        ops.set_ringparam(p)
    finally:
        ops.complete()


def ethnl_get_coalesce(dev: NetDevice) -> Coalesce:
    return _ops(dev).get_coalesce()


def ethnl_set_coalesce(dev: NetDevice, wanted: list[tuple[str, int]]) -> None:
    """-C: `wanted` are (name of COALESCE_FIELDS, value) in the order given.

    Since 5.7 the core refuses what the driver does not list (ExtackError); before, such a value was dropped
    silently.
    """
    ops = _ops(dev)
    c = ops.get_coalesce()
    ops.begin()
    try:
        for name, _ in wanted:
            if name not in COALESCE_FIELDS:
                raise linux_error(EINVAL, name)
        if _netlink(dev):
            names = [n for n, _ in wanted]
            for field in COALESCE_FIELDS:
                if field in names and field not in ops.supported_coalesce:
                    raise ExtackError(
                        EINVAL,
                        "cannot modify an unsupported parameter",
                        _attr_offset(dev, names.index(field)),
                    )
        changed = False
        for name, value in wanted:
            if value < 0 or value > 0xFFFFFFFF:
                raise linux_error(EINVAL, name)
            if c.get(name) != value:
                c.values[name] = value
                changed = True
        if changed or not _netlink(dev):
            ops.set_coalesce(c)
    finally:
        ops.complete()


def ethnl_get_channels(dev: NetDevice) -> Channels:
    return _ops(dev).get_channels()


def ethnl_set_channels(dev: NetDevice, wanted: list[tuple[str, int]]) -> None:
    """-L: (rx | tx | other | combined, count).  Raises ExtackError(EINVAL) for what the core refuses."""
    ops = _ops(dev)
    c = ops.get_channels()
    ops.begin()
    try:
        before = (c.rx_count, c.tx_count, c.other_count, c.combined_count)
        at: dict[str, int] = {}
        for i, (name, value) in enumerate(wanted):
            at[name] = i
            if name == "rx":
                c.rx_count = value
            elif name == "tx":
                c.tx_count = value
            elif name == "other":
                c.other_count = value
            elif name == "combined":
                c.combined_count = value
            else:
                raise linux_error(EINVAL, name)
        if before == (c.rx_count, c.tx_count, c.other_count, c.combined_count):
            return
        for name, value, top in (
            ("rx", c.rx_count, c.max_rx),
            ("tx", c.tx_count, c.max_tx),
            ("other", c.other_count, c.max_other),
            ("combined", c.combined_count, c.max_combined),
        ):
            if value < 0 or value > top:
                raise ExtackError(EINVAL, "requested channel count exceeds maximum", _attr_offset(dev, at.get(name, 0)))
        if not c.combined_count and not (c.rx_count and c.tx_count):
            worst = "combined" if "combined" in at else "rx" if not c.rx_count else "tx"
            raise ExtackError(
                EINVAL,
                "requested channel counts would result in no RX or TX channel being configured",
                _attr_offset(dev, at.get(worst, 0)),
            )
        try:
            used = max(ops.get_rxfh().indir or [0]) if dev.attr.get("rxfh_configured") else -1
        except OSError:
            used = -1
        if used >= c.combined_count + c.rx_count:
            raise ExtackError(EINVAL, "requested channel counts are too low for existing indirection table settings")
        ops.set_channels(c)
    finally:
        ops.complete()


def ethtool_get_rxfh(dev: NetDevice) -> tuple[int, Rxfh]:
    """-x: (rings, RSS configuration).  The ring count is asked first, as ethtool does."""
    ops = _ops(dev)
    rings = ops.get_rx_rings()
    return rings, ops.get_rxfh()


def ethtool_set_rxfh(dev: NetDevice, x: Rxfh) -> None:
    """-X: table entries must name existing rings.  An empty table means the default.  Raises OSError(EINVAL,
    EOPNOTSUPP).
    """
    ops = _ops(dev)
    rings = ops.get_rx_rings()
    size = ops.get_rxfh_indir_size()
    if x.indir is not None:
        if not x.indir:
            x.indir = [i % rings for i in range(size)]
            dev.attr["rxfh_configured"] = False
        elif len(x.indir) != size or any(q < 0 or q >= rings for q in x.indir):
            raise linux_error(EINVAL, dev.name)
        else:
            dev.attr["rxfh_configured"] = True
    if x.key is not None and len(x.key) != ops.get_rxfh_key_size():
        raise linux_error(EINVAL, dev.name)
    ops.set_rxfh(x)


def ethtool_indir_default(index: int, rings: int) -> int:
    """ethtool_rxfh_indir_default: spread evenly."""
    return index % rings


def ethnl_set_features(dev: NetDevice, wanted: dict[str, bool]) -> FeatureChange:
    """-K: `wanted` by the kernel's feature names.  What may not change is reported, not raised.

    Raises OSError(EINVAL) for a name that does not exist.
    """
    want = 0
    mask = 0
    for name, on in wanted.items():
        bit = FEATURE_STRINGS.get(name)
        if bit is None:
            raise linux_error(EINVAL, name)
        mask |= bit
        if on:
            want |= bit
    old = dev.features
    usable = mask & dev.hw_features
    dev.wanted_features = (dev.wanted_features & ~usable) | (want & usable)
    netdev_update_features(dev)
    new = dev.features
    changed: dict[str, bool] = {}
    refused: dict[str, bool] = {}
    for name, bit in FEATURE_STRINGS.items():
        if (old ^ new) & bit:
            changed[name] = bool(new & bit)
        if mask & bit and (new ^ want) & bit:
            refused[name] = bool(want & bit)
    return FeatureChange(changed, refused)


def feature_fixed(dev: NetDevice, name: str) -> bool:
    """Whether -k prints [fixed]: neither the user nor the driver's hw_features can change it."""
    return not dev.hw_features & FEATURE_STRINGS[name]


def ethnl_get_pause(dev: NetDevice) -> PauseParam:
    return _ops(dev).get_pauseparam()


def ethnl_set_pause(
    dev: NetDevice, autoneg: bool | None = None, rx: bool | None = None, tx: bool | None = None
) -> None:
    """-A: unchanged values do not reach the driver."""
    ops = _ops(dev)
    p = ops.get_pauseparam()
    new = PauseParam(
        p.autoneg if autoneg is None else autoneg,
        p.rx_pause if rx is None else rx,
        p.tx_pause if tx is None else tx,
    )
    if (new.autoneg, new.rx_pause, new.tx_pause) == (p.autoneg, p.rx_pause, p.tx_pause):
        return
    ops.begin()
    try:
        ops.set_pauseparam(new)
    finally:
        ops.complete()


MSG_BITS: Final = 15  # NETIF_MSG_CLASS_COUNT


def ethnl_set_msglvl(dev: NetDevice, value: int) -> None:
    """-s msglvl: bits beyond the known classes are refused."""
    ops = _ops(dev)
    ops.get_msglevel()
    if value < 0 or value >> MSG_BITS:
        if _netlink(dev):
            raise ExtackError(EINVAL, "cannot modify bits past kernel bitset size", _attr_offset(dev, 0) + 16)
        raise linux_error(EINVAL, dev.name)
    ops.set_msglevel(value)


def ethtool_self_test(dev: NetDevice, offline: bool) -> list[tuple[str, int]]:
    """-t: (name, 0 = passed) in the driver's order; `offline` interrupts traffic."""
    ops = _ops(dev)
    names = ops.get_strings(ETH_SS_TEST)
    ops.get_sset_count(ETH_SS_TEST)
    result = ops.self_test(ETH_TEST_FL_OFFLINE if offline else 0)
    return list(zip(names, result.data, strict=True))


def ethtool_get_rx_hash(dev: NetDevice, flow_type: int) -> int:
    """-n rx-flow-hash: RXH_* bits."""
    return _ops(dev).get_rx_hash(flow_type)


def ethtool_set_rx_hash(dev: NetDevice, flow_type: int, bits: int) -> None:
    """-N rx-flow-hash."""
    _ops(dev).set_rx_hash(flow_type, bits)
