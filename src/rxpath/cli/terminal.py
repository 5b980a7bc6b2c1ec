"""What commands share about the terminal: colour or not, data out, JSON, progress, tables.

What belongs here: how things are written. Not: what is written.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from typing import Final, TextIO


def colour() -> bool:
    """Colour only on a terminal that can show it, and when nobody set NO_COLOR."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def width() -> int:
    """Columns to write in: the terminal's, 100 when there is none."""
    if not sys.stdout.isatty():
        return 100
    import shutil

    return max(60, min(160, shutil.get_terminal_size().columns))


def out(text: str) -> None:
    """Data, to standard output, now."""
    sys.stdout.write(text)
    sys.stdout.flush()


def out_json(value: object) -> None:
    """JSON in the order given: the same value is always the same bytes."""
    import json

    out(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


class Progress:
    """How far a long run is, on standard error: one line that is rewritten on a terminal, else one every ten
    seconds. Nothing in the first second, nothing when `quiet`.
    """

    __slots__ = ("began", "drawn", "next", "quiet", "stream", "terminal", "total", "what")

    def __init__(self, total: int, what: str = "frames", *, quiet: bool = False, stream: TextIO | None = None) -> None:
        self.total = total
        self.what = what
        self.quiet = quiet
        self.stream = stream if stream is not None else sys.stderr
        self.terminal = self.stream.isatty() and os.environ.get("TERM") != "dumb"
        self.began = time.monotonic()
        self.next = self.began + (1.0 if self.terminal else 10.0)
        self.drawn = False

    def __call__(self, done: int) -> None:
        """`done` of them are through."""
        if self.quiet:
            return
        now = time.monotonic()
        if now < self.next:
            return
        self.next = now + (0.2 if self.terminal else 10.0)
        text = f"rxpath: {done:,}"
        if self.total:
            text += f" of {self.total:,} {self.what}, {min(100, done * 100 // self.total)} %"
        else:
            text += f" {self.what}"
        text += f", {int(done / max(now - self.began, 1e-9)):,}/s"
        if self.terminal:
            self.stream.write(f"\r\x1b[K{text}")
            self.drawn = True
        else:
            self.stream.write(text + "\n")
        self.stream.flush()

    def end(self) -> None:
        """Take the line away."""
        if self.drawn:
            self.stream.write("\r\x1b[K")
            self.stream.flush()
            self.drawn = False


RIGHT: Final = ">"
LEFT: Final = "<"

# Text with styles: runs of (text, style); the style is rich's, and dropped where there is no colour.
Run = tuple[str, str]
Cell = str | list[Run]


def plain(cell: Cell) -> str:
    """A cell without its styles."""
    return cell if isinstance(cell, str) else "".join(text for text, _ in cell)


def table(rows: Sequence[Sequence[Cell]], align: str, indent: str = "  ") -> list[list[Run]]:
    """Rows as lines in columns; `align` has `<` or `>` for each column. Trailing blanks are cut."""
    widths = [0] * len(align)
    for row in rows:
        for column, cell in enumerate(row):
            widths[column] = max(widths[column], len(plain(cell)))
    lines: list[list[Run]] = []
    for row in rows:
        line: list[Run] = [(indent, "")]
        for column, cell in enumerate(row):
            runs = [(cell, "")] if isinstance(cell, str) else list(cell)
            blank = (" " * (widths[column] - len(plain(cell))), "")
            gap = ("  " if column else "", "")
            line += [gap, blank, *runs] if align[column] == RIGHT else [gap, *runs, blank]
        while line and not line[-1][0].strip():
            line.pop()
        lines.append(line)
    return lines


def flow(items: Sequence[str], columns: int, indent: str = "    ") -> list[str]:
    """Short items side by side in even columns, down first, as wide as the page allows."""
    if not items:
        return []
    cell = max(len(item) for item in items) + 2
    count = max(1, (columns - len(indent)) // cell)
    height = -(-len(items) // count)
    lines = []
    for row in range(height):
        lines.append((indent + "".join(item.ljust(cell) for item in items[row::height])).rstrip())
    return lines


def show(lines: Sequence[Sequence[Run]]) -> None:
    """Write lines of runs to standard output: with rich and its styles on a terminal, else as plain text."""
    if not colour():
        out("".join(plain(list(line)) + "\n" for line in lines))
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    for line in lines:
        console.print(Text.assemble(*((text, style or "default") for text, style in line)))
