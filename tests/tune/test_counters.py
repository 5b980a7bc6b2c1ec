"""The table of counters by driver, and the pages made from the rule data."""

from __future__ import annotations

from pathlib import Path

import pytest

from rxpath.tune import pages
from rxpath.tune.counters import MEANINGS, find, names_of, recognise_driver, table

from .hosts import names_of_driver

DRIVERS = (
    "e1000e igb ixgbe tg3 be2net bnx2 mlx5_core mlx4_en ice i40e ena virtio_net vmxnet3 bnxt_en r8169 hns3"
).split()
DOCS = Path(__file__).parents[2] / "docs" / "doctor"


def test_the_drivers_of_the_project_and_of_production():
    assert sorted(table()) == sorted(DRIVERS)
    for row in table().values():
        assert row.source and row.note
        assert bool(row.model) != bool(row.model_as)
        assert set(row.meanings) <= set(MEANINGS)
        if row.model_as:
            assert table()[row.model_as].model == row.model_as


@pytest.mark.parametrize("driver", DRIVERS)
def test_names_tell_the_driver(driver):
    """A text without `ethtool -i` is told by its names, and never taken for another driver's."""
    row = table()[driver]
    for signature in row.signature:
        names = [*signature, "rx_packets", "tx_packets", "rx_bytes"]
        assert recognise_driver(names) == driver
    full = [*names_of_driver(driver, 4), *row.signature[0]]
    assert recognise_driver(full) == driver


@pytest.mark.parametrize("driver", DRIVERS)
def test_every_meaning_is_found_by_its_first_names(driver):
    stats = list(names_of_driver(driver, 4).items())
    for meaning, alternatives in table()[driver].meanings.items():
        assert not alternatives or find(stats, table()[driver], meaning) is not None, meaning


def test_no_loss_is_counted_twice():
    """A port's total and its queues measure the same loss: the first alternative that is there counts alone."""
    stats = [("[0]: rx_discards", 5), ("[1]: rx_discards", 7), ("rx_total_discard_pkts", 12)]
    found = find(stats, table()["bnxt_en"], "missed")
    assert found is not None and found.total == 12 and [q for _, _, q in found.items] == [0, 1]
    old = find([("port.rx_dropped", 3), ("rx_dropped", 3)], table()["i40e"], "missed")
    assert old is not None and old.total == 3


def test_a_sum_needs_all_its_names():
    found = find([("rx_missed_errors", 4)], table()["ixgbe"], "missed")
    assert found is not None and found.total == 4
    both = find([("rx_missed_errors", 4), ("rx_no_dma_resources", 3)], table()["ixgbe"], "missed")
    assert both is not None and both.total == 7


def test_missed_and_no_buffer_are_kept_apart():
    for driver in ("e1000e", "igb"):
        assert table()[driver].meanings["missed"] == ("rx_missed_errors",)
        assert table()[driver].meanings["no_buffer"] == ("rx_no_buffer_count",)
    assert "missed" not in table()["mlx5_core"].meanings


def test_unknown_driver_has_the_generic_names_only():
    row = names_of("sfc")
    assert not row.known
    found = find([("rx_missed_errors", 4), ("rx_strange", 9)], row, "missed")
    assert found is not None and found.total == 4


def test_pages_are_those_of_the_rule_data():
    made = pages.pages()
    assert {p.name for p in DOCS.glob("*.md")} == set(made), "run: python -m rxpath.tune.pages docs/doctor"
    for name, text in made.items():
        assert (DOCS / name).read_text("utf-8") == text, f"{name}: run python -m rxpath.tune.pages docs/doctor"
