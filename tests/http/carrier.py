"""What an HTTP/2 machine stands on, in tests."""

from sse_server.errors import RequestError
from sse_server.wire.flow import CloseReason, Source


class FakeCarrier:
    """A transport that takes everything, and a log of what a machine tells."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.write = self.written.append
        self.refusals: list[RequestError] = []
        self.reasons: list[CloseReason] = []

    address = None

    def unsent(self) -> int:
        return 0

    def acknowledged(self) -> tuple[int, int] | None:
        return None

    def refused(self, error: RequestError) -> None:
        self.refusals.append(error)

    def paused(self, source: Source) -> None:
        pass

    def too_slow(self, held_bytes: int) -> None:
        pass

    def closed(self, source: Source, reason: CloseReason) -> None:
        self.reasons.append(reason)

    def emptied(self) -> None:
        pass
