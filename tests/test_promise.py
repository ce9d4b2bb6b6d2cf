"""Promises: who is called when, what is made on the way, and whom an error reaches."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from sse_server.promise import Promise, after


def settled(promise: Promise[Any]) -> list[object]:
    """What whoever waits for it is called with."""
    seen: list[object] = []
    promise.when_settled(seen.append, seen.append)
    return seen


def broken(_of: object) -> int:
    raise ZeroDivisionError


async def result(promise: Promise[int]) -> int:
    return await promise


def test_who_waits_is_called_at_once() -> None:
    promise: Promise[int] = Promise()
    seen = settled(promise)
    assert seen == []
    promise.keep(1)
    assert seen == [1]


def test_what_is_made_of_it_is_passed_on() -> None:
    promise: Promise[int] = Promise()
    seen = settled(promise.then(str).then(len))
    promise.keep(1_000)
    assert seen == [4]


def test_an_error_is_passed_on_until_somebody_mends_it() -> None:
    promise: Promise[int] = Promise()
    seen = settled(promise.then(str).then(str.encode, lambda error: repr(error).encode()))
    promise.fail(KeyError("x"))
    assert seen == [b"KeyError('x')"]
    promise, error = Promise(), KeyError()
    seen = settled(promise.then(str))
    promise.fail(error)
    assert seen == [error]


def test_what_making_raises_is_the_error_from_there_on() -> None:
    promise: Promise[int] = Promise()
    seen = settled(promise.then(broken).then(str, repr))
    promise.keep(1)
    assert seen == ["ZeroDivisionError()"]
    promise = Promise()
    seen = settled(promise.then(str, broken).then(str, repr))
    promise.fail(KeyError())
    assert seen == ["ZeroDivisionError()"]


def test_one_that_nobody_waits_for_may_be_kept_and_failed() -> None:
    kept: Promise[int] = Promise()
    kept.keep(1)
    failed: Promise[int] = Promise()
    failed.fail(KeyError())
    assert asyncio.run(result(kept)) == 1
    with pytest.raises(KeyError):
        asyncio.run(result(failed))


def test_who_waits_and_fails_is_told_to_the_loop_and_harms_nobody() -> None:
    told: list[dict[str, object]] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, what: told.append(what))
        for promise in (Promise[int](), Promise[int]()):
            promise.when_settled(broken, broken)
            promise.fail(KeyError()) if told else promise.keep(1)

    asyncio.run(main())
    assert [type(one["exception"]) for one in told] == [ZeroDivisionError] * 2


def test_it_can_be_awaited_before_and_behind() -> None:
    async def main() -> None:
        promise: Promise[int] = Promise()
        waiting = asyncio.ensure_future(promise)
        await asyncio.sleep(0)
        promise.keep(1)
        assert await waiting == 1
        assert await promise == 1

    asyncio.run(main())


def test_its_error_is_raised_where_it_is_awaited() -> None:
    async def main() -> None:
        promise: Promise[int] = Promise()
        waiting = asyncio.ensure_future(promise.then(str))
        await asyncio.sleep(0)
        promise.fail(KeyError("x"))
        with pytest.raises(KeyError, match="x"):
            await waiting

    asyncio.run(main())


def test_who_awaits_may_give_up() -> None:
    async def main() -> None:
        promise: Promise[int] = Promise()
        waiting = asyncio.ensure_future(promise)
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert waiting.cancelled()
        promise.keep(1)

    asyncio.run(main())


@pytest.mark.parametrize("is_promise", [True, False])
@pytest.mark.parametrize("mends", [True, False])
def test_something_is_made_of_whatever_can_be_awaited(*, is_promise: bool, mends: bool) -> None:
    mend = repr if mends else None

    async def main() -> None:
        assert await after(given(1), str, mend) == "1"
        if mends:
            assert await after(given(KeyError()), str, mend) == "KeyError()"
        else:
            with pytest.raises(KeyError):
                await after(given(KeyError()), str, mend)

    def given(value: int | KeyError) -> Awaitable[int]:
        if not is_promise:
            return coroutine(value)
        promise: Promise[int] = Promise()
        loop = asyncio.get_running_loop()
        if isinstance(value, int):
            loop.call_soon(promise.keep, value)
        else:
            loop.call_soon(promise.fail, value)
        return promise

    async def coroutine(value: int | KeyError) -> int:
        if isinstance(value, KeyError):
            raise value
        return value

    asyncio.run(main())
