"""Every file of /proc and /sys that the sheet of interfaces names: there or not, its mode, its layout, in each release."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from rxpath.config import MachineConfig, NicConfig
from rxpath.formats.layouts import LAYOUTS
from rxpath.kernel.errno import EACCES, EINVAL
from rxpath.machine import Machine
from rxpath.tools.process import irq_of_action
from rxpath.tools.run import run_command

HERE = Path(__file__).parent
RELEASES = ("3.13", "5.15", "6.1", "6.18")


def rows(name: str) -> list[list[str]]:
    lines = [x for x in (HERE / name).read_text().splitlines() if x and not x.startswith("#")]
    return [[w.strip() for w in x.split(" | ")] for x in lines]


PATHS = rows("paths.txt")
SYSCTLS = rows("sysctls.txt")
GOLDEN = (HERE.parent / "formats" / "golden" / "files.txt").read_text()


@pytest.fixture(scope="module", params=RELEASES)
def box(request: pytest.FixtureRequest) -> Iterator[Machine]:
    nic = NicConfig(model="e1000e", addresses=["10.0.0.2/24"])
    with Machine(MachineConfig(release=request.param, cpus=4, nics=[nic])) as m:
        yield m


def expand(m: Machine, path: str) -> list[str]:
    path = path.replace("IRQ", str(irq_of_action(m.kernel, "eth0-rx-0"))).replace("-N/", "-0/")
    return [path.replace("DEV", d) for d in ("eth0", "lo")] if "DEV" in path else [path]


def layout_of(m: Machine, name: str) -> tuple[Any, ...]:
    """The release's layout where a format has several."""
    layout = getattr(LAYOUTS[m.kernel.release.name], name, None)
    return () if layout is None else (layout,)


def test_the_table_has_what_the_sheet_has() -> None:
    assert len(PATHS) > 95 and len(SYSCTLS) > 200


def test_each_path(box: Machine) -> None:
    release = box.kernel.release.name
    for path, releases, mode, form in PATHS:
        for real in expand(box, path):
            there = release in releases.split()
            assert box.files.exists(real) == there, real
            if not there:
                continue
            assert "%o" % box.files.mode(real) == mode, real
            if form.startswith("! ") and not (release == "3.13" and form.endswith(" later")):  # reading gives an errno
                with pytest.raises(OSError) as refused:
                    box.files.read(real)
                assert refused.value.errno == int(form.split()[1]), real
                continue
            text = box.files.read(real)
            assert text.endswith("\n") or text == "", real
            if form.startswith("- "):
                assert re.fullmatch(form[2:], text.rstrip("\n")), (real, text)


def test_formats_read_and_write_them_again(box: Machine) -> None:
    for path, releases, _, form in PATHS:
        if form.startswith(("-", "!")) or box.kernel.release.name not in releases.split():
            continue
        for real in expand(box, path):
            module = import_module(f"rxpath.formats.{form}")
            text = box.files.read(real)
            if form == "irq":
                assert module.render_spurious(module.parse_spurious(text)) == text
            else:
                value = module.parse(text)
                try:
                    again = module.render(value, *layout_of(box, form))
                except TypeError:
                    again = module.render(value)
                assert again == text, real


def test_each_sysctl(box: Machine) -> None:
    column = 1 + RELEASES.index(box.kernel.release.name)
    for row in SYSCTLS:
        path = "/proc/sys/" + row[0].replace(".", "/")
        want = row[column]
        assert box.files.exists(path) == (want != "-"), row[0]
        if want == "-":
            continue
        text = box.files.read(path)
        assert text.endswith("\n")
        if want != "*":
            assert text == want.replace(" ", "\t") + "\n" or text.split() == want.split(), row[0]
        # what can be read can be written as it was read
        if box.files.mode(path) & 0o200:
            box.files.write(path, text)
            assert box.files.read(path) == text, row[0]


def test_no_write_reaches_a_read_only_file(box: Machine) -> None:
    for path, releases, mode, _ in PATHS:
        if mode != "444" or box.kernel.release.name not in releases.split():
            continue
        for real in expand(box, path):
            with pytest.raises(OSError) as refused:
                box.files.write(real, "1\n")
            assert refused.value.errno == EACCES


# --- the sheet's rules of writing ------------------------------------------------------------------------------------

REFUSED = [
    ("net/core/rmem_default", "2303"),
    ("net/core/rmem_max", "1"),
    ("net/core/rps_sock_flow_entries", str((1 << 29) + 1)),
    ("net/core/flow_limit_table_len", "4095"),
    ("net/core/flow_limit_table_len", "0"),
    ("net/core/flow_limit_cpu_bitmap", "x"),
    ("net/ipv4/ip_default_ttl", "256"),
    ("net/ipv4/ip_default_ttl", "0"),
    ("net/ipv4/tcp_rmem", "0 1 1"),
    ("net/ipv4/conf/all/rp_filter", "x"),
    ("net/core/rmem_max", "1k"),
    ("net/core/rmem_max", ""),
]
REFUSED_LATER = [
    ("net/core/gro_normal_batch", "0"),
    ("net/core/dev_weight", "0"),
    ("net/core/netdev_budget_usecs", "-1"),
]


def test_refused_writes(box: Machine) -> None:
    later = REFUSED_LATER if box.kernel.release.name != "3.13" else []
    for name, text in REFUSED + later:
        with pytest.raises(OSError) as refused:
            box.files.write("/proc/sys/" + name, text + "\n")
        assert refused.value.errno == EINVAL, (name, text)


def test_budget_usecs_lower_bound(box: Machine) -> None:
    """6.1.192 refuses less than 2e6/HZ, 5.15 takes anything from 0; 3.13 has none."""
    path = "/proc/sys/net/core/netdev_budget_usecs"
    if box.kernel.release.name == "3.13":
        return
    if box.kernel.release.budget_usecs_min_checked:
        with pytest.raises(OSError):
            box.files.write(path, "7999\n")
    else:
        box.files.write(path, "0\n")
    box.files.write(path, "8000\n")


def test_what_a_write_stores(box: Machine) -> None:
    f = box.files
    f.write("/proc/sys/net/core/rps_sock_flow_entries", "1000\n")
    assert f.read("/proc/sys/net/core/rps_sock_flow_entries") == "1024\n"
    f.write("/proc/sys/net/core/rps_sock_flow_entries", "0\n")
    f.write("/proc/sys/net/core/netdev_max_backlog", "-5\n")
    assert f.read("/proc/sys/net/core/netdev_max_backlog") == "-5\n"
    f.write("/proc/sys/net/core/netdev_max_backlog", "1000\n")
    f.write("/proc/sys/net/ipv4/tcp_rmem", "4096 5000\n")
    assert f.read("/proc/sys/net/ipv4/tcp_rmem").split()[:2] == ["4096", "5000"]
    irq = f"/proc/irq/{irq_of_action(box.kernel, 'eth0-rx-0')}/"
    f.write(irq + "smp_affinity", "2\n")
    assert f.read(irq + "smp_affinity_list") == "1\n"
    for bad in ("0\n", "10\n", "g\n"):
        with pytest.raises(OSError) as refused:
            f.write(irq + "smp_affinity", bad)
        assert refused.value.errno in (EINVAL, 75), bad
    f.write("/sys/class/net/eth0/ifalias", "uplink\n")
    assert f.read("/sys/class/net/eth0/ifalias") == "uplink\n"
    f.write("/sys/class/net/eth0/ifalias", "\n")


def test_carrier_and_speed_of_an_interface_that_is_down(box: Machine) -> None:
    run_command(box, "ip link set eth0 down")
    for name in ("carrier", "speed", "duplex", "dormant"):
        with pytest.raises(OSError) as refused:
            box.files.read(f"/sys/class/net/eth0/{name}")
        assert refused.value.errno == EINVAL, name
    assert box.files.read("/sys/class/net/eth0/operstate") == "down\n"
    run_command(box, "ip link set eth0 up")
    box.wait_for_link()


def test_default_rps_mask_reaches_new_queues_alone() -> None:
    config = MachineConfig(release="6.18", cpus=4, nics=[NicConfig(model="igb")])
    with Machine(config) as m:
        run_command(m, "ethtool -L eth0 combined 1")
        run_command(m, "sysctl -w net.core.rps_default_mask=c")
        run_command(m, "ethtool -L eth0 combined 2")
        assert m.files.read("/sys/class/net/eth0/queues/rx-0/rps_cpus") == "0\n"
        assert m.files.read("/sys/class/net/eth0/queues/rx-1/rps_cpus") == "c\n"


# --- against the record of a real 6.1 --------------------------------------------------------------------------------


def recorded(command: str) -> list[str]:
    at = GOLDEN.index(f"# {command}\n") + len(command) + 3
    return GOLDEN[at:].split("\n# ", 1)[0].split("\n")


def shape(line: str) -> str:
    """A line without its numbers and the widths that they make."""
    return re.sub(r" +", " ", re.sub(r"\b[0-9A-Fa-f:.]*[0-9][0-9A-Fa-f:.]*\b", "N", line)).strip()


@pytest.fixture(scope="module")
def recorded_box() -> Iterator[Machine]:
    nic = NicConfig(model="e1000e", mac="52:54:00:12:34:56", addresses=["10.0.0.2/24"])
    with Machine(MachineConfig(release="6.1", cpus=2, nics=[nic])) as m:
        yield m


@pytest.mark.parametrize(
    "path",
    ["/proc/net/udp", "/proc/net/tcp", "/proc/net/raw", "/proc/net/arp", "/proc/net/packet", "/proc/net/sockstat"],
)
def test_recorded_texts_word_for_word(recorded_box: Machine, path: str) -> None:
    assert [x.rstrip() for x in recorded(f"cat {path}")][: len(recorded_box.files.read(path).splitlines())] == [
        x.rstrip() for x in recorded_box.files.read(path).splitlines()
    ]


@pytest.mark.parametrize(
    "path", ["/proc/net/softnet_stat", "/proc/net/dev", "/proc/net/route", "/proc/net/igmp", "/proc/softirqs"]
)
def test_recorded_shapes(recorded_box: Machine, path: str) -> None:
    want = [shape(x) for x in recorded(f"cat {path}") if x]
    got = [shape(x) for x in recorded_box.files.read(path).splitlines()]
    assert got == want


@pytest.mark.parametrize("path", ["/proc/net/snmp", "/proc/net/netstat"])
def test_recorded_names(recorded_box: Machine, path: str) -> None:
    want = [x for x in recorded(f"cat {path}")[::2] if x.startswith(("Ip:", "Icmp:", "Tcp", "Udp", "IpExt"))]
    got = recorded_box.files.read(path).splitlines()[::2]
    assert [x for x in got if not x.startswith(("IcmpMsg", "MPTcp"))] == want


def test_recorded_interrupts(recorded_box: Machine) -> None:
    """The device's rows and the architecture's, column by column; other rows are other hardware."""
    want = {shape(x) for x in recorded("cat /proc/interrupts")}
    got = [shape(x) for x in recorded_box.files.read("/proc/interrupts").splitlines()]
    assert [x for x in got if x not in want] == []


def test_recorded_directory_of_the_interface(recorded_box: Machine) -> None:
    lines = recorded(
        "find /sys/class/net/eth0/ -type f | sort | while read f; do echo \"$f = $(cat $f 2>&1 | tr '\\n' ' ' | cut -c1-300)\"; done"
    )
    seen = 0
    for line in lines:
        path, equals, text = line.partition(" = ")
        if not equals or "/power/" in path:
            continue
        seen += 1
        try:
            got = recorded_box.files.read(path).replace("\n", " ")
        except OSError as e:
            got = f"cat: read error: {run_command(recorded_box, f'cat {path}').stderr.rpartition(': ')[2].strip()} "
            assert e.errno
        if "statistics" in path or path.endswith(("/limit", "/inflight")):
            assert got.strip().isdigit(), path
        else:
            assert got.strip() == text.strip(), path
    assert seen > 65
