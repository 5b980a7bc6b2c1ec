"""LOG's lines, hooks that are not there until asked for, modules, bookings, costs, what a sender is told."""

from __future__ import annotations

import re

import pytest
from tests.machine.box import Box
from tests.net.ipv4.taphost import RELEASES, TapHost
from tests.net.netfilter.iptables_real import HERE
from tests.net.netfilter.scenarios import HOST, LOG, MIX, PEER, udp
from tests.net.netfilter.test_traffic import counted, run_ours

from rxpath.net.netfilter.core import NF_INET_LOCAL_IN, NF_INET_LOCAL_OUT, NF_INET_PRE_ROUTING
from rxpath.sim.costs import load_profile
from rxpath.tools.run import run_checked, run_command


def test_log_lines_are_the_kernels() -> None:
    want = (HERE / "golden" / "log.txt").read_text().splitlines()
    _, h = run_ours(LOG)
    lines = [(r.level, r.text) for r in h.m.kernel.log.records if "IN=" in r.text]
    # what the host itself sends has an identification drawn at random
    got = [f"{level}|" + re.sub("(OUT=tap0.*?) ID=[0-9]+ ", "\\1 ID=* ", text, count=1) for level, text in lines]
    assert got == want
    h.close()


@pytest.mark.parametrize("release", RELEASES)
def test_a_table_that_nobody_asked_for_has_no_hook(release: str) -> None:
    h = TapHost(release)
    hooks = h.net.netfilter.ipv4
    assert all(not lst for lst in hooks)
    assert run_command(h.m, "cat /proc/net/ip_tables_names").status == 1
    run_checked(h.m, "modprobe iptable_filter")
    # 3.13 registers with the module, later kernels with the first use
    assert bool(hooks[NF_INET_LOCAL_IN]) == (release == "3.13")
    run_checked(h.m, "iptables -L")
    assert [o.priority for o in hooks[NF_INET_LOCAL_IN]] == [0]
    assert run_checked(h.m, "cat /proc/net/ip_tables_names").stdout == "filter\n"
    run_checked(h.m, "iptables -t raw -S")
    assert [o.priority for o in hooks[NF_INET_LOCAL_OUT]] == [-300, 0]
    assert not hooks[4] and len(hooks[NF_INET_PRE_ROUTING]) == 1
    assert run_checked(h.m, "cat /proc/net/ip_tables_names").stdout == "raw\nfilter\n"
    run_checked(h.m, "modprobe -r iptable_filter; modprobe -r iptable_raw")
    assert all(not lst for lst in hooks)
    assert run_checked(h.m, "lsmod").stdout.count("\n") == 1
    h.close()


def test_modules_in_use_stay() -> None:
    h = TapHost("6.1")
    run_checked(h.m, "iptables -A INPUT -p udp -m limit -j LOG")
    assert run_command(h.m, "rmmod xt_LOG").stderr == "rmmod: ERROR: Module xt_LOG is in use\n"
    assert run_command(h.m, "modprobe -r ip_tables").stderr == "modprobe: FATAL: Module ip_tables is in use.\n"
    said = run_command(h.m, "rmmod ip_tables").stderr
    assert said == "rmmod: ERROR: Module ip_tables is in use by: iptable_filter\n"
    run_checked(h.m, "iptables -F")
    run_checked(h.m, "rmmod xt_LOG")
    assert "xt_LOG" not in run_checked(h.m, "lsmod").stdout
    h.close()


def test_drops_are_booked_under_table_and_chain() -> None:
    h = TapHost("6.1")
    for line in (
        "iptables -A INPUT -p udp --dport 53 -j DROP",
        "iptables -A INPUT -p udp --dport 99 -j REJECT",
        "iptables -t raw -A PREROUTING -p tcp -j DROP",
    ):
        run_checked(h.m, line)
    seen: list[str] = []
    h.m.kernel.trace.kfree_skb.attach(lambda tp, cpu, now, values: seen.append(values[-1]))
    h.rx(*MIX)
    dropped = {k: n for k, n in h.m.ledger.dropped.items() if k[0] == "netfilter"}
    assert dropped == {
        ("netfilter", "iptables: the filter table dropped it in INPUT", "iptables -t filter -L INPUT"): 2,
        ("netfilter", "iptables: the raw table dropped it in PREROUTING", "iptables -t raw -L PREROUTING"): 3,
    }
    assert counted(h) == 5 and seen.count("NETFILTER_DROP") == 5
    listing = run_checked(h.m, "iptables -nvxL INPUT").stdout + run_checked(h.m, "iptables -t raw -nvxL").stdout
    assert sum(int(x.split()[0]) for x in listing.splitlines() if " DROP " in x or " REJECT " in x) == 5
    h.m.check()
    h.close()


def test_no_snmp_counter_moves_for_a_drop() -> None:
    h = TapHost("6.1")
    run_checked(h.m, "iptables -A INPUT -p udp -j DROP")
    moved = h.moved(lambda: h.rx(udp(53)))
    assert moved == {"Ip.InReceives": 1}
    h.close()


def test_a_sender_is_told_eperm() -> None:
    h = TapHost("6.1")
    run_checked(h.m, "iptables -A OUTPUT -p udp --dport 53 -j DROP")
    s = h.sock(4000)
    with pytest.raises(PermissionError):
        h.do(lambda: s.sendto(b"x", ("10.0.0.1", 53)))
    assert h.do(lambda: s.sendto(b"x", ("10.0.0.1", 54))) == 1
    assert len(h.sent()) == 1
    h.close()


def test_each_rule_costs_what_the_profile_says() -> None:
    """A packet is compared with every rule before its own and with the policy; a table that is not there is free."""
    each = load_profile("default").costs().netfilter_rule
    spent = []
    for setup in ([], ["iptables -L"], ["iptables -A INPUT -p tcp -j DROP"] * 10, ["iptables -A INPUT -j ACCEPT"] * 5):
        b = Box(costs="default")
        s = b.bound(9)
        for line in setup:
            b.do(line)
        b.run()
        before = [sum(c.acct[2:5]) for c in b.m.kernel.cpus]
        b.rx(b.udp(9, 100))
        spent.append(sum(sum(c.acct[2:5]) for c in b.m.kernel.cpus) - sum(before))
        assert len(b.drain(s)) == 1
        b.close()
    assert [x - spent[0] for x in spent] == [0, each, 11 * each, each]


def test_limit_lets_through_again_with_time() -> None:
    h = TapHost("6.1")
    run_checked(h.m, "iptables -A INPUT -p udp -m limit --limit 10/s --limit-burst 2 -j ACCEPT")
    run_checked(h.m, "iptables -A INPUT -p udp -j DROP")
    h.rx(*[udp(9)] * 4)
    assert counted(h) == 2
    h.run(150)
    h.rx(*[udp(9)] * 3)
    assert counted(h) == 4
    h.close()


def test_reply_goes_to_the_peer() -> None:
    h = TapHost("6.1")
    run_checked(h.m, "iptables -A INPUT -p udp -j REJECT")
    (answer,) = h.rx(udp(9))
    assert answer[26:30] == HOST.to_bytes(4, "big") and answer[30:34] == PEER.to_bytes(4, "big")
    assert answer[34:36] == b"\x03\x03"
    h.close()


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("iptables -t nat -L", "iptables -t nat"),
        ("iptables -t raw -A PREROUTING -j NOTRACK", "iptables -j NOTRACK"),
        ("iptables -t raw -A PREROUTING -j CT --notrack", "iptables -j CT"),
        ("iptables -A INPUT -m conntrack --ctstate NEW -j ACCEPT", "iptables -m conntrack"),
        ("iptables -A INPUT -p sctp --dport 5 -j ACCEPT", "iptables -m sctp"),
    ],
)
def test_what_is_not_modelled_is_refused_by_name(line: str, what: str) -> None:
    h = TapHost("6.1")
    done = run_command(h.m, line)
    assert (done.status, done.stderr) == (1, f"iptables: not modelled: {what}\n")
    h.close()
