"""/proc/softirqs: how often each vector ran, per possible CPU (fs/proc/softirqs.c `show_softirqs`)."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import FormatError, shown, split_lines, unsigned

FORMAT = "softirqs"


@dataclass(frozen=True, slots=True)
class Layout:
    """Vector labels in order; the fifth changed its name over the releases (BLOCK_IOPOLL, then IRQ_POLL)."""

    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Softirqs:
    """`cpus`: ids of the header; `counts`: label -> one count a CPU, in the order of the vectors."""

    cpus: tuple[int, ...]
    counts: dict[str, tuple[int, ...]]

    def total(self, label: str) -> int:
        """Sum over the CPUs; 0 for a vector that this text does not have."""
        return sum(self.counts.get(label, ()))


def parse(text: str) -> Softirqs:
    """The file of any release; FormatError otherwise."""
    lines = split_lines(text)
    if not lines:
        raise FormatError(FORMAT, 0, "empty")
    cpus = parse_cpu_header(lines[0], FORMAT)
    counts: dict[str, tuple[int, ...]] = {}
    for number, line in enumerate(lines[1:], 2):
        label, colon, rest = line.partition(":")
        label = label.strip()
        if not colon or not label:
            raise FormatError(FORMAT, number, f"expected 'NAME: counts', found {shown(line)}")
        if label in counts:
            raise FormatError(FORMAT, number, f"vector {shown(label)} appears twice")
        words = rest.split()
        if len(words) != len(cpus):
            raise FormatError(FORMAT, number, f"expected {len(cpus)} counts, found {len(words)}")
        counts[label] = tuple(unsigned(w, FORMAT, number, "a count") for w in words)
    if not counts:
        raise FormatError(FORMAT, 0, "no vectors")
    return Softirqs(cpus, counts)


def parse_cpu_header(line: str, fmt: str) -> tuple[int, ...]:
    """The CPU ids of a header line `CPU0 CPU1 ...` (shared with `interrupts`)."""
    words = line.split()
    if not words:
        raise FormatError(fmt, 1, "expected a header of CPU names, found an empty line")
    cpus: list[int] = []
    for word in words:
        if not word.startswith("CPU"):
            raise FormatError(fmt, 1, f"expected a header of CPU names, found {shown(word)}")
        cpus.append(unsigned(word[3:], fmt, 1, "a CPU number"))
    return tuple(cpus)


def layout_of(value: Softirqs) -> Layout:
    """The layout of a parsed text."""
    return Layout(tuple(value.counts))


def render(value: Softirqs, layout: Layout) -> str:
    """The file; a vector of the layout without counts prints zeros, counts outside the layout are not
    printed.
    """
    out = [" " * 20 + "".join(f"CPU{cpu:<8d}" for cpu in value.cpus)]
    zeros = (0,) * len(value.cpus)
    for label in layout.labels:
        row = value.counts.get(label, zeros)
        out.append(f"{label:>12s}:" + "".join(f" {n & 0xFFFFFFFF:10d}" for n in row))
    return "".join(line + "\n" for line in out)
