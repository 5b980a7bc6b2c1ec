"""Frames a second, wire to program, beside reading the capture alone.

For each payload size a capture is written, read alone, and replayed through the default machine; all in one
process, the two in turn. What was measured is checked in the same run: every frame read by the program, the
polls and interrupts that Linux's counters show. Exit status: 0 measured, 1 a check failed.
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


def write_capture(path: Path, size: int, count: int, pps: int) -> None:
    """A capture of `count` UDP datagrams of `size` bytes of payload."""
    with open_writer(path) as writer:
        for when, frame in LoadGenerator(count=count, pps=pps, sizes=size, flows=4):
            writer.write(when, frame)


def read_alone(path: Path) -> tuple[float, int]:
    """Seconds and frames of reading the file and nothing else."""
    began = time.perf_counter()
    with CaptureReader(str(path)) as reader:
        count = sum(1 for _ in reader)
    return time.perf_counter() - began, count


def replayed(path: Path, release: str) -> tuple[float, dict[str, Any]]:
    """Seconds from the first frame to the end of the account, and the result. Boot and survey are not
    counted.
    """
    plan = plans.prepare(plans.ReplayOptions(MachineConfig(release=release), capture=str(path)))
    began: list[float] = []
    plan.request.on_machine = lambda machine: began.append(time.perf_counter())
    result = runs.run(plan.request)
    took = time.perf_counter() - began[0]
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
    parser.add_argument("--pps", type=int, default=50_000, help="frames a second on the wire (default 50000)")
    options = parser.parse_args()
    failed = False
    print(f"{options.count:,} frames a run, {options.runs} runs, release {options.release}, one CPU, e1000e")
    print(f"{'payload':>8}  {'wire to program':>30}  {'reading alone':>15}  counters")
    with tempfile.TemporaryDirectory(prefix="rxpath-bench-") as folder:
        for size in (64, 1472):
            path = Path(folder) / f"{size}.pcap"
            write_capture(path, size, options.count, options.pps)
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
            print(f"{size:>8}  {spread:>30}  {statistics.median(alone):>13,.0f}/s  {words}")
            if median < AIM:
                print(f"bench: {size} bytes: below the aim of {AIM:,} frames/s", file=sys.stderr)
    print()
    failed |= bench_live.run(runs=options.runs) != 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
