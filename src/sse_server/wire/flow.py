"""The two protocols of flow control, and what passes through them.

Bytes go down through a `Sink`; what happens to the connection comes up through a `Source`. Core
implements `Source` (a subscriber), net implements `Sink` (a stream); neither knows the other.
"""

from collections.abc import Callable, Hashable
from enum import Enum
from typing import NamedTuple, Protocol

Framing = Callable[[list[bytes]], bytes]
"""Joins whole event-stream blocks into what one write sends: plain, or as one HTTP chunk.

Two streams share a burst only if they share this very function.
"""


Sent = tuple[int, int]
"""Frames and bytes."""
NOTHING: Sent = (0, 0)


class CloseReason(Enum):
    """Why a stream ended. `comes_back`: whether the client should open it again."""

    def __init__(self, label: str, comes_back: bool) -> None:  # noqa: FBT001 (an enum's row)
        """`label` is what logs and metrics call it."""
        self.label = label
        self.comes_back = comes_back

    LOST = ("lost", True)
    """The client went away, or the network did."""
    DRAINED = ("drained", True)
    """The server shuts down."""
    SLOW = ("slow", True)
    """It took nothing for too long, or lagged beyond what its channels allow."""
    GAP = ("gap", True)
    """It lost something, and its channels say that it is to begin anew."""
    KICKED = ("kicked", False)
    """An operator ended it."""
    EXPIRED = ("expired", True)
    """Its grant has ended: its client may come back with a new one."""
    REVOKED = ("revoked", False)
    """Its grant was taken back."""
    REPLACED = ("replaced", False)
    """Its client acknowledged nothing any more, and has come back on another connection."""


class Client(NamedTuple):
    """Who has opened a stream, as far as that is known."""

    address: str | None
    """Of whoever connected, perhaps a proxy."""
    agent: str | None
    """What it calls itself."""


class Sink(Protocol):
    """Where a subscriber's bytes go."""

    @property
    def client(self) -> Client:
        """Who takes them."""
        ...

    @property
    def write(self) -> Callable[[bytes], None]:
        """Takes a burst. Never raises; may call the source's `pause` or `gone` before it returns.

        Read once when the stream opens and kept: no attribute chain on the hot path.
        """
        ...

    @property
    def unsent(self) -> int:
        """Bytes that the transport holds back; while it shrinks, the client takes something."""
        ...

    @property
    def bundler(self) -> "Bundler | None":
        """What carries this stream among others; None: it has a connection of its own."""
        ...

    def end(self, reason: CloseReason, last: bytes = b"") -> None:
        """End the stream cleanly, after `last`."""
        ...

    def abort(self, reason: CloseReason) -> None:
        """End the stream at once: its client takes nothing."""
        ...


class SharedSink(Protocol):
    """Writes the same to several sinks of one connection, at once."""

    @property
    def write(self) -> Callable[[bytes], None]:
        """As a sink's; it may call the `pause` of each of their sources before it returns."""
        ...

    def add(self, sink: Sink) -> None:
        """Write to this one, too: its subscriber has all there is."""
        ...

    def remove(self, sink: Sink) -> None:
        """Write to it no more."""
        ...


class Bundler(Hashable, Protocol):
    """A connection that carries several streams."""

    def bundle(self) -> SharedSink:
        """A new one, empty."""
        ...


class Source(Protocol):
    """What a sink tells about its connection. Each call may come from inside a write."""

    @property
    def opened_at(self) -> float:
        """When it was opened, in monotonic seconds."""
        ...

    @property
    def delivered(self) -> Sent:
        """What it has been sent, heartbeats aside."""
        ...

    @property
    def followed(self) -> list[str]:
        """The channels it follows; none when it is gone."""
        ...

    def pause(self) -> None:
        """The transport holds more than its high-water mark: write nothing."""
        ...

    def resume(self) -> None:
        """The transport is below its low-water mark again."""
        ...

    def finish(self, farewell: bytes) -> None:
        """End the stream with `farewell`, framed already, as soon as it has everything."""
        ...

    def gone(self, reason: CloseReason) -> None:
        """The connection is gone; nothing can be written any more. Idempotent."""
        ...
