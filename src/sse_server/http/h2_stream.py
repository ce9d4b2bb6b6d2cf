"""A stream of HTTP/2, as far as we send on it: the sink of one subscriber, or an answer.

What it may be sent now depends on three: its own window, the connection's, and the transport. What
does not fit stays here as its rest, and it

- waits in the line of its connection (`h2_outflow`) for the connection's window or the transport,
- is shut while its own window is: in no line, until its client opens the window.

Either way its subscriber is paused and costs its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from h2.errors import ErrorCodes

from sse_server.http.chunked import plain
from sse_server.http.h2_frames import MAX_FRAME_BYTES, data_frames, stream_id_bytes
from sse_server.wire.flow import Client, CloseReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from sse_server.http.h2_bundle import StreamBundle
    from sse_server.http.h2_mended_stream import MendedStream
    from sse_server.http.h2_outflow import Outflow
    from sse_server.wire.flow import Source


class Http2Stream:
    """Passes bursts down, in frames, and the connection's news up."""

    __slots__ = ("agent", "at", "began_at", "bundle", "cancel", "ends", "flow", "h2", "id_bytes",
                 "is_head", "paused", "rest", "slot", "source", "turn_left")  # fmt: skip

    def __init__(self, flow: Outflow, h2: MendedStream, now: float, *, is_head: bool) -> None:
        """`is_head`: it is to be answered without a body."""
        self.began_at = now
        self.flow = flow
        self.h2 = h2
        self.id_bytes = stream_id_bytes(h2.stream_id)
        self.is_head = is_head
        self.source: Source | None = None
        self.agent: bytes | None = None  # what its client calls itself
        self.cancel: Callable[[], object] | None = None  # what makes its answer
        self.bundle: StreamBundle | None = None
        self.slot = 0  # its index in the bundle
        self.rest = b""
        self.at = 0  # how much of the rest is sent
        self.ends = False  # with its rest
        self.paused = False  # its subscriber has been told to wait
        self.turn_left = 0  # bytes, while it is first in line

    @property
    def bundler(self) -> Outflow:
        """Sink: streams of one connection can be written to at once."""
        return self.flow

    @property
    def client(self) -> Client:
        """Sink: who has opened it."""
        agent = self.agent
        name = None if agent is None else agent.decode(errors="replace")
        return Client(self.flow.carrier.address, name)

    @property
    def unsent(self) -> int:
        """Sink: what falls while its client takes something.

        For who waits for the connection that is whatever anybody on it is sent, since turns may be
        longer apart than a client may take nothing: so it can be negative.
        """
        flow = self.flow
        rest = len(self.rest) - self.at
        if flow.paused:
            return rest - flow.sent + flow.carrier.unsent()
        return rest - flow.sent if self in flow.line else rest

    @property
    def acknowledged(self) -> tuple[int, int] | None:
        """Bytes of its connection that were acknowledged, ever, and those that wait for that.

        None: nobody knows, as while something is held back here.
        """
        return None if self.rest else self.flow.carrier.acknowledged()

    @property
    def is_open(self) -> bool:
        """Whether it can still be answered."""
        return self.flow.streams.get(self.h2.stream_id) is self

    def write(self, data: bytes) -> None:
        """Sink: send a burst, as much of it as fits, and keep the rest."""
        flow = self.flow
        size = len(data)
        if flow.is_free and size <= flow.window and size <= self.h2.outbound_flow_control_window:
            self.spend(size)
            flow.data_frames += 1 + size // MAX_FRAME_BYTES
            flow.send(data_frames(self.id_bytes, data))
        elif data:
            flow.hold([self], data)

    def end(self, reason: CloseReason, last: bytes = b"") -> None:
        """Sink: everything else has been written, or is on its way."""
        source = self.source
        self.answer(last)
        if source is not None:
            source.gone(reason)
            self.flow.carrier.closed(source, reason)

    def answer(self, body: bytes) -> None:
        """Send the last there is, and end the stream with it."""
        self.source = None
        self.ends = True
        self.flow.leave(self)
        if body:
            self.paused = False
            self.flow.answer_bytes += len(body)
            self.flow.hold([self], body)
        else:
            self.flow.send(data_frames(self.id_bytes, b"", end_stream=True))
            self.flow.ended(self)

    def finish(self, farewell: bytes) -> None:
        """Drain: end it with this block, as soon as its client has everything."""
        if self.source is not None:
            self.source.finish(plain([farewell]))

    def abort(self, reason: CloseReason) -> None:
        """Sink: end the stream at once."""
        if reason is CloseReason.SLOW and self.source is not None:
            self.flow.carrier.too_slow(len(self.rest) - self.at)
        self.flow.reset(self, ErrorCodes.CANCEL)
        self.gone(reason)

    def gone(self, reason: CloseReason) -> None:
        """It can be sent nothing any more."""
        self.flow.leave(self)
        source, self.source = self.source, None
        cancel, self.cancel = self.cancel, None
        if self.ends:
            self.flow.answer_bytes -= len(self.rest) - self.at
        self.rest = b""
        self.at = 0
        if source is not None:
            source.gone(reason)
            self.flow.carrier.closed(source, reason)
        if cancel is not None:
            cancel()

    def pause(self) -> None:
        """Have its subscriber wait."""
        if not self.paused:
            self.paused = True
            self.flow.asked.pop(self, None)
            if self.source is not None:
                self.source.pause()
                self.flow.carrier.paused(self.source)

    def spend(self, size: int) -> None:
        """So much is about to be sent: it comes out of both windows."""
        self.h2.outbound_flow_control_window -= size
        self.flow.window -= size

    def take(self, most: int) -> bytes:
        """The frames of at most so many bytes of the rest, which is not empty."""
        rest, at = self.rest, self.at
        size = min(most, len(rest) - at)
        self.spend(size)
        self.flow.data_frames += 1 + size // MAX_FRAME_BYTES
        if self.ends:
            self.flow.answer_bytes -= size
        self.at = at + size
        piece = rest if size == len(rest) else rest[at : at + size]
        if self.at < len(rest):
            return data_frames(self.id_bytes, piece)
        self.rest = b""
        self.at = 0
        return data_frames(self.id_bytes, piece, end_stream=self.ends)
