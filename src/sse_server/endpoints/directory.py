"""What the endpoints may ask of the hub."""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sse_server.core.directory import ChannelInfo, HistoryPage


class Directory(Protocol):
    """The hub, as far as it answers questions. Nothing here changes anything or waits."""

    @property
    def newest(self) -> int:
        """The newest offset of the log, over all channels."""
        ...

    def clients(self, channel: str) -> int:
        """How many event streams follow `channel`."""
        ...

    def channel(self, name: str) -> "ChannelInfo | None":
        """What is known of one channel; None: nothing."""
        ...

    def channels(self, after: str, limit: int) -> "list[ChannelInfo]":
        """At most `limit` channels by name, from the first name behind `after` on."""
        ...

    def lost(self, channel: str) -> int:
        """Up to which offset the log has lost events of `channel`, or may have."""
        ...

    def history(
        self, channel: str, after: int | None, until: int | None, max_frames: int, max_bytes: int
    ) -> "HistoryPage":
        """What is held of `channel` behind `after` (None: all) up to `until` (None: all)."""
        ...
