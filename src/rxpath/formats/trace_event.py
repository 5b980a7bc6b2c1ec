"""Lines of tracefs `trace`: `  comm-pid   [cpu] flags  seconds: event: text` (kernel/trace/trace_output.c).

The text of each event is its own print format; here it stays text, and `fields` reads its `name=value` words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import FormatError, shown, split_lines

FORMAT = "trace"
_LINE = re.compile(
    r" *(?P<comm>.{1,64}?)-(?P<pid>[0-9]{1,7}) +(?:\([ 0-9-]{7}\) )?\[(?P<cpu>[0-9]{3,5})\] "
    r"(?:(?P<flags>[a-zA-Z.0-9]{4,5}) )? *(?P<sec>[0-9]{1,12})\.(?P<usec>[0-9]{6}): "
    r"(?P<event>[A-Za-z0-9_]+): ?(?P<text>.*)",
    re.ASCII,
)
_FIELD = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(\S+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class TraceEvent:
    """`usec`: microseconds of the trace clock; `flags`: irqs off, need resched, irq context, preempt count,
    migrate.
    """

    comm: str
    pid: int
    cpu: int
    flags: str
    usec: int
    event: str
    text: str

    def fields(self) -> dict[str, str]:
        """`name=value` words of the text."""
        return dict(_FIELD.findall(self.text))


@dataclass(frozen=True, slots=True)
class Trace:
    events: tuple[TraceEvent, ...]


def parse(text: str) -> Trace:
    """The file; comment lines are passed over.  FormatError otherwise."""
    events: list[TraceEvent] = []
    header = False
    for number, line in enumerate(split_lines(text), 1):
        if line.startswith("#") or not line.strip():
            header = header or line.startswith("# tracer:")
            continue
        m = _LINE.fullmatch(line)
        if m is None:
            raise FormatError(FORMAT, number, f"expected a trace line, found {shown(line.strip())}")
        usec = int(m["sec"]) * 1_000_000 + int(m["usec"])
        events.append(
            TraceEvent(m["comm"], int(m["pid"]), int(m["cpu"]), m["flags"] or "", usec, m["event"], m["text"])
        )
    if not events and not header:
        raise FormatError(FORMAT, 0, "no events")
    return Trace(tuple(events))


def render(value: Trace) -> str:
    """The events, without the comment header."""
    out: list[str] = []
    for e in value.events:
        out.append(
            f"{e.comm:>16s}-{e.pid:<7d} [{e.cpu:03d}] {e.flags}"
            f" {e.usec // 1_000_000:5d}.{e.usec % 1_000_000:06d}: {e.event}: {e.text}\n"
        )
    return "".join(out)
