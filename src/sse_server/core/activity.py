"""Activity: what an open stream is doing, in the numbers that an operator asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sse_server.core.backlog import backlog_of

if TYPE_CHECKING:
    from sse_server.core.subscriber import Subscriber
    from sse_server.wire.flow import Client

STANDING = "standing"
"""It has everything, or waits for what was published just now."""
WALKING = "walking"
"""It reads what others have had."""
PAUSED = "paused"
"""Its client takes nothing more for now."""


class Activity(NamedTuple):
    """What one stream is doing."""

    client: Client
    open_seconds: float
    channels: list[str]
    state: str
    place: int
    """Up to where it was sent all there is."""
    last: int | None
    """The newest frame of its channels up to there; None if none is held."""
    backlog_frames: int
    backlog_bytes: int
    """Estimated, as in `core.backlog`."""
    lag_seconds: float
    """How long the oldest frame of the backlog has waited."""
    frames: int
    bytes: int
    unsent: int
    """Bytes that its transport holds back."""


def activity(subscriber: Subscriber) -> Activity:
    """What an open stream is doing now."""
    group = subscriber.group
    assert group is not None, "the stream is gone"
    now = group.hub.clock()
    windows, place, lane = subscriber.windows, subscriber.place, subscriber.lane
    if lane is not None:
        place = max(place, lane.place)
    pending = backlog_of(windows, place, 1)
    if lane is not None and not pending.frames:
        place = group.hub.newest
    waiting = [w.times[w.index(place)] for w in windows if w.index(place) < len(w.offsets)]
    read = [w.offsets[w.index(place) - 1] for w in windows if w.index(place) > w.head]
    frames, size = subscriber.delivered
    return Activity(
        subscriber.sink.client,
        now - subscriber.opened_at,
        sorted(subscriber.followed),
        PAUSED if subscriber.paused else WALKING if lane is None else STANDING,
        place,
        max(read, default=None),
        pending.frames,
        pending.bytes,
        now - min(waiting, default=now),
        frames,
        size,
        max(0, subscriber.sink.unsent),
    )
