"""TCP against the record of a running 6.18: every recorded case of its groups, but for those that are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from rxpath.conform import corpus
from rxpath.conform.compare import lines

CASES = Path(__file__).parents[3] / "conform" / "cases"
GROUPS = ("tcp_hs", "tcp_data", "tcp_win", "tcp_close", "tcp_client")

KNOWN = corpus.known_differences(Path(__file__).parents[4] / "docs" / "differences.md")


@pytest.mark.parametrize(
    "path", [p for g in GROUPS for p in sorted((CASES / g).glob("*.json"))], ids=corpus.case_name
)
def test_case(path: Path) -> None:
    if corpus.case_name(path) in KNOWN:
        pytest.skip("a known difference")
    o = corpus.run_case(path)
    assert o.ok, o.error or "\n".join(lines(o.result))
