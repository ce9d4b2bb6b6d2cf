"""Policies: what happens to who lags, and after a gap. Set by channel pattern.

Lagging is more than being behind. Who waits for the pump never loses anything: publishers wait for
it. Only a subscriber whose transport was full, or that is held by a rate class, lags, and only
while more frames are pending for it than its bound allows.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sse_server.core.window import Window


class LagPolicy(StrEnum):
    """What is done to who lags beyond its bound, the strictest last."""

    LATEST = "latest"
    """Conflate: the last frame of each key, and the newest of those without a key."""
    DROP = "drop"
    """Skip the oldest; what is skipped is told as a gap and counted."""
    DISCONNECT = "disconnect"
    """End the stream. The client comes back with its last id."""


class AfterGap(StrEnum):
    """Where a stream goes on after a gap was told, the strictest last."""

    EARLIEST = "earliest"
    """With the oldest frame that is held."""
    LATEST = "latest"
    """With the next that is published."""
    CLOSE = "close"
    """Nowhere: the stream ends, so that the client fetches its state anew."""


# One table each: both have a `latest`, which are the same key.
_LAG_STRICTNESS = {lag: rank for rank, lag in enumerate(LagPolicy)}
_AFTER_GAP_STRICTNESS = {after_gap: rank for rank, after_gap in enumerate(AfterGap)}


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds for a whole stream: the strictest of its channels."""

    lag: LagPolicy
    max_lag_frames: int
    after_gap: AfterGap


def strictest(windows: Sequence[Window]) -> Policy:
    """The policy of a stream that reads `windows`."""
    options = [window.options for window in windows if not window.options.ephemeral]
    if not options:
        options = [window.options for window in windows]
    return Policy(
        max((option.lag for option in options), key=_LAG_STRICTNESS.__getitem__),
        min(option.lag_bound for option in options),
        max((option.after_gap for option in options), key=_AFTER_GAP_STRICTNESS.__getitem__),
    )
