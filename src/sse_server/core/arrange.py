"""Arranging: which channels a stream follows with a group, and which by itself, beside it.

With a group of its own, each stream that follows a personal channel and a shared one would be a
lane of one. So the channel that most follow makes the group, and the others stand beside it as long
as few follow them.
"""

from collections.abc import Container, Sequence
from typing import NamedTuple

from sse_server.core.channel import Channel


class Arrangement(NamedTuple):
    """The channels of one stream."""

    shared: tuple[Channel, ...]
    """Its group's, by name."""
    beside: tuple[Channel, ...]


def arrange(
    followed: Sequence[Channel], combinations: Container[tuple[str, ...]], beside_limit: int
) -> Arrangement:
    """Arrange the channels of a new stream.

    `combinations`: the channels of the groups that there are; `beside_limit`: how many streams may
    follow one channel by themselves.
    """
    if len(followed) == 1:
        return Arrangement((followed[0],), ())
    by_name = sorted(followed, key=lambda channel: channel.window.name)
    if tuple(channel.window.name for channel in by_name) in combinations:
        return Arrangement(tuple(by_name), ())
    largest = max(followed, key=lambda channel: channel.clients)
    beside = [
        channel
        for channel in followed
        if channel is not largest and len(channel.beside) < beside_limit
    ]
    shared = [channel for channel in by_name if channel not in beside]
    return Arrangement(tuple(shared), tuple(beside))
