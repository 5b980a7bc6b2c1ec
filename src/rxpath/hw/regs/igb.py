"""Registers of the Intel 82576 and I350: offsets, bits, masks, power-on values, descriptors.

Names are Linux's (igb) without the E1000_ prefix, bits are REGISTER_BIT. Data only: the device model and the
driver import it. What differs between the two chips stands in the tables at the end; what the 82574 has, too,
in e1000.py and txd.py.
"""

# ruff: noqa: F403, F405
from __future__ import annotations

from typing import Final

from rxpath.hw.regs.e1000 import *
from rxpath.hw.regs.txd import *

DEV_ID_82576: Final = 0x10C9
DEV_ID_I350_COPPER: Final = 0x1521
MSIX_VECTORS: Final = 10

# --------------------------------------------------------------------- offsets
CONNSW: Final = 0x00034
MBVFICR: Final = 0x00C80
MBVFIMR: Final = 0x00C84
VFLRE: Final = 0x00C88
VFRE: Final = 0x00C8C
VFTE: Final = 0x00C90
MDICNFG: Final = 0x00E04
PHPM: Final = 0x00E14
EEER: Final = 0x00E30
EEE_SU: Final = 0x00E34
IPCNFG: Final = 0x00E38
I2CCMD: Final = 0x01028
I2CPARAMS: Final = 0x0102C
FRTIMER: Final = 0x01048
TCPTIMER: Final = 0x0104C
GPIE: Final = 0x01514
EICS: Final = 0x01520
EIMS: Final = 0x01524
EIMC: Final = 0x01528
EIAC: Final = 0x0152C
EIAM: Final = 0x01530
EICR: Final = 0x01580
EITR0: Final = 0x01680
IVAR0: Final = 0x01700
IVAR_MISC: Final = 0x01740
FCRTC: Final = 0x02170
RXPBS: Final = 0x02404
QDE: Final = 0x02408
FCRTV: Final = 0x02460
DMACR: Final = 0x02508
DMCTLX: Final = 0x02514
TXPBS: Final = 0x03404
DTXSWC: Final = 0x03500
LVMMC: Final = 0x03548
DMCTXTH: Final = 0x03550
WVBR: Final = 0x03554
DTXCTL: Final = 0x03590
RTTDQSEL: Final = 0x03604
RTTBCNRM: Final = 0x03690
RTTBCNRC: Final = 0x036B0
PCS_CFG0: Final = 0x04200
PCS_LCTL: Final = 0x04208
PCS_LSTAT: Final = 0x0420C
PCS_ANADV: Final = 0x04218
RLPML: Final = 0x05004
RA2: Final = 0x054E0
VLAPQF: Final = 0x055B0
SYNQF0: Final = 0x055FC
VT_CTL: Final = 0x0581C
IPAV: Final = 0x05838
WUPL: Final = 0x05900
SAQF0: Final = 0x05980
DAQF0: Final = 0x059A0
SPQF0: Final = 0x059C0
FTQF0: Final = 0x059E0
IMIR0: Final = 0x05A80
IMIREXT0: Final = 0x05AA0
IMIRVP: Final = 0x05AC0
TXSWC: Final = 0x05ACC
VMOLR0: Final = 0x05AD0
RPLOLR: Final = 0x05AF0
GIOCTL: Final = 0x05B44
CCMCTL: Final = 0x05B48
SCCTL: Final = 0x05B4C
DCA_CTRL: Final = 0x05B74
PCIEMISC: Final = 0x05BB8
IOVCTL: Final = 0x05BBC
ETQF0: Final = 0x05CB0
VLVF0: Final = 0x05D00
DMCRTRH: Final = 0x05DD0
DMCCNT: Final = 0x05DD4
TSYNCRXCFG: Final = 0x05F50
THMJT: Final = 0x08100
THLOWTC: Final = 0x08104
THMIDTC: Final = 0x08108
THHIGHTC: Final = 0x0810C
THSTAT: Final = 0x08110
B2OSPC: Final = 0x08FE0
O2BGPTC: Final = 0x08FE4
UTA: Final = 0x0A000
RXSATRL: Final = 0x0B62C
RXSATRH: Final = 0x0B630
TSAUXC: Final = 0x0B640
TSICR: Final = 0x0B66C
TSIM: Final = 0x0B674
SYSTIMR: Final = 0x0B6F8
RQDPC0: Final = 0x0C030
DVMOLR0: Final = 0x0C038

UTA_ENTRIES: Final = 128
RETA_ENTRIES: Final = 128
ETQF_ENTRIES: Final = 8
MAX_QUEUES: Final = 16


def _rx(q: int) -> int:
    return 0x02800 + 0x100 * q if q < 4 else 0x0C000 + 0x40 * q


def _tx(q: int) -> int:
    return 0x03800 + 0x100 * q if q < 4 else 0x0E000 + 0x40 * q


def RDBAL(q: int) -> int:
    """Receive descriptor base, low half, of queue `q` 0..15; the functions below are alike."""
    return _rx(q)


def RDBAH(q: int) -> int:
    return _rx(q) + 0x04


def RDLEN(q: int) -> int:
    return _rx(q) + 0x08


def SRRCTL(q: int) -> int:
    return _rx(q) + 0x0C


def RDH(q: int) -> int:
    return _rx(q) + 0x10


def DCA_RXCTRL(q: int) -> int:
    return _rx(q) + 0x14


def RDT(q: int) -> int:
    return _rx(q) + 0x18


def RXDCTL(q: int) -> int:
    return _rx(q) + 0x28


def RQDPC(q: int) -> int:
    return RQDPC0 + 0x40 * q


def TDBAL(q: int) -> int:
    return _tx(q)


def TDBAH(q: int) -> int:
    return _tx(q) + 0x04


def TDLEN(q: int) -> int:
    return _tx(q) + 0x08


def TDH(q: int) -> int:
    return _tx(q) + 0x10


def DCA_TXCTRL(q: int) -> int:
    return _tx(q) + 0x14


def TDT(q: int) -> int:
    return _tx(q) + 0x18


def TXDCTL(q: int) -> int:
    return _tx(q) + 0x28


def TDWBAL(q: int) -> int:
    return _tx(q) + 0x38


def TDWBAH(q: int) -> int:
    return _tx(q) + 0x3C


def EITR(n: int) -> int:
    """Interval of MSI-X vector `n`."""
    return EITR0 + 4 * n


def RAL(i: int) -> int:
    """Receive address `i`, low half; 0..15 in one array, 16 and up in a second one."""
    return RA + 8 * i if i < 16 else RA2 + 8 * (i - 16)


def RAH(i: int) -> int:
    return RAL(i) + 4


def PSRTYPE(i: int) -> int:
    return 0x05480 + 4 * i


def ETQF(i: int) -> int:
    return ETQF0 + 4 * i


def VMOLR(i: int) -> int:
    return VMOLR0 + 4 * i


def DVMOLR(i: int) -> int:
    return DVMOLR0 + 0x40 * i


# --------------------------------------------------------------------- bits
CTRL_DEV_RST: Final = 0x20000000

STATUS_FUNC_MASK: Final = 0x0000000C
STATUS_DEV_RST_SET: Final = 0x00100000
STATUS_PF_RST_DONE: Final = 0x00200000

EECD_SK: Final = 0x00000001
EECD_CS: Final = 0x00000002
EECD_DI: Final = 0x00000004
EECD_ADDR_BITS: Final = 0x00000400
EECD_SIZE_EX_SHIFT: Final = 11

CTRL_EXT_PFRSTD: Final = 0x00004000
CTRL_EXT_LINK_MODE_MASK: Final = 0x00C00000

MDIC_DEST: Final = 0x80000000

ICR_VMMB: Final = 0x00000100
ICR_TS: Final = 0x00080000
ICR_DOUTSYNC: Final = 0x10000000
ICR_DRSTA: Final = 0x40000000
ICR_CAUSES: Final = 0x7FFFFFFF
IMS_ENABLE_MASK: Final = ICR_RXT0 | ICR_TXDW | ICR_RXDMT0 | ICR_RXSEQ | ICR_LSC | ICR_DOUTSYNC

GPIE_NSICR: Final = 0x00000001
GPIE_MSIX_MODE: Final = 0x00000010
GPIE_EIAME: Final = 0x40000000
GPIE_PBA: Final = 0x80000000
IVAR_VALID: Final = 0x80
EITR_INTERVAL_MASK: Final = 0x00007FFC
EITR_CNT_IGNR: Final = 0x80000000
EICR_VECTORS: Final = 0x000003FF

RCTL_LBM_MAC: Final = 0x00000040

TCTL_CT: Final = 0x00000FF0
TCTL_COLD: Final = 0x003FF000

RXCSUM_CRCOFL: Final = 0x00000800
RFCTL_LEF: Final = 0x00040000

RAH_POOL_1: Final = 0x00040000
RAH_QSEL_ENABLE: Final = 0x10000000
RAH_ASEL_SRC_ADDR: Final = 0x00010000

RXPBS_SIZE_MASK_82576: Final = 0x0000007F
RXPBS_CFG_TS_EN: Final = 0x80000000

SRRCTL_BSIZEPKT_MASK: Final = 0x0000007F
SRRCTL_BSIZEPKT_SHIFT: Final = 10
SRRCTL_BSIZEHDRSIZE_SHIFT: Final = 2
SRRCTL_RDMTS_SHIFT: Final = 20
SRRCTL_RDMTS_MASK: Final = 0x01F00000
SRRCTL_DESCTYPE_SHIFT: Final = 25
SRRCTL_DESCTYPE_ADV_ONEBUF: Final = 0x02000000
SRRCTL_TIMESTAMP: Final = 0x40000000
SRRCTL_DROP_EN: Final = 0x80000000
RXDCTL_QUEUE_ENABLE: Final = 0x02000000
TXDCTL_QUEUE_ENABLE: Final = 0x02000000

MRQC_ENABLE_MASK: Final = 0x00000007
MRQC_ENABLE_RSS_MQ: Final = 0x00000002
MRQC_ENABLE_VMDQ: Final = 0x00000003
MRQC_ENABLE_VMDQ_RSS_MQ: Final = 0x00000005
MRQC_RSS_FIELDS: Final = 0x01FF0000
MRQC_RSS_FIELD_IPV4_UDP: Final = 0x00400000
MRQC_RSS_FIELD_IPV6_UDP: Final = 0x00800000
MRQC_RSS_FIELD_IPV6_UDP_EX: Final = 0x01000000

RSS_TYPE_IPV4_UDP: Final = 7
RSS_TYPE_IPV6_UDP: Final = 8

VMOLR_RLPML_MASK: Final = 0x00003FFF
VMOLR_LPE: Final = 0x00010000
VMOLR_RSSE: Final = 0x00020000
VMOLR_AUPE: Final = 0x01000000
VMOLR_ROMPE: Final = 0x02000000
VMOLR_ROPE: Final = 0x04000000
VMOLR_BAM: Final = 0x08000000
VMOLR_MPME: Final = 0x10000000
VMOLR_STRVLAN: Final = 0x40000000
VMOLR_STRCRC: Final = 0x80000000
DVMOLR_STRVLAN: Final = 0x40000000
DVMOLR_STRCRC: Final = 0x80000000

ETQF_FILTER_ENABLE: Final = 1 << 26
ETQF_IMM_INT: Final = 1 << 29
ETQF_1588: Final = 1 << 30
ETQF_QUEUE_ENABLE: Final = 1 << 31
ETQF_QUEUE_SHIFT: Final = 16
ETQF_QUEUE_MASK: Final = 0x00070000
ETQF_ETYPE_MASK: Final = 0x0000FFFF
VLAPQF_QUEUE_MASK: Final = 0x3

SWFW_EEP_SM: Final = 0x0001
SWFW_PHY0_SM: Final = 0x0002
EEMNGCTL_CFG_DONE: Final = 0x003C0000
DCA_CTRL_DCA_MODE_DISABLE: Final = 0x01
DCA_CTRL_DCA_MODE_CB2: Final = 0x02
DCA_RXCTRL_DESC_DCA_EN: Final = 1 << 5
DCA_RXCTRL_HEAD_DCA_EN: Final = 1 << 6
DCA_RXCTRL_DATA_DCA_EN: Final = 1 << 7
DCA_RXCTRL_DESC_RRO_EN: Final = 1 << 9
DCA_TXCTRL_DESC_DCA_EN: Final = 1 << 5
DCA_TXCTRL_DESC_RRO_EN: Final = 1 << 9
DCA_TXCTRL_DATA_RRO_EN: Final = 1 << 13
DCA_CPUID_SHIFT: Final = 24

TSYNCRXCTL_ENABLED: Final = 0x00000010
TSYNCRXCTL_TYPE_MASK: Final = 0x0000000E
TSYNCRXCTL_TYPE_ALL: Final = 0x00000008
TSYNCTXCTL_ENABLED: Final = 0x00000010

# Receive descriptor, write-back.
RXDADV_STAT_TSIP: Final = 0x00008000
RXDADV_STAT_TS: Final = 0x00010000
RXDEXT_STATERR_LB: Final = 0x00040000
RXDEXT_ERR_FRAME_ERR_MASK: Final = (
    RXDEXT_STATERR_CE | RXDEXT_STATERR_SE | RXDEXT_STATERR_SEQ | RXDEXT_STATERR_CXE | RXDEXT_STATERR_RXE
)
RXDADV_PKTTYPE_IPV4: Final = 0x0010
RXDADV_PKTTYPE_IPV4_EX: Final = 0x0020
RXDADV_PKTTYPE_IPV6: Final = 0x0040
RXDADV_PKTTYPE_IPV6_EX: Final = 0x0080
RXDADV_PKTTYPE_TCP: Final = 0x0100
RXDADV_PKTTYPE_UDP: Final = 0x0200
TS_HDR_LEN: Final = 16

# PHY, address 1 (IGP03 in an 82576, paged by register 31; the I350's own, not paged).
PHY_ID_82576: Final = 0x02A80391
PHY_ID_I350: Final = 0x015403B0
IGP01_PHY_PORT_CONFIG: Final = 0x10
IGP01_PHY_PORT_STATUS: Final = 0x11
IGP01_PHY_PORT_CTRL: Final = 0x12
IGP01_PHY_LINK_HEALTH: Final = 0x13
IGP02_PHY_POWER_MGMT: Final = 0x19
IGP01_PHY_PAGE_SELECT: Final = 0x1F
I82580_CFG_REG: Final = 22
I82580_CTRL_REG: Final = 23
I82580_PHY_CTRL_2: Final = 18
I82580_PHY_LBK_CTRL: Final = 19
I82580_PHY_STATUS_2: Final = 26
I82580_PHY_DIAG_STATUS: Final = 31

NVM_WORDS: Final = 8192
NVM_SIZE_CODE: Final = 7  # 2 ** (7 + 6) words
NVM_REGIONS_I350: Final = (0x00, 0x80, 0xC0, 0x100)

# --------------------------------------------------------------------- statistics
STATS: Final[tuple[tuple[str, int], ...]] = (
    ("CRCERRS", 0x4000),
    ("ALGNERRC", 0x4004),
    ("SYMERRS", 0x4008),
    ("RXERRC", 0x400C),
    ("MPC", 0x4010),
    ("SCC", 0x4014),
    ("ECOL", 0x4018),
    ("MCC", 0x401C),
    ("LATECOL", 0x4020),
    ("COLC", 0x4028),
    ("CBTMPC", 0x402C),
    ("DC", 0x4030),
    ("TNCRS", 0x4034),
    ("SEC", 0x4038),
    ("HTDPMC", 0x403C),
    ("RLEC", 0x4040),
    ("XONRXC", 0x4048),
    ("XONTXC", 0x404C),
    ("XOFFRXC", 0x4050),
    ("XOFFTXC", 0x4054),
    ("FCRUC", 0x4058),
    ("PRC64", 0x405C),
    ("PRC127", 0x4060),
    ("PRC255", 0x4064),
    ("PRC511", 0x4068),
    ("PRC1023", 0x406C),
    ("PRC1522", 0x4070),
    ("GPRC", 0x4074),
    ("BPRC", 0x4078),
    ("MPRC", 0x407C),
    ("GPTC", 0x4080),
    ("GORCL", 0x4088),
    ("GORCH", 0x408C),
    ("GOTCL", 0x4090),
    ("GOTCH", 0x4094),
    ("RNBC", 0x40A0),
    ("RUC", 0x40A4),
    ("RFC", 0x40A8),
    ("ROC", 0x40AC),
    ("RJC", 0x40B0),
    ("MGTPRC", 0x40B4),
    ("MGTPDC", 0x40B8),
    ("MGTPTC", 0x40BC),
    ("TORL", 0x40C0),
    ("TORH", 0x40C4),
    ("TOTL", 0x40C8),
    ("TOTH", 0x40CC),
    ("TPR", 0x40D0),
    ("TPT", 0x40D4),
    ("PTC64", 0x40D8),
    ("PTC127", 0x40DC),
    ("PTC255", 0x40E0),
    ("PTC511", 0x40E4),
    ("PTC1023", 0x40E8),
    ("PTC1522", 0x40EC),
    ("MPTC", 0x40F0),
    ("BPTC", 0x40F4),
    ("TSCTC", 0x40F8),
    ("CBRMPC", 0x40FC),
    ("IAC", 0x4100),
    ("RPTHC", 0x4104),
    ("HGPTC", 0x4118),
    ("HTCBDPC", 0x4124),
    ("HGORCL", 0x4128),
    ("HGORCH", 0x412C),
    ("HGOTCL", 0x4130),
    ("HGOTCH", 0x4134),
    ("LENERRS", 0x4138),
    ("B2OGPRC", 0x4158),
    ("O2BSPC", 0x415C),
)
"""Counters, all 32 bits, clear on read; the pairs L/H are one 64-bit counter that the read of L latches and clears."""

STATS_END: Final = 0x4160

# Indices of counters in an array of 32-bit cells from STATS_BASE.
S_ALGNERRC: Final = 1
S_RPTHC: Final = 65
S_HGPTC: Final = 70
S_HGORCL: Final = 74
S_HGOTCL: Final = 76
WIDE_STATS: Final = (S_GORCL, S_GOTCL, S_TORL, S_TOTL, S_HGORCL, S_HGOTCL)

# --------------------------------------------------------------------- writable bits and power-on values
_ALL: Final = 0xFFFFFFFF


def write_masks(i350: bool) -> dict[int, int]:
    """Writable bits by offset; a register that is not in it ignores writes (or has a rule of its own)."""
    masks: dict[int, int] = {
        CTRL: _ALL & ~(CTRL_RST | CTRL_PHY_RST),
        CTRL_EXT: 0xFFFFDFFF,
        SCTL: _ALL,
        FCAL: _ALL,
        FCAH: 0xFFFF,
        FCT: 0xFFFF,
        CONNSW: 0x7,
        VET: _ALL,
        ITR: 0xFFFF,
        IAM: ICR_CAUSES,
        RCTL: 0x7FFFFFFE,
        FCTTV: 0xFFFF,
        TXCW: 0xC000FFFF,
        TCTL: 0x3FFFFFFA,
        TCTL_EXT: _ALL,
        TIPG: 0x3FFFFFFF,
        AIT: 0xFFFF,
        LEDCTL: _ALL,
        PBA: _ALL,
        PBS: 0x3F,
        TCPTIMER: _ALL,
        GPIE: 0xC0000F91,
        EIAC: EICR_VECTORS,
        EIAM: EICR_VECTORS,
        IVAR_MISC: 0x9F9F,
        FCRTL: 0x8000FFF0 | 0x30000,
        FCRTH: 0x3FFF0,
        FCRTC: 0x3FFF0,
        FCRTV: 0xFFFF,
        TXPBS: 0x3F,
        TDFH: 0x1FFF,
        TDFT: 0x1FFF,
        TDFHS: 0x1FFF,
        TDFPC: 0x1FFF,
        DTXSWC: _ALL,
        DTXCTL: _ALL,
        PCS_CFG0: _ALL,
        PCS_LCTL: _ALL,
        PCS_ANADV: _ALL,
        RXCSUM: 0x3FFF,
        RLPML: 0x3FFF,
        RFCTL: 0x0007FFFF,
        WUC: 0x109,
        WUFC: 0xF80FF,
        MRQC: MRQC_RSS_FIELDS | 7,
        VT_CTL: 0x70000380,
        MANC: _ALL,
        WUPL: 0xFFF,
        VLAPQF: _ALL,
        RPLOLR: 0xC0000000,
        GCR: _ALL,
        GIOCTL: _ALL,
        CCMCTL: _ALL,
        SCCTL: _ALL,
        SW_FW_SYNC: _ALL,
        DCA_CTRL: 0x1F,
        PCIEMISC: _ALL,
        IOVCTL: 1,
        TSYNCRXCFG: _ALL,
        IMIRVP: 0xF,
        TSYNCTXCTL: TSYNCTXCTL_ENABLED,
        TSYNCRXCTL: TSYNCRXCTL_ENABLED | TSYNCRXCTL_TYPE_MASK,
        TSAUXC: _ALL,
        TSIM: 0xFFFF,
        RXPBS: (0xF | RXPBS_CFG_TS_EN) if i350 else 0x7F,
        RTTDQSEL: 0xF,
        RTTBCNRC: _ALL,
        MBVFIMR: 0xFF,
        VFRE: 0xFF,
        VFTE: 0xFF,
    }
    if i350:
        masks.update(
            {
                MDICNFG: 0x83E00000,
                PHPM: 0xFF,
                EEER: _ALL,
                EEE_SU: _ALL,
                IPCNFG: _ALL,
                DMACR: _ALL,
                DMCTLX: _ALL,
                DMCTXTH: 0xFFF,
                DMCRTRH: 0x8007FFFF,
                TXSWC: _ALL,
                THLOWTC: _ALL,
                THMIDTC: _ALL,
                THHIGHTC: _ALL,
                EEWR: 0,
            }
        )
    else:
        masks[QDE] = 0xFFFF
    queues = 8 if i350 else 16
    for q in range(queues):
        masks.update(
            {
                RDBAL(q): 0xFFFFFF80,
                RDBAH(q): _ALL,
                RDLEN(q): 0x000FFF80 if i350 else 0x000FFFF0,
                SRRCTL(q): _ALL,
                RDH(q): 0xFFFF,
                DCA_RXCTRL(q): _ALL,
                RDT(q): 0xFFFF,
                RXDCTL(q): 0x071F1F1F,
                TDBAL(q): 0xFFFFFF80,
                TDBAH(q): _ALL,
                TDLEN(q): 0x000FFF80 if i350 else 0x000FFFF0,
                TDH(q): 0xFFFF,
                DCA_TXCTRL(q): _ALL,
                TDT(q): 0xFFFF,
                TXDCTL(q): 0x0F1F1F1F,
                TDWBAL(q): 0xFFFFFFFC,
                TDWBAH(q): _ALL,
            }
        )
    for i in range(32 if i350 else 24):
        masks[RAL(i)] = _ALL
        masks[RAH(i)] = 0xD3FFFFFF if i350 else 0x83FFFFFF
    for i in range(128):
        masks[MTA + 4 * i] = _ALL
        masks[VFTA + 4 * i] = _ALL
        masks[UTA + 4 * i] = _ALL
    for i in range(32):
        masks[RETA + 4 * i] = _ALL
        masks[VLVF0 + 4 * i] = _ALL
    for i in range(10):
        masks[RSSRK + 4 * i] = _ALL
    for i in range(8):
        masks[VMOLR(i)] = _ALL
        masks[ETQF(i)] = _ALL
        masks[SAQF0 + 4 * i] = _ALL
        masks[DAQF0 + 4 * i] = _ALL
        masks[SPQF0 + 4 * i] = _ALL
        masks[FTQF0 + 4 * i] = _ALL
        masks[IMIR0 + 4 * i] = _ALL
        masks[IMIREXT0 + 4 * i] = _ALL
        masks[PSRTYPE(i)] = _ALL
        masks[0x03700 + 4 * i] = _ALL  # VMVIR
        masks[IVAR0 + 4 * i] = 0x9F9F9F9F
        if i350:
            masks[DVMOLR(i)] = 0xE0000000
    masks[SYNQF0] = _ALL
    return masks


RESET_VALUES: Final[dict[int, int]] = {
    CTRL: CTRL_ADVD3WUC | CTRL_SWDPIN0 | CTRL_SPD_1000 | CTRL_SLU | CTRL_FD,
    CTRL_EXT: 0,
    VET: 0x8100,
    TIPG: 0x00601008,
    LEDCTL: 0x07068302,
    EEMNGCTL: EEMNGCTL_CFG_DONE,
    RXCSUM: RXCSUM_IPOFL | RXCSUM_TUOFL,
    RLPML: 0x2600,
    WUC: 0,
    GCR: 0,
    EIAC: 0,
    MDICNFG: PHY_ADDR << 21,
    RXDCTL(0): RXDCTL_QUEUE_ENABLE,
    TXDCTL(0): TXDCTL_QUEUE_ENABLE,
    TCTL: TCTL_PSP,
}
"""Values after a global reset; all others are 0. RXPBS, the PHY and the NVM survive one."""

RXPBS_DEFAULT_82576: Final = 0x40  # KiB
RXPBS_DEFAULT_I350: Final = 0  # a code: 36 KiB
RXPBS_TABLE_82580: Final = (36, 72, 144, 1, 2, 4, 8, 16, 35, 70, 140)

NAMES: Final[dict[int, str]] = {
    **{
        globals()[_n]: _n
        for _n in (
            "CTRL",
            "STATUS",
            "EECD",
            "EERD",
            "CTRL_EXT",
            "MDIC",
            "SCTL",
            "FCAL",
            "FCAH",
            "FCT",
            "CONNSW",
            "VET",
            "ICR",
            "ITR",
            "ICS",
            "IMS",
            "IMC",
            "IAM",
            "RCTL",
            "FCTTV",
            "TXCW",
            "TCTL",
            "TCTL_EXT",
            "TIPG",
            "AIT",
            "LEDCTL",
            "MDICNFG",
            "PHPM",
            "EEER",
            "IPCNFG",
            "PBA",
            "PBS",
            "EEMNGCTL",
            "GPIE",
            "EICS",
            "EIMS",
            "EIMC",
            "EIAC",
            "EIAM",
            "EICR",
            "IVAR_MISC",
            "FCRTL",
            "FCRTH",
            "RXPBS",
            "QDE",
            "TXPBS",
            "DTXSWC",
            "DTXCTL",
            "RXCSUM",
            "RLPML",
            "RFCTL",
            "VLAPQF",
            "WUC",
            "WUFC",
            "WUS",
            "MRQC",
            "VT_CTL",
            "MANC",
            "GCR",
            "SWSM",
            "FWSM",
            "SW_FW_SYNC",
            "DCA_CTRL",
            "SYSTIML",
            "SYSTIMH",
            "TIMINCA",
            "TSYNCTXCTL",
            "TSYNCRXCTL",
            "TSICR",
            "TSIM",
        )
    },
    **{EITR(_i): f"EITR{_i}" for _i in range(MSIX_VECTORS)},
    **{IVAR0 + 4 * _i: f"IVAR{_i}" for _i in range(8)},
    **{
        _f(_q): f"{_f.__name__}{_q}"
        for _q in range(MAX_QUEUES)
        for _f in (
            RDBAL,
            RDBAH,
            RDLEN,
            SRRCTL,
            RDH,
            DCA_RXCTRL,
            RDT,
            RXDCTL,
            RQDPC,
            TDBAL,
            TDBAH,
            TDLEN,
            TDH,
            DCA_TXCTRL,
            TDT,
            TXDCTL,
        )
    },
    **{_f(_i): f"{_f.__name__}{_i}" for _i in range(32) for _f in (RAL, RAH)},
    **{MTA + 4 * _i: f"MTA{_i}" for _i in range(128)},
    **{VFTA + 4 * _i: f"VFTA{_i}" for _i in range(128)},
    **{RETA + 4 * _i: f"RETA{_i}" for _i in range(32)},
    **{RSSRK + 4 * _i: f"RSSRK{_i}" for _i in range(10)},
    **{_off: _name for _name, _off in STATS},
}
"""Register names by offset, for traces."""
