"""`ethtool -l DEV`: queues, maximum and current (ETHTOOL_GCHANNELS, netlink CHANNELS_GET)."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import FormatError, shown
from . import fields

FORMAT = "ethtool -l"
_MAXIMUMS = "Pre-set maximums:"
_CURRENT = "Current hardware settings:"
_NAMES = ("RX", "TX", "Other", "Combined")


@dataclass(frozen=True, slots=True)
class ChannelCounts:
    """None = n/a: the driver has no channels of this kind (netlink form only)."""

    rx: int | None = None
    tx: int | None = None
    other: int | None = None
    combined: int | None = None


@dataclass(frozen=True, slots=True)
class Channels:
    device: str
    maximum: ChannelCounts
    current: ChannelCounts


def parse(text: str) -> Channels:
    """The output of any version, either form.  FormatError otherwise."""
    device, lines = fields.title(text, "Channel parameters", FORMAT)
    counts: dict[str, dict[str, int | None]] = {_MAXIMUMS: {}, _CURRENT: {}}
    section = ""
    for number, line in enumerate(lines, 1):
        stripped = line.strip()
        if not stripped or (number == 1 and device):
            continue
        if stripped in counts:
            section = stripped
            continue
        name, colon, value = stripped.partition(":")
        if not colon or not section or name not in _NAMES or name in counts[section]:
            raise FormatError(FORMAT, number, f"expected a line of channel parameters, found {shown(stripped)}")
        counts[section][name] = fields.number(value.strip(), FORMAT, number)
    if not counts[_CURRENT]:
        raise FormatError(FORMAT, 0, "no current hardware settings")
    return Channels(device, _counts(counts[_MAXIMUMS]), _counts(counts[_CURRENT]))


def _counts(have: dict[str, int | None]) -> ChannelCounts:
    return ChannelCounts(have.get("RX"), have.get("TX"), have.get("Other"), have.get("Combined"))


def render(value: Channels) -> str:
    """The netlink form of ethtool 6.1."""
    return _render(value, "n/a")


def render_ioctl(value: Channels) -> str:
    """The ioctl form: 0 for what the driver has not, an empty line at the end."""
    return _render(value, "0") + "\n"


def _render(value: Channels, missing: str) -> str:
    out = [f"Channel parameters for {value.device}:\n"]
    for heading, c in ((_MAXIMUMS, value.maximum), (_CURRENT, value.current)):
        out.append(f"{heading}\n")
        for name, count in zip(_NAMES, (c.rx, c.tx, c.other, c.combined), strict=True):
            tabs = "\t" if name == "Combined" else "\t\t"
            out.append(f"{name}:{tabs}{missing if count is None else count}\n")
    return "".join(out)
