"""What an HTTP/2 connection stands on, as its machine sees it: net implements it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from sse_server.errors import RequestError
    from sse_server.wire.flow import CloseReason, Source


class Carrier(Protocol):
    """Takes bytes, and is told of streams. Each call may come from inside a write."""

    @property
    def write(self) -> Callable[[bytes], None]:
        """The transport's own."""
        ...

    def unsent(self) -> int:
        """Bytes that the transport holds back."""
        ...

    @property
    def address(self) -> str | None:
        """Of whoever connected."""
        ...

    def acknowledged(self) -> tuple[int, int] | None:
        """Bytes that the client has acknowledged, ever, and those that it has not.

        None: nobody knows.
        """
        ...

    def refused(self, error: RequestError) -> None:
        """A request was answered with this before anybody saw it."""
        ...

    def paused(self, source: Source) -> None:
        """The client of an event stream takes no more for now."""
        ...

    def too_slow(self, held_bytes: int) -> None:
        """An event stream is ended because its client takes nothing."""
        ...

    def closed(self, source: Source, reason: CloseReason) -> None:
        """An event stream has ended."""
        ...

    def emptied(self) -> None:
        """The last stream has ended, of whatever kind. What it was sent may still be collected."""
        ...
