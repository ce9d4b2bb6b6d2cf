"""One HTTP/2 connection, without its socket: bytes in, requests out; answers in, bytes out.

h2 is the protocol (`h2_mended`), with a scanner in front of it (`h2_scanner`) and our own DATA
behind it (`h2_outflow`). What a client sends is looked at in turns, so that hundreds of requests in
one read do not keep others waiting:

    machine.receive(data)
    while machine.turn():
        for stream, request in machine.take_requests():
            machine.respond(stream, answer(request))

An `Http2Error` ends the connection; `machine.fail` has said why, and nothing more is to be done.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from h2.events import (
    DataReceived,
    RemoteSettingsChanged,
    RequestReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes

from sse_server.errors import RequestError
from sse_server.http.chunked import plain
from sse_server.http.h2_arrivals import Arrivals
from sse_server.http.h2_frames import ANY_STREAM, goaway, headers_frames, ping
from sse_server.http.h2_heads import CONTINUE_BLOCK, event_stream_block, response_block
from sse_server.http.h2_mended import MendedConnection
from sse_server.http.h2_outflow import Outflow
from sse_server.http.h2_request import StreamError, check_trailers
from sse_server.http.h2_scanner import FrameScanner, Http2Error
from sse_server.http.h2_stream import Http2Stream
from sse_server.http.heads import WITHOUT_CONTENT
from sse_server.http.response import Response, error_response
from sse_server.wire.flow import CloseReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from h2.events import Event

    from sse_server.http.http1 import Http1Options, ServerDate
    from sse_server.http.request import Request
    from sse_server.http.response import EventStream

MAX_STREAMS = 1_000
"""What `Http2Options.max_concurrent_streams` may be at most: one connection is one client's."""
_HEADS_PER_TURN = 32
_WINDOW_BYTES = 1024 * 1024  # for bodies: 1 MiB in flight, 80 Mbit/s over 100 ms
_RTT_PING = b"rtt-ping"
_ALIVE_PING = b"alive?\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Http2Options:
    """How HTTP/2 is spoken. The limits of requests are those of HTTP/1.1."""

    max_concurrent_streams: int = 256
    """Of one connection, 1,000 at most. A page with 100 EventSources has room for requests."""
    turn_bytes: int = 16 * 1024
    """What a stream is sent while others wait for the same connection's window, before the next one
    has its turn: a full frame."""
    keepalive_seconds: float = 30.0
    """A connection with open streams that has sent nothing for so long is asked for a sign of life.
    Below what closes silent connections: AWS load balancers 60 s."""
    keepalive_timeout_seconds: float = 15.0
    """When none has come by then, the peer is gone."""

    def __post_init__(self) -> None:
        """Check what cannot be."""
        if not 1 <= self.max_concurrent_streams <= MAX_STREAMS:
            message = f"max_concurrent_streams is 1 to {MAX_STREAMS}"
            raise ValueError(message)


class Http2:
    """One HTTP/2 connection."""

    __slots__ = ("_announced", "_arrivals", "_clock", "_h2", "_limits", "_requests",
                 "_scanner", "_server_date", "_settled", "failed", "flow", "pongs")  # fmt: skip

    def __init__(
        self,
        options: Http2Options,
        limits: Http1Options,
        server_date: ServerDate | None,
        clock: Callable[[], float],
        write: Callable[[bytes], None],
        unsent: Callable[[], int],
    ) -> None:
        """`write` and `unsent` are the transport's."""
        self._h2 = MendedConnection(
            max_streams=options.max_concurrent_streams,
            max_head_bytes=limits.max_head_bytes,
            window_bytes=_WINDOW_BYTES,
        )
        self._limits = limits
        self._server_date = server_date
        self._clock = clock
        self._scanner = FrameScanner()
        self.flow = Outflow(self._h2, write, unsent, options.turn_bytes)
        self._arrivals = Arrivals(limits)
        self._requests: list[tuple[Http2Stream, Request]] = []
        self._announced = False
        self._settled = False  # the last stream that is served has been told
        self.failed = False
        self.pongs = 0  # answers to our PINGs

    @property
    def is_waiting(self) -> bool:
        """Whether something has begun to come and is not whole, bodies apart."""
        return self._scanner.is_waiting

    @property
    def progress(self) -> int:
        """Goes up with all that has come to its end."""
        return self._scanner.progress

    @property
    def is_leaving(self) -> bool:
        """Whether the client will open no more streams."""
        return self._scanner.is_leaving

    @property
    def is_settled(self) -> bool:
        """Whether we have told which is the last stream that is served."""
        return self._settled

    @property
    def oldest_body(self) -> float | None:
        """Since when the oldest unfinished body has been coming."""
        return self._arrivals.oldest

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
            data = scanner.take(_HEADS_PER_TURN)
            events = self._h2.receive_data(data) if data else []
            self._flush()
            for event in events:
                self._handle(event)
            self._windows_changed(events)
        except Http2Error as error:
            self._fail(error)
            raise
        except ProtocolError as error:
            self._flush()
            self._close()
            raise Http2Error(error.error_code, str(error)) from error
        finally:
            flow.release()
        return scanner.has_more

    def take_requests(self) -> list[tuple[Http2Stream, Request]]:
        """Whole requests that have come, of streams that are still open."""
        requests, self._requests = self._requests, []
        return [(stream, request) for stream, request in requests if stream.is_open]

    def respond(self, stream: Http2Stream, response: Response) -> None:
        """Answer, if anybody waits for it still."""
        if not stream.is_open:
            return
        block = response_block(response, date=self._date())
        body = response.body
        if stream.is_head or response.status in WITHOUT_CONTENT:
            body = b""
        self.flow.send(self._h2.send_head(stream.h2, block, ends=not body))
        stream.source = None
        if body:
            stream.answer(body)
        else:
            self.flow.ended(stream)

    def open_stream(self, stream: Http2Stream, answer: EventStream) -> None:
        """Answer with an event stream."""
        block = event_stream_block(answer.headers, date=self._date())
        self.flow.send(self._h2.send_head(stream.h2, block))
        opening, stream.source = answer.open(stream, plain)
        stream.write(opening)

    def refuse_slow_bodies(self, error: RequestError, before: float) -> None:
        """Answer the requests whose bodies have been coming since then, or longer."""
        for stream in self._arrivals.before(before):
            self._refuse(stream, error)

    def ask_for_life(self) -> None:
        """Send a PING; `pongs` goes up when it is answered."""
        self.flow.send(ping(_ALIVE_PING))

    def announce_end(self) -> None:
        """Drain, first step: tell that no stream should be opened any more.

        Those that are on their way are still served (RFC 9113 section 6.8); when the PING behind
        this comes back there are none. Idempotent.
        """
        if not self._announced:
            self._announced = True
            self.flow.send(goaway(ANY_STREAM) + ping(_RTT_PING))

    def settle(self) -> None:
        """Drain, second step: tell which stream is the last. Idempotent."""
        if not self._settled:
            self._settled = True
            self._h2.refuses = True
            self.flow.send(goaway(self._h2.highest_inbound_stream_id))

    def close(self) -> None:
        """The connection is gone: whoever follows a stream is told, and cycles are cut."""
        self.failed = True
        for stream in list(self.flow.streams.values()):
            stream.gone(CloseReason.LOST)
        self.flow.streams.clear()
        self._h2._frame_dispatch_table.clear()  # noqa: SLF001 (bound methods of its own)

    def _handle(self, event: Event) -> None:
        match event:
            case RequestReceived():
                self._begin_request(event)
            case DataReceived():
                self._read_body(event)
            case TrailersReceived():
                self._read_trailers(event)
            case StreamEnded():
                self._end_request(event.stream_id)
            case StreamReset():
                self._lose(event.stream_id)
            case _:  # settings and windows are looked at when all is read; the rest is h2's
                pass
        self._flush()

    def _begin_request(self, event: RequestReceived) -> None:
        h2 = self._h2.streams.get(event.stream_id)
        if h2 is None:  # reset in the same read
            return
        fields = [(name, value) for name, value in event.headers]
        stream = Http2Stream(self.flow, h2, is_head=(b":method", b"HEAD") in fields)
        self.flow.streams[event.stream_id] = stream
        ended = event.stream_ended is not None
        try:
            if self._arrivals.begin(stream, fields, self._clock(), ended=ended):
                self.flow.send(headers_frames(event.stream_id, CONTINUE_BLOCK))
        except RequestError as error:
            self._refuse(stream, error)

    def _read_body(self, event: DataReceived) -> None:
        stream_id = event.stream_id
        if event.flow_controlled_length:
            self._h2.acknowledge_received_data(event.flow_controlled_length, stream_id)
        try:
            self._arrivals.read(stream_id, event.data)
        except RequestError as error:
            self._refuse(self.flow.streams[stream_id], error)

    def _read_trailers(self, event: TrailersReceived) -> None:
        stream = self.flow.streams.get(event.stream_id)
        if stream is not None:
            try:
                check_trailers(event.headers)
            except StreamError as error:
                self._refuse(stream, error)

    def _end_request(self, stream_id: int) -> None:
        whole = self._arrivals.end(stream_id)
        if whole is not None:
            self._requests.append(whole)

    def _lose(self, stream_id: int) -> None:
        self._arrivals.drop(stream_id)
        stream = self.flow.streams.pop(stream_id, None)
        if stream is not None:
            stream.gone(CloseReason.LOST)

    def _refuse(self, stream: Http2Stream, error: RequestError) -> None:
        """Answer what is no request that can be served."""
        self._arrivals.drop(stream.h2.stream_id)
        if isinstance(error, StreamError):
            self.flow.reset(stream, error.error_code)
        else:
            self.respond(stream, error_response(error))

    def _windows_changed(self, events: list[Event]) -> None:
        """Let those go on whose windows have been opened."""
        flow = self.flow
        opened: list[Http2Stream] = []
        changed = False
        for event in events:
            if isinstance(event, WindowUpdated):
                changed = True
                stream = flow.streams.get(event.stream_id or 0)
                if stream is not None:
                    opened.append(stream)
            elif (
                isinstance(event, RemoteSettingsChanged)
                and SettingCodes.INITIAL_WINDOW_SIZE in event.changed_settings
            ):
                changed = True
                opened += flow.streams.values()
        if changed:
            flow.opened(opened)

    def _flush(self) -> None:
        """Send what h2 and the scanner have to say."""
        output = self._scanner.output
        if output:
            self.flow.send(b"".join(output))
            output.clear()
        pongs = self._scanner.pongs
        if pongs:
            self.pongs += len(pongs)
            if _RTT_PING in pongs:
                self.settle()
            pongs.clear()
        data = self._h2.data_to_send()
        if data:
            self.flow.send(data)

    def _fail(self, error: Http2Error) -> None:
        self.flow.send(goaway(self._h2.highest_inbound_stream_id, error.error_code))
        self._close()

    def _close(self) -> None:
        self.failed = True

    def _date(self) -> bytes | None:
        return None if self._server_date is None else self._server_date()
