"""igb's ethtool operations.

What lives here: the operations of igb_ethtool.c with their self tests.  What does not: checks that the core makes
(net/core/ethtool.py) and the text that is printed (tools/).
Facts: igb/igb_ethtool.c of 6.1; output seen with the unmodified driver on 6.1.
"""

from __future__ import annotations

import struct
from typing import Final

from rxpath.drivers.igb.hw import (
    MII_CR_LOOPBACK,
    PHY_CONTROL,
    IgbHw,
    igb_check_for_copper_link,
    igb_check_reset_block,
    igb_force_mac_fc,
    igb_phy_sw_reset,
    igb_read_nvm_eerd,
    igb_read_phy_reg,
    igb_validate_nvm_checksum,
    igb_write_phy_reg,
)
from rxpath.drivers.igb.igb import (
    FC_DEFAULT,
    FC_FULL,
    FC_RX_PAUSE,
    FC_TX_PAUSE,
    HW_STATS,
    IGB_FLAG_HAS_MSI,
    IGB_FLAG_HAS_MSIX,
    IGB_FLAG_QUEUE_PAIRS,
    IGB_FLAG_RSS_FIELD_IPV4_UDP,
    IGB_FLAG_RSS_FIELD_IPV6_UDP,
    IGB_FLAG_RX_LEGACY,
    IGB_FLAG_WOL_SUPPORTED,
    IGB_MAX_ITR_USECS,
    IGB_MAX_RXD,
    IGB_MAX_RXNFC_FILTERS,
    IGB_MAX_TXD,
    IGB_MIN_ITR_USECS,
    IGB_MIN_RXD,
    IGB_MIN_RXD_3_13,
    IGB_MIN_TXD,
    IGB_RETA_SIZE,
    IGB_RX_HDR_LEN,
    IGB_START_ITR,
    MAC_82576,
    MAC_I350,
    NON_Q_VECTORS,
    REQ_DESCRIPTOR_MULTIPLE,
    STATE_RESETTING,
    STATE_TESTING,
    WUFC_BC,
    WUFC_EX,
    WUFC_LNKC,
    WUFC_MAG,
    WUFC_MC,
    IgbAdapter,
    IgbRing,
    NfcFilter,
)
from rxpath.drivers.igb.main import (
    DRIVER_NAME,
    IgbNetDevice,
    _begin_reset,
    igb_add_filter,
    igb_alloc_rx_buffers,
    igb_close,
    igb_configure_rx_ring,
    igb_configure_tx_ring,
    igb_down,
    igb_erase_filter,
    igb_free_rx_resources,
    igb_free_tx_resources,
    igb_get_max_rss_queues,
    igb_open,
    igb_power_up_link,
    igb_reinit_locked,
    igb_reinit_queues,
    igb_reset,
    igb_set_flag_queue_pairs,
    igb_set_rx_buffer_len,
    igb_setup_rctl,
    igb_setup_rx_resources,
    igb_setup_srrctl,
    igb_setup_tctl,
    igb_setup_tx_resources,
    igb_up,
    igb_update_stats,
    igb_write_rss_indir_tbl,
)
from rxpath.drivers.lib import msleep, usleep_range
from rxpath.hw.memory import DMA_TO_DEVICE
from rxpath.hw.regs import igb as r
from rxpath.kernel.errno import EEXIST, EFAULT, EINVAL, ENOTSUP, EOPNOTSUPP, linux_error
from rxpath.kernel.irq import IRQ_HANDLED, IRQF_SHARED
from rxpath.net.core.ethtool import (
    AH_ESP_V4_FLOW,
    AH_ESP_V6_FLOW,
    AUTONEG_DISABLE,
    AUTONEG_ENABLE,
    DUPLEX_FULL,
    DUPLEX_HALF,
    ETH_RSS_HASH_TOP,
    ETH_SS_PRIV_FLAGS,
    ETH_SS_STATS,
    ETH_SS_TEST,
    ETH_TEST_FL_FAILED,
    ETH_TEST_FL_OFFLINE,
    ETH_TP_MDI,
    ETH_TP_MDI_AUTO,
    ETH_TP_MDI_X,
    IPV4_FLOW,
    IPV6_FLOW,
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
    WAKE_ARP,
    WAKE_BCAST,
    WAKE_MAGIC,
    WAKE_MCAST,
    WAKE_PHY,
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
from rxpath.net.core.netdevice import NETIF_F_NTUPLE

M32: Final = 0xFFFFFFFF
ETHER_FLOW: Final = 0x12
IGB_REGS_LEN: Final = 740
UDP_RSS_FLAGS: Final = IGB_FLAG_RSS_FIELD_IPV4_UDP | IGB_FLAG_RSS_FIELD_IPV6_UDP

GLOBAL_STATS: Final[tuple[tuple[str, str], ...]] = (
    ("rx_packets", "gprc"),
    ("tx_packets", "gptc"),
    ("rx_bytes", "gorc"),
    ("tx_bytes", "gotc"),
    ("rx_broadcast", "bprc"),
    ("tx_broadcast", "bptc"),
    ("rx_multicast", "mprc"),
    ("tx_multicast", "mptc"),
    ("multicast", "mprc"),
    ("collisions", "colc"),
    ("rx_crc_errors", "crcerrs"),
    ("rx_no_buffer_count", "rnbc"),
    ("rx_missed_errors", "mpc"),
    ("tx_aborted_errors", "ecol"),
    ("tx_carrier_errors", "tncrs"),
    ("tx_window_errors", "latecol"),
    ("tx_abort_late_coll", "latecol"),
    ("tx_deferred_ok", "dc"),
    ("tx_single_coll_ok", "scc"),
    ("tx_multi_coll_ok", "mcc"),
    ("tx_timeout_count", ""),
    ("rx_long_length_errors", "roc"),
    ("rx_short_length_errors", "ruc"),
    ("rx_align_errors", "algnerrc"),
    ("tx_tcp_seg_good", "tsctc"),
    ("tx_tcp_seg_failed", "tsctfc"),
    ("rx_flow_control_xon", "xonrxc"),
    ("rx_flow_control_xoff", "xoffrxc"),
    ("tx_flow_control_xon", "xontxc"),
    ("tx_flow_control_xoff", "xofftxc"),
    ("rx_long_byte_count", "gorc"),
    ("tx_dma_out_of_sync", "doosync"),
    ("tx_smbus", "mgptc"),
    ("rx_smbus", "mgprc"),
    ("dropped_smbus", "mgpdc"),
    ("os2bmc_rx_by_bmc", ""),
    ("os2bmc_tx_by_bmc", ""),
    ("os2bmc_tx_by_host", ""),
    ("os2bmc_rx_by_host", ""),
    ("tx_hwtstamp_timeouts", ""),
    ("tx_hwtstamp_skipped", ""),
    ("rx_hwtstamp_cleared", ""),
)
"""Names in the driver's order, and the field of HwStats behind each ("" = the adapter's own)."""

NET_STATS: Final = (
    "rx_errors",
    "tx_errors",
    "tx_dropped",
    "rx_length_errors",
    "rx_over_errors",
    "rx_frame_errors",
    "rx_fifo_errors",
    "tx_fifo_errors",
    "tx_heartbeat_errors",
)
TX_QUEUE_STATS: Final = ("packets", "bytes", "restart")
RX_QUEUE_STATS: Final = ("packets", "bytes", "drops", "csum_err", "alloc_failed")

TEST_NAMES: Final = (
    "Register test  (offline)",
    "Eeprom test    (offline)",
    "Interrupt test (offline)",
    "Loopback test  (offline)",
    "Link test   (on/offline)",
)
PRIV_FLAGS: Final = ("legacy-rx",)

_COPPER_MODES: Final = ("10baseT/Half", "10baseT/Full", "100baseT/Half", "100baseT/Full", "1000baseT/Full")
_ADVERTISED: Final = {
    0x01: "10baseT/Half",
    0x02: "10baseT/Full",
    0x04: "100baseT/Half",
    0x08: "100baseT/Full",
    0x20: "1000baseT/Full",
}
_WUFC_WAKE: Final = (
    (WUFC_EX, WAKE_UCAST),
    (WUFC_MC, WAKE_MCAST),
    (WUFC_BC, WAKE_BCAST),
    (WUFC_MAG, WAKE_MAGIC),
    (WUFC_LNKC, WAKE_PHY),
)
_V4: Final = (TCP_V4_FLOW, UDP_V4_FLOW, SCTP_V4_FLOW, AH_ESP_V4_FLOW, IPV4_FLOW)
_V6: Final = (TCP_V6_FLOW, UDP_V6_FLOW, SCTP_V6_FLOW, AH_ESP_V6_FLOW, IPV6_FLOW)

_DUMP_HEAD: Final = (
    *(r.CTRL, r.STATUS, r.CTRL_EXT, r.MDIC, r.SCTL, r.CONNSW, r.VET, r.LEDCTL, r.PBA, r.PBS, r.FRTIMER, r.TCPTIMER),
    *(r.EECD, r.EICS, r.EICS, r.EIMS, r.EIMC, r.EIAC, r.EIAM, r.ICS, r.ICS, r.IMS, r.IMC, 0x4100, r.IAM, r.IMIRVP),
    *(r.FCAL, r.FCAH, r.FCTTV, r.FCRTL, r.FCRTH, r.FCRTV, r.RCTL, r.RXCSUM, r.RLPML, r.RFCTL, r.MRQC, r.VT_CTL),
    *(r.TCTL, r.TCTL_EXT, r.TIPG, r.DTXCTL, r.WUC, r.WUFC, r.WUS, r.IPAV, r.WUPL, r.PCS_CFG0, r.PCS_LCTL),
    *(r.PCS_LSTAT, r.PCS_ANADV, 0x421C, 0x4220, 0x4224),
)
"""Words 0..53 of the register dump."""


class IgbEthtoolOps(EthtoolOps):
    """igb_ethtool_ops."""

    __slots__ = ("netdev",)

    def __init__(self, netdev: IgbNetDevice) -> None:
        super().__init__(netdev)
        self.netdev = netdev
        self.supported_coalesce = ("rx-usecs", "tx-usecs")

    def _a(self) -> IgbAdapter:
        return self.netdev.priv()

    # --- identity and link ----------------------------------------------------------------------------------
    def get_drvinfo(self, info: DrvInfo) -> None:
        a = self._a()
        info.driver = DRIVER_NAME
        if a.old_release:
            info.version = "5.0.5-k"
        info.fw_version = a.fw_version
        info.bus_info = a.pdev.name

    def get_link(self) -> bool:
        """The carrier; while it is off the next look asks the chip."""
        if not self.netdev.carrier_ok:
            self._a().the_hw().get_link_status = True
            igb_check_for_copper_link(self._a().the_hw())
            return not self._a().the_hw().get_link_status and self.netdev.running()
        return True

    def get_link_ksettings(self) -> LinkSettings:
        a = self._a()
        hw = a.the_hw()
        s = LinkSettings()
        s.supported = [*_COPPER_MODES, "Autoneg", "TP", "Pause"]
        s.advertising = ["TP"]
        if hw.autoneg:
            s.advertising += [
                "Autoneg",
                *(m for bit, m in _ADVERTISED.items() if hw.autoneg_advertised & bit),
            ]
        mode = hw.fc.requested_mode
        if mode in (FC_FULL, FC_RX_PAUSE):
            s.advertising.append("Pause")
        if mode in (FC_RX_PAUSE, FC_TX_PAUSE):
            s.advertising.append("Asym_Pause")
        s.port = PORT_TP
        s.phy_address = hw.phy_addr
        status = hw.rd32(r.STATUS)
        if status & r.STATUS_LU:
            s.speed = 1000 if status & r.STATUS_SPEED_1000 else 100 if status & r.STATUS_SPEED_100 else 10
            s.duplex = DUPLEX_FULL if status & r.STATUS_FD else DUPLEX_HALF
        s.autoneg = AUTONEG_ENABLE if hw.autoneg else AUTONEG_DISABLE
        s.mdix = ETH_TP_MDI_X if hw.is_mdix else ETH_TP_MDI
        s.mdix_ctrl = hw.mdix if hw.mdix else ETH_TP_MDI_AUTO
        return s

    def set_link_ksettings(self, s: LinkSettings) -> None:
        """Autonegotiation with a set of modes, or 10 and 100 Mbit/s by hand.  Raises OSError(EINVAL)."""
        a = self._a()
        hw = a.the_hw()
        if igb_check_reset_block(hw):
            a.pdev.err("Cannot change link characteristics when SoL/IDER is active.")
            raise linux_error(EINVAL, a.netdev.name)
        if s.mdix_ctrl and s.mdix_ctrl != ETH_TP_MDI_AUTO and s.autoneg != AUTONEG_ENABLE:
            a.pdev.err("forcing MDI/MDI-X state is not supported when link speed and/or duplex are forced")
            raise linux_error(EINVAL, a.netdev.name)
        _begin_reset(a)
        try:
            if s.autoneg == AUTONEG_ENABLE:
                hw.autoneg = True
                hw.autoneg_advertised = sum(bit for bit, m in _ADVERTISED.items() if m in s.advertising)
                if a.fc_autoneg:
                    hw.fc.requested_mode = FC_DEFAULT
            else:
                igb_set_spd_dplx(a, s.speed, s.duplex)
            if s.mdix_ctrl:
                hw.mdix = 0 if s.mdix_ctrl == ETH_TP_MDI_AUTO else s.mdix_ctrl
            if self.netdev.running():
                igb_down(a)
                igb_up(a)
            else:
                igb_reset(a)
        finally:
            a.state &= ~STATE_RESETTING

    def nway_reset(self) -> None:
        if self.netdev.running():
            igb_reinit_locked(self._a())

    def get_msglevel(self) -> int:
        return self._a().msg_enable

    def set_msglevel(self, value: int) -> None:
        self._a().msg_enable = value

    def get_pauseparam(self) -> PauseParam:
        a = self._a()
        mode = a.the_hw().fc.current_mode
        known = mode <= FC_FULL
        return PauseParam(a.fc_autoneg, known and bool(mode & FC_RX_PAUSE), known and bool(mode & FC_TX_PAUSE))

    def set_pauseparam(self, p: PauseParam) -> None:
        """By hand it also decides whether full queues drop (drop enable) or hold everything up."""
        a = self._a()
        hw = a.the_hw()
        a.fc_autoneg = p.autoneg
        _begin_reset(a)
        try:
            if p.autoneg:
                hw.fc.requested_mode = FC_DEFAULT
                if self.netdev.running():
                    igb_down(a)
                    igb_up(a)
                else:
                    igb_reset(a)
            else:
                hw.fc.requested_mode = (FC_RX_PAUSE if p.rx_pause else 0) | (FC_TX_PAUSE if p.tx_pause else 0)
                hw.fc.current_mode = hw.fc.requested_mode
                igb_force_mac_fc(hw)
                if not a.old_release:
                    for ring in a.rings_rx():
                        igb_setup_srrctl(a, ring)
        finally:
            a.state &= ~STATE_RESETTING

    def get_wol(self) -> WolInfo:
        a = self._a()
        if not a.flags & IGB_FLAG_WOL_SUPPORTED:
            return WolInfo()
        opts = 0
        for bit, wake in _WUFC_WAKE:
            if a.wol & bit:
                opts |= wake
        return WolInfo(WAKE_UCAST | WAKE_MCAST | WAKE_BCAST | WAKE_MAGIC | WAKE_PHY, opts)

    def set_wol(self, wolopts: int) -> None:
        a = self._a()
        if wolopts & WAKE_ARP or wolopts >> 6:
            raise linux_error(EOPNOTSUPP, a.netdev.name)
        if not a.flags & IGB_FLAG_WOL_SUPPORTED:
            if wolopts:
                raise linux_error(EOPNOTSUPP, a.netdev.name)
            return
        a.wol = sum(bit for bit, wake in _WUFC_WAKE if wolopts & wake)
        a.pdev.wakeup_enabled = bool(a.wol)

    def set_phys_id(self, on: bool) -> None:
        hw = self._a().the_hw()
        hw.wr32(r.LEDCTL, 0x0E0E0E0E if on else hw.ledctl_default)

    # --- registers and EEPROM -------------------------------------------------------------------------------
    def get_regs_len(self) -> int:
        return IGB_REGS_LEN * 4

    def get_regs(self) -> Regs:
        a = self._a()
        hw = a.the_hw()
        w = [0] * IGB_REGS_LEN
        for i, off in enumerate(_DUMP_HEAD):
            w[i] = hw.rd32(off)
        s = a.stats
        for i, name in (
            *((54, "crcerrs"), (55, "algnerrc"), (56, "symerrs"), (57, "rxerrc"), (58, "mpc"), (59, "scc")),
            *((60, "ecol"), (61, "mcc"), (62, "latecol"), (63, "colc"), (64, "dc"), (65, "tncrs"), (66, "sec")),
            *((68, "rlec"), (69, "xonrxc"), (70, "xontxc"), (71, "xoffrxc"), (72, "xofftxc"), (73, "fcruc")),
            *((80, "gprc"), (81, "bprc"), (82, "mprc"), (83, "gptc"), (84, "gorc"), (86, "gotc"), (88, "rnbc")),
            *((89, "ruc"), (90, "rfc"), (91, "roc"), (92, "rjc"), (93, "mgprc"), (94, "mgpdc"), (95, "mgptc")),
            *((100, "tpr"), (101, "tpt"), (108, "mptc"), (109, "bptc"), (110, "tsctc"), (111, "iac")),
        ):
            w[i] = int(getattr(s, name)) & M32
        for at, fn in (
            *((121, r.SRRCTL), (125, r.PSRTYPE), (129, r.RDBAL), (133, r.RDBAH), (137, r.RDLEN), (141, r.RDH)),
            *((145, r.RDT), (149, r.RXDCTL), (211, r.TDBAL), (215, r.TDBAH), (219, r.TDLEN), (223, r.TDH)),
            *((227, r.TDT), (231, r.TXDCTL), (235, r.TDWBAL), (239, r.TDWBAH), (243, r.DCA_TXCTRL)),
        ):
            for i in range(4):
                w[at + i] = hw.rd32(fn(i))
        for i in range(10):
            w[153 + i] = hw.rd32(r.EITR(i))
        for i in range(8):
            w[163 + i] = hw.rd32(r.IMIR0 + 4 * i)
            w[171 + i] = hw.rd32(r.IMIREXT0 + 4 * i)
        for i in range(16):
            w[179 + i] = hw.rd32(r.RAL(i))
            w[195 + i] = hw.rd32(r.RAH(i))
        for i, off in enumerate((r.TDFH, r.TDFT, r.TDFHS, r.TDFPC)):
            w[547 + i] = hw.rd32(off)
        if hw.mac_type == MAC_82576:
            for at, fn in (
                *((555, r.SRRCTL), (571, r.RDBAL), (583, r.RDBAH), (595, r.RDLEN), (607, r.RDH), (619, r.RDT)),
                *((631, r.RXDCTL), (643, r.TDBAL), (655, r.TDBAH), (667, r.TDLEN), (679, r.TDH), (691, r.TDT)),
                *((703, r.TXDCTL), (715, r.TDWBAL), (727, r.TDWBAH)),
            ):
                for i in range(12):
                    w[at + i] = hw.rd32(fn(i + 4))
        return Regs(1 << 24 | a.pdev.revision << 16 | a.pdev.device, struct.pack("<%dI" % IGB_REGS_LEN, *w))

    def get_eeprom_len(self) -> int:
        return self._a().the_hw().nvm_words * 2

    def _magic(self) -> int:
        p = self._a().pdev
        return p.vendor | p.device << 16

    def get_eeprom(self, offset: int, length: int) -> tuple[int, bytes]:
        """Raises OSError(EINVAL) for nothing or what lies beyond the end."""
        if length <= 0 or offset < 0 or offset + length > self.get_eeprom_len():
            raise linux_error(EINVAL, self.netdev.name)
        hw = self._a().the_hw()
        first, last = offset >> 1, (offset + length - 1) >> 1
        data = b"".join(igb_read_nvm_eerd(hw, w).to_bytes(2, "little") for w in range(first, last + 1))
        return self._magic(), data[offset & 1 : (offset & 1) + length]

    def set_eeprom(self, magic: int, offset: int, data: bytes) -> None:
        """Raises OSError: EOPNOTSUPP (no data), EFAULT (wrong magic), ENOTSUP (the chip's serial NVM bus is not
        modelled).
        """
        if not data:
            raise linux_error(EOPNOTSUPP, self.netdev.name)
        if magic != self._magic():
            raise linux_error(EFAULT, self.netdev.name)
        raise linux_error(ENOTSUP, "igb: writing the NVM")

    # --- rings, moderation, channels ------------------------------------------------------------------------
    def get_ringparam(self) -> RingParam:
        a = self._a()
        p = RingParam()
        p.rx_max_pending = IGB_MAX_RXD
        p.tx_max_pending = IGB_MAX_TXD
        p.rx_pending = a.rx_ring_count
        p.tx_pending = a.tx_ring_count
        return p

    def set_ringparam(self, p: RingParam) -> None:
        """Clamped to 64 (3.13: 80)..4096 and rounded up to a multiple of 8; a running port goes down and up.

        Raises OSError(EINVAL, ENOMEM).
        """
        a = self._a()
        if p.rx_mini_pending or p.rx_jumbo_pending:
            raise linux_error(EINVAL, a.netdev.name)
        m = REQ_DESCRIPTOR_MULTIPLE
        least = IGB_MIN_RXD_3_13 if a.old_release else IGB_MIN_RXD
        least_tx = IGB_MIN_RXD_3_13 if a.old_release else IGB_MIN_TXD
        rx = (max(min(p.rx_pending, IGB_MAX_RXD), least) + m - 1) // m * m
        tx = (max(min(p.tx_pending, IGB_MAX_TXD), least_tx) + m - 1) // m * m
        if tx == a.tx_ring_count and rx == a.rx_ring_count:
            return
        _begin_reset(a)
        try:
            if not self.netdev.running():
                for ring in a.rings_tx():
                    ring.count = tx
                for ring in a.rings_rx():
                    ring.count = rx
                a.tx_ring_count = tx
                a.rx_ring_count = rx
                return
            _resize(a, rx, tx)
        finally:
            a.state &= ~STATE_RESETTING

    def get_coalesce(self) -> Coalesce:
        a = self._a()
        rx, tx = a.rx_itr_setting, a.tx_itr_setting
        values = {"rx-usecs": rx if rx <= 3 else rx >> 2}
        values["tx-usecs"] = 0 if a.flags & IGB_FLAG_QUEUE_PAIRS else tx if tx <= 3 else tx >> 2
        return Coalesce(values)

    def set_coalesce(self, c: Coalesce) -> None:
        """0, 1, 3: modes; 10..10000: microseconds.  tx-usecs only when the queues have vectors of their own.

        Raises OSError(EINVAL).
        """
        a = self._a()
        rx, tx = c.get("rx-usecs"), c.get("tx-usecs")
        for us in (rx, tx):
            if us > IGB_MAX_ITR_USECS or 3 < us < IGB_MIN_ITR_USECS or us == 2:
                raise linux_error(EINVAL, a.netdev.name)
        if a.flags & IGB_FLAG_QUEUE_PAIRS and tx:
            raise linux_error(EINVAL, a.netdev.name)
        a.rx_itr_setting = rx if 0 < rx <= 3 else rx << 2
        if a.flags & IGB_FLAG_QUEUE_PAIRS:
            a.tx_itr_setting = a.rx_itr_setting
        else:
            a.tx_itr_setting = tx if 0 < tx <= 3 else tx << 2
        for q_vector in a.vectors():
            q_vector.tx.work_limit = a.tx_work_limit
            q_vector.itr_val = a.rx_itr_setting if q_vector.rx.ring is not None else a.tx_itr_setting
            if 0 < q_vector.itr_val <= 3:
                q_vector.itr_val = IGB_START_ITR
            q_vector.set_itr = True

    def get_channels(self) -> Channels:
        a = self._a()
        c = Channels()
        c.max_combined = igb_get_max_rss_queues(a)
        if a.flags & IGB_FLAG_HAS_MSIX:
            c.max_other = NON_Q_VECTORS
            c.other_count = NON_Q_VECTORS
        c.combined_count = a.rss_queues
        return c

    def set_channels(self, c: Channels) -> None:
        """Only `combined` changes.  Raises OSError(EINVAL), or what opening with other vectors raises."""
        a = self._a()
        most = igb_get_max_rss_queues(a)
        if not c.combined_count or c.rx_count or c.tx_count or c.other_count != NON_Q_VECTORS:
            raise linux_error(EINVAL, a.netdev.name)
        if c.combined_count > most:
            raise linux_error(EINVAL, a.netdev.name)
        if c.combined_count != a.rss_queues:
            a.rss_queues = c.combined_count
            igb_set_flag_queue_pairs(a, most)
            igb_reinit_queues(a)

    # --- statistics, strings, flags -------------------------------------------------------------------------
    def _global_names(self) -> list[str]:
        names = [name for name, _field in GLOBAL_STATS]
        if self._a().old_release:
            names.remove("tx_hwtstamp_skipped")
        return names

    def get_sset_count(self, sset: int) -> int:
        a = self._a()
        if sset == ETH_SS_TEST:
            return len(TEST_NAMES)
        if sset == ETH_SS_STATS:
            queues = len(TX_QUEUE_STATS) * a.num_tx_queues + len(RX_QUEUE_STATS) * a.num_rx_queues
            return len(self._global_names()) + len(NET_STATS) + queues
        if sset == ETH_SS_PRIV_FLAGS and not a.old_release:
            return len(PRIV_FLAGS)
        raise self._no()

    def get_strings(self, sset: int) -> list[str]:
        a = self._a()
        if sset == ETH_SS_TEST:
            return list(TEST_NAMES)
        if sset == ETH_SS_STATS:
            names = self._global_names() + list(NET_STATS)
            for i in range(a.num_tx_queues):
                names += ["tx_queue_%d_%s" % (i, x) for x in TX_QUEUE_STATS]
            for i in range(a.num_rx_queues):
                names += ["rx_queue_%d_%s" % (i, x) for x in RX_QUEUE_STATS]
            return names
        if sset == ETH_SS_PRIV_FLAGS:
            return list(PRIV_FLAGS)
        raise self._no()

    def get_ethtool_stats(self) -> list[int]:
        a = self._a()
        igb_update_stats(a)
        own = {
            "tx_timeout_count": a.tx_timeout_count,
            "tx_hwtstamp_timeouts": a.tx_hwtstamp_timeouts,
            "tx_hwtstamp_skipped": a.tx_hwtstamp_skipped,
            "rx_hwtstamp_cleared": a.rx_hwtstamp_cleared,
        }
        fields = {field: int(getattr(a.stats, field)) for field in HW_STATS}
        values = []
        for name, field in GLOBAL_STATS:
            if name == "tx_hwtstamp_skipped" and a.old_release:
                continue
            values.append(fields[field] if field else own.get(name, 0))
        n = a.stats64.as_dict()
        values += [n[name] for name in NET_STATS]
        for ring in a.rings_tx():
            values += [ring.tx_packets, ring.tx_bytes, ring.restart_queue]
        for ring in a.rings_rx():
            values += [ring.rx_packets, ring.rx_bytes, ring.drops, ring.csum_err, ring.alloc_failed]
        return values

    def get_priv_flags(self) -> int:
        a = self._a()
        if a.old_release:
            raise self._no()
        return 1 if a.flags & IGB_FLAG_RX_LEGACY else 0

    def set_priv_flags(self, flags: int) -> None:
        """legacy-rx: copy headers instead of building skbs around buffers."""
        a = self._a()
        if a.old_release:
            raise self._no()
        new = a.flags & ~IGB_FLAG_RX_LEGACY | (IGB_FLAG_RX_LEGACY if flags & 1 else 0)
        if new != a.flags:
            a.flags = new
            if self.netdev.running():
                igb_reinit_locked(a)

    def get_ts_info(self) -> TsInfo:
        filters = (
            ["none", "all"]
            if self._a().the_hw().mac_type == MAC_I350
            else ["none", "ptpv1-l4-sync", "ptpv1-l4-delay-req", "ptpv2-event"]
        )
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
            filters,
        )

    # --- receive classification -----------------------------------------------------------------------------
    def get_rx_rings(self) -> int:
        return self._a().num_rx_queues

    def get_rx_hash(self, flow_type: int) -> int:
        """Raises OSError(EINVAL) for a flow that is not hashed."""
        a = self._a()
        ports = RXH_L4_B_0_1 | RXH_L4_B_2_3
        if flow_type not in _V4 and flow_type not in _V6:
            raise linux_error(EINVAL, a.netdev.name)
        bits = RXH_IP_SRC | RXH_IP_DST
        if flow_type in (TCP_V4_FLOW, TCP_V6_FLOW):
            bits |= ports
        elif flow_type == UDP_V4_FLOW and a.flags & IGB_FLAG_RSS_FIELD_IPV4_UDP:
            bits |= ports
        elif flow_type == UDP_V6_FLOW and a.flags & IGB_FLAG_RSS_FIELD_IPV6_UDP:
            bits |= ports
        return bits

    def set_rx_hash(self, flow_type: int, bits: int) -> None:
        """Only UDP can change, between addresses and addresses with ports.  Raises OSError(EINVAL)."""
        a = self._a()
        hw = a.the_hw()
        ports = RXH_L4_B_0_1 | RXH_L4_B_2_3
        addresses = RXH_IP_SRC | RXH_IP_DST
        bad = linux_error(EINVAL, a.netdev.name)
        if bits & ~(addresses | ports) or bits & addresses != addresses:
            raise bad
        flags = a.flags
        if flow_type in (TCP_V4_FLOW, TCP_V6_FLOW):
            if bits & ports != ports:
                raise bad
        elif flow_type in (UDP_V4_FLOW, UDP_V6_FLOW):
            flag = IGB_FLAG_RSS_FIELD_IPV4_UDP if flow_type == UDP_V4_FLOW else IGB_FLAG_RSS_FIELD_IPV6_UDP
            if bits & ports == ports:
                flags |= flag
            elif not bits & ports:
                flags &= ~flag
            else:
                raise bad
        elif flow_type in (SCTP_V4_FLOW, SCTP_V6_FLOW, AH_ESP_V4_FLOW, AH_ESP_V6_FLOW):
            if bits & ports:
                raise bad
        else:
            raise bad
        if flags == a.flags:
            return
        if flags & UDP_RSS_FLAGS and not a.flags & UDP_RSS_FLAGS:
            a.pdev.err("enabling UDP RSS: fragmented packets may arrive out of order to the stack above")
        a.flags = flags
        mrqc = hw.rd32(r.MRQC) & ~(r.MRQC_RSS_FIELD_IPV4_UDP | r.MRQC_RSS_FIELD_IPV6_UDP)
        mrqc |= r.MRQC_RSS_FIELD_IPV4 | r.MRQC_RSS_FIELD_IPV4_TCP | r.MRQC_RSS_FIELD_IPV6 | r.MRQC_RSS_FIELD_IPV6_TCP
        if flags & IGB_FLAG_RSS_FIELD_IPV4_UDP:
            mrqc |= r.MRQC_RSS_FIELD_IPV4_UDP
        if flags & IGB_FLAG_RSS_FIELD_IPV6_UDP:
            mrqc |= r.MRQC_RSS_FIELD_IPV6_UDP
        hw.wr32(r.MRQC, mrqc)

    def get_rxfh_indir_size(self) -> int:
        return IGB_RETA_SIZE

    def get_rxfh_key_size(self) -> int:
        """The driver shows no key."""
        raise self._no()

    def get_rxfh(self) -> Rxfh:
        return Rxfh(list(self._a().rss_indir_tbl), None, ETH_RSS_HASH_TOP)

    def set_rxfh(self, x: Rxfh) -> None:
        """The table alone.  Raises OSError: EOPNOTSUPP (a key, another function), EINVAL (no such queue)."""
        a = self._a()
        if x.key is not None or x.hfunc not in (0, ETH_RSS_HASH_TOP):
            raise linux_error(EOPNOTSUPP, a.netdev.name)
        if x.indir is None:
            return
        if len(x.indir) != IGB_RETA_SIZE or any(q < 0 or q >= a.rss_queues for q in x.indir):
            raise linux_error(EINVAL, a.netdev.name)
        a.rss_indir_tbl = list(x.indir)
        igb_write_rss_indir_tbl(a)

    def _rules_ok(self) -> IgbAdapter:
        a = self._a()
        if a.old_release or not self.netdev.hw_features & NETIF_F_NTUPLE:
            raise linux_error(EOPNOTSUPP, a.netdev.name)
        return a

    def get_rx_rule_count(self) -> tuple[int, int]:
        if self._a().old_release:
            raise self._no()
        return len(self._a().nfc_filters), IGB_MAX_RXNFC_FILTERS

    def get_rx_rules(self) -> list[RxFlowSpec]:
        out = []
        for rule in self._a().nfc_filters:
            values: dict[str, int] = {}
            masks: dict[str, int] = {}
            if rule.etype >= 0:
                values["proto"] = rule.etype
                masks["proto"] = 0xFFFF
            if rule.vlan_tci >= 0:
                values["vlan"] = rule.vlan_tci
                masks["vlan"] = 0xE000
            out.append(RxFlowSpec(ETHER_FLOW, values, masks, rule.action, rule.sw_idx))
        return out

    def insert_rx_rule(self, spec: RxFlowSpec) -> int:
        """A rule by EtherType ("proto", full mask) and/or VLAN priority ("vlan", mask 0xe000); I350 only.

        Raises OSError: EOPNOTSUPP, EINVAL (another kind of flow, no such queue, no room), EEXIST.
        """
        a = self._rules_ok()
        bad = linux_error(EINVAL, a.netdev.name)
        if not 0 <= spec.ring_cookie < a.num_rx_queues:
            a.pdev.err("ethtool -N: The specified action is invalid")
            raise bad
        location = spec.location
        if location < 0:
            used = [f.sw_idx for f in a.nfc_filters]
            free = [i for i in range(IGB_MAX_RXNFC_FILTERS - 1, -1, -1) if i not in used]
            location = free[0] if free else IGB_MAX_RXNFC_FILTERS
        if location >= IGB_MAX_RXNFC_FILTERS:
            a.pdev.err("Location out of range")
            raise bad
        if spec.flow_type != ETHER_FLOW:
            raise bad
        etype = spec.values.get("proto", 0) if spec.masks.get("proto") == 0xFFFF else -1
        vlan = -1
        if spec.masks.get("vlan"):
            if spec.masks["vlan"] != 0xE000:
                raise bad
            vlan = spec.values.get("vlan", 0)
        if spec.masks.get("src") or spec.masks.get("dst"):
            raise linux_error(EOPNOTSUPP, a.netdev.name)
        for old in a.nfc_filters:
            if old.etype == etype and old.vlan_tci == vlan:
                a.pdev.err("ethtool: this filter is already set")
                raise linux_error(EEXIST, a.netdev.name)
        if etype < 0 and vlan < 0:
            raise bad
        rule = NfcFilter(location, spec.ring_cookie, etype, vlan)
        igb_add_filter(a, rule)
        a.nfc_filters = sorted([f for f in a.nfc_filters if f.sw_idx != location] + [rule], key=lambda f: f.sw_idx)
        return location

    def delete_rx_rule(self, location: int) -> None:
        a = self._a()
        for rule in a.nfc_filters:
            if rule.sw_idx == location:
                igb_erase_filter(a, rule)
                a.nfc_filters.remove(rule)
                return
        raise linux_error(EINVAL, a.netdev.name)

    def self_test(self, flags: int) -> TestResult:
        return igb_diag_test(self.netdev, flags)


def igb_set_spd_dplx(a: IgbAdapter, speed: int, duplex: int) -> None:
    """10 and 100 Mbit/s by hand; gigabit copper always negotiates.  Raises OSError(EINVAL)."""
    hw = a.the_hw()
    forced = {(10, 0): 0x01, (10, 1): 0x02, (100, 0): 0x04, (100, 1): 0x08}.get((speed, duplex))
    if (speed, duplex) == (1000, 1):
        hw.autoneg = True
        hw.autoneg_advertised = 0x20
    elif forced is not None:
        hw.autoneg = False
        hw.forced_speed_duplex = forced
    else:
        hw.autoneg = False
        a.pdev.err("Unsupported Speed/Duplex configuration")
        raise linux_error(EINVAL, a.netdev.name)
    hw.mdix = 0


def _resize(a: IgbAdapter, rx: int, tx: int) -> None:
    """Down, new rings beside the old ones, then the old ones go; when memory is short the old ones stay."""
    igb_down(a)
    try:
        if tx != a.tx_ring_count:
            new = [IgbRing(a, tx, ring.queue_index) for ring in a.rings_tx()]
            made: list[IgbRing] = []
            try:
                for ring in new:
                    igb_setup_tx_resources(ring)
                    made.append(ring)
            except OSError:
                for ring in made:
                    igb_free_tx_resources(ring)
                raise
            for old, ring in zip(a.rings_tx(), new, strict=True):
                igb_free_tx_resources(old)
                old.take_over(ring)
            a.tx_ring_count = tx
        if rx != a.rx_ring_count:
            new = [IgbRing(a, rx, ring.queue_index) for ring in a.rings_rx()]
            made = []
            try:
                for ring in new:
                    igb_setup_rx_resources(ring)
                    made.append(ring)
            except OSError:
                for ring in made:
                    igb_free_rx_resources(ring)
                raise
            for old, ring in zip(a.rings_rx(), new, strict=True):
                igb_free_rx_resources(old)
                old.take_over(ring)
            a.rx_ring_count = rx
    finally:
        igb_up(a)


# --- self tests ---------------------------------------------------------------------------------------------


def reg_pattern_test(a: IgbAdapter, hw: IgbHw, off: int, mask: int, write: int) -> bool:
    """Four patterns; True when one comes back wrong."""
    for pat in (0x5A5A5A5A, 0xA5A5A5A5, 0x00000000, 0xFFFFFFFF):
        hw.wr32(off, pat & write)
        val = hw.rd32(off) & mask
        if val != pat & write & mask:
            a.pdev.err("pattern test reg %04X failed: got 0x%08X expected 0x%08X" % (off, val, pat & write & mask))
            return True
    return False


def reg_set_and_check(a: IgbAdapter, hw: IgbHw, off: int, mask: int, write: int) -> bool:
    hw.wr32(off, write & mask)
    val = hw.rd32(off)
    if write & mask != val & mask:
        a.pdev.err("set/check reg %04X test failed: got 0x%08X expected 0x%08X" % (off, val & mask, write & mask))
        return True
    return False


def igb_reg_test(a: IgbAdapter) -> int:
    """The 82576's table: 0, or the register that failed (1: STATUS)."""
    hw = a.the_hw()
    toggle = 0x7FFFF3FF
    before = hw.rd32(r.STATUS)
    value = before & toggle
    hw.wr32(r.STATUS, toggle)
    after = hw.rd32(r.STATUS) & toggle
    if value != after:
        a.pdev.err("failed STATUS register test got: 0x%08X expected: 0x%08X" % (after, value))
        return 1
    hw.wr32(r.STATUS, before)
    for off, mask, write in (
        (r.FCAL, M32, M32),
        (r.FCAH, 0xFFFF, M32),
        (r.FCT, 0xFFFF, M32),
        (r.VET, M32, M32),
    ):
        if reg_pattern_test(a, hw, off, mask, write):
            return off
    for q in range(16):
        for fn, mask, write in (
            (r.RDBAL, 0xFFFFFF80, M32),
            (r.RDBAH, M32, M32),
            (r.RDLEN, 0x000FFFF0, 0x000FFFFF),
        ):
            if reg_pattern_test(a, hw, fn(q), mask, write):
                return fn(q)
    for q in range(16):
        hw.wr32(r.RXDCTL(q), r.RXDCTL_QUEUE_ENABLE)
    for q in range(16):
        if reg_pattern_test(a, hw, r.RDT(q), 0xFFFF, 0xFFFF):
            return r.RDT(q)
    for q in range(16):
        hw.wr32(r.RXDCTL(q), 0)
    for off, mask, write in ((r.FCRTH, 0xFFF0, 0xFFF0), (r.FCTTV, 0xFFFF, 0xFFFF), (r.TIPG, 0x3FFFFFFF, 0x3FFFFFFF)):
        if reg_pattern_test(a, hw, off, mask, write):
            return off
    for q in range(16):
        for fn, mask, write in (
            (r.TDBAL, 0xFFFFFF80, M32),
            (r.TDBAH, M32, M32),
            (r.TDLEN, 0x000FFFF0, 0x000FFFFF),
        ):
            if reg_pattern_test(a, hw, fn(q), mask, write):
                return fn(q)
    for off, mask, write in (
        (r.RCTL, M32, 0),
        (r.RCTL, 0x04CFB0FE, 0x003FFFFB),
        (r.RCTL, 0x04CFB0FE, M32),
        (r.TCTL, M32, 0),
    ):
        if reg_set_and_check(a, hw, off, mask, write):
            return off
    for i in range(24):
        if reg_pattern_test(a, hw, r.RAL(i), M32, M32) or reg_pattern_test(a, hw, r.RAH(i), 0x83FFFFFF, M32):
            return r.RAL(i)
    for i in range(128):
        if reg_pattern_test(a, hw, r.MTA + 4 * i, M32, M32):
            return r.MTA + 4 * i
    return 0


def igb_eeprom_test(a: IgbAdapter) -> int:
    """0, or 2 for a wrong checksum."""
    try:
        return 0 if igb_validate_nvm_checksum(a.the_hw()) else 2
    except OSError:
        return 2


def igb_test_intr(irq: int, data: object) -> int:
    assert isinstance(data, IgbAdapter)
    data.test_icr |= data.the_hw().rd32(r.ICR)
    return IRQ_HANDLED


def igb_intr_test(a: IgbAdapter) -> int:
    """Every cause of ICR through vector 0, MSI or the line: 0; 1 no handler; 3 a masked one fired; 4 one did not
    fire; 5 another fired.
    """
    hw = a.the_hw()
    irqs = a.pdev.kernel.irq
    irq = a.pdev.irq
    shared = True
    name = a.netdev.name
    try:
        if a.flags & IGB_FLAG_HAS_MSIX:
            irq = a.msix_entries[0].vector
            irqs.request_irq(irq, igb_test_intr, 0, name, a)
            hw.wr32(r.IVAR_MISC, r.IVAR_VALID << 8)
            hw.wr32(r.EIMS, 1)
        elif a.flags & IGB_FLAG_HAS_MSI:
            shared = False
            irqs.request_irq(irq, igb_test_intr, 0, name, a)
        else:
            try:
                irqs.request_irq(irq, igb_test_intr, 0, name, a)
                shared = False
            except OSError:
                irqs.request_irq(irq, igb_test_intr, IRQF_SHARED, name, a)
    except OSError:
        return 1
    a.pdev.info("testing %s interrupt" % ("shared" if shared else "unshared"))
    result = _fire_each(a, hw, shared)
    hw.wr32(r.IMC, M32)
    hw.wrfl()
    usleep_range(hw.kernel, 10000, 11000)
    irqs.free_irq(irq, a)
    return result


def _fire_each(a: IgbAdapter, hw: IgbHw, shared: bool) -> int:
    k = hw.kernel
    ics_mask = 0x77D4FBFD if hw.mac_type == MAC_82576 else 0x77DCFED5
    hw.wr32(r.IMC, M32)
    hw.wrfl()
    usleep_range(k, 10000, 11000)
    for i in range(31):
        mask = 1 << i
        if not mask & ics_mask:
            continue
        if not shared:
            a.test_icr = 0
            hw.wr32(r.ICR, M32)
            hw.wr32(r.IMC, mask)
            hw.wr32(r.ICS, mask)
            hw.wrfl()
            usleep_range(k, 10000, 11000)
            if a.test_icr & mask:
                return 3
        a.test_icr = 0
        hw.wr32(r.ICR, M32)
        hw.wr32(r.IMS, mask)
        hw.wr32(r.ICS, mask)
        hw.wrfl()
        usleep_range(k, 10000, 11000)
        if not a.test_icr & mask:
            return 4
        if not shared:
            a.test_icr = 0
            hw.wr32(r.ICR, M32)
            hw.wr32(r.IMC, ~mask & M32)
            hw.wr32(r.ICS, ~mask & M32)
            hw.wrfl()
            usleep_range(k, 10000, 11000)
            if a.test_icr & mask:
                return 5
    return 0


def igb_create_lbtest_frame(size: int) -> bytes:
    """Ones, then 0xaa, with two marks behind the middle."""
    half = size // 2
    out = bytearray(b"\xff" * half + b"\xaa" * (size - half))
    out[half + 10] = 0xBE
    out[half + 12] = 0xAF
    return bytes(out)


def igb_check_lbtest_frame(data: bytes, size: int) -> bool:
    half = size >> 1
    return data[3] == 0xFF and data[half + 10] == 0xBE and data[half + 12] == 0xAF


def igb_loopback_test(a: IgbAdapter) -> int:
    """64 frames at a time through the PHY and back, until every ring went round twice: 0, 12 (not sent) or 13
    (not come back).
    """
    hw = a.the_hw()
    if igb_check_reset_block(hw):
        a.pdev.err("Cannot do PHY loopback test when SoL/IDER is active.")
        return 0
    tx = IgbRing(a, 256, 0)
    rx = IgbRing(a, 256, 0)
    igb_setup_tx_resources(tx)
    igb_setup_tctl(a)
    igb_configure_tx_ring(a, tx)
    igb_setup_rx_resources(rx)
    hw.wr32(r.MRQC, 0)
    igb_setup_rctl(a)
    igb_set_rx_buffer_len(a, rx)
    igb_configure_rx_ring(a, rx)
    igb_alloc_rx_buffers(rx, rx.unused())
    try:
        hw.autoneg = False
        if hw.mac_type == MAC_I350:
            igb_write_phy_reg(hw, r.I82580_PHY_LBK_CTRL, 0x8041)
        msleep(hw.kernel, 50)
        igb_write_phy_reg(hw, PHY_CONTROL, 0x4140)
        ctrl = hw.rd32(r.CTRL) & ~r.CTRL_SPD_SEL
        hw.wr32(r.CTRL, ctrl | r.CTRL_FRCSPD | r.CTRL_FRCDPX | r.CTRL_SPD_1000 | r.CTRL_FD | r.CTRL_SLU)
        msleep(hw.kernel, 500)
        result = igb_run_loopback_test(a, tx, rx)
        hw.wr32(r.RCTL, hw.rd32(r.RCTL) & ~r.RCTL_LBM_MASK)
        hw.autoneg = True
        bmcr = igb_read_phy_reg(hw, PHY_CONTROL)
        if bmcr & MII_CR_LOOPBACK:
            igb_write_phy_reg(hw, PHY_CONTROL, bmcr & ~MII_CR_LOOPBACK)
            igb_phy_sw_reset(hw)
        return result
    finally:
        hw.wr32(r.RXDCTL(0), 0)
        hw.wr32(r.TXDCTL(0), 0)
        igb_free_tx_resources(tx)
        igb_free_rx_resources(rx)


def igb_run_loopback_test(a: IgbAdapter, tx: IgbRing, rx: IgbRing) -> int:
    hw = a.the_hw()
    mem = a.pdev.kernel.memory
    size = IGB_RX_HDR_LEN
    buf = mem.alloc(2048)
    buf.view[:size] = igb_create_lbtest_frame(size)
    dma = mem.map(buf, 0, size, DMA_TO_DEVICE)
    cmd = r.ADVTXD_DTYP_DATA | r.TXD_CMD_DEXT | r.TXD_CMD_IFCS | r.TXD_CMD_EOP | r.TXD_CMD_RS | size
    try:
        for _ in range(tx.count // 64 * 2 + 2):
            for _n in range(64):
                i = tx.next_to_use
                struct.pack_into("<QII", tx.view, i << 4, dma, cmd, size << r.ADVTXD_PAYLEN_SHIFT)
                tx.next_to_use = (i + 1) % tx.count
                hw.wr32(tx.tail, tx.next_to_use)
            msleep(hw.kernel, 200)
            good = 0
            while True:
                i = rx.next_to_clean
                length = struct.unpack_from("<H", rx.view, (i << 4) + 12)[0]
                page = rx.pages[i]
                if not length or page is None:
                    break
                data = bytes((page.view1 if page.half else page.view0)[:length])
                good += igb_check_lbtest_frame(data, size)
                rx.pages[i] = None
                rx.pages[rx.next_to_alloc] = page
                rx.next_to_alloc = (rx.next_to_alloc + 1) % rx.count
                rx.next_to_clean = (i + 1) % rx.count
            igb_alloc_rx_buffers(rx, rx.unused())
            if good != 64:
                return 13
        return 0
    finally:
        mem.unmap(dma, size)
        mem.release(buf)


def igb_link_test(a: IgbAdapter) -> int:
    hw = a.the_hw()
    hw.get_link_status = True
    igb_check_for_copper_link(hw)
    if hw.autoneg:
        msleep(hw.kernel, 5000)
    return 0 if hw.rd32(r.STATUS) & r.STATUS_LU else 1


def igb_diag_test(netdev: IgbNetDevice, flags: int) -> TestResult:
    """The five tests; offline ones take the port down and bring it up again.  An I350 (which can swap its medium)
    is only tested online.  Takes 9 s and more of the machine's time.
    """
    a = netdev.priv()
    hw = a.the_hw()
    running = netdev.running()
    data = [0] * 5
    a.state |= STATE_TESTING
    if hw.mac_type == MAC_I350:
        flags &= ~ETH_TEST_FL_OFFLINE
    if flags == ETH_TEST_FL_OFFLINE:
        saved = (hw.autoneg_advertised, hw.forced_speed_duplex, hw.autoneg)
        a.pdev.info("offline testing starting")
        igb_power_up_link(a)
        data[4] = igb_link_test(a)
        if running:
            igb_close(netdev)
        else:
            igb_reset(a)
        data[0] = igb_reg_test(a)
        igb_reset(a)
        data[1] = igb_eeprom_test(a)
        igb_reset(a)
        data[2] = igb_intr_test(a)
        igb_reset(a)
        igb_power_up_link(a)
        data[3] = igb_loopback_test(a)
        hw.autoneg_advertised, hw.forced_speed_duplex, hw.autoneg = saved
        hw.autoneg_wait_to_complete = True
        igb_reset(a)
        hw.autoneg_wait_to_complete = False
        a.state &= ~STATE_TESTING
        if running:
            igb_open(netdev)
    else:
        a.pdev.info("online testing starting")
        data[4] = igb_link_test(a)
        a.state &= ~STATE_TESTING
    if any(data):
        flags |= ETH_TEST_FL_FAILED
    msleep(hw.kernel, 4000)
    return TestResult(flags, data)
