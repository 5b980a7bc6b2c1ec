"""A bad cable in real time: what each fault does, both ways, and that the counts add up."""

from __future__ import annotations

import errno
from collections import Counter
from typing import Any

import pytest

from rxpath.link.badcable import BadCable
from rxpath.link.source import BadFcsFrame


class Ends:
    """In place of a TAP: frames to read, and what was written."""

    name = "t0"
    tx_dropped = 0

    def __init__(self, frames: int = 0) -> None:
        self.to_read = [n.to_bytes(60, "big") for n in range(frames)]
        self.written: list[bytes] = []

    def read(self) -> bytes | None:
        return self.to_read.pop(0) if self.to_read else None

    def write(self, frame: bytes) -> bool:
        self.written.append(frame)
        return True

    def fileno(self) -> int:
        return 99


def through(faults: str, n: int = 10_000, seed: int = 1) -> tuple[list[int], list[int], dict[str, int], BadCable]:
    """Numbers of the frames that came in, that went out, and the cable's counts."""
    ends: Any = Ends(n)
    cable = BadCable(ends, faults, seed)
    came = []
    while (frame := cable.read()) is not None:
        came.append(int.from_bytes(frame, "big"))
    for k in range(n):
        assert cable.write(k.to_bytes(60, "big"))
    assert cable.tx_frames == n and cable.rx_frames == len(came) and cable.fileno() == 99
    return came, [int.from_bytes(f, "big") for f in ends.written], cable.counts(), cable


def test_lost_frames_are_counted() -> None:
    came, went, counts, _ = through("drop=5%")
    assert (len(came), len(went)) == (10_000 - counts["lost in"], 10_000 - counts["lost out"])
    assert 400 < counts["lost in"] < 600 and 400 < counts["lost out"] < 600
    assert came == sorted(came) and came != went  # each way has draws of its own


def test_doubled_and_reordered_frames_all_arrive() -> None:
    came, went, counts, cable = through("duplicate=2%,reorder=5%:4")
    for frames, side, way in ((came, "in", cable._in), (went, "out", cable._out)):
        seen = Counter(frames)
        assert len(frames) == 10_000 + counts[f"doubled {side}"] - way.held()
        assert set(range(10_000)) - set(seen) == {
            int.from_bytes(f, "big") for s in way.stages for _, f in s.held
        } - set(seen)
        assert frames != sorted(frames)
        assert max(a - b for a, b in zip(sorted(frames), frames, strict=True)) < 40


def test_a_broken_check_sequence_is_seen_by_the_card_and_never_reaches_the_host() -> None:
    ends: Any = Ends(2_000)
    cable = BadCable(ends, "corrupt=10%", 3)
    kinds = Counter(type(f).__name__ for f in iter(cable.read, None))
    assert kinds["BadFcsFrame"] == cable.counts()["corrupted in"] > 100
    assert kinds.total() == 2_000
    for _ in range(2_000):
        cable.write(bytes(60))
    assert len(ends.written) == 2_000 - cable.counts()["corrupted out"]
    assert not any(isinstance(f, BadFcsFrame) for f in ends.written) and set(ends.written) == {bytes(60)}


def test_the_same_seed_gives_the_same_faults() -> None:
    faults = "drop=3%,reorder=3%,duplicate=1%"
    assert through(faults, seed=5)[:3] == through(faults, seed=5)[:3]
    assert through(faults, seed=5)[0] != through(faults, seed=6)[0]


def test_a_delay_needs_a_clock() -> None:
    ends: Any = Ends()
    with pytest.raises(OSError) as e:
        BadCable(ends, "delay=5%:50us")
    assert e.value.errno == errno.ENOTSUP
