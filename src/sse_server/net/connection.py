"""An HTTP/1.1 connection until an event stream opens on it: joins a transport to its machine.

What turns out to be HTTP/2, by its preface, goes on as an `Http2Connection`. What the machine says
decides what is waited for and how long; the site's timer looks at `deadline`.
"""

from __future__ import annotations

import asyncio
from math import inf
from typing import TYPE_CHECKING, cast

from sse_server.errors import RequestError
from sse_server.http.h2_frames import PREFACE
from sse_server.http.http1 import Http1, Phase
from sse_server.http.response import EventStream, Response
from sse_server.net.asking import answer_later, ask
from sse_server.net.closing import close_gently, took_too_long
from sse_server.net.held import TooMuchHeld
from sse_server.net.http2_connection import Http2Connection
from sse_server.net.stream import Stream
from sse_server.wire.flow import CloseReason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sse_server.http.response import Answer
    from sse_server.net.site import Site

# Of one connection that pipelines, before the loop looks at the others, and before it is seen
# whether the client takes its answers: pages of history are large.
_REQUESTS_PER_TURN = 32
_ANSWER_BYTES_PER_TURN = 65_536


class Connection(asyncio.Protocol):
    """Reads requests, has them answered, and becomes a stream when one of them opens one."""

    __slots__ = ("_awaits", "_body_bytes", "_holds", "_is_new", "_lingers", "_machine",
                 "_scheduled", "_site", "_stalled", "_task", "_transport", "_watched",
                 "deadline")  # fmt: skip

    _transport: asyncio.Transport
    streams = ()  # a connection with a stream is a `Stream`

    def __init__(self, site: Site) -> None:
        """Made by the listener for every connection it accepts."""
        self._site = site
        self._machine = Http1(site.http1, site.date)
        self._awaits = False  # an answer that takes its time
        self._task: asyncio.Future[Answer] | None = None  # that makes it, if there is one
        self._stalled = False  # the client does not read its answers
        self._scheduled = False  # the next turn is asked for
        self._is_new = True  # it may turn out to be HTTP/2
        self._lingers = False  # the last answer is sent, or the transport is not its own any more
        self._holds = False  # the site counts bytes for it
        self._body_bytes = 0  # of the request in hand
        self._watched = Phase.IDLE
        self.deadline = site.loop.time() + site.options.head_timeout_seconds

    @property
    def is_idle(self) -> bool:
        """Whether it is between two requests."""
        return self._machine.phase is Phase.IDLE and self not in self._site.handshakes

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Transport: here it is."""
        # uvloop's transports do not derive from asyncio.Transport.
        self._transport = cast("asyncio.Transport", transport)
        self._site.connections.add(self)
        self._site.handshakes.begin(self)
        if self._site.draining:  # it was being accepted when the listeners were closed
            self.close_when_idle()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 (asyncio's signature)
        """Transport: closed, by either side."""
        self._lingers = True
        self._count_held()
        self._site.connections.discard(self)
        self._site.handshakes.end(self)
        self._site.left()
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        """Transport: the client sent something."""
        if not self._lingers:
            machine = self._machine
            machine.receive(data)
            if self._is_new and self._becomes_http2():
                return
            if self._awaits and not machine.wants_input:
                self._transport.pause_reading()
            self._serve()
            self._count_held()

    def _becomes_http2(self) -> bool:
        """Whether all that has come is HTTP/2's preface, or the beginning of it."""
        received = self._machine.peek(len(PREFACE))
        self._is_new = received != PREFACE and PREFACE.startswith(received)
        if received != PREFACE:
            return self._is_new
        self._hand_over()
        Http2Connection(self._transport, self._site).begin(self._machine.take_back())
        return True

    def eof_received(self) -> bool:
        """Transport: the client sends no more; what it has asked for is still answered."""
        if self._lingers:
            return False
        self._machine.receive(b"")
        self._serve()
        self._count_held()
        return self._awaits or self._scheduled or self._stalled

    def pause_writing(self) -> None:
        """Transport: the client does not read. Answer no more until it does."""
        self._stalled = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Transport: it reads again."""
        self._stalled = False
        if not (self._awaits or self._lingers):
            self._next_turn()

    def time_out(self) -> None:
        """Timer: the deadline has passed."""
        if self._lingers or self._machine.phase in (Phase.IDLE, Phase.ANSWERING):
            self._transport.abort()
        else:
            self._give_up(took_too_long())

    def close_when_idle(self) -> None:
        """Drain: end it, at once between requests, else with the answer to what is being sent."""
        if self.is_idle:
            self._transport.close()
        elif self._machine.phase in (Phase.IDLE, Phase.HEAD, Phase.BODY):
            # Who has not sent anything yet is about to, and would see a reset.
            soon = self._site.loop.time() + self._site.options.linger_seconds
            self.deadline = min(self.deadline, soon)

    def abort(self) -> None:
        """End it now."""
        self._transport.abort()

    def give_way(self) -> None:
        """Site: too much is held for all connections together, and for this one longest."""
        if self._stalled:
            self._lingers = True
            self._transport.abort()
        else:
            self._give_up(TooMuchHeld())

    def _count_held(self) -> None:
        """Say what is held for this connection: only where there is, or has been, something."""
        held = 0
        if not self._lingers:
            held = self._machine.held_bytes
            if self._awaits:
                held += self._body_bytes
            elif self._stalled:
                held += self._transport.get_write_buffer_size()
        if held or self._holds:
            self._holds = held > 0
            self._site.held.count(self, held, unanswered=self._awaits)

    def _serve(self) -> None:
        """Answer what has arrived, one turn's worth of it."""
        machine, site = self._machine, self._site
        if self._awaits or self._stalled or self._scheduled:
            return
        output: list[bytes] = []
        room = _ANSWER_BYTES_PER_TURN
        for _ in range(_REQUESTS_PER_TURN):
            if room <= 0:
                self._next_turn()
                break
            try:
                request = machine.next_request()
            except RequestError as error:
                self._give_up(error, output)
                return
            if request is None:
                output.append(machine.take_output())
                break
            site.handshakes.end(self)
            self._body_bytes = len(request.body)
            answer = ask(site, request)
            if isinstance(answer, Response):
                output.append(machine.respond(answer, close=self._site.draining))
                if machine.phase is Phase.IDLE:  # nothing has come behind it: nearly always
                    break
                room -= len(output[-1])
            elif isinstance(answer, EventStream):
                self._open(answer, output)
                return
            else:
                self._awaits = True
                self._watched, self.deadline = Phase.ANSWERING, inf  # it takes what it takes
                self._task = answer_later(site, answer, self._answer, self._transport.abort)
                if not output:
                    return
                break
        else:
            self._next_turn()
        self._write(b"".join(output))

    def _next_turn(self) -> None:
        """There may be more to answer: let the others of the loop have their turn first."""
        if not self._scheduled:
            self._scheduled = True
            self._transport.pause_reading()
            self._site.loop.call_soon(self._take_turn)

    def _take_turn(self) -> None:
        self._scheduled = False
        if self._stalled or self._lingers or self._transport.is_closing():
            return
        self._transport.resume_reading()
        self._serve()
        self._count_held()

    def _write(self, output: bytes) -> None:
        """Send answers, and see what is waited for next."""
        machine = self._machine
        if machine.must_close:
            self._finish(output)
            return
        if output:
            self._transport.write(output)
        phase = machine.phase
        if output or phase is not self._watched:  # an answer ends what was waited for
            self._watched = phase
            self.deadline = self._site.loop.time() + self._site.options.patience(phase)

    def _finish(self, output: bytes) -> None:
        """Send the last answer and close, in a way that lets it arrive."""
        transport = self._transport
        self._lingers = True
        self.deadline = self._site.loop.time() + self._site.options.linger_seconds
        if not output:
            transport.close()
            return
        transport.write(output)
        close_gently(transport)

    def _open(self, answer: EventStream, output: list[bytes]) -> None:
        """Become a stream."""
        machine = self._machine
        self._site.opened += 1
        received = machine.unread_bytes
        head, framing = machine.open_stream(answer.headers)
        self._hand_over()
        stream = Stream(self._transport, self._site)
        stream.open(answer, b"".join((*output, head)), framing)
        stream.count_unread(received)
        if self._site.draining:
            stream.end(CloseReason.DRAINED)

    def _hand_over(self) -> None:
        """The transport is somebody else's from here on."""
        self._site.connections.discard(self)
        self._site.handshakes.end(self)
        self._lingers = True

    def _give_up(self, error: RequestError, output: Sequence[bytes] = ()) -> None:
        """Answer what has not become a request, after what is to be written before that."""
        self._site.journal.refused(error)
        self._finish(b"".join((*output, self._machine.refuse(error))))

    def _answer(self, answer: Answer) -> None:
        """An answer that took its time is there."""
        self._awaits = False
        self._task = None
        if self._lingers or self._transport.is_closing():
            return
        if isinstance(answer, EventStream):
            self._transport.resume_reading()
            self._open(answer, [])
            self._count_held()
            return
        self._write(self._machine.respond(answer, close=self._site.draining))
        self._count_held()
        # Nearly always nothing has come behind it; then reading goes on, as it did.
        if not (self._lingers or self._stalled or self._machine.phase is Phase.IDLE):
            self._next_turn()
