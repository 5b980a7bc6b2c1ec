"""Packets of a script as bytes, live packets as text, and the comparison of the two.

A `Flow` is one connection: who talks, and how far the script's sequence numbers and time stamps are from the live
ones.  The peer is the script, so its own sequence numbers need no change; the local side's initial sequence number
and time stamps are learnt from what it sends.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from typing import Final

from rxpath.packetdrill.parser import tos_of
from rxpath.packetdrill.script import Outer, Packet, TcpOption
from rxpath.wire.addr import ip4, ip4_str
from rxpath.wire.checksum import transport_checksum
from rxpath.wire.icmp import icmp_error, icmp_message
from rxpath.wire.ipv4 import ipv4_header
from rxpath.wire.tcp import tcp_segment
from rxpath.wire.udp import udp_datagram

M32: Final = 0xFFFFFFFF
TCP, UDP, ICMP = 6, 17, 1
FLAG_BITS: Final = {"F": 1, "S": 2, "R": 4, "P": 8, ".": 16, "U": 32, "E": 64, "W": 128, "C": 128, "A": 256}
KINDS: Final = {"eol": 0, "nop": 1, "mss": 2, "wscale": 3, "sackOK": 4, "sack": 5, "TS": 8, "md5": 19, "FO": 34}
FASTOPEN_MAGIC: Final = 0xF989
IP_DF: Final = 0x4000

ICMP_TYPES: Final = {
    "echo_reply": 0, "unreachable": 3, "source_quench": 4, "redirect": 5, "echo_request": 8, "router_advertisement": 9,
    "router_solicitation": 10, "time_exceeded": 11, "parameter_problem": 12, "timestamp_request": 13,
    "timestamp_reply": 14, "information_request": 15, "information_reply": 16,
    "address_mask_request": 17, "address_mask_reply": 18,
}  # fmt: skip
ICMP_CODES: Final[dict[str, dict[str, int]]] = {
    "unreachable": {
        "net_unreachable": 0, "host_unreachable": 1, "protocol_unreachable": 2, "port_unreachable": 3, "frag_needed": 4,
        "source_route_failed": 5, "net_unknown": 6, "host_unknown": 7, "source_host_isolated": 8, "net_prohibited": 9,
        "host_prohibited": 10, "net_unreachable_for_tos": 11, "host_unreachable_for_tos": 12, "packet_filtered": 13,
        "precedence_violation": 14, "precedence_cutoff": 15,
    },
    "time_exceeded": {"ttl_exceeded": 0, "fragment_reassembly_time_exceeded": 1, "frag_time_exceeded": 1},
    "redirect": {"net_redirect": 0, "host_redirect": 1, "redirect_net": 0, "redirect_host": 1},
}  # fmt: skip
ECN_NAMES: Final = ("noecn", "ect1", "ect0", "ce")


class PacketError(ValueError):
    """A packet that cannot be built, or that cannot be run here."""


@dataclass(slots=True)
class Flow:
    """A connection.  Addresses are u32; offsets: live minus script sequence numbers, of this side and of the peer.

    In a SYN a script writes the initial sequence number itself, afterwards numbers relative to it; `absolute` says that
    it goes on with whole numbers.
    """

    laddr: int
    lport: int
    raddr: int
    rport: int
    local_offset: int | None = None
    remote_offset: int = 0
    ts_live: dict[int, int] = field(default_factory=dict)  # script TSval -> live TSval
    ts_first: tuple[int, int, int] | None = None  # script, live, time in us
    script_ports: tuple[int, int] = (0, 0)  # (local, remote) as the script writes them
    absolute: bool = False
    heard: bool = False  # the peer has sent a SYN
    live_isn: int | None = None
    script_isn: int = 0  # of this side, as the script writes it; numbers are relative to it afterwards

    def to_live_local(self, seq: int) -> int:
        return (seq + (self.local_offset or 0)) & M32

    def to_script_local(self, seq: int) -> int:
        return (seq - (self.local_offset or 0)) & M32


@dataclass(slots=True)
class Live:
    """A packet as it was on the wire."""

    src: int = 0
    dst: int = 0
    protocol: int = 0
    tos: int = 0
    ttl: int = 0
    sport: int = 0
    dport: int = 0
    seq: int = 0
    ack: int = 0
    flags: int = 0
    window: int = 0
    urg: int = 0
    options: list[TcpOption] = field(default_factory=list)
    length: int = 0
    icmp_type: int = 0
    icmp_code: int = 0
    icmp_info: int = 0
    bad: str = ""


# --- options ---------------------------------------------------------------------------------------------------------


def encode_options(options: list[TcpOption]) -> bytes:
    """Raises PacketError when the header would not be a multiple of four or an option has no bytes."""
    out = bytearray()
    for o in options:
        if o.name in ("nop", "eol"):
            out.append(KINDS[o.name])
        elif o.name == "mss":
            out += b"\x02\x04" + o.values[0].to_bytes(2, "big")
        elif o.name == "wscale":
            out += bytes((3, 3, o.values[0]))
        elif o.name == "sackOK":
            out += b"\x04\x02"
        elif o.name in ("sack", "TS"):
            body = b"".join((v & M32).to_bytes(4, "big") for v in o.values)
            out += bytes((KINDS[o.name], 2 + len(body))) + body
        elif o.name in ("md5", "FO"):
            out += bytes((KINDS[o.name], 2 + len(o.blob))) + o.blob
        elif o.name == "FOEXP":
            out += bytes((254, 4 + len(o.blob))) + FASTOPEN_MAGIC.to_bytes(2, "big") + o.blob
        elif o.name == "ECN":
            body = b"".join((v & 0xFFFFFF).to_bytes(3, "big") for v in o.values)
            out += bytes((174 if o.text.startswith("e1b") else 172, 2 + len(body))) + body
        elif o.name == "raw":
            out += bytes((o.values[0], 2 + len(o.blob))) + o.blob
        else:
            raise PacketError(f"the TCP option {o.text} is not modelled")
    if len(out) & 3:
        raise PacketError(
            "TCP options are not padded correctly to ensure the header is a multiple of 4 bytes; please add NOPs"
        )
    if len(out) > 40:
        raise PacketError(f"TCP options of {len(out)} bytes; 40 fit")
    return bytes(out)


def decode_options(raw: bytes) -> list[TcpOption]:
    out: list[TcpOption] = []
    i = 0
    while i < len(raw):
        kind = raw[i]
        if kind < 2:
            out.append(TcpOption("nop" if kind else "eol"))
            i += 1
            continue
        n = raw[i + 1] if i + 1 < len(raw) else 0
        if n < 2 or i + n > len(raw):
            out.append(TcpOption("raw", [kind], raw[i + 1 :]))
            return out
        body = raw[i + 2 : i + n]
        i += n
        words = [int.from_bytes(body[k : k + 4], "big") for k in range(0, len(body) - 3, 4)]
        if kind == 2 and n == 4:
            out.append(TcpOption("mss", [int.from_bytes(body, "big")]))
        elif kind == 3 and n == 3:
            out.append(TcpOption("wscale", [body[0]]))
        elif kind == 4 and n == 2:
            out.append(TcpOption("sackOK"))
        elif kind == 5 and len(body) % 8 == 0 and body:
            out.append(TcpOption("sack", words))
        elif kind == 8 and n == 10:
            out.append(TcpOption("TS", words))
        elif kind == 19:
            out.append(TcpOption("md5", blob=body))
        elif kind == 34:
            out.append(TcpOption("FO", blob=body))
        elif kind == 254 and body[:2] == FASTOPEN_MAGIC.to_bytes(2, "big"):
            out.append(TcpOption("FOEXP", blob=body[2:]))
        elif kind in (172, 174):
            names = ("e1b", "ceb", "e0b") if kind == 174 else ("e0b", "ceb", "e1b")
            values = [int.from_bytes(body[k : k + 3], "big") for k in range(0, len(body) - 2, 3)]
            out.append(TcpOption("ECN", values, text=" ".join(names[: len(values)])))
        else:
            out.append(TcpOption("raw", [kind], body))
    return out


def show_options(options: list[TcpOption] | None) -> str:
    if options is None:
        return "<...>"
    out: list[str] = []
    for o in options:
        if o.name in ("mss", "wscale"):
            out.append(f"{o.name} {o.values[0]}")
        elif o.name == "TS":
            out.append(f"TS val {o.values[0]} ecr {o.values[1]}")
        elif o.name == "sack":
            out.append("sack " + " ".join(f"{a}:{b}" for a, b in zip(o.values[::2], o.values[1::2], strict=False)))
        elif o.name in ("FO", "FOEXP", "md5"):
            out.append(f"{o.name} {o.blob.hex()}".strip())
        elif o.name == "ECN":
            out.append("ECN " + " ".join(f"{n} {v}" for n, v in zip(o.text.split(), o.values, strict=False)))
        elif o.name == "raw":
            out.append(f"kind {o.values[0]} {o.blob.hex()}".strip())
        else:
            out.append(o.text or o.name)
    return "<" + ",".join(out) + ">" if out else ""


# --- inbound ---------------------------------------------------------------------------------------------------------


def flag_bits(p: Packet) -> int:
    bits = 0
    for c in p.flags:
        bits |= FLAG_BITS[c]
    if p.ace is not None:
        bits |= (p.ace & 4) << 6 | (p.ace & 2) << 6 | (p.ace & 1) << 6
    return bits


def build(p: Packet, flow: Flow) -> bytes:
    """An inbound packet as the host receives it, from the IP header on.  Raises PacketError."""
    try:
        return made(p, flow)
    except PacketError:
        raise
    except (struct.error, OverflowError, ValueError) as e:
        raise PacketError(f"a packet that cannot be made: {e}") from None


def made(p: Packet, flow: Flow) -> bytes:
    """The packet.  Raises PacketError, and other errors of what does not fit its field."""
    if p.refused:
        raise PacketError(f"{p.refused} is not modelled")
    if p.protocol == "tcp":
        payload, protocol = build_tcp(p, flow), TCP
    elif p.protocol == "udp":
        payload = udp_datagram(flow.raddr, flow.laddr, flow.rport, flow.lport, bytes(p.length))
        protocol = UDP
    else:
        payload, protocol = build_icmp(p, flow), ICMP
    head = ipv4_header(
        flow.raddr, flow.laddr, protocol, len(payload), ttl=p.ttl or 255, tos=tos_of(p), ident=0, frag_off=0
    )
    packet, kind = head + payload, "ipv4"
    for o in reversed(p.outer):
        packet, kind = wrap(o, packet, kind), o.kind
    return packet


def wrap(o: Outer, packet: bytes, inner: str) -> bytes:
    """One outer header in front of a packet whose first header is of kind `inner`.  Raises PacketError."""
    if o.kind == "ipv4":
        protocol = {"ipv4": 4, "ipv6": 41, "gre": 47, "mpls": 137}[inner]
        return ipv4_header(ip4(o.src), ip4(o.dst), protocol, len(packet), ttl=o.ttl or 255, tos=o.tos) + packet
    if o.kind == "gre":
        flags, csum, offset, key, seq = (o.numbers + [0] * 5)[:5] if len(o.numbers) >= 5 else (0, 0, 0, 0, 0)
        out = struct.pack(">HH", flags, {"ipv4": 0x0800, "ipv6": 0x86DD, "mpls": 0x8847}.get(inner, 0))
        if flags & 0x8000:
            out += struct.pack(">HH", csum, offset)
        if flags & 0x2000:
            out += struct.pack(">I", key & M32)
        if flags & 0x1000:
            out += struct.pack(">I", seq & M32)
        return out + packet
    if o.kind == "mpls":
        entries = re.findall(r"label\s+(\d+)\s*,\s*tc\s+(\d+)\s*,\s*(\[S\]\s*,\s*)?ttl\s+(\d+)", o.text)
        words = (int(a) << 12 | (int(t) & 7) << 9 | bool(s) << 8 | int(ttl) & 255 for a, t, s, ttl in entries)
        return b"".join((w & M32).to_bytes(4, "big") for w in words) + packet
    raise PacketError(f"an outer {o.kind} header is not modelled")


def build_tcp(p: Packet, flow: Flow) -> bytes:
    options: list[TcpOption] = []
    for o in p.options or []:
        if o.name == "sack":
            options.append(TcpOption("sack", [flow.to_live_local(v) for v in o.values]))
        elif o.name == "TS":
            options.append(TcpOption("TS", [o.values[0], flow.ts_live.get(o.values[1], o.values[1])]))
        else:
            options.append(o)
    flags = flag_bits(p)
    ack = flow.to_live_local(p.ack) if flags & 16 else p.ack
    if flags & 18 == 18:  # in a SYN-ACK the acknowledgement is a whole number too
        ack = (ack - flow.script_isn) & M32
    seq = p.seq
    if not flags & 2 or (flow.heard and p.seq != flow.remote_offset):  # the SYN once more has its own number
        seq += flow.remote_offset
    elif not flow.absolute:
        flow.remote_offset = p.seq
    flow.heard = flow.heard or bool(flags & 2)
    seg = bytearray(
        tcp_segment(
            flow.raddr,
            flow.laddr,
            flow.rport,
            flow.lport,
            seq & M32,
            ack,
            flags & 255,
            bytes(p.length),
            window=p.window or 0,
            options=encode_options(options),
            urg_ptr=p.urg,
        )
    )
    if flags & 256:
        seg[12] |= 1
        seg[16:18] = b"\0\0"
        seg[16:18] = transport_checksum(flow.raddr, flow.laddr, TCP, bytes(seg)).to_bytes(2, "big")
    return bytes(seg)


def numbered(word: str, prefix: str, names: dict[str, int]) -> int | None:
    """A name, or `type_3`, `code_255`, `3`."""
    digits = word[len(prefix) :] if word.startswith(prefix) else word
    return int(digits) & 255 if digits.isdigit() else names.get(word)


def icmp_numbers(p: Packet) -> tuple[int, int]:
    """Raises PacketError for a name that ICMP does not have."""
    t = numbered(p.icmp_type, "type_", ICMP_TYPES)
    if t is None:
        raise PacketError(f"unknown ICMP type {p.icmp_type}")
    if not p.icmp_code:
        return t, 0
    c = numbered(p.icmp_code, "code_", ICMP_CODES.get(p.icmp_type, {}))
    if c is None:
        raise PacketError(f"unknown ICMP code {p.icmp_code} of type {p.icmp_type}")
    return t, c


def build_icmp(p: Packet, flow: Flow) -> bytes:
    type_, code = icmp_numbers(p)
    if type_ in (0, 8):
        return icmp_message(type_, code, p.icmp_id, 0, bytes(p.length))
    if p.echoed == "udp":
        inner = (
            flow.lport.to_bytes(2, "big") + flow.rport.to_bytes(2, "big") + (8 + p.length).to_bytes(2, "big") + b"\0\0"
        )
        quoted = ipv4_header(flow.laddr, flow.raddr, UDP, 8 + p.length, frag_off=IP_DF) + inner
    else:
        inner = (
            flow.lport.to_bytes(2, "big") + flow.rport.to_bytes(2, "big") + flow.to_live_local(p.seq).to_bytes(4, "big")
        )
        quoted = ipv4_header(flow.laddr, flow.raddr, TCP, 20 + p.length, frag_off=IP_DF) + inner
    info = p.icmp_mtu or 0
    return icmp_error(type_, code, quoted, info)


# --- outbound --------------------------------------------------------------------------------------------------------


def read(ip: bytes) -> Live:
    """A packet that the host sent, from its IP header on."""
    v = Live()
    if len(ip) < 20 or ip[0] >> 4 != 4:
        v.bad = "not IPv4"
        return v
    hl = (ip[0] & 15) * 4
    total = int.from_bytes(ip[2:4], "big")
    if total == 0 or total > len(ip):
        total = len(ip)
    v.tos, v.ttl, v.protocol = ip[1], ip[8], ip[9]
    v.src = int.from_bytes(ip[12:16], "big")
    v.dst = int.from_bytes(ip[16:20], "big")
    b = ip[hl:total]
    if v.protocol == TCP and len(b) >= 20:
        v.sport, v.dport = int.from_bytes(b[0:2], "big"), int.from_bytes(b[2:4], "big")
        v.seq, v.ack = int.from_bytes(b[4:8], "big"), int.from_bytes(b[8:12], "big")
        doff = (b[12] >> 4) * 4
        v.flags = b[13] | (b[12] & 1) << 8
        v.window = int.from_bytes(b[14:16], "big")
        v.urg = int.from_bytes(b[18:20], "big")
        v.options = decode_options(b[20:doff])
        v.length = len(b) - doff
    elif v.protocol == UDP and len(b) >= 8:
        v.sport, v.dport = int.from_bytes(b[0:2], "big"), int.from_bytes(b[2:4], "big")
        v.length = len(b) - 8
    elif v.protocol == ICMP and len(b) >= 8:
        v.icmp_type, v.icmp_code = b[0], b[1]
        v.icmp_info = int.from_bytes(b[4:8], "big")
        v.length = len(b) - 8
    else:
        v.bad = f"protocol {v.protocol}"
    return v


def script_options(v: Live, flow: Flow | None) -> list[TcpOption]:
    """A live packet's options with the script's numbers."""
    out: list[TcpOption] = []
    for o in v.options:
        if o.name == "TS" and flow is not None:
            back = {live: s for s, live in flow.ts_live.items()}
            out.append(TcpOption("TS", [back.get(o.values[0], o.values[0]), o.values[1]]))
        elif o.name == "sack" and flow is not None:
            out.append(TcpOption("sack", [(x - flow.remote_offset) & M32 for x in o.values]))
        else:
            out.append(o)
    return out


def show_flags(flags: int) -> str:
    out = "".join(c for c in "FSRP" if flags & FLAG_BITS[c])
    out += "".join(c for c in "UEWA" if flags & FLAG_BITS[c])
    return (out + "." if flags & 16 else out) or "-"


def show_live(v: Live, flow: Flow | None) -> str:
    """A live packet as a script would write it."""
    ecn = "" if v.protocol != TCP or not v.tos & 3 else f"[{ECN_NAMES[v.tos & 3]}] "
    if v.protocol == TCP:
        seq = flow.to_script_local(v.seq) if flow is not None else v.seq
        off = flow.remote_offset if flow is not None and not v.flags & 2 else 0
        ack = f" ack {(v.ack - off) & M32}" if v.flags & 16 else ""
        urg = f" urg {v.urg}" if v.urg else ""
        opts = show_options(script_options(v, flow))
        text = f"{ecn}{show_flags(v.flags)} {seq}:{(seq + v.length) & M32}({v.length}){ack} win {v.window}{urg} {opts}"
        return text.rstrip()
    if v.protocol == UDP:
        return f"udp ({v.length})"
    if v.protocol == ICMP:
        return f"icmp type {v.icmp_type} code {v.icmp_code} ({v.length})"
    return f"{ip4_str(v.src)} > {ip4_str(v.dst)} {v.bad}"


def learn(p: Packet, v: Live, flow: Flow, t_us: int) -> None:
    """What a live packet that stands for a script's packet tells: initial sequence number, time stamps."""
    if v.protocol != TCP or p.protocol != "tcp":
        return
    if v.flags & 2:
        flow.live_isn = v.seq
        flow.local_offset = (v.seq - (p.seq if flow.absolute else 0)) & M32
        flow.script_isn = 0 if flow.absolute else p.seq
    elif flow.local_offset is None:
        flow.local_offset = (v.seq - p.seq) & M32
    if p.options is None:
        return
    mine = next((o for o in p.options if o.name == "TS"), None)
    live = next((o for o in v.options if o.name == "TS"), None)
    if mine is not None and live is not None:
        flow.ts_live[mine.values[0]] = live.values[0]
        if flow.ts_first is None:
            flow.ts_first = (mine.values[0], live.values[0], t_us)


def compare(p: Packet, v: Live, flow: Flow, tick_us: int, tolerance_us: int, strict: bool = False) -> str:
    """What differs, in packetdrill's words; "" when nothing does.  Without `strict` PSH is not looked at: which
    segments carry it follows how the sender cut its data.
    """
    protocol = {"tcp": TCP, "udp": UDP, "icmp": ICMP}[p.protocol]
    if v.protocol != protocol:
        return f"live packet protocol: expected: {p.protocol} vs actual: {v.protocol}"

    def differs(name: str, want: int, got: int) -> str:
        return f"live packet field {name}: expected: {want} ({want:#x}) vs actual: {got} ({got:#x})"

    if p.tos is not None and v.tos != p.tos:
        return differs("ip_tos", p.tos, v.tos)
    if p.ecn is not None:
        got = v.tos & 3
        if p.ecn == "ect01":
            if got not in (1, 2):
                return f"live packet field ip_ecn: expected: ect0 or ect1 vs actual: {ECN_NAMES[got]}"
        elif ECN_NAMES[got] != p.ecn:
            return f"live packet field ip_ecn: expected: {p.ecn} vs actual: {ECN_NAMES[got]}"
    if p.ttl is not None and v.ttl != p.ttl:
        return differs("ip_ttl", p.ttl, v.ttl)
    if protocol == ICMP:
        type_, code = icmp_numbers(p)
        if v.icmp_type != type_:
            return differs("icmp_type", type_, v.icmp_type)
        if v.icmp_code != code:
            return differs("icmp_code", code, v.icmp_code)
        if p.icmp_mtu is not None and v.icmp_info & 0xFFFF != p.icmp_mtu:
            return differs("icmp_mtu", p.icmp_mtu, v.icmp_info & 0xFFFF)
        return ""
    if protocol == UDP:
        return "" if v.length == p.length else differs("udp_payload", p.length, v.length)
    seq = flow.to_script_local(v.seq)
    if v.flags & 2 and "S" in p.flags:
        seq = p.seq  # the initial sequence number is the kernel's choice
    if seq != p.seq:
        return differs("tcp_seq", p.seq, seq)
    want_flags = flag_bits(p)
    ack = v.ack if v.flags & 2 else (v.ack - flow.remote_offset) & M32
    if v.flags & 16 and want_flags & 16 and ack != p.ack:
        return differs("tcp_ack_seq", p.ack, ack)
    if p.options is not None:
        want = sum(len(encode_one(o)) for o in p.options)
        got = sum(len(encode_one(o)) for o in v.options)
        if want != got:
            return differs("tcp_data_offset", (20 + want) // 4, (20 + got) // 4)
    for name in "FSRP.UEW" if strict or not v.length else "FSR.UEW":
        bit = FLAG_BITS[name]
        if (v.flags & bit) != (want_flags & bit):
            long = {"F": "fin", "S": "syn", "R": "rst", "P": "psh", ".": "ack", "U": "urg", "E": "ece", "W": "cwr"}[
                name
            ]
            return differs("tcp_" + long, int(bool(want_flags & bit)), int(bool(v.flags & bit)))
    if (v.flags ^ want_flags) & 256:
        return differs("tcp_ae", int(bool(want_flags & 256)), int(bool(v.flags & 256)))
    if p.window is not None and v.window != p.window:
        return differs("tcp_window", p.window, v.window)
    if v.urg != p.urg:
        return differs("tcp_urg_ptr", p.urg, v.urg)
    if v.length != p.length:
        return differs("tcp_payload", p.length, v.length)
    if p.options is None:
        return ""
    return compare_options(p.options, script_options(v, flow), v, flow, tick_us, tolerance_us)


def encode_one(o: TcpOption) -> bytes:
    """The bytes of one option, of whatever length."""
    pad = [TcpOption("nop")] * 3
    for n in range(4):
        try:
            raw = encode_options([o, *pad[:n]])
        except PacketError:
            continue
        return raw[: len(raw) - n]
    return b""


def compare_options(
    want: list[TcpOption], got: list[TcpOption], v: Live, flow: Flow, tick_us: int, tolerance_us: int
) -> str:
    bad = f"bad value outbound TCP option: expected {show_options(want)} vs actual {show_options(got)}"
    if len(want) != len(got):
        return f"bad outbound TCP options: expected {show_options(want)} vs actual {show_options(got)}"
    for a, b in zip(want, got, strict=True):
        if a.name != b.name:
            return f"bad outbound TCP options: expected {show_options(want)} vs actual {show_options(got)}"
        if a.name == "TS":
            if a.values[1] != b.values[1]:
                return bad
            if tick_us and flow.ts_first is not None:
                live = next(o for o in v.options if o.name == "TS").values[0]
                s0, l0, _ = flow.ts_first
                off = ((live - l0) - (a.values[0] - s0)) & M32
                off = off - (1 << 32) if off >> 31 else off
                if abs(off) * tick_us > tolerance_us + tick_us:
                    return bad + f" (TSval is {off} ticks from the expected one)"
        elif a.name == "md5":
            continue  # nobody here knows the key
        elif a.values != b.values or a.blob != b.blob:
            return bad
    return ""


__all__ = ["Flow", "Live", "PacketError", "build", "compare", "learn", "read", "show_live", "show_options"]
