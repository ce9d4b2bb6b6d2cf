"""Handshakes: connections that have not sent a whole request yet.

They cost memory and descriptors, and nothing is known of who sends them. When there are too many,
or when they stand in the way of others, those that have taken longest give way: a client with a
request to make sends it at once and is through before its turn to go could come.

Age is counted in sweeps, not in seconds: while the loop is busy, what a client has sent is not read
yet, and that is no fault of the client.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Protocol

_SPARED_SWEEPS = 2  # one whole second of the loop at least, at most two


class Newcomer(Hashable, Protocol):
    """A connection."""

    def abort(self) -> None:
        """End it now."""
        ...


class Handshakes:
    """Who is in one, in the order of their beginning."""

    __slots__ = ("_began", "_sweeps", "cut", "most")

    def __init__(self, most: int) -> None:
        """Beyond `most` the oldest is aborted, unless it is young. It may be changed."""
        self.most = most
        self._began: dict[Newcomer, int] = {}
        self._sweeps = 0
        self.cut = 0  # aborted to make room, ever

    def __contains__(self, connection: Newcomer) -> bool:
        """Whether it has not sent a whole request yet."""
        return connection in self._began

    def __len__(self) -> int:
        """How many there are."""
        return len(self._began)

    def begin(self, connection: Newcomer) -> None:
        """It has just been accepted."""
        began = self._began
        began[connection] = self._sweeps
        if len(began) > self.most:
            self._cut_oldest()

    def end(self, connection: Newcomer) -> None:
        """It has sent a request, or is gone. Again is harmless."""
        self._began.pop(connection, None)

    def sweep(self, *, crowded: bool) -> None:
        """Make room, once a second. `crowded`: others cannot be accepted, so every place counts."""
        self._sweeps += 1
        while crowded or len(self._began) > self.most:
            if not self._cut_oldest():
                break

    def _cut_oldest(self) -> bool:
        """Abort it; False: there is none, or it is young, and so are all others."""
        oldest = next(iter(self._began), None)
        if oldest is None or self._sweeps - self._began[oldest] < _SPARED_SWEEPS:
            return False
        del self._began[oldest]
        self.cut += 1
        oldest.abort()
        return True
