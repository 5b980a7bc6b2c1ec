"""The internet checksum (RFC 1071), its incremental update (RFC 1624) and the pseudo headers.

How it is fast: 2**16 is 1 modulo 0xffff, so the ones' complement sum of 16-bit words IS the whole buffer,
read as one big-endian number, modulo 0xffff. Two C calls (`int.from_bytes`, `%`) replace a loop over words.
Zero has two representatives in ones' complement: the sum of data that is not all zero is never 0 but
0xffff, and that is kept.

All sums and checksums are 16-bit numbers whose big-endian bytes go to the wire. Names follow Linux's
include/net/checksum.h; there a csum is 32 bits wide and unfolded, here it is folded at once.
"""

from __future__ import annotations

from typing import Final

Buffer = bytes | bytearray | memoryview

CSUM_MANGLED_0: Final = 0xFFFF


def csum_partial(data: Buffer, csum: int = 0) -> int:
    """Ones' complement sum of `data` (an odd last byte is padded with a zero) and `csum`, folded to 16
    bits.
    """
    n = int.from_bytes(data, "big")
    if len(data) & 1:
        n <<= 8
    n += csum
    return n % 0xFFFF or (0xFFFF if n else 0)


def csum_add(a: int, b: int) -> int:
    """Ones' complement sum of two sums, folded."""
    n = a + b
    return n % 0xFFFF or (0xFFFF if n else 0)


def csum_sub(a: int, b: int) -> int:
    """a minus b in ones' complement, folded."""
    return csum_add(a, b % 0xFFFF ^ 0xFFFF)


def csum_fold(csum: int) -> int:
    """The complement of a sum: what is written into a checksum field."""
    return csum_add(csum, 0) ^ 0xFFFF


def ip_compute_csum(data: Buffer) -> int:
    """Checksum of a buffer whose own checksum field is zero: ICMP, IGMP."""
    n = int.from_bytes(data, "big")
    if len(data) & 1:
        n <<= 8
    return (n % 0xFFFF or (0xFFFF if n else 0)) ^ 0xFFFF


def ip_fast_csum(header: Buffer) -> int:
    """Checksum of an IPv4 header; 0 when the header carries a right one."""
    n = int.from_bytes(header, "big")
    return (n % 0xFFFF or (0xFFFF if n else 0)) ^ 0xFFFF


def csum_tcpudp_nofold(saddr: int, daddr: int, length: int, proto: int, csum: int = 0) -> int:
    """Sum of the IPv4 pseudo header (addresses, protocol, transport length) and `csum`, folded to 16 bits."""
    # (a << 16 | b) is congruent to a + b, so whole 32-bit addresses may be added as they are.
    n = saddr + daddr + length + proto + csum
    return n % 0xFFFF or (0xFFFF if n else 0)


def csum_tcpudp_magic(saddr: int, daddr: int, length: int, proto: int, csum: int) -> int:
    """Checksum of a TCP or UDP packet whose bytes sum to `csum`; 0 when the packet carries a right one."""
    n = saddr + daddr + length + proto + csum
    return (n % 0xFFFF or (0xFFFF if n else 0)) ^ 0xFFFF


def csum_ipv6_nofold(saddr: Buffer, daddr: Buffer, length: int, proto: int, csum: int = 0) -> int:
    """Sum of the IPv6 pseudo header (16-byte addresses) and `csum`, folded to 16 bits."""
    n = int.from_bytes(saddr, "big") + int.from_bytes(daddr, "big") + length + proto + csum
    return n % 0xFFFF or (0xFFFF if n else 0)


def transport_checksum(saddr: int, daddr: int, proto: int, segment: Buffer) -> int:
    """Checksum of a whole TCP or UDP segment (its field zero). Does not turn UDP's 0 into 0xffff."""
    n = int.from_bytes(segment, "big")
    length = len(segment)
    if length & 1:
        n <<= 8
    n += saddr + daddr + length + proto
    return (n % 0xFFFF or (0xFFFF if n else 0)) ^ 0xFFFF


def csum_replace2(check: int, old: int, new: int) -> int:
    """A checksum field after one of its 16-bit words went from `old` to `new` (RFC 1624, equation 3)."""
    return csum_add((check ^ 0xFFFF) + (old ^ 0xFFFF), new) ^ 0xFFFF


def csum_replace4(check: int, old: int, new: int) -> int:
    """The same for a 32-bit field."""
    return csum_add((check ^ 0xFFFF) + (old ^ 0xFFFFFFFF), new) ^ 0xFFFF
