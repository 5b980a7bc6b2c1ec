"""ip_rcv: which test refuses what, in which order, and who counts it; options; source checks; netfilter's places."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rxpath.net.core.skbuff import SkBuff, kfree_skb_reason
from rxpath.net.netfilter.core import (
    NF_ACCEPT,
    NF_DROP,
    NF_INET_LOCAL_IN,
    NF_INET_LOCAL_OUT,
    NF_INET_PRE_ROUTING,
    NF_STOLEN,
    NFPROTO_IPV4,
    SITE_NF_DROP,
    NfHookOps,
    NfHookState,
    nf_register_net_hook,
    nf_unregister_net_hook,
)
from rxpath.wire.addr import ip4
from rxpath.wire.checksum import ip_fast_csum
from rxpath.wire.icmp import IcmpView
from rxpath.wire.ipv4 import Ipv4View

from .taphost import BROADCAST_MAC, HOST, RELEASES, TapHost


@pytest.fixture
def h() -> Iterator[TapHost]:
    t = TapHost()
    yield t
    t.close()


def altered(frame: bytes, fix: bool = True, **at: int) -> bytes:
    """Bytes of the IP header changed (`b0`: the first), its checksum made right again."""
    b = bytearray(frame)
    for name, value in at.items():
        b[14 + int(name[1:])] = value
    if fix:
        end = 14 + max(20, (b[14] & 15) * 4)
        b[24:26] = b"\0\0"
        b[24:26] = ip_fast_csum(b[14:end]).to_bytes(2, "big")
    return bytes(b)


REFUSED = [
    ("short header", lambda h: h.udp(7000)[:30], {"Ip.InReceives": 1, "Ip.InHdrErrors": 1}),
    ("version 6", lambda h: altered(h.udp(7000), b0=0x65), {"Ip.InReceives": 1, "Ip.InHdrErrors": 1}),
    ("header of 16 bytes", lambda h: altered(h.udp(7000), b0=0x44), {"Ip.InReceives": 1, "Ip.InHdrErrors": 1}),
    (
        "checksum", lambda h: altered(h.udp(7000), False, b10=1),
        {"Ip.InReceives": 1, "Ip.InHdrErrors": 1, "IpExt.InCsumErrors": 1},
    ),
    (
        "longer than the frame", lambda h: altered(h.udp(7000), b3=200),
        {"Ip.InReceives": 1, "IpExt.InTruncatedPkts": 1},
    ),
    ("shorter than its header", lambda h: altered(h.udp(7000), b3=19), {"Ip.InReceives": 1, "Ip.InHdrErrors": 1}),
    ("unknown protocol", lambda h: h.ip(200, b"x" * 8), {"Ip.InReceives": 1, "Ip.InUnknownProtos": 1}),
    ("no route back out", lambda h: h.udp(7000, dst=ip4("192.168.5.5")), {"Ip.InReceives": 1, "Ip.InAddrErrors": 1}),
    ("source is a multicast address", lambda h: h.udp(7000, src=ip4("224.0.0.9")), {"Ip.InReceives": 1}),
    ("source is loopback", lambda h: h.udp(7000, src=ip4("127.0.0.1")), {"Ip.InReceives": 1}),
    ("source is ours", lambda h: h.udp(7000, src=HOST), {"Ip.InReceives": 1}),
    ("for another host", lambda h: h.udp(7000, dmac=b"\x02\0\0\0\0\x77"), {}),
]  # fmt: skip


@pytest.mark.parametrize("what, make, counted", REFUSED, ids=[r[0] for r in REFUSED])
def test_what_is_refused(h: TapHost, what: str, make: object, counted: dict[str, int]) -> None:
    s = h.sock(7000)
    moved = h.moved(lambda: h.rx(make(h)))  # type: ignore[operator]
    moved = {k: v for k, v in moved.items() if k[:2] == "Ip" and k.split(".")[1].startswith("In")}
    assert moved.pop("Ip.InDelivers", 0) == 0
    assert moved == counted
    assert h.drain(s) == []
    assert h.m.ledger.total_dropped() == 1
    h.m.check()


def test_padding_of_the_frame_is_no_data(h: TapHost) -> None:
    s = h.sock(7000)
    h.rx(h.udp(7000, b"ab") + b"\xee" * 20)
    assert h.drain(s) == [b"ab"]


@pytest.mark.parametrize("release", RELEASES)
def test_martians_are_logged_when_asked(release: str) -> None:
    h = TapHost(release, sysctls={"net.ipv4.conf.all.log_martians": "1"})
    h.rx(h.udp(7000, src=ip4("127.0.0.1")))
    assert "martian source 10.0.0.2 from 127.0.0.1, on dev tap0" in h.m.kernel.log.text()
    h.close()


@pytest.mark.parametrize("mode, passes", [("0", True), ("1", False), ("2", True)])
def test_reverse_path(mode: str, passes: bool) -> None:
    """A source that is reached through another device: strict refuses, loose takes it."""
    h = TapHost(sysctls={"net.ipv4.conf.all.rp_filter": mode}, addrs=("10.0.0.2/24",))
    from rxpath.net.ipv4.fib import fib_add_route

    s = h.sock(7000)
    lo = h.net.loopback
    h.do(lambda: fib_add_route(h.ipv4, ip4("10.5.0.0"), 16, dev=lo))
    moved = h.moved(lambda: h.rx(h.udp(7000, src=ip4("10.5.0.1"))))
    assert len(h.drain(s)) == (1 if passes else 0)
    assert moved.get("TcpExt.IPReversePathFilter", 0) == (0 if passes else 1)
    h.close()


def test_record_route_in_an_echo(h: TapHost) -> None:
    from rxpath.wire.icmp import icmp_message

    rr = bytes([7, 11, 4]) + bytes(8) + b"\0"
    (out,) = h.rx(h.ip(1, icmp_message(8, 0, 1, 1, b"abcd"), options=rr))
    ip = Ipv4View(out[14:])
    assert bytes(ip.options) == bytes([7, 11, 12, 10, 0, 0, 2, 10, 0, 0, 2, 0])
    assert ip.check_ok()
    assert IcmpView(ip.payload).check_ok()


@pytest.mark.parametrize("options", [b"\x07\x02\0\0", b"\x44\x05\x05\0\0\0\0\0", b"\x83\x07\x04\0", b"\x99\x09\0\0"])
def test_malformed_options_are_answered(h: TapHost, options: bytes) -> None:
    out: list[bytes] = []
    moved = h.moved(lambda: out.extend(h.rx(h.ip(17, bytes(20), options=options))))
    assert moved["Ip.InHdrErrors"] == 1
    assert moved["Icmp.OutParmProbs"] == 1
    icmp = IcmpView(Ipv4View(out[0][14:]).payload)
    assert (icmp.type, icmp.code) == (12, 0)


def test_source_routes_are_refused_unless_wanted(h: TapHost) -> None:
    s = h.sock(7000)
    lsrr = bytes([131, 7, 8, 10, 0, 0, 1, 0])
    h.rx(h.udp(7000, options=lsrr))
    h.m.kernel.sysctl.set("net.ipv4.conf.all.accept_source_route", "1")
    h.m.kernel.sysctl.set("net.ipv4.conf.tap0.accept_source_route", "1")
    h.rx(h.udp(7000, b"took", options=lsrr))
    assert h.drain(s) == [b"took"]


# --- netfilter -------------------------------------------------------------------------------------------------------


class Hook(NfHookOps):
    __slots__ = ("name", "log", "verdict")

    def __init__(self, name: str, hook: int, priority: int, log: list[str], verdict: int = NF_ACCEPT) -> None:
        super().__init__(NFPROTO_IPV4, hook, priority)
        self.name = name
        self.log = log
        self.verdict = verdict

    def func(self, skb: SkBuff, state: NfHookState) -> int:
        self.log.append(self.name)
        if self.verdict == NF_STOLEN:
            kfree_skb_reason(skb, SITE_NF_DROP)
        return self.verdict


def test_hooks_run_by_priority(h: TapHost) -> None:
    log: list[str] = []
    hooks = [
        Hook("in filter", NF_INET_LOCAL_IN, 0, log),
        Hook("pre late", NF_INET_PRE_ROUTING, 100, log),
        Hook("pre early", NF_INET_PRE_ROUTING, -300, log),
        Hook("pre late 2", NF_INET_PRE_ROUTING, 100, log),
        Hook("out", NF_INET_LOCAL_OUT, 0, log),
    ]
    for x in hooks:
        nf_register_net_hook(h.net, x)
    assert len(h.rx(h.echo())) == 1
    assert log == ["pre early", "pre late", "pre late 2", "in filter", "out"]
    for x in hooks:
        nf_unregister_net_hook(h.net, x)
    h.rx(h.echo())
    assert len(log) == 5


@pytest.mark.parametrize("verdict", [NF_DROP, NF_STOLEN])
@pytest.mark.parametrize("place", [NF_INET_PRE_ROUTING, NF_INET_LOCAL_IN])
def test_a_hook_that_takes_the_packet(h: TapHost, place: int, verdict: int) -> None:
    log: list[str] = []
    nf_register_net_hook(h.net, Hook("taker", place, 0, log, verdict))
    nf_register_net_hook(h.net, Hook("later", place, 10, log))
    assert h.rx(h.echo()) == []
    assert log == ["taker"]
    assert h.m.ledger.total_dropped() == 1
    h.m.check()


def test_broadcasts_by_address(h: TapHost) -> None:
    s = h.sock(7000)
    for dst in ("255.255.255.255", "10.0.0.255"):
        h.rx(h.udp(7000, dst.encode(), dst=ip4(dst), dmac=BROADCAST_MAC))
    h.rx(h.udp(7000, b"unicast", dmac=BROADCAST_MAC))
    assert h.drain(s) == [b"255.255.255.255", b"10.0.0.255", b"unicast"]
    h.m.kernel.sysctl.set("net.ipv4.conf.all.drop_unicast_in_l2_multicast", "1")
    h.rx(h.udp(7000, b"unicast", dmac=BROADCAST_MAC))
    assert h.drain(s) == []
