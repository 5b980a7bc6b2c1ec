"""Frames a second, wire to program, beside reading the capture alone.

For each payload size a capture is written, read alone, and replayed through the default machine; all in one
process, the two in turn. What was measured is checked in the same run: every frame read by the program, the
polls and interrupts that Linux's counters show. Exit status: 0 measured, 1 a check failed.

Seconds are processor time of this process, so that a busy machine says nearly what a quiet one says. The rate on
the modelled wire is one that keeps the modelled CPU busy without losing a frame (`RATES`): as on a real host, a
loaded CPU polls many frames an interrupt, an idle one few. Both are printed; `--pps` sets another rate.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tools import bench_live

from rxpath.config import MachineConfig
from rxpath.link.capture import CaptureReader
from rxpath.link.capture_writer import open_writer
from rxpath.link.generator import LoadGenerator
from rxpath.tune import plan as plans
from rxpath.tune import replay as runs

AIM = 60_000
# payload -> frames a second. 64 bytes: nine tenths of the CPU at the default costs, and of what a gigabit link
# carries (961,538). 1472 bytes: what the link carries is 81,274.
RATES = {64: 800_000, 1472: 80_000}


def write_capture(path: Path, size: int, count: int, pps: int) -> None:
    """A capture of `count` UDP datagrams of `size` bytes of payload."""
    with open_writer(path) as writer:
        for when, frame in LoadGenerator(count=count, pps=pps, sizes=size, flows=4):
            writer.write(when, frame)


def read_alone(path: Path) -> tuple[float, int]:
    """Seconds and frames of reading the file and nothing else."""
    began = time.process_time()
    with CaptureReader(str(path)) as reader:
        count = sum(1 for _ in reader)
    return time.process_time() - began, count


def replayed(path: Path, release: str) -> tuple[float, dict[str, Any]]:
    """Seconds from the first frame to the end of the account, and the result. Boot and survey are not
    counted.
    """
    plan = plans.prepare(plans.ReplayOptions(MachineConfig(release=release), capture=str(path)))
    began: list[float] = []
    plan.request.on_machine = lambda machine: began.append(time.process_time())
    result = runs.run(plan.request)
    took = time.process_time() - began[0]
    plan.close()
    return took, result.to_json()


def total(rows: dict[str, int], part: str) -> int:
    """Sum of the counters whose name holds `part`."""
    return sum(value for name, value in rows.items() if part in name)


def check(result: dict[str, Any], count: int) -> tuple[dict[str, int], list[str]]:
    """What the run's own counters say, and what is wrong with it."""
    counters = result["counters"]
    facts = {
        "read": sum(socket["read"] for socket in result["sockets"]),
        "delivered": result["ledger"]["delivered"],
        "UDP in": counters["snmp"].get("Udp.InDatagrams", 0),
        "processed": total(counters["softnet_stat"], "processed"),
        "softirqs": total(counters["softirqs"], "NET_RX"),
        "interrupts": total(counters["interrupts"], "eth0"),
        "frames a poll": count // max(1, total(counters["softirqs"], "NET_RX")),
        "CPU busy %": 100 - 100 * result["cpus"][0]["idle_ns"] // max(1, result["virtual_time_ns"]),
    }
    wrong = [f"{name} is {facts[name]}, not {count}" for name in ("read", "delivered", "UDP in", "processed")
             if facts[name] != count]  # fmt: skip
    if not 0 < facts["interrupts"] <= count:
        wrong.append(f"{facts['interrupts']} interrupts for {count} frames")
    if facts["softirqs"] * 64 * 10 < count:
        wrong.append(f"{facts['softirqs']} softirqs cannot have polled {count} frames")
    return facts, wrong


def main() -> int:
    """Measure and print; see the file's head."""
    parser = argparse.ArgumentParser(prog="bench", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--count", type=int, default=60_000, help="frames a run (default 60000)")
    parser.add_argument("--runs", type=int, default=3, help="runs of each (default 3)")
    parser.add_argument("--release", default="6.1", help="kernel release (default 6.1)")
    busy = ", ".join(f"{pps} for {size} bytes" for size, pps in RATES.items())
    parser.add_argument("--pps", type=int, default=0, help=f"frames a second on the wire (default {busy})")
    options = parser.parse_args()
    failed = False
    print(f"{options.count:,} frames a run, {options.runs} runs, release {options.release}, one CPU, e1000e")
    print(f"{'payload':>8}  {'on the wire':>11}  {'wire to program':>30}  {'reading alone':>15}  counters")
    with tempfile.TemporaryDirectory(prefix="rxpath-bench-") as folder:
        for size, busy_pps in RATES.items():
            pps = options.pps or busy_pps
            path = Path(folder) / f"{size}.pcap"
            write_capture(path, size, options.count, pps)
            rates, alone = [], []
            facts: dict[str, int] = {}
            for _ in range(options.runs):
                seconds, count = read_alone(path)
                alone.append(count / seconds)
                seconds, result = replayed(path, options.release)
                rates.append(options.count / seconds)
                facts, wrong = check(result, options.count)
                for line in wrong:
                    failed = True
                    print(f"bench: {size} bytes: {line}", file=sys.stderr)
            median = statistics.median(rates)
            spread = f"{median:,.0f}/s ({min(rates):,.0f}-{max(rates):,.0f})"
            words = ", ".join(f"{name} {value:,}" for name, value in facts.items())
            print(f"{size:>8}  {pps:>9,}/s  {spread:>30}  {statistics.median(alone):>13,.0f}/s  {words}")
            if median < AIM:
                print(f"bench: {size} bytes: below the aim of {AIM:,} frames/s", file=sys.stderr)
    print()
    failed |= bench_live.run(runs=options.runs) != 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
