import asyncio

import pytest

from sse_server.engines.base import Publication, Receipt
from sse_server.engines.idempotency import IdempotencyOptions
from sse_server.engines.memory import MemoryEngine
from sse_server.wire.event import Event


class Store:
    """An engine, what it hands up, and the time."""

    def __init__(self, options: IdempotencyOptions | None = None) -> None:
        self.now = 0.0
        self.delivered: list[tuple[str, int, str | bytes]] = []
        self.engine = MemoryEngine(lambda: self.now, options)
        self.engine.start(self)

    def deliver(self, channel: str, offset: int, event: Event, block: bytes | None = None) -> None:
        self.delivered.append((channel, offset, event.data))

    def advance(self, offset: int) -> None:
        raise AssertionError("it delivers everything")

    def begin_anew(self, epoch: bytes, newest: int) -> None:
        raise AssertionError("it loses nothing")

    def complete(self, channel: str, offset: int) -> None:
        raise AssertionError("it delivers everything")

    def publish(self, *events: tuple[str, str, str | None]) -> list[Receipt]:
        return self.engine.publish(
            [Publication(channel, Event(data, id=key)) for channel, data, key in events]
        )

    def receipt(self, offset: int, *, duplicate: bool = False) -> Receipt:
        return Receipt(self.engine.positions.encode(offset), duplicate)


def test_events_of_all_channels_are_delivered_in_one_order_with_their_positions() -> None:
    store = Store()
    receipts = store.publish(("b", "1", None), ("a", "2", None))
    receipts += store.publish(("b", "3", None))
    assert receipts == [store.receipt(offset) for offset in (1, 2, 3)]
    assert store.delivered == [("b", 1, "1"), ("a", 2, "2"), ("b", 3, "3")]


def test_a_key_that_was_published_under_is_answered_with_its_first_position() -> None:
    store = Store()
    store.publish(("news", "1", "k"), ("news", "2", None))
    assert store.publish(("news", "again", "k")) == [store.receipt(1, duplicate=True)]
    assert store.publish(("news", "3", "other")) == [store.receipt(3)]
    assert [data for _, _, data in store.delivered] == ["1", "2", "3"]


def test_a_key_may_be_used_on_every_channel() -> None:
    store = Store()
    assert store.publish(("a", "1", "k"), ("b", "2", "k")) == [store.receipt(1), store.receipt(2)]


def test_a_key_that_comes_twice_in_one_batch_is_published_once() -> None:
    store = Store()
    receipts = store.publish(("a", "1", "k"), ("a", "2", None), ("a", "3", "k"), ("a", "4", "k2"))
    assert receipts == [
        store.receipt(1),
        store.receipt(2),
        store.receipt(1, duplicate=True),
        store.receipt(3),
    ]
    assert [data for _, _, data in store.delivered] == ["1", "2", "4"]


def test_keys_are_forgotten_by_time() -> None:
    store = Store(IdempotencyOptions(window_seconds=10))
    store.publish(("a", "1", "k"))
    store.now = 9.0
    assert store.publish(("a", "2", "k"))[0].duplicate
    store.now = 10.0
    assert store.publish(("a", "3", "k")) == [store.receipt(2)]
    store.now = 19.0
    assert store.publish(("a", "4", "k")) == [store.receipt(2, duplicate=True)]


def test_keys_are_forgotten_by_number() -> None:
    store = Store(IdempotencyOptions(max_keys=2))
    store.publish(("a", "1", "x"), ("a", "2", "y"), ("a", "3", "z"))
    assert store.publish(("a", "4", "z"), ("a", "5", "x")) == [
        store.receipt(3, duplicate=True),
        store.receipt(4),
    ]


def test_each_engine_begins_an_epoch() -> None:
    assert Store().engine.positions.epoch != Store().engine.positions.epoch


def test_nothing_can_be_published_before_the_start() -> None:
    with pytest.raises(AssertionError):
        MemoryEngine(float).publish([Publication("a", Event("1"))])


def test_closing_twice_is_closing_once() -> None:
    async def close_twice() -> None:
        engine = MemoryEngine(float)
        await engine.close()
        await engine.close()

    asyncio.run(close_twice())
