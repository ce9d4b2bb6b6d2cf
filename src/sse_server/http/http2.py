"""One HTTP/2 connection, without its socket: bytes in, requests out; answers in, bytes out.

h2 is the protocol (`h2_mended`), with a scanner in front of it (`h2_scanner`), our own DATA behind
it (`h2_outflow`), and requests made of what it tells (`h2_intake`). What a client sends is looked
at in turns, so that hundreds of requests in one read do not keep others waiting:

    machine.receive(data)
    while machine.turn():
        while (one := machine.next_request()) is not None:
            stream, request = one
            machine.respond(stream, answer(request))

An `Http2Error` ends the connection; the client has been told why, and nothing more is to be done.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError

from sse_server.http.chunked import plain
from sse_server.http.h2_arrivals import Arrivals
from sse_server.http.h2_budgets import Budgets, Http2Error, too_much
from sse_server.http.h2_frames import ANY_STREAM, LATE, REFUSED, goaway, ping
from sse_server.http.h2_heads import event_stream_block, response_block
from sse_server.http.h2_intake import Intake
from sse_server.http.h2_mended import MendedConnection
from sse_server.http.h2_outflow import Outflow
from sse_server.http.h2_request import StreamError
from sse_server.http.h2_scanner import FrameScanner
from sse_server.http.heads import WITHOUT_CONTENT
from sse_server.http.response import Response, error_response
from sse_server.wire.flow import CloseReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from sse_server.errors import RequestError
    from sse_server.http.h2_carrier import Carrier
    from sse_server.http.h2_options import Http2Options
    from sse_server.http.h2_stream import Http2Stream
    from sse_server.http.http1 import Http1Options, ServerDate
    from sse_server.http.request import Request
    from sse_server.http.response import EventStream

_HEADS_PER_TURN = 32
_WINDOW_BYTES = 1024 * 1024  # for bodies: 1 MiB in flight, 80 Mbit/s over 100 ms
_RTT_PING = b"rtt-ping"
_ALIVE_PING = b"alive?\r\n"


class Http2:
    """One HTTP/2 connection."""

    __slots__ = ("_announced", "_arrivals", "_budgets", "_carrier", "_clock", "_h2", "_intake",
                 "_scanner", "_server_date", "failed", "flow", "is_settled")  # fmt: skip

    def __init__(
        self,
        options: Http2Options,
        limits: Http1Options,
        server_date: ServerDate | None,
        clock: Callable[[], float],
        carrier: Carrier,
    ) -> None:
        """`limits` are those of requests, whatever version of HTTP they come by."""
        self._h2 = MendedConnection(
            max_streams=options.max_concurrent_streams,
            max_head_bytes=limits.max_head_bytes,
            window_bytes=_WINDOW_BYTES,
        )
        self._server_date = server_date
        self._carrier = carrier
        self._clock = clock
        self._budgets = Budgets()
        # What hpack would refuse, too, were it decoded.
        self._scanner = FrameScanner(self._budgets, self._h2.decoder.max_header_list_size)
        self.flow = Outflow(self._h2, carrier, options.turn_bytes)
        self._arrivals = Arrivals(limits)
        self._intake = Intake(self.flow, self._arrivals, self._budgets, clock, self._decline)
        self._announced = False
        self.is_settled = False  # the last stream that is served has been told
        self.failed = False

    @property
    def is_waiting(self) -> bool:
        """Whether something has begun to come and is not whole, bodies apart."""
        return self._scanner.is_waiting

    @property
    def has_bodies(self) -> bool:
        """Whether bodies are coming."""
        return self._arrivals.has_bodies

    @property
    def progress(self) -> int:
        """Goes up with all that has come to its end."""
        return self._scanner.progress

    @property
    def is_leaving(self) -> bool:
        """Whether the client will open no more streams."""
        return self._scanner.is_leaving

    @property
    def oldest_body(self) -> float | None:
        """Since when the oldest unfinished body has been coming."""
        return self._arrivals.oldest

    @property
    def held_bytes(self) -> int:
        """What is kept of requests that are not answered, and of answers that are not read."""
        return self._scanner.held_bytes + self._arrivals.bytes + self.flow.answer_bytes

    def begin(self) -> None:
        """Send what a server sends first."""
        self.flow.send(self._h2.begin())

    def receive(self, data: bytes) -> None:
        """Take what the client sent.

        Raises:
            Http2Error: the connection has ended.
        """
        if self.failed:
            return
        try:
            self._scanner.receive(data)
        except Http2Error as error:
            self._fail(error)
            raise

    def turn(self) -> bool:
        """Look at the next few requests' worth of frames; whether there are more.

        Raises:
            Http2Error: the connection has ended.
        """
        if self.failed:
            return False
        flow, scanner = self.flow, self._scanner
        flow.collect()
        try:
            found = scanner.take(_HEADS_PER_TURN, self._clock())
            self._intake.take(found, self._flush)
            self._flush()
            self._count()
        except Http2Error as error:
            self._fail(error)
            raise
        except ProtocolError as error:
            self._flush()  # h2's GOAWAY is there
            self.failed = True
            raise Http2Error(error.error_code, str(error)) from error
        finally:
            flow.release()
        return scanner.has_more

    def next_request(self) -> tuple[Http2Stream, Request] | None:
        """The next whole request whose stream is still open."""
        return self._arrivals.next()

    def respond(self, stream: Http2Stream, response: Response) -> None:
        """Answer, if anybody waits for it still."""
        self._arrivals.drop(stream.h2.stream_id)
        if not stream.is_open:
            return
        block = response_block(response, date=self._date())
        body = response.body
        if stream.is_head or response.status in WITHOUT_CONTENT:
            body = b""
        self.flow.send(self._h2.send_head(stream.h2, block, ends=not body))
        if body:
            stream.answer(body)
        else:
            self.flow.ended(stream)

    def open_stream(self, stream: Http2Stream, answer: EventStream) -> None:
        """Answer with an event stream."""
        self._arrivals.drop(stream.h2.stream_id)
        block = event_stream_block(answer.headers, date=self._date())
        self.flow.send(self._h2.send_head(stream.h2, block))
        opening, stream.source = answer.open(stream, plain)
        stream.write(opening)

    def refuse_slow_bodies(self, error: RequestError, before: float) -> None:
        """Answer the requests whose bodies have been coming since then, or longer."""
        for stream in self._arrivals.before(before):
            self._decline(stream, error)

    def give_way(self, error: RequestError) -> None:
        """Let go of all that is held: requests get `error`, answers that are not read are cut.

        Raises:
            Http2Error: the connection has ended: a header block is open, which h2 holds.
        """
        for stream in (*self._arrivals.before(inf), *self._arrivals.waiting):
            if stream.is_open:
                self._decline(stream, error)
        for stream in list(self.flow.streams.values()):
            if stream.ends:
                stream.abort(CloseReason.SLOW)
        if self._scanner.block_bytes:
            too_large = too_much("unfinished-heads")
            self._fail(too_large)
            raise too_large

    def ask_for_life(self) -> None:
        """Send a PING: whatever comes after it is a sign."""
        self.flow.send(ping(_ALIVE_PING))

    def announce_end(self) -> None:
        """Drain, first step: tell that no stream should be opened any more.

        Those that are on their way are still served (RFC 9113 section 6.8); when the PING comes
        back there are none. It stands in front: clients that are made with h2 (httpx) take nothing
        behind a GOAWAY, and lose what has come together with it. Idempotent.
        """
        if not self._announced:
            self._announced = True
            self.flow.send(ping(_RTT_PING) + goaway(ANY_STREAM))

    def settle(self) -> None:
        """Drain, second step: tell which stream is the last. Idempotent."""
        if not self.is_settled:
            self.is_settled = True
            self._h2.refuses = True
            self.flow.send(goaway(self._h2.highest_inbound_stream_id))

    def close(self) -> None:
        """The connection is gone: whoever follows a stream is told, and cycles are cut."""
        self.failed = True
        self._arrivals.clear()
        for stream in list(self.flow.streams.values()):
            stream.gone(CloseReason.LOST)
        self.flow.streams.clear()

    def _count(self) -> None:
        """Count resets of streams that were hardly open, and those for an error of the client's.

        And what comes behind resets of ours, streams over the limit, and what small windows cost.

        Raises:
            Http2Error: there was too much.
        """
        budgets, flow, now = self._budgets, self.flow, self._clock()
        caused, late, refused = self._h2.take_counts()
        resets = self._intake.take_quick_resets(self._scanner.resets) + caused
        if resets:
            budgets.count_resets(resets, now)
        if late:
            budgets.count(LATE, now, late)
        if refused:
            budgets.count(REFUSED, now, refused)
        if flow.small_pieces:
            budgets.count_small_pieces(flow.small_pieces, flow.data_frames)
            flow.small_pieces = 0

    def _decline(self, stream: Http2Stream, error: RequestError) -> None:
        """Answer what is no request that can be served."""
        self._arrivals.drop(stream.h2.stream_id)
        if isinstance(error, StreamError):
            self._h2.caused += error.error_code != ErrorCodes.REFUSED_STREAM
            self.flow.reset(stream, error.error_code)
        else:
            self._carrier.refused(error)
            self.respond(stream, error_response(error))

    def _flush(self) -> None:
        """Send what h2 and the scanner have to say."""
        output = self._scanner.output
        if output:
            self.flow.send(b"".join(output))
            output.clear()
        pongs = self._scanner.pongs
        if pongs:
            if _RTT_PING in pongs:
                self.settle()
            pongs.clear()
        data = self._h2.data_to_send()
        if data:
            self.flow.send(data)

    def _fail(self, error: Http2Error) -> None:
        self.flow.send(goaway(self._h2.highest_inbound_stream_id, error.error_code))
        self.failed = True

    def _date(self) -> bytes | None:
        return None if self._server_date is None else self._server_date()
