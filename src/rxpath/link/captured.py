"""From what a capture holds to what was on the wire: `as_wire` and its `Reconstruction`.

A capture taken on a host is not the wire: it has merged what GRO or LRO merged, it has the host's own
frames before checksum and segmentation offload, its tags may be stripped, its short frames unpadded. Any
capture may be cut by a snap length. What belongs here: undoing that, and counting it. What does not: file
formats, and pacing (`cable.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from struct import Struct
from typing import Final

from rxpath.link.capture import CaptureError, CaptureReader, RawRecord
from rxpath.link.linktypes import DIR_INBOUND, DIR_OUTBOUND, HOST_ONLY, linktype_name
from rxpath.link.source import (
    CUT_FRAGMENTS,
    OWN_TRANSMISSIONS,
    SPLIT_SEGMENTS,
    BadFcsFrame,
    Frame,
    Source,
)
from rxpath.wire.addr import ip4_str, mac_str
from rxpath.wire.checksum import csum_ipv6_nofold, csum_partial, csum_tcpudp_nofold, ip_fast_csum
from rxpath.wire.ethernet import (
    ETH_P_ARP,
    ETH_P_IP,
    ETH_P_IPV6,
    ETH_ZLEN,
    WireError,
    network_offset,
    vlan_insert_tag,
)
from rxpath.wire.icmp import ICMP_DEST_UNREACH, ICMP_PORT_UNREACH
from rxpath.wire.ipv4 import IP_MF, IP_OFFSET, IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP, ipv4_fragment
from rxpath.wire.tcp import TCPHDR_CWR, TCPHDR_FIN, TCPHDR_PSH, TCPHDR_SYN, TCPOPT_MSS, tcp_options

AUTO: Final = "auto"
WIRE: Final = "wire"
HOST: Final = "host"

SAMPLE: Final = 4096
_MAX_FLOWS: Final = 65536
_IPPROTO_ICMPV6: Final = 58
_U16: Final = Struct(">H")
_U32: Final = Struct(">I")
_VLAN_NAME: Final = re.compile(r"(?:.*\.|vlan)(\d{1,4})", re.ASCII)
# transport protocol -> (offset of its checksum, least header that holds it)
_CHECK_AT: Final = {IPPROTO_TCP: 16, IPPROTO_UDP: 6, IPPROTO_ICMP: 2, _IPPROTO_ICMPV6: 2}


class Reconstruction:
    """What was done to make the wire out of a capture. All counts are frames.

    `captured_at` is "wire" or "host", `why` the reasons in words. `lines()` for people, `as_dict()` for
    scripts.
    """

    __slots__ = (
        "captured_at", "checksum_unknown", "cut", "cut_checksum", "fragmented", "fragments", "merged", "own",
        "padded", "partial_checksums", "segments", "spread", "synthetic", "tagged", "why",
    )  # fmt: skip

    _ROWS = (
        ("own", "own transmissions of the host left out"),
        ("merged", "frames merged by GRO or LRO split"),
        ("segments", "segments they became"),
        ("fragmented", "packets larger than the MTU cut into IP fragments"),
        ("fragments", "fragments they became"),
        ("tagged", "VLAN tags restored"),
        ("synthetic", "synthetic Ethernet headers given"),
        ("cut", "frames cut by the snap length filled up with zeros"),
        ("cut_checksum", "checksums made good over filled-up payload"),
        ("checksum_unknown", "filled-up frames whose checksum cannot be made good"),
        ("partial_checksums", "partial checksums (offload) completed"),
        ("padded", "short frames padded to 60 bytes"),
        ("spread", "frames delayed to fit the link's rate"),
    )

    def __init__(self) -> None:
        self.captured_at = WIRE
        self.why: list[str] = []
        self.clear()

    def clear(self) -> None:
        """Counts to 0; the decision stays."""
        self.own = 0
        self.merged = 0
        self.segments = 0
        self.fragmented = 0
        self.fragments = 0
        self.tagged = 0
        self.synthetic = 0
        self.cut = 0
        self.cut_checksum = 0
        self.checksum_unknown = 0
        self.partial_checksums = 0
        self.padded = 0
        self.spread = 0

    def as_dict(self) -> dict[str, object]:
        """`captured_at`, `why` and every count by name, rows of 0 left out."""
        out: dict[str, object] = {"captured_at": self.captured_at, "why": list(self.why)}
        for name, _ in self._ROWS:
            value = getattr(self, name)
            if value:
                out[name] = value
        return out

    def lines(self) -> list[str]:
        """One line for the decision and one a count that is not 0."""
        out = [f"captured at the {self.captured_at}: {'; '.join(self.why)}"]
        for name, text in self._ROWS:
            value = getattr(self, name)
            if value:
                out.append(f"{value} {text}")
        return out

    def __str__(self) -> str:
        return "\n".join(self.lines())


class WireSource(Source):
    """The frames of a capture as the wire carried them. `reconstruction` says what was done; `mtu` is the
    one used.

    `host` is the u32 address of the capturing host and `own_macs` its MAC addresses, where known. `refused`
    counts, by (address, UDP port), the datagrams that the host itself answered with port unreachable.
    """

    __slots__ = ("_flows", "_reader", "_vlan", "host", "mtu", "own_macs", "reconstruction", "refused")

    def __init__(
        self,
        reader: CaptureReader,
        reconstruction: Reconstruction,
        mtu: int,
        host: int | None,
        own_macs: frozenset[bytes],
    ) -> None:
        super().__init__(reader.name, reader.total, reader)
        self._reader = reader
        self.reconstruction = reconstruction
        self.mtu = mtu
        self.host = host
        self.own_macs = own_macs
        # (address and port a SYN came from) -> the segment size it announced
        self._flows: dict[bytes, int] = {}
        self._vlan: list[int] = []
        self.refused: dict[tuple[int, int], int] = {}

    def clear_counts(self) -> None:
        self.frames = 0
        self.refused.clear()
        self.reconstruction.clear()

    def added(self) -> dict[str, int]:
        r = self.reconstruction
        return {SPLIT_SEGMENTS: r.segments - r.merged, CUT_FRAGMENTS: r.fragments - r.fragmented}

    def not_sent(self) -> dict[str, int]:
        return {OWN_TRANSMISSIONS: self.reconstruction.own}

    def close(self) -> None:
        """Close the file below."""
        self._reader.close()

    def __iter__(self) -> Iterator[Frame]:
        r = self.reconstruction
        host_mode = r.captured_at == HOST
        self._flows.clear()
        self._vlan.clear()
        interfaces = self._reader.interfaces
        synthetic: list[bool] = []
        for record in self._reader.ethernet():
            t, frame, orig, index, _ = record
            while index >= len(synthetic):
                synthetic.append(interfaces[len(synthetic)].linktype != 1)
            if synthetic[index]:
                r.synthetic += 1
            size = len(frame)
            if orig != size:
                frame = self._complete(frame, orig)
                size = orig
            if host_mode:
                if self._is_own(record):
                    r.own += 1
                    refusal = refused_port(frame)
                    if refusal is not None:
                        self.refused[refusal] = self.refused.get(refusal, 0) + 1
                    continue
                pieces = self._from_host(frame, index)
                if pieces is not None:
                    for piece in pieces:
                        if len(piece) < ETH_ZLEN:
                            r.padded += 1
                            piece = piece.ljust(ETH_ZLEN, b"\0")
                        self.frames += 1
                        yield t, piece
                    continue
            if size < ETH_ZLEN and type(frame) is bytes:
                r.padded += 1
                frame = frame.ljust(ETH_ZLEN, b"\0")
            self.frames += 1
            yield t, frame

    # --- cut frames ---

    def _complete(self, frame: bytes, orig: int) -> bytes:
        """The frame at its original length, zeros for what was cut, its checksum right for that."""
        r = self.reconstruction
        r.cut += 1
        have = len(frame)
        buf = bytearray(frame)
        buf.extend(bytes(orig - have))
        off, protocol = network_offset(frame)
        if protocol not in (ETH_P_IP, ETH_P_IPV6):
            return bytes(buf)
        span = _transport(buf, off, protocol, have)
        if span is None:
            # 0 is an IPv4 header that was cut itself, or a protocol without a checksum over its payload
            if _needs_checksum(buf, off, protocol, have):
                r.checksum_unknown += 1
            return bytes(buf)
        start, end, proto = span
        at = start + _CHECK_AT[proto]
        if at + 2 > have:
            r.checksum_unknown += 1
            return bytes(buf)
        if protocol == ETH_P_IP and buf[off + 6] & 0x3F | buf[off + 7]:
            first = not (buf[off + 6] & 0x1F or buf[off + 7])
            if not first:
                return bytes(buf)
            # The rest is in other frames. UDP may go without a checksum; the others cannot be saved.
            if proto == IPPROTO_UDP:
                buf[at : at + 2] = b"\0\0"
                r.cut_checksum += 1
            else:
                r.checksum_unknown += 1
            return bytes(buf)
        if end > orig:
            r.checksum_unknown += 1
            return bytes(buf)
        if proto == IPPROTO_UDP and protocol == ETH_P_IP and buf[at] == 0 == buf[at + 1]:
            return bytes(buf)
        _write_check(buf, off, protocol, start, end, proto, have)
        r.cut_checksum += 1
        return bytes(buf)

    # --- captured on a host ---

    def _is_own(self, record: RawRecord) -> bool:
        """Whether the capturing host sent it: what the capture says, else its MAC, else its IPv4 address."""
        direction = record[4]
        if direction:
            return direction == DIR_OUTBOUND
        frame = record[1]
        if self.own_macs and frame[6:12] in self.own_macs:
            return True
        if self.host is None:
            return False
        off, protocol = network_offset(frame)
        if protocol == ETH_P_IP and len(frame) >= off + 16:
            return int(_U32.unpack_from(frame, off + 12)[0]) == self.host
        if protocol == ETH_P_ARP and len(frame) >= off + 18:
            return int(_U32.unpack_from(frame, off + 14)[0]) == self.host
        return False

    def _from_host(self, frame: bytes, index: int) -> list[bytes] | None:
        """The frames that one captured frame was; None when it is the wire's already but for padding."""
        if type(frame) is BadFcsFrame:
            return None
        changed = False
        tag = self._tag(index)
        if tag and frame[12:14] not in (b"\x81\x00", b"\x88\xa8"):
            frame = vlan_insert_tag(frame, tag)
            self.reconstruction.tagged += 1
            changed = True
        off, protocol = network_offset(frame)
        if protocol == ETH_P_IP:
            out = self._ipv4_from_host(frame, off)
        elif protocol == ETH_P_IPV6:
            out = self._ipv6_from_host(frame, off)
        else:
            out = None
        if out is not None:
            return out
        return [frame] if changed else None

    def _tag(self, index: int) -> int:
        """The VLAN whose device the frame was captured on (eth0.5, vlan5), 0 when it was no VLAN's."""
        while index >= len(self._vlan):
            match = _VLAN_NAME.fullmatch(self._reader.interfaces[len(self._vlan)].name)
            vid = int(match[1]) if match else 0
            self._vlan.append(vid if vid < 4095 else 0)
        return self._vlan[index]

    def _ipv4_from_host(self, frame: bytes, off: int) -> list[bytes] | None:
        size = len(frame)
        if size < off + 20 or frame[off] >> 4 != 4:
            return None
        ihl = (frame[off] & 15) * 4
        start = off + ihl
        tot_len = frame[off + 2] << 8 | frame[off + 3]
        proto = frame[off + 9]
        if ihl < 20 or start > size:
            return None
        fragment = (frame[off + 6] & 0x3F) | frame[off + 7]
        # segmentation offload beyond 64 KiB writes a total length of 0
        end = size if tot_len == 0 and proto == IPPROTO_TCP else off + tot_len
        if end > size or end < start:
            return None
        if proto == IPPROTO_TCP and not fragment and end >= start + 20:
            thl = (frame[start + 12] >> 4) * 4
            if frame[start + 13] & TCPHDR_SYN:
                self._learn(
                    frame[off + 12 : off + 16] + frame[start : start + 2], frame[start + 20 : start + thl]
                )
            if end - off > self.mtu and thl >= 20 and start + thl < end:
                room = self.mtu - ihl - thl
                peer = self._flows.get(frame[off + 16 : off + 20] + frame[start + 2 : start + 4], 0)
                if peer:
                    room = min(room, peer - (thl - 20))
                if room > 0:
                    return self._split(frame, off, start, start + thl, end, room, ETH_P_IP)
        elif end - off > self.mtu:
            try:
                packets = ipv4_fragment(frame[off:end], self.mtu)
            except WireError:
                return None
            head = frame[:off]
            self.reconstruction.fragmented += 1
            self.reconstruction.fragments += len(packets)
            fixed = self._complete_partial(frame, off, ETH_P_IP, start, end, proto) if not fragment else None
            if fixed is not None:
                packets = ipv4_fragment(fixed[off:end], self.mtu)
            return [head + packet for packet in packets]
        if not fragment and (proto == IPPROTO_TCP or proto == IPPROTO_UDP):
            fixed = self._complete_partial(frame, off, ETH_P_IP, start, end, proto)
            if fixed is not None:
                return [fixed]
        return None

    def _ipv6_from_host(self, frame: bytes, off: int) -> list[bytes] | None:
        start = off + 40
        if len(frame) < start + 8 or frame[off + 6] not in (IPPROTO_TCP, IPPROTO_UDP):
            return None
        proto = frame[off + 6]
        end = start + (frame[off + 4] << 8 | frame[off + 5])
        if end == start and proto == IPPROTO_TCP:
            end = len(frame)
        if end > len(frame):
            return None
        if proto == IPPROTO_TCP and end >= start + 20:
            thl = (frame[start + 12] >> 4) * 4
            if frame[start + 13] & TCPHDR_SYN:
                self._learn(
                    frame[off + 8 : off + 24] + frame[start : start + 2], frame[start + 20 : start + thl]
                )
            if end - off > self.mtu and thl >= 20 and start + thl < end:
                room = self.mtu - 40 - thl
                peer = self._flows.get(frame[off + 24 : off + 40] + frame[start + 2 : start + 4], 0)
                if peer:
                    room = min(room, peer - (thl - 20))
                if room > 0:
                    return self._split(frame, off, start, start + thl, end, room, ETH_P_IPV6)
        fixed = self._complete_partial(frame, off, ETH_P_IPV6, start, end, proto)
        return None if fixed is None else [fixed]

    def _learn(self, key: bytes, options: bytes) -> None:
        """The segment size that a SYN announces bounds what its sender is sent."""
        try:
            for kind, data in tcp_options(options):
                if kind == TCPOPT_MSS and len(data) == 2:
                    if len(self._flows) >= _MAX_FLOWS:
                        self._flows.clear()
                    self._flows[key] = data[0] << 8 | data[1]
        except WireError:
            pass

    def _split(
        self, frame: bytes, off: int, start: int, data: int, end: int, room: int, protocol: int
    ) -> list[bytes]:
        """The segments that GRO merged: sequence numbers and IP ids count up, FIN and PSH stay on the last,
        CWR on the first, checksums are right (the host had verified them before it merged).
        """
        head = bytearray(frame[:data])
        seq = int(_U32.unpack_from(head, start + 4)[0])
        flags = head[start + 13]
        ident = head[off + 4] << 8 | head[off + 5]
        length = end - data
        out: list[bytes] = []
        for at in range(0, length, room):
            payload = frame[data + at : min(data + at + room, end)]
            _U32.pack_into(head, start + 4, seq + at & 0xFFFFFFFF)
            keep = flags
            if at + room < length:
                keep &= ~(TCPHDR_FIN | TCPHDR_PSH)
            if at:
                keep &= ~TCPHDR_CWR
            head[start + 13] = keep
            packet = data - off + len(payload)
            if protocol == ETH_P_IP:
                _U16.pack_into(head, off + 2, packet)
                _U16.pack_into(head, off + 4, ident + len(out) & 0xFFFF)
                head[off + 10 : off + 12] = b"\0\0"
                _U16.pack_into(head, off + 10, ip_fast_csum(head[off:start]))
            else:
                _U16.pack_into(head, off + 4, packet - 40)
            whole = head + payload
            _write_check(whole, off, protocol, start, len(whole), IPPROTO_TCP, len(whole))
            out.append(bytes(whole))
        self.reconstruction.merged += 1
        self.reconstruction.segments += len(out)
        return out

    def _complete_partial(
        self, frame: bytes, off: int, protocol: int, start: int, end: int, proto: int
    ) -> bytes | None:
        """The frame with its checksum done, when the field holds the pseudo header's sum alone and that is
        wrong.
        """
        at = start + _CHECK_AT[proto] if proto in (IPPROTO_TCP, IPPROTO_UDP) else end
        if at + 2 > end:
            return None
        field = frame[at] << 8 | frame[at + 1]
        if field != _pseudo(frame, off, protocol, end - start, proto):
            return None
        buf = bytearray(frame)
        _write_check(buf, off, protocol, start, end, proto, end)
        if buf[at] << 8 | buf[at + 1] == field:
            return None
        self.reconstruction.partial_checksums += 1
        return bytes(buf)


def _transport(buf: bytearray, off: int, protocol: int, have: int) -> tuple[int, int, int] | None:
    """(start, end, protocol) of a transport that has a checksum of ours; None when it has not or is not all
    captured.
    """
    if protocol == ETH_P_IP:
        if have < off + 20 or buf[off] >> 4 != 4:
            return None
        start = off + (buf[off] & 15) * 4
        end = off + (buf[off + 2] << 8 | buf[off + 3])
        proto = buf[off + 9]
        if proto == _IPPROTO_ICMPV6:
            return None
    else:
        if have < off + 40:
            return None
        start = off + 40
        end = start + (buf[off + 4] << 8 | buf[off + 5])
        proto = buf[off + 6]
        if proto == IPPROTO_ICMP:
            return None
    if proto not in _CHECK_AT or start >= end or start < off + 20:
        return None
    return start, end, proto


def _needs_checksum(buf: bytearray, off: int, protocol: int, have: int) -> bool:
    """Whether the cut went through a network header, so that not even the transport is known."""
    return have < off + (20 if protocol == ETH_P_IP else 40)


def _pseudo(buf: bytes | bytearray, off: int, protocol: int, length: int, proto: int) -> int:
    if protocol == ETH_P_IP:
        saddr, daddr = _U32.unpack_from(buf, off + 12)[0], _U32.unpack_from(buf, off + 16)[0]
        return csum_tcpudp_nofold(saddr, daddr, length, proto)
    return csum_ipv6_nofold(buf[off + 8 : off + 24], buf[off + 24 : off + 40], length, proto)


def _write_check(
    buf: bytearray, off: int, protocol: int, start: int, end: int, proto: int, have: int
) -> None:
    """Computes and writes the transport checksum over start..end; bytes from `have` on are known to be
    zeros.
    """
    at = start + _CHECK_AT[proto]
    buf[at : at + 2] = b"\0\0"
    csum = 0 if proto == IPPROTO_ICMP else _pseudo(buf, off, protocol, end - start, proto)
    check = csum_partial(buf[start : min(end, have)], csum) ^ 0xFFFF
    if check == 0 and proto == IPPROTO_UDP:
        check = 0xFFFF
    _U16.pack_into(buf, at, check)


def refused_port(frame: bytes) -> tuple[int, int] | None:
    """(address, UDP port) that an ICMP port unreachable quotes; None for any other frame."""
    off, protocol = network_offset(frame)
    if protocol != ETH_P_IP or len(frame) < off + 20 or frame[off + 9] != IPPROTO_ICMP:
        return None
    at = off + (frame[off] & 15) * 4
    if frame[at : at + 2] != bytes((ICMP_DEST_UNREACH, ICMP_PORT_UNREACH)) or len(frame) < at + 36:
        return None
    at += 8
    udp = at + (frame[at] & 15) * 4
    if frame[at + 9] != IPPROTO_UDP or len(frame) < udp + 4:
        return None
    return int(_U32.unpack_from(frame, at + 16)[0]), frame[udp + 2] << 8 | frame[udp + 3]


class _Evidence:
    """What the first records of a capture tell about where it was taken."""

    __slots__ = ("short", "jumbo", "kinds", "macs_padded", "merged", "outbound", "partial", "records", "sent")

    def __init__(self) -> None:
        self.records = 0
        self.kinds: set[int] = set()
        self.outbound = 0
        self.merged = 0
        self.jumbo = 0
        # own MACs betray themselves: checksums left to the NIC, short frames that the NIC was to pad
        self.partial: dict[bytes, int] = {}
        self.short: dict[bytes, int] = {}
        self.macs_padded: set[bytes] = set()
        self.sent: dict[bytes, int] = {}

    def look(self, record: RawRecord, linktype: int) -> None:
        _, frame, orig, _, direction = record
        self.records += 1
        self.kinds.add(linktype)
        self.sent[frame[6:12]] = self.sent.get(frame[6:12], 0) + 1
        if direction == DIR_OUTBOUND:
            self.outbound += 1
        if linktype != 1:
            return
        src = frame[6:12]
        if orig < ETH_ZLEN:
            self.short[src] = self.short.get(src, 0) + 1
        off, protocol = network_offset(frame)
        if protocol != ETH_P_IP or len(frame) < off + 20:
            return
        tot_len = frame[off + 2] << 8 | frame[off + 3]
        if orig == ETH_ZLEN and off + tot_len < ETH_ZLEN:
            self.macs_padded.add(src)
        proto = frame[off + 9]
        start = off + (frame[off] & 15) * 4
        length = tot_len or orig - off
        if proto == IPPROTO_TCP:
            if length > 1500:
                self.merged = max(self.merged, length)
        elif 1500 < length and not _U16.unpack_from(frame, off + 6)[0] & (IP_MF | IP_OFFSET):
            self.jumbo = max(self.jumbo, length)
        if proto in (IPPROTO_TCP, IPPROTO_UDP) and not _U16.unpack_from(frame, off + 6)[0] & (
            IP_MF | IP_OFFSET
        ):
            end = off + tot_len
            at = start + _CHECK_AT[proto]
            if at + 2 <= end <= len(frame) == orig:
                field = frame[at] << 8 | frame[at + 1]
                pseudo = _pseudo(frame, off, ETH_P_IP, end - start, proto)
                if field == pseudo and csum_partial(frame[start:end], pseudo) != 0xFFFF:
                    self.partial[src] = self.partial.get(src, 0) + 1


def _macs(found: set[bytes]) -> str:
    return ", ".join(mac_str(m) for m in sorted(found))


def as_wire(
    reader: CaptureReader,
    captured_at: str = AUTO,
    *,
    host: int | None = None,
    own_macs: frozenset[bytes] = frozenset(),
    mtu: int | None = None,
) -> WireSource:
    """A capture as the wire carried it.

    `captured_at`: "wire", "host" or "auto", which looks at the first 4096 records for what only a host
    sees: cooked, loopback or raw link types, outbound flags, TCP segments larger than any MTU, checksums
    left to offload. `host` (u32) and `own_macs` tell the capturing host's own frames where the capture does
    not; without either, auto takes the MAC that left its checksums to the NIC. `mtu` defaults to 1500, or
    9000 where unmerged packets of that size are.

    ValueError for another word. Damage in the file surfaces when the frames are read, not here.
    """
    if captured_at not in (AUTO, WIRE, HOST):
        raise ValueError(f"--captured-at {captured_at}: one of wire, host, auto")
    seen = _Evidence()
    try:
        for record in islice(reader.ethernet(), SAMPLE):
            seen.look(record, reader.interfaces[record[3]].linktype)
    except CaptureError:
        pass
    reader.reset()
    why: list[str] = []
    host_kinds = sorted(seen.kinds & HOST_ONLY)
    jumbo = 1500 < seen.jumbo <= 9216
    limit = mtu if mtu is not None else 9000 if jumbo else 1500
    suspects = set(seen.partial)
    if host_kinds:
        why.append(f"{', '.join(linktype_name(k) for k in host_kinds)} exists only on a host")
    if seen.outbound:
        why.append(f"{seen.outbound} of the first {seen.records} records are marked outbound")
    if seen.merged > max(limit, 1500) and not jumbo:
        why.append(f"TCP packets of up to {seen.merged} bytes do not fit an MTU of {limit}")
    if suspects:
        why.append(f"checksums of {_macs(suspects)} are left to the network card")
    if len(seen.short) == 1 and not set(seen.short) & seen.macs_padded and seen.macs_padded:
        short = set(seen.short)
        why.append(f"frames of {_macs(short)} are not padded to 60 bytes yet, those of others are")
        suspects |= short
    result = Reconstruction()
    if captured_at == AUTO:
        result.captured_at = HOST if why else WIRE
        result.why = why or ["no sign that it was taken on a host"]
    else:
        result.captured_at = captured_at
        result.why = ["as told"]
    macs = own_macs
    # loopback's zeros are everybody's, and a MAC that sent all there is leaves nothing to receive
    suspects.discard(bytes(6))
    suspects = {m for m in suspects if seen.sent[m] < seen.records}
    if result.captured_at == HOST:
        if not macs and host is None and not seen.outbound:
            if len(suspects) == 1:
                macs = frozenset(suspects)
                result.why.append(f"{_macs(suspects)} is taken for the host itself")
            elif not host_kinds or seen.kinds - {113, 276}:
                result.why.append("which frames the host itself sent cannot be told: none is left out")
        elif host is not None:
            result.why.append(f"{ip4_str(host)} is the host itself")
        if limit != 1500:
            result.why.append(f"MTU {limit}")
    return WireSource(reader, result, limit, host, macs)


__all__ = ["AUTO", "DIR_INBOUND", "HOST", "WIRE", "Reconstruction", "WireSource", "as_wire"]
