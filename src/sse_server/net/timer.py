"""One timer for a whole server: what is due once a second hangs on it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from sse_server.core.histogram import Histogram

logger = logging.getLogger(__name__)

_INTERVAL_SECONDS = 1.0  # deadlines are 2 s and more, presence is told once a second


class Timer:
    """Calls its chores once a second until it is stopped."""

    __slots__ = ("_chores", "_handle", "_lag", "_loop")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        chores: Sequence[Callable[[], object]],
        lag: Histogram,
    ) -> None:
        """Begins at once. Chores are short, and do not raise. `lag`: how late they are called."""
        self._loop = loop
        self._lag = lag
        self._chores = chores
        self._handle = loop.call_later(_INTERVAL_SECONDS, self._tick)

    def stop(self) -> None:
        """No chore is called after this."""
        self._handle.cancel()

    def _tick(self) -> None:
        self._lag.observe(max(0.0, self._loop.time() - self._handle.when()))
        self._handle = self._loop.call_later(_INTERVAL_SECONDS, self._tick)
        for chore in self._chores:
            try:
                chore()
            except Exception:  # one broken chore must not stop the others for ever
                logger.exception("a chore of the timer failed")
