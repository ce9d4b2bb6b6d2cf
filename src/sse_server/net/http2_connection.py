"""An HTTP/2 connection: joins a transport to its machine, from the preface to the end.

It takes the place of the `Connection` that was made before it was known what the client speaks.
What is due when is looked at by the site's timer: `deadline` is never later than the first of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING

from sse_server.errors import RemoteProtocolError
from sse_server.http.h2_scanner import Http2Error
from sse_server.http.http2 import Http2
from sse_server.http.response import EventStream, Response, error_response
from sse_server.net.internal_error import InternalError
from sse_server.wire.flow import CloseReason

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from sse_server.http.h2_stream import Http2Stream
    from sse_server.http.request import Request
    from sse_server.http.response import Answer
    from sse_server.net.site import Site

logger = logging.getLogger(__name__)

_ANSWER_BYTES = 1024 * 1024  # that one client does not take: then its requests wait


class Http2Connection(asyncio.Protocol):
    """Reads requests, has them answered, and carries streams."""

    __slots__ = ("_drains", "_heard", "_lingers", "_machine", "_pinged", "_requests",
                 "_scheduled", "_site", "_tasks", "_transport", "_unread", "_waiting_since",
                 "deadline")  # fmt: skip

    def __init__(self, transport: asyncio.Transport, site: Site) -> None:
        """Made by a connection, which `begin` takes the transport from."""
        self._transport = transport
        self._site = site
        self._machine = Http2(
            site.http2,
            site.http1,
            site.date,
            site.loop.time,
            transport.write,
            transport.get_write_buffer_size,
        )
        self._requests: deque[tuple[Http2Stream, Request]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()  # answers that take their time
        self._unread: dict[
            Http2Stream, int
        ] = {}  # answers, and how much was taken at the last look
        self._scheduled = False  # the next turn is asked for
        self._drains = False
        self._lingers = False  # the last is sent
        self._heard = site.loop.time()
        self._pinged: float | None = None  # when it was asked for a sign of life
        self._waiting_since: float | None = self._heard
        self.deadline = self._heard

    def begin(self, received: bytes) -> None:
        """Take over the transport; `received` has come already."""
        transport = self._transport
        self._site.connections.add(self)
        transport.set_protocol(self)
        # As for a stream of HTTP/1.1: what the kernel does not take costs places, not copies.
        transport.set_write_buffer_limits(high=1)
        self._machine.begin()
        if self._site.draining:
            self.close_when_idle()
        if received:
            self.data_received(received)
        self._watch()

    @property
    def streams(self) -> list[Http2Stream]:
        """Event streams that are open."""
        return [s for s in self._machine.flow.streams.values() if s.source is not None]

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 (asyncio's signature)
        """Transport: closed, by either side."""
        self._site.connections.discard(self)
        self._requests.clear()
        for task in self._tasks:
            task.cancel()
        self._machine.close()
        self._site.left()

    def data_received(self, data: bytes) -> None:
        """Transport: the client sent something."""
        if self._lingers:
            return
        self._heard = self._site.loop.time()
        self._pinged = None
        try:
            self._machine.receive(data)
        except Http2Error as error:
            self._fail(error)
            return
        if not self._scheduled:
            self._take_turn()

    def eof_received(self) -> bool:
        """Transport: the client sends no more: it has left (RFC 9113 section 9.1)."""
        return False

    def pause_writing(self) -> None:
        """Transport: the kernel takes no more. What is read would have to be answered."""
        self._transport.pause_reading()
        self._machine.flow.pause()

    def resume_writing(self) -> None:
        """Transport: everything has been taken."""
        if not self._scheduled:
            self._transport.resume_reading()
        self._machine.flow.resume()
        if not self._lingers:
            self._answer()

    def time_out(self) -> None:
        """Timer: something may be due."""
        now, options = self._site.loop.time(), self._site.options
        machine = self._machine
        if self._lingers or self._is_dead(now):
            self.abort()
            return
        since = self._waiting_since
        if since is not None and now >= since + options.head_timeout_seconds:
            self._fail(None)
            return
        message = "the request did not arrive in time: send it at once"
        error = RemoteProtocolError(message, 408, "request-timeout")
        machine.refuse_slow_bodies(error, now - options.body_timeout_seconds)
        self._drop_unread()
        if not machine.flow.streams and now >= self._heard + options.idle_timeout_seconds:
            if machine.is_settled or self._drains:
                self._finish()
                return
            self.close_when_idle()
            self._heard = now + options.linger_seconds - options.idle_timeout_seconds
        elif self._is_silent(now):
            self._pinged = now
            machine.ask_for_life()
        self._watch()

    def close_when_idle(self) -> None:
        """Drain: end it when all that is open or on its way has been answered.

        GOAWAY waits for the end of the streams: clients that are made with h2 (httpx) take nothing
        more behind it, and would lose their farewells.
        """
        if not self._drains:
            self._drains = True
            self._machine.flow.when_empty = self._soon_announce
            if not self._machine.flow.streams:
                self._machine.announce_end()

    def abort(self) -> None:
        """End it now."""
        reason = CloseReason.DRAINED if self._site.draining else CloseReason.LOST
        for stream in self.streams:
            stream.gone(reason)
        self._transport.abort()

    def _take_turn(self) -> None:
        """Read and answer a turn's worth."""
        if self._lingers or self._transport.is_closing():
            return
        machine = self._machine
        before = machine.progress
        try:
            more = machine.turn()
        except Http2Error as error:
            self._fail(error)
            return
        if not machine.is_waiting:
            self._waiting_since = None
        elif self._waiting_since is None or machine.progress != before:
            self._waiting_since = self._heard
            self.deadline = min(
                self.deadline, self._heard + self._site.options.head_timeout_seconds
            )
        self._requests += machine.take_requests()
        self._answer()
        self._schedule(again=more)
        self._close_if_done()

    def _schedule(self, *, again: bool) -> None:
        """Let the others of the loop have their turn before the next one."""
        if again == self._scheduled:
            return
        self._scheduled = again
        if again:
            self._transport.pause_reading()
            self._site.loop.call_soon(self._next_turn)
        elif not self._machine.flow.paused:
            self._transport.resume_reading()

    def _next_turn(self) -> None:
        self._schedule(again=False)
        self._take_turn()

    def _answer(self) -> None:
        """Answer what has come, as long as the client takes its answers."""
        requests, flow = self._requests, self._machine.flow
        if not requests:
            return
        room = _ANSWER_BYTES - flow.answer_bytes
        flow.collect()
        while requests and room > 0:
            stream, request = requests.popleft()
            if not stream.is_open:
                continue
            try:
                answer = self._site.endpoint(request)
            except Exception:
                logger.exception("a request could not be answered")
                answer = error_response(InternalError())
            if isinstance(answer, (Response, EventStream)):
                self._respond(stream, answer)
                room -= len(stream.rest)
            else:
                self._await(stream, answer)
        flow.release()

    def _respond(self, stream: Http2Stream, answer: Answer) -> None:
        if isinstance(answer, Response):
            self._machine.respond(stream, answer)
            return
        self._site.opened += 1
        self._machine.open_stream(stream, answer)
        if self._site.draining:
            stream.end(CloseReason.DRAINED)

    def _await(self, stream: Http2Stream, later: Awaitable[Answer]) -> None:
        task = self._site.loop.create_task(self._answer_later(stream, later))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        stream.cancel = task.cancel

    async def _answer_later(self, stream: Http2Stream, later: Awaitable[Answer]) -> None:
        try:
            answer = await later
        except asyncio.CancelledError:  # the client is gone, or whoever was to answer gave up
            if stream.is_open:
                stream.abort(CloseReason.LOST)
            raise
        except Exception:
            logger.exception("a request could not be answered")
            answer = error_response(InternalError())
        stream.cancel = None
        if stream.is_open and not self._transport.is_closing():
            self._machine.flow.collect()
            self._respond(stream, answer)
            self._machine.flow.release()

    def _is_silent(self, now: float) -> bool:
        """Whether it is to be asked for a sign of life."""
        flow = self._machine.flow
        if not flow.streams or flow.paused or self._pinged is not None:
            return False
        return now >= self._heard + self._site.http2.keepalive_seconds

    def _is_dead(self, now: float) -> bool:
        """Whether no sign of life has come in time."""
        pinged = self._pinged
        return pinged is not None and now >= pinged + self._site.http2.keepalive_timeout_seconds

    def _drop_unread(self) -> None:
        """End the answers of which nothing was taken since the last look."""
        before = self._unread
        answers = [s for s in self._machine.flow.streams.values() if s.ends and s.rest]
        self._unread = {stream: stream.at for stream in answers}
        for stream in answers:
            if before.get(stream) == stream.at and not self._drains:
                stream.abort(CloseReason.SLOW)

    def _watch(self) -> None:
        """Set the deadline anew."""
        options, http2 = self._site.options, self._site.http2
        if self._pinged is not None:
            times = [self._pinged + http2.keepalive_timeout_seconds]
        elif self._machine.flow.streams:
            # A full transport is not read from: then there is nothing to be heard.
            now = self._site.loop.time()
            since = now if self._machine.flow.paused else self._heard
            times = [since + http2.keepalive_seconds]
        else:
            times = [self._heard + options.idle_timeout_seconds]
        if self._waiting_since is not None:
            times.append(self._waiting_since + options.head_timeout_seconds)
        body = self._machine.oldest_body
        if body is not None:
            times.append(body + options.body_timeout_seconds)
        self.deadline = min(times)

    def _soon_announce(self) -> None:
        """The last stream has ended: not at once, since its end is perhaps still to be written."""
        self._site.loop.call_soon(self._announce)

    def _announce(self) -> None:
        if not (self._lingers or self._transport.is_closing()):
            self._machine.announce_end()
            self._close_if_done()

    def _close_if_done(self) -> None:
        """Close when nothing is left to be done, and nothing is on its way."""
        machine = self._machine
        ending = machine.is_settled if self._drains else machine.is_leaving
        if ending and not (machine.flow.streams or self._lingers):
            self._finish()

    def _fail(self, error: Http2Error | None) -> None:
        """The client has broken the rules, or takes too long: it has been told."""
        logger.debug("an HTTP/2 connection has failed: %s", error)
        if error is None:
            self._machine.settle()
        self._finish()

    def _finish(self) -> None:
        """Close, in a way that lets what has been sent arrive."""
        if self._lingers:
            return
        self._lingers = True
        self._requests.clear()
        self._machine.close()
        transport = self._transport
        self.deadline = self._site.loop.time() + self._site.options.linger_seconds
        if transport.is_closing():
            return
        if transport.can_write_eof():
            transport.resume_reading()
            transport.write_eof()
        else:
            transport.close()
