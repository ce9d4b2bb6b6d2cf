"""Answers to the requests of one HTTP/2 connection, at once or when whoever gives them has one."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sse_server.http.response import EventStream, Response
from sse_server.net.asking import answer_later, ask
from sse_server.wire.flow import CloseReason

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable

    from sse_server.http.h2_stream import Http2Stream
    from sse_server.http.http2 import Http2
    from sse_server.http.response import Answer
    from sse_server.net.site import Site

_ANSWER_BYTES = 1024 * 1024  # that one client does not take: then its requests wait


class Http2Answers:
    """Has requests answered as long as the client takes its answers."""

    __slots__ = ("_awaited", "_late", "_machine", "_site", "_transport")

    def __init__(self, machine: Http2, site: Site, transport: asyncio.Transport) -> None:
        """`machine` has the requests."""
        self._machine = machine
        self._site = site
        self._transport = transport
        self._awaited: set[Http2Stream] | None = None  # whose answers take their time
        self._late: list[tuple[Http2Stream, Answer]] | None = None  # of them, those that are there

    @property
    def are_awaited(self) -> bool:
        """Whether somebody is about to answer."""
        return bool(self._awaited)

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
        for stream in self._awaited or ():
            if stream.cancel is not None:
                stream.cancel()

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
        if self._awaited is None:
            self._awaited = set()
        self._awaited.add(stream)
        task = answer_later(
            self._site, later, partial(self._collect, stream), partial(self._lose, stream)
        )
        if task is not None:
            stream.cancel = task.cancel

    def _collect(self, stream: Http2Stream, answer: Answer) -> None:
        """An answer that took its time is there. Those of one turn go out in one write."""
        assert self._awaited is not None
        self._awaited.discard(stream)
        stream.cancel = None
        if self._late is None:
            self._late = []
            self._site.loop.call_soon(self._answer_late)
        self._late.append((stream, answer))

    def _answer_late(self) -> None:
        late, self._late = self._late, None
        if late is None or self._transport.is_closing():
            return
        flow = self._machine.flow
        flow.collect()
        for stream, answer in late:
            if stream.is_open:
                self._respond(stream, answer)
        flow.release()

    def _lose(self, stream: Http2Stream) -> None:
        """Its client is gone, or whoever was to answer gave up."""
        assert self._awaited is not None
        self._awaited.discard(stream)
        if stream.is_open:
            stream.abort(CloseReason.LOST)
