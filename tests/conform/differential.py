"""Run the TCP scenarios on the kernel below and here, and print what differs.

    PYTHONPATH=src:tests/conform python tests/conform/differential.py hs_syn windows -m zero

Needs a user namespace with a tun device (rxpath.conform.kernel); exits 1 when something differs in each of four
recordings.  No part of the test suite: the live kernel's own timing makes some scenarios differ now and then.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

import tcp_scenarios

from rxpath.conform.adapter import run_ours
from rxpath.conform.compare import agrees, compare, lines
from rxpath.conform.kernel import Recorder

TRIES = 4


def differs(recorder: Recorder, scenario: dict[str, Any]) -> list[str]:
    """The difference to the last recording, empty when one of `TRIES` agrees."""
    ours = json.loads(json.dumps(run_ours(scenario)))
    for _ in range(TRIES):
        result = compare(ours, recorder.run(scenario), [])
        if agrees(result):
            return []
    return lines(result)


def main() -> int:
    parser = argparse.ArgumentParser(description="TCP scenarios on the host's kernel and here")
    parser.add_argument("generators", nargs="*", help=f"of {', '.join(tcp_scenarios.ALL)}; all when none is named")
    parser.add_argument("-m", "--match", default="", help="only scenarios with this in their name")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    recorder = Recorder(0)
    count = bad = 0
    for scenario in tcp_scenarios.scenarios(args.generators or None, args.seed):
        if args.match in scenario["name"]:
            count += 1
            found = differs(recorder, scenario)
            if found:
                bad += 1
                print(f"== {scenario['name']}", *found[:12], sep="\n")
    recorder.close()
    print(f"{count} scenarios, {bad} differ")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
