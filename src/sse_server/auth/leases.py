"""Leases: what lets a client come back with a token that has expired or was used.

A query token opens a lease with each stream. The stream is cut, the client comes back, and the
lease is taken up again by whoever shows that it is the same client:

- by the cookie that was set at the opening (`auth.lease_cookie`), or, where that is allowed,
- by a `Last-Event-ID` between where the stream began and where the log was when it ended, and the
  same Origin and User-Agent.

A lease is *open* while its stream is, and *left* from then on. While it is open nobody takes it up:
who comes back is told to wait. Left, it ends after a time, and in any case when its grant does.

What is remembered is bounded. When there are too many, those that were left first end first; while
all are open, new streams get none: they cannot come back.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from typing import TYPE_CHECKING

from sse_server.auth.tokens import digest

if TYPE_CHECKING:
    from collections.abc import Callable

    from sse_server.auth.grant import Grant
    from sse_server.auth.open_streams import GrantedStream
    from sse_server.http.request import Request


class Lease:
    """One stream of one token, that was opened and may come back."""

    __slots__ = ("client", "first", "grant", "holder", "last", "left_at", "stream", "token")

    def __init__(self, token: bytes, holder: bytes, client: bytes, grant: Grant) -> None:
        """`token` by its digest; `holder` by its cookie; `client` by its header fields."""
        self.token = token
        self.holder = holder
        self.client = client
        self.grant = grant
        self.first: int | None = None  # offsets
        self.last = 0
        self.stream: GrantedStream | None = None
        self.left_at: float | None = None


class Leases:
    """All of them."""

    __slots__ = ("_by_holder", "_by_token", "_left", "_most", "_window", "size")

    def __init__(self, most: int, window_seconds: float) -> None:
        """At most `most`; a lease that is left ends after `window_seconds`."""
        self._most = most
        self._window = window_seconds
        self._by_token: defaultdict[bytes, dict[Lease, None]] = defaultdict(dict)
        # A token may be in many hands; what has to be looked at is what one holder has.
        self._by_holder: defaultdict[bytes, dict[Lease, None]] = defaultdict(dict)
        self._left: OrderedDict[Lease, None] = OrderedDict()  # in the order of leaving
        self.size = 0

    def reload(self, most: int, window_seconds: float) -> None:
        """Other bounds, from now on."""
        self._most = most
        self._window = window_seconds

    def of(self, token: bytes) -> list[Lease]:
        """Those of one token."""
        return list(self._by_token.get(token, ()))

    def of_holder(self, token: bytes, holder: bytes) -> list[Lease]:
        """Those of one token that one holder's cookie is for."""
        return [lease for lease in self._by_holder.get(holder, ()) if lease.token == token]

    def add(self, lease: Lease, now: float) -> bool:
        """A new one, left now until its stream is opened; false: there is no room for it."""
        self.sweep(now)
        if self.size >= self._most:
            if not self._left:
                return False
            self.end(next(iter(self._left)))
        self._by_token[lease.token][lease] = None
        self._by_holder[lease.holder][lease] = None
        self.size += 1
        self.leave(lease, now)
        return True

    def open(self, lease: Lease, stream: GrantedStream, first: int) -> None:
        """Its stream is open."""
        lease.stream = stream
        lease.left_at = None
        if lease.first is None:
            lease.first = first
        self._left.pop(lease, None)

    def leave(self, lease: Lease, now: float, last: int = 0) -> None:
        """Its stream has ended, or was never there; the log was at `last`."""
        if lease in self._by_token.get(lease.token, ()):
            lease.stream = None
            lease.left_at = now
            lease.last = max(lease.last, last)
            self._left[lease] = None
            self._left.move_to_end(lease)

    def end(self, lease: Lease) -> None:
        """Nobody comes back by it."""
        self._left.pop(lease, None)
        if lease not in self._by_token.get(lease.token, ()):
            return
        self.size -= 1
        for index, name in ((self._by_token, lease.token), (self._by_holder, lease.holder)):
            del index[name][lease]
            if not index[name]:
                del index[name]

    def revoke(self, grant_is_revoked: Callable[[Grant], bool]) -> None:
        """End those that were left and whose grants were taken back."""
        for lease in [lease for lease in self._left if grant_is_revoked(lease.grant)]:
            self.end(lease)

    def sweep(self, now: float) -> None:
        """End those that were left too long ago."""
        while self._left:
            lease = next(iter(self._left))
            assert lease.left_at is not None
            if lease.left_at + self._window > now:
                return
            self.end(lease)


def client_of(request: Request) -> bytes:
    """Who asks, as far as header fields tell: Origin and User-Agent."""
    origin = request.header(b"origin") or b""
    return digest(b"%b\0%b" % (origin, request.header(b"user-agent") or b""))


def by_position(lease: Lease, client: bytes, offset: int, newest: Callable[[], int]) -> bool:
    """Whether who comes with `offset` as its Last-Event-ID had the stream of `lease`."""
    if lease.first is None or lease.client != client:
        return False
    last = lease.last if lease.stream is None else newest()
    return lease.first <= offset <= last
