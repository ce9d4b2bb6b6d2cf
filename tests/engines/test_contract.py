"""The rules of `sse_server.engines.base`, held to every engine there is."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import pytest

from sse_server.core.history import Page, Question
from sse_server.engines.base import Engine, Publication, Receipt
from sse_server.errors import Unavailable
from sse_server.wire.encoder import encode, frame
from sse_server.wire.event import Event
from sse_server.wire.position import PositionFault
from tests.engines.subjects import (
    ALL,
    FEW,
    IDEMPOTENCY,
    KEEPING,
    SURVIVING,
    Shared,
    Subject,
)

T = TypeVar("T")

ODD = [
    Event("a line\nand another\r\nand one more\r"),
    Event("", type="empty"),
    Event("\x00\x01 null \x00", retry_ms=5),
    Event("größer 💥 \u2028".encode(), type="ü", key="k", id="i"),
    Event("{'quoted': \"'\"}"),
]


class Node:
    """One node: an engine, and what it handed up."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.delivered: list[tuple[str, int, Event]] = []
        self.advanced = 0
        self.complete_from: dict[str, int] = {}
        self.epochs: list[tuple[bytes, int]] = []
        self.changed = asyncio.Event()

    def deliver(self, channel: str, offset: int, event: Event, block: bytes | None = None) -> None:
        assert offset > self.newest, "out of order"
        name = self.engine.positions.encode(offset)
        assert block in {None, frame(name, encode(event))}, "not what is sent"
        self.delivered.append((channel, offset, event))
        self.changed.set()

    def advance(self, offset: int) -> None:
        assert self.engine.selective
        assert offset >= self.newest
        self.advanced = offset
        self.changed.set()

    def begin_anew(self, epoch: bytes, newest: int) -> None:
        self.epochs.append((epoch, newest))
        self.delivered = [one for one in self.delivered if one[1] <= newest]
        self.advanced = newest
        self.changed.set()

    def complete(self, channel: str, offset: int) -> None:
        assert self.engine.selective
        self.complete_from[channel] = offset
        self.changed.set()

    @property
    def newest(self) -> int:
        return max([self.advanced, *[offset for _, offset, _ in self.delivered[-1:]]])

    async def until(self, newest: int) -> None:
        """Until it has read so far."""
        async with asyncio.timeout(10):
            while self.newest < newest:
                self.changed.clear()
                await self.changed.wait()

    async def watch(self, *channels: str) -> None:
        """Where that is needed, have these handed up."""
        if not self.engine.selective:
            return
        for channel in channels:
            self.engine.watch(channel)
        async with asyncio.timeout(10):
            while not self.complete_from.keys() >= set(channels):
                self.changed.clear()
                await self.changed.wait()

    async def publish(self, channel: str, *events: Event | str) -> list[Receipt]:
        batch = [
            Publication(channel, event if isinstance(event, Event) else Event(event))
            for event in events
        ]
        return await self.publish_batch(batch)

    async def publish_batch(self, batch: Sequence[Publication]) -> list[Receipt]:
        answer = self.engine.publish(batch)
        return answer if isinstance(answer, list) else await answer

    def offsets(self, receipts: Sequence[Receipt]) -> list[int]:
        return [self.offset(receipt.position) for receipt in receipts]

    def offset(self, position: bytes) -> int:
        offset = self.engine.positions.parse(position)
        assert isinstance(offset, int), position
        return offset

    async def read(
        self,
        *channels: str,
        after: int | None = None,
        until: int | None = None,
        max_frames: int = 1_000,
        max_bytes: int = 1 << 20,
    ) -> Page:
        until = self.engine.newest if until is None else until
        return await self.engine.history(Question(channels, after, until), max_frames, max_bytes)

    def blocks(self, *channels: str, after: int = -1) -> list[bytes]:
        """What was handed up, as it is sent."""
        return [
            frame(self.engine.positions.encode(offset), encode(event))
            for channel, offset, event in self.delivered
            if channel in channels and offset > after
        ]


@asynccontextmanager
async def opened(subject: Subject, *channels: str) -> AsyncIterator[Node]:
    engine = subject.make()
    await engine.open()
    node = Node(engine)
    try:
        engine.start(node)
        await node.watch(*channels)
        yield node
    finally:
        await engine.close()


def run(main: Coroutine[None, None, T]) -> T:
    return asyncio.run(main)


@pytest.fixture(params=ALL, ids=lambda kind: kind.__name__)
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Subject:
    made: Subject = request.param(tmp_path)
    return made


@pytest.fixture(params=SURVIVING, ids=lambda kind: kind.__name__)
def surviving(request: pytest.FixtureRequest, tmp_path: Path) -> Subject:
    made: Subject = request.param(tmp_path)
    return made


@pytest.fixture(params=KEEPING, ids=lambda kind: kind.__name__)
def keeping(request: pytest.FixtureRequest, tmp_path: Path) -> Subject:
    made: Subject = request.param(tmp_path)
    return made


# --- publishing -----------------------------------------------------------------------------------


def test_what_is_answered_was_handed_up_at_its_position(subject: Subject) -> None:
    async def main() -> None:
        async with opened(subject, "news") as node:
            (receipt,) = await node.publish("news", "hello")
            assert not receipt.duplicate
            assert node.delivered == [("news", node.offset(receipt.position), Event("hello"))]
            assert node.engine.newest == node.offset(receipt.position)

    run(main())


def test_a_batch_is_answered_in_the_order_given_and_stands_in_it(subject: Subject) -> None:
    async def main() -> None:
        async with opened(subject, "a", "b") as node:
            batch = [Publication("ab"[number % 2], Event(str(number))) for number in range(300)]
            offsets = node.offsets(await node.publish_batch(batch))
            assert all(before < after for before, after in pairwise(offsets))
            assert [(c, o, e.data) for c, o, e in node.delivered] == [
                (channel, offset, event.data)
                for (channel, event), offset in zip(batch, offsets, strict=True)
            ]

    run(main())


def test_many_publishers_at_once_are_handed_up_in_order(subject: Subject) -> None:
    async def main() -> None:
        async with opened(subject, "news") as node:

            async def publish(publisher: int) -> list[int]:
                found = []
                for number in range(20):
                    receipts = await node.publish("news", f"{publisher}:{number}")
                    found += node.offsets(receipts)
                return found

            offsets = await asyncio.gather(*map(publish, range(10)))
            for publisher, its in enumerate(offsets):
                assert its == sorted(its)
                mark = f"{publisher}:"
                assert its == [o for _, o, e in node.delivered if str(e.data).startswith(mark)]

    run(main())


def test_one_who_does_not_wait_for_the_answer_holds_up_nobody(subject: Subject) -> None:
    async def main() -> None:
        async with opened(subject, "news") as node:
            giving_up = asyncio.ensure_future(node.publish("news", "a"))
            await asyncio.sleep(0)
            giving_up.cancel()
            await node.publish("news", "b")
            assert [event.data for _, _, event in node.delivered][-1] == "b"

    run(main())


# --- idempotency ----------------------------------------------------------------------------------


def test_an_id_is_published_once_a_channel(subject: Subject) -> None:
    async def main() -> None:
        async with opened(subject, "a", "b") as node:
            (first,) = await node.publish("a", Event("1", id="k"))
            (again,) = await node.publish("a", Event("2", id="k"))
            (other,) = await node.publish("b", Event("3", id="k"))
            assert again == Receipt(first.position, duplicate=True)
            assert not other.duplicate
            assert [event.data for _, _, event in node.delivered] == ["1", "3"]

    run(main())


def test_an_id_is_known_as_soon_as_it_is_published(subject: Subject) -> None:
    async def main() -> None:
        async with opened(subject, "a") as node:
            answers = await asyncio.gather(
                node.publish("a", Event("1", id="k"), Event("2", id="k")),
                node.publish("a", Event("3", id="k")),
                node.publish("a", Event("4")),
            )
            receipts = [receipt for answer in answers for receipt in answer]
            assert [receipt.duplicate for receipt in receipts] == [False, True, True, False]
            assert len({receipt.position for receipt in receipts[:3]}) == 1
            assert [event.data for _, _, event in node.delivered] == ["1", "4"]

    run(main())


def test_behind_the_window_an_id_is_published_again(subject: Subject) -> None:
    async def main() -> None:
        async with opened(subject, "a") as node:
            (first,) = await node.publish("a", Event("1", id="k"))
            subject.now += IDEMPOTENCY.window_seconds - 1
            (again,) = await node.publish("a", Event("2", id="k"))
            assert again == Receipt(first.position, duplicate=True)
            subject.now += 1
            (new,) = await node.publish("a", Event("3", id="k"))
            assert not new.duplicate
            assert [event.data for _, _, event in node.delivered] == ["1", "3"]

    run(main())


def test_behind_the_window_an_id_is_published_again_by_the_next(surviving: Subject) -> None:
    async def main() -> None:
        async with opened(surviving, "a") as node:
            await node.publish("a", Event("1", id="k"))
        surviving.now += IDEMPOTENCY.window_seconds
        async with opened(surviving, "a") as node:
            (new,) = await node.publish("a", Event("2", id="k"))
            assert not new.duplicate

    run(main())


def test_an_id_is_known_to_the_next_who_opens_it(surviving: Subject) -> None:
    async def main() -> None:
        async with opened(surviving, "a") as node:
            (first,) = await node.publish("a", Event("1", id="k"))
            await node.publish("a", Event("2", id="other"))
        surviving.now += 10
        async with opened(surviving, "a") as node:
            (again,) = await node.publish("a", Event("3", id="k"))
            assert again == Receipt(first.position, duplicate=True)
            assert node.delivered == []

    run(main())


# --- history --------------------------------------------------------------------------------------


def test_history_is_what_was_handed_up_byte_by_byte(keeping: Subject) -> None:
    async def main() -> None:
        async with opened(keeping, "a", "b", "c") as node:
            for event in ODD:
                await node.publish("a", event)
                await node.publish("b", event)
            for channels in (("a",), ("b",), ("a", "b"), ("b", "c", "a")):
                page = await node.read(*channels)
                blocks = node.blocks(*channels)
                assert page.blocks == b"".join(blocks)
                assert page.frames == len(blocks)
                assert page.end == node.engine.newest
                assert page.lost == {}

    run(main())


def test_history_comes_in_pages_of_whole_frames(keeping: Subject) -> None:
    async def main() -> None:
        async with opened(keeping, "a", "b", "c") as node:
            for number in range(30):
                await node.publish("abc"[number % 3], str(number) + "x" * (number % 7))
            for channels in (("a",), ("a", "c"), ("b", "none", "a")):
                for max_frames, max_bytes in ((1, 9_999), (4, 9_999), (99, 60), (99, 1), (5, 90)):
                    place: int | None = None
                    got = b""
                    while place is None or place < node.engine.newest:
                        page = await node.read(
                            *channels, after=place, max_frames=max_frames, max_bytes=max_bytes
                        )
                        assert page.frames <= max_frames
                        assert page.frames == 1 or len(page.blocks) <= max_bytes
                        assert place is None or page.end > place
                        assert (page.first is None) == (page.frames == 0)
                        assert page.first is None or page.first > (place or -1)
                        got += page.blocks
                        place = page.end
                    assert got == b"".join(node.blocks(*channels))

    run(main())


def test_history_of_very_many_channels_is_in_order(keeping: Subject) -> None:
    async def main() -> None:
        names = [f"c{number}" for number in range(700)]
        async with opened(keeping, *names) as node:
            await node.publish_batch([Publication(name, Event(name)) for name in names[::-1]])
            place, got, pages = 0, b"", 0
            while place < node.engine.newest:
                page = await node.read(*names, after=place, max_frames=300)
                got += page.blocks
                place = page.end
                pages += 1
            assert got == b"".join(node.blocks(*names))
            assert pages == 3

    run(main())


def test_history_begins_and_ends_where_it_is_asked_to(keeping: Subject) -> None:
    async def main() -> None:
        async with opened(keeping, "a", "b") as node:
            for number in range(6):
                await node.publish("ab"[number % 2], str(number))
            blocks = node.blocks("a", "b")
            offsets = [offset for _, offset, _ in node.delivered]
            page = await node.read("a", "b", after=offsets[1], until=offsets[3])
            assert page.blocks == b"".join(blocks[2:4])
            assert (page.first, page.end) == (offsets[2], offsets[3])
            page = await node.read("a", after=offsets[4], until=offsets[5])
            assert page == Page(b"", 0, None, offsets[5], {})
            page = await node.read("nobody", after=0)
            assert page == Page(b"", 0, None, node.engine.newest, {})

    run(main())


def test_what_is_no_longer_kept_is_told(keeping: Subject) -> None:
    async def main() -> None:
        async with opened(keeping, FEW, "b") as node:
            offsets = []
            for number in range(8):
                offsets += node.offsets(await node.publish(FEW, str(number)))
                await node.publish("b", str(number))
            blocks = node.blocks(FEW, "b")
        keeping.trim()
        gone = offsets[4]
        async with opened(keeping) as node:
            newest = node.engine.newest
            page = await node.read(FEW, "b", after=offsets[0])
            # Up to the gap, which stands where the newest lost event stood.
            assert (page.end, page.lost) == (gone, {FEW: gone})
            assert page.blocks == b"".join(blocks[number] for number in (1, 3, 5, 7))
            page = await node.read(FEW, "b", after=page.end)
            assert (page.blocks, page.end, page.lost) == (b"".join(blocks[9:]), newest, {})
            page = await node.read(FEW)
            assert (page.first, page.end, page.lost) == (offsets[5], newest, {FEW: gone})
            page = await node.read(FEW, after=offsets[1], until=offsets[3])
            assert page == Page(b"", 0, None, offsets[3], {FEW: gone})
            page = await node.read("b", after=offsets[0])
            assert page.lost == {}

    run(main())


# --- restarts -------------------------------------------------------------------------------------


def test_whoever_opens_it_next_goes_on_behind_what_was_answered(surviving: Subject) -> None:
    async def main() -> None:
        positions: list[bytes] = []
        blocks: list[bytes] = []
        for start in range(3):
            async with opened(surviving, "a") as node:
                assert node.engine.newest == (node.offset(positions[-1]) if positions else 0)
                offsets = [node.offset(position) for position in positions]
                assert offsets == sorted(offsets)
                assert [node.engine.positions.encode(offset) for offset in offsets] == positions
                positions += [r.position for r in await node.publish("a", f"{start}a", f"{start}b")]
                blocks += node.blocks("a")
                page = await node.read("a")
                assert page.blocks == b"".join(blocks)

    run(main())


def test_the_position_of_an_empty_log_survives(surviving: Subject) -> None:
    async def main() -> None:
        async with opened(surviving, "a") as node:
            empty = node.engine.positions.encode(0)
        for _ in range(2):
            async with opened(surviving, "a") as node:
                assert node.engine.positions.parse(empty) == 0
                await node.publish("a", "1")

    run(main())


def test_a_restored_copy_is_a_new_epoch(surviving: Subject) -> None:
    async def main() -> None:
        async with opened(surviving, "a") as node:
            (kept,) = await node.publish("a", "1")
        restore = surviving.copy()
        async with opened(surviving, "a") as node:
            (gone,) = await node.publish("a", "2")
            await node.publish("a", "3")
        restore()
        async with opened(surviving, "a") as node:
            assert node.engine.positions.parse(kept.position) == node.engine.newest
            assert node.engine.positions.parse(gone.position) is PositionFault.FOREIGN_EPOCH
            (other,) = await node.publish("a", "other")
            assert node.offset(other.position) == 2
            assert node.engine.positions.parse(gone.position) is PositionFault.FOREIGN_EPOCH
        async with opened(surviving, "a") as node:
            assert node.engine.positions.parse(gone.position) is PositionFault.FOREIGN_EPOCH
            assert node.engine.positions.parse(other.position) == 2

    run(main())


def test_closing_stores_what_was_taken_in(subject: Subject) -> None:
    async def main() -> None:
        async with opened(subject, "a") as node:
            answers = [asyncio.ensure_future(node.publish("a", str(n))) for n in range(20)]
            await asyncio.sleep(0)
            if not isinstance(subject, Shared):  # where others go on, nothing has to be waited for
                await node.engine.close()
            answered = await asyncio.gather(*answers)
            assert not any(receipt.duplicate for [receipt] in answered)
            assert len(node.delivered) == 20
            await node.engine.close()
            await node.engine.close()

    run(main())


# --- nodes, and what they watch -------------------------------------------------------------------


def test_every_node_is_handed_the_same_in_order(tmp_path: Path) -> None:
    async def main() -> None:
        store = Shared(tmp_path)
        async with opened(store, "a", "b") as one, opened(store, "a", "b") as other:
            await asyncio.gather(
                *[one.publish("a", f"one {number}") for number in range(10)],
                *[other.publish("b", f"other {number}") for number in range(10)],
            )
            await asyncio.gather(one.until(20), other.until(20))
            assert len(one.delivered) == 20
            assert one.delivered == other.delivered

    run(main())


def test_a_node_is_handed_what_it_watches_and_told_how_far_it_is(tmp_path: Path) -> None:
    async def main() -> None:
        store = Shared(tmp_path)
        async with opened(store, "a") as one, opened(store, "b") as other:
            await one.publish("a", "1")
            await other.publish("b", "2")
            await asyncio.gather(one.until(2), other.until(2))
            assert [event.data for _, _, event in one.delivered] == ["1"]
            assert [event.data for _, _, event in other.delivered] == ["2"]
            assert one.newest == other.newest == 2

    run(main())


def test_history_and_what_is_handed_up_have_no_hole_between(tmp_path: Path) -> None:
    async def main() -> None:
        store = Shared(tmp_path)
        async with opened(store) as one, opened(store) as other:
            publishing = [
                asyncio.ensure_future(one.publish("a", str(number))) for number in range(20)
            ]
            await other.until(3)
            await other.watch("a")
            await asyncio.gather(*publishing)
            await other.until(20)
            page = await other.read("a", until=other.complete_from["a"])
            assert 0 < page.frames < 20
            assert page.frames + len(other.delivered) == 20

    run(main())


def test_nodes_agree_on_a_new_epoch_when_the_store_has_lost_what_they_saw(tmp_path: Path) -> None:
    async def main() -> None:
        store = Shared(tmp_path)
        async with opened(store, "a") as one, opened(store, "a") as other:
            await one.publish("a", "1", "2", "3")
            await asyncio.gather(one.until(3), other.until(3))
            gone = one.engine.positions.encode(3)
            del store.store.events[1:]
            (receipt,) = await one.publish("a", "other")
            async with asyncio.timeout(10):
                while len(other.delivered) < 2 or not other.epochs:
                    other.changed.clear()
                    await other.changed.wait()
            assert one.epochs == other.epochs == [(b"epoch1", 1)]
            for node in (one, other):
                assert [event.data for _, _, event in node.delivered] == ["1", "other"]
                assert node.engine.positions.parse(gone) is PositionFault.FOREIGN_EPOCH
                assert node.offset(receipt.position) == 2

    run(main())


def test_what_is_no_longer_watched_is_not_handed_up(tmp_path: Path) -> None:
    async def main() -> None:
        store = Shared(tmp_path)
        async with opened(store, "a", "b") as node:
            await node.publish("a", "1")
            node.engine.unwatch("a")
            await node.publish("a", "2")
            await node.publish("b", "3")
            assert [event.data for _, _, event in node.delivered] == ["1", "3"]

    run(main())


def test_after_closing_nothing_is_taken_in(subject: Subject) -> None:
    async def main() -> None:
        async with opened(subject, "a") as node:
            await node.engine.close()
            if not subject.survives:
                return  # nothing can fail
            with pytest.raises(Unavailable):
                await node.publish("a", "1")

    run(main())
