"""Groups of the SQLite engine: what is stored together, and who is answered when."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sse_server.engines.base import Publication, Receipt
from sse_server.engines.sqlite import group
from sse_server.engines.sqlite.engine import SqliteEngine
from sse_server.promise import Promise
from sse_server.wire.event import Event
from tests.engines.subjects import Nobody, Sqlite


class Upward(Nobody):
    """A hub that notes what comes to pass, in order."""

    def __init__(self) -> None:
        self.news: list[str] = []

    def deliver(self, channel: str, offset: int, event: Event, block: bytes | None = None) -> None:
        self.news.append(f"{offset} handed up")


@asynccontextmanager
async def opened(folder: Path, upward: Upward | None = None) -> AsyncIterator[SqliteEngine]:
    engine = Sqlite(folder).make()
    await engine.open()
    engine.start(upward or Upward())
    try:
        yield engine
    finally:
        await engine.close()


def later(engine: SqliteEngine, *events: str) -> Promise[list[Receipt]]:
    """Publish something that is new."""
    answer = engine.publish([Publication("news", Event(data)) for data in events])
    assert isinstance(answer, Promise)
    return answer


def commits(engine: SqliteEngine) -> tuple[int, float]:
    """How many there were, and of how many events together."""
    batches = engine.counters.batches
    return sum(batches.counts), batches.sum


def test_what_is_published_in_one_turn_is_one_group(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path) as engine:
            await asyncio.gather(*(later(engine, str(number)) for number in range(64)))
            assert commits(engine) == (1, 64)

    asyncio.run(main())


def test_who_publishes_again_when_answered_is_in_one_group_with_the_others(tmp_path: Path) -> None:
    async def publish(engine: SqliteEngine) -> None:
        for number in range(10):
            await later(engine, str(number))

    async def main() -> None:
        async with opened(tmp_path) as engine:
            await asyncio.gather(*(publish(engine) for _ in range(64)))
            assert commits(engine) == (10, 640)

    asyncio.run(main())


def test_all_of_a_group_is_handed_up_before_the_first_is_answered(tmp_path: Path) -> None:
    async def main() -> None:
        upward = Upward()
        async with opened(tmp_path, upward) as engine:
            answers = [later(engine, "a"), later(engine, "b", "c")]
            for number, answer in enumerate(answers):
                answer.when_settled(
                    lambda receipts, number=number: upward.news.append(  # type: ignore[misc]
                        f"{number} answered with {len(receipts)}"
                    ),
                    print,
                )
        assert upward.news == [
            *("1 handed up", "2 handed up", "3 handed up"),
            *("0 answered with 1", "1 answered with 2"),
        ]

    asyncio.run(main())


def test_what_is_too_much_for_a_group_waits_for_the_next_but_a_batch_stays_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group, "MAX_EVENTS", 8)

    async def main() -> None:
        upward = Upward()
        async with opened(tmp_path, upward) as engine:
            answers = [later(engine, *"abc") for _ in range(5)]
            answers.append(later(engine, *map(str, range(20))))
            answers.append(later(engine, "last"))
            await asyncio.gather(*answers)
            # 3 + 3 + 3; 3 + 3 + 20; 1
            assert commits(engine) == (3, 36)
        assert upward.news == [f"{offset} handed up" for offset in range(1, 37)]

    asyncio.run(main())


def test_one_who_publishes_again_from_within_its_answer_is_in_the_next_group(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with opened(tmp_path) as engine:
            again: list[Promise[list[Receipt]]] = []
            first, second = later(engine, "first"), later(engine, "second")
            first.when_settled(lambda _receipts: again.append(later(engine, "again")), print)
            await second
            await again[0]
            assert commits(engine) == (2, 3)

    asyncio.run(main())


def test_a_repeat_is_answered_when_what_it_repeats_is_stored(tmp_path: Path) -> None:
    async def main() -> None:
        upward = Upward()
        async with opened(tmp_path, upward) as engine:
            named = [Publication("news", Event("a", id="1"))]
            first, repeat = engine.publish(named), engine.publish(named)
            assert isinstance(first, Promise)
            assert isinstance(repeat, Promise)
            (receipt,) = await repeat
            assert upward.news == ["1 handed up"]
            assert receipt == (engine.positions.encode(1), True)
            assert await first == [(receipt.position, False)]
            assert engine.publish(named) == [receipt]  # it is stored: there is nothing to wait for

    asyncio.run(main())


def test_a_group_that_goes_on_growing_is_written_nevertheless(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path) as engine:
            answers: list[Promise[list[Receipt]]] = []
            stored = asyncio.Event()

            def go_on() -> None:  # one more in every turn, until the first is stored
                if not stored.is_set():
                    answers.append(later(engine, "x"))
                    asyncio.get_running_loop().call_soon(go_on)

            go_on()
            answers[0].when_settled(lambda _receipts: stored.set(), print)
            await stored.wait()
            assert commits(engine)[1] < len(answers)

    asyncio.run(main())
