"""The files of IPv4 say what the sockets, tables and counters are, in the text of a real host."""

from __future__ import annotations

import pytest

from rxpath.formats import arp, igmp, netstat, raw, route, snmp, sockstat, udp
from rxpath.sockets import Socket

from .taphost import RELEASES, TapHost

FILES = {
    "snmp": snmp,
    "netstat": netstat,
    "udp": udp,
    "raw": raw,
    "arp": arp,
    "route": route,
    "igmp": igmp,
    "sockstat": sockstat,
}


@pytest.mark.parametrize("release", RELEASES)
def test_every_file_is_what_the_parsers_of_real_ones_take(release: str) -> None:
    h = TapHost(release, routes=(("0.0.0.0/0", "10.0.0.1"),))
    h.sock(7000)
    Socket(h.net, 2, 3, 1)
    h.rx(h.udp(7000, bytes(100)), h.echo(), h.udp(9))
    for name, mod in FILES.items():
        text = h.m.files.read("/proc/net/" + name)
        assert text.endswith("\n"), name
        mod.parse(text)  # type: ignore[attr-defined]
    h.close()


def test_sockets_and_their_queues() -> None:
    h = TapHost()
    s = h.sock(7000, "10.0.0.2")
    s.connect(("10.0.0.1", 4000))
    h.rx(h.udp(7000, bytes(100)))
    (row,) = [r for r in udp.parse(h.m.files.read("/proc/net/udp")).rows if r.head.lport == 7000]
    assert (row.head.local, row.head.remote, row.head.rport) == ("10.0.0.2", "10.0.0.1", 4000)
    assert row.head.st == 1  # connected
    assert row.head.rx_queue == s.sk.rmem_alloc == 832
    s.close()
    assert not [r for r in udp.parse(h.m.files.read("/proc/net/udp")).rows if r.head.lport == 7000]
    h.close()


def test_tables() -> None:
    h = TapHost(routes=(("0.0.0.0/0", "10.0.0.1"),))
    lines = [x.split() for x in h.m.files.read("/proc/net/route").splitlines()[1:]]
    assert [x[:4] for x in lines] == [
        ["tap0", "00000000", "0100000A", "0003"],
        ["tap0", "0000000A", "00000000", "0001"],
    ]
    lines = [x.split() for x in h.m.files.read("/proc/net/arp").splitlines()[1:]]
    assert lines == [["10.0.0.1", "0x1", "0x6", "02:00:00:00:00:01", "*", "tap0"]]
    h.close()


def test_sysctls_act_and_refuse() -> None:
    h = TapHost()
    c = h.m.kernel.sysctl
    assert c.get("net.ipv4.ip_default_ttl") == "64"
    c.set("net.ipv4.ip_default_ttl", "33")
    (f,) = h.rx(h.echo())
    assert f[22] == 33
    for key, bad in (("net.ipv4.ip_default_ttl", "256"), ("net.ipv4.ip_default_ttl", "x"), ("net.ipv4.nothing", "1")):
        with pytest.raises(OSError):
            c.set(key, bad)
    assert c.get("net.ipv4.ip_default_ttl") == "33"
    h.close()
