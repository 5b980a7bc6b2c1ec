"""Outputs of the real ip, ss, nstat and dmesg parse and come back the same, text and JSON."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rxpath.formats import dmesg, netstat, nstat, snmp, ss, trace_event
from rxpath.formats.ip import json_text, link, neigh, route

TOOLS = "tools-6.18.txt"


@pytest.mark.parametrize(
    ("command", "choice"),
    [
        ("ss -uamn", {}),
        ("ss -uan", {}),
        ("ss -ua -n -m", {}),
        ("ss -uanm -O", {"oneline": True}),
        ("ss -tanm", {}),
        ("ss -tan", {}),
        ("ss -tuan", {"netid": True}),
        ("ss -tuanm", {"netid": True}),
        ("ss -uanH", {"header": False}),
        ("ss -uanp", {}),
        ("ss -uanpm", {}),
        ("ss -uane", {}),
        ("ss -un", {"state": False}),
    ],
)
def test_ss_comes_back(golden: Any, command: str, choice: dict[str, bool]) -> None:
    texts = [t for c, t in golden.commands(TOOLS) if c == command]
    assert texts
    for text in texts:
        assert ss.render(ss.parse(text).rows, **choice) == text


def test_ss_of_6_1(golden: Any) -> None:
    text = golden.text("files.txt", "/oracle/ss -uamn")
    assert ss.parse(text).rows == () and ss.render(()) == text


def test_ss_tells_memory_and_drops(golden: Any) -> None:
    text = [t for c, t in golden.commands(TOOLS) if c == "ss -uamn"][-1]
    full = next(r for r in ss.parse(text).rows if r.local_port == "65000")
    assert full.recv_q == 4160 and full.skmem == ss.Skmem(4160, 4608, 0, 212992, 4032, 0, 0, 0, 35)
    old = "UNCONN 0 0 *:68 *:*\n\t skmem:(r0,rb212992,t0,tb212992,f0,w0,o0,bl0)\n"
    memory = ss.parse(old).rows[0].skmem
    assert memory is not None and memory.d is None


LINKS = [
    "ip link",
    "ip link show veth0",
    "ip -s link",
    "ip -s -s link show veth0",
    "ip -d link show veth0",
    "ip addr",
    "ip addr show veth0",
    "ip -4 addr",
    "ip -d addr show veth0",
    "ip -s addr show veth0",
]


@pytest.mark.parametrize("command", LINKS)
def test_ip_link_and_addr_come_back(golden: Any, command: str) -> None:
    text = golden.text(TOOLS, command)
    assert link.render(link.parse(text)) == text


@pytest.mark.parametrize("command", ["-s -s link show eth0", "-d link show eth0", "addr show eth0"])
def test_ip_of_6_1_comes_back(golden: Any, command: str) -> None:
    text = golden.text("files.txt", f"/oracle/ip {command}")
    assert link.render(link.parse(text)) == text


@pytest.mark.parametrize(
    ("text_command", "json_command"),
    [
        ("ip link", "ip -j link"),
        ("ip -s -s link show veth0", "ip -j -s -s link show veth0"),
        ("ip addr", "ip -j addr"),
        ("ip addr show veth0", "ip -j addr show veth0"),
        ("ip addr show veth0", "ip -j -p addr show veth0"),
    ],
)
def test_ip_json_is_that_of_the_text(golden: Any, text_command: str, json_command: str) -> None:
    links = link.parse(golden.text(TOOLS, text_command))
    if json_command.endswith("show veth0"):
        links = tuple(x for x in links if x.ifname == "veth0")
    write = json_text.pretty if "-p" in json_command else json_text.compact
    assert write(link.to_json(links)) == golden.text(TOOLS, json_command)


@pytest.mark.parametrize(
    ("module", "text_command", "json_command"),
    [
        (route, "ip route", "ip -j route"),
        (route, "ip route", "ip -j -p route"),
        (route, "ip route show table local", "ip -j route show table local"),
        (route, "ip -d route", ""),
        (neigh, "ip neigh", "ip -j neigh"),
        (neigh, "ip neigh", "ip -j -p neigh"),
        (neigh, "ip -s neigh", "ip -s -j neigh"),
    ],
)
def test_routes_and_neighbours_come_back(
    golden: Any, module: Any, text_command: str, json_command: str
) -> None:
    text = golden.text(TOOLS, text_command)
    value = module.parse(text)
    assert module.render(value) == text
    if json_command:
        write = json_text.pretty if "-p" in json_command else json_text.compact
        assert write(module.to_json(value)) == golden.text(TOOLS, json_command)


def test_ip_statistics_without_errors_as_json(golden: Any) -> None:
    one = link.parse(golden.text(TOOLS, "ip -s -s link show veth0"))[0]
    text = json_text.compact(link.to_json([replace(one, errors=False)]))
    assert text == golden.text(TOOLS, "ip -j -s link show veth0")


def test_ip_values() -> None:
    stats = link.LinkStats(rx_bytes=123456789012345, rx_packets=12345678, rx_missed_errors=7, rx_nohandler=3)
    one = link.Link(2, "eth0", ("BROADCAST", "UP"), address="02:00:00:00:00:01", stats=stats, errors=True)
    assert link.parse(link.render([one])) == (one,)
    lines = link.render([one]).split("\n")
    assert lines[3].split() == ["123456789012345", "12345678", "0", "0", "7", "0"]
    assert len(lines[3].rstrip()) == len(lines[7].rstrip()), "receive and transmit columns are equally wide"


def test_nstat_comes_back(golden: Any) -> None:
    for command in ("nstat -az", "nstat -azs"):
        text = golden.text(TOOLS, command)
        assert nstat.render(nstat.parse(text)) == text
    as_json = golden.text(TOOLS, "nstat -aj")
    assert nstat.render_json(nstat.parse(as_json)) == as_json


def test_nstat_from_the_files(golden: Any) -> None:
    """What nstat printed is what we make of the files read a moment later; snmp6 is taken from nstat's own
    list.
    """
    shown = nstat.parse(golden.text(TOOLS, "nstat -az"))
    mib = snmp.parse(golden.text(TOOLS, "cat /proc/net/snmp"))
    ext = netstat.parse(golden.text(TOOLS, "cat /proc/net/netstat"))
    known = set(nstat.from_files(mib, {}, ext, zeros=True).counters)
    six = {name: value for name, value in shown.counters.items() if name not in known}
    assert all("6" in name for name in six) and len(six) > 80
    made = nstat.from_files(mib, six, ext, zeros=True)
    assert made == shown and list(made.counters) == list(shown.counters)


def test_dmesg_comes_back(golden: Any) -> None:
    for name, command in (("ethtool-set.txt", "dmesg | tail -30"), (TOOLS, "dmesg")):
        text = golden.text(name, command).rstrip("\n") + "\n"
        assert dmesg.render(dmesg.parse(text)) == text
    log = dmesg.parse(golden.text("ethtool-set.txt", "dmesg | tail -30"))
    assert log.find("NIC Link is Up")[0].usec == 5_068_948


def test_trace_lines_come_back(golden: Any) -> None:
    lines = [
        x
        for x in golden.raw("affinity-down.txt").split("\n")
        if "] d.h" in x or "] D..3." in x or "] b...." in x
    ]
    assert len(lines) > 8
    text = "\n".join(lines) + "\n"
    value = trace_event.parse(text)
    assert trace_event.render(value) == text
    first = value.events[0]
    assert (first.comm, first.cpu, first.event) == ("sh", 2, "irq_handler_entry")
    assert first.fields() == {"irq": "24", "name": "eth0-rx-0"}
