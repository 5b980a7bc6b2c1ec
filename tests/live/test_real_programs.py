"""Programs of Debian, unchanged, on a running machine: they see its files and interfaces, and steer it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.live.real import command, environment, feed, frames, fuse, linux, numbers, on, program, read, settle

from rxpath.live.machine import LiveMachine, live

# one worker: two irqbalances at once refuse each other
pytestmark = [linux, numbers, pytest.mark.xdist_group("real_programs")]


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture(params=[pytest.param("fuse", marks=fuse), "calls"])
def way(request: pytest.FixtureRequest) -> str:
    """How the files come: through FUSE, or answered call by call where there is none."""
    found: str = request.param
    return found


@pytest.fixture
def igb(runtime: Path) -> Iterator[LiveMachine]:
    """Four queues, four CPUs, a reader on port 9."""
    with live(None, "10.9.0.2/24", name="real", nic="igb", cpus=4, listen=["udp:9"]) as net:
        yield net


@pytest.fixture
def old(runtime: Path) -> Iterator[LiveMachine]:
    """A 3.13, whose ethtool asks by ioctl as ours does: both must print the same."""
    with live(None, "10.9.0.2/24", name="old", nic="igb", cpus=4, release="3.13", listen=["udp:9"]) as net:
        yield net


def interrupts(text: str) -> dict[str, list[int]]:
    """Name -> counts a CPU, of the card's rows of /proc/interrupts."""
    out = {}
    for line in text.splitlines()[1:]:
        words = line.split()
        if words and words[-1].startswith("eth0"):
            out[words[-1]] = [int(w) for w in words[1:5]]
    return out


# --- files --------------------------------------------------------------------------------------------------------


def test_cat_sees_the_machine_and_not_the_host(igb: LiveMachine, way: str) -> None:
    feed(igb, frames(igb, 16))
    settle(igb, 16)
    paths = ("/proc/net/dev", "/proc/net/softnet_stat", "/proc/net/snmp", "/sys/class/net/eth0/statistics/rx_packets")
    script = f"cat {' '.join(paths)}; uname -r; ls /sys/class/net"
    done = on(igb, "sh", "-c", script, files=way)
    expected = "".join(read(igb, p) for p in (*paths, "/proc/sys/kernel/osrelease"))
    assert (done.returncode, done.stderr, done.stdout) == (0, "", expected + "eth0\nlo\n")
    # what the machine does not model is the host's still, and only to be read
    done = on(
        igb, "sh", "-c", "head -1 /proc/meminfo; cat /proc/self/comm; echo 5 > /proc/sys/vm/swappiness", files=way
    )
    assert done.stdout.startswith("MemTotal:") and done.stdout.endswith("cat\n")
    assert "Read-only file system" in done.stderr


@program("sysctl")
def test_sysctl_changes_the_budget_and_the_next_run_is_squeezed(runtime: Path, way: str) -> None:
    with live(None, "10.9.0.2/24", name="s", nic="e1000e", listen=["udp:9"]) as net:

        def squeezed() -> int:
            return int(read(net, "/proc/net/softnet_stat").split()[2], 16)

        # in real time a poll takes as long as it takes: only the budget shall end one here
        assert on(net, "sysctl", "-w", "net.core.netdev_budget_usecs=10000000", files=way).returncode == 0
        burst = frames(net, 1, 200)
        feed(net, burst)
        settle(net, 200)
        assert squeezed() == 0
        done = on(net, "sysctl", "-w", "net.core.netdev_budget=64", files=way)
        assert (done.returncode, done.stdout) == (0, "net.core.netdev_budget = 64\n")
        assert read(net, "/proc/sys/net/core/netdev_budget") == "64\n"
        feed(net, burst)
        settle(net, 400)
        assert squeezed() >= 2
        done = on(net, "sysctl", "-n", "net.core.netdev_budget", "net.core.rmem_max", files=way)
        assert done.stdout == "64\n212992\n"
        done = on(net, "sysctl", "-w", "net.core.netdev_budget=many", files=way)
        assert done.returncode != 0 and "Invalid argument" in done.stderr


@program("irqbalance")
def test_irqbalance_moves_the_interrupts_of_four_queues(igb: LiveMachine, way: str) -> None:
    queues = [f"eth0-rx-{n}" for n in range(4)]
    numbers_of = {
        line.split()[-1]: line.split(":")[0].strip() for line in read(igb, "/proc/interrupts").splitlines()[1:]
    }
    for q in queues:
        assert igb.run(f"echo 1 > /proc/irq/{numbers_of[q]}/smp_affinity").status == 0
    burst = frames(igb, 64)
    stop = threading.Event()

    def load() -> None:
        while not stop.wait(0.02):
            feed(igb, burst)

    thread = threading.Thread(target=load)
    thread.start()
    try:
        done = on(igb, "irqbalance", "--oneshot", "--interval=1", "--foreground", files=way)
        assert done.returncode == 0, done.stderr
        masks = {q: int(read(igb, f"/proc/irq/{numbers_of[q]}/smp_affinity"), 16) for q in queues}
        before = interrupts(read(igb, "/proc/interrupts"))
        time.sleep(0.5)
    finally:
        stop.set()
        thread.join()
    # one CPU each, and spread: which queue goes where depends on what it counted in its second
    assert all(m in (1, 2, 4, 8) for m in masks.values()) and len(set(masks.values())) >= 3, masks
    after = interrupts(read(igb, "/proc/interrupts"))
    for q in queues:
        grown = [b - a for a, b in zip(before[q], after[q], strict=True)]
        there = masks[q].bit_length() - 1
        assert grown[there] > 0 and sum(grown) - grown[there] <= 1, (q, masks, grown)


PSUTIL = """
import json, psutil
print(json.dumps({"io": {k: v._asdict() for k, v in psutil.net_io_counters(pernic=True).items()},
                  "stats": {k: [v.isup, v.speed, v.mtu] for k, v in psutil.net_if_stats().items()},
                  "addresses": {k: [a.address for a in v] for k, v in psutil.net_if_addrs().items()},
                  "cpus": psutil.cpu_count()}))
"""


def test_psutil_reads_the_counters_of_each_nic(igb: LiveMachine, way: str) -> None:
    pytest.importorskip("psutil")
    feed(igb, frames(igb, 32))
    settle(igb, 32)
    done = on(igb, sys.executable, "-c", PSUTIL, files=way)
    assert done.returncode == 0, done.stderr
    got = json.loads(done.stdout)
    rows = {x.split(":")[0].strip(): x.split(":")[1].split() for x in read(igb, "/proc/net/dev").splitlines()[2:]}
    assert set(got["io"]) == set(rows) == {"lo", "eth0"}
    for name, row in rows.items():
        io = got["io"][name]
        assert [io["bytes_recv"], io["packets_recv"], io["errin"], io["dropin"]] == [int(w) for w in row[:4]]
        assert [io["bytes_sent"], io["packets_sent"], io["errout"], io["dropout"]] == [int(w) for w in row[8:12]]
    assert got["io"]["eth0"]["packets_recv"] == 32
    assert got["stats"] == {"lo": [True, 0, 65536], "eth0": [True, 1000, 1500]}
    assert got["addresses"]["eth0"] == ["10.9.0.2", read(igb, "/sys/class/net/eth0/address").strip()]
    assert got["cpus"] == 4


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


def scrape(port: int) -> dict[str, float]:
    """`name{labels}` -> value; waits for the exporter."""
    end = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as page:
                text = page.read().decode()
            break
        except (urllib.error.URLError, ConnectionError):
            assert time.monotonic() < end, "the exporter does not listen"
            time.sleep(0.1)
    out = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            out[name] = float(value)
    return out


@program("prometheus-node-exporter")
def test_node_exporter_scrapes_what_the_files_say(igb: LiveMachine, way: str) -> None:
    feed(igb, frames(igb, 64))
    settle(igb, 64)
    port = free_port()
    argv = [f"--web.listen-address=127.0.0.1:{port}", "--collector.interrupts"]
    exporter = subprocess.Popen(
        command("exec", f"--files={way}", "real", "--", "prometheus-node-exporter", *argv),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(),
    )
    try:
        got = scrape(port)
    finally:
        exporter.terminate()
        assert exporter.wait(20) == 128 + signal.SIGTERM
    for collector in ("softnet", "netdev", "netstat", "interrupts", "netclass", "sockstat", "stat", "uname"):
        assert got[f'node_scrape_collector_success{{collector="{collector}"}}'] == 1, collector
    for cpu, line in enumerate(read(igb, "/proc/net/softnet_stat").splitlines()):
        words = [int(w, 16) for w in line.split()]
        for column, name in ((0, "processed"), (1, "dropped"), (2, "times_squeezed")):
            assert got[f'node_softnet_{name}_total{{cpu="{cpu}"}}'] == words[column]
    names = ("bytes", "packets", "errs", "drop", "fifo", "frame", "compressed", "multicast")
    for line in read(igb, "/proc/net/dev").splitlines()[2:]:
        dev, _, rest = line.partition(":")
        for name, word in zip(names, rest.split(), strict=False):
            key = f'node_network_receive_{name}_total{{device="{dev.strip()}"}}'
            if key in got:  # Debian's leaves lo out
                assert got[key] == int(word), key
    assert got['node_network_receive_packets_total{device="eth0"}'] == 64
    lines = read(igb, "/proc/net/snmp").splitlines()
    for head, values in zip(lines[::2], lines[1::2], strict=True):
        proto = head.split(":")[0]
        for name, value in zip(head.split()[1:], values.split()[1:], strict=True):
            metric = f"node_netstat_{proto}_{name}"
            if metric in got:
                assert got[metric] == int(value), metric
    assert got["node_netstat_Udp_InDatagrams"] == 64
    counted = 0
    for name, counts in interrupts(read(igb, "/proc/interrupts")).items():
        for cpu, n in enumerate(counts):
            key = next(
                k for k in got if k.startswith(f'node_interrupts_total{{cpu="{cpu}",devices="') and f' {name}"' in k
            )
            # the driver's watchdog may ring each queue's bell between our look and the scrape
            assert abs(got[key] - n) <= 2
            counted += n
    assert counted >= 4
    (release,) = re.findall(r'release="([^"]*)"', next(k for k in got if k.startswith("node_uname_info")))
    assert release + "\n" == read(igb, "/proc/sys/kernel/osrelease")


# --- interfaces ---------------------------------------------------------------------------------------------------

LOOKS = (
    "-i eth0",
    "-g eth0",
    "-l eth0",
    "-c eth0",
    "-a eth0",
    "-S eth0",
    "eth0",
    "-x eth0",
    "-P eth0",
    "-S nosuch",
    "-g nosuch",
    "-g lo",
    "-S lo",
    "-m eth0",
)


@program("ethtool")
def test_ethtool_prints_what_ours_prints(old: LiveMachine, tmp_path: Path) -> None:
    """It goes through the machine's own ioctl; with a machine that has nothing newer both texts are the same."""
    feed(old, frames(old, 64))
    settle(old, 64)
    # one start for all: standard output, a line with the status, standard error, a line of dashes
    script = "".join(f'ethtool {line} 2>"$1"; echo "@ $?"; cat "$1"; echo ----;' for line in LOOKS)
    done = on(old, "sh", "-c", script, "sh", str(tmp_path / "stderr"))
    said = done.stdout.split("----\n")
    for line, real in zip(LOOKS, said, strict=False):
        ours = old.run(f"ethtool {line}")
        assert real == f"{ours.stdout}@ {ours.status}\n{ours.stderr}", line
    assert len(said) == len(LOOKS) + 1 and re.search(r"^ +rx_packets: 64$", said[LOOKS.index("-S eth0")], re.M)


@program("ethtool")
@pytest.mark.parametrize(
    ("change", "undo", "look"),
    [
        ("-G eth0 rx 512", "-G eth0 rx 256", "-g eth0"),
        ("-L eth0 combined 2", "-L eth0 combined 4", "-l eth0"),
        ("-K eth0 gro off", "-K eth0 gro on", "-k eth0"),
        ("-C eth0 rx-usecs 50", "-C eth0 rx-usecs 3", "-c eth0"),
        ("-A eth0 autoneg off rx off", "-A eth0 autoneg on", "-a eth0"),
        ("-X eth0 equal 2", "-X eth0 equal 4", "-x eth0"),
    ],
)
def test_ethtool_sets_as_ours_does(old: LiveMachine, change: str, undo: str, look: str) -> None:
    before = old.run(f"ethtool {look}").stdout
    ours = old.run(f"ethtool {change}")
    then = old.run(f"ethtool {look}").stdout
    assert ours.status == 0 and then != before
    assert old.run(f"ethtool {undo}").status == 0
    real = on(old, "ethtool", *change.split())
    assert (real.returncode, real.stdout, real.stderr) == (ours.status, ours.stdout, ours.stderr)
    assert old.run(f"ethtool {look}").stdout == then


@program("ethtool")
@pytest.mark.parametrize(
    "line", ["-G eth0 rx 256", "-L eth0 combined 99", "-L eth0 rx 3", "-K eth0 nonsense on", "-G nosuch rx 5", "-t lo"]
)
def test_ethtool_is_refused_as_ours_is(old: LiveMachine, line: str) -> None:
    real = on(old, "ethtool", *line.split())
    ours = old.run(f"ethtool {line}")
    assert real.returncode == ours.status != 0
    assert (real.stdout, real.stderr) == (ours.stdout, ours.stderr)


def values(text: str) -> list[tuple[str, str]]:
    """`name: value` pairs in their order; "n/a" is what netlink leaves out and the ioctl gives as 0 or off."""
    out = []
    for line in text.splitlines():
        name, colon, value = line.strip().partition(":")
        if colon:
            name = re.sub("frame-(low|high)", r"frames-\1", name)  # its netlink half says it so
            out.append((name, value.replace("n/a", "0").replace("0  TX: 0", "off  TX: off").strip()))
    return out


@program("ethtool")
@pytest.mark.parametrize("line", ["-i", "-g", "-l", "-k", "-c", "-a", "-S"])
def test_ethtool_on_a_6_1_reads_every_value_that_ours_reads(igb: LiveMachine, line: str) -> None:
    feed(igb, frames(igb, 64))
    settle(igb, 64)
    real = on(igb, "ethtool", line, "eth0")
    ours = igb.run(f"ethtool {line} eth0")
    assert real.returncode == ours.status == 0
    got = values(real.stdout)
    names = {name for name, _ in got}
    # netlink has rows that no ioctl has
    assert len(got) >= 4 and got == [v for v in values(ours.stdout) if v[0] in names]


INTERFACES = """
import array, fcntl, json, socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
def ask(cmd, name, rest=b""):
    try:
        return fcntl.ioctl(s, cmd, struct.pack("16s24s", name.encode(), rest)).hex()
    except OSError as e:
        return e.errno
out = {"index": socket.if_nameindex(), "one": socket.if_nametoindex("eth0"), "name": socket.if_indextoname(2)}
for what, cmd in {"flags": 0x8913, "addr": 0x8915, "mask": 0x891B, "mtu": 0x8921, "hw": 0x8927, "txq": 0x8942,
                  "map": 0x8970, "bonding": 0x8990}.items():
    out[what] = ask(cmd, "eth0")
out["nosuch"] = ask(0x8913, "nosuch")
out["set"] = ask(0x8922, "eth0", struct.pack("i", 1400))
out["badmtu"] = ask(0x8922, "eth0", struct.pack("i", 99999))
buffer = array.array("B", bytes(400))
conf = bytearray(struct.pack("iP", 400, buffer.buffer_info()[0]))
fcntl.ioctl(s, 0x8912, conf)
n = struct.unpack("iP", conf)[0]
raw = buffer.tobytes()[:n]
out["conf"] = [raw[i:i + 16].rstrip(b"\\0").decode() + " " + socket.inet_ntoa(raw[i + 20:i + 24])
               for i in range(0, n, 40)]
for family, proto in ((16, 16), (16, 4), (17, 0)):
    try:
        socket.socket(family, socket.SOCK_RAW, proto).close()
        out[f"{family} {proto}"] = 0
    except OSError as e:
        out[f"{family} {proto}"] = e.errno
print(json.dumps(out))
"""


def test_socket_ioctls_are_the_machines(igb: LiveMachine) -> None:
    done = on(igb, sys.executable, "-c", INTERFACES)
    assert done.returncode == 0, done.stderr
    got = json.loads(done.stdout)

    def union(what: str) -> bytes:
        return bytes.fromhex(got[what])[16:]

    assert got["index"] == [[1, "lo"], [2, "eth0"]] and got["one"] == 2 and got["name"] == "eth0"
    assert union("flags")[:2] == (0x1043).to_bytes(2, "little")  # UP BROADCAST RUNNING MULTICAST
    assert union("addr")[:8] == b"\2\0\0\0\x0a\x09\0\2" and union("mask")[4:8] == b"\xff\xff\xff\0"
    assert union("mtu")[:4] == (1500).to_bytes(4, "little") and union("txq")[:4] == (1000).to_bytes(4, "little")
    assert union("hw")[2:8].hex(":") == read(igb, "/sys/class/net/eth0/address").strip()
    assert got["conf"] == ["lo 127.0.0.1", "eth0 10.9.0.2"]
    assert got["nosuch"] == 19 and got["badmtu"] == 22 and got["bonding"] == 95
    assert read(igb, "/sys/class/net/eth0/mtu") == "1400\n"
    assert (got["16 16"], got["16 4"], got["17 0"]) == (93, 93, 97)


@program("ip")
def test_ip_reads_links_addresses_and_routes(igb: LiveMachine) -> None:
    feed(igb, frames(igb, 8))
    settle(igb, 8)
    links = json.loads(on(igb, "ip", "-j", "-s", "link").stdout)
    ours = json.loads(igb.run("ip -j -s link").stdout)
    assert [x["ifname"] for x in links] == ["lo", "eth0"]
    for real, own in zip(links, ours, strict=True):
        for key in ("ifindex", "flags", "mtu", "qdisc", "operstate", "txqlen", "address", "broadcast", "link_type"):
            assert real[key] == own[key], key
        for way in ("rx", "tx"):
            assert real["stats64"][way] == own["stats64"][way]
    assert links[1]["stats64"]["rx"]["packets"] == 8
    addresses = json.loads(on(igb, "ip", "-j", "addr", "show", "dev", "eth0").stdout)
    (a,) = next(x for x in addresses if x)["addr_info"]
    assert (a["local"], a["prefixlen"], a["scope"], a["label"]) == ("10.9.0.2", 24, "global", "eth0")
    assert on(igb, "ip", "route").stdout == igb.run("ip route").stdout
    assert on(igb, "ip", "link", "show", "nosuch").returncode == 1
    assert on(igb, "ip", "link", "set", "eth0", "down").returncode == 0
    assert igb.run("ip -br link show eth0").stdout.split()[1] == "DOWN"


CHANGES = (
    "addr add 10.8.0.2/24 brd + dev eth0",
    "addr add 10.8.0.2/24 dev eth0",
    "addr add 10.8.0.3/24 dev eth9",
    "addr del 10.8.0.9/24 dev eth0",
    "route add 10.7.0.0/16 via 10.8.0.1",
    "route add 10.7.0.0/16 via 10.8.0.1",
    "route replace 10.7.0.0/16 via 10.8.0.7 mtu 1400",
    "route add 10.6.0.1/16 dev eth0",
    "route add 10.5.0.0/16 via 192.168.9.9",
    "route add blackhole 10.4.0.0/16",
    "route del 10.3.0.0/16",
    "neigh add 10.8.0.1 lladdr 02:00:00:00:00:44 dev eth0",
    "neigh add 10.8.0.1 lladdr 02:00:00:00:00:45 dev eth0",
    "neigh replace 10.8.0.1 lladdr 02:00:00:00:00:46 nud stale dev eth0",
    "neigh del 10.8.0.5 dev eth0",
    "link set dev eth0 mtu 1400 txqueuelen 500",
    "link set dev eth0 address 02:00:00:00:00:99",
    "link set dev eth0 promisc on",
    "link set dev eth0 mtu 99999",
)


@program("ip")
def test_ip_changes_what_ours_changes(runtime: Path, tmp_path: Path) -> None:
    """Two machines, one steered by the real program and one by ours: the same statuses, and then the same state."""
    with (
        live(None, "10.9.0.2/24", name="theirs", nic="igb") as theirs,
        live(None, "10.9.0.2/24", name="ours", nic="igb") as ours,
    ):
        script = "".join(f"ip {line} 2>/dev/null; echo $?;" for line in CHANGES)
        real = on(theirs, "sh", "-c", script).stdout.split()
        own = [str(ours.run(f"ip {line}").status) for line in CHANGES]
        assert dict(zip(CHANGES, real, strict=True)) == dict(zip(CHANGES, own, strict=True))
        assert {"0", "1", "2"} >= set(real) >= {"0", "2"}
        for look in ("ip addr show eth0", "ip route show table all", "ip neigh", "cat /proc/net/route", "ip -d link"):
            states = [m.run(look).stdout for m in (theirs, ours)]
            assert re.sub(r"used \S+", "", states[0]) == re.sub(r"used \S+", "", states[1]), look
        assert "10.7.0.0/16 via 10.8.0.7 dev eth0 mtu 1400" in theirs.run("ip route").stdout
        script = "ip addr del 10.8.0.2/24 dev eth0; ip route del blackhole 10.4.0.0/16; ip neigh del 10.8.0.1 dev eth0"
        assert on(theirs, "sh", "-c", script).returncode in (0, 2)  # the neighbour may have gone with its route
        left = theirs.run("ip addr; ip route").stdout
        assert "10.8.0.2" not in left and "10.4" not in left


# --- the program itself -------------------------------------------------------------------------------------------


@fuse
def test_without_a_word_it_takes_fuse_where_there_is_one(igb: LiveMachine) -> None:
    assert on(igb, "stat", "-f", "-c", "%T", "/proc/interrupts", files="auto").stdout == "fuseblk\n"
    done = on(igb, "true", files="nfs")
    assert (done.returncode, done.stderr) == (2, "rxpath: --files: auto, fuse, calls, none, not 'nfs'\n")


@program("setpriv")
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give up rights")
def test_without_the_right_to_mount_as_in_a_container(igb: LiveMachine) -> None:
    script = "cat /proc/sys/net/core/netdev_budget; echo 400 > /proc/sys/net/core/netdev_budget; uname -r"
    argv = [
        "setpriv",
        "--bounding-set=-sys_admin",
        "--inh-caps=-all",
        *command("exec", "real", "--", "sh", "-c", script),
    ]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, env=environment())
    release = read(igb, "/proc/sys/kernel/osrelease")
    assert (done.returncode, done.stdout, done.stderr) == (0, "300\n" + release, "")
    assert read(igb, "/proc/sys/net/core/netdev_budget") == "400\n"


def test_a_shell_writes_files_call_by_call(igb: LiveMachine) -> None:
    """Redirection puts the file in the place of a standard stream: its errors come back to the shell."""
    script = (
        "cd /proc/sys/net/core; echo 321 > netdev_budget; cat netdev_budget; echo x > /proc/sys/net/core/netdev_budget;"
        " echo 8 > /proc/irq/25/smp_affinity; cat < /proc/irq/25/smp_affinity; echo 1 > /sys/class/net/eth0/address;"
        " echo 1 > /proc/nope; echo 1 > /sys/nope; echo 1 > /proc/sys/vm/swappiness; test -w /proc/irq && echo yes;"
        " cat /sys/class/net/lo/speed; test -d /sys/class/net/eth0 && readlink /sys/bus/pci/devices/0000:01:00.0"
    )
    done = on(igb, "bash", "-c", script, files="calls")
    assert done.stdout.split() == ["321", "8", "yes", "../../../devices/pci0000:00/0000:00:01.0/0000:01:00.0"]
    assert "Invalid argument" in done.stderr


def test_status_streams_and_arguments_are_the_programs(igb: LiveMachine) -> None:
    done = on(igb, "sh", "-c", 'cat; echo "$1" >&2; exit 7', "sh", "a b", stdin="in\n")
    assert (done.returncode, done.stdout, done.stderr) == (7, "in\n", "a b\n")
    assert on(igb, "sh", "-c", "kill -9 $$").returncode == 137
    done = on(igb, "no-such-program")
    assert (done.returncode, done.stderr) == (127, "rxpath: exec: no-such-program: command not found\n")
    done = on(igb, "/")
    assert (done.returncode, done.stderr) == (126, "rxpath: exec: /: Permission denied\n")


def test_no_machine_no_program(runtime: Path) -> None:
    from tests.live.real import rxpath_

    done = rxpath_("exec", "nobody", "--", "true")
    assert (done.returncode, done.stderr) == (2, "rxpath: no machine 'nobody' runs here (rxpath list)\n")
    assert rxpath_("exec", "nobody").returncode == 2


def test_nothing_is_left_behind(igb: LiveMachine, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert on(igb, "true", files=way).returncode == 0
    p = subprocess.Popen(command("exec", f"--files={way}", "real", "--", "sleep", "60"), env=environment())
    end = time.monotonic() + 20
    while not children(p.pid, "sleep"):
        assert time.monotonic() < end and p.poll() is None
        time.sleep(0.05)
    p.terminate()
    assert p.wait(20) == 128 + signal.SIGTERM
    assert "rxpath-exec" not in Path("/proc/self/mountinfo").read_text()
    assert not [x for x in tmp_path.iterdir() if x.name.startswith("rxpath-exec")]


def children(pid: int, name: str) -> list[int]:
    out = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = Path(f"/proc/{entry}/stat").read_text()
            except OSError:
                continue
            comm, rest = stat.split("(", 1)[1].rsplit(")", 1)
            if comm == name and int(rest.split()[1]) == pid:
                out.append(int(entry))
    return out


def test_the_machine_ends_first(runtime: Path) -> None:
    """A program whose machine has ended gets errors, and ends by itself."""
    net: Any = live(None, "10.9.0.2/24", name="gone", listen=["udp:9"]).start()
    script = "import socket, sys\nsys.stdin.readline()\nprint(len(socket.if_nameindex()))\n"
    p = subprocess.Popen(
        command("exec", "--files=none", "gone", "--", sys.executable, "-c", script),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    end = time.monotonic() + 20
    while not children(p.pid, Path(sys.executable).resolve().name) and not children(p.pid, "python"):
        if time.monotonic() > end or p.poll() is not None:
            break
        time.sleep(0.05)
    time.sleep(0.2)
    net.close()
    out, err = p.communicate("\n", timeout=30)
    assert p.returncode == 1 and out == "" and "OSError" in err
