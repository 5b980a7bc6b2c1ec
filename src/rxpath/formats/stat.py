"""/proc/stat: CPU times (1/100 s), interrupt and softirq totals, tasks (fs/proc/stat.c `show_stat`)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import FormatError, shown, split_lines, unsigned

FORMAT = "stat"
TIMES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guest_nice")
_CPU = re.compile(r"cpu([0-9]{0,6})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Stat:
    """`total` and `cpus[n]`: times in 1/100 s in the order of TIMES.

    `intr` and `softirqs`: sum, then one a number.
    """

    total: tuple[int, ...]
    cpus: dict[int, tuple[int, ...]]
    intr: tuple[int, ...]
    ctxt: int
    btime: int
    processes: int
    procs_running: int
    procs_blocked: int
    softirq: tuple[int, ...]


def parse(text: str) -> Stat:
    """The file of any release since 2.6.31 (with a softirq line).  FormatError otherwise."""
    total: tuple[int, ...] | None = None
    cpus: dict[int, tuple[int, ...]] = {}
    lists: dict[str, tuple[int, ...]] = {}
    singles: dict[str, int] = {}
    for number, line in enumerate(split_lines(text), 1):
        words = line.split()
        if len(words) < 2:
            raise FormatError(FORMAT, number, f"expected a name and numbers, found {shown(line)}")
        key = words[0]
        numbers = tuple(unsigned(w, FORMAT, number) for w in words[1:])
        match = _CPU.fullmatch(key)
        if match is not None:
            if not match.group(1):
                total = numbers
            else:
                cpus[int(match.group(1))] = numbers
        elif key in ("intr", "softirq"):
            lists[key] = numbers
        else:
            singles[key] = numbers[0]
    if total is None or "intr" not in lists or "softirq" not in lists:
        raise FormatError(FORMAT, 0, "no cpu, intr or softirq line")
    for name in ("ctxt", "btime", "processes", "procs_running", "procs_blocked"):
        if name not in singles:
            raise FormatError(FORMAT, 0, f"no {name} line")
    return Stat(
        total,
        cpus,
        lists["intr"],
        singles["ctxt"],
        singles["btime"],
        singles["processes"],
        singles["procs_running"],
        singles["procs_blocked"],
        lists["softirq"],
    )


def render(value: Stat) -> str:
    out = ["cpu  " + _numbers(value.total)]
    out.extend(f"cpu{cpu} {_numbers(times)}" for cpu, times in value.cpus.items())
    out.append("intr " + _numbers(value.intr))
    out.append(f"ctxt {value.ctxt}")
    out.append(f"btime {value.btime}")
    out.append(f"processes {value.processes}")
    out.append(f"procs_running {value.procs_running}")
    out.append(f"procs_blocked {value.procs_blocked}")
    out.append("softirq " + _numbers(value.softirq))
    return "".join(line + "\n" for line in out)


def _numbers(values: tuple[int, ...]) -> str:
    return " ".join(str(v) for v in values)
