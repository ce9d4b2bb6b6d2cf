"""An HTTP/2 client for tests: plain h2 on a socket, which shows what it got."""

import re
import socket
from collections import defaultdict
from typing import Self

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    InformationalResponseReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from h2.settings import SettingCodes, Settings
from hyperframe.frame import Frame, GoAwayFrame

from tests.running_server import TIMEOUT_SECONDS, Answer

WIDE = 2**31 - 1


class PatientConnection(H2Connection):
    """Goes on after a GOAWAY, as RFC 9113 section 6.8 has it; h2 takes nothing more then."""

    def _receive_goaway_frame(self, frame: GoAwayFrame) -> tuple[list[Frame], list[Event]]:
        event = ConnectionTerminated()
        event.error_code = ErrorCodes(frame.error_code)
        event.last_stream_id = frame.last_stream_id
        return [], [event]


class Http2Client:
    """One connection. `window` is that of each stream and of the connection."""

    def __init__(self, sock: socket.socket, *, window: int = WIDE, stream_window: int = 0) -> None:
        sock.settimeout(TIMEOUT_SECONDS)
        self.socket = sock
        self.h2 = PatientConnection(H2Configuration(client_side=True, header_encoding="latin-1"))
        own = {SettingCodes.INITIAL_WINDOW_SIZE: stream_window or window}
        self.h2.local_settings = Settings(client=True, initial_values=own)
        self.acknowledges = True
        """Whether it opens its windows again as it reads."""
        self.heads: dict[int, list[tuple[str, str]]] = {}
        self.informational: list[int] = []
        self.data: dict[int, bytes] = defaultdict(bytes)
        self.ended: set[int] = set()
        self.resets: dict[int, int] = {}
        self.goaways: list[ConnectionTerminated] = []
        self.h2.initiate_connection()
        if window > 65_535:
            self.h2.increment_flow_control_window(window - 65_535)
        self.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.socket.close()

    def flush(self) -> None:
        self.socket.sendall(self.h2.data_to_send())

    def send(
        self,
        target: str,
        *,
        method: str = "GET",
        fields: tuple[tuple[str, str], ...] = (),
        body: bytes | None = None,
        authority: str = "localhost",
    ) -> int:
        """Send a request; returns its stream."""
        stream_id = self.h2.get_next_available_stream_id()
        head = [(":method", method), (":scheme", "http"), (":authority", authority)]
        self.h2.send_headers(
            stream_id, [*head, (":path", target), *fields], end_stream=body is None
        )
        while body is not None:
            size = min(
                self.h2.local_flow_control_window(stream_id), self.h2.max_outbound_frame_size
            )
            self.h2.send_data(stream_id, body[:size], end_stream=len(body) <= size)
            body = body[size:] or None
            self.flush()
            while body and not self.h2.local_flow_control_window(stream_id):
                self.read()
        self.flush()
        return stream_id

    def read(self) -> list[Event]:
        """One read's worth of events. Empty: the server has ended the connection."""
        data = self.socket.recv(65_536)
        if not data:
            raise EOFError
        events = self.h2.receive_data(data)
        for event in events:
            self._take(event)
        self.flush()
        return events

    def _take(self, event: Event) -> None:
        match event:
            case ResponseReceived():
                self.heads[event.stream_id] = [(str(n), str(v)) for n, v in event.headers]
            case InformationalResponseReceived():
                self.informational.append(int(event.headers[0][1]))
            case DataReceived():
                self.data[event.stream_id] += event.data
                if self.acknowledges and event.flow_controlled_length:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case StreamEnded():
                self.ended.add(event.stream_id)
            case StreamReset():
                self.resets[event.stream_id] = int(event.error_code or 0)
            case ConnectionTerminated():
                self.goaways.append(event)
            case _:
                pass

    def set_window(self, size: int) -> None:
        """Change the window of all streams."""
        self.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: size})
        self.flush()

    def answer(self, stream_id: int) -> Answer:
        """The whole answer on a stream."""
        while stream_id not in self.ended and stream_id not in self.resets:
            self.read()
        fields = dict(self.heads[stream_id])
        return Answer(int(fields.pop(":status")), fields, self.data[stream_id], b"")

    def read_until(self, stream_id: int, mark: bytes) -> bytes:
        """What a stream got, up to and with `mark`."""
        while mark not in self.data[stream_id]:
            assert stream_id not in self.ended, f"ended: {self.data[stream_id][-500:]!r}"
            assert stream_id not in self.resets, f"reset: {self.resets}"
            self.read()
        found, _, self.data[stream_id] = self.data[stream_id].partition(mark)
        return found + mark

    def subscribe(
        self, target: str = "/events/news", fields: tuple[tuple[str, str], ...] = ()
    ) -> int:
        """Open a stream, and read its head and opening block."""
        stream_id = self.send(target, fields=fields)
        self.read_until(stream_id, b"\n\n")
        assert dict(self.heads[stream_id])[":status"] == "200"
        return stream_id

    def read_events(self, stream_id: int, count: int) -> list[str]:
        """The data of so many events. For streams in which each is one line."""
        found: list[str] = []
        while len(found) < count:
            match = re.search(rb"^data: ?(.*)$", self.read_until(stream_id, b"\n\n"), re.MULTILINE)
            if match:
                found.append(match[1].decode())
        return found

    def read_to_end(self) -> None:
        """All that comes until the server ends the connection, cleanly: a reset raises."""
        while True:
            try:
                self.read()
            except EOFError:
                return
