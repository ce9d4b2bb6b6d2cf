"""Idempotency: what has been published under a key is not published again."""

from collections import deque
from dataclasses import dataclass
from typing import Annotated

from sse_server.options import Bounds, Options


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyOptions(Options):
    """How long a publisher's `id` is remembered; the first bound reached wins."""

    max_keys: Annotated[int, Bounds(0, 100_000_000)] = 100_000
    """About 25 MB with the longest keys."""
    window_seconds: Annotated[float, Bounds(0, 604_800)] = 120.0
    """Longer than any publisher goes on repeating one request."""


class IdempotencyKeys:
    """The offsets that recent keys stand for, by (channel, id)."""

    __slots__ = ("_ages", "_offsets", "_options")

    def __init__(self, options: IdempotencyOptions) -> None:
        """Empty."""
        self._options = options
        self._offsets: dict[tuple[str, str], int] = {}
        self._ages: deque[tuple[float, tuple[str, str], int]] = deque()  # oldest first

    def __len__(self) -> int:
        """Keys remembered."""
        return len(self._offsets)

    def find(self, channel: str, key: str, now: float) -> int | None:
        """The offset of the event first published under this key."""
        self._forget(now)
        return self._offsets.get((channel, key))

    def remember(self, channel: str, key: str, offset: int, now: float) -> None:
        """Keep a key that `find` did not know."""
        self._offsets[channel, key] = offset
        self._ages.append((now, (channel, key), offset))
        self._forget(now)

    def forget(self, channel: str, key: str, offset: int) -> None:
        """Its event could not be stored."""
        if self._offsets.get((channel, key)) == offset:
            del self._offsets[channel, key]

    def _forget(self, now: float) -> None:
        ages = self._ages
        oldest = now - self._options.window_seconds
        while ages and (ages[0][0] <= oldest or len(ages) > self._options.max_keys):
            _, (channel, key), offset = ages.popleft()
            self.forget(channel, key, offset)
