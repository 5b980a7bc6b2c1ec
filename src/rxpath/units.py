"""Numbers as people write them, to exact integers and back: 1Mpps, 300k, 10Gbit, 50us, 64K, 2x, 0-3,8.

What belongs here: text to number and number to text, nothing else. Every value is an int (or a Fraction for
a factor), so no rounding happens unseen: `1.5us` is 1500 ns, and `0.1ns` is an error. Every refusal is a
`UnitError` of one line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fractions import Fraction
from typing import Final

NUMBER: Final = re.compile(r"([0-9][0-9_]*(?:\.[0-9]+)?|\.[0-9]+)\s*([^0-9\s.]\S*)?", re.ASCII)

DECIMAL: Final = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
TIME_NS: Final = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "sec": 10**9,
    "min": 60 * 10**9,
}
# As in sysctl and ethtool land: K, M and G of memory are powers of two; who means powers of ten writes kB,
# MB, GB.
BYTES: Final = {
    "": 1,
    "b": 1,
    "k": 1 << 10,
    "m": 1 << 20,
    "g": 1 << 30,
    "kib": 1 << 10,
    "mib": 1 << 20,
    "gib": 1 << 30,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
}
MAX: Final = (1 << 63) - 1
MAX_DIGITS: Final = 40


class UnitError(ValueError):
    """A text that is not such a number; the message is one line that names the text and says what is
    expected."""


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")


def _scaled(text: str, units: dict[str, int], what: str, example: str, fold: bool = True) -> int:
    """`text` as number times unit, exactly. `fold`: units are compared without regard to case."""
    match = NUMBER.fullmatch(text.strip())
    if match is None or len(match.group(1)) > MAX_DIGITS:
        raise UnitError(f"{_shown(text)} is no {what} (like {example})")
    unit = match.group(2) or ""
    factor = units.get(unit.lower() if fold else unit)
    if factor is None:
        if not unit:
            raise UnitError(f"{_shown(text)} needs a unit to be a {what} (like {example})")
        raise UnitError(f"{_shown(text)}: unknown unit '{unit[:20]}' for a {what} (like {example})")
    value = Fraction(match.group(1).replace("_", "")) * factor
    if value.denominator != 1:
        raise UnitError(f"{_shown(text)} is not a whole number of the smallest unit of a {what}")
    if value > MAX:
        raise UnitError(f"{_shown(text)} is too large for a {what}")
    return int(value)


def parse_count(text: str) -> int:
    """A plain count: `200000`, `200k`, `2M` (decimal). Raises UnitError."""
    return _scaled(text, DECIMAL, "count", "200000 or 200k")


def parse_int(text: str, what: str, low: int, high: int) -> int:
    """A whole number from `low` to `high`, decimal or 0x.., without a unit. Raises UnitError."""
    try:
        value = int(text.strip(), 0) if text.strip().lower().startswith("0x") else int(text.strip())
    except ValueError:
        raise UnitError(f"{_shown(text)} is no {what} ({low} to {high})") from None
    if not low <= value <= high:
        raise UnitError(f"{what} {_shown(text)} is out of range ({low} to {high})")
    return value


def parse_rate(text: str) -> int:
    """Frames a second: `300k`, `1Mpps`, `1.5Mpps`, `250000`. Raises UnitError; 0 is refused."""
    units = {unit + tail: factor for unit, factor in DECIMAL.items() for tail in ("", "pps", "/s")}
    value = _scaled(text, units, "rate", "300k or 1Mpps")
    if value == 0:
        raise UnitError(f"{_shown(text)}: a rate must be above zero")
    return value


def parse_bits(text: str) -> int:
    """Bits a second: `10G`, `10Gbit`, `10Gbps`, `10Gbit/s`, `2.5G`, `100M`. Raises UnitError.

    A number without a unit is refused, since `1000` means Mbit/s to ethtool and bit/s to others.
    """
    tails = ("", "b", "bit", "bps", "bit/s", "b/s", "bits", "bits/s")
    units = {unit + tail: factor for unit, factor in DECIMAL.items() if unit for tail in tails}
    units.update({"bit": 1, "bps": 1, "bit/s": 1})
    value = _scaled(text, units, "link rate", "10G or 100Mbit")
    if value == 0:
        raise UnitError(f"{_shown(text)}: a link rate must be above zero")
    return value


def parse_time(text: str) -> int:
    """Nanoseconds: `50us`, `5ms`, `1.5s`, `2min`, `100ns`; `0` needs no unit. Raises UnitError."""
    if text.strip() == "0":
        return 0
    return _scaled(text, TIME_NS, "time", "50us or 5ms", fold=False)


def parse_size(text: str) -> int:
    """Bytes: `64K`, `4M` (powers of two; also KiB, MiB), `4MB` (powers of ten), `1500`. Raises UnitError."""
    return _scaled(text, BYTES, "size", "64K or 4M")


def parse_factor(text: str) -> Fraction:
    """A factor above zero: `2x`, `0.5x`, `1/3`, `10`. Raises UnitError."""
    body = text.strip()
    if body[-1:] in ("x", "X", "×"):
        body = body[:-1].rstrip()
    if len(body) > MAX_DIGITS or not re.fullmatch(r"[0-9]*\.?[0-9]+|[0-9]+/[0-9]+|[0-9]+\.", body, re.ASCII):
        raise UnitError(f"{_shown(text)} is no factor (like 2x or 0.5x)")
    try:
        value = Fraction(body)
    except (ValueError, ZeroDivisionError):
        raise UnitError(f"{_shown(text)} is no factor (like 2x or 0.5x)") from None
    if value <= 0:
        raise UnitError(f"{_shown(text)}: a factor must be above zero")
    return value


def parse_ppm(text: str) -> int:
    """A share of frames in parts a million: `1%`, `0.05%`, `200ppm`, `0.01` (of one). Raises UnitError."""
    body = text.strip()
    units = {"%": 10_000, "ppm": 1, "": 1_000_000}
    value = _scaled(body, units, "share", "1% or 200ppm")
    if value > 1_000_000:
        raise UnitError(f"{_shown(text)}: a share is at most 100%")
    return value


def parse_cpu_list(text: str, ncpus: int | None = None) -> list[int]:
    """CPU numbers of a list as the kernel writes it, `0-3,8`, ascending and each once. Raises UnitError.

    `ncpus`: when given, numbers must be below it.
    """
    found: set[int] = set()
    for part in text.strip().split(","):
        match = re.fullmatch(r"\s*([0-9]{1,4})\s*(?:-\s*([0-9]{1,4})\s*)?", part, re.ASCII)
        if match is None:
            raise UnitError(f"{_shown(text)} is no list of CPUs (like 0-3,8)")
        first = int(match.group(1))
        last = int(match.group(2)) if match.group(2) else first
        if last < first:
            raise UnitError(f"{_shown(text)}: the range {first}-{last} runs backwards")
        if ncpus is not None and last >= ncpus:
            known = f"{ncpus} CPUs, 0 to {ncpus - 1}"
            raise UnitError(f"{_shown(text)}: there is no CPU {max(first, ncpus)} ({known})")
        found.update(range(first, last + 1))
    return sorted(found)


# --- number to text, exactly: what these write, the functions above read back -------------------------------


def _exact(value: int, steps: list[tuple[str, int]]) -> str:
    for unit, factor in steps:
        if value and value % factor == 0:
            return f"{value // factor}{unit}"
    return f"{value}{steps[-1][0]}"


def exact_time(ns: int) -> str:
    """Nanoseconds in the largest unit that divides them: 50000 -> `50us`."""
    return _exact(ns, [("s", 10**9), ("ms", 10**6), ("us", 10**3), ("ns", 1)])


def exact_bits(bps: int) -> str:
    """Bits a second in the largest unit that divides them: 2500000000 -> `2500M`."""
    return _exact(bps, [("G", 10**9), ("M", 10**6), ("k", 10**3), ("bit", 1)])


def exact_size(n: int) -> str:
    """Bytes in the largest power-of-two unit that divides them: 4194304 -> `4M`."""
    return _exact(n, [("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10), ("", 1)])


def exact_ppm(ppm: int) -> str:
    """A share: 10000 -> `1%`, 250 -> `250ppm`."""
    return f"{ppm // 10_000}%" if ppm % 10_000 == 0 else f"{ppm}ppm"


def format_cpu_list(cpus: Iterable[int]) -> str:
    """CPU numbers as the kernel's %*pbl writes them: [0, 1, 2, 3, 8] -> `0-3,8`; none -> ``."""
    parts: list[str] = []
    ordered = sorted(set(cpus))
    at = 0
    while at < len(ordered):
        end = at
        while end + 1 < len(ordered) and ordered[end + 1] == ordered[end] + 1:
            end += 1
        parts.append(str(ordered[at]) if at == end else f"{ordered[at]}-{ordered[end]}")
        at = end + 1
    return ",".join(parts)


# --- number to text, for reading: rounded to three or four digits, unit beside it ---------------------------


def _three(value: int, factor: int) -> str:
    """value / factor with three significant digits, in integer arithmetic (round half up)."""
    for decimals in (2, 1):
        scale: int = 10**decimals
        tenths = (value * scale * 2 + factor) // (factor * 2)
        if tenths < 1000:
            return f"{tenths // scale}.{tenths % scale:0{decimals}d}"
    return str((value * 2 + factor) // (factor * 2))


def human_time(ns: int) -> str:
    """`17 ns`, `1.23 us`, `45.6 ms`, `12.0 s`: three digits and a unit."""
    if ns < 0:
        return "-" + human_time(-ns)
    if ns < 1000:
        return f"{ns} ns"
    # A value that would round up to 1000 of a unit is shown in the next one.
    for unit, factor in (("us", 10**3), ("ms", 10**6)):
        if (ns * 2 + factor) // (factor * 2) < 1000:
            return f"{_three(ns, factor)} {unit}"
    return f"{_three(ns, 10**9)} s"


def human_count(n: int) -> str:
    """A count with its thousands set apart: 200000 -> `200,000`."""
    return f"{n:,}"


def human_bits(bps: int) -> str:
    """A link's rate as sold: `10 Gbit/s`, `2.50 Gbit/s`, `100 Mbit/s`."""
    for unit, factor in (("Gbit/s", 10**9), ("Mbit/s", 10**6), ("kbit/s", 10**3)):
        if bps >= factor:
            return f"{bps // factor} {unit}" if bps % factor == 0 else f"{_three(bps, factor)} {unit}"
    return f"{bps} bit/s"


def human_share(part: int, whole: int) -> str:
    """part of whole in per cent, with one decimal, two below one per cent; what is there never shows as 0
    %."""
    if whole <= 0 or part <= 0:
        return "0 %"
    if part >= whole:
        return "100 %"
    hundredths = (part * 20_000 + whole) // (whole * 2)  # hundredths of a per cent
    if hundredths == 0:
        return "<0.01 %"
    if hundredths < 100:
        return f"0.{hundredths:02d} %"
    tenths = min((part * 2_000 + whole) // (whole * 2), 999)
    return f"{tenths // 10}.{tenths % 10} %"
