"""Registers of the Intel 82599 and X540: offsets, bits, masks, power-on values, descriptors, PHY.

Names are Linux's (ixgbe) without the IXGBE_ prefix, bits are REGISTER_BIT. Data only: the device model and the
driver import it.
"""

# ruff: noqa: F403
from __future__ import annotations

from typing import Final

from rxpath.hw.regs.txd import *

VENDOR_ID: Final = 0x8086
DEV_ID_82599_KX4: Final = 0x10F7
DEV_ID_82599_SFP: Final = 0x10FB
DEV_ID_X540T: Final = 0x1528
CSR_SIZE_82599: Final = 0x80000
CSR_SIZE_X540: Final = 0x200000
IO_SIZE: Final = 0x20
MSIX_SIZE: Final = 0x4000
MSIX_VECTORS: Final = 64
MSIX_PBA: Final = 0x2000

# --------------------------------------------------------------------- offsets
CTRL: Final = 0x00000
STATUS: Final = 0x00008
CTRL_EXT: Final = 0x00018
ESDP: Final = 0x00020
I2CCTL: Final = 0x00028
FRTIMER: Final = 0x00048
TCPTIMER: Final = 0x0004C
LEDCTL: Final = 0x00200
EICR: Final = 0x00800
EICS: Final = 0x00808
EIAC: Final = 0x00810
EIMS: Final = 0x00880
EIMC: Final = 0x00888
EIAM: Final = 0x00890
EITRSEL: Final = 0x00894
GPIE: Final = 0x00898
IVAR0: Final = 0x00900
IVAR_MISC: Final = 0x00A00
EICS_EX0: Final = 0x00A90
EIMS_EX0: Final = 0x00AA0
EIMC_EX0: Final = 0x00AB0
EIAM_EX0: Final = 0x00AD0
RTRPCS: Final = 0x02430
RDRXCTL: Final = 0x02F00
QDE: Final = 0x02F04
RXCTRL: Final = 0x03000
PFCTOP: Final = 0x03008
RTRUP2TC: Final = 0x03020
STARCTRL: Final = 0x03024
RSCDBU: Final = 0x03028
FCRTV: Final = 0x032A0
FCCFG: Final = 0x03D00
DROPEN: Final = 0x03D04
HLREG0: Final = 0x04240
MSCA: Final = 0x0425C
MSRWD: Final = 0x04260
MHADD: Final = 0x04268
MFLCN: Final = 0x04294
AUTOC: Final = 0x042A0
LINKS: Final = 0x042A4
AUTOC2: Final = 0x042A8
ANLP1: Final = 0x042B0
MMNGC: Final = 0x042D0
LINKS2: Final = 0x04324
MACC: Final = 0x04330
RTTDCS: Final = 0x04900
RTTDQSEL: Final = 0x04904
RTTBCNRC: Final = 0x04984
DMATXCTL: Final = 0x04A80
RXCSUM: Final = 0x05000
RFCTL: Final = 0x05008
FCTRL: Final = 0x05080
VLNCTRL: Final = 0x05088
MCSTCTRL: Final = 0x05090
VT_CTL: Final = 0x051B0
TSYNCRXCTL: Final = 0x05188
WUC: Final = 0x05800
WUFC: Final = 0x05808
WUS: Final = 0x05810
MRQC: Final = 0x05818
MANC: Final = 0x05820
MTQC: Final = 0x08120
SECTXCTRL: Final = 0x08800
SECTXSTAT: Final = 0x08804
TSYNCTXCTL: Final = 0x08C00
TXSTMPL: Final = 0x08C04
TXSTMPH: Final = 0x08C08
SYSTIML: Final = 0x08C0C
SYSTIMH: Final = 0x08C10
TIMINCA: Final = 0x08C14
SECRXCTRL: Final = 0x08D00
SECRXSTAT: Final = 0x08D04
TIPG: Final = 0x0CB00
RTTPCS: Final = 0x0CD00
FDIRCTRL: Final = 0x0EE00
FDIRIPSA: Final = 0x0EE18
FDIRIPDA: Final = 0x0EE1C
FDIRPORT: Final = 0x0EE20
FDIRVLAN: Final = 0x0EE24
FDIRHASH: Final = 0x0EE28
FDIRDIP4M: Final = 0x0EE3C
FDIRSIP4M: Final = 0x0EE40
FDIRTCPM: Final = 0x0EE44
FDIRUDPM: Final = 0x0EE48
FDIRHKEY: Final = 0x0EE68
FDIRSKEY: Final = 0x0EE6C
FDIRM: Final = 0x0EE70
FDIRIP6M: Final = 0x0EE74
FDIRCMD: Final = 0x0EE2C
FDIRFREE: Final = 0x0EE38
FDIRLEN: Final = 0x0EE4C
FDIRUSTAT: Final = 0x0EE50
FDIRFSTAT: Final = 0x0EE54
FDIRMATCH: Final = 0x0EE58
FDIRMISS: Final = 0x0EE5C
EEC: Final = 0x10010
EERD: Final = 0x10014
EEWR: Final = 0x10018
EEMNGCTL: Final = 0x10110
SWSM: Final = 0x10140
FWSM: Final = 0x10148
FACTPS: Final = 0x10150
GSSR: Final = 0x10160
SWFW_SYNC: Final = GSSR
GRC: Final = 0x10200
GCR: Final = 0x11000
GCR_EXT: Final = 0x11050
DCA_ID: Final = 0x11070
DCA_CTRL: Final = 0x11074
HICR: Final = 0x15F00

MAX_QUEUES: Final = 128
MTA_ENTRIES: Final = 128
VFTA_ENTRIES: Final = 128
RAR_ENTRIES: Final = 128
RETA_ENTRIES: Final = 128
RSSRK_ENTRIES: Final = 10
IVAR_REG_NUM: Final = 64
STAT_QUEUES: Final = 16
PACKET_BUFFERS: Final = 8


def _rx(q: int) -> int:
    return 0x01000 + 0x40 * q if q < 64 else 0x0D000 + 0x40 * (q - 64)


def FDIRSIPV6(i: int) -> int:
    """The other words of an IPv6 source address, i = 0 to 2."""
    return 0x0EE0C + 4 * i


def RDBAL(q: int) -> int:
    """Receive descriptor base, low half, of queue `q` 0..127; the functions below are alike."""
    return _rx(q)


def RDBAH(q: int) -> int:
    return _rx(q) + 0x04


def RDLEN(q: int) -> int:
    return _rx(q) + 0x08


def RDH(q: int) -> int:
    return _rx(q) + 0x10


def RDT(q: int) -> int:
    return _rx(q) + 0x18


def RXDCTL(q: int) -> int:
    return _rx(q) + 0x28


def RSCCTL(q: int) -> int:
    return _rx(q) + 0x2C


def SRRCTL(q: int) -> int:
    return 0x02100 + 4 * q if q < 16 else _rx(q) + 0x14


def DCA_RXCTRL(q: int) -> int:
    return 0x02200 + 4 * q if q < 16 else _rx(q) + 0x0C


def TDBAL(q: int) -> int:
    return 0x06000 + 0x40 * q


def TDBAH(q: int) -> int:
    return 0x06004 + 0x40 * q


def TDLEN(q: int) -> int:
    return 0x06008 + 0x40 * q


def DCA_TXCTRL(q: int) -> int:
    return 0x0600C + 0x40 * q


def TDH(q: int) -> int:
    return 0x06010 + 0x40 * q


def TDT(q: int) -> int:
    return 0x06018 + 0x40 * q


def TXDCTL(q: int) -> int:
    return 0x06028 + 0x40 * q


def TDWBAL(q: int) -> int:
    return 0x06038 + 0x40 * q


def TDWBAH(q: int) -> int:
    return 0x0603C + 0x40 * q


def EITR(v: int) -> int:
    """Interval of vector `v` 0..63."""
    return 0x00820 + 4 * v if v < 24 else 0x12300 + 4 * (v - 24)


def IVAR(n: int) -> int:
    """Vectors of receive and transmit queues 2n and 2n+1."""
    return IVAR0 + 4 * n


def EICS_EX(i: int) -> int:
    return EICS_EX0 + 4 * i


def EIMS_EX(i: int) -> int:
    return EIMS_EX0 + 4 * i


def EIMC_EX(i: int) -> int:
    return EIMC_EX0 + 4 * i


def EIAM_EX(i: int) -> int:
    return EIAM_EX0 + 4 * i


def RXPBSIZE(i: int) -> int:
    return 0x03C00 + 4 * i


def TXPBSIZE(i: int) -> int:
    return 0x0CC00 + 4 * i


def TXPBTHRESH(i: int) -> int:
    return 0x04950 + 4 * i


def FCTTV(i: int) -> int:
    return 0x03200 + 4 * i


def FCRTL(i: int) -> int:
    return 0x03220 + 4 * i


def FCRTH(i: int) -> int:
    return 0x03260 + 4 * i


def MTA(i: int) -> int:
    return 0x05200 + 4 * i


def VFTA(i: int) -> int:
    return 0x0A000 + 4 * i


def RAL(i: int) -> int:
    return 0x05400 + 8 * i if i < 16 else 0x0A200 + 8 * i


def RAH(i: int) -> int:
    return RAL(i) + 4


def MPSAR_LO(i: int) -> int:
    return 0x0A600 + 8 * i


def MPSAR_HI(i: int) -> int:
    return 0x0A604 + 8 * i


def PSRTYPE(i: int) -> int:
    return 0x05480 + 4 * i if i < 16 else 0x0EA00 + 4 * i


def RETA(i: int) -> int:
    return 0x05C00 + 4 * i


def RSSRK(i: int) -> int:
    return 0x05C80 + 4 * i


def RQSMR(i: int) -> int:
    return 0x02300 + 4 * i


def UTA(i: int) -> int:
    return 0x0F400 + 4 * i


def MPC(i: int) -> int:
    return 0x03FA0 + 4 * i


def QPRC(i: int) -> int:
    return 0x01030 + 0x40 * i


def QBRC_L(i: int) -> int:
    return 0x01034 + 0x40 * i


def QBRC_H(i: int) -> int:
    return 0x01038 + 0x40 * i


def QPRDC(i: int) -> int:
    return 0x01430 + 0x40 * i


def QPTC(i: int) -> int:
    return 0x06030 + 0x40 * i


def QBTC_L(i: int) -> int:
    return 0x08700 + 8 * i


def QBTC_H(i: int) -> int:
    return 0x08704 + 8 * i


def PXONTXC(i: int) -> int:
    return 0x03F00 + 4 * i


def PXOFFTXC(i: int) -> int:
    return 0x03F20 + 4 * i


def PXONRXCNT(i: int) -> int:
    return 0x04140 + 4 * i


def PXOFFRXCNT(i: int) -> int:
    return 0x04160 + 4 * i


# --------------------------------------------------------------------- bits
CTRL_GIO_DIS: Final = 0x00000004
CTRL_LNK_RST: Final = 0x00000008
CTRL_RST: Final = 0x04000000
CTRL_RST_MASK: Final = CTRL_LNK_RST | CTRL_RST
STATUS_LAN_ID: Final = 0x0000000C
STATUS_GIO: Final = 0x00080000
CTRL_EXT_PFRSTD: Final = 0x00004000
CTRL_EXT_NS_DIS: Final = 0x00010000
CTRL_EXT_RO_DIS: Final = 0x00020000
CTRL_EXT_DRV_LOAD: Final = 0x10000000

EICR_RTX_QUEUE: Final = 0x0000FFFF
EICR_FLOW_DIR: Final = 0x00010000
EICR_RX_MISS: Final = 0x00020000
EICR_MAILBOX: Final = 0x00080000
EICR_LSC: Final = 0x00100000
EICR_LINKSEC: Final = 0x00200000
EICR_TS: Final = 0x00800000
EICR_TIMESYNC: Final = 0x01000000
EICR_GPI_SDP0_X540: Final = 0x02000000
EICR_GPI_SDP0_82599: Final = 0x01000000
EICR_GPI_SDP1_82599: Final = 0x02000000
EICR_GPI_SDP2_82599: Final = 0x04000000
EICR_ECC: Final = 0x10000000
EICR_TCP_TIMER: Final = 0x40000000
EICR_OTHER: Final = 0x80000000
EICR_MISC: Final = 0x7FFF0000
"""Causes that IVAR_MISC routes; EICR_OTHER says that one of them is set."""
EIMS_ENABLE_MASK: Final = EICR_RTX_QUEUE | EICR_LSC | EICR_TCP_TIMER | EICR_OTHER
IRQ_CLEAR_MASK: Final = 0xFFFFFFFF

GPIE_MSIX_MODE: Final = 0x00000010
GPIE_OCD: Final = 0x00000020
GPIE_EIMEN: Final = 0x00000040
GPIE_RSC_DELAY_SHIFT: Final = 11
GPIE_EIAME: Final = 0x40000000
GPIE_PBA_SUPPORT: Final = 0x80000000
SDP0_GPIEN_X540: Final = 0x00000002
SDP0_GPIEN_82599: Final = 0x00000001

EITR_ITR_INT_MASK: Final = 0x00000FF8
EITR_LLI_MOD: Final = 0x00008000
EITR_CNT_WDIS: Final = 0x80000000
MAX_EITR: Final = 0x00000FF8
MIN_EITR: Final = 8
IVAR_ALLOC_VAL: Final = 0x80

RXCTRL_RXEN: Final = 0x00000001
RXCTRL_DMBYPS: Final = 0x00000002
RDRXCTL_CRCSTRIP: Final = 0x00000002
RDRXCTL_DMAIDONE: Final = 0x00000008
RDRXCTL_RSCFRSTSIZE: Final = 0x003E0000
RDRXCTL_RSCACKC: Final = 0x02000000
RDRXCTL_FCOE_WRFIX: Final = 0x04000000
RSCDBU_RSCACKDIS: Final = 0x00000080
RSCCTL_RSCEN: Final = 0x01
RSCCTL_MAXDESC_16: Final = 0x0C
RSCCTL_MAXDESC_MASK: Final = 0x0C
RXDCTL_RLPMLMASK: Final = 0x00003FFF
RXDCTL_RLPML_EN: Final = 0x00008000
RXDCTL_ENABLE: Final = 0x02000000
RXDCTL_SWFLSH: Final = 0x04000000
RXDCTL_VME: Final = 0x40000000
SRRCTL_BSIZEPKT_SHIFT: Final = 10
SRRCTL_BSIZEPKT_MASK: Final = 0x0000007F
SRRCTL_BSIZEHDRSIZE_SHIFT: Final = 2
SRRCTL_RDMTS_SHIFT: Final = 22
SRRCTL_DESCTYPE_ADV_ONEBUF: Final = 0x02000000
SRRCTL_DESCTYPE_MASK: Final = 0x0E000000
SRRCTL_DROP_EN: Final = 0x10000000
TXDCTL_ENABLE: Final = 0x02000000
TXDCTL_SWFLSH: Final = 0x04000000
TXDCTL_WTHRESH_SHIFT: Final = 16
DMATXCTL_TE: Final = 0x1
DMATXCTL_VT_SHIFT: Final = 16
RTTDCS_ARBDIS: Final = 0x00000040

HLREG0_TXCRCEN: Final = 0x00000001
HLREG0_RXCRCSTRP: Final = 0x00000002
HLREG0_JUMBOEN: Final = 0x00000004
HLREG0_TXPADEN: Final = 0x00000400
HLREG0_LPBK: Final = 0x00008000
HLREG0_MDCSPD: Final = 0x00010000
HLREG0_CONTMDC: Final = 0x00020000
HLREG0_RXLNGTHERREN: Final = 0x08000000
MHADD_MFS_MASK: Final = 0xFFFF0000
MHADD_MFS_SHIFT: Final = 16
MFLCN_PMCF: Final = 0x00000001
MFLCN_DPF: Final = 0x00000002
MFLCN_RFCE: Final = 0x00000008
MFLCN_RPFCE_MASK: Final = 0x00000FF4
FCCFG_TFCE_802_3X: Final = 0x00000008
FCCFG_TFCE_PRIORITY: Final = 0x00000010
FCRTL_XONE: Final = 0x80000000
FCRTH_FCEN: Final = 0x80000000
RXPBSIZE_SHIFT: Final = 10
MACC_FLU: Final = 0x00000001
AUTOC_FLU: Final = 0x00000001
AUTOC_AN_RESTART: Final = 0x00001000
AUTOC_LMS_MASK: Final = 0x0000E000
AUTOC_LMS_KX4_KX_KR: Final = 0x00008000
AUTOC_KX4_SUPP: Final = 0x80000000
AUTOC_KX_SUPP: Final = 0x40000000
AUTOC_SYM_PAUSE: Final = 0x10000000
AUTOC_ASM_PAUSE: Final = 0x20000000
LINKS_KX_AN_COMP: Final = 0x80000000
LINKS_UP: Final = 0x40000000
LINKS_SPEED_MASK: Final = 0x30000000
LINKS_SPEED_10G: Final = 0x30000000
LINKS_SPEED_1G: Final = 0x20000000
LINKS_SPEED_100: Final = 0x10000000
LINKS2_AN_SUPPORTED: Final = 0x00000040

RXCSUM_IPPCSE: Final = 0x00001000
RXCSUM_PCSD: Final = 0x00002000
RFCTL_RSC_DIS: Final = 0x00000020
RFCTL_NFSW_DIS: Final = 0x00000040
RFCTL_NFSR_DIS: Final = 0x00000080
FCTRL_SBP: Final = 0x00000002
FCTRL_MPE: Final = 0x00000100
FCTRL_UPE: Final = 0x00000200
FCTRL_BAM: Final = 0x00000400
FCTRL_PMCF: Final = 0x00001000
FCTRL_DPF: Final = 0x00002000
VLNCTRL_VET: Final = 0x0000FFFF
VLNCTRL_CFI: Final = 0x10000000
VLNCTRL_CFIEN: Final = 0x20000000
VLNCTRL_VFE: Final = 0x40000000
VLNCTRL_VME: Final = 0x80000000
MCSTCTRL_MFE: Final = 0x4
MCSTCTRL_MO: Final = 0x3
MRQC_RSSEN: Final = 0x00000001
MRQC_MRQE_MASK: Final = 0x0000000F
MRQC_RSS_FIELD_MASK: Final = 0xFFFF0000
MRQC_RSS_FIELD_IPV4_TCP: Final = 0x00010000
MRQC_RSS_FIELD_IPV4: Final = 0x00020000
MRQC_RSS_FIELD_IPV6: Final = 0x00100000
MRQC_RSS_FIELD_IPV6_TCP: Final = 0x00200000
MRQC_RSS_FIELD_IPV4_UDP: Final = 0x00400000
MRQC_RSS_FIELD_IPV6_UDP: Final = 0x00800000
RAH_AV: Final = 0x80000000
PSRTYPE_TCPHDR: Final = 0x00000010
PSRTYPE_UDPHDR: Final = 0x00000020
PSRTYPE_IPV4HDR: Final = 0x00000100
PSRTYPE_IPV6HDR: Final = 0x00000200
PSRTYPE_L2HDR: Final = 0x00001000
PSRTYPE_RQPL_SHIFT: Final = 29
SECRXCTRL_RX_DIS: Final = 0x00000002
SECRXSTAT_SECRX_RDY: Final = 0x00000001
FDIRCTRL_INIT_DONE: Final = 0x00000008
FDIRCTRL_PERFECT_MATCH: Final = 0x00000010
FDIRCTRL_REPORT_STATUS: Final = 0x00000020
FDIRCTRL_PBALLOC_64K: Final = 0x00000001
FDIRCTRL_PBALLOC_MASK: Final = 0x00000003
FDIRCTRL_DROP_Q_SHIFT: Final = 8
FDIRCTRL_FLEX_SHIFT: Final = 16
FDIRCTRL_MAX_LENGTH_SHIFT: Final = 24
FDIRCTRL_FULL_THRESH_SHIFT: Final = 28
FDIRM_VLANID: Final = 0x00000001
FDIRM_VLANP: Final = 0x00000002
FDIRM_POOL: Final = 0x00000004
FDIRM_L4P: Final = 0x00000008
FDIRM_FLEX: Final = 0x00000010
FDIRM_DIPV6: Final = 0x00000020
FDIRCMD_CMD_MASK: Final = 0x00000003
FDIRCMD_CMD_ADD_FLOW: Final = 0x00000001
FDIRCMD_CMD_REMOVE_FLOW: Final = 0x00000002
FDIRCMD_CMD_QUERY_REM_FILT: Final = 0x00000003
FDIRCMD_FILTER_VALID: Final = 0x00000004
FDIRCMD_FILTER_UPDATE: Final = 0x00000008
FDIRCMD_FLOW_TYPE_SHIFT: Final = 5
FDIRCMD_CLEARHT: Final = 0x00000100
FDIRCMD_DROP: Final = 0x00000200
FDIRCMD_LAST: Final = 0x00000800
FDIRCMD_QUEUE_EN: Final = 0x00008000
FDIR_DROP_QUEUE: Final = 127
ATR_BUCKET_HASH_KEY: Final = 0x3DAD14E2
ATR_SIGNATURE_HASH_KEY: Final = 0x174D3614
FDIRCMD_RX_QUEUE_SHIFT: Final = 16

EEC_REQ: Final = 0x00000040
EEC_GNT: Final = 0x00000080
EEC_PRES: Final = 0x00000100
EEC_ARD: Final = 0x00000200
EEC_ADDR_SIZE: Final = 0x00000400
EEC_SIZE_SHIFT: Final = 11
EEC_FLUP: Final = 0x00800000
EEC_FLUDONE: Final = 0x04000000
EEPROM_WORD_SIZE_SHIFT: Final = 6
EERD_START: Final = 0x00000001
EERD_DONE: Final = 0x00000002
EERD_ADDR_SHIFT: Final = 2
EERD_DATA_SHIFT: Final = 16
SWSM_SMBI: Final = 0x00000001
SWSM_SWESMBI: Final = 0x00000002
SWFW_REGSMP: Final = 0x80000000
FWSM_FW_VAL_BIT: Final = 0x00008000
FWSM_EXT_ERR_IND_MASK: Final = 0x01F80000
GSSR_EEP_SM: Final = 0x0001
GSSR_PHY0_SM: Final = 0x0002
GSSR_PHY1_SM: Final = 0x0004
GSSR_MAC_CSR_SM: Final = 0x0008

MSCA_NP_ADDR_MASK: Final = 0x0000FFFF
MSCA_DEV_TYPE_SHIFT: Final = 16
MSCA_PHY_ADDR_SHIFT: Final = 21
MSCA_OP_MASK: Final = 0x0C000000
MSCA_ADDR_CYCLE: Final = 0x00000000
MSCA_WRITE: Final = 0x04000000
MSCA_READ_AUTOINC: Final = 0x08000000
MSCA_READ: Final = 0x0C000000
MSCA_OLD_PROTOCOL: Final = 0x10000000
MSCA_MDI_COMMAND: Final = 0x40000000
MSRWD_READ_DATA_SHIFT: Final = 16

# Advanced receive descriptor, write-back.
RXD_STAT_DD: Final = 0x00000001
RXD_STAT_EOP: Final = 0x00000002
RXD_STAT_FLM: Final = 0x00000004
RXD_STAT_VP: Final = 0x00000008
RXD_STAT_UDPCS: Final = 0x00000010
RXD_STAT_L4CS: Final = 0x00000020
RXD_STAT_IPCS: Final = 0x00000040
RXD_STAT_PIF: Final = 0x00000080
RXD_STAT_LB: Final = 0x00040000
RXDADV_NEXTP_MASK: Final = 0x000FFFF0
RXDADV_NEXTP_SHIFT: Final = 4
RXDADV_ERR_CE: Final = 0x01000000
RXDADV_ERR_LE: Final = 0x02000000
RXDADV_ERR_PE: Final = 0x08000000
RXDADV_ERR_OSE: Final = 0x10000000
RXDADV_ERR_USE: Final = 0x20000000
RXDADV_ERR_TCPE: Final = 0x40000000
RXDADV_ERR_IPE: Final = 0x80000000
RXDADV_ERR_FRAME_ERR_MASK: Final = 0x3B000000
RXDADV_RSSTYPE_MASK: Final = 0x0000000F
RXDADV_RSSTYPE_IPV4_TCP: Final = 1
RXDADV_RSSTYPE_IPV4: Final = 2
RXDADV_RSSTYPE_IPV6_TCP: Final = 3
RXDADV_RSSTYPE_IPV6: Final = 5
RXDADV_RSSTYPE_IPV4_UDP: Final = 7
RXDADV_RSSTYPE_IPV6_UDP: Final = 8
RXDADV_PKTTYPE_IPV4: Final = 0x00000010
RXDADV_PKTTYPE_IPV4_EX: Final = 0x00000020
RXDADV_PKTTYPE_IPV6: Final = 0x00000040
RXDADV_PKTTYPE_IPV6_EX: Final = 0x00000080
RXDADV_PKTTYPE_TCP: Final = 0x00000100
RXDADV_PKTTYPE_UDP: Final = 0x00000200
RXDADV_RSCCNT_MASK: Final = 0x001E0000
RXDADV_RSCCNT_SHIFT: Final = 17

# Transmit descriptors: the rest stands in txd.py.
ADVTXD_CC: Final = 0x00000080
ADVTXD_VLAN_SHIFT: Final = 16

# --------------------------------------------------------------------- PHY of the X540, by MMD and register
PHY_ADDR: Final = 0
PHY_ID_X540: Final = 0x01540200
PHY_REVISION_MASK: Final = 0xFFFFFFF0
MMD_PMA: Final = 1
MMD_PCS: Final = 3
MMD_PHYXS: Final = 4
MMD_AN: Final = 7
MMD_VEND1: Final = 30
MDIO_CTRL1: Final = 0
MDIO_STAT1: Final = 1
MDIO_DEVID1: Final = 2
MDIO_DEVID2: Final = 3
MDIO_SPEED: Final = 4
MDIO_DEVS1: Final = 5
MDIO_DEVS2: Final = 6
MDIO_STAT2: Final = 8
MDIO_PMA_EXTABLE: Final = 11
MDIO_AN_ADVERTISE: Final = 16
MDIO_AN_LPA: Final = 19
MDIO_AN_10GBT_CTRL: Final = 32
MDIO_AN_10GBT_STAT: Final = 33
MDIO_CTRL1_RESET: Final = 0x8000
MDIO_CTRL1_LPOWER: Final = 0x0800
MDIO_AN_CTRL1_RESTART: Final = 0x0200
MDIO_STAT1_LSTATUS: Final = 0x0004
MDIO_AN_STAT1_COMPLETE: Final = 0x0020
MDIO_STAT2_DEVPRST_VAL: Final = 0x8000
MDIO_SPEED_10G: Final = 0x0001
MDIO_PMA_SPEED_1000: Final = 0x0010
MDIO_PMA_SPEED_100: Final = 0x0020
MDIO_AN_10GBT_CTRL_ADV10G: Final = 0x1000
MII_AUTONEG_VENDOR_PROVISION_1: Final = 0xC400
MII_1GBASE_T_ADVERTISE: Final = 0x8000
MDIO_AUTO_NEG_VENDOR_STAT: Final = 0xC800
ADVERTISE_100FULL: Final = 0x0100
ADVERTISE_PAUSE_CAP: Final = 0x0400
ADVERTISE_PAUSE_ASYM: Final = 0x0800
PCRC8ECL: Final = 0xE810
PCRC8ECH: Final = 0xE811
LDPCECL: Final = 0xE820
LDPCECH: Final = 0xE821

# --------------------------------------------------------------------- NVM
NVM_WORDS: Final = 0x1000
NVM_SIZE_CODE: Final = 6
"""EEC.SIZE: 2**(6 + code) words."""
NVM_CHECKSUM: Final = 0x3F
NVM_SUM: Final = 0xBABA
NVM_PBANUM0_PTR: Final = 0x15
NVM_PBANUM1_PTR: Final = 0x16
NVM_SAN_MAC_ADDR_PTR: Final = 0x28
NVM_DEVICE_CAPS: Final = 0x2C
NVM_DEVICE_CAPS_NO_CROSSTALK_WR: Final = 0x0080
NVM_ALT_SAN_MAC_ADDR_BLK_PTR: Final = 0x27
NVM_ETK_OFF_LOW: Final = 0x2D
NVM_ETK_OFF_HI: Final = 0x2E
NVM_MAC0: Final = 0x100
"""Where this model keeps the MAC address (the real place is found by a pointer that only the chip follows)."""
PBANUM_PTR_GUARD: Final = 0xFAFA

# --------------------------------------------------------------------- statistics
STATS: Final[tuple[tuple[str, int], ...]] = (
    ("CRCERRS", 0x04000),
    ("ILLERRC", 0x04004),
    ("ERRBC", 0x04008),
    ("MSPDC", 0x04010),
    ("MLFC", 0x04034),
    ("MRFC", 0x04038),
    ("RLEC", 0x04040),
    ("LXONTXC", 0x03F60),
    ("LXOFFTXC", 0x03F68),
    ("LXONRXCNT", 0x041A4),
    ("LXOFFRXCNT", 0x041A8),
    ("PRC64", 0x0405C),
    ("PRC127", 0x04060),
    ("PRC255", 0x04064),
    ("PRC511", 0x04068),
    ("PRC1023", 0x0406C),
    ("PRC1522", 0x04070),
    ("GPRC", 0x04074),
    ("BPRC", 0x04078),
    ("MPRC", 0x0407C),
    ("GPTC", 0x04080),
    ("GORC", 0x04088),
    ("GOTC", 0x04090),
    ("RUC", 0x040A4),
    ("RFC", 0x040A8),
    ("ROC", 0x040AC),
    ("RJC", 0x040B0),
    ("MNGPRC", 0x040B4),
    ("MNGPDC", 0x040B8),
    ("MNGPTC", 0x0CF90),
    ("TOR", 0x040C0),
    ("TPR", 0x040D0),
    ("TPT", 0x040D4),
    ("PTC64", 0x040D8),
    ("PTC127", 0x040DC),
    ("PTC255", 0x040E0),
    ("PTC511", 0x040E4),
    ("PTC1023", 0x040E8),
    ("PTC1522", 0x040EC),
    ("MPTC", 0x040F0),
    ("BPTC", 0x040F4),
    ("XEC", 0x04120),
    ("SSVPC", 0x08780),
    ("B2OSPC", 0x041C0),
    ("O2BGPTC", 0x041C4),
    ("O2BSPC", 0x087B0),
    ("B2OGPRC", 0x02F90),
    ("FDIRMATCH", FDIRMATCH),
    ("FDIRMISS", FDIRMISS),
    *((f"MPC{_i}", MPC(_i)) for _i in range(PACKET_BUFFERS)),
)
"""Counters that clear when read, 32 bits; GORC, GOTC and TOR have 36 bits and their upper half in the next word."""

STAT_AT: Final[dict[str, int]] = dict(STATS)
S_CRCERRS: Final = 0
S_MLFC: Final = 4
S_MRFC: Final = 5
S_RLEC: Final = 6
S_LXONTXC: Final = 7
S_LXOFFTXC: Final = 8
S_LXONRXCNT: Final = 9
S_LXOFFRXCNT: Final = 10
S_PRC64: Final = 11
S_PRC127: Final = 12
S_PRC255: Final = 13
S_PRC511: Final = 14
S_PRC1023: Final = 15
S_PRC1522: Final = 16
S_GPRC: Final = 17
S_BPRC: Final = 18
S_MPRC: Final = 19
S_GPTC: Final = 20
S_GORC: Final = 21
S_GOTC: Final = 22
S_RUC: Final = 23
S_RFC: Final = 24
S_ROC: Final = 25
S_RJC: Final = 26
S_TOR: Final = 30
S_TPR: Final = 31
S_TPT: Final = 32
S_PTC64: Final = 33
S_PTC127: Final = 34
S_PTC255: Final = 35
S_PTC511: Final = 36
S_PTC1023: Final = 37
S_PTC1522: Final = 38
S_MPTC: Final = 39
S_BPTC: Final = 40
S_XEC: Final = 41
S_FDIRMATCH: Final = 47
S_FDIRMISS: Final = 48
S_MPC0: Final = 49
WIDE_STATS: Final = (S_GORC, S_GOTC, S_TOR)

# --------------------------------------------------------------------- writable bits and power-on values
PLAIN: Final[tuple[tuple[int, int], ...]] = (
    (0x02140, 32),
    (0x03020, 4),
    (0x02430, 4),
    (0x03024, 4),
    (0x03190, 4),
    (0x04800, 0x80),
    (0x04900, 0x90),
    (0x04990, 4),
    (0x04A88, 8),
    (0x04A90, 0x10),
    (0x04B00, 0x100),
    (0x05100, 0x28),
    (0x05128, 32),
    (0x05158, 4),
    (0x05180, 8),
    (0x051D8, 4),
    (0x051E0, 8),
    (0x051F8, 4),
    (0x05480, 64),
    (0x05838, 4),
    (0x05840, 0x60),
    (0x05860, 4),
    (0x05900, 4),
    (0x05A80, 0x44),
    (0x07F40, 4),
    (0x08000, 0x110),
    (0x08110, 8),
    (0x08120, 4),
    (0x08200, 0x24),
    (0x082E0, 16),
    (0x08600, 128),
    (0x08790, 8),
    (0x08800, 4),
    (0x08808, 4),
    (0x08810, 4),
    (0x08900, 0x18),
    (0x08A00, 0x40),
    (0x08B00, 4),
    (0x08C20, 0x60),
    (0x08E00, 0x34),
    (0x09000, 0xA00),
    (0x0A600, 0x400),
    (0x0C800, 4),
    (0x0CA00, 4),
    (0x0CB00, 4),
    (0x0CD00, 0x14),
    (0x0CD20, 0x20),
    (0x0CE00, 4),
    (0x0E000, 0xC00),
    (0x0EC00, 0x34),
    (0x0EC70, 4),
    (0x0EC90, 4),
    (0x0ED00, 0x40),
    (0x0EE0C, 0x2C),
    (0x0EE3C, 16),
    (0x0EE68, 0x14),
    (0x0F000, 0x700),
    (0x02300, 128),
    (0x02200, 64),
    (0x11000, 4),
    (0x11050, 4),
    (0x11074, 4),
    (0x03C20, 64),
    (0x13000, 0x1000),
)
"""Ranges (first offset, bytes) of registers that keep what is written and do nothing in this model."""

WRITE_MASKS: Final[dict[int, int]] = {
    CTRL: 0xFFFFFFFF & ~CTRL_RST_MASK,
    CTRL_EXT: 0xFFFFFFFF,
    ESDP: 0xFFFFFFFF,
    I2CCTL: 0xFFFFFFFF,
    TCPTIMER: 0xFFFFFFFF,
    LEDCTL: 0xFFFFFFFF,
    EIAC: 0xFFFFFFFF,
    EIAM: 0x7FFFFFFF,
    EITRSEL: 0xFFFFFFFF,
    GPIE: 0xFFFFFFFF,
    IVAR_MISC: 0xFFFFFFFF,
    RDRXCTL: 0xFFFFFFF7,
    QDE: 0xFFFFFFFF,
    RXCTRL: 0x3,
    PFCTOP: 0xFFFFFFFF,
    RSCDBU: 0xFFFFFFFF,
    FCRTV: 0xFFFF,
    FCCFG: 0x18,
    DROPEN: 0xFF,
    HLREG0: 0xFFFFFFFF,
    MHADD: 0xFFFFFFFF,
    MFLCN: 0xFFFFFFFF,
    AUTOC: 0xFFFFFFFF & ~AUTOC_AN_RESTART,
    AUTOC2: 0xFFFFFFFF,
    MMNGC: 0,
    MACC: 0xFFFFFFFF,
    DMATXCTL: 0xFFFFFFFF,
    RXCSUM: 0x3000,
    RFCTL: 0xFFFFFFFF,
    FCTRL: 0xFFFFFFFF,
    VLNCTRL: 0xFFFFFFFF,
    MCSTCTRL: 0x7,
    VT_CTL: 0xFFFFFFFF,
    TSYNCRXCTL: 0x1E,
    WUC: 0xFFFFFFFF,
    WUFC: 0xFFFFFFFF,
    MRQC: 0xFFFFFFFF,
    MANC: 0xFFFFFFFF,
    TSYNCTXCTL: 0x10,
    TIMINCA: 0xFFFFFFFF,
    SECRXCTRL: 0xFFFFFFFF,
    FDIRCTRL: 0xFFFFFFFF & ~FDIRCTRL_INIT_DONE,
    MSRWD: 0x0000FFFF,
    GRC: 0x3,
}
for _q in range(MAX_QUEUES):
    WRITE_MASKS.update(
        {
            RDBAL(_q): 0xFFFFFF80,
            RDBAH(_q): 0xFFFFFFFF,
            RDLEN(_q): 0x000FFF80,
            RDH(_q): 0xFFFF,
            RDT(_q): 0xFFFF,
            RXDCTL(_q): 0x47FFFFFF & ~RXDCTL_SWFLSH,
            RSCCTL(_q): 0xD,
            SRRCTL(_q): 0x1FC03FFF | 0x0E000000,
            DCA_RXCTRL(_q): 0xFFFFFFFF,
            TDBAL(_q): 0xFFFFFF80,
            TDBAH(_q): 0xFFFFFFFF,
            TDLEN(_q): 0x000FFF80,
            TDH(_q): 0xFFFF,
            TDT(_q): 0xFFFF,
            TXDCTL(_q): 0x027FFFFF,
            DCA_TXCTRL(_q): 0xFFFFFFFF,
            TDWBAL(_q): 0xFFFFFFFF,
            TDWBAH(_q): 0xFFFFFFFF,
            MTA(_q): 0xFFFFFFFF,
            VFTA(_q): 0xFFFFFFFF,
            RAL(_q): 0xFFFFFFFF,
            RAH(_q): 0x8000FFFF,
        }
    )
for _i in range(MSIX_VECTORS):
    WRITE_MASKS[IVAR(_i)] = 0xFFFFFFFF
for _i in range(8):
    WRITE_MASKS[RXPBSIZE(_i)] = 0x000FFC00
    WRITE_MASKS[TXPBSIZE(_i)] = 0x000FFC00
    WRITE_MASKS[TXPBTHRESH(_i)] = 0xFFFFFFFF
    WRITE_MASKS[FCRTL(_i)] = 0x8007FFF0
    WRITE_MASKS[FCRTH(_i)] = 0x8007FFF0
    WRITE_MASKS[FCTTV(_i)] = 0xFFFFFFFF
for _i in range(32):
    WRITE_MASKS[RETA(_i)] = 0xFFFFFFFF
for _i in range(RSSRK_ENTRIES):
    WRITE_MASKS[RSSRK(_i)] = 0xFFFFFFFF
for _first, _bytes in PLAIN:
    for _i in range(_first, _first + _bytes, 4):
        WRITE_MASKS.setdefault(_i, 0xFFFFFFFF)

RESET_VALUES: Final[dict[int, int]] = {
    CTRL: 0,
    ESDP: 0,
    LEDCTL: 0x84838180,
    EIAC: 0,
    RDRXCTL: 0x00008000 | RDRXCTL_DMAIDONE,
    RSCDBU: 0,
    HLREG0: HLREG0_TXCRCEN | HLREG0_RXCRCSTRP | HLREG0_TXPADEN | HLREG0_MDCSPD,
    MHADD: 0x05EE0000,
    VLNCTRL: 0x00008100,
    SECRXSTAT: SECRXSTAT_SECRX_RDY,
    SECTXSTAT: 1,
    RTTDCS: 0,
    TXPBSIZE(0): 160 << 10,
    FDIRCTRL: 0,
    GCR: 0,
    DMATXCTL: 0x81000000,
    MFLCN: 0,
    RXCSUM: 0,
    EEMNGCTL: 0x000C0000,
    SECTXCTRL: 1,
    SECRXCTRL: 1,
    FWSM: FWSM_FW_VAL_BIT,
}
"""Values after a reset; all others are 0."""

RX_PB_KIB_82599: Final = 512
RX_PB_KIB_X540: Final = 384

NAMES: Final[dict[int, str]] = {
    **{
        globals()[_n]: _n
        for _n in (
            "CTRL",
            "STATUS",
            "CTRL_EXT",
            "ESDP",
            "LEDCTL",
            "EICR",
            "EICS",
            "EIAC",
            "EIMS",
            "EIMC",
            "EIAM",
            "GPIE",
            "IVAR_MISC",
            "RDRXCTL",
            "QDE",
            "RXCTRL",
            "RSCDBU",
            "FCRTV",
            "FCCFG",
            "HLREG0",
            "MSCA",
            "MSRWD",
            "MHADD",
            "MFLCN",
            "AUTOC",
            "LINKS",
            "MACC",
            "DMATXCTL",
            "RXCSUM",
            "RFCTL",
            "FCTRL",
            "VLNCTRL",
            "MCSTCTRL",
            "MRQC",
            "FDIRCTRL",
            "FDIRCMD",
            "EEC",
            "EERD",
            "SWSM",
            "FWSM",
            "GSSR",
            "DCA_CTRL",
        )
    },
    **{
        _f(_q): f"{_f.__name__}{_q}"
        for _q in range(MAX_QUEUES)
        for _f in (
            RDBAL,
            RDBAH,
            RDLEN,
            RDH,
            RDT,
            RXDCTL,
            RSCCTL,
            SRRCTL,
            TDBAL,
            TDBAH,
            TDLEN,
            TDH,
            TDT,
            TXDCTL,
        )
    },
    **{_f(_i): f"{_f.__name__}{_i}" for _i in range(MSIX_VECTORS) for _f in (EITR, IVAR)},
    **{_f(_i): f"{_f.__name__}{_i}" for _i in range(2) for _f in (EICS_EX, EIMS_EX, EIMC_EX, EIAM_EX)},
    **{_f(_i): f"{_f.__name__}{_i}" for _i in range(STAT_QUEUES) for _f in (QPRC, QPRDC, QPTC)},
    **{_off: _name for _name, _off in STATS},
}
"""Register names by offset, for traces."""
