"""`ethtool -c DEV`: interrupt moderation (ETHTOOL_GCOALESCE, netlink COALESCE_GET)."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import FormatError, shown
from . import fields

FORMAT = "ethtool -c"

# blocks of lines as printed; names are those that `ethtool -C` takes
BLOCKS: tuple[tuple[str, ...], ...] = (
    ("stats-block-usecs", "sample-interval", "pkt-rate-low", "pkt-rate-high"),
    ("rx-usecs", "rx-frames", "rx-usecs-irq", "rx-frames-irq"),
    ("tx-usecs", "tx-frames", "tx-usecs-irq", "tx-frames-irq"),
    ("rx-usecs-low", "rx-frames-low", "tx-usecs-low", "tx-frames-low"),
    ("rx-usecs-high", "rx-frames-high", "tx-usecs-high", "tx-frames-high"),
)
NAMES: tuple[str, ...] = tuple(name for block in BLOCKS for name in block)


@dataclass(frozen=True, slots=True)
class Coalesce:
    """`values`: name -> number; a name that is absent is n/a (netlink) or 0 (ioctl): the driver has no such
    parameter.

    `extra`: further `name: text` lines of later versions (tx-aggr-max-bytes, rx-profile, ...).
    """

    device: str
    adaptive_rx: bool | None = None
    adaptive_tx: bool | None = None
    values: dict[str, int] = field(default_factory=dict)
    cqe_rx: bool | None = None
    cqe_tx: bool | None = None
    extra: dict[str, str] = field(default_factory=dict)

    def get(self, name: str) -> int | None:
        return self.values.get(name)


def parse(text: str) -> Coalesce:
    """The output of any version, either form.  FormatError otherwise."""
    device, lines = fields.title(text, "Coalesce parameters", FORMAT)
    values: dict[str, int] = {}
    extra: dict[str, str] = {}
    adaptive: tuple[bool | None, bool | None] = (None, None)
    cqe: tuple[bool | None, bool | None] = (None, None)
    seen = False
    for number, line in enumerate(lines, 1):
        stripped = line.strip()
        if not stripped or (number == 1 and device):
            continue
        if stripped.startswith("Adaptive RX:"):
            adaptive = _pair(stripped[len("Adaptive RX:") :], number)
            seen = True
            continue
        if stripped.startswith("CQE mode RX:"):
            cqe = _pair(stripped[len("CQE mode RX:") :], number)
            continue
        name, colon, value = stripped.partition(":")
        name = name.replace("rx-frame-", "rx-frames-").replace("tx-frame-", "tx-frames-")
        value = value.strip()
        if not colon or not name or " " in name or name in values or name in extra:
            raise FormatError(FORMAT, number, f"expected 'name: number', found {shown(stripped)}")
        if name in NAMES:
            amount = fields.number(value, FORMAT, number)
            seen = True
            if amount is not None:
                values[name] = amount
        else:
            extra[name] = value
    if not seen:
        raise FormatError(FORMAT, 0, "no coalesce parameters")
    return Coalesce(device, adaptive[0], adaptive[1], values, cqe[0], cqe[1], extra)


def _pair(text: str, number: int) -> tuple[bool | None, bool | None]:
    words = text.split()
    if len(words) != 3 or words[1] != "TX:":
        raise FormatError(FORMAT, number, f"expected 'RX: on TX: on', found {shown(text.strip())}")
    return fields.switch(words[0], FORMAT, number), fields.switch(words[2], FORMAT, number)


def render(value: Coalesce) -> str:
    """The netlink form of ethtool 6.1."""
    out = [f"Coalesce parameters for {value.device}:\n"]
    out.append(f"Adaptive RX: {fields.show_switch(value.adaptive_rx)}  TX: {fields.show_switch(value.adaptive_tx)}\n")
    for block in BLOCKS:
        for name in block:
            label = name.replace("-frames-low", "-frame-low").replace("-frames-high", "-frame-high")
            out.append(f"{label}: {fields.show_number(value.values.get(name))}\n")
        out.append("\n")
    out.append(f"CQE mode RX: {fields.show_switch(value.cqe_rx)}  TX: {fields.show_switch(value.cqe_tx)}\n\n")
    return "".join(out)


def render_ioctl(value: Coalesce) -> str:
    """The ioctl form: 0 and off for what the driver has not, no CQE line."""
    out = [f"Coalesce parameters for {value.device}:\n"]
    out.append(f"Adaptive RX: {'on' if value.adaptive_rx else 'off'}  TX: {'on' if value.adaptive_tx else 'off'}\n")
    for block in BLOCKS:
        out.extend(f"{name}: {value.values.get(name, 0)}\n" for name in block)
        out.append("\n")
    return "".join(out)
