"""What comes in on an HTTP/2 connection, as h2 tells it: it becomes requests, or is refused."""

from __future__ import annotations

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
from h2.settings import SettingCodes

from sse_server.errors import RequestError
from sse_server.http.h2_budgets import QUICK_SECONDS
from sse_server.http.h2_frames import headers_frames
from sse_server.http.h2_heads import CONTINUE_BLOCK
from sse_server.http.h2_request import StreamError, check_trailers, list_bytes
from sse_server.http.h2_stream import Http2Stream
from sse_server.wire.flow import CloseReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from h2.events import Event

    from sse_server.http.h2_arrivals import Arrivals
    from sse_server.http.h2_outflow import Outflow


_BYTES_OF_A_RESET = 2_048
"""For each of these a refused head is counted as a reset more. They take hpack up to 0.3 ms and may
be 64 on the wire: a field can be one there, and is 32 by the measure of section 6.5.2."""


class Intake:
    """Handles the events of one read, in order."""

    __slots__ = ("_arrivals", "_clock", "_decline", "_flow", "_quick_resets", "_resets")

    def __init__(
        self,
        flow: Outflow,
        arrivals: Arrivals,
        clock: Callable[[], float],
        decline: Callable[[Http2Stream, RequestError], None],
    ) -> None:
        """`decline` answers what is no request that can be served."""
        self._flow = flow
        self._arrivals = arrivals
        self._clock = clock
        self._decline = decline
        self._resets = 0  # since they were taken, by the client
        self._quick_resets = 0  # of them, those of streams that had hardly been opened

    def take(self, event: Event) -> None:
        """Handle what concerns a request."""
        match event:
            case RequestReceived():
                self._begin_request(event)
            case DataReceived():
                self._read_body(event)
            case TrailersReceived():
                self._read_trailers(event)
            case StreamEnded():
                self._end_body(event.stream_id)
            case StreamReset():
                self._lose(event.stream_id, by_client=event.remote_reset)
            case _:  # settings and windows are looked at when all is read; the rest is h2's
                pass

    def take_quick_resets(self, frames: int) -> int:
        """Streams that were reset and had hardly been opened, or were not open at all.

        `frames` is how many of RST_STREAM there were.
        """
        number = self._quick_resets + max(0, frames - self._resets)
        self._resets = self._quick_resets = 0
        return number

    def open_windows(self, events: list[Event]) -> None:
        """Let those go on whose windows have been opened."""
        flow = self._flow
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

    def _read_body(self, event: DataReceived) -> None:
        flow, stream_id = self._flow, event.stream_id
        if event.flow_controlled_length:
            flow.h2.acknowledge_received_data(event.flow_controlled_length, stream_id)
        try:
            self._arrivals.read(stream_id, event.data)
        except RequestError as error:
            self._decline(flow.streams[stream_id], error)

    def _read_trailers(self, event: TrailersReceived) -> None:
        stream = self._flow.streams.get(event.stream_id)
        if stream is not None:
            try:
                check_trailers(event.headers)
            except StreamError as error:
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
                self._quick_resets += 1
        if stream is not None:
            self._flow.forget(stream)
            stream.gone(CloseReason.LOST)
