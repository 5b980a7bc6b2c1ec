"""A fixed sample of the recorded cases, all of them with `make soak`; what may differ stands in docs/differences.md."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rxpath.conform import corpus
from rxpath.conform.compare import agrees, compare, lines

CASES = Path(__file__).parent / "cases"
GROUPS = ("arp", "ethernet", "forward", "frag", "icmp", "ipv4", "mcast", "raw", "udp", "udpbuf", "found")
KNOWN = {line.split()[0] for line in (CASES.parent / "known_differences.txt").read_text().splitlines()
         if line.strip() and not line.startswith("#")}


def sample(every: int) -> list[Path]:
    return [p for g in GROUPS for p in sorted((CASES / g).glob("*.json"))[::every]]


@pytest.mark.parametrize("path", sample(4), ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_case(path: Path) -> None:
    o = corpus.run_case(path)
    name = f"{path.parent.name}/{path.stem}"
    if name in KNOWN:
        pytest.skip("a known difference")
    assert o.ok, o.error or "\n".join(lines(o.result))


def test_a_difference_is_seen() -> None:
    doc = json.loads((CASES / "udp" / "deliver.json").read_text())
    got = json.loads(json.dumps(doc["expected"]))
    assert agrees(compare(got, doc["expected"], []))
    got["counters"]["snmp"]["Udp"]["InDatagrams"] = 7
    assert not agrees(compare(got, doc["expected"], []))


def test_what_is_no_case_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(corpus.CaseError, match=r"x\.json"):
        corpus.run_case(tmp_path / "x.json")
    with pytest.raises(corpus.CaseError, match="no such case"):
        corpus.case_files([tmp_path / "none"])
