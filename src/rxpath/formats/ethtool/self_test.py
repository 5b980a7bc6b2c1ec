"""`ethtool -t DEV [online|offline]`: the driver's self test (ETHTOOL_TEST)."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import FormatError, decimal, shown, split_lines

FORMAT = "ethtool -t"


@dataclass(frozen=True, slots=True)
class SelfTest:
    """`results`: (name, number); 0 = passed.

    `loopback`: external loopback was executed, None = not printed.
    """

    passed: bool
    results: tuple[tuple[str, int], ...] = ()
    loopback: bool | None = None


def parse(text: str) -> SelfTest:
    """The output of any version.  FormatError otherwise."""
    lines = split_lines(text)
    if not lines or lines[0].strip() not in ("The test result is PASS", "The test result is FAIL"):
        raise FormatError(FORMAT, 1, "expected 'The test result is PASS' or FAIL")
    results: list[tuple[str, int]] = []
    loopback: bool | None = None
    for number, line in enumerate(lines[1:], 2):
        stripped = line.strip()
        if not stripped or stripped == "The test extra info:":
            continue
        if stripped.startswith("External loopback test was "):
            loopback = "not executed" not in stripped
            continue
        name, _, value = line.rpartition("\t ")
        if not name:
            name, _, value = line.rstrip().rpartition(" ")
        if not name.strip():
            raise FormatError(FORMAT, number, f"expected 'test<tab> number', found {shown(line)}")
        results.append((name.rstrip("\t"), decimal(value.strip(), FORMAT, number)))
    return SelfTest(lines[0].strip().endswith("PASS"), tuple(results), loopback)


def render(value: SelfTest) -> str:
    out = [f"The test result is {'PASS' if value.passed else 'FAIL'}\n"]
    if value.loopback is not None:
        out.append(f"External loopback test was {'' if value.loopback else 'not '}executed\n")
    if value.results:
        out.append("The test extra info:\n")
    out.extend(f"{name}\t {number}\n" for name, number in value.results)
    return "".join(out) + "\n"
