"""ip (iproute2 6.1): link, addr, route, neigh; show, set, add, del, replace, get, flush; -s -d -j -p -o -br -4.

What belongs here: options and requests.  Texts are formats/ip; what changes is net/core and net/ipv4.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rxpath.formats.ethtool.messages import ip_error
from rxpath.formats.ip import json_text, link, neigh, route
from rxpath.kernel.errno import EADDRNOTAVAIL, EEXIST, EINVAL, ENETUNREACH, ENOENT, ENOTSUP
from rxpath.net.core import neighbour as nb
from rxpath.net.core.dev_ioctl import user_switch
from rxpath.net.core.netdevice import (
    IFF_ALLMULTI,
    IFF_BROADCAST,
    IFF_LOOPBACK,
    IFF_MULTICAST,
    IFF_NOARP,
    IFF_POINTOPOINT,
    IFF_PROMISC,
    IFF_UP,
    NetDevice,
    dev_change_name,
    dev_close,
    dev_get_stats,
    dev_open,
    dev_set_mac_address,
    dev_set_mtu,
    dev_valid_name,
)
from rxpath.net.ipv4 import fib
from rxpath.net.ipv4.devinet import InIfaddr, inet_del_ifa, inet_insert_ifa, inet_select_addr
from rxpath.net.ipv4.fib import IFA_F_SECONDARY
from rxpath.net.ipv4.netns import Ipv4
from rxpath.tools.process import Process, Usage
from rxpath.wire.addr import inet_make_mask, ip4_str

USAGE: Final = (
    "Usage: ip [ OPTIONS ] OBJECT { COMMAND | help }\n"
    "where  OBJECT := { address | link | neighbor | route }\n"
    "       OPTIONS := { -V | -s | -d | -j | -p | -o | -br | -4 }\n"
)
# objects as ip abbreviates them: the first that begins with the word
OBJECTS: Final = ("address", "link", "neighbor", "neighbour", "route", "rule", "tunnel", "netns", "maddress")

SCOPES: Final = {0: "global", 200: "site", 253: "link", 254: "host", 255: "nowhere"}
PROTOCOLS: Final = {1: "redirect", 2: "kernel", 3: "boot", 4: "static"}
# metrics of a route besides its MTU, in the kernel's order, that something looks at
METRICS: Final = ("window", "advmss", "initcwnd", "features", "rto_min", "initrwnd", "quickack")
TABLES: Final = {253: "default", 254: "main", 255: "local"}


class Options:
    """The flags before the object."""

    __slots__ = ("stats", "details", "json", "pretty", "oneline", "brief")

    def __init__(self) -> None:
        self.stats = 0
        self.details = False
        self.json = False
        self.pretty = False
        self.oneline = False
        self.brief = False


def main(p: Process, args: list[str]) -> int:
    """The program.  Status 1: wrong words or no such device, 2: the kernel refused, 255: wrong use."""
    o = Options()
    at = 0
    while at < len(args) and args[at].startswith("-"):
        a = args[at].replace("--", "-")
        at += 1
        if a in ("-V", "-Version"):
            p.out("ip utility, iproute2-6.1.0, libbpf 1.1.2\n")
            return 0
        if set(a[1:]) == {"s"} or a in ("-stats", "-statistics"):
            o.stats += len(a) - 1 if set(a[1:]) == {"s"} else 1
        elif a in ("-d", "-details"):
            o.details = True
        elif a in ("-j", "-json"):
            o.json = True
        elif a in ("-p", "-pretty"):
            o.pretty = True
        elif a in ("-o", "-oneline"):
            o.oneline = True
        elif a in ("-br", "-brief"):
            o.brief = True
        elif a not in ("-4", "-N", "-Numeric", "-h", "-human", "-c", "-color", "-t", "-a", "-all"):
            if a == "-6":
                raise OSError(ENOTSUP, "IPv6")
            raise Usage(f'Option "{a}" is unknown, try "ip -help".\n', 255)
    if at >= len(args):
        raise Usage(USAGE, 255)
    word = args[at]
    name = next((x for x in OBJECTS if x.startswith(word)), "")
    rest = args[at + 1 :]
    if word == "help":
        raise Usage(USAGE, 255)
    if name == "link":
        return _link(p, o, rest)
    if name == "address":
        return _addr(p, o, rest)
    if name == "route":
        return _route(p, o, rest)
    if name.startswith("neighbo"):
        return _neigh(p, o, rest)
    if name:
        raise OSError(ENOTSUP, f"ip {name}")
    raise Usage(f'Object "{word}" is unknown, try "ip help".\n')


def _refused(p: Process, e: OSError, message: str = "") -> int:
    """What the kernel said: with its extended message where the release has them (4.12 and later)."""
    if e.errno == ENOTSUP and ": " not in (e.strerror or ""):
        raise e
    p.err(ip_error(e.errno or EINVAL, message if p.kernel.release.ethtool_netlink else ""))
    return 2


def _find(p: Process, name: str) -> NetDevice:
    d = p.net.by_name.get(name)
    if d is None:
        raise Usage(f'Cannot find device "{name}"\n')
    return d


def _unknown(word: str, what: str) -> Usage:
    return Usage(f'Command "{word}" is unknown, try "ip {what} help".\n', 255)


def _wrong(word: str, why: str) -> Usage:
    return Usage(f'Error: argument "{word}" is wrong: {why}\n\n', 255)


def _duplicate(what: str, second: str) -> Usage:
    return Usage(f'Error: duplicate "{what}": "{second}" is the second value.\n', 255)


def _need_dev(status: int = 255) -> Usage:
    return Usage('Not enough information: "dev" argument is required.\n', status)


def _number(word: str, what: str) -> int:
    try:
        v = int(word, 0)
    except ValueError:
        v = -1
    if not 0 <= v <= 0xFFFFFFFF:
        raise _wrong(word, f'Invalid "{what}" value')
    return v


def address(word: str, what: str = "inet prefix") -> int:
    """An IPv4 address, also in iproute2's short forms (10.1 is 10.1.0.0).  Raises Usage."""
    parts = word.split(".")
    if not 1 <= len(parts) <= 4 or not all(x.isdigit() and x.isascii() and int(x) < 256 for x in parts):
        kind = "any valid prefix" if what == "any" else what
        raise Usage(f'Error: {kind} is expected rather than "{word}".\n')
    return int.from_bytes(bytes(int(x) for x in [*parts, *["0"] * (4 - len(parts))]), "big")


def prefix(word: str) -> tuple[int, int]:
    """ADDRESS[/LENGTH], default, all.  Raises Usage."""
    if word in ("default", "all", "any"):
        return 0, 0
    ip, slash, length = word.partition("/")
    if slash and not (length.isdigit() and int(length) <= 32):
        raise Usage(f'Error: any valid prefix is expected rather than "{word}".\n')
    try:
        return address(ip, "any"), int(length) if slash else 32
    except Usage:
        raise Usage(f'Error: any valid prefix is expected rather than "{word}".\n') from None


def _lladdr(word: str, ether: bool = False) -> bytes:
    """`ether`: for a device that wants six bytes; the neighbour table takes what fits its device."""
    try:
        b = bytes(int(x, 16) for x in word.split(":"))
    except ValueError:
        b = b""
    if ether and 1 < len(b) != 6 and all(len(x) < 3 for x in word.split(":")):
        raise Usage(f"Invalid address length {len(b)} - must be 6 bytes\n")
    if len(b) != 6 or any(len(x) > 2 for x in word.split(":")):
        raise Usage(f'"{word}" is invalid lladdr.\n')
    return b


# --- link and addr ----------------------------------------------------------------------------------------------


def flag_names(d: NetDevice) -> tuple[str, ...]:
    """Flags as ip orders them."""
    out: list[str] = []
    lower = d.carrier_ok and bool(d.flags & IFF_UP)
    if d.flags & IFF_UP and not lower:
        out.append("NO-CARRIER")
    for bit, name in (
        (IFF_LOOPBACK, "LOOPBACK"),
        (IFF_BROADCAST, "BROADCAST"),
        (IFF_POINTOPOINT, "POINTOPOINT"),
        (IFF_MULTICAST, "MULTICAST"),
        (IFF_NOARP, "NOARP"),
        (IFF_ALLMULTI, "ALLMULTI"),
        (IFF_PROMISC, "PROMISC"),
        (IFF_UP, "UP"),
    ):
        if d.flags & bit:
            out.append(name)
    if lower:
        out.append("LOWER_UP")
    return tuple(out)


def link_of(d: NetDevice, o: Options, addresses: bool) -> link.Link:
    """What ip shows of a device."""
    stats = None
    if o.stats:
        s = dev_get_stats(d)
        names = [f for f in link.LinkStats.__dataclass_fields__ if f != "carrier_changes"]
        stats = link.LinkStats(
            **{n: int(getattr(s, n)) for n in names},
            carrier_changes=d.carrier_up_count + d.carrier_down_count,
        )
    details: dict[str, int | str] | None = None
    if o.details:
        details = {
            "promiscuity": d.promiscuity,
            "allmulti": d.allmulti,
            "min_mtu": d.min_mtu,
            "max_mtu": d.max_mtu,
            "inet6_addr_gen_mode": "eui64",
            "num_tx_queues": len(d.tx_queues),
            "num_rx_queues": len(d.rx_queues),
            "gso_max_size": 65536,
            "gso_max_segs": 65535,
            "tso_max_size": 65536,
            "tso_max_segs": 65535,
            "gro_max_size": d.gro_max_size,
        }
        bus = getattr(d.parent, "name", "") if d.parent is not None else ""
        if bus:
            details["parentbus"] = "pci"
            details["parentdev"] = bus
    have: tuple[link.Address, ...] | None = None
    if addresses:
        in_dev = d.ip_ptr
        have = tuple(_address_of(a) for a in in_dev.ifa_list) if in_dev is not None else ()
    return link.Link(
        d.ifindex,
        d.name,
        flag_names(d),
        d.mtu,
        d.qdisc_name,
        d.operstate().upper(),
        None if addresses else "DEFAULT",
        "default",
        d.tx_queue_len,
        "loopback" if d.is_loopback else "ether",
        d.dev_addr.hex(":"),
        d.broadcast.hex(":") if not d.is_loopback else "00:00:00:00:00:00",
        d.real_dev.name if d.real_dev is not None else None,
        None,
        details,
        "vlan" if d.real_dev is not None and o.details else None,
        stats,
        o.stats > 1,
        have,
    )


def _address_of(a: InIfaddr) -> link.Address:
    return link.Address(
        "inet",
        ip4_str(a.local),
        a.prefixlen,
        SCOPES.get(a.scope, str(a.scope)),
        ip4_str(a.broadcast) if a.broadcast else None,
        a.label,
        ("secondary",) if a.flags & IFA_F_SECONDARY else (),
    )


def _show_links(p: Process, o: Options, args: list[str], addresses: bool) -> int:
    name = ""
    up = False
    at = 0
    while at < len(args):
        word = args[at]
        at += 1
        if word == "dev" and at < len(args):
            word = args[at]
            at += 1
        elif word == "up":
            up = True
            continue
        elif word in ("scope", "label", "to", "type", "group", "master"):
            raise OSError(ENOTSUP, f"ip show ... {word}")
        if name:
            raise Usage(f'Error: either "dev" is duplicate, or "{word}" is a garbage.\n', 255)
        name = word
    if name and name not in p.net.by_name:
        raise Usage(f'Device "{name}" does not exist.\n')
    devices = [d for d in p.net.devices if (not name or d.name == name) and (not up or d.flags & IFF_UP)]
    links = [link_of(d, o, addresses) for d in devices]
    if o.json:
        return _json(p, o, link.to_json(links))
    if o.brief:
        for x in links:
            at_link = f"{x.ifname}@{x.link}" if x.link else x.ifname
            if addresses:
                tail = "".join(f"{a.local}/{a.prefixlen} " for a in x.addresses or ())
            else:
                tail = f"{x.address} <{','.join(x.flags)}> "
            p.out(f"{at_link:<16s} {x.operstate or '':<14s} {tail}\n")
        return 0
    if o.oneline and addresses:
        for x in links:
            for line in link.render([x]).replace("\n       ", "\\       ").splitlines():
                if line.startswith("    inet"):
                    p.out(f"{x.ifindex}: {x.ifname}{line}\n")
        return 0
    for x in links:
        text = link.render([x])
        if o.oneline:
            text = text.rstrip("\n").replace("\n", "\\") + "\n"
        p.out(text)
    return 0


def _json(p: Process, o: Options, data: json_text.Json) -> int:
    p.out(json_text.pretty(data) if o.pretty else json_text.compact(data))
    return 0


def _command(args: list[str], known: Sequence[str], what: str) -> str:
    """The command word, as ip abbreviates it; "" is show."""
    if not args:
        return "show"
    for k in known:
        if k.startswith(args[0]):
            return {"list": "show", "lst": "show", "delete": "del", "chg": "change"}.get(k, k)
    raise _unknown(args[0], what)


def _link(p: Process, o: Options, args: list[str]) -> int:
    cmd = _command(args, ("add", "set", "show", "list", "lst", "delete", "replace", "change", "help"), "link")
    if cmd == "show":
        return _show_links(p, o, args[1:], False)
    if cmd != "set":
        raise OSError(ENOTSUP, f"ip link {cmd}")
    return _link_set(p, args[1:])


def _link_set(p: Process, args: list[str]) -> int:
    name = ""
    updown = ""
    mtu = qlen = -1
    asked_mtu = False
    mac = b""
    new_name = ""
    modes: list[tuple[str, bool]] = []
    at = 0

    def value(word: str) -> str:
        nonlocal at
        if at >= len(args):
            raise Usage('Command line is not complete. Try option "help"\n', 255)
        v = args[at]
        at += 1
        return v

    while at < len(args):
        word = args[at]
        at += 1
        if word in ("up", "down"):
            updown = word
        elif word == "mtu":
            if asked_mtu:
                raise _duplicate("mtu", value(word))
            text = value(word)
            mtu = -1 if text.startswith("-") and text[1:].isdigit() else _number(text, "mtu")
            asked_mtu = True
        elif word in ("txqueuelen", "qlen", "txqlen"):
            if qlen >= 0:
                raise _duplicate("txqueuelen", value(word))
            qlen = _number(value(word), "txqueuelen")
        elif word == "address":
            mac = _lladdr(value(word), True)
        elif word == "name":
            new_name = value(word)
            if not dev_valid_name(new_name):
                raise Usage(f'Error: argument "{new_name}" is wrong: "name" not a valid ifname\n', 255)
        elif word in ("promisc", "allmulticast", "multicast", "arp"):
            v = value(word)
            if v not in ("on", "off"):
                raise Usage(f'Error: argument of "{word}" must be "on" or "off", not "{v}"\n')
            modes.append((word, v == "on"))
        elif word in (
            "master",
            "nomaster",
            "netns",
            "type",
            "vf",
            "xdp",
            "alias",
            "group",
            "carrier",
            "link",
        ):
            raise OSError(ENOTSUP, f"ip link set {word}")
        else:
            if word == "dev":
                word = value(word)
            if name:
                raise Usage(f'Error: either "dev" is duplicate, or "{word}" is a garbage.\n', 255)
            name = word
    if not name:
        raise _need_dev()
    d = _find(p, name)
    try:
        # the order of do_setlink
        if mac:
            dev_set_mac_address(d, mac)
        if asked_mtu:
            dev_set_mtu(d, mtu)
        if new_name:
            dev_change_name(d, new_name)
        for word, on in modes:
            if word == "promisc":
                user_switch(d, on, IFF_PROMISC)
            elif word == "allmulticast":
                user_switch(d, on, IFF_ALLMULTI)
            elif word == "multicast":
                d.flags = d.flags | IFF_MULTICAST if on else d.flags & ~IFF_MULTICAST
            else:
                d.flags = d.flags & ~IFF_NOARP if on else d.flags | IFF_NOARP
        if updown == "up":
            dev_open(d)
        elif updown == "down":
            dev_close(d)
        if qlen >= 0:
            d.tx_queue_len = qlen
    except OSError as e:
        text = ""
        if asked_mtu and e.errno == EINVAL:
            text = "mtu less than device minimum" if mtu < d.min_mtu else "mtu greater than device maximum"
        return _refused(p, e, text)
    return 0


def _addr(p: Process, o: Options, args: list[str]) -> int:
    known = ("add", "change", "replace", "delete", "show", "list", "lst", "flush", "help")
    cmd = _command(args, known, "address")
    if cmd == "show":
        return _show_links(p, o, args[1:], True)
    if cmd == "help":
        raise Usage(USAGE, 255)
    local = peer = 0
    length = -1
    broadcast = 0
    scope = -1
    name = label = ""
    rest = args[1:]
    at = 0
    while at < len(rest):
        word = rest[at]
        at += 1
        v = rest[at] if at < len(rest) else ""
        if word in ("dev", "brd", "broadcast", "peer", "scope", "label", "local"):
            if not v:
                raise Usage('Command line is not complete. Try option "help"\n', 255)
            at += 1
        if word == "dev":
            name = v
        elif word in ("brd", "broadcast"):
            broadcast = -1 if v == "+" else 0 if v == "-" else address(v)
        elif word == "peer":
            peer, length = prefix(v)
        elif word == "scope":
            found = [n for n, s in SCOPES.items() if s == v]
            scope = found[0] if found else _number(v, "scope")
        elif word == "label":
            label = v
        else:
            if word == "local":
                word = v
            if local:
                raise Usage(f'Error: either "local" is duplicate, or "{word}" is a garbage.\n', 255)
            local, n = prefix(word)
            length = n if length < 0 else length
    if not name:
        raise _need_dev(1) if cmd != "flush" else Usage("Flush requires arguments.\n")
    if label and not label.startswith(name):
        raise Usage(f'"dev" ({name}) must match "label" ({label}).\n')
    d = _find(p, name)
    in_dev = d.ip_ptr
    recent = p.kernel.release.name == "6.18"  # messages of 6.3 and later
    try:
        if cmd == "flush":
            while in_dev is not None and in_dev.ifa_list:
                inet_del_ifa(in_dev, in_dev.ifa_list[0])
            return 0
        if length < 0:
            raise OSError(ENOTSUP, "Operation not supported: no address")
        if cmd == "del":
            for a in list(in_dev.ifa_list) if in_dev is not None else []:
                if a.local == local and (a.prefixlen == length or "/" not in " ".join(rest)):
                    inet_del_ifa(in_dev, a)
                    return 0
            return _refused(p, OSError(EADDRNOTAVAIL, "x: y"), "ipv4: Address not found" if recent else "")
        if cmd in ("replace", "change") and in_dev is not None:
            for a in list(in_dev.ifa_list):
                if a.local == local and a.prefixlen == length:
                    inet_del_ifa(in_dev, a)
        inet_insert_ifa(d, local, length, peer=peer, broadcast=broadcast, scope=scope, label=label)
    except OSError as e:
        return _refused(p, e, "ipv4: Address already assigned" if recent and e.errno == EEXIST else "")
    return 0


# --- route ------------------------------------------------------------------------------------------------------


def _ipv4(p: Process) -> Ipv4:
    x = p.net.ipv4
    if x is None:
        raise OSError(ENOTSUP, "IPv4")
    assert isinstance(x, Ipv4)
    return x


def route_metrics(fi: fib.FibInfo) -> dict[str, int]:
    """The metrics in the kernel's order."""
    out = {"mtu": fi.mtu} if fi.mtu else {}
    for name in METRICS:
        if name in fi.metrics:
            out[name] = fi.metrics[name]
    return out


def route_of(a: fib.FibAlias, table: bool) -> route.IpRoute:
    """What ip shows of a route."""
    fi = a.fi
    nh = fi.nhs[0]
    dst = ip4_str(a.prefix) + (f"/{a.plen}" if a.plen < 32 else "")
    if a.plen == 0:
        dst = "default"
    flags = ("linkdown",) if nh.dev is not None and nh.dev.flags & IFF_UP and not nh.dev.carrier_ok else ()
    kind = fib.RTN_NAMES[a.type]
    dead_end = kind in ("unreachable", "prohibit", "blackhole", "throw")
    return route.IpRoute(
        dst,
        "" if kind == "unicast" else kind,
        ip4_str(nh.gw) if nh.gw else None,
        nh.dev.name if nh.dev is not None and not dead_end else None,
        TABLES.get(a.table, str(a.table)) if table and a.table != fib.RT_TABLE_MAIN else None,
        PROTOCOLS.get(fi.protocol, str(fi.protocol)) if fi.protocol != fib.RTPROT_BOOT else None,
        SCOPES.get(fi.scope) if fi.scope != 0 else None,
        ip4_str(fi.prefsrc) if fi.prefsrc else None,
        fi.priority or None,
        flags,
        route_metrics(fi),
        locked=fi.locked,
    )


def _metric(name: str, text: str) -> int:
    if name == "rto_min":  # in ms, or with a unit
        number = text.removesuffix("ms")
        scale = 1
        if number == text and text.endswith("s"):
            number, scale = text.removesuffix("s"), 1000
        return _number(number, name) * scale
    if name == "features":
        if text != "ecn":
            raise Usage(f'Error: argument "{text}" is wrong: "features" value not valid\n\n', 255)
        return 1
    return _number(text, name)


def _route(p: Process, o: Options, args: list[str]) -> int:
    known = ("add", "append", "change", "delete", "flush", "get", "list", "lst", "replace", "show", "help")
    cmd = _command(args, known, "route")
    if cmd == "help":
        raise Usage(USAGE, 255)
    ipv4 = _ipv4(p)
    rest = args[1:]
    want: dict[str, str] = {}
    kind = ""
    dst = ""
    onlink = False
    words = (
        "via",
        "dev",
        "table",
        "metric",
        "priority",
        "preference",
        "src",
        "scope",
        "proto",
        "protocol",
        "mtu",
        *METRICS,
    )
    locked: list[str] = []
    at = 0
    while at < len(rest):
        word = rest[at]
        at += 1
        if word in words:
            if rest[at : at + 1] == ["lock"] and (word == "mtu" or word in METRICS):
                locked.append(word)
                at += 1
            if at >= len(rest):
                raise Usage('Command line is not complete. Try option "help"\n', 255)
            want[{"priority": "metric", "preference": "metric", "protocol": "proto"}.get(word, word)] = rest[at]
            at += 1
        elif word in ("to", "root", "match", "exact"):
            continue
        elif word == "onlink":
            onlink = True
        elif word in fib.RTN_NAMES and not dst:
            kind = word
        elif word in ("nexthop", "nhid", "encap", "from", "iif", "oif", "tos", "dsfield", "lock"):
            raise OSError(ENOTSUP, f"ip route ... {word}")
        elif dst:
            raise Usage(f'Error: either "to" is duplicate, or "{word}" is a garbage.\n', 255)
        else:
            dst = word
    dev = _find(p, want["dev"]) if "dev" in want else None
    table = fib.RT_TABLE_MAIN
    every = False
    if "table" in want:
        every = want["table"] == "all"
        by_name = {n: i for i, n in TABLES.items()}
        if not every:
            if want["table"] not in by_name and not want["table"].isdigit():
                raise Usage(f'Error: argument "{want["table"]}" is wrong: table id value is invalid\n\n', 255)
            table = by_name[want["table"]] if want["table"] in by_name else _number(want["table"], "table ID")
    if cmd == "get":
        return _route_get(p, ipv4, dst, dev)
    if cmd not in ("show", "flush") and not rest:
        raise Usage("Usage: ip route { list | flush } SELECTOR\n", 255)
    net, length = prefix(dst) if dst else (0, -1)
    gw = address(want["via"], "inet address") if "via" in want else 0
    if "metric" in want and not want["metric"].isdigit():
        raise Usage(f'Error: argument "{want["metric"]}" is wrong: "metric" value is invalid\n\n', 255)
    metric = _number(want["metric"], "metric") if "metric" in want else 0
    if cmd in ("show", "flush"):
        tables = sorted(ipv4.fib_tables) if every else [table]
        found = [a for t in tables if t in ipv4.fib_tables for a in ipv4.fib_tables[t].aliases()]
        if dst:
            if "/" in dst or dst == "default":
                mask = inet_make_mask(length)
                found = [a for a in found if a.plen >= length and a.prefix & mask == net & mask]
                if dst == "default":
                    found = [a for a in found if a.plen == 0]
            else:
                found = [a for a in found if a.prefix == net and a.plen == 32]
        if dev is not None:
            found = [a for a in found if a.fi.nhs[0].dev is dev]
        if cmd == "flush":
            if not (dst or dev or "table" in want):
                raise Usage('"ip route flush" requires arguments.\n', 255)
            for a in found:
                fib.fib_get_table(ipv4, a.table).remove(a)
            fib.rt_cache_flush(ipv4)
            return 0
        shown = [route_of(a, every) for a in found]
        if o.json:
            return _json(p, o, route.to_json(shown))
        p.out(route.render(shown))
        return 0
    type_ = fib.RTN_NAMES.index(kind) if kind else fib.RTN_UNSPEC
    src = address(want["src"]) if "src" in want else 0
    if not dst and cmd != "del":
        net, length = 0, 0
    try:
        if cmd == "del":
            fib.fib_del_route(
                ipv4,
                net,
                max(length, 0),
                table=table,
                type_=type_,
                dev=dev,
                gw=gw,
                priority=metric,
                prefsrc=src,
            )
            return 0
        protocol = {n: i for i, n in PROTOCOLS.items()}.get(want.get("proto", "boot"), fib.RTPROT_BOOT)
        scopes = {s: n for n, s in SCOPES.items()}
        fib.fib_add_route(
            ipv4,
            net,
            length,
            dev=dev,
            gw=gw,
            type_=type_ or fib.RTN_UNICAST,
            table=table if "table" in want else 0,
            priority=metric,
            prefsrc=src,
            scope=scopes.get(want.get("scope", ""), -1),
            protocol=protocol,
            mtu=_number(want["mtu"], "mtu") if "mtu" in want else 0,
            locked=(*locked, "rto_min") if "rto_min" in want else tuple(locked),
            metrics={n: _metric(n, want[n]) for n in METRICS if n in want},
            replace=cmd in ("replace", "change"),
            must_exist=cmd == "change",
            onlink=onlink,
        )
    except OSError as e:
        said = (e.strerror or "").partition(": ")[2]
        return _refused(p, e, said if said[:1].isupper() and " " in said and cmd != "del" else "")
    return 0


def _route_get(p: Process, ipv4: Ipv4, dst: str, dev: NetDevice | None) -> int:
    if not dst:
        raise Usage("need at least a destination address\n")
    to, _ = prefix(dst)
    res = fib.FibResult()
    err = fib.fib_lookup(ipv4, to, 0, dev.ifindex if dev is not None else 0, 0, res)
    if err or res.fi is None or res.nh is None:
        return _refused(p, OSError(-err if err else ENETUNREACH, "x: y"))
    out = res.dev if res.dev is not None else res.nh.dev
    local = res.type == fib.RTN_LOCAL
    if local and p.net.loopback is not None:
        out = p.net.loopback
    src = res.fi.prefsrc or inet_select_addr(res.nh.dev, res.nh.gw or to, 0, ipv4)
    if local:
        src = to
    line = ["local"] if local else []
    line.append(ip4_str(to))
    if res.nh.gw:
        line += ["via", ip4_str(res.nh.gw)]
    if out is not None:
        line += ["dev", out.name]
    if src:
        line += ["src", ip4_str(src)]
    p.out(" ".join([*line, "uid", "0"]) + " \n    cache " + ("<local> " if local else "") + "\n")
    return 0


# --- neigh ------------------------------------------------------------------------------------------------------


def neigh_of(n: nb.Neighbour, stats: bool, hz: int, now: int) -> neigh.Neigh:
    """What ip shows of a neighbour."""
    return neigh.Neigh(
        ip4_str(n.key),
        n.dev.name,
        n.ha.hex(":") if n.nud_state & nb.NUD_VALID else None,
        tuple(name for bit, name in nb.NUD_NAMES.items() if bit and n.nud_state & bit),
        "",
        neigh.NeighStats((now - n.used) // hz, (now - n.confirmed) // hz, (now - n.updated) // hz, n.probes)
        if stats
        else None,
    )


def _neigh(p: Process, o: Options, args: list[str]) -> int:
    known = ("add", "change", "replace", "delete", "show", "list", "lst", "flush", "get", "help")
    cmd = _command(args, known, "neigh")
    if cmd == "help":
        raise Usage(USAGE, 255)
    tbl = _ipv4(p).arp_tbl
    rest = args[1:]
    name = dst = nud = ""
    lladdr: bytes | None = None
    at = 0
    while at < len(rest):
        word = rest[at]
        at += 1
        if word in ("dev", "lladdr", "nud") and at >= len(rest):
            raise Usage('Command line is not complete. Try option "help"\n', 255)
        if word == "dev":
            name = rest[at]
            at += 1
        elif word == "lladdr":
            lladdr = _lladdr(rest[at])
            at += 1
        elif word == "nud":
            nud = rest[at].lower()
            at += 1
        elif word in ("to",):
            continue
        elif word in ("proxy", "router", "extern_learn"):
            raise OSError(ENOTSUP, f"ip neigh ... {word}")
        else:
            dst = word
    states = {text.lower(): bit for bit, text in nb.NUD_NAMES.items()}
    if nud and nud != "all" and nud not in states:
        raise Usage(f'Error: argument "{nud}" is wrong: nud state is bad\n', 255)
    dev = _find(p, name) if name else None
    if cmd in ("show", "flush"):
        key = prefix(dst) if dst else (0, 0)
        mask = inet_make_mask(key[1])
        found = [
            n
            for n in tbl.entries.values()
            if (dev is None or n.dev is dev) and n.key & mask == key[0] & mask and _shown(n, nud, states)
        ]
        if cmd == "flush":
            if not (dst or name):
                raise Usage("Flush requires arguments.\n", 255)
            for n in found:
                if not n.nud_state & nb.NUD_PERMANENT:
                    nb.neigh_remove(tbl, n)
            return 0
        k = p.kernel
        shown = [neigh_of(n, o.stats > 0, k.hz, k.jiffies()) for n in found]
        if o.json:
            return _json(p, o, neigh.to_json(shown))
        p.out(neigh.render(shown))
        return 0
    if not dst or dev is None:
        raise Usage("Device and destination are required arguments.\n", 255)
    ip = address(dst, "any valid address")
    have = tbl.entries.get((ip, dev.ifindex))
    try:
        if cmd == "del":
            if have is None:
                raise OSError(ENOENT, "x: y")
            nb.neigh_remove(tbl, have)
            return 0
        if cmd == "add" and have is not None:
            raise OSError(EEXIST, "x: y")
        if cmd in ("change", "get") and have is None:
            raise OSError(ENOENT, "x: y")
        state = states.get(nud or "permanent", nb.NUD_PERMANENT)
        if lladdr is None and state & nb.NUD_VALID and have is None:
            nb.neigh_create(tbl, ip, dev)  # the entry is made before it is found wanting
            p.err("Error: No link layer address given.\n")
            return 2
        nb.neigh_add(tbl, ip, dev, lladdr, state)
    except OSError as e:
        return _refused(p, e)
    return 0


def _shown(n: nb.Neighbour, nud: str, states: dict[str, int]) -> bool:
    if nud == "all":
        return True
    if nud:
        return n.nud_state == states[nud]
    return bool(n.nud_state & ~nb.NUD_NOARP)
