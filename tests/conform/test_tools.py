"""The recorder, the generator, the renaming and the shrinker."""

from __future__ import annotations

import gc
import json
import os
from pathlib import Path
from typing import Any

import pytest

from rxpath.conform.adapter import run_ours
from rxpath.conform.compare import agrees, compare, lines
from rxpath.conform.corpus import load
from rxpath.conform.differ import Shrinker, plain, unstable_paths
from rxpath.conform.generate import GROUPS, fix_checksums, generate, mutate
from rxpath.conform.kernel import Recorder, RecorderError, drops_of
from rxpath.conform.rename import rename
from rxpath.conform.scenario import ScenarioError
from rxpath.machine import Machine

CASES = Path(__file__).parent / "cases"


@pytest.mark.netns
def test_the_kernel_repeats_its_record() -> None:
    if not os.path.exists("/dev/net/tun") or not os.uname().release.startswith("6.18."):
        pytest.skip("needs TUN and the release of the record")
    with Recorder() as recorder:
        for name in ("udp/deliver", "icmp/timestamp_request", "frag/three_order_021", "raw/cmsg"):
            doc = load(CASES / f"{name}.json")
            result = compare(plain(recorder.run(doc["scenario"])), doc["expected"], doc.get("unstable", []))
            assert agrees(result), (name, lines(result))
        with pytest.raises(RecorderError, match="ip:"):  # and goes on after what cannot be set up
            recorder.run({"name": "x", "group": "x", "env": {"routes": [["1.2.3.0/24", "9.9.9.9"]]}, "steps": []})
        assert recorder.run({"name": "x", "group": "x", "steps": []})["steps"] == []


def test_reasons_from_a_trace() -> None:
    trace = [
        "  python-1 [000] ..... 1.0: tracing_mark_write: RXM 2 0",
        "  python-1 [000] b.s2. 1.1: kfree_skb: skbaddr=0 protocol=2048 location=f+0x1/0x2 reason: NO_SOCKET",
        "  python-1 [000] ..... 1.2: tracing_mark_write: RXM 2 1",
        "  python-1 [000] b.s2. 1.3: kfree_skb: skbaddr=0 protocol=2048 location=f+0x1/0x2 reason: NO_SOCKET",
        "  python-1 [000] ..... 1.4: tracing_mark_write: RXM 3 -1",
        "  python-1 [000] b.s2. 1.5: kfree_skb: skbaddr=0 protocol=2048 location=f+0x1/0x2 reason: UDP_CSUM",
    ]
    assert drops_of(trace) == [{"step": 2, "in": 0, "reason": "NO_SOCKET", "n": 2}, {"step": 3, "in": -1, "reason": "UDP_CSUM"}]


def test_a_scenario_leaves_no_machine_behind() -> None:
    def machines() -> int:
        gc.collect()
        return sum(isinstance(o, Machine) for o in gc.get_objects())

    before = machines()
    run_ours(load(CASES / "udp" / "deliver.json")["scenario"])
    with pytest.raises(ScenarioError):
        run_ours({"name": "x", "group": "x", "steps": [{"op": "no such step"}]})
    assert machines() == before


@pytest.mark.parametrize("group", GROUPS)
def test_a_seed_is_a_scenario_and_we_answer_it(group: str) -> None:
    sc = generate(7, group)
    assert sc == generate(7, group) != generate(8, group)
    out = run_ours(sc)
    assert len(out["steps"]) == len(sc["steps"])
    assert plain(out) == plain(run_ours(sc))
    again = mutate(3, sc)
    assert again == mutate(3, sc) and again["steps"] != sc["steps"]


@pytest.mark.parametrize("name", ["udp/deliver", "icmp/redirect_host", "arp/request_twice", "mcast/two_groups_all_on", "frag/missing_first_timeout_1s", "ipv4/opt_ts_addr_room"])
def test_names_mean_nothing(name: str) -> None:
    doc = load(CASES / f"{name}.json")
    new = rename(doc["scenario"], 4)
    assert "10.0.0." not in json.dumps(new)
    out = plain(run_ours(new))
    want = doc["expected"]
    assert out["drops"] == want["drops"] and len(out["tx"]) == len(want["tx"])
    for group, row in want["counters"].get("snmp", {}).items():
        assert out["counters"]["snmp"][group] == row


def test_checksums_are_put_right() -> None:
    f = load(CASES / "udp" / "deliver.json")["scenario"]["steps"][0]["frames"][0]
    good = bytes.fromhex(f if isinstance(f, str) else f["hex"])
    bad = bytearray(good)
    bad[24] ^= 5
    assert fix_checksums(bytes(bad)) == good


def test_shrinking_keeps_what_matters() -> None:
    sc: dict[str, Any] = generate(5, "udp")
    sc["steps"].insert(3, {"op": "sysctl", "key": "the.one", "value": "1"})
    asked = 0

    def differs(s: dict[str, Any]) -> bool:
        nonlocal asked
        asked += 1
        return any(st.get("key") == "the.one" for st in s["steps"])

    small = Shrinker(differs, 300).shrink(sc)
    assert small["steps"] == [{"op": "sysctl", "key": "the.one", "value": "1"}]
    assert small["sockets"] == [] and asked <= 300


def test_what_the_kernel_does_not_repeat() -> None:
    a = {"steps": [1, {"n": 2}], "counters": {"x": 1}, "tx": [], "drops": [], "sockets": {}, "final": {}}
    b = {"steps": [1, {"n": 3}], "counters": {}, "tx": [1], "drops": [], "sockets": {}, "final": {}}
    assert unstable_paths([a, b]) == ["/counters/x", "/steps/1/n", "/tx"]
