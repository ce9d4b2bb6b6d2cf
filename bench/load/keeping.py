"""Engines of sse_server at their own interface: filled, opened, published to."""

import asyncio
import time
from collections.abc import Sequence

from bench.load.stream import event_data
from sse_server.engines.base import Engine, Publication, Receipt
from sse_server.engines.schemes import EngineSettings, make_engine
from sse_server.wire.event import Event

_BATCH = 1_000
_OTHER_CHANNELS = 1_000


class _Nobody:
    """A hub without subscribers."""

    def deliver(
        self, channel: str, offset: int, event: Event, block: bytes | None = None
    ) -> None: ...

    def advance(self, offset: int) -> None: ...

    def begin_anew(self, epoch: bytes, newest: int) -> None: ...

    def complete(self, channel: str, offset: int) -> None: ...


async def publish_side_by_side(url: str, publishers: int, seconds: float) -> float:
    """Events acknowledged per second, one after another by each of so many publishers."""
    engine = await _opened(url)
    event = Event(data="x" * 200)
    end = time.monotonic() + seconds

    async def publish() -> int:
        count = 0
        while time.monotonic() < end:
            await _publish(engine, [Publication("news", event)])
            count += 1
        return count

    started = time.monotonic()
    counts = await asyncio.gather(*(publish() for _ in range(publishers)))
    rate = sum(counts) / (time.monotonic() - started)
    await engine.close()
    return rate


async def fill(url: str, channel: str, count: int, total: int, event_bytes: int) -> None:
    """`count` numbered events to one channel, the others of `total` spread over many."""
    engine = await _opened(url)
    for at in range(0, count, _BATCH):
        numbers = range(at + 1, min(at + _BATCH, count) + 1)
        await _publish(
            engine,
            [
                Publication(channel, Event(data=event_data(number, 1, event_bytes).decode()))
                for number in numbers
            ],
        )
    other = Event(data="x" * event_bytes)
    for at in range(count, total, _BATCH):
        numbers = range(at, min(at + _BATCH, total))
        await _publish(
            engine, [Publication(f"other{number % _OTHER_CHANNELS}", other) for number in numbers]
        )
    await engine.close()


async def open_seconds(url: str) -> float:
    """How long an engine takes to open."""
    started = time.monotonic()
    engine = await _opened(url)
    seconds = time.monotonic() - started
    await engine.close()
    return seconds


async def _opened(url: str) -> Engine:
    engine = make_engine(url, EngineSettings())
    await engine.open()
    engine.start(_Nobody())
    return engine


async def _publish(engine: Engine, publications: Sequence[Publication]) -> list[Receipt]:
    receipts = engine.publish(publications)
    return receipts if isinstance(receipts, list) else await receipts
