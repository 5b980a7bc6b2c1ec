"""ixgbe's ethtool operations.

What lives here: the operations of ixgbe_ethtool.c with their self tests.  What does not: checks that the core makes
(net/core/ethtool.py) and the text that is printed (tools/).
Facts: ixgbe_ethtool.c of 6.1; order of statistics as there.
"""

from __future__ import annotations

import struct
from typing import Final

from rxpath.drivers.ixgbe.hw import (
    ATR_FLOW_TYPE_IPV4,
    ATR_FLOW_TYPE_SCTPV4,
    ATR_FLOW_TYPE_TCPV4,
    ATR_FLOW_TYPE_UDPV4,
    ATR_L4TYPE_IPV6_MASK,
    ATR_L4TYPE_MASK,
    FC_FULL,
    FC_NONE,
    FC_RX_PAUSE,
    FC_TX_PAUSE,
    SPEED_1GB,
    SPEED_10GB,
    SPEED_100,
    AtrInput,
    ixgbe_atr_compute_perfect_hash_82599,
    ixgbe_check_mac_link_generic,
    ixgbe_disable_rx_generic,
    ixgbe_enable_rx_generic,
    ixgbe_fdir_erase_perfect_filter_82599,
    ixgbe_fdir_set_input_mask_82599,
    ixgbe_fdir_write_perfect_filter_82599,
    ixgbe_get_copper_link_capabilities_generic,
    ixgbe_read_eeprom_buffer,
    ixgbe_setup_link,
    ixgbe_update_eeprom_checksum,
    ixgbe_validate_eeprom_checksum,
    ixgbe_write_eewr_generic,
)
from rxpath.drivers.ixgbe.ixgbe import (
    DRIVER_NAME,
    FLAG2_RSC_CAPABLE,
    FLAG2_RSC_ENABLED,
    FLAG2_RSS_FIELD_IPV4_UDP,
    FLAG2_RSS_FIELD_IPV6_UDP,
    FLAG2_RX_LEGACY,
    FLAG_FDIR_PERFECT_CAPABLE,
    FLAG_MSI_ENABLED,
    FLAG_MSIX_ENABLED,
    IXGBE_12K_ITR,
    IXGBE_20K_ITR,
    IXGBE_100K_ITR,
    IXGBE_DEFAULT_RXD,
    IXGBE_DEFAULT_TXD,
    IXGBE_MAX_DESC,
    IXGBE_MAX_FDIR_INDICES,
    IXGBE_MAX_RSS_INDICES,
    IXGBE_MIN_DESC,
    IXGBE_MIN_RSC_ITR,
    NON_Q_VECTORS,
    STATE_RESETTING,
    STATE_TESTING,
    FdirFilter,
    IxgbeAdapter,
    IxgbeRing,
)
from rxpath.drivers.ixgbe.main import (
    IxgbeNetDevice,
    begin_reset,
    ixgbe_alloc_rx_buffers,
    ixgbe_close,
    ixgbe_configure_rx_ring,
    ixgbe_configure_tx_ring,
    ixgbe_disable_rx,
    ixgbe_disable_tx,
    ixgbe_do_reset,
    ixgbe_down,
    ixgbe_free_rx_resources,
    ixgbe_free_tx_resources,
    ixgbe_open,
    ixgbe_reinit_locked,
    ixgbe_reset,
    ixgbe_setup_rx_resources,
    ixgbe_setup_tc,
    ixgbe_setup_tx_resources,
    ixgbe_store_key,
    ixgbe_store_reta,
    ixgbe_unmap_tx,
    ixgbe_up,
    ixgbe_update_stats,
    ixgbe_write_eitr,
)
from rxpath.drivers.lib import msleep, usleep_range
from rxpath.hw.memory import DMA_TO_DEVICE
from rxpath.hw.regs import ixgbe as r
from rxpath.kernel.dma import dma_map_page_attrs
from rxpath.kernel.errno import EINVAL, EOPNOTSUPP, linux_error
from rxpath.kernel.irq import IRQ_HANDLED, IRQF_SHARED
from rxpath.net.core.ethtool import (
    AH_ESP_V4_FLOW,
    AH_ESP_V6_FLOW,
    AUTONEG_ENABLE,
    DUPLEX_FULL,
    ETH_RSS_HASH_TOP,
    ETH_SS_PRIV_FLAGS,
    ETH_SS_STATS,
    ETH_SS_TEST,
    ETH_TEST_FL_FAILED,
    ETH_TEST_FL_OFFLINE,
    IP_USER_FLOW,
    IPV4_FLOW,
    IPV6_FLOW,
    PORT_NONE,
    PORT_TP,
    RXH_IP_DST,
    RXH_IP_SRC,
    RXH_L4_B_0_1,
    RXH_L4_B_2_3,
    SCTP_V4_FLOW,
    SCTP_V6_FLOW,
    TCP_V4_FLOW,
    TCP_V6_FLOW,
    UDP_V4_FLOW,
    UDP_V6_FLOW,
    WAKE_BCAST,
    WAKE_MAGIC,
    WAKE_MCAST,
    WAKE_UCAST,
    Channels,
    Coalesce,
    DrvInfo,
    EthtoolOps,
    LinkSettings,
    PauseParam,
    Regs,
    RingParam,
    Rxfh,
    RxFlowSpec,
    TestResult,
    TsInfo,
    WolInfo,
)
from rxpath.net.core.netdevice import NETIF_F_LRO, dev_get_stats

M32: Final = 0xFFFFFFFF
REGS_LEN: Final = 1145

_NOT_3_13: Final = frozenset(
    (
        "rx_length_errors",
        "alloc_rx_page",
        "tx_hwtstamp_timeouts",
        "tx_hwtstamp_skipped",
        "rx_hwtstamp_cleared",
        "tx_ipsec",
        "rx_ipsec",
    )
)
STAT_NAMES: Final = (
    "rx_packets",
    "tx_packets",
    "rx_bytes",
    "tx_bytes",
    "rx_pkts_nic",
    "tx_pkts_nic",
    "rx_bytes_nic",
    "tx_bytes_nic",
    "lsc_int",
    "tx_busy",
    "non_eop_descs",
    "rx_errors",
    "tx_errors",
    "rx_dropped",
    "tx_dropped",
    "multicast",
    "broadcast",
    "rx_no_buffer_count",
    "collisions",
    "rx_over_errors",
    "rx_crc_errors",
    "rx_frame_errors",
    "hw_rsc_aggregated",
    "hw_rsc_flushed",
    "fdir_match",
    "fdir_miss",
    "fdir_overflow",
    "rx_fifo_errors",
    "rx_missed_errors",
    "tx_aborted_errors",
    "tx_carrier_errors",
    "tx_fifo_errors",
    "tx_heartbeat_errors",
    "tx_timeout_count",
    "tx_restart_queue",
    "rx_length_errors",
    "rx_long_length_errors",
    "rx_short_length_errors",
    "tx_flow_control_xon",
    "rx_flow_control_xon",
    "tx_flow_control_xoff",
    "rx_flow_control_xoff",
    "rx_csum_offload_errors",
    "alloc_rx_page",
    "alloc_rx_page_failed",
    "alloc_rx_buff_failed",
    "rx_no_dma_resources",
    "os2bmc_rx_by_bmc",
    "os2bmc_tx_by_bmc",
    "os2bmc_tx_by_host",
    "os2bmc_rx_by_host",
    "tx_hwtstamp_timeouts",
    "tx_hwtstamp_skipped",
    "rx_hwtstamp_cleared",
    "tx_ipsec",
    "rx_ipsec",
)
TEST_NAMES: Final = (
    "Register test  (offline)",
    "Eeprom test    (offline)",
    "Interrupt test (offline)",
    "Loopback test  (offline)",
    "Link test   (on/offline)",
)
PRIV_FLAGS: Final = ("legacy-rx", "vf-ipsec", "mdd-disable-vf")
PRIV_FLAGS_LEGACY_RX: Final = 1 << 0
WUFC_WAKE: Final = ((0x04, WAKE_UCAST), (0x08, WAKE_MCAST), (0x10, WAKE_BCAST), (0x02, WAKE_MAGIC))
_SPEED_MODES: Final = (
    (SPEED_10GB, "10000baseT/Full", "10000baseKX4/Full"),
    (SPEED_1GB, "1000baseT/Full", "1000baseKX/Full"),
    (SPEED_100, "100baseT/Full", ""),
)
_V4_FLOWS: Final = (TCP_V4_FLOW, UDP_V4_FLOW, SCTP_V4_FLOW, AH_ESP_V4_FLOW, IPV4_FLOW)
_V6_FLOWS: Final = (TCP_V6_FLOW, UDP_V6_FLOW, SCTP_V6_FLOW, AH_ESP_V6_FLOW, IPV6_FLOW)
_L3: Final = RXH_IP_SRC | RXH_IP_DST
_L4: Final = RXH_L4_B_0_1 | RXH_L4_B_2_3


class IxgbeEthtoolOps(EthtoolOps):
    """ixgbe_ethtool_ops."""

    __slots__ = ("netdev",)

    def __init__(self, netdev: IxgbeNetDevice) -> None:
        super().__init__(netdev)
        self.netdev = netdev
        self.supported_coalesce = ("rx-usecs", "tx-usecs")

    def _a(self) -> IxgbeAdapter:
        return self.netdev.priv()

    def _inval(self) -> OSError:
        return linux_error(EINVAL, self.netdev.name)

    # --- identity and link ----------------------------------------------------------------------------------------
    def get_drvinfo(self, info: DrvInfo) -> None:
        a = self._a()
        info.driver = DRIVER_NAME
        if a.old_release:
            info.version = "3.15.1-k"
        info.fw_version = a.eeprom_id
        info.bus_info = a.pdev.name
        info.n_priv_flags = 0 if a.old_release else len(PRIV_FLAGS)

    def get_link_ksettings(self) -> LinkSettings:
        a = self._a()
        hw = a.hw
        s = LinkSettings()
        copper = hw.copper()
        can = list(ixgbe_get_copper_link_capabilities_generic(hw)) if copper else [SPEED_10GB, SPEED_1GB]
        chosen = hw.autoneg_advertised or can
        for speed, tp, bp in _SPEED_MODES:
            mode = tp if copper else bp
            if mode and speed in can:
                s.supported.append(mode)
                if speed in chosen:
                    s.advertising.append(mode)
        s.supported += ["Autoneg", "Pause", "TP" if copper else "Backplane"]
        s.advertising += ["Autoneg", "TP" if copper else "Backplane"]
        s.advertising += {
            FC_FULL: ["Pause"],
            FC_RX_PAUSE: ["Pause", "Asym_Pause"],
            FC_TX_PAUSE: ["Asym_Pause"],
        }.get(hw.fc.requested_mode, [])
        s.port = PORT_TP if copper else PORT_NONE
        s.autoneg = AUTONEG_ENABLE
        if self.netdev.carrier_ok:
            s.speed = a.link_speed
            s.duplex = DUPLEX_FULL
        return s

    def set_link_ksettings(self, s: LinkSettings) -> None:
        """Limit what is advertised; a speed cannot be forced.  Raises OSError(EINVAL)."""
        a = self._a()
        if not a.hw.copper():
            raise self._inval()
        if any(m not in self.get_link_ksettings().supported for m in s.advertising):
            raise self._inval()
        speeds = [speed for speed, tp, _bp in _SPEED_MODES if tp in s.advertising]
        if speeds != a.hw.autoneg_advertised:
            ixgbe_setup_link(a.hw, speeds)

    def nway_reset(self) -> None:
        if self.netdev.running():
            ixgbe_reinit_locked(self._a())

    def get_msglevel(self) -> int:
        return self._a().msg_enable

    def set_msglevel(self, value: int) -> None:
        self._a().msg_enable = value

    def get_pauseparam(self) -> PauseParam:
        fc = self._a().hw.fc
        mode = fc.current_mode
        return PauseParam(not fc.disable_fc_autoneg, bool(mode & FC_RX_PAUSE), bool(mode & FC_TX_PAUSE))

    def set_pauseparam(self, p: PauseParam) -> None:
        a = self._a()
        fc = a.hw.fc
        if p.autoneg and not a.hw.copper():
            raise self._inval()
        if (p.rx_pause and p.tx_pause) or p.autoneg:
            mode = FC_FULL
        else:
            mode = FC_RX_PAUSE if p.rx_pause else FC_TX_PAUSE if p.tx_pause else FC_NONE
        if mode == fc.requested_mode and fc.disable_fc_autoneg == (not p.autoneg):
            return
        fc.disable_fc_autoneg = not p.autoneg
        fc.requested_mode = mode
        ixgbe_do_reset(self.netdev)

    def get_wol(self) -> WolInfo:
        a = self._a()
        if not a.eeprom_cap & 0xC or not a.pdev.wakeup_capable:
            return WolInfo()
        return WolInfo(WAKE_UCAST | WAKE_MCAST | WAKE_BCAST | WAKE_MAGIC, sum(w for bit, w in WUFC_WAKE if a.wol & bit))

    def set_wol(self, wolopts: int) -> None:
        a = self._a()
        if wolopts & ~(WAKE_UCAST | WAKE_MCAST | WAKE_BCAST | WAKE_MAGIC):
            raise self._no()
        if not a.eeprom_cap & 0xC or not a.pdev.wakeup_capable:
            if wolopts:
                raise self._no()
            return
        a.wol = sum(bit for bit, w in WUFC_WAKE if wolopts & w)
        a.pdev.wakeup_enabled = bool(a.wol)

    def set_phys_id(self, on: bool) -> None:
        self._a().hw.write(r.LEDCTL, 0x8484848E if on else r.RESET_VALUES[r.LEDCTL])

    # --- registers and EEPROM -------------------------------------------------------------------------------------
    def get_regs_len(self) -> int:
        return REGS_LEN * 4

    def get_regs(self) -> Regs:
        """1145 words; those of units that are not modelled are 0."""
        a = self._a()
        hw = a.hw
        words = [0] * REGS_LEN
        for i, off in (
            (0, r.CTRL),
            (1, r.STATUS),
            (2, r.CTRL_EXT),
            (3, r.ESDP),
            (5, r.LEDCTL),
            (6, r.FRTIMER),
            (7, r.TCPTIMER),
            (8, r.EEC),
            (9, r.EERD),
            (11, r.EEMNGCTL),
            (17, r.GRC),
            (18, r.EICS),
            (19, r.EICS),
            (20, r.EIMS),
            (21, r.EIMC),
            (22, r.EIAC),
            (23, r.EIAM),
            (24, r.EITR(0)),
            (25, r.IVAR(0)),
            (29, r.GPIE),
            (30, r.PFCTOP),
            (51, r.FCRTV),
            (469, r.RDRXCTL),
            (478, r.RXCTRL),
            (479, r.DROPEN),
            (480, r.RXCSUM),
            (481, r.RFCTL),
            (514, r.PSRTYPE(0)),
            (515, r.FCTRL),
            (516, r.VLNCTRL),
            (517, r.MCSTCTRL),
            (518, r.MRQC),
            (810, r.TIPG),
            (820, r.WUC),
            (821, r.WUFC),
            (822, r.WUS),
            (829, r.FCCFG),
            (830, r.RTTDCS),
            (831, r.RTTPCS),
            (832, r.RTRPCS),
            (1047, r.HLREG0),
        ):
            words[i] = hw.read(off)
        for first, n, fn in (
            (31, 4, r.FCTTV),
            (35, 8, r.FCRTL),
            (43, 8, r.FCRTH),
            (53, 64, r.RDBAL),
            (117, 64, r.RDBAH),
            (181, 64, r.RDLEN),
            (245, 64, r.RDH),
            (309, 64, r.RDT),
            (373, 64, r.RXDCTL),
            (437, 16, r.SRRCTL),
            (453, 16, r.DCA_RXCTRL),
            (470, 8, r.RXPBSIZE),
            (482, 16, r.RAL),
            (498, 16, r.RAH),
            (537, 32, r.TDBAL),
            (569, 32, r.TDBAH),
            (601, 32, r.TDLEN),
            (633, 32, r.TDH),
            (665, 32, r.TDT),
            (697, 32, r.TXDCTL),
            (729, 32, r.TDWBAL),
            (761, 32, r.TDWBAH),
            (811, 8, r.TXPBSIZE),
        ):
            for i in range(n):
                words[first + i] = hw.read(fn(i))
        s = a.stats
        for i, v in (
            (881, s.crcerrs),
            (895, s.rlec),
            (896, s.lxontxc),
            (897, s.lxonrxc),
            (898, s.lxofftxc),
            (899, s.lxoffrxc),
            (932, s.prc64),
            (933, s.prc127),
            (934, s.prc255),
            (935, s.prc511),
            (936, s.prc1023),
            (937, s.prc1522),
            (938, s.gprc),
            (939, s.bprc),
            (940, s.mprc),
            (941, s.gptc),
            (942, s.gorc),
            (943, s.gorc >> 32),
            (944, s.gotc),
            (945, s.gotc >> 32),
            (954, s.ruc),
            (955, s.rfc),
            (956, s.roc),
            (957, s.rjc),
            (961, s.tor),
            (962, s.tor >> 32),
            (963, s.tpr),
            (965, s.ptc64),
            (966, s.ptc127),
            (967, s.ptc255),
            (968, s.ptc511),
            (969, s.ptc1023),
            (970, s.ptc1522),
            (971, s.mptc),
            (972, s.bptc),
        ):
            words[i] = v & M32
        for first, values in (
            (885, s.mpc),
            (900, s.pxontxc),
            (908, s.pxonrxc),
            (916, s.pxofftxc),
            (924, s.pxoffrxc),
            (974, s.qprc),
            (990, s.qptc),
            (1006, s.qbrc),
            (1022, s.qbtc),
        ):
            for i, v in enumerate(values):
                words[first + i] = v & M32
        return Regs(
            hw.mac_type << 24 | a.pdev.revision << 16 | a.pdev.device,
            struct.pack("<%dI" % REGS_LEN, *words),
        )

    def get_eeprom_len(self) -> int:
        return self._a().hw.word_size * 2

    def _magic(self) -> int:
        p = self._a().pdev
        return p.vendor | p.device << 16

    def get_eeprom(self, offset: int, length: int) -> tuple[int, bytes]:
        """Raises OSError(EINVAL) for nothing or what lies beyond the end."""
        if length <= 0 or offset < 0 or offset + length > self.get_eeprom_len():
            raise self._inval()
        first, last = offset >> 1, (offset + length - 1) >> 1
        words = ixgbe_read_eeprom_buffer(self._a().hw, first, last - first + 1)
        data = b"".join(w.to_bytes(2, "little") for w in words)
        return self._magic(), data[offset & 1 : (offset & 1) + length]

    def set_eeprom(self, magic: int, offset: int, data: bytes) -> None:
        """Raises OSError(EINVAL)."""
        if not data or magic != self._magic() or offset < 0 or offset + len(data) > self.get_eeprom_len():
            raise self._inval()
        hw = self._a().hw
        first, last = offset >> 1, (offset + len(data) - 1) >> 1
        words = ixgbe_read_eeprom_buffer(hw, first, last - first + 1)
        raw = bytearray(b"".join(w.to_bytes(2, "little") for w in words))
        raw[offset & 1 : (offset & 1) + len(data)] = data
        for i in range(last - first + 1):
            ixgbe_write_eewr_generic(hw, first + i, raw[2 * i] | raw[2 * i + 1] << 8)
        ixgbe_update_eeprom_checksum(hw)

    # --- rings, channels, moderation ------------------------------------------------------------------------------
    def get_ringparam(self) -> RingParam:
        a = self._a()
        p = RingParam()
        p.rx_max_pending = p.tx_max_pending = IXGBE_MAX_DESC
        p.rx_pending = a.rx_ring[0].count
        p.tx_pending = a.tx_ring[0].count
        return p

    def set_ringparam(self, p: RingParam) -> None:
        """Clamped to 64..4096 and rounded up to a multiple of 8; a running port goes down and up.  Raises OSError."""
        a = self._a()
        if p.rx_mini_pending or p.rx_jumbo_pending:
            raise self._inval()
        rx = (min(max(p.rx_pending, IXGBE_MIN_DESC), IXGBE_MAX_DESC) + 7) // 8 * 8
        tx = (min(max(p.tx_pending, IXGBE_MIN_DESC), IXGBE_MAX_DESC) + 7) // 8 * 8
        if tx == a.tx_ring_count and rx == a.rx_ring_count:
            return
        begin_reset(a)
        try:
            if not self.netdev.running():
                for ring in a.tx_ring:
                    ring.count = tx
                for ring in a.rx_ring:
                    ring.count = rx
                a.tx_ring_count, a.rx_ring_count = tx, rx
                return
            _resize(a, rx, tx)
        finally:
            a.state &= ~STATE_RESETTING

    def _mixed(self) -> bool:
        q = self._a().q_vector[0]
        return bool(q.rx.rings and q.tx.rings)

    def get_coalesce(self) -> Coalesce:
        a = self._a()
        rx = a.rx_itr_setting
        v = {"rx-usecs": rx if rx <= 1 else rx >> 2}
        if not self._mixed():
            tx = a.tx_itr_setting
            v["tx-usecs"] = tx if tx <= 1 else tx >> 2
        return Coalesce(v)

    def set_coalesce(self, c: Coalesce) -> None:
        """0 off, 1 adaptive, else microseconds up to 1022; transmit values only where vectors are not shared.

        Raises OSError(EINVAL).
        """
        a = self._a()
        rx, tx = c.get("rx-usecs"), c.get("tx-usecs")
        mixed = self._mixed()
        if mixed and tx:
            raise self._inval()
        before = a.rx_itr_setting if mixed else a.tx_itr_setting
        if rx > r.MAX_EITR >> 2 or tx > r.MAX_EITR >> 2:
            raise self._inval()
        a.rx_itr_setting = rx << 2 if rx > 1 else rx
        rx_itr = IXGBE_20K_ITR if a.rx_itr_setting == 1 else a.rx_itr_setting
        a.tx_itr_setting = tx << 2 if tx > 1 else tx
        tx_itr = IXGBE_12K_ITR if a.tx_itr_setting == 1 else a.tx_itr_setting
        if mixed:
            a.tx_itr_setting = a.rx_itr_setting
        fast = a.tx_itr_setting != 1 and a.tx_itr_setting < IXGBE_100K_ITR
        was_fast = before != 1 and before < IXGBE_100K_ITR
        need_reset = fast != was_fast
        need_reset |= ixgbe_update_rsc(a)
        for q in a.q_vector:
            q.itr = tx_itr if q.tx.rings and not q.rx.rings else rx_itr
            ixgbe_write_eitr(q)
        if need_reset:
            ixgbe_do_reset(self.netdev)

    def get_channels(self) -> Channels:
        a = self._a()
        c = Channels()
        c.max_combined = ixgbe_max_channels(a)
        if a.flags & FLAG_MSIX_ENABLED:
            c.max_other = c.other_count = NON_Q_VECTORS
        c.combined_count = a.rss.indices
        if c.combined_count > 1 and a.atr_sample_rate:
            c.combined_count = a.fdir.indices
        return c

    def set_channels(self, c: Channels) -> None:
        """Queue pairs, up or down.  Raises OSError(EINVAL), or what opening again raises."""
        a = self._a()
        n = c.combined_count
        if not n or c.rx_count or c.tx_count or c.other_count != NON_Q_VECTORS or n > ixgbe_max_channels(a):
            raise self._inval()
        a.fdir.limit = n
        a.rss.limit = min(n, IXGBE_MAX_RSS_INDICES)
        ixgbe_setup_tc(self.netdev)

    # --- receive classification -----------------------------------------------------------------------------------
    def get_rx_rings(self) -> int:
        return self._a().num_rx_queues

    def get_rx_hash(self, flow_type: int) -> int:
        a = self._a()
        bits = 0
        if flow_type in (TCP_V4_FLOW, TCP_V6_FLOW):
            bits |= _L4
        if flow_type == UDP_V4_FLOW and a.flags2 & FLAG2_RSS_FIELD_IPV4_UDP:
            bits |= _L4
        if flow_type == UDP_V6_FLOW and a.flags2 & FLAG2_RSS_FIELD_IPV6_UDP:
            bits |= _L4
        if flow_type not in _V4_FLOWS and flow_type not in _V6_FLOWS:
            raise self._inval()
        return bits | _L3

    def set_rx_hash(self, flow_type: int, bits: int) -> None:
        """Ports of UDP in or out of the hash; everything else is as it is.  Raises OSError(EINVAL)."""
        a = self._a()
        if bits & ~(_L3 | _L4) or bits & _L3 != _L3:
            raise self._inval()
        l4 = bits & _L4
        flags2 = a.flags2
        if flow_type in (TCP_V4_FLOW, TCP_V6_FLOW):
            if l4 != _L4:
                raise self._inval()
        elif flow_type in (UDP_V4_FLOW, UDP_V6_FLOW):
            if l4 not in (0, _L4):
                raise self._inval()
            flag = FLAG2_RSS_FIELD_IPV4_UDP if flow_type == UDP_V4_FLOW else FLAG2_RSS_FIELD_IPV6_UDP
            flags2 = flags2 | flag if l4 else flags2 & ~flag
        elif flow_type in (AH_ESP_V4_FLOW, SCTP_V4_FLOW, AH_ESP_V6_FLOW, SCTP_V6_FLOW):
            if l4:
                raise self._inval()
        else:
            raise self._inval()
        if flags2 == a.flags2:
            return
        udp = FLAG2_RSS_FIELD_IPV4_UDP | FLAG2_RSS_FIELD_IPV6_UDP
        if flags2 & udp and not a.flags2 & udp:
            a.e_warn("enabling UDP RSS: fragmented packets may arrive out of order to the stack above")
        a.flags2 = flags2
        mrqc = a.hw.read(r.MRQC) & ~(r.MRQC_RSS_FIELD_IPV4_UDP | r.MRQC_RSS_FIELD_IPV6_UDP)
        a.hw.write(r.MRQC, mrqc | self.netdev.rss_fields(a))

    def get_rx_rule_count(self) -> tuple[int, int]:
        a = self._a()
        return len(a.fdir_filters), (1024 << a.fdir_pballoc) - 2

    def get_rx_rules(self) -> list[RxFlowSpec]:
        a = self._a()
        return [_fdir_spec(f, a.fdir_mask) for f in a.fdir_filters]

    def insert_rx_rule(self, spec: RxFlowSpec) -> int:
        return ixgbe_add_ethtool_fdir_entry(self._a(), spec)

    def delete_rx_rule(self, location: int) -> None:
        ixgbe_update_ethtool_fdir_entry(self._a(), None, location)

    def get_rxfh_indir_size(self) -> int:
        if self._a().old_release:
            raise self._no()
        return r.RETA_ENTRIES

    def get_rxfh_key_size(self) -> int:
        if self._a().old_release:
            raise self._no()
        return 40

    def get_rxfh(self) -> Rxfh:
        a = self._a()
        if a.old_release:
            raise self._no()
        tbl = a.rss_indir_tbl or [0] * r.RETA_ENTRIES
        return Rxfh([q & a.rss.mask for q in tbl], a.rss_key, ETH_RSS_HASH_TOP)

    def set_rxfh(self, x: Rxfh) -> None:
        """Raises OSError: EOPNOTSUPP (another hash), EINVAL (a queue that RSS cannot name)."""
        a = self._a()
        if a.old_release or x.hfunc not in (0, ETH_RSS_HASH_TOP):
            raise self._no()
        if x.indir is not None:
            top = min(a.num_rx_queues, IXGBE_MAX_RSS_INDICES)
            if any(q >= top for q in x.indir):
                raise self._inval()
            a.rss_indir_tbl = list(x.indir)
            ixgbe_store_reta(a)
        if x.key is not None:
            a.rss_key = bytes(x.key)
            ixgbe_store_key(a)

    # --- statistics, strings, flags, tests ------------------------------------------------------------------------
    def _names(self) -> list[str]:
        if self._a().old_release:
            return [n for n in STAT_NAMES if n not in _NOT_3_13]
        return list(STAT_NAMES)

    def get_sset_count(self, sset: int) -> int:
        return len(self.get_strings(sset))

    def get_strings(self, sset: int) -> list[str]:
        if sset == ETH_SS_TEST:
            return list(TEST_NAMES)
        if sset == ETH_SS_PRIV_FLAGS and not self._a().old_release:
            return list(PRIV_FLAGS)
        if sset != ETH_SS_STATS:
            raise self._no()
        names = self._names()
        queues = len(self.netdev.tx_queues)
        for kind in ("tx", "rx"):
            for i in range(queues):
                names += ["%s_queue_%d_packets" % (kind, i), "%s_queue_%d_bytes" % (kind, i)]
        for kind in ("tx", "rx"):
            for i in range(8):
                names += ["%s_pb_%d_pxon" % (kind, i), "%s_pb_%d_pxoff" % (kind, i)]
        return names

    def get_ethtool_stats(self) -> list[int]:
        a = self._a()
        ixgbe_update_stats(a)
        n = dev_get_stats(self.netdev)
        s = a.stats
        values = {
            "rx_packets": n.rx_packets,
            "tx_packets": n.tx_packets,
            "rx_bytes": n.rx_bytes,
            "tx_bytes": n.tx_bytes,
            "rx_pkts_nic": s.gprc,
            "tx_pkts_nic": s.gptc,
            "rx_bytes_nic": s.gorc,
            "tx_bytes_nic": s.gotc,
            "lsc_int": a.lsc_int,
            "tx_busy": a.tx_busy,
            "non_eop_descs": a.non_eop_descs,
            "rx_errors": n.rx_errors,
            "tx_errors": n.tx_errors,
            "rx_dropped": n.rx_dropped,
            "tx_dropped": n.tx_dropped,
            "multicast": n.multicast,
            "broadcast": s.bprc,
            "collisions": n.collisions,
            "rx_over_errors": n.rx_over_errors,
            "rx_crc_errors": n.rx_crc_errors,
            "rx_frame_errors": n.rx_frame_errors,
            "hw_rsc_aggregated": a.rsc_total_count,
            "hw_rsc_flushed": a.rsc_total_flush,
            "fdir_match": s.fdirmatch,
            "fdir_miss": s.fdirmiss,
            "fdir_overflow": a.fdir_overflow,
            "rx_fifo_errors": n.rx_fifo_errors,
            "rx_missed_errors": n.rx_missed_errors,
            "tx_timeout_count": a.tx_timeout_count,
            "tx_restart_queue": a.restart_queue,
            "rx_length_errors": s.rlec,
            "rx_long_length_errors": s.roc,
            "rx_short_length_errors": s.ruc,
            "tx_flow_control_xon": s.lxontxc,
            "rx_flow_control_xon": s.lxonrxc,
            "tx_flow_control_xoff": s.lxofftxc,
            "rx_flow_control_xoff": s.lxoffrxc,
            "rx_csum_offload_errors": a.hw_csum_rx_error,
            "alloc_rx_page": a.alloc_rx_page,
            "alloc_rx_page_failed": a.alloc_rx_page_failed,
            "alloc_rx_buff_failed": a.alloc_rx_buff_failed,
            "rx_no_dma_resources": a.hw_rx_no_dma_resources,
            "os2bmc_rx_by_bmc": s.o2bgptc,
            "os2bmc_tx_by_bmc": s.b2ospc,
            "os2bmc_tx_by_host": s.o2bspc,
            "os2bmc_rx_by_host": s.b2ogprc,
        }
        # what is not in the table has nothing to count here: other chips, other units, time stamps
        out = [values.get(name, 0) for name in self._names()]
        queues = len(self.netdev.tx_queues)
        for rings in (a.tx_ring, a.rx_ring):
            for i in range(queues):
                out += [rings[i].packets, rings[i].bytes] if i < len(rings) else [0, 0]
        for on, off in ((s.pxontxc, s.pxofftxc), (s.pxonrxc, s.pxoffrxc)):
            for i in range(8):
                out += [on[i], off[i]]
        return out

    def get_priv_flags(self) -> int:
        a = self._a()
        if a.old_release:
            raise self._no()
        return PRIV_FLAGS_LEGACY_RX if a.flags2 & FLAG2_RX_LEGACY else 0

    def set_priv_flags(self, flags: int) -> None:
        """legacy-rx; the other two are about virtual functions.  Raises OSError(EOPNOTSUPP)."""
        a = self._a()
        if a.old_release:
            raise self._no()
        if flags & ~PRIV_FLAGS_LEGACY_RX:
            a.e_info("Cannot set private flags: Operation not supported")
            raise linux_error(EOPNOTSUPP, self.netdev.name)
        flags2 = a.flags2 & ~FLAG2_RX_LEGACY | (FLAG2_RX_LEGACY if flags & PRIV_FLAGS_LEGACY_RX else 0)
        if flags2 != a.flags2:
            a.flags2 = flags2
            if self.netdev.running():
                ixgbe_reinit_locked(a)

    def get_ts_info(self) -> TsInfo:
        return TsInfo(
            [
                "hardware-transmit",
                "software-transmit",
                "hardware-receive",
                "software-receive",
                "software-system-clock",
                "hardware-raw-clock",
            ],
            0,
            ["off", "on"],
            ["none", "ptpv1-l4-sync", "ptpv1-l4-delay-req", "ptpv2-event"],
        )

    def self_test(self, flags: int) -> TestResult:
        return ixgbe_diag_test(self.netdev, flags)


_ATR_OF_FLOW: Final = {
    TCP_V4_FLOW: ATR_FLOW_TYPE_TCPV4,
    UDP_V4_FLOW: ATR_FLOW_TYPE_UDPV4,
    SCTP_V4_FLOW: ATR_FLOW_TYPE_SCTPV4,
}
_ATR_OF_PROTO: Final = {6: ATR_FLOW_TYPE_TCPV4, 17: ATR_FLOW_TYPE_UDPV4, 132: ATR_FLOW_TYPE_SCTPV4}
_FLOW_OF_ATR: Final = {v: k for k, v in _ATR_OF_FLOW.items()} | {ATR_FLOW_TYPE_IPV4: IP_USER_FLOW}


def _fdir_spec(f: FdirFilter, mask: AtrInput) -> RxFlowSpec:
    """ixgbe_get_ethtool_fdir_entry: always with the extended fields."""
    flow = _FLOW_OF_ATR[f.filter.flow_type]

    def fields(x: AtrInput) -> dict[str, int]:
        v = {"src-ip": x.src_ip, "dst-ip": x.dst_ip, "vlan": x.vlan_id, "vlan-etype": x.flex_bytes}
        if flow == IP_USER_FLOW:
            v["l4data"] = x.src_port << 16 | x.dst_port
        else:
            v |= {"src-port": x.src_port, "dst-port": x.dst_port}
        return v | {"user-def": x.vm_pool}

    action = -1 if f.action == r.FDIR_DROP_QUEUE else f.action
    return RxFlowSpec(flow, fields(f.filter), fields(mask), action, f.sw_idx)


def _atr_input(v: dict[str, int]) -> AtrInput:
    x = AtrInput()
    x.src_ip = v.get("src-ip", 0)
    x.dst_ip = v.get("dst-ip", 0)
    l4data = v.get("l4data", 0)  # where the ports are in a rule for TCP
    x.src_port = v.get("src-port", l4data >> 16)
    x.dst_port = v.get("dst-port", l4data & 0xFFFF)
    x.vm_pool = v.get("user-def", 0) & 0xFF
    x.vlan_id = v.get("vlan", 0)
    x.flex_bytes = v.get("vlan-etype", 0)
    return x


def ixgbe_flowspec_to_flow_type(spec: RxFlowSpec) -> int:
    """The filter's flow type, -1 for one that Flow Director does not have."""
    if spec.flow_type == IP_USER_FLOW:
        proto = spec.values.get("l4proto", 0)
        if not proto and not spec.masks.get("l4proto", 0):
            return ATR_FLOW_TYPE_IPV4
        return _ATR_OF_PROTO.get(proto, -1)
    return _ATR_OF_FLOW.get(spec.flow_type, -1)


def ixgbe_add_ethtool_fdir_entry(a: IxgbeAdapter, spec: RxFlowSpec) -> int:
    """-N: a perfect match filter; all of them share one mask.  Raises OSError: EOPNOTSUPP (ntuple is off), EINVAL."""
    if not a.flags & FLAG_FDIR_PERFECT_CAPABLE:
        raise linux_error(EOPNOTSUPP, a.netdev.name)
    bad = linux_error(EINVAL, a.netdev.name)
    queue = r.FDIR_DROP_QUEUE
    if spec.ring_cookie >= 0:
        if spec.ring_cookie >= a.num_rx_queues:
            raise bad
        queue = a.rx_ring[spec.ring_cookie].reg_idx
    if not 0 <= spec.location < (1024 << a.fdir_pballoc) - 2:
        a.e_err("Location out of range")
        raise bad
    flow_type = ixgbe_flowspec_to_flow_type(spec)
    if flow_type < 0:
        a.e_err("Unrecognized flow type")
        raise bad
    flow = _atr_input(spec.values)
    flow.flow_type = flow_type
    mask = _atr_input(spec.masks)
    mask.flow_type = ATR_L4TYPE_IPV6_MASK | (ATR_L4TYPE_MASK if flow_type != ATR_FLOW_TYPE_IPV4 else 0)
    if not a.fdir_filters:
        a.fdir_mask = mask
        try:
            ixgbe_fdir_set_input_mask_82599(a.hw, mask)
        except OSError:
            a.e_err("Error writing mask")
            raise bad from None
    elif a.fdir_mask.fields() != mask.fields():
        a.e_err("Only one mask supported per port")
        raise bad
    ixgbe_atr_compute_perfect_hash_82599(flow, mask)
    try:
        ixgbe_fdir_write_perfect_filter_82599(a.hw, flow, spec.location, queue)
    except OSError:
        raise bad from None
    action = spec.ring_cookie if spec.ring_cookie >= 0 else r.FDIR_DROP_QUEUE
    ixgbe_update_ethtool_fdir_entry(a, FdirFilter(flow, spec.location, action), spec.location)
    return spec.location


def ixgbe_update_ethtool_fdir_entry(a: IxgbeAdapter, new: FdirFilter | None, sw_idx: int) -> None:
    """Put a rule in its place, or take it out.  Raises OSError(EINVAL): there is none to take out."""
    old = next((f for f in a.fdir_filters if f.sw_idx == sw_idx), None)
    if old is not None:
        if new is None or old.filter.bkt_hash != new.filter.bkt_hash:
            ixgbe_fdir_erase_perfect_filter_82599(a.hw, old.filter, sw_idx)
        a.fdir_filters.remove(old)
    elif new is None:
        raise linux_error(EINVAL, a.netdev.name)
    if new is not None:
        a.fdir_filters.append(new)
        a.fdir_filters.sort(key=_by_index)


def _by_index(f: FdirFilter) -> int:
    return f.sw_idx


def ixgbe_max_channels(a: IxgbeAdapter) -> int:
    """No more than CPUs: 63 with Flow Director's hash filters, 16 with RSS alone, 1 without MSI-X."""
    if not a.flags & FLAG_MSIX_ENABLED:
        return 1
    return min(IXGBE_MAX_FDIR_INDICES if a.atr_sample_rate else IXGBE_MAX_RSS_INDICES, a.online_cpus())


def ixgbe_update_rsc(a: IxgbeAdapter) -> bool:
    """Coalescing in hardware needs time between interrupts: on or off as the setting allows; True: reset."""
    if not a.flags2 & FLAG2_RSC_CAPABLE or not a.netdev.features & NETIF_F_LRO:
        return False
    if a.rx_itr_setting == 1 or a.rx_itr_setting > IXGBE_MIN_RSC_ITR:
        if not a.flags2 & FLAG2_RSC_ENABLED:
            a.flags2 |= FLAG2_RSC_ENABLED
            a.e_info("rx-usecs value high enough to re-enable RSC")
            return True
    elif a.flags2 & FLAG2_RSC_ENABLED:
        a.flags2 &= ~FLAG2_RSC_ENABLED
        a.e_info("rx-usecs set too low, disabling RSC")
        return True
    return False


def _resize(a: IxgbeAdapter, rx: int, tx: int) -> None:
    """Down, new rings beside the old ones, then the old ones go; when memory is short the old ones stay."""
    ixgbe_down(a)
    try:
        if tx != a.tx_ring_count:
            new: list[IxgbeRing] = []
            try:
                for i in range(a.num_tx_queues):
                    ring = IxgbeRing(a, tx, i)
                    ixgbe_setup_tx_resources(ring)
                    new.append(ring)
            except OSError:
                for ring in reversed(new):
                    ixgbe_free_tx_resources(ring)
                raise
            for old, ring in zip(a.tx_ring, new, strict=True):
                ixgbe_free_tx_resources(old)
                old.take_over(ring)
            a.tx_ring_count = tx
        if rx != a.rx_ring_count:
            new = []
            try:
                for i in range(a.num_rx_queues):
                    ring = IxgbeRing(a, rx, i)
                    ixgbe_setup_rx_resources(a, ring)
                    new.append(ring)
            except OSError:
                for ring in reversed(new):
                    ixgbe_free_rx_resources(ring)
                raise
            for old, ring in zip(a.rx_ring, new, strict=True):
                ixgbe_free_rx_resources(old)
                old.take_over(ring)
            a.rx_ring_count = rx
    finally:
        ixgbe_up(a)


# --- self tests -------------------------------------------------------------------------------------------------


def reg_pattern_test(a: IxgbeAdapter, off: int, mask: int, write: int) -> bool:
    """Four patterns; True when one comes back wrong."""
    hw = a.hw
    for pat in (0x5A5A5A5A, 0xA5A5A5A5, 0x00000000, 0xFFFFFFFF):
        before = hw.read(off)
        hw.write(off, pat & write)
        val = hw.read(off)
        hw.write(off, before)
        if val != pat & write & mask:
            a.e_err("pattern test reg %04X failed: got 0x%08X expected 0x%08X" % (off, val, pat & write & mask))
            return True
    return False


def ixgbe_reg_test(a: IxgbeAdapter) -> int:
    """0, or the register that failed (1: STATUS)."""
    hw = a.hw
    toggle = 0x7FFFF30F
    before = hw.read(r.STATUS)
    hw.write(r.STATUS, toggle)
    if hw.read(r.STATUS) & toggle != before & toggle:
        a.e_err("failed STATUS register test")
        return 1
    hw.write(r.STATUS, before)
    four = range(4)
    for off, mask, write in (
        (r.FCRTL(0), 0x8007FFF0, 0x8007FFF0),
        (r.FCRTH(0), 0x8007FFF0, 0x8007FFF0),
        (r.PFCTOP, M32, M32),
        (r.VLNCTRL, 0, 0),
        *((r.RDBAL(i), 0xFFFFFF80, 0xFFFFFF80) for i in four),
        *((r.RDBAH(i), M32, M32) for i in four),
        *((r.RDLEN(i), 0x000FFF80, 0x000FFFFF) for i in four),
    ):
        if reg_pattern_test(a, off, mask, write):
            return off
    for i in four:
        hw.write(r.RXDCTL(i), r.RXDCTL_ENABLE)
    for i in four:
        if reg_pattern_test(a, r.RDT(i), 0xFFFF, 0xFFFF):
            return r.RDT(i)
    for i in four:
        hw.write(r.RXDCTL(i), 0)
    for off, mask, write in (
        (r.FCTTV(0), M32, M32),
        *((r.TDBAL(i), 0xFFFFFF80, M32) for i in four),
        *((r.TDBAH(i), M32, M32) for i in four),
        *((r.TDLEN(i), 0x000FFF80, 0x000FFF80) for i in four),
        *((r.RAL(i), M32, M32) for i in range(16)),
        *((r.RAH(i), 0x8001FFFF, 0x800CFFFF) for i in range(16)),
        *((r.MTA(i), M32, M32) for i in range(128)),
    ):
        if reg_pattern_test(a, off, mask, write):
            return off
    return 0


def ixgbe_eeprom_test(a: IxgbeAdapter) -> int:
    try:
        return 0 if ixgbe_validate_eeprom_checksum(a.hw) else 1
    except OSError:
        return 1


def ixgbe_test_intr(irq: int, data: object) -> int:
    assert isinstance(data, IxgbeAdapter)
    data.test_icr |= data.hw.read(r.EICR)
    return IRQ_HANDLED


def ixgbe_intr_test(a: IxgbeAdapter) -> int:
    """Every queue cause by itself; with MSI-X nothing is tested."""
    if a.msix_entries:
        return 0
    hw = a.hw
    irqs = a.pdev.kernel.irq
    irq = a.pdev.irq
    shared = False
    try:
        irqs.request_irq(irq, ixgbe_test_intr, 0, a.netdev.name, a)
    except OSError:
        if a.flags & FLAG_MSI_ENABLED:
            return 1
        try:
            irqs.request_irq(irq, ixgbe_test_intr, IRQF_SHARED, a.netdev.name, a)
            shared = True
        except OSError:
            return 1
    a.e_info("testing %s interrupt" % ("shared" if shared else "unshared"))
    hw.write(r.EIMC, M32)
    hw.flush()
    usleep_range(hw.kernel, 10000, 20000)
    result = 0
    for i in range(10):
        mask = 1 << i
        if not shared:
            a.test_icr = 0
            hw.write(r.EIMC, ~mask & 0x7FFF)
            hw.write(r.EICS, ~mask & 0x7FFF)
            hw.flush()
            usleep_range(hw.kernel, 10000, 20000)
            if a.test_icr & mask:
                result = 3
                break
        a.test_icr = 0
        hw.write(r.EIMS, mask)
        hw.write(r.EICS, mask)
        hw.flush()
        usleep_range(hw.kernel, 10000, 20000)
        if not a.test_icr & mask:
            result = 4
            break
        if not shared:
            a.test_icr = 0
            hw.write(r.EIMC, M32)
            hw.write(r.EICS, ~mask & 0x7FFF)
            hw.flush()
            usleep_range(hw.kernel, 10000, 20000)
            if a.test_icr:
                result = 5
                break
    hw.write(r.EIMC, M32)
    hw.flush()
    usleep_range(hw.kernel, 10000, 20000)
    irqs.free_irq(irq, a)
    return result


def ixgbe_loopback_frame(size: int) -> bytes:
    data = bytearray(b"\xff" * (size // 2) + b"\xaa" * (size // 2))
    data[size // 2 + 10] = 0xBE
    data[size // 2 + 12] = 0xAF
    return bytes(data)


def ixgbe_loopback_test(a: IxgbeAdapter) -> int:
    """MAC loopback through rings of its own: 2 times the larger ring, in bursts of 64; 0, 4, 12 or 13."""
    hw = a.hw
    tx = IxgbeRing(a, IXGBE_DEFAULT_TXD, 0)
    rx = IxgbeRing(a, IXGBE_DEFAULT_RXD, 0)
    rx.bufsz = a.rx_ring[0].bufsz
    rx.frag_truesize = a.rx_ring[0].frag_truesize
    a.test_tx_ring, a.test_rx_ring = tx, rx
    try:
        ixgbe_setup_tx_resources(tx)
        hw.write(r.DMATXCTL, hw.read(r.DMATXCTL) | r.DMATXCTL_TE)
        ixgbe_configure_tx_ring(a, tx)
        ixgbe_setup_rx_resources(a, rx)
        ixgbe_disable_rx_generic(hw)
        ixgbe_configure_rx_ring(a, rx)
        hw.write(r.RXCTRL, hw.read(r.RXCTRL) | r.RXCTRL_DMBYPS)
        ixgbe_enable_rx_generic(hw)
        hw.write(r.HLREG0, hw.read(r.HLREG0) | r.HLREG0_LPBK)
        hw.write(r.FCTRL, hw.read(r.FCTRL) | r.FCTRL_BAM | r.FCTRL_SBP | r.FCTRL_MPE)
        if hw.copper():
            hw.write(r.MACC, hw.read(r.MACC) | r.MACC_FLU)
        else:
            hw.write(r.AUTOC, hw.orig_autoc | r.AUTOC_FLU)
        hw.flush()
        usleep_range(hw.kernel, 10000, 20000)
        result = _loopback_run(a, tx, rx)
        hw.write(r.HLREG0, hw.read(r.HLREG0) & ~r.HLREG0_LPBK)
        return result
    except OSError:
        return 4
    finally:
        ixgbe_disable_rx(a)
        ixgbe_disable_tx(a)
        hw.write(r.RXDCTL(0), 0)
        hw.write(r.TXDCTL(0), 0)
        ixgbe_reset(a)
        for info in tx.tx:
            ixgbe_unmap_tx(tx, info)
        ixgbe_free_tx_resources(tx)
        ixgbe_free_rx_resources(rx)
        a.test_tx_ring = a.test_rx_ring = None


def _loopback_run(a: IxgbeAdapter, tx: IxgbeRing, rx: IxgbeRing) -> int:
    hw = a.hw
    mem = a.pdev.kernel.memory
    size = 1024
    frame = ixgbe_loopback_frame(size)
    for _ in range(max(tx.count, rx.count) // 64 * 2 + 1):
        for _k in range(64):
            i = tx.next_to_use
            info = tx.tx[i]
            b = mem.alloc(2048)
            b.view[:size] = frame
            info.buf = b
            info.dma = dma_map_page_attrs(mem, b, 0, size, DMA_TO_DEVICE)
            info.length = size
            struct.pack_into(
                "<QII",
                tx.view,
                i << 4,
                info.dma,
                r.ADVTXD_DTYP_DATA | r.TXD_CMD_DEXT | r.TXD_CMD_IFCS | r.TXD_CMD_EOP | r.TXD_CMD_RS | size,
                size << r.ADVTXD_PAYLEN_SHIFT,
            )
            tx.next_to_use = i + 1 if i + 1 < tx.count else 0
        hw.write(tx.tail, tx.next_to_use)
        msleep(hw.kernel, 200)
        good = 0
        sent = 0
        while sent < 64 and tx.view[(tx.next_to_clean << 4) + 12] & 1:
            tx.view[(tx.next_to_clean << 4) + 12] = 0
            ixgbe_unmap_tx(tx, tx.tx[tx.next_to_clean])
            tx.next_to_clean = tx.next_to_clean + 1 if tx.next_to_clean + 1 < tx.count else 0
            sent += 1
        done = 0
        while struct.unpack_from("<H", rx.view, (rx.next_to_clean << 4) + 12)[0]:
            b0 = rx.bufs[rx.next_to_clean]
            assert b0 is not None
            half = size // 2
            if b0.view[3] == 0xFF and b0.view[half + 10] == 0xBE and b0.view[half + 12] == 0xAF:
                good += 1
            rx.next_to_clean = rx.next_to_clean + 1 if rx.next_to_clean + 1 < rx.count else 0
            done += 1
            if done == 64:
                break
        ixgbe_alloc_rx_buffers(rx, done)
        if sent != 64:
            return 12
        if good != 64:
            return 13
    return 0


def ixgbe_link_test(a: IxgbeAdapter) -> int:
    return 0 if ixgbe_check_mac_link_generic(a.hw)[1] else 1


def ixgbe_diag_test(netdev: IxgbeNetDevice, flags: int) -> TestResult:
    """The five tests; offline ones take the port down and bring it up again."""
    a = netdev.priv()
    running = netdev.running()
    data = [0] * 5
    a.state |= STATE_TESTING
    if flags == ETH_TEST_FL_OFFLINE:
        a.e_info("offline testing starting")
        data[4] = ixgbe_link_test(a)
        if running:
            ixgbe_close(netdev)
        else:
            ixgbe_reset(a)
        a.e_info("register testing starting")
        data[0] = ixgbe_reg_test(a)
        ixgbe_reset(a)
        a.e_info("eeprom testing starting")
        data[1] = ixgbe_eeprom_test(a)
        ixgbe_reset(a)
        a.e_info("interrupt testing starting")
        data[2] = ixgbe_intr_test(a)
        ixgbe_reset(a)
        a.e_info("loopback testing starting")
        data[3] = ixgbe_loopback_test(a)
        ixgbe_reset(a)
        a.state &= ~STATE_TESTING
        if running:
            ixgbe_open(netdev)
    else:
        a.e_info("online testing starting")
        data[4] = ixgbe_link_test(a)
        a.state &= ~STATE_TESTING
    if any(data):
        flags |= ETH_TEST_FL_FAILED
    if flags & ETH_TEST_FL_OFFLINE:
        msleep(a.pdev.kernel, 4000)
    return TestResult(flags, data)


__all__ = ["PRIV_FLAGS", "STAT_NAMES", "TEST_NAMES", "IxgbeEthtoolOps"]
