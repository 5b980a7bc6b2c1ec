"""TCP scenarios of `tcp_scenarios.py` that once found a difference to a live 6.18, with what that kernel did."""

from __future__ import annotations

from pathlib import Path

import pytest

from rxpath.conform import corpus
from rxpath.conform.compare import lines

CASES = sorted((Path(__file__).parent / "cases" / "found_tcp").glob("*.json"))


@pytest.mark.parametrize("path", CASES, ids=lambda p: p.stem)
def test_case(path: Path) -> None:
    o = corpus.run_case(path)
    assert o.ok, o.error or "\n".join(lines(o.result))
