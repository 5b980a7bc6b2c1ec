"""ICMP for IPv4 (RFC 792): offsets, view, messages."""

from __future__ import annotations

from struct import Struct
from typing import Final

from rxpath.wire.checksum import ip_compute_csum
from rxpath.wire.ethernet import WireError

Buffer = bytes | bytearray | memoryview

ICMP_ECHOREPLY: Final = 0
ICMP_DEST_UNREACH: Final = 3
ICMP_SOURCE_QUENCH: Final = 4
ICMP_REDIRECT: Final = 5
ICMP_ECHO: Final = 8
ICMP_TIME_EXCEEDED: Final = 11
ICMP_PARAMETERPROB: Final = 12
ICMP_TIMESTAMP: Final = 13
ICMP_TIMESTAMPREPLY: Final = 14
ICMP_INFO_REQUEST: Final = 15
ICMP_INFO_REPLY: Final = 16
ICMP_ADDRESS: Final = 17
ICMP_ADDRESSREPLY: Final = 18
NR_ICMP_TYPES: Final = 18
ICMP_EXT_ECHO: Final = 42
ICMP_EXT_ECHOREPLY: Final = 43

ICMP_NET_UNREACH: Final = 0
ICMP_HOST_UNREACH: Final = 1
ICMP_PROT_UNREACH: Final = 2
ICMP_PORT_UNREACH: Final = 3
ICMP_FRAG_NEEDED: Final = 4
ICMP_SR_FAILED: Final = 5
ICMP_PKT_FILTERED: Final = 13
NR_ICMP_UNREACH: Final = 15
ICMP_REDIR_HOST: Final = 1
ICMP_REDIR_HOSTTOS: Final = 3
ICMP_EXC_TTL: Final = 0
ICMP_EXC_FRAGTIME: Final = 1

ICMP_HLEN: Final = 8
# offsets from the ICMP header
ICMP_TYPE: Final = 0
ICMP_CODE: Final = 1
ICMP_CHECKSUM: Final = 2
ICMP_ID: Final = 4
ICMP_SEQUENCE: Final = 6
ICMP_MTU: Final = 6

ICMP_HDR: Final = Struct(">BBHHH")


class IcmpView:
    """A checked reader over an ICMP message; `id` and `sequence` are the two halves of the rest-of-header
    word.
    """

    __slots__ = ("buf", "checksum", "code", "id", "sequence", "type")

    def __init__(self, buf: Buffer) -> None:
        """`buf` is the message alone (an IPv4 payload). WireError when shorter than 8 bytes."""
        if len(buf) < ICMP_HLEN:
            raise WireError(f"ICMP message of {len(buf)} bytes, header needs {ICMP_HLEN}")
        self.buf: Buffer = buf
        self.type: int
        self.type, self.code, self.checksum, self.id, self.sequence = ICMP_HDR.unpack_from(buf)

    @property
    def payload(self) -> memoryview:
        return memoryview(self.buf)[ICMP_HLEN:]

    def check_ok(self) -> bool:
        return ip_compute_csum(self.buf) == 0


def icmp_message(
    type_: int, code: int, ident: int, sequence: int, payload: Buffer = b"", checksum: int | None = None
) -> bytes:
    """An ICMP message; `checksum` None computes it."""
    if checksum is None:
        checksum = ip_compute_csum(ICMP_HDR.pack(type_, code, 0, ident, sequence) + payload)
    return ICMP_HDR.pack(type_, code, checksum, ident, sequence) + payload


def icmp_error(type_: int, code: int, original: Buffer, info: int = 0, room: int = 576) -> bytes:
    """An error that quotes `original` (from its IPv4 header on) so that the reply packet is at most `room`
    bytes.

    `info` is the rest-of-header word: next-hop MTU, gateway or pointer << 24. Source of 576: icmp_send, RFC
    1812.
    """
    return icmp_message(type_, code, info >> 16, info & 0xFFFF, original[: room - 20 - ICMP_HLEN])
