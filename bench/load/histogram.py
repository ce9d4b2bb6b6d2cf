"""A log-linear histogram of latencies."""

from collections.abc import Iterable

_BITS = 8
"""Values are kept to 8 significant bits: an answer is at most 0.8 % above what was recorded."""


class Histogram:
    """Counts values by log-linear buckets, as HDR histograms do; exact up to 255."""

    __slots__ = ("buckets",)

    def __init__(self) -> None:
        self.buckets: dict[int, int] = {}
        """By the highest value that the bucket holds."""

    def record(self, value: int, count: int = 1) -> None:
        """Add `count` occurrences of a value; what is below 0 counts as 0."""
        shift = value.bit_length() - _BITS if value > 0 else 0
        high = max(value, 0) if shift <= 0 else (value >> shift << shift) + (1 << shift) - 1
        self.buckets[high] = self.buckets.get(high, 0) + count

    def merge(self, buckets: Iterable[tuple[int, int]]) -> None:
        """Add the buckets of another histogram, perhaps from another process."""
        for high, count in buckets:
            self.buckets[high] = self.buckets.get(high, 0) + count

    @property
    def total(self) -> int:
        """How many values were recorded."""
        return sum(self.buckets.values())

    def quantile(self, fraction: float) -> int:
        """The value that `fraction` of all do not exceed; 0 when there are none."""
        missing = fraction * self.total
        for high, count in sorted(self.buckets.items()):
            missing -= count
            if missing <= 0:
                return high
        return 0
