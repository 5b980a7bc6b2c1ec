"""Ethernet II and 802.3 headers with VLAN tags (802.1Q, 802.1ad): offsets, view, representation.

Frames are without preamble and without FCS, as software sees them; `FCS_LEN`, `WIRE_OVERHEAD` and
`wire_bytes` are for those who count what the cable carries.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from rxpath.wire.addr import mac_str

Buffer = bytes | bytearray | memoryview

ETH_ALEN: Final = 6
ETH_HLEN: Final = 14
ETH_ZLEN: Final = 60
ETH_DATA_LEN: Final = 1500
ETH_FRAME_LEN: Final = 1514
ETH_FCS_LEN: Final = 4
VLAN_HLEN: Final = 4
VLAN_VID_MASK: Final = 0x0FFF
VLAN_PRIO_SHIFT: Final = 13

# preamble and start delimiter 8, FCS 4, inter-frame gap 12 (IEEE 802.3)
WIRE_OVERHEAD: Final = 24

ETH_P_802_3_MIN: Final = 0x0600
ETH_P_IP: Final = 0x0800
ETH_P_ARP: Final = 0x0806
ETH_P_RARP: Final = 0x8035
ETH_P_8021Q: Final = 0x8100
ETH_P_IPV6: Final = 0x86DD
ETH_P_PAUSE: Final = 0x8808
ETH_P_MPLS_UC: Final = 0x8847
ETH_P_MPLS_MC: Final = 0x8848
ETH_P_PPP_DISC: Final = 0x8863
ETH_P_PPP_SES: Final = 0x8864
ETH_P_8021AD: Final = 0x88A8
ETH_P_LLDP: Final = 0x88CC
ETH_P_LOOP: Final = 0x0060
ETH_P_802_3: Final = 0x0001
ETH_P_802_2: Final = 0x0004

# offsets in the frame
ETH_DST: Final = 0
ETH_SRC: Final = 6
ETH_TYPE: Final = 12
VLAN_TCI: Final = 14
VLAN_TYPE: Final = 16

ETH_HDR: Final = Struct(">6s6sH")
VLAN_HDR: Final = Struct(">HH")
_U16: Final = Struct(">H")


class WireError(ValueError):
    """A header that cannot be what its reader takes it for: too short, or lengths that contradict each
    other.
    """


class EthernetView:
    """A checked reader over a frame. `network` is the offset behind the header and all VLAN tags.

    Raises WireError when the frame ends inside the header or a tag. `protocol` is the ethertype behind the
    tags; a value below 0x600 is an 802.3 length.
    """

    __slots__ = ("buf", "network", "protocol", "vlan_tci")

    buf: Buffer
    network: int
    protocol: int
    vlan_tci: tuple[int, ...]

    def __init__(self, buf: Buffer) -> None:
        if len(buf) < ETH_HLEN:
            raise WireError(f"Ethernet frame of {len(buf)} bytes, header needs {ETH_HLEN}")
        self.buf = buf
        off = ETH_HLEN
        proto: int = _U16.unpack_from(buf, ETH_TYPE)[0]
        tags: tuple[int, ...] = ()
        while proto == ETH_P_8021Q or proto == ETH_P_8021AD:
            if len(buf) < off + VLAN_HLEN:
                raise WireError(f"VLAN tag at {off} of a frame of {len(buf)} bytes")
            tci, proto = VLAN_HDR.unpack_from(buf, off)
            tags += (tci,)
            off += VLAN_HLEN
        self.network = off
        self.protocol = proto
        self.vlan_tci = tags

    @property
    def dst(self) -> bytes:
        return bytes(self.buf[0:6])

    @property
    def src(self) -> bytes:
        return bytes(self.buf[6:12])

    @property
    def payload(self) -> memoryview:
        return memoryview(self.buf)[self.network :]

    def __repr__(self) -> str:
        tags = "".join(f" vlan {t & VLAN_VID_MASK}" for t in self.vlan_tci)
        return f"{mac_str(self.src)} > {mac_str(self.dst)}{tags} type 0x{self.protocol:04x}"


def ether_header(dst: bytes, src: bytes, protocol: int, vlan: int | tuple[int, ...] | None = None) -> bytes:
    """Header bytes. `vlan` is a TCI or, from outer to inner, several: the outer ones get 802.1ad's
    ethertype.
    """
    if vlan is None:
        return ETH_HDR.pack(dst, src, protocol)
    tags = (vlan,) if isinstance(vlan, int) else vlan
    out = dst + src
    last = len(tags) - 1
    for i, tci in enumerate(tags):
        out += VLAN_HDR.pack(ETH_P_8021Q if i == last else ETH_P_8021AD, tci)
    return out + _U16.pack(protocol)


def ether_frame(
    dst: bytes,
    src: bytes,
    protocol: int,
    payload: Buffer,
    vlan: int | tuple[int, ...] | None = None,
    pad: bool = True,
) -> bytes:
    """A whole frame without FCS, padded with zeros to 60 bytes unless `pad` is false."""
    frame = ether_header(dst, src, protocol, vlan) + payload
    return frame.ljust(ETH_ZLEN, b"\0") if pad else frame


def network_offset(frame: Buffer) -> tuple[int, int]:
    """(offset behind header and VLAN tags, ethertype there); (len, 0) when the frame ends before it. Never
    raises.
    """
    size = len(frame)
    off = ETH_HLEN
    if size < off:
        return size, 0
    proto = frame[12] << 8 | frame[13]
    while proto == ETH_P_8021Q or proto == ETH_P_8021AD:
        if size < off + VLAN_HLEN:
            return size, 0
        proto = frame[off + 2] << 8 | frame[off + 3]
        off += VLAN_HLEN
    return off, proto


def vlan_insert_tag(frame: Buffer, tci: int, tpid: int = ETH_P_8021Q) -> bytes:
    """The frame with one more tag, outermost."""
    return b"".join((frame[:12], VLAN_HDR.pack(tpid, tci), frame[12:]))


def wire_bytes(length: int) -> int:
    """Byte times that a frame of `length` (without FCS) takes on the cable: padding, FCS, preamble and gap
    included.
    """
    return max(length, ETH_ZLEN) + WIRE_OVERHEAD
