"""What a client that lags was sent, in short."""

from sse_server.wire.parser import StreamEvent
from tests.core.fakes import Recorder


def offset(event: StreamEvent) -> int:
    return int(event.last_event_id.removeprefix("e-"))


def outline(sink: Recorder) -> list[str]:
    """Frames as their data, gaps as `gap ID lost`."""
    gaps = iter(sink.gaps)
    return [
        f"gap {gap['id']} {gap['lost']}"
        if event.type == "gap" and (gap := next(gaps))
        else event.data
        for event in sink.events
    ]
