"""A reader of an engine's history: some pages at a time, one answer for all who ask the same."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from sse_server.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from sse_server.core.history import Page, Question
    from sse_server.engines.base import Engine

    Take = Callable[[Page | None], None]

logger = logging.getLogger(__name__)

MAX_READINGS = 4
"""Pages that are read at once. After a restart thousands of clients come back together: they get
their turn one after another, so that live streams do not feel it."""
MAX_FRAMES = 1_000
MAX_BYTES = 64 * 1024
"""Of a page: what one write may carry."""


class HistoryReader:
    """Answers `core.history.History` from an engine."""

    def __init__(self, engine: Engine) -> None:
        """Nothing is read yet."""
        self._engine = engine
        self._asked: dict[Question, dict[object, Take]] = {}  # who waits for it; the oldest first
        self._tasks: dict[Question, asyncio.Task[None]] = {}

    def read(self, question: Question, take: Take) -> Callable[[], None]:
        """Have `take` called with a page; what is returned cancels."""
        asker = object()
        askers = self._asked.setdefault(question, {})
        askers[asker] = take
        self._begin_some()

        def cancel() -> None:
            askers.pop(asker, None)
            is_wanted = askers or question in self._tasks
            if not is_wanted and self._asked.get(question) is askers:
                del self._asked[question]

        return cancel

    def _begin_some(self) -> None:
        """Read what was asked for, in order, so many at a time."""
        for question in self._asked:
            if len(self._tasks) >= MAX_READINGS:
                return
            if question not in self._tasks:
                self._tasks[question] = asyncio.get_running_loop().create_task(
                    self._answer(question)
                )

    async def _answer(self, question: Question) -> None:
        page: Page | None = None
        counters = self._engine.counters
        try:
            page = await self._engine.history(question, MAX_FRAMES, MAX_BYTES)
            counters.pages += 1
        except Unavailable as error:
            counters.page_failures += 1
            counters.page_problem = str(error)
        except Exception as error:
            logger.exception("a page of history could not be read")
            counters.page_failures += 1
            counters.page_problem = type(error).__name__
        finally:
            del self._tasks[question]
            askers = self._asked.pop(question)
        for asker in list(askers):
            take = askers.pop(asker, None)
            if take is not None:
                take(page)
        self._begin_some()
