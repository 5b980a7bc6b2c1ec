"""/proc/interrupts: counts per interrupt line and CPU, then the architecture's own rows.

Facts: kernel/irq/proc.c `show_interrupts`, arch/x86/kernel/irq.c `arch_show_interrupts`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import FormatError, shown, split_lines, unsigned
from .softirqs import parse_cpu_header

FORMAT = "interrupts"


@dataclass(frozen=True, slots=True)
class Layout:
    """How a release prints device rows.

    `prec`: width of numbers and labels (3 below 1000 interrupts, 4 below 10000, ...).
    `gap_before`: True where the blank stands before each count (6.18), False where it follows (until then).
    `hwirq`: True where the number inside the interrupt domain is printed (not in 3.13).
    """

    prec: int = 3
    gap_before: bool = False
    hwirq: bool = True


@dataclass(frozen=True, slots=True)
class IrqRow:
    """One device interrupt.  `hwirq` None = no domain; `flow` "" = the flow handler has no name.

    `level` is the word Level or Edge that ARM prints in a column of its own, else "".
    """

    irq: int
    counts: tuple[int, ...]
    chip: str = ""
    hwirq: int | None = None
    flow: str = ""
    actions: tuple[str, ...] = ()
    level: str = ""

    @property
    def total(self) -> int:
        return sum(self.counts)


@dataclass(frozen=True, slots=True)
class ArchRow:
    """A row of the architecture: NMI, LOC, RES, CAL, ...; ERR and MIS have one count and no text."""

    label: str
    counts: tuple[int, ...]
    text: str = ""


@dataclass(frozen=True, slots=True)
class Interrupts:
    """The whole file; `cpus` are the online CPUs."""

    cpus: tuple[int, ...]
    rows: tuple[IrqRow, ...]
    arch: tuple[ArchRow, ...] = ()

    def of_action(self, name: str) -> tuple[IrqRow, ...]:
        """Rows of a device: an action equal to `name` or beginning with `name-` or `name:`; or ending in
        @name/-name.
        """
        return tuple(row for row in self.rows if any(_belongs(action, name) for action in row.actions))

    def arch_row(self, label: str) -> ArchRow | None:
        """The architecture's row of that label, e.g. "CAL" (function call interrupts)."""
        for row in self.arch:
            if row.label == label:
                return row
        return None


def _belongs(action: str, name: str) -> bool:
    if action == name or action.startswith((name + "-", name + ":", name + ".", name + "@")):
        return True
    # others put the device after the driver: i40e-eth0-TxRx-0
    return action.endswith(("-" + name, "@" + name)) or f"-{name}-" in action


# the texts of the x86 rows in their order; a kernel prints a row when the feature is built or present
X86_TEXTS: dict[str, str] = {
    "NMI": "Non-maskable interrupts",
    "LOC": "Local timer interrupts",
    "SPU": "Spurious interrupts",
    "PMI": "Performance monitoring interrupts",
    "IWI": "IRQ work interrupts",
    "RTR": "APIC ICR read retries",
    "RES": "Rescheduling interrupts",
    "CAL": "Function call interrupts",
    "TLB": "TLB shootdowns",
    "TRM": "Thermal event interrupts",
    "THR": "Threshold APIC interrupts",
    "DFR": "Deferred Error APIC interrupts",
    "MCE": "Machine check exceptions",
    "MCP": "Machine check polls",
    "HYP": "Hypervisor callback interrupts",
    "ERR": "",
    "MIS": "",
    "PIN": "Posted-interrupt notification event",
    "NPI": "Nested posted-interrupt event",
    "PIW": "Posted-interrupt wakeup event",
}

_DOMAIN = re.compile(r"(?P<chip>\S.*?) +(?P<hwirq>[0-9]{1,20})(?P<rest>(?:-| |$).*)", re.ASCII)
_COUNT = re.compile(r" *([0-9]{1,20})(?= |$)", re.ASCII)


def parse(text: str) -> Interrupts:
    """The file of any release and, as far as the common columns go, any architecture; also lines cut out by
    grep.

    Without the header the CPUs are counted from 0.

    FormatError otherwise.
    """
    lines = split_lines(text)
    if not lines:
        raise FormatError(FORMAT, 0, "empty")
    headless = lines[0].partition(":")[1] != "" and not lines[0].lstrip().startswith("CPU")
    cpus = _cpus_of_row(lines[0]) if headless else parse_cpu_header(lines[0], FORMAT)
    rows: list[IrqRow] = []
    arch: list[ArchRow] = []
    for number, line in enumerate(lines if headless else lines[1:], 1 if headless else 2):
        label, colon, rest = line.partition(":")
        label = label.strip()
        if not colon or not label or " " in label:
            raise FormatError(FORMAT, number, f"expected 'NUMBER: counts', found {shown(line)}")
        counts, tail = _take_counts(rest, len(cpus))
        if not counts:
            raise FormatError(FORMAT, number, f"expected a count, found {shown(rest.strip())}")
        if label.isascii() and label.isdigit():
            if len(counts) != len(cpus):
                raise FormatError(FORMAT, number, f"expected {len(cpus)} counts, found {len(counts)}")
            rows.append(_device_row(unsigned(label, FORMAT, number), counts, tail))
        else:
            if len(counts) != len(cpus) and (len(counts) != 1 or tail.strip()):
                raise FormatError(FORMAT, number, f"expected {len(cpus)} counts, found {len(counts)}")
            arch.append(ArchRow(label, counts, tail.strip()))
    return Interrupts(cpus, tuple(rows), tuple(arch))


def _cpus_of_row(line: str) -> tuple[int, ...]:
    counts, _ = _take_counts(line.partition(":")[2], 1 << 16)
    return tuple(range(len(counts)))


def _take_counts(rest: str, limit: int) -> tuple[tuple[int, ...], str]:
    counts: list[int] = []
    at = 0
    while len(counts) < limit:
        match = _COUNT.match(rest, at)
        if match is None:
            break
        counts.append(int(match.group(1)))
        at = match.end()
    return tuple(counts), rest[at:]


def _device_row(irq: int, counts: tuple[int, ...], tail: str) -> IrqRow:
    body = tail.strip()
    match = _DOMAIN.fullmatch(body)
    if match is not None and "  " not in match["chip"]:
        return _finish(irq, counts, match["chip"], int(match["hwirq"]), match["rest"])
    # 3.13, or a chip outside any domain: CHIP-flow, or the chip alone and blanks in place of the number
    chip, flow, actions = _split_chip_flow(body)
    return IrqRow(irq, counts, chip, None, flow, actions)


def _finish(irq: int, counts: tuple[int, ...], chip: str, hwirq: int, rest: str) -> IrqRow:
    level = ""
    word = rest.split(maxsplit=1)
    if word and word[0] in ("Level", "Edge") and rest.startswith(" "):
        level = word[0]
        rest = rest.lstrip()[len(level) :].lstrip(" ") if len(rest.lstrip()) < 9 else rest.lstrip()[8:]
    if rest.startswith("-"):
        flow, actions = _split_flow(rest[1:])
    else:
        flow, actions = "", _actions(rest)
    return IrqRow(irq, counts, chip, hwirq, flow, actions, level)


def _split_flow(rest: str) -> tuple[str, tuple[str, ...]]:
    flow, _, names = rest.partition(" ")
    return flow, _actions(names)


def _actions(text: str) -> tuple[str, ...]:
    text = text.strip()
    return tuple(text.split(", ")) if text else ()


def _split_chip_flow(body: str) -> tuple[str, str, tuple[str, ...]]:
    """Split `CHIP-flow    action`: the flow name is padded to eight, which tells where it begins
    (XT-PIC-XT-PIC).
    """
    parts = re.match(r"(\S+)( *)(.*)", body)
    if parts is None:
        return "", "", ()
    word, gap, names = parts.group(1), len(parts.group(2)), parts.group(3)
    cuts = [i for i, c in enumerate(word) if c == "-" and 0 < i < len(word) - 1]
    exact = [i for i in cuts if gap == max(8, len(word) - i - 1) - (len(word) - i - 1) + 2]
    if exact and names:
        cut = exact[-1]
    elif cuts and not names:
        cut = cuts[-1]
    else:
        return word, "", _actions(names)
    return word[:cut], word[cut + 1 :], _actions(names)


def render(value: Interrupts, layout: Layout) -> str:
    """The file as that release prints it; counts wrap at 32 bits."""
    prec = layout.prec
    out = [" " * (prec + 8) + "".join(f"CPU{cpu:<8d}" for cpu in value.cpus)]
    for row in value.rows:
        line = f"{row.irq:>{prec}d}:{_counts(row.counts, layout)} {row.chip:>8s}"
        if layout.hwirq:
            line += f" {row.hwirq:>{prec}d}" if row.hwirq is not None else " " * (prec + 1)
        if row.level:
            line += f" {row.level:<8s}"
        if row.flow:
            line += f"-{row.flow:<8s}"
        if row.actions:
            line += "  " + ", ".join(row.actions)
        out.append(line)
    for arch in value.arch:
        if len(arch.counts) == 1 and not arch.text:
            out.append(f"{arch.label:>{prec}s}: {arch.counts[0] & 0xFFFFFFFF:10d}")
        else:
            tail = ("   " if layout.gap_before else "  ") + arch.text
            out.append(f"{arch.label:>{prec}s}:{_counts(arch.counts, layout)}{tail}")
    return "".join(line + "\n" for line in out)


def _counts(counts: tuple[int, ...], layout: Layout) -> str:
    if layout.gap_before:
        return "".join(f" {n & 0xFFFFFFFF:10d}" for n in counts)
    return " " + "".join(f"{n & 0xFFFFFFFF:10d} " for n in counts)


def layout_of(text: str) -> Layout:
    """The layout of a real text, as far as it shows (without device rows: 6.1's)."""
    value = parse(text)
    lines = split_lines(text)
    prec = len(lines[0]) - len(lines[0].lstrip()) - 8
    for candidate in (
        Layout(prec, gap_before=False, hwirq=True),
        Layout(prec, gap_before=True, hwirq=True),
        Layout(prec, gap_before=False, hwirq=False),
    ):
        if render(value, candidate) == "".join(line + "\n" for line in lines):
            return candidate
    return Layout(prec if prec > 0 else 3)
