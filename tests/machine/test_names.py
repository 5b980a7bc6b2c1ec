"""Names: of interfaces (renamed by a machine file or by ip), of the host, of a qdisc while its device is down."""

from __future__ import annotations

import pytest

from rxpath.config import MachineConfig, NicConfig
from rxpath.machine import Machine
from rxpath.tools.run import run_checked, run_command


def machine(release: str = "6.1", model: str = "e1000e", **nic: object) -> Machine:
    config = NicConfig(model=model, addresses=["10.0.0.2/24"], **nic)  # type: ignore[arg-type]
    return Machine(MachineConfig(release=release, costs="none", cpus=4, nics=[config])).boot()


def test_a_machine_file_names_the_interface() -> None:
    m = machine(name="lan0")
    assert "lan0-rx-0" in m.files.read("/proc/interrupts") and "eth0" not in m.files.read("/proc/interrupts")
    assert m.files.exists("/sys/class/net/lan0/mtu") and not m.files.exists("/sys/class/net/eth0")
    assert m.files.read("/proc/sys/net/ipv4/conf/lan0/rp_filter") == "0\n"
    assert not m.files.exists("/proc/sys/net/ipv4/conf/eth0") and not m.files.exists("/proc/sys/net/ipv4/neigh/eth0")
    assert "e1000e 0000:01:00.0 lan0: renamed from eth0" in m.kernel.log.text()
    assert m.files.read("/sys/class/net/lan0/name_assign_type") == "4\n"
    run_checked(m, "sysctl -w net.ipv4.conf.lan0.rp_filter=1")
    assert m.dev("lan0").ip_ptr.conf.rp_filter == 1
    m.close()


@pytest.mark.parametrize(("release", "status"), [("6.1", 2), ("6.18", 0)])
def test_renaming_one_that_is_up(release: str, status: int) -> None:
    m = machine(release)
    done = run_command(m, "ip link set eth0 name lan0")
    assert (done.status, done.stderr) == (status, "RTNETLINK answers: Device or resource busy\n" if status else "")
    run_checked(m, f"ip link set {'eth0' if status else 'lan0'} down")
    run_checked(m, f"ip link set {'eth0' if status else 'lan0'} name wan")
    assert "wan" in run_checked(m, "ip link show wan").stdout
    m.close()


def test_a_pattern_takes_the_next_free_number() -> None:
    m = machine(up=False)
    run_checked(m, "ip link set eth0 name net%d")
    assert m.dev("net0").ifindex == 2
    assert run_command(m, "ip link set net0 name lo").stderr == "RTNETLINK answers: File exists\n"
    m.close()


@pytest.mark.parametrize(("release", "model", "name"), [
    ("6.1", "e1000e", "fq_codel"), ("6.18", "e1000e", "pfifo_fast"), ("3.13", "e1000e", "pfifo_fast"), ("6.1", "igb", "mq"),
])  # fmt: skip
def test_a_qdisc_keeps_its_name_while_the_device_is_down(release: str, model: str, name: str) -> None:
    m = machine(release, model, up=False)
    assert "qdisc noop state DOWN" in run_checked(m, "ip link show eth0").stdout
    run_checked(m, "ip link set eth0 up")
    assert f"qdisc {name} " in run_checked(m, "ip link show eth0").stdout
    run_checked(m, "ip link set eth0 down")
    assert f"qdisc {name} state DOWN" in run_checked(m, "ip link show eth0").stdout
    m.close()


def test_the_host_has_one_name() -> None:
    m = machine()
    assert run_checked(m, "uname -n").stdout == run_checked(m, "hostname").stdout == "rxpath\n"
    run_checked(m, "sysctl -w kernel.hostname=box")
    assert run_checked(m, "uname -n").stdout == m.files.read("/proc/sys/kernel/hostname") == "box\n"
    assert run_checked(m, "uname -a").stdout.startswith("Linux box 6.1.0-56-amd64 ")
    m.close()
