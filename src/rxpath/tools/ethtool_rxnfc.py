"""ethtool -x, -X, -n, -N: the indirection table, what a hash is made of, and the rules of the receive filters.

What belongs here: options, their checks, the structure that is sent.  Texts are formats/ethtool (rxfh, rxclass).
"""

from __future__ import annotations

import ipaddress
from typing import Final

from rxpath.formats.ethtool import messages, rx_flow_hash, rxclass, rxfh
from rxpath.kernel.errno import EINVAL, EOPNOTSUPP, linux_error
from rxpath.net.core import ethtool as et
from rxpath.net.core import ethtool_ioctl as k
from rxpath.tools import ethtool_ioctl as io
from rxpath.tools.ethtool_run import Run, number
from rxpath.tools.process import Usage

FLOW_TYPES: Final = {
    "tcp4": et.TCP_V4_FLOW,
    "udp4": et.UDP_V4_FLOW,
    "sctp4": et.SCTP_V4_FLOW,
    "ah4": et.AH_ESP_V4_FLOW,
    "esp4": et.AH_ESP_V4_FLOW,
    "tcp6": et.TCP_V6_FLOW,
    "udp6": et.UDP_V6_FLOW,
    "sctp6": et.SCTP_V6_FLOW,
    "ah6": et.AH_ESP_V6_FLOW,
    "esp6": et.AH_ESP_V6_FLOW,
    "ether": k.ETHER_FLOW,
}


def do_grxfh(r: Run, args: list[str]) -> int:
    if args:
        raise r.bad()
    net, dev = r.p.net, r.dev
    try:
        rings = io.rx_rings(net, dev)
    except OSError as e:
        r.p.err(messages.ioctl("-x", e.errno or EINVAL))
        return messages.IOCTL["-x"].status
    try:
        table, key, hfunc = io.rxfh(net, dev)
        functions: tuple[tuple[str, bool], ...] | None = tuple(
            (n, bool(hfunc >> i & 1)) for i, n in enumerate(io.strings(net, dev, k.ETH_SS_RSS_HASH_FUNCS))
        )
        shown = rxfh.Rxfh(dev, rings, tuple(table), key, functions if hfunc else ())
    except OSError as e:
        if e.errno != EOPNOTSUPP:
            r.p.err(f"Cannot get RX flow hash configuration: {linux_error(e.errno or EINVAL).strerror}\n")
            return 1
        try:
            shown = rxfh.Rxfh(dev, rings, tuple(io.rxfh_indir(net, dev)), None, None)
        except OSError as e2:
            text = linux_error(e2.errno or EINVAL).strerror
            r.p.err(f"Cannot get RX flow hash indirection table size: {text}\n")
            return 1
    r.p.out(rxfh.render(shown))
    return 0


def do_srxfh(r: Run, args: list[str]) -> int:
    equal = start = 0
    weights: list[int] = []
    key: bytes | None = None
    hfunc = ""
    default = False
    at = 0
    if not args:
        raise r.bad()
    while at < len(args):
        word = args[at]
        at += 1
        if word == "weight":
            while at < len(args) and number(args[at]) is not None:
                weights.append(number(args[at]) or 0)
                at += 1
            if not weights:
                raise r.bad()
            continue
        if word == "default":
            default = True
            continue
        if word not in ("equal", "start", "hkey", "hfunc") or at >= len(args):
            raise r.bad()
        value = args[at]
        at += 1
        if word == "hkey":
            try:
                key = bytes.fromhex(value.replace(":", ""))
            except ValueError:
                raise r.bad() from None
            if len(value.split(":")) != len(key):
                raise r.bad()
        elif word == "hfunc":
            hfunc = value
        else:
            n = number(value)
            if n is None or (word == "equal" and n == 0):
                raise r.bad()
            if word == "equal":
                equal = n
            else:
                start = n
    if weights and equal:
        r.p.err("Equal and weight options are mutually exclusive\n")
        return 1
    if default and (weights or equal):
        r.p.err(
            "Equal and default options are mutually exclusive\n"
            if equal
            else "Weight and default options are mutually exclusive\n"
        )
        return 1
    net, dev = r.p.net, r.dev
    try:
        rings = io.rx_rings(net, dev)
    except OSError as e:
        r.p.err(messages.ioctl("-X", e.errno or EINVAL))
        return messages.IOCTL["-X"].status
    old = False
    try:
        size, key_size = io.rxfh_sizes(net, dev)
    except OSError as e:
        if e.errno != EOPNOTSUPP or key is not None or hfunc:
            text = linux_error(e.errno or EINVAL).strerror
            r.p.err(f"Cannot get RX flow hash indir size and key size: {text}\n")
            return 1
        old = True
        try:
            size, key_size = len(io.rxfh_indir(net, dev)), 0
        except OSError as e2:
            text = linux_error(e2.errno or EINVAL).strerror
            r.p.err(f"Cannot get RX flow hash indirection table size: {text}\n")
            return 1
    bits = 0
    if hfunc:
        names = io.strings(net, dev, k.ETH_SS_RSS_HASH_FUNCS)
        if hfunc not in names:
            r.p.err(f"Unknown hash function: {hfunc}\n")
            return 1
        bits = 1 << names.index(hfunc)
    if key is not None and len(key) != key_size:
        if not key_size:
            r.p.err("Cannot set RX flow hash configuration:\n Hash key setting not supported\n")
        else:
            how, sign = ("short", "<") if len(key) < key_size else ("long", ">")
            r.p.err(f"Key is too {how} for device ({len(key)} {sign} {key_size})\n")
        return 1
    table: list[int] | None = None
    if equal:
        table = [start + i % equal for i in range(size)]
    elif weights:
        if sum(weights) == 0:
            r.p.err("At least one weight must be non-zero\n")
            return 1
        if sum(weights) > size:
            r.p.err("Total weight exceeds the size of the indirection table\n")
            return 1
        table = weighted(weights, size, start)
    elif default:
        table = []
    try:
        if old:
            io.set_rxfh_indir(net, dev, table or [])
        else:
            if size == 0 and table:
                raise linux_error(EOPNOTSUPP, dev)
            io.set_rxfh(net, dev, table, key or b"", bits)
    except OSError as e:
        r.p.err(messages.ioctl("-X set", e.errno or EINVAL))
        return messages.IOCTL["-X set"].status
    del rings
    return 0


def weighted(weights: list[int], size: int, start: int = 0) -> list[int]:
    """The indirection table of -X weight: entries in proportion, in the order of the queues."""
    total = sum(weights)
    out: list[int] = []
    queue = -1
    partial = 0
    for i in range(size):
        while i >= size * partial // total:
            queue += 1
            partial += weights[queue]
        out.append(start + queue)
    return out


def _flow(r: Run, word: str) -> int:
    flow = FLOW_TYPES.get(word)
    if flow is None:
        raise r.bad()
    return flow


def do_grxclass(r: Run, args: list[str]) -> int:
    net, dev = r.p.net, r.dev
    if args and args[0] == "rx-flow-hash":
        if len(args) != 2:
            raise r.bad()
        flow = _flow(r, args[1])
        try:
            bits = io.rx_hash(net, dev, flow)
        except OSError as e:
            r.p.err(messages.ioctl("-n rx-flow-hash", e.errno or EINVAL))
            return messages.IOCTL["-n rx-flow-hash"].status
        r.p.out(rx_flow_hash.render(rx_flow_hash.FlowHash(rx_flow_hash.FLOWS.get(args[1], ""), bits)))
        return 0
    if args and args[0] == "rule":
        n = number(args[1]) if len(args) == 2 else None
        if n is None:
            raise r.bad()
        try:
            spec = io.rx_rule(net, dev, n)
        except OSError as e:
            r.p.err(f"rxclass: Cannot get RX class rule: {linux_error(e.errno or EINVAL).strerror}\n")
            r.p.err("Cannot get RX classification rule\n")
            return 1
        r.p.out(rxclass.render_rule(shown_rule(spec)))
        return 0
    if args:
        raise r.bad()
    try:
        r.p.out(rxclass.render(rxclass.RxClass(io.rx_rings(net, dev), None)))
    except OSError as e:
        r.p.err(messages.ioctl("-n", e.errno or EINVAL))
    try:
        count, _ = io.rx_rule_count(net, dev)
        rules = tuple(shown_rule(io.rx_rule(net, dev, x)) for x in io.rx_rule_locations(net, dev, count))
    except OSError as e:
        r.p.err(messages.ioctl("-n rules", e.errno or EINVAL) + messages.IOCTL_LAST["-n rules"])
        return messages.IOCTL["-n rules"].status
    r.p.out(rxclass.render(rxclass.RxClass(None, rules)))
    return 0


def shown_rule(s: et.RxFlowSpec) -> rxclass.Rule:
    """A rule as printed: masks turned round (a set bit is not compared)."""
    rule = _without_ext(s)
    if not any(n in s.masks for n in ("vlan", "vlan-etype", "user-def")):
        return rule

    def pair(name: str) -> tuple[int, int]:
        return s.values.get(name, 0), ~s.masks.get(name, 0) & _FULL[name]

    return rxclass.extended(rule, pair("vlan-etype"), pair("vlan"), pair("user-def"))


def _without_ext(s: et.RxFlowSpec) -> rxclass.Rule:
    queue = None if s.ring_cookie < 0 else s.ring_cookie

    def ip(v: int) -> str:
        return str(ipaddress.IPv4Address(v & 0xFFFFFFFF))

    def not16(name: str) -> int:
        return ~s.masks.get(name, 0) & 0xFFFF

    v, m = s.values, s.masks
    if s.flow_type in k.SPEC_IP4:
        name = {et.TCP_V4_FLOW: "TCP", et.UDP_V4_FLOW: "UDP"}.get(s.flow_type, "SCTP")
        return rxclass.ipv4_rule(
            s.location,
            name,
            ip(v.get("src-ip", 0)),
            ip(~m.get("src-ip", 0)),
            ip(v.get("dst-ip", 0)),
            ip(~m.get("dst-ip", 0)),
            v.get("tos", 0),
            ~m.get("tos", 0) & 0xFF,
            v.get("src-port", 0),
            not16("src-port"),
            v.get("dst-port", 0),
            not16("dst-port"),
            queue,
        )
    if s.flow_type == k.ETHER_FLOW:

        def mac(x: int) -> str:
            return (x & 0xFFFFFFFFFFFF).to_bytes(6, "big").hex(":")

        return rxclass.ether_rule(
            s.location,
            mac(v.get("src", 0)),
            mac(~m.get("src", 0)),
            mac(v.get("dst", 0)),
            mac(~m.get("dst", 0)),
            v.get("proto", 0),
            not16("proto"),
            queue,
        )
    fields = {
        "Rule Type": "Raw IPv4",
        "Src IP addr": f"{ip(v.get('src-ip', 0))} mask: {ip(~m.get('src-ip', 0))}",
        "Dest IP addr": f"{ip(v.get('dst-ip', 0))} mask: {ip(~m.get('dst-ip', 0))}",
        "TOS": f"{v.get('tos', 0):#x} mask: {~m.get('tos', 0) & 0xFF:#x}",
        "Protocol": f"{v.get('l4proto', 0)} mask: {~m.get('l4proto', 0) & 0xFF:#x}",
        "L4 bytes": f"{v.get('l4data', 0):#x} mask: {~m.get('l4data', 0) & 0xFFFFFFFF:#x}",
        "Action": "Drop" if queue is None else f"Direct to queue {queue}",
    }
    return rxclass.Rule(s.location, fields)


RULE_FLOWS: Final = {
    "tcp4": et.TCP_V4_FLOW,
    "udp4": et.UDP_V4_FLOW,
    "sctp4": et.SCTP_V4_FLOW,
    "ip4": k.IP_USER_FLOW,
    "ether": k.ETHER_FLOW,
}


_FULL: Final = {
    "src-ip": 0xFFFFFFFF,
    "dst-ip": 0xFFFFFFFF,
    "src-port": 0xFFFF,
    "dst-port": 0xFFFF,
    "tos": 0xFF,
    "l4proto": 0xFF,
    "l4data": 0xFFFFFFFF,
    "src": 0xFFFFFFFFFFFF,
    "dst": 0xFFFFFFFFFFFF,
    "proto": 0xFFFF,
    "vlan": 0xFFFF,
    "vlan-etype": 0xFFFF,
    "user-def": 0xFFFFFFFFFFFFFFFF,
}


def rule_of(args: list[str]) -> et.RxFlowSpec:
    """`flow-type TYPE [name value [m mask]]... [action N] [loc N]`.  Raises ValueError.

    A mask is given as ethtool takes it: a set bit is not compared.
    """
    if len(args) < 2 or args[0] != "flow-type" or args[1] not in RULE_FLOWS:
        raise ValueError("flow-type")
    spec = et.RxFlowSpec(RULE_FLOWS[args[1]], {})
    at = 2
    while at + 1 < len(args):
        name, word = args[at], args[at + 1]
        at += 2
        if name in ("action", "queue"):
            spec.ring_cookie = int(word, 0)
        elif name in ("loc", "location"):
            spec.location = int(word, 0)
        elif name in _FULL:
            spec.values[name] = _field(name, word)
            spec.masks[name] = _FULL[name]
            if at + 1 < len(args) and args[at] in ("m", f"{name}-mask", "mask"):
                spec.masks[name] = ~_field(name, args[at + 1]) & _FULL[name]
                at += 2
            spec.values[name] &= spec.masks[name]
        else:
            raise ValueError(name)
    if at != len(args):
        raise ValueError(args[-1])
    return spec


def _field(name: str, word: str) -> int:
    if name in ("src-ip", "dst-ip"):
        return int(ipaddress.IPv4Address(word))
    if name in ("src", "dst"):
        b = bytes.fromhex(word.replace(":", ""))
        if len(b) != 6:
            raise ValueError(word)
        return int.from_bytes(b, "big")
    v = int(word, 0)
    if not 0 <= v <= _FULL[name]:
        raise ValueError(word)
    return v


def do_srxclass(r: Run, args: list[str]) -> int:
    net, dev = r.p.net, r.dev
    if not args:
        raise r.bad()
    if args[0] == "rx-flow-hash":
        if len(args) != 3:
            raise r.bad()
        flow = _flow(r, args[1])
        try:
            bits = rx_flow_hash.bits_of_letters(args[2])
        except ValueError:
            raise r.bad() from None
        try:
            io.set_rx_hash(net, dev, flow, bits)
        except OSError as e:
            r.p.err(messages.ioctl("-N rx-flow-hash", e.errno or EINVAL))
            return messages.IOCTL["-N rx-flow-hash"].status
        return 0
    if args[0] == "delete":
        n = number(args[1]) if len(args) == 2 else None
        if n is None:
            raise r.bad()
        try:
            io.delete_rx_rule(net, dev, n)
        except OSError as e:
            r.p.err(messages.ioctl("-N delete", e.errno or EINVAL) + messages.IOCTL_LAST["-N delete"])
            return messages.IOCTL["-N delete"].status
        return 0
    try:
        spec = rule_of(args)
    except ValueError:
        rule = args[0] == "flow-type" and len(args) > 1 and args[1] not in RULE_FLOWS
        raise Usage(("Add rule, invalid syntax\n" if rule else "") + messages.BAD_ARGUMENTS) from None
    any_place = spec.location < 0
    if any_place:
        # the program itself finds a free place, from the last one down
        try:
            count, size = io.rx_rule_count(net, dev)
            used = io.rx_rule_locations(net, dev, count)
        except OSError as e:
            r.p.err(messages.ioctl("-N", e.errno or EINVAL) + messages.IOCTL_LAST["-N"])
            return messages.IOCTL["-N"].status
        free = [x for x in range((size & 0x7FFFFFFF) - 1, -1, -1) if x not in used]
        if not free:
            r.p.err("rmgr: Cannot find appropriate slot to insert rule\n" + messages.IOCTL_LAST["-N"])
            return 1
        spec.location = free[0]
    try:
        location = io.insert_rx_rule(net, dev, spec)
    except OSError as e:
        r.p.err(messages.ioctl("-N set", e.errno or EINVAL))
        return messages.IOCTL["-N set"].status
    if any_place:
        r.p.out(f"Added rule with ID {location}\n")
    return 0
