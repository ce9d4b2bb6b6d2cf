"""History: what an engine keeps beyond what the log holds, for whoever is that far behind.

A walking subscriber whose place is before what its windows hold asks for a page, and is then in no
queue until the page is there. It is given one page after another, up to where the log takes over:
where nothing of its channels is lost beyond its place. What the engine has lost as well is a gap.

A channel that an engine has only begun to hand up is not complete: whoever follows it waits until
it is known from where on it is, and reads what lies before.

Core knows no engine and waits for nothing: it asks `History`, and is called back.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol

from sse_server.core.gap import EVICTED, Gap, ToldGap
from sse_server.core.policy import AfterGap
from sse_server.core.reading import UNKNOWN_COUNT, known_count, losers
from sse_server.core.start import begin
from sse_server.core.window import INCOMPLETE
from sse_server.wire.flow import CloseReason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sse_server.core.group import Group
    from sse_server.core.hub import Hub
    from sse_server.core.pump import Pump
    from sse_server.core.subscriber import Subscriber
    from sse_server.core.window import Window


class Question(NamedTuple):
    """What is to be read."""

    channels: tuple[str, ...]
    after: int | None
    """The place from which on; None: the oldest that is kept."""
    until: int
    """The last offset."""


class Page(NamedTuple):
    """Some of what an engine keeps of some channels."""

    blocks: bytes
    """Whole frames in order, joined."""
    frames: int
    first: int | None
    """The offset of the first of them."""
    end: int
    """Up to here it has everything of these channels that is kept."""
    lost: Mapping[str, int]
    """By channel, where something beyond the beginning of the page is no longer kept: up to where.
    A page that begins at a place goes no further than the first of these: a gap stands there."""


class _Told(NamedTuple):
    """What is written of a page."""

    blocks: list[bytes]
    frames: int
    closes: bool = False


class History(Protocol):
    """What an engine keeps."""

    def read(self, question: Question, take: Callable[[Page | None], None]) -> Callable[[], object]:
        """Have `take` called, later, with the first page; None: it cannot be read.

        What is returned cancels: `take` is not called any more.
        """
        ...


class Watcher(Protocol):
    """Who is to know which channels are followed."""

    def watch(self, channel: str) -> None:
        """Somebody follows `channel`: `Hub.complete` is to be called for it."""
        ...

    def unwatch(self, channel: str) -> None:
        """Nobody does any more."""
        ...


class Inquiry:
    """What a subscriber waits for: a page, or a channel that is not complete yet.

    However long that takes, its stream is given heartbeats.
    """

    __slots__ = ("beats_at", "cancel", "page", "queued", "subscriber", "windows")

    def __init__(self, subscriber: Subscriber, windows: Sequence[Window]) -> None:
        """`windows`: those that can have lost something."""
        self.subscriber = subscriber
        self.windows = windows
        self.page: Page | None = None
        self.cancel: Callable[[], object] | None = None
        self.queued = False
        self.beats_at = 0

    @property
    def wrote_at(self) -> float:
        """When the stream was last sent something."""
        return self.subscriber.wrote_at

    def run(self, pump: Pump) -> int:
        """Say that the stream lives, but no position: its client knows up to where it has all."""
        self.queued = False
        subscriber, group = self.subscriber, self.subscriber.group
        if group is None or subscriber.inquiry is not self:
            return 0
        group.hub.heartbeats.sent += 1
        subscriber.send(group.heartbeat(subscriber.place, moved=False), pump.now)
        return 1


def is_deep(subscriber: Subscriber) -> bool:
    """Whether what it is to be sent next has to be asked for, where there is a history to ask."""
    start = subscriber.start
    if start is not None and (start.unresolved or start.gap is not None):
        return start.unresolved  # a gap that is to come first can be told at once
    windows, place = subscriber.windows, subscriber.place
    affected = losers(windows, place, start.forgiven if start is not None else None)
    if not affected:
        return False
    if any(window.lost == INCOMPLETE for window in affected):
        return True
    return subscriber.asks and not subscriber.lags


def turn(subscriber: Subscriber, pump: Pump, group: Group) -> int | None:
    """The turn of a subscriber that needs the history, in writes; None: it does not."""
    if subscriber.inquiry is not None:
        return _give(subscriber, pump, group)
    if group.hub.history is not None and is_deep(subscriber):
        if subscriber.farewell is not None:  # the next server has it, too
            subscriber.close(CloseReason.DRAINED, subscriber.farewell)
            return 1
        _ask(subscriber, group, pump)
        return 1
    return None


def _ask(subscriber: Subscriber, group: Group, pump: Pump) -> None:
    """Wait for the next page, or until there can be one: then it takes a turn."""
    windows = [window for window in subscriber.windows if not window.options.ephemeral]
    subscriber.inquiry = inquiry = Inquiry(subscriber, windows)
    asking = group.hub.asking
    asking[subscriber] = None
    group.hub.heartbeats.add(inquiry)
    for channel in subscriber.channels:
        if channel.window.lost == INCOMPLETE:
            channel.waiting[subscriber] = None
            inquiry.cancel = partial(channel.waiting.pop, subscriber, None)
            return

    def take(page: Page | None) -> None:
        assert subscriber.inquiry is inquiry, "it was cancelled"
        inquiry.page = page
        inquiry.cancel = None
        del asking[subscriber]
        pump.enqueue(subscriber)

    history, start = group.hub.history, subscriber.start
    assert history is not None
    after = None if start is not None and start.unresolved else subscriber.place
    until = max(window.lost for window in windows)
    # What a client is not told to miss is not asked for, and is not left out where it is at hand.
    until = min([until, *_own_frames(subscriber, until)])
    names = tuple(window.name for window in windows)
    inquiry.cancel = history.read(Question(names, after, until), take)


def forget(subscriber: Subscriber, hub: Hub) -> None:
    """It is not to have the page that it asked for."""
    inquiry = subscriber.inquiry
    if inquiry is not None:
        subscriber.inquiry = None
        hub.asking.pop(subscriber, None)
        hub.heartbeats.forget(inquiry)
        if inquiry.cancel is not None:
            inquiry.cancel()


def _give(subscriber: Subscriber, pump: Pump, group: Group) -> int:
    """The page is there: write it, and go on behind it; returns the number of writes."""
    inquiry = subscriber.inquiry
    assert inquiry is not None
    subscriber.inquiry = None
    group.hub.heartbeats.forget(inquiry)
    page = inquiry.page
    if page is None:
        _do_without(subscriber, pump)
        return 0
    told = _told(subscriber, page, inquiry.windows, pump)
    windows = subscriber.windows
    if not losers(windows, subscriber.place):  # the log takes over
        subscriber.start = None
        subscriber.seen = known_count(windows, subscriber.place)
        if not subscriber.slow:  # publishers wait for it from here on
            pump.dry_at = min(pump.dry_at, subscriber.place)
    else:
        subscriber.seen = UNKNOWN_COUNT
    if not told.blocks:
        subscriber.go_on()
        return 0
    data = group.framing(told.blocks)
    frames, size = subscriber.sent
    subscriber.sent = (frames + told.frames, size + len(data))
    pump.bursts += 1
    pump.frames += told.frames
    pump.bytes += len(data)
    subscriber.send(data, pump.now)
    if told.closes:
        subscriber.close(CloseReason.GAP)
    else:
        subscriber.go_on()
    return 1


def _own_frames(subscriber: Subscriber, until: int) -> dict[int, bytes]:
    """By offset, what its ephemeral channels hold beyond its place and up to `until`."""
    return {
        window.offsets[index]: window.blocks[index]
        for window in subscriber.windows
        if window.options.ephemeral
        for index in range(window.index(subscriber.place), window.index(until))
    }


def _do_without(subscriber: Subscriber, pump: Pump) -> None:
    """The engine cannot be read: go on with what the log holds, and tell the rest as a gap."""
    subscriber.asks = False
    start, log = subscriber.start, pump.log
    if start is not None and start.unresolved:
        beginning = begin(start.asked, subscriber.windows, log.newest, log.positions)
        subscriber.place, subscriber.seen, subscriber.start = beginning
    subscriber.go_on()


def _told(subscriber: Subscriber, page: Page, windows: Sequence[Window], pump: Pump) -> _Told:
    """A page with the gap at its beginning or end. Moves the subscriber to where it leads."""
    place, start = subscriber.place, subscriber.start
    own = _own_frames(subscriber, page.end)
    # Behind the page: it ends with the first of them.
    blocks = [page.blocks, *[own[offset] for offset in sorted(own)]] if page.frames or own else []
    frames = page.frames + len(own)
    subscriber.place = page.end
    if start is not None and start.unresolved:
        # It begins with the oldest that is kept: what was lost by now is forgiven.
        start.unresolved = False
        start.forgiven = {w: page.lost[w.name] for w in windows if w.name in page.lost}
        start.until = max([page.end, *start.forgiven.values()])
        if start.fault is not None:
            firsts = [*own] if page.first is None else [page.first, *own]
            at = min(firsts) - 1 if firsts else page.end
            blocks.insert(0, _tell(subscriber.windows, at, start.asked, start.fault, pump))
            start.fault = None
        return _Told(blocks, frames)
    forgiven = start.forgiven if start is not None else {}
    lost = {
        window: page.lost[window.name]
        for window in windows
        if page.lost.get(window.name, -1) > max(place, forgiven.get(window, -1))
    }
    # Where the log takes over, what was lost beyond has been lost for this stream as well.
    goes_on = bool(losers(windows, page.end))
    due = [window for window, at in lost.items() if at <= page.end or not goes_on]
    if not due:
        return _Told(blocks, frames)
    at, after_gap = page.end, subscriber.policy.after_gap
    if after_gap is AfterGap.LATEST:
        at, due = pump.log.newest, list(windows)
    elif after_gap is AfterGap.CLOSE:  # whoever comes back from there is not told again
        at, due = max(lost.values()), list(windows)
    blocks.append(_tell(due, at, pump.log.positions.encode(place), EVICTED, pump))
    subscriber.place = at
    return _Told(blocks, frames, closes=after_gap is AfterGap.CLOSE)


def _tell(windows: Sequence[Window], at: int, requested: bytes, reason: str, pump: Pump) -> bytes:
    """One gap; how many were lost is not known."""
    pump.gaps += 1
    pump.told_gaps.append(ToldGap(windows, reason, None, 1))
    gap = Gap(windows=windows, at=at, requested=requested, reason=reason, lost=None)
    return gap.block(pump.log.positions, pump.log.newest)
