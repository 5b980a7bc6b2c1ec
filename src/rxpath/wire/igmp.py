"""IGMP versions 1, 2 and 3 (RFC 1112, 2236, 3376): parse and build."""

from __future__ import annotations

from struct import Struct
from typing import Final

from rxpath.wire.checksum import ip_compute_csum
from rxpath.wire.ethernet import WireError

Buffer = bytes | bytearray | memoryview

IGMP_HOST_MEMBERSHIP_QUERY: Final = 0x11
IGMP_HOST_MEMBERSHIP_REPORT: Final = 0x12
IGMPV2_HOST_MEMBERSHIP_REPORT: Final = 0x16
IGMP_HOST_LEAVE_MESSAGE: Final = 0x17
IGMPV3_HOST_MEMBERSHIP_REPORT: Final = 0x22

IGMPV3_MODE_IS_INCLUDE: Final = 1
IGMPV3_MODE_IS_EXCLUDE: Final = 2
IGMPV3_CHANGE_TO_INCLUDE: Final = 3
IGMPV3_CHANGE_TO_EXCLUDE: Final = 4
IGMPV3_ALLOW_NEW_SOURCES: Final = 5
IGMPV3_BLOCK_OLD_SOURCES: Final = 6

IGMP_ALL_HOSTS: Final = 0xE0000001
IGMP_ALL_ROUTER: Final = 0xE0000002
IGMPV3_ALL_MCR: Final = 0xE0000016

IGMP_MINLEN: Final = 8
IGMP_HDR: Final = Struct(">BBHI")
_RECORD: Final = Struct(">BBHI")
_U16: Final = Struct(">H")


class IgmpGroupRecord:
    """One record of a version 3 report: type, group and source addresses (u32)."""

    __slots__ = ("group", "sources", "type")

    def __init__(self, type_: int, group: int, sources: tuple[int, ...] = ()) -> None:
        self.type = type_
        self.group = group
        self.sources = sources


class IgmpView:
    """A checked reader over an IGMP message (an IPv4 payload). `code` is the maximal response time, as coded.

    `records` is filled for a version 3 report. WireError when a length does not fit.
    """

    __slots__ = ("buf", "code", "csum", "group", "records", "type")

    def __init__(self, buf: Buffer) -> None:
        if len(buf) < IGMP_MINLEN:
            raise WireError(f"IGMP message of {len(buf)} bytes, needs {IGMP_MINLEN}")
        self.buf: Buffer = buf
        self.type: int
        self.type, self.code, self.csum, self.group = IGMP_HDR.unpack_from(buf)
        self.records: list[IgmpGroupRecord] = []
        if self.type == IGMPV3_HOST_MEMBERSHIP_REPORT:
            count = self.group & 0xFFFF
            self.group = 0
            at = IGMP_MINLEN
            for _ in range(count):
                if at + 8 > len(buf):
                    raise WireError(f"IGMPv3 report of {len(buf)} bytes ends inside its group records")
                kind, aux, n, group = _RECORD.unpack_from(buf, at)
                end = at + 8 + 4 * n
                if end + 4 * aux > len(buf):
                    raise WireError(f"IGMPv3 report of {len(buf)} bytes ends inside its group records")
                sources = tuple(int.from_bytes(buf[i : i + 4], "big") for i in range(at + 8, end, 4))
                self.records.append(IgmpGroupRecord(kind, group, sources))
                at = end + 4 * aux

    def check_ok(self) -> bool:
        return ip_compute_csum(self.buf) == 0


def igmp_message(type_: int, group: int, code: int = 0, extra: Buffer = b"") -> bytes:
    """A version 1 or 2 message, or with `extra` the fields behind the group that a version 3 query has."""
    csum = ip_compute_csum(IGMP_HDR.pack(type_, code, 0, group) + extra)
    return IGMP_HDR.pack(type_, code, csum, group) + extra


def igmpv3_query(
    group: int = 0, code: int = 100, sources: tuple[int, ...] = (), qrv: int = 2, qqic: int = 125
) -> bytes:
    """A version 3 query: general when `group` is 0."""
    extra = bytes((qrv & 7, qqic)) + _U16.pack(len(sources)) + b"".join(s.to_bytes(4, "big") for s in sources)
    return igmp_message(IGMP_HOST_MEMBERSHIP_QUERY, group, code, extra)


def igmpv3_report(records: list[IgmpGroupRecord]) -> bytes:
    """A version 3 report."""
    body = b"".join(
        _RECORD.pack(r.type, 0, len(r.sources), r.group) + b"".join(s.to_bytes(4, "big") for s in r.sources)
        for r in records
    )
    return igmp_message(IGMPV3_HOST_MEMBERSHIP_REPORT, len(records), 0, body)
