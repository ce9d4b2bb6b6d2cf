"""The directory: what can be told of channels, without changing anything."""

from __future__ import annotations

from heapq import nsmallest
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sse_server.core.channel import Channel
    from sse_server.core.log import Log


class ChannelInfo(NamedTuple):
    """What can be told of a channel. `oldest` and `newest` are offsets of frames held."""

    name: str
    clients: int
    events: int
    bytes: int
    oldest: int | None
    newest: int | None


class HistoryPage(NamedTuple):
    """Frames that are held, and the offset they lead to."""

    frames: list[bytes]
    end: int
    lost: bool
    """Something after the place asked for is no longer held."""
    more: bool


class Directory:
    """Answers questions about channels."""

    __slots__ = ("_followed", "_log")

    def __init__(self, log: Log, followed: Mapping[str, Channel]) -> None:
        """`followed`: the channels that somebody follows, as they come and go."""
        self._log = log
        self._followed = followed

    @property
    def newest(self) -> int:
        """The newest offset of all."""
        return self._log.newest

    def clients(self, channel: str) -> int:
        """How many streams follow a channel."""
        followed = self._followed.get(channel)
        return followed.clients if followed else 0

    def channel(self, name: str) -> ChannelInfo | None:
        """A channel that holds frames or has clients."""
        window = self._log.windows.get(name)
        if window is None:
            return None
        newest = window.offsets[-1] if len(window) else None
        return ChannelInfo(
            name, self.clients(name), len(window), window.bytes, window.oldest, newest
        )

    def channels(self, after: str, limit: int) -> list[ChannelInfo]:
        """The first `limit` channels whose names come after `after`, by name."""
        names = nsmallest(limit, (name for name in self._log.windows if name > after))
        infos = (self.channel(name) for name in names)
        return [info for info in infos if info is not None]

    def lost(self, channel: str) -> int:
        """Up to which offset the log has lost frames of `channel`, or may have."""
        return self._log.lost(channel)

    def history(
        self, channel: str, after: int | None, until: int | None, max_frames: int, max_bytes: int
    ) -> HistoryPage:
        """Frames of a channel beyond `after` (None: all that are held) up to and with `until`."""
        until = self.newest if until is None else until
        lost = after is not None and self._log.lost(channel) > after
        window = self._log.windows.get(channel)
        if window is None:
            return HistoryPage([], until, lost, more=False)
        start, stop = window.span(-1 if after is None else after, max_bytes)
        stop = min(stop, start + max_frames)
        end = window.index(until)
        if stop < end:
            return HistoryPage(window.blocks[start:stop], window.offsets[stop - 1], lost, more=True)
        return HistoryPage(window.blocks[start:end], until, lost, more=False)
