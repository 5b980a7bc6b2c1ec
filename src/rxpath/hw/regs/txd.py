"""Transmit descriptors of Intel's gigabit and ten gigabit chips: command bits (third 32-bit word), status and options
(fourth word).

Names are Linux's without the E1000_ and IXGBE_ prefix. ADVTXD names are of the advanced descriptors, which the 82576,
the I350, the 82599 and the X540 have and the 82574 has not. Data only.
"""

from __future__ import annotations

from typing import Final

TXD_DTYP_MASK: Final = 0x00F00000
TXD_CMD_EOP: Final = 0x01000000
TXD_CMD_IFCS: Final = 0x02000000
TXD_CMD_IC: Final = 0x04000000
TXD_CMD_RS: Final = 0x08000000
TXD_CMD_DEXT: Final = 0x20000000
TXD_CMD_VLE: Final = 0x40000000
TXD_STAT_DD: Final = 0x00000001
TXD_POPTS_IXSM: Final = 0x00000100
TXD_POPTS_TXSM: Final = 0x00000200

ADVTXD_DTYP_CTXT: Final = 0x00200000
ADVTXD_DTYP_DATA: Final = 0x00300000
ADVTXD_MAC_TSTAMP: Final = 0x00080000
ADVTXD_DCMD_TSE: Final = 0x80000000
ADVTXD_PAYLEN_SHIFT: Final = 14
ADVTXD_MACLEN_SHIFT: Final = 9
ADVTXD_L4LEN_SHIFT: Final = 8
ADVTXD_MSS_SHIFT: Final = 16
ADVTXD_TUCMD_IPV4: Final = 0x00000400
ADVTXD_TUCMD_L4T_MASK: Final = 0x00001800
ADVTXD_TUCMD_L4T_UDP: Final = 0x00000000
ADVTXD_TUCMD_L4T_TCP: Final = 0x00000800
ADVTXD_TUCMD_L4T_SCTP: Final = 0x00001000
