"""Stages that fit a capture to the host on which it is replayed: who its peers are, addresses where it has
none, pauses that nobody waits for.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

from rxpath.link.source import Frame, Source

MAX_PEERS: Final = 4096
NO_MAC: Final = bytes(6)
PEER_MAC: Final = b"\x02\x00\x00\x00\x00\x01"
# Longer than every timer of the receive path; a capture with longer ones was joined from several.
LONGEST_PAUSE_NS: Final = 3600 * 10**9


class PeerWatch(Source):
    """Passes frames on and remembers from which MAC each (source, destination) pair of IPv4 addresses came."""

    __slots__ = ("pairs",)

    def __init__(self, inner: Source) -> None:
        super().__init__(inner.name, inner.total, inner)
        self.pairs: dict[bytes, bytes] = {}

    def __iter__(self) -> Iterator[Frame]:
        assert self.inner is not None
        pairs = self.pairs
        for item in self.inner:
            frame = item[1]
            kind = frame[12:14]
            at = 26
            if kind == b"\x81\x00":
                kind = frame[16:18]
                at = 30
            if kind == b"\x08\x00":
                pair = frame[at : at + 8]
                if pair not in pairs and len(pair) == 8:
                    pairs[pair] = frame[6:12]
            self.frames += 1
            yield item

    def peers_of(self, ip: int) -> dict[int, bytes]:
        """Who sent to `ip`, in the order of appearance: address -> MAC; the first 4096."""
        to = ip.to_bytes(4, "big")
        found = {int.from_bytes(pair[:4], "big"): mac for pair, mac in self.pairs.items() if pair[4:] == to}
        return dict(islice(found.items(), MAX_PEERS))


class Addressed(Source):
    """Frames without Ethernet addresses, as a loopback device has them, get those of a NIC and a peer."""

    __slots__ = ("mac", "peer")

    def __init__(self, inner: Source, mac: bytes, peer: bytes = PEER_MAC) -> None:
        super().__init__(inner.name, inner.total, inner)
        self.mac = mac
        self.peer = peer

    def __iter__(self) -> Iterator[Frame]:
        assert self.inner is not None
        for item in self.inner:
            frame = item[1]
            if frame.startswith(NO_MAC):
                source = self.peer if frame[6:12] == NO_MAC else frame[6:12]
                item = (item[0], type(frame)(self.mac + source + frame[12:]))
            self.frames += 1
            yield item


class Shortened(Source):
    """Pauses between frames of more than `limit_ns` become that long; `hits` counts them, `cuts` has for each the time
    of the frame behind it and what was cut until then.
    """

    __slots__ = ("cuts", "hits", "limit_ns")

    def __init__(self, inner: Source, limit_ns: int = LONGEST_PAUSE_NS) -> None:
        super().__init__(inner.name, inner.total, inner)
        self.limit_ns = limit_ns
        self.hits = 0
        self.cuts: list[tuple[int, int]] = []

    def clear_counts(self) -> None:
        self.frames = 0
        self.hits = 0
        self.cuts.clear()

    def __iter__(self) -> Iterator[Frame]:
        assert self.inner is not None
        limit = self.limit_ns
        cut = 0
        last: int | None = None
        for item in self.inner:
            time = item[0]
            if last is not None and time - last > limit:
                cut += time - last - limit
                self.hits += 1
                self.cuts.append((time, cut))
            # A clock that was set back is not a pause: the latest time so far counts.
            if last is None or time > last:
                last = time
            self.frames += 1
            yield (time - cut, item[1]) if cut else item
