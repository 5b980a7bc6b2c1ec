"""Value to text to value for every format and every release, and parsers under mutilated texts."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.formats.parsers import parsers

from rxpath.formats import (
    FormatError,
    arp,
    dev_mcast,
    dmesg,
    igmp,
    interrupts,
    meminfo,
    neigh_stat,
    net_dev,
    netstat,
    nstat,
    packet,
    ptype,
    raw,
    route,
    snmp,
    sockstat,
    softirqs,
    softnet_stat,
    ss,
    stat,
    tcp,
    trace_event,
    udp,
)
from rxpath.formats import sysctl as sysctl_format
from rxpath.formats.ethtool import (
    channels,
    coalesce,
    driver_info,
    features,
    pause,
    register_dump,
    ring,
    rx_flow_hash,
    rxfh,
    self_test,
    statistics,
)
from rxpath.formats.ethtool import settings as ethtool_settings
from rxpath.formats.inet_sock import SockHead
from rxpath.formats.ip import json_text, link, neigh
from rxpath.formats.ip import route as ip_route
from rxpath.formats.layouts import LAYOUTS

PARSERS = parsers()
RELEASES = st.sampled_from(sorted(LAYOUTS))
U32 = st.integers(0, 0xFFFFFFFF)
U64 = st.integers(0, (1 << 64) - 1)
U31 = st.integers(0, (1 << 31) - 1)
U16 = st.integers(0, 0xFFFF)
SMALL = st.integers(0, 9999)
DEVICE = st.from_regex(r"[a-z][a-z0-9]{0,6}(?:\.[0-9]{1,4})?", fullmatch=True)
IP4 = st.ip_addresses(v=4).map(str)
IP6 = st.ip_addresses(v=6).map(str)
MAC = st.binary(min_size=6, max_size=6).map(lambda b: b.hex(":"))
NAME = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,20}", fullmatch=True)
CPUS = st.lists(st.integers(0, 255), min_size=1, max_size=6, unique=True).map(lambda x: tuple(sorted(x)))
OPTIONAL_U32 = st.none() | U32


def tuples(item: Any, n: int) -> Any:
    return st.lists(item, min_size=n, max_size=n).map(tuple)


@given(RELEASES, st.lists(tuples(U32, 9), min_size=1, max_size=5))
def test_softnet_stat(release: str, rows: list[tuple[int, ...]]) -> None:
    layout = LAYOUTS[release].softnet_stat
    made = []
    for n, r in enumerate(rows):
        row = softnet_stat.SoftnetRow(n, *r)
        if layout.columns < 15:
            row = replace(row, input_qlen=None, process_qlen=None)
        if layout.columns < 13:
            row = replace(row, backlog_len=None)
        made.append(row)
    value = softnet_stat.SoftnetStat(tuple(made))
    text = softnet_stat.render(value, layout)
    assert softnet_stat.parse(text) == value
    assert softnet_stat.layout_of(text) == layout
    assert value.total("processed") == sum(r[0] for r in rows)


ACTION = st.from_regex(r"[a-z][a-zA-Z0-9]{0,8}(?:-[A-Za-z0-9]{1,6}){0,3}", fullmatch=True)


@st.composite
def irq_rows(draw: Any, cpus: int, hwirq: bool) -> interrupts.IrqRow:
    flow = draw(st.sampled_from(["edge", "fasteoi", "level", "fasteoi-edge-x"[:7]]))
    return interrupts.IrqRow(
        draw(st.integers(0, 99999)),
        draw(tuples(U32, cpus)),
        draw(st.sampled_from(["IO-APIC", "PCI-MSI", "PCI-MSIX-0000:01:00.0", "IR-PCI-MSI", "DMAR-MSI"])),
        draw(U31) if hwirq else None,
        flow,
        tuple(draw(st.lists(ACTION, min_size=1, max_size=3))),
    )


@given(st.data(), RELEASES, CPUS)
def test_interrupts(data: Any, release: str, cpus: tuple[int, ...]) -> None:
    layout = LAYOUTS[release].interrupts
    rows = tuple(data.draw(st.lists(irq_rows(len(cpus), layout.hwirq), max_size=4)))
    labels = data.draw(st.lists(st.sampled_from(sorted(interrupts.X86_TEXTS)), unique=True, max_size=6))
    arch = []
    for label in labels:
        words = interrupts.X86_TEXTS[label]
        arch.append(interrupts.ArchRow(label, data.draw(tuples(U32, len(cpus) if words else 1)), words))
    value = interrupts.Interrupts(cpus, rows, tuple(arch))
    text = interrupts.render(value, layout)
    assert interrupts.parse(text) == value
    assert interrupts.render(interrupts.parse(text), layout) == text


@given(st.data(), RELEASES, CPUS)
def test_softirqs(data: Any, release: str, cpus: tuple[int, ...]) -> None:
    layout = LAYOUTS[release].softirqs
    value = softirqs.Softirqs(cpus, {label: data.draw(tuples(U32, len(cpus))) for label in layout.labels})
    assert softirqs.parse(softirqs.render(value, layout)) == value


@given(st.lists(st.tuples(DEVICE, tuples(U64, 16)), min_size=1, max_size=4))
def test_net_dev(rows: list[tuple[str, tuple[int, ...]]]) -> None:
    value = net_dev.NetDev(tuple(net_dev.NetDevRow(name, *numbers) for name, numbers in rows))
    assert net_dev.parse(net_dev.render(value)) == value


@given(st.data(), RELEASES)
def test_snmp_and_netstat(data: Any, release: str) -> None:
    for module, layout in ((snmp, LAYOUTS[release].snmp), (netstat, LAYOUTS[release].netstat)):
        group, names = data.draw(st.sampled_from(layout.groups))
        name = data.draw(st.sampled_from(names))
        number = data.draw(U64)
        value = module.build({group: {name: number, "NotInAnyRelease": 5}}, layout)
        again = module.parse(module.render(value))
        assert again == value
        assert again.get(group, name) == number and not again.has(group, "NotInAnyRelease")
        assert sum(sum(g.values) for g in again.groups) == number


@given(st.dictionaries(st.integers(0, 511), st.integers(0, 99), max_size=40))
def test_icmpmsg(counts: dict[int, int]) -> None:
    value = snmp.build({}, LAYOUTS["6.1"].snmp, counts)
    again = snmp.parse(snmp.render(value))
    assert again == value
    groups = [g for g in again.groups if g.name == "IcmpMsg"]
    assert all(len(g.names) <= 16 for g in groups)
    assert sum(len(g.names) for g in groups) == sum(1 for n in counts.values() if n)


@st.composite
def heads(draw: Any, address: Any) -> SockHead:
    return SockHead(
        draw(SMALL), draw(address), draw(U16), draw(address), draw(U16), draw(st.integers(1, 12)), draw(U32),
        draw(U32), draw(st.integers(0, 4)), draw(U32), draw(U32), draw(U32), draw(U31),
    )  # fmt: skip


@given(st.data(), RELEASES, st.sampled_from([4, 6]))
def test_udp_and_raw(data: Any, release: str, family: int) -> None:
    address = IP4 if family == 4 else IP6
    rows = tuple(
        udp.UdpSock(
            data.draw(heads(address)), data.draw(U32), data.draw(SMALL), data.draw(U64), data.draw(U32)
        )
        for _ in range(data.draw(st.integers(0, 3)))
    )
    value = udp.Udp(rows, family)
    assert udp.parse(udp.render(value, LAYOUTS[release].udp)) == value
    assert raw.parse(raw.render(value)) == value


@given(st.data(), st.sampled_from([4, 6]))
def test_tcp(data: Any, family: int) -> None:
    address = IP4 if family == 4 else IP6
    rows = []
    for _ in range(data.draw(st.integers(0, 3))):
        tail = None
        if data.draw(st.booleans()):
            tail = tcp.TcpTail(
                data.draw(SMALL),
                data.draw(SMALL),
                data.draw(SMALL),
                data.draw(U32),
                data.draw(st.integers(-1, 99)),
            )
        rows.append(
            tcp.TcpSock(data.draw(heads(address)), data.draw(U32), data.draw(SMALL), data.draw(U64), tail)
        )
    value = tcp.Tcp(tuple(rows), family)
    assert tcp.parse(tcp.render(value)) == value


@given(st.data(), RELEASES)
def test_small_net_files(data: Any, release: str) -> None:
    draw = data.draw
    kinds = st.one_of(st.just(3), st.integers(0x0600, 0xFFFF))
    types = st.builds(ptype.PacketType, kinds, st.just("") | DEVICE, NAME)
    p = ptype.Ptype(tuple(draw(st.lists(types, max_size=3))))
    assert ptype.parse(ptype.render(p)) == p
    five, two = tuples(SMALL, 5), tuples(SMALL, 2)
    s = sockstat.make(draw(SMALL), draw(five), draw(two), draw(SMALL), draw(SMALL), draw(two))
    assert sockstat.parse(sockstat.render(s)) == s
    a = arp.Arp(
        tuple(draw(st.lists(st.builds(arp.ArpEntry, IP4, U16, st.integers(0, 15), MAC, DEVICE), max_size=3)))
    )
    assert arp.parse(arp.render(a, LAYOUTS[release].arp)) == a
    bit = st.integers(0, 1)
    taps = st.builds(packet.PacketSock, U64, SMALL, SMALL, U16, SMALL, bit, U31, U32, U32)
    k = packet.Packet(tuple(draw(st.lists(taps, max_size=3))))
    assert packet.parse(packet.render(k)) == k
    groups = st.lists(
        st.builds(igmp.IgmpGroup, IP4, SMALL, st.integers(0, 1), U32, SMALL), min_size=1, max_size=3
    )
    devices = st.builds(
        igmp.IgmpDevice, SMALL, DEVICE, SMALL, st.sampled_from(["V1", "V2", "V3"]), groups.map(tuple)
    )
    g = igmp.Igmp(tuple(draw(st.lists(devices, max_size=3))))
    assert igmp.parse(igmp.render(g)) == g
    routes = st.builds(
        route.Route, DEVICE | st.just("*"), IP4, IP4, U16, SMALL, SMALL, U31, IP4, SMALL, SMALL, SMALL
    )
    r = route.RouteTable(tuple(draw(st.lists(routes, max_size=3))))
    assert route.parse(route.render(r)) == r
    addresses = st.builds(
        dev_mcast.McastAddress, SMALL, DEVICE, SMALL, SMALL, st.binary(min_size=6, max_size=8).map(bytes.hex)
    )
    m = dev_mcast.DevMcast(tuple(draw(st.lists(addresses, max_size=3))))
    assert dev_mcast.parse(dev_mcast.render(m)) == m
    n = neigh_stat.CacheStat(neigh_stat.ARP_CACHE, tuple(draw(st.lists(tuples(U32, 13), max_size=3))))
    assert neigh_stat.parse(neigh_stat.render(n)) == n


@given(st.data(), CPUS)
def test_stat_and_meminfo(data: Any, cpus: tuple[int, ...]) -> None:
    draw = data.draw
    times = tuples(U32, 10)
    value = stat.Stat(
        draw(times),
        {c: draw(times) for c in cpus},
        draw(tuples(U32, 20)),
        *draw(tuples(U32, 5)),
        draw(tuples(U32, 11)),
    )
    assert stat.parse(stat.render(value)) == value
    memory = meminfo.Meminfo(
        {name: (draw(U32), "kB") for name in draw(st.lists(NAME, min_size=1, max_size=4, unique=True))}
    )
    assert meminfo.parse(meminfo.render(memory)) == memory


STAT_NAME = st.from_regex(r"[a-z][a-z0-9_\[\]]{0,20}(?: [a-z]{1,5})?(?:: [a-z]{1,5})?", fullmatch=True)


@given(st.lists(st.tuples(STAT_NAME, U64), min_size=1, max_size=12))
def test_ethtool_statistics(items: list[tuple[str, int]]) -> None:
    value = statistics.Statistics(tuple(items))
    assert statistics.parse(statistics.render(value)) == value


@given(st.data())
def test_ethtool_parameters(data: Any) -> None:
    draw = data.draw
    device = draw(DEVICE)
    sizes = st.builds(ring.RingSizes, OPTIONAL_U32, OPTIONAL_U32, OPTIONAL_U32, OPTIONAL_U32)
    rings = ring.Ring(device, draw(sizes), draw(sizes), dict(ring.EXTRA_6_1))
    assert ring.parse(ring.render(rings)) == rings
    again = ring.parse(ring.render_ioctl(rings))
    assert again.current.rx == (rings.current.rx or 0) and not again.extra
    counts = st.builds(channels.ChannelCounts, OPTIONAL_U32, OPTIONAL_U32, OPTIONAL_U32, OPTIONAL_U32)
    queues = channels.Channels(device, draw(counts), draw(counts))
    assert channels.parse(channels.render(queues)) == queues
    switch = st.none() | st.booleans()
    values = draw(st.dictionaries(st.sampled_from(coalesce.NAMES), U32))
    moderation = coalesce.Coalesce(device, draw(switch), draw(switch), values, draw(switch), draw(switch))
    assert coalesce.parse(coalesce.render(moderation)) == moderation
    assert (
        coalesce.parse(coalesce.render_ioctl(moderation)).values == dict.fromkeys(coalesce.NAMES, 0) | values
    )
    flow = pause.Pause(device, draw(switch), draw(switch), draw(switch), draw(switch), draw(switch))
    assert pause.parse(pause.render(flow)) == pause.parse(pause.render_ioctl(flow)) == flow
    results = draw(
        st.lists(
            st.tuples(
                st.from_regex(r"[A-Z][a-z]{1,8} test {1,3}\((?:on/)?offline\)", fullmatch=True),
                st.integers(0, 99),
            ),
            max_size=4,
        )
    )
    test = self_test.SelfTest(draw(st.booleans()), tuple(results), draw(switch))
    assert self_test.parse(self_test.render(test)) == test
    info = driver_info.DriverInfo(
        draw(NAME),
        draw(NAME),
        draw(st.none() | NAME),
        draw(st.none() | NAME),
        draw(NAME),
        *draw(tuples(switch, 5)),
    )
    assert driver_info.parse(driver_info.render(info)) == info


@given(st.data())
def test_ethtool_hashing(data: Any) -> None:
    draw = data.draw
    table = tuple(draw(st.lists(st.integers(0, 63), max_size=130)))
    key = draw(st.none() | st.binary(max_size=52))
    functions = st.lists(
        st.tuples(st.sampled_from(["toeplitz", "xor", "crc32"]), st.booleans()), max_size=3
    ).map(tuple)
    value = rxfh.Rxfh(
        draw(DEVICE),
        draw(st.integers(1, 64)),
        table,
        key,
        draw(st.none() | functions) if key is not None else None,
    )
    assert rxfh.parse(rxfh.render(value)) == value
    flow = draw(st.sampled_from(sorted(rx_flow_hash.FLOWS.values())))
    letters = "".join(draw(st.lists(st.sampled_from("mvtsdfn"), unique=True)))
    bits = rx_flow_hash.bits_of_letters(letters)
    hashing = rx_flow_hash.FlowHash(flow, bits)
    assert rx_flow_hash.parse(rx_flow_hash.render(hashing)) == hashing
    assert sorted(hashing.letters) == sorted(letters)
    dump = register_dump.HexDump(draw(st.binary(min_size=1, max_size=70)), 16 * draw(st.integers(0, 200)))
    assert register_dump.parse(register_dump.render(dump)) == dump


@given(st.data())
def test_ethtool_settings(data: Any) -> None:
    draw = data.draw
    modes = (
        "10baseT/Half",
        "10baseT/Full",
        "100baseT/Half",
        "100baseT/Full",
        "1000baseT/Full",
        "10000baseT/Full",
    )
    pauses = st.sampled_from(ethtool_settings.PAUSE_USES)
    sides = st.builds(
        ethtool_settings.LinkModes,
        st.lists(st.sampled_from(modes), unique=True).map(tuple),
        pauses,
        st.none() | st.booleans(),
        st.none() | st.lists(st.sampled_from(["None", "BaseR", "RS"]), unique=True).map(tuple),
    )
    value = ethtool_settings.Settings(
        draw(DEVICE),
        draw(st.lists(st.sampled_from(["TP", "FIBRE", "MII"]), unique=True).map(tuple)),
        draw(sides),
        draw(sides),
        draw(st.none() | sides),
        draw(st.sampled_from([0, 10, 1000, 40000])),
        draw(st.sampled_from(["Full", "Half", "Unknown! (255)"])),
        draw(st.booleans()),
        "Twisted Pair",
        draw(st.integers(0, 31)),
        "internal",
        draw(st.none() | st.just("off (auto)")),
        "pumbg",
        "g",
        draw(st.none() | st.integers(1, 0x7FFF)),
        draw(st.booleans()),
        draw(st.sampled_from(["", "No cable"])),
    )
    for layout in (ethtool_settings.NETLINK, ethtool_settings.IOCTL):
        again = ethtool_settings.parse(ethtool_settings.render(value, layout))
        assert again == value


FEATURE = st.from_regex(r"[a-z]{2,4}(?:-[a-z0-9_]{1,10}){1,3}", fullmatch=True)


@given(
    DEVICE,
    st.lists(
        st.tuples(FEATURE, st.booleans(), st.booleans(), st.booleans()),
        min_size=1,
        max_size=20,
        unique_by=lambda x: x[0],
    ),
)
def test_ethtool_features(device: str, items: list[tuple[str, bool, bool, bool]]) -> None:
    value = features.from_kernel(device, [features.KernelFeature(*item) for item in items])
    assert features.parse(features.render(value)) == value
    shown = [i.name for i in value.items]
    assert len(shown) >= len(items)


@given(st.data())
def test_ss(data: Any) -> None:
    draw = data.draw
    port = st.integers(1, 65535).map(str) | st.just("*")
    address = IP4 | IP6.map(lambda a: f"[{a}]") | st.just("*")
    memory = st.none() | st.builds(ss.Skmem, U31, U31, U31, U31, U31, U31, U31, U31, st.none() | U31)
    states = st.sampled_from(ss.STATES)
    rows = tuple(
        draw(
            st.lists(
                st.builds(ss.SsSock, U31, U31, address, port, address, port, states, st.none(), memory),
                max_size=4,
            )
        )
    )
    assert ss.parse(ss.render(rows)).rows == rows
    assert ss.parse(ss.render(rows, oneline=True)).rows == rows
    named = tuple(replace(r, netid="udp") for r in rows)
    assert ss.parse(ss.render(named, netid=True)).rows == named


@given(st.data())
def test_ip(data: Any) -> None:
    draw = data.draw
    numbers = draw(tuples(U64, len(link.LinkStats.__dataclass_fields__)))
    stats = link.LinkStats(*numbers)
    flags = tuple(draw(st.lists(st.sampled_from(["BROADCAST", "MULTICAST", "UP", "LOWER_UP"]), unique=True)))
    addresses = st.builds(
        link.Address, st.just("inet"), IP4, st.integers(0, 32), st.sampled_from(["global", "host", "link"]),
        st.none() | IP4, DEVICE, st.lists(st.sampled_from(["secondary", "dynamic"]), unique=True).map(tuple),
        U32, U32,
    )  # fmt: skip
    one = link.Link(
        draw(st.integers(1, 999)), draw(DEVICE), flags, draw(U16), "fq_codel", "UP", "DEFAULT", "default",
        draw(st.none() | SMALL), "ether", draw(MAC), "ff:ff:ff:ff:ff:ff", draw(st.none() | DEVICE), None,
        None, None,
        stats, True, draw(st.none() | st.lists(addresses, min_size=1, max_size=3).map(tuple)),
    )  # fmt: skip
    again = link.parse(link.render([one]))[0]
    assert again == replace(one, stats=replace(stats, rx_compressed=again.stats.rx_compressed))  # type: ignore[union-attr]
    assert link.from_json(link.to_json([one]))[0].addresses == one.addresses
    assert (
        link.parse(link.render([replace(one, errors=False, stats=link.LinkStats(rx_bytes=5))]))[0].errors
        is False
    )
    metrics = st.dictionaries(st.sampled_from(["mtu", "advmss", "window"]), SMALL)
    routes = st.builds(
        ip_route.IpRoute, st.just("default") | IP4, st.sampled_from(["", "local", "unreachable"]),
        st.none() | IP4, st.none() | DEVICE, st.none(), st.none() | st.just("kernel"),
        st.none() | st.just("link"), st.none() | IP4,
        st.none() | SMALL, st.sampled_from([(), ("onlink",)]), metrics,
    )  # fmt: skip
    table = tuple(draw(st.lists(routes, min_size=1, max_size=3)))
    assert ip_route.parse(ip_route.render(table)) == table
    stat_of = st.none() | st.builds(neigh.NeighStats, SMALL, SMALL, SMALL, SMALL)
    neighbours = st.builds(
        neigh.Neigh,
        IP4 | IP6,
        DEVICE,
        st.none() | MAC,
        st.sampled_from(neigh.STATES).map(lambda s: (s,)),
        st.just(""),
        stat_of,
    )
    near = tuple(draw(st.lists(neighbours, min_size=1, max_size=3)))
    assert neigh.parse(neigh.render(near)) == near
    assert (
        json_text.compact(neigh.to_json(near)).replace(" ", "")
        == json_text.pretty(neigh.to_json(near)).replace("\n", "").replace(" ", "") + "\n"
    )


@given(st.dictionaries(NAME, U64, min_size=1, max_size=8))
def test_nstat(counters: dict[str, int]) -> None:
    value = nstat.Nstat(counters)
    assert nstat.parse(nstat.render_json(value)) == value
    short = nstat.Nstat({k: v % 10**15 for k, v in counters.items()})  # a wider number touches the rate
    assert nstat.parse(nstat.render(short)) == short


TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)


@given(st.lists(st.tuples(st.integers(0, 10**12), TEXT), min_size=1, max_size=5))
def test_dmesg(lines: list[tuple[int, str]]) -> None:
    value = dmesg.Dmesg(tuple(dmesg.Message(usec, text) for usec, text in lines))
    assert dmesg.parse(dmesg.render(value)) == value


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["<idle>", "napi/eth0-8193", "ksoftirqd/0", "a b"]),
            SMALL,
            st.integers(0, 255),
            st.integers(0, 10**12),
            NAME,
            TEXT,
        ),
        min_size=1,
        max_size=5,
    )
)
def test_trace(lines: list[tuple[Any, ...]]) -> None:
    value = trace_event.Trace(
        tuple(trace_event.TraceEvent(c, p, u, "d.h..", t, e, x) for c, p, u, t, e, x in lines)
    )
    assert trace_event.parse(trace_event.render(value)) == value


@given(
    st.dictionaries(
        st.from_regex(r"net\.(?:core|ipv4)\.[a-z_]{1,12}(?:\.[a-z0-9]{1,6})?", fullmatch=True),
        st.lists(st.integers(-9, 10**9), min_size=1, max_size=3),
        min_size=1,
        max_size=5,
    )
)
def test_sysctl(values: dict[str, list[int]]) -> None:
    text = sysctl_format.render_all({k: sysctl_format.render(v).rstrip("\n") for k, v in values.items()})
    value = sysctl_format.parse(text)
    for name, numbers in values.items():
        assert value.vector(name) == tuple(numbers)
        assert sysctl_format.name_of_path(sysctl_format.path_of_name(name)) == name


# mutilated texts

RECORDS = ["files.txt", "ethtool.txt", "ethtool-set.txt", "files-6.18.txt", "tools-6.18.txt", "sysctl.txt"]


def _mutilate(text: str, rng: random.Random) -> str:
    out = text[: rng.randrange(200, 6000)] if rng.random() < 0.7 else text
    for _ in range(rng.randrange(1, 8)):
        if not out:
            break
        at = rng.randrange(len(out))
        choice = rng.randrange(6)
        if choice == 0:
            out = out[:at] + out[at + rng.randrange(1, 20) :]
        elif choice == 1:
            out = (
                out[:at]
                + rng.choice(
                    ["\x00", ":", " ", "-", "\n", "٣", "9" * 30, "\t", "é", "0x", "[", "{", "\ud800"]
                )
                + out[at:]
            )
        elif choice == 2:
            out = out[:at] + out[at : at + 60] * 2 + out[at:]
        elif choice == 3:
            out = out.replace(" ", "", rng.randrange(1, 5))
        elif choice == 4:
            lines = out.split("\n")
            rng.shuffle(lines)
            out = "\n".join(lines)
        else:
            out = out[:at]
    return out


@pytest.mark.parametrize("seed", range(40))
def test_only_format_errors_of_one_line(golden: Any, seed: int) -> None:
    rng = random.Random(seed)
    texts = [text for name in RECORDS for _, text in golden.commands(name)]
    outcomes = {True: 0, False: 0}
    for _ in range(12):
        text = _mutilate(rng.choice(texts), rng)
        for parse in PARSERS.values():
            try:
                parse(text)
                outcomes[True] += 1
            except FormatError as error:
                outcomes[False] += 1
                assert "\n" not in str(error) and len(str(error)) < 250
    assert outcomes[False] > outcomes[True]


@settings(max_examples=60)
@given(st.text(max_size=200))
def test_arbitrary_text(text: str) -> None:
    for parse in PARSERS.values():
        try:
            parse(text)
        except FormatError as error:
            assert "\n" not in str(error)


def test_parsed_again_after_rendering_is_stable(golden: Any) -> None:
    """Whatever a mutilated text still parses to renders to a text that parses to the same."""
    rng = random.Random(7)
    pure: list[Any] = [
        net_dev,
        snmp,
        netstat,
        tcp,
        raw,
        sockstat,
        igmp,
        route,
        dev_mcast,
        stat,
        packet,
        statistics,
        ring,
    ]
    texts = [text for name in RECORDS for _, text in golden.commands(name)]
    kept = 0
    for _ in range(600):
        text = _mutilate(rng.choice(texts), rng)
        for module in pure:
            try:
                value = module.parse(text)
            except FormatError:
                continue
            kept += 1
            assert module.parse(module.render(value)) == value, module.__name__
    assert kept > 20
