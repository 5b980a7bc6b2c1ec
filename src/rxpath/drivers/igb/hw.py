"""The chip behind the registers: MAC, PHY, NVM, link, flow control, as the 82576 and I350 need them.

What lives here: register sequences that know no packet and no net device.  Every wait is a real wait
(drivers/lib.py).  Facts: igb/{e1000_82575,e1000_mac,e1000_phy,e1000_nvm}.c of 6.1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from rxpath.drivers.igb.igb import (
    FC_DEFAULT,
    FC_FULL,
    FC_NONE,
    FC_RX_PAUSE,
    FC_TX_PAUSE,
    FULL_DUPLEX,
    HALF_DUPLEX,
    MAC_82576,
    MAC_I350,
    SPEED_10,
    SPEED_100,
    SPEED_1000,
)
from rxpath.drivers.lib import msleep, udelay, usleep_range
from rxpath.drivers.pci import PciDev
from rxpath.hw.nic.base import NicModel
from rxpath.hw.regs import igb as r
from rxpath.kernel.errno import EIO, linux_error

if TYPE_CHECKING:
    from rxpath.kernel.core import Kernel

PHY_CONTROL: Final = 0
PHY_STATUS: Final = 1
PHY_ID1: Final = 2
PHY_ID2: Final = 3
PHY_AUTONEG_ADV: Final = 4
PHY_LP_ABILITY: Final = 5
PHY_1000T_CTRL: Final = 9
PHY_1000T_STATUS: Final = 10
MII_CR_SPEED_1000: Final = 0x0040
MII_CR_FULL_DUPLEX: Final = 0x0100
MII_CR_RESTART_AUTO_NEG: Final = 0x0200
MII_CR_POWER_DOWN: Final = 0x0800
MII_CR_AUTO_NEG_EN: Final = 0x1000
MII_CR_SPEED_100: Final = 0x2000
MII_CR_LOOPBACK: Final = 0x4000
MII_CR_RESET: Final = 0x8000
MII_SR_LINK_STATUS: Final = 0x0004
MII_SR_AUTONEG_COMPLETE: Final = 0x0020
NWAY_PAUSE: Final = 0x0400
NWAY_ASM_DIR: Final = 0x0800
SR_1000T_REMOTE_RX_STATUS: Final = 0x1000
IGP01_PSCR_AUTO_MDIX: Final = 0x1000
IGP01_PSCR_FORCE_MDI_MDIX: Final = 0x2000
IGP01_PLHR_SS_DOWNGRADE: Final = 0x8000
IGP02_PM_D0_LPLU: Final = 0x0002
IGP01_PSSR_MDIX: Final = 0x0800
IGP01_PSSR_SPEED_MASK: Final = 0xC000
IGP02_PHY_AGC: Final = (0x11B1, 0x12B1, 0x14B1, 0x18B1)
I82580_CFG_ASSERT_CRS_ON_TX: Final = 0x8000
I82580_CFG_ENABLE_DOWNSHIFT: Final = 3 << 10
I82580_PHY_CTRL2_MDIX_CFG_MASK: Final = 0x0600
I82580_PHY_CTRL2_AUTO_MDI_MDIX: Final = 0x0400
I82580_PHY_CTRL2_MANUAL_MDIX: Final = 0x0200
I82580_PHY_STATUS2_MDIX: Final = 0x0800
I82580_PHY_STATUS2_SPEED_MASK: Final = 0x0300
I82580_PM_GO_LINKD: Final = 0x0020
MAX_PHY_MULTI_PAGE_REG: Final = 0xF
MANC_BLK_PHY_RST_ON_IDE: Final = 0x00040000
MANC_RCV_TCO_EN: Final = 0x00020000
NVM_VERSION: Final = 0x05
NVM_INIT_CONTROL2_REG: Final = 0x0F
NVM_INIT_CONTROL3_PORT_A: Final = 0x24
NVM_ALT_MAC_ADDR_PTR: Final = 0x37
NVM_COMB_VER_PTR: Final = 0x3D
NVM_ETRACK_WORD: Final = 0x42
NVM_WORD0F_PAUSE_MASK: Final = 0x3000
NVM_WORD0F_ASM_DIR: Final = 0x2000
IPCNFG_EEE: Final = 0x0000000C
EEER_EEE: Final = 0x00070000
EEE_SU_LPI_CLK_STP: Final = 0x00800000
FLOW_CONTROL_TYPE: Final = 0x8808
FLOW_CONTROL_ADDRESS_HIGH: Final = 0x0100
FLOW_CONTROL_ADDRESS_LOW: Final = 0x00C28001
M32: Final = 0xFFFFFFFF

HW_COUNTERS: Final = (
    "CRCERRS SYMERRS MPC SCC ECOL MCC LATECOL COLC DC SEC RLEC XONRXC XONTXC XOFFRXC XOFFTXC FCRUC GPRC BPRC MPRC "
    "GPTC GORCL GORCH GOTCL GOTCH RNBC RUC RFC ROC RJC TORL TORH TOTL TOTH TPR TPT MPTC BPTC PRC64 PRC127 PRC255 "
    "PRC511 PRC1023 PRC1522 PTC64 PTC127 PTC255 PTC511 PTC1023 PTC1522 ALGNERRC RXERRC TNCRS TSCTC MGTPRC MGTPDC "
    "MGTPTC IAC CBTMPC HTDPMC CBRMPC RPTHC HGPTC HTCBDPC HGORCL HGORCH HGOTCL HGOTCH LENERRS"
).split()
"""Counters that a reset reads to clear, in Linux's order (a register with two names is read once)."""

STAT_OFF: Final[dict[str, int]] = dict(r.STATS)


class FlowControl:
    """`struct e1000_fc_info`: watermarks in bytes of packet buffer, pause time in quanta."""

    __slots__ = ("high_water", "low_water", "pause_time", "send_xon", "current_mode", "requested_mode")

    def __init__(self) -> None:
        self.high_water = 0
        self.low_water = 0
        self.pause_time = 0xFFFF
        self.send_xon = True
        self.current_mode = FC_DEFAULT
        self.requested_mode = FC_DEFAULT


class IgbHw:
    """`struct e1000_hw`: registers of BAR 0 (`rd32`, `wr32`), and what is known of MAC, PHY and NVM."""

    __slots__ = (
        "pdev",
        "kernel",
        "model",
        "mac_type",
        "removed",
        "report",
        "mac_addr",
        "perm_addr",
        "get_link_status",
        "autoneg",
        "forced_speed_duplex",
        "rar_entry_count",
        "mta_reg_count",
        "uta_reg_count",
        "mta_shadow",
        "phy_id",
        "phy_addr",
        "autoneg_advertised",
        "autoneg_wait_to_complete",
        "mdix",
        "is_mdix",
        "speed_downgraded",
        "cable_length",
        "fc",
        "nvm_words",
        "bus_width",
        "bus_speed",
        "ledctl_default",
        "eee_disable",
        "global_device_reset",
    )

    def __init__(self, pdev: PciDev, mac_type: str) -> None:
        self.pdev = pdev
        self.kernel: Kernel = pdev.kernel
        self.model: NicModel = pdev.model
        self.mac_type = mac_type
        self.removed = False
        self.report: Callable[[str], None] = pdev.err  # probe puts netdev_err here
        self.mac_addr = b"\0" * 6
        self.perm_addr = b"\0" * 6
        self.get_link_status = False
        self.autoneg = True
        self.forced_speed_duplex = 0
        self.rar_entry_count = 32 if mac_type == MAC_I350 else 24
        self.mta_reg_count = 128
        self.uta_reg_count = 128
        self.mta_shadow = [0] * 128
        self.phy_id = 0
        self.phy_addr = 1
        self.autoneg_advertised = 0x2F
        self.autoneg_wait_to_complete = False
        self.mdix = 0
        self.is_mdix = False
        self.speed_downgraded = False
        self.cable_length = 0
        self.fc = FlowControl()
        self.nvm_words = 0
        self.bus_width = 1
        self.bus_speed = ""
        self.ledctl_default = 0
        self.eee_disable = mac_type != MAC_I350
        self.global_device_reset = False

    def rd32(self, off: int) -> int:
        """igb_rd32: all ones everywhere means that the device is gone."""
        if self.removed:
            return M32
        v = self.model.mmio_read(0, off, 4)
        if v == M32 and (not off or self.model.mmio_read(0, 0, 4) == M32):
            self.removed = True
            self.report("PCIe link lost")
        return v

    def wr32(self, off: int, value: int) -> None:
        if not self.removed:
            self.model.mmio_write(0, off, 4, value & M32)

    def stat(self, name: str) -> int:
        """Read (and so clear) a counter by its register's name."""
        return self.rd32(STAT_OFF[name])

    def wrfl(self) -> None:
        """A read pushes posted writes out."""
        self.rd32(r.STATUS)


# --- semaphores ---------------------------------------------------------------------------------------------


def igb_get_hw_semaphore(hw: IgbHw) -> None:
    """SMBI against other drivers, SWESMBI against firmware.  Raises OSError(EIO)."""
    for _ in range(hw.nvm_words + 1):
        if not hw.rd32(r.SWSM) & r.SWSM_SMBI:
            break
        udelay(hw.kernel, 50)
    else:
        raise linux_error(EIO, "SWSM")
    for _ in range(hw.nvm_words + 1):
        hw.wr32(r.SWSM, hw.rd32(r.SWSM) | r.SWSM_SWESMBI)
        if hw.rd32(r.SWSM) & r.SWSM_SWESMBI:
            return
        udelay(hw.kernel, 50)
    igb_put_hw_semaphore(hw)
    raise linux_error(EIO, "SWSM")


def igb_put_hw_semaphore(hw: IgbHw) -> None:
    hw.wr32(r.SWSM, hw.rd32(r.SWSM) & ~(r.SWSM_SMBI | r.SWSM_SWESMBI))


def igb_acquire_swfw_sync_82575(hw: IgbHw, mask: int) -> None:
    """A resource that firmware shares.  Raises OSError(EIO)."""
    for _ in range(200):
        igb_get_hw_semaphore(hw)
        sync = hw.rd32(r.SW_FW_SYNC)
        if not sync & (mask | mask << 16):
            hw.wr32(r.SW_FW_SYNC, sync | mask)
            igb_put_hw_semaphore(hw)
            return
        igb_put_hw_semaphore(hw)
        udelay(hw.kernel, 5000)
    raise linux_error(EIO, "SW_FW_SYNC")


def igb_release_swfw_sync_82575(hw: IgbHw, mask: int) -> None:
    igb_get_hw_semaphore(hw)
    hw.wr32(r.SW_FW_SYNC, hw.rd32(r.SW_FW_SYNC) & ~mask)
    igb_put_hw_semaphore(hw)


# --- PHY ----------------------------------------------------------------------------------------------------


def _mdic(hw: IgbHw, word: int) -> int:
    """One management cycle.  Raises OSError(EIO) when the PHY does not answer."""
    hw.wr32(r.MDIC, word)
    mdic = 0
    for _ in range(1920):
        udelay(hw.kernel, 50)
        mdic = hw.rd32(r.MDIC)
        if mdic & r.MDIC_READY:
            break
    if not mdic & r.MDIC_READY or mdic & r.MDIC_ERROR:
        raise linux_error(EIO, "PHY")
    return mdic


def igb_read_phy_reg_mdic(hw: IgbHw, offset: int) -> int:
    return _mdic(hw, offset << r.MDIC_REG_SHIFT | hw.phy_addr << r.MDIC_PHY_SHIFT | r.MDIC_OP_READ) & 0xFFFF


def igb_write_phy_reg_mdic(hw: IgbHw, offset: int, data: int) -> None:
    _mdic(hw, data & 0xFFFF | offset << r.MDIC_REG_SHIFT | hw.phy_addr << r.MDIC_PHY_SHIFT | r.MDIC_OP_WRITE)


def igb_read_phy_reg(hw: IgbHw, offset: int) -> int:
    """A PHY register; in an 82576 those above 15 need their page selected.  Raises OSError(EIO)."""
    igb_acquire_swfw_sync_82575(hw, r.SWFW_PHY0_SM)
    try:
        if offset > MAX_PHY_MULTI_PAGE_REG and hw.mac_type == MAC_82576:
            igb_write_phy_reg_mdic(hw, r.IGP01_PHY_PAGE_SELECT, offset)
        return igb_read_phy_reg_mdic(hw, offset & 0x1F)
    finally:
        igb_release_swfw_sync_82575(hw, r.SWFW_PHY0_SM)


def igb_write_phy_reg(hw: IgbHw, offset: int, data: int) -> None:
    igb_acquire_swfw_sync_82575(hw, r.SWFW_PHY0_SM)
    try:
        if offset > MAX_PHY_MULTI_PAGE_REG and hw.mac_type == MAC_82576:
            igb_write_phy_reg_mdic(hw, r.IGP01_PHY_PAGE_SELECT, offset)
        igb_write_phy_reg_mdic(hw, offset & 0x1F, data)
    finally:
        igb_release_swfw_sync_82575(hw, r.SWFW_PHY0_SM)


def igb_get_phy_id(hw: IgbHw) -> None:
    """Raises OSError(EIO) when it is not the PHY of this chip."""
    hw.phy_id = igb_read_phy_reg(hw, PHY_ID1) << 16
    usleep_range(hw.kernel, 20, 40)
    hw.phy_id |= igb_read_phy_reg(hw, PHY_ID2)
    want = r.PHY_ID_I350 if hw.mac_type == MAC_I350 else r.PHY_ID_82576
    if hw.phy_id & ~0xF != want & ~0xF:
        raise linux_error(EIO, "PHY id 0x%08x" % hw.phy_id)


def igb_phy_has_link(hw: IgbHw, iterations: int, usec: int) -> bool:
    for _ in range(iterations):
        igb_read_phy_reg(hw, PHY_STATUS)  # the link bit latches low
        if igb_read_phy_reg(hw, PHY_STATUS) & MII_SR_LINK_STATUS:
            return True
        if usec >= 1000:
            msleep(hw.kernel, usec // 1000)
        else:
            udelay(hw.kernel, usec)
    return False


def igb_phy_sw_reset(hw: IgbHw) -> None:
    igb_write_phy_reg(hw, PHY_CONTROL, igb_read_phy_reg(hw, PHY_CONTROL) | MII_CR_RESET)
    udelay(hw.kernel, 1)


def igb_check_reset_block(hw: IgbHw) -> bool:
    return bool(hw.rd32(r.MANC) & MANC_BLK_PHY_RST_ON_IDE)


def igb_get_cfg_done_82575(hw: IgbHw) -> None:
    for _ in range(100):
        if hw.rd32(r.EEMNGCTL) & 0x040000:
            return
        usleep_range(hw.kernel, 1000, 2000)


def igb_reset_phy(hw: IgbHw) -> None:
    """igb_phy_hw_reset: by CTRL, unless management blocks it."""
    if igb_check_reset_block(hw):
        return
    igb_acquire_swfw_sync_82575(hw, r.SWFW_PHY0_SM)
    ctrl = hw.rd32(r.CTRL)
    hw.wr32(r.CTRL, ctrl | r.CTRL_PHY_RST)
    hw.wrfl()
    udelay(hw.kernel, 100)
    hw.wr32(r.CTRL, ctrl)
    hw.wrfl()
    udelay(hw.kernel, 150)
    igb_release_swfw_sync_82575(hw, r.SWFW_PHY0_SM)
    igb_get_cfg_done_82575(hw)


def igb_check_downshift(hw: IgbHw) -> None:
    if hw.mac_type == MAC_82576:
        hw.speed_downgraded = bool(igb_read_phy_reg(hw, r.IGP01_PHY_LINK_HEALTH) & IGP01_PLHR_SS_DOWNGRADE)
    else:
        hw.speed_downgraded = False


def igb_get_phy_info(hw: IgbHw) -> None:
    """What is known of the cable, when there is link; what cannot be read stays as it was."""
    try:
        _phy_info(hw)
    except OSError:
        pass


def _phy_info(hw: IgbHw) -> None:
    if not igb_phy_has_link(hw, 1, 0):
        return
    if hw.mac_type == MAC_82576:
        status = igb_read_phy_reg(hw, r.IGP01_PHY_PORT_STATUS)
        hw.is_mdix = bool(status & IGP01_PSSR_MDIX)
        gigabit = status & IGP01_PSSR_SPEED_MASK == IGP01_PSSR_SPEED_MASK
        if gigabit:
            for reg in IGP02_PHY_AGC:
                hw.cable_length = igb_read_phy_reg(hw, reg) >> 9 & 0x7F
    else:
        status = igb_read_phy_reg(hw, r.I82580_PHY_STATUS_2)
        hw.is_mdix = bool(status & I82580_PHY_STATUS2_MDIX)
        gigabit = status & I82580_PHY_STATUS2_SPEED_MASK == 0x0200
        if gigabit:
            hw.cable_length = igb_read_phy_reg(hw, r.I82580_PHY_DIAG_STATUS) >> 2 & 0xFF
    if gigabit:
        igb_read_phy_reg(hw, PHY_1000T_STATUS)


def igb_power_up_phy_copper(hw: IgbHw) -> None:
    igb_write_phy_reg(hw, PHY_CONTROL, igb_read_phy_reg(hw, PHY_CONTROL) & ~MII_CR_POWER_DOWN)


def igb_power_down_phy_copper_82575(hw: IgbHw) -> None:
    """Unless management or a blocked PHY reset needs the link."""
    if not igb_enable_mng_pass_thru(hw) and not igb_check_reset_block(hw):
        igb_write_phy_reg(hw, PHY_CONTROL, igb_read_phy_reg(hw, PHY_CONTROL) | MII_CR_POWER_DOWN)
        usleep_range(hw.kernel, 1000, 2000)


def igb_enable_mng_pass_thru(hw: IgbHw) -> bool:
    return bool(hw.rd32(r.MANC) & MANC_RCV_TCO_EN) and bool(hw.rd32(r.FWSM) & 0xE)


# --- NVM ----------------------------------------------------------------------------------------------------


def igb_read_nvm_eerd(hw: IgbHw, word: int) -> int:
    """One 16-bit word.  Raises OSError(EIO)."""
    if word >= hw.nvm_words:
        raise linux_error(EIO, "NVM word %d" % word)
    hw.wr32(r.EERD, word << r.EERD_ADDR_SHIFT | r.EERD_START)
    for _ in range(100000):
        v = hw.rd32(r.EERD)
        if v & r.EERD_DONE:
            return v >> r.EERD_DATA_SHIFT
        udelay(hw.kernel, 5)
    raise linux_error(EIO, "NVM")


def igb_validate_nvm_checksum(hw: IgbHw) -> bool:
    """One region of 64 words; four in an I350 (a region a port)."""
    for at in r.NVM_REGIONS_I350 if hw.mac_type == MAC_I350 else (0,):
        total = sum(igb_read_nvm_eerd(hw, i) for i in range(at, at + r.NVM_CHECKSUM_REG + 1))
        if total & 0xFFFF != r.NVM_SUM:
            return False
    return True


def igb_read_part_string(hw: IgbHw) -> str:
    """The board's part number, from words 8 and 9 or the string that they point to.  Raises OSError(EIO)."""
    w0 = igb_read_nvm_eerd(hw, 8)
    w1 = igb_read_nvm_eerd(hw, 9)
    if w0 != 0xFAFA:
        return "%04X%02X-0%02X" % (w0, w1 >> 8, w1 & 0xFF)
    length = igb_read_nvm_eerd(hw, w1)
    if length in (0, 0xFFFF):
        raise linux_error(EIO, "PBA section")
    text = b"".join(igb_read_nvm_eerd(hw, w1 + 1 + i).to_bytes(2, "big") for i in range(length - 1))
    return text.rstrip(b"\0").decode("ascii", "replace")


def igb_get_fw_version(hw: IgbHw) -> str:
    """The firmware version as ethtool -i prints it."""
    version = igb_read_nvm_eerd(hw, NVM_VERSION)
    etrack_high = igb_read_nvm_eerd(hw, NVM_ETRACK_WORD + 1)
    has_etrack = etrack_high & 0xF000 == 0x8000
    if hw.mac_type == MAC_82576 and not has_etrack:
        return "%d.%d.%d" % (version >> 12, version >> 4 & 0xFF, version & 0xF)
    low = version & 0xFF if not version & 0x0F00 else version >> 4 & 0xFF
    minor = low // 16 * 10 + low % 16
    etrack = etrack_high << 16 | igb_read_nvm_eerd(hw, NVM_ETRACK_WORD) if has_etrack else 0
    if hw.mac_type == MAC_I350:
        at = igb_read_nvm_eerd(hw, NVM_COMB_VER_PTR)
        if at not in (0, 0xFFFF):
            high = igb_read_nvm_eerd(hw, 0x83 + at + 1)
            word = igb_read_nvm_eerd(hw, 0x83 + at)
            if high and word and high != 0xFFFF and word != 0xFFFF:
                rom = (word >> 8, (word << 8 | high >> 8) & 0xFFFF, high & 0xFF)
                return "%d.%d, 0x%08x, %d.%d.%d" % (version >> 12, minor, etrack, *rom)
    if etrack:
        return "%d.%d, 0x%08x" % (version >> 12, minor, etrack)
    return "%d.%d.%d" % (version >> 12, minor, 0)


# --- MAC ----------------------------------------------------------------------------------------------------


def igb_hash_mc_addr(addr: bytes) -> int:
    """Bit number 0..4095 of a multicast address in the table (filter type 0: address bits 47:36)."""
    return (addr[4] >> 4 | addr[5] << 4) & 0xFFF


def igb_update_mc_addr_list(hw: IgbHw, addrs: list[bytes]) -> None:
    shadow = [0] * hw.mta_reg_count
    for a in addrs:
        h = igb_hash_mc_addr(a)
        shadow[h >> 5 & (hw.mta_reg_count - 1)] |= 1 << (h & 0x1F)
    hw.mta_shadow = shadow
    for i in range(hw.mta_reg_count - 1, -1, -1):
        hw.wr32(r.MTA + 4 * i, shadow[i])
    hw.wrfl()


def igb_rar_set(hw: IgbHw, addr: bytes, index: int) -> None:
    low = int.from_bytes(addr[:4], "little")
    high = int.from_bytes(addr[4:], "little")
    if low or high:
        high |= r.RAH_AV
    hw.wr32(r.RAL(index), low)
    hw.wrfl()
    hw.wr32(r.RAH(index), high)
    hw.wrfl()


def igb_write_vfta(hw: IgbHw, offset: int, value: int) -> None:
    """A word of the VLAN filter table; ten times over in an I350 (an erratum)."""
    for _ in range(10 if hw.mac_type == MAC_I350 else 1):
        hw.wr32(r.VFTA + 4 * offset, value)
    hw.wrfl()


def igb_read_mac_addr(hw: IgbHw) -> None:
    """RAR 0, which the chip loaded from its NVM."""
    high = hw.rd32(r.RAH(0))
    low = hw.rd32(r.RAL(0))
    hw.perm_addr = low.to_bytes(4, "little") + (high & 0xFFFF).to_bytes(2, "little")
    hw.mac_addr = hw.perm_addr


def igb_config_collision_dist(hw: IgbHw) -> None:
    hw.wr32(r.TCTL, hw.rd32(r.TCTL) & ~r.TCTL_COLD | 63 << r.TCTL_COLD_SHIFT)
    hw.wrfl()


def igb_disable_pcie_master(hw: IgbHw) -> bool:
    """Stop new DMA requests and wait for those under way; False when some stay."""
    hw.wr32(r.CTRL, hw.rd32(r.CTRL) | r.CTRL_GIO_MASTER_DISABLE)
    for _ in range(800):
        if not hw.rd32(r.STATUS) & r.STATUS_GIO_MASTER_ENABLE:
            return True
        usleep_range(hw.kernel, 100, 200)
    return False


def igb_get_auto_rd_done(hw: IgbHw) -> bool:
    for _ in range(10):
        if hw.rd32(r.EECD) & r.EECD_AUTO_RD:
            return True
        usleep_range(hw.kernel, 1000, 2000)
    return False


def igb_reset_hw(hw: IgbHw) -> None:
    """igb_reset_hw_82575 or _82580: a global reset, everything masked."""
    if hw.mac_type == MAC_82576:
        igb_reset_hw_82575(hw)
    else:
        igb_reset_hw_82580(hw)


def igb_reset_hw_82575(hw: IgbHw) -> None:
    igb_disable_pcie_master(hw)
    hw.wr32(r.GCR, hw.rd32(r.GCR) & ~0x00010000)  # igb_set_pcie_completion_timeout: no resend
    hw.wr32(r.IMC, M32)
    hw.wr32(r.RCTL, 0)
    hw.wr32(r.TCTL, r.TCTL_PSP)
    hw.wrfl()
    usleep_range(hw.kernel, 10000, 20000)
    hw.wr32(r.CTRL, hw.rd32(r.CTRL) | r.CTRL_RST)
    igb_get_auto_rd_done(hw)
    hw.wr32(r.IMC, M32)
    hw.rd32(r.ICR)
    igb_check_alt_mac_addr(hw)


def igb_reset_hw_82580(hw: IgbHw) -> None:
    whole_device = hw.global_device_reset
    hw.global_device_reset = False
    ctrl = hw.rd32(r.CTRL)
    igb_disable_pcie_master(hw)
    hw.wr32(r.IMC, M32)
    hw.wr32(r.RCTL, 0)
    hw.wr32(r.TCTL, r.TCTL_PSP)
    hw.wrfl()
    usleep_range(hw.kernel, 10000, 11000)
    if whole_device and not hw.rd32(r.STATUS) & r.STATUS_DEV_RST_SET:
        ctrl |= r.CTRL_DEV_RST
    else:
        ctrl |= r.CTRL_RST
    hw.wr32(r.CTRL, ctrl)
    hw.wrfl()
    if whole_device:
        usleep_range(hw.kernel, 5000, 6000)
    igb_get_auto_rd_done(hw)
    hw.wr32(r.STATUS, r.STATUS_DEV_RST_SET)
    hw.wr32(r.IMC, M32)
    hw.rd32(r.ICR)


def igb_check_alt_mac_addr(hw: IgbHw) -> None:
    """Word 0x37 may point to an address that replaces the port's own (LAN 0: at offset 0)."""
    at = igb_read_nvm_eerd(hw, NVM_ALT_MAC_ADDR_PTR)
    if at in (0, 0xFFFF):
        return
    addr = b"".join(igb_read_nvm_eerd(hw, at + i).to_bytes(2, "little") for i in range(3))
    if not addr[0] & 1:
        igb_rar_set(hw, addr, 0)


def igb_clear_hw_cntrs_82575(hw: IgbHw) -> None:
    for name in HW_COUNTERS:
        hw.stat(name)


def igb_init_hw_82575(hw: IgbHw) -> None:
    """After a reset: filters cleared, link and flow control set up, counters cleared."""
    igb_read_nvm_eerd(hw, 4)  # igb_id_led_init
    hw.ledctl_default = hw.rd32(r.LEDCTL)
    for i in range(r.VFTA_ENTRIES - 1, -1, -1):
        igb_write_vfta(hw, i, 0)
    igb_rar_set(hw, hw.mac_addr, 0)
    for i in range(1, hw.rar_entry_count):
        igb_rar_set(hw, b"\0" * 6, i)
    for i in range(hw.mta_reg_count):
        hw.wr32(r.MTA + 4 * i, 0)
    for i in range(hw.uta_reg_count):
        hw.wr32(r.UTA + 4 * i, 0)
    igb_setup_link(hw)
    igb_clear_hw_cntrs_82575(hw)


# --- link and flow control ----------------------------------------------------------------------------------


def igb_set_default_fc(hw: IgbHw) -> None:
    """Flow control as the NVM asks for."""
    word = igb_read_nvm_eerd(hw, NVM_INIT_CONTROL2_REG)
    if not word & NVM_WORD0F_PAUSE_MASK:
        hw.fc.requested_mode = FC_NONE
    elif word & NVM_WORD0F_PAUSE_MASK == NVM_WORD0F_ASM_DIR:
        hw.fc.requested_mode = FC_TX_PAUSE
    else:
        hw.fc.requested_mode = FC_FULL


def igb_setup_link(hw: IgbHw) -> None:
    if igb_check_reset_block(hw):
        return
    if hw.fc.requested_mode == FC_DEFAULT:
        igb_set_default_fc(hw)
    hw.fc.current_mode = hw.fc.requested_mode
    igb_setup_copper_link_82575(hw)
    hw.wr32(r.FCT, FLOW_CONTROL_TYPE)
    hw.wr32(r.FCAH, FLOW_CONTROL_ADDRESS_HIGH)
    hw.wr32(r.FCAL, FLOW_CONTROL_ADDRESS_LOW)
    hw.wr32(r.FCTTV, hw.fc.pause_time)
    igb_set_fc_watermarks(hw)


def igb_set_fc_watermarks(hw: IgbHw) -> None:
    low = high = 0
    if hw.fc.current_mode & FC_TX_PAUSE:
        low = hw.fc.low_water | (r.FCRTL_XONE if hw.fc.send_xon else 0)
        high = hw.fc.high_water
    hw.wr32(r.FCRTL, low)
    hw.wr32(r.FCRTH, high)


def igb_setup_copper_link_82575(hw: IgbHw) -> None:
    hw.wr32(r.CTRL, hw.rd32(r.CTRL) & ~(r.CTRL_FRCSPD | r.CTRL_FRCDPX) | r.CTRL_SLU)
    if hw.mac_type == MAC_I350:
        hw.wr32(r.PHPM, hw.rd32(r.PHPM) & ~I82580_PM_GO_LINKD)
        igb_copper_link_setup_82580(hw)
    else:
        igb_copper_link_setup_igp(hw)
    igb_setup_copper_link(hw)


def igb_copper_link_setup_igp(hw: IgbHw) -> None:
    """Reset the PHY; full power in D0; MDI or MDI-X."""
    igb_reset_phy(hw)
    msleep(hw.kernel, 100)
    v = igb_read_phy_reg(hw, r.IGP02_PHY_POWER_MGMT)
    igb_write_phy_reg(hw, r.IGP02_PHY_POWER_MGMT, v & ~IGP02_PM_D0_LPLU)
    v = igb_read_phy_reg(hw, r.IGP01_PHY_PORT_CTRL) & ~IGP01_PSCR_AUTO_MDIX
    if hw.mdix == 1:
        v &= ~IGP01_PSCR_FORCE_MDI_MDIX
    elif hw.mdix == 2:
        v |= IGP01_PSCR_FORCE_MDI_MDIX
    else:
        v |= IGP01_PSCR_AUTO_MDIX
    igb_write_phy_reg(hw, r.IGP01_PHY_PORT_CTRL, v)
    if hw.autoneg:
        igb_write_phy_reg(hw, PHY_1000T_CTRL, igb_read_phy_reg(hw, PHY_1000T_CTRL))


def igb_copper_link_setup_82580(hw: IgbHw) -> None:
    igb_reset_phy(hw)
    v = igb_read_phy_reg(hw, r.I82580_CFG_REG)
    igb_write_phy_reg(hw, r.I82580_CFG_REG, v | I82580_CFG_ASSERT_CRS_ON_TX | I82580_CFG_ENABLE_DOWNSHIFT)
    v = igb_read_phy_reg(hw, r.I82580_PHY_CTRL_2) & ~I82580_PHY_CTRL2_MDIX_CFG_MASK
    if hw.mdix == 2:
        v |= I82580_PHY_CTRL2_MANUAL_MDIX
    elif hw.mdix != 1:
        v |= I82580_PHY_CTRL2_AUTO_MDI_MDIX
    igb_write_phy_reg(hw, r.I82580_PHY_CTRL_2, v)


def igb_phy_setup_autoneg(hw: IgbHw) -> None:
    """What to advertise: speeds by `autoneg_advertised`, pause by the flow control mode."""
    adv = igb_read_phy_reg(hw, PHY_AUTONEG_ADV) & ~0x01E0
    gig = igb_read_phy_reg(hw, PHY_1000T_CTRL) & ~0x0300
    want = hw.autoneg_advertised
    if want & 0x01:
        adv |= 0x0020
    if want & 0x02:
        adv |= 0x0040
    if want & 0x04:
        adv |= 0x0080
    if want & 0x08:
        adv |= 0x0100
    if want & 0x20:
        gig |= 0x0200
    mode = hw.fc.current_mode
    if mode == FC_NONE:
        adv &= ~(NWAY_ASM_DIR | NWAY_PAUSE)
    elif mode == FC_TX_PAUSE:
        adv = adv & ~NWAY_PAUSE | NWAY_ASM_DIR
    else:
        adv |= NWAY_ASM_DIR | NWAY_PAUSE
    igb_write_phy_reg(hw, PHY_AUTONEG_ADV, adv)
    igb_write_phy_reg(hw, PHY_1000T_CTRL, gig)


def igb_copper_link_autoneg(hw: IgbHw) -> None:
    hw.autoneg_advertised &= 0x2F
    if not hw.autoneg_advertised:
        hw.autoneg_advertised = 0x2F
    igb_phy_setup_autoneg(hw)
    ctrl = igb_read_phy_reg(hw, PHY_CONTROL)
    igb_write_phy_reg(hw, PHY_CONTROL, ctrl | MII_CR_AUTO_NEG_EN | MII_CR_RESTART_AUTO_NEG)
    if hw.autoneg_wait_to_complete:
        for _ in range(45):
            igb_read_phy_reg(hw, PHY_STATUS)
            if igb_read_phy_reg(hw, PHY_STATUS) & MII_SR_AUTONEG_COMPLETE:
                break
            msleep(hw.kernel, 100)
    hw.get_link_status = True


def igb_phy_force_speed_duplex(hw: IgbHw) -> None:
    """10 or 100 Mbit/s by hand: PHY and MAC told the same; flow control off."""
    fd = hw.forced_speed_duplex in (0x02, 0x08)
    hundred = hw.forced_speed_duplex in (0x04, 0x08)
    hw.fc.current_mode = FC_NONE
    ctrl = (hw.rd32(r.CTRL) | r.CTRL_FRCSPD | r.CTRL_FRCDPX) & ~(r.CTRL_SPD_SEL | r.CTRL_FD)
    bmcr = igb_read_phy_reg(hw, PHY_CONTROL) & ~(
        MII_CR_AUTO_NEG_EN | MII_CR_FULL_DUPLEX | MII_CR_SPEED_100 | MII_CR_SPEED_1000
    )
    if fd:
        ctrl |= r.CTRL_FD
        bmcr |= MII_CR_FULL_DUPLEX
    if hundred:
        ctrl |= r.CTRL_SPD_100
        bmcr |= MII_CR_SPEED_100
    igb_config_collision_dist(hw)
    hw.wr32(r.CTRL, ctrl)
    igb_write_phy_reg(hw, PHY_CONTROL, bmcr)


def igb_setup_copper_link(hw: IgbHw) -> None:
    if hw.autoneg:
        igb_copper_link_autoneg(hw)
    else:
        igb_phy_force_speed_duplex(hw)
    if igb_phy_has_link(hw, 10, 10):
        igb_config_collision_dist(hw)
        igb_config_fc_after_link_up(hw)


def igb_get_speed_and_duplex_copper(hw: IgbHw) -> tuple[int, int]:
    """(Mbit/s, HALF_DUPLEX or FULL_DUPLEX)."""
    status = hw.rd32(r.STATUS)
    if status & r.STATUS_SPEED_1000:
        speed = SPEED_1000
    elif status & r.STATUS_SPEED_100:
        speed = SPEED_100
    else:
        speed = SPEED_10
    return speed, FULL_DUPLEX if status & r.STATUS_FD else HALF_DUPLEX


def igb_force_mac_fc(hw: IgbHw) -> None:
    ctrl = hw.rd32(r.CTRL) & ~(r.CTRL_TFCE | r.CTRL_RFCE)
    mode = hw.fc.current_mode
    if mode & FC_RX_PAUSE:
        ctrl |= r.CTRL_RFCE
    if mode & FC_TX_PAUSE:
        ctrl |= r.CTRL_TFCE
    hw.wr32(r.CTRL, ctrl)


def igb_config_fc_after_link_up(hw: IgbHw) -> None:
    """Resolve pause as IEEE 802.3 annex 28B says, and tell the MAC."""
    if not hw.autoneg:
        igb_force_mac_fc(hw)
        return
    igb_read_phy_reg(hw, PHY_STATUS)
    if not igb_read_phy_reg(hw, PHY_STATUS) & MII_SR_AUTONEG_COMPLETE:
        return
    adv = igb_read_phy_reg(hw, PHY_AUTONEG_ADV)
    lpa = igb_read_phy_reg(hw, PHY_LP_ABILITY)
    both = NWAY_PAUSE | NWAY_ASM_DIR
    if adv & NWAY_PAUSE and lpa & NWAY_PAUSE:
        hw.fc.current_mode = FC_FULL if hw.fc.requested_mode == FC_FULL else FC_RX_PAUSE
    elif adv & both == NWAY_ASM_DIR and lpa & both == both:
        hw.fc.current_mode = FC_TX_PAUSE
    elif adv & both == both and lpa & both == NWAY_ASM_DIR:
        hw.fc.current_mode = FC_RX_PAUSE
    elif hw.fc.requested_mode in (FC_NONE, FC_TX_PAUSE):
        hw.fc.current_mode = FC_NONE
    else:
        hw.fc.current_mode = FC_RX_PAUSE  # taking pause frames from a partner that sends none does no harm
    if igb_get_speed_and_duplex_copper(hw)[1] == HALF_DUPLEX:
        hw.fc.current_mode = FC_NONE
    igb_force_mac_fc(hw)


def igb_check_for_copper_link(hw: IgbHw) -> None:
    """Clears `get_link_status` when there is link; flow control is settled then."""
    if not hw.get_link_status:
        return
    try:
        if not igb_phy_has_link(hw, 1, 0):
            return
        hw.get_link_status = False
        igb_check_downshift(hw)
        if not hw.autoneg:
            return
        igb_config_collision_dist(hw)
        igb_config_fc_after_link_up(hw)
    except OSError:
        pass  # the next round of the watchdog asks again, or lives with what was settled


def igb_set_eee_i350(hw: IgbHw) -> None:
    """Energy efficient Ethernet: offered at 100 and 1000 Mbit/s, or not at all."""
    ipcnfg = hw.rd32(r.IPCNFG)
    eeer = hw.rd32(r.EEER)
    if hw.eee_disable:
        ipcnfg &= ~IPCNFG_EEE
        eeer &= ~EEER_EEE
    else:
        hw.rd32(r.EEE_SU)
        ipcnfg |= IPCNFG_EEE
        eeer |= EEER_EEE
    hw.wr32(r.IPCNFG, ipcnfg)
    hw.wr32(r.EEER, eeer)
    hw.rd32(r.IPCNFG)
    hw.rd32(r.EEER)


# --- what the chip is ---------------------------------------------------------------------------------------


def igb_get_invariants_82575(hw: IgbHw) -> None:
    """MAC, NVM and PHY of this board.  Raises OSError(EIO) for a PHY that is not the chip's."""
    hw.rd32(r.CTRL_EXT)
    hw.rd32(r.FWSM)
    eecd = hw.rd32(r.EECD)
    hw.nvm_words = 1 << min((eecd >> r.EECD_SIZE_EX_SHIFT & 0xF) + 6, 15)
    hw.wr32(r.CTRL_EXT, hw.rd32(r.CTRL_EXT) & ~0x02000000)
    hw.rd32(r.STATUS)
    igb_get_phy_id(hw)


def supported_mac(mac_type: str) -> bool:
    """Whether this file knows the register sequences of that MAC."""
    return mac_type in (MAC_82576, MAC_I350)
