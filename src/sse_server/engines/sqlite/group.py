"""Groups of events: what is stored in one transaction, handed up, and answered together."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sse_server.engines.base import Receipt
    from sse_server.promise import Promise
    from sse_server.wire.event import Event

Value = int | str | bytes
KeyRow = tuple[int, str, str, int]
"""Offset, channel, key, time in milliseconds."""

MAX_EVENTS = 4_096
"""About 20 ms in one transaction. A batch that goes beyond stays whole."""
MAX_BYTES = 8 * 1024 * 1024


class Group:
    """Events of publishers that are stored together."""

    __slots__ = ("answers", "bytes", "events", "keys", "rows")

    def __init__(self) -> None:
        """Nothing yet."""
        # Offset, channel, time in milliseconds and block of each, in one list, as statements take
        # them: a tuple for each would only be taken apart again.
        self.rows: list[Value] = []
        self.keys: list[KeyRow] = []
        self.events: list[tuple[str, int, Event, bytes]] = []  # to be handed up
        self.answers: list[tuple[Promise[list[Receipt]], list[Receipt]]] = []
        self.bytes = 0

    @property
    def is_full(self) -> bool:
        """Whether the next event is to be of another group."""
        return len(self.events) >= MAX_EVENTS or self.bytes >= MAX_BYTES


class Waiting:
    """Groups that are to be stored: full ones, and behind them the one that is being filled."""

    __slots__ = ("_full", "bytes", "filling")

    def __init__(self) -> None:
        """Nothing waits."""
        self._full: deque[Group] = deque()
        self.filling = Group()
        self.bytes = 0  # of all

    def __bool__(self) -> bool:
        """Whether there is something to store."""
        return bool(self._full or self.filling.answers)

    @property
    def has_full(self) -> bool:
        """Whether there is a group that nothing will be added to."""
        return bool(self._full)

    def count(self, size: int) -> None:
        """The group that is filled has grown by so many bytes."""
        self.bytes += size
        self.filling.bytes += size
        if self.filling.is_full:
            self._full.append(self.filling)
            self.filling = Group()

    def take(self) -> Group:
        """The first of them."""
        if self._full:
            group = self._full.popleft()
        else:
            group, self.filling = self.filling, Group()
        self.bytes -= group.bytes
        return group

    def take_all(self) -> list[Group]:
        """All of them."""
        groups = [*self._full, self.filling]
        self.__init__()  # type: ignore[misc]  # all anew, in place
        return groups
