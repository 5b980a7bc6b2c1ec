"""A fixed sample of the recorded cases, all of them with `make soak`; what may differ stands in docs/differences.md."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rxpath.cli.main import run
from rxpath.conform import corpus
from rxpath.conform.compare import agrees, compare, lines

CASES = Path(__file__).parent / "cases"
GROUPS = ("arp", "ethernet", "forward", "frag", "icmp", "ipv4", "mcast", "raw", "udp", "udpbuf", "found")
KNOWN = corpus.known_differences(Path(__file__).parents[2] / "docs" / "differences.md")


def sample(every: int) -> list[Path]:
    return [p for g in GROUPS for p in sorted((CASES / g).glob("*.json"))[::every]]


@pytest.mark.parametrize("path", sample(4), ids=corpus.case_name)
def test_case(path: Path) -> None:
    o = corpus.run_case(path)
    name = corpus.case_name(path)
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


def test_known_differences_are_the_cases_of_a_table(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("| what | why |\n|---|---|\n| a/b | c |\n\n| case | where | why |\n|:--|---|---|\n| udp/deliver | f | g h |\n\n| a | b |\n")
    assert corpus.known_differences(page) == {"udp/deliver": "g h"}
    page.write_text("| what | why |\n|---|---|\n| a/b | c |\n")
    with pytest.raises(corpus.CaseError, match="no table of cases"):
        corpus.known_differences(page)
    with pytest.raises(corpus.CaseError, match="none"):
        corpus.known_differences(tmp_path / "none")


def test_a_known_miss_is_no_failure_but_one_that_agrees_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    doc = json.loads((CASES / "udp" / "deliver.json").read_text())
    page = tmp_path / "page.md"
    page.write_text("| case | why |\n|---|---|\n| %s/x | because |\n" % tmp_path.name)
    case = tmp_path / "x.json"
    case.write_text(json.dumps(doc))
    assert run(["conform", str(case), "--known", str(page)]) == 1
    assert "says that it differs" in capsys.readouterr().out
    doc["expected"]["counters"]["snmp"]["Udp"]["InDatagrams"] = 7
    case.write_text(json.dumps(doc))
    assert run(["conform", str(case), "--known", str(page), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["known"] == [str(case)]
    assert run(["conform", str(case)]) == 1
