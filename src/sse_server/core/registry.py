"""The registry: names open streams, finds them by name, and lists them.

It holds nothing of a stream until that is to be controlled. Where a stream stands it is found; its
name is the moment in which it was opened, which no other has, with a keyed hash of it, so that
nobody can make one up: 32 characters, which need no escaping anywhere.
"""

from __future__ import annotations

import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b
from heapq import nsmallest
from hmac import compare_digest
from math import inf, nextafter
from operator import attrgetter
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from sse_server.core.subscriber import Subscriber

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping

    from sse_server.core.channel import Channel
    from sse_server.core.group import Group, GroupKey
    from sse_server.core.pump import Pump
    from sse_server.core.stall import Stalls
    from sse_server.wire.flow import CloseReason

_MOMENT = Struct(">d")
_HASH_BYTES = 16  # with the moment 24, which base64 makes 32 characters of, without padding
_NAME = re.compile("[A-Za-z0-9_-]{32}")
_opened_at = attrgetter("opened_at")


class Controlled(NamedTuple):
    """A stream whose client knows its name."""

    subscriber: Subscriber
    holder: Hashable
    """Who has opened it; None: nobody in particular."""


class Registry:
    """All open streams of a hub, by name and by age."""

    __slots__ = (
        "_asking",
        "_channels",
        "_controlled",
        "_groups",
        "_key",
        "_newest",
        "_pump",
        "_stalls",
    )

    def __init__(
        self,
        groups: Mapping[GroupKey, Group],
        channels: Mapping[str, Channel],
        stalls: Stalls,
        walking: tuple[Pump, Mapping[Subscriber, None]],
        now: float,
    ) -> None:
        """Where streams are: standing in groups, paused in `stalls`, walking in the others."""
        self._groups = groups
        self._channels = channels
        self._stalls = stalls
        self._pump, self._asking = walking
        self._newest = now
        self._key = secrets.token_bytes(32)
        self._controlled: dict[float, Controlled] = {}

    def moment(self, now: float) -> float:
        """A moment to open a stream in: `now`, or the next one that no other stream has."""
        newest = self._newest
        self._newest = now if now > newest else nextafter(newest, inf)
        return self._newest

    def name(self, subscriber: Subscriber) -> str:
        """What it is called."""
        moment = _MOMENT.pack(subscriber.opened_at)
        return urlsafe_b64encode(moment + self._hash(moment)).decode()

    def control(self, subscriber: Subscriber, holder: Hashable) -> str:
        """Let it be changed by `holder`, who is told its name: it is looked up often from now."""
        self._controlled[subscriber.opened_at] = Controlled(subscriber, holder)
        return self.name(subscriber)

    def holder(self, subscriber: Subscriber) -> Hashable:
        """Who may change it; None: nobody in particular."""
        controlled = self._controlled.get(subscriber.opened_at)
        return controlled and controlled.holder

    def find(self, name: str) -> Subscriber | None:
        """The open stream of that name."""
        moment = self.opened_at(name)
        if moment is None:
            return None
        controlled = self._controlled.get(moment)
        if controlled is not None:
            return controlled.subscriber
        return next((one for one in self if one.opened_at == moment), None)

    def opened_at(self, name: str) -> float | None:
        """When a stream of that name was opened, if it may be gone; None: there was none."""
        if not _NAME.fullmatch(name):
            return None
        raw = urlsafe_b64decode(name)
        moment, signed = raw[: _MOMENT.size], raw[_MOMENT.size :]
        if not compare_digest(signed, self._hash(moment)):
            return None
        (opened_at,) = _MOMENT.unpack(moment)
        assert isinstance(opened_at, float)
        return opened_at

    def page(self, after: float, limit: int, channel: str | None = None) -> list[Subscriber]:
        """The first `limit` of those opened after that moment, the oldest first.

        Of `channel`, if one is named. Looks at all there are: 10 ms for 100,000.
        """
        found = (one for one in self if one.opened_at > after)
        if channel is not None:
            followed = self._channels.get(channel)
            if followed is None:
                return []
            groups, beside = followed.groups, followed.beside
            found = (one for one in found if one.group in groups or one in beside)
        return nsmallest(limit, found, key=_opened_at)

    def end(self, subscriber: Subscriber, reason: CloseReason, farewell: bytes) -> None:
        """End an open stream at once, `farewell` being its last block."""
        group = subscriber.group
        assert group is not None, "the stream is gone"
        subscriber.close(reason, group.framing([farewell]))

    def forget(self, subscriber: Subscriber) -> None:
        """It is gone."""
        self._controlled.pop(subscriber.opened_at, None)

    def __iter__(self) -> Iterator[Subscriber]:
        """All of them, each once."""
        for group in self._groups.values():
            for lane in group.lanes:
                yield from lane
        yield from self._stalls
        yield from self._asking
        for turn in self._pump.waiting:
            if isinstance(turn, Subscriber) and turn.walks:
                yield turn

    def _hash(self, moment: bytes) -> bytes:
        return blake2b(moment, digest_size=_HASH_BYTES, key=self._key).digest()
