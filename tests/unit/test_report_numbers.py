from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.records import Estimate
from bench.report import numbers
from bench.report.numbers import PLAIN, Unit


def estimate(center: float, low: float | None = None, high: float | None = None) -> Estimate:
    return Estimate(center=center, low=low, high=high, confidence=0.95, n=8)


@pytest.mark.parametrize(
    ("center", "low", "high", "printed"),
    [
        (152.34, 148.2, 157.1, ("152", "148\u2013157")),
        (11.412, 11.16, 11.97, ("11.4", "11.2\u201312.0")),
        (1234.5, 900.0, 1500.0, ("1200", "900\u20131500")),
        (152.3412, 152.3411, 152.3413, ("152.3", "152.3\u2013152.3")),
        (0.0, 0.0, 0.0, ("0.00", "0.00\u20130.00")),
        (152.34, None, None, ("152", "")),
        (48_211.0, 47_000.0, 49_300.0, ("48\u202f200", "47\u202f000\u201349\u202f300")),
    ],
)
def test_digits_stop_where_the_interval_makes_them_meaningless(
    center: float, low: float | None, high: float | None, printed: tuple[str, str]
) -> None:
    assert numbers.center_and_interval(estimate(center, low, high)) == printed


@given(center=st.floats(1e-9, 1e12), share=st.floats(1e-6, 0.9))
def test_what_is_printed_lies_within_the_interval_or_half_its_last_digit_from_it(center: float, share: float) -> None:
    one = estimate(center, center * (1 - share), center * (1 + share))
    places = numbers.decimals(one)

    printed = float(numbers.number(center, places).replace("\u202f", ""))

    assert abs(printed - center) <= max(0.51 * 10.0**-places, center * 1e-9)


@pytest.mark.parametrize(
    ("low", "high", "printed"),
    [
        (1.31, 1.49, ("1.40\u00d7", "1.31\u20131.49")),
        (0.6, 3.1, ("1.4\u00d7", "0.6\u20133.1")),
        (1.002, 1.9, ("1.400\u00d7", "1.002\u20131.900")),
        (1.3999, 1.4001, ("1.4000\u00d7", "1.3999\u20131.4001")),
    ],
)
def test_a_ratio_never_prints_a_bound_as_one_that_is_not(low: float, high: float, printed: tuple[str, str]) -> None:
    assert numbers.ratio(estimate(1.4, low, high)) == printed


@pytest.mark.parametrize(
    ("part", "whole", "printed"),
    [(0, 100, "0 %"), (35, 5242, "0.67 %"), (4000, 4000, "100 %"), (0, 0, "-"), (1, 10_000_000, "0.000010 %")],
)
def test_a_share_is_zero_only_when_it_is_zero(part: int, whole: int, printed: str) -> None:
    assert numbers.share(part, whole) == printed


@pytest.mark.parametrize(
    ("size", "printed"), [(0, "0 B"), (4096, "4 KiB"), (262_144, "256 KiB"), (67_108_864, "64 MiB"), (1500, "1.46 KiB")]
)
def test_sizes_use_binary_prefixes(size: int, printed: str) -> None:
    assert numbers.size(size) == printed


@pytest.mark.parametrize(("seconds", "printed"), [(0, "0 s"), (12.34, "12.3 s"), (725, "12 min 5 s"), (4805, "1 h 20 min")])
def test_lengths_of_time_are_short(seconds: float, printed: str) -> None:
    assert numbers.duration(seconds) == printed


def test_a_column_has_the_unit_of_its_middle_value() -> None:
    assert numbers.rate_unit([80 * 2**20, 90 * 2**20, 3 * 2**10]) == Unit(name="MiB/s", size=2.0**20)
    assert numbers.rate_unit([]).name == "B/s"


@pytest.mark.parametrize(("latency_s", "unit"), [(0.004, "ms"), (0.00002, "µs"), (31.0, "s"), (1.2, "ms")])
def test_latencies_are_in_milliseconds_unless_far_from_them(latency_s: float, unit: str) -> None:
    assert numbers.time_unit([latency_s]).name == unit


def test_a_value_without_unit_is_printed_in_base_units() -> None:
    assert PLAIN.size == 1
