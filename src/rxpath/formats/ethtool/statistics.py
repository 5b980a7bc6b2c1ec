"""`ethtool -S DEV`: the driver's own statistics (ETHTOOL_GSTATS), and --phy-statistics.

Names are not unique by nature (some drivers print one twice), so the value is a list of pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import FormatError, shown, split_lines, unsigned

FORMAT = "ethtool -S"
TITLE = "NIC statistics:"
PHY_TITLE = "PHY statistics:"
NONE = "no stats available\n"


@dataclass(frozen=True, slots=True)
class Statistics:
    """(name, value) in the driver's order; values are u64."""

    items: tuple[tuple[str, int], ...]
    title: str = TITLE

    def get(self, name: str, default: int = 0) -> int:
        for key, value in self.items:
            if key == name:
                return value
        return default

    def as_dict(self) -> dict[str, int]:
        """name -> value; of a name that appears twice the last one."""
        return dict(self.items)


def parse(text: str) -> Statistics:
    """The output; the title may be missing (grep takes it away).  Names may hold blanks and colons."""
    lines = split_lines(text)
    if lines == [NONE.strip()]:
        return Statistics(())
    items: list[tuple[str, int]] = []
    title = ""
    for number, line in enumerate(lines, 1):
        stripped = line.strip()
        if stripped in (TITLE, PHY_TITLE):
            if items or title:
                raise FormatError(FORMAT, number, "the title appears twice")
            title = stripped
            continue
        if not stripped:
            continue
        name, colon, value = stripped.rpartition(":")
        if not colon or not name:
            raise FormatError(FORMAT, number, f"expected 'name: value', found {shown(stripped)}")
        items.append((name.rstrip(), unsigned(value.strip(), FORMAT, number, "a value")))
    if not items and not title:
        raise FormatError(FORMAT, 0, "no statistics")
    return Statistics(tuple(items), title or TITLE)


def render(value: Statistics) -> str:
    """The output; without any statistic the line that ethtool prints instead (exit status 94)."""
    if not value.items:
        return NONE
    return value.title + "\n" + "".join(f"     {name}: {number}\n" for name, number in value.items)
