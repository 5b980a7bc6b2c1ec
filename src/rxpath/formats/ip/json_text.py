"""JSON as iproute2 writes it: compact with -j, and with -p its own way to indent."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

Json = str | int | bool | None | Mapping[str, "Json"] | Sequence["Json"]


def compact(data: Json) -> str:
    """-j: one line."""
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False) + "\n"


def pretty(data: Json) -> str:
    """-j -p: names on lines of their own, four blanks a level; arrays of words on one line."""
    return _value(data, 0) + "\n"


def _value(data: Json, depth: int) -> str:
    if isinstance(data, Mapping):
        lines = [
            "\n" + "    " * (depth + 1) + json.dumps(name) + ": " + _value(value, depth + 1)
            for name, value in data.items()
        ]
        end = "\n" + "    " * depth if lines else ""
        return "{" + ",".join(lines) + end + "}"
    if isinstance(data, Sequence) and not isinstance(data, str):
        inner = ",".join(_value(value, depth + 1) for value in data)
        return "[ " + inner + (" " if data else "") + "]"
    return json.dumps(data, ensure_ascii=False)
