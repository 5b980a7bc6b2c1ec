"""`ethtool DEV`: link modes, speed, wake-on-LAN, message level, link."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..errors import FormatError, shown, unsigned, words
from . import fields

FORMAT = "ethtool DEV"
NOT_REPORTED = "Not reported"
PAUSE_USES = ("No", "Symmetric", "Symmetric Receive-only", "Transmit-only", "Receive-only")

# NETIF_MSG_* bits in order
MSG_NAMES = words(
    """
    drv probe link timer ifdown ifup rx_err tx_err tx_queued intr tx_done rx_status pktdata hw wol
    """
)


@dataclass(frozen=True, slots=True)
class LinkModes:
    """What one side can or offers.  `modes` in the order of the kernel's bits, e.g. ("100baseT/Half",
    "100baseT/Full").

    `autoneg` None = the line is not printed; `fec` () = not reported.
    """

    modes: tuple[str, ...] = ()
    pause: str | None = "No"
    autoneg: bool | None = None
    fec: tuple[str, ...] | None = ()


@dataclass(frozen=True, slots=True)
class Layout:
    """`autoneg_early`: Auto-negotiation after Duplex, else after Transceiver.

    `trailing_blank`: a blank after the last link mode of a line.  `level_tabs`: the message level stands
    behind tabs.
    """

    autoneg_early: bool = True
    trailing_blank: bool = False
    level_tabs: bool = False


NETLINK = Layout()
IOCTL = Layout(autoneg_early=False, trailing_blank=True, level_tabs=True)


@dataclass(frozen=True, slots=True)
class Settings:
    """A field is None where the line is not printed.  `speed` in Mb/s, 0 = Unknown!; `duplex` as printed."""

    device: str
    ports: tuple[str, ...] | None = None
    supported: LinkModes | None = None
    advertised: LinkModes | None = None
    partner: LinkModes | None = None
    speed: int | None = None
    duplex: str | None = None
    autoneg: bool | None = None
    port: str | None = None
    phyad: int | None = None
    transceiver: str | None = None
    mdix: str | None = None
    wol_supported: str | None = None
    wol: str | None = None
    msglvl: int | None = None
    link: bool | None = None
    link_note: str = ""


_SINGLE = {
    "Duplex": "duplex",
    "Port": "port",
    "Transceiver": "transceiver",
    "MDI-X": "mdix",
    "Supports Wake-on": "wol_supported",
    "Wake-on": "wol",
}
_SIDES = {"Supported": "supported", "Advertised": "advertised", "Link partner advertised": "partner"}
_LINE = re.compile(r"([A-Z][A-Za-z -]*?): ?(.*)")
_LINK = re.compile(r"(yes|no)(?: \((.*)\))?")


def parse(text: str) -> Settings:
    """The output of any version.

    FormatError otherwise; messages of a missing permission in between are passed over.
    """
    device, lines = fields.title(text, "Settings", FORMAT)
    if not device:
        raise FormatError(FORMAT, 1, "expected 'Settings for DEV:'")
    entries: list[tuple[int, str, list[str]]] = []
    for number, line in enumerate(lines[1:], 2):
        stripped = line.strip()
        if not stripped or stripped.startswith(("Cannot get ", "netlink error:")):
            continue
        match = _LINE.fullmatch(stripped)
        if match is not None:
            entries.append((number, match[1], [match[2].strip()]))
        elif entries and line[0] in " \t":
            entries[-1][2].append(stripped)
        else:
            raise FormatError(FORMAT, number, f"expected 'Name: value', found {shown(stripped)}")
    if not entries:
        raise FormatError(FORMAT, 0, "no settings")
    return _collect(device, entries)


def _collect(device: str, entries: list[tuple[int, str, list[str]]]) -> Settings:
    single: dict[str, str] = {}
    sides: dict[str, dict[str, str]] = {}
    ports: tuple[str, ...] | None = None
    speed: int | None = None
    autoneg: bool | None = None
    phyad: int | None = None
    msglvl: int | None = None
    link: bool | None = None
    note = ""
    for number, name, parts in entries:
        value = " ".join(p for p in parts if p)
        if name == "Supported ports":
            ports = tuple(value.strip("[]").split())
        elif name == "Speed":
            speed = (
                0 if value.startswith("Unknown!") else unsigned(value.removesuffix("Mb/s"), FORMAT, number, "a speed")
            )
        elif name in ("Auto-negotiation", "Autonegotiation"):
            autoneg = fields.switch(value, FORMAT, number)
        elif name == "PHYAD":
            phyad = unsigned(value, FORMAT, number)
        elif name == "Current message level":
            word = parts[0].split()[0] if parts[0] else ""
            if re.fullmatch(r"0x[0-9a-fA-F]{1,8}", word) is None:
                raise FormatError(FORMAT, number, f"expected a message level, found {shown(value)}")
            msglvl = int(word, 16)
        elif name == "Link detected":
            match = _LINK.fullmatch(value)
            if match is None:
                raise FormatError(FORMAT, number, f"expected yes or no, found {shown(value)}")
            link, note = match[1] == "yes", match[2] or ""
        elif name in _SINGLE:
            single[_SINGLE[name]] = value
        else:
            side, what = _side(name)
            if side:
                sides.setdefault(side, {})[what] = value
            # anything else (SecureOn password, Master-slave ...) does not concern receiving
    built = {_SIDES[key]: _modes(have) for key, have in sides.items()}
    return Settings(
        device,
        ports,
        built.get("supported"),
        built.get("advertised"),
        built.get("partner"),
        speed,
        single.get("duplex"),
        autoneg,
        single.get("port"),
        phyad,
        single.get("transceiver"),
        single.get("mdix"),
        single.get("wol_supported"),
        single.get("wol"),
        msglvl,
        link,
        note,
    )


def _side(name: str) -> tuple[str, str]:
    if name == "Supports auto-negotiation":
        return "Supported", "autoneg"
    for side in _SIDES:
        for suffix, what in (
            (" link modes", "modes"),
            (" pause frame use", "pause"),
            (" auto-negotiation", "autoneg"),
            (" FEC modes", "fec"),
        ):
            if name == side + suffix:
                return side, what
    return "", ""


def _modes(have: dict[str, str]) -> LinkModes:
    modes = have.get("modes", NOT_REPORTED)
    fec = have.get("fec")
    return LinkModes(
        () if modes == NOT_REPORTED else tuple(modes.split()),
        have.get("pause"),
        have["autoneg"] == "Yes" if "autoneg" in have else None,
        None if fec is None else (() if fec in (NOT_REPORTED, "No") else tuple(fec.split())),
    )


def render(value: Settings, layout: Layout) -> str:
    """The output of ethtool 6.1; the form is the layout's."""
    out = [f"Settings for {value.device}:\n"]
    if value.ports is not None:
        out.append(f"\tSupported ports: [ {' '.join(value.ports)} ]\n")
    if value.supported is not None:
        out.append(_render_modes("Supported", value.supported, "Supports auto-negotiation", layout))
    if value.advertised is not None:
        out.append(_render_modes("Advertised", value.advertised, "Advertised auto-negotiation", layout))
    if value.partner is not None:
        side = "Link partner advertised"
        out.append(_render_modes(side, value.partner, side + " auto-negotiation", layout))
    autoneg = "" if value.autoneg is None else f"\tAuto-negotiation: {fields.show_switch(value.autoneg)}\n"
    if value.speed is not None:
        out.append(f"\tSpeed: {f'{value.speed}Mb/s' if value.speed else 'Unknown!'}\n")
    if value.duplex is not None:
        out.append(f"\tDuplex: {value.duplex}\n")
    if layout.autoneg_early:
        out.append(autoneg)
    if value.port is not None:
        out.append(f"\tPort: {value.port}\n")
    if value.phyad is not None:
        out.append(f"\tPHYAD: {value.phyad}\n")
    if value.transceiver is not None:
        out.append(f"\tTransceiver: {value.transceiver}\n")
    if not layout.autoneg_early:
        out.append(autoneg)
    if value.mdix is not None:
        out.append(f"\tMDI-X: {value.mdix}\n")
    if value.wol_supported is not None:
        out.append(f"\tSupports Wake-on: {value.wol_supported}\n")
    if value.wol is not None:
        out.append(f"\tWake-on: {value.wol}\n")
    if value.msglvl is not None:
        names = [n for bit, n in enumerate(MSG_NAMES) if (value.msglvl >> bit) & 1]
        indents = ("\t", "\t\t\t       ") if layout.level_tabs else (" " * 8, " " * 31)
        out.append(f"{indents[0]}Current message level: 0x{value.msglvl:08x} ({value.msglvl})\n")
        out.append(indents[1] + " ".join(names) + "\n")
    if value.link is not None:
        note = f" ({value.link_note})" if value.link_note else ""
        out.append(f"\tLink detected: {'yes' if value.link else 'no'}{note}\n")
    return "".join(out)


def _render_modes(side: str, m: LinkModes, autoneg: str, layout: Layout) -> str:
    gap = {"Supported": "   "}.get(side, "  ")
    label = f"{side} link modes:{gap}"
    out = f"\t{label}{_lines(m.modes, len(label), ' ' if layout.trailing_blank else '')}\n"
    if m.pause is not None:
        out += f"\t{side} pause frame use: {m.pause}\n"
    if m.autoneg is not None:
        out += f"\t{autoneg}: {'Yes' if m.autoneg else 'No'}\n"
    if m.fec is not None:
        out += f"\t{side} FEC modes: {' '.join(m.fec) or NOT_REPORTED}\n"
    return out


def _lines(modes: Sequence[str], indent: int, end: str) -> str:
    """Modes one a line, but the full-duplex one beside its half-duplex one."""
    if not modes:
        return NOT_REPORTED
    out = modes[0]
    for before, mode in pairwise(modes):
        half, _, duplex = before.partition("/")
        beside = duplex == "Half" and mode == half + "/Full"
        out += (" " if beside else end + "\n\t" + " " * indent) + mode
    return out + end
