"""What checksum, hash and segmentation engines of network chips have in common.

What belongs here: finding headers in a frame, verifying and inserting Internet checksums, the Toeplitz
hash, cutting a large TCP send into segments. Nothing that knows a register or a descriptor.
"""

from __future__ import annotations

import struct
from typing import Final

ETH_P_IP: Final = 0x0800
ETH_P_IPV6: Final = 0x86DD
ETH_P_8021Q: Final = 0x8100
ETH_P_8021AD: Final = 0x88A8

IPPROTO_TCP: Final = 6
IPPROTO_UDP: Final = 17
IPPROTO_SCTP: Final = 132

CSUM_NONE: Final = 0
CSUM_OK: Final = 1
CSUM_BAD: Final = 2

_IP4: Final = struct.Struct(">BxHHHxB")
_IP6: Final = struct.Struct(">IHB")
_U16: Final = struct.Struct(">H")
_U32: Final = struct.Struct(">I")

_LOW5888: Final = (1 << 5888) - 1
_LOW2944: Final = (1 << 2944) - 1
_LOW1472: Final = (1 << 1472) - 1

_EXT_HEADERS: Final = (0, 43, 60)  # hop-by-hop, routing, destination options


def sums_to_zero(data: bytes | memoryview) -> bool:
    """Whether the 16-bit one's complement sum of `data` (even length) is 0xffff, i.e. a checksum in it is
    right.
    """
    return int.from_bytes(data, "big") % 0xFFFF == 0


def fold(total: int) -> int:
    """A one's complement sum, given as any integer congruent to it modulo 0xffff, as the checksum to store."""
    return ~(total % 0xFFFF) & 0xFFFF


def fold_long(n: int) -> int:
    """A smaller integer congruent to `n` modulo 0xffff (2**16 is 1): adding halves is cheaper than one long
    division.
    """
    n = (n >> 5888) + (n & _LOW5888)
    n = (n >> 2944) + (n & _LOW2944)
    return (n >> 1472) + (n & _LOW1472)


def ones_sum(data: bytes | memoryview) -> int:
    """One's complement sum modulo 0xffff of `data`, an odd byte at the end padded with zero."""
    n = int.from_bytes(data, "big")
    if len(data) & 1:
        n <<= 8
    return n % 0xFFFF


class RxPacket:
    """Where the headers of a received frame are, and whether its checksums hold. One instance is used over
    and over.

    `l3` 0, 4 or 6; `l4` protocol number or 0 (also 0 when the frame is too short for that header);
    `fragment` any part of a fragmented datagram (its ports, if it has any, must not be used); `end` where
    the IP datagram ends in the frame.
    """

    __slots__ = (
        "ack_only",
        "end",
        "fragment",
        "ip_csum",
        "ip_id",
        "l3",
        "l3_off",
        "l4",
        "l4_csum",
        "l4_off",
        "payload",
    )

    def __init__(self) -> None:
        self.l3: int = 0
        self.l3_off: int = 0
        self.l4: int = 0
        self.l4_off: int = 0
        self.payload: int = 0
        self.end: int = 0
        self.fragment: bool = False
        self.ip_id: int = 0
        self.ip_csum: int = CSUM_NONE
        self.l4_csum: int = CSUM_NONE
        self.ack_only: bool = False

    def parse(self, frame: bytes, off: int, ethertype: int, ip_csum: bool, l4_csum: bool) -> None:
        """Fill the fields from `frame`, whose layer 3 header starts at `off` and has `ethertype`.

        `ip_csum`, `l4_csum`: whether to verify; results CSUM_NONE, CSUM_OK or CSUM_BAD in the fields of
        these names. Any bytes are taken; nothing is raised.
        """
        self.l3 = 0
        self.l4 = 0
        self.l3_off = off
        self.payload = 0
        self.fragment = False
        self.ip_csum = CSUM_NONE
        self.l4_csum = CSUM_NONE
        self.ack_only = False
        n = len(frame)
        if ethertype == ETH_P_IP:
            if n < off + 20:
                return
            ver_ihl, total, self.ip_id, frag, proto = _IP4.unpack_from(frame, off)
            hlen = (ver_ihl & 15) * 4
            if ver_ihl >> 4 != 4 or hlen < 20 or off + hlen > n:
                if ip_csum:
                    self.ip_csum = CSUM_BAD
                return
            self.l3 = 4
            l4 = off + hlen
            header = int.from_bytes(frame[off:l4], "big")
            if ip_csum:
                self.ip_csum = CSUM_OK if header % 0xFFFF == 0 else CSUM_BAD
            end = off + total
            self.end = end
            self.l4_off = l4
            if frag & 0x3FFF:
                self.fragment = True
                return
            if end > n or end < l4:
                return
            # the addresses stand at its end, unless options follow them
            addresses = (header >> (hlen - 20) * 8) & 0xFFFFFFFFFFFFFFFF
        elif ethertype == ETH_P_IPV6:
            if n < off + 40:
                return
            first, plen, proto = _IP6.unpack_from(frame, off)
            if first >> 28 != 6:
                return
            self.l3 = 6
            l4 = off + 40
            end = l4 + plen
            self.end = end
            self.l4_off = l4
            if end > n:
                return
            while proto in _EXT_HEADERS:
                if l4 + 8 > end:
                    return
                if proto == 43 and frame[l4 + 3]:
                    # segments left: the final destination is not in the header
                    return
                proto = frame[l4]
                l4 += (frame[l4 + 1] + 1) * 8
            if proto == 44:
                self.fragment = True
                return
            if l4 > end:
                return
            self.l4_off = l4
            addresses = 0
        else:
            return
        if proto == IPPROTO_TCP:
            if end - l4 < 20:
                return
            thlen = (frame[l4 + 12] >> 4) * 4
            if thlen < 20 or l4 + thlen > end:
                return
            self.l4 = IPPROTO_TCP
            self.payload = l4 + thlen
            self.ack_only = l4 + thlen == end and frame[l4 + 13] & 0x3F == 0x10
        elif proto == IPPROTO_UDP:
            if end - l4 < 8:
                return
            self.l4 = IPPROTO_UDP
            self.payload = l4 + 8
            if l4_csum:
                ulen = frame[l4 + 4] << 8 | frame[l4 + 5]
                if (frame[l4 + 6] == 0 and frame[l4 + 7] == 0) or ulen < 8 or l4 + ulen > end:
                    l4_csum = False
                else:
                    end = l4 + ulen
        else:
            return
        if l4_csum:
            seg = int.from_bytes(frame[l4:end], "big")
            if (end - l4) & 1:
                seg <<= 8
            if end - l4 > 512:
                seg = fold_long(seg)
            if self.l3 == 6:
                addresses = int.from_bytes(frame[off + 8 : off + 40], "big")
            seg += addresses + proto + end - l4
            self.l4_csum = CSUM_OK if seg % 0xFFFF == 0 else CSUM_BAD


class Toeplitz:
    """The Toeplitz hash of receive side scaling, by one table of 256 words for each input byte.

    Tables are built when first needed after a change of the key; results are remembered a while.
    """

    __slots__ = ("cache", "key", "tables")

    CACHE_SIZE: Final = 4096

    def __init__(self, key: bytes = bytes(40)) -> None:
        """`key`: 40 bytes or more (an input of n bytes needs n + 4)."""
        self.key: bytes = bytes(key)
        self.tables: list[list[int]] = []
        self.cache: dict[bytes, int] = {}

    def set_key(self, key: bytes) -> None:
        """Take another key; nothing happens when it is the same."""
        if key != self.key:
            self.key = bytes(key)
            self.tables = []
            self.cache = {}

    def _grow(self, n: int) -> None:
        key = int.from_bytes(self.key, "big")
        bits = 8 * len(self.key)
        for i in range(len(self.tables), n):
            windows = [(key >> max(bits - 32 - 8 * i - bit, 0)) & 0xFFFFFFFF for bit in range(8)]
            table = [0] * 256
            for b in range(256):
                h = 0
                for bit in range(8):
                    if b & (0x80 >> bit):
                        h ^= windows[bit]
                table[b] = h
            self.tables.append(table)

    def hash(self, data: bytes) -> int:
        """The 32-bit hash of `data`: addresses, then ports, in network order (8, 12, 32 or 36 bytes)."""
        known = self.cache.get(data)
        if known is not None:
            return known
        n = len(data)
        if len(self.tables) < n:
            self._grow(n)
        h = 0
        tables = self.tables
        for i in range(n):
            h ^= tables[i][data[i]]
        if len(self.cache) >= self.CACHE_SIZE:
            self.cache = {}
        self.cache[data] = h
        return h


def insert_checksum(buf: bytearray, start: int, at: int, end: int, zero_is_none: bool) -> None:
    """Sum `buf[start:end]` (whatever stands at `at` included, as drivers leave a pseudo header's sum
    there), store at `at`.

    `zero_is_none`: a result of 0 is stored as 0xffff (UDP). Out of range arguments do nothing.
    """
    n = len(buf)
    if end <= 0 or end > n:
        end = n
    if start < 0 or start >= end or at < 0 or at + 2 > n:
        return
    c = fold(ones_sum(memoryview(buf)[start:end]))
    if c == 0 and zero_is_none:
        c = 0xFFFF
    _U16.pack_into(buf, at, c)


def segment(
    frame: bytes, hdr_len: int, mss: int, ip_start: int, ip4: bool, l4_start: int, tcp: bool
) -> list[bytearray]:
    """Cut a large send into frames of at most `mss` payload bytes, headers adjusted, checksums not yet
    inserted.

    `frame`: headers (`hdr_len` bytes) and all the data. IPv4 length and id, or IPv6 payload length, TCP
    sequence and flags (FIN, PSH only on the last; CWR only on the first) or UDP length follow each segment,
    and the payload length is added to the pseudo header's sum that the driver left in the layer 4 checksum
    field. Arguments that make no sense give the frame as it is.
    """
    total = len(frame) - hdr_len
    l4_min = 20 if tcp else 8
    if (
        mss <= 0
        or total < 0
        or ip_start + (20 if ip4 else 40) > hdr_len
        or l4_start < ip_start
        or l4_start + l4_min > hdr_len
    ):
        return [bytearray(frame)]
    out: list[bytearray] = []
    pos = 0
    index = 0
    csum_at = l4_start + (16 if tcp else 6)
    head = frame[:hdr_len]
    seq = _U32.unpack_from(frame, l4_start + 4)[0] if tcp else 0
    ident = _U16.unpack_from(frame, ip_start + 4)[0] if ip4 else 0
    seed = _U16.unpack_from(frame, csum_at)[0]
    flags = frame[l4_start + 13] if tcp else 0
    while True:
        n = min(mss, total - pos)
        seg = bytearray(head)
        seg += frame[hdr_len + pos : hdr_len + pos + n]
        if ip4:
            _U16.pack_into(seg, ip_start + 2, (hdr_len - ip_start + n) & 0xFFFF)
            _U16.pack_into(seg, ip_start + 4, (ident + index) & 0xFFFF)
        else:
            _U16.pack_into(seg, ip_start + 4, (hdr_len - ip_start - 40 + n) & 0xFFFF)
        l4_len = hdr_len - l4_start + n
        last = pos + n >= total
        if tcp:
            _U32.pack_into(seg, l4_start + 4, (seq + pos) & 0xFFFFFFFF)
            f = flags
            if not last:
                f &= ~0x09
            if index:
                f &= ~0x80
            seg[l4_start + 13] = f
        else:
            _U16.pack_into(seg, l4_start + 4, l4_len & 0xFFFF)
        s = seed + l4_len
        _U16.pack_into(seg, csum_at, (s & 0xFFFF) + (s >> 16))
        out.append(seg)
        pos += n
        index += 1
        if last:
            return out
