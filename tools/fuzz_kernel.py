"""Differential fuzzing: the same scenarios for the kernel of this machine and for rxpath.

    python -m tools.fuzz_kernel [--frames N] [--seed N] [--group G ...] [--jobs N] [--save FOLDER] [--tcp]

Scenarios come from the grammar (rxpath.conform.generate, with --tcp generate_tcp and generate_tcp_data beside it) and
from mutating recorded cases.  Any difference that the kernel repeats is shrunk and printed; with --save it is written
as a case that can join tests/conform/cases/found.  Prints frames, seeds, time and how deep the frames went.  Exit
status: 0 no difference, 1 some, 2 cannot run here.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from pathlib import Path
from typing import Any

from rxpath.conform.compare import lines
from rxpath.conform.corpus import load
from rxpath.conform.differ import Difference, ask, shrink
from rxpath.conform.generate import GROUPS, generate, mutate
from rxpath.conform.generate_tcp import MAKERS, generate_tcp
from rxpath.conform.generate_tcp_data import MAKERS as DATA_MAKERS
from rxpath.conform.generate_tcp_data import generate_tcp_data
from rxpath.conform.kernel import Recorder, RecorderError

CASES = Path(__file__).parents[1] / "tests" / "conform" / "cases"
BATCH = 8
FRAMES_EACH = 30
TCP_FRAMES_EACH = 12  # a connection does not outlive many odd ones


def depth(doc: dict[str, Any]) -> tuple[int, int, int, int]:
    """(frames received, of IPv4 packets: received, accepted by ip_rcv, accepted by the transport or raw)."""
    c = doc["counters"]
    snmp = c.get("snmp", {})
    ip, udp, icmp, tcp = (snmp.get(k, {}) for k in ("Ip", "Udp", "Icmp", "Tcp"))
    got = sum(d.get("rx_packets", 0) for d in c.get("dev", {}).values())
    seen = ip.get("InReceives", 0)
    past = seen - ip.get("InHdrErrors", 0) - c.get("netstat", {}).get("IpExt", {}).get("InTruncatedPkts", 0)
    frags = max(0, ip.get("ReasmReqds", 0) - ip.get("ReasmOKs", 0))
    bad = udp.get("InErrors", 0) - udp.get("RcvbufErrors", 0) + icmp.get("InErrors", 0) + tcp.get("InErrs", 0)
    fine = ip.get("InDelivers", 0) + ip.get("ForwDatagrams", 0) + frags - bad - ip.get("InUnknownProtos", 0)
    return got, seen, past, max(0, fine)


def scenario_of(seed: int, groups: list[str], corpus: list[Path]) -> dict[str, Any]:
    """Every third scenario is a mutant of a recorded case."""
    if corpus and seed % 3 == 2:
        return mutate(seed, load(corpus[seed * 7919 % len(corpus)])["scenario"])
    group = groups[seed % len(groups)]
    if group in DATA_MAKERS:
        return generate_tcp_data(seed, group, TCP_FRAMES_EACH)
    return generate_tcp(seed, group, TCP_FRAMES_EACH) if group in MAKERS else generate(seed, group, FRAMES_EACH)


Found = dict[str, Any]


def worker(args: tuple[int, range, list[str], list[Path], bool]) -> tuple[int, list[int], list[Found]]:
    """Run the scenarios of some seeds: (scenarios, depth sums, differences)."""
    cpu, seeds, groups, corpus, small = args
    sums = [0, 0, 0, 0]
    found: list[Found] = []
    n = 0
    seen: set[str] = set()
    with Recorder(cpu) as own, Recorder(0) as first:
        for seed in seeds:
            sc = scenario_of(seed, groups, corpus)
            recorder = first if "SO_INCOMING_CPU" in json.dumps(sc) else own  # frames arrive on CPU 0 here
            try:
                diff, doc = ask(recorder, sc)
            except RecorderError:
                continue  # a scenario that the kernel's tools refuse to set up
            n += 1
            for i, v in enumerate(depth(doc)):
                sums[i] += v
            if diff is not None:
                sig = diff.signature()
                if small and sig not in seen:
                    seen.add(sig)
                    diff = shrink(recorder, diff)
                found.append(as_found(seed, sig, diff))
    return n, sums, found


def as_found(seed: int, signature: str, d: Difference) -> Found:
    return {"seed": seed, "signature": signature, "case": d.case(), "text": lines(d.result, 6)}


def main(argv: list[str] | None = None) -> int:
    p = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    p.add_argument("--frames", type=int, default=20_000, help="stop after so many frames (default %(default)s)")
    p.add_argument("--seed", type=int, default=0, help="the first seed (default %(default)s)")
    p.add_argument("--group", action="append", choices=[*GROUPS, *MAKERS, *DATA_MAKERS], help="only these groups")
    p.add_argument("--tcp", action="store_true", help="the groups of TCP (default: all others)")
    p.add_argument(
        "--jobs", type=int, default=2 * (os.cpu_count() or 1), help="scenarios at a time (default %(default)s)"
    )
    p.add_argument("--no-shrink", action="store_true", help="differences as they were found")
    p.add_argument("--no-mutants", action="store_true", help="grammar only")
    p.add_argument("--save", type=Path, help="write differences as case files into this folder")
    a = p.parse_args(argv)
    try:
        Recorder().close()
    except RecorderError as e:
        print(f"fuzz_kernel: {e}", file=sys.stderr)
        return 2
    groups = a.group or ([*MAKERS, *DATA_MAKERS] if a.tcp else list(GROUPS))
    corpus = [] if a.no_mutants else sorted(f for g in groups for f in (CASES / g).glob("*.json"))
    t0 = time.monotonic()
    total = 0
    sums = [0, 0, 0, 0]
    found: list[Found] = []
    seed = a.seed

    def tasks() -> Any:
        nonlocal seed
        k = 0
        while sums[0] < a.frames:
            yield k, range(seed, seed + BATCH), groups, corpus, not a.no_shrink
            seed += BATCH
            k += 1

    with multiprocessing.get_context("forkserver").Pool(a.jobs) as pool:
        waiting: list[Any] = []
        it = tasks()
        while True:
            while len(waiting) < a.jobs + 1:
                t = next(it, None)
                if t is None:
                    break
                waiting.append(pool.apply_async(worker, (t,)))
            if not waiting:
                break
            n, s, f = waiting.pop(0).get()
            total += n
            sums = [x + y for x, y in zip(sums, s, strict=True)]
            for x in f:
                if x["signature"] not in {y["signature"] for y in found}:
                    print(f"\nseed {x['seed']}: {x['signature']}")
                    print("\n".join("  " + line for line in x["text"]))
                    print("  " + json.dumps(x["case"]["scenario"]), flush=True)
                found.append(x)
            if sys.stderr.isatty():
                sys.stderr.write(f"\r{sums[0]} frames, {total} scenarios, {len(found)} differ")
    took = time.monotonic() - t0
    got, seen, past, fine = sums
    print(f"\n{got} frames in {total} scenarios, seeds {a.seed} to {seed - 1}, {took:.0f} s")
    print(f"{seen} IPv4 packets; past ip_rcv {100 * past / max(1, seen):.1f} %, past the transport's checks "
          f"{100 * fine / max(1, seen):.1f} %")  # fmt: skip
    print(f"{len(found)} scenarios differ, {len({x['signature'] for x in found})} kinds")
    if a.save and found:
        a.save.mkdir(parents=True, exist_ok=True)
        done: set[str] = set()
        for x in found:
            if x["signature"] not in done:
                done.add(x["signature"])
                (a.save / f"seed_{x['seed']}.json").write_text(json.dumps(x["case"], indent=1) + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
