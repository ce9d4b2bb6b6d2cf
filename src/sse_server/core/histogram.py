"""Histograms: how many of the observed values are at most each of some bounds."""

from bisect import bisect_left
from collections.abc import Sequence

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Bounds for delays, from what nobody notices to what everybody does."""


class Histogram:
    """Counts values. Plain numbers: whoever shows them reads them."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        """`bounds` ascend; what is above the last counts as well."""
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Count `value`; one that equals a bound is not above it."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value
