"""The reader of history: few pages at a time, one answer for all who ask the same."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from sse_server.core.engine_counters import EngineCounters
from sse_server.core.history import Page, Question
from sse_server.engines.memory import MemoryEngine
from sse_server.engines.reader import MAX_READINGS, HistoryReader
from sse_server.errors import Unavailable

PAGE = Page(b"id: e-1\ndata: x\n\n", 1, 1, 1, {})


class Slow(MemoryEngine):
    """Answers when it is told to."""

    keeps_history = True

    def __init__(self) -> None:
        super().__init__(float)
        self.counters = EngineCounters()
        self.asked: list[tuple[Question, asyncio.Future[Page]]] = []

    async def history(self, question: Question, max_frames: int, max_bytes: int) -> Page:
        assert max_frames > 0
        assert max_bytes > 0
        answer: asyncio.Future[Page] = asyncio.get_running_loop().create_future()
        self.asked.append((question, answer))
        return await answer


class Bench:
    def __init__(self) -> None:
        self.engine = Slow()
        self.reader = HistoryReader(self.engine)
        self.taken: list[tuple[str, Page | None]] = []

    def ask(self, name: str, channel: str = "a") -> Callable[[], None]:
        question = Question((channel,), 0, 9)
        return self.reader.read(question, lambda page: self.taken.append((name, page)))

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)


def run(main: Callable[[Bench], Awaitable[None]]) -> None:
    async def start() -> None:
        bench = Bench()
        await main(bench)
        assert not bench.reader._asked
        assert not bench.reader._tasks

    asyncio.run(start())


def test_who_asks_the_same_is_answered_by_one_page() -> None:
    async def main(bench: Bench) -> None:
        bench.ask("one")
        bench.ask("two")
        await bench.settle()
        bench.ask("three")
        ((_, answer),) = bench.engine.asked
        answer.set_result(PAGE)
        await bench.settle()
        assert bench.taken == [("one", PAGE), ("two", PAGE), ("three", PAGE)]
        assert bench.engine.counters.pages == 1

    run(main)


def test_few_pages_are_read_at_once_and_the_others_in_order() -> None:
    async def main(bench: Bench) -> None:
        for number in range(MAX_READINGS + 3):
            bench.ask(str(number), f"c{number}")
        for number in range(MAX_READINGS + 3):
            await bench.settle()
            waiting = [one for one in bench.engine.asked if not one[1].done()]
            assert len(waiting) == min(MAX_READINGS, MAX_READINGS + 3 - number)
            assert waiting[0][0].channels == (f"c{number}",)
            waiting[0][1].set_result(PAGE)
        await bench.settle()
        assert [name for name, _ in bench.taken] == [str(n) for n in range(MAX_READINGS + 3)]

    run(main)


def test_who_does_not_wait_any_more_is_not_answered() -> None:
    async def main(bench: Bench) -> None:
        cancel = bench.ask("one")
        bench.ask("two")
        await bench.settle()
        cancel()
        cancel()
        bench.engine.asked[0][1].set_result(PAGE)
        await bench.settle()
        cancel()
        assert bench.taken == [("two", PAGE)]

    run(main)


def test_what_nobody_waits_for_is_not_read() -> None:
    async def main(bench: Bench) -> None:
        for number in range(MAX_READINGS):
            bench.ask("", f"c{number}")
        bench.ask("late", "late")()
        await bench.settle()
        for _, answer in list(bench.engine.asked):
            answer.set_result(PAGE)
        await bench.settle()
        assert len(bench.engine.asked) == MAX_READINGS

    run(main)


def test_one_who_is_answered_may_cancel_another() -> None:
    async def main(bench: Bench) -> None:
        cancels: list[Callable[[], None]] = []
        bench.reader.read(Question(("a",), 0, 9), lambda _: cancels[0]())
        cancels.append(bench.ask("two"))
        await bench.settle()
        bench.engine.asked[0][1].set_result(PAGE)
        await bench.settle()
        assert bench.taken == []

    run(main)


@pytest.mark.parametrize(
    ("error", "problem"),
    [(Unavailable("the disk is away"), "the disk is away"), (TypeError("a bug"), "TypeError")],
)
def test_whatever_fails_everybody_is_answered(error: Exception, problem: str) -> None:
    async def main(bench: Bench) -> None:
        bench.ask("one")
        bench.ask("other", "b")
        await bench.settle()
        bench.engine.asked[0][1].set_exception(error)
        bench.engine.asked[1][1].set_result(PAGE)
        await bench.settle()
        assert bench.taken == [("one", None), ("other", PAGE)]
        counters = bench.engine.counters
        assert (counters.pages, counters.page_failures) == (1, 1)
        assert counters.page_problem == problem

    run(main)
