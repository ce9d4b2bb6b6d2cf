"""Open streams of those who have said who they are, and how they end.

Each stands between its subscriber and its connection, as the `Source` that the connection tells its
news to, so that whoever let it in knows when it is over. No event passes through it.

Grants end by the clock. Once a second those that are due are ended, at most so many in one go: when
a crowd's tokens end together, the last of them end some seconds later, and events go on meanwhile.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from itertools import count
from math import inf
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import orjson

from sse_server.wire.encoder import own_event
from sse_server.wire.flow import CloseReason

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from sse_server.auth.grant import Grant
    from sse_server.auth.leases import Lease, Leases
    from sse_server.http.rights import OpenStream
    from sse_server.wire.flow import Framing, Sent, Sink

ENDED_PER_SECOND = 1_000
"""Streams whose grants have ended. About 20 ms of work."""
_PROBE_SECONDS = 2.0  # a network that is slow acknowledges in less
_COMMENT = b":\n\n"

EXPIRED_DATA = orjson.dumps({"message": "the grant has ended; open the stream with a new token"})
REVOKED_DATA = orjson.dumps({"message": "the grant was taken back"})


@runtime_checkable
class Acknowledged(Protocol):
    """A sink that may know what its client has acknowledged."""

    @property
    def acknowledged(self) -> tuple[int, int] | None:
        """Bytes that were acknowledged, ever, and those that wait for it; None: nobody knows."""
        ...


class GrantedStream:
    """An open stream, and what it was opened by. The `Source` of its connection."""

    __slots__ = ("_framing", "_probe", "_streams", "grant", "lease", "sink",
                 "stream")  # fmt: skip

    def __init__(
        self,
        stream: OpenStream,
        sink: Sink,
        framing: Framing,
        grant: Grant,
        streams: OpenStreams,
    ) -> None:
        """`stream` is the subscriber."""
        self.stream = stream
        self._framing = framing
        self._streams: OpenStreams | None = streams  # None: it is gone
        self._probe: tuple[float, int] | None = None  # when, and what was acknowledged by then
        self.sink = sink
        self.grant = grant
        self.lease: Lease | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is not over."""
        return self._streams is not None

    @property
    def opened_at(self) -> float:
        """Source: as it says."""
        return self.stream.opened_at

    @property
    def delivered(self) -> Sent:
        """Source: as it says."""
        return self.stream.delivered

    @property
    def followed(self) -> list[str]:
        """Source: as it says."""
        return self.stream.followed

    def pause(self) -> None:
        """Source: the connection's news."""
        self.stream.pause()

    def resume(self) -> None:
        """Source: the connection's news."""
        self.stream.resume()

    def finish(self, farewell: bytes) -> None:
        """Source: the server's farewell."""
        self.stream.finish(farewell)

    def gone(self, reason: CloseReason) -> None:
        """Source: it is over. Idempotent."""
        self.stream.gone(reason)
        streams, self._streams = self._streams, None
        if streams is not None:
            streams.forget(self)

    def end(self, reason: CloseReason, retry_ms: int | None = None) -> None:
        """End it, telling why."""
        data = REVOKED_DATA if reason is CloseReason.REVOKED else EXPIRED_DATA
        block = own_event(b"token-expired", data, None, retry_ms)
        self.stream.close(reason, self._framing([block]))

    def is_alive(self, now: float) -> bool:
        """Whether its client still acknowledges what it is sent; if need be it is sent something.

        True until it is known to be false, which takes two calls, some seconds apart.
        """
        known = self.sink.acknowledged if isinstance(self.sink, Acknowledged) else None
        if known is None:
            return True
        ever, waiting = known
        if self._probe is not None and waiting:
            since, before = self._probe
            if ever == before:
                return now - since < _PROBE_SECONDS
        if not waiting:
            self.sink.write(self._framing([_COMMENT]))
        self._probe = (now, ever)
        return True

    def replace(self) -> None:
        """Its client is here again, and not at the other end of this."""
        self.sink.abort(CloseReason.REPLACED)


class OpenStreams:
    """All of them."""

    def __init__(
        self, leases: Leases, newest: Callable[[], int], clock: Callable[[], float]
    ) -> None:
        """`newest` is the newest offset of the log; `clock` gives seconds since 1970."""
        self._leases = leases
        self._newest = newest
        self._clock = clock
        self._by_subject: defaultdict[str, dict[GrantedStream, None]] = defaultdict(dict)
        self._by_token: defaultdict[str, dict[GrantedStream, None]] = defaultdict(dict)
        self._ends: list[tuple[float, int, GrantedStream]] = []  # a heap; some are gone, or renewed
        self._numbers = count()
        self.tenants: Counter[str] = Counter()
        """How many are open of each tenant."""
        self.all: dict[OpenStream, GrantedStream] = {}
        """By the subscriber."""

    def add(
        self, stream: OpenStream, sink: Sink, framing: Framing, grant: Grant, lease: Lease | None
    ) -> GrantedStream:
        """One has been opened."""
        granted = GrantedStream(stream, sink, framing, grant, self)
        self.all[stream] = granted
        self._index(granted)
        if lease is not None:
            granted.lease = lease
            self._leases.open(lease, granted, stream.place)
        return granted

    def forget(self, granted: GrantedStream) -> None:
        """One is over."""
        self.all.pop(granted.stream, None)
        self._unindex(granted)
        if granted.lease is not None:
            self._leases.leave(granted.lease, self._clock(), self._newest())
        self._clear_ends()

    def renew(self, granted: GrantedStream, grant: Grant) -> None:
        """It goes on by another grant."""
        self._unindex(granted)
        granted.grant = grant
        self._index(granted)
        self._clear_ends()
        if granted.lease is not None:
            granted.lease.grant = grant

    def tick(self) -> None:
        """Once a second: end those whose grants have ended."""
        now = self._clock()
        self._leases.sweep(now)
        ended = 0
        while self._ends and self._ends[0][0] <= now and ended < ENDED_PER_SECOND:
            ends_at, _, granted = heapq.heappop(self._ends)
            if granted.is_open and granted.grant.ends_at == ends_at:
                self._end(granted, CloseReason.EXPIRED, 1_000 + 100 * (ended % 30))
                ended += 1

    def revoke(self, streams: Iterable[GrantedStream]) -> int:
        """End these at once; returns how many."""
        ended = list(streams)
        for granted in ended:
            self._end(granted, CloseReason.REVOKED)
        return len(ended)

    def of_keys(self, names: Collection[str]) -> list[GrantedStream]:
        """Those that API keys of these names have opened. Looks at all that there are."""
        return [granted for granted in self.all.values() if granted.grant.key in names]

    def of(self, token_id: str | None, subject: str | None) -> list[GrantedStream]:
        """Those of one `jti`, and those of one `sub`."""
        found = dict(self._by_token.get(token_id or "", {}))
        found.update(self._by_subject.get(subject or "", {}))
        return list(found)

    def _clear_ends(self) -> None:
        """Forget ends of what is gone, or was renewed, before they are more than what is open."""
        if len(self._ends) > 2 * len(self.all) + 64:
            self._ends = [
                (granted.grant.ends_at, next(self._numbers), granted)
                for granted in self.all.values()
                if granted.grant.ends_at < inf
            ]
            heapq.heapify(self._ends)

    def _end(
        self, granted: GrantedStream, reason: CloseReason, retry_ms: int | None = None
    ) -> None:
        lease, granted.lease = granted.lease, None
        if lease is not None:
            self._leases.end(lease)
        granted.end(reason, retry_ms)

    def _index(self, granted: GrantedStream) -> None:
        grant = granted.grant
        if grant.subject is not None:
            self._by_subject[grant.subject][granted] = None
        for token_id in grant.token_ids:
            self._by_token[token_id][granted] = None
        if grant.tenant is not None:
            self.tenants[grant.tenant] += 1
        if grant.ends_at < inf:
            heapq.heappush(self._ends, (grant.ends_at, next(self._numbers), granted))

    def _unindex(self, granted: GrantedStream) -> None:
        grant = granted.grant
        if grant.tenant is not None:
            self.tenants[grant.tenant] -= 1
            if not self.tenants[grant.tenant]:
                del self.tenants[grant.tenant]
        names = [(self._by_token, token_id) for token_id in grant.token_ids]
        if grant.subject is not None:
            names.append((self._by_subject, grant.subject))
        for index, name in names:
            if name in index:
                index[name].pop(granted, None)
                if not index[name]:
                    del index[name]
