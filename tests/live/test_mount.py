"""`rxpath mount`: a running machine's files as a file system, with Linux's modes and errors; gone when it ends."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.live.real import command, environment, fuse, linux, read, rxpath_

from rxpath.live.control import Client
from rxpath.live.machine import LiveMachine, live
from rxpath.tools.fuse_files import MachineFiles

pytestmark = linux


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def net(runtime: Path) -> Iterator[LiveMachine]:
    with live(None, "10.9.0.2/24", name="m", nic="igb", cpus=4) as machine:
        yield machine


def wait_for(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


class Mounted:
    def __init__(self, name: str, where: Path) -> None:
        self.where = where
        where.mkdir()
        self.process = subprocess.Popen(
            command("mount", name, str(where)), stderr=subprocess.PIPE, text=True, env=environment()
        )
        assert self.process.stderr is not None
        line = self.process.stderr.readline()
        assert line == f"rxpath: ready: {name} at {where}; Ctrl-C ends it\n"

    def end(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(20)
        if self.process.stderr is not None:
            self.process.stderr.close()
        return status


@pytest.fixture
def mounted(net: LiveMachine, tmp_path: Path) -> Iterator[Path]:
    m = Mounted("m", tmp_path / "here")
    yield m.where
    assert m.end() == 0


def error_of(fn: Callable[[], Any]) -> int:
    try:
        fn()
    except OSError as e:
        return e.errno or -1
    return 0


@fuse
def test_reads_are_the_machines_files(net: LiveMachine, mounted: Path) -> None:
    for path in (
        "/proc/net/softnet_stat",
        "/proc/net/dev",
        "/proc/sys/net/core/rmem_max",
        "/sys/class/net/eth0/address",
    ):
        assert (mounted / path[1:]).read_text() == read(net, path)
    names = sorted(os.listdir(mounted / "proc/irq"))
    assert names == sorted(net.run("ls /proc/irq").stdout.split()) and "24" in names
    assert os.readlink(mounted / "sys/bus/pci/devices/0000:01:00.0").startswith("../")
    assert (mounted / "sys/bus/pci/devices/0000:01:00.0/vendor").read_text() == "0x8086\n"


@fuse
def test_modes_and_sizes(mounted: Path) -> None:
    def mode(path: str) -> str:
        return stat.filemode(os.lstat(mounted / path).st_mode)

    assert mode("proc") == mode("sys") == "dr-xr-xr-x" and mode("sys/class/net") == "drwxr-xr-x"
    assert mode("proc/interrupts") == "-r--r--r--" and mode("proc/sys/net/core/rmem_max") == "-rw-r--r--"
    assert mode("sys/bus/pci/drivers/igb/unbind") == "--w-------"
    assert mode("sys/bus/pci/devices/0000:01:00.0") == "lrwxrwxrwx"
    st = os.stat(mounted / "proc/interrupts")
    assert (st.st_size, st.st_uid, st.st_gid) == (0, 0, 0)
    assert os.stat(mounted / "sys/class/net/eth0/mtu").st_size == 4096


@fuse
def test_a_read_is_what_the_file_was_at_open(net: LiveMachine, mounted: Path) -> None:
    path = mounted / "proc/sys/net/core/netdev_budget"
    with open(path, "rb", buffering=0) as f:
        assert f.read(1) == b"3"
        assert net.run("sysctl -w net.core.netdev_budget=555").status == 0
        assert f.read() == b"00\n"
        f.seek(0)  # from the beginning is anew, as a seq_file does it
        assert f.read() == b"555\n"


@fuse
def test_writes_arrive_and_are_refused_as_linux_refuses(net: LiveMachine, mounted: Path) -> None:
    budget = mounted / "proc/sys/net/core/netdev_budget"
    budget.write_text("500\n")
    assert read(net, "/proc/sys/net/core/netdev_budget") == "500\n"
    with open(budget, "r+", encoding="ascii") as f:
        assert f.read() == "500\n"
        f.seek(0)
        f.write("501")
        f.flush()
        f.seek(0)
        assert f.read() == "501\n"
    (mounted / "proc/irq/25/smp_affinity").write_text("8")
    assert read(net, "/proc/irq/25/smp_affinity") == "8\n"

    def write(path: str, text: str = "1\n", flags: int = os.O_WRONLY | os.O_TRUNC) -> tuple[str, int]:
        try:
            fd = os.open(mounted / path, flags)
        except OSError as e:
            return "open", e.errno or -1
        try:
            os.write(fd, text.encode())
        except OSError as e:
            return "write", e.errno or -1
        finally:
            os.close(fd)
        return "", 0

    assert write("proc/sys/net/core/netdev_budget", "many") == ("write", errno.EINVAL)
    assert write("proc/irq/25/smp_affinity", "0") == ("write", errno.EINVAL)
    assert write("proc/interrupts") == ("write", errno.EIO)
    assert write("proc/net/dev") == ("open", errno.EACCES)
    assert write("proc/sys/kernel/osrelease") == ("open", errno.EACCES)
    assert write("sys/class/net/eth0/address") == ("open", errno.EACCES)
    assert write("proc/irq") == ("open", errno.EISDIR)
    assert write("proc/nope", flags=os.O_WRONLY | os.O_CREAT) == ("open", errno.ENOENT)
    assert write("sys/nope", flags=os.O_WRONLY | os.O_CREAT) == ("open", errno.EACCES)
    assert write("proc/interrupts/x") == ("open", errno.ENOTDIR)


@fuse
def test_nothing_can_be_made_or_removed(mounted: Path) -> None:
    assert error_of(lambda: os.mkdir(mounted / "proc/x")) == errno.ENOENT
    assert error_of(lambda: os.mkdir(mounted / "sys/x")) == errno.EPERM
    assert error_of(lambda: os.unlink(mounted / "proc/stat")) == errno.EPERM
    assert error_of(lambda: os.rmdir(mounted / "proc/irq/24")) == errno.EPERM
    assert error_of(lambda: os.rename(mounted / "proc/stat", mounted / "proc/x")) == errno.ENOENT
    assert error_of(lambda: os.symlink("a", mounted / "sys/b")) == errno.EPERM
    assert error_of(lambda: os.chmod(mounted / "proc/stat", 0o777)) == errno.EPERM
    assert error_of(lambda: os.open(mounted / "sys/bus/pci/drivers/igb/unbind", os.O_RDONLY)) == errno.EACCES
    assert error_of(lambda: (mounted / "sys/class/net/lo/speed").read_text()) == errno.EINVAL


@fuse
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_unmounts(net: LiveMachine, tmp_path: Path, number: int) -> None:
    m = Mounted("m", tmp_path / "here")
    assert os.path.ismount(m.where)
    assert m.end(number) == 0
    assert not os.path.ismount(m.where) and os.listdir(m.where) == []


@fuse
def test_umount_ends_it(net: LiveMachine, tmp_path: Path) -> None:
    m = Mounted("m", tmp_path / "here")
    subprocess.run(["umount", str(m.where)], check=True)
    assert m.process.wait(20) == 0
    m.end()


@fuse
def test_it_ends_with_the_machine(runtime: Path, tmp_path: Path) -> None:
    with live(None, "10.9.0.2/24", name="short"):
        m = Mounted("short", tmp_path / "here")
        assert (m.where / "proc/version").read_text().startswith("Linux version 6.1")
    wait_for(lambda: m.process.poll() is not None)
    assert not os.path.ismount(m.where)
    assert m.end() == 0


@fuse
def test_wrong_use(net: LiveMachine, tmp_path: Path) -> None:
    done = rxpath_("mount", "m", str(tmp_path / "nosuch"))
    assert (done.returncode, done.stderr) == (2, f"rxpath: {tmp_path}/nosuch: No such file or directory\n")
    (tmp_path / "file").write_text("")
    done = rxpath_("mount", "m", str(tmp_path / "file"))
    assert (done.returncode, done.stderr) == (2, f"rxpath: {tmp_path}/file: Not a directory\n")
    done = rxpath_("mount", "nobody", str(tmp_path))
    assert (done.returncode, done.stderr) == (2, "rxpath: no machine 'nobody' runs here (rxpath list)\n")


# --- without FUSE: the operations themselves ----------------------------------------------------------------------


def test_the_hosts_entries_show_beside_the_machines(net: LiveMachine, tmp_path: Path) -> None:
    """What exec lays over: the machine's wins, its own directories are whole, the rest shines through."""
    host = tmp_path / "host"
    for path in ("proc/77", "proc/irq/99", "proc/net", "proc/sys/vm", "proc/sys/net/core", "sys/class/net/host0"):
        (host / path).mkdir(parents=True)
    (host / "proc/meminfo").write_text("MemTotal: 1\n")
    (host / "proc/interrupts").write_text("the host's")
    (host / "proc/sys/vm/swappiness").write_text("60\n")
    (host / "proc/sys/net/core/only_here").write_text("1\n")
    (host / "sys/class/block").mkdir()
    with Client("m") as client:
        f = MachineFiles(client, {"/proc": str(host / "proc"), "/sys": str(host / "sys")})

        def names(path: str) -> set[str]:
            return {n for n, _, _ in f.readdir(path, 0)}

        assert {"77", "meminfo", "interrupts", "irq", "net", "sys"} <= names("/proc")
        assert f.readlink("/proc/meminfo") == str(host / "proc/meminfo")
        assert stat.S_ISREG(f.getattr("/proc/interrupts")["st_mode"])
        assert "99" not in names("/proc/irq") and error_of(lambda: f.getattr("/proc/irq/99")) == errno.ENOENT
        assert names("/sys/class") >= {"net", "block"} and "host0" not in names("/sys/class/net")
        # sysctl(8) follows no links out of /proc/sys: there the host's are copies
        assert "only_here" not in names("/proc/sys/net/core") and names("/proc/sys") >= {"net", "vm", "kernel"}
        assert names("/proc/sys/vm") == {".", "..", "swappiness"}
        fh = f.open("/proc/sys/vm/swappiness", os.O_RDONLY)
        assert f.read("", 100, 0, fh) == b"60\n"
        assert error_of(lambda: f.open("/proc/sys/vm/swappiness", os.O_WRONLY)) == errno.EROFS
        assert error_of(lambda: f.open("/proc/sys/net/core/only_here", os.O_RDONLY)) == errno.ENOENT
        assert error_of(lambda: f.open("/proc/sys/vm/nope", os.O_RDONLY)) == errno.ENOENT


def test_a_machine_that_has_ended_is_eio(runtime: Path) -> None:
    with live(None, "10.9.0.2/24", name="e"):
        client = Client("e")
        f = MachineFiles(client)
        assert f.getattr("/proc/stat")["st_size"] == 0
    assert error_of(lambda: f.getattr("/proc/stat")) == errno.EIO
    client.close()
