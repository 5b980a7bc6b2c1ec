"""CPUs that go and come in real time, asked for over the control socket, while programs on the machine talk."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest

from rxpath.live import control
from rxpath.live.machine import live

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no Unix sockets here")


def test_cpus_go_and_come_in_real_time(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with live(None, "10.9.0.2/24", name="hp", nic="igb", cpus=4) as net:
        client = control.Client("hp")

        def ask(op: str, **what: Any) -> dict[str, Any]:
            return client.ask({"op": op, **what})

        def online(cpu: int, up: str) -> dict[str, Any]:
            return ask("write", path=f"/sys/devices/system/cpu/cpu{cpu}/online", text=up)

        server = net.socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("10.9.0.2", 5000))
        echoed: list[bytes] = []

        def echo() -> None:
            while True:
                data, peer = server.recvfrom(100)
                server.sendto(data, peer)
                if data == b"end":
                    return

        thread = threading.Thread(target=echo)
        thread.start()
        user = net.socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        user.settimeout(10)
        user.connect(("10.9.0.2", 5000))

        def say(text: bytes) -> None:
            user.send(text)
            echoed.append(user.recv(100))

        for turn in range(4):
            for cpu in (3, 1, 2):
                assert "errno" not in online(cpu, "0\n")
                assert ask("read", path=f"/sys/devices/system/cpu/cpu{cpu}/online") == {"text": "0\n"}
                say(b"%d down" % cpu)
            assert ask("read", path="/sys/devices/system/cpu/online") == {"text": "0\n"}
            rows = ask("read", path="/proc/net/softnet_stat")["text"].splitlines()
            assert len(rows) == 1
            for cpu in (1, 2, 3) if turn & 1 else (3, 2, 1):
                assert "errno" not in online(cpu, "1\n")
                say(b"%d up" % cpu)
            assert ask("read", path="/sys/devices/system/cpu/online") == {"text": "0-3\n"}
        assert online(1, "maybe\n")["errno"] == 22
        assert "errno" in online(0, "0\n")
        say(b"end")
        assert len(echoed) == 25 and echoed[:2] == [b"3 down", b"1 down"]
        thread.join(10)
        client.close()
