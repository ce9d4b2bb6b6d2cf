"""Renewal: the log goes on in a new epoch, because what the engine has is older than what was seen.

Every open stream ends, so that its client comes back and resumes in what there is now. One that was
sent events which are gone is told a gap before: the last thing it is sent, with the id to go on
from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sse_server.core.gap import Gap
from sse_server.wire.flow import CloseReason
from sse_server.wire.position import PositionFault

if TYPE_CHECKING:
    from sse_server.core.hub import Hub
    from sse_server.core.subscriber import Subscriber


def begin_anew(hub: Hub, epoch: bytes, newest: int) -> None:
    """The epoch `epoch` has begun behind `newest`, the newest event that there is."""
    subscribers = list(hub.registry)
    for one in subscribers:
        one.leave_lane()
    requested = [hub.positions.encode(one.place) for one in subscribers]  # in the old epoch
    hub.positions.begin(epoch, newest)
    hub.log.begin_anew(newest)
    hub.pump.dry_at = newest
    for subscriber, position in zip(subscribers, requested, strict=True):
        _end(hub, subscriber, position, newest)


def _end(hub: Hub, subscriber: Subscriber, requested: bytes, newest: int) -> None:
    group = subscriber.group
    assert group is not None, "it was open a moment ago"
    if subscriber.place <= newest:
        subscriber.close(CloseReason.GAP)
        return
    gap = Gap(
        windows=subscriber.windows,
        at=newest,
        requested=requested,
        reason=PositionFault.FOREIGN_EPOCH,
        lost=None,
    )
    hub.pump.gaps += 1
    subscriber.close(CloseReason.GAP, group.framing([gap.block(hub.positions, newest)]))
