"""Answers to the requests of one HTTP/2 connection, at once or when whoever gives them has one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sse_server.http.response import EventStream, Response
from sse_server.net.asking import ask, wait_for
from sse_server.wire.flow import CloseReason

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from sse_server.http.h2_stream import Http2Stream
    from sse_server.http.http2 import Http2
    from sse_server.http.response import Answer
    from sse_server.net.site import Site

_ANSWER_BYTES = 1024 * 1024  # that one client does not take: then its requests wait


class Http2Answers:
    """Has requests answered as long as the client takes its answers."""

    __slots__ = ("_machine", "_site", "_tasks", "_transport")

    def __init__(self, machine: Http2, site: Site, transport: asyncio.Transport) -> None:
        """`machine` has the requests."""
        self._machine = machine
        self._site = site
        self._transport = transport
        self._tasks: set[asyncio.Task[None]] | None = None  # answers that take their time

    @property
    def are_awaited(self) -> bool:
        """Whether somebody is about to answer."""
        return bool(self._tasks)

    def answer(self) -> bool:
        """Answer what has come; whether there was anything."""
        machine = self._machine
        flow = machine.flow
        flow.collect()
        answered = False
        while flow.answer_bytes < _ANSWER_BYTES:
            one = machine.next_request()
            if one is None:
                break
            answered = True
            stream, request = one
            answer = ask(self._site, request)
            if isinstance(answer, (Response, EventStream)):
                self._respond(stream, answer)
            else:
                self._await(stream, answer)
        flow.release()
        return answered

    def cancel(self) -> None:
        """Nobody waits for them any more."""
        for task in self._tasks or ():
            task.cancel()

    def _respond(self, stream: Http2Stream, answer: Answer) -> None:
        if isinstance(answer, Response):
            self._machine.respond(stream, answer)
            return
        site = self._site
        site.opened += 1
        site.carried += 1
        stream.agent = site.agents.shared(answer.agent)
        self._machine.open_stream(stream, answer)
        if stream.source is not None:
            site.journal.opened(self._transport, stream.source, resumed=answer.resumed)
        if site.draining:
            stream.end(CloseReason.DRAINED)

    def _await(self, stream: Http2Stream, later: Awaitable[Answer]) -> None:
        task = self._site.loop.create_task(self._answer_later(stream, later))
        if self._tasks is None:
            self._tasks = set()
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        stream.cancel = task.cancel

    async def _answer_later(self, stream: Http2Stream, later: Awaitable[Answer]) -> None:
        try:
            answer = await wait_for(self._site, later)
        except asyncio.CancelledError:  # the client is gone, or whoever was to answer gave up
            if stream.is_open:
                stream.abort(CloseReason.LOST)
            raise
        stream.cancel = None
        if stream.is_open and not self._transport.is_closing():
            self._machine.flow.collect()
            self._respond(stream, answer)
            self._machine.flow.release()
