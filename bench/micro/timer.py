"""How a function is timed: in CPU time, which others on the machine hardly touch."""

import time
import timeit
from collections.abc import Callable
from dataclasses import dataclass

from bench.micro.calibration import calibration

_ROUNDS = 7
_ROUND_SECONDS = 0.04
_CALIBRATION_ROUNDS = 5
_CALIBRATION_SECONDS = 0.01

Prepare = Callable[[], Callable[[], object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A function to time; what is set up for it does not count."""

    name: str
    per: str
    """What one time is of: "per event"."""
    target: float
    """In times of the calibration loop."""
    prepare: Prepare
    calls: int
    """How many of it one call of the function does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """A row's time, and the calibration loop's around it."""

    us: float
    """The lowest of several rounds: what others on the machine disturb least."""
    unit_us: float

    @property
    def units(self) -> float:
        """The time in times of the calibration loop."""
        return self.us / self.unit_us


ROWS: list[Row] = []


def row(
    name: str, per: str = "per call", *, target: float, calls: int = 1
) -> Callable[[Prepare], Prepare]:
    """Enter a function that prepares and returns what is timed."""

    def enter(prepare: Prepare) -> Prepare:
        ROWS.append(Row(name=name, per=per, target=target, prepare=prepare, calls=calls))
        return prepare

    return enter


def time_row(row: Row) -> Timing:
    """Time a row, between two calibrations: machines change their speed."""
    timed = row.prepare()
    before = _unit_us()
    us = _best_us(timed, _ROUNDS, _ROUND_SECONDS) / row.calls
    return Timing(us=us, unit_us=min(before, _unit_us()))


def _unit_us() -> float:
    return _best_us(calibration(), _CALIBRATION_ROUNDS, _CALIBRATION_SECONDS)


def _best_us(timed: Callable[[], object], rounds: int, seconds: float) -> float:
    """The lowest time of a call; it is called once before, and the collector is off meanwhile."""
    timer = timeit.Timer(timed, timer=time.process_time)
    timer.timeit(1)
    number = max(1, round(seconds / max(timer.timeit(1), 1e-7)))
    number = max(1, round(number * seconds / max(timer.timeit(number), 1e-7)))
    return min(timer.repeat(rounds, number)) / number * 1e6
