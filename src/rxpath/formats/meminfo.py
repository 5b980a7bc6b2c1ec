"""/proc/meminfo (fs/proc/meminfo.c): what the machine has, in kB."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import FormatError, shown, split_lines, unsigned

FORMAT = "meminfo"


@dataclass(frozen=True, slots=True)
class Meminfo:
    """name -> (number, "kB" or "")."""

    items: dict[str, tuple[int, str]]

    def kb(self, name: str) -> int:
        """A value in kB; 0 where it is not there."""
        return self.items.get(name, (0, ""))[0]


def parse(text: str) -> Meminfo:
    """The file of any release.  FormatError otherwise."""
    items: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(split_lines(text), 1):
        name, colon, rest = line.partition(":")
        w = rest.split()
        if not colon or not name or len(w) not in (1, 2) or name in items or (len(w) == 2 and w[1] != "kB"):
            raise FormatError(FORMAT, number, f"expected 'Name: number kB', found {shown(line)}")
        items[name] = (unsigned(w[0], FORMAT, number), w[1] if len(w) == 2 else "")
    if not items:
        raise FormatError(FORMAT, 0, "empty")
    return Meminfo(items)


def render(value: Meminfo) -> str:
    out: list[str] = []
    for name, (number, unit) in value.items.items():
        out.append(f"{name + ':':<16s}{number:8d} {unit}".rstrip() + "\n")
    return "".join(out)
