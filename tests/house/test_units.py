"""Units: what people write becomes exact integers, and back; anything else is one clear line."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxpath import units
from rxpath.units import UnitError

PARSERS = [
    units.parse_count,
    units.parse_rate,
    units.parse_bits,
    units.parse_time,
    units.parse_size,
    units.parse_factor,
    units.parse_ppm,
    units.parse_cpu_list,
]


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (units.parse_rate, "1Mpps", 1_000_000),
        (units.parse_rate, "300k", 300_000),
        (units.parse_rate, "1.5Mpps", 1_500_000),
        (units.parse_rate, "250000", 250_000),
        (units.parse_rate, "14.88 Mpps", 14_880_000),
        (units.parse_bits, "10Gbit", 10**10),
        (units.parse_bits, "10G", 10**10),
        (units.parse_bits, "10Gbps", 10**10),
        (units.parse_bits, "2.5Gbit/s", 2_500_000_000),
        (units.parse_bits, "100M", 10**8),
        (units.parse_time, "50us", 50_000),
        (units.parse_time, "50µs", 50_000),
        (units.parse_time, "5ms", 5_000_000),
        (units.parse_time, "1.5s", 1_500_000_000),
        (units.parse_time, "0", 0),
        (units.parse_size, "64K", 65_536),
        (units.parse_size, "4M", 4_194_304),
        (units.parse_size, "4MB", 4_000_000),
        (units.parse_size, "4MiB", 4_194_304),
        (units.parse_size, "1500", 1500),
        (units.parse_count, "200k", 200_000),
        (units.parse_count, "200_000", 200_000),
        (units.parse_factor, "2x", Fraction(2)),
        (units.parse_factor, "0.1x", Fraction(1, 10)),
        (units.parse_factor, "1/3", Fraction(1, 3)),
        (units.parse_ppm, "1%", 10_000),
        (units.parse_ppm, "0.01", 10_000),
        (units.parse_ppm, "250ppm", 250),
    ],
)
def test_reads_what_people_write(parse, text, value):
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text", "says"),
    [
        (units.parse_time, "50", "needs a unit"),
        (units.parse_time, "50us5", "unknown unit"),
        (units.parse_time, "0.1ns", "whole number"),
        (units.parse_time, "50 MS", "unknown unit"),
        (units.parse_bits, "1000", "needs a unit"),
        (units.parse_bits, "0G", "above zero"),
        (units.parse_rate, "0", "above zero"),
        (units.parse_rate, "fast", "no rate"),
        (units.parse_rate, "-5", "no rate"),
        (units.parse_rate, "5kHz", "unknown unit"),
        (units.parse_size, "1.5", "whole number"),
        (units.parse_size, "9" * 30, "too large"),
        (units.parse_count, "9" * 5000, "no count"),
        (units.parse_factor, "0x", "above zero"),
        (units.parse_factor, "1/0", "no factor"),
        (units.parse_ppm, "101%", "at most"),
        (units.parse_cpu_list, "3-1", "backwards"),
        (units.parse_cpu_list, "a", "no list"),
        (units.parse_cpu_list, "", "no list"),
    ],
)
def test_refusals_say_why(parse, text, says):
    with pytest.raises(UnitError, match=says) as caught:
        parse(text)
    assert "\n" not in str(caught.value)


def test_cpu_lists():
    assert units.parse_cpu_list("0-3,8") == [0, 1, 2, 3, 8]
    assert units.parse_cpu_list("8,0-1,1") == [0, 1, 8]
    assert units.format_cpu_list([8, 3, 2, 1, 0]) == "0-3,8"
    assert units.format_cpu_list([]) == ""
    with pytest.raises(UnitError, match="there is no CPU 4"):
        units.parse_cpu_list("2-5", ncpus=4)


@given(st.sets(st.integers(0, 9999), min_size=1, max_size=40))
def test_cpu_list_round_trip(cpus):
    assert units.parse_cpu_list(units.format_cpu_list(cpus)) == sorted(cpus)


@given(st.integers(1, units.MAX))
def test_exact_texts_are_read_back(n):
    assert units.parse_time(units.exact_time(n)) == n
    assert units.parse_bits(units.exact_bits(n)) == n
    assert units.parse_size(units.exact_size(n)) == n


@given(st.integers(0, 1_000_000))
def test_shares_are_read_back(ppm):
    assert units.parse_ppm(units.exact_ppm(ppm)) == ppm


@given(st.text(max_size=60))
def test_any_text_is_a_number_or_one_line(text):
    for parse in PARSERS:
        try:
            parse(text)
        except UnitError as error:
            assert str(error) and "\n" not in str(error)


@given(st.integers(0, 10**6), st.integers(0, 999))
def test_decimals_are_exact(whole, milli):
    assert units.parse_time(f"{whole}.{milli:03d}us") == whole * 1000 + milli


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0 ns"),
        (999, "999 ns"),
        (1000, "1.00 us"),
        (1234, "1.23 us"),
        (45_600_000, "45.6 ms"),
        (999_999, "1.00 ms"),
        (12_000_000_000, "12.0 s"),
        (123_456, "123 us"),
        (99_950, "100 us"),
    ],
)
def test_human_time(ns, text):
    assert units.human_time(ns) == text


def test_human_shares():
    assert units.human_share(0, 10) == "0 %"
    assert units.human_share(10, 10) == "100 %"
    assert units.human_share(1, 10**9) == "<0.01 %"
    assert units.human_share(999_999, 1_000_000) == "99.9 %"
    assert units.human_share(5, 1000) == "0.50 %"
    assert units.human_share(123, 1000) == "12.3 %"
    assert units.human_bits(2_500_000_000) == "2.50 Gbit/s"
    assert units.human_bits(10**10) == "10 Gbit/s"
