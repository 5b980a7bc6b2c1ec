"""`ethtool -a DEV`: flow control (ETHTOOL_GPAUSEPARAM, netlink PAUSE_GET)."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import FormatError, shown, unsigned
from . import fields

FORMAT = "ethtool -a"


@dataclass(frozen=True, slots=True)
class Pause:
    """`negotiated_*` None = not printed (no link partner modes); `statistics` with -I: name -> frames."""

    device: str
    autoneg: bool | None = False
    rx: bool | None = False
    tx: bool | None = False
    negotiated_rx: bool | None = None
    negotiated_tx: bool | None = None
    statistics: dict[str, int] = field(default_factory=dict)


def parse(text: str) -> Pause:
    """The output of any version, either form.  FormatError otherwise."""
    device, lines = fields.title(text, "Pause parameters", FORMAT)
    seen: dict[str, bool | None] = {}
    statistics: dict[str, int] = {}
    in_statistics = False
    for number, line in enumerate(lines, 1):
        stripped = line.strip()
        if not stripped or (number == 1 and device):
            continue
        name, colon, value = stripped.partition(":")
        value = value.strip()
        if name == "Statistics" and not value:
            in_statistics = True
        elif in_statistics and colon:
            statistics[name] = unsigned(value, FORMAT, number)
        elif name in ("Autonegotiate", "RX", "TX", "RX negotiated", "TX negotiated") and name not in seen:
            seen[name] = fields.switch(value, FORMAT, number)
        else:
            raise FormatError(FORMAT, number, f"expected a line of pause parameters, found {shown(stripped)}")
    if "RX" not in seen:
        raise FormatError(FORMAT, 0, "no RX line")
    return Pause(
        device,
        seen.get("Autonegotiate"),
        seen["RX"],
        seen.get("TX"),
        seen.get("RX negotiated"),
        seen.get("TX negotiated"),
        statistics,
    )


def render(value: Pause) -> str:
    """The netlink form of ethtool 6.1."""
    return _render(value, " ")


def render_json(value: Pause) -> str:
    """`ethtool --json -a`."""
    words = {True: "true", False: "false", None: "null"}
    out = [
        '[ {\n        "ifname": "' + value.device + '"',
        f'        "autonegotiate": {words[value.autoneg]}',
        f'        "rx": {words[value.rx]}',
        f'        "tx": {words[value.tx]}',
    ]
    if value.negotiated_rx is not None:
        rx, tx = words[value.negotiated_rx], words[value.negotiated_tx]
        out.append(f'        "negotiated": {{\n            "rx": {rx},\n            "tx": {tx}\n        }}')
    return ",\n".join(out) + "\n    } ]\n"


def render_ioctl(value: Pause) -> str:
    """The ioctl form: a tab before the negotiated states."""
    return _render(value, "\t")


def _render(value: Pause, gap: str) -> str:
    out = [f"Pause parameters for {value.device}:\n"]
    out.append(f"Autonegotiate:\t{fields.show_switch(value.autoneg)}\n")
    out.append(f"RX:\t\t{fields.show_switch(value.rx)}\n")
    out.append(f"TX:\t\t{fields.show_switch(value.tx)}\n")
    if value.negotiated_rx is not None:
        out.append(f"RX negotiated:{gap}{fields.show_switch(value.negotiated_rx)}\n")
    if value.negotiated_tx is not None:
        out.append(f"TX negotiated:{gap}{fields.show_switch(value.negotiated_tx)}\n")
    if value.statistics:
        out.append("Statistics:\n")
        out.extend(f"  {name}: {number}\n" for name, number in value.statistics.items())
    return "".join(out) + "\n"
