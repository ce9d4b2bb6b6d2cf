"""Starts: where a stream begins, from the `Last-Event-ID` that came with it.

Most begin at the newest position, or at one from which nothing is lost, and need no more than their
place. The others begin at the oldest frame that is held. The oldest differs by channel, so what
each channel had lost by then is forgiven until the stream has passed it, and is not told as a gap.

Where an engine keeps more than the log, its oldest is not known here: the beginning is found with
the first page that the engine answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sse_server.core.gap import Gap
from sse_server.core.policy import AfterGap, strictest
from sse_server.core.reading import UNKNOWN_COUNT, count, known_count, losers
from sse_server.core.window import Window
from sse_server.wire.position import PositionFault, Positions

EARLIEST = b"earliest"
"""In place of a position: all that is kept."""


@dataclass(slots=True)
class Start:
    """What a stream carries along until its place has left its beginning behind."""

    forgiven: dict[Window, int]
    until: int
    """Beyond this place nothing is forgiven any more."""
    gap: bytes | None
    """A gap to be told before anything else."""
    closes: bool = False
    """The stream ends with that gap."""
    reason: str = ""
    """Of that gap."""
    asked: bytes = EARLIEST
    """What the client came with."""
    unresolved: bool = False
    """It begins with the oldest that the engine keeps, and is not there yet."""
    fault: PositionFault | None = None
    """Why `asked` is none, if that is still to be told as a gap."""


class Beginning(NamedTuple):
    """Where a stream begins."""

    place: int
    seen: int
    start: Start | None


def begin(
    last_id: bytes | None,
    windows: Sequence[Window],
    newest: int,
    positions: Positions,
    *,
    deep: bool = False,
) -> Beginning:
    """Find the place that `last_id` names; None is the newest.

    A position that names none is a gap on every channel: it is told first, and everything held
    follows it. `deep`: an engine keeps what the windows do not hold.
    """
    if last_id is None:
        return Beginning(newest, count(windows, newest), None)
    deep = deep and bool(losers(windows, 0))
    if last_id == EARLIEST:
        return _begin_deep(last_id, None) if deep else _begin_at_oldest(windows, newest)
    place = positions.parse(last_id)
    if isinstance(place, int) and place > newest:
        place = PositionFault.FUTURE
    if isinstance(place, int):
        return Beginning(place, known_count(windows, place), None)
    if deep and strictest(windows).after_gap is AfterGap.EARLIEST:
        return _begin_deep(last_id, place)
    return _begin_with_gap(last_id, place, windows, newest, positions)


def _begin_deep(asked: bytes, fault: PositionFault | None) -> Beginning:
    start = Start({}, 0, None, asked=asked, unresolved=True, fault=fault)
    return Beginning(0, UNKNOWN_COUNT, start)


def _begin_with_gap(
    last_id: bytes,
    reason: PositionFault,
    windows: Sequence[Window],
    newest: int,
    positions: Positions,
) -> Beginning:
    """It is not known what the client lacks: a gap on every channel."""
    beginning = _begin_at_oldest(windows, newest)
    forgiven = beginning.start.forgiven if beginning.start else {}
    match strictest(windows).after_gap:
        case AfterGap.EARLIEST:
            place = beginning.place
        case AfterGap.LATEST:
            place = newest
        case AfterGap.CLOSE:  # where it comes back, nothing is to be told again
            place = max([beginning.place, *forgiven.values()])
    closes = strictest(windows).after_gap is AfterGap.CLOSE
    gap = Gap(windows=windows, at=place, requested=last_id, reason=reason, lost=None)
    until = max([place, *forgiven.values()])
    start = Start(forgiven, until, gap.block(positions, newest), closes, reason)
    return Beginning(place, count(windows, place), start)


def _begin_at_oldest(windows: Sequence[Window], newest: int) -> Beginning:
    held = [window.oldest for window in windows if window.oldest is not None]
    place = min(held) - 1 if held else newest
    forgiven = {window: window.lost for window in losers(windows, place)}
    start = Start(forgiven, max(forgiven.values()), None) if forgiven else None
    return Beginning(place, count(windows, place), start)
