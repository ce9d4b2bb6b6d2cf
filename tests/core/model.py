"""What the hub must keep and must tell, in the plainest words: full lists, nothing shared or fast.

`History` is all that was ever published and which of it is still held. `Ledger` is the account of
one stream: what it is owed, what it was sent, what it was told is lost.
"""

import json
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sse_server.core.log import WINDOW_OVERHEAD_BYTES
from sse_server.core.window import FRAME_OVERHEAD_BYTES, ChannelOptions
from sse_server.wire.parser import StreamEvent

EPOCH = b"e"


def position(offset: int) -> bytes:
    return b"%b-%d" % (EPOCH, offset)


def offset_of(last_id: str) -> int:
    epoch, _, offset = last_id.partition("-")
    assert epoch.encode() == EPOCH, last_id
    return int(offset)


@dataclass(frozen=True)
class Published:
    offset: int
    channel: str
    data: str
    size: int
    time: float


class History:
    """All frames ever published, and those that the bounds allow to be held."""

    def __init__(self, options: Mapping[str, ChannelOptions], max_bytes: int) -> None:
        self.options = options
        self.max_bytes = max_bytes
        self.frames: dict[int, Published] = {}
        self.offsets: dict[str, list[int]] = {channel: [] for channel in options}
        self.held: dict[str, list[Published]] = {channel: [] for channel in options}
        self.newest = 0

    def publish(self, channel: str, offset: int, data: str, now: float) -> None:
        block = b"id: %b\ndata: %b\n\n" % (position(offset), data.encode())
        frame = Published(offset, channel, data, len(block) + FRAME_OVERHEAD_BYTES, now)
        assert offset > self.newest
        self.newest = offset
        self.frames[offset] = frame
        self.offsets[channel].append(offset)
        held, options = self.held[channel], self.options[channel]
        held.append(frame)
        while len(held) > 1 and (
            len(held) > options.max_frames or sum(frame.size for frame in held) > options.max_bytes
        ):
            del held[0]
        while self.bytes > self.max_bytes:
            oldest = min((held[0] for held in self.held.values() if held), key=lambda f: f.offset)
            if oldest.offset == self.newest:
                break
            del self.held[oldest.channel][0]

    def expire(self, now: float) -> None:
        for channel, held in self.held.items():
            age = self.options[channel].max_age_seconds
            if age is not None:
                held[:] = [frame for frame in held if frame.time + age > now]

    @property
    def bytes(self) -> int:
        windows = sum(WINDOW_OVERHEAD_BYTES for held in self.held.values() if held)
        return windows + sum(frame.size for held in self.held.values() for frame in held)

    def is_held(self, offset: int) -> bool:
        held = self.held[self.frames[offset].channel]
        return bool(held) and held[0].offset <= offset

    def between(self, channel: str, after: int, upto: int) -> list[int]:
        """Offsets of all frames of a channel beyond `after` up to and with `upto`."""
        offsets = self.offsets[channel]
        return offsets[bisect_right(offsets, after) : bisect_right(offsets, upto)]

    def lost(self, channel: str) -> int:
        """The newest offset that is no longer held; 0 if all are."""
        if self.options[channel].ephemeral:
            return 0
        gone = [offset for offset in self.offsets[channel] if not self.is_held(offset)]
        return gone[-1] if gone else 0

    def oldest(self, channels: Iterable[str]) -> int | None:
        return min((self.held[c][0].offset for c in channels if self.held[c]), default=None)


@dataclass
class Snapshot:
    """What a client knows that was cut here: its last id, and what it was not told of yet."""

    last_id: bytes | None
    untold: dict[str, set[int]]


@dataclass
class Ledger:
    """The account of one stream."""

    history: History
    last_id: int
    """What the stream was sent last; in the beginning its place."""
    upto: dict[str, int]
    """By channel it follows: up to where its frames were sent, or are known to be missing."""
    fault: str | None = None
    """The reason of the gap that has to come first, on all that is followed in the beginning."""
    countable: bool = True
    """It lost nothing before it began; so how much it loses is known."""
    forgiven: set[int] = field(default_factory=set)
    missing: dict[str, set[int]] = field(default_factory=dict)
    """What it skipped and was not told of yet."""
    carried: dict[str, set[int]] = field(default_factory=dict)
    """The same, from the streams that its client had before."""
    optional: dict[str, set[int]] = field(default_factory=dict)
    """Forgiven, but followed anew since: may be told."""
    resolved: list[tuple[int, int]] = field(default_factory=list)
    """How many frames each gap told of since the last one that had a number: at least, at most."""
    numbers_due: bool = False
    """A gap was told without a number; a later one has to have it."""
    floor: int = 0
    """Up to here the log has forgotten what forgotten channels lost."""
    is_all: bool = True
    """There is nothing but the log. What an engine has lost is not counted."""
    unresolved: bool = False
    """It begins with the oldest that an engine keeps, when that is found."""

    def __post_init__(self) -> None:
        self.is_late = False
        self.began_with = sorted(self.upto)
        self.countable = self.countable and self.is_all

    def unresolve(self) -> None:
        """It begins with the oldest that is kept when its first write comes."""
        self.unresolved = True
        self.last_id = 0
        self.upto = dict.fromkeys(self.upto, 0)

    def resolve(self) -> None:
        """Its first write comes: what is not kept now may be told, and need not be."""
        if self.unresolved:
            self.unresolved = False
            self.is_late = True
            for channel in self.upto:
                gone = {
                    offset
                    for offset in self.history.between(channel, 0, self.history.newest)
                    if not self.history.is_held(offset)
                }
                self.forgiven |= gone
                self.optional.setdefault(channel, set()).update(gone)

    def take(self, event: StreamEvent) -> None:
        offset = offset_of(event.last_event_id)
        if event.type == "gap":
            data = json.loads(event.data)
            if self.fault is not None:
                self._take_fault(offset, data)
            else:
                self._take_gap(offset, data)
        else:
            self._take_frame(offset, event)
        self.last_id = offset

    def beat(self, offset: int) -> None:
        """A heartbeat said that everything up to here was sent or told."""
        assert self.fault is None, "a heartbeat before the gap that had to come first"
        assert offset >= self.last_id, "ids went back"
        self._skip(offset)
        assert not any(self.missing.values()), "told to resume from beyond what it was not told of"
        self.last_id = offset

    def _take_frame(self, offset: int, event: StreamEvent) -> None:
        assert self.fault is None, "a frame before the gap that had to come first"
        frame = self.history.frames[offset]
        assert event.data == frame.data
        assert offset > self.last_id, "ids went back"
        assert frame.channel in self.upto, "a frame of a channel it does not follow"
        assert offset > self.upto[frame.channel], "a frame it had, or was not to have"
        self._skip(offset - 1)
        self.upto[frame.channel] = offset

    def _take_fault(self, at: int, data: dict[str, Any]) -> None:
        assert at == self.last_id or self.is_late
        self._skip(at)
        assert data["reason"] == self.fault
        assert sorted(data["channels"]) == self.began_with
        assert data["lost"] is None
        self.fault = None
        self.carried.clear()

    def _take_gap(self, at: int, data: dict[str, Any]) -> None:
        channels: list[str] = data["channels"]
        assert at > self.last_id, "a gap told twice, or out of order"
        self._skip(at)
        told = perhaps = 0
        for channel in channels:
            missing = self.missing.pop(channel, set())
            optional = {o for o in self.optional.get(channel, set()) if o <= at}
            self.optional[channel] = self.optional.get(channel, set()) - optional
            told += len(missing)
            perhaps += 0 if self.is_all else len(optional - missing)
            self.carried.pop(channel, None)
            if data["reason"] == "evicted":
                assert missing | optional, "a gap that is none"
        if data["reason"] == "evicted":
            channel = self.history.frames[at].channel
            assert channel in channels, "not where the newest lost frame stood"
        else:
            assert data["reason"] == "unknown"
            assert at <= self.floor, "nothing was forgotten"
        self.resolved.append((told, told + perhaps))
        self._check_number(data["lost"])

    def _check_number(self, lost: int | None) -> None:
        if lost is None:
            self.numbers_due = True
            return
        starts = range(1 if self.countable else len(self.resolved))
        least = [sum(at_least for at_least, _ in self.resolved[start:]) for start in starts]
        most = [sum(at_most for _, at_most in self.resolved[start:]) for start in starts]
        assert any(least[start] <= lost <= most[start] for start in starts)
        self.resolved.clear()
        self.numbers_due = False

    def _skip(self, upto: int) -> None:
        """The stream is beyond `upto`: what it was not sent up to there has to be lost."""
        history = self.history
        for channel, sent in self.upto.items():
            if sent >= upto:
                continue
            self.upto[channel] = upto
            for offset in history.between(channel, sent, upto):
                assert not history.is_held(offset), f"{offset} of {channel} was left out"
                if offset not in self.forgiven and not history.options[channel].ephemeral:
                    self.missing.setdefault(channel, set()).add(offset)

    def change(self, channels: Iterable[str], place: int) -> None:
        """The stream goes on with these channels; what is new to it is read from `place`."""
        history = self.history
        assert self.last_id <= place <= history.newest
        upto = {channel: self.upto.get(channel, place) for channel in channels}
        for channel in upto.keys() - self.upto.keys():
            again = {
                o for o in history.between(channel, place, history.newest) if o in self.forgiven
            }
            self.optional.setdefault(channel, set()).update(again)
        for channel in self.upto.keys() - upto.keys():
            self.missing.pop(channel, None)
            self.carried.pop(channel, None)
        self.upto = upto
        if self.unresolved:
            self.began_with = sorted(upto)
        self.countable = (
            self.is_all and self.floor <= place and all(history.lost(c) <= place for c in upto)
        )
        self.resolved.clear()
        self.numbers_due = False

    @property
    def has_everything(self) -> bool:
        return self.fault is None and not any(
            self.history.is_held(offset) or offset not in self.forgiven
            for channel, sent in self.upto.items()
            for offset in self.history.between(channel, sent, self.history.newest)
        )

    def finish(self) -> None:
        """All is quiet: nothing may be missing, and nothing untold."""
        self.resolve()
        assert self.fault is None, "a gap that had to come first did not come"
        self._skip(self.history.newest)
        assert not any(self.missing.values()), f"untold: {self.missing}"
        assert not any(self.carried.values()), f"untold since an earlier stream: {self.carried}"
        assert not (self.countable and self.numbers_due), "a gap without a number"

    def snapshot(self, last_id: bytes | None) -> Snapshot:
        untold = {channel: set(offsets) for channel, offsets in self.missing.items()}
        for channel, offsets in self.carried.items():
            untold.setdefault(channel, set()).update(offsets)
        return Snapshot(last_id, untold)
