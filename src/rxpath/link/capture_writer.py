"""Writing captures: pcap and pcapng, plain or gzip, to a file or standard output. The bytes depend on
nothing but the calls.
"""

from __future__ import annotations

import gzip
import os
import sys
from struct import Struct
from typing import BinaryIO, Final, Self

from rxpath.link.linktypes import LINKTYPE_ETHERNET

INBOUND: Final = 1  # directions of a record: what pcapng's flag word says
OUTBOUND: Final = 2

DEFAULT_SNAPLEN: Final = 262144


def _open(path: str | os.PathLike[str] | BinaryIO) -> tuple[BinaryIO, bool, BinaryIO | None]:
    """(where to write, whether to close it, the file below a compressor)."""
    if not isinstance(path, (str, os.PathLike)):
        return path, False, None
    name = os.fspath(path)
    if name == "-":
        return sys.stdout.buffer, False, None
    file = open(name, "wb")
    if name.endswith(".gz"):
        # no time and no name inside, so that the same frames give the same file
        return gzip.GzipFile("", "wb", 9, file, 0), True, file  # type: ignore[return-value]
    return file, True, None


class CaptureWriter:
    """Base: `write` frames, then `close`. A context manager. OSError from the file passes through."""

    __slots__ = ("_below", "_close", "_file", "_parts", "_size", "records")

    def __init__(self, path: str | os.PathLike[str] | BinaryIO) -> None:
        self._file, self._close, self._below = _open(path)
        self._parts: list[bytes] = []
        self._size = 0
        self.records = 0

    def write(
        self,
        time_ns: int,
        frame: bytes,
        original_length: int | None = None,
        interface: int = 0,
        direction: int = 0,
    ) -> None:
        """One record. `original_length` defaults to the frame's; direction 0 unknown, INBOUND or
        OUTBOUND.
        """
        raise NotImplementedError(type(self).__name__)

    def _put(self, *parts: bytes) -> None:
        for part in parts:
            self._parts.append(part)
            self._size += len(part)
        if self._size > 1 << 18:
            self.flush()

    def flush(self) -> None:
        """Hand over what was collected."""
        if self._parts:
            self._file.write(b"".join(self._parts))
            self._parts.clear()
            self._size = 0
        self._file.flush()

    def close(self) -> None:
        """Flush, and close the file when the writer opened it."""
        self.flush()
        if self._close:
            self._file.close()
            if self._below is not None:
                self._below.close()
            self._close = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class PcapWriter(CaptureWriter):
    """A pcap file. `nano` chooses its resolution, `order` "<" or ">" its byte order; frames are cut at
    `snaplen`.

    Times are from 0 to 2**32 seconds; microseconds round down.
    """

    __slots__ = ("_record", "_scale", "_snaplen")

    def __init__(
        self,
        path: str | os.PathLike[str] | BinaryIO,
        *,
        linktype: int = LINKTYPE_ETHERNET,
        nano: bool = True,
        order: str = "<",
        snaplen: int = DEFAULT_SNAPLEN,
    ) -> None:
        super().__init__(path)
        self._record = Struct(order + "IIII")
        self._scale = 1 if nano else 1000
        self._snaplen = snaplen
        magic = 0xA1B23C4D if nano else 0xA1B2C3D4
        self._put(Struct(order + "IHHiIII").pack(magic, 2, 4, 0, 0, snaplen, linktype))

    def write(
        self,
        time_ns: int,
        frame: bytes,
        original_length: int | None = None,
        interface: int = 0,
        direction: int = 0,
    ) -> None:
        sec, nsec = divmod(time_ns, 1_000_000_000)
        orig = len(frame) if original_length is None else original_length
        if len(frame) > self._snaplen:
            frame = frame[: self._snaplen]
        self.records += 1
        self._put(self._record.pack(sec, nsec // self._scale, len(frame), orig), frame)


class PcapngWriter(CaptureWriter):
    """A pcapng file of one section; ValueError for a time below 0 or beyond 64 bits. Without an interface of your
    own, the first `write` adds an Ethernet one in ns.
    """

    __slots__ = ("_block", "_interfaces", "_order", "_word")

    def __init__(
        self, path: str | os.PathLike[str] | BinaryIO, *, order: str = "<", application: str = "rxpath"
    ) -> None:
        super().__init__(path)
        self._order = order
        self._word = Struct(order + "I")
        self._block = Struct(order + "IIIIIII")
        self._interfaces: list[tuple[int, int]] = []
        body = Struct(order + "IHHq").pack(0x1A2B3C4D, 1, 0, -1)
        self._emit(0x0A0D0D0A, body + self._option(4, application.encode()) + b"\0\0\0\0")

    def _option(self, code: int, value: bytes) -> bytes:
        head = Struct(self._order + "HH").pack(code, len(value))
        return head + value.ljust((len(value) + 3) & ~3, b"\0")

    def _emit(self, kind: int, body: bytes) -> None:
        length = self._word.pack(len(body) + 12)
        self._put(self._word.pack(kind), length, body, length)

    def add_interface(
        self,
        name: str = "",
        *,
        linktype: int = LINKTYPE_ETHERNET,
        ticks: int = 1_000_000_000,
        snaplen: int = 0,
        speed: int = 0,
        fcs_len: int | None = None,
    ) -> int:
        """Describe an interface and return its index. `ticks` a second must be a power of 10 or of 2; speed
        in bit/s.
        """
        if str(ticks).strip("0") == "1":
            resolution = len(str(ticks)) - 1
        elif ticks > 0 and ticks & (ticks - 1) == 0:
            resolution = 0x80 | ticks.bit_length() - 1
        else:
            raise ValueError(f"a resolution of {ticks} a second is neither a power of 10 nor of 2")
        body = Struct(self._order + "HHI").pack(linktype, 0, snaplen)
        if name:
            body += self._option(2, name.encode())
        if speed:
            body += self._option(8, Struct(self._order + "Q").pack(speed))
        body += self._option(9, bytes((resolution,)))
        if fcs_len is not None:
            body += self._option(13, bytes((fcs_len,)))
        self._emit(1, body + b"\0\0\0\0")
        self._interfaces.append((ticks, snaplen))
        return len(self._interfaces) - 1

    def write(
        self,
        time_ns: int,
        frame: bytes,
        original_length: int | None = None,
        interface: int = 0,
        direction: int = 0,
    ) -> None:
        if not self._interfaces:
            self.add_interface()
        ticks, snaplen = self._interfaces[interface]
        orig = len(frame) if original_length is None else original_length
        if snaplen and len(frame) > snaplen:
            frame = frame[:snaplen]
        size = len(frame)
        pad = b"\0" * (-size & 3)
        options = self._option(2, self._word.pack(direction)) + b"\0\0\0\0" if direction else b""
        stamp = time_ns if ticks == 1_000_000_000 else time_ns * ticks // 1_000_000_000
        if stamp >> 64:
            raise ValueError(f"a time of {time_ns} ns does not fit a resolution of {ticks} a second")
        length = 32 + size + len(pad) + len(options)
        head = self._block.pack(6, length, interface, stamp >> 32, stamp & 0xFFFFFFFF, size, orig)
        self.records += 1
        self._put(head, frame, pad, options, self._word.pack(length))


def open_writer(path: str | os.PathLike[str], *, linktype: int = LINKTYPE_ETHERNET) -> CaptureWriter:
    """A writer by the file's name: `.pcap` and `.pcap.gz` give pcap in nanoseconds, all else (and `-`)
    pcapng.
    """
    name = os.fspath(path)
    if name.removesuffix(".gz").endswith(".pcap"):
        return PcapWriter(name, linktype=linktype)
    out = PcapngWriter(name)
    out.add_interface(linktype=linktype)
    return out
