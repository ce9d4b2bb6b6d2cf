"""Gaps: frames that a stream can no longer be given, told in-band.

A gap stands where the newest lost frame stood and carries that position as its id. So the place of
a stream alone says whether it has been told, and nothing tells the same gap twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import orjson

from sse_server.core.window import Window
from sse_server.wire.encoder import own_event
from sse_server.wire.position import Positions

EVICTED = "evicted"
"""The frames have left the window."""
LAGGED = "lagged"
"""The stream lagged beyond what its channels allow."""
UNKNOWN = "unknown"
"""The channel had been forgotten; whether it lost anything is not known."""

_MAX_REQUESTED = 80  # what a client sent comes back to it, but not all of a header's worth


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """What is told of one gap."""

    windows: Sequence[Window]
    """Those that lost something."""
    at: int
    """Where the gap stands."""
    requested: bytes
    """The position the client asked for, or was at."""
    reason: str
    lost: int | None
    """How many frames, where that is known: all since the last gap that had a number."""

    def block(self, positions: Positions, newest: int) -> bytes:
        """The gap as an `event: gap`, with an id from which the stream goes on."""
        held = [window.oldest for window in self.windows if window.oldest is not None]
        data = {
            "channels": [window.name for window in self.windows],
            "requested": self.requested.decode("utf-8", "replace")[:_MAX_REQUESTED],
            "oldest": positions.encode(min(held)).decode() if held else None,
            "newest": positions.encode(newest).decode(),
            "reason": self.reason,
            "lost": self.lost,
        }
        return own_event(b"gap", orjson.dumps(data), positions.encode(self.at))


class ToldGap(NamedTuple):
    """A gap that some streams were told, for whoever writes it down."""

    windows: Sequence[Window]
    reason: str
    lost: int | None
    streams: int


def reason(window: Window) -> str:
    """Why frames of a window that lost something are missing."""
    return UNKNOWN if window.lost == window.uncertain else EVICTED
