"""ARP for IPv4 over Ethernet (RFC 826): offsets, view, representation."""

from __future__ import annotations

from struct import Struct
from typing import Final

from rxpath.wire.addr import ip4_str, mac_str
from rxpath.wire.ethernet import ETH_P_IP, WireError

Buffer = bytes | bytearray | memoryview

ARPOP_REQUEST: Final = 1
ARPOP_REPLY: Final = 2
ARPHRD_ETHER: Final = 1

ARP_HLEN: Final = 8
ARP_LEN: Final = 28
# offsets from the ARP header
AR_HRD: Final = 0
AR_PRO: Final = 2
AR_HLN: Final = 4
AR_PLN: Final = 5
AR_OP: Final = 6
AR_SHA: Final = 8
AR_SIP: Final = 14
AR_THA: Final = 18
AR_TIP: Final = 24

ARP_PACKET: Final = Struct(">HHBBH6sI6sI")


class ArpRepr:
    """An ARP packet for IPv4 over Ethernet: operation, sender and target pairs (MAC bytes, u32)."""

    __slots__ = ("op", "sha", "sip", "tha", "tip")

    def __init__(self, op: int, sha: bytes, sip: int, tha: bytes, tip: int) -> None:
        self.op = op
        self.sha = sha
        self.sip = sip
        self.tha = tha
        self.tip = tip

    @classmethod
    def parse(cls, buf: Buffer, off: int = 0) -> ArpRepr:
        """Raises WireError when it is short or not IPv4 over Ethernet."""
        if len(buf) - off < ARP_LEN:
            raise WireError(f"ARP packet of {len(buf) - off} bytes, needs {ARP_LEN}")
        hrd, pro, hln, pln, op, sha, sip, tha, tip = ARP_PACKET.unpack_from(buf, off)
        if (hrd, pro, hln, pln) != (ARPHRD_ETHER, ETH_P_IP, 6, 4):
            raise WireError(f"ARP for hardware {hrd}, protocol 0x{pro:04x}, lengths {hln} and {pln}")
        return cls(op, sha, sip, tha, tip)

    def emit(self) -> bytes:
        return ARP_PACKET.pack(ARPHRD_ETHER, ETH_P_IP, 6, 4, self.op, self.sha, self.sip, self.tha, self.tip)

    def __repr__(self) -> str:
        sha, sip = mac_str(self.sha), ip4_str(self.sip)
        return f"ArpRepr(op {self.op}, {sha} {sip}, {mac_str(self.tha)} {ip4_str(self.tip)})"
