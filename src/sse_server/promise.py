"""Promises: what comes later, and what is made of it on its way, without a task.

An engine that stores events in groups has the answers of a whole group at once. A coroutine and a
task for each would cost more than all else that is done for a publisher. A promise is a value and
who is called with it:

- who makes it keeps it or fails it, once, in a later turn of the loop than the one it was made in;
- who hands it on may have something made of it before: `then`;
- who has it in the end is called (`when_settled`), in the same turn, or awaits it. There is one.

It is an awaitable: who does not look awaits it like any other, and `after` makes something of
either.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

    Step = tuple[Callable[..., object], Callable[..., object] | None]

T = TypeVar("T")
U = TypeVar("U")


class Promise(Generic[T]):
    """A value that is not there yet, or the error that comes in its place."""

    __slots__ = ("_error", "_has_end", "_is_settled", "_steps", "_value", "_waiter")

    def __init__(self) -> None:
        """Nobody waits for it yet."""
        self._steps: list[Step] = []  # what is made of a value on its way, and what of an error
        self._has_end = False  # the last step is whoever has it in the end
        self._waiter: asyncio.Future[None] | None = None  # or awaits it
        self._is_settled = False
        self._value: object = None
        self._error: Exception | None = None

    def keep(self, value: T) -> None:
        """Here it is."""
        self._settle(value, None)

    def fail(self, error: Exception) -> None:
        """It will not come."""
        self._settle(None, error)

    def then(
        self, make: Callable[[T], U], mend: Callable[[Exception], U] | None = None
    ) -> Promise[U]:
        """What `make` makes of it, or `mend` of the error. What these raise is the new error.

        It is the same promise, of something else from here on.
        """
        assert not self._has_end
        assert not self._is_settled
        self._steps.append((make, mend))
        return self  # type: ignore[return-value]  # of something else: a cast would be a call

    def when_settled(
        self, kept: Callable[[T], object], failed: Callable[[Exception], object]
    ) -> None:
        """Call one of the two with what has become of it."""
        self.then(kept, failed)
        self._has_end = True

    def _settle(self, value: object, error: Exception | None) -> None:
        assert not self._is_settled
        self._is_settled = True
        for make, mend in self._steps:
            try:
                if error is None:
                    value = make(value)
                elif mend is not None:
                    value = mend(error)
                    error = None
            except Exception as raised:  # noqa: BLE001 (it is for the next step, or told below)
                error = raised
        self._value, self._error = value, error
        waiter = self._waiter
        if waiter is not None:
            if not waiter.done():  # who waited may have given up
                waiter.set_result(None)
        elif error is not None and self._has_end:
            # Nothing to who has kept the promise: others wait for theirs.
            asyncio.get_running_loop().call_exception_handler(
                {"message": "whoever waited for a promise failed", "exception": error}
            )

    def __await__(self) -> Generator[object, None, T]:
        """Wait for it, in a task."""
        if not self._is_settled:
            assert not self._has_end
            self._has_end = True
            self._waiter = asyncio.get_running_loop().create_future()
            yield from self._waiter
        if self._error is not None:
            raise self._error
        return cast("T", self._value)


def after(
    later: Awaitable[T], make: Callable[[T], U], mend: Callable[[Exception], U] | None = None
) -> Awaitable[U]:
    """`then`, of whatever can be awaited."""
    return later.then(make, mend) if isinstance(later, Promise) else _after(later, make, mend)


async def _after(
    later: Awaitable[T], make: Callable[[T], U], mend: Callable[[Exception], U] | None
) -> U:
    try:
        value = await later
    except Exception as error:
        if mend is None:
            raise
        return mend(error)
    return make(value)
