"""Reading captures: pcap and pcapng, plain or gzip, from a file or standard input.

What belongs here: the file formats and their errors. What the records mean for the wire is `captured.py`'s.

Layouts: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng. Accepted: pcap of either byte order with micro-
and nanoseconds, and the patched variant with the longer record header; pcapng with several sections and
interfaces, each with its resolution, offset and link type, with enhanced, simple and the obsolete packet
blocks. All other blocks are skipped.

A damaged file gives all records that precede the damage and then CaptureError, one line.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
import zlib
from binascii import crc32
from collections.abc import Iterator
from struct import Struct
from typing import BinaryIO, Final, NamedTuple

from rxpath.link.linktypes import CONVERTERS, HOST_ONLY, LINKTYPE_ETHERNET, carries_ip, linktype_name
from rxpath.link.source import NO_ETHERNET_FORM, BadFcsFrame, Frame, Source

# (time_ns, captured bytes, original length, interface index, direction)
RawRecord = tuple[int, bytes, int, int, int]

MAX_CAPLEN: Final = 262144
MAX_BLOCK: Final = 16 * 1024 * 1024
_CHUNK: Final = 1 << 20
_SPOOL: Final = 64 << 20

_BLOCK_SHB: Final = 0x0A0D0D0A
_BLOCK_IDB: Final = 1
_BLOCK_PB: Final = 2
_BLOCK_SPB: Final = 3
_BLOCK_ISB: Final = 5
_BLOCK_EPB: Final = 6

_FOREIGN: Final = (
    (b"snoop\0\0\0", "a snoop capture"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd: decompress it first"),
    (b"\xfd7zXZ\0", "compressed with xz: decompress it first"),
    (b"BZh", "compressed with bzip2: decompress it first"),
    (b"\x04\x22\x4d\x18", "compressed with lz4: decompress it first"),
    (b"PK\x03\x04", "a zip archive"),
    (b"RTSS", "a Network Monitor 1 capture"),
    (b"GMBU", "a Network Monitor 2 capture"),
    (b"\x7fELF", "a program"),
    (b"#!", "a script"),
)


class CaptureError(Exception):
    """One clear line about a capture that cannot be read, or not further. `records` were read before it."""

    def __init__(self, message: str, records: int = 0) -> None:
        super().__init__(message)
        self.records = records


class Record(NamedTuple):
    """A record with names, for those who are in no hurry: `Record(*raw)`. Times in ns, lengths in bytes."""

    time_ns: int
    data: bytes
    original_length: int
    interface: int
    direction: int


class Interface:
    """An interface of a capture. `ticks` is the timestamp units in a second; `speed` in bit/s, 0 when not
    told.

    `dropped` is what the capturing system says it lost itself, or None.
    """

    __slots__ = (
        "description", "dropped", "fcs_len", "index", "linktype", "name", "offset_s", "snaplen", "speed",
        "ticks",
    )  # fmt: skip

    def __init__(self, index: int, linktype: int, snaplen: int = 0) -> None:
        self.index = index
        self.linktype = linktype
        self.snaplen = snaplen
        self.name = ""
        self.description = ""
        self.ticks = 1_000_000
        self.offset_s = 0
        self.speed = 0
        self.fcs_len = -1
        self.dropped: int | None = None

    def __repr__(self) -> str:
        return f"Interface({self.index}, {self.name!r}, {linktype_name(self.linktype)}, ticks {self.ticks})"


class _Gunzip(io.RawIOBase):
    """A forward-only reader over concatenated gzip members. The standard one reads no partial tail; this
    one does.
    """

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._inflate = zlib.decompressobj(31)
        self._input = b""
        self.broken = ""

    def readable(self) -> bool:
        return True

    def _salvage(self, inflate: zlib._Decompress) -> bytes:
        """What the failed input held before its damage: fed again in small bites, then bytes."""
        out: list[bytes] = []
        rest = self._input
        for step in (512, 1):
            while rest:
                before = inflate.copy()
                try:
                    out.append(inflate.decompress(rest[:step]))
                except zlib.error:
                    inflate = before
                    rest = rest[:step]
                    break
                rest = rest[step:]
        return b"".join(out)

    def chunk(self, want: int) -> bytes:
        """At most `want` bytes, b"" at the end; `broken` says why when the end is not a proper one."""
        while not self.broken:
            if not self._input:
                self._input = self._file.read(_CHUNK)
            if self._inflate.eof:
                # zero padding behind a member is not another member
                self._input = self._input.lstrip(b"\0")
                if not self._input:
                    if self._file.peek(1) if isinstance(self._file, io.BufferedReader) else b"":
                        continue
                    return b""
                self._inflate = zlib.decompressobj(31)
            elif not self._input:
                self.broken = "the gzip stream ends early"
                return self._inflate.flush()
            before = self._inflate.copy()
            try:
                out = self._inflate.decompress(self._input, want)
            except zlib.error as err:
                self.broken = f"damaged gzip stream ({str(err).split(': ')[-1]})"
                return self._salvage(before)
            self._input = self._inflate.unused_data if self._inflate.eof else self._inflate.unconsumed_tail
            if out:
                return out
        return b""


class _Stream:
    """Bytes of a capture in large chunks, plain or inflated."""

    __slots__ = ("_file", "_gzip")

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._gzip: _Gunzip | None = None
        magic = file.read(2)
        file.seek(0)
        if magic == b"\x1f\x8b":
            self._gzip = _Gunzip(file)

    def fill(self, rest: bytes, need: int) -> bytes:
        """`rest` and more, to at least `need` bytes, or shorter when the file ends."""
        parts = [rest]
        have = len(rest)
        while have < need:
            more = self._file.read(_CHUNK) if self._gzip is None else self._gzip.chunk(_CHUNK)
            if not more:
                break
            parts.append(more)
            have += len(more)
        return b"".join(parts) if len(parts) > 1 else rest

    @property
    def trouble(self) -> str:
        """Why the stream ended, when it should not have."""
        return self._gzip.broken if self._gzip is not None else ""


class CaptureReader(Source):
    """A capture as a source. Iterable again and again; every iteration reads the file from its start.

    `path` is a file name, `"-"` for standard input (copied to a temporary file first, so that it can be
    read twice), or an open binary file that can seek. The constructor reads the header only. CaptureError:
    cannot be opened, is no capture, or carries no IP.

    `interfaces` grows while reading. `records` yields raw tuples; `ethernet` the same with Ethernet frames;
    iteration yields (time, frame) as captured. Mere reading repairs nothing: see `captured.as_wire`.
    """

    __slots__ = (
        "_close",
        "_file",
        "_kind",
        "_nano_magic",
        "_no_form",
        "_read",
        "capture_drops",
        "interfaces",
    )

    def __init__(self, path: str | os.PathLike[str] | BinaryIO) -> None:
        if isinstance(path, (str, os.PathLike)):
            name = os.fspath(path)
            self._file = self._spool() if name == "-" else self._open(name)
            if name == "-":
                name = "standard input"
            self._close = True
        else:
            name = str(getattr(path, "name", "capture"))
            self._file = path
            self._close = False
        super().__init__(name)
        self.interfaces: list[Interface] = []
        self.capture_drops = 0
        self._read = 0
        self._no_form = 0
        try:
            self._kind, _, _ = self._begin()
        except CaptureError:
            self.close()
            raise

    @staticmethod
    def _open(name: str) -> BinaryIO:
        try:
            file = open(name, "rb")
            if not file.seekable():
                with file:
                    return CaptureReader._copy(file)
            return file
        except OSError as err:
            raise CaptureError(f"{name}: {err.strerror or err}") from None

    @staticmethod
    def _spool() -> BinaryIO:
        return CaptureReader._copy(sys.stdin.buffer)

    @staticmethod
    def _copy(file: BinaryIO) -> BinaryIO:
        spool = tempfile.SpooledTemporaryFile(max_size=_SPOOL)
        while chunk := file.read(_CHUNK):
            spool.write(chunk)
        spool.seek(0)
        return spool  # type: ignore[return-value]

    def close(self) -> None:
        """Close the file when this reader opened it."""
        if self._close:
            self._file.close()

    def __enter__(self) -> CaptureReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _error(self, message: str) -> CaptureError:
        return CaptureError(f"{self.name}: {message}", self._read)

    def _begin(self) -> tuple[str, _Stream, bytes]:
        """From the start of the file: ("pcap<" | "pcap>" | "pcapng", stream, first bytes)."""
        try:
            self._file.seek(0)
            stream = _Stream(self._file)
            buf = stream.fill(b"", 24)
        except OSError as err:
            raise self._error(err.strerror or str(err)) from None
        magic = buf[:4]
        if magic == b"\x0a\x0d\x0d\x0a":
            if len(buf) < 12 or buf[8:12] not in (b"\x1a\x2b\x3c\x4d", b"\x4d\x3c\x2b\x1a"):
                raise self._error("no pcapng capture: its section header has no byte-order magic")
            return "pcapng", stream, buf
        for order, name in (("little", "pcap<"), ("big", "pcap>")):
            if int.from_bytes(magic, order) in (0xA1B2C3D4, 0xA1B23C4D, 0xA1B2CD34):  # type: ignore[arg-type]
                if len(buf) < 24:
                    raise self._error(f"truncated: {len(buf)} bytes, a pcap header has 24")
                major = int.from_bytes(buf[4:6], order)  # type: ignore[arg-type]
                if major != 2:
                    raise self._error(f"pcap version {major}, only 2 is known")
                linktype = int.from_bytes(buf[20:24], order) & 0x03FFFFFF  # type: ignore[arg-type]
                if not carries_ip(linktype):
                    raise self._error(f"refused: {linktype_name(linktype)} carries no IP")
                return name, stream, buf
        if stream.trouble:
            raise self._error(stream.trouble)
        if not buf:
            raise self._error("empty: neither pcap nor pcapng")
        for prefix, what in _FOREIGN:
            if buf.startswith(prefix):
                raise self._error(f"not a pcap or pcapng capture but {what}")
        raise self._error(f"not a capture: begins with {buf[:8].hex(' ')}, neither pcap nor pcapng")

    # --- Source ---

    def read_count(self) -> int:
        return self._read

    def not_sent(self) -> dict[str, int]:
        return {NO_ETHERNET_FORM: self._no_form}

    def clear_counts(self) -> None:
        self.frames = 0
        self._read = 0
        self._no_form = 0

    def __iter__(self) -> Iterator[Frame]:
        for record in self.ethernet():
            self.frames += 1
            yield record[0], record[1]

    @property
    def on_host_only(self) -> bool:
        """Whether a link type seen so far exists only inside a host (cooked, loopback, raw IP)."""
        return any(i.linktype in HOST_ONLY for i in self.interfaces)

    def ethernet(self) -> Iterator[RawRecord]:
        """Records whose bytes are Ethernet frames: converted, FCS taken off where the file says that there
        is one.

        A frame with a wrong FCS comes as BadFcsFrame. Records without an Ethernet form are counted and left
        out; when that is all of them, CaptureError names the link type.
        """
        interfaces = self.interfaces
        delivered = 0
        # one look-up a record, of what its interface needs
        plain: list[bool] = []
        for record in self.records():
            index = record[3]
            while len(plain) <= index:
                link = interfaces[len(plain)]
                plain.append(link.linktype == LINKTYPE_ETHERNET and link.fcs_len <= 0)
            if plain[index]:
                delivered += 1
                yield record
                continue
            interface = interfaces[index]
            time_ns, data, orig, _, direction = record
            if interface.linktype == LINKTYPE_ETHERNET:
                data, orig = _strip_fcs(data, orig, interface.fcs_len)
            else:
                convert = CONVERTERS.get(interface.linktype)
                if convert is None:
                    self._no_form += 1
                    if not any(carries_ip(i.linktype) for i in interfaces):
                        raise self._error(f"refused: {linktype_name(interface.linktype)} carries no IP")
                    continue
                data, orig, told = convert(data, orig)
                if not data:
                    self._no_form += 1
                    continue
                direction = direction or told
                orig = max(orig, len(data))
            delivered += 1
            yield time_ns, data, orig, index, direction
        if self._no_form and not delivered:
            kinds = ", ".join(linktype_name(n) for n in sorted({i.linktype for i in interfaces}))
            raise self._error(f"refused: none of its {self._no_form} records carries IP in the clear: {kinds}")

    def records(self) -> Iterator[RawRecord]:
        """(time_ns, captured bytes, original length, interface index, direction), as in the file.

        The original length is never below the captured one, and at most 262144. Direction is 0 unknown, 1
        inbound, 2 outbound. Raises CaptureError at the place of damage, after all that precedes it.
        """
        kind, stream, buf = self._begin()
        self._kind = kind
        self.interfaces.clear()
        self.capture_drops = 0
        try:
            if kind == "pcapng":
                yield from self._pcapng(stream, buf)
            else:
                yield from self._pcap(stream, buf, "<" if kind == "pcap<" else ">")
        except OSError as err:
            raise self._error(err.strerror or str(err)) from None

    # --- pcap ---

    def _pcap(self, stream: _Stream, buf: bytes, order: str) -> Iterator[RawRecord]:
        magic, _, minor, _, _, snaplen, network = Struct(order + "IHHiIII").unpack_from(buf)
        interface = Interface(0, network & 0x03FFFFFF, snaplen)
        if network & 0x04000000:
            interface.fcs_len = (network >> 28) * 2
        scale = 1000
        if magic == 0xA1B23C4D:
            scale = 1
            interface.ticks = 1_000_000_000
        self.interfaces.append(interface)
        header = 24 if magic == 0xA1B2CD34 else 16
        unpack = Struct(order + "IIII").unpack_from
        old = minor < 4
        limit = snaplen if MAX_CAPLEN < snaplen <= MAX_BLOCK else MAX_CAPLEN
        pos = 24
        size = len(buf)
        while True:
            if pos + header > size:
                buf = stream.fill(buf[pos:], header)
                pos, size = 0, len(buf)
                if size < header:
                    if size or stream.trouble:
                        raise self._cut(stream, f"its header has {size} of {header} bytes")
                    return
            sec, fraction, caplen, orig = unpack(buf, pos)
            if old and (minor < 3 or caplen > orig):
                caplen, orig = orig, caplen
            if caplen > limit:
                raise self._error(f"damaged at record {self._read + 1}: {caplen} captured bytes, at most {limit}")
            end = pos + header + caplen
            if end > size:
                buf = stream.fill(buf[pos:], header + caplen)
                pos, size, end = 0, len(buf), header + caplen
                if end > size:
                    raise self._cut(stream, f"{size - header} of {caplen} bytes are there")
            if orig != caplen and (orig < caplen or orig > MAX_CAPLEN):
                orig = caplen
            self._read += 1
            yield sec * 1_000_000_000 + fraction * scale, buf[pos + header : end], orig, 0, 0
            pos = end

    def _cut(self, stream: _Stream, what: str) -> CaptureError:
        why = f"; {stream.trouble}" if stream.trouble else ""
        return self._error(f"truncated at record {self._read + 1}: {what}{why}")

    # --- pcapng ---

    def _pcapng(self, stream: _Stream, buf: bytes) -> Iterator[RawRecord]:
        order = "<"
        words = Struct("<II").unpack_from
        packet = Struct("<IIIII").unpack_from
        base = 0  # index of the section's first interface
        interfaces = self.interfaces
        ticks: list[int] = []
        offsets: list[int] = []
        pos, size = 0, len(buf)
        last_ns = 0
        while True:
            if pos + 12 > size:
                buf = stream.fill(buf[pos:], 12)
                pos, size = 0, len(buf)
                if size < 12:
                    if size or stream.trouble:
                        raise self._cut(stream, f"a block header has {size} of 12 bytes")
                    return
            if buf[pos : pos + 4] == b"\x0a\x0d\x0d\x0a":
                magic = buf[pos + 8 : pos + 12]
                if magic == b"\x4d\x3c\x2b\x1a":
                    order = "<"
                elif magic == b"\x1a\x2b\x3c\x4d":
                    order = ">"
                else:
                    raise self._error(f"damaged behind record {self._read}: a section without byte-order magic")
                words = Struct(order + "II").unpack_from
                packet = Struct(order + "IIIII").unpack_from
                base = len(interfaces)
            kind, length = words(buf, pos)
            if length < 12 or length & 3 or length > MAX_BLOCK:
                raise self._error(f"damaged behind record {self._read}: a block of {length} bytes")
            if pos + length > size:
                buf = stream.fill(buf[pos:], length)
                pos, size = 0, len(buf)
                if length > size:
                    raise self._cut(stream, f"its block has {size} of {length} bytes")
            end = pos + length
            if kind == _BLOCK_EPB or kind == _BLOCK_PB:
                if length < 32:
                    raise self._error(f"damaged at record {self._read + 1}: a packet block of {length} bytes")
                index, high, low, caplen, orig = packet(buf, pos + 8)
                if kind == _BLOCK_PB:
                    index = index >> 16 if order == ">" else index & 0xFFFF
                if caplen > length - 32:
                    raise self._error(
                        f"damaged at record {self._read + 1}: {caplen} captured bytes in a block of {length}"
                    )
                index += base
                if index >= len(interfaces):
                    raise self._error(f"damaged at record {self._read + 1}: interface {index - base} is not described")
                per_second = ticks[index]
                stamp = high << 32 | low
                if per_second == 1_000_000_000:
                    last_ns = stamp + offsets[index]
                elif per_second == 1_000_000:
                    last_ns = stamp * 1000 + offsets[index]
                else:
                    last_ns = stamp * 1_000_000_000 // per_second + offsets[index]
                at = pos + 28
                direction = 0
                padded = (caplen + 3) & ~3
                if padded + 32 < length:
                    direction = self._packet_options(buf, at + padded, end - 4, order, kind == _BLOCK_EPB)
                if orig != caplen and (orig < caplen or orig > MAX_CAPLEN):
                    orig = caplen
                self._read += 1
                yield last_ns, buf[at : at + caplen], orig, index, direction
            elif kind == _BLOCK_SPB:
                if length < 16 or base >= len(interfaces):
                    raise self._error(f"damaged at record {self._read + 1}: a simple packet without an interface")
                orig = words(buf, pos + 8)[0]
                snaplen = interfaces[base].snaplen
                caplen = min(orig, snaplen or orig, length - 16)
                if orig > MAX_CAPLEN:
                    orig = caplen
                self._read += 1
                # it has no time of its own: it came no earlier than the one before
                yield last_ns, buf[pos + 12 : pos + 12 + caplen], orig, base, 0
            elif kind == _BLOCK_IDB:
                if length < 20:
                    raise self._error(f"damaged behind record {self._read}: an interface block of {length} bytes")
                interface = self._interface(buf, pos, end, order)
                interfaces.append(interface)
                ticks.append(interface.ticks)
                offsets.append(interface.offset_s * 1_000_000_000)
            elif kind == _BLOCK_ISB and length >= 24:
                self._statistics(buf, pos, end, order, base)
            pos = end

    def _options(self, buf: bytes, at: int, end: int, order: str) -> Iterator[tuple[int, bytes]]:
        unpack = Struct(order + "HH").unpack_from
        while at + 4 <= end:
            code, length = unpack(buf, at)
            if code == 0:
                return
            at += 4
            if at + length > end:
                return
            yield code, buf[at : at + length]
            at += (length + 3) & ~3

    def _packet_options(self, buf: bytes, at: int, end: int, order: str, enhanced: bool) -> int:
        """The direction of a packet from its flags option; 0 when it has none."""
        for code, value in self._options(buf, at, end, order):
            if code == 2 and len(value) == 4:
                flags = int.from_bytes(value, "little" if order == "<" else "big")
                return flags & 3 if flags & 3 != 3 else 0
            if code == 4 and enhanced and len(value) == 8:
                self.capture_drops += int.from_bytes(value, "little" if order == "<" else "big")
        return 0

    def _interface(self, buf: bytes, pos: int, end: int, order: str) -> Interface:
        linktype, _, snaplen = Struct(order + "HHI").unpack_from(buf, pos + 8)
        out = Interface(len(self.interfaces), linktype, snaplen)
        byteorder = "little" if order == "<" else "big"
        for code, value in self._options(buf, pos + 16, end - 4, order):
            if code == 2:
                out.name = value.decode("utf-8", "replace").rstrip("\0")
            elif code == 3:
                out.description = value.decode("utf-8", "replace").rstrip("\0")
            elif code == 8 and len(value) == 8:
                out.speed = int.from_bytes(value, byteorder)  # type: ignore[arg-type]
            elif code == 9 and len(value) >= 1:
                out.ticks = 1 << (value[0] & 0x7F) if value[0] & 0x80 else 10 ** (value[0] & 0x7F)
            elif code == 13 and len(value) >= 1:
                out.fcs_len = value[0]
            elif code == 14 and len(value) == 8:
                out.offset_s = int.from_bytes(value, byteorder, signed=True)  # type: ignore[arg-type]
        return out

    def _statistics(self, buf: bytes, pos: int, end: int, order: str, base: int) -> None:
        index = base + Struct(order + "I").unpack_from(buf, pos + 8)[0]
        if index >= len(self.interfaces):
            return
        byteorder = "little" if order == "<" else "big"
        lost = [
            int.from_bytes(value, byteorder)  # type: ignore[arg-type]
            for code, value in self._options(buf, pos + 20, end - 4, order)
            if code in (5, 7) and len(value) == 8
        ]
        if lost:
            self.interfaces[index].dropped = sum(lost)


def _strip_fcs(data: bytes, orig: int, fcs_len: int) -> tuple[bytes, int]:
    """The frame without its FCS; BadFcsFrame when a whole 4-byte FCS is there and wrong."""
    if orig <= fcs_len:
        return data, orig
    orig -= fcs_len
    if len(data) <= orig:
        return data, orig
    frame = data[:orig]
    if fcs_len == 4 and len(data) == orig + 4 and crc32(frame) != int.from_bytes(data[orig:], "little"):
        return BadFcsFrame(frame), orig
    return frame, orig
