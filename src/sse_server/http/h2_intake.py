"""What comes in on an HTTP/2 connection, as the scanner finds it: it becomes requests, or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from h2.errors import ErrorCodes
from h2.events import (
    DataReceived,
    RemoteSettingsChanged,
    RequestReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.settings import SettingCodes

from sse_server.errors import RequestError
from sse_server.http.h2_budgets import ANSWERED_RESET, QUICK_SECONDS, Http2Error
from sse_server.http.h2_frames import SETTINGS, headers_frames
from sse_server.http.h2_heads import CONTINUE_BLOCK
from sse_server.http.h2_inflow import UPDATE_BYTES, Run, is_idle, open_windows, takes_data
from sse_server.http.h2_request import StreamError, list_bytes
from sse_server.http.h2_stream import Http2Stream
from sse_server.wire.flow import CloseReason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sse_server.http.h2_arrivals import Arrivals
    from sse_server.http.h2_budgets import Budgets
    from sse_server.http.h2_outflow import Outflow
    from sse_server.http.h2_scanner import Found


_BYTES_OF_A_RESET = 2_048
"""For each of these a refused head is counted as a reset more. They take hpack up to 0.3 ms and may
be 64 on the wire: a field can be one there, and is 32 by the measure of section 6.5.2."""


_STREAMS_OF_A_SETTING = 64
"""For so many streams a change of their windows is counted as one frame of SETTINGS more: each may
have to be sent a piece."""


class Intake:
    """Handles what comes in, in order."""

    __slots__ = ("_arrivals", "_budgets", "_clock", "_decline", "_flow", "_quick_resets",
                 "_resets")  # fmt: skip

    def __init__(
        self,
        flow: Outflow,
        arrivals: Arrivals,
        budgets: Budgets,
        clock: Callable[[], float],
        decline: Callable[[Http2Stream, RequestError], None],
    ) -> None:
        """`decline` answers what is no request that can be served."""
        self._flow = flow
        self._arrivals = arrivals
        self._budgets = budgets
        self._clock = clock
        self._decline = decline
        self._resets = 0  # since they were taken, by the client
        self._quick_resets = 0.0  # of them, those of streams that had hardly been opened

    def take(self, found: Iterable[Found], flush: Callable[[], None]) -> None:
        """Handle what the scanner has found; `flush` sends what h2 has to say.

        Raises:
            Http2Error: it ends the connection.
            ProtocolError: the same; h2 has said so.
        """
        opened: dict[int, None] = {}  # streams whose windows were; 0 is the connection
        for one in found:
            if isinstance(one, Run):
                self._take_run(one, opened, flush)
            else:
                self._ask_h2(one, opened, flush)
        if opened:
            streams = self._flow.streams
            self._flow.opened([streams[number] for number in opened if number in streams])

    def take_quick_resets(self, frames: int) -> float:
        """Streams that were reset and had hardly been opened, or were not open at all.

        `frames` is how many of RST_STREAM there were.
        """
        number = self._quick_resets + max(0, frames - self._resets)
        self._resets = 0
        self._quick_resets = 0.0
        return number

    def _ask_h2(self, frames: bytes, opened: dict[int, None], flush: Callable[[], None]) -> None:
        """Give it frames, and handle its events."""
        events = self._flow.h2.receive_data(frames)
        flush()
        for event in events:
            match event:
                case RequestReceived():
                    self._begin_request(event)
                case DataReceived():
                    self._read_body(event.stream_id, event.data, event.flow_controlled_length)
                    flush()
                case TrailersReceived():
                    self._read_trailers(event)
                case StreamEnded():
                    self._end_body(event.stream_id)
                case StreamReset():
                    self._lose(event.stream_id, by_client=event.remote_reset)
                case RemoteSettingsChanged():
                    if SettingCodes.INITIAL_WINDOW_SIZE in event.changed_settings:
                        streams = self._flow.streams
                        more = len(streams) // _STREAMS_OF_A_SETTING
                        self._budgets.count(SETTINGS, self._clock(), more)
                        opened.update(dict.fromkeys((0, *streams)))
                case _:  # the rest is h2's
                    pass

    def _take_run(self, run: Run, opened: dict[int, None], flush: Callable[[], None]) -> None:
        flow = self._flow
        faults = run.faults
        if run.updates:
            updates = b"".join(run.updates)
            self._budgets.count_window_updates(len(updates) // UPDATE_BYTES, flow.data_frames)
            outcomes = open_windows(flow.h2, updates)
            opened.update(dict.fromkeys(outcomes))
            faults.update({number: code for number, code in outcomes.items() if code})
        for stream_id, pieces in run.bodies.items():
            if takes_data(flow.h2, stream_id, pieces.size):
                self._read_body(stream_id, b"".join(pieces.data), pieces.size)
                flush()
            else:
                self._ask_h2(b"".join(pieces.frames), opened, flush)
        for stream_id, error_code in faults.items():
            self._end(stream_id, error_code)

    def _end(self, stream_id: int, error_code: ErrorCodes) -> None:
        """A frame for this stream is an error, and no more than its end."""
        flow = self._flow
        stream = flow.streams.get(stream_id)
        if stream is not None:
            flow.h2.caused += 1
            self._arrivals.drop(stream_id)
            flow.reset(stream, error_code)
            stream.gone(CloseReason.LOST)
        elif is_idle(flow.h2, stream_id) or error_code is ErrorCodes.FRAME_SIZE_ERROR:
            # RFC 9113 section 5.1: it cannot be reset. What is late for a closed one is passed
            # over, but for what nobody may send at any time (section 6.3).
            raise Http2Error(error_code, "a wrong frame for a stream that is not open")

    def _begin_request(self, event: RequestReceived) -> None:
        flow = self._flow
        h2 = flow.h2.streams.get(event.stream_id)
        if h2 is None:  # reset in the same read
            return
        fields = [(name, value) for name, value in event.headers]
        now = self._clock()
        stream = Http2Stream(flow, h2, now, is_head=(b":method", b"HEAD") in fields)
        flow.streams[event.stream_id] = stream
        ended = event.stream_ended is not None
        try:
            if self._arrivals.begin(stream, fields, now, ended=ended):
                flow.send(headers_frames(event.stream_id, CONTINUE_BLOCK))
        except RequestError as error:
            flow.h2.caused += list_bytes(fields) // _BYTES_OF_A_RESET
            self._decline(stream, error)

    def _read_body(self, stream_id: int, data: bytes, size: int) -> None:
        """Take a piece of a body, which is `size` to flow control."""
        flow = self._flow
        if size:
            flow.h2.acknowledge_received_data(size, stream_id)
        try:
            self._arrivals.read(stream_id, data)
        except RequestError as error:
            self._decline(flow.streams[stream_id], error)

    def _read_trailers(self, event: TrailersReceived) -> None:
        flow = self._flow
        stream = flow.streams.get(event.stream_id)
        if stream is not None:
            try:
                self._arrivals.check_trailers(list(event.headers))
            except RequestError as error:
                flow.h2.caused += list_bytes(event.headers) // _BYTES_OF_A_RESET
                self._decline(stream, error)

    def _end_body(self, stream_id: int) -> None:
        try:
            self._arrivals.end(stream_id)
        except StreamError as error:
            self._decline(self._flow.streams[stream_id], error)

    def _lose(self, stream_id: int, *, by_client: bool) -> None:
        self._arrivals.drop(stream_id)
        stream = self._flow.streams.get(stream_id)
        if by_client:
            self._resets += 1
            if stream is None or self._clock() < stream.began_at + QUICK_SECONDS:
                is_answered = stream is not None and stream.source is not None
                self._quick_resets += ANSWERED_RESET if is_answered else 1.0
        if stream is not None:
            self._flow.forget(stream)
            stream.gone(CloseReason.LOST)
