"""Capture filters as tcpdump takes them: `udp port 53 and host 10.0.0.1`, to a predicate over frames.

What belongs here: the language of pcap-filter(7) as far as frames on Ethernet with IPv4, IPv6 ports and ARP
need it, with its own rules: `and` and `or` have equal precedence and group from the left, `not` binds
tighter, a name that stands alone takes the qualifiers of the one before it (`port 53 or 67`), what follows
`vlan` looks behind the tag, and a frame that ends before a byte that is asked for is refused whatever the
rest says. Not known: arithmetic on bytes (`tcp[13] & 2 != 0`), names of hosts and ports, addresses of IPv6,
`gateway`, `ip broadcast`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from rxpath.link.source import Frame, Source
from rxpath.wire.ethernet import ETH_P_8021AD, ETH_P_8021Q, ETH_P_ARP, ETH_P_IP, ETH_P_IPV6, ETH_P_RARP
from rxpath.wire.ipv4 import IPPROTO_ICMP, IPPROTO_IGMP, IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP

Predicate = Callable[[bytes], bool]

ETH_P_QINQ1: Final = 0x9100
IPPROTO_FRAGMENT: Final = 44
TAGS: Final = (ETH_P_8021Q, ETH_P_8021AD, ETH_P_QINQ1)
ETHER: Final = {"ip": ETH_P_IP, "arp": ETH_P_ARP, "rarp": ETH_P_RARP, "ip6": ETH_P_IPV6}
# Protocol -> (number, whether IPv6 carries it too)
INNER: Final = {
    "tcp": (IPPROTO_TCP, True),
    "udp": (IPPROTO_UDP, True),
    "sctp": (IPPROTO_SCTP, True),
    "icmp": (IPPROTO_ICMP, False),
    "igmp": (IPPROTO_IGMP, False),
}
WITH_PORTS: Final = (IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP)
KINDS: Final = ("host", "net", "port", "portrange", "proto")
MAX_DEPTH: Final = 100
CAPTURE_FILTER: Final = "capture filter"

_TOKEN: Final = re.compile(r"\s*(&&|\|\||[()!\[\]]|[^\s()!\[\]&|]+|.)", re.S)
_MAC: Final = re.compile(r"[0-9a-fA-F]{1,2}([:-][0-9a-fA-F]{1,2}){5}", re.ASCII)
_DOTTED: Final = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){0,3}", re.ASCII)


class FilterError(ValueError):
    """A filter that is none, or uses what is not known here; the message is one line."""


def compile_filter(text: str) -> Predicate:
    """The predicate of a filter; the empty filter takes every frame. Raises FilterError."""
    tokens = [t for t in _TOKEN.findall(text) if t.strip()]
    if not tokens:
        return lambda frame: True
    parser = _Parser(tokens, text.strip())
    try:
        inner = parser.expression(0)
    except IndexError:
        raise parser.error("ends too early") from None
    if parser.at < len(tokens):
        raise parser.error(f"'{tokens[parser.at]}' is not expected there")

    def matches(frame: bytes) -> bool:
        try:
            return inner(frame)
        except IndexError:
            return False

    return matches


class Filtered(Source):
    """Only the frames of a source that a filter takes (tally: not sent, "capture filter")."""

    __slots__ = ("hits", "matches")

    def __init__(self, inner: Source, text: str) -> None:
        super().__init__(inner.name, inner.total, inner)
        self.matches = compile_filter(text)
        self.hits = 0

    def clear_counts(self) -> None:
        self.frames = 0
        self.hits = 0

    def not_sent(self) -> dict[str, int]:
        return {CAPTURE_FILTER: self.hits}

    def __iter__(self) -> Iterator[Frame]:
        assert self.inner is not None
        matches = self.matches
        for item in self.inner:
            if matches(item[1]):
                self.frames += 1
                yield item
            else:
                self.hits += 1


def _half(frame: bytes, at: int) -> int:
    return frame[at] << 8 | frame[at + 1]


def _word(frame: bytes, at: int) -> int:
    return frame[at] << 24 | frame[at + 1] << 16 | frame[at + 2] << 8 | frame[at + 3]


def _any(first: Predicate, second: Predicate) -> Predicate:
    return lambda frame: first(frame) or second(frame)


def _all(first: Predicate, second: Predicate) -> Predicate:
    return lambda frame: first(frame) and second(frame)


def _none(inner: Predicate) -> Predicate:
    return lambda frame: not inner(frame)


def _ethertype(value: int, off: int) -> Predicate:
    at = 12 + off
    return lambda frame: _half(frame, at) == value


def _ip_proto(number: int, off: int) -> Predicate:
    at = 12 + off
    return lambda frame: _half(frame, at) == ETH_P_IP and frame[at + 11] == number


def _ip6_proto(number: int, off: int) -> Predicate:
    """The next header, also of the rest behind a fragment header."""
    at = 12 + off

    def matches(frame: bytes) -> bool:
        if _half(frame, at) != ETH_P_IPV6:
            return False
        following = frame[at + 8]
        return following == number or (following == IPPROTO_FRAGMENT and frame[at + 42] == number)

    return matches


def _by_direction(direction: str, source: Predicate, destination: Predicate) -> Predicate:
    if direction == "src":
        return source
    if direction == "dst":
        return destination
    return (_all if direction == "src and dst" else _any)(source, destination)


def _address(kind: str, value: int, mask: int, direction: str, off: int) -> Predicate:
    """Source or destination address of `kind` (ip, arp, rarp) under a mask."""
    at = 14 + off
    first, second = (at + 12, at + 16) if kind == "ip" else (at + 14, at + 24)
    return _all(
        _ethertype(ETHER[kind], off),
        _by_direction(
            direction,
            lambda frame: _word(frame, first) & mask == value,
            lambda frame: _word(frame, second) & mask == value,
        ),
    )


def _ports(low: int, high: int, protocols: tuple[int, ...], direction: str, off: int) -> Predicate:
    at = 14 + off

    def at_transport(frame: bytes) -> int:
        """Where the ports are, or -1."""
        kind = _half(frame, at - 2)
        if kind == ETH_P_IPV6:
            return at + 40 if frame[at + 6] in protocols else -1
        if kind != ETH_P_IP or frame[at + 9] not in protocols or _half(frame, at + 6) & 0x1FFF:
            return -1
        return at + (frame[at] & 15) * 4

    def source(frame: bytes) -> bool:
        where = at_transport(frame)
        return where >= 0 and low <= _half(frame, where) <= high

    def destination(frame: bytes) -> bool:
        where = at_transport(frame)
        return where >= 0 and low <= _half(frame, where + 2) <= high

    return _by_direction(direction, source, destination)


class _Parser:
    """Recursive descent over tokens. `off` is what the `vlan`s so far have moved the network header by."""

    __slots__ = ("at", "last", "off", "text", "tokens")

    def __init__(self, tokens: list[str], text: str) -> None:
        self.tokens = tokens
        self.text = text if len(text) <= 60 else text[:57] + "..."
        self.at = 0
        self.off = 0
        # protocol, direction, kind of the last name, for names that stand alone
        self.last: tuple[str, str, str] | None = None

    def error(self, why: str) -> FilterError:
        return FilterError(" ".join(f"filter '{self.text}': {why}".split()))  # one line, whatever was written

    def peek(self, ahead: int = 0) -> str:
        at = self.at + ahead
        return self.tokens[at] if at < len(self.tokens) else ""

    def take(self) -> str:
        token = self.tokens[self.at]
        self.at += 1
        return token

    def expression(self, depth: int) -> Predicate:
        if depth > MAX_DEPTH:
            raise self.error("nested too deeply")
        result = self.factor(depth)
        while self.peek() in ("and", "or", "&&", "||"):
            combine = _all if self.take() in ("and", "&&") else _any
            result = combine(result, self.factor(depth))
        return result

    def factor(self, depth: int) -> Predicate:
        turned = False
        while self.peek() in ("not", "!"):
            self.take()
            turned = not turned
        if self.peek() == "(":
            self.take()
            result = self.expression(depth + 1)
            if self.take() != ")":
                raise self.error("a ')' is missing")
        else:
            result = self.primitive()
        return _none(result) if turned else result

    def primitive(self) -> Predicate:
        token = self.peek()
        if self.peek(1) == "[":
            raise self.error("arithmetic on bytes is not known here")
        if token in ("less", "greater"):
            self.take()
            limit = self.number(self.take(), 1 << 31)
            return (lambda frame: len(frame) <= limit) if token == "less" else (lambda frame: len(frame) >= limit)
        if token == "vlan":
            return self.vlan()
        if token in ("broadcast", "multicast"):
            return self.group("ether", self.take())
        protocol = ""
        if token in ("ether", *ETHER, *INNER):
            protocol = self.take()
            if self.peek() in ("broadcast", "multicast") and protocol in ("ether", "ip"):
                return self.group(protocol, self.take())
        direction = self.direction()
        kind = self.take() if self.peek() in KINDS else ""
        if not protocol and not direction and not kind:
            return self.alone()
        if protocol and not direction and not kind:
            if protocol == "ether":
                raise self.error("'ether' needs host, src, dst, proto, broadcast or multicast")
            return self.protocol(protocol)
        kind = kind or "host"
        if kind == "proto" and direction:
            raise self.error(f"'{direction} proto' makes no sense")
        self.last = (protocol, direction or "src or dst", kind)
        return self.named(*self.last, self.take())

    def direction(self) -> str:
        first = self.peek()
        if first not in ("src", "dst"):
            return ""
        self.take()
        between, second = self.peek(), self.peek(1)
        if between in ("and", "or", "&&", "||") and second in ("src", "dst") and second != first:
            self.at += 2
            return "src and dst" if between in ("and", "&&") else "src or dst"
        return first

    def alone(self) -> Predicate:
        """A name without qualifiers: those of the name before."""
        token = self.take()
        if token in ("and", "or", "&&", "||", ")"):
            raise self.error(f"'{token}' is not expected there")
        if self.last is None:
            raise self.error(f"'{token}' is not known here (write host {token}?)")
        return self.named(*self.last, token)

    def vlan(self) -> Predicate:
        self.take()
        at = 12 + self.off
        self.off += 4
        self.last = None
        if not self.peek().isdecimal():
            return lambda frame: _half(frame, at) in TAGS
        wanted = self.number(self.take(), 4095)
        return lambda frame: _half(frame, at) in TAGS and _half(frame, at + 2) & 0xFFF == wanted

    def group(self, protocol: str, which: str) -> Predicate:
        if protocol == "ip":
            if which == "broadcast":
                raise self.error("'ip broadcast' needs a netmask, which a capture has not")
            at = 14 + self.off
            return _all(_ethertype(ETH_P_IP, self.off), lambda frame: frame[at + 16] >= 224)
        if which == "broadcast":
            return lambda frame: frame[5] == 255 and frame[:6] == b"\xff" * 6
        return lambda frame: bool(frame[0] & 1)

    def protocol(self, name: str) -> Predicate:
        if name in ETHER:
            return _ethertype(ETHER[name], self.off)
        number, also_ip6 = INNER[name]
        if not also_ip6:
            return _ip_proto(number, self.off)
        return _any(_ip_proto(number, self.off), _ip6_proto(number, self.off))

    def named(self, protocol: str, direction: str, kind: str, name: str) -> Predicate:
        name = name.removeprefix("\\")
        if kind == "proto":
            return self.proto(protocol, name)
        if kind in ("port", "portrange"):
            if protocol and protocol not in ("tcp", "udp", "sctp"):
                raise self.error(f"'{protocol} {kind}' makes no sense")
            low, dash, high = name.partition("-")
            if bool(dash) != (kind == "portrange"):
                raise self.error(f"'{name}' is no {kind} (write port 53, or portrange 1000-2000)")
            first = self.number(low, 65535)
            last = self.number(high, 65535) if dash else first
            protocols = (INNER[protocol][0],) if protocol else WITH_PORTS
            return _ports(min(first, last), max(first, last), protocols, direction, self.off)
        if protocol == "ether" or _MAC.fullmatch(name):
            return self.ether_host(protocol, direction, kind, name)
        if protocol in INNER or protocol == "ip6":
            raise self.error(f"'{protocol} {kind}' is not known here")
        value, mask = self.network(name) if kind == "net" else self.host(name)
        kinds = (protocol,) if protocol else ("ip", "arp", "rarp")
        result = _address(kinds[0], value, mask, direction, self.off)
        for other in kinds[1:]:
            result = _any(result, _address(other, value, mask, direction, self.off))
        return result

    def proto(self, protocol: str, name: str) -> Predicate:
        if protocol == "ether":
            if name in ETHER:
                return _ethertype(ETHER[name], self.off)
            value = self.number(name, 65535)
            if value <= 1500:
                raise self.error("an ether proto below 1501 (LLC) is not known here")
            return _ethertype(value, self.off)
        number = INNER[name][0] if name in INNER else self.number(name, 255)
        if protocol == "ip":
            return _ip_proto(number, self.off)
        if protocol == "ip6":
            return _ip6_proto(number, self.off)
        if protocol:
            raise self.error(f"'{protocol} proto' makes no sense")
        return _any(_ip_proto(number, self.off), _ip6_proto(number, self.off))

    def ether_host(self, protocol: str, direction: str, kind: str, name: str) -> Predicate:
        if protocol != "ether" or kind != "host" or not _MAC.fullmatch(name):
            raise self.error(f"'{name}' is no address that goes with it (ether host 02:00:00:00:00:01)")
        mac = bytes(int(part, 16) for part in re.split("[:-]", name))
        return _by_direction(
            direction,
            lambda frame: frame[11] == mac[5] and frame[6:12] == mac,
            lambda frame: frame[5] == mac[5] and frame[:6] == mac,
        )

    def host(self, name: str) -> tuple[int, int]:
        parts = name.split(".")
        if len(parts) != 4 or not _DOTTED.fullmatch(name) or any(int(p) > 255 for p in parts):
            raise self.error(f"'{name}' is no IPv4 address (names are not looked up)")
        return int.from_bytes(bytes(int(p) for p in parts), "big"), 0xFFFFFFFF

    def network(self, name: str) -> tuple[int, int]:
        body, slash, length = name.partition("/")
        parts = body.split(".")
        if not _DOTTED.fullmatch(body) or any(int(p) > 255 for p in parts):
            raise self.error(f"'{name}' is no network (like 10.0.0.0/8, or 10)")
        value = int.from_bytes(bytes(int(p) for p in parts).ljust(4, b"\0"), "big")
        bits = self.number(length, 32) if slash else 8 * len(parts)
        mask = 0xFFFFFFFF << (32 - bits) & 0xFFFFFFFF
        if self.peek() == "mask" and not slash:
            self.take()
            mask = self.host(self.take())[0]
        if value & ~mask & 0xFFFFFFFF:
            raise self.error(f"'{name}': bits outside the mask are set")
        return value, mask

    def number(self, text: str, most: int) -> int:
        try:
            value = int(text, 0) if len(text) < 20 else most + 1
        except ValueError:
            raise self.error(f"'{text}' is no number here (names are not looked up)") from None
        if not 0 <= value <= most:
            raise self.error(f"{text[:20]} is out of range (0 to {most})")
        return value
