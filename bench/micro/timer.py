"""How a function is timed."""

import statistics
import timeit
from collections.abc import Callable
from dataclasses import dataclass

_ROUNDS = 7
_ROUND_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A function to time; what is set up for it does not count."""

    name: str
    per: str
    """What one time is of: "per event"."""
    prepare: Callable[[], Callable[[], object]]
    calls: int
    """How many of it one call of the function does."""


ROWS: list[Row] = []


def row(
    name: str, per: str = "per call", *, calls: int = 1
) -> Callable[[Callable[[], Callable[[], object]]], Callable[[], Callable[[], object]]]:
    """Enter a function that prepares and returns what is timed."""

    def enter(prepare: Callable[[], Callable[[], object]]) -> Callable[[], Callable[[], object]]:
        ROWS.append(Row(name=name, per=per, prepare=prepare, calls=calls))
        return prepare

    return enter


def best_us(row: Row) -> tuple[float, float]:
    """The lowest and the median time in µs: the lowest is what others on the machine disturb least.

    What is timed is run once before, so that caches are warm; the collector is off meanwhile.
    """
    timer = timeit.Timer(row.prepare())
    number, seconds = timer.autorange()
    number = max(1, round(number * _ROUND_SECONDS / seconds))
    times = [seconds / number / row.calls * 1e6 for seconds in timer.repeat(_ROUNDS, number)]
    return min(times), statistics.median(times)
