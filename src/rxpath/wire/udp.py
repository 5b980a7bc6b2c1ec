"""UDP (RFC 768): offsets, view, datagrams."""

from __future__ import annotations

from struct import Struct
from typing import Final

from rxpath.wire.checksum import csum_partial, csum_tcpudp_magic, transport_checksum
from rxpath.wire.ethernet import WireError
from rxpath.wire.ipv4 import IPPROTO_UDP

Buffer = bytes | bytearray | memoryview

UDP_HLEN: Final = 8
# offsets from the UDP header
UDP_SOURCE: Final = 0
UDP_DEST: Final = 2
UDP_LEN: Final = 4
UDP_CHECK: Final = 6

UDP_HDR: Final = Struct(">HHHH")


class UdpView:
    """A checked reader over a datagram (an IPv4 payload). WireError: under 8 bytes, or `len` not within the
    buffer.
    """

    __slots__ = ("buf", "check", "dest", "len", "source")

    def __init__(self, buf: Buffer) -> None:
        if len(buf) < UDP_HLEN:
            raise WireError(f"UDP datagram of {len(buf)} bytes, header needs {UDP_HLEN}")
        self.buf: Buffer = buf
        self.source: int
        self.source, self.dest, self.len, self.check = UDP_HDR.unpack_from(buf)
        if self.len < UDP_HLEN or self.len > len(buf):
            raise WireError(f"UDP length {self.len} in {len(buf)} bytes")

    @property
    def payload(self) -> memoryview:
        return memoryview(self.buf)[UDP_HLEN : self.len]

    def check_ok(self, saddr: int, daddr: int) -> bool:
        """True for a right checksum and for none (a field of 0)."""
        if self.check == 0:
            return True
        return csum_tcpudp_magic(saddr, daddr, self.len, IPPROTO_UDP, csum_partial(self.buf[: self.len])) == 0


def udp_datagram(src: int, dst: int, sport: int, dport: int, payload: Buffer, checksum: int | None = None) -> bytes:
    """Header and payload. `checksum` None computes it (a sum of 0 is sent as 0xffff), 0 means none, else as
    given.
    """
    length = UDP_HLEN + len(payload)
    if checksum is None:
        raw = UDP_HDR.pack(sport, dport, length, 0) + payload
        checksum = transport_checksum(src, dst, IPPROTO_UDP, raw) or 0xFFFF
    return UDP_HDR.pack(sport, dport, length, checksum) + payload
