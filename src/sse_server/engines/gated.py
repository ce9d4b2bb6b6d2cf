"""A gate in front of an engine: publishers wait for subscribers that wait for the pump.

Without it a publisher that is faster than the pump would push frames out of the windows before
those who read as fast as they can were given them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from sys import maxsize
from typing import TYPE_CHECKING, Protocol

from sse_server.core.window import FRAME_OVERHEAD_BYTES
from sse_server.engines.base import PartlyStored
from sse_server.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from sse_server.core.engine_counters import EngineCounters
    from sse_server.engines.base import Engine, Publication, Receipt
    from sse_server.wire.event import Event

_MAX_PART = 256  # publications that are let through at a time, of those that have to wait
_FIELD_BYTES = 100  # id, type and line ends, of most events


class Pressure(Protocol):
    """The hub, as far as publishers feel it."""

    def must_wait(self, channel: str, size: int) -> bool:
        """Whether subscribers are too far behind to publish `size` bytes to `channel` now."""
        ...

    def when_caught_up(self, call: Callable[[], None]) -> None:
        """Call this once, when they are not."""
        ...

    def window_frames(self, channel: str) -> int:
        """How many frames of a channel are kept."""
        ...

    def window_bytes(self, channel: str) -> int:
        """How many bytes of a channel are kept."""
        ...


class GatedEngine:
    """An engine whose `publish` waits its turn. Those who wait are served in order."""

    def __init__(self, engine: Engine, pressure: Pressure) -> None:
        self._engine = engine
        self._pressure = pressure
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._closed: str | None = None
        self.delayed = 0  # publishes that had to wait

    @property
    def trouble(self) -> str | None:
        """The engine's."""
        return self._engine.trouble

    @property
    def counters(self) -> EngineCounters:
        """The engine's."""
        return self._engine.counters

    def publish(
        self, publications: Sequence[Publication]
    ) -> list[Receipt] | Awaitable[list[Receipt]]:
        """Publish at once where nobody is behind.

        Raises:
            Unavailable: the gate is shut, because the server shuts down.
        """
        if self._closed is not None:
            raise Unavailable(self._closed)
        if len(publications) == 1 and not self._waiting:
            channel, event = publications[0]
            if not self._pressure.must_wait(channel, _size(event)):
                return self._engine.publish(publications)
        elif not self._waiting and self._fits(publications):
            return self._engine.publish(publications)
        return self._publish_later(publications)

    def shut(self, reason: str) -> None:
        """Refuse what is published from now on. What waits already is still let through."""
        self._closed = reason

    async def settled(self) -> None:
        """Until everything that was let in is published, and everybody who can read has it."""
        while self._waiting:
            await self._caught_up()
            await asyncio.sleep(0)  # whoever was first in the line publishes now
        await self._caught_up()

    async def close(self) -> None:
        """Release everything."""
        self.shut("the server is closed")
        await self._engine.close()

    def _fits(self, publications: Sequence[Publication]) -> bool:
        part = self._part(publications, 0)
        return len(part) == len(publications) and not self._must_wait(part)

    def _part(self, publications: Sequence[Publication], start: int) -> Sequence[Publication]:
        """What may be published between two looks at who is behind, from `start` on.

        A quarter of a window, so that it fits beside the half that may be unread. At least one.
        """
        pressure = self._pressure
        frames, size = _MAX_PART, maxsize
        channels: set[str] = set()
        stop, taken = start, 0
        for channel, event in publications[start : start + _MAX_PART]:
            if channel not in channels:
                channels.add(channel)
                frames = min(frames, max(1, pressure.window_frames(channel) // 4))
                size = min(size, pressure.window_bytes(channel) // 4)
            taken += _size(event)
            if stop > start and (stop - start == frames or taken > size):
                break
            stop += 1
        return publications[start:stop]

    def _must_wait(self, part: Sequence[Publication]) -> bool:
        size = sum(_size(event) for _, event in part)
        channels = {channel for channel, _ in part}
        return any(self._pressure.must_wait(channel, size) for channel in channels)

    async def _publish_later(self, publications: Sequence[Publication]) -> list[Receipt]:
        receipts: list[Receipt] = []
        try:
            last = await self._publish_in_line(publications, receipts)
            # It is ordered: whoever is next in the line does not wait until it is stored, too.
            receipts += last if isinstance(last, list) else await last
        except Unavailable as error:
            partly = _partly(error, receipts, len(publications))
            if partly is None:
                raise
            raise partly from error
        return receipts

    async def _publish_in_line(
        self, publications: Sequence[Publication], receipts: list[Receipt]
    ) -> list[Receipt] | Awaitable[list[Receipt]]:
        """Publish part by part when all before are; returns the answer to the last part."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        is_delayed = self._waiting[0] is not turn
        self.delayed += is_delayed
        try:
            if is_delayed:
                await turn
            while True:
                part = self._part(publications, len(receipts))
                while self._must_wait(part):
                    self.delayed += not is_delayed
                    is_delayed = True
                    await self._caught_up()
                answer = self._engine.publish(part)
                if len(receipts) + len(part) == len(publications):
                    return answer
                receipts += answer if isinstance(answer, list) else await answer
                await asyncio.sleep(0)  # 10,000 events take 0.1 s, in which others want something
        finally:
            self._waiting.remove(turn)
            if self._waiting and not self._waiting[0].done():
                self._waiting[0].set_result(None)

    async def _caught_up(self) -> None:
        caught_up = asyncio.get_running_loop().create_future()

        def resolve() -> None:
            if not caught_up.done():
                caught_up.set_result(None)

        self._pressure.when_caught_up(resolve)
        await caught_up


def _partly(error: Unavailable, before: Sequence[Receipt], count: int) -> PartlyStored | None:
    """What is told of `count` events, where `error` came when those `before` were stored.

    None: of no event it is known.
    """
    of_this_part = error.receipts if isinstance(error, PartlyStored) else ()
    receipts = [*before, *of_this_part]
    if not receipts:
        return None
    receipts += [None] * (count - len(receipts))
    return PartlyStored(error.message, receipts, retry_after_seconds=error.retry_after_seconds)


def _size(event: Event) -> int:
    """About the bytes that an event will take in a window, rather too many."""
    data = event.data
    wide = isinstance(data, str) and not data.isascii()
    return FRAME_OVERHEAD_BYTES + _FIELD_BYTES + len(data) * (4 if wide else 1)
