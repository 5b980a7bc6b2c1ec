"""TCP (RFC 9293): offsets, flags, options, view, segments, sequence arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Final

from rxpath.wire.checksum import csum_partial, csum_tcpudp_magic, transport_checksum
from rxpath.wire.ethernet import WireError
from rxpath.wire.ipv4 import IPPROTO_TCP

Buffer = bytes | bytearray | memoryview

TCP_MIN_HLEN: Final = 20
TCPHDR_FIN: Final = 0x01
TCPHDR_SYN: Final = 0x02
TCPHDR_RST: Final = 0x04
TCPHDR_PSH: Final = 0x08
TCPHDR_ACK: Final = 0x10
TCPHDR_URG: Final = 0x20
TCPHDR_ECE: Final = 0x40
TCPHDR_CWR: Final = 0x80
TCPHDR_AE: Final = 0x100  # in the byte before, beside the data offset
TCPHDR_ACE: Final = TCPHDR_AE | TCPHDR_CWR | TCPHDR_ECE

# offsets from the TCP header
TCP_SOURCE: Final = 0
TCP_DEST: Final = 2
TCP_SEQ: Final = 4
TCP_ACK_SEQ: Final = 8
TCP_DOFF: Final = 12
TCP_FLAGS: Final = 13
TCP_WINDOW: Final = 14
TCP_CHECK: Final = 16
TCP_URG_PTR: Final = 18
TCP_OPTIONS: Final = 20

TCP_HDR: Final = Struct(">HHIIBBHHH")

TCPOPT_EOL: Final = 0
TCPOPT_NOP: Final = 1
TCPOPT_MSS: Final = 2
TCPOPT_WINDOW: Final = 3
TCPOPT_SACK_PERM: Final = 4
TCPOPT_SACK: Final = 5
TCPOPT_TIMESTAMP: Final = 8
TCPOPT_MD5SIG: Final = 19
TCPOPT_FASTOPEN: Final = 34


def before(a: int, b: int) -> bool:
    """a comes before b in sequence space (both u32)."""
    return (a - b) & 0x80000000 != 0


def after(a: int, b: int) -> bool:
    """a comes after b in sequence space (both u32)."""
    return (b - a) & 0x80000000 != 0


class TcpView:
    """A checked reader over a segment (an IPv4 payload). WireError: under 20 bytes, data offset bad or
    beyond.
    """

    __slots__ = ("ack_seq", "buf", "check", "dest", "doff", "flags", "seq", "source", "urg_ptr", "window")

    def __init__(self, buf: Buffer) -> None:
        if len(buf) < TCP_MIN_HLEN:
            raise WireError(f"TCP segment of {len(buf)} bytes, header needs {TCP_MIN_HLEN}")
        self.buf: Buffer = buf
        self.source: int
        (
            self.source, self.dest, self.seq, self.ack_seq, doff, self.flags,
            self.window, self.check, self.urg_ptr,
        ) = TCP_HDR.unpack_from(buf)  # fmt: skip
        self.doff: int = (doff >> 4) * 4
        if self.doff < TCP_MIN_HLEN or self.doff > len(buf):
            raise WireError(f"TCP header of {self.doff} bytes in {len(buf)}")

    @property
    def options(self) -> bytes:
        return bytes(self.buf[TCP_OPTIONS : self.doff])

    @property
    def payload(self) -> memoryview:
        return memoryview(self.buf)[self.doff :]

    def check_ok(self, saddr: int, daddr: int) -> bool:
        return csum_tcpudp_magic(saddr, daddr, len(self.buf), IPPROTO_TCP, csum_partial(self.buf)) == 0


def tcp_options(options: Buffer) -> Iterator[tuple[int, bytes]]:
    """(kind, data) of each option up to EOL; NOPs are skipped. WireError on a bad length."""
    i = 0
    n = len(options)
    while i < n:
        kind = options[i]
        if kind == TCPOPT_EOL:
            return
        if kind == TCPOPT_NOP:
            i += 1
            continue
        if i + 1 >= n or options[i + 1] < 2 or i + options[i + 1] > n:
            raise WireError(f"TCP option {kind} at {i} has a bad length")
        yield kind, bytes(options[i + 2 : i + options[i + 1]])
        i += options[i + 1]


class TcpOptions:
    """The options that Linux understands, each None (or False, or empty) when absent. `sack` holds (left,
    right).
    """

    __slots__ = ("mss", "sack", "sack_ok", "tsecr", "tsval", "wscale")

    def __init__(
        self,
        mss: int | None = None,
        wscale: int | None = None,
        sack_ok: bool = False,
        sack: tuple[tuple[int, int], ...] = (),
        tsval: int | None = None,
        tsecr: int = 0,
    ) -> None:
        self.mss = mss
        self.wscale = wscale
        self.sack_ok = sack_ok
        self.sack = sack
        self.tsval = tsval
        self.tsecr = tsecr

    @classmethod
    def parse(cls, options: Buffer) -> TcpOptions:
        """Options of the wrong size are ignored, as tcp_parse_options does; a broken list ends the parse."""
        out = cls()
        try:
            for kind, data in tcp_options(options):
                n = len(data)
                if kind == TCPOPT_MSS and n == 2:
                    out.mss = int.from_bytes(data, "big")
                elif kind == TCPOPT_WINDOW and n == 1:
                    out.wscale = data[0]
                elif kind == TCPOPT_SACK_PERM and n == 0:
                    out.sack_ok = True
                elif kind == TCPOPT_TIMESTAMP and n == 8:
                    out.tsval = int.from_bytes(data[:4], "big")
                    out.tsecr = int.from_bytes(data[4:], "big")
                elif kind == TCPOPT_SACK and n and n % 8 == 0:
                    words = [int.from_bytes(data[i : i + 4], "big") for i in range(0, n, 4)]
                    out.sack = tuple(zip(words[::2], words[1::2], strict=True))
        except WireError:
            pass
        return out

    def emit(self) -> bytes:
        """In Linux's order and alignment (tcp_options_write): MSS, timestamp with SACK-permitted, window
        scale, SACK.
        """
        out = b""
        if self.mss is not None:
            out += b"\x02\x04" + self.mss.to_bytes(2, "big")
        if self.tsval is not None:
            out += b"\x04\x02" if self.sack_ok else b"\x01\x01"
            out += b"\x08\x0a" + self.tsval.to_bytes(4, "big") + self.tsecr.to_bytes(4, "big")
        elif self.sack_ok:
            out += b"\x01\x01\x04\x02"
        if self.wscale is not None:
            out += b"\x01\x03\x03" + bytes((self.wscale,))
        if self.sack:
            out += b"\x01\x01\x05" + bytes((2 + 8 * len(self.sack),))
            out += b"".join(a.to_bytes(4, "big") + b.to_bytes(4, "big") for a, b in self.sack)
        return out


def tcp_segment(
    src: int,
    dst: int,
    sport: int,
    dport: int,
    seq: int,
    ack: int,
    flags: int,
    payload: Buffer = b"",
    *,
    window: int = 65535,
    options: bytes | TcpOptions = b"",
    urg_ptr: int = 0,
    checksum: int | None = None,
) -> bytes:
    """Header, options (padded to a multiple of 4) and payload; `checksum` None computes it, a number is as
    given.
    """
    raw = options.emit() if isinstance(options, TcpOptions) else options
    if len(raw) & 3:
        raw = raw.ljust((len(raw) + 3) & ~3, b"\0")
    if len(raw) > 40:
        raise WireError(f"TCP options of {len(raw)} bytes, at most 40 fit")
    doff = (TCP_MIN_HLEN + len(raw)) << 2
    if checksum is None:
        head = TCP_HDR.pack(sport, dport, seq, ack, doff, flags, window, 0, urg_ptr)
        checksum = transport_checksum(src, dst, IPPROTO_TCP, b"".join((head, raw, payload)))
    head = TCP_HDR.pack(sport, dport, seq, ack, doff, flags, window, checksum, urg_ptr)
    return b"".join((head, raw, payload))
