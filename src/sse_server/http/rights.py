"""Rights: what the sender of a request may do, as far as endpoints ask."""

from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple, Protocol

from sse_server.http.request import Headers, Request
from sse_server.wire.flow import CloseReason, Framing, Sink, Source


class OpenStream(Source, Protocol):
    """An open stream, as far as whoever let it in may end it."""

    place: int
    """Up to where it has everything."""

    def close(self, reason: CloseReason, last: bytes = b"") -> None:
        """End it with `last`, framed already: cleanly where its transport takes something."""
        ...


class Admission(NamedTuple):
    """A stream that may be opened."""

    opened: Callable[[OpenStream, Sink, Framing], Source]
    """To be called when it is; what its connection is to tell its news to instead."""
    headers: Headers = ()
    """To be sent with it."""


class Rights(Protocol):
    """What one sender may do."""

    @property
    def may_operate(self) -> bool:
        """Whether it may see and end what is others'."""
        ...

    @property
    def holder(self) -> Hashable:
        """Who it is, however it was said: the same for all requests of one user."""
        ...

    def may_subscribe(self, channel: str) -> bool:
        """Whether it may follow `channel`, and read its past."""
        ...

    def may_publish(self, channel: str) -> bool:
        """Whether it may publish to `channel`."""
        ...

    def admit(self, request: Request, channels: Sequence[str]) -> Admission:
        """Let `request`, which is in order, open a stream on `channels`.

        Raises:
            Unauthorized: its credential opens no more streams.
            NotGranted: not on these.
            Unavailable: not now.
        """
        ...
