"""Live on a real TAP, inside of a network namespace: real pings, a real sender, every frame accounted for."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

import rxpath

SRC = str(Path(rxpath.__file__).parents[1])


def missing(*programs: str) -> str:
    """Why it cannot run here, or ""."""
    if sys.platform != "linux":
        return "needs Linux"
    for p in ("ip", "unshare", *programs):
        if shutil.which(p) is None:
            return f"needs the program {p}"
    if not os.path.exists("/dev/net/tun"):
        return "needs /dev/net/tun"
    if subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False).returncode:
        return "needs the right to make network namespaces"
    return ""


def in_namespace(script: str, tmp_path: Path, *, limit: float = 55) -> Any:
    """Run a script in a namespace of its own, with `net` on t0; what it puts into `result`."""
    prologue = """
        import json, socket, subprocess, sys, threading, time
        import rxpath
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        def stats():
            p = subprocess.run(["ip", "-j", "-s", "link", "show", "t0"], capture_output=True, text=True)
            return json.loads(p.stdout)[0]["stats64"]["tx"]
        def machine(**more):
            return rxpath.live(tap="t0", address="10.9.0.2/24", host_address="10.9.0.1/24",
                               listen=["udp:7,echo", "udp:9,rcvbuf=8M"], **more)
        result = {}
    """
    path = tmp_path / "script.py"
    path.write_text(textwrap.dedent(prologue) + textwrap.dedent(script) + "\nprint(json.dumps(result))\n", "utf-8")
    done = subprocess.run(
        ["unshare", "-n", sys.executable, str(path)],
        capture_output=True,
        text=True,
        timeout=limit,
        check=False,
        env={**os.environ, "PYTHONPATH": SRC, "XDG_RUNTIME_DIR": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def need(*programs: str) -> None:
    why = missing(*programs)
    if why:
        pytest.skip(why)


def total(account: dict[str, Any]) -> int:
    return (
        account["delivered"]
        + sum(account["consumed"].values())
        + sum(account["dropped"].values())
        + account["in_flight"]
    )


@pytest.mark.netns
def test_a_hundred_pings_are_all_answered(tmp_path: Path) -> None:
    need("ping")
    r = in_namespace(
        """
        with machine() as net:
            p = subprocess.run(["ping", "-c", "100", "-i", "0.01", "-q", "10.9.0.2"],
                               capture_output=True, text=True)
            result["said"] = p.stdout
            result["snmp"] = net.run("cat /proc/net/snmp").stdout
        result["account"] = net.account()
        """,
        tmp_path,
    )
    assert "100 packets transmitted, 100 received, 0% packet loss" in r["said"]
    icmp = [line.split() for line in r["snmp"].splitlines() if line.startswith("Icmp:")]
    counts = dict(zip(icmp[0][1:], icmp[1][1:], strict=True))
    assert (counts["InEchos"], counts["OutEchoReps"]) == ("100", "100")
    assert total(r["account"]) == r["account"]["wire"] == r["account"]["tap"]["read"] >= 100


@pytest.mark.netns
def test_netcat_talks_to_the_echo_program(tmp_path: Path) -> None:
    need("nc")
    r = in_namespace(
        """
        with machine() as net:
            p = subprocess.run(["nc", "-u", "-w", "1", "10.9.0.2", "7"], input="hello\\n",
                               capture_output=True, text=True)
            result["said"] = p.stdout
            result["read"] = net.account()["programs"]["udp:7"]["read"]
        """,
        tmp_path,
    )
    assert r == {"said": "hello\n", "read": 1}


@pytest.mark.netns
def test_a_hundred_thousand_datagrams_arrive_counted_and_none_is_unexplained(tmp_path: Path) -> None:
    need()
    r = in_namespace(
        """
        N, WINDOW = 100_000, 200
        with machine() as net:
            reader = net.programs[1]
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.connect(("10.9.0.2", 9))
            sent = 0
            t0 = time.monotonic()
            while sent < N:
                # as fast as the program reads: neither the TAP's queue nor the ring overflows
                while sent - reader.read >= WINDOW and time.monotonic() - t0 < 50:
                    time.sleep(0.0005)
                for _ in range(min(50, N - sent)):
                    s.send(b"%018d" % sent)
                    sent += 1
            while reader.read < N and time.monotonic() - t0 < 50:
                time.sleep(0.005)
            result["seconds"] = time.monotonic() - t0
            result["read"] = reader.read
            result["stats"] = net.run("ethtool -S eth0").stdout
            result["snmp"] = net.run("cat /proc/net/snmp").stdout
            result["tap"] = stats()
        result["account"] = net.account()
        """,
        tmp_path,
    )
    a = r["account"]
    print(f"{100_000 / r['seconds']:,.0f} datagrams/s; {a}")
    assert r["read"] == 100_000
    assert a["delivered"] == 100_000 and a["programs"]["udp:9"]["failed"] == 0
    udp = [line.split() for line in r["snmp"].splitlines() if line.startswith("Udp:")]
    counts = dict(zip(udp[0][1:], udp[1][1:], strict=True))
    assert counts["InDatagrams"] == "100000" and counts["InErrors"] == counts["RcvbufErrors"] == "0"
    # frame for frame: what the kernel put into the TAP, what was read, what each one came to
    assert r["tap"]["dropped"] == 0
    assert a["tap"]["read"] == a["wire"] == total(a)
    assert a["wire"] >= r["tap"]["packets"] - 5  # the last few may lie in the TAP when it is closed
    assert sum(a["dropped"].values()) < 100, a["dropped"]  # neighbour discovery of IPv6 that nobody wants


@pytest.mark.netns
def test_datagrams_to_threads_of_the_host_are_all_read_and_answered(tmp_path: Path, soak: bool) -> None:
    """Four threads on two sockets of the stand-in, four senders: every datagram is read once and echoed once."""
    need()
    n = 20_000 if soak else 4_000
    r = in_namespace(
        """
        N = %d
        with rxpath.live(tap="t0", address="10.9.0.2/24", host_address="10.9.0.1/24") as net:
            s = net.socket
            servers = [s.socket(s.AF_INET, s.SOCK_DGRAM) for _ in range(2)]
            counts = [0] * 4
            for port, x in zip((5000, 5001), servers):
                x.bind(("", port))
            def serve(n):
                try:
                    while True:
                        data, who = servers[n %% 2].recvfrom(2048)
                        counts[n] += 1
                        servers[n %% 2].sendto(data, who)
                except OSError:
                    pass
            threads = [threading.Thread(target=serve, args=(n,)) for n in range(4)]
            for t in threads:
                t.start()
            answers = [0] * 4
            def ask(n):
                c = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                c.settimeout(20)
                c.connect(("10.9.0.2", 5000 + n %% 2))
                window, sent, seen = 32, 0, set()
                while len(seen) < N // 4:
                    while sent < N // 4 and sent - len(seen) < window:
                        c.send(b"%%d %%d" %% (n, sent))
                        sent += 1
                    who, number = c.recv(100).split()
                    assert int(who) == n and number not in seen
                    seen.add(number)
                answers[n] = len(seen)
            askers = [threading.Thread(target=ask, args=(n,)) for n in range(4)]
            t0 = time.monotonic()
            for t in askers:
                t.start()
            for t in askers:
                t.join()
            result["seconds"] = time.monotonic() - t0
            for x in servers:
                x.close()
            for t in threads:
                t.join()
            result["read"], result["answered"] = sum(counts), sum(answers)
        result["account"] = net.account()
        """
        % n,
        tmp_path,
    )
    a = r["account"]
    print(f"{n / r['seconds']:,.0f} echoes/s")
    assert r["read"] == r["answered"] == a["delivered"] == n
    assert a["tap"]["read"] == a["wire"] == total(a) and a["in_flight"] == 0


@pytest.mark.netns
def test_a_flood_is_lost_in_places_that_are_named(tmp_path: Path) -> None:
    """As fast as the kernel sends: much is lost, and every frame that the TAP gave has an end."""
    need()
    r = in_namespace(
        """
        with machine() as net:
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 << 20)
            code = ("import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\\n"
                    "for n in range(60000): s.sendto(b'x' * 18, ('10.9.0.2', 9))")
            p = subprocess.Popen([sys.executable, "-c", code])
            looks = 0
            while p.poll() is None:
                net.account()          # the law holds at every moment, also in the middle of the flood
                looks += 1
                time.sleep(0.02)
            result["looks"] = looks
            last = -1
            while (now := net.account()["wire"]) != last:
                last = now
                time.sleep(0.1)
            result["read"] = net.programs[1].read
        result["account"] = net.account()
        """,
        tmp_path,
    )
    a = r["account"]
    assert r["looks"] > 0
    assert a["wire"] == a["tap"]["read"] == total(a) > 0
    assert 0 < r["read"] == a["delivered"]
    assert a["in_flight"] == 0


@pytest.mark.netns
def test_the_command_line_serves_and_ends(tmp_path: Path) -> None:
    need("ping", "setpriv")
    r = in_namespace(
        """
        import signal
        rx = [sys.executable, "-m", "rxpath"]
        live = subprocess.Popen([*rx, "live", "--tap", "t0", "--address", "10.9.0.2/24",
                                 "--host-address", "10.9.0.1/24", "-n", "m"], stderr=subprocess.PIPE, text=True)
        result["ready"] = live.stderr.readline()
        result["ping"] = subprocess.run(["ping", "-c", "1", "-q", "10.9.0.2"], capture_output=True).returncode
        result["ethtool"] = subprocess.run([*rx, "-n", "m", "ethtool", "-S", "eth0"], capture_output=True,
                                           text=True).stdout
        busy = subprocess.run([*rx, "live", "--tap", "t0", "--address", "10.9.0.3/24", "-n", "n"],
                              capture_output=True, text=True)
        result["busy"] = [busy.returncode, busy.stderr]
        result["stop"] = subprocess.run([*rx, "stop", "m"], capture_output=True).returncode
        result["end"] = live.wait(20)
        second = subprocess.Popen([*rx, "live", "--tap", "t0", "--address", "10.9.0.2/24"],
                                  stderr=subprocess.PIPE, text=True)
        second.stderr.readline()
        second.send_signal(signal.SIGINT)
        result["interrupted"] = second.wait(20)
        # root, but without the right to make a TAP
        no = subprocess.run(["setpriv", "--bounding-set=-all", "--inh-caps=-all", *rx, "live", "--tap", "t9",
                             "--address", "10.9.0.2/24"], capture_output=True, text=True)
        result["no right"] = [no.returncode, no.stderr]
        """,
        tmp_path,
    )
    assert r["ready"].startswith("rxpath: ready: 10.9.0.2/24 on t0")
    assert r["ping"] == 0 and "rx_packets" in r["ethtool"]
    assert r["busy"] == [2, "rxpath: TAP t0: in use by another program\n"]
    assert (r["stop"], r["end"], r["interrupted"]) == (0, 0, 130)
    status, said = r["no right"]
    assert status == 2 and said.startswith("rxpath: TAP t9: no right to open it") and said.count("\n") == 1


@pytest.mark.netns
def test_a_tap_that_vanishes_ends_the_machine_with_one_clear_error(tmp_path: Path) -> None:
    need()
    r = in_namespace(
        """
        net = machine().start()
        s = net.socket.socket(net.socket.AF_INET, net.socket.SOCK_DGRAM)
        s.bind(("", 5))
        subprocess.run(["ip", "link", "del", "t0"], check=True)
        result["ended"] = net.wait(20)
        try:
            s.recv(1)
        except OSError as e:
            result["error"] = str(e)
        """,
        tmp_path,
    )
    assert r["ended"] and "t0" in r["error"]
