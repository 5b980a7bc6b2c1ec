"""The chip behind the registers: MAC, PHY, NVM, link, flow control, as the 82574 family needs them.

What lives here: register sequences that know no packet and no net device.  Every wait is a real wait
(drivers/lib.py). Facts: e1000e/{82571,mac,phy,nvm,manage}.c of 6.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rxpath.drivers.e1000e.e1000 import (
    E1000_82574,
    E1000_82583,
    FC_DEFAULT,
    FC_FULL,
    FC_NONE,
    FC_RX_PAUSE,
    FC_TX_PAUSE,
    FULL_DUPLEX,
    HALF_DUPLEX,
    PHY_BM,
    SPEED_10,
    SPEED_100,
    SPEED_1000,
)
from rxpath.drivers.lib import msleep, udelay, usleep_range
from rxpath.drivers.pci import PciDev
from rxpath.hw.regs import i82574 as r
from rxpath.kernel.errno import EIO, linux_error

if TYPE_CHECKING:
    from rxpath.kernel.core import Kernel

M88_PHY_SPEC_CTRL: Final = 0x10
M88_PHY_SPEC_STATUS: Final = 0x11
M88_PSCR_AUTO_X_MODE: Final = 0x0060
M88_PSCR_MDI_MANUAL: Final = 0x0000
M88_PSCR_MDIX_MANUAL: Final = 0x0020
M88_PSCR_AUTO_X_1000T: Final = 0x0040
M88_PSCR_POLARITY_REVERSAL: Final = 0x0002
BME1000_PSCR_ENABLE_DOWNSHIFT: Final = 0x0800
M88_PSSR_DOWNSHIFT: Final = 0x0020
M88_PSSR_MDIX: Final = 0x0040
M88_PSSR_SPEED: Final = 0xC000
M88_PSSR_1000MBS: Final = 0x8000
BM_PHY_PAGE_SELECT: Final = 22
MAX_PHY_MULTI_PAGE_REG: Final = 0xF
E1000_RECEIVE_ERROR_COUNTER: Final = 21
IGP02E1000_PHY_POWER_MGMT: Final = 0x19
ADVERTISE_PAUSE_CAP: Final = 0x0400
ADVERTISE_PAUSE_ASYM: Final = 0x0800
MANC_BLK_PHY_RST_ON_IDE: Final = 0x00040000
MANC_RCV_TCO_EN: Final = 0x00020000
NVM_INIT_CONTROL2_REG: Final = 0x0F
NVM_INIT_CONTROL3_PORT_A: Final = 0x24
NVM_INIT_CTRL2_MNGM: Final = 0x6000
GCR_L1_ACT_WITHOUT_L0S_RX: Final = 0x08000000
TXDCTL_WTHRESH: Final = 0x003F0000
TXDCTL_FULL_TX_DESC_WB: Final = 0x01010000
TXDCTL_COUNT_DESC: Final = 0x00400000
M32: Final = 0xFFFFFFFF

HW_COUNTERS: Final = (
    "CRCERRS",
    "SYMERRS",
    "MPC",
    "SCC",
    "ECOL",
    "MCC",
    "LATECOL",
    "COLC",
    "DC",
    "SEC",
    "RLEC",
    "XONRXC",
    "XONTXC",
    "XOFFRXC",
    "XOFFTXC",
    "FCRUC",
    "GPRC",
    "BPRC",
    "MPRC",
    "GPTC",
    "GORCL",
    "GORCH",
    "GOTCL",
    "GOTCH",
    "RNBC",
    "RUC",
    "RFC",
    "ROC",
    "RJC",
    "TORL",
    "TORH",
    "TOTL",
    "TOTH",
    "TPR",
    "TPT",
    "MPTC",
    "BPTC",
    "PRC64",
    "PRC127",
    "PRC255",
    "PRC511",
    "PRC1023",
    "PRC1522",
    "PTC64",
    "PTC127",
    "PTC255",
    "PTC511",
    "PTC1023",
    "PTC1522",
    "ALGNERRC",
    "RXERRC",
    "TNCRS",
    "CEXTERR",
    "TSCTC",
    "TSCTFC",
    "MGTPRC",
    "MGTPDC",
    "MGTPTC",
    "IAC",
    "ICRXOC",
    "ICRXPTC",
    "ICRXATC",
    "ICTXPTC",
    "ICTXATC",
    "ICTXQEC",
    "ICTXQMTC",
    "ICRXDMTC",
)
"""Counters that a reset reads to clear, in Linux's order."""

STAT_OFF: Final[dict[str, int]] = dict(r.STATS)


class FlowControl:
    """`struct e1000_fc_info`: watermarks in bytes of packet buffer, pause time in quanta."""

    __slots__ = ("high_water", "low_water", "pause_time", "send_xon", "current_mode", "requested_mode")

    def __init__(self) -> None:
        self.high_water = 0
        self.low_water = 0
        self.pause_time = 0x0680
        self.send_xon = True
        self.current_mode = FC_DEFAULT
        self.requested_mode = FC_DEFAULT


class E1000Hw:
    """`struct e1000_hw`: registers of BAR 0 (`er32`, `ew32`), and what is known of MAC, PHY and NVM."""

    __slots__ = (
        "pdev",
        "kernel",
        "model",
        "mac_type",
        "mac_addr",
        "perm_addr",
        "get_link_status",
        "autoneg",
        "forced_speed_duplex",
        "rar_entry_count",
        "mta_reg_count",
        "tx_pkt_filtering",
        "phy_type",
        "phy_id",
        "phy_revision",
        "phy_addr",
        "autoneg_advertised",
        "autoneg_wait_to_complete",
        "mdix",
        "is_mdix",
        "speed_downgraded",
        "fc",
        "nvm_words",
        "bus_width",
        "mta_shadow",
        "ledctl_default",
        "collision_delta",
        "tx_packet_delta",
        "polarity",
    )

    def __init__(self, pdev: PciDev, mac_type: int) -> None:
        self.pdev = pdev
        self.kernel: Kernel = pdev.kernel
        self.model = pdev.model
        self.mac_type = mac_type
        self.mac_addr = b"\0" * 6
        self.perm_addr = b"\0" * 6
        self.get_link_status = False
        self.autoneg = True
        self.forced_speed_duplex = 0
        self.rar_entry_count = 15
        self.mta_reg_count = 128
        self.tx_pkt_filtering = False
        self.phy_type = 0
        self.phy_id = 0
        self.phy_revision = 0
        self.phy_addr = 1
        self.autoneg_advertised = 0x2F
        self.autoneg_wait_to_complete = False
        self.mdix = 0
        self.is_mdix = False
        self.speed_downgraded = False
        self.fc = FlowControl()
        self.nvm_words = 64
        self.bus_width = 1
        self.mta_shadow = [0] * 128
        self.ledctl_default = 0
        self.collision_delta = 0
        self.tx_packet_delta = 0
        self.polarity = 0

    def er32(self, off: int) -> int:
        return self.model.mmio_read(0, off, 4)

    def ew32(self, off: int, value: int) -> None:
        self.model.mmio_write(0, off, 4, value & M32)

    def stat(self, name: str) -> int:
        """Read (and so clear) a counter by its register's name."""
        return self.model.mmio_read(0, STAT_OFF[name], 4)

    def flush(self) -> None:
        """e1e_flush: a read pushes posted writes out; what they caused may interrupt here."""
        self.model.mmio_read(0, r.STATUS, 4)
        cpu = self.kernel.engine.current
        if cpu is not None:
            cpu.charge(0)


# --- PHY ----------------------------------------------------------------------------------------------------


def e1000_get_hw_semaphore_82574(hw: E1000Hw) -> bool:
    """MDIO ownership; False when firmware keeps it."""
    ctrl = hw.er32(r.EXTCNF_CTRL)
    for _ in range(10):
        ctrl |= r.EXTCNF_CTRL_MDIO_SW_OWNERSHIP
        hw.ew32(r.EXTCNF_CTRL, ctrl)
        ctrl = hw.er32(r.EXTCNF_CTRL)
        if ctrl & r.EXTCNF_CTRL_MDIO_SW_OWNERSHIP:
            return True
        usleep_range(hw.kernel, 2000, 4000)
    e1000_put_hw_semaphore_82574(hw)
    return False


def e1000_put_hw_semaphore_82574(hw: E1000Hw) -> None:
    hw.ew32(r.EXTCNF_CTRL, hw.er32(r.EXTCNF_CTRL) & ~r.EXTCNF_CTRL_MDIO_SW_OWNERSHIP)


def _mdic(hw: E1000Hw, word: int) -> int:
    """One management cycle.  Raises OSError(EIO) when the PHY does not answer."""
    hw.ew32(r.MDIC, word)
    for _ in range(1920):
        udelay(hw.kernel, 50)
        mdic = hw.er32(r.MDIC)
        if mdic & r.MDIC_READY:
            break
        if not hw.kernel.costs.enabled:
            usleep_range(hw.kernel, 50, 50)
    if not mdic & r.MDIC_READY or mdic & r.MDIC_ERROR:
        raise linux_error(EIO, "PHY")
    return mdic


def e1000e_read_phy_reg_mdic(hw: E1000Hw, offset: int) -> int:
    return _mdic(hw, offset << r.MDIC_REG_SHIFT | hw.phy_addr << r.MDIC_PHY_SHIFT | r.MDIC_OP_READ) & 0xFFFF


def e1000e_write_phy_reg_mdic(hw: E1000Hw, offset: int, data: int) -> None:
    _mdic(hw, data & 0xFFFF | offset << r.MDIC_REG_SHIFT | hw.phy_addr << r.MDIC_PHY_SHIFT | r.MDIC_OP_WRITE)


def e1e_rphy(hw: E1000Hw, offset: int) -> int:
    """A PHY register; `offset` carries the page in bits 5 and up.  Raises OSError(EIO)."""
    if not e1000_get_hw_semaphore_82574(hw):
        raise linux_error(EIO, "PHY semaphore")
    hw.phy_addr = 1
    try:
        if offset > MAX_PHY_MULTI_PAGE_REG:
            e1000e_write_phy_reg_mdic(hw, BM_PHY_PAGE_SELECT, offset >> 5)
        return e1000e_read_phy_reg_mdic(hw, offset & 0x1F)
    finally:
        e1000_put_hw_semaphore_82574(hw)


def e1e_wphy(hw: E1000Hw, offset: int, data: int) -> None:
    if not e1000_get_hw_semaphore_82574(hw):
        raise linux_error(EIO, "PHY semaphore")
    hw.phy_addr = 1
    try:
        if offset > MAX_PHY_MULTI_PAGE_REG:
            e1000e_write_phy_reg_mdic(hw, BM_PHY_PAGE_SELECT, offset >> 5)
        e1000e_write_phy_reg_mdic(hw, offset & 0x1F, data)
    finally:
        e1000_put_hw_semaphore_82574(hw)


def e1000e_phy_sw_reset(hw: E1000Hw) -> None:
    e1e_wphy(hw, r.PHY_BMCR, e1e_rphy(hw, r.PHY_BMCR) | r.BMCR_RESET)
    udelay(hw.kernel, 1)


def e1000e_phy_has_link_generic(hw: E1000Hw, iterations: int, usec: int) -> bool:
    for _ in range(iterations):
        e1e_rphy(hw, r.PHY_BMSR)  # the link bit latches low
        if e1e_rphy(hw, r.PHY_BMSR) & r.BMSR_LSTATUS:
            return True
        if usec >= 1000:
            msleep(hw.kernel, usec // 1000)
        else:
            udelay(hw.kernel, usec)
    return False


def e1000_get_phy_id_82571(hw: E1000Hw) -> None:
    """Raises OSError(EIO) when it is not the PHY of this chip."""
    hw.phy_id = e1e_rphy(hw, r.PHY_PHYSID1) << 16
    usleep_range(hw.kernel, 20, 40)
    low = e1e_rphy(hw, r.PHY_PHYSID2)
    hw.phy_id |= low
    hw.phy_revision = low & 0xF
    if hw.phy_id != (r.PHY_ID1 << 16 | r.PHY_ID2):
        raise linux_error(EIO, "PHY id 0x%08x" % hw.phy_id)


def e1000e_check_downshift(hw: E1000Hw) -> None:
    hw.speed_downgraded = bool(e1e_rphy(hw, M88_PHY_SPEC_STATUS) & M88_PSSR_DOWNSHIFT)


def e1000e_get_phy_info_m88(hw: E1000Hw) -> None:
    """What is known of the cable, when there is link."""
    if not e1000e_phy_has_link_generic(hw, 1, 0):
        return
    e1e_rphy(hw, M88_PHY_SPEC_CTRL)
    status = e1e_rphy(hw, M88_PHY_SPEC_STATUS)
    hw.polarity = status >> 1 & 1
    hw.is_mdix = bool(status & M88_PSSR_MDIX)
    if status & M88_PSSR_SPEED == M88_PSSR_1000MBS:
        e1e_rphy(hw, r.PHY_STAT1000)


def e1000_power_up_phy_copper(hw: E1000Hw) -> None:
    e1e_wphy(hw, r.PHY_BMCR, e1e_rphy(hw, r.PHY_BMCR) & ~r.BMCR_PDOWN)


def e1000_power_down_phy_copper_82571(hw: E1000Hw) -> None:
    """Unless management or a blocked PHY reset needs the link."""
    if not e1000_check_mng_mode_82574(hw) and not e1000e_check_reset_block_generic(hw):
        e1e_wphy(hw, r.PHY_BMCR, e1e_rphy(hw, r.PHY_BMCR) | r.BMCR_PDOWN)
        usleep_range(hw.kernel, 1000, 2000)


def e1000e_check_reset_block_generic(hw: E1000Hw) -> bool:
    return bool(hw.er32(r.MANC) & MANC_BLK_PHY_RST_ON_IDE)


def e1000_check_phy_82574(hw: E1000Hw) -> bool:
    """Whether the PHY hangs."""
    try:
        if e1e_rphy(hw, E1000_RECEIVE_ERROR_COUNTER) == 0xFFFF:
            return e1e_rphy(hw, r.PHY_STAT1000) & 0xFF == 0xFF
    except OSError:
        pass
    return False


# --- NVM ----------------------------------------------------------------------------------------------------


def e1000_read_nvm(hw: E1000Hw, word: int) -> int:
    """One 16-bit word.  Raises OSError(EIO)."""
    if word >= hw.nvm_words:
        raise linux_error(EIO, "NVM word %d" % word)
    hw.ew32(r.EERD, word << r.EERD_ADDR_SHIFT | r.EERD_START)
    for _ in range(100000):
        if hw.er32(r.EERD) & r.EERD_DONE:
            return hw.er32(r.EERD) >> r.EERD_DATA_SHIFT
        usleep_range(hw.kernel, 5, 5)
    raise linux_error(EIO, "NVM")


def e1000_write_nvm(hw: E1000Hw, word: int, data: int) -> None:
    """EEWR: START, address, data.  Raises OSError(EIO)."""
    if word >= hw.nvm_words:
        raise linux_error(EIO, "NVM word %d" % word)
    hw.ew32(r.EEWR, data << r.EERD_DATA_SHIFT | word << r.EERD_ADDR_SHIFT | r.EERD_START)
    for _ in range(100000):
        if hw.er32(r.EEWR) & r.EERD_DONE:
            return
        usleep_range(hw.kernel, 5, 5)
    raise linux_error(EIO, "NVM")


def nvm_sum(hw: E1000Hw) -> int:
    return sum(e1000_read_nvm(hw, i) for i in range(r.NVM_CHECKSUM_REG + 1)) & 0xFFFF


def e1000_validate_nvm_checksum(hw: E1000Hw) -> bool:
    return nvm_sum(hw) == r.NVM_SUM


def e1000e_update_nvm_checksum(hw: E1000Hw) -> None:
    total = sum(e1000_read_nvm(hw, i) for i in range(r.NVM_CHECKSUM_REG)) & 0xFFFF
    e1000_write_nvm(hw, r.NVM_CHECKSUM_REG, (r.NVM_SUM - total) & 0xFFFF)


def e1000_read_pba_string_generic(hw: E1000Hw) -> str:
    """The board's part number, from words 8 and 9 or the string that they point to."""
    w0 = e1000_read_nvm(hw, 8)
    w1 = e1000_read_nvm(hw, 9)
    if w0 != 0xFAFA:
        return "%04X%02X-0%02X" % (w0, w1 >> 8, w1 & 0xFF)
    length = e1000_read_nvm(hw, w1)
    if length in (0, 0xFFFF):
        raise linux_error(EIO, "PBA section")
    text = b"".join(e1000_read_nvm(hw, w1 + 1 + i).to_bytes(2, "big") for i in range(length - 1))
    return text.rstrip(b"\0").decode("ascii", "replace")


# --- MAC ----------------------------------------------------------------------------------------------------


def e1000_check_mng_mode_82574(hw: E1000Hw) -> bool:
    return bool(e1000_read_nvm(hw, NVM_INIT_CONTROL2_REG) & NVM_INIT_CTRL2_MNGM)


def e1000e_enable_tx_pkt_filtering(hw: E1000Hw) -> bool:
    """DHCP snooping for a management controller; there is none unless the NVM says so."""
    hw.tx_pkt_filtering = e1000_check_mng_mode_82574(hw)
    return False


def e1000e_rar_set_generic(hw: E1000Hw, addr: bytes, index: int) -> None:
    low = int.from_bytes(addr[:4], "little")
    high = int.from_bytes(addr[4:], "little")
    if low or high:
        high |= r.RAH_AV
    hw.ew32(r.RAL(index), low)
    hw.flush()
    hw.ew32(r.RAH(index), high)
    hw.flush()


def e1000e_init_rx_addrs(hw: E1000Hw) -> None:
    e1000e_rar_set_generic(hw, hw.mac_addr, 0)
    for i in range(1, hw.rar_entry_count):
        e1000e_rar_set_generic(hw, b"\0" * 6, i)


def e1000_hash_mc_addr(addr: bytes) -> int:
    """Bit number 0..4095 of a multicast address in the table (filter type 0: address bits 47:36)."""
    return (addr[4] >> 4 | addr[5] << 4) & 0xFFF


def e1000e_update_mc_addr_list_generic(hw: E1000Hw, addrs: list[bytes]) -> None:
    shadow = [0] * hw.mta_reg_count
    for a in addrs:
        h = e1000_hash_mc_addr(a)
        shadow[h >> 5 & (hw.mta_reg_count - 1)] |= 1 << (h & 0x1F)
    hw.mta_shadow = shadow
    for i in range(hw.mta_reg_count - 1, -1, -1):
        hw.ew32(r.MTA + 4 * i, shadow[i])
    hw.flush()


def e1000e_read_mac_addr(hw: E1000Hw) -> None:
    """RAR 0, which the chip loaded from its NVM."""
    high = hw.er32(r.RAH(0))
    low = hw.er32(r.RAL(0))
    hw.perm_addr = low.to_bytes(4, "little") + (high & 0xFFFF).to_bytes(2, "little")
    hw.mac_addr = hw.perm_addr


def e1000e_config_collision_dist_generic(hw: E1000Hw) -> None:
    hw.ew32(r.TCTL, hw.er32(r.TCTL) & ~0x003FF000 | 63 << r.TCTL_COLD_SHIFT)
    hw.flush()


def e1000e_disable_pcie_master(hw: E1000Hw) -> bool:
    """Stop new DMA requests and wait for those under way; False when some stay."""
    hw.ew32(r.CTRL, hw.er32(r.CTRL) | r.CTRL_GIO_MASTER_DISABLE)
    for _ in range(800):
        if not hw.er32(r.STATUS) & r.STATUS_GIO_MASTER_ENABLE:
            return True
        usleep_range(hw.kernel, 100, 200)
    return False


def e1000_reset_hw_82571(hw: E1000Hw) -> None:
    """A global reset, everything masked.  Raises OSError(EIO) when the NVM is not read again afterwards."""
    k = hw.kernel
    e1000e_disable_pcie_master(hw)
    hw.ew32(r.IMC, M32)
    hw.ew32(r.RCTL, 0)
    hw.ew32(r.TCTL, hw.er32(r.TCTL) & ~r.TCTL_EN)
    hw.flush()
    usleep_range(k, 10000, 11000)
    got = e1000_get_hw_semaphore_82574(hw)
    hw.ew32(r.CTRL, hw.er32(r.CTRL) | r.CTRL_RST)
    if got:
        e1000_put_hw_semaphore_82574(hw)
    for _ in range(10):  # e1000e_get_auto_rd_done
        if hw.er32(r.EECD) & r.EECD_AUTO_RD:
            break
        usleep_range(k, 1000, 2000)
    else:
        raise linux_error(EIO, "NVM auto-read")
    msleep(k, 25)
    hw.ew32(r.IMC, M32)
    hw.er32(r.ICR)


def e1000_initialize_hw_bits_82571(hw: E1000Hw) -> None:
    """Bits that must be so, and errata of the 82574 and 82583."""
    hw.ew32(r.TXDCTL(0), hw.er32(r.TXDCTL(0)) | 1 << 22)
    hw.ew32(r.TXDCTL(1), hw.er32(r.TXDCTL(1)) | 1 << 22)
    hw.ew32(r.TARC(0), hw.er32(r.TARC(0)) & ~(0xF << 27) | 1 << 26)
    hw.er32(r.TARC(1))
    hw.ew32(r.CTRL, hw.er32(r.CTRL) & ~(1 << 29))
    hw.ew32(r.CTRL_EXT, hw.er32(r.CTRL_EXT) & ~(1 << 23) | 1 << 22)
    hw.ew32(r.GCR, hw.er32(r.GCR) | 1 << 22)
    hw.ew32(r.GCR2, hw.er32(r.GCR2) | 1)


def e1000_init_hw_82571(hw: E1000Hw) -> None:
    """After a reset: filters cleared, link and flow control set up, counters cleared."""
    e1000_initialize_hw_bits_82571(hw)
    e1000_read_nvm(hw, 4)  # identification LED
    hw.ledctl_default = hw.er32(r.LEDCTL)
    for i in range(r.VFTA_ENTRIES):
        hw.ew32(r.VFTA + 4 * i, 0)
        hw.flush()
    e1000e_init_rx_addrs(hw)
    for i in range(hw.mta_reg_count):
        hw.ew32(r.MTA + 4 * i, 0)
    e1000_setup_link_82571(hw)
    hw.ew32(r.TXDCTL(0), hw.er32(r.TXDCTL(0)) & ~TXDCTL_WTHRESH | TXDCTL_FULL_TX_DESC_WB | TXDCTL_COUNT_DESC)
    hw.ew32(r.GCR, hw.er32(r.GCR) | GCR_L1_ACT_WITHOUT_L0S_RX)
    for name in HW_COUNTERS:
        hw.stat(name)


# --- link and flow control ----------------------------------------------------------------------------------


def e1000_setup_link_82571(hw: E1000Hw) -> None:
    if hw.fc.requested_mode == FC_DEFAULT:
        hw.fc.requested_mode = FC_FULL
    if e1000e_check_reset_block_generic(hw):
        return
    hw.fc.current_mode = hw.fc.requested_mode
    e1000_setup_copper_link_82571(hw)
    hw.ew32(r.FCT, 0x8808)
    hw.ew32(r.FCAH, 0x0100)
    hw.ew32(r.FCAL, 0x00C28001)
    hw.ew32(r.FCTTV, hw.fc.pause_time)
    e1000e_set_fc_watermarks(hw)


def e1000e_set_fc_watermarks(hw: E1000Hw) -> None:
    low = high = 0
    if hw.fc.current_mode & FC_TX_PAUSE:
        low = hw.fc.low_water | (r.FCRTL_XONE if hw.fc.send_xon else 0)
        high = hw.fc.high_water
    hw.ew32(r.FCRTL, low)
    hw.ew32(r.FCRTH, high)


def e1000_setup_copper_link_82571(hw: E1000Hw) -> None:
    hw.ew32(r.CTRL, hw.er32(r.CTRL) & ~(r.CTRL_FRCSPD | r.CTRL_FRCDPX) | r.CTRL_SLU)
    e1000e_copper_link_setup_m88(hw)
    e1000e_setup_copper_link(hw)


def e1000e_copper_link_setup_m88(hw: E1000Hw) -> None:
    """MDI/MDI-X, polarity, downshift; the PHY is reset so that they take effect."""
    v = e1e_rphy(hw, M88_PHY_SPEC_CTRL) & ~M88_PSCR_AUTO_X_MODE
    if hw.mdix == 1:
        v |= M88_PSCR_MDI_MANUAL
    elif hw.mdix == 2:
        v |= M88_PSCR_MDIX_MANUAL
    elif hw.mdix == 3:
        v |= M88_PSCR_AUTO_X_1000T
    else:
        v |= M88_PSCR_AUTO_X_MODE
    v &= ~M88_PSCR_POLARITY_REVERSAL
    v &= ~BME1000_PSCR_ENABLE_DOWNSHIFT
    e1e_wphy(hw, M88_PHY_SPEC_CTRL, v)
    e1000e_phy_sw_reset(hw)
    e1e_wphy(hw, M88_PHY_SPEC_CTRL, v | BME1000_PSCR_ENABLE_DOWNSHIFT)
    e1e_wphy(hw, 29, 0x0003)
    e1e_wphy(hw, 30, 0x0000)
    e1000e_phy_sw_reset(hw)


def e1000_phy_setup_autoneg(hw: E1000Hw) -> None:
    """What to advertise: speeds by `autoneg_advertised`, pause by the flow control mode."""
    adv = e1e_rphy(hw, r.PHY_ADVERTISE)
    gig = e1e_rphy(hw, r.PHY_CTRL1000)
    adv &= ~0x01E0
    gig &= ~0x0300
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
        adv &= ~(ADVERTISE_PAUSE_ASYM | ADVERTISE_PAUSE_CAP)
    elif mode == FC_TX_PAUSE:
        adv = adv & ~ADVERTISE_PAUSE_CAP | ADVERTISE_PAUSE_ASYM
    else:
        adv |= ADVERTISE_PAUSE_ASYM | ADVERTISE_PAUSE_CAP
    e1e_wphy(hw, r.PHY_ADVERTISE, adv)
    e1e_wphy(hw, r.PHY_CTRL1000, gig)


def e1000_copper_link_autoneg(hw: E1000Hw) -> None:
    hw.autoneg_advertised &= 0x2F
    if not hw.autoneg_advertised:
        hw.autoneg_advertised = 0x2F
    e1000_phy_setup_autoneg(hw)
    e1e_wphy(hw, r.PHY_BMCR, e1e_rphy(hw, r.PHY_BMCR) | r.BMCR_ANENABLE | r.BMCR_ANRESTART)
    if hw.autoneg_wait_to_complete:
        for _ in range(45):  # e1000_wait_autoneg
            e1e_rphy(hw, r.PHY_BMSR)
            if e1e_rphy(hw, r.PHY_BMSR) & r.BMSR_ANEGCOMPLETE:
                break
            msleep(hw.kernel, 100)
    hw.get_link_status = True


def e1000e_phy_force_speed_duplex_m88(hw: E1000Hw) -> None:
    """10 or 100 Mbit/s by hand: PHY and MAC told the same; flow control off."""
    fd = hw.forced_speed_duplex in (0x02, 0x08)
    hundred = hw.forced_speed_duplex in (0x04, 0x08)
    hw.fc.current_mode = FC_NONE
    ctrl = hw.er32(r.CTRL) | r.CTRL_FRCSPD | r.CTRL_FRCDPX
    ctrl &= ~(r.CTRL_SPD_SEL | r.CTRL_ASDE | r.CTRL_FD)
    bmcr = e1e_rphy(hw, r.PHY_BMCR) & ~(r.BMCR_ANENABLE | r.BMCR_FULLDPLX | r.BMCR_SPEED100 | r.BMCR_SPEED1000)
    if fd:
        ctrl |= r.CTRL_FD
        bmcr |= r.BMCR_FULLDPLX
    if hundred:
        ctrl |= r.CTRL_SPD_100
        bmcr |= r.BMCR_SPEED100
    e1000e_config_collision_dist_generic(hw)
    hw.ew32(r.CTRL, ctrl)
    e1e_wphy(hw, r.PHY_BMCR, bmcr)
    e1000e_phy_sw_reset(hw)


def e1000e_setup_copper_link(hw: E1000Hw) -> None:
    if hw.autoneg:
        e1000_copper_link_autoneg(hw)
    else:
        e1000e_phy_force_speed_duplex_m88(hw)
    if e1000e_phy_has_link_generic(hw, 10, 10):
        e1000e_config_collision_dist_generic(hw)
        e1000e_config_fc_after_link_up(hw)


def e1000e_get_speed_and_duplex_copper(hw: E1000Hw) -> tuple[int, int]:
    """(Mbit/s, HALF_DUPLEX or FULL_DUPLEX)."""
    status = hw.er32(r.STATUS)
    if status & r.STATUS_SPEED_1000:
        speed = SPEED_1000
    elif status & r.STATUS_SPEED_100:
        speed = SPEED_100
    else:
        speed = SPEED_10
    return speed, FULL_DUPLEX if status & r.STATUS_FD else HALF_DUPLEX


def e1000e_force_mac_fc(hw: E1000Hw) -> None:
    ctrl = hw.er32(r.CTRL) & ~(r.CTRL_TFCE | r.CTRL_RFCE)
    mode = hw.fc.current_mode
    if mode & FC_RX_PAUSE:
        ctrl |= r.CTRL_RFCE
    if mode & FC_TX_PAUSE:
        ctrl |= r.CTRL_TFCE
    hw.ew32(r.CTRL, ctrl)


def e1000e_config_fc_after_link_up(hw: E1000Hw) -> None:
    """Resolve pause as IEEE 802.3 annex 28B says, and tell the MAC."""
    e1000e_force_mac_fc(hw)
    if not hw.autoneg:
        return
    e1e_rphy(hw, r.PHY_BMSR)
    if not e1e_rphy(hw, r.PHY_BMSR) & r.BMSR_ANEGCOMPLETE:
        return
    adv = e1e_rphy(hw, r.PHY_ADVERTISE)
    lpa = e1e_rphy(hw, r.PHY_LPA)
    if adv & ADVERTISE_PAUSE_CAP and lpa & ADVERTISE_PAUSE_CAP:
        hw.fc.current_mode = FC_FULL if hw.fc.requested_mode == FC_FULL else FC_RX_PAUSE
    elif (
        not adv & ADVERTISE_PAUSE_CAP
        and adv & ADVERTISE_PAUSE_ASYM
        and lpa & ADVERTISE_PAUSE_CAP
        and lpa & ADVERTISE_PAUSE_ASYM
    ):
        hw.fc.current_mode = FC_TX_PAUSE
    elif (
        adv & ADVERTISE_PAUSE_CAP
        and adv & ADVERTISE_PAUSE_ASYM
        and not lpa & ADVERTISE_PAUSE_CAP
        and lpa & ADVERTISE_PAUSE_ASYM
    ):
        hw.fc.current_mode = FC_RX_PAUSE
    else:
        hw.fc.current_mode = FC_NONE
    if e1000e_get_speed_and_duplex_copper(hw)[1] == HALF_DUPLEX:
        hw.fc.current_mode = FC_NONE
    e1000e_force_mac_fc(hw)


def e1000e_check_for_copper_link(hw: E1000Hw) -> None:
    """Clears `get_link_status` when there is link; flow control is settled then."""
    if not hw.get_link_status:
        return
    hw.get_link_status = False
    try:
        if not e1000e_phy_has_link_generic(hw, 1, 0):
            hw.get_link_status = True
            return
        e1000e_check_downshift(hw)
        if not hw.autoneg:
            return
        e1000e_config_collision_dist_generic(hw)
        e1000e_config_fc_after_link_up(hw)
    except OSError:
        hw.get_link_status = True


# --- what the chip is ---------------------------------------------------------------------------------------


def e1000_get_variants_82571(hw: E1000Hw) -> None:
    """MAC, NVM and PHY of this board.  Raises OSError(EIO) for a PHY that is not the chip's."""
    hw.ew32(r.SWSM, hw.er32(r.SWSM) & ~r.SWSM_SMBI)
    eecd = hw.er32(r.EECD)
    if eecd >> 15 & 3 == 3:
        hw.nvm_words = 2048
    else:
        hw.nvm_words = 1 << min((eecd >> 11 & 0xF) + 6, 14)
    hw.phy_type = PHY_BM
    e1000_get_phy_id_82571(hw)


def supported_mac(mac_type: int) -> bool:
    """Whether this file knows the register sequences of that MAC."""
    return mac_type in (E1000_82574, E1000_82583)
