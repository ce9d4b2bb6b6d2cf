"""The bench's histogram of latencies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.load.histogram import Histogram


@given(st.lists(st.integers(0, 10**9), min_size=1), st.sampled_from([0.01, 0.5, 0.99, 1.0]))
def test_a_quantile_is_never_below_the_exact_one_and_at_most_a_hundredth_above(
    values: list[int], fraction: float
) -> None:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    rank = next(n for n in range(1, len(values) + 1) if n >= fraction * len(values))
    exact = sorted(values)[rank - 1]
    assert exact <= histogram.quantile(fraction) <= exact * 1.01


def test_weights_count() -> None:
    histogram = Histogram()
    histogram.record(10, 99)
    histogram.record(200, 1)
    assert histogram.total == 100
    assert histogram.quantile(0.99) == 10
    assert histogram.quantile(0.999) == 200


def test_merged_histograms_are_one() -> None:
    one, other = Histogram(), Histogram()
    one.record(5)
    other.record(5)
    other.record(50_000)
    one.merge(other.buckets.items())
    assert one.total == 3
    assert one.quantile(1.0) == pytest.approx(50_000, rel=0.01)


def test_an_empty_histogram_answers_0() -> None:
    assert Histogram().quantile(0.5) == 0
