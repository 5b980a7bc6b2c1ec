"""The one error that parsers raise, and the small word readers that raise it.

Belongs here: reading a number or a word strictly, the way Linux prints it.  No knowledge of any one format.
"""

from __future__ import annotations

import re

_DECIMAL = re.compile(r"-?[0-9]{1,20}", re.ASCII)
_HEX = re.compile(r"[0-9a-fA-F]{1,16}", re.ASCII)


class FormatError(ValueError):
    """A text is not what it should be.

    `str(error)` is one line: format, line number (from 1; 0 = the whole), reason.
    """

    def __init__(self, fmt: str, line: int, reason: str) -> None:
        self.fmt = fmt
        self.line = line
        self.reason = reason
        where = f"{fmt}: line {line}: " if line else f"{fmt}: "
        super().__init__(where + reason)


def shown(word: str) -> str:
    """A word as an error message may show it: quoted, printable, cut."""
    cut = word if len(word) <= 40 else word[:37] + "..."
    return ascii(cut)


def words(text: str) -> tuple[str, ...]:
    """The blank-separated names of a table in this package."""
    return tuple(text.split())


def split_lines(text: str) -> list[str]:
    """Lines without their end (LF or CRLF); a missing last newline is forgiven, empty text has no lines."""
    lines = text.split("\n")
    if lines and lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def decimal(word: str, fmt: str, line: int, what: str = "a number") -> int:
    """A decimal integer of at most 20 digits, sign allowed; nothing that only Python would accept."""
    if _DECIMAL.fullmatch(word) is None:
        raise FormatError(fmt, line, f"expected {what}, found {shown(word)}")
    return int(word)


def unsigned(word: str, fmt: str, line: int, what: str = "a number") -> int:
    """A decimal integer without sign."""
    if word.startswith("-"):
        raise FormatError(fmt, line, f"expected {what}, found {shown(word)}")
    return decimal(word, fmt, line, what)


def hexadecimal(word: str, fmt: str, line: int, what: str = "a hexadecimal number") -> int:
    """A hexadecimal integer of at most 16 digits without 0x."""
    if _HEX.fullmatch(word) is None:
        raise FormatError(fmt, line, f"expected {what}, found {shown(word)}")
    return int(word, 16)
