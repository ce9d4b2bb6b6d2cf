"""What goes out on one HTTP/2 connection: DATA within windows, in turns.

While the connection's window and the transport allow it, bursts are written at once. When they do
not, streams with something to send stand in one line. The first is sent its rest; when that is all,
its subscriber is asked for more; and so on until a turn's worth of bytes is sent (then it goes to
the end of the line) or there is nothing to read (then it stands in a bundle again). So streams that
have something to read are never further apart than one turn and one event.

A stream in line whose own window is shut leaves the line: nobody waits for it.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from h2.errors import ErrorCodes

from sse_server.http.h2_bundle import StreamBundle
from sse_server.http.h2_lean import NOTHING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sse_server.http.h2_carrier import Carrier
    from sse_server.http.h2_mended import MendedConnection
    from sse_server.http.h2_stream import Http2Stream

_HELD_BYTES = 65_536  # of answers and rests, before one write


class Outflow:
    """The streams of a connection, and what is sent on them."""

    __slots__ = ("_held", "_held_bytes", "_write", "answer_bytes", "asked", "carrier",
                 "data_frames", "direct", "h2", "line", "paused", "sent", "streams",
                 "turn_bytes")  # fmt: skip

    def __init__(self, h2: MendedConnection, carrier: Carrier, turn_bytes: int) -> None:
        """Nothing is open."""
        self.h2 = h2
        # The transport's `write`, at most while nobody waits and nothing is collected: who finds it
        # need look no further. None says nothing.
        self.direct: Callable[[bytes], None] | None = None
        self.carrier = carrier
        self._write = carrier.write
        self.turn_bytes = turn_bytes
        self.data_frames = 0  # sent, ever
        self.streams: dict[int, Http2Stream] = {}
        self.line: OrderedDict[Http2Stream, None] = NOTHING
        # Their subscribers write next, or have all there is.
        self.asked: OrderedDict[Http2Stream, None] = NOTHING
        self.paused = False  # the transport is full
        self.sent = 0  # bytes of DATA, counted only while some wait
        self.answer_bytes = 0  # of answers that are not event streams, what could not be sent yet
        self._held: list[bytes] | None = None  # what is collected for one write
        self._held_bytes = 0

    @property
    def window(self) -> int:
        """The connection's window, which lives in h2 and nowhere else."""
        window: int = self.h2.outbound_flow_control_window
        return window

    @window.setter
    def window(self, window: int) -> None:
        self.h2.outbound_flow_control_window = window

    @property
    def is_free(self) -> bool:
        """Whether nobody waits for the connection."""
        return not (self.line or self.asked or self.paused)

    def bundle(self) -> StreamBundle:
        """Bundler: what can be written to several streams at once."""
        return StreamBundle(self)

    def send(self, data: bytes) -> None:
        """Write now, or with what else is collected."""
        if self._held is None:
            self._write(data)
            return
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes >= _HELD_BYTES:
            self.release()
            self.collect()

    def goes_direct(self) -> None:
        """See whether what is written may go to the transport with no further look."""
        if self.is_free and self._held is None:
            self.direct = self._write

    def collect(self) -> None:
        """What is sent from now on goes out in one write, when it is released."""
        self.direct = None
        self._held = []
        self._held_bytes = 0

    def release(self) -> None:
        """Write what has been collected."""
        held, self._held = self._held, None
        if held:
            self._write(b"".join(held))

    def pause(self) -> None:
        """Transport: it takes no more. Whoever has a subscriber waits, and costs its place."""
        self.paused = True
        self.direct = None
        for stream in list(self.streams.values()):
            if stream.source is not None and not stream.paused:
                self._queue(stream)
                stream.pause()

    def resume(self) -> None:
        """Transport: it takes more."""
        self.paused = False
        self.serve()

    def opened(self, streams: Iterable[Http2Stream]) -> None:
        """Windows of these streams have changed; the connection's may have, too."""
        for stream in streams:
            if stream.rest and stream.h2.outbound_flow_control_window > 0:
                self._queue(stream)
        self.serve()

    def hold(self, streams: list[Http2Stream], data: bytes) -> None:
        """Send a burst to each of these; whom it does not reach now waits for its turn."""
        for stream in streams:
            stream.rest = data
            stream.at = 0
            self._queue(stream)
        self.serve()
        for stream in streams:
            if stream.rest:
                stream.pause()

    def stands(self, stream: Http2Stream) -> None:
        """Its subscriber has all there is."""
        if self.asked:
            self.asked.pop(stream, None)
            self.asked = self.asked or NOTHING
        if self.line:
            self.serve()

    def leave(self, stream: Http2Stream) -> None:
        """It waits for nothing any more."""
        if self.line:
            self.line.pop(stream, None)
            self.line = self.line or NOTHING
        if stream in self.asked:
            self.stands(stream)

    def ended(self, stream: Http2Stream) -> None:
        """The last has been sent on it."""
        self.leave(stream)
        self.forget(stream)
        self.h2.end(stream.h2)
        if not stream.h2.closed:  # RFC 9113 section 8.1: the rest of the request is not needed
            self.reset(stream, ErrorCodes.NO_ERROR)

    def reset(self, stream: Http2Stream, error_code: ErrorCodes) -> None:
        """End it at once."""
        self.forget(stream)
        if not stream.h2.closed:
            self.send(self.h2.reset(stream.h2, error_code))

    def forget(self, stream: Http2Stream) -> None:
        """It has ended, however that was."""
        if self.streams.pop(stream.h2.stream_id, None) is not None and not self.streams:
            self.carrier.emptied()

    def serve(self) -> None:
        """Send to those in line while anything can be sent."""
        collects = self._held is None
        if collects:
            self.collect()
        while self.line and not self.paused and self.window > 0:
            stream = next(iter(self.line))
            if stream.rest and (stream in self.asked or not self.asked):
                self._serve_rest(stream)
            elif stream.rest or not self._ask(stream):
                break  # it is the turn of those who have been asked
        self.line = self.line or NOTHING
        self.asked = self.asked or NOTHING
        if collects:
            self.release()

    def _serve_rest(self, stream: Http2Stream) -> None:
        """Send to the first in line what its turn and the windows allow."""
        own = stream.h2.outbound_flow_control_window
        if own <= 0:
            self.line.pop(stream)  # shut: nobody waits for it
            self.asked.pop(stream, None)
            return
        size = min(own, self.window, stream.turn_left, len(stream.rest) - stream.at)
        data = stream.take(size)
        stream.turn_left -= size
        self.sent += size
        if stream.rest:
            if not stream.turn_left:
                self._turn_is_over(stream)
        elif stream.ends:
            self.line.pop(stream)
            self.send(data)
            self.ended(stream)
            return
        elif not stream.paused and (stream not in self.asked or stream.turn_left):
            self.line.pop(stream)  # its subscriber does not wait
        elif not stream.turn_left:
            self._turn_is_over(stream)
        self.send(data)

    def _turn_is_over(self, stream: Http2Stream) -> None:
        stream.turn_left = self.turn_bytes
        if len(self.line) > 1 or len(self.asked) > (stream in self.asked):
            self.line.move_to_end(stream)
            if stream in self.asked:
                stream.pause()
        elif not (stream.rest or stream.paused):
            self.line.pop(stream)  # nobody else waits: it goes on

    def _ask(self, stream: Http2Stream) -> bool:
        """Let the subscriber of the first in line go on, if there is room for its turn."""
        if self.asked and (len(self.asked) + 1) * self.turn_bytes > self.window:
            return False
        self.line.pop(stream)
        if self.asked is NOTHING:
            self.asked = OrderedDict()
        self.asked[stream] = None
        stream.paused = False
        if stream.source is not None:
            stream.source.resume()
        return True

    def _queue(self, stream: Http2Stream) -> None:
        """Stand in line: at its end, but for who has been asked and has some of its turn left."""
        if stream in self.line:
            return
        if self.line is NOTHING:
            self.line = OrderedDict()
        self.line[stream] = None
        self.direct = None
        if stream in self.asked:
            self.line.move_to_end(stream, last=False)
        else:
            stream.turn_left = self.turn_bytes
