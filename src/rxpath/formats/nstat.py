"""`nstat`: the counters of snmp, snmp6 and netstat under joined names such as UdpRcvbufErrors (iproute2)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from .errors import FormatError, shown, split_lines
from .line_pairs import LinePairs

FORMAT = "nstat"
_LINE = re.compile(r"([A-Za-z][A-Za-z0-9_]{0,63})\s+(-?[0-9]{1,20})(?:\s+([0-9.]+[KMGT]?))?(?:\s+\S+)?", re.ASCII)

# not counters: nstat never shows them
USELESS = frozenset(
    {
        "IpForwarding",
        "IpDefaultTTL",
        "TcpRtoAlgorithm",
        "TcpRtoMin",
        "TcpRtoMax",
        "TcpMaxConn",
        "TcpCurrEstab",
    }
)


@dataclass(frozen=True, slots=True)
class Nstat:
    """name -> value; `source` the word after # ("kernel")."""

    counters: dict[str, int]
    source: str = "kernel"

    def get(self, name: str, default: int = 0) -> int:
        return self.counters.get(name, default)


def from_files(snmp: LinePairs, snmp6: dict[str, int], netstat: LinePairs, zeros: bool = False) -> Nstat:
    """What nstat shows of the three files, in its order; `zeros` is -z."""
    counters: dict[str, int] = {}
    for name, value in [*_joined(snmp), *snmp6.items(), *_joined(netstat)]:
        if name not in USELESS and (value or zeros):
            counters[name] = value
    return Nstat(counters)


def _joined(pairs: LinePairs) -> Iterable[tuple[str, int]]:
    for g in pairs.groups:
        for name, value in zip(g.names, g.values, strict=True):
            yield g.name + name, value


def parse(text: str) -> Nstat:
    """The text or the JSON form.  FormatError otherwise."""
    if text.lstrip().startswith("{"):
        return _parse_json(text)
    counters: dict[str, int] = {}
    source = ""
    for number, line in enumerate(split_lines(text), 1):
        if line.startswith("#"):
            source = source or line[1:].split(" ")[0].strip()
            continue
        if not line.strip():
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise FormatError(FORMAT, number, f"expected 'Name  value  rate', found {shown(line)}")
        counters[match[1]] = int(match[2])
    if not counters and not source:
        raise FormatError(FORMAT, 0, "no counters")
    return Nstat(counters, source or "kernel")


def _parse_json(text: str) -> Nstat:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(FORMAT, 0, "not JSON") from error
    if not isinstance(data, dict) or len(data) != 1:
        raise FormatError(FORMAT, 0, "expected one object with the counters")
    source, inner = next(iter(data.items()))
    if not isinstance(inner, dict):
        raise FormatError(FORMAT, 0, "expected one object with the counters")
    counters: dict[str, int] = {}
    for name, value in inner.items():
        if not isinstance(value, int) or isinstance(value, bool):
            raise FormatError(FORMAT, 0, f"expected a number for {shown(name)}")
        counters[name] = value
    return Nstat(counters, source)


def render(value: Nstat) -> str:
    """The text form; rates are 0.0: there is no daemon that would know them."""
    out = [f"#{value.source}\n"]
    out.extend(f"{name:<32s}{number:<16d}{0.0:6.1f}\n" for name, number in value.counters.items())
    return "".join(out)


def render_json(value: Nstat) -> str:
    """The form of -j."""
    return json.dumps({value.source: value.counters}, separators=(",", ":")) + "\n"
