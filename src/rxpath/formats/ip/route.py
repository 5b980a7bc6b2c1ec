"""`ip route`, as text and as JSON."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..errors import FormatError, shown, split_lines, unsigned
from .json_text import Json

FORMAT = "ip route"
TYPES = (
    "unicast",
    "local",
    "broadcast",
    "multicast",
    "anycast",
    "unreachable",
    "prohibit",
    "blackhole",
    "throw",
    "nat",
)
_DST = re.compile(
    r"default|[0-9]{1,3}(?:\.[0-9]{1,3}){0,3}(?:/[0-9]{1,2})?|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*(?:/[0-9]{1,3})?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class IpRoute:
    """One route.  `dst` "default" or a prefix (a host without /32); `kind` "" = unicast; `metrics` e.g.
    {"mtu": 1400}.

    `flags`: onlink, linkdown, dead.  `extra`: words that this module does not know, in pairs.
    """

    dst: str
    kind: str = ""
    via: str | None = None
    dev: str | None = None
    table: str | None = None
    proto: str | None = None
    scope: str | None = None
    src: str | None = None
    metric: int | None = None
    flags: tuple[str, ...] = ()
    metrics: dict[str, int] = field(default_factory=dict)
    extra: dict[str, str] = field(default_factory=dict)
    locked: tuple[str, ...] = ()


_FLAGS = ("onlink", "linkdown", "dead", "pervasive", "offload", "notify", "rt_trap", "cache")
_METRICS = (
    "mtu",
    "advmss",
    "rtt",
    "rttvar",
    "window",
    "cwnd",
    "initcwnd",
    "initrwnd",
    "hoplimit",
    "rto_min",
    "quickack",
    "features",
)
_WORDS = ("via", "dev", "table", "proto", "scope", "src", "metric")


def parse(text: str) -> tuple[IpRoute, ...]:
    """The text form of any version, also busybox's.  FormatError otherwise."""
    routes: list[IpRoute] = []
    for number, line in enumerate(split_lines(text), 1):
        words = line.split()
        if not words or words[0] == "nexthop" or line[0] in " \t":
            continue  # the ways of a multipath route, and `cache` of route get, are not kept
        kind = words.pop(0) if words[0] in TYPES else ""
        if not words or _DST.fullmatch(words[0]) is None:
            raise FormatError(FORMAT, number, f"expected a route, found {shown(line)}")
        routes.append(_one(kind, words, number))
    if not routes:
        raise FormatError(FORMAT, 0, "no routes")
    return tuple(routes)


def _one(kind: str, words: list[str], number: int) -> IpRoute:
    known: dict[str, str] = {}
    flags: list[str] = []
    metrics: dict[str, int] = {}
    extra: dict[str, str] = {}
    locked: list[str] = []
    at = 1
    while at < len(words):
        word = words[at]
        at += 1
        if word in _FLAGS:
            flags.append(word)
            continue
        if at >= len(words):
            raise FormatError(FORMAT, number, f"nothing after {shown(word)}")
        value = words[at]
        at += 1
        if value == "lock" and word in _METRICS and at < len(words):
            locked.append(word)
            value = words[at]
            at += 1
        if word == "rto_min" and value.endswith("s"):
            number_of = value.removesuffix("s").removesuffix("m")
            value = number_of if value.endswith("ms") or not number_of.isdigit() else str(int(number_of) * 1000)
        elif word == "features" and value == "ecn":
            value = "1"
        if word == "via" and value in ("inet", "inet6") and at < len(words):
            value = words[at]
            at += 1
        if word in _WORDS:
            known[word] = value
        elif word in _METRICS and value.isascii() and value.isdigit() and len(value) < 20:
            metrics[word] = int(value)
        else:
            extra[word] = value
    metric = known.get("metric")
    return IpRoute(
        words[0],
        kind,
        known.get("via"),
        known.get("dev"),
        known.get("table"),
        known.get("proto"),
        known.get("scope"),
        known.get("src"),
        None if metric is None else unsigned(metric, FORMAT, number, "a metric"),
        tuple(flags),
        metrics,
        extra,
        tuple(locked),
    )


def _metric_text(name: str, value: int) -> str:
    if name == "features":
        return "ecn"
    if name == "rto_min":
        return f"{value // 1000}s" if value and not value % 1000 else f"{value}ms"
    return str(value)


def render(routes: Sequence[IpRoute]) -> str:
    """IPv4 routes; each line ends with a blank, as in ip."""
    out: list[str] = []
    for r in routes:
        words = [r.kind] if r.kind else []
        words.append(r.dst)
        for name, value in (
            ("via", r.via),
            ("dev", r.dev),
            ("table", r.table),
            ("proto", r.proto),
            ("scope", r.scope),
            ("src", r.src),
            ("metric", r.metric),
        ):
            if value is not None:
                words += [name, str(value)]
        words += r.flags
        for key, number in r.metrics.items():
            words += [key, "lock"] if key in r.locked else [key]
            words.append(_metric_text(key, number))
        for key, text in r.extra.items():
            words += [key, text]
        out.append(" ".join(words) + " \n")
    return "".join(out)


def to_json(routes: Sequence[IpRoute]) -> Json:
    """The structure of `ip -j route`."""
    out: list[Json] = []
    for r in routes:
        one: dict[str, Json] = {"type": r.kind} if r.kind else {}
        one["dst"] = r.dst
        for name, value in (
            ("gateway", r.via),
            ("dev", r.dev),
            ("table", r.table),
            ("protocol", r.proto),
            ("scope", r.scope),
            ("prefsrc", r.src),
            ("metric", r.metric),
        ):
            if value is not None:
                one[name] = value
        one["flags"] = list(r.flags)
        if r.metrics:
            metrics: dict[str, Json] = {}
            for key, number in r.metrics.items():
                if key == "features":
                    metrics["ecn"] = None
                else:
                    metrics[key] = number
            one["metrics"] = [metrics]
        out.append(one)
    return out
