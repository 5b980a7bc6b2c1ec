"""Intake: texts are known by their content, paired by time, and what is missing is asked for by its command."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest

from rxpath.tune import engine, intake, report
from rxpath.tune.snapshot import UNNAMED

from .hosts import Host, pair

GOLDEN = Path(__file__).parents[1] / "formats" / "golden"

SOFTNET = (
    "0004a1b2 00000010 00000001 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000\n"
    "00031234 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000001\n"
)


def judge(*texts: str) -> engine.Report:
    return engine.diagnose(intake.read_text("".join(texts)))


# -- records of a real kernel


def test_golden_files_parse_fully():
    taken = intake.read_inputs([str(GOLDEN / "files.txt"), str(GOLDEN / "ethtool.txt"), str(GOLDEN / "sysctl.txt")])
    assert taken.problems == []
    (s,) = taken.snapshots
    wanted = {
        "softnet_stat",
        "interrupts",
        "softirqs",
        "net_dev",
        "snmp",
        "netstat",
        "udp",
        "tcp",
        "sockstat",
        "ss",
        "ethtool-S",
        "ethtool-i",
        "ethtool-g",
        "ethtool-c",
        "ethtool-k",
        "ethtool-a",
        "ethtool",
    }
    assert wanted <= set(s.kinds())
    assert s.devices() == ("eth0",)
    assert s.driver("eth0") == "e1000e"
    assert [r.irq for r in s.rx_irqs("eth0")] == [25, 27]
    assert s.paths["/proc/irq/25/smp_affinity"] == "3"
    assert s.paths["/sys/class/net/eth0/address"].strip() == "52:54:00:12:34:56"
    assert s.sysctl("net.core.netdev_max_backlog") == 1000
    assert engine.diagnose(taken).status() == 0


def test_golden_of_6_18_parse_fully():
    taken = intake.read_inputs([str(GOLDEN / "files-6.18.txt"), str(GOLDEN / "ethtool-6.18.txt")])
    assert taken.problems == []
    assert taken.snapshots


# -- pasted texts


@pytest.mark.parametrize(
    ("driver", "names", "lost"),
    [
        (
            "igb",
            "rx_packets: 90000000\n     rx_missed_errors: 123456\n     os2bmc_rx_by_bmc: 0\n     rx_long_byte_count: 7\n     rx_no_buffer_count: 1",
            "rx_missed_errors",
        ),
        (
            "mlx5_core",
            "rx_packets: 90000000\n     rx_out_of_buffer: 99999\n     rx_packets_phy: 90000000",
            "rx_out_of_buffer",
        ),
        (
            "vmxnet3",
            "Rx Queue#: 0\n       ucast pkts rx: 1000000\n       pkts rx OOB: 4000\n       drv dropped rx total: 0",
            "pkts rx OOB",
        ),
        (
            "ena",
            "bw_in_allowance_exceeded: 0\n     pps_allowance_exceeded: 55555\n     queue_0_rx_cnt: 1000000",
            "pps_allowance_exceeded",
        ),
        ("r8169", "rx_packets: 1000000\n     rx_missed: 4000\n     align_errors: 0", "rx_missed"),
    ],
)
def test_pasted_ethtool_statistics_tell_driver_and_loss(driver, names, lost):
    taken = intake.read_text(f"NIC statistics:\n     {names}\n")
    assert taken.problems == []
    assert taken.snapshots[0].driver(UNNAMED) == driver
    result = engine.diagnose(taken)
    assert result.status() == 1
    assert any(e.counter == lost for f in result.diagnoses[0].findings for e in f.evidence)
    assert "totals since boot" in report.text(result)


def test_grep_of_statistics_without_title():
    taken = intake.read_text("     rx_packets: 90000000\n     rx_missed_errors: 123456\n")
    assert taken.snapshots[0].statistics(UNNAMED) is not None
    assert engine.diagnose(taken).status() == 1


def test_softnet_alone_with_drops():
    result = judge(SOFTNET)
    (finding,) = result.diagnoses[0].findings
    assert finding.rule == "R24" and finding.subject == "CPU 0" and finding.since_boot
    assert result.status() == 1


def test_mpstat_and_interrupts_decide_without_a_second_moment():
    """One dump and the output of mpstat: the CPU that serves the card is full, so it is not the ring's length."""
    h = Host(queues=2)
    h.lose("missed", 100_000_000)
    h.without = {"stat"}
    lines = "".join(
        f"Average:       {c}    1.00    0.00    2.00    0.00    0.00   {97 if c == 0 else 5}.00    0.00\n"
        for c in range(8)
    )
    mpstat = f"03:00:00 PM  CPU    %usr   %nice    %sys %iowait    %irq   %soft  %steal\n{lines}"
    taken = intake.read_text(h.text() + mpstat)
    assert taken.problems == []
    found = [f for f in engine.diagnose(taken).diagnoses[0].findings if f.rule == "R02"]
    assert found and found[0].certainty == "likely" and found[0].since_boot


def test_queue_of_a_socket_as_6_18_prints_it():
    """Recorded under a flood: rx_queue stands below rcvbuf though the socket is full; what ss charges is what counts."""
    h = Host()
    h.sockets = [{"port": 19514, "rb": 212992, "drops": 9744, "queued": 212992}]
    first = h.mark().replace(":00034000 ", ":0002A0C0 ")
    h.tick(10)
    h.sockets[0]["drops"] = 38352
    second = h.text().replace(":00034000 ", ":00033CC0 ")
    assert "0002A0C0" in first and "00033CC0" in second
    result = judge(first, second)
    assert [f.rule for f in result.diagnoses[0].findings] == ["R42"]


def test_nstat_counts_as_the_files_that_it_reads():
    first = "# nstat -az\n#kernel\nIpInReceives 1000 0.0\nUdpInDatagrams 900 0.0\nUdpNoPorts 10 0.0\n"
    second = first.replace("1000", "21000").replace("900", "10900").replace("UdpNoPorts 10 ", "UdpNoPorts 9010 ")
    result = judge("1700000000\n", first, "1700000010\n", second)
    assert [f.rule for f in result.diagnoses[0].findings] == ["R39"]
    taken = intake.read_text("$ nstat\n#kernel\nUdpNoPorts 9000 0.0\n")
    assert not taken.snapshots and "nstat -az" in str(taken.problems[0])


def test_prompts_and_prose_around_the_text():
    text = (
        "hi, this is what I see on the box:\n\n[root@web1 ~]# cat /proc/net/softnet_stat\n"
        + SOFTNET
        + "[root@web1 ~]# ethtool -g ens3\nRing parameters for ens3:\nPre-set maximums:\nRX:\t\t4096\nTX:\t\t4096\n"
        "Current hardware settings:\nRX:\t\t512\nTX:\t\t512\n\nroot@web1:~# uname -r\n5.15.0-91-generic\nany idea?\n"
    )
    taken = intake.read_text(text)
    assert taken.problems == []
    (s,) = taken.snapshots
    assert s.softnet() is not None and s.ring("ens3") is not None
    kernel = s.kernel()
    assert kernel is not None and kernel.number == (5, 15)


def test_the_same_text_twice_is_two_moments():
    later = SOFTNET.replace("00000010 00000001", "00000110 00000001")
    taken = intake.read_text("1700000000\n" + SOFTNET + "1700000010\n" + later)
    assert len(taken.snapshots) == 2
    result = engine.diagnose(taken)
    assert result.diagnoses[0].seconds == 10
    assert result.diagnoses[0].findings[0].evidence[0].delta == 0x100


def test_date_lines_give_the_interval():
    later = SOFTNET.replace("00000010 00000001", "00000110 00000001")
    text = f"Fri Nov 21 03:04:05 UTC 2025\n{SOFTNET}Fri Nov 21 03:05:05 UTC 2025\n{later}"
    assert judge(text).diagnoses[0].seconds == 60


def test_missing_texts_are_asked_for_by_command():
    d = judge(SOFTNET).diagnoses[0]
    asked = "\n".join(d.missing)
    for command in ("cat /proc/interrupts", "cat /proc/stat", "ethtool -S DEV", "cat /proc/net/snmp", "uname -a"):
        assert command in asked
    assert "cat /proc/net/softnet_stat" not in asked


def test_unnamed_statistics_join_the_only_device():
    h = Host()
    text = h.text().replace("# ethtool -S eth0", "# whatever")
    taken = intake.read_text(text)
    engine.adopt_unnamed(taken.snapshots[0])
    assert taken.snapshots[0].statistics("eth0") is not None


# -- files, directories, archives


def _split(text: str, root: Path) -> None:
    """Write the sections of a moment as a support archive has them."""
    names = {
        "cat /proc/net/softnet_stat": "proc/net/softnet_stat",
        "cat /proc/interrupts": "proc/interrupts",
        "cat /proc/stat": "proc/stat",
        "cat /proc/net/dev": "proc/net/dev",
        "cat /proc/net/snmp": "proc/net/snmp",
        "cat /proc/net/netstat": "proc/net/netstat",
        "cat /proc/uptime": "proc/uptime",
        "ethtool -S eth0": "sos_commands/networking/ethtool_-S_eth0",
        "ethtool -i eth0": "sos_commands/networking/ethtool_-i_eth0",
        "ethtool -g eth0": "sos_commands/networking/ethtool_-g_eth0",
        "uname -a": "sos_commands/kernel/uname_-a",
        "sysctl -a": "sos_commands/kernel/sysctl_-a",
    }
    for section in text.split("\n# ")[1:]:
        head, _, body = section.partition("\n")
        command = head.split("  ## ")[0]
        if command in names:
            path = root / names[command]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(body + "\n")
    (root / "proc/irq/40").mkdir(parents=True)
    (root / "proc/irq/40/smp_affinity_list").write_text("0-7\n")


def _lossy() -> str:
    text = pair(Host(), lambda h: h.lose("missed", 900_000_000))
    return text[text.rindex("# rxpath snapshot") :]


@pytest.mark.parametrize("form", ["directory", "tar.gz", "tar.xz"])
def test_support_archive(tmp_path, form):
    root = tmp_path / "sosreport-web1-2025"
    _split(_lossy(), root)
    target = root
    if form != "directory":
        target = tmp_path / f"sos.{form}"
        with tarfile.open(target, "w:" + form.split(".")[1]) as tar:
            tar.add(root, arcname=root.name)
    taken = intake.read_inputs([str(target)])
    assert taken.problems == []
    (s,) = taken.snapshots
    assert s.driver("eth0") == "ixgbe" and s.host() == "web1"
    assert s.list_of("/proc/irq/40/smp_affinity_list") == tuple(range(8))
    result = engine.diagnose(taken)
    assert any("rx_missed_errors" in e.counter for f in result.diagnoses[0].findings for e in f.evidence)


def test_loose_files_are_paired_by_their_times(tmp_path):
    h = Host()
    first = h.mark()
    h.tick(10)
    h.lose("missed", 5000)
    second = h.text()

    def section(text: str, command: str) -> str:
        return text.split(f"# {command}  ##", 1)[1].partition("\n")[2].partition("\n# ")[0] + "\n"

    # given in the wrong order: the times of the files say which came first
    for name, text, at in (("b", second, 1_700_000_010), ("a", first, 1_700_000_000)):
        for kind, command in (("stats", "ethtool -S eth0"), ("info", "ethtool -i eth0"), ("stat", "cat /proc/stat")):
            path = tmp_path / f"{kind}-{name}.txt"
            path.write_text(section(text, command))
            os.utime(path, (at, at))
    files = sorted(str(p) for p in tmp_path.iterdir())[::-1]
    taken = intake.read_inputs(files)
    assert taken.problems == []
    assert len(taken.snapshots) == 2
    result = engine.diagnose(taken)
    (finding,) = result.diagnoses[0].findings
    assert finding.evidence[0].delta == 5000
    assert result.diagnoses[0].seconds == pytest.approx(10, abs=0.2)


def test_gzip_and_two_files(tmp_path):
    text = pair(Host(), lambda h: h.lose("missed", 5000))
    cut = text.rindex("# rxpath snapshot")
    one, two = tmp_path / "one.gz", tmp_path / "two.txt"
    one.write_bytes(gzip.compress(text[:cut].encode()))
    two.write_text(text[cut:])
    result = engine.diagnose(intake.read_inputs([str(two), str(one)]))
    assert result.diagnoses[0].findings[0].rule == "R01"
    assert result.diagnoses[0].seconds == 10


def test_standard_input_is_read_once():
    taken = intake.read_inputs(["-"], lambda: SOFTNET.encode())
    assert taken.snapshots[0].softnet() is not None


@pytest.mark.parametrize("name", ["nowhere.txt", "empty.txt", "random.bin", "prose.txt", "broken.tar.gz"])
def test_what_cannot_be_read_is_one_clear_line(tmp_path, name):
    path = tmp_path / name
    if name == "empty.txt":
        path.write_text("\n")
    elif name == "random.bin":
        path.write_bytes(bytes(range(256)) * 40)
    elif name == "prose.txt":
        path.write_text("It was a dark and stormy night.\n")
    elif name == "broken.tar.gz":
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
            info = tarfile.TarInfo("proc/net/softnet_stat")
            info.size = len(SOFTNET)
            tar.addfile(info, io.BytesIO(SOFTNET.encode()))
        path.write_bytes(buffer.getvalue()[:60])
    result = engine.diagnose(intake.read_inputs([str(path)]))
    assert result.status() == 2
    assert len(result.problems) == 1 and "\n" not in result.problems[0] and name in result.problems[0]


def test_machine_snapshots_have_an_entry_of_their_own():
    taken = intake.read_machine_snapshot(Host().text(), "machine one")
    assert taken.snapshots[0].driver("eth0") == "ixgbe"
