"""Channels: who follows one window.

Most follow as a group. A subscriber of a shared group may have channels of its own beside it (its
personal channel): those know it by itself, and take it out of its lane before they append.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sse_server.core.history import forget

if TYPE_CHECKING:
    from sse_server.core.group import Group
    from sse_server.core.pump import Pump
    from sse_server.core.subscriber import Subscriber
    from sse_server.core.window import Window

_GROUPS_PER_RUN = 512  # 0.1 ms: so many groups of one channel are woken before the pump looks up
_GROUPS_PER_WRITE = 8  # waking so many costs about one write


class Channel:
    """A window that somebody follows."""

    __slots__ = ("_again", "_asleep", "beside", "clients", "groups", "queued", "waiting", "window")

    def __init__(self, window: Window) -> None:
        """Made for its first follower."""
        self.window = window
        self.groups: dict[Group, None] = {}
        self.beside: dict[Subscriber, None] = {}
        self.waiting: dict[Subscriber, None] = {}  # until it is complete
        self.clients = 0  # subscribers that follow it in either way
        self.queued = False
        self._asleep: list[Group] = []  # groups still to be woken
        self._again = False  # something was appended after the first of them had been

    def stir(self, pump: Pump) -> None:
        """A frame is about to be appended: bounded work whatever the number of subscribers."""
        for member in self.beside:
            member.step_out()
        if not self.queued:
            pump.enqueue(self)
        elif self._asleep:
            self._again = True

    def complete(self, pump: Pump) -> None:
        """From now on it is known what its window holds: whoever lacks something reads it."""
        waiting, self.waiting = self.waiting, {}
        for member in list(waiting):
            assert member.group is not None, "it would have been cancelled"
            forget(member, member.group.hub)
            member.go_on()
        self.stir(pump)

    def run(self, pump: Pump) -> int:
        """Wake the groups, some at a time."""
        if not self._asleep and len(self.groups) <= _GROUPS_PER_RUN:  # nearly always: all at once
            for group in self.groups:
                group.wake(pump)
            self.queued = False
            return 1 + len(self.groups) // _GROUPS_PER_WRITE
        asleep = self._asleep or list(self.groups)
        self._asleep = asleep[_GROUPS_PER_RUN:]
        for group in asleep[:_GROUPS_PER_RUN]:
            group.wake(pump)
        if self._asleep or self._again:
            if not self._asleep:
                self._again = False
            pump.enqueue(self)
        else:
            self.queued = False
        return 1 + len(asleep[:_GROUPS_PER_RUN]) // _GROUPS_PER_WRITE
