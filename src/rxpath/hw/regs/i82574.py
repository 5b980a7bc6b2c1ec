"""Registers of the Intel 82574L: offsets, bits, masks, power-on values, descriptors.

Names are Linux's (e1000e) without the E1000_ prefix, bits are REGISTER_BIT. Data only: the device model and
the driver import it. What the 82576 and the I350 have, too, stands in e1000.py and txd.py.
"""

# ruff: noqa: F403, F405
from __future__ import annotations

from typing import Final

from rxpath.hw.regs.e1000 import *
from rxpath.hw.regs.txd import *

DEVICE_ID: Final = 0x10D3
CSR_SIZE: Final = 0x20000
FLASH_SIZE: Final = 0x20000
MSIX_VECTORS: Final = 5
PACKET_BUFFER_KIB: Final = 40

# --------------------------------------------------------------------- offsets
FLA: Final = 0x0001C
KMRNCTRLSTA: Final = 0x00034
EIAC: Final = 0x000DC
IVAR: Final = 0x000E4
EITR0: Final = 0x000E8
RXCW: Final = 0x00180
EXTCNF_CTRL: Final = 0x00F00
EXTCNF_SIZE: Final = 0x00F08
PHY_CTRL: Final = 0x00F10
PCIEANACFG: Final = 0x00F18
FLOP: Final = 0x0103C
PBA_ECC: Final = 0x01100
ERT: Final = 0x02008
PSRCTL: Final = 0x02170
RDFH: Final = 0x02410
RDFT: Final = 0x02418
RDFHS: Final = 0x02420
RDFTS: Final = 0x02428
RDFPC: Final = 0x02430
RDTR: Final = 0x02820
RADV: Final = 0x0282C
RSRPD: Final = 0x02C00
TDFTS: Final = 0x03428
TIDV: Final = 0x03820
TADV: Final = 0x0382C
MANC2H: Final = 0x05860
MDEF: Final = 0x05890
SWSM2: Final = 0x05B58
GCR2: Final = 0x05B64
FFLT: Final = 0x05F00
CRC_OFFSET: Final = 0x05F50
HOST_IF: Final = 0x08800
TIMADJL: Final = 0x0B60C
TIMADJH: Final = 0x0B610
RXMTRL: Final = 0x0B634
RXUDP: Final = 0x0B638

RAR_ENTRIES: Final = 16
RETA_ENTRIES: Final = 32
RX_QUEUES: Final = 2
TX_QUEUES: Final = 2


def EITR(n: int) -> int:
    """Interval of MSI-X vector `n`, 0..4."""
    return EITR0 + 4 * n


def RDBAL(q: int) -> int:
    """Receive descriptor base, low half, of queue `q`; the functions below are alike."""
    return 0x02800 + 0x100 * q


def RDBAH(q: int) -> int:
    return 0x02804 + 0x100 * q


def RDLEN(q: int) -> int:
    return 0x02808 + 0x100 * q


def RDH(q: int) -> int:
    return 0x02810 + 0x100 * q


def RDT(q: int) -> int:
    return 0x02818 + 0x100 * q


def RXDCTL(q: int) -> int:
    return 0x02828 + 0x100 * q


def TDBAL(q: int) -> int:
    return 0x03800 + 0x100 * q


def TDBAH(q: int) -> int:
    return 0x03804 + 0x100 * q


def TDLEN(q: int) -> int:
    return 0x03808 + 0x100 * q


def TDH(q: int) -> int:
    return 0x03810 + 0x100 * q


def TDT(q: int) -> int:
    return 0x03818 + 0x100 * q


def TXDCTL(q: int) -> int:
    return 0x03828 + 0x100 * q


def TARC(q: int) -> int:
    return 0x03840 + 0x100 * q


def RAL(i: int) -> int:
    return RA + 8 * i


def RAH(i: int) -> int:
    return RA + 4 + 8 * i

# --------------------------------------------------------------------- bits
CTRL_ASDE: Final = 0x00000020

CTRL_EXT_EIAME: Final = 0x01000000
CTRL_EXT_IAME: Final = 0x08000000
CTRL_EXT_PBA_CLR: Final = 0x80000000

ICR_TXQE: Final = 0x00000002
ICR_SRPD: Final = 0x00010000
ICR_ACK: Final = 0x00020000
ICR_MNG: Final = 0x00040000
ICR_RXQ0: Final = 0x00100000
ICR_RXQ1: Final = 0x00200000
ICR_TXQ0: Final = 0x00400000
ICR_TXQ1: Final = 0x00800000
ICR_OTHER: Final = 0x01000000

IMS_ENABLE_MASK: Final = ICR_RXT0 | ICR_TXDW | ICR_RXDMT0 | ICR_RXSEQ | ICR_LSC
IMS_OTHER_MASK: Final = ICR_LSC | ICR_RXO | ICR_MDAC | ICR_SRPD | ICR_ACK | ICR_MNG
ICR_CAUSES: Final = 0x01FFFFFF
EIAC_MASK: Final = 0x01F00000

IVAR_VALID: Final = 0x8
IVAR_TX_INT_EVERY_WB: Final = 0x80000000

RCTL_RDMTS_SHIFT: Final = 8
RCTL_DTYP_MASK: Final = 0x00000C00
RCTL_DTYP_PS: Final = 0x00000400
RCTL_SZ_4096: Final = 0x00030000
RCTL_BSEX: Final = 0x02000000
RCTL_FLXBUF_SHIFT: Final = 27

PSRCTL_BSIZE0_SHIFT: Final = 7
PSRCTL_BSIZE1_SHIFT: Final = 2
PSRCTL_BSIZE2_SHIFT: Final = 6
PSRCTL_BSIZE3_SHIFT: Final = 14

TCTL_MULR: Final = 0x10000000

RDTR_FPD: Final = 0x80000000

RXCSUM_IPPCSE: Final = 0x00001000

RFCTL_ACK_DIS: Final = 0x00001000
RFCTL_EXTEN: Final = 0x00008000
RFCTL_NEW_IPV6_EXT_DIS: Final = 0x00020000

SWSM_DRV_LOAD: Final = 0x00000008
EXTCNF_CTRL_MDIO_SW_OWNERSHIP: Final = 0x00000020
EEMNGCTL_CFG_DONE: Final = 0x000C0000

# Receive descriptor, write-back: status and errors of the extended form (bits 24 and above are errors).
RXDEXT_STATERR_TST: Final = 0x00000100
RXDEXT_STAT_IPIDV: Final = 0x00000200
RXDEXT_STAT_UDPV: Final = 0x00000400
RXDEXT_STAT_ACK: Final = 0x00008000
RXDEXT_ERR_FRAME_ERR_MASK: Final = 0x97000000
RXDPS_HDRSTAT_HDRSP: Final = 0x8000

# Transmit descriptor: command bits in the third 32-bit word, status and options in the fourth.
TXD_DTYP_D: Final = 0x00100000
TXD_CMD_TSE: Final = 0x04000000
TXD_CMD_IDE: Final = 0x80000000
TXD_TUCMD_TCP: Final = 0x01000000
TXD_TUCMD_IP: Final = 0x02000000

# PHY (an 82574's own: BM, revision 2), address 1; registers of IEEE 802.3 clause 22 and of Marvell.
PHY_ID1: Final = 0x0141
PHY_ID2: Final = 0x0CB1
PHY_BMCR: Final = 0
PHY_BMSR: Final = 1
PHY_PHYSID1: Final = 2
PHY_PHYSID2: Final = 3
PHY_ADVERTISE: Final = 4
PHY_LPA: Final = 5
PHY_EXPANSION: Final = 6
PHY_CTRL1000: Final = 9
PHY_STAT1000: Final = 10
PHY_ESTATUS: Final = 15
PHY_SPEC_CTRL: Final = 16
PHY_SPEC_STATUS: Final = 17
PHY_PAGE_SELECT: Final = 22
BMCR_SPEED1000: Final = 0x0040
BMCR_FULLDPLX: Final = 0x0100
BMCR_ANRESTART: Final = 0x0200
BMCR_PDOWN: Final = 0x0800
BMCR_ANENABLE: Final = 0x1000
BMCR_SPEED100: Final = 0x2000
BMCR_LOOPBACK: Final = 0x4000
BMCR_RESET: Final = 0x8000
BMSR_LSTATUS: Final = 0x0004
BMSR_ANEGCOMPLETE: Final = 0x0020

NVM_WORDS: Final = 64

# --------------------------------------------------------------------- statistics
STATS: Final[tuple[tuple[str, int], ...]] = (
    ("CRCERRS", 0x4000), ("ALGNERRC", 0x4004), ("SYMERRS", 0x4008), ("RXERRC", 0x400C), ("MPC", 0x4010),
    ("SCC", 0x4014), ("ECOL", 0x4018), ("MCC", 0x401C), ("LATECOL", 0x4020), ("COLC", 0x4028), ("DC", 0x4030),
    ("TNCRS", 0x4034), ("SEC", 0x4038), ("CEXTERR", 0x403C), ("RLEC", 0x4040), ("XONRXC", 0x4048),
    ("XONTXC", 0x404C), ("XOFFRXC", 0x4050), ("XOFFTXC", 0x4054), ("FCRUC", 0x4058), ("PRC64", 0x405C),
    ("PRC127", 0x4060), ("PRC255", 0x4064), ("PRC511", 0x4068), ("PRC1023", 0x406C), ("PRC1522", 0x4070),
    ("GPRC", 0x4074), ("BPRC", 0x4078), ("MPRC", 0x407C), ("GPTC", 0x4080), ("GORCL", 0x4088), ("GORCH",
                                                                                                0x408C),
    ("GOTCL", 0x4090), ("GOTCH", 0x4094), ("RNBC", 0x40A0), ("RUC", 0x40A4), ("RFC", 0x40A8), ("ROC", 0x40AC),
    ("RJC", 0x40B0), ("MGTPRC", 0x40B4), ("MGTPDC", 0x40B8), ("MGTPTC", 0x40BC), ("TORL", 0x40C0),
    ("TORH", 0x40C4), ("TOTL", 0x40C8), ("TOTH", 0x40CC), ("TPR", 0x40D0), ("TPT", 0x40D4), ("PTC64", 0x40D8),
    ("PTC127", 0x40DC), ("PTC255", 0x40E0), ("PTC511", 0x40E4), ("PTC1023", 0x40E8), ("PTC1522", 0x40EC),
    ("MPTC", 0x40F0), ("BPTC", 0x40F4), ("TSCTC", 0x40F8), ("TSCTFC", 0x40FC), ("IAC", 0x4100),
    ("ICRXPTC", 0x4104), ("ICRXATC", 0x4108), ("ICTXPTC", 0x410C), ("ICTXATC", 0x4110), ("ICTXQEC", 0x4118),
    ("ICTXQMTC", 0x411C), ("ICRXDMTC", 0x4120), ("ICRXOC", 0x4124),
)
"""Counters, all 32 bits, clear on read; the pairs L/H are one 64-bit counter that the read of L latches and
clears.
"""

STATS_END: Final = 0x4128

# Indices of counters in an array of 32-bit cells from STATS_BASE.
S_TSCTFC: Final = 63
S_ICRXPTC: Final = 65
S_ICRXATC: Final = 66
S_ICTXPTC: Final = 67
S_ICTXATC: Final = 68
S_ICTXQEC: Final = 70
S_ICTXQMTC: Final = 71
S_ICRXDMTC: Final = 72
S_ICRXOC: Final = 73

# --------------------------------------------------------------------- writable bits and power-on values
WRITE_MASKS: Final[dict[int, int]] = {
    CTRL: 0x7FFFFFFB | CTRL_GIO_MASTER_DISABLE, CTRL_EXT: 0xFFFFDFFF, FLA: 0x7F, SCTL: 0xFFFFFFFF,
    FCAL: 0xFFFFFFFF, FCAH: 0xFFFF, FCT: 0xFFFF, KMRNCTRLSTA: 0xFFFFFFFF, VET: 0xFFFF,
    ITR: 0xFFFF, EIAC: EIAC_MASK, IAM: 0xFFFFFFFF, IVAR: 0x800FFFFF,
    RCTL: 0x7FFFFFFE, FCTTV: 0xFFFF, TXCW: 0xC000FFFF, TCTL: 0x3FFFFFFA, TCTL_EXT: 0xFFFFFFFF,
    TIPG: 0x3FFFFFFF, AIT: 0xFFFF, LEDCTL: 0xFFFFFFFF, EXTCNF_CTRL: 0x0FFF00FF, EXTCNF_SIZE: 0x00FFFFFF,
    PHY_CTRL: 0xFFFFFFFF, PCIEANACFG: 0xFFFFFFFF, PBS: 0x3F, FLOP: 0xFFFFFFFF, PBA_ECC: 0x0000000F,
    ERT: 0x7FFF, FCRTL: 0x8000FFF8, FCRTH: 0xFFF8, PSRCTL: 0x3F3F3F7F,
    RDFH: 0x1FFF, RDFT: 0x1FFF, RDFHS: 0x1FFF, RDFTS: 0x1FFF, RDFPC: 0x1FFF,
    TDFH: 0x1FFF, TDFT: 0x1FFF, TDFHS: 0x1FFF, TDFTS: 0x1FFF, TDFPC: 0x1FFF,
    RDTR: 0xFFFF, RADV: 0xFFFF, RSRPD: 0xFFF, TIDV: 0xFFFF, TADV: 0xFFFF,
    RXCSUM: 0x00003FFF, RFCTL: 0x0003FFFF, WUC: 0x00000109, WUFC: 0x000F80FF, MRQC: 0x003F0003,
    MANC: 0xFFFFFFFF, MANC2H: 0xFF, GCR: 0xFFFFFFFF, FACTPS: 0, SWSM2: 0x2, SW_FW_SYNC: 0, GCR2: 0xFFFFFFFF,
    CRC_OFFSET: 0xFF, HICR: 0, TIMINCA: 0xFFFFFFFF, TIMADJL: 0xFFFFFFFF, TIMADJH: 0xFFFFFFFF,
    TSYNCTXCTL: 0x10, TSYNCRXCTL: 0x1E, RXMTRL: 0xFFFFFFFF, RXUDP: 0xFFFF,
    TARC(0): 0xFFFFFFFF, TARC(1): 0xFFFFFFFF,
}
for _q in range(2):
    WRITE_MASKS.update({
        RDBAL(_q): 0xFFFFFFF0, RDBAH(_q): 0xFFFFFFFF, RDLEN(_q): 0x000FFF80, RDH(_q): 0xFFFF, RDT(_q): 0xFFFF,
        RXDCTL(_q): 0x013F3F3F, TDBAL(_q): 0xFFFFFFF0, TDBAH(_q): 0xFFFFFFFF, TDLEN(_q): 0x000FFF80,
        TDH(_q): 0xFFFF, TDT(_q): 0xFFFF, TXDCTL(_q): 0xFF7F3F3F,
    })
for _i in range(MSIX_VECTORS):
    WRITE_MASKS[EITR(_i)] = 0xFFFF
for _i in range(RAR_ENTRIES):
    WRITE_MASKS[RAL(_i)] = 0xFFFFFFFF
    WRITE_MASKS[RAH(_i)] = 0x8003FFFF
for _i in range(128):
    WRITE_MASKS[MTA + 4 * _i] = 0xFFFFFFFF
    WRITE_MASKS[VFTA + 4 * _i] = 0xFFFFFFFF
for _i in range(32):
    WRITE_MASKS[RETA + 4 * _i] = 0xFFFFFFFF
for _i in range(10):
    WRITE_MASKS[RSSRK + 4 * _i] = 0xFFFFFFFF
for _i in range(8):
    WRITE_MASKS[MDEF + 4 * _i] = 0xFFFFFFFF

RESET_VALUES: Final[dict[int, int]] = {
    CTRL: CTRL_ADVD3WUC | CTRL_SWDPIN0 | CTRL_SPD_1000 | CTRL_SLU | CTRL_FD,
    CTRL_EXT: 0x00400000, VET: 0, TIPG: 0x00602008, LEDCTL: 0x07068302, EEMNGCTL: EEMNGCTL_CFG_DONE,
    FCTTV: 0, TXDCTL(0): 0, RXCSUM: RXCSUM_IPOFL | RXCSUM_TUOFL, PSRCTL: 0x00040402, WUC: 0x1,
    GCR: 0x00000000, SWSM: 0, TARC(0): 0x403, TARC(1): 0x403, TSYNCRXCTL: 0x20,
}
"""Values after a global reset; all others are 0. PBA and the PHY survive one."""

PBA_DEFAULT: Final = 0x14

NAMES: Final[dict[int, str]] = {
    **{globals()[_n]: _n for _n in (
        "CTRL", "STATUS", "EECD", "EERD", "CTRL_EXT", "FLA", "MDIC", "SCTL", "FCAL", "FCAH", "FCT", "VET",
        "ICR", "ITR",
        "ICS", "IMS", "IMC", "EIAC", "IAM", "IVAR", "RCTL", "FCTTV", "TXCW", "RXCW", "TCTL", "TCTL_EXT",
        "TIPG", "AIT",
        "LEDCTL", "EXTCNF_CTRL", "EXTCNF_SIZE", "PHY_CTRL", "PBA", "PBS", "EEMNGCTL", "EEWR", "ERT", "FCRTL",
        "FCRTH",
        "PSRCTL", "RDTR", "RADV", "RSRPD", "TIDV", "TADV", "RXCSUM", "RFCTL", "WUC", "WUFC", "WUS", "MRQC",
        "MANC",
        "MANC2H", "GCR", "FACTPS", "SWSM", "FWSM", "SWSM2", "GCR2", "SYSTIML", "SYSTIMH", "TIMINCA",
        "TSYNCTXCTL",
        "TSYNCRXCTL")},
    **{EITR(_i): f"EITR{_i}" for _i in range(MSIX_VECTORS)},
    **{_f(_q): f"{_f.__name__}{_q}" for _q in range(2) for _f in (
        RDBAL, RDBAH, RDLEN, RDH, RDT, RXDCTL, TDBAL, TDBAH, TDLEN, TDH, TDT, TXDCTL, TARC)},
    **{_f(_i): f"{_f.__name__}{_i}" for _i in range(RAR_ENTRIES) for _f in (RAL, RAH)},
    **{MTA + 4 * _i: f"MTA{_i}" for _i in range(128)},
    **{VFTA + 4 * _i: f"VFTA{_i}" for _i in range(128)},
    **{RETA + 4 * _i: f"RETA{_i}" for _i in range(32)},
    **{RSSRK + 4 * _i: f"RSSRK{_i}" for _i in range(10)},
    **{_off: _name for _name, _off in STATS},
}
"""Register names by offset, for traces."""
