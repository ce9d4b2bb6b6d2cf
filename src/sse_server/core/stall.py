"""Stalls: paused subscribers, and how long each has taken nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sse_server.core.policy import LagPolicy
from sse_server.wire.flow import CloseReason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sse_server.core.subscriber import Subscriber


class Stalls:
    """Ends who takes nothing for too long, or lags where that is not allowed."""

    __slots__ = ("_watched", "timeout_seconds")

    def __init__(self, timeout_seconds: float) -> None:
        self.timeout_seconds = timeout_seconds
        # Since when nothing was taken, and how much the transport held back then.
        self._watched: dict[Subscriber, tuple[float, int]] = {}

    def __len__(self) -> int:
        """Subscribers that are paused."""
        return len(self._watched)

    def __iter__(self) -> Iterator[Subscriber]:
        """They, the one that was paused first first."""
        return iter(self._watched)

    def watch(self, subscriber: Subscriber, now: float) -> None:
        """It has been paused."""
        self._watched[subscriber] = (now, subscriber.sink.unsent)

    def forget(self, subscriber: Subscriber) -> None:
        """It has been resumed, or is gone."""
        self._watched.pop(subscriber, None)

    def sweep(self, now: float) -> None:
        """Look at each: about once a second."""
        for subscriber, (since, held) in list(self._watched.items()):
            if subscriber not in self._watched:
                continue  # gone with one that was closed just now
            unsent = subscriber.sink.unsent
            if unsent < held:
                self._watched[subscriber] = (now, unsent)
            elif now - since >= self.timeout_seconds:
                subscriber.close(CloseReason.SLOW)
                continue
            if subscriber.policy.lag is LagPolicy.DISCONNECT and subscriber.lags:
                subscriber.close(CloseReason.SLOW)
