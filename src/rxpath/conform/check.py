"""Is this a scenario?  What comes from outside (`rxpath conform --observe`) is looked at before and after it runs.

Belongs here: the shape of the document, limits on what one scenario may ask for in time and memory, and telling a
scenario that says nonsense from a fault of ours.  Not: what a step does (scenario.py).
"""

from __future__ import annotations

import json
import struct
from types import TracebackType
from typing import Any, Final

from rxpath.conform.scenario import ScenarioError

# The most that one number may ask for, by its key, and of steps and sockets.
LIMITS: Final = {"ms": 3_600_000, "repeat": 100_000, "times": 100_000, "count": 100_000, "len": 1 << 24, "pat": 1 << 17}
MOST_STEPS: Final = 10_000
MOST_BYTES: Final = 64 << 20
DEEP: Final = 20

# What Python raises when a value has another type or is missing.
NONSENSE: Final = (
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    OverflowError,
    MemoryError,
    AssertionError,
    struct.error,
)
# Where values of a scenario are read: an error that begins here is the scenario's, one from deeper is ours.
READERS: Final = ("rxpath.conform.", "rxpath.wire.", "rxpath.sockets", "rxpath.kernel.sysctl")


# What a value must be, by its key: a type; a list of one; a tuple for a list of these at least. Others are free.
TEXT_OR_NOT: Final = (str, type(None))
FORMS: Final[dict[str, Any]] = {
    "name": str, "group": str, "env": dict, "neigh": [(str, str)], "addrs": [str], "sysctls": dict, "mtu": int,
    "routes": [(str, TEXT_OR_NOT)], "rx_mode": str, "skb_alloc": str, "gro_flush_timeout": int, "mac": str, "dev": str,
    "id": str, "type": str, "sock": str, "as": str, "socks": [str], "proto": int, "bind": (str, int),
    "connect": (str, int), "to": (str, int), "listen": int, "backlog": int, "opts": [(str, object)],
    "join": [(str, str)], "join_source": [(str, str, str)], "op": str, "ms": (int, float), "frames": [(str, dict)],
    "hex": str, "rel": [str], "pat": [int], "data": str, "times": int, "flags": [str], "len": int, "opt": str,
    "how": str, "key": str, "repeat": int, "count": int,
}  # fmt: skip
UNIONS: Final = ("ms", "frames")  # here a tuple names types of which one will do


def loads(text: str | bytes) -> dict[str, Any]:
    """A scenario from its JSON text.  Raises ScenarioError."""
    try:
        made = json.loads(text)
    except UnicodeDecodeError:
        raise ScenarioError("no UTF-8 text") from None
    except RecursionError:
        raise ScenarioError("nested too deep") from None
    except ValueError as e:
        raise ScenarioError(f"not JSON: {e}") from None
    check(made)
    assert isinstance(made, dict)
    return made


def check(scenario: object) -> None:
    """Raises ScenarioError when `scenario` has not the shape of one, or asks for too much."""
    if not isinstance(scenario, dict):
        raise ScenarioError("a scenario is an object")
    if not isinstance(scenario.get("name"), str):
        raise ScenarioError("a scenario has a 'name'")
    for key in ("steps", "sockets"):
        rows = scenario.get(key, [])
        if not isinstance(rows, list) or not all(isinstance(x, dict) for x in rows):
            raise ScenarioError(f"'{key}' is a list of objects")
        if len(rows) > MOST_STEPS:
            raise ScenarioError(f"too many {key} (at most {MOST_STEPS})")
    if "steps" not in scenario:
        raise ScenarioError("a scenario has 'steps'")
    for i, step in enumerate(scenario["steps"]):
        if not isinstance(step.get("op"), str):
            raise ScenarioError(f"step {i} has no 'op'")
        data = step.get("data", "")
        times = step.get("times", 1)
        if isinstance(data, str) and isinstance(times, int) and len(data) // 2 * times > MOST_BYTES:
            raise ScenarioError(f"step {i} sends more than {MOST_BYTES} bytes")
    _look(scenario, "", 0)


def _fits(value: object, form: Any, union: bool) -> bool:
    if isinstance(form, list):
        return isinstance(value, list) and all(_fits(v, form[0], union) for v in value)
    if isinstance(form, tuple) and not union and form is not TEXT_OR_NOT:
        if not isinstance(value, list) or len(value) < len(form):
            return False
        return all(_fits(v, f, union) for v, f in zip(value, form, strict=False))
    return isinstance(value, form)


def _look(value: object, key: str, depth: int) -> None:
    """Forms and limits of all that stands below `value`."""
    if depth > DEEP:
        raise ScenarioError("nested too deep")
    if isinstance(value, dict):
        for k, v in value.items():
            if key != "sysctls" and k in FORMS and not _fits(v, FORMS[k], k in UNIONS):
                raise ScenarioError(f"'{k}' has the wrong form: {json.dumps(v)[:60]}")
            _look(v, k, depth + 1)
    elif isinstance(value, list):
        for v in value:
            _look(v, key, depth + 1)
    elif isinstance(value, int | float):
        if value != value or abs(value) > LIMITS.get(key, 1 << 64):
            raise ScenarioError(f"'{key}': {value} is out of range")


def blame(e: BaseException) -> bool:
    """Whether an error of a run is the scenario's: a value is missing or of another type where values are read."""
    if not isinstance(e, NONSENSE):
        return False
    tb: TracebackType | None = e.__traceback__
    where = ""
    while tb is not None:
        name = str(tb.tb_frame.f_globals.get("__name__", ""))
        where = name if name.startswith("rxpath.") else where
        tb = tb.tb_next
    return where.startswith(READERS)


def said(e: BaseException) -> str:
    """One line for an error that is the scenario's."""
    text = str(e).splitlines()[0] if str(e) else ""
    return f"{type(e).__name__}: {text[:120]}"
