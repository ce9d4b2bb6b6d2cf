"""What connections make us hold: requests that are not whole or not answered, answers not read.

Each connection is bounded by itself, and there may be very many of them. So the sum is bounded,
too: beyond it, who has held some for longest gives way. An honest client holds bytes for as long as
they travel. A request that is being answered does not give way: its client could not know what has
become of it.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Protocol

from sse_server.errors import Unavailable


class Holder(Hashable, Protocol):
    """A connection."""

    def give_way(self) -> None:
        """Let go of what is held."""
        ...


class HeldBytes:
    """How many bytes are held for whom, in the order in which they began to be."""

    __slots__ = ("_unanswered", "_waiting", "cut", "most", "total", "unanswered")

    def __init__(self, most: int) -> None:
        """`most` bytes in all. It may be changed."""
        self.most = most
        self._waiting: dict[Holder, int] = {}
        self._unanswered: dict[Holder, int] = {}
        self.total = 0
        self.unanswered = 0  # of the total
        self.cut = 0  # connections that gave way, ever

    @property
    def is_full(self) -> bool:
        """Whether requests that are being answered take all there is."""
        return self.unanswered >= self.most

    def count(self, connection: Holder, size: int, *, unanswered: bool = False) -> None:
        """So much is held for `connection` now. `unanswered`: behind and with a request in hand."""
        before = self._unanswered.pop(connection, 0)
        self.unanswered -= before
        self.total += size - before - self._waiting.get(connection, 0)
        if unanswered or not size:
            self._waiting.pop(connection, None)
        else:
            self._waiting[connection] = size  # one that was there keeps its turn
        if unanswered and size:
            self._unanswered[connection] = size
            self.unanswered += size
        while self.total > self.most and self._waiting:
            oldest = next(iter(self._waiting))
            self.total -= self._waiting.pop(oldest)
            self.cut += 1
            oldest.give_way()


class TooMuchHeld(Unavailable):
    """Too many clients at once are in the middle of something."""

    def __init__(self) -> None:
        """The same for all."""
        message = "the server holds as much of unfinished requests as it may: try again"
        super().__init__(message, retry_after_seconds=1)
