"""Texts are told apart by their content, with whatever copying and pasting put around them."""

from __future__ import annotations

from typing import Any

import pytest

from rxpath.formats import FormatError, interrupts, line_pairs, softnet_stat, sysctl, sysfs
from rxpath.formats.ethtool import features, messages, ring, statistics
from rxpath.formats.ip import link
from rxpath.formats.recognise import KINDS, clean, hint_of, kind_of, recognise, recognise_all

EXPECTED_6_1 = {
    "cat /proc/interrupts": "interrupts",
    "cat /proc/softirqs": "softirqs",
    "cat /proc/net/softnet_stat": "softnet_stat",
    "cat /proc/net/dev": "dev",
    "cat /proc/net/snmp": "snmp",
    "cat /proc/net/netstat": "netstat",
    "cat /proc/net/udp": "udp",
    "cat /proc/net/tcp": "tcp",
    "cat /proc/net/raw": "raw",
    "cat /proc/net/ptype": "ptype",
    "cat /proc/net/protocols": "protocols",
    "cat /proc/net/sockstat": "sockstat",
    "cat /proc/net/arp": "arp",
    "cat /proc/net/route": "route",
    "cat /proc/net/igmp": "igmp",
    "cat /proc/net/dev_mcast": "dev_mcast",
    "cat /proc/net/packet": "packet",
    "cat /proc/net/stat/arp_cache": "cache_stat",
    "cat /proc/net/stat/rt_cache": "cache_stat",
    "/oracle/ip -s -s link show eth0": "ip link",
    "/oracle/ip -d link show eth0": "ip link",
    "/oracle/ip addr show eth0": "ip link",
    "/oracle/ss -uamn": "ss",
}
EXPECTED_ETHTOOL = {
    "-i eth0": "ethtool -i",
    "eth0": "ethtool",
    "-S eth0": "ethtool -S",
    "-g eth0": "ethtool -g",
    "-l eth0": "message",
    "-k eth0": "ethtool -k",
    "-c eth0": "ethtool -c",
    "-x eth0": "message",
    "-n eth0": "message",
    "-n eth0 rx-flow-hash udp4": "ethtool -n rx-flow-hash",
    "-a eth0": "ethtool -a",
    "-e eth0 length 32": "ethtool -e",
    "-d eth0": "ethtool -d",
}
EXPECTED_6_18 = {
    "cat /proc/stat": "stat",
    "cat /proc/meminfo": "meminfo",
    "cat /proc/net/snmp6": "snmp6",
    "cat /proc/net/udp6": "udp",
    "cat /proc/net/tcp6": "tcp",
}
EXPECTED_TOOLS = {
    "ss -tuanm": "ss",
    "ss -uanH": "ss",
    "nstat -az": "nstat",
    "nstat -aj": "nstat",
    "ip -s link": "ip link",
    "ip -j addr": "ip link",
    "ip route": "ip route",
    "ip route show table local": "ip route",
    "ip neigh": "ip neigh",
    "dmesg": "dmesg",
}
ALL = [
    *(("files.txt", c, k) for c, k in EXPECTED_6_1.items()),
    *(("ethtool.txt", f"/oracle/ethtool {c}", k) for c, k in EXPECTED_ETHTOOL.items()),
    *(("files-6.18.txt", c, k) for c, k in EXPECTED_6_18.items()),
    *(("tools-6.18.txt", c, k) for c, k in EXPECTED_TOOLS.items()),
]


@pytest.mark.parametrize(("name", "command", "kind"), ALL, ids=[f"{c} {n}" for n, c, _ in ALL])
def test_by_content_alone(golden: Any, name: str, command: str, kind: str) -> None:
    text = golden.text(name, command)
    assert recognise(text).kind == kind
    for changed in (
        text.replace("\n", "\r\n"),
        "".join("    " + line for line in text.splitlines(keepends=True)),
        "".join("> " + line for line in text.splitlines(keepends=True)),
        "\ufeff\n\n" + text + "\n\nroot@host:~# ",
    ):
        if kind == "raw" and changed.startswith((" ", ">")):
            continue  # a lone header without its two blanks could as well be that of udp
        again = recognise(changed)
        assert again.kind == kind
        if not changed.startswith((" ", ">")):
            assert again.value == recognise(text).value


@pytest.mark.parametrize(("name", "command", "kind"), ALL, ids=[f"{c} {n}" for n, c, _ in ALL])
def test_after_a_command_line(golden: Any, name: str, command: str, kind: str) -> None:
    text = golden.text(name, command)
    for prompt in ("# ", "$ ", "root@host:~# ", "[root@web1 ~]# ", "user@host:/tmp$ sudo "):
        one = recognise_all(f"{prompt}{command}\n{text}")
        assert [o.kind for o in one] == [kind], prompt
        assert one[0].source.endswith(command)
        if "ethtool" in command:
            assert one[0].device == "eth0"


def test_whole_sessions(golden: Any) -> None:
    """The records are sessions: everything that has a parser is found, in order, and nothing is broken."""
    found = recognise_all(golden.raw("ethtool.txt"))
    assert [f.kind for f in found[:8]] == [
        "ethtool -i",
        "ethtool",
        "ethtool -S",
        "ethtool -g",
        "message",
        "ethtool -k",
        "ethtool -c",
        "message",
    ]
    assert all(f.device == "eth0" for f in found)
    kinds = [f.kind for f in recognise_all(golden.raw("files.txt"))]
    wanted = list(EXPECTED_6_1.values())
    at = 0
    for kind in kinds:
        if at < len(wanted) and kind == wanted[at]:
            at += 1
    assert at == len(wanted), f"after {wanted[:at]} no {wanted[at : at + 1]}"
    tools = [f.kind for f in recognise_all(golden.raw("tools-6.18.txt"))]
    assert {"ss", "nstat", "ip link", "ip route", "ip neigh", "udp", "tcp", "raw", "dmesg"} <= set(tools)


def test_refusals_with_their_titles(golden: Any) -> None:
    """By ioctl the title `Ring parameters for eth0:` is printed even when nothing follows."""
    text = golden.text("ethtool-ioctl.txt", "ethtool -g eth0  (refused)").split("@ exit")[0]
    for lines in (text, "".join(reversed(text.splitlines(keepends=True)))):
        one = recognise(lines)
        assert isinstance(one.value, messages.Refused) and one.value.unsupported
        assert [r.kind for r in recognise_all("# ethtool -g eth0\n" + lines)] == ["message"]
    session = [r.kind for r in recognise_all(golden.raw("ethtool-ioctl.txt").replace("@ exit", "# ls"))]
    assert {"ethtool", "ethtool -n", "ethtool -t", "ethtool -x", "message"} <= set(session)


def test_outputs_one_after_the_other_without_commands(golden: Any) -> None:
    parts = [
        ("files.txt", "cat /proc/softirqs"),
        ("files.txt", "cat /proc/interrupts"),
        ("files.txt", "cat /proc/net/softnet_stat"),
        ("files.txt", "cat /proc/net/snmp"),
        ("files.txt", "cat /proc/net/netstat"),
        ("files.txt", "cat /proc/net/dev"),
        ("ethtool.txt", "/oracle/ethtool -g eth0"),
        ("ethtool.txt", "/oracle/ethtool -S eth0"),
        ("ethtool.txt", "/oracle/ethtool -c eth0"),
        ("files.txt", "cat /proc/net/udp"),
    ]
    for gap in ("", "\n"):
        found = recognise_all(gap.join(golden.text(n, c) for n, c in parts))
        assert [f.kind for f in found] == [
            "softirqs", "interrupts", "softnet_stat", "snmp", "netstat", "dev", "ethtool -g", "ethtool -S",
            "ethtool -c", "udp",
        ]  # fmt: skip
    two = golden.text("ethtool.txt", "/oracle/ethtool -g eth0")
    found = recognise_all(two + two.replace("eth0", "eth1"))
    assert [f.device for f in found] == ["eth0", "eth1"]


def test_lines_cut_out_by_grep(golden: Any) -> None:
    rows = [x for x in golden.text("files.txt", "cat /proc/interrupts").split("\n") if "eth0" in x]
    one = recognise("\n".join(rows))
    assert isinstance(one.value, interrupts.Interrupts)
    assert one.value.cpus == (0, 1) and [r.irq for r in one.value.rows] == [25, 26, 27]
    cut = "     rx_missed_errors: 7\n     rx_no_buffer_count: 9\n"
    one = recognise_all("$ ethtool -S enp3s0 | grep -E 'miss|buffer'\n" + cut)[0]
    assert isinstance(one.value, statistics.Statistics)
    assert one.device == "enp3s0" and one.value.get("rx_missed_errors") == 7
    one = recognise("eth0: 71060     646    0    5    0 0 0 0 0 0 0 0 0 0 0 0")
    assert one.kind == "dev"


@pytest.mark.parametrize(
    ("source", "kind", "device"),
    [
        ("sos_commands/networking/ethtool_-S_eth0", "ethtool -S", "eth0"),
        ("sos_commands/networking/ethtool_eth0", "ethtool", "eth0"),
        ("ethtool_-g_bond0.100", "ethtool -g", "bond0.100"),
        ("ethtool_--show-channels_my_dev", "ethtool -l", "my_dev"),
        ("ip_-s_-d_link", "ip link", ""),
        ("ip_-o_addr", "ip link", ""),
        ("sosreport-x/proc/net/softnet_stat", "softnet_stat", ""),
        ("/proc/net/stat/arp_cache", "cache_stat", ""),
        ("interrupts.txt", "interrupts", ""),
        ("ethtool --show-ring eth2", "ethtool -g", "eth2"),
        ("/usr/sbin/ethtool -n eth1 rx-flow-hash udp4", "ethtool -n rx-flow-hash", "eth1"),
        ("sudo ethtool -S eth0", "ethtool -S", "eth0"),
        ("ip -s -s link show dev eth0", "ip link", ""),
        ("cat /proc/net/udp6", "udp", ""),
        ("holiday.jpg", "", ""),
        ("", "", ""),
    ],
)
def test_hints(source: str, kind: str, device: str) -> None:
    hint = hint_of(source)
    assert (hint.kind, hint.device) == (kind, device)
    assert not kind or kind in KINDS


def test_report_files_without_titles() -> None:
    one = recognise("     rx_queue_0_drops: 12\n", "sos_commands/networking/ethtool_-S_eth3")
    assert one.kind == "ethtool -S" and one.device == "eth3"
    one = recognise("netlink error: Operation not supported\n", "ethtool_-l_eth3")
    assert isinstance(one.value, messages.Refused) and one.value.unsupported and one.device == "eth3"


def test_one_value_files() -> None:
    found = recognise_all(
        "$ cat /proc/sys/net/core/rmem_max\n212992\n$ cat /proc/irq/24/smp_affinity\n00000000,0000000f\n"
    )
    assert (
        isinstance(found[0].value, sysctl.SysctlAll) and found[0].value.number("net.core.rmem_max") == 212992
    )
    assert isinstance(found[1].value, sysfs.Sysfs)
    assert found[1].value.files == {"/proc/irq/24/smp_affinity": "00000000,0000000f"}


def test_grepped_statistics(golden: Any) -> None:
    text = "/sys/class/net/eth0/statistics/rx_dropped:12\n/sys/class/net/eth0/statistics/rx_missed_errors:3\n"
    one = recognise(text)
    assert isinstance(one.value, sysfs.Sysfs)
    assert one.value.statistics("eth0") == {"rx_dropped": 12, "rx_missed_errors": 3}
    loop = next(t for c, t in golden.commands("files.txt") if c.startswith("find /sys/class/net/eth0/ "))
    seen = recognise(loop).value
    assert isinstance(seen, sysfs.Sysfs)
    assert len(seen.statistics("eth0")) == 24 and seen.number("/sys/class/net/eth0/flags") == 0x1003


def test_grepped_sysctls() -> None:
    one = recognise("/proc/sys/net/core/rmem_max:212992\n/proc/sys/net/ipv4/tcp_rmem:4096\t131072\t6291456\n")
    assert isinstance(one.value, sysctl.SysctlAll)
    assert one.value.number("net.core.rmem_max") == 212992
    assert one.value.vector("net.ipv4.tcp_rmem") == (4096, 131072, 6291456)


def test_addresses_on_one_line(golden: Any) -> None:
    one = recognise(golden.text("tools-6.18.txt", "ip -o addr"))
    full = recognise(golden.text("tools-6.18.txt", "ip addr"))
    assert isinstance(one.value, tuple) and isinstance(full.value, tuple)
    assert [(x.ifname, x.addresses) for x in one.value] == [(x.ifname, x.addresses) for x in full.value]
    whole = recognise(golden.text("tools-6.18.txt", "ip -o link")).value
    assert whole == recognise(golden.text("tools-6.18.txt", "ip link")).value


def test_head_and_tail_headings(golden: Any) -> None:
    mib = golden.text("files.txt", "cat /proc/net/snmp")
    soft = golden.text("files.txt", "cat /proc/net/softnet_stat")
    found = recognise_all(f"==> /proc/net/snmp <==\n{mib}\n==> /proc/net/softnet_stat <==\n{soft}")
    assert [f.source for f in found] == ["/proc/net/snmp", "/proc/net/softnet_stat"]
    assert isinstance(found[0].value, line_pairs.LinePairs) and isinstance(
        found[1].value, softnet_stat.SoftnetStat
    )


def test_what_is_unknown_is_said() -> None:
    with pytest.raises(FormatError, match="none of the texts I know: 'Dear all,'"):
        recognise_all("Dear all,\nplease help.\n")
    with pytest.raises(FormatError, match="empty"):
        recognise_all("\n \n")
    with pytest.raises(FormatError, match="softnet_stat: line 2: expected 13 columns"):
        recognise("00000000 " * 12 + "00000000\n" + "00000000 " * 11 + "00000000\n")
    # prose around something known does not matter
    found = recognise_all("Here is what I see:\n\nNIC statistics:\n     rx_missed_errors: 5\n")
    assert [f.kind for f in found] == ["ethtool -S"]


def test_values_survive(golden: Any) -> None:
    session = golden.raw("ethtool.txt")
    found = {f.kind: f.value for f in recognise_all(session)}
    rings, offloads = found["ethtool -g"], found["ethtool -k"]
    assert isinstance(rings, ring.Ring) and rings.current.rx == 256
    assert isinstance(offloads, features.Features) and offloads.on("gro")
    as_json = recognise(golden.text("tools-6.18.txt", "ip -j -s -s link show veth0")).value
    as_text = recognise(golden.text("tools-6.18.txt", "ip -s -s link show veth0")).value
    assert as_json == as_text and isinstance(as_text, tuple) and isinstance(as_text[0], link.Link)


def test_cleaning_is_idempotent_and_cheap_to_classify(golden: Any) -> None:
    for name in ("files.txt", "ethtool.txt", "tools-6.18.txt"):
        text = golden.raw(name)
        assert clean(clean(text)) == clean(text)
    assert kind_of("") == "" and kind_of("[") == "" and kind_of("CPU0") == ""
