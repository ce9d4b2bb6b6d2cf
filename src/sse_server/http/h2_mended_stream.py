"""A stream of h2, mended: see `h2_mended`.

There may be 100,000 of them, and as h2 makes a stream it takes 900 bytes: in three objects, most of
whose attributes never differ. Here it is one, which has what does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from h2.config import H2Configuration
from h2.errors import ErrorCodes
from h2.events import RequestReceived, StreamEnded, StreamReset, TrailersReceived
from h2.stream import H2Stream, H2StreamStateMachine, StreamInputs, StreamState
from h2.windows import WindowManager

if TYPE_CHECKING:
    from collections.abc import Iterable

    from h2.events import Event
    from h2.stream import StreamClosedBy
    from hpack.struct import Header
    from hyperframe.frame import Frame

CONFIG = H2Configuration(
    client_side=False,
    header_encoding=None,
    validate_inbound_headers=False,  # http.h2_request does
    normalize_inbound_headers=False,
)


class Spender(Protocol):
    """A bundle, as far as windows are concerned."""

    total: int
    """Bytes sent to each of its streams, ever."""
    floor: int
    """No limit of a stream is lower."""


# Both bases have a `stream_reset`: that of the machine is never looked up by its name.
class MendedStream(H2Stream, H2StreamStateMachine):  # type: ignore[misc]
    """A stream whose outbound window may be spent by a bundle. It is its own state machine."""

    # What h2 begins with, and hardly any stream has otherwise.
    config = CONFIG
    max_outbound_frame_size: int | None = None
    request_method: bytes | None = None
    _expected_content_length: int | None = None
    _actual_content_length = 0
    _authority: bytes | None = None
    trailers_sent: bool | None = None
    trailers_received: bool | None = None

    def __init__(self, stream_id: int, inbound_bytes: int, outbound_bytes: int) -> None:
        """Idle, with these windows."""
        # All that becomes different, here: for an attribute that is there later than the first few
        # objects of its class, Python gives each a dictionary, which takes 400 bytes.
        self.stream_id = stream_id
        self.state = StreamState.IDLE
        self.client: bool | None = None
        self.headers_sent: bool | None = None
        self.headers_received: bool | None = None
        self.stream_closed_by: StreamClosedBy | None = None
        self.bundle: Spender | None = None
        self.limit = outbound_bytes
        self._inbound_bytes = inbound_bytes
        self._manager: WindowManager | None = None

    @property
    def state_machine(self) -> H2StreamStateMachine:  # type: ignore[override] # h2 only reads it
        """What h2 moves its state with."""
        return self

    @property
    def _inbound_window_manager(self) -> WindowManager:  # type: ignore[override] # the same
        """Made with the first body."""
        if self._manager is None:
            self._manager = WindowManager(self._inbound_bytes)
        return self._manager

    @property
    def outbound_flow_control_window(self) -> int:
        """Bytes that it may be sent now; negative after the peer has shrunk its windows."""
        return self.limit if self.bundle is None else self.limit - self.bundle.total

    @outbound_flow_control_window.setter
    def outbound_flow_control_window(self, window: int) -> None:
        bundle = self.bundle
        if bundle is None:
            self.limit = window
        else:
            # The very same number while nothing was sent: most streams begin with the same one.
            self.limit = window + bundle.total if bundle.total else window
            bundle.floor = min(bundle.floor, self.limit)

    def receive_headers(
        self,
        headers: Iterable[Header],
        end_stream: bool,  # noqa: FBT001 (h2's signature)
        header_encoding: bool | str | None,  # noqa: ARG002, FBT001
    ) -> tuple[list[Frame], list[Event]]:
        """Take the head of a request, or its trailers."""
        events = self.process_input(StreamInputs.RECV_HEADERS)
        event = events[0]
        assert isinstance(event, (RequestReceived, TrailersReceived))
        if end_stream:
            ends = self.process_input(StreamInputs.RECV_END_STREAM)
            assert isinstance(ends[0], StreamEnded)
            event.stream_ended = ends[0]
            events += ends
        elif isinstance(event, TrailersReceived):
            return self._reset_malformed()
        event.headers = list(headers)
        return [], events

    def _track_content_length(self, length: int, end_stream: bool) -> None:  # noqa: FBT001
        """`h2_arrivals` does."""

    def _reset_malformed(self) -> tuple[list[Frame], list[Event]]:
        reset = StreamReset(
            stream_id=self.stream_id, error_code=ErrorCodes.PROTOCOL_ERROR, remote_reset=False
        )
        return self.reset_stream(ErrorCodes.PROTOCOL_ERROR), [reset]

    def join(self, bundle: Spender | None) -> None:
        """Let this bundle spend the window from now on; None: nobody but the stream itself."""
        window = self.outbound_flow_control_window
        self.bundle = bundle
        self.outbound_flow_control_window = window
