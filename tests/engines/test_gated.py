"""The gate in front of an engine, with a real hub and a loop that runs its pump."""

import asyncio
from collections.abc import Awaitable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sse_server.core.hub import Hub
from sse_server.core.hub_options import HubOptions
from sse_server.core.log_options import LogOptions
from sse_server.core.window import ChannelOptions
from sse_server.engines.base import PartlyStored, Publication, Receipt
from sse_server.engines.gated import GatedEngine
from sse_server.engines.memory import MemoryEngine
from sse_server.engines.reported import ReportedPublishing
from sse_server.errors import Unavailable
from sse_server.http.chunked import plain
from sse_server.wire.event import Event
from tests.core.fakes import Recorder


@dataclass
class Node:
    """A gated engine on a hub. Its pump runs when the loop comes round, as often as it is let."""

    options: HubOptions = field(default_factory=HubOptions)
    runs_by_itself: bool = True

    def __post_init__(self) -> None:
        self.now = 0.0
        self.wakes = 0
        self.engine = MemoryEngine(lambda: self.now)
        self.hub = Hub(self.options, self.engine.positions, self._wake, lambda: self.now)
        self.gate = GatedEngine(self.engine, self.hub)

    def _wake(self) -> None:
        self.wakes += 1
        if self.runs_by_itself:
            asyncio.get_running_loop().call_soon(self.run)

    def run(self) -> None:
        self.wakes = 0
        self.hub.pump.run()

    async def start(self) -> "Node":
        self.engine.start(self.hub)
        return self

    def follow(self, *channels: str, last_id: bytes | None = None) -> Recorder:
        sink = Recorder()
        self.hub.subscribe(sink, plain, channels, last_id)
        return sink

    def publish(self, channel: str, *data: str) -> list[Receipt] | Awaitable[list[Receipt]]:
        return self.gate.publish([Publication(channel, Event(text)) for text in data])


def node_of(
    *, writes_per_run: int = 512, log_bytes: int = 256 * 1024 * 1024, **channel: int
) -> Node:
    options = ChannelOptions(max_age_seconds=None, **channel)  # type: ignore[arg-type]
    log = LogOptions(channel=options, max_bytes=log_bytes)
    return Node(HubOptions(log=log, writes_per_run=writes_per_run))


async def answer(receipts: list[Receipt] | Awaitable[list[Receipt]]) -> list[Receipt]:
    return receipts if isinstance(receipts, list) else await receipts


async def settle(turns: int = 50) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(main, 30))


def test_what_nobody_follows_is_answered_at_once() -> None:
    async def main() -> None:
        node = await node_of(max_frames=8).start()
        for number in range(100):
            assert isinstance(node.publish("news", str(number)), list)
        assert node.gate.delayed == 0

    run(main())


def test_a_publisher_is_answered_at_once_while_nobody_is_far_behind() -> None:
    async def main() -> None:
        node = await node_of(max_frames=8).start()
        sink = node.follow("news")
        for number in range(50):
            assert isinstance(node.publish("news", str(number)), list)
            await settle(2)
        assert len(sink.data) == 50

    run(main())


def test_others_have_their_turn_while_a_large_batch_is_published() -> None:
    async def main() -> None:
        node = await node_of(max_frames=10_000).start()
        publishing = asyncio.ensure_future(answer(node.publish("news", *map(str, range(5_000)))))
        turns = 0
        while not publishing.done():
            await asyncio.sleep(0)
            turns += 1
        assert len(await publishing) == 5_000
        assert turns > 5_000 / 256

    asyncio.run(main())


def test_no_events_are_published_at_once() -> None:
    async def main() -> None:
        node = await node_of().start()
        assert await answer(node.publish("news")) == []

    run(main())


@pytest.mark.parametrize("window", [1, 2, 3, 8, 100, 10_000])
@pytest.mark.parametrize("batch", [1, 2, 1_000, 12_000])
def test_who_waits_for_the_pump_never_loses(window: int, batch: int) -> None:
    async def main() -> None:
        node = await node_of(max_frames=window, max_bytes=100 * 1024 * 1024).start()
        sinks = [node.follow("news") for _ in range(3)]
        total = 0
        while total < min(2 * window + 2, 12_000):
            receipts = await answer(node.publish("news", *map(str, range(total, total + batch))))
            assert len(receipts) == batch
            total += batch
        await settle()
        for sink in sinks:
            events = sink.events
            assert [event.data for event in events] == list(map(str, range(total)))

    run(main())


@settings(max_examples=60, deadline=None)
@given(
    window=st.sampled_from([1, 3, 8, 100]),
    writes_per_run=st.sampled_from([1, 2, 512]),
    batches=st.lists(
        st.lists(
            st.lists(st.sampled_from("abc"), min_size=1, max_size=300), min_size=1, max_size=4
        ),
        min_size=1,
        max_size=4,
    ),
    followers=st.lists(
        st.lists(st.sampled_from("abc"), min_size=1, unique=True), min_size=1, max_size=6
    ),
)
def test_however_many_publish_every_standing_subscriber_gets_every_frame_in_order(
    window: int,
    writes_per_run: int,
    batches: list[list[list[str]]],
    followers: list[list[str]],
) -> None:
    async def publish(node: Node, name: int, own: list[list[str]]) -> list[int]:
        offsets = []
        for number, channels in enumerate(own):
            batch = [
                Publication(channel, Event(f"{name}:{number}:{index}"))
                for index, channel in enumerate(channels)
            ]
            for receipt in await answer(node.gate.publish(batch)):
                offset = node.engine.positions.parse(receipt.position)
                assert isinstance(offset, int)
                offsets.append(offset)
        return offsets

    async def main() -> None:
        node = await node_of(max_frames=window, writes_per_run=writes_per_run).start()
        sinks = [node.follow(*channels) for channels in followers]
        all_offsets = await asyncio.gather(
            *(publish(node, name, own) for name, own in enumerate(batches))
        )
        await settle(200)
        assert node.hub.pump.is_dry
        # Each publisher's events stand in its order, and together they are everything.
        assert all(offsets == sorted(offsets) for offsets in all_offsets)
        flat = sorted(offset for offsets in all_offsets for offset in offsets)
        assert flat == list(range(1, node.hub.newest + 1))
        expected = {
            channel: sum(batch.count(channel) for own in batches for batch in own)
            for channel in "abc"
        }
        for channels, sink in zip(followers, sinks, strict=True):
            events = sink.events
            assert not [event for event in events if event.type == "gap"]
            assert len(events) == sum(expected[channel] for channel in channels)

    run(main())


@pytest.mark.parametrize("size", [10, 300, 5_000, 40_000])
def test_nobody_loses_what_is_large_for_the_window(size: int) -> None:
    async def main() -> None:
        node = await node_of(max_bytes=50_000).start()
        sink = node.follow("news")
        for batch in (1, 3, 200):
            await answer(node.publish("news", *["x" * size] * batch))
            await answer(node.publish("news", *["ü" * (size // 2)] * batch))
        for _ in range(20):
            await answer(node.publish("news", "x"))
            await answer(node.publish("news", "x" * size))
        await settle()
        assert sink.gaps == []
        assert len(sink.data) == 2 * 204 + 40

    run(main())


def test_nobody_loses_what_the_whole_log_has_no_room_for() -> None:
    async def main() -> None:
        node = await node_of(log_bytes=20_000).start()
        sinks = [node.follow(f"news:{number}") for number in range(10)]
        for turn in range(200):
            await answer(node.publish(f"news:{turn % 10}", *["x"] * (1 + turn % 9)))
        await settle()
        assert all(not sink.gaps for sink in sinks)
        assert sum(len(sink.data) for sink in sinks) == node.hub.newest

    run(main())


def test_who_catches_up_loses_nothing_that_was_held_when_it_came() -> None:
    async def main() -> None:
        node = await node_of(max_frames=100, writes_per_run=1).start()
        node.follow("news")
        await answer(node.publish("news", *["x" * 20_000] * 100))
        await settle(100)
        assert node.hub.pump.dry_at == 100
        sink = node.follow("news", last_id=node.engine.positions.encode(0))
        for _ in range(300):
            await answer(node.publish("news", "new"))
        await settle(500)
        assert sink.gaps == []
        assert len(sink.data) == 400

    run(main())


def test_who_has_been_slow_does_not_hold_publishers() -> None:
    async def main() -> None:
        node = await node_of(max_frames=8).start()
        sink = Recorder()
        subscriber = node.hub.subscribe(sink, plain, ["news"])
        subscriber.pause()
        for number in range(100):
            assert isinstance(node.publish("news", str(number)), list)
            await settle(2)
        subscriber.resume()
        await settle()
        assert [gap["lost"] for gap in sink.gaps] == [92]
        assert node.gate.delayed == 0

    run(main())


def test_a_publisher_is_delayed_when_the_pump_has_been_busy_for_long() -> None:
    async def main() -> None:
        node = node_of()
        node.runs_by_itself = False
        await node.start()
        sink = node.follow("news")
        assert isinstance(node.publish("news", "1"), list)
        node.now = 0.1
        assert isinstance(node.publish("news", "2"), list)
        node.now = 0.11
        publishing = asyncio.ensure_future(answer(node.publish("news", "3")))
        await settle()
        assert not publishing.done()
        assert node.gate.delayed == 1
        node.run()
        await publishing
        assert sink.data == ["1", "2"]
        node.run()
        assert sink.data == ["1", "2", "3"]

    run(main())


def test_the_pump_is_busy_from_when_something_waits_however_often_it_was_woken() -> None:
    # A lane that takes two bursts asks to be woken once more than is needed.
    async def main() -> None:
        log = LogOptions(max_burst_bytes=1)
        node = Node(HubOptions(log=log), runs_by_itself=False)
        await node.start()
        node.follow("news")
        node.publish("news", "1")
        node.publish("news", "2")
        node.run()
        assert node.wakes == 1
        assert node.hub.pump.is_dry
        node.publish("news", "3")
        node.now = 0.2
        assert node.hub.must_wait("news", 0)
        node.run()
        assert not node.hub.must_wait("news", 0)

    run(main())


def test_those_who_wait_are_served_in_order() -> None:
    async def main() -> None:
        node = node_of()
        node.runs_by_itself = False
        await node.start()
        sink = node.follow("news")
        node.publish("news", "first")
        node.now = 1.0
        waiting = []
        for number in range(10):
            waiting.append(asyncio.ensure_future(answer(node.publish("news", str(number)))))
            await settle(1)
        while not all(task.done() for task in waiting):
            node.now += 1.0
            node.run()
            await settle()
        node.run()
        assert sink.data == ["first", *map(str, range(10))]

    run(main())


@pytest.mark.parametrize("cancelled", [0, 1, 2])
def test_who_gives_up_while_it_waits_does_not_hold_the_others(cancelled: int) -> None:
    async def main() -> None:
        node = node_of()
        node.runs_by_itself = False
        await node.start()
        sink = node.follow("news")
        node.publish("news", "first")
        node.now = 1.0
        waiting = [
            asyncio.ensure_future(answer(node.publish("news", str(number)))) for number in range(3)
        ]
        await settle(3)
        waiting[cancelled].cancel()
        for _ in range(6):
            await settle(3)
            node.run()
        assert all(task.done() for task in waiting)
        assert waiting[cancelled].cancelled()
        assert sink.data == ["first", *[str(n) for n in range(3) if n != cancelled]]
        assert not node.gate._waiting
        assert isinstance(node.publish("news", "last"), list)

    run(main())


def test_all_who_wait_may_give_up_at_once() -> None:
    async def main() -> None:
        node = node_of()
        node.runs_by_itself = False
        await node.start()
        node.follow("news")
        node.publish("news", "first")
        node.now = 1.0
        waiting = [asyncio.ensure_future(answer(node.publish("news", "x"))) for _ in range(5)]
        await settle(3)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert not node.gate._waiting
        node.run()
        assert node.hub.newest == 1

    run(main())


def test_a_gate_that_is_shut_refuses_and_lets_through_what_waits() -> None:
    async def main() -> None:
        node = node_of()
        node.runs_by_itself = False
        await node.start()
        sink = node.follow("news")
        node.publish("news", "1")
        node.now = 1.0
        waiting = asyncio.ensure_future(answer(node.publish("news", "2")))
        await settle(3)
        node.gate.shut("the server shuts down")
        with pytest.raises(Unavailable, match="the server shuts down"):
            node.publish("news", "3")
        node.run()
        await waiting
        node.run()
        assert sink.data == ["1", "2"]
        await node.gate.close()
        with pytest.raises(Unavailable):
            node.publish("news", "4")

    run(main())


def test_a_batch_in_parts_that_waits_for_nobody_is_not_delayed() -> None:
    async def main() -> None:
        node = await Node().start()
        node.follow("news")
        await answer(node.publish("news", *map(str, range(300))))
        assert node.gate.delayed == 0

    run(main())


class SlowEngine(MemoryEngine):
    """An engine that orders at once, and answers when it is let."""

    def __init__(self) -> None:
        super().__init__(float)
        self.answers: list[asyncio.Future[list[Receipt]]] = []

    def publish(self, publications: Sequence[Publication]) -> Awaitable[list[Receipt]]:  # type: ignore[override] # it answers later
        super().publish(publications)
        self.answers.append(asyncio.get_running_loop().create_future())
        return self.answers[-1]


def test_who_waits_in_line_does_not_wait_until_others_are_stored() -> None:
    async def main() -> None:
        node = node_of()
        node.runs_by_itself = False
        engine = SlowEngine()
        node.gate = GatedEngine(engine, node.hub)
        engine.start(node.hub)
        node.follow("news")
        node.hub.deliver("news", 1, Event("1"))
        engine.newest = 1
        node.now = 1.0
        waiting = [asyncio.ensure_future(answer(node.publish("news", data))) for data in "abc"]
        await settle(3)
        while len(engine.answers) < 3:
            node.run()
            await settle()
            node.now += 1.0
        assert not any(task.done() for task in waiting)
        assert not node.gate._waiting
        for number, future in enumerate(engine.answers):
            future.set_result([Receipt(b"%d" % number, duplicate=False)])
        assert [(await task)[0].position for task in waiting] == [b"0", b"1", b"2"]

    run(main())


class BrokenEngine(MemoryEngine):
    """An engine that is away, and answers later."""

    def publish(self, publications: Sequence[Publication]) -> Awaitable[list[Receipt]]:  # type: ignore[override] # it answers later
        return self._refuse()

    async def _refuse(self) -> list[Receipt]:
        raise Unavailable("the engine is away")


def test_an_engine_that_fails_does_not_hold_those_who_wait() -> None:
    async def main() -> None:
        node = node_of()
        node.runs_by_itself = False
        node.engine = BrokenEngine(float)
        node.gate = GatedEngine(node.engine, node.hub)
        node.engine.start(node.hub)
        node.follow("news")
        node.hub.deliver("news", 1, Event("1"))
        node.now = 1.0
        waiting = [asyncio.ensure_future(answer(node.publish("news", "x"))) for _ in range(3)]
        await settle(3)
        node.run()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(result) for result in results] == [Unavailable] * 3
        assert not node.gate._waiting

    run(main())


class FailingEngine(MemoryEngine):
    """Stores up to `room` events, and of the batch in which it fails those before it does."""

    room = 256
    is_atomic = True

    async def publish(self, publications: Sequence[Publication]) -> list[Receipt]:  # type: ignore[override] # it answers later
        await asyncio.sleep(0)
        left = self.room - self.newest
        if len(publications) <= left:
            return super().publish(publications)
        error = Unavailable("the disk is full", retry_after_seconds=3)
        if self.is_atomic or not left:
            raise error
        receipts = super().publish(publications[:left])
        unknown = [None] * (len(publications) - left)
        raise PartlyStored(error.message, [*receipts, *unknown], retry_after_seconds=3)


@pytest.mark.parametrize(("is_atomic", "stored"), [(True, 256), (False, 300)])
def test_of_a_batch_in_parts_each_event_is_answered(is_atomic: bool, stored: int) -> None:
    async def main() -> None:
        node = Node()
        node.engine = engine = FailingEngine(float)
        engine.room, engine.is_atomic = 300, is_atomic
        node.gate = GatedEngine(engine, node.hub)
        await node.start()
        with pytest.raises(PartlyStored, match="the disk is full") as caught:
            await answer(node.publish("news", *map(str, range(600))))
        receipts = caught.value.receipts
        assert receipts[:stored] == [
            Receipt(engine.positions.encode(offset), duplicate=False)
            for offset in range(1, stored + 1)
        ]
        assert receipts[stored:] == [None] * (600 - stored)
        assert caught.value.headers == ((b"retry-after", b"3"),)

    run(main())


def test_of_a_batch_of_which_nothing_is_stored_no_event_is_answered() -> None:
    async def main() -> None:
        node = Node()
        node.engine = engine = FailingEngine(float)
        engine.room = 0
        node.gate = GatedEngine(engine, node.hub)
        await node.start()
        with pytest.raises(Unavailable) as caught:
            await answer(node.publish("news", *map(str, range(600))))
        assert not isinstance(caught.value, PartlyStored)

    run(main())


def test_of_a_batch_in_parts_those_are_reported_that_are_stored() -> None:
    async def main() -> None:
        node = Node()
        node.engine = FailingEngine(float)
        node.gate = GatedEngine(node.engine, node.hub)
        await node.start()
        journal = Told()
        batch = [Publication("news", Event(str(number))) for number in range(600)]
        with pytest.raises(PartlyStored):
            await answer(ReportedPublishing(node.gate, journal).publish(batch))
        assert journal.told == [node.engine.positions.encode(1 + number) for number in range(256)]

    run(main())


class Told:
    """A journal that keeps what it is told of events."""

    tells_events = True

    def __init__(self) -> None:
        self.told: list[bytes] = []

    def published(self, channel: str, position: bytes, size: int, *, duplicate: bool) -> None:
        assert (channel, duplicate) == ("news", False)
        assert size > 0
        self.told.append(position)


def test_a_batch_that_was_stored_in_part_may_be_published_again() -> None:
    async def main() -> None:
        node = Node()
        node.engine = engine = FailingEngine(float)
        engine.room, engine.is_atomic = 300, False
        node.gate = GatedEngine(engine, node.hub)
        await node.start()
        sink = node.follow("news")
        batch = [Publication("news", Event(str(n), id=f"id-{n}")) for n in range(600)]
        with pytest.raises(PartlyStored) as caught:
            await answer(node.gate.publish(batch))
        engine.room = 1_000
        receipts = await answer(node.gate.publish(batch))
        assert [receipt.duplicate for receipt in receipts] == [True] * 300 + [False] * 300
        assert [one.position for one in caught.value.receipts if one is not None] == [
            receipt.position for receipt in receipts[:300]
        ]
        await settle()
        assert sink.data == [str(number) for number in range(600)]

    run(main())
