"""The real iptables (legacy) in a network namespace of its own: what it prints, and what the kernel does with frames.

`python -m tests.net.netfilter.iptables_real` records golden/commands.txt and golden/traffic.json again (root, iptables).
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
LINES = HERE / "lines.txt"
COMMANDS = HERE / "golden" / "commands.txt"
TRAFFIC = HERE / "golden" / "traffic.json"
PROGRAM = shutil.which("iptables-legacy") or shutil.which("iptables-legacy", path="/usr/sbin:/sbin") or ""
ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C"}


def sequences() -> list[list[str]]:
    """Command lines; a blank line begins with empty tables again."""
    return [block.split("\n") for block in LINES.read_text().strip().split("\n\n")]


def run_real(sequence: list[str]) -> list[tuple[str, int, str, str]]:
    """(line, status, stdout, stderr) of each line in one fresh namespace."""
    name = f"rxpath-ipt-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True, env=ENV)
    try:
        out = []
        for line in sequence:
            real = line.replace("iptables", PROGRAM, 1)
            r = subprocess.run(
                ["ip", "netns", "exec", name, "sh", "-c", real], capture_output=True, text=True, env=ENV, timeout=20
            )
            out.append((line, r.returncode, r.stdout, r.stderr))
        return out
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True, env=ENV)


def write_record() -> None:
    with COMMANDS.open("w") as f:
        for sequence in sequences():
            for line, status, out, err in run_real(sequence):
                f.write(f"$ {line}\n= {status}\n")
                f.writelines(f"> {x}\n" for x in out.splitlines())
                f.writelines(f"! {x}\n" for x in err.splitlines())
            f.write("\n")


def read_record() -> list[list[tuple[str, int, str, str]]]:
    result: list[list[tuple[str, int, str, str]]] = []
    for block in COMMANDS.read_text().strip("\n").split("\n\n"):
        rows: list[tuple[str, int, str, str]] = []
        for x in block.split("\n"):
            kind, text = x[:1], x[2:]
            if kind == "$":
                rows.append((text, 0, "", ""))
                continue
            line, status, out, err = rows[-1]
            if kind == "=":
                status = int(text)
            elif kind == ">":
                out += text + "\n"
            else:
                err += text + "\n"
            rows[-1] = (line, status, out, err)
        result.append(rows)
    return result


# --- frames ---------------------------------------------------------------------------------------------------------

CHILD = """
import json, sys
from tests.net.netfilter.iptables_real import child
print(json.dumps(child(json.load(sys.stdin))))
"""


def child(scenario: dict[str, Any]) -> dict[str, Any]:
    """In a fresh namespace: tap0 at 10.0.0.2/24 with the rules; what goes out, what the tables counted."""
    from rxpath.link.tap import Tap
    from rxpath.wire.addr import ip4_net

    with Tap("tap0", address=ip4_net("10.0.0.2/24")) as tap:
        for line in (
            "ip link set lo up",
            "ip link set tap0 down",
            "ip link set tap0 address 02:00:00:00:00:02",
            "ip link set tap0 up",
            "ip neigh replace 10.0.0.1 lladdr 02:00:00:00:00:01 dev tap0 nud permanent",
            "ip route add 10.9.0.0/16 via 10.0.0.1",
            "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv4.icmp_ratelimit=0 net.ipv4.icmp_msgs_per_sec=100000",
            *[x.replace("iptables", PROGRAM, 1) if x.startswith("iptables") else x for x in scenario["setup"]],
        ):
            subprocess.run(line, shell=True, check=True, env=ENV)
        time.sleep(0.05)
        while tap.read() is not None:
            pass
        sent: list[str] = []
        for frame in scenario["frames"]:
            tap.write(bytes.fromhex(frame))
            while select.select([tap], [], [], 0.02)[0]:
                f = tap.read()
                if f is not None and f[12:14] == bytes((8, 0)) and f[23] != 2:  # IPv4 without IGMP
                    sent.append(f.hex())
        tables = {}
        for t in ("filter", "raw"):
            tables[t] = subprocess.run(
                f"{PROGRAM} -t {t} -L -v -n -x", shell=True, capture_output=True, text=True, env=ENV, check=True
            ).stdout
        return {"sent": sent, **tables}


def run_traffic(scenario: dict[str, Any]) -> dict[str, Any]:
    root = HERE.parents[2]
    env = {**os.environ, "PYTHONPATH": f"{root / 'src'}:{root}"}
    r = subprocess.run(
        ["unshare", "-n", sys.executable, "-c", CHILD],
        input=json.dumps(scenario),
        capture_output=True,
        text=True,
        env=env,
        timeout=60,
    )
    if r.returncode:
        raise RuntimeError(r.stderr)
    return json.loads(r.stdout)  # type: ignore[no-any-return]


def main() -> None:
    from tests.net.netfilter.scenarios import SCENARIOS

    write_record()
    TRAFFIC.write_text(json.dumps({n: run_traffic(s) for n, s in SCENARIOS.items()}, indent=1) + "\n")


if __name__ == "__main__":
    main()
