"""Which cores the server and the driver have: never the same ones, if there are two."""

import os
from typing import NamedTuple


class Cores(NamedTuple):
    """One core for the server; all others for subscribers, publishers and the bench itself."""

    server: frozenset[int]
    driver: frozenset[int]


def divide(cores: set[int] | None = None) -> Cores:
    """Divide the cores of this process, or those given."""
    first, *others = sorted(cores or os.sched_getaffinity(0))
    return Cores(frozenset({first}), frozenset(others or [first]))
