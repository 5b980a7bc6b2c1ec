"""`ethtool -x DEV`: receive flow hash, indirection table and key (ETHTOOL_GRSSH, older kernels
ETHTOOL_GRXFHINDIR).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import FormatError, shown, split_lines, unsigned

FORMAT = "ethtool -x"
_TITLE = re.compile(r"RX flow hash indirection table for (\S+) with ([0-9]{1,9}) RX rings?(?:\(s\))?:", re.ASCII)
_KEY = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2})*", re.ASCII)
_NONE = "Operation not supported"


@dataclass(frozen=True, slots=True)
class Rxfh:
    """`table[i]`: ring of hash & (size - 1) == i, empty = not supported.

    `key` b"" = not supported, None = this version prints none; `functions` in order with whether they are on,
    () = not supported, None = not printed.
    """

    device: str
    rings: int
    table: tuple[int, ...] = ()
    key: bytes | None = b""
    functions: tuple[tuple[str, bool], ...] | None = ()


def parse(text: str) -> Rxfh:
    """The output of any version.  FormatError otherwise."""
    lines = split_lines(text)
    match = _TITLE.fullmatch(lines[0].strip()) if lines else None
    if match is None:
        raise FormatError(FORMAT, 1, "expected 'RX flow hash indirection table for DEV with N RX ring(s):'")
    table: list[int] = []
    key: bytes | None = None
    functions: list[tuple[str, bool]] | None = None
    section = "table"
    for number, line in enumerate(lines[1:], 2):
        stripped = line.strip()
        if not stripped:
            continue
        if stripped == "RSS hash key:":
            section, key = "key", b""
        elif stripped == "RSS hash function:":
            section, functions = "functions", []
        elif stripped == _NONE:
            continue
        elif section == "table":
            at, colon, rest = stripped.partition(":")
            if not colon or unsigned(at, FORMAT, number, "an index") != len(table):
                raise FormatError(FORMAT, number, f"expected table entries from {len(table)}, found {shown(stripped)}")
            table.extend(unsigned(w, FORMAT, number, "a ring") for w in rest.split())
        elif section == "key":
            if _KEY.fullmatch(stripped) is None:
                raise FormatError(FORMAT, number, f"expected the bytes of the key, found {shown(stripped)}")
            key = bytes.fromhex(stripped.replace(":", ""))
        else:
            name, colon, state = stripped.partition(":")
            if not colon or state.strip() not in ("on", "off") or functions is None:
                raise FormatError(FORMAT, number, f"expected 'function: on' or off, found {shown(stripped)}")
            functions.append((name, state.strip() == "on"))
    done = None if functions is None else tuple(functions)
    return Rxfh(match[1], int(match[2]), tuple(table), key, done)


def render(value: Rxfh) -> str:
    out = [f"RX flow hash indirection table for {value.device} with {value.rings} RX ring(s):\n"]
    if not value.table:
        out.append(_NONE + "\n")
    for at in range(0, len(value.table), 8):
        out.append(f"{at:5d}: " + "".join(f" {ring:5d}" for ring in value.table[at : at + 8]) + "\n")
    if value.key is not None:
        out.append("RSS hash key:\n")
        out.append((value.key.hex(":") if value.key else _NONE) + "\n")
    if value.functions is not None:
        out.append("RSS hash function:\n")
        if not value.functions:
            out.append(f"    {_NONE}\n")
        out.extend(f"    {name}: {'on' if on else 'off'}\n" for name, on in value.functions)
    return "".join(out)
