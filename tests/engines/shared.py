"""A store that several nodes share, in the plainest way: an engine to test the contract itself.

It hands up only what is watched, late, and in several turns of the loop, as a store behind a
network does.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sse_server.core.engine_counters import EngineCounters
from sse_server.core.history import Page, Question
from sse_server.engines.base import Publication, Receipt, Upward
from sse_server.errors import Unavailable
from sse_server.wire.encoder import encode, frame
from sse_server.wire.event import Event
from sse_server.wire.position import Positions


@dataclass
class Store:
    """What all nodes share."""

    clock: Callable[[], float]
    window_seconds: float
    epochs: list[tuple[bytes, int]] = field(default_factory=lambda: [(b"first", -1)])
    events: list[tuple[int, str, Event]] = field(default_factory=list)
    keys: dict[tuple[str, str], tuple[int, float]] = field(default_factory=dict)
    """By channel and id: the offset, and until when it is known."""
    lost: dict[str, int] = field(default_factory=dict)
    nodes: list["SharedEngine"] = field(default_factory=list)

    @property
    def newest(self) -> int:
        return self.events[-1][0] if self.events else 0

    def append(self, channel: str, event: Event) -> tuple[int, bool]:
        """The event's offset, and whether it was there already."""
        if event.id is not None:
            first, until = self.keys.get((channel, event.id), (0, 0.0))
            if self.clock() < until:
                return first, True
            until = self.clock() + self.window_seconds
            self.keys[channel, event.id] = self.newest + 1, until
        self.events.append((self.newest + 1, channel, event))
        return self.newest, False

    def positions(self) -> Positions:
        name, begin = self.epochs[-1]
        return Positions(name, begin, self.epochs[:-1])

    def trim(self, channel: str, upto: int) -> None:
        gone = [offset for offset, name, _ in self.events if name == channel and offset <= upto]
        self.events = [one for one in self.events if one[0] not in gone]
        self.lost[channel] = max([self.lost.get(channel, 0), *gone])


class SharedEngine:
    """One node's engine."""

    keeps_history = True
    selective = True

    def __init__(self, store: Store) -> None:
        self.store = store
        self.trouble: str | None = None
        self.counters = EngineCounters()
        self.newest = 0  # read up to here
        self.upward: Upward | None = None
        self.watched: set[str] = set()
        self.asked: dict[str, None] = {}  # to be watched
        self.is_closed = False
        self.is_reading = False
        self.publishers: list[tuple[int, asyncio.Future[None]]] = []

    async def open(self) -> None:
        self.positions = self.store.positions()
        self.newest = self.store.newest

    def start(self, upward: Upward) -> None:
        self.upward = upward
        self.store.nodes.append(self)

    async def publish(self, publications: Sequence[Publication]) -> list[Receipt]:
        if self.is_closed:
            raise Unavailable("closed")
        await asyncio.sleep(0)
        if self.store.newest < self.newest:
            self._begin_anew()
        found = [self.store.append(channel, event) for channel, event in publications]
        for node in self.store.nodes:
            node.look()
        upto = max(offset for offset, _ in found)
        if self.newest < upto:  # handed up before it is answered
            handed_up = asyncio.get_running_loop().create_future()
            self.publishers.append((upto, handed_up))
            await handed_up
        encode_position = self.positions.encode
        return [Receipt(encode_position(offset), duplicate=again) for offset, again in found]

    def look(self) -> None:
        """There is something to read, or to watch."""
        if not self.is_reading and not self.is_closed:
            self.is_reading = True
            asyncio.get_running_loop().call_soon(self._read)

    def _read(self) -> None:
        """One event a turn."""
        self.is_reading = False
        assert self.upward is not None
        if self.is_closed:
            return
        if self.store.newest < self.newest:
            self._begin_anew()
        for channel in self.asked:
            self.watched.add(channel)
            self.upward.complete(channel, self.newest)
        self.asked.clear()
        index = bisect_right(self.store.events, self.newest, key=lambda one: one[0])
        if index < len(self.store.events):
            offset, channel, event = self.store.events[index]
            self.newest = offset
            if channel in self.watched:
                self.upward.deliver(channel, offset, event)
            else:
                self.upward.advance(offset)
            for upto, handed_up in self.publishers:
                if offset >= upto and not handed_up.done():
                    handed_up.set_result(None)
            self.publishers = [one for one in self.publishers if not one[1].done()]
            self.look()

    def _begin_anew(self) -> None:
        """The store has lost what this node has seen: whoever is first names the new epoch."""
        newest, epochs = self.store.newest, self.store.epochs
        if epochs[-1][0] == self.positions.epoch:
            epochs.append((b"epoch%d" % len(epochs), newest))
        name, begin = epochs[-1]
        self.newest = begin
        assert self.upward is not None
        self.upward.begin_anew(name, begin)
        self.positions = self.store.positions()

    async def history(self, question: Question, max_frames: int, max_bytes: int) -> Page:
        await asyncio.sleep(0)
        channels, after, until = question
        lost = {name: at for name, at in self.store.lost.items() if name in channels}
        if after is not None:
            lost = {name: at for name, at in lost.items() if at > after}
            until = min([until, *lost.values()])
        place = -1 if after is None else after
        found = [
            (offset, frame(self.positions.encode(offset), encode(event)))
            for offset, channel, event in self.store.events
            if channel in channels and place < offset <= until
        ]
        taken: list[tuple[int, bytes]] = []
        size = 0
        for offset, block in found[:max_frames]:
            size += len(block)
            if taken and size > max_bytes:
                break
            taken.append((offset, block))
        first = taken[0][0] if taken else None
        end = taken[-1][0] if len(taken) < len(found) else until
        return Page(b"".join(block for _, block in taken), len(taken), first, end, lost)

    def watch(self, channel: str) -> None:
        self.asked[channel] = None
        self.look()

    def unwatch(self, channel: str) -> None:
        self.asked.pop(channel, None)
        self.watched.discard(channel)

    async def close(self) -> None:
        self.is_closed = True
