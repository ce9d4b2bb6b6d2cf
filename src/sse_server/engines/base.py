"""What every engine is: it orders events, keeps them, and hands them up in order."""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol

from sse_server.wire.event import Event
from sse_server.wire.position import Positions


class Publication(NamedTuple):
    """One event on its way to one channel, both checked."""

    channel: str
    event: Event


class Receipt(NamedTuple):
    """What a publisher is told: where the event stands, and whether it had been sent before."""

    position: bytes
    duplicate: bool


Deliver = Callable[[str, int, Event], None]
"""Hands up (channel, offset, event), in the order of offsets, which only grow."""


class Engine(Protocol):
    """The store behind the log.

    `publish` answers when the engine has the events, all of them or none, in the order given. An
    event whose `id` was published to the same channel within the idempotency window is not
    published again: its receipt names the first position, with `duplicate` set.
    """

    @property
    def positions(self) -> Positions:
        """Makes and parses this engine's positions."""
        ...

    def start(self, deliver: Deliver) -> Awaitable[None]:
        """Begin to deliver. Called once, before the first publish."""
        ...

    def publish(
        self, publications: Sequence[Publication]
    ) -> list[Receipt] | Awaitable[list[Receipt]]:
        """Store `publications` and say where they stand; at once where no input or output is due.

        Raises:
            Unavailable: not known to be stored; a retry with the same id is safe.
        """
        ...

    def close(self) -> Awaitable[None]:
        """Release everything. Idempotent."""
        ...
