"""Rules count, drop and answer as the kernel's: frames through the same tables here and there."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.net.ipv4.taphost import TapHost
from tests.net.netfilter import iptables_real as real
from tests.net.netfilter.scenarios import SCENARIOS

from rxpath.tools.run import run_checked
from rxpath.wire.checksum import ip_fast_csum

RECORD: dict[str, dict[str, Any]] = json.loads(real.TRAFFIC.read_text()) if real.TRAFFIC.exists() else {}


def plain(frames: list[str]) -> list[str]:
    """Frames without padding, the IP identification, which is drawn at random, set to 0 (quoted packets keep theirs)."""
    out = []
    for text in frames:
        f = bytearray.fromhex(text)
        del f[14 + (f[16] << 8 | f[17]) :]
        f[18:20] = f[24:26] = b"\0\0"
        f[24:26] = ip_fast_csum(bytes(f[14 : 14 + (f[14] & 15) * 4])).to_bytes(2, "big")
        out.append(f.hex())
    return out


def run_ours(scenario: dict[str, Any], release: str = "6.18") -> tuple[dict[str, Any], TapHost]:
    h = TapHost(release, routes=(("10.9.0.0/16", "10.0.0.1"),), sysctls={"net.ipv4.icmp_ratelimit": "0"})
    for line in scenario["setup"]:
        run_checked(h.m, line)
    sent: list[str] = []
    for f in scenario["frames"]:
        sent += [x.hex() for x in h.rx(bytes.fromhex(f)) if x[12:14] == b"\x08\0"]
    tables = {t: run_checked(h.m, f"iptables -t {t} -L -v -n -x").stdout for t in ("filter", "raw")}
    return {"sent": sent, **tables}, h


def counted(h: TapHost) -> int:
    """Frames that tables dropped, by the ledger."""
    return sum(n for (stage, why, _), n in h.m.ledger.dropped.items() if stage == "netfilter" and "iptables" in why)


@pytest.mark.parametrize("name", SCENARIOS)
def test_record(name: str) -> None:
    want = RECORD[name]
    got, h = run_ours(SCENARIOS[name])
    assert got["filter"] == want["filter"]
    assert got["raw"] == want["raw"]
    assert plain(got["sent"]) == plain(want["sent"])
    h.m.check()
    h.close()


@pytest.mark.parametrize("release", ["3.13", "5.15", "6.1"])
@pytest.mark.parametrize("name", ["ports", "flags", "chains", "addresses", "icmp", "fragments", "short", "limit"])
def test_other_releases_count_alike(name: str, release: str) -> None:
    got, h = run_ours(SCENARIOS[name], release)
    assert got["filter"] == RECORD[name]["filter"]
    h.close()


@pytest.mark.netns
@pytest.mark.skipif(not real.PROGRAM, reason="needs iptables-legacy")
@pytest.mark.parametrize("name", SCENARIOS)
def test_real_kernel_does_the_same(name: str) -> None:
    got = real.run_traffic(SCENARIOS[name])
    want = RECORD[name]
    assert (got["filter"], got["raw"]) == (want["filter"], want["raw"])
    assert plain(got["sent"]) == plain(want["sent"])
