"""/proc/net/softnet_stat: one line an online CPU, every column eight hex digits, no header.

Column meaning: net/core/net-procfs.c `softnet_seq_show` of 3.13, 5.15, 6.1 and 6.18.  All 32 bit and
wrapping.
"""

from __future__ import annotations

from dataclasses import dataclass

from .errors import FormatError, hexadecimal, split_lines

FORMAT = "softnet_stat"
_MASK = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Layout:
    """How many columns a release prints: 11 (3.13), 13 (5.10 and later), 15 (6.5 and later)."""

    columns: int


@dataclass(frozen=True, slots=True)
class SoftnetRow:
    """One CPU.  `backlog_len` and the queue lengths are None where the release does not print them.

    `cpu` is the printed id where there is one (13 columns or more), else the number of the line: offline CPUs
    are skipped by the kernel, so without the column the true id is not in the text.
    """

    cpu: int
    processed: int = 0
    dropped: int = 0
    time_squeeze: int = 0
    cpu_collision: int = 0
    received_rps: int = 0
    flow_limit_count: int = 0
    backlog_len: int | None = None
    input_qlen: int | None = None
    process_qlen: int | None = None


@dataclass(frozen=True, slots=True)
class SoftnetStat:
    """The whole file: rows in the order of the file (ascending CPU id)."""

    rows: tuple[SoftnetRow, ...]

    def total(self, field: str) -> int:
        """Sum of one column over the CPUs; ValueError for a name that is not a counter."""
        if field not in COUNTERS:
            raise ValueError(f"softnet_stat has no counter {field!r}")
        return sum(getattr(row, field) or 0 for row in self.rows)


COUNTERS = (
    "processed", "dropped", "time_squeeze", "cpu_collision", "received_rps", "flow_limit_count",
    "backlog_len", "input_qlen", "process_qlen",
)  # fmt: skip


def parse(text: str) -> SoftnetStat:
    """Rows of any release since 2.6.x (9 columns or more).  FormatError for anything else."""
    rows: list[SoftnetRow] = []
    width = 0
    for number, line in enumerate(split_lines(text), 1):
        words = line.split()
        if len(words) < 9:
            raise FormatError(FORMAT, number, f"expected at least 9 columns, found {len(words)}")
        if width and len(words) != width:
            raise FormatError(FORMAT, number, f"expected {width} columns like the lines before, found {len(words)}")
        width = len(words)
        for word in words:
            if len(word) != 8:
                raise FormatError(FORMAT, number, f"expected 8 hex digits, found {word[:40]!a}")
        v = [hexadecimal(word, FORMAT, number, "8 hex digits") for word in words]
        rows.append(
            SoftnetRow(
                cpu=v[12] if width > 12 else number - 1,
                processed=v[0],
                dropped=v[1],
                time_squeeze=v[2],
                cpu_collision=v[8],
                received_rps=v[9] if width > 9 else 0,
                flow_limit_count=v[10] if width > 10 else 0,
                backlog_len=v[11] if width > 11 else None,
                input_qlen=v[13] if width > 13 else None,
                process_qlen=v[14] if width > 14 else None,
            )
        )
    if not rows:
        raise FormatError(FORMAT, 0, "empty")
    return SoftnetStat(tuple(rows))


def layout_of(text: str) -> Layout:
    """The layout that a real text was printed with."""
    parse(text)
    return Layout(columns=len(split_lines(text)[0].split()))


def render(value: SoftnetStat, layout: Layout) -> str:
    """The file as that release prints it; counters wrap at 32 bits."""
    out: list[str] = []
    for r in value.rows:
        columns = (
            r.processed, r.dropped, r.time_squeeze, 0, 0, 0, 0, 0, r.cpu_collision, r.received_rps,
            r.flow_limit_count, r.backlog_len or 0, r.cpu, r.input_qlen or 0, r.process_qlen or 0,
        )  # fmt: skip
        out.append(" ".join(f"{c & _MASK:08x}" for c in columns[: layout.columns]))
    return "".join(line + "\n" for line in out)
