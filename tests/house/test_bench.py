"""`make bench`: measures, checks what it measured, and says at which rate."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from tools import bench


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path: Path = tmp_path_factory.mktemp("bench") / "64.pcap"
    bench.write_capture(path, 64, 2000, bench.RATES[64])
    assert bench.read_alone(path)[1] == 2000
    return bench.replayed(path, "6.1")[1]


def test_the_rates_keep_the_host_busy_without_losing_a_frame(result: dict[str, Any]) -> None:
    facts, wrong = bench.check(result, 2000)
    assert not wrong and facts["read"] == 2000
    assert facts["CPU busy %"] >= 80 and facts["frames a poll"] >= 16


@pytest.mark.parametrize("release", ["3.13", "5.15", "6.18"])
def test_other_releases_read_every_frame_too(tmp_path: Path, release: str) -> None:
    path = tmp_path / "1472.pcap"
    bench.write_capture(path, 1472, 500, bench.RATES[1472])
    assert not bench.check(bench.replayed(path, release)[1], 500)[1]


def test_a_lost_frame_fails_the_check(result: dict[str, Any]) -> None:
    lost = copy.deepcopy(result)
    lost["sockets"][0]["read"] -= 1
    assert bench.check(lost, 2000)[1] == ["read is 1999, not 2000"]
    still = copy.deepcopy(result)
    still["counters"]["interrupts"] = {}
    assert len(bench.check(still, 2000)[1]) == 1


def test_it_prints_what_it_used(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.bench_live, "run", lambda runs: 0)  # has tests of its own
    monkeypatch.setattr("sys.argv", ["bench", "--count", "300", "--runs", "1", "--pps", "20000"])
    assert bench.main() == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= 4 and all(" 20,000/s " in line and "read 300," in line for line in lines[2:4])
