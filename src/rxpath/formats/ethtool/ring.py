"""`ethtool -g DEV`: descriptor rings, maximum and current (ETHTOOL_GRINGPARAM, netlink RINGS_GET)."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import FormatError, shown
from . import fields

FORMAT = "ethtool -g"
_MAXIMUMS = "Pre-set maximums:"
_CURRENT = "Current hardware settings:"
_SIZES = ("RX", "RX Mini", "RX Jumbo", "TX")
_WIDE = ("RX Buf Len", "CQE Size")  # two tabs after these in every version that prints them


@dataclass(frozen=True, slots=True)
class RingSizes:
    """Numbers of descriptors; None = n/a: the driver has no such ring (netlink form only)."""

    rx: int | None = None
    rx_mini: int | None = None
    rx_jumbo: int | None = None
    tx: int | None = None


@dataclass(frozen=True, slots=True)
class Ring:
    """`extra`, `maximum_extra`: further lines by name -> text; those of ethtool 6.1 are `EXTRA_6_1`."""

    device: str
    maximum: RingSizes
    current: RingSizes
    extra: dict[str, str] = field(default_factory=dict)
    maximum_extra: dict[str, str] = field(default_factory=dict)


EXTRA_6_1: dict[str, str] = {
    "RX Buf Len": "n/a",
    "CQE Size": "n/a",
    "TX Push": "off",
    "TCP data split": "n/a",
}


def parse(text: str) -> Ring:
    """The output of any version, either form.  FormatError otherwise."""
    device, lines = fields.title(text, "Ring parameters", FORMAT)
    sizes: dict[str, dict[str, int | None]] = {_MAXIMUMS: {}, _CURRENT: {}}
    extra: dict[str, dict[str, str]] = {_MAXIMUMS: {}, _CURRENT: {}}
    section = ""
    for number, line in enumerate(lines, 1):
        stripped = line.strip()
        if not stripped or (number == 1 and device):
            continue
        if stripped in sizes:
            section = stripped
            continue
        name, colon, value = stripped.partition(":")
        value = value.strip()
        if not colon or not section:
            raise FormatError(FORMAT, number, f"expected a line of ring parameters, found {shown(stripped)}")
        if name in _SIZES and name not in sizes[section]:
            sizes[section][name] = fields.number(value, FORMAT, number)
        elif name not in _SIZES and name not in extra[section]:
            extra[section][name] = value
        else:
            raise FormatError(FORMAT, number, f"{shown(name)} does not belong here")
    if not sizes[_CURRENT]:
        raise FormatError(FORMAT, 0, "no current hardware settings")
    return Ring(device, _sizes(sizes[_MAXIMUMS]), _sizes(sizes[_CURRENT]), extra[_CURRENT], extra[_MAXIMUMS])


def _sizes(have: dict[str, int | None]) -> RingSizes:
    return RingSizes(have.get("RX"), have.get("RX Mini"), have.get("RX Jumbo"), have.get("TX"))


def render(value: Ring) -> str:
    """The netlink form of ethtool 6.1."""
    out = [f"Ring parameters for {value.device}:\n"]
    for heading, s, extra in (
        (_MAXIMUMS, value.maximum, value.maximum_extra),
        (_CURRENT, value.current, value.extra),
    ):
        out.append(f"{heading}\n")
        for name, size in zip(_SIZES, (s.rx, s.rx_mini, s.rx_jumbo, s.tx), strict=True):
            out.append(f"{name}:{_tabs(name)}{fields.show_number(size)}\n")
        for name, text in extra.items():
            out.append(f"{name}:{_tabs(name)}{text}\n")
    return "".join(out)


def _tabs(name: str) -> str:
    return "\t\t" if name in ("RX", "TX") or name in _WIDE else "\t"


def render_ioctl(value: Ring) -> str:
    """The ioctl form: 0 for what the driver has not, no further lines, an empty line at the end."""
    out = [f"Ring parameters for {value.device}:\n"]
    for heading, s in ((_MAXIMUMS, value.maximum), (_CURRENT, value.current)):
        out.append(f"{heading}\n")
        for name, size in zip(_SIZES, (s.rx, s.rx_mini, s.rx_jumbo, s.tx), strict=True):
            out.append(f"{name}:{_tabs(name)}{size or 0}\n")
    return "".join(out) + "\n"
