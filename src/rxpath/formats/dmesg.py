"""`dmesg`: the kernel log, `[    5.068948] text`.  Time since boot in microseconds."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import FormatError, shown, split_lines

FORMAT = "dmesg"
_LINE = re.compile(r"(?:<[0-9]{1,3}>)?\[ *([0-9]{1,12})\.([0-9]{6})\](?: (.*))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Message:
    usec: int
    text: str


@dataclass(frozen=True, slots=True)
class Dmesg:
    messages: tuple[Message, ...]

    def find(self, words: str) -> tuple[Message, ...]:
        """Messages that contain `words`."""
        return tuple(m for m in self.messages if words in m.text)


def parse(text: str) -> Dmesg:
    """The output with times since boot (not -T); a line without time continues the one before.

    FormatError otherwise.
    """
    messages: list[Message] = []
    for number, line in enumerate(split_lines(text), 1):
        match = _LINE.fullmatch(line)
        if match is not None:
            messages.append(Message(int(match[1]) * 1_000_000 + int(match[2]), match[3] or ""))
        elif messages:
            last = messages[-1]
            messages[-1] = Message(last.usec, last.text + "\n" + line)
        elif line.strip():
            raise FormatError(FORMAT, number, f"expected '[seconds] text', found {shown(line)}")
    if not messages:
        raise FormatError(FORMAT, 0, "no messages")
    return Dmesg(tuple(messages))


def render(value: Dmesg) -> str:
    return "".join(f"[{m.usec // 1_000_000:5d}.{m.usec % 1_000_000:06d}] {m.text}\n" for m in value.messages)
