"""The control socket: names, rights, commands; a line a mistake."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from rxpath.cli import main
from rxpath.live import control
from rxpath.live.machine import live

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no Unix sockets here")


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


def test_a_machine_by_name(runtime: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with live(None, "10.9.0.2/24", name="m1", listen=["udp:7,echo"]) as net:
        path = runtime / "rxpath" / "m1.sock"
        assert stat.S_IMODE(path.lstat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.lstat().st_mode) == 0o700
        assert [p.name for p in path.parent.iterdir()] == ["m1.sock"]
        assert main.run(["list"]) == 0
        assert "m1" in (out := capsys.readouterr().out) and "10.9.0.2/24" in out
        assert main.run(["-n", "m1", "cat", "/proc/net/udp"]) == 0
        assert capsys.readouterr().out.splitlines()[1].split()[1] == "00000000:0007"
        assert main.run(["--name=m1", "cat /proc/sys/net/core/rmem_max; cat /nothing"]) == 1
        got = capsys.readouterr()
        assert got.out == "212992\n" and got.err == "cat: /nothing: No such file or directory\n"
        assert net.run("cat /proc/sys/net/core/rmem_max").stdout == "212992\n"
        with pytest.raises(control.ControlError, match="runs already"):
            live(None, "10.9.0.3/24", name="m1").start()
        assert control.request("m1", {"op": "info"})["pid"] == os.getpid()
        with pytest.raises(control.ControlError, match="no such request"):
            control.request("m1", {"op": "dance"})
    assert control.machines() == []
    assert not path.exists()


def test_stop(capsys: pytest.CaptureFixture[str]) -> None:
    net: Any = live(None, "10.9.0.2/24", name="m2").start()
    control_thread_done = []

    import threading

    def stopper() -> None:
        control_thread_done.append(main.run(["stop", "m2"]))

    t = threading.Thread(target=stopper, daemon=True)
    t.start()
    assert net.wait(20)
    net.close()
    t.join(20)
    assert control_thread_done == [0]
    assert main.run(["stop", "m2"]) == 2
    assert "no machine 'm2' runs here" in capsys.readouterr().err


def test_a_machine_that_died_is_forgotten_and_its_name_free(runtime: Path) -> None:
    where = control.directory(make=True)
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(where / "m3.sock"))
    dead.close()
    assert control.machines() == []
    again = socket.socket(socket.AF_UNIX)
    again.bind(str(where / "m3.sock"))
    again.close()
    with live(None, "10.9.0.2/24", name="m3"):
        assert [m["name"] for m in control.machines()] == ["m3"]


@pytest.mark.parametrize("name", ["", ".x", "-x", "a/b", "a b", "x" * 33])
def test_bad_names(name: str) -> None:
    with pytest.raises(control.ControlError, match="not a name"):
        control.check_name(name)


def test_a_directory_that_others_may_enter_is_refused(runtime: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (runtime / "rxpath").mkdir()
    (runtime / "rxpath").chmod(0o755)
    assert main.run(["list"]) == 2
    assert "nobody else may enter" in capsys.readouterr().err


def test_lines() -> None:
    assert control.one_line(["cat", "/proc/irq/*/smp_affinity"]) == "cat /proc/irq/*/smp_affinity"
    assert control.one_line(["echo", "a b", ";"]) == "echo 'a b' ';'"
    assert control.one_line(["cat x | tee y"]) == "cat x | tee y"


def test_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["-n", "m1"]) == 2
    assert main.run(["live", "--tap", "t0"]) == 2
    assert "--address is missing" in capsys.readouterr().err
    assert main.run(["live", "--tap", "t0", "--address", "10.9.0.2"]) == 2
    assert "prefix length is missing" in capsys.readouterr().err
    assert main.run(["live", "--tap", "no/name", "--address", "10.9.0.2/24", "-n", "x"]) == 2
    assert "not an interface name" in capsys.readouterr().err
    assert control.machines() == []
