"""The extensions of iptables 1.8.9 (legacy): what the options of its matches and targets mean, and how rules show them.

What belongs here: for each match and target its options, their checks with iptables' own words, the text of -L and
that of -S.  What they do to packets is the kernel's (net/netfilter/xt_match.py, xt_target.py).
"""

from __future__ import annotations

from typing import Final, Literal

from rxpath.net.netfilter.x_tables import XtMatch, XtTarget
from rxpath.net.netfilter.xt_match import (
    MULTIPORT_DESTINATION,
    MULTIPORT_EITHER,
    MULTIPORT_SOURCE,
    XT_LIMIT_SCALE,
    XT_TCP_INV_DSTPT,
    XT_TCP_INV_FLAGS,
    XT_TCP_INV_OPTION,
    XT_TCP_INV_SRCPT,
    CommentMatch,
    IcmpMatch,
    LimitMatch,
    MultiportMatch,
    TcpMatch,
    UdpMatch,
)
from rxpath.net.netfilter.xt_target import (
    LOG_DEFAULT_LEVEL,
    NF_LOG_IPOPT,
    NF_LOG_MACDECODE,
    NF_LOG_TCPOPT,
    NF_LOG_TCPSEQ,
    NF_LOG_UID,
    REJECT_CODES,
    REJECT_TCP_RESET,
    LogTarget,
    RejectTarget,
)
from rxpath.tools.process import Usage

TRY: Final = "Try `iptables -h' or 'iptables --help' for more information.\n"
NAME: Final = "iptables v1.8.9 (legacy)"


def problem(text: str, status: int = 2) -> Usage:
    """xtables_error(PARAMETER_PROBLEM, ...)."""
    return Usage(f"{NAME}: {text}\n{TRY}", status)


# /etc/services and /etc/protocols of Debian, as far as receivers are likely to meet them
SERVICES: Final[tuple[tuple[str, int, str], ...]] = (
    ("echo", 7, ""),
    ("discard", 9, ""),
    ("daytime", 13, ""),
    ("chargen", 19, ""),
    ("ftp-data", 20, "tcp"),
    ("ftp", 21, "tcp"),
    ("ssh", 22, "tcp"),
    ("telnet", 23, "tcp"),
    ("smtp", 25, "tcp"),
    ("time", 37, ""),
    ("domain", 53, ""),
    ("bootps", 67, "udp"),
    ("bootpc", 68, "udp"),
    ("tftp", 69, "udp"),
    ("http", 80, "tcp"),
    ("kerberos", 88, ""),
    ("pop3", 110, "tcp"),
    ("sunrpc", 111, ""),
    ("nntp", 119, "tcp"),
    ("ntp", 123, "udp"),
    ("netbios-ns", 137, "udp"),
    ("netbios-dgm", 138, "udp"),
    ("netbios-ssn", 139, "tcp"),
    ("imap2", 143, "tcp"),
    ("snmp", 161, ""),
    ("snmp-trap", 162, ""),
    ("bgp", 179, "tcp"),
    ("ldap", 389, ""),
    ("https", 443, ""),
    ("microsoft-ds", 445, ""),
    ("isakmp", 500, "udp"),
    ("syslog", 514, "udp"),
    ("route", 520, "udp"),
    ("ldaps", 636, ""),
    ("imaps", 993, "tcp"),
    ("pop3s", 995, "tcp"),
    ("nfs", 2049, ""),
    ("mysql", 3306, "tcp"),
    ("sip", 5060, ""),
    ("mdns", 5353, "udp"),
    ("postgresql", 5432, "tcp"),
)
PROTOCOLS: Final[dict[str, int]] = {
    "icmp": 1,
    "igmp": 2,
    "ipencap": 4,
    "tcp": 6,
    "egp": 8,
    "udp": 17,
    "dccp": 33,
    "ipv6": 41,
    "rsvp": 46,
    "gre": 47,
    "esp": 50,
    "ah": 51,
    "ipv6-icmp": 58,
    "eigrp": 88,
    "ospf": 89,
    "ipip": 94,
    "pim": 103,
    "vrrp": 112,
    "l2tp": 115,
    "sctp": 132,
    "mobility-header": 135,
    "udplite": 136,
}
# names that iptables knows itself
CHAIN_PROTOS: Final[dict[str, int]] = {"icmpv6": 58, "mh": 135, "ipv6-mh": 135, "all": 0}


def protocol_name(number: int) -> str:
    for name, n in PROTOCOLS.items():
        if n == number:
            return name
    return str(number)


def service_name(port: int, proto: str) -> str:
    for name, n, only in SERVICES:
        if n == port and only in ("", proto):
            return name
    return str(port)


def service_port(name: str, proto: str) -> int:
    """-1: unknown."""
    for word, n, only in SERVICES:
        if word == name and (not proto or only in ("", proto)):
            return n
    return -1


def strtoui(text: str, most: int) -> int:
    """xtables_strtoui with the whole text: -1 when it is no number up to `most` (C's bases)."""
    t = text.strip()
    if t.startswith("-"):
        return -1
    try:
        v = int(t, 16) if t[:2].lower() == "0x" else int(t, 8) if len(t) > 1 and t[0] == "0" else int(t)
    except ValueError:
        return -1
    return v if v <= most and t.isascii() and "_" not in t else -1


def parse_port(text: str, proto: str) -> int:
    """xtables_parse_port."""
    v = strtoui(text, 65535) if text else -1
    if v < 0:
        v = service_port(text, proto)
    if v < 0:
        raise problem(f"invalid port/service `{text}' specified")
    return v


def save_string(text: str) -> str:
    """xtables_save_string: bare when nothing in it means something to a shell."""
    if text and all(c.isascii() and (c.isalnum() or c in "_-") for c in text):
        return " " + text
    return ' "' + "".join("\\" + c if c in "\"\\'" else c for c in text) + '"'


Option = tuple[str, bool, str]  # name, whether it takes an argument, the name that messages use


class Extension:
    """One use of a match or target on a command line.  `options`: (name, takes an argument, canonical name)."""

    name = ""
    options: tuple[Option, ...] = ()
    invertible: frozenset[str] = frozenset()
    once: Literal["new", "old"] = "new"

    def __init__(self) -> None:
        self.seen: list[str] = []

    def option(self, name: str) -> Option | None:
        for o in self.options:
            if o[0] == name:
                return o
        return None

    def take(self, option: Option, value: str, invert: bool, proto: int) -> None:
        """The checks that every option goes through, then `parse`."""
        canonical = option[2]
        if canonical in self.seen:
            raise problem(f'{self.name}: option "--{canonical}" can only be used once.\n')
        if invert and canonical not in self.invertible:
            raise problem(f'{self.name}: option "--{canonical}" cannot be inverted.\n')
        self.seen.append(canonical)
        self.parse(canonical, value, invert, proto)

    def parse(self, option: str, value: str, invert: bool, proto: int) -> None:
        raise NotImplementedError

    def more_words(self, option: str) -> int:
        """Words beyond the option's argument (--tcp-flags has one)."""
        return 0

    def need(self, option: str) -> None:
        if option not in self.seen:
            raise problem(f'{self.name}: option "--{option}" must be specified\n')


class MatchExt(Extension):
    def finish(self, proto: int, inv_proto: bool) -> None:
        """What can be said once the whole line is read."""

    def xt(self) -> XtMatch:
        raise NotImplementedError

    @staticmethod
    def show(m: XtMatch, numeric: bool) -> str:
        raise NotImplementedError

    @staticmethod
    def save(m: XtMatch) -> str:
        raise NotImplementedError


def _port_show(name: str, ports: tuple[int, int], inv: bool, numeric: bool, proto: str) -> str:
    if ports == (0, 0xFFFF) and not inv:
        return ""
    bang = "!" if inv else ""
    text = [str(x) if numeric else service_name(x, proto) for x in ports]
    return f" {name}:{bang}{text[0]}" if ports[0] == ports[1] else f" {name}s:{bang}{text[0]}:{text[1]}"


def _port_save(option: str, ports: tuple[int, int], inv: bool) -> str:
    if ports == (0, 0xFFFF) and not inv:
        return ""
    text = str(ports[0]) if ports[0] == ports[1] else f"{ports[0]}:{ports[1]}"
    return f"{' !' if inv else ''} --{option} {text}"


TCP_FLAGS: Final = (("FIN", 1), ("SYN", 2), ("RST", 4), ("PSH", 8), ("ACK", 16), ("URG", 32))


def _flags_text(mask: int) -> str:
    return ",".join(n for n, b in TCP_FLAGS if mask & b) or "NONE"


def _flags_parse(text: str) -> int:
    mask = 0
    for word in [w for w in text.split(",") if w]:
        if word.upper() == "ALL":
            mask |= 0x3F
        elif word.upper() != "NONE":
            bit = dict(TCP_FLAGS).get(word.upper(), 0)
            if not bit:
                raise problem(f"Unknown TCP flag `{word}'")
            mask |= bit
    return mask


class TcpExt(MatchExt):
    name = "tcp"
    options = (
        ("source-port", True, "source-port"),
        ("sport", True, "source-port"),
        ("destination-port", True, "destination-port"),
        ("dport", True, "destination-port"),
        ("syn", False, "syn"),
        ("tcp-flags", True, "tcp-flags"),
        ("tcp-option", True, "tcp-option"),
    )

    def __init__(self) -> None:
        super().__init__()
        self.m = TcpMatch()

    def more_words(self, option: str) -> int:
        return 1 if option == "tcp-flags" else 0

    def take(self, option: Option, value: str, invert: bool, proto: int) -> None:
        what = "tcp-flags" if option[2] == "syn" else option[2]
        if what in self.seen:
            words = {"tcp-flags": "of `--syn' or `--tcp-flags' "}.get(what, f"`--{what}'")
            raise problem(f"Only one {words} allowed")
        self.seen.append(what)
        self.parse(option[2], value, invert, proto)

    def parse(self, option: str, value: str, invert: bool, proto: int) -> None:
        m = self.m
        if option in ("source-port", "destination-port"):
            first, colon, last = value.partition(":")
            if not colon:
                ports = (parse_port(value, "tcp"),) * 2
            else:
                ports = (parse_port(first, "tcp") if first else 0, parse_port(last, "tcp") if last else 0xFFFF)
                if ports[0] > ports[1]:
                    raise problem("invalid portrange (min > max)")
            if option == "source-port":
                m.spts = ports
                m.invflags |= XT_TCP_INV_SRCPT if invert else 0
            else:
                m.dpts = ports
                m.invflags |= XT_TCP_INV_DSTPT if invert else 0
        elif option == "syn":
            m.flg_mask, m.flg_cmp = 0x17, 0x02
            m.invflags |= XT_TCP_INV_FLAGS if invert else 0
        elif option == "tcp-flags":
            words = value.split("\0")
            if len(words) < 2:
                raise problem("--tcp-flags requires two args.")
            m.flg_mask, m.flg_cmp = _flags_parse(words[0]), _flags_parse(words[1])
            m.invflags |= XT_TCP_INV_FLAGS if invert else 0
        else:
            v = strtoui(value, 255)
            if v < 1:
                raise problem(f'Bad TCP option "{value}"')
            m.option = v
            m.invflags |= XT_TCP_INV_OPTION if invert else 0

    def xt(self) -> XtMatch:
        return self.m

    @staticmethod
    def show(m: XtMatch, numeric: bool) -> str:
        assert isinstance(m, TcpMatch)
        inv = m.invflags
        out = " tcp" + _port_show("spt", m.spts, bool(inv & XT_TCP_INV_SRCPT), numeric, "tcp")
        out += _port_show("dpt", m.dpts, bool(inv & XT_TCP_INV_DSTPT), numeric, "tcp")
        if m.option or inv & XT_TCP_INV_OPTION:
            out += f" option={'!' if inv & XT_TCP_INV_OPTION else ''}{m.option}"
        if m.flg_mask or inv & XT_TCP_INV_FLAGS:
            out += " flags:" + ("!" if inv & XT_TCP_INV_FLAGS else "")
            out += (
                f"0x{m.flg_mask:02X}/0x{m.flg_cmp:02X}"
                if numeric
                else f"{_flags_text(m.flg_mask)}/{_flags_text(m.flg_cmp)}"
            )
        return out

    @staticmethod
    def save(m: XtMatch) -> str:
        assert isinstance(m, TcpMatch)
        inv = m.invflags
        out = _port_save("sport", m.spts, bool(inv & XT_TCP_INV_SRCPT))
        out += _port_save("dport", m.dpts, bool(inv & XT_TCP_INV_DSTPT))
        if m.option or inv & XT_TCP_INV_OPTION:
            out += f"{' !' if inv & XT_TCP_INV_OPTION else ''} --tcp-option {m.option}"
        if m.flg_mask or inv & XT_TCP_INV_FLAGS:
            bang = " !" if inv & XT_TCP_INV_FLAGS else ""
            out += f"{bang} --tcp-flags {_flags_text(m.flg_mask)} {_flags_text(m.flg_cmp)}"
        return out


class UdpExt(MatchExt):
    name = "udp"
    options = (
        ("source-port", True, "source-port"),
        ("sport", True, "source-port"),
        ("destination-port", True, "destination-port"),
        ("dport", True, "destination-port"),
    )
    invertible = frozenset({"source-port", "destination-port"})

    def __init__(self) -> None:
        super().__init__()
        self.m = UdpMatch()

    def _port(self, text: str) -> int:
        """As iptables' newer parser: what does not fit into 16 bits is cut."""
        v = strtoui(text, 0xFFFFFFFF) if text else 0
        if v < 0:
            v = service_port(text, "udp")
        if v < 0:
            raise problem(f'Port "{text}" does not resolve to anything.\n')
        return v & 0xFFFF

    def parse(self, option: str, value: str, invert: bool, proto: int) -> None:
        words = value.split(":")
        if len(words) > 2:
            raise problem(f'udp: Too many components for option "--{option}" (max: 2)\n')
        if len(words) == 1:
            ports = (self._port(value),) * 2
        else:
            ports = (self._port(words[0]) if words[0] else 0, self._port(words[1]) if words[1] else 0xFFFF)
        if option == "source-port":
            self.m.spts = ports
            self.m.invflags |= XT_TCP_INV_SRCPT if invert else 0
        else:
            self.m.dpts = ports
            self.m.invflags |= XT_TCP_INV_DSTPT if invert else 0

    def xt(self) -> XtMatch:
        return self.m

    @staticmethod
    def show(m: XtMatch, numeric: bool) -> str:
        assert isinstance(m, UdpMatch)
        return (
            " udp"
            + _port_show("spt", m.spts, bool(m.invflags & XT_TCP_INV_SRCPT), numeric, "udp")
            + _port_show("dpt", m.dpts, bool(m.invflags & XT_TCP_INV_DSTPT), numeric, "udp")
        )

    @staticmethod
    def save(m: XtMatch) -> str:
        assert isinstance(m, UdpMatch)
        return _port_save("sport", m.spts, bool(m.invflags & XT_TCP_INV_SRCPT)) + _port_save(
            "dport", m.dpts, bool(m.invflags & XT_TCP_INV_DSTPT)
        )


# name -> (type, first code, last code), in the order in which names are looked for
ICMP_TYPES: Final[tuple[tuple[str, int, int, int], ...]] = (
    ("any", 255, 0, 255),
    ("echo-reply", 0, 0, 255),
    ("pong", 0, 0, 255),
    ("destination-unreachable", 3, 0, 255),
    ("network-unreachable", 3, 0, 0),
    ("host-unreachable", 3, 1, 1),
    ("protocol-unreachable", 3, 2, 2),
    ("port-unreachable", 3, 3, 3),
    ("fragmentation-needed", 3, 4, 4),
    ("source-route-failed", 3, 5, 5),
    ("network-unknown", 3, 6, 6),
    ("host-unknown", 3, 7, 7),
    ("network-prohibited", 3, 9, 9),
    ("host-prohibited", 3, 10, 10),
    ("TOS-network-unreachable", 3, 11, 11),
    ("TOS-host-unreachable", 3, 12, 12),
    ("communication-prohibited", 3, 13, 13),
    ("host-precedence-violation", 3, 14, 14),
    ("precedence-cutoff", 3, 15, 15),
    ("source-quench", 4, 0, 255),
    ("redirect", 5, 0, 255),
    ("network-redirect", 5, 0, 0),
    ("host-redirect", 5, 1, 1),
    ("TOS-network-redirect", 5, 2, 2),
    ("TOS-host-redirect", 5, 3, 3),
    ("echo-request", 8, 0, 255),
    ("ping", 8, 0, 255),
    ("router-advertisement", 9, 0, 255),
    ("router-solicitation", 10, 0, 255),
    ("time-exceeded", 11, 0, 255),
    ("ttl-exceeded", 11, 0, 255),
    ("ttl-zero-during-transit", 11, 0, 0),
    ("ttl-zero-during-reassembly", 11, 1, 1),
    ("parameter-problem", 12, 0, 255),
    ("ip-header-bad", 12, 0, 0),
    ("required-option-missing", 12, 1, 1),
    ("timestamp-request", 13, 0, 255),
    ("timestamp-reply", 14, 0, 255),
    ("address-mask-request", 17, 0, 255),
    ("address-mask-reply", 18, 0, 255),
)


class IcmpExt(MatchExt):
    name = "icmp"
    options = (("icmp-type", True, "icmp-type"),)
    invertible = frozenset({"icmp-type"})

    def __init__(self) -> None:
        super().__init__()
        self.m = IcmpMatch()

    def parse(self, option: str, value: str, invert: bool, proto: int) -> None:
        m = self.m
        m.invert = invert
        found = ""
        for name, kind, first, last in ICMP_TYPES:
            if name.lower().startswith(value.lower()):
                if found:
                    raise problem(f"Ambiguous ICMP type `{value}': `{found}' or `{name}'?")
                found = name
                m.type, m.codes = kind, (first, last)
        if found:
            return
        kind_text, slash, code = value.partition("/")
        m.type = strtoui(kind_text, 255)
        if m.type < 0:
            raise problem(f"Unknown ICMP type `{kind_text}'")
        m.codes = (0, 255)
        if slash:
            number = strtoui(code, 255)
            if number < 0:
                raise problem(f"Unknown ICMP code `{value}'")
            m.codes = (number, number)

    def finish(self, proto: int, inv_proto: bool) -> None:
        self.need("icmp-type")

    def xt(self) -> XtMatch:
        return self.m

    @staticmethod
    def show(m: XtMatch, numeric: bool) -> str:
        assert isinstance(m, IcmpMatch)
        bang = "!" if m.invert else ""
        if not numeric:
            for name, kind, first, last in ICMP_TYPES:
                if kind == m.type and (first, last) == m.codes:
                    return f" icmp {bang}{name}"
        out = f" icmp !type {m.type}" if m.invert else f" icmptype {m.type}"
        if m.codes[0] == m.codes[1]:
            out += f" code {m.codes[0]}"
        elif m.codes != (0, 255):
            out += f" codes {m.codes[0]}-{m.codes[1]}"
        return out

    @staticmethod
    def save(m: XtMatch) -> str:
        assert isinstance(m, IcmpMatch)
        out = f"{' !' if m.invert else ''} --icmp-type "
        if m.type == 255:
            return out + "any"
        return out + str(m.type) + (f"/{m.codes[0]}" if m.codes != (0, 255) else "")


class MultiportExt(MatchExt):
    name = "multiport"
    options = (
        ("source-ports", True, "source-ports"),
        ("sports", True, "source-ports"),
        ("destination-ports", True, "destination-ports"),
        ("dports", True, "destination-ports"),
        ("ports", True, "ports"),
    )
    invertible = frozenset({"source-ports", "destination-ports", "ports"})

    def __init__(self) -> None:
        super().__init__()
        self.m = MultiportMatch()

    def take(self, option: Option, value: str, invert: bool, proto: int) -> None:
        others = [s for s in self.seen if s != option[2]]
        if others:
            raise problem(f'multiport: option "--{others[0]}" cannot be used together with "--{option[2]}".\n')
        super().take(option, value, invert, proto)

    def parse(self, option: str, value: str, invert: bool, proto: int) -> None:
        m = self.m
        if proto & 0x100 or (proto and proto not in (6, 17, 33, 132, 136)):
            raise problem("multiport only works with TCP, UDP, UDPLITE, SCTP and DCCP")
        if not proto:
            raise problem("multiport needs `-p tcp', `-p udp', `-p udplite', `-p sctp' or `-p dccp'")
        name = protocol_name(proto)
        count = 0
        for word in value.split(","):
            first, colon, last = word.partition(":")
            count += 2 if colon else 1
            if count > 15:
                raise problem("too many ports specified")
            a = parse_port(first, name)
            b = parse_port(last, name) if colon else a
            if a > b or (colon and a == b):
                raise problem("invalid portrange specified")
            m.ports.append((a, b))
        m.kind = {
            "source-ports": MULTIPORT_SOURCE,
            "destination-ports": MULTIPORT_DESTINATION,
            "ports": MULTIPORT_EITHER,
        }[option]
        m.invert = invert

    def finish(self, proto: int, inv_proto: bool) -> None:
        if not self.seen:
            raise problem("multiport expection an option")

    def xt(self) -> XtMatch:
        return self.m

    @staticmethod
    def show(m: XtMatch, numeric: bool) -> str:
        return MultiportExt.show_proto(m, numeric, "")

    @staticmethod
    def show_proto(m: XtMatch, numeric: bool, proto: str) -> str:
        """As `show`, with the rule's protocol, which names services."""
        assert isinstance(m, MultiportMatch)
        kind = ("sports", "dports", "ports")[m.kind]
        out: list[str] = []
        for a, b in m.ports:
            text = [str(x) if numeric else service_name(x, proto) for x in (a, b)]
            out.append(text[0] if a == b else ":".join(text))
        return f" multiport {kind} {' !' if m.invert else ''}{','.join(out)}"

    @staticmethod
    def save(m: XtMatch) -> str:
        assert isinstance(m, MultiportMatch)
        kind = ("sports", "dports", "ports")[m.kind]
        ports = ",".join(str(a) if a == b else f"{a}:{b}" for a, b in m.ports)
        return f"{' !' if m.invert else ''} --{kind} {ports}"


RATES: Final = (("day", 86400), ("hour", 3600), ("min", 60), ("sec", 1))


def _rate_text(period: int) -> str:
    if period == 0:
        return "inf"
    i = 1
    while i < len(RATES):
        mult = RATES[i][1] * XT_LIMIT_SCALE
        if period > mult or mult // period < mult % period:
            break
        i += 1
    return f"{RATES[i - 1][1] * XT_LIMIT_SCALE // period}/{RATES[i - 1][0]}"


class LimitExt(MatchExt):
    name = "limit"
    options = (("limit", True, "limit"), ("limit-burst", True, "limit-burst"))

    def __init__(self) -> None:
        super().__init__()
        self.m = LimitMatch()

    def parse(self, option: str, value: str, invert: bool, proto: int) -> None:
        if option == "limit-burst":
            v = strtoui(value, 10000) if value else -1
            if v < 0:
                raise problem('limit: bad value for option "--limit-burst", or out of range (0-10000).\n')
            self.m.burst = v
            return
        number, slash, unit = value.partition("/")
        mult = 1
        if slash:
            units = [
                m
                for n, m in (("second", 1), ("minute", 60), ("hour", 3600), ("day", 86400))
                if unit and n.startswith(unit.lower())
            ]
            if not units:
                raise problem(f'bad rate "{value}"\'')
            mult = units[0]
        digits = ""  # as atoi
        for c in number.lstrip():
            if not c.isdigit() and not (c == "-" and not digits):
                break
            digits += c
        r = int(digits) if digits.strip("-") else 0
        if r == 0:
            raise problem(f'bad rate "{value}"\'')
        self.m.avg = XT_LIMIT_SCALE * mult // r if r > 0 else 0
        if self.m.avg == 0:
            raise problem(f'Rate too fast "{value}"')

    def xt(self) -> XtMatch:
        return self.m

    @staticmethod
    def show(m: XtMatch, numeric: bool) -> str:
        assert isinstance(m, LimitMatch)
        return f" limit: avg {_rate_text(m.avg)} burst {m.burst}"

    @staticmethod
    def save(m: XtMatch) -> str:
        assert isinstance(m, LimitMatch)
        return f" --limit {_rate_text(m.avg)}" + (f" --limit-burst {m.burst}" if m.burst != 5 else "")


class CommentExt(MatchExt):
    name = "comment"
    options = (("comment", True, "comment"),)

    def __init__(self) -> None:
        super().__init__()
        self.m = CommentMatch()

    def parse(self, option: str, value: str, invert: bool, proto: int) -> None:
        self.m.comment = value[:255]

    def finish(self, proto: int, inv_proto: bool) -> None:
        self.need("comment")

    def xt(self) -> XtMatch:
        return self.m

    @staticmethod
    def show(m: XtMatch, numeric: bool) -> str:
        assert isinstance(m, CommentMatch)
        return f" /* {m.comment} */"

    @staticmethod
    def save(m: XtMatch) -> str:
        assert isinstance(m, CommentMatch)
        return " --comment" + save_string(m.comment)


class TargetExt(Extension):
    def xt(self) -> XtTarget:
        raise NotImplementedError

    @staticmethod
    def show(t: XtTarget, numeric: bool) -> str:
        raise NotImplementedError

    @staticmethod
    def save(t: XtTarget) -> str:
        raise NotImplementedError


LOG_LEVELS: Final = ("emerg", "alert", "crit", "error", "warning", "notice", "info", "debug")
LOG_SHOWN: Final = ("emerg", "alert", "crit", "err", "warn", "notice", "info", "debug")
LOG_FLAGS: Final = (
    ("log-tcp-sequence", NF_LOG_TCPSEQ, " tcp-sequence"),
    ("log-tcp-options", NF_LOG_TCPOPT, " tcp-options"),
    ("log-ip-options", NF_LOG_IPOPT, " ip-options"),
    ("log-uid", NF_LOG_UID, " uid"),
    ("log-macdecode", NF_LOG_MACDECODE, " macdecode"),
)


class LogExt(TargetExt):
    name = "LOG"
    options = (
        ("log-level", True, "log-level"),
        ("log-prefix", True, "log-prefix"),
        *((n, False, n) for n, _, _ in LOG_FLAGS),
    )

    def __init__(self) -> None:
        super().__init__()
        self.t = LogTarget()

    def parse(self, option: str, value: str, invert: bool, proto: int) -> None:
        t = self.t
        if option == "log-prefix":
            if not value:
                raise problem("Argument must have a minimum length of 1 characters\n")
            t.prefix = value[:29]
        elif option == "log-level":
            words = {n: i for i, n in enumerate(LOG_LEVELS)} | {"panic": 0}
            level = strtoui(value, 7) if value else -1
            if level < 0:
                level = words.get(value, -1)
            if level < 0:
                raise problem(f'log level "{value}" unknown\n')
            t.level = level
        else:
            t.flags |= next(bit for n, bit, _ in LOG_FLAGS if n == option)

    def xt(self) -> XtTarget:
        return self.t

    @staticmethod
    def show(t: XtTarget, numeric: bool) -> str:
        assert isinstance(t, LogTarget)
        if numeric:
            out = f" LOG flags {t.flags} level {t.level}"
        else:
            out = f" LOG level {LOG_SHOWN[t.level]}" + "".join(w for _, bit, w in LOG_FLAGS if t.flags & bit)
        return out + (f' prefix "{t.prefix}"' if t.prefix else "")

    @staticmethod
    def save(t: XtTarget) -> str:
        assert isinstance(t, LogTarget)
        out = " --log-prefix" + save_string(t.prefix) if t.prefix else ""
        if t.level != LOG_DEFAULT_LEVEL:
            out += f" --log-level {t.level}"
        return out + "".join(f" --{n}" for n, bit, _ in LOG_FLAGS if t.flags & bit)


REJECT_SHORT: Final = {
    "icmp-net-unreachable": "net-unreach",
    "icmp-host-unreachable": "host-unreach",
    "icmp-proto-unreachable": "proto-unreach",
    "icmp-port-unreachable": "port-unreach",
    "icmp-net-prohibited": "net-prohib",
    "icmp-host-prohibited": "host-prohib",
    "tcp-reset": "tcp-rst",
    "icmp-admin-prohibited": "admin-prohib",
}


class RejectExt(TargetExt):
    name = "REJECT"
    options = (("reject-with", True, "reject-with"),)

    def __init__(self) -> None:
        super().__init__()
        self.t = RejectTarget()

    def parse(self, option: str, value: str, invert: bool, proto: int) -> None:
        for name, short in REJECT_SHORT.items():
            if name.startswith(value.lower()) or short.startswith(value.lower()):
                assert name in REJECT_CODES or name == REJECT_TCP_RESET
                self.t.with_ = name
                return
        gone = f"--reject-with {value} no longer supported\n" if value in ("echo-reply", "echoreply") else ""
        text = problem(f'unknown reject type "{value}"')
        raise Usage(gone + text.text, 2)

    def xt(self) -> XtTarget:
        return self.t

    @staticmethod
    def show(t: XtTarget, numeric: bool) -> str:
        assert isinstance(t, RejectTarget)
        return f" reject-with {t.with_}"

    @staticmethod
    def save(t: XtTarget) -> str:
        assert isinstance(t, RejectTarget)
        return f" --reject-with {t.with_}"


MATCHES: Final[dict[str, type[MatchExt]]] = {
    c.name: c for c in (TcpExt, UdpExt, IcmpExt, MultiportExt, LimitExt, CommentExt)
}
TARGETS: Final[dict[str, type[TargetExt]]] = {c.name: c for c in (LogExt, RejectExt)}

# what the real program knows and this machine does not: refused by name
OTHER_MATCHES: Final = frozenset(
    "addrtype ah bpf cgroup cluster connbytes connlabel connlimit connmark conntrack cpu dccp devgroup dscp ecn esp "
    "hashlimit helper ipcomp iprange ipvs length mac mark nfacct osf owner physdev pkttype policy quota rateest realm "
    "recent rpfilter sctp set socket state statistic string tcpmss time tos ttl u32 udplite".split()
)
OTHER_TARGETS: Final = frozenset(
    "AUDIT CHECKSUM CLASSIFY CLUSTERIP CONNMARK CONNSECMARK CT DNAT DSCP ECN HMARK IDLETIMER LED MARK MASQUERADE "
    "NETMAP NFLOG NFQUEUE NOTRACK QUEUE RATEEST REDIRECT SECMARK SET SNAT SYNPROXY TCPMSS TCPOPTSTRIP TEE TOS TPROXY "
    "TRACE TTL".split()
)
# name of the extension -> kernel modules that it needs
MODULE_OF: Final[dict[str, str]] = {
    "tcp": "xt_tcpudp",
    "udp": "xt_tcpudp",
    "multiport": "xt_multiport",
    "limit": "xt_limit",
    "comment": "xt_comment",
    "LOG": "xt_LOG",
    "REJECT": "ipt_REJECT",
}
