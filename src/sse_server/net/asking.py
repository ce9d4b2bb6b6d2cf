"""Asking the endpoint of a site, whatever version of HTTP a request came by."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from sse_server.errors import InternalError
from sse_server.http.response import error_response
from sse_server.net.held import TooMuchHeld

if TYPE_CHECKING:
    from collections.abc import Awaitable

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


async def wait_for(site: Site, later: Awaitable[Answer]) -> Answer:
    """What whoever takes his time says in the end.

    Raises:
        CancelledError: nothing, and the client will be told nothing.
    """
    try:
        return await later
    except Exception:
        logger.exception("a request could not be answered")
        return _failed(site, InternalError())


def _failed(site: Site, error: RequestError, request: Request | None = None) -> Response:
    """The answer where no endpoint gives one."""
    site.journal.refused(error, request)
    return error_response(error)
