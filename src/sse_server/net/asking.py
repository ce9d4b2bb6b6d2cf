"""Asking the endpoint of a site, whatever version of HTTP a request came by."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from sse_server.errors import InternalError
from sse_server.http.response import error_response
from sse_server.net.held import TooMuchHeld
from sse_server.promise import Promise

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sse_server.errors import RequestError
    from sse_server.http.request import Request
    from sse_server.http.response import Answer, Response
    from sse_server.net.site import Site

logger = logging.getLogger(__name__)


def ask(site: Site, request: Request) -> Answer | Awaitable[Answer]:
    """What the endpoint says."""
    if request.body and site.held.is_full:
        return _failed(site, TooMuchHeld(), request)
    try:
        return site.endpoint(request)
    except Exception:
        logger.exception("a request could not be answered")
        return _failed(site, InternalError(), request)


def answer_later(
    site: Site,
    later: Awaitable[Answer],
    answer: Callable[[Answer], None],
    give_up: Callable[[], object],
) -> asyncio.Future[Answer] | None:
    """Call `answer` with what whoever takes his time says in the end.

    A promise calls it in the turn in which it is kept. Anything else becomes a task, which is
    returned: to be cancelled when nobody wants the answer any more. When it is, or when whoever was
    to answer gives up, `give_up` is called.
    """
    if isinstance(later, Promise):
        later.when_settled(answer, lambda error: answer(_broken(site, error)))
        return None

    def done(task: asyncio.Future[Answer]) -> None:
        if task.cancelled():
            give_up()
        else:
            error = task.exception()
            answer(task.result() if error is None else _broken(site, error))

    task = asyncio.ensure_future(later, loop=site.loop)
    task.add_done_callback(done)
    return task


def _broken(site: Site, error: BaseException) -> Response:
    """The answer where whoever was to give it has failed."""
    logger.error("a request could not be answered", exc_info=error)
    return _failed(site, InternalError())


def _failed(site: Site, error: RequestError, request: Request | None = None) -> Response:
    """The answer where no endpoint gives one."""
    site.journal.refused(error, request)
    return error_response(error)
