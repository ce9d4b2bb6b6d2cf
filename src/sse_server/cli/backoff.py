"""How long to wait before the next try."""

from __future__ import annotations

import random

MAX_WAIT_SECONDS = 30.0
"""Of our own choosing; a server may ask for more."""
_LONGEST_SECONDS = 86_400.0  # nobody waits for longer than a day, whatever a server asks for
_MOST_DOUBLINGS = 10  # beyond any limit above
_JITTER = 0.25


class Backoff:
    """Waits that double with every failure, each up to a quarter longer by chance.

    Never shorter than what the server has asked for: it spreads its clients, and chance only adds.
    """

    __slots__ = ("_failures", "_first_seconds", "_max_wait_seconds", "_random")

    def __init__(self, first_seconds: float, *, max_wait_seconds: float = _LONGEST_SECONDS) -> None:
        """`first_seconds`: where the server asks for nothing. `max_wait_seconds` bounds all."""
        self._first_seconds = first_seconds
        self._max_wait_seconds = min(max_wait_seconds, _LONGEST_SECONDS)
        self._failures = 0
        self._random = random.Random()  # noqa: S311 (spreads load, keeps no secret)

    def reset(self) -> None:
        """It worked."""
        self._failures = 0

    def next_seconds(
        self, *, retry_seconds: float | None = None, retry_after_seconds: float | None = None
    ) -> float:
        """How long to wait now. What a stream's `retry:` asked for is the first wait, and doubles.

        `retry_after_seconds`: what the answer that refused asked for.
        """
        first = self._first_seconds if retry_seconds is None else retry_seconds
        wait = min(first * 2.0**self._failures, max(first, MAX_WAIT_SECONDS))
        self._failures = min(self._failures + 1, _MOST_DOUBLINGS)
        wait = max(wait, retry_after_seconds or 0.0)
        return min(wait * (1.0 + self._random.uniform(0.0, _JITTER)), self._max_wait_seconds)
