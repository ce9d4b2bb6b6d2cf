"""The door: lets streams in, for the first time and again.

A grant of its own (a header, a cookie, a key, a session) opens streams for as long as it lasts. A
token in an address opens one where it is fresh, and lets its client come back where it is not: see
`auth.leases`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from math import inf
from typing import TYPE_CHECKING

from sse_server.auth.leases import Lease, by_position, client_of
from sse_server.auth.options import Resume
from sse_server.errors import NotGranted, Unauthorized, Unavailable, quoted
from sse_server.http.rights import Admission

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sse_server.auth.grant import Grant
    from sse_server.auth.lease_cookie import Holder, LeaseCookies
    from sse_server.auth.leases import Leases
    from sse_server.auth.memory import UsedTokens
    from sse_server.auth.open_streams import GrantedStream, OpenStreams
    from sse_server.auth.options import AuthOptions
    from sse_server.auth.tokens import Token
    from sse_server.http.request import Headers, Request
    from sse_server.http.rights import OpenStream
    from sse_server.wire.flow import Framing, Sink


class StillOpen(Unavailable):
    """Somebody comes back to a stream that is open: both cannot have it."""

    def __init__(self) -> None:
        """The same for all."""
        super().__init__(
            "the stream of this token is still open: come back when it is closed",
            retry_after_seconds=2,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """What is known of the log that streams are read from."""

    newest: Callable[[], int]
    offset: Callable[[bytes], int | None]
    """Where a position stands in it; None: nowhere."""


class Door:
    """Lets streams in."""

    def __init__(  # noqa: PLR0913 (one of each)
        self,
        options: AuthOptions,
        *,
        leases: Leases,
        used: UsedTokens,
        cookies: LeaseCookies,
        streams: OpenStreams,
        log: Log,
        started_at: float,
    ) -> None:
        """`started_at`: what happened before is known by cookies alone."""
        self._options = options
        self._leases = leases
        self._used = used
        self._cookies = cookies
        self._streams = streams
        self._log = log
        self._started_at = started_at

    def let_in(self, grant: Grant) -> Admission:
        """A stream of who has shown a grant that needs no lease."""
        return Admission(partial(self._opened, grant, None))

    def seen_in_address(self, token: Token, now: float) -> None:
        """A token has come in an address: whoever reads a log has it, too.

        Raises:
            Unavailable: too many have.
        """
        if not token.has_expired(now):
            self._used.use(token.digest, token.expires_at + token.leeway, now)

    def is_known_to_others(self, token: Token) -> bool:
        """Whether a token has been in an address, as far as is known, or has opened its stream."""
        if token.own and (token.grant.issued_at or 0.0) < int(self._started_at):
            return True
        used = self._used
        return used.has(token.digest) or (token.single_id is not None and used.has(token.single_id))

    def let_in_by_token(
        self, request: Request, token: Token, channels: Sequence[str], now: float
    ) -> Admission:
        """A stream of who has a token in the address.

        Raises:
            Unauthorized: it opens none, and the client has not shown that it had one.
            NotGranted: not on `channels`.
            StillOpen: not while it has one.
            Unavailable: too many are opened now.
        """
        self._leases.sweep(now)
        holders = self._cookies.read(request, token.digest)
        leases = self._leases_for(request, token, holders)
        lease = next((lease for lease in leases if lease.stream is None), None)
        if lease is not None:
            return self._come_back(lease, channels, now)
        before = next((one for one in holders if self._was_before(one, leases, now)), None)
        if before is not None:
            lease = self._lease(request, token, before)
            lease.grant = replace(lease.grant, ends_at=before.ends_at)
            return self._come_in(lease, channels, now)
        if self._is_fresh(token, now):
            holder = holders[0] if holders else None
            return self._open_first(request, token, holder, channels, now)
        if leases:
            return self._take_over(leases, channels, now)
        raise Unauthorized(
            "the token has expired or was used, and nothing shows that its stream was yours: get a "
            "new one"
        )

    def renew(self, granted: GrantedStream, request: Request, grant: Grant, now: float) -> Headers:
        """Let an open stream go on by `grant`, that of `request`; what is to be sent with that.

        Raises:
            Unauthorized: it has ended, too.
        """
        lease = granted.lease
        if lease is not None:
            grant = replace(grant, ends_at=min(grant.ends_at, now + self._options.grant_seconds))
        self._check(grant, (), now)
        fields: Headers = ()
        # After a restart it is what the token says that counts: no more than is granted now.
        if lease is not None and grant.includes(lease.grant):
            for holder in self._cookies.read(request, lease.token):
                if holder.name == lease.holder:
                    owner = self._cookies.renewed(holder, grant.ends_at)
                    field = self._cookies.field(request, lease.token, owner, now)
                    fields = ((b"set-cookie", field),)
        self._streams.renew(granted, grant)
        return fields

    def _leases_for(self, request: Request, token: Token, holders: list[Holder]) -> list[Lease]:
        """Those that the client has shown to be its own."""
        if holders:
            of_holder = self._leases.of_holder
            names = dict.fromkeys(holder.name for holder in holders)
            return [lease for name in names for lease in of_holder(token.digest, name)]
        position = request.header(b"last-event-id")
        if not position or self._options.resume is not Resume.LEASE:
            return []
        offset = self._log.offset(position)
        if offset is None:
            return []
        client, newest = client_of(request), self._log.newest
        known = self._leases.of(token.digest)
        return [lease for lease in known if by_position(lease, client, offset, newest)]

    def _is_fresh(self, token: Token, now: float) -> bool:
        """Whether it opens a stream by itself. Of what was used before the start nobody knows."""
        if token.has_expired(now):
            return False
        if token.single_id is None:
            return True
        issued_at = token.grant.issued_at or 0.0
        return issued_at >= int(self._started_at) and not self._used.has(token.single_id)

    def _was_before(self, holder: Holder, leases: list[Lease], now: float) -> bool:
        """Whether the holder, who may have `leases`, had one more before the server's start."""
        return (
            holder.since < self._started_at
            and now < self._started_at + self._options.resume_window_seconds
            and sum(lease.holder == holder.name for lease in leases) < holder.streams
        )

    def _open_first(
        self,
        request: Request,
        token: Token,
        holder: Holder | None,
        channels: Sequence[str],
        now: float,
    ) -> Admission:
        ends_at = self._ends_at(token)
        cookies = self._cookies
        owner = cookies.new(now, ends_at) if holder is None else cookies.another(holder, ends_at)
        lease = self._lease(request, token, owner)
        self._check(lease.grant, channels, now)
        if token.single_id is not None:
            self._used.use(token.single_id, token.expires_at + token.leeway, now)
        if not self._leases.add(lease, now):
            return self.let_in(lease.grant)
        return self._admission(lease, cookies.fields(request, token.digest, owner, now))

    def _come_in(self, lease: Lease, channels: Sequence[str], now: float) -> Admission:
        """Come back to what an earlier run has opened."""
        self._check(lease.grant, channels, now)
        return self._admission(lease) if self._leases.add(lease, now) else self.let_in(lease.grant)

    def _come_back(self, lease: Lease, channels: Sequence[str], now: float) -> Admission:
        self._check(lease.grant, channels, now)
        return self._admission(lease)

    def _take_over(self, leases: list[Lease], channels: Sequence[str], now: float) -> Admission:
        """Come back while the stream is open: only where nobody is at its other end any more.

        Raises:
            StillOpen: as far as can be told somebody is.
        """
        for lease in leases:
            stream = lease.stream
            if stream is not None and not stream.is_alive(now):
                stream.replace()
                return self._come_back(lease, channels, now)
        raise StillOpen

    def _lease(self, request: Request, token: Token, holder: Holder) -> Lease:
        grant = replace(token.grant, ends_at=self._ends_at(token))
        return Lease(token.digest, holder.name, client_of(request), grant)

    def _ends_at(self, token: Token) -> float:
        """When a stream ends that was opened by `token`."""
        issued_at = token.grant.issued_at
        assert issued_at is not None, "the guard lets no token of an address in without"
        until = inf if token.until is None else token.until
        return min(until, issued_at + self._options.grant_seconds)

    def _check(self, grant: Grant, channels: Sequence[str], now: float) -> None:
        if grant.ends_at <= now:
            raise Unauthorized("the grant of the token has ended: get a new one")
        for channel in channels:
            if not grant.may_subscribe(channel):
                raise NotGranted(f"the token does not let you follow {quoted(channel)}")

    def _admission(self, lease: Lease, headers: Headers = ()) -> Admission:
        return Admission(partial(self._opened, lease.grant, lease), headers)

    def _opened(
        self, grant: Grant, lease: Lease | None, stream: OpenStream, sink: Sink, framing: Framing
    ) -> GrantedStream:
        return self._streams.add(stream, sink, framing, grant, lease)
