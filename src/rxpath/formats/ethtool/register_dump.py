"""`ethtool -d DEV` and `-e DEV`: bytes as a hex dump; and reading the decoded form that ethtool has for some
drivers.

Decoding registers into sentences (e1000, igb, ixgbe, tg3, ...) is not done here: `render` prints what ethtool
prints with `hex on`, or for a driver that it does not know.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import FormatError, shown, split_lines

FORMAT = "ethtool -d"
_HEAD = ["Offset\t\tValues", "------\t\t------"]
_ROW = re.compile(r"0x([0-9a-fA-F]{1,8}):\s+((?:[0-9a-fA-F]{2} ?){1,16})", re.ASCII)
_REGISTER = re.compile(r"(0x[0-9A-Fa-f]{1,8}): (\S+)(?: +\(([^)]*)\))? +(0x[0-9A-Fa-f]{1,16})", re.ASCII)


@dataclass(frozen=True, slots=True)
class HexDump:
    """`offset`: the first byte's; rows of sixteen."""

    data: bytes
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Registers:
    """The decoded form: register name -> (offset, value); the sentences under them are not kept."""

    registers: dict[str, tuple[int, int]]


def parse(text: str) -> HexDump:
    """The hex form.  FormatError otherwise."""
    lines = [line.rstrip() for line in split_lines(text) if line.strip()]
    if len(lines) < 2 or [x.split() for x in lines[:2]] != [x.split() for x in _HEAD]:
        raise FormatError(FORMAT, 1, "expected the heading 'Offset  Values'")
    data = bytearray()
    start = 0
    for number, line in enumerate(lines[2:], 3):
        match = _ROW.fullmatch(line.strip())
        if match is None:
            raise FormatError(FORMAT, number, f"expected '0x0000: bytes', found {shown(line)}")
        at = int(match[1], 16)
        if not data:
            start = at
        if at != start + len(data):
            raise FormatError(FORMAT, number, f"expected offset {start + len(data):#06x}, found {at:#06x}")
        data += bytes.fromhex(match[2])
    return HexDump(bytes(data), start)


def render(value: HexDump) -> str:
    out = _HEAD[0] + "\n" + _HEAD[1]
    for at in range(0, len(value.data), 16):
        row = value.data[at : at + 16]
        out += f"\n0x{at + value.offset:04x}:\t\t" + "".join(f"{b:02x} " for b in row)
    return out + "\n"


def parse_registers(text: str) -> Registers:
    """The decoded form of the Intel drivers: lines `0x02808: RDLEN (Receive desc length)     0x00001000`."""
    found: dict[str, tuple[int, int]] = {}
    for line in split_lines(text):
        match = _REGISTER.fullmatch(line.strip())
        if match is not None and match[2].rstrip(":") not in found:
            found[match[2].rstrip(":")] = (int(match[1], 16), int(match[4], 16))
    if not found:
        raise FormatError(FORMAT, 0, "no registers")
    return Registers(found)
