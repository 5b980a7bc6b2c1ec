"""`ethtool -k DEV`: offloads (FEATURES_GET), and what `-K` prints when the result is not what was asked for.

The kernel knows features by its own names (tx-tcp-segmentation); ethtool gathers some under older names
(tcp-segmentation-offload).  `from_kernel` does the gathering.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import FormatError, shown
from . import fields

FORMAT = "ethtool -k"


@dataclass(frozen=True, slots=True)
class OffFlag:
    """An older name: as printed, as `-K` takes it in short, and the kernel's features under it (one *
    allowed).
    """

    long_name: str
    short_name: str
    pattern: str

    def matches(self, feature: str) -> bool:
        head, star, tail = self.pattern.partition("*")
        if not star:
            return feature == self.pattern
        return len(feature) >= len(head) + len(tail) and feature.startswith(head) and feature.endswith(tail)


OFF_FLAGS: tuple[OffFlag, ...] = (
    OffFlag("rx-checksumming", "rx", "rx-checksum"),
    OffFlag("tx-checksumming", "tx", "tx-checksum-*"),
    OffFlag("scatter-gather", "sg", "tx-scatter-gather*"),
    OffFlag("tcp-segmentation-offload", "tso", "tx-tcp*-segmentation"),
    OffFlag("generic-segmentation-offload", "gso", "tx-generic-segmentation"),
    OffFlag("generic-receive-offload", "gro", "rx-gro"),
    OffFlag("large-receive-offload", "lro", "rx-lro"),
    OffFlag("rx-vlan-offload", "rxvlan", "rx-vlan-hw-parse"),
    OffFlag("tx-vlan-offload", "txvlan", "tx-vlan-hw-insert"),
    OffFlag("ntuple-filters", "ntuple", "rx-ntuple-filter"),
    OffFlag("receive-hashing", "rxhash", "rx-hashing"),
)


@dataclass(frozen=True, slots=True)
class KernelFeature:
    """One bit of netdev->features in the kernel's order.  `fixed`: not in hw_features or never changes."""

    name: str
    active: bool
    fixed: bool = True
    wanted: bool = False


@dataclass(frozen=True, slots=True)
class Feature:
    """One line.  `requested` None = as requested; `indented`: printed under the older name before it."""

    name: str
    on: bool
    fixed: bool = False
    requested: bool | None = None
    indented: bool = False


@dataclass(frozen=True, slots=True)
class Features:
    device: str
    items: tuple[Feature, ...]

    def get(self, name: str) -> Feature | None:
        """By the name printed, or by the short name of -K (gro, lro, rx, ...)."""
        for flag in OFF_FLAGS:
            if flag.short_name == name:
                name = flag.long_name
        for item in self.items:
            if item.name == name:
                return item
        return None

    def on(self, name: str) -> bool | None:
        """Whether it is on; None where this text does not have it."""
        item = self.get(name)
        return None if item is None else item.on


def from_kernel(device: str, features: Sequence[KernelFeature]) -> Features:
    """The list as ethtool prints it from the kernel's features in the kernel's order; nameless bits are not
    shown.
    """
    items: list[Feature] = []
    taken: set[str] = set()
    for flag in OFF_FLAGS:
        matching = [f for f in features if f.name and f.name not in taken and flag.matches(f.name)]
        taken.update(f.name for f in matching)
        if len(matching) == 1:
            items.append(_line(matching[0], flag.long_name, False))
            continue
        items.append(Feature(flag.long_name, any(f.active for f in matching)))
        items.extend(_line(f, f.name, True) for f in matching)
    items.extend(_line(f, f.name, False) for f in features if f.name and f.name not in taken)
    return Features(device, tuple(items))


def _line(f: KernelFeature, name: str, indented: bool) -> Feature:
    requested = f.wanted if not f.fixed and f.wanted != f.active else None
    return Feature(name, f.active, f.fixed, requested, indented)


def parse(text: str) -> Features:
    """The output of any version.  FormatError otherwise."""
    device, lines = fields.title(text, "Features", FORMAT)
    if not device and lines and lines[0].startswith("Offload parameters for "):  # before 2012
        device = lines[0].strip()[len("Offload parameters for ") :].rstrip(":")
    items: list[Feature] = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or (number == 1 and device):
            continue
        name, colon, rest = line.partition(":")
        rest = rest.strip()
        state, _, note = rest.partition(" ")
        if not colon or not name.strip() or " " in name.strip() or state not in ("on", "off"):
            raise FormatError(FORMAT, number, f"expected 'feature: on' or off, found {shown(line)}")
        if note not in ("", "[fixed]", "[requested on]", "[requested off]", "[not requested]"):
            raise FormatError(FORMAT, number, f"expected [fixed] or [requested ...], found {shown(note)}")
        requested = {"[requested on]": True, "[requested off]": False}.get(note)
        items.append(Feature(name.strip(), state == "on", note == "[fixed]", requested, line.startswith(("\t", " "))))
    if not items:
        raise FormatError(FORMAT, 0, "no features")
    return Features(device, tuple(items))


def render(value: Features) -> str:
    out = [f"Features for {value.device}:\n"]
    for item in value.items:
        note = " [fixed]" if item.fixed else ""
        if item.requested is not None:
            note = " [requested on]" if item.requested else " [requested off]"
        out.append(f"{chr(9) if item.indented else ''}{item.name}: {'on' if item.on else 'off'}{note}\n")
    return "".join(out)


def render_json(value: Features) -> str:
    """`ethtool --json -k`: an older name for several features says neither fixed nor requested."""
    out = ['[ {\n        "ifname": "' + value.device + '"']
    for i, item in enumerate(value.items):
        heads = not item.indented and i + 1 < len(value.items) and value.items[i + 1].indented
        asked = item.requested if item.requested is not None else item.on and not item.fixed
        fixed, requested = ("null", "null") if heads else (str(item.fixed).lower(), str(asked).lower())
        out.append(
            f'        "{item.name}": {{\n            "active": {str(item.on).lower()},\n'
            f'            "fixed": {fixed},\n            "requested": {requested}\n        }}'
        )
    return ",\n".join(out) + "\n    } ]\n"


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one kernel feature after -K.  `refused`: it was asked for and is now the opposite."""

    name: str
    on: bool
    requested: bool
    refused: bool = False


def render_changes(changes: Sequence[Change]) -> str:
    """`-K` prints this when something is not as asked, or changed without being asked; "" when all is as
    asked.
    """
    if not any(c.refused or not c.requested for c in changes):
        return ""
    out = ["Actual changes:\n"]
    for c in changes:
        note = ""
        if c.refused:
            note = f" [requested {'off' if c.on else 'on'}]"
        elif not c.requested:
            note = " [not requested]"
        out.append(f"{c.name}: {'on' if c.on else 'off'}{note}\n")
    return "".join(out)
