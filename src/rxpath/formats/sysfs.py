"""Files of /sys (and /proc) with one value each: `PATH = value` or `PATH:value` lines, as loops and `grep .`
print them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import FormatError, shown, split_lines

FORMAT = "sysfs"
_LINE = re.compile(r"(/(?:sys|proc)/[^\s=:]+(?::[^\s=/:]+(?=/)[^\s=:]*)*)(?: = |:|=| )(.*)", re.ASCII)
_STATISTIC = re.compile(r"/sys/.*/?net/([^/]+)/statistics/([a-z0-9_]+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Sysfs:
    """path -> text without the newline."""

    files: dict[str, str]

    def number(self, path: str) -> int | None:
        """A value as a number, decimal or 0x; None where it is absent or something else."""
        word = self.files.get(path, "").strip()
        if re.fullmatch(r"-?[0-9]{1,20}", word, re.ASCII):
            return int(word)
        return int(word, 16) if re.fullmatch(r"0x[0-9a-fA-F]{1,16}", word, re.ASCII) else None

    def devices(self) -> tuple[str, ...]:
        """The devices whose statistics are here."""
        found = dict.fromkeys(m[1] for m in (_STATISTIC.fullmatch(p) for p in self.files) if m is not None)
        return tuple(found)

    def statistics(self, device: str) -> dict[str, int]:
        """The counters of /sys/class/net/DEVICE/statistics, name -> number."""
        out: dict[str, int] = {}
        for path in self.files:
            m = _STATISTIC.fullmatch(path)
            number = self.number(path)
            if m is not None and m[1] == device and number is not None:
                out[m[2]] = number
        return out


def parse(text: str) -> Sysfs:
    """Lines of path and value.  A line without path continues the value before.  FormatError otherwise."""
    files: dict[str, str] = {}
    last = ""
    for number, line in enumerate(split_lines(text), 1):
        match = _LINE.fullmatch(line)
        if match is not None:
            last = match[1]
            files[last] = match[2].strip()
        elif last:
            files[last] = f"{files[last]}\n{line}".rstrip()
        elif line.strip():
            raise FormatError(FORMAT, number, f"expected '/sys/... = value', found {shown(line)}")
    if not files:
        raise FormatError(FORMAT, 0, "no files")
    return Sysfs(files)


def render(value: Sysfs) -> str:
    """`PATH = value` lines."""
    return "".join(f"{path} = {text}\n" for path, text in value.files.items())
