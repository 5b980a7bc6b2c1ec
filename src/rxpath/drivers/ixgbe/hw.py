"""ixgbe: chip sequences that know no packet: semaphores, EEPROM, PHY, reset, link, flow control, receive addresses.

What belongs here: what Linux keeps in ixgbe_common.c, ixgbe_phy.c, ixgbe_x540.c and ixgbe_82599.c, for an X540 and an
82599 as backplane device (KX4).  What does not: rings, interrupts, net devices (main.py).
Facts: ixgbe of 6.1; lines and order of register accesses as there.
"""

from __future__ import annotations

from typing import Final

from rxpath.drivers.lib import msleep, udelay, usleep_range
from rxpath.drivers.pci import PciDev
from rxpath.hw.regs import ixgbe as r
from rxpath.kernel.errno import EBUSY, EINVAL, EIO, linux_error

MAC_82599EB: Final = 2  # enum ixgbe_mac_type
MAC_X540: Final = 3
PHY_NONE: Final = 1  # enum ixgbe_phy_type
PHY_AQ: Final = 3

SPEED_100: Final = 100
SPEED_1GB: Final = 1000
SPEED_10GB: Final = 10000

FC_NONE: Final = 0
FC_RX_PAUSE: Final = 1
FC_TX_PAUSE: Final = 2
FC_FULL: Final = 3
DEFAULT_FCPAUSE: Final = 0xFFFF

TXPBSIZE_MAX: Final = 0x00028000  # 160 KiB
TXPKT_SIZE_MAX: Final = 0xA
MAX_PB: Final = 8
M32: Final = 0xFFFFFFFF


class IxgbeFc:
    """`struct ixgbe_fc_info` for one packet buffer; water marks in KiB."""

    __slots__ = (
        "high_water",
        "low_water",
        "pause_time",
        "current_mode",
        "requested_mode",
        "disable_fc_autoneg",
    )

    def __init__(self) -> None:
        self.high_water = 0
        self.low_water = 0
        self.pause_time = DEFAULT_FCPAUSE
        self.current_mode = FC_FULL
        self.requested_mode = FC_FULL
        self.disable_fc_autoneg = False


class IxgbeHw:
    """`struct ixgbe_hw`: registers through the bus, and what is known of MAC, PHY and EEPROM."""

    __slots__ = (
        "pdev",
        "kernel",
        "mac_type",
        "phy_type",
        "phy_id",
        "phy_addr",
        "phy_semaphore_mask",
        "mac_addr",
        "perm_addr",
        "num_rar_entries",
        "rx_pb_size",
        "max_tx_queues",
        "max_rx_queues",
        "max_msix_vectors",
        "word_size",
        "fc",
        "autoneg_advertised",
        "speeds_supported",
        "adapter_stopped",
        "orig_autoc",
        "mc_filter_type",
        "mta_shadow",
        "fdir_init_done",
        "set_lben",
    )

    def __init__(self, pdev: PciDev, mac_type: int) -> None:
        self.pdev = pdev
        self.kernel = pdev.kernel
        self.mac_type = mac_type
        self.phy_type = 0
        self.phy_id = 0
        self.phy_addr = 0
        self.phy_semaphore_mask = 0
        self.mac_addr = b"\0" * 6
        self.perm_addr = b"\0" * 6
        self.num_rar_entries = r.RAR_ENTRIES
        self.rx_pb_size = r.RX_PB_KIB_X540 if mac_type == MAC_X540 else r.RX_PB_KIB_82599
        self.max_tx_queues = r.MAX_QUEUES
        self.max_rx_queues = r.MAX_QUEUES
        self.max_msix_vectors = min((pdev.config_read(0x72, 2) & 0x7FF) + 1, 64)
        self.word_size = 0
        self.fc = IxgbeFc()
        self.autoneg_advertised: list[int] = []
        self.speeds_supported: list[int] = []
        self.adapter_stopped = False
        self.orig_autoc = -1
        self.mc_filter_type = 0
        self.mta_shadow = [0] * r.MTA_ENTRIES
        self.fdir_init_done = False
        self.set_lben = False

    def read(self, off: int) -> int:
        """IXGBE_READ_REG."""
        return self.pdev.model.mmio_read(0, off, 4)

    def write(self, off: int, value: int) -> None:
        """IXGBE_WRITE_REG."""
        self.pdev.model.mmio_write(0, off, 4, value & M32)

    def flush(self) -> None:
        """IXGBE_WRITE_FLUSH."""
        self.pdev.model.mmio_read(0, r.STATUS, 4)

    def copper(self) -> bool:
        return self.mac_type == MAC_X540


# --- semaphores -------------------------------------------------------------------------------------------------


def ixgbe_get_swfw_sync_semaphore(hw: IxgbeHw) -> None:
    """The X540's pair of semaphores that a read takes.  Raises OSError(EIO)."""
    for reg, bit in ((r.SWSM, r.SWSM_SMBI), (r.SWFW_SYNC, r.SWFW_REGSMP)):
        for _ in range(2000):
            if not hw.read(reg) & bit:
                break
            usleep_range(hw.kernel, 50, 100)
        else:
            ixgbe_release_swfw_sync_semaphore(hw)
            raise linux_error(EIO, "semaphore")


def ixgbe_release_swfw_sync_semaphore(hw: IxgbeHw) -> None:
    hw.write(r.SWFW_SYNC, hw.read(r.SWFW_SYNC) & ~r.SWFW_REGSMP)
    hw.write(r.SWSM, hw.read(r.SWSM) & ~r.SWSM_SMBI)
    hw.flush()


def ixgbe_acquire_swfw_sync_X540(hw: IxgbeHw, mask: int) -> None:
    """Raises OSError(EBUSY)."""
    for _ in range(200):
        ixgbe_get_swfw_sync_semaphore(hw)
        sync = hw.read(r.SWFW_SYNC)
        if not sync & (mask | mask << 5):
            hw.write(r.SWFW_SYNC, sync | mask)
            ixgbe_release_swfw_sync_semaphore(hw)
            usleep_range(hw.kernel, 5000, 6000)
            return
        ixgbe_release_swfw_sync_semaphore(hw)
        usleep_range(hw.kernel, 5000, 10000)
    raise linux_error(EBUSY, "semaphore")


def ixgbe_release_swfw_sync_X540(hw: IxgbeHw, mask: int) -> None:
    ixgbe_get_swfw_sync_semaphore(hw)
    hw.write(r.SWFW_SYNC, hw.read(r.SWFW_SYNC) & ~mask)
    ixgbe_release_swfw_sync_semaphore(hw)
    usleep_range(hw.kernel, 5000, 6000)


def ixgbe_get_eeprom_semaphore(hw: IxgbeHw) -> None:
    """The 82599's: SMBI, then SWESMBI.  Raises OSError(EIO)."""
    for _ in range(2000):
        if not hw.read(r.SWSM) & r.SWSM_SMBI:
            break
        usleep_range(hw.kernel, 50, 100)
    else:
        raise linux_error(EIO, "semaphore")
    for _ in range(2000):
        hw.write(r.SWSM, hw.read(r.SWSM) | r.SWSM_SWESMBI)
        if hw.read(r.SWSM) & r.SWSM_SWESMBI:
            return
        usleep_range(hw.kernel, 50, 100)
    raise linux_error(EIO, "semaphore")


def ixgbe_release_eeprom_semaphore(hw: IxgbeHw) -> None:
    hw.write(r.SWSM, hw.read(r.SWSM) & ~(r.SWSM_SWESMBI | r.SWSM_SMBI))
    hw.flush()


def ixgbe_acquire_swfw_sync(hw: IxgbeHw, mask: int) -> None:
    for _ in range(200):
        ixgbe_get_eeprom_semaphore(hw)
        gssr = hw.read(r.GSSR)
        if not gssr & (mask | mask << 5):
            hw.write(r.GSSR, gssr | mask)
            ixgbe_release_eeprom_semaphore(hw)
            return
        ixgbe_release_eeprom_semaphore(hw)
        usleep_range(hw.kernel, 5000, 10000)
    raise linux_error(EBUSY, "semaphore")


def ixgbe_release_swfw_sync(hw: IxgbeHw, mask: int) -> None:
    ixgbe_get_eeprom_semaphore(hw)
    hw.write(r.GSSR, hw.read(r.GSSR) & ~mask)
    ixgbe_release_eeprom_semaphore(hw)


def _acquire(hw: IxgbeHw, mask: int) -> None:
    if hw.mac_type == MAC_X540:
        ixgbe_acquire_swfw_sync_X540(hw, mask)
    else:
        ixgbe_acquire_swfw_sync(hw, mask)


def _release(hw: IxgbeHw, mask: int) -> None:
    if hw.mac_type == MAC_X540:
        ixgbe_release_swfw_sync_X540(hw, mask)
    else:
        ixgbe_release_swfw_sync(hw, mask)


def ixgbe_init_swfw_sync_X540(hw: IxgbeHw) -> None:
    """Free what an earlier owner may have left taken."""
    try:
        ixgbe_get_swfw_sync_semaphore(hw)
    except OSError:
        pass
    ixgbe_release_swfw_sync_semaphore(hw)
    mask = r.GSSR_EEP_SM | r.GSSR_PHY0_SM | r.GSSR_PHY1_SM | r.GSSR_MAC_CSR_SM
    try:
        ixgbe_acquire_swfw_sync_X540(hw, mask)
    except OSError:
        pass
    ixgbe_release_swfw_sync_X540(hw, mask)


# --- EEPROM -----------------------------------------------------------------------------------------------------


def ixgbe_init_eeprom_params(hw: IxgbeHw) -> None:
    size = hw.read(r.EEC) >> r.EEC_SIZE_SHIFT & 0xF
    hw.word_size = 1 << (size + r.EEPROM_WORD_SIZE_SHIFT)


def ixgbe_read_eerd_generic(hw: IxgbeHw, offset: int) -> int:
    """One word.  Raises OSError: EINVAL beyond the end, EIO."""
    if not 0 <= offset < hw.word_size:
        raise linux_error(EINVAL, "EEPROM")
    hw.write(r.EERD, offset << r.EERD_ADDR_SHIFT | r.EERD_START)
    for _ in range(100000):
        v = hw.read(r.EERD)
        if v & r.EERD_DONE:
            return v >> r.EERD_DATA_SHIFT
        udelay(hw.kernel, 5)
    raise linux_error(EIO, "EEPROM")


def ixgbe_read_eeprom(hw: IxgbeHw, offset: int) -> int:
    """eeprom.ops.read: an X540 takes the semaphore for each word."""
    if hw.mac_type != MAC_X540:
        return ixgbe_read_eerd_generic(hw, offset)
    _acquire(hw, r.GSSR_EEP_SM)
    try:
        return ixgbe_read_eerd_generic(hw, offset)
    finally:
        _release(hw, r.GSSR_EEP_SM)


def ixgbe_read_eeprom_buffer(hw: IxgbeHw, offset: int, words: int) -> list[int]:
    if hw.mac_type != MAC_X540:
        return [ixgbe_read_eerd_generic(hw, offset + i) for i in range(words)]
    _acquire(hw, r.GSSR_EEP_SM)
    try:
        return [ixgbe_read_eerd_generic(hw, offset + i) for i in range(words)]
    finally:
        _release(hw, r.GSSR_EEP_SM)


def ixgbe_write_eewr_generic(hw: IxgbeHw, offset: int, value: int) -> None:
    """Raises OSError(EINVAL, EIO)."""
    if not 0 <= offset < hw.word_size:
        raise linux_error(EINVAL, "EEPROM")
    hw.write(r.EEWR, value << r.EERD_DATA_SHIFT | offset << r.EERD_ADDR_SHIFT | r.EERD_START)
    for _ in range(100000):
        if hw.read(r.EEWR) & r.EERD_DONE:
            return
        udelay(hw.kernel, 5)
    raise linux_error(EIO, "EEPROM")


def ixgbe_calc_eeprom_checksum(hw: IxgbeHw) -> int:
    """What word 0x3F has to be: words 0..0x3E and the sections that words 3..0xE point to."""
    total = sum(ixgbe_read_eerd_generic(hw, i) for i in range(r.NVM_CHECKSUM))
    for i in range(3, 0xF):
        if hw.mac_type == MAC_X540 and i in (4, 5):
            continue
        pointer = ixgbe_read_eerd_generic(hw, i)
        if pointer in (0, 0xFFFF) or pointer >= hw.word_size:
            continue
        length = ixgbe_read_eerd_generic(hw, pointer)
        if length in (0, 0xFFFF) or pointer + length >= hw.word_size:
            continue
        total += sum(ixgbe_read_eerd_generic(hw, j) for j in range(pointer + 1, pointer + length + 1))
    return (r.NVM_SUM - total) & 0xFFFF


def ixgbe_validate_eeprom_checksum(hw: IxgbeHw) -> bool:
    """Whether the EEPROM is good.  Raises OSError when it cannot be read."""
    ixgbe_read_eeprom(hw, 0)
    if hw.mac_type == MAC_X540:
        _acquire(hw, r.GSSR_EEP_SM)
    try:
        return ixgbe_calc_eeprom_checksum(hw) == ixgbe_read_eerd_generic(hw, r.NVM_CHECKSUM)
    finally:
        if hw.mac_type == MAC_X540:
            _release(hw, r.GSSR_EEP_SM)


def ixgbe_update_eeprom_checksum(hw: IxgbeHw) -> None:
    ixgbe_write_eewr_generic(hw, r.NVM_CHECKSUM, ixgbe_calc_eeprom_checksum(hw))


def ixgbe_read_pba_string_generic(hw: IxgbeHw) -> str:
    """The printed board assembly number.  Raises OSError(EIO, EINVAL)."""
    first = ixgbe_read_eeprom(hw, r.NVM_PBANUM0_PTR)
    pointer = ixgbe_read_eeprom(hw, r.NVM_PBANUM1_PTR)
    if first != r.PBANUM_PTR_GUARD:
        v = "%04X%04X" % (first, pointer)
        return v[:6] + "-0" + v[6:]
    length = ixgbe_read_eeprom(hw, pointer)
    if length in (0, 0xFFFF):
        raise linux_error(EIO, "PBA")
    words = [ixgbe_read_eeprom(hw, pointer + 1 + i) for i in range(length - 1)]
    return "".join(chr(w >> 8) + chr(w & 0xFF) for w in words)


def ixgbe_get_etk_id(hw: IxgbeHw) -> int:
    low = ixgbe_read_eeprom(hw, r.NVM_ETK_OFF_LOW)
    high = ixgbe_read_eeprom(hw, r.NVM_ETK_OFF_HI)
    if not high & 0x8000:
        return high | low << 16
    return low | high << 16


# --- PHY --------------------------------------------------------------------------------------------------------


def _msca(hw: IxgbeHw, command: int) -> None:
    hw.write(r.MSCA, command | r.MSCA_MDI_COMMAND)
    for _ in range(100):
        udelay(hw.kernel, 10)
        if not hw.read(r.MSCA) & r.MSCA_MDI_COMMAND:
            return
    raise linux_error(EIO, "MDIO")


def ixgbe_read_phy_reg_mdi(hw: IxgbeHw, reg: int, mmd: int) -> int:
    """A clause 45 read, without the semaphore.  Raises OSError(EIO)."""
    at = reg | mmd << r.MSCA_DEV_TYPE_SHIFT | hw.phy_addr << r.MSCA_PHY_ADDR_SHIFT
    _msca(hw, at | r.MSCA_ADDR_CYCLE)
    _msca(hw, at | r.MSCA_READ)
    return hw.read(r.MSRWD) >> r.MSRWD_READ_DATA_SHIFT


def ixgbe_read_phy_reg_generic(hw: IxgbeHw, reg: int, mmd: int) -> int:
    _acquire(hw, hw.phy_semaphore_mask)
    try:
        return ixgbe_read_phy_reg_mdi(hw, reg, mmd)
    finally:
        _release(hw, hw.phy_semaphore_mask)


def ixgbe_write_phy_reg_mdi(hw: IxgbeHw, reg: int, mmd: int, value: int) -> None:
    hw.write(r.MSRWD, value)
    at = reg | mmd << r.MSCA_DEV_TYPE_SHIFT | hw.phy_addr << r.MSCA_PHY_ADDR_SHIFT
    _msca(hw, at | r.MSCA_ADDR_CYCLE)
    _msca(hw, at | r.MSCA_WRITE)


def ixgbe_write_phy_reg_generic(hw: IxgbeHw, reg: int, mmd: int, value: int) -> None:
    _acquire(hw, hw.phy_semaphore_mask)
    try:
        ixgbe_write_phy_reg_mdi(hw, reg, mmd, value)
    finally:
        _release(hw, hw.phy_semaphore_mask)


def ixgbe_identify_phy_generic(hw: IxgbeHw) -> None:
    """Find the PHY's address and kind; a backplane device has none."""
    if not hw.phy_semaphore_mask:
        lan = hw.read(r.STATUS) & r.STATUS_LAN_ID
        hw.phy_semaphore_mask = r.GSSR_PHY1_SM if lan else r.GSSR_PHY0_SM
    if hw.phy_type:
        return
    if not hw.copper():
        hw.phy_type = PHY_NONE
        return
    for addr in range(32):
        hw.phy_addr = addr
        if not ixgbe_probe_phy(hw):
            continue
        hw.phy_type = PHY_AQ
        return
    hw.phy_addr = 0
    raise linux_error(EIO, "no PHY")


def ixgbe_probe_phy(hw: IxgbeHw) -> bool:
    """Whether a PHY that the driver knows answers at `phy_addr`."""
    for mmd in range(1, 6):
        if ixgbe_read_phy_reg_generic(hw, r.MDIO_STAT2, mmd) & 0xC000 != r.MDIO_STAT2_DEVPRST_VAL:
            continue
        high = ixgbe_read_phy_reg_generic(hw, r.MDIO_DEVID1, r.MMD_PMA)
        low = ixgbe_read_phy_reg_generic(hw, r.MDIO_DEVID2, r.MMD_PMA)
        hw.phy_id = (high << 16 | low) & r.PHY_REVISION_MASK
        return hw.phy_id == r.PHY_ID_X540
    return False


def ixgbe_get_copper_link_capabilities_generic(hw: IxgbeHw) -> list[int]:
    """Speeds that the PHY can do, Mb/s."""
    if not hw.speeds_supported:
        v = ixgbe_read_phy_reg_generic(hw, r.MDIO_SPEED, r.MMD_PMA)
        for bit, speed in (
            (r.MDIO_SPEED_10G, SPEED_10GB),
            (r.MDIO_PMA_SPEED_1000, SPEED_1GB),
            (r.MDIO_PMA_SPEED_100, SPEED_100),
        ):
            if v & bit:
                hw.speeds_supported.append(speed)
    return hw.speeds_supported


def ixgbe_setup_phy_link_generic(hw: IxgbeHw) -> None:
    """Advertise what was asked for and restart autonegotiation."""
    can = ixgbe_get_copper_link_capabilities_generic(hw)
    want = [s for s in hw.autoneg_advertised if s in can]
    for reg, clear, bit, speed in (
        (r.MDIO_AN_10GBT_CTRL, r.MDIO_AN_10GBT_CTRL_ADV10G, r.MDIO_AN_10GBT_CTRL_ADV10G, SPEED_10GB),
        (r.MII_AUTONEG_VENDOR_PROVISION_1, r.MII_1GBASE_T_ADVERTISE, r.MII_1GBASE_T_ADVERTISE, SPEED_1GB),
        (r.MDIO_AN_ADVERTISE, 0x0180, r.ADVERTISE_100FULL, SPEED_100),
    ):
        v = ixgbe_read_phy_reg_generic(hw, reg, r.MMD_AN) & ~clear
        if speed in want:
            v |= bit
        ixgbe_write_phy_reg_generic(hw, reg, r.MMD_AN, v)
    if hw.read(r.MMNGC) & 1:  # firmware holds the link
        return
    v = ixgbe_read_phy_reg_generic(hw, r.MDIO_CTRL1, r.MMD_AN)
    ixgbe_write_phy_reg_generic(hw, r.MDIO_CTRL1, r.MMD_AN, v | r.MDIO_AN_CTRL1_RESTART)


def ixgbe_set_copper_phy_power(hw: IxgbeHw, on: bool) -> None:
    if not hw.copper():
        return
    v = ixgbe_read_phy_reg_generic(hw, r.MDIO_CTRL1, r.MMD_VEND1)
    if on:
        v &= ~r.MDIO_CTRL1_LPOWER
    else:
        if hw.read(r.MMNGC) & 1:
            return
        v |= r.MDIO_CTRL1_LPOWER
    ixgbe_write_phy_reg_generic(hw, r.MDIO_CTRL1, r.MMD_VEND1, v)


# --- MAC --------------------------------------------------------------------------------------------------------


def ixgbe_disable_rx_generic(hw: IxgbeHw) -> None:
    v = hw.read(r.RXCTRL)
    if v & r.RXCTRL_RXEN:
        hw.write(r.RXCTRL, v & ~r.RXCTRL_RXEN)


def ixgbe_enable_rx_generic(hw: IxgbeHw) -> None:
    hw.write(r.RXCTRL, hw.read(r.RXCTRL) | r.RXCTRL_RXEN)


def ixgbe_disable_rx_buff_generic(hw: IxgbeHw) -> None:
    """Stop the receive data path while Flow Director is set up."""
    hw.write(r.SECRXCTRL, hw.read(r.SECRXCTRL) | r.SECRXCTRL_RX_DIS)
    for _ in range(40):
        if hw.read(r.SECRXSTAT) & r.SECRXSTAT_SECRX_RDY:
            return
        udelay(hw.kernel, 1000)


def ixgbe_enable_rx_buff_generic(hw: IxgbeHw) -> None:
    hw.write(r.SECRXCTRL, hw.read(r.SECRXCTRL) & ~r.SECRXCTRL_RX_DIS)
    hw.flush()


def ixgbe_enable_rx_dma(hw: IxgbeHw, regval: int) -> None:
    if hw.mac_type == MAC_82599EB:
        ixgbe_disable_rx_buff_generic(hw)
    if regval & r.RXCTRL_RXEN:
        ixgbe_enable_rx_generic(hw)
    else:
        ixgbe_disable_rx_generic(hw)
    if hw.mac_type == MAC_82599EB:
        ixgbe_enable_rx_buff_generic(hw)


def ixgbe_disable_pcie_primary(hw: IxgbeHw) -> None:
    """No more bus accesses of the device's own; warns when it does not stop."""
    hw.write(r.CTRL, r.CTRL_GIO_DIS)
    for _ in range(100):
        if not hw.read(r.CTRL) & r.CTRL_GIO_DIS:
            usleep_range(hw.kernel, 100, 120)
            continue
        break
    for _ in range(800):
        if not hw.read(r.STATUS) & r.STATUS_GIO:
            return
        udelay(hw.kernel, 100)
    hw.pdev.err("primary disable timed out")


def ixgbe_stop_adapter_generic(hw: IxgbeHw) -> None:
    hw.adapter_stopped = True
    ixgbe_disable_rx_generic(hw)
    hw.write(r.EIMC, r.IRQ_CLEAR_MASK)
    hw.read(r.EICR)
    for i in range(hw.max_tx_queues):
        hw.write(r.TXDCTL(i), r.TXDCTL_SWFLSH)
    for i in range(hw.max_rx_queues):
        hw.write(r.RXDCTL(i), hw.read(r.RXDCTL(i)) & ~r.RXDCTL_ENABLE | r.RXDCTL_SWFLSH)
    hw.flush()
    usleep_range(hw.kernel, 1000, 2000)
    ixgbe_disable_pcie_primary(hw)


def ixgbe_reset_hw(hw: IxgbeHw) -> None:
    """mac.ops.reset_hw: everything to power-on values; the permanent address is read again."""
    ixgbe_stop_adapter_generic(hw)
    try:
        ixgbe_identify_phy_generic(hw)
    except OSError:
        if hw.copper():
            raise
    if hw.copper():
        _acquire(hw, hw.phy_semaphore_mask)
        hw.write(r.CTRL, hw.read(r.CTRL) | r.CTRL_RST)
        hw.flush()
        _release(hw, hw.phy_semaphore_mask)
    else:
        _speed, up = ixgbe_check_mac_link_generic(hw)
        hw.write(r.CTRL, hw.read(r.CTRL) | (r.CTRL_RST if up else r.CTRL_LNK_RST))
        hw.flush()
    usleep_range(hw.kernel, 1000, 1200)
    for _ in range(10):
        if not hw.read(r.CTRL) & r.CTRL_RST_MASK:
            break
        udelay(hw.kernel, 1)
    msleep(hw.kernel, 100 if hw.copper() else 50)
    if hw.copper():
        hw.write(r.RXPBSIZE(0), r.RX_PB_KIB_X540 << r.RXPBSIZE_SHIFT)
    else:
        autoc = hw.read(r.AUTOC)
        if hw.orig_autoc < 0:
            hw.orig_autoc = autoc
        elif autoc != hw.orig_autoc:
            hw.write(r.AUTOC, hw.orig_autoc | r.AUTOC_AN_RESTART)
    low, high = hw.read(r.RAL(0)), hw.read(r.RAH(0))
    hw.perm_addr = (low | (high & 0xFFFF) << 32).to_bytes(6, "little")
    hw.num_rar_entries = r.RAR_ENTRIES
    ixgbe_init_rx_addrs_generic(hw)


def ixgbe_init_rx_addrs_generic(hw: IxgbeHw) -> None:
    if hw.mac_addr == b"\0" * 6:
        hw.mac_addr = hw.perm_addr
    else:
        ixgbe_set_rar_generic(hw, 0, hw.mac_addr)
    for i in range(1, hw.num_rar_entries):
        hw.write(r.RAL(i), 0)
        hw.write(r.RAH(i), 0)
    hw.write(r.MCSTCTRL, hw.mc_filter_type)
    for i in range(r.MTA_ENTRIES):
        hw.write(r.MTA(i), 0)
    for i in range(128):
        hw.write(r.UTA(i), 0)


def ixgbe_set_rar_generic(hw: IxgbeHw, index: int, addr: bytes) -> None:
    hw.write(r.RAL(index), int.from_bytes(addr[:4], "little"))
    hw.write(r.RAH(index), int.from_bytes(addr[4:], "little") | r.RAH_AV)


def ixgbe_clear_rar_generic(hw: IxgbeHw, index: int) -> None:
    hw.write(r.RAL(index), 0)
    hw.write(r.RAH(index), hw.read(r.RAH(index)) & ~(0xFFFF | r.RAH_AV))


def ixgbe_mta_vector(hw: IxgbeHw, addr: bytes) -> int:
    if hw.mc_filter_type == 0:
        return (addr[4] >> 4 | addr[5] << 4) & 0xFFF
    if hw.mc_filter_type == 1:
        return (addr[4] >> 3 | addr[5] << 5) & 0xFFF
    if hw.mc_filter_type == 2:
        return (addr[4] >> 2 | addr[5] << 6) & 0xFFF
    return (addr[4] | addr[5] << 8) & 0xFFF


def ixgbe_update_mc_addr_list_generic(hw: IxgbeHw, addrs: list[bytes]) -> None:
    hw.mta_shadow = [0] * r.MTA_ENTRIES
    for a in addrs:
        v = ixgbe_mta_vector(hw, a)
        hw.mta_shadow[v >> 5] |= 1 << (v & 31)
    for i in range(r.MTA_ENTRIES):
        hw.write(r.MTA(i), hw.mta_shadow[i])
    if addrs:
        hw.write(r.MCSTCTRL, r.MCSTCTRL_MFE | hw.mc_filter_type)


def ixgbe_set_vfta_generic(hw: IxgbeHw, vid: int, on: bool) -> None:
    off = r.VFTA(vid >> 5)
    v = hw.read(off)
    bit = 1 << (vid & 31)
    hw.write(off, v | bit if on else v & ~bit)


def ixgbe_clear_vfta_generic(hw: IxgbeHw) -> None:
    for i in range(r.VFTA_ENTRIES):
        hw.write(r.VFTA(i), 0)


def ixgbe_clear_hw_cntrs_generic(hw: IxgbeHw) -> None:
    """Read every counter once."""
    for _name, off in r.STATS:
        hw.read(off)
    for i in range(16):
        for off in (r.QPRC(i), r.QPTC(i), r.QBRC_L(i), r.QBRC_H(i), r.QBTC_L(i), r.QBTC_H(i), r.QPRDC(i)):
            hw.read(off)
    if hw.copper():
        for reg in (r.PCRC8ECL, r.PCRC8ECH, r.LDPCECL, r.LDPCECH):
            ixgbe_read_phy_reg_generic(hw, reg, r.MMD_PCS)


def ixgbe_start_hw(hw: IxgbeHw) -> None:
    """mac.ops.start_hw: tables and counters cleared, flow control advertised, rate limiters off."""
    ixgbe_identify_phy_generic(hw)
    ixgbe_clear_vfta_generic(hw)
    ixgbe_clear_hw_cntrs_generic(hw)
    hw.write(r.CTRL_EXT, hw.read(r.CTRL_EXT) | r.CTRL_EXT_NS_DIS)
    hw.flush()
    ixgbe_setup_fc_generic(hw)
    hw.adapter_stopped = False
    for i in range(hw.max_tx_queues):
        hw.write(r.RTTDQSEL, i)
        hw.write(r.RTTBCNRC, 0)
    hw.flush()
    if not hw.copper():
        hw.autoneg_advertised = [SPEED_10GB, SPEED_1GB]


def ixgbe_init_hw_generic(hw: IxgbeHw) -> None:
    ixgbe_reset_hw(hw)
    ixgbe_start_hw(hw)


def ixgbe_set_rxpba_generic(hw: IxgbeHw, headroom: int) -> None:
    """One receive packet buffer of all that Flow Director's table (`headroom` KiB) leaves; one for transmit."""
    hw.write(r.RXPBSIZE(0), (hw.rx_pb_size - headroom) << r.RXPBSIZE_SHIFT)
    hw.write(r.TXPBSIZE(0), TXPBSIZE_MAX)
    hw.write(r.TXPBTHRESH(0), TXPBSIZE_MAX // 1024 - TXPKT_SIZE_MAX)
    for i in range(1, MAX_PB):
        hw.write(r.RXPBSIZE(i), 0)
        hw.write(r.TXPBSIZE(i), 0)
        hw.write(r.TXPBTHRESH(i), 0)


def ixgbe_check_mac_link_generic(hw: IxgbeHw) -> tuple[int, bool]:
    """(speed in Mb/s or 0, up)."""
    hw.read(r.LINKS)  # the first read clears what was latched
    v = hw.read(r.LINKS)
    speed = {
        r.LINKS_SPEED_10G: SPEED_10GB,
        r.LINKS_SPEED_1G: SPEED_1GB,
        r.LINKS_SPEED_100: SPEED_100,
    }.get(v & r.LINKS_SPEED_MASK, 0)
    return speed, bool(v & r.LINKS_UP)


def ixgbe_setup_link(hw: IxgbeHw, speeds: list[int]) -> None:
    """mac.ops.setup_link: advertise `speeds` (Mb/s)."""
    if hw.copper():
        hw.autoneg_advertised = list(speeds)
        ixgbe_setup_phy_link_generic(hw)
        return
    hw.autoneg_advertised = list(speeds)
    now = hw.read(r.AUTOC)
    v = now & ~(r.AUTOC_KX4_SUPP | r.AUTOC_KX_SUPP)
    if SPEED_10GB in speeds and hw.orig_autoc & r.AUTOC_KX4_SUPP:
        v |= r.AUTOC_KX4_SUPP
    if SPEED_1GB in speeds:
        v |= r.AUTOC_KX_SUPP
    if v != now:
        hw.write(r.AUTOC, v | r.AUTOC_AN_RESTART)
        msleep(hw.kernel, 50)


# --- flow control -----------------------------------------------------------------------------------------------


def ixgbe_setup_fc_generic(hw: IxgbeHw) -> None:
    """Advertise the requested mode."""
    mode = hw.fc.requested_mode
    sym = mode in (FC_RX_PAUSE, FC_FULL)
    asm = mode != FC_NONE
    if hw.copper():
        v = ixgbe_read_phy_reg_generic(hw, r.MDIO_AN_ADVERTISE, r.MMD_AN)
        v &= ~(r.ADVERTISE_PAUSE_CAP | r.ADVERTISE_PAUSE_ASYM)
        v |= (r.ADVERTISE_PAUSE_CAP if sym else 0) | (r.ADVERTISE_PAUSE_ASYM if asm else 0)
        ixgbe_write_phy_reg_generic(hw, r.MDIO_AN_ADVERTISE, r.MMD_AN, v)
    else:
        v = hw.read(r.AUTOC) & ~(r.AUTOC_SYM_PAUSE | r.AUTOC_ASM_PAUSE)
        v |= (r.AUTOC_SYM_PAUSE if sym else 0) | (r.AUTOC_ASM_PAUSE if asm else 0)
        hw.write(r.AUTOC, v | r.AUTOC_AN_RESTART)


def ixgbe_fc_autoneg(hw: IxgbeHw) -> None:
    """Resolve the mode with the link partner's abilities, or take the requested one."""
    fc = hw.fc
    if not fc.disable_fc_autoneg and hw.copper() and ixgbe_check_mac_link_generic(hw)[1]:
        adv = ixgbe_read_phy_reg_generic(hw, r.MDIO_AN_ADVERTISE, r.MMD_AN)
        lp = ixgbe_read_phy_reg_generic(hw, r.MDIO_AN_LPA, r.MMD_AN)
        if adv and lp:
            sym, asm = r.ADVERTISE_PAUSE_CAP, r.ADVERTISE_PAUSE_ASYM
            if adv & sym and lp & sym:
                fc.current_mode = FC_FULL if fc.requested_mode == FC_FULL else FC_RX_PAUSE
            elif not adv & sym and adv & asm and lp & sym and lp & asm:
                fc.current_mode = FC_TX_PAUSE
            elif adv & sym and adv & asm and not lp & sym and lp & asm:
                fc.current_mode = FC_RX_PAUSE
            else:
                fc.current_mode = FC_NONE
            return
    fc.current_mode = fc.requested_mode


def ixgbe_fc_enable_generic(hw: IxgbeHw) -> None:
    """Put the resolved mode into effect: MFLCN, FCCFG, water marks, pause time.  Raises OSError(EINVAL)."""
    fc = hw.fc
    if not fc.pause_time:
        raise linux_error(EINVAL, "flow control")
    if fc.current_mode & FC_TX_PAUSE and fc.high_water and not 0 < fc.low_water < fc.high_water:
        raise linux_error(EINVAL, "flow control")
    ixgbe_fc_autoneg(hw)
    mflcn = hw.read(r.MFLCN) & ~(r.MFLCN_RPFCE_MASK | r.MFLCN_RFCE)
    fccfg = hw.read(r.FCCFG) & ~(r.FCCFG_TFCE_802_3X | r.FCCFG_TFCE_PRIORITY)
    if fc.current_mode & FC_RX_PAUSE:
        mflcn |= r.MFLCN_RFCE
    if fc.current_mode & FC_TX_PAUSE:
        fccfg |= r.FCCFG_TFCE_802_3X
    hw.write(r.MFLCN, mflcn | r.MFLCN_DPF)
    hw.write(r.FCCFG, fccfg)
    for i in range(8):
        if fc.current_mode & FC_TX_PAUSE and not i and fc.high_water:
            hw.write(r.FCRTL(i), fc.low_water << 10 | r.FCRTL_XONE)
            fcrth = fc.high_water << 10 | r.FCRTH_FCEN
        else:
            hw.write(r.FCRTL(i), 0)
            fcrth = hw.read(r.RXPBSIZE(i)) - 24576
        hw.write(r.FCRTH(i), fcrth)
    for i in range(4):
        hw.write(r.FCTTV(i), fc.pause_time * 0x00010001)
    hw.write(r.FCRTV, fc.pause_time // 2)


# --- Flow Director ----------------------------------------------------------------------------------------------

ATR_L4TYPE_MASK: Final = 0x3
ATR_L4TYPE_IPV6_MASK: Final = 0x4
ATR_FLOW_TYPE_IPV4: Final = 0
ATR_FLOW_TYPE_UDPV4: Final = 1
ATR_FLOW_TYPE_TCPV4: Final = 2
ATR_FLOW_TYPE_SCTPV4: Final = 3


class AtrInput:
    """`union ixgbe_atr_input` without IPv6: a flow, or the mask over one; numbers in host order."""

    __slots__ = (
        "vm_pool",
        "flow_type",
        "vlan_id",
        "dst_ip",
        "src_ip",
        "src_port",
        "dst_port",
        "flex_bytes",
        "bkt_hash",
    )

    def __init__(self) -> None:
        self.vm_pool = 0
        self.flow_type = 0
        self.vlan_id = 0
        self.dst_ip = 0
        self.src_ip = 0
        self.src_port = 0
        self.dst_port = 0
        self.flex_bytes = 0
        self.bkt_hash = 0

    def fields(self) -> tuple[int, ...]:
        """What two masks are compared by."""
        return (
            *(self.vm_pool, self.flow_type, self.vlan_id, self.dst_ip, self.src_ip),
            *(self.src_port, self.dst_port, self.flex_bytes),
        )


def ixgbe_fdir_check_cmd_complete(hw: IxgbeHw) -> int:
    """FDIRCMD when its command is done.  Raises OSError(EIO)."""
    for _ in range(10):
        fdircmd = hw.read(r.FDIRCMD)
        if not fdircmd & r.FDIRCMD_CMD_MASK:
            return fdircmd
        udelay(hw.kernel, 10)
    raise linux_error(EIO, "FDIRCMD")


def ixgbe_fdir_enable_82599(hw: IxgbeHw, fdirctrl: int) -> None:
    """Keys, then the control register; waits for the table."""
    hw.write(r.FDIRHKEY, r.ATR_BUCKET_HASH_KEY)
    hw.write(r.FDIRSKEY, r.ATR_SIGNATURE_HASH_KEY)
    hw.write(r.FDIRCTRL, fdirctrl)
    hw.flush()
    for _ in range(10):
        if hw.read(r.FDIRCTRL) & r.FDIRCTRL_INIT_DONE:
            return
        usleep_range(hw.kernel, 1000, 2000)


def ixgbe_reinit_fdir_tables_82599(hw: IxgbeHw) -> None:
    """Empty the table of signatures.  Raises OSError(EIO)."""
    fdirctrl = hw.read(r.FDIRCTRL) & ~r.FDIRCTRL_INIT_DONE
    ixgbe_fdir_check_cmd_complete(hw)
    hw.write(r.FDIRFREE, 0)
    hw.flush()
    # the 82599 does not start its initialisation again unless the hash table was cleared by hand
    hw.write(r.FDIRCMD, hw.read(r.FDIRCMD) | r.FDIRCMD_CLEARHT)
    hw.flush()
    hw.write(r.FDIRCMD, hw.read(r.FDIRCMD) & ~r.FDIRCMD_CLEARHT)
    hw.flush()
    hw.write(r.FDIRHASH, 0)
    hw.flush()
    hw.write(r.FDIRCTRL, fdirctrl)
    hw.flush()
    for _ in range(10):
        if hw.read(r.FDIRCTRL) & r.FDIRCTRL_INIT_DONE:
            break
        usleep_range(hw.kernel, 1000, 2000)
    else:
        raise linux_error(EIO, "FDIRCTRL")
    for off in (r.FDIRUSTAT, r.FDIRFSTAT, r.FDIRMATCH, r.FDIRMISS, r.FDIRLEN):
        hw.read(off)


def _fdirctrl(fdirctrl: int) -> int:
    """Flexible bytes on the ethertype, ten filters a bucket, an interrupt when 64 are left."""
    return (
        fdirctrl | 0x6 << r.FDIRCTRL_FLEX_SHIFT | 0xA << r.FDIRCTRL_MAX_LENGTH_SHIFT | 4 << r.FDIRCTRL_FULL_THRESH_SHIFT
    )


def ixgbe_init_fdir_signature_82599(hw: IxgbeHw, fdirctrl: int) -> None:
    """Signature filters: what samples of sent flows are entered into."""
    ixgbe_fdir_enable_82599(hw, _fdirctrl(fdirctrl))


def ixgbe_init_fdir_perfect_82599(hw: IxgbeHw, fdirctrl: int, report: bool) -> None:
    """Perfect match filters, dropping to queue 127; `report`: the filter's number in place of the hash (3.13)."""
    fdirctrl |= r.FDIRCTRL_PERFECT_MATCH | r.FDIR_DROP_QUEUE << r.FDIRCTRL_DROP_Q_SHIFT
    ixgbe_fdir_enable_82599(hw, _fdirctrl(fdirctrl | (r.FDIRCTRL_REPORT_STATUS if report else 0)))


def _atr_hash(key: int, flow_vm_vlan: int, common: int) -> int:
    hi = common
    lo = common >> 16 | common << 16 & 0xFFFFFFFF
    hi ^= flow_vm_vlan ^ flow_vm_vlan >> 16
    out = (lo if key & 1 else 0) ^ (hi if key & 1 << 16 else 0)
    # the first bit of the stream is hashed before the VLAN is in it
    lo ^= flow_vm_vlan ^ flow_vm_vlan << 16 & 0xFFFFFFFF
    for n in range(1, 16):
        out ^= (lo >> n if key & 1 << n else 0) ^ (hi >> n if key & 1 << n + 16 else 0)
    return out


def ixgbe_atr_compute_sig_hash_82599(flow_vm_vlan: int, common: int) -> int:
    """FDIRHASH of a sent flow: signature above, bucket below, 15 bits each."""
    sig = _atr_hash(r.ATR_SIGNATURE_HASH_KEY, flow_vm_vlan, common) & 0x7FFF
    return sig << 16 | _atr_hash(r.ATR_BUCKET_HASH_KEY, flow_vm_vlan, common) & 0x7FFF


def ixgbe_fdir_add_signature_filter_82599(hw: IxgbeHw, flow_type: int, vlan: int, common: int, queue: int) -> None:
    """A flow that was sent from `queue` shall come in there.  One write of 64 bits in Linux."""
    fdircmd = r.FDIRCMD_CMD_ADD_FLOW | r.FDIRCMD_FILTER_UPDATE | r.FDIRCMD_LAST | r.FDIRCMD_QUEUE_EN
    fdircmd |= flow_type << r.FDIRCMD_FLOW_TYPE_SHIFT | queue << r.FDIRCMD_RX_QUEUE_SHIFT
    hw.write(r.FDIRHASH, ixgbe_atr_compute_sig_hash_82599(flow_type << 16 | vlan, common))
    hw.write(r.FDIRCMD, fdircmd)


def ixgbe_atr_compute_perfect_hash_82599(flow: AtrInput, mask: AtrInput) -> None:
    """Apply the mask and work out the bucket (13 bits)."""
    for name in AtrInput.__slots__[:-1]:
        setattr(flow, name, getattr(flow, name) & getattr(mask, name))
    common = flow.dst_ip ^ flow.src_ip ^ (flow.src_port << 16 | flow.dst_port) ^ flow.flex_bytes << 16
    head = flow.vm_pool << 24 | flow.flow_type << 16 | flow.vlan_id
    flow.bkt_hash = _atr_hash(r.ATR_BUCKET_HASH_KEY, head, common) & 0x1FFF


def ixgbe_get_fdirtcpm_82599(mask: AtrInput) -> int:
    """Port masks as the register has them: the bits of each half turned round."""
    v = mask.dst_port << 16 | mask.src_port
    return sum((v >> i & 1) << (i & 16 | 15 - (i & 15)) for i in range(32))


def _be32(v: int) -> int:
    return int.from_bytes((v & 0xFFFFFFFF).to_bytes(4, "big"), "little")


def ixgbe_fdir_set_input_mask_82599(hw: IxgbeHw, mask: AtrInput) -> None:
    """FDIRM and the masks of ports and addresses.  Raises OSError(EIO) for a mask that the chip does not have."""
    bad = linux_error(EIO, "FDIRM")
    fdirm = r.FDIRM_DIPV6
    if mask.vm_pool & 0x7F == 0:
        fdirm |= r.FDIRM_POOL
    elif mask.vm_pool & 0x7F != 0x7F:
        raise bad
    l4 = mask.flow_type & ATR_L4TYPE_MASK
    if l4 == 0:
        fdirm |= r.FDIRM_L4P
        if mask.dst_port or mask.src_port:
            raise bad
    elif l4 != ATR_L4TYPE_MASK:
        raise bad
    vlan = mask.vlan_id & 0xEFFF
    if vlan not in (0, 0x0FFF, 0xE000, 0xEFFF):
        raise bad
    if vlan in (0, 0xE000):
        fdirm |= r.FDIRM_VLANID
    if vlan in (0, 0x0FFF):
        fdirm |= r.FDIRM_VLANP
    if mask.flex_bytes == 0:
        fdirm |= r.FDIRM_FLEX
    elif mask.flex_bytes != 0xFFFF:
        raise bad
    hw.write(r.FDIRM, fdirm)
    ports = ~ixgbe_get_fdirtcpm_82599(mask) & 0xFFFFFFFF
    hw.write(r.FDIRTCPM, ports)
    hw.write(r.FDIRUDPM, ports)
    hw.write(r.FDIRSIP4M, _be32(~mask.src_ip))
    hw.write(r.FDIRDIP4M, _be32(~mask.dst_ip))


def ixgbe_fdir_write_perfect_filter_82599(hw: IxgbeHw, flow: AtrInput, soft_id: int, queue: int) -> None:
    """Enter (or replace) a filter.  Raises OSError(EIO)."""
    for i, word in enumerate((flow.src_ip, 0, 0)):
        hw.write(r.FDIRSIPV6(i), _be32(word))
    hw.write(r.FDIRIPSA, _be32(flow.src_ip))
    hw.write(r.FDIRIPDA, _be32(flow.dst_ip))
    hw.write(r.FDIRPORT, flow.dst_port << 16 | flow.src_port)
    flex = (flow.flex_bytes & 0xFF) << 8 | flow.flex_bytes >> 8
    hw.write(r.FDIRVLAN, flex << 16 | flow.vlan_id)
    hw.write(r.FDIRHASH, flow.bkt_hash | soft_id << 16)
    hw.flush()
    fdircmd = r.FDIRCMD_CMD_ADD_FLOW | r.FDIRCMD_FILTER_UPDATE | r.FDIRCMD_LAST | r.FDIRCMD_QUEUE_EN
    if queue == r.FDIR_DROP_QUEUE:
        fdircmd |= r.FDIRCMD_DROP
    fdircmd |= flow.flow_type << r.FDIRCMD_FLOW_TYPE_SHIFT | queue << r.FDIRCMD_RX_QUEUE_SHIFT | flow.vm_pool << 24
    hw.write(r.FDIRCMD, fdircmd)
    ixgbe_fdir_check_cmd_complete(hw)


def ixgbe_fdir_erase_perfect_filter_82599(hw: IxgbeHw, flow: AtrInput, soft_id: int) -> None:
    """Ask for it, and remove it if it is there.  Raises OSError(EIO)."""
    fdirhash = flow.bkt_hash | soft_id << 16
    hw.write(r.FDIRHASH, fdirhash)
    hw.flush()
    hw.write(r.FDIRCMD, r.FDIRCMD_CMD_QUERY_REM_FILT)
    if ixgbe_fdir_check_cmd_complete(hw) & r.FDIRCMD_FILTER_VALID:
        hw.write(r.FDIRHASH, fdirhash)
        hw.flush()
        hw.write(r.FDIRCMD, r.FDIRCMD_CMD_REMOVE_FLOW)
