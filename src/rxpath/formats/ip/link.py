"""`ip link` and `ip addr`, with -s, -s -s and -d, as text and as JSON.

The number columns of -s grow with their numbers, receive and transmit together.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import FormatError, shown, split_lines, unsigned
from .json_text import Json

FORMAT = "ip link"
FOREVER = 0xFFFFFFFF

# names of the JSON form -> words of the text form, in order; the kind of device stands before the third
_DETAIL_WORDS = {
    "promiscuity": "promiscuity",
    "allmulti": "allmulti",
    "min_mtu": "minmtu",
    "max_mtu": "maxmtu",
    "inet6_addr_gen_mode": "addrgenmode",
    "num_tx_queues": "numtxqueues",
    "num_rx_queues": "numrxqueues",
    "gso_max_size": "gso_max_size",
    "gso_max_segs": "gso_max_segs",
    "tso_max_size": "tso_max_size",
    "tso_max_segs": "tso_max_segs",
    "gro_max_size": "gro_max_size",
    "parentbus": "parentbus",
    "parentdev": "parentdev",
}
_BEFORE_KIND = ("promiscuity", "allmulti", "min_mtu", "max_mtu")

_RX = ("bytes", "packets", "errors", "dropped", "missed", "mcast")
_RX_ERRORS = ("length", "crc", "frame", "fifo", "overrun")
_TX = ("bytes", "packets", "errors", "dropped", "carrier", "collsns")
_TX_ERRORS = ("aborted", "fifo", "window", "heartbt", "transns")


@dataclass(frozen=True, slots=True)
class LinkStats:
    """rtnl_link_stats64, names as in /sys/class/net/DEV/statistics; `carrier_changes` from the link."""

    rx_bytes: int = 0
    rx_packets: int = 0
    rx_errors: int = 0
    rx_dropped: int = 0
    rx_missed_errors: int = 0
    multicast: int = 0
    rx_compressed: int = 0
    rx_length_errors: int = 0
    rx_crc_errors: int = 0
    rx_frame_errors: int = 0
    rx_fifo_errors: int = 0
    rx_over_errors: int = 0
    rx_nohandler: int = 0
    tx_bytes: int = 0
    tx_packets: int = 0
    tx_errors: int = 0
    tx_dropped: int = 0
    tx_carrier_errors: int = 0
    collisions: int = 0
    tx_compressed: int = 0
    tx_aborted_errors: int = 0
    tx_fifo_errors: int = 0
    tx_window_errors: int = 0
    tx_heartbeat_errors: int = 0
    carrier_changes: int = 0


@dataclass(frozen=True, slots=True)
class Address:
    """One address.

    `flags`: secondary, dynamic, tentative, nodad, ...; lifetimes in seconds, FOREVER = no end.
    """

    family: str
    local: str
    prefixlen: int
    scope: str = "global"
    broadcast: str | None = None
    label: str = ""
    flags: tuple[str, ...] = ()
    valid: int = FOREVER
    preferred: int = FOREVER


@dataclass(frozen=True, slots=True)
class Link:
    """One device.  `link`: the name after @ (peer or lower device); `linkmode` is printed by link, not by
    addr.

    `stats`, `details`, `addresses` None = not part of this output.  `details`: names of the JSON form; `kind`: e.g.
    veth.  `errors`: the output is of -s -s.
    """

    ifindex: int
    ifname: str
    flags: tuple[str, ...] = ()
    mtu: int = 1500
    qdisc: str = "noop"
    operstate: str | None = "DOWN"
    linkmode: str | None = "DEFAULT"
    group: str | None = "default"
    txqlen: int | None = 1000
    link_type: str = "ether"
    address: str = ""
    broadcast: str = ""
    link: str | None = None
    master: str | None = None
    details: dict[str, int | str] | None = None
    kind: str | None = None
    stats: LinkStats | None = None
    errors: bool = False
    addresses: tuple[Address, ...] | None = None
    extra: dict[str, str] = field(default_factory=dict)


# text


def render(links: Sequence[Link]) -> str:
    return "".join(_render_one(x) for x in links)


def _render_one(x: Link) -> str:
    at = f"@{x.link}" if x.link else ""
    out = f"{x.ifindex}: {x.ifname}{at}: <{','.join(x.flags)}> mtu {x.mtu} qdisc {x.qdisc}"
    for word, value in (
        ("master", x.master),
        ("state", x.operstate),
        ("mode", x.linkmode),
        ("group", x.group),
        ("qlen", x.txqlen),
    ):
        if value is not None:
            out += f" {word} {value}"
    out += "\n"
    if x.address:
        out += f"    link/{x.link_type} {x.address}"
        if x.broadcast:
            out += f" brd {x.broadcast}"
        if x.details is not None:
            out += _render_details(x.details, x.kind)
        out += "\n"
    for a in x.addresses or ():
        out += _render_address(a)
    if x.stats is not None:
        out += _render_stats(x.stats, x.errors)
    return out


def _render_details(details: dict[str, int | str], kind: str | None) -> str:
    out = ""
    for name, word in _DETAIL_WORDS.items():
        if name == "inet6_addr_gen_mode" and kind is not None:
            out += f"\n    {kind} "
        if name in details:
            out += f" {word} {details[name]} " if name in ("promiscuity", "allmulti") else f"{word} {details[name]} "
    return out


def _render_address(a: Address) -> str:
    out = f"    {a.family} {a.local}/{a.prefixlen} "
    if a.broadcast is not None:
        out += f"brd {a.broadcast} "
    out += f"scope {a.scope} " + "".join(f"{flag} " for flag in a.flags) + a.label + "\n"
    return out + f"       valid_lft {_life(a.valid)} preferred_lft {_life(a.preferred)}\n"


def _life(seconds: int) -> str:
    return "forever" if seconds == FOREVER else f"{seconds}sec"


def _render_stats(s: LinkStats, errors: bool) -> str:
    rx = (
        s.rx_bytes,
        s.rx_packets,
        s.rx_errors,
        s.rx_dropped,
        s.rx_missed_errors,
        s.multicast,
        s.rx_compressed,
    )
    tx = (
        s.tx_bytes,
        s.tx_packets,
        s.tx_errors,
        s.tx_dropped,
        s.tx_carrier_errors,
        s.collisions,
        s.tx_compressed,
    )
    rx_errors = (s.rx_length_errors, s.rx_crc_errors, s.rx_frame_errors, s.rx_fifo_errors, s.rx_over_errors)
    tx_errors = (
        s.tx_aborted_errors,
        s.tx_fifo_errors,
        s.tx_window_errors,
        s.tx_heartbeat_errors,
        s.carrier_changes,
    )
    rows: list[tuple[int, ...]] = [rx, tx]
    if errors:
        rows += [(0, *rx_errors, s.rx_nohandler), (0, *tx_errors, 0)]
    w = [max([least, *(len(str(row[c])) for row in rows)]) for c, least in enumerate((10, 7, 6, 7, 7, 7, 10))]
    out = ""
    for name, titles, values, error_titles, error_values, last in (
        ("RX", _RX, rx, _RX_ERRORS, rx_errors, s.rx_nohandler),
        ("TX", _TX, tx, _TX_ERRORS, tx_errors, 0),
    ):
        widths = [w[0] - 4, *w[1:6]]
        out += f"    {name}: " + " ".join(f"{t:>{n}s}" for t, n in zip(titles, widths, strict=True))
        out += f" {'compressed' if values[6] else '':>{w[6]}s}\n    "
        out += "".join(f"{v:>{n}d} " for v, n in zip(values[:6], w[:6], strict=True))
        if values[6]:
            out += f"{values[6]:>{w[6]}d} "
        out += "\n"
        if errors:
            out += f"    {name} errors:{'':>{w[0] - 10}s} "
            out += " ".join(f"{t:>{n}s}" for t, n in zip(error_titles, w[1:6], strict=True))
            if last:
                out += f"{' nohandler':>{w[6] + 1}s}"
            out += "\n" + " " * (w[0] + 5)
            out += "".join(f"{v:>{n}d} " for v, n in zip(error_values, w[1:6], strict=True))
            out += f"{last:>{w[6]}d} \n" if last else "\n"
    return out


_HEAD = re.compile(r"([0-9]{1,9}): ([^\s:@]+(?::[^\s:@]+)?)(?:@(\S+))?: <([^>]*)>(.*)", re.ASCII)
_ONE_LINE = re.compile(r"([0-9]{1,9}): ([^\s:]+) +(inet6? .*)", re.ASCII)
_LINK = re.compile(r"\s+link/(\S+)(?: ([0-9a-fA-F:.]+))?(?: (?:brd|peer) ([0-9a-fA-F:.]+))?(.*)", re.ASCII)
_INET = re.compile(
    r"\s+(inet6?) ([0-9a-fA-F:.]+)(?: peer ([0-9a-fA-F:.]+))?/([0-9]{1,3})(?: brd ([0-9.]+))?"
    r" scope (\S+)(.*)",
    re.ASCII,
)
_LIFE = re.compile(r"\s+valid_lft (forever|([0-9]{1,10})sec) preferred_lft (forever|([0-9]{1,10})sec)", re.ASCII)
_KIND = re.compile(r"    ([a-z][a-z0-9_]*) (.*)", re.ASCII)


def parse(text: str) -> tuple[Link, ...]:
    """The text form of any version, also busybox's.  FormatError otherwise."""
    blocks: list[tuple[int, list[str]]] = []
    for number, line in enumerate(split_lines(text.replace("\\    ", "\n    ")), 1):  # -o joins lines by a backslash
        one = _ONE_LINE.fullmatch(line.rstrip("\\"))
        if one is not None:  # -o addr: the device is repeated before each of its addresses, without its state
            head = f"{one[1]}: {one[2]}: <>"
            if not blocks or blocks[-1][1][0] != head:
                blocks.append((number, [head]))
            blocks[-1][1].append("    " + one[3])
        elif _HEAD.fullmatch(line.rstrip("\\")):
            blocks.append((number, [line.rstrip("\\")]))
        elif blocks and (not line.strip() or line[0] in " \t"):
            if line.strip():
                blocks[-1][1].append(line.rstrip("\\"))
        else:
            raise FormatError(FORMAT, number, f"expected 'index: name: <FLAGS> ...', found {shown(line)}")
    if not blocks:
        raise FormatError(FORMAT, 0, "no devices")
    return tuple(_parse_one(number, lines) for number, lines in blocks)


def _parse_one(number: int, lines: list[str]) -> Link:
    head = _HEAD.fullmatch(lines[0])
    if head is None:
        raise FormatError(FORMAT, number, f"expected 'index: name: <FLAGS> ...', found {shown(lines[0])}")
    have = _pairs(head[5])
    link_type, address, broadcast = "", "", ""
    details: dict[str, int | str] | None = None
    kind: str | None = None
    addresses: list[Address] | None = None
    counters: dict[str, int] = {}
    errors = False
    at = 1
    while at < len(lines):
        line = lines[at]
        at += 1
        m = _LINK.fullmatch(line)
        if m is not None:
            link_type, address, broadcast = m[1], m[2] or "", m[3] or ""
            details = _details(m[4]) or None
            continue
        m = _INET.fullmatch(line)
        if m is not None:
            life = _LIFE.fullmatch(lines[at].rstrip()) if at < len(lines) else None
            at += 1 if life is not None else 0
            addresses = addresses or []
            addresses.append(_address(m, life))
            continue
        words = line.split()
        if words[0] in ("RX:", "TX:") or words[:2] in (["RX", "errors:"], ["TX", "errors:"]):
            is_errors = words[0] in ("RX", "TX")
            errors = errors or is_errors
            titles = words[2:] if is_errors else words[1:]
            values = lines[at].split() if at < len(lines) else []
            at += 1
            if len(values) != len(titles):
                raise FormatError(FORMAT, number, f"expected {len(titles)} numbers under {shown(line.strip())}")
            for title, value in zip(titles, values, strict=True):
                key = _COUNTERS.get((words[0].rstrip(":").lower(), is_errors, title))
                amount = unsigned(value, FORMAT, number, "a counter")
                if key is not None:
                    counters[key] = amount
            continue
        m = _KIND.fullmatch(line)
        if m is not None and details is not None:
            kind = m[1]
            details.update(_details(m[2]))
    stats = LinkStats(**counters) if counters else None
    qlen = have.get("qlen")
    return Link(
        unsigned(head[1], FORMAT, number),
        head[2],
        tuple(f for f in head[4].split(",") if f),
        unsigned(have.get("mtu", "0"), FORMAT, number, "an mtu"),
        have.get("qdisc", ""),
        have.get("state"),
        have.get("mode"),
        have.get("group"),
        None if qlen is None else unsigned(qlen, FORMAT, number, "a queue length"),
        link_type,
        address,
        broadcast,
        head[3],
        have.get("master"),
        details,
        kind,
        stats,
        errors,
        None if addresses is None else tuple(addresses),
    )


def _pairs(text: str) -> dict[str, str]:
    words = text.split()
    return dict(zip(words[::2], words[1::2], strict=False))


def _details(text: str) -> dict[str, int | str]:
    found = _pairs(text)
    out: dict[str, int | str] = {}
    for name, word in _DETAIL_WORDS.items():
        if word in found:
            value = found[word]
            out[name] = int(value) if value.isascii() and value.isdigit() and len(value) < 20 else value
    return out


def _address(m: re.Match[str], life: re.Match[str] | None) -> Address:
    words = m[7].split()
    label = words.pop() if words and m[1] == "inet" else ""
    return Address(
        m[1],
        m[2],
        int(m[4]),
        m[6],
        m[5],
        label,
        tuple(words),
        FOREVER if life is None or life[1] == "forever" else int(life[2]),
        FOREVER if life is None or life[3] == "forever" else int(life[4]),
    )


# (direction, on the line of errors, title of the column) -> counter; older versions have other titles
_COUNTERS: dict[tuple[str, bool, str], str] = {
    ("rx", False, "bytes"): "rx_bytes",
    ("rx", False, "packets"): "rx_packets",
    ("rx", False, "errors"): "rx_errors",
    ("rx", False, "dropped"): "rx_dropped",
    ("rx", False, "missed"): "rx_missed_errors",
    ("rx", False, "overrun"): "rx_over_errors",
    ("rx", False, "mcast"): "multicast",
    ("rx", False, "compressed"): "rx_compressed",
    ("rx", True, "length"): "rx_length_errors",
    ("rx", True, "crc"): "rx_crc_errors",
    ("rx", True, "frame"): "rx_frame_errors",
    ("rx", True, "fifo"): "rx_fifo_errors",
    ("rx", True, "missed"): "rx_missed_errors",
    ("rx", True, "overrun"): "rx_over_errors",
    ("rx", True, "nohandler"): "rx_nohandler",
    ("tx", False, "bytes"): "tx_bytes",
    ("tx", False, "packets"): "tx_packets",
    ("tx", False, "errors"): "tx_errors",
    ("tx", False, "dropped"): "tx_dropped",
    ("tx", False, "carrier"): "tx_carrier_errors",
    ("tx", False, "collsns"): "collisions",
    ("tx", False, "compressed"): "tx_compressed",
    ("tx", True, "aborted"): "tx_aborted_errors",
    ("tx", True, "fifo"): "tx_fifo_errors",
    ("tx", True, "window"): "tx_window_errors",
    ("tx", True, "heartbeat"): "tx_heartbeat_errors",
    ("tx", True, "heartbt"): "tx_heartbeat_errors",
    ("tx", True, "transns"): "carrier_changes",
}


# JSON


def to_json(links: Sequence[Link]) -> Json:
    """The structure of `ip -j link` or `ip -j addr`; `json_text` writes it."""
    return [_json_one(x) for x in links]


def _json_one(x: Link) -> Json:
    out: dict[str, Json] = {"ifindex": x.ifindex}
    if x.link is not None:
        out["link"] = x.link
    out |= {"ifname": x.ifname, "flags": list(x.flags), "mtu": x.mtu, "qdisc": x.qdisc}
    for name, value in (
        ("master", x.master),
        ("operstate", x.operstate),
        ("linkmode", x.linkmode),
        ("group", x.group),
        ("txqlen", x.txqlen),
    ):
        if value is not None:
            out[name] = value
    if x.address:
        out |= {"link_type": x.link_type, "address": x.address}
        if x.broadcast:
            out["broadcast"] = x.broadcast
    if x.details is not None:
        for name in _DETAIL_WORDS:
            if name == "inet6_addr_gen_mode" and x.kind is not None:
                out["linkinfo"] = {"info_kind": x.kind}
            if name in x.details:
                out[name] = x.details[name]
    if x.addresses is not None:
        out["addr_info"] = [_json_address(a) for a in x.addresses]
    if x.stats is not None:
        out["stats64"] = _json_stats(x.stats, x.errors)
    return out


def _json_address(a: Address) -> Json:
    out: dict[str, Json] = {"family": a.family, "local": a.local, "prefixlen": a.prefixlen}
    if a.broadcast is not None:
        out["broadcast"] = a.broadcast
    out["scope"] = a.scope
    out |= dict.fromkeys(a.flags, True)
    if a.label:
        out["label"] = a.label
    return out | {"valid_life_time": a.valid, "preferred_life_time": a.preferred}


def _json_stats(s: LinkStats, errors: bool) -> Json:
    rx: dict[str, Json] = {
        "bytes": s.rx_bytes,
        "packets": s.rx_packets,
        "errors": s.rx_errors,
        "dropped": s.rx_dropped,
        "over_errors": s.rx_over_errors,
        "multicast": s.multicast,
    }
    tx: dict[str, Json] = {
        "bytes": s.tx_bytes,
        "packets": s.tx_packets,
        "errors": s.tx_errors,
        "dropped": s.tx_dropped,
        "carrier_errors": s.tx_carrier_errors,
        "collisions": s.collisions,
    }
    if s.rx_compressed:
        rx["compressed"] = s.rx_compressed
    if s.tx_compressed:
        tx["compressed"] = s.tx_compressed
    if errors:
        rx |= {
            "length_errors": s.rx_length_errors,
            "crc_errors": s.rx_crc_errors,
            "frame_errors": s.rx_frame_errors,
            "fifo_errors": s.rx_fifo_errors,
            "missed_errors": s.rx_missed_errors,
        }
        if s.rx_nohandler:
            rx["nohandler"] = s.rx_nohandler
        tx |= {
            "aborted_errors": s.tx_aborted_errors,
            "fifo_errors": s.tx_fifo_errors,
            "window_errors": s.tx_window_errors,
            "heartbeat_errors": s.tx_heartbeat_errors,
            "carrier_changes": s.carrier_changes,
        }
    return {"rx": rx, "tx": tx}


def from_json(data: object) -> tuple[Link, ...]:
    """The inverse of `to_json`; FormatError for a structure that is not that of `ip -j link` or `addr`."""
    if not isinstance(data, list) or not data:
        raise FormatError(FORMAT, 0, "expected a list of devices")
    return tuple(_from_one(one) for one in data if one != {})


def _from_one(data: object) -> Link:
    ifname, flags = _get(data, "ifname", str, ""), _get(data, "flags", list, [])
    if not ifname:
        raise FormatError(FORMAT, 0, "a device without ifname")
    stats64: object = _get(data, "stats64", dict, {}) or _get(data, "stats", dict, {})
    counters: dict[str, int] = {}
    for direction in ("rx", "tx"):
        for key, value in _get(stats64, direction, dict, {}).items():
            name = _JSON_COUNTERS.get(key, f"{direction}_{key}")
            if name in _STAT_NAMES and isinstance(value, int):
                counters[name] = value
    details: dict[str, int | str] = {}
    for name in _DETAIL_WORDS:
        found = _get(data, name, object, None)
        if isinstance(found, int | str):
            details[name] = found
    kind = _get(_get(data, "linkinfo", dict, {}), "info_kind", str, None)
    addresses = _get(data, "addr_info", list, None)
    return Link(
        _get(data, "ifindex", int, 0),
        ifname,
        tuple(str(f) for f in flags),
        _get(data, "mtu", int, 0),
        _get(data, "qdisc", str, ""),
        _get(data, "operstate", str, None),
        _get(data, "linkmode", str, None),
        _get(data, "group", str, None),
        _get(data, "txqlen", int, None),
        _get(data, "link_type", str, ""),
        _get(data, "address", str, ""),
        _get(data, "broadcast", str, ""),
        _get(data, "link", str, None),
        _get(data, "master", str, None),
        details or None,
        kind,
        LinkStats(**counters) if counters else None,
        "rx_length_errors" in counters,
        None if addresses is None else tuple(_from_address(a) for a in addresses if a != {}),
    )


def _from_address(data: object) -> Address:
    flags = tuple(k for k, v in data.items() if v is True) if isinstance(data, dict) else ()
    return Address(
        _get(data, "family", str, ""),
        _get(data, "local", str, ""),
        _get(data, "prefixlen", int, 0),
        _get(data, "scope", str, ""),
        _get(data, "broadcast", str, None),
        _get(data, "label", str, ""),
        flags,
        _get(data, "valid_life_time", int, FOREVER),
        _get(data, "preferred_life_time", int, FOREVER),
    )


def _get(data: object, key: str, kind: type, default: Any) -> Any:
    if not isinstance(data, dict):
        raise FormatError(FORMAT, 0, "expected an object")
    value = data.get(key, default)
    if value is not default and not isinstance(value, kind):
        raise FormatError(FORMAT, 0, f"{key} is not of the expected type")
    return value


_JSON_COUNTERS = {"multicast": "multicast", "collisions": "collisions", "carrier_changes": "carrier_changes"}
_STAT_NAMES = frozenset(LinkStats.__dataclass_fields__)
