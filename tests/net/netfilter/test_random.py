"""Rules and frames drawn at random: the same counters and answers as the kernel's."""

from __future__ import annotations

import random
from typing import Any

import pytest
from tests.net.netfilter import iptables_real as real
from tests.net.netfilter.scenarios import ACK, FIN, HOST, PSH, RST, SYN, echo, ip, scenario, tcp, udp
from tests.net.netfilter.test_traffic import plain, run_ours

from rxpath.wire.addr import ip4


def bang(rnd: random.Random, text: str) -> str:
    return ("! " if rnd.random() < 0.25 else "") + text


def rule(rnd: random.Random, chains: list[str], where: str) -> str:
    words = [f"iptables -A {where}"]
    if rnd.random() < 0.3:
        words.append(bang(rnd, f"-s {rnd.choice(['10.0.0.1', '10.0.0.0/30', '10.0.0.64/26', '10.0.0.1/255.0.0.255'])}"))
    if rnd.random() < 0.2:
        words.append(bang(rnd, f"-d {rnd.choice(['10.0.0.2', '10.0.0.0/24', '10.0.0.255', '224.0.0.0/4'])}"))
    if rnd.random() < 0.2:
        words.append(bang(rnd, f"-i {rnd.choice(['tap0', 'ta+', 'lo', '+'])}"))
    proto = rnd.choice(["", "", "udp", "udp", "tcp", "icmp", "47"])
    if proto:
        plainly = rnd.random() < 0.85
        words.append(f"-p {proto}" if plainly else f"! -p {proto}")
        if plainly:
            words += extra(rnd, proto)
    elif rnd.random() < 0.2:
        words.append(bang(rnd, "-f"))
    if rnd.random() < 0.1:
        words.append("-m comment --comment x")
    if rnd.random() < 0.1:
        words.append(f"-m limit --limit {rnd.choice(['1/hour', '3/day'])} --limit-burst {rnd.randint(1, 4)}")
    tail = rnd.random()
    if tail < 0.25 or (where == "PREROUTING" and tail < 0.5):
        words.append(f"-j {rnd.choice(['ACCEPT', 'DROP', 'DROP', 'RETURN'])}")
    elif tail < 0.45 and where != "PREROUTING":
        ways = ["icmp-port-unreachable", "icmp-host-prohibited", "icmp-net-unreachable", "icmp-admin-prohibited"]
        if "-p tcp" in words and "! -p tcp" not in words:
            ways.append("tcp-reset")
        words.append(f"-j REJECT --reject-with {rnd.choice(ways)}")
    elif tail < 0.65 and chains:
        words.append(f"-{rnd.choice('jjg')} {rnd.choice(chains)}")
    return " ".join(words)


def extra(rnd: random.Random, proto: str) -> list[str]:
    kind = rnd.random()
    if proto in ("udp", "tcp"):
        port = rnd.choice(["53", "1:99", "100:", ":22", "99"])
        if kind < 0.35:
            return [bang(rnd, f"--{rnd.choice(['sport', 'dport', 'dport'])} {port}")]
        if kind < 0.5:
            return ["-m multiport", bang(rnd, f"--{rnd.choice(['sports', 'dports', 'ports'])} 22,53,90:100")]
        if proto == "tcp" and kind < 0.75:
            return [
                bang(rnd, rnd.choice(["--syn", "--tcp-flags SYN,ACK ACK", "--tcp-flags ALL NONE", "--tcp-option 2"]))
            ]
    elif proto == "icmp" and kind < 0.5:
        return [bang(rnd, f"--icmp-type {rnd.choice(['8', '3', '3/3', 'any', '8/1', 'time-exceeded'])}")]
    return []


def frame(rnd: random.Random) -> bytes:
    src = rnd.choice([ip4("10.0.0.1"), ip4("10.0.0.1"), ip4("10.0.0.77")])
    ports = [9, 22, 53, 99, 100, 4000]
    kind = rnd.random()
    if kind < 0.4:
        bad: dict[str, Any] = {"checksum": 0x1234} if rnd.random() < 0.1 else {}
        return udp(rnd.choice(ports), rnd.randint(0, 40), sport=rnd.choice(ports), src=src, **bad)
    if kind < 0.75:
        flags = rnd.choice([SYN, ACK, SYN | ACK, RST, RST | ACK, FIN | ACK, PSH | ACK, 0, FIN, 0x3F])
        options = bytes((2, 4, 5, 0xB4)) if rnd.random() < 0.3 else b""
        return tcp(rnd.choice(ports), flags, b"d" * rnd.choice([0, 0, 5]), sport=rnd.choice(ports), options=options,
                   good=rnd.random() < 0.92, src=src, ack=rnd.choice([0, 77]))  # fmt: skip
    if kind < 0.87:
        return echo(rnd.randint(0, 60))
    if kind < 0.93:
        return ip(47, bytes(12))
    if kind < 0.96:
        return ip(rnd.choice([6, 17, 1]), bytes(rnd.randint(0, 7)))
    return ip(17, bytes(24), ident=rnd.randint(1, 9), frag_off=rnd.choice([0x2000, 3]))


def drawn(seed: int) -> dict[str, Any]:
    rnd = random.Random(seed)
    chains = [f"c{i}" for i in range(rnd.randint(0, 3))]
    setup = [f"iptables -N {c}" for c in chains]
    for _ in range(rnd.randint(3, 14)):
        setup.append(rule(rnd, chains, "INPUT"))
    for i, c in enumerate(chains):  # only to later ones: no circles
        for _ in range(rnd.randint(0, 4)):
            setup.append(rule(rnd, chains[i + 1 :], c))
    if rnd.random() < 0.3:
        setup.append("iptables -P INPUT DROP")
    if rnd.random() < 0.4:
        setup += [rule(rnd, [], "PREROUTING").replace("iptables", "iptables -t raw") for _ in range(3)]
    # one neighbour is known, so that answers to the other do not wait for ARP
    setup.append("ip neigh replace 10.0.0.77 lladdr 02:00:00:00:00:77 dev tap0 nud permanent")
    return scenario(setup, [frame(rnd) for _ in range(40)])


@pytest.mark.netns
@pytest.mark.skipif(not real.PROGRAM, reason="needs iptables-legacy")
@pytest.mark.parametrize("seed", range(3))
def test_against_the_kernel(seed: int) -> None:
    s = drawn(seed)
    want = real.run_traffic(s)
    got, h = run_ours(s)
    assert (got["filter"], got["raw"]) == (want["filter"], want["raw"])
    assert plain(got["sent"]) == plain(want["sent"])
    h.m.check()
    h.close()


def test_every_release_keeps_its_books(seeds: int = 5) -> None:
    for seed in range(seeds):
        for release in ("3.13", "6.1"):
            _, h = run_ours(drawn(1000 + seed), release)
            h.m.check()
            h.close()
    assert HOST
