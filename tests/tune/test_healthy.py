"""No alarm where nothing is wrong: generated healthy hosts, idle and busy, of every driver and many kernels."""

from __future__ import annotations

import pytest

from rxpath.tune import engine, intake, report

from .hosts import START, healthy


def judge(text: str) -> engine.Report:
    taken = intake.read_text(text)
    assert not taken.problems
    return engine.diagnose(taken)


@pytest.mark.parametrize("seed", range(120))
def test_two_moments(seed):
    result = judge(healthy(seed))
    assert result.status() == 0, report.text(result)
    assert not result.diagnoses[0].single


@pytest.mark.parametrize("seed", range(0, 120, 3))
def test_one_moment(seed):
    text = healthy(seed)
    result = judge(text[text.rindex(START) :])
    assert result.status() == 0, report.text(result)
    assert "totals since boot, no rates" in report.text(result)


def test_generator_covers_the_drivers_and_makes_load():
    from .hosts import IRQ_NAMES

    seen = set()
    busiest = 0.0
    for seed in range(120):
        taken = intake.read_text(healthy(seed))
        seen.add(taken.snapshots[-1].driver("eth0"))
        rates = engine.make_pairs(taken.snapshots)[0]
        view = engine.View(rates, device="eth0", host=engine.View(rates))
        busiest = max(busiest, view.number("pps") or 0)
    assert seen == set(IRQ_NAMES)
    assert busiest > 300_000
