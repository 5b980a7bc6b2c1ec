"""IPv4 (RFC 791): offsets, view, representation, options, fragmentation of ready packets."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Final

from rxpath.wire.addr import ip4_str
from rxpath.wire.checksum import ip_fast_csum
from rxpath.wire.ethernet import WireError

Buffer = bytes | bytearray | memoryview

IPPROTO_ICMP: Final = 1
IPPROTO_IGMP: Final = 2
IPPROTO_IPIP: Final = 4
IPPROTO_TCP: Final = 6
IPPROTO_UDP: Final = 17
IPPROTO_GRE: Final = 47
IPPROTO_ESP: Final = 50
IPPROTO_SCTP: Final = 132
IPPROTO_UDPLITE: Final = 136

IPDEFTTL: Final = 64
IP_MIN_HLEN: Final = 20
IP_MAX_LEN: Final = 65535
IP_MAX_MTU: Final = 0xFFFF

IP_CE: Final = 0x8000
IP_DF: Final = 0x4000
IP_MF: Final = 0x2000
IP_OFFSET: Final = 0x1FFF

# offsets from the IPv4 header
IP_VERSION_IHL: Final = 0
IP_TOS: Final = 1
IP_TOT_LEN: Final = 2
IP_ID: Final = 4
IP_FRAG_OFF: Final = 6
IP_TTL: Final = 8
IP_PROTOCOL: Final = 9
IP_CHECK: Final = 10
IP_SADDR: Final = 12
IP_DADDR: Final = 16
IP_OPTIONS: Final = 20

IPV4_HDR: Final = Struct(">BBHHHBBHII")
_U16: Final = Struct(">H")
_U32: Final = Struct(">I")

IPOPT_END: Final = 0
IPOPT_NOP: Final = 1
IPOPT_RR: Final = 7
IPOPT_TIMESTAMP: Final = 68
IPOPT_LSRR: Final = 131
IPOPT_SSRR: Final = 137
IPOPT_RA: Final = 148
IPOPT_COPIED: Final = 0x80


class Ipv4View:
    """A checked reader over an IPv4 packet that begins at `off`.

    Raises WireError: version, header length under 20 or beyond the buffer, total length under the header's
    or beyond the buffer (what lies behind the total length is padding). The checksum is not checked:
    `check_ok` does.
    """

    __slots__ = ("buf", "ihl", "off", "tot_len")

    buf: Buffer
    off: int
    ihl: int
    tot_len: int

    def __init__(self, buf: Buffer, off: int = 0) -> None:
        room = len(buf) - off
        if room < IP_MIN_HLEN:
            raise WireError(f"IPv4 packet of {room} bytes, header needs {IP_MIN_HLEN}")
        if buf[off] >> 4 != 4:
            raise WireError(f"IP version {buf[off] >> 4}, not 4")
        ihl = (buf[off] & 15) * 4
        tot_len: int = _U16.unpack_from(buf, off + IP_TOT_LEN)[0]
        if ihl < IP_MIN_HLEN or ihl > tot_len:
            raise WireError(f"IPv4 header of {ihl} bytes in a packet of {tot_len}")
        if tot_len > room:
            raise WireError(f"IPv4 packet of {tot_len} bytes, {room} present")
        self.buf = buf
        self.off = off
        self.ihl = ihl
        self.tot_len = tot_len

    @property
    def tos(self) -> int:
        return self.buf[self.off + IP_TOS]

    @property
    def id(self) -> int:
        return int(_U16.unpack_from(self.buf, self.off + IP_ID)[0])

    @property
    def frag_off(self) -> int:
        """The whole field: flags IP_DF, IP_MF and the offset in units of 8 bytes."""
        return int(_U16.unpack_from(self.buf, self.off + IP_FRAG_OFF)[0])

    @property
    def is_fragment(self) -> bool:
        return self.frag_off & (IP_MF | IP_OFFSET) != 0

    @property
    def ttl(self) -> int:
        return self.buf[self.off + IP_TTL]

    @property
    def protocol(self) -> int:
        return self.buf[self.off + IP_PROTOCOL]

    @property
    def check(self) -> int:
        return int(_U16.unpack_from(self.buf, self.off + IP_CHECK)[0])

    @property
    def saddr(self) -> int:
        return int(_U32.unpack_from(self.buf, self.off + IP_SADDR)[0])

    @property
    def daddr(self) -> int:
        return int(_U32.unpack_from(self.buf, self.off + IP_DADDR)[0])

    @property
    def options(self) -> bytes:
        return bytes(self.buf[self.off + IP_OPTIONS : self.off + self.ihl])

    @property
    def transport(self) -> int:
        """Offset of the payload in the buffer."""
        return self.off + self.ihl

    @property
    def end(self) -> int:
        """Offset behind the packet in the buffer."""
        return self.off + self.tot_len

    @property
    def payload(self) -> memoryview:
        return memoryview(self.buf)[self.off + self.ihl : self.off + self.tot_len]

    def check_ok(self) -> bool:
        return ip_fast_csum(self.buf[self.off : self.off + self.ihl]) == 0

    def __repr__(self) -> str:
        return f"{ip4_str(self.saddr)} > {ip4_str(self.daddr)} proto {self.protocol} len {self.tot_len}"


def ipv4_options(options: Buffer) -> Iterator[tuple[int, bytes]]:
    """(kind, data behind kind and length) of each option up to END; NOP has no data. WireError on a bad
    length.
    """
    i = 0
    n = len(options)
    while i < n:
        kind = options[i]
        if kind == IPOPT_END:
            return
        if kind == IPOPT_NOP:
            yield kind, b""
            i += 1
            continue
        if i + 1 >= n or options[i + 1] < 2 or i + options[i + 1] > n:
            raise WireError(f"IPv4 option {kind} at {i} has a bad length")
        yield kind, bytes(options[i + 2 : i + options[i + 1]])
        i += options[i + 1]


def ipv4_header(
    src: int,
    dst: int,
    protocol: int,
    payload_len: int,
    *,
    ttl: int = IPDEFTTL,
    tos: int = 0,
    ident: int = 0,
    frag_off: int = 0,
    options: bytes = b"",
    checksum: int | None = None,
) -> bytes:
    """Header bytes with options padded to a multiple of 4. `checksum` None computes it; a number is written
    as is.
    """
    if len(options) & 3:
        options = options.ljust((len(options) + 3) & ~3, b"\0")
    ihl = IP_MIN_HLEN + len(options)
    if ihl > 60:
        raise WireError(f"IPv4 options of {len(options)} bytes, at most 40 fit")
    tot_len = ihl + payload_len
    if tot_len > IP_MAX_LEN:
        raise WireError(f"IPv4 packet of {tot_len} bytes, at most {IP_MAX_LEN}")
    vihl = 0x40 | ihl >> 2
    if checksum is None:
        raw = IPV4_HDR.pack(vihl, tos, tot_len, ident, frag_off, ttl, protocol, 0, src, dst)
        checksum = ip_fast_csum(raw + options)
    return IPV4_HDR.pack(vihl, tos, tot_len, ident, frag_off, ttl, protocol, checksum, src, dst) + options


def ipv4_packet(src: int, dst: int, protocol: int, payload: Buffer, **header: int | bytes | None) -> bytes:
    """`ipv4_header` (same keywords) and its payload."""
    return ipv4_header(src, dst, protocol, len(payload), **header) + payload  # type: ignore[arg-type]


def ipv4_fragment(packet: Buffer, mtu: int) -> list[bytes]:
    """Cut a packet into fragments of at most `mtu` bytes each, as ip_fragment does (DF is not looked at).

    The first keeps all options, the others those with the copied bit, the rest NOPs. WireError when `mtu`
    leaves no room for 8 bytes of payload. A packet that fits is returned alone.
    """
    view = Ipv4View(packet)
    if view.tot_len <= mtu:
        return [bytes(packet[: view.tot_len])]
    first = view.options
    later = b""
    for kind, data in ipv4_options(first):
        if kind & IPOPT_COPIED:
            later += bytes((kind, len(data) + 2)) + data
        elif kind != IPOPT_NOP:
            later += bytes((IPOPT_NOP,)) * (len(data) + 2)
        else:
            later += b"\x01"
    later = later.ljust(len(first), b"\0")
    step = (mtu - view.ihl) & ~7
    if step < 8:
        raise WireError(f"an MTU of {mtu} leaves no room for a fragment behind a header of {view.ihl} bytes")
    payload = view.payload
    base = view.frag_off
    out = []
    for at in range(0, len(payload), step):
        piece = payload[at : at + step]
        more = IP_MF if at + step < len(payload) else base & IP_MF
        frag_off = base & ~(IP_MF | IP_OFFSET) | more | (base & IP_OFFSET) + (at >> 3)
        header = ipv4_header(
            view.saddr, view.daddr, view.protocol, len(piece), ttl=view.ttl, tos=view.tos,
            ident=view.id, frag_off=frag_off, options=later if at else first,
        )  # fmt: skip
        out.append(header + piece)
    return out
