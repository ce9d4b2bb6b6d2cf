"""h2, mended: everything that goes past its public interface, in one module.

h2 owns what comes in (the handshake, HPACK, stream states, settings, resets) and the control frames
that answer it. What is different here:

- What takes much memory in each connection is lean (`h2_lean`, `h2_decoder`), shared, or made when
  it is needed; a stream is one object (`h2_mended_stream`).
- Open streams are counted, not searched for; closed ones are forgotten at once.
- A stream over the limit is refused, and the connection goes on (RFC 9113 section 5.1.2).
- A header block that cannot be decoded is a COMPRESSION_ERROR (section 4.3).
- What is wrong with one request ends its stream (section 8.1.1), also a body of another length than
  was said (`h2_arrivals`), and trailers that do not end it. h2 ends the connection.
- What was on its way when we reset a stream is dropped (section 5.1); h2 answers each frame.
- Heads of answers and DATA are written by us; the state of their stream is moved by h2's machine,
  as `send_headers` and `send_data` do. The encoder is never used, nor a table made for it.
- The outbound window of a stream is what remains of its limit when all is subtracted that its
  bundle has sent to each of its streams: 100 windows shrink by one addition.

`tests/http/test_h2_equivalence.py` holds this to plain h2.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from h2.connection import (
    AllowedStreamIDs,
    ConnectionInputs,
    ConnectionState,
    H2Connection,
    H2ConnectionStateMachine,
    _decode_headers,
)
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError, StreamIDTooLowError
from h2.frame_buffer import FrameBuffer
from h2.settings import SettingCodes
from h2.stream import StreamClosedBy, StreamInputs
from h2.windows import WindowManager
from hpack.exceptions import HPACKError
from hyperframe.frame import RstStreamFrame

from sse_server.http.h2_decoder import FieldDecoder
from sse_server.http.h2_frames import MAX_FRAME_BYTES, headers_frames, settings, window_update
from sse_server.http.h2_lean import (
    CLIENTS_DEFAULTS,
    NOTHING,
    Handlers,
    LeanSettings,
    NoEncoder,
    own_settings,
)
from sse_server.http.h2_mended_stream import CONFIG, MendedStream

if TYPE_CHECKING:
    from h2._typing import Buffer
    from h2.events import Event
    from h2.exceptions import StreamClosedError
    from h2.stream import H2Stream
    from hyperframe.frame import DataFrame, Frame, HeadersFrame, SettingsFrame

_DEFAULT_WINDOW_BYTES = 65_535
# RFC 7541 section 4.2: a block begins with two at most. hpack takes the 144,000 that one has room
# for, in 50 ms.
_TOO_MANY_SIZE_UPDATES = re.compile(rb"(?:[\x20-\x3e]|\x3f[\x80-\xff]*[\x00-\x7f]){3}")


def _compression_error(message: str) -> ProtocolError:
    error = ProtocolError(message)
    error.error_code = ErrorCodes.COMPRESSION_ERROR
    return error


class MendedConnection(H2Connection, H2ConnectionStateMachine):
    """The server's side of a connection. It is its own state machine."""

    __slots__ = ("outbound_flow_control_window",)  # each write looks at it

    MAX_CLOSED_STREAMS = 512  # of which late frames are expected; h2 keeps 65,536
    streams: dict[int, MendedStream]  # type: ignore[assignment] # ours are a kind of H2Stream
    remote_settings: LeanSettings

    # What never changes here.
    config = CONFIG
    highest_outbound_stream_id = 0
    encoder = NoEncoder()  # type: ignore[assignment] # nobody encodes
    max_inbound_frame_size = MAX_FRAME_BYTES
    _header_frames: list[Frame] = []  # noqa: RUF012 (h2 puts nothing into it)

    def __init__(self, *, max_streams: int, max_head_bytes: int, window_bytes: int) -> None:
        """`window_bytes`: what a client may send before we have read it, on each stream and all."""
        # Not h2's: it makes what is replaced here, which takes 100 µs and 18 KB. All that a
        # connection will have is made here, as in a stream.
        self.state = ConnectionState.IDLE
        self.streams = {}
        self.highest_inbound_stream_id = 0
        # 32 bytes more are counted for each field (section 6.5.2), and what is refused by it ends
        # the connection: what is a little too large is to get its answer.
        self.decoder = FieldDecoder(2 * max_head_bytes)  # type: ignore[assignment] # read as hpack's
        self.local_settings = own_settings(max_streams, max_head_bytes, window_bytes)
        self.remote_settings = CLIENTS_DEFAULTS
        self.outbound_flow_control_window = _DEFAULT_WINDOW_BYTES
        self.max_outbound_frame_size = MAX_FRAME_BYTES
        self._data_to_send = b""  # type: ignore[assignment] # h2 only adds to it
        self._closed_streams: dict[int, StreamClosedBy | None] = NOTHING
        self._buffer: FrameBuffer | None = None  # while bytes are received, or a block is open
        self._manager: WindowManager | None = None
        self.max_streams = max_streams
        self._window_bytes = window_bytes
        self.refuses = False  # no new streams: our last GOAWAY is sent
        self.caused = 0  # resets by us for what the client did wrong
        self.late = 0  # frames behind resets of ours
        self.refused = 0  # streams over the limit

    @property
    def state_machine(self) -> H2ConnectionStateMachine:  # type: ignore[override] # it is only read
        """What h2 moves its state with."""
        return self

    @property
    def _inbound_flow_control_window_manager(self) -> WindowManager:  # type: ignore[override]
        """Made with the first body."""
        if self._manager is None:
            self._manager = WindowManager(self._window_bytes)
        return self._manager

    @property
    def incoming_buffer(self) -> FrameBuffer:  # type: ignore[override] # h2 only reads it
        """What takes bytes apart."""
        assert self._buffer is not None, "nothing is being received"
        return self._buffer

    @property
    def _frame_dispatch_table(self) -> Handlers:  # type: ignore[override] # h2 only looks it up
        """What h2 does with each kind of frame."""
        return Handlers(self)

    def begin(self) -> bytes:
        """What we send first: our settings, and the window of the connection."""
        self.state_machine.process_input(ConnectionInputs.SEND_SETTINGS)
        first = settings(
            {
                SettingCodes.MAX_CONCURRENT_STREAMS: self.max_streams,
                SettingCodes.MAX_HEADER_LIST_SIZE: self.local_settings.max_header_list_size or 0,
                SettingCodes.INITIAL_WINDOW_SIZE: self._window_bytes,
            }
        )
        return first + window_update(0, self._window_bytes - _DEFAULT_WINDOW_BYTES)

    def receive_data(self, data: Buffer) -> list[Event]:
        """As h2: what whole frames bring."""
        if self._buffer is None:
            self._buffer = FrameBuffer(server=False)  # the scanner has seen the preface
        try:
            return super().receive_data(data)
        finally:
            if not self._buffer._headers_buffer:  # noqa: SLF001 (h2's)
                self._buffer = None

    def data_to_send(self, amount: int | None = None) -> bytes:  # noqa: ARG002 (h2's signature)
        """As h2: all of it."""
        data: bytes | bytearray = self._data_to_send
        if data:
            self._data_to_send = b""  # type: ignore[assignment] # as above
        return bytes(data)

    def send_head(self, stream: MendedStream, block: bytes, *, ends: bool = False) -> bytes:
        """The frames of a head that is encoded already; if it `ends` the stream, `end` follows."""
        self.state_machine.process_input(ConnectionInputs.SEND_HEADERS)
        stream.state_machine.process_input(StreamInputs.SEND_HEADERS)
        return headers_frames(stream.stream_id, block, end_stream=ends)

    def end(self, stream: MendedStream) -> None:
        """Our side of the stream has been ended."""
        stream.state_machine.process_input(StreamInputs.SEND_END_STREAM)
        self._forget_closed(stream)

    def reset(self, stream: MendedStream, error_code: ErrorCodes) -> bytes:
        """End the stream at once."""
        self.state_machine.process_input(ConnectionInputs.SEND_RST_STREAM)
        (frame,) = stream.reset_stream(error_code)
        self._forget_closed(stream)
        return frame.serialize()

    def take_counts(self) -> tuple[int, int, int]:
        """`caused`, `late` and `refused`, since the last call."""
        counts = self.caused, self.late, self.refused
        if any(counts):
            self.caused = self.late = self.refused = 0
        return counts

    def _prepare_for_sending(self, frames: list[Frame]) -> None:
        for frame in frames:
            if isinstance(frame, RstStreamFrame):
                self.caused += frame.error_code != ErrorCodes.REFUSED_STREAM
        super()._prepare_for_sending(frames)

    def _forget_closed(self, stream: MendedStream) -> None:
        if stream.closed and self.streams.pop(stream.stream_id, None) is not None:
            self._remember(stream.stream_id, stream.closed_by)

    def _remember(self, stream_id: int, closed_by: StreamClosedBy | None) -> None:
        """How a stream was closed, as long as late frames are expected."""
        if self._closed_streams is NOTHING:
            self._closed_streams = {}
        closed = self._closed_streams
        closed[stream_id] = closed_by
        if len(closed) > self.MAX_CLOSED_STREAMS:
            del closed[next(iter(closed))]

    def _receive_frame(self, frame: Frame) -> list[Event]:
        events = super()._receive_frame(frame)
        stream = self.streams.get(frame.stream_id)
        if stream is not None:
            self._forget_closed(stream)
        return events

    def _receive_settings_frame(self, frame: SettingsFrame) -> tuple[list[Frame], list[Event]]:
        """What clients say is kept once for all who say the same."""
        self.remote_settings = self.remote_settings.copy()
        frames, events = super()._receive_settings_frame(frame)
        self.remote_settings = self.remote_settings.shared()
        return frames, events

    def _receive_headers_frame(self, frame: HeadersFrame) -> tuple[list[Frame], list[Event]]:
        try:
            if _TOO_MANY_SIZE_UPDATES.match(frame.data):
                raise _compression_error("More than two table size updates.")
            if self._is_late(frame.stream_id):
                self.late += 1
                self._decode(frame)
                return [], []
            if self._is_one_too_many(frame.stream_id):
                return self._reset_new(frame)
            return super()._receive_headers_frame(frame)
        except ProtocolError as error:
            if isinstance(error.__cause__, HPACKError) and type(error) is ProtocolError:
                raise _compression_error(str(error)) from error
            raise

    def _decode(self, frame: HeadersFrame) -> None:
        """Nobody wants the fields, but the table goes on with every block."""
        _decode_headers(self.decoder, frame.data)

    def _handle_data_on_closed_stream(
        self, events: list[Event], exc: StreamClosedError, frame: DataFrame
    ) -> tuple[list[Frame], list[Event]]:
        frames, events = super()._handle_data_on_closed_stream(events, exc, frame)
        if self._is_late(frame.stream_id):
            self.late += 1
            frames.pop()  # the reset; what remains opens the window of the connection again
        return frames, events

    def _is_late(self, stream_id: int) -> bool:
        return self._closed_streams.get(stream_id) is StreamClosedBy.SEND_RST_STREAM

    def _is_one_too_many(self, stream_id: int) -> bool:
        is_new = stream_id % 2 == 1 and stream_id > self.highest_inbound_stream_id
        return is_new and (self.refuses or len(self.streams) >= self.max_streams)

    def _reset_new(self, frame: HeadersFrame) -> tuple[list[Frame], list[Event]]:
        self._decode(frame)
        self.state_machine.process_input(ConnectionInputs.RECV_HEADERS)
        self.highest_inbound_stream_id = frame.stream_id
        self._remember(frame.stream_id, StreamClosedBy.SEND_RST_STREAM)
        self.refused += 1
        refusal = RstStreamFrame(frame.stream_id)
        refusal.error_code = ErrorCodes.REFUSED_STREAM
        return [refusal], []

    def _open_streams(self, remainder: int) -> int:
        """All there are: the client's, and none that is closed."""
        return len(self.streams) if remainder else 0

    def _begin_new_stream(self, stream_id: int, allowed_ids: AllowedStreamIDs) -> H2Stream:
        highest = self.highest_inbound_stream_id
        if stream_id % 2 != int(allowed_ids):
            message = "Invalid stream ID for peer."
            raise ProtocolError(message)
        if stream_id <= highest:
            raise StreamIDTooLowError(stream_id, highest)
        stream = MendedStream(
            stream_id, self._window_bytes, self.remote_settings.initial_window_size
        )
        self.streams[stream_id] = stream
        self.highest_inbound_stream_id = stream_id
        return stream
