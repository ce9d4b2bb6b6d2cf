"""Subscribers that share a connection of HTTP/2: every frame read by hand, every stream followed.

Of a stream only its head and its end are HTTP/2's; what its DATA frames carry is text as after any
head. So a stream here is a place of `bench.load.stream`, and streams with equal histories share
what was decoded, on whichever connections: a delivery costs a frame header and a comparison.
"""

import hpack

from bench.load import frames
from bench.load.stream import Decoder, Place, State

_UNREAD = "closed by the server"


class Connection:
    """One connection, all of whose streams were asked for at its start; bytes in, answers out."""

    def __init__(self, decoder: Decoder, streams: int) -> None:
        self.places: list[Place] = [decoder.start] * streams
        """Of each stream, in the order of their ids: 1, 3, 5 …"""
        self.opening = streams
        """Streams without a head yet."""
        self.advance = 0
        """Events that the last bytes brought, on all streams together."""
        self.oldest_ns = 0
        """Send time of the oldest of them."""
        self.gone: list[Place] = []
        """Streams that were refused, broken or reset."""
        self.ended = 0
        """Streams that the server ended as HTTP/2 ends a response."""
        self._decoder = decoder
        self._table = hpack.Decoder()
        self._rest = b""
        self._unanswered = 0
        """Bytes of DATA by which the connection's window has not been opened again."""

    def feed(self, data: bytes) -> bytes:
        """Read what came; what has to be sent for it.

        Raises:
            ValueError: a stream that was not asked for, or a header block that cannot be read.
        """
        self.advance = self.oldest_ns = 0
        data = self._rest + data if self._rest else data
        answers = b""
        at, size = 0, len(data)
        places, step, unpack = self.places, self._decoder.step, frames.HEADER.unpack_from
        while size - at >= 9:
            high, low, kind, flags, stream_id = unpack(data, at)
            length = high << 8 | low
            stop = at + 9 + length
            if stop > size:
                break
            payload = data[at + 9 : stop]
            at = stop
            if kind != frames.DATA:
                answers += self._control(kind, flags, stream_id, payload)
                continue
            place = places[stream_id >> 1]
            if place.progress.state is not State.OPEN:
                raise ValueError(f"DATA on stream {stream_id}, which is {place.progress.state}")
            self._unanswered += length
            if length:
                after = place.after if payload == place.data else step(place, payload)
                places[stream_id >> 1] = after
                progress = after.progress
                if progress.advance:
                    self.advance += progress.advance
                    if not self.oldest_ns or progress.oldest_ns < self.oldest_ns:
                        self.oldest_ns = progress.oldest_ns
            if flags & frames.END_STREAM:
                self._end(stream_id)
        self._rest = data[at:]
        if self._unanswered >= frames.CONNECTION_WINDOW_BYTES // 2:
            answers += frames.window_update(self._unanswered)
            self._unanswered = 0
        return answers

    def close(self, why: str = _UNREAD) -> None:
        """The connection is lost, and all streams with it that had not ended."""
        for number, place in enumerate(self.places):
            if place.progress.state in {State.HEAD, State.OPEN}:
                self._fail(2 * number + 1, why)

    def _control(self, kind: int, flags: int, stream_id: int, payload: bytes) -> bytes:
        """A frame that is not DATA; the answer to it."""
        if kind == frames.HEADERS:
            self._head(flags, stream_id, payload)
        elif kind == frames.RST_STREAM:
            self._fail(stream_id, f"reset with error {int.from_bytes(payload)}")
        elif kind == frames.GOAWAY and any(payload[4:8]):
            self.close(f"the server gave up with error {int.from_bytes(payload[4:8])}")
        elif not flags & frames.ACK:
            if kind == frames.SETTINGS:
                return frames.frame(frames.SETTINGS, frames.ACK, 0)
            if kind == frames.PING:
                return frames.frame(frames.PING, frames.ACK, 0, payload)
        return b""

    def _head(self, flags: int, stream_id: int, block: bytes) -> None:
        if not flags & frames.END_HEADERS:
            raise ValueError("a head in more than one frame")
        fields = {str(name): str(value) for name, value in self._table.decode(block)}
        if self.places[stream_id >> 1].progress.state is not State.HEAD:
            raise ValueError(f"a second head on stream {stream_id}")
        kind = fields.get("content-type", "")
        if fields.get(":status") != "200" or not kind.startswith("text/event-stream"):
            self._fail(stream_id, f"refused with {fields}")
            return
        self._move(stream_id, State.OPEN)
        if flags & frames.END_STREAM:
            self._end(stream_id)

    def _end(self, stream_id: int) -> None:
        self._move(stream_id, State.ENDED)
        self.ended += 1

    def _fail(self, stream_id: int, why: str) -> None:
        self._move(stream_id, State.FAILED, why)
        self.gone.append(self.places[stream_id >> 1])

    def _move(self, stream_id: int, state: State, why: str = "") -> None:
        """A stream changes its state by another frame than DATA."""
        number = stream_id >> 1
        place = self.places[number]
        self.opening -= place.progress.state is State.HEAD
        self.places[number] = self._decoder.at(place, state, why.encode()[:200])
