"""Puts the stages together in their right order: the one place that knows it.

capture or load -> the wire of it -> time in order -> speed -> loop -> faults -> cable -> start time.
"""

from __future__ import annotations

import os
from fractions import Fraction
from typing import BinaryIO

from rxpath.link.cable import DEFAULT_QUEUE, Cable, Monotonic
from rxpath.link.capture import CaptureReader
from rxpath.link.captured import AUTO, HOST, Reconstruction, WireSource, as_wire
from rxpath.link.faults import apply_faults
from rxpath.link.source import Loop, Shift, Source, SpeedUp, Tally


class Chain:
    """A source with its parts at hand: `source` is the outermost stage; `wire` and `cable` are None
    where there is none.

    Iterate `source`; afterwards (or meanwhile) ask `tally()` and `reconstruction()`.
    """

    __slots__ = ("cable", "origin", "source", "wire")

    def __init__(self, source: Source, origin: Source, wire: WireSource | None, cable: Cable | None) -> None:
        self.source = source
        self.origin = origin
        self.wire = wire
        self.cable = cable

    def tally(self) -> Tally:
        """Where all frames went so far."""
        return self.source.tally()

    def reconstruction(self) -> Reconstruction | None:
        """What was done to the capture; None for a load."""
        if self.wire is None:
            return None
        out = self.wire.reconstruction
        out.spread = self.cable.delayed if self.cable is not None and out.captured_at == HOST else 0
        return out

    def close(self) -> None:
        """Close the capture."""
        if self.wire is not None:
            self.wire.close()


def shape(
    source: Source,
    *,
    speed_up: Fraction | int | str = 1,
    loop: int = 1,
    faults: str = "",
    seed: int = 0,
    link_bps: int | None = None,
    queue: int | None = DEFAULT_QUEUE,
    start_ns: int | None = None,
) -> tuple[Source, Cable | None]:
    """Any source with the later stages around it, and its cable. `start_ns` None keeps the source's own
    times."""
    if not source.in_order():
        source = Monotonic(source)
    if Fraction(speed_up) != 1:
        source = SpeedUp(source, speed_up)
    if loop != 1:
        source = Loop(source, loop)
    if faults:
        source = apply_faults(source, faults, seed)
    cable = None
    if link_bps is not None:
        source = cable = Cable(source, link_bps, queue)
    if start_ns is not None:
        source = Shift(source, start_ns)
    return source, cable


def capture_chain(
    path: str | os.PathLike[str] | BinaryIO,
    *,
    captured_at: str = AUTO,
    host: int | None = None,
    own_macs: frozenset[bytes] = frozenset(),
    mtu: int | None = None,
    speed_up: Fraction | int | str = 1,
    loop: int = 1,
    faults: str = "",
    seed: int = 0,
    link_bps: int | None = None,
    queue: int | None = DEFAULT_QUEUE,
    start_ns: int | None = None,
) -> Chain:
    """A capture made ready for a NIC. CaptureError or ValueError, one line, when it cannot be."""
    reader = CaptureReader(path)
    try:
        wire = as_wire(reader, captured_at, host=host, own_macs=own_macs, mtu=mtu)
        source, cable = shape(
            wire, speed_up=speed_up, loop=loop, faults=faults, seed=seed, link_bps=link_bps, queue=queue,
            start_ns=start_ns,
        )  # fmt: skip
    except ValueError:
        reader.close()
        raise
    return Chain(source, reader, wire, cable)


def load_chain(
    load: Source,
    *,
    faults: str = "",
    seed: int = 0,
    link_bps: int | None = None,
    queue: int | None = DEFAULT_QUEUE,
    start_ns: int | None = None,
) -> Chain:
    """A generated load (or any source of the wire's frames) made ready for a NIC."""
    source, cable = shape(load, faults=faults, seed=seed, link_bps=link_bps, queue=queue, start_ns=start_ns)
    return Chain(source, load, None, cable)
