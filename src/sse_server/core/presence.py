"""Presence: the number of a channel's clients, as one event on a channel beside it."""

from collections.abc import Iterable

from sse_server.core.window import ChannelOptions, Window

SUFFIX = "/presence"

PRESENCE_OPTIONS = ChannelOptions(max_frames=1, ephemeral=True)
"""A count that a newer one replaced, or that is old, is not missed."""


def presence_channel(channel: str) -> str:
    """Where the presence of `channel` is told."""
    return channel + SUFFIX


def asked_for(windows: Iterable[Window]) -> list[str]:
    """The names of some windows, without those that come along with another."""
    names = {window.name: window for window in windows}
    implied = {presence_channel(name) for name, one in names.items() if one.options.presence}
    return sorted(names.keys() - implied)


class Presence:
    """Which channels' counts have changed since they were last told."""

    __slots__ = ("_changed",)

    def __init__(self) -> None:
        """Nothing has changed."""
        self._changed: dict[str, None] = {}

    def changed(self, channel: str) -> None:
        """A subscriber came or went."""
        self._changed[channel] = None

    def take(self) -> list[str]:
        """The channels to be told of now. Called once a second, which bounds how often they are."""
        channels = list(self._changed)
        self._changed.clear()
        return channels
