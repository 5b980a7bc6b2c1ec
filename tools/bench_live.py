"""Goodput of live TCP over a TAP, beside a plain read of the TAP in the same run.

In a network namespace of its own: the host's kernel sends to the machine's socket and receives from it, and for
comparison its datagrams are read from the TAP by a loop that does nothing else. What was sent is compared with what
arrived, and the ledger must hold. Needs root, Linux and `unshare`; says so and ends with status 0 elsewhere.
Exit status: 0 measured, 1 a check failed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

HOST: Final = "10.9.0.1"
MACHINE: Final = "10.9.0.2"
PORT: Final = 5001
PIECE: Final = 1 << 18

_SEND: Final = f"""
import socket, sys, time
s = socket.create_connection(("{MACHINE}", {PORT}))
s.sendall(b"r")
left, piece = int(sys.argv[1]), bytes({PIECE})
while left > 0:
    s.sendall(piece[:left])
    left -= {PIECE}
s.shutdown(socket.SHUT_WR)
print(int(s.recv(100)))
"""
_RECEIVE: Final = f"""
import socket, sys
s = socket.create_connection(("{MACHINE}", {PORT}))
s.sendall(b"s")
n = 0
while data := s.recv({PIECE}):
    n += len(data)
print(n)
"""
_DATAGRAMS: Final = f"""
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
data = bytes(1472)
while True:
    s.sendto(data, ("{MACHINE}", 9))
"""


def plain_read(octets: int) -> dict[str, float]:
    """Read so many octets of datagrams from the TAP and do nothing with them."""
    from rxpath.link.tap import Tap

    with Tap("t0", address=(0x0A090001, 24)) as tap:
        subprocess.run(
            ["ip", "neigh", "replace", MACHINE, "lladdr", "02:00:00:00:00:02", "dev", "t0", "nud", "permanent"],
            check=True,
        )
        sender = subprocess.Popen([sys.executable, "-c", _DATAGRAMS])
        try:
            import select

            n = frames = 0
            began = cpu = 0.0
            while n < octets:
                select.select([tap.fileno()], [], [])
                while (frame := tap.read()) is not None:
                    if not frames:
                        began, cpu = time.perf_counter(), time.thread_time()
                    frames += 1
                    n += len(frame) - 42
                    if n >= octets:
                        break
            return {
                "octets": n,
                "seconds": time.perf_counter() - began,
                "cpu": time.thread_time() - cpu,
                "frames": frames,
            }
        finally:
            sender.kill()
            sender.wait()


def engine_cpu(net: Any) -> float:
    """CPU seconds of the engine's thread so far."""
    return float(net.bridge.call(time.thread_time))


def tcp(octets: int, nic: str) -> dict[str, Any]:
    """Both ways through a machine; seconds are the client's whole conversation."""
    import rxpath

    out: dict[str, Any] = {}
    with rxpath.live(tap="t0", address=f"{MACHINE}/24", host_address=f"{HOST}/24", nic=nic) as net:
        listener = net.socket.create_server((MACHINE, PORT))

        def serve() -> None:
            for _ in range(2):
                conn, _who = listener.accept()
                with conn:
                    if conn.recv(1) == b"r":
                        n = 0
                        while data := conn.recv(PIECE):
                            n += len(data)
                        conn.sendall(b"%d" % n)
                        continue
                    left = octets
                    piece = bytes(PIECE)
                    while left > 0:
                        conn.sendall(piece[:left])
                        left -= PIECE

        threading.Thread(target=serve, daemon=True).start()
        for way, program in (("to the machine", _SEND), ("from the machine", _RECEIVE)):
            cpu = engine_cpu(net)
            began = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-c", program, str(octets)], capture_output=True, text=True, timeout=120, check=True
            )
            out[way] = {
                "octets": int(done.stdout),
                "seconds": time.perf_counter() - began,
                "cpu": engine_cpu(net) - cpu,
            }
        listener.close()
    account = net.account()
    out["wire"], out["drops"] = account["wire"], account["dropped"]
    return out


def inside(octets: int, runs: int, nic: str) -> None:
    """In the namespace: measure, and print the results as JSON."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    rows = [{"plain read": plain_read(octets), **tcp(octets, nic)} for _ in range(runs)]
    print(json.dumps(rows))


def unable() -> str:
    """Why it cannot be measured here, or ""."""
    if not sys.platform.startswith("linux") or not os.path.exists("/dev/net/tun"):
        return "needs Linux with /dev/net/tun"
    if os.geteuid() or shutil.which("unshare") is None or shutil.which("ip") is None:
        return "needs root, ip and unshare"
    if subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False).returncode:
        return "needs the right to make network namespaces"
    return ""


def run(octets: int = 20_000_000, runs: int = 3, nic: str = "e1000e") -> int:
    """Measure and print; returns the exit status."""
    why = unable()
    if why:
        print(f"live TCP over a TAP: not measured: {why}")
        return 0
    done = subprocess.run(
        ["unshare", "-n", sys.executable, "-m", "tools.bench_live", "--inside", str(octets), str(runs), nic],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        cwd=Path(__file__).parents[1],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*[p for p in sys.path if p], "src", "."])},
    )
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        return 1
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    failed = False
    print(f"live TCP over a TAP, {octets / 1e6:,.0f} MB a run, {runs} runs, {nic} (CPU: the engine's thread)")
    for way in ("to the machine", "from the machine", "plain read"):
        rates = [r[way]["octets"] / r[way]["seconds"] / 1e6 for r in rows]
        cpu = [r[way]["octets"] / max(r[way]["cpu"], 1e-9) / 1e6 for r in rows]
        words = f"{statistics.median(rates):6.1f} MB/s ({min(rates):.1f}-{max(rates):.1f})"
        print(f"  {way:>16}  {words:>26}  {statistics.median(cpu):6.1f} MB a CPU second")
        if way != "plain read":
            for r in rows:
                if r[way]["octets"] != octets:
                    failed = True
                    print(f"bench: {way}: {r[way]['octets']} octets arrived, not {octets}", file=sys.stderr)
    lost = sum(n for r in rows for what, n in r["drops"].items() if what.startswith("nic: rx fifo"))
    print(f"  {sum(r['wire'] for r in rows):,} frames from the wire, {lost:,} found the card full")
    return 1 if failed else 0


def main() -> int:
    """The command."""
    if sys.argv[1:2] == ["--inside"]:
        inside(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
        return 0
    parser = argparse.ArgumentParser(prog="bench_live", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--megabytes", type=int, default=20, help="a run and direction (default 20)")
    parser.add_argument("--runs", type=int, default=3, help="runs of each (default 3)")
    parser.add_argument("--nic", default="e1000e", help="the machine's card (default e1000e)")
    options = parser.parse_args()
    return run(options.megabytes * 1_000_000, options.runs, options.nic)


if __name__ == "__main__":
    sys.exit(main())
