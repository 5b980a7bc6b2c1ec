"""e1000e's ethtool operations.

What lives here: the operations of ethtool.c with their self tests.  What does not: checks that the core makes
(net/core/ethtool.py) and the text that is printed (tools/).
Facts: e1000e/ethtool.c of 6.1; names, order and refusals recorded on 6.1.
"""

from __future__ import annotations

import struct
from typing import Final

from rxpath.drivers.e1000e.e1000 import (
    E1000_MAX_RXD,
    E1000_MAX_TXD,
    E1000_MIN_RXD,
    E1000_MIN_TXD,
    FC_DEFAULT,
    FC_FULL,
    FC_NONE,
    FC_RX_PAUSE,
    FC_TX_PAUSE,
    FLAG2_NO_DISABLE_RX,
    FLAG_HAS_AMT,
    FLAG_HAS_WOL,
    FLAG_READ_ONLY_NVM,
    INT_MODE_LEGACY,
    INT_MODE_MSIX,
    REQ_DESCRIPTOR_MULTIPLE,
    STATE_RESETTING,
    STATE_TESTING,
    E1000Adapter,
    E1000Ring,
)
from rxpath.drivers.e1000e.hw import (
    M88_PHY_SPEC_CTRL,
    E1000Hw,
    e1e_rphy,
    e1e_wphy,
    e1000_read_nvm,
    e1000_write_nvm,
    e1000e_check_for_copper_link,
    e1000e_check_reset_block_generic,
    e1000e_force_mac_fc,
    e1000e_phy_sw_reset,
    e1000e_set_fc_watermarks,
    e1000e_update_nvm_checksum,
    nvm_sum,
)
from rxpath.drivers.e1000e.netdev import (
    DRIVER_NAME,
    WUFC_BC,
    WUFC_EX,
    WUFC_LNKC,
    WUFC_MAG,
    WUFC_MC,
    E1000NetDevice,
    begin_reset,
    e1000e_close,
    e1000e_down,
    e1000e_free_rx_resources,
    e1000e_free_tx_resources,
    e1000e_get_hw_control,
    e1000e_open,
    e1000e_power_up_phy,
    e1000e_reinit_locked,
    e1000e_release_hw_control,
    e1000e_reset,
    e1000e_reset_interrupt_capability,
    e1000e_set_interrupt_capability,
    e1000e_setup_rx_resources,
    e1000e_setup_tx_resources,
    e1000e_up,
    e1000e_write_itr,
)
from rxpath.drivers.lib import msleep, usleep_range
from rxpath.hw.memory import DMA_FROM_DEVICE, DMA_TO_DEVICE, Buffer
from rxpath.hw.regs import i82574 as r
from rxpath.kernel.dma import dma_alloc_coherent, dma_free_coherent
from rxpath.kernel.errno import EAGAIN, EFAULT, EINVAL, EOPNOTSUPP, linux_error
from rxpath.kernel.irq import IRQ_HANDLED
from rxpath.net.core.ethtool import (
    AH_ESP_V4_FLOW,
    AH_ESP_V6_FLOW,
    AUTONEG_DISABLE,
    AUTONEG_ENABLE,
    DUPLEX_FULL,
    DUPLEX_HALF,
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
    WAKE_BCAST,
    WAKE_MAGIC,
    WAKE_MCAST,
    WAKE_PHY,
    WAKE_UCAST,
    Coalesce,
    DrvInfo,
    EthtoolOps,
    LinkSettings,
    PauseParam,
    Regs,
    RingParam,
    TestResult,
    TsInfo,
    WolInfo,
)
from rxpath.net.core.netdevice import dev_get_stats

EFBIG: Final = 27
M32: Final = 0xFFFFFFFF

STAT_NAMES: Final = (
    "rx_packets",
    "tx_packets",
    "rx_bytes",
    "tx_bytes",
    "rx_broadcast",
    "tx_broadcast",
    "rx_multicast",
    "tx_multicast",
    "rx_errors",
    "tx_errors",
    "tx_dropped",
    "multicast",
    "collisions",
    "rx_length_errors",
    "rx_over_errors",
    "rx_crc_errors",
    "rx_frame_errors",
    "rx_no_buffer_count",
    "rx_missed_errors",
    "tx_aborted_errors",
    "tx_carrier_errors",
    "tx_fifo_errors",
    "tx_heartbeat_errors",
    "tx_window_errors",
    "tx_abort_late_coll",
    "tx_deferred_ok",
    "tx_single_coll_ok",
    "tx_multi_coll_ok",
    "tx_timeout_count",
    "tx_restart_queue",
    "rx_long_length_errors",
    "rx_short_length_errors",
    "rx_align_errors",
    "tx_tcp_seg_good",
    "tx_tcp_seg_failed",
    "rx_flow_control_xon",
    "rx_flow_control_xoff",
    "tx_flow_control_xon",
    "tx_flow_control_xoff",
    "rx_csum_offload_good",
    "rx_csum_offload_errors",
    "rx_header_split",
    "alloc_rx_buff_failed",
    "tx_smbus",
    "rx_smbus",
    "dropped_smbus",
    "rx_dma_failed",
    "tx_dma_failed",
    "rx_hwtstamp_cleared",
    "uncorr_ecc_errors",
    "corr_ecc_errors",
    "tx_hwtstamp_timeouts",
    "tx_hwtstamp_skipped",
)
N_STATS_3_13: Final = 51

TEST_NAMES: Final = (
    "Register test  (offline)",
    "Eeprom test    (offline)",
    "Interrupt test (offline)",
    "Loopback test  (offline)",
    "Link test   (on/offline)",
)
PRIV_FLAGS: Final = ("s0ix-enabled",)
REGS_LEN: Final = 32
MIN_ITR_USECS: Final = 10
MAX_ITR_USECS: Final = 10000

_COPPER_MODES: Final = ("10baseT/Half", "10baseT/Full", "100baseT/Half", "100baseT/Full", "1000baseT/Full")
_ADVERTISED: Final = {
    0x01: "10baseT/Half",
    0x02: "10baseT/Full",
    0x04: "100baseT/Half",
    0x08: "100baseT/Full",
    0x20: "1000baseT/Full",
}


class E1000EthtoolOps(EthtoolOps):
    """e1000_ethtool_ops."""

    __slots__ = ("netdev",)

    def __init__(self, netdev: E1000NetDevice) -> None:
        super().__init__(netdev)
        self.netdev = netdev
        self.supported_coalesce = ("rx-usecs",)

    def _a(self) -> E1000Adapter:
        return self.netdev.priv()

    # --- identity and link ----------------------------------------------------------------------------------
    def get_drvinfo(self, info: DrvInfo) -> None:
        a = self._a()
        info.driver = DRIVER_NAME
        if a.old_release:
            info.version = "2.3.2-k"
        v = a.eeprom_vers
        info.fw_version = "%d.%d-%d" % (v >> 12 & 0xF, v >> 4 & 0xFF, v & 0xF)
        info.bus_info = a.pdev.name

    def get_link_ksettings(self) -> LinkSettings:
        a = self._a()
        hw = a.the_hw()
        s = LinkSettings()
        s.supported = [*_COPPER_MODES, "Autoneg", "TP"]
        s.advertising = ["TP"]
        if hw.autoneg:
            s.advertising += [
                "Autoneg",
                *(m for bit, m in _ADVERTISED.items() if hw.autoneg_advertised & bit),
            ]
        s.port = PORT_TP
        s.phy_address = hw.phy_addr
        dev = self.netdev
        if dev.running():
            if dev.carrier_ok:
                s.speed = a.link_speed
                s.duplex = a.link_duplex - 1
        else:
            status = hw.er32(r.STATUS)
            if status & r.STATUS_LU:
                s.speed = 1000 if status & r.STATUS_SPEED_1000 else 100 if status & r.STATUS_SPEED_100 else 10
                s.duplex = DUPLEX_FULL if status & r.STATUS_FD else DUPLEX_HALF
        s.autoneg = AUTONEG_ENABLE if hw.autoneg else AUTONEG_DISABLE
        if dev.carrier_ok:
            s.mdix = ETH_TP_MDI_X if hw.is_mdix else ETH_TP_MDI
        s.mdix_ctrl = hw.mdix if hw.mdix else ETH_TP_MDI_AUTO
        return s

    def set_link_ksettings(self, s: LinkSettings) -> None:
        """Autonegotiation with a set of modes, or 10 and 100 Mbit/s by hand.  Raises OSError(EINVAL)."""
        a = self._a()
        hw = a.the_hw()
        if e1000e_check_reset_block_generic(hw):
            a.e_err("Cannot change link characteristics when SoL/IDER is active.")
            raise linux_error(EINVAL, a.netdev.name)
        if s.mdix_ctrl and s.mdix_ctrl != ETH_TP_MDI_AUTO and s.autoneg != AUTONEG_ENABLE:
            a.e_err("forcing MDI/MDI-X state is not supported when link speed and/or duplex are forced")
            raise linux_error(EINVAL, a.netdev.name)
        begin_reset(a)
        try:
            if s.autoneg == AUTONEG_ENABLE:
                hw.autoneg = True
                hw.autoneg_advertised = sum(bit for bit, m in _ADVERTISED.items() if m in s.advertising)
                if a.fc_autoneg:
                    hw.fc.requested_mode = FC_DEFAULT
            else:
                _set_spd_dplx(a, s.speed, s.duplex)
            if s.mdix_ctrl:
                hw.mdix = 0 if s.mdix_ctrl == ETH_TP_MDI_AUTO else s.mdix_ctrl
            if self.netdev.running():
                e1000e_down(a, True)
                e1000e_up(a)
            else:
                e1000e_reset(a)
        finally:
            a.state &= ~STATE_RESETTING

    def nway_reset(self) -> None:
        a = self._a()
        if not self.netdev.running():
            raise linux_error(EAGAIN, a.netdev.name)
        if not a.the_hw().autoneg:
            raise linux_error(EINVAL, a.netdev.name)
        e1000e_reinit_locked(a)

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
        a = self._a()
        hw = a.the_hw()
        a.fc_autoneg = p.autoneg
        begin_reset(a)
        try:
            if p.autoneg:
                hw.fc.requested_mode = FC_DEFAULT
                if self.netdev.running():
                    e1000e_down(a, True)
                    e1000e_up(a)
                else:
                    e1000e_reset(a)
            else:
                hw.fc.requested_mode = (FC_RX_PAUSE if p.rx_pause else 0) | (FC_TX_PAUSE if p.tx_pause else 0)
                hw.fc.current_mode = hw.fc.requested_mode
                e1000e_force_mac_fc(hw)
                e1000e_set_fc_watermarks(hw)
        finally:
            a.state &= ~STATE_RESETTING

    def get_wol(self) -> WolInfo:
        a = self._a()
        if not a.flags & FLAG_HAS_WOL or not a.pdev.wakeup_capable:
            return WolInfo()
        opts = 0
        for bit, wake in _WUFC_WAKE:
            if a.wol & bit:
                opts |= wake
        return WolInfo(WAKE_UCAST | WAKE_MCAST | WAKE_BCAST | WAKE_MAGIC | WAKE_PHY, opts)

    def set_wol(self, wolopts: int) -> None:
        a = self._a()
        if (
            not a.flags & FLAG_HAS_WOL
            or not a.pdev.wakeup_capable
            or wolopts & ~(WAKE_UCAST | WAKE_MCAST | WAKE_BCAST | WAKE_MAGIC | WAKE_PHY)
        ):
            raise linux_error(EOPNOTSUPP, a.netdev.name)
        a.wol = sum(bit for bit, wake in _WUFC_WAKE if wolopts & wake)
        a.pdev.wakeup_enabled = bool(a.wol)

    def set_phys_id(self, on: bool) -> None:
        hw = self._a().the_hw()
        hw.ew32(r.LEDCTL, 0x0E0E0E0E if on else hw.ledctl_default)

    # --- registers and EEPROM -------------------------------------------------------------------------------
    def get_regs_len(self) -> int:
        return REGS_LEN * 4

    def get_regs(self) -> Regs:
        a = self._a()
        hw = a.the_hw()
        words = [0] * REGS_LEN
        for i, off in enumerate(
            (
                r.CTRL,
                r.STATUS,
                r.RCTL,
                r.RDLEN(0),
                r.RDH(0),
                r.RDT(0),
                r.RDTR,
                r.TCTL,
                r.TDLEN(0),
                r.TDH(0),
                r.TDT(0),
                r.TIDV,
            )
        ):
            words[i] = hw.er32(off)
        words[12] = hw.phy_type
        words[24] = words[25] = e1e_rphy(hw, r.PHY_STAT1000)
        return Regs(1 << 24 | a.pdev.revision << 16 | a.pdev.device, struct.pack("<%dI" % REGS_LEN, *words))

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
        data = b"".join(e1000_read_nvm(hw, w).to_bytes(2, "little") for w in range(first, last + 1))
        return self._magic(), data[offset & 1 : (offset & 1) + length]

    def set_eeprom(self, magic: int, offset: int, data: bytes) -> None:
        """Raises OSError: EOPNOTSUPP (no data), EFAULT (wrong magic), EINVAL (read only), EFBIG."""
        a = self._a()
        hw = a.the_hw()
        if not data:
            raise linux_error(EOPNOTSUPP, a.netdev.name)
        if magic != self._magic():
            raise linux_error(EFAULT, a.netdev.name)
        if a.flags & FLAG_READ_ONLY_NVM:
            raise linux_error(EINVAL, a.netdev.name)
        if offset < 0 or offset + len(data) > self.get_eeprom_len():
            raise OSError(EFBIG, "File too large: %s" % a.netdev.name)
        first, last = offset >> 1, (offset + len(data) - 1) >> 1
        words = bytearray(b"".join(e1000_read_nvm(hw, w).to_bytes(2, "little") for w in range(first, last + 1)))
        words[offset & 1 : (offset & 1) + len(data)] = data
        for i in range(last - first + 1):
            e1000_write_nvm(hw, first + i, words[2 * i] | words[2 * i + 1] << 8)
        e1000e_update_nvm_checksum(hw)

    # --- rings and moderation -------------------------------------------------------------------------------
    def get_ringparam(self) -> RingParam:
        a = self._a()
        p = RingParam()
        p.rx_max_pending = E1000_MAX_RXD
        p.tx_max_pending = E1000_MAX_TXD
        p.rx_pending = a.rx_ring_count
        p.tx_pending = a.tx_ring_count
        return p

    def set_ringparam(self, p: RingParam) -> None:
        """Clamped to 64..4096 and rounded up to a multiple of 8; a running port goes down and up.  Raises
        OSError.
        """
        a = self._a()
        if p.rx_mini_pending or p.rx_jumbo_pending:
            raise linux_error(EINVAL, a.netdev.name)
        m = REQ_DESCRIPTOR_MULTIPLE
        rx = (min(max(p.rx_pending, E1000_MIN_RXD), E1000_MAX_RXD) + m - 1) // m * m
        tx = (min(max(p.tx_pending, E1000_MIN_TXD), E1000_MAX_TXD) + m - 1) // m * m
        if tx == a.tx_ring_count and rx == a.rx_ring_count:
            return
        begin_reset(a)
        try:
            if not self.netdev.running():
                a.tx_ring.count = a.tx_ring_count = tx
                a.rx_ring.count = a.rx_ring_count = rx
                return
            _resize(a, rx, tx)
        finally:
            a.state &= ~STATE_RESETTING

    def get_coalesce(self) -> Coalesce:
        s = self._a().itr_setting
        return Coalesce({"rx-usecs": s if s <= 4 else 1000000 // s})

    def set_coalesce(self, c: Coalesce) -> None:
        """0, 1, 3, 4: modes; 10..10000: microseconds.  Raises OSError(EINVAL)."""
        a = self._a()
        us = c.get("rx-usecs")
        if us > MAX_ITR_USECS or 4 < us < MIN_ITR_USECS or us == 2:
            raise linux_error(EINVAL, a.netdev.name)
        if us == 4:
            a.itr = a.itr_setting = 4
        elif us <= 3:
            a.itr = 20000
            a.itr_setting = us
        else:
            a.itr = 1000000 // us
            a.itr_setting = a.itr & ~3
        e1000e_write_itr(a, a.itr if a.itr_setting != 0 else 0)

    # --- statistics, strings, tests -------------------------------------------------------------------------
    def get_sset_count(self, sset: int) -> int:
        if sset == ETH_SS_TEST:
            return len(TEST_NAMES)
        if sset == ETH_SS_STATS:
            return N_STATS_3_13 if self._a().old_release else len(STAT_NAMES)
        if sset == ETH_SS_PRIV_FLAGS and not self._a().old_release:
            return len(PRIV_FLAGS)
        raise self._no()

    def get_strings(self, sset: int) -> list[str]:
        if sset == ETH_SS_TEST:
            return list(TEST_NAMES)
        if sset == ETH_SS_STATS:
            return list(STAT_NAMES[: self.get_sset_count(sset)])
        if sset == ETH_SS_PRIV_FLAGS:
            return list(PRIV_FLAGS)
        raise self._no()

    def get_ethtool_stats(self) -> list[int]:
        a = self._a()
        n = dev_get_stats(self.netdev)
        s = a.stats
        values = [
            s.gprc,
            s.gptc,
            s.gorc,
            s.gotc,
            s.bprc,
            s.bptc,
            s.mprc,
            s.mptc,
            n.rx_errors,
            n.tx_errors,
            n.tx_dropped,
            s.mprc,
            s.colc,
            n.rx_length_errors,
            n.rx_over_errors,
            s.crcerrs,
            n.rx_frame_errors,
            s.rnbc,
            s.mpc,
            s.ecol,
            s.tncrs,
            n.tx_fifo_errors,
            n.tx_heartbeat_errors,
            s.latecol,
            s.latecol,
            s.dc,
            s.scc,
            s.mcc,
            a.tx_timeout_count,
            a.restart_queue,
            s.roc,
            s.ruc,
            s.algnerrc,
            s.tsctc,
            s.tsctfc,
            s.xonrxc,
            s.xoffrxc,
            s.xontxc,
            s.xofftxc,
            a.hw_csum_good,
            a.hw_csum_err,
            a.rx_hdr_split,
            a.alloc_rx_buff_failed,
            s.mgptc,
            s.mgprc,
            s.mgpdc,
            a.rx_dma_failed,
            a.tx_dma_failed,
            a.rx_hwtstamp_cleared,
            a.uncorr_errors,
            a.corr_errors,
            a.tx_hwtstamp_timeouts,
            a.tx_hwtstamp_skipped,
        ]
        return values[: self.get_sset_count(ETH_SS_STATS)]

    def get_priv_flags(self) -> int:
        if self._a().old_release:
            raise self._no()
        return 0

    def set_priv_flags(self, flags: int) -> None:
        """S0ix needs a newer chip.  Raises OSError(EINVAL)."""
        if self._a().old_release:
            raise self._no()
        if flags:
            raise linux_error(EINVAL, self.netdev.name)

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
            [
                "none",
                "all",
                "ptpv1-l4-sync",
                "ptpv1-l4-delay-req",
                "ptpv2-l4-sync",
                "ptpv2-l4-delay-req",
                "ptpv2-l2-sync",
                "ptpv2-l2-delay-req",
                "ptpv2-event",
                "ptpv2-sync",
                "ptpv2-delay-req",
            ],
        )

    def get_rx_hash(self, flow_type: int) -> int:
        """What MRQC hashes for that flow."""
        mrqc = self._a().the_hw().er32(r.MRQC)
        bits = 0
        if flow_type == TCP_V4_FLOW and mrqc & r.MRQC_RSS_FIELD_IPV4_TCP:
            bits |= RXH_L4_B_0_1 | RXH_L4_B_2_3
        if flow_type == TCP_V6_FLOW and mrqc & r.MRQC_RSS_FIELD_IPV6_TCP:
            bits |= RXH_L4_B_0_1 | RXH_L4_B_2_3
        if flow_type in (TCP_V4_FLOW, UDP_V4_FLOW, SCTP_V4_FLOW, AH_ESP_V4_FLOW, IPV4_FLOW):
            if mrqc & r.MRQC_RSS_FIELD_IPV4:
                bits |= RXH_IP_SRC | RXH_IP_DST
        elif flow_type in (TCP_V6_FLOW, UDP_V6_FLOW, SCTP_V6_FLOW, AH_ESP_V6_FLOW, IPV6_FLOW):
            if mrqc & r.MRQC_RSS_FIELD_IPV6:
                bits |= RXH_IP_SRC | RXH_IP_DST
        return bits

    def self_test(self, flags: int) -> TestResult:
        return e1000_diag_test(self.netdev, flags)


_WUFC_WAKE: Final = (
    (WUFC_EX, WAKE_UCAST),
    (WUFC_MC, WAKE_MCAST),
    (WUFC_BC, WAKE_BCAST),
    (WUFC_MAG, WAKE_MAGIC),
    (WUFC_LNKC, WAKE_PHY),
)


def _set_spd_dplx(a: E1000Adapter, speed: int, duplex: int) -> None:
    hw = a.the_hw()
    forced = {(10, 0): 0x01, (10, 1): 0x02, (100, 0): 0x04, (100, 1): 0x08}.get((speed, duplex))
    if (speed, duplex) == (1000, 1):  # gigabit copper always negotiates
        hw.autoneg = True
        hw.autoneg_advertised = 0x20
    elif forced is not None:
        hw.autoneg = False
        hw.forced_speed_duplex = forced
    else:
        hw.autoneg = False
        a.e_err("Unsupported Speed/Duplex configuration")
        raise linux_error(EINVAL, a.netdev.name)
    hw.mdix = 0


def _resize(a: E1000Adapter, rx: int, tx: int) -> None:
    """Down, new rings beside the old ones, then the old ones go; when memory is short the old ones stay."""
    e1000e_down(a, True)
    temp_tx: E1000Ring | None = None
    try:
        if tx != a.tx_ring_count:
            temp_tx = E1000Ring(a, tx)
            e1000e_setup_tx_resources(temp_tx)
        if rx != a.rx_ring_count:
            temp_rx = E1000Ring(a, rx)
            try:
                e1000e_setup_rx_resources(temp_rx)
            except OSError:
                if temp_tx is not None:
                    e1000e_free_tx_resources(temp_tx)
                raise
            e1000e_free_rx_resources(a.rx_ring)
            a.rx_ring.take_over(temp_rx)
            a.rx_ring_count = rx
        if temp_tx is not None:
            e1000e_free_tx_resources(a.tx_ring)
            a.tx_ring.take_over(temp_tx)
            a.tx_ring_count = tx
    finally:
        e1000e_up(a)


# --- self tests ---------------------------------------------------------------------------------------------


def _pattern(a: E1000Adapter, hw: E1000Hw, off: int, mask: int, write: int) -> bool:
    """Four patterns; True when one comes back wrong."""
    for pat in (0x5A5A5A5A, 0xA5A5A5A5, 0x00000000, 0xFFFFFFFF):
        hw.ew32(off, pat & write)
        val = hw.er32(off)
        if val != pat & write & mask:
            a.e_err("pattern test failed (reg 0x%05X): got 0x%08X expected 0x%08X" % (off, val, pat & write & mask))
            return True
    return False


def _set_check(a: E1000Adapter, hw: E1000Hw, off: int, mask: int, write: int) -> bool:
    hw.ew32(off, write & mask)
    val = hw.er32(off)
    if write & mask != val & mask:
        a.e_err("set/check test failed (reg 0x%05X): got 0x%08X expected 0x%08X" % (off, val & mask, write & mask))
        return True
    return False


def e1000_reg_test(a: E1000Adapter) -> int:
    """0, or the register that failed (1: STATUS)."""
    hw = a.the_hw()
    toggle = 0x7FFFF033
    before = hw.er32(r.STATUS)
    hw.ew32(r.STATUS, toggle)
    after = hw.er32(r.STATUS) & toggle
    if before & toggle != after:
        a.e_err("failed STATUS register test got: 0x%08X expected: 0x%08X" % (after, before & toggle))
        return 1
    hw.ew32(r.STATUS, before)
    for off, mask, write in (
        (r.FCAL, M32, M32),
        (r.FCAH, 0xFFFF, M32),
        (r.FCT, 0xFFFF, M32),
        (r.VET, 0xFFFF, M32),
        (r.RDTR, 0xFFFF, M32),
        (r.RDBAH(0), M32, M32),
        (r.RDLEN(0), 0x000FFF80, 0x000FFFFF),
        (r.RDH(0), 0xFFFF, 0xFFFF),
        (r.RDT(0), 0xFFFF, 0xFFFF),
        (r.FCRTH, 0xFFF8, 0xFFF8),
        (r.FCTTV, 0xFFFF, 0xFFFF),
        (r.TIPG, 0x3FFFFFFF, 0x3FFFFFFF),
        (r.TDBAH(0), M32, M32),
        (r.TDLEN(0), 0x000FFF80, 0x000FFFFF),
    ):
        if _pattern(a, hw, off, mask, write):
            return off
    for off, mask, write in (
        (r.RCTL, M32, 0),
        (r.RCTL, 0x06DFB3FE, 0x003FFFFB),
        (r.TCTL, M32, 0),
        (r.RCTL, 0x06DFB3FE, M32),
    ):
        if _set_check(a, hw, off, mask, write):
            return off
    for off, mask, write in (
        (r.RDBAL(0), 0xFFFFFFF0, M32),
        (r.TXCW, 0xC000FFFF, 0x0000FFFF),
        (r.TDBAL(0), 0xFFFFFFF0, M32),
        (r.TIDV, 0xFFFF, M32),
    ):
        if _pattern(a, hw, off, mask, write):
            return off
    for i in range(hw.rar_entry_count):
        if _pattern(a, hw, r.RAH(i), 0x8003FFFF, M32):
            return r.RA
    for i in range(hw.mta_reg_count):
        if _pattern(a, hw, r.MTA + 4 * i, M32, M32):
            return r.MTA
    return 0


def e1000_eeprom_test(a: E1000Adapter) -> int:
    """0; 1 read error; 2 wrong checksum."""
    try:
        return 0 if nvm_sum(a.the_hw()) == r.NVM_SUM else 2
    except OSError:
        return 1


def e1000_test_intr(irq: int, data: object) -> int:
    assert isinstance(data, E1000NetDevice)
    a = data.priv()
    a.test_icr |= a.the_hw().er32(r.ICR)
    return IRQ_HANDLED


def e1000_intr_test(a: E1000Adapter) -> int:
    """Ten causes through the line or MSI: 0; 1 no handler; 3 a masked one fired; 4 one did not fire; 5
    another fired.
    """
    hw = a.the_hw()
    k = a.pdev.kernel
    int_mode = a.int_mode
    if int_mode == INT_MODE_MSIX:
        e1000e_reset_interrupt_capability(a)
        a.int_mode = INT_MODE_LEGACY
        e1000e_set_interrupt_capability(a)
    irq = a.pdev.irq
    shared = False
    try:
        try:
            k.irq.request_irq(irq, e1000_test_intr, 0, a.netdev.name, a.netdev)
        except OSError:
            try:
                k.irq.request_irq(irq, e1000_test_intr, 0x80, a.netdev.name, a.netdev)
                shared = True
            except OSError:
                return 1
        a.e_info("testing %s interrupt" % ("shared" if shared else "unshared"))
        result = _fire_each(a, hw, shared)
        hw.ew32(r.IMC, M32)
        hw.flush()
        usleep_range(k, 10000, 11000)
        k.irq.free_irq(irq, a.netdev)
        return result
    finally:
        if int_mode == INT_MODE_MSIX:
            e1000e_reset_interrupt_capability(a)
            a.int_mode = int_mode
            e1000e_set_interrupt_capability(a)


def _fire_each(a: E1000Adapter, hw: E1000Hw, shared: bool) -> int:
    k = a.pdev.kernel
    hw.ew32(r.IMC, M32)
    hw.flush()
    usleep_range(k, 10000, 11000)
    for i in range(10):
        mask = 1 << i
        if not shared:
            a.test_icr = 0
            hw.ew32(r.IMC, mask)
            hw.ew32(r.ICS, mask)
            hw.flush()
            usleep_range(k, 10000, 11000)
            if a.test_icr & mask:
                return 3
        a.test_icr = 0
        hw.ew32(r.IMS, mask)
        hw.ew32(r.ICS, mask)
        hw.flush()
        usleep_range(k, 10000, 11000)
        if not a.test_icr & mask:
            return 4
        if not shared:
            a.test_icr = 0
            hw.ew32(r.IMC, ~mask & 0x7FFF)
            hw.ew32(r.ICS, ~mask & 0x7FFF)
            hw.flush()
            usleep_range(k, 10000, 11000)
            if a.test_icr:
                return 5
    return 0


class _Loopback:
    """The rings of the loopback test: 256 descriptors each way, every transmit buffer holds the test frame."""

    __slots__ = ("a", "hw", "tx_desc", "rx_desc", "tx_bufs", "rx_bufs", "n")

    def __init__(self, a: E1000Adapter) -> None:
        self.a = a
        self.hw = hw = a.the_hw()
        self.n = n = 256
        mem = a.pdev.kernel.memory
        self.tx_desc = dma_alloc_coherent(mem, n * 16)
        self.rx_desc = dma_alloc_coherent(mem, n * 16)
        self.tx_bufs: list[Buffer] = []
        self.rx_bufs: list[Buffer] = []
        frame = lbtest_frame(1024)
        hw.ew32(r.TDBAL(0), self.tx_desc.addr & M32)
        hw.ew32(r.TDBAH(0), self.tx_desc.addr >> 32)
        hw.ew32(r.TDLEN(0), n * 16)
        hw.ew32(r.TDH(0), 0)
        hw.ew32(r.TDT(0), 0)
        hw.ew32(r.TCTL, r.TCTL_PSP | r.TCTL_EN | r.TCTL_MULR | 15 << r.TCTL_CT_SHIFT | 63 << r.TCTL_COLD_SHIFT)
        for i in range(n):
            b = mem.alloc(2048)
            b.view[:1024] = frame
            self.tx_bufs.append(b)
            addr = mem.map(b, 0, 1024, DMA_TO_DEVICE)
            struct.pack_into(
                "<QII",
                self.tx_desc.view,
                16 * i,
                addr,
                1024 | r.TXD_CMD_EOP | r.TXD_CMD_IFCS | r.TXD_CMD_RS,
                0,
            )
        rctl = hw.er32(r.RCTL)
        if not a.flags2 & FLAG2_NO_DISABLE_RX:
            hw.ew32(r.RCTL, rctl & ~r.RCTL_EN)
        hw.ew32(r.RDBAL(0), self.rx_desc.addr & M32)
        hw.ew32(r.RDBAH(0), self.rx_desc.addr >> 32)
        hw.ew32(r.RDLEN(0), n * 16)
        hw.ew32(r.RDH(0), 0)
        hw.ew32(r.RDT(0), 0)
        hw.ew32(r.RCTL, r.RCTL_EN | r.RCTL_BAM | r.RCTL_UPE | r.RCTL_MPE | r.RCTL_LPE | r.RCTL_SBP | r.RCTL_SECRC)
        for i in range(n):
            b = mem.alloc(2048)
            b.view[:] = bytes(2048)
            self.rx_bufs.append(b)
            struct.pack_into("<Q", self.rx_desc.view, 16 * i, mem.map(b, 0, 2048, DMA_FROM_DEVICE))

    def free(self) -> None:
        """e1000_free_desc_rings."""
        mem = self.a.pdev.kernel.memory
        for b in self.tx_bufs:
            mem.unmap(b.addr, 1024)
            mem.release(b)
        for b in self.rx_bufs:
            mem.take_tag(b.addr)
            mem.unmap(b.addr, 2048)
            mem.release(b)
        dma_free_coherent(mem, self.tx_desc)
        dma_free_coherent(mem, self.rx_desc)

    def run(self) -> int:
        """e1000_run_loopback_test: 64 frames a round, enough rounds to wrap; 0, or 13 when they do not come
        back.
        """
        hw = self.hw
        hw.ew32(r.RDT(0), self.n - 1)
        k = j = 0
        for _ in range(self.n // 64 * 2 + 2):
            k = (k + 64) % self.n
            hw.ew32(r.TDT(0), k)
            hw.flush()
            msleep(hw.kernel, 200)
            good = 0
            for _ in range(2 * self.n):  # Linux looks on for 20 jiffies: one descriptor was never given to the device
                if check_lbtest_frame(bytes(self.rx_bufs[j].view[:1024]), 1024):
                    good += 1
                j = (j + 1) % self.n
                if good == 64:
                    break
            if good != 64:
                return 13
        return 0


def lbtest_frame(size: int) -> bytes:
    """e1000_create_lbtest_frame: half ones, half 0xAA, two marks."""
    size &= ~1
    f = bytearray(b"\xff" * size)
    half = size // 2
    f[half : half + half - 1] = b"\xaa" * (half - 1)
    f[half + 10] = 0xBE
    f[half + 12] = 0xAF
    return bytes(f)


def check_lbtest_frame(data: bytes, size: int) -> bool:
    half = size // 2
    return data[3] == 0xFF and data[half + 10] == 0xBE and data[half + 12] == 0xAF


def e1000_integrated_phy_loopback(hw: E1000Hw) -> None:
    """The PHY returns what it is given, at 1000 Mbit/s full duplex."""
    hw.autoneg = False
    v = e1e_rphy(hw, 2 << 5 | 21) & ~7 | 6
    e1e_wphy(hw, 2 << 5 | 21, v)
    e1000e_phy_sw_reset(hw)
    usleep_range(hw.kernel, 1000, 2000)
    for page, reg, bits in ((769, 16, 0x000C), (776, 16, 0x0040), (769, 16, 0x0040), (769, 20, 0x0400)):
        e1e_wphy(hw, page << 5 | reg, e1e_rphy(hw, page << 5 | reg) | bits)
    e1e_wphy(hw, r.PHY_BMCR, 0x4140)
    msleep(hw.kernel, 250)
    ctrl = hw.er32(r.CTRL) & ~r.CTRL_SPD_SEL | r.CTRL_FRCSPD | r.CTRL_FRCDPX | r.CTRL_SPD_1000 | r.CTRL_FD
    if not hw.er32(r.STATUS) & r.STATUS_FD:
        ctrl |= r.CTRL_ILOS | r.CTRL_SLU
    hw.ew32(r.CTRL, ctrl)
    usleep_range(hw.kernel, 500, 1000)


def e1000_loopback_cleanup(hw: E1000Hw) -> None:
    hw.ew32(r.RCTL, hw.er32(r.RCTL) & ~r.RCTL_LBM_MASK)
    hw.autoneg = True
    bmcr = e1e_rphy(hw, r.PHY_BMCR)
    if bmcr & r.BMCR_LOOPBACK:
        e1e_wphy(hw, r.PHY_BMCR, bmcr & ~r.BMCR_LOOPBACK)
        e1000e_phy_sw_reset(hw)


def e1000_loopback_test(a: E1000Adapter) -> int:
    hw = a.the_hw()
    if e1000e_check_reset_block_generic(hw):
        a.e_err("Cannot do PHY loopback test when SoL/IDER is active.")
        return 0
    rings = _Loopback(a)
    try:
        e1000_integrated_phy_loopback(hw)
        result = rings.run()
        e1000_loopback_cleanup(hw)
        return result
    finally:
        hw.ew32(r.RCTL, 0)
        hw.ew32(r.TCTL, hw.er32(r.TCTL) & ~r.TCTL_EN)
        rings.free()


def e1000_link_test(a: E1000Adapter) -> int:
    hw = a.the_hw()
    e1000e_check_for_copper_link(hw)
    if hw.autoneg:
        msleep(hw.kernel, 5000)
    return 0 if hw.er32(r.STATUS) & r.STATUS_LU else 1


def e1000_diag_test(netdev: E1000NetDevice, flags: int) -> TestResult:
    """The five tests; offline ones take the port down and bring it up again.  Takes 9 s and more of the
    machine's time.
    """
    a = netdev.priv()
    hw = a.the_hw()
    running = netdev.running()
    data = [0] * 5
    a.state |= STATE_TESTING
    if not running:
        if a.flags & FLAG_HAS_AMT:
            e1000e_get_hw_control(a)
        e1000e_power_up_phy(a)
        hw.autoneg_wait_to_complete = True
        e1000e_reset(a)
        hw.autoneg_wait_to_complete = False
    if flags == ETH_TEST_FL_OFFLINE:
        saved = (hw.autoneg_advertised, hw.forced_speed_duplex, hw.autoneg)
        a.e_info("offline testing starting")
        if running:
            e1000e_close(netdev)
        data[0] = e1000_reg_test(a)
        e1000e_reset(a)
        data[1] = e1000_eeprom_test(a)
        e1000e_reset(a)
        data[2] = e1000_intr_test(a)
        e1000e_reset(a)
        data[3] = e1000_loopback_test(a)
        hw.autoneg_wait_to_complete = True
        e1000e_reset(a)
        hw.autoneg_wait_to_complete = False
        data[4] = e1000_link_test(a)
        hw.autoneg_advertised, hw.forced_speed_duplex, hw.autoneg = saved
        e1000e_reset(a)
        a.state &= ~STATE_TESTING
        if running:
            e1000e_open(netdev)
    else:
        a.e_info("online testing starting")
        data[4] = e1000_link_test(a)
        a.state &= ~STATE_TESTING
    if not running:
        e1000e_reset(a)
        if a.flags & FLAG_HAS_AMT:
            e1000e_release_hw_control(a)
    if any(data):
        flags |= ETH_TEST_FL_FAILED
    msleep(hw.kernel, 4000)
    return TestResult(flags, data)


__all__ = ["E1000EthtoolOps", "STAT_NAMES", "TEST_NAMES", "FC_NONE", "M88_PHY_SPEC_CTRL"]
