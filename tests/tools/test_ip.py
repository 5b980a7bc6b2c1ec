"""ip, ifconfig, ss, nstat: what they print parses back with the formats; refusals as iproute2 words them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rxpath.formats import nstat, ss
from rxpath.formats.ip import link, neigh, route
from rxpath.tools.run import run_command
from rxpath.wire.build import udp_frame

from .conftest import machine, session


def out(m: Any, line: str) -> str:
    done = run_command(m, line)
    assert (done.status, done.stderr) == (0, ""), line
    return done.stdout


@pytest.mark.parametrize("command", ["ip -s -s link show eth0", "ip addr show eth0"])
def test_the_record_of_6_1(command: str) -> None:
    """The same machine, the same text (the record was made of an interface freshly up)."""
    text = next(t for c, t, _ in session("files.txt") if c == command)
    m = machine(cpus=1)
    assert out(m, command).strip() == text
    m.close()


def test_link_details_of_6_1(shared: Any) -> None:
    text = next(t for c, t, _ in session("files.txt") if c == "ip -d link show eth0")
    assert out(shared, "ip -d link show eth0").split() == text.split()


def test_text_and_json_say_the_same(shared: Any) -> None:
    for line in ("link", "addr", "-s -s link", "-d link show eth0"):
        text = out(shared, f"ip {line}")
        assert link.render(link.parse(text)) == text
        words = line.split()
        options, rest = [w for w in words if w[0] == "-"], [w for w in words if w[0] != "-"]
        data = json.loads(out(shared, " ".join(["ip", "-j", *options, *rest])))
        assert [x.ifname for x in link.from_json(data)] == [x.ifname for x in link.parse(text)]
    assert out(shared, "ip -br addr").split("\n")[1].split() == ["eth0", "UP", "10.0.0.2/24"]
    assert out(shared, "ip -o addr show eth0").startswith("2: eth0    inet 10.0.0.2/24 scope global eth0\\")


def test_up_down_mtu(m: Any) -> None:
    out(m, "ip link set dev eth0 down")
    shown = link.parse(out(m, "ip link show eth0"))[0]
    assert shown.flags == ("BROADCAST", "MULTICAST") and shown.operstate == "DOWN"
    assert run_command(m, "cat /sys/class/net/eth0/carrier").stderr == (
        "cat: /sys/class/net/eth0/carrier: Invalid argument\n"
    )
    assert route_lines(m) == []
    out(m, "ip link set eth0 up mtu 9000 txqueuelen 500")
    assert m.dev("eth0").mtu == 9000 and m.dev("eth0").tx_queue_len == 500
    m.wait_for_link()
    assert "LOWER_UP" in link.parse(out(m, "ip link show eth0"))[0].flags
    out(m, "ifconfig eth0 down")
    assert not m.dev("eth0").flags & 1
    out(m, "ifconfig eth0 up")
    assert "<UP,BROADCAST" in out(m, "ifconfig eth0")
    assert run_command(m, "ifconfig eth9 up").status == 255


def route_lines(m: Any) -> list[str]:
    return [x.strip() for x in out(m, "ip route").splitlines()]


def test_addresses_and_routes(m: Any) -> None:
    out(m, "ip addr add 10.0.0.3/24 brd + dev eth0")
    a = link.parse(out(m, "ip addr show eth0"))[0].addresses
    assert a is not None and a[1].local == "10.0.0.3" and a[1].broadcast == "10.0.0.255"
    assert a[1].flags == ("secondary",)
    out(m, "ip route add 10.9.0.0/16 via 10.0.0.7 metric 5")
    out(m, "ip route add default via 10.0.0.1")
    text = out(m, "ip route")
    assert route.render(route.parse(text)) == text
    assert [r.dst for r in route.parse(text)] == ["default", "10.0.0.0/24", "10.9.0.0/16"]
    assert out(m, "ip route get 10.9.1.1").startswith("10.9.1.1 via 10.0.0.7 dev eth0 src 10.0.0.2 uid 0 ")
    assert out(m, "ip route get 10.0.0.3").startswith("local 10.0.0.3 dev lo src 10.0.0.3 uid 0 ")
    out(m, "ip route del default")
    out(m, "ip addr del 10.0.0.3/24 dev eth0")
    assert len(route_lines(m)) == 2


def test_neighbours(m: Any) -> None:
    out(m, "ip neigh add 10.0.0.7 lladdr 02:00:00:00:00:07 dev eth0")
    text = out(m, "ip neigh")
    assert neigh.parse(text)[0].states == ("PERMANENT",) and neigh.render(neigh.parse(text)) == text
    assert neigh.parse(out(m, "ip -s neigh"))[0].stats is not None
    out(m, "ip neigh change 10.0.0.7 lladdr 02:00:00:00:00:08 nud stale dev eth0")
    assert out(m, "ip neigh") == "10.0.0.7 dev eth0 lladdr 02:00:00:00:00:08 STALE \n"
    out(m, "ip neigh del 10.0.0.7 dev eth0")
    assert out(m, "ip neigh") == ""


@pytest.mark.parametrize(
    ("line", "text", "status"),
    [
        ("ip link set nosuch up", 'Cannot find device "nosuch"', 1),
        ("ip link show nosuch", 'Device "nosuch" does not exist.', 1),
        ("ip link set eth0 mtu 67", "Error: mtu less than device minimum.", 2),
        ("ip link set eth0 mtu x", 'Error: argument "x" is wrong: Invalid "mtu" value', 255),
        ("ip link set eth0 foo", 'Error: either "dev" is duplicate, or "foo" is a garbage.', 255),
        ("ip link set", 'Not enough information: "dev" argument is required.', 255),
        (
            "ip addr add 10.9.9.1/33 dev eth0",
            'Error: any valid prefix is expected rather than "10.9.9.1/33".',
            1,
        ),
        ("ip addr add 10.0.0.2/24 dev eth0", "RTNETLINK answers: File exists", 2),
        ("ip route add 10.0.0.1/8 via 1.1.1.1", "Error: Invalid prefix for given prefix length.", 2),
        ("ip route add 10.0.0.0/8 via 77.1.1.1", "Error: Nexthop has invalid gateway.", 2),
        ("ip route add default", "RTNETLINK answers: No such device", 2),
        ("ip route del 10.77.0.0/16", "RTNETLINK answers: No such process", 2),
        ("ip route get 9.9.9.9", "RTNETLINK answers: Network is unreachable", 2),
        ("ip neigh add 10.1.1.1 lladdr zz dev eth0", '"zz" is invalid lladdr.', 1),
        ("ip neigh del 10.1.1.1 dev eth0", "RTNETLINK answers: No such file or directory", 2),
        ("ip foo", 'Object "foo" is unknown, try "ip help".', 1),
        ("ip link foo", 'Command "foo" is unknown, try "ip link help".', 255),
        ("ip -z link", 'Option "-z" is unknown, try "ip -help".', 255),
        ("ip rule", "ip: not modelled: ip rule", 1),
    ],
)
def test_refusals(shared: Any, line: str, text: str, status: int) -> None:
    done = run_command(shared, line)
    assert (done.stderr.strip(), done.status) == (text, status)


def test_a_kernel_without_extended_messages(old: Any) -> None:
    done = run_command(old, "ip route add 10.0.0.0/8 via 77.1.1.1")
    assert done.stderr == "RTNETLINK answers: Network is unreachable\n"


def test_a_full_socket_in_ss_and_nstat(m: Any) -> None:
    """Datagrams nobody reads: ss shows the truesize queued and the drops, nstat the counters since last time."""
    s = m.socket()
    s.setsockopt(1, 8, 2304)
    s.bind(("0.0.0.0", 7000))
    assert nstat.parse(out(m, "nstat")).counters == {}
    dev = m.dev("eth0")
    frame = udp_frame(b"\x02\0\0\0\0\x01", dev.dev_addr, 0x0A000001, 0x0A000002, 5, 7000, bytes(100))
    for _ in range(10):
        m.port(0).receive(frame)
    m.run(m.now + 20_000_000)
    text = out(m, "ss -uamn")
    row = ss.parse(text).rows[0]
    assert ss.render(ss.parse(text).rows) == text
    assert row.skmem is not None and row.local_port == "7000" and row.state == "UNCONN"
    # recorded on 6.1: 1280 bytes of truesize each, four are taken with this buffer
    assert (row.recv_q, row.skmem.rb, row.skmem.d) == (4 * 1280, 4608, 6)
    moved = nstat.parse(out(m, "nstat")).counters
    assert moved["UdpRcvbufErrors"] == 6 and moved["UdpInErrors"] == 6 and moved["IpInReceives"] == 10
    assert nstat.parse(out(m, "nstat")).counters == {}
    assert nstat.parse(out(m, "nstat -aj Udp*")).counters["UdpRcvbufErrors"] == 6
    assert ss.parse(out(m, "ss -tan")).rows == ()
    assert len(ss.parse(out(m, "ss -uan sport = :7000")).rows) == 1
    assert ss.parse(out(m, "ss -uan sport = :7001")).rows == ()
    s.close()
    assert ss.parse(out(m, "ss -uan")).rows == ()


def test_metrics_of_a_route(m: Any) -> None:
    """Text and JSON as iproute2 6.1 printed them for the same commands."""
    out(m, "ip addr add 10.0.0.1/24 dev eth0")
    out(m, "ip link set eth0 up")
    words = "mtu lock 1400 advmss 1000 initcwnd 4 initrwnd 5 quickack 1 window 20000 rto_min 50ms features ecn"
    out(m, f"ip route add 10.9.0.0/16 via 10.0.0.9 {words}")
    shown = out(m, "ip route show 10.9.0.0/16")
    assert shown.endswith(
        " mtu lock 1400 window 20000 advmss 1000 initcwnd 4 features ecn rto_min lock 50ms initrwnd 5 quickack 1 \n"
    )
    assert route.render(route.parse(shown)) == shown
    found = json.loads(out(m, "ip -j route show 10.9.0.0/16"))[0]["metrics"]
    assert found == [
        {"mtu": 1400, "window": 20000, "advmss": 1000, "initcwnd": 4, "ecn": None, "rto_min": 50, "initrwnd": 5}
        | {"quickack": 1}
    ]
    out(m, "ip route change 10.9.0.0/16 via 10.0.0.9 rto_min 1s initcwnd lock 3")
    assert out(m, "ip route show 10.9.0.0/16").endswith(" initcwnd lock 3 rto_min lock 1s \n")
    done = run_command(m, "ip route change 10.7.0.0/16 via 10.0.0.9")
    assert (done.status, done.stderr) == (2, "RTNETLINK answers: No such file or directory\n")
    done = run_command(m, "ip route add 10.7.0.0/16 via 10.0.0.9 features x")
    assert done.status == 255 and '"features" value not valid' in done.stderr
