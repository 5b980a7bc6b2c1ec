"""Who is in a source and who receives what: one pass, so that a host and its ports can be chosen before the
replay.
"""

from __future__ import annotations

from struct import Struct

from rxpath.link.captured import WireSource, refused_port
from rxpath.link.source import Source
from rxpath.wire.ethernet import ETH_P_IP, network_offset
from rxpath.wire.ipv4 import IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP

_U32 = Struct(">I")


class HostSurvey:
    """What one IPv4 address receives: frames, bytes, `macs` it is sent to, `udp` and `tcp` destination
    ports (counts).

    `refused` are UDP ports that it answered with port unreachable, so nobody listened there.
    A fragment counts for no port but its first piece does; `tcp_syn` counts connection attempts by port.
    """

    __slots__ = ("bytes", "frames", "ip", "macs", "sent", "refused", "tcp", "tcp_syn", "udp", "vlans")

    def __init__(self, ip: int) -> None:
        self.ip = ip
        self.frames = 0
        self.bytes = 0
        self.sent = 0
        self.macs: dict[bytes, int] = {}
        self.vlans: dict[int, int] = {}
        self.refused: dict[int, int] = {}
        self.udp: dict[int, int] = {}
        self.tcp: dict[int, int] = {}
        self.tcp_syn: dict[int, int] = {}

    @property
    def mac(self) -> bytes | None:
        """The MAC that most of its frames go to; the lower of two equals. None when it received nothing."""
        return min(self.macs, key=lambda m: (-self.macs[m], m)) if self.macs else None


class Survey:
    """Totals of a source and its hosts. Times in ns; `first_ns` and `last_ns` are 0 without frames."""

    __slots__ = ("bytes", "first_ns", "frames", "groups", "hosts", "last_ns", "longest", "no_ip")

    def __init__(self) -> None:
        self.frames = 0
        self.bytes = 0
        self.longest = 0
        self.no_ip = 0
        self.first_ns = 0
        self.last_ns = 0
        # unicast addresses by number, and what was sent to groups and broadcast
        self.hosts: dict[int, HostSurvey] = {}
        self.groups: dict[int, HostSurvey] = {}

    def host(self) -> HostSurvey | None:
        """The unicast address that receives most frames; the lower of two equals. None when nobody receives
        IPv4.
        """
        best = min(self.hosts.values(), key=lambda h: (-h.frames, h.ip), default=None)
        return best if best is not None and best.frames else None


def survey(source: Source) -> Survey:
    """Reads the whole source once and resets its counts. CaptureError passes through."""
    out = Survey()
    hosts, groups = out.hosts, out.groups
    for t, frame in source:
        if not out.frames:
            out.first_ns = out.last_ns = t
        elif t > out.last_ns:
            out.last_ns = t
        out.frames += 1
        size = len(frame)
        out.bytes += size
        if size > out.longest:
            out.longest = size
        off, protocol = network_offset(frame)
        if protocol != ETH_P_IP or size < off + 20 or frame[off] >> 4 != 4:
            out.no_ip += 1
            continue
        ip: int = _U32.unpack_from(frame, off + 16)[0]
        src: int = _U32.unpack_from(frame, off + 12)[0]
        table = groups if ip >= 0xE0000000 or frame[0] & 1 else hosts
        host = table.get(ip)
        if host is None:
            host = table[ip] = HostSurvey(ip)
        host.frames += 1
        host.bytes += size
        mac = frame[:6]
        host.macs[mac] = host.macs.get(mac, 0) + 1
        if off > 14:
            vid = (frame[14] & 15) << 8 | frame[15]
            host.vlans[vid] = host.vlans.get(vid, 0) + 1
        sender = hosts.get(src)
        if sender is None:
            sender = hosts[src] = HostSurvey(src)
        sender.sent += 1
        if frame[off + 9] == IPPROTO_ICMP:
            _note_refusal(hosts, refused_port(frame), 1)
            continue
        if frame[off + 6] & 0x1F or frame[off + 7]:
            continue
        start = off + (frame[off] & 15) * 4
        if size < start + 4:
            continue
        port = frame[start + 2] << 8 | frame[start + 3]
        proto = frame[off + 9]
        if proto == IPPROTO_UDP:
            host.udp[port] = host.udp.get(port, 0) + 1
        elif proto == IPPROTO_TCP:
            host.tcp[port] = host.tcp.get(port, 0) + 1
            if size >= start + 14 and frame[start + 13] & 0x12 == 2:
                host.tcp_syn[port] = host.tcp_syn.get(port, 0) + 1
    stage: Source | None = source
    while stage is not None:
        if isinstance(stage, WireSource):
            for refusal, count in stage.refused.items():
                _note_refusal(hosts, refusal, count)
        stage = stage.inner
    source.reset()
    return out


def _note_refusal(hosts: dict[int, HostSurvey], refusal: tuple[int, int] | None, count: int) -> None:
    if refusal is not None and refusal[0] in hosts:
        refused = hosts[refusal[0]].refused
        refused[refusal[1]] = refused.get(refusal[1], 0) + count
