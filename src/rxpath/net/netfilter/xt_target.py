"""The targets of iptables: LOG and REJECT.

ACCEPT, DROP, RETURN and jumps are verdicts of a rule (ip_tables.py); what REJECT sends is made in
net/ipv4/nf_reject.py.  Facts: net/netfilter/xt_LOG.c, nf_log_syslog.c (3.13: xt_LOG.c alone, the same text),
net/ipv4/netfilter/ipt_REJECT.c.
"""

from __future__ import annotations

from typing import Final

from rxpath.kernel.errno import EINVAL
from rxpath.net.core.netdevice import NetDevice
from rxpath.net.core.skbuff import SkBuff
from rxpath.net.netfilter.core import NF_DROP
from rxpath.net.netfilter.x_tables import (
    XT_CONTINUE,
    XtActionParam,
    XtCheckParam,
    XtTarget,
    skb_header_pointer,
)
from rxpath.wire.addr import ip4_str

NF_LOG_TCPSEQ: Final = 0x01
NF_LOG_TCPOPT: Final = 0x02
NF_LOG_IPOPT: Final = 0x04
NF_LOG_UID: Final = 0x08
NF_LOG_MACDECODE: Final = 0x20
LOG_DEFAULT_LEVEL: Final = 4

_TCP_FLAGS: Final = ((0x80, "CWR "), (0x40, "ECE "), (0x20, "URG "), (0x10, "ACK "), (0x08, "PSH "), (0x04, "RST "))
_TCP_FLAGS_END: Final = ((0x02, "SYN "), (0x01, "FIN "))
# least bytes that must follow the IP header, by ICMP type
_ICMP_MIN: Final[dict[int, int]] = {
    0: 4,
    3: 28,
    4: 28,
    5: 28,
    8: 4,
    11: 28,
    12: 28,
    13: 20,
    14: 20,
    17: 12,
    18: 12,
}


class LogTarget(XtTarget):
    """`-j LOG`: a line in the kernel's log, and on to the next rule."""

    __slots__ = ("level", "flags", "prefix")

    def __init__(self) -> None:
        super().__init__("LOG")
        self.level = LOG_DEFAULT_LEVEL
        self.flags = 0
        self.prefix = ""

    def target(self, skb: SkBuff, par: XtActionParam) -> int:
        nf_log_ip_packet(skb, par, self)
        return XT_CONTINUE

    def key(self) -> tuple[object, ...]:
        return (self.level, self.flags, self.prefix)


def nf_log_ip_packet(skb: SkBuff, par: XtActionParam, info: LogTarget) -> None:
    """The line as printk gets it, trailing blank and all."""
    st = par.state
    out = [
        f"{info.prefix}IN={st.indev.name if st.indev is not None else ''} "
        f"OUT={st.outdev.name if st.outdev is not None else ''} "
    ]
    if st.indev is not None:
        dump_mac_header(out, skb, st.indev, info.flags)
    dump_ipv4_packet(out, skb, skb.network_header, info.flags, True)
    skb.net.kernel.log.printk(info.level, "".join(out))


def dump_mac_header(out: list[str], skb: SkBuff, dev: NetDevice, flags: int) -> None:
    mh, nh = skb.mac_header, skb.network_header
    mac = skb.head[mh : mh + 14] if 0 <= mh and mh + 14 <= nh else b""
    if flags & NF_LOG_MACDECODE and not dev.is_loopback:
        if len(mac) == 14:
            out.append(f"MACSRC={mac[6:12].hex(':')} MACDST={mac[0:6].hex(':')} MACPROTO={mac[12] << 8 | mac[13]:04x} ")
        return
    out.append("MAC=")
    if mac and mh != nh:
        out.append(mac.hex(":"))
    out.append(" ")


def dump_ipv4_packet(out: list[str], skb: SkBuff, off: int, flags: int, outer: bool) -> None:
    """A packet whose IP header lies at `off`; `outer` false: the one inside an ICMP error."""
    ih = skb_header_pointer(skb, off, 20)
    if ih is None:
        out.append("TRUNCATED")
        return
    hl = (ih[0] & 15) * 4
    out.append(f"SRC={ip4_str(int.from_bytes(ih[12:16], 'big'))} DST={ip4_str(int.from_bytes(ih[16:20], 'big'))} ")
    out.append(
        f"LEN={ih[2] << 8 | ih[3]} TOS=0x{ih[1] & 0x1E:02X} PREC=0x{ih[1] & 0xE0:02X} "
        f"TTL={ih[8]} ID={ih[4] << 8 | ih[5]} "
    )
    frag = ih[6] << 8 | ih[7]
    if frag & 0x8000:
        out.append("CE ")
    if frag & 0x4000:
        out.append("DF ")
    if frag & 0x2000:
        out.append("MF ")
    fragoff = frag & 0x1FFF
    if fragoff:
        out.append(f"FRAG:{fragoff} ")
    if flags & NF_LOG_IPOPT and hl > 20:
        opts = skb_header_pointer(skb, off + 20, hl - 20)
        if opts is None:
            out.append("TRUNCATED")
            return
        out.append(f"OPT ({opts.hex().upper()}) ")
    proto = ih[9]
    th = off + hl
    left = skb.len - (th - skb.data)
    if proto == 6:
        nf_log_dump_tcp_header(out, skb, fragoff, th, left, flags)
    elif proto in (17, 136):
        nf_log_dump_udp_header(out, skb, proto, fragoff, th, left)
    elif proto == 1:
        _dump_icmp(out, skb, fragoff, th, left, flags, outer)
    elif proto in (50, 51):
        name = "ESP" if proto == 50 else "AH"
        out.append(f"PROTO={name} ")
        if not fragoff:
            h = skb_header_pointer(skb, th, 8 if proto == 50 else 12)
            if h is None:
                out.append(f"INCOMPLETE [{left} bytes] ")
            else:
                spi = h[0:4] if proto == 50 else h[4:8]
                out.append(f"SPI=0x{int.from_bytes(spi, 'big'):x} ")
    else:
        out.append(f"PROTO={proto} ")
    if outer:
        if flags & NF_LOG_UID and skb.sk is not None:
            out.append("UID=0 GID=0 ")
        if skb.mark:
            out.append(f"MARK=0x{skb.mark:x} ")


def nf_log_dump_tcp_header(out: list[str], skb: SkBuff, fragoff: int, off: int, left: int, flags: int) -> None:
    out.append("PROTO=TCP ")
    if fragoff:
        return
    th = skb_header_pointer(skb, off, 20)
    if th is None:
        out.append(f"INCOMPLETE [{left} bytes] ")
        return
    out.append(f"SPT={th[0] << 8 | th[1]} DPT={th[2] << 8 | th[3]} ")
    if flags & NF_LOG_TCPSEQ:
        out.append(f"SEQ={int.from_bytes(th[4:8], 'big')} ACK={int.from_bytes(th[8:12], 'big')} ")
    out.append(f"WINDOW={th[14] << 8 | th[15]} RES=0x{(th[12] & 0x0F) << 2:02x} ")
    for bit, word in _TCP_FLAGS + _TCP_FLAGS_END:
        if th[13] & bit:
            out.append(word)
    out.append(f"URGP={th[18] << 8 | th[19]} ")
    optlen = (th[12] >> 4) * 4 - 20
    if flags & NF_LOG_TCPOPT and optlen > 0:
        opts = skb_header_pointer(skb, off + 20, optlen)
        out.append("OPT (TRUNCATED)" if opts is None else f"OPT ({opts.hex().upper()}) ")


def nf_log_dump_udp_header(out: list[str], skb: SkBuff, proto: int, fragoff: int, off: int, left: int) -> None:
    out.append("PROTO=UDP " if proto == 17 else "PROTO=UDPLITE ")
    if fragoff:
        return
    uh = skb_header_pointer(skb, off, 8)
    if uh is None:
        out.append(f"INCOMPLETE [{left} bytes] ")
        return
    out.append(f"SPT={uh[0] << 8 | uh[1]} DPT={uh[2] << 8 | uh[3]} LEN={uh[4] << 8 | uh[5]} ")


def _dump_icmp(out: list[str], skb: SkBuff, fragoff: int, off: int, left: int, flags: int, outer: bool) -> None:
    out.append("PROTO=ICMP ")
    if fragoff:
        return
    ic = skb_header_pointer(skb, off, 8)
    if ic is None:
        out.append(f"INCOMPLETE [{left} bytes] ")
        return
    out.append(f"TYPE={ic[0]} CODE={ic[1]} ")
    least = _ICMP_MIN.get(ic[0], 0)
    if left < least:
        out.append(f"INCOMPLETE [{left} bytes] ")
        return
    t = ic[0]
    if t in (0, 8):
        out.append(f"ID={ic[4] << 8 | ic[5]} SEQ={ic[6] << 8 | ic[7]} ")
        return
    if t == 12:
        out.append(f"PARAMETER={ic[4]} ")
    elif t == 5:
        out.append(f"GATEWAY={ip4_str(int.from_bytes(ic[4:8], 'big'))} ")
    if t in (3, 4, 5, 11, 12):
        if t != 12 and outer:
            out.append("[")
            dump_ipv4_packet(out, skb, off + 8, flags, False)
            out.append("] ")
        if t == 3 and ic[1] == 4:
            out.append(f"MTU={ic[6] << 8 | ic[7]} ")


# --- REJECT -------------------------------------------------------------------------------------------------

REJECT_TCP_RESET: Final = "tcp-reset"
# --reject-with -> code of the ICMP destination unreachable that goes out
REJECT_CODES: Final[dict[str, int]] = {
    "icmp-net-unreachable": 0,
    "icmp-host-unreachable": 1,
    "icmp-port-unreachable": 3,
    "icmp-proto-unreachable": 2,
    "icmp-net-prohibited": 9,
    "icmp-host-prohibited": 10,
    "icmp-admin-prohibited": 13,
}


class RejectTarget(XtTarget):
    """`-j REJECT`: tell the sender, then drop.  The filter table's alone."""

    __slots__ = ("with_",)

    def __init__(self) -> None:
        super().__init__("REJECT")
        self.with_ = "icmp-port-unreachable"

    def target(self, skb: SkBuff, par: XtActionParam) -> int:
        sender = par.state.net.netfilter.reject
        if sender is not None:
            if self.with_ == REJECT_TCP_RESET:
                sender.send_reset(skb, par.state.hook)
            else:
                sender.send_unreach(skb, REJECT_CODES[self.with_], par.state.hook)
        return NF_DROP

    def check(self, par: XtCheckParam) -> int:
        log = par.net.kernel.log
        if par.table != "filter":
            log.info(f"x_tables: ip_tables: REJECT target: only valid in filter table, not {par.table}")
            return EINVAL
        if self.with_ == REJECT_TCP_RESET and (par.proto != 6 or par.inv_proto):
            log.info("ipt_REJECT: TCP_RESET invalid for non-tcp")
            return EINVAL
        return 0

    def key(self) -> tuple[object, ...]:
        return (self.with_,)
