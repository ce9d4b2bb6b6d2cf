"""The table of the rows, and which are beyond what is allowed."""

from bench.micro import rows_auth, rows_core, rows_h2, rows_http, rows_wire
from bench.micro.timer import ROWS, Row, Timing, time_row

_LOADED = (rows_auth, rows_core, rows_h2, rows_http, rows_wire)  # importing them has filled ROWS

ALLOWED = 2.0
"""Times the target: below, it may be the machine."""
_ATTEMPTS = 4


def run_rows(words: list[str], *, strict: bool) -> int:
    """Time the rows whose name contains one of the words, all without one; how many are beyond.

    `strict`: what is beyond is timed again, and counts only if it is so every time.
    """
    chosen = [row for row in ROWS if not words or any(word in row.name for word in words)]
    if not chosen:
        print(f"no row is named like {' or '.join(words)}")
        return 1
    width = max(len(row.name) for row in chosen)
    print(f"\n{'functions':{width}}  {'µs':>8}  {'target µs':>9}  {'units':>8}  {'target':>8}")
    beyond = 0
    for row in chosen:
        timing = time_row(row)
        for _ in range(_ATTEMPTS - 1 if strict else 0):
            if not is_beyond(row, timing):
                break
            timing = min(timing, time_row(row), key=lambda timing: timing.units)
        beyond += is_beyond(row, timing)
        print(_line(row, timing, width), flush=True)
    return beyond


def is_beyond(row: Row, timing: Timing) -> bool:
    """Whether it takes more than is allowed."""
    return timing.units > ALLOWED * row.target


def _line(row: Row, timing: Timing, width: int) -> str:
    if is_beyond(row, timing):
        word = f"BEYOND {ALLOWED:g} x TARGET"
    else:
        word = "" if timing.units <= row.target else "above the target"
    target_us = row.target * timing.unit_us
    return (
        f"{row.name:{width}}  {timing.us:8.3f}  {target_us:9.3f}  {timing.units:8.4f}  "
        f"{row.target:8.4g}  {row.per:11}  {word}"
    ).rstrip()
