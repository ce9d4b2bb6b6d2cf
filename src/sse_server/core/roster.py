"""The roster: which channels are followed, by which groups, and who is in each."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from sse_server.core.arrange import arrange
from sse_server.core.channel import Channel
from sse_server.core.group import Group, GroupKey
from sse_server.core.history import forget, is_deep

if TYPE_CHECKING:
    from sse_server.core.hub import Hub
    from sse_server.core.subscriber import Subscriber
    from sse_server.wire.flow import Framing


class Roster:
    """Lets subscribers in and out of groups, and groups come and go with them."""

    __slots__ = ("_combinations", "_hub", "channels", "groups")

    def __init__(self, hub: Hub) -> None:
        """Empty."""
        self._hub = hub
        self.channels: dict[str, Channel] = {}  # those that somebody follows
        self.groups: dict[GroupKey, Group] = {}
        self._combinations: Counter[tuple[str, ...]] = Counter()  # of the groups

    def channel(self, name: str) -> Channel:
        """A channel that somebody follows, or is about to."""
        channel, hub = self.channels.get(name), self._hub
        if channel is None:
            channel = self.channels[name] = Channel(hub.log.window(name))
            if hub.watcher is not None:
                hub.watcher.watch(name)
        return channel

    def enter(
        self,
        subscriber: Subscriber,
        followed: list[Channel],
        framing: Framing,
        *,
        tells_positions: bool,
        told: int,
    ) -> None:
        """Give it its group, and a lane when it has everything; `told`: the id it was sent last."""
        hub = self._hub
        limit = hub.options.beside_limit
        shared, subscriber.beside = arrange(followed, self._combinations, limit)
        names = tuple([channel.window.name for channel in shared])
        key = GroupKey(names, framing, tells_positions)
        group = self.groups.get(key)
        if group is None:
            group = self.groups[key] = Group(hub, key, shared)
            self._combinations[names] += 1
            for channel in shared:
                channel.groups[group] = None
        group.size += 1
        subscriber.group = group
        for channel in subscriber.beside:
            channel.beside[subscriber] = None
        for channel in followed:
            channel.clients += 1
            channel.window.followed += 1
        if subscriber.paused:
            return
        has_everything = subscriber.place == hub.log.newest and subscriber.start is None
        deep = hub.history is not None and is_deep(subscriber)
        if has_everything and not deep and subscriber.farewell is None:
            group.stand(subscriber, told)
            return
        if not (subscriber.slow or deep):  # publishers wait for it, too
            hub.pump.dry_at = min(hub.pump.dry_at, subscriber.place)
        subscriber.go_on()

    def leave(self, subscriber: Subscriber) -> None:
        """Take a subscriber out of everything; what nobody follows any more is forgotten."""
        group = subscriber.group
        assert group is not None, "the stream is gone already"
        hub = self._hub
        forget(subscriber, hub)
        subscriber.leave_lane()
        followed = subscriber.channels
        subscriber.group = None
        for channel in subscriber.beside:
            del channel.beside[subscriber]
        subscriber.beside = ()
        group.size -= 1
        if not group.size:
            del self.groups[group.key]
            names = group.key.channels
            self._combinations[names] -= 1
            if not self._combinations[names]:
                del self._combinations[names]
            for channel in group.channels:
                del channel.groups[group]
        for channel in followed:
            channel.clients -= 1
            window = channel.window
            window.followed -= 1
            if not channel.clients:
                del self.channels[window.name]
                if hub.watcher is None:
                    hub.log.release(window)
                else:
                    hub.watcher.unwatch(window.name)
                    hub.log.drop(window)
