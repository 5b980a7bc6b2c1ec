"""Taking off what copying puts around a text: byte order mark, colours, carriage returns, quoting, indentation.

Belongs here: what a terminal, a mail or a chat adds to pasted output.  Not: what the output is (intake.py).
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable

_COLOUR = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][0-9A-B])")
_PROMPT = re.compile(r"\[?[\w.-]+@[\w.-]+[^#$%\n]{0,80}[#$%][ \t]*", re.ASCII)
_QUOTE = re.compile(r"(?:[ \t]*>)+ ?")
_LOOK = 400  # lines that are looked at to choose between two readings


def decoded(data: bytes) -> str:
    """The octets as text: UTF-8, or UTF-16 where a byte order mark says so (a redirect of PowerShell)."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    return data.decode("utf-8", "replace")


def unpasted(text: str, known: Callable[[str], bool]) -> str:
    """`text` without what copying added.  `known` says of a line whether a text that we know begins there.

    Quoting goes only when every line has it, indentation only when every line has it and more is known without.
    """
    if "\x1b" in text:
        text = _COLOUR.sub("", text)
    text = text.removeprefix("\ufeff").replace("\0", "")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    if _all(lines, ">"):
        depth = min(_depth(line) for line in lines if line.strip())
        lines = [_unquoted(line, depth) for line in lines]
    if "@" in text:  # a prompt that nothing was typed at
        lines = ["" if _PROMPT.fullmatch(line) else line for line in lines]
    if _all(lines, " \t"):
        bare = textwrap.dedent("\n".join(lines)).split("\n")
        if sum(map(known, bare[:_LOOK])) > sum(map(known, lines[:_LOOK])):
            lines = bare
    return "\n".join(lines)


def _all(lines: list[str], first: str) -> bool:
    """Whether each line that has text begins with one of `first`."""
    some = False
    for line in lines:
        if line and not line.isspace():
            if line[0] not in first:
                return False
            some = True
    return some


def _depth(line: str) -> int:
    m = _QUOTE.match(line)
    return m[0].count(">") if m is not None else 0


def _unquoted(line: str, depth: int) -> str:
    for _ in range(depth):
        line = line.lstrip(" \t").removeprefix(">")
    return line.removeprefix(" ")
