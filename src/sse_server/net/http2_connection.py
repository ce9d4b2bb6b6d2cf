"""An HTTP/2 connection: joins a transport to its machine, from the preface to the end.

It takes the place of the `Connection` or the `TlsHandshake` that was there before it was known what
the client speaks. What is due when is looked at by the site's timer: `deadline` is never later than
the first of it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sse_server.http.h2_budgets import Http2Error
from sse_server.http.http2 import Http2
from sse_server.net.closing import close_gently, took_too_long
from sse_server.net.held import TooMuchHeld
from sse_server.net.http2_answers import Http2Answers
from sse_server.net.http2_watch import Http2Watch
from sse_server.net.socket_options import acknowledged
from sse_server.observe.journal import peer
from sse_server.wire.flow import CloseReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from sse_server.errors import RequestError
    from sse_server.http.h2_stream import Http2Stream
    from sse_server.net.site import Site
    from sse_server.wire.flow import Source


class Http2Connection(asyncio.Protocol):
    """Reads requests, has them answered, and carries streams: its machine's `Carrier`."""

    __slots__ = ("_answers", "_holds", "_lingers", "_machine", "_scheduled", "_site", "_transport",
                 "_watch", "deadline", "write")  # fmt: skip

    def __init__(self, transport: asyncio.Transport, site: Site) -> None:
        """`begin` takes the transport from whose it was."""
        self._transport = transport
        self._site = site
        self.write: Callable[[bytes], None] = transport.write
        self._machine = Http2(site.http2, site.http1, site.date, site.clock, self)
        self._answers = Http2Answers(self._machine, site, transport)
        self._scheduled = False  # the next turn is asked for
        self._lingers = False  # the last is sent
        self._holds = False  # the site counts bytes for it
        self._watch = Http2Watch(site.http2, site.loop.time())
        self.deadline = 0.0

    def begin(self, received: bytes) -> None:
        """Take over the transport; `received` has come already."""
        transport, site = self._transport, self._site
        site.connections.add(self)
        site.handshakes.begin(self)
        transport.set_protocol(self)
        # As for a stream of HTTP/1.1: what the kernel does not take costs places, not copies.
        transport.set_write_buffer_limits(high=1)
        self._machine.begin()
        if site.draining:
            self.close_when_idle()
        self._set_deadline()
        if received:
            self.data_received(received)

    @property
    def streams(self) -> list[Http2Stream]:
        """Event streams that are open."""
        return [s for s in self._machine.flow.streams.values() if s.source is not None]

    @property
    def is_idle(self) -> bool:
        """Whether it is between two requests."""
        return not self._machine.flow.streams and self not in self._site.handshakes

    # --- transport --------------------------------------------------------------------------------

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 (asyncio's signature)
        """Transport: closed, by either side."""
        site = self._site
        self._lingers = True
        site.connections.discard(self)
        site.handshakes.end(self)
        self._answers.cancel()
        self._machine.close()
        self._watch.end()
        self._count_held()
        site.left()

    def data_received(self, data: bytes) -> None:
        """Transport: the client sent something."""
        if self._lingers:
            return
        self._watch.hear(self._site.loop.time())
        try:
            self._machine.receive(data)
        except Http2Error as error:
            self._break(error)
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
            self._answers.answer()
            self._count_held()

    # --- machine ----------------------------------------------------------------------------------

    @property
    def address(self) -> str | None:
        """Machine: who has connected."""
        return peer(self._transport)

    def unsent(self) -> int:
        """Machine: what the transport holds back."""
        return self._transport.get_write_buffer_size()

    def acknowledged(self) -> tuple[int, int] | None:
        """Machine: what has been acknowledged, and what has not."""
        sock = self._transport.get_extra_info("socket")
        return None if sock is None else acknowledged(sock, self.unsent())

    def refused(self, error: RequestError) -> None:
        """Machine: a request was answered with this."""
        self._site.journal.refused(error)

    def paused(self, source: Source) -> None:
        """Machine: the client of a stream takes no more."""
        self._site.journal.paused(self._transport, source)

    def too_slow(self, held_bytes: int) -> None:
        """Machine: a stream is ended because its client takes nothing."""
        self._site.journal.too_slow(self._transport, held_bytes)

    def closed(self, source: Source, reason: CloseReason) -> None:
        """Machine: a stream has ended."""
        site = self._site
        site.carried -= 1
        site.journal.closed(self._transport, source, reason, site.stream_count)

    def emptied(self) -> None:
        """Machine: no stream is left, but its end is perhaps still to be written."""
        if self._watch.drains:
            self._site.loop.call_soon(self._announce_end)

    # --- site -------------------------------------------------------------------------------------

    def time_out(self) -> None:
        """Timer: something may be due."""
        now, options = self._site.loop.time(), self._site.options
        machine, watch = self._machine, self._watch
        if self._lingers or watch.is_dead(now):
            self.abort()
            return
        if watch.is_stuck(now, options):
            machine.settle()
            self._finish()
            return
        machine.refuse_slow_bodies(took_too_long(), now - options.body_timeout_seconds)
        for stream in watch.unread(now, machine, options):
            stream.abort(CloseReason.SLOW)
        self._count_held()
        if not machine.flow.streams and watch.is_idle(now, options):
            if machine.is_settled or watch.drains:
                self._finish()
                return
            self.close_when_idle()
        elif watch.is_silent(now, machine):
            watch.ask(now)
            machine.ask_for_life()
        self._set_deadline()

    def close_when_idle(self) -> None:
        """Drain: end it when all that is open or on its way has been answered.

        GOAWAY waits for the end of the streams: clients that are made with h2 (httpx) take nothing
        more behind it, and would lose their farewells.
        """
        if not self._watch.drains:
            self._watch.drains = True
            if not self._machine.flow.streams:
                self._announce_end()

    def give_way(self) -> None:
        """Site: too much is held for all connections together, and for this one longest."""
        try:
            self._machine.give_way(TooMuchHeld())
        except Http2Error as error:
            self._break(error)

    def abort(self) -> None:
        """End it now."""
        reason = CloseReason.DRAINED if self._site.draining else CloseReason.LOST
        for stream in self.streams:
            stream.gone(reason)
        self._transport.abort()

    # ----------------------------------------------------------------------------------------------

    def _take_turn(self) -> None:
        """Read and answer a turn's worth."""
        if self._lingers or self._transport.is_closing():
            return
        machine = self._machine
        before = machine.progress
        try:
            more = machine.turn()
        except Http2Error as error:
            self._break(error)
            return
        is_waiting = machine.is_waiting
        self._watch.look(is_waiting=is_waiting, has_progressed=machine.progress != before)
        if self._answers.answer():
            self._site.handshakes.end(self)
            self._set_deadline()
        elif is_waiting or machine.has_bodies:
            self._set_deadline()
        self._count_held()
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

    def _count_held(self) -> None:
        """Say what is held for this connection: only where there is, or has been, something."""
        held = 0 if self._lingers else self._machine.held_bytes
        if held or self._holds:
            self._holds = held > 0
            self._site.held.count(self, held, unanswered=self._answers.are_awaited)

    def _set_deadline(self) -> None:
        site = self._site
        self.deadline = self._watch.due(site.loop.time(), self._machine, site.options)

    def _announce_end(self) -> None:
        """Drain: nothing is open any more."""
        if not (self._lingers or self._transport.is_closing()):
            self._watch.hear(self._site.loop.time())  # the time to answer begins
            self._machine.announce_end()
            self._set_deadline()
            self._close_if_done()

    def _close_if_done(self) -> None:
        """Close when nothing is left to be done, and nothing is on its way."""
        machine = self._machine
        ending = machine.is_settled if self._watch.drains else machine.is_leaving
        if ending and not (machine.flow.streams or self._lingers):
            self._finish()

    def _break(self, error: Http2Error) -> None:
        """The client has broken the rules, and been told so."""
        self._site.journal.broken(self._transport, error.kind, error.message)
        self._finish()

    def _finish(self) -> None:
        """Close, in a way that lets what has been sent arrive."""
        if self._lingers:
            return
        self._lingers = True
        self._machine.close()
        self._count_held()
        self.deadline = self._site.loop.time() + self._site.options.linger_seconds
        close_gently(self._transport)
