"""Backlogs: what each open stream has not been sent, as a distribution.

Whoever is neither paused nor waits for a turn has everything, and is not looked at. Of the others
so many are looked at, evenly spaced, each for those beside it, that the work is bounded.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from sse_server.core.channel import Channel
from sse_server.core.lane import Lane
from sse_server.core.subscriber import Subscriber
from sse_server.core.window import FRAME_OVERHEAD_BYTES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from sse_server.core.hub import Hub
    from sse_server.core.pump import Turn
    from sse_server.core.stall import Stalls
    from sse_server.core.window import Window

_MOST_LOOKS = 1_000  # of each kind: about 2 ms


class Backlog(NamedTuple):
    """What is pending for some streams, each of them."""

    frames: int
    bytes: int
    """Estimated: so many frames of the average size in their windows."""
    streams: float
    """How many it is; where not all were looked at, an estimate as well."""


def backlogs(hub: Hub) -> Iterator[Backlog]:
    """The backlogs of all open streams, those that have none in one."""
    behind = 0.0
    for backlog in _pending(hub):
        behind += backlog.streams
        yield backlog
    if hub.subscribers > behind:
        yield Backlog(0, 0, hub.subscribers - behind)


def _pending(hub: Hub) -> Iterator[Backlog]:
    paused: Stalls = hub.stalls
    step = _step(paused)
    for subscriber in islice(paused, 0, None, step):
        yield backlog_of(subscriber.windows, subscriber.place, step)
    step = _step(hub.asking)
    for subscriber in islice(hub.asking, 0, None, step):
        yield backlog_of(subscriber.windows, subscriber.place, step)
    turns: Collection[Turn] = hub.pump.waiting
    step = _step(turns)
    for turn in islice(turns, 0, None, step):
        if isinstance(turn, Lane):
            yield backlog_of(turn.group.windows, turn.place, step * turn.streams)
        elif isinstance(turn, Subscriber):
            if turn.walks:
                yield backlog_of(turn.windows, turn.place, step)
        elif isinstance(turn, Channel):
            yield from _unwoken(turn, step)


def _unwoken(channel: Channel, weight: int) -> Iterator[Backlog]:
    """A channel that has a frame of which its groups have not heard."""
    step = _step(channel.groups)
    for group in islice(channel.groups, 0, None, step):
        if next((other for other in group.channels if other.queued), channel) is not channel:
            continue  # counted there
        for lane in group.lanes:
            if not lane.queued and lane.place < group.newest:
                yield backlog_of(group.windows, lane.place, weight * step * lane.streams)


def _step(items: Collection[object] | Stalls) -> int:
    """Every which of `items` is looked at."""
    return 1 + len(items) // _MOST_LOOKS


def backlog_of(windows: Sequence[Window], place: int, streams: float) -> Backlog:
    """What is pending behind `place`, for so many streams that stand there."""
    frames = size = 0
    for window in windows:
        pending = len(window.offsets) - window.index(place)
        if pending:
            frames += pending
            size += pending * (window.bytes // len(window) - FRAME_OVERHEAD_BYTES)
    return Backlog(frames, size, streams)
