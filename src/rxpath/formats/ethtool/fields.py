"""Small readers shared by the outputs: `n/a`, on and off, the line `TITLE for DEV:`."""

from __future__ import annotations

from ..errors import FormatError, shown, split_lines, unsigned


def number(word: str, fmt: str, line: int) -> int | None:
    """A number; None for n/a."""
    return None if word == "n/a" else unsigned(word, fmt, line)


def switch(word: str, fmt: str, line: int) -> bool | None:
    """on or off; None for n/a."""
    if word not in ("on", "off", "n/a"):
        raise FormatError(fmt, line, f"expected on, off or n/a, found {shown(word)}")
    return None if word == "n/a" else word == "on"


def show_number(value: int | None) -> str:
    return "n/a" if value is None else str(value)


def show_switch(value: bool | None) -> str:
    return "n/a" if value is None else ("on" if value else "off")


def title(text: str, words: str, fmt: str) -> tuple[str, list[str]]:
    """The device of the first line `WORDS for DEV:` and all the lines; the line may be missing (device ""
    then).
    """
    lines = split_lines(text)
    head = f"{words} for "
    if lines and lines[0].startswith(head) and lines[0].rstrip().endswith(":"):
        return lines[0].rstrip()[len(head) : -1], lines
    if not lines:
        raise FormatError(fmt, 0, "empty")
    return "", lines
