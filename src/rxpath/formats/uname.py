"""`uname -a` and /proc/version: which kernel a snapshot is from."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import FormatError, shown

FORMAT = "uname"
_UNAME = re.compile(r"Linux (\S+) ([0-9]+\.[0-9]+\S*) (#.*?) (\S+)(?: (\S+)(?: (\S+))?)? (GNU/Linux|Linux|Android)")
_VERSION = re.compile(r"Linux version ([0-9]+\.[0-9]+\S*) .*?(#[0-9]+.*)")
_NUMBER = re.compile(r"([0-9]{1,4})\.([0-9]{1,4})(?:\.([0-9]{1,5}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Uname:
    """`release` e.g. "6.1.0-56-amd64", `version` from # on; what the text does not tell is ""."""

    release: str
    version: str = ""
    nodename: str = ""
    machine: str = ""

    @property
    def number(self) -> tuple[int, int, int]:
        """(6, 1, 0) of "6.1.0-56-amd64"."""
        match = _NUMBER.match(self.release)
        if match is None:
            return (0, 0, 0)
        return (int(match[1]), int(match[2]), int(match[3] or 0))


def parse(text: str) -> Uname:
    """`uname -a`, /proc/version, or `uname -r` alone.  FormatError otherwise."""
    line = text.strip()
    if "\n" in line:
        raise FormatError(FORMAT, 0, "expected one line")
    match = _VERSION.fullmatch(line)
    if match is not None:
        return Uname(match[1], match[2])
    match = _UNAME.fullmatch(line)
    if match is not None:
        return Uname(match[2], match[3], match[1], match[4])
    if " " not in line and _NUMBER.match(line):
        return Uname(line)
    raise FormatError(FORMAT, 1, f"expected the line of uname -a, found {shown(line)}")


def render(value: Uname) -> str:
    """The line of Debian's `uname -a`."""
    return f"Linux {value.nodename} {value.release} {value.version} {value.machine} GNU/Linux\n"
