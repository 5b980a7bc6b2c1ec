"""Rules of `ethtool -N` and flows that follow their sender: exactly the named flow moves, and every frame has an end."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rxpath.drivers.ixgbe.hw import AtrInput, ixgbe_atr_compute_perfect_hash_82599, ixgbe_atr_compute_sig_hash_82599
from rxpath.formats.ethtool import rxclass
from rxpath.hw.nic.flow_director import flow_hash
from rxpath.hw.regs import ixgbe as r
from rxpath.net.core.ethtool import ethtool_get_stats
from rxpath.tools.run import run_command
from rxpath.wire.addr import ip4_str
from rxpath.wire.build import tcp_frame

from .fleet import HOST, MS, PEER_MAC, US, Fleet, address, by_flow, in_order, neighbour, sport

XGBE = [("ixgbe", "x540"), ("ixgbe", "82599")]
N = 64


def stats(f: Fleet) -> dict[str, int]:
    return dict(f.m.in_task(lambda: dict(ethtool_get_stats(f.dev))))


def said(f: Fleet, line: str) -> tuple[str, str, int]:
    result = run_command(f.m, line, host=True)
    return result.stdout, result.stderr, result.status


def start(model: str, variant: str, release: str = "6.1", cpus: int = 8) -> Fleet:
    f = Fleet(model, variant, release=release, cpus=cpus)
    f.do("ethtool -K eth0 ntuple on")
    f.m.wait_for_link()
    f.run()
    return f


def rule(flow: int, action: int, extra: str = "") -> str:
    return (
        f"ethtool -N eth0 flow-type udp4 src-ip {ip4_str(address(flow))} src-port {sport(flow)} dst-port 9"
        f" action {action}{extra}"
    )


@pytest.mark.parametrize(("model", "variant"), XGBE)
@pytest.mark.parametrize("release", ["3.13", "6.1", "6.18"])
def test_a_rule_in_mid_run_moves_exactly_that_flow(model: str, variant: str, release: str) -> None:
    f = start(model, variant, release)
    f.feed(f.flows(N).rounds(40, 5 * US))
    f.run(4 * MS)
    old = {s.flow: s.queue for s in f.seen}
    cpus = {s.queue: s.cpu for s in f.seen}
    assert len(set(cpus.values())) == (8 if release != "3.13" else 1)  # 3.13: nobody placed the interrupts
    target = (old[7] + 3) % 8
    assert f.do(rule(7, target)) == "Added rule with ID 2045\n"
    at = f.m.now
    f.run(4 * MS)
    f.do("ethtool -N eth0 delete 2045")
    gone = f.m.now
    f.finish()
    in_order(f.seen)
    assert len(f.seen) == 40 * N
    settled = 2 * MS
    assert by_flow([s for s in f.seen if s.time <= at]) == {x: {(q, cpus[q])} for x, q in old.items()}
    ruled = by_flow([s for s in f.seen if at + settled < s.time <= gone])
    assert ruled == {x: {(q, cpus[q])} for x, q in (old | {7: target}).items()}
    late = by_flow([s for s in f.seen if s.time > gone + settled])
    assert late == {x: {(q, cpus[q])} for x, q in old.items()}
    s = stats(f)
    assert 0 < s["fdir_match"] < 40 and s["fdir_match"] + s["fdir_miss"] == 40 * N and s["fdir_overflow"] == 0
    f.close()


@pytest.mark.parametrize(("model", "variant"), XGBE)
def test_a_drop_rule_is_booked(model: str, variant: str) -> None:
    f = start(model, variant)
    f.do(rule(5, -1))
    f.feed(f.flows(16).rounds(10, 5 * US))
    f.finish()
    in_order(f.seen)
    assert {s.flow for s in f.seen} == set(range(16)) - {5}
    ends = {(why, counter): n for (_, why, counter), n in f.m.ledger.dropped.items() if why.startswith("flow")}
    assert ends == {("flow director rule", "fdir_match"): 10}
    s = stats(f)
    assert (s["fdir_match"], s["fdir_miss"]) == (10, 150)
    assert s["rx_packets"] == 150 and s["rx_pkts_nic"] == 160 and s["rx_missed_errors"] == 0
    f.close()


def test_rules_live_through_a_reset_and_die_with_a_close() -> None:
    f = start("ixgbe", "x540")
    f.do(rule(5, -1, " loc 3"))
    f.do("ethtool -G eth0 rx 256")
    f.m.wait_for_link()
    f.run()
    assert rxclass.parse(f.do("ethtool -n eth0")).rules is not None
    f.feed(f.flows(8).rounds(2, 5 * US))
    f.finish()
    assert stats(f)["fdir_match"] == 2
    f.do("ethtool -L eth0 combined 4")  # closes and opens
    f.m.wait_for_link()
    f.run()
    assert rxclass.parse(f.do("ethtool -n eth0")).rules == ()
    f.close()


def test_what_is_listed() -> None:
    f = start("ixgbe", "x540")
    f.do("ethtool -N eth0 flow-type tcp4 dst-ip 10.0.0.2 src-ip 10.0.0.0 m 0.255.255.255 dst-port 80 action 2 loc 9")
    f.do("ethtool -N eth0 flow-type udp4 dst-ip 10.0.0.2 src-ip 10.0.0.0 m 0.255.255.255 dst-port 53 action -1 loc 1")
    assert f.do("ethtool -n eth0 rule 1") == (
        "Filter: 1\n"
        "\tRule Type: UDP over IPv4\n"
        "\tSrc IP addr: 10.0.0.0 mask: 0.255.255.255\n"
        "\tDest IP addr: 10.0.0.2 mask: 0.0.0.0\n"
        "\tTOS: 0x0 mask: 0xff\n"
        "\tSrc port: 0 mask: 0xffff\n"
        "\tDest port: 53 mask: 0x0\n"
        "\tVLAN EtherType: 0x0 mask: 0xffff\n"
        "\tVLAN: 0x0 mask: 0xffff\n"
        "\tUser-defined: 0x0 mask: 0xffffffffffffffff\n"
        "\tAction: Drop\n\n"
    )
    shown = rxclass.parse(f.do("ethtool -n eth0"))
    assert shown.rules is not None and [x.location for x in shown.rules] == [1, 9]
    assert shown.rules[1].queue == 2
    f.close()


INSERT = "rmgr: Cannot insert RX class rule: "


@pytest.mark.parametrize(
    ("line", "text", "log"),
    [
        ("flow-type udp4 dst-port 9 action 8 loc 1", "Invalid argument", ""),
        ("flow-type udp4 dst-port 9 action 1 loc 2046", "Invalid argument", "Location out of range"),
        ("flow-type ether proto 0x88f7 action 1 loc 1", "Invalid argument", "Unrecognized flow type"),
        ("flow-type ip4 l4proto 1 action 1 loc 1", "Invalid argument", "Unrecognized flow type"),
        ("flow-type udp4 src-port 9 action 1 loc 1", "Invalid argument", "Only one mask supported per port"),
        ("flow-type udp4 dst-port 9 vlan 5 m 0xfff0 action 1 loc 1", "Invalid argument", "Only one mask supported"),
    ],
)
def test_what_is_refused(line: str, text: str, log: str) -> None:
    f = start("ixgbe", "x540")
    f.do("ethtool -N eth0 flow-type udp4 dst-port 7 action 1 loc 0")
    out, err, _status = said(f, "ethtool -N eth0 " + line)
    assert (out, err) == ("", INSERT + text + "\n")
    assert log in f.do("dmesg")
    assert len(rxclass.parse(f.do("ethtool -n eth0")).rules or ()) == 1
    f.close()


def test_a_mask_that_the_chip_lacks() -> None:
    f = start("ixgbe", "x540")
    _, err, _ = said(f, "ethtool -N eth0 flow-type udp4 dst-port 9 vlan 5 m 0xff00 action 1 loc 1")
    assert err == INSERT + "Invalid argument\n" and "Error writing mask" in f.do("dmesg")
    f.close()


def test_without_ntuple_there_are_no_rules() -> None:
    f = Fleet("ixgbe", "x540", cpus=4)
    _, err, _ = said(f, "ethtool -N eth0 flow-type udp4 dst-port 9 action 1 loc 1")
    assert err == INSERT + "Operation not supported\n"
    _, err, _ = said(f, "ethtool -N eth0 delete 5")
    assert err.startswith("rmgr: Cannot delete RX class rule: Invalid argument")
    f.close()


def test_addresses_alone_and_ports_under_a_mask() -> None:
    f = start("ixgbe", "x540")
    f.do("ethtool -N eth0 flow-type ip4 src-ip 10.1.0.0 m 0.0.0.3 action 6")
    f.feed(f.flows(16).rounds(2, 5 * US))
    f.finish()
    inside = {x for x in range(16) if address(x) & ~3 == address(0) - 1}
    assert inside == {0, 1, 2}
    assert stats(f)["fdir_match"] == 6
    assert {s.queue for s in f.seen if s.flow in inside} == {6}
    f.close()
    f = start("ixgbe", "x540")
    f.do("ethtool -N eth0 flow-type udp4 src-port 1024 m 0x000f action 5")  # a power of two of ports
    f.feed(f.flows(32).rounds(1, 5 * US))
    f.finish()
    assert stats(f)["fdir_match"] == 16 and {s.queue for s in f.seen if s.flow < 16} == {5}
    f.close()


def test_a_vlan_is_part_of_the_flow() -> None:
    f = start("ixgbe", "x540")
    f.do("ip link set eth0 promisc on")  # else the filter of VLANs comes first
    f.do("ethtool -N eth0 flow-type udp4 dst-port 9 vlan 0x0005 m 0xf000 action 3 loc 0")
    frame = f.flows(1).frame(0)
    tagged = frame[:12] + b"\x81\x00\x20\x05" + frame[12:]
    other = frame[:12] + b"\x81\x00\x20\x06" + frame[12:]
    f.feed(iter([(0, frame), (20 * US, tagged), (40 * US, other)]))
    f.finish()
    s = stats(f)
    assert s["fdir_match"] == 1
    f.close()


@settings(max_examples=200)
@given(
    st.tuples(*(st.integers(0, 0xFFFFFFFF) for _ in range(2))),
    st.tuples(*(st.integers(0, 0xFFFF) for _ in range(4))),
    st.sampled_from([1, 2, 3]),
)
def test_both_sides_compute_the_same_hashes(ips: tuple[int, ...], words: tuple[int, ...], kind: int) -> None:
    src, dst = ips
    sport_, dport, vlan, flex = words
    head = kind << 16 | vlan
    common = src ^ dst ^ (sport_ << 16 | dport) ^ flex << 16
    sig = ixgbe_atr_compute_sig_hash_82599(head, common)
    assert sig == flow_hash(r.ATR_SIGNATURE_HASH_KEY, head, common) << 16 | flow_hash(
        r.ATR_BUCKET_HASH_KEY, head, common
    )
    flow, mask = AtrInput(), AtrInput()
    flow.flow_type, flow.vlan_id, flow.src_ip, flow.dst_ip = kind, vlan, src, dst
    flow.src_port, flow.dst_port, flow.flex_bytes = sport_, dport, flex
    for name in AtrInput.__slots__:
        setattr(mask, name, 0xFFFFFFFF)
    ixgbe_atr_compute_perfect_hash_82599(flow, mask)
    assert flow.bkt_hash == flow_hash(r.ATR_BUCKET_HASH_KEY, head, common) & 0x1FFF


@pytest.mark.parametrize("variant", ["x540", "82599"])
def test_answers_come_in_where_they_were_asked_for(variant: str) -> None:
    """Application targeted routing: the queue that sends the SYN's answer takes the rest of the flow."""
    f = Fleet("ixgbe", variant, cpus=8, watch=False)
    for x in range(4):
        neighbour(f, address(x))
    got: dict[int, list[int]] = {}

    def watch(tp: Any, cpu: int, now: int, values: tuple[Any, ...]) -> None:
        skb = values[0]
        h, d = skb.head, skb.data
        if h[d + 9] == 6:
            got.setdefault(h[d + 15] - 1, []).append(skb.queue_mapping)

    f.k.trace.netif_receive_skb.attach(watch)

    def server() -> None:
        s = f.m.socket(socket.AF_INET, socket.SOCK_STREAM)
        s.bind(("0.0.0.0", 80))
        s.listen(16)
        while True:
            s.accept()

    f.m.spawn(server)
    f.run()
    cpu = f.cpu_of(2)  # what comes in on queue 2 is answered from queue 5
    f.write("/sys/class/net/eth0/queues/tx-2/xps_cpus", "00\n")
    f.write("/sys/class/net/eth0/queues/tx-5/xps_cpus", f"{1 << cpu | 1 << f.cpu_of(5):02x}\n")
    frames = []
    for k in range(3):
        for x in range(4):
            for port in (4000, 4001, 4002, 4003):
                flags = 0x10 if k else 0x02
                frame = tcp_frame(PEER_MAC, f.mac, address(x), HOST, port, 80, seq=1 + (k > 0), ack=0, flags=flags)
                frames.append((k * 20 * MS + len(frames) * 50 * US, frame))
    f.feed(iter(frames))
    f.run(100 * MS)
    s = stats(f)
    assert s["fdir_miss"] == 16 and s["fdir_match"] == 32
    moved = 0
    for queues in got.values():
        for first, later in zip(queues[:4], zip(queues[4:8], queues[8:12], strict=True), strict=True):
            assert later == ((5, 5) if first == 2 else (first, first))
            moved += first == 2
    assert moved
    f.close()
