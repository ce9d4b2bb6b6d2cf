"""The guard: finds out who asks, for every request, where that has to be said.

It answers at once where it can. Where somebody else has to be asked first, for keys or about a
session, it answers later; asking is done by whoever was given to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sse_server.auth.anonymous import OPEN_PATHS, is_foreign
from sse_server.auth.api_keys import ApiKeys, is_api_key
from sse_server.auth.credentials import Way, credential
from sse_server.auth.key_ring import KeyRing
from sse_server.auth.key_source import KeySource
from sse_server.auth.tokens import Expected, Token, is_signed_by, take_apart, token_of
from sse_server.errors import Forbidden, Unauthorized, Unavailable, quoted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Hashable, Sequence

    from sse_server.auth.credentials import Credential
    from sse_server.auth.door import Door
    from sse_server.auth.grant import Grant
    from sse_server.auth.key_ring import KeySet
    from sse_server.auth.keys import Key
    from sse_server.auth.memory import Revocations
    from sse_server.auth.options import AuthOptions
    from sse_server.auth.tokens import Parts
    from sse_server.http.request import Request
    from sse_server.http.rights import Admission

_FOR_ANYBODY = OPEN_PATHS | {b"/", b"/client.js"}  # the last two are the same for all
_STREAMS = b"/events"
_SAFE_METHODS = frozenset((b"GET", b"HEAD"))


class Asking(Protocol):
    """Whoever asks others, over the network."""

    def keys(self, wanted: Sequence[KeySet]) -> Awaitable[None]:
        """Fetch these sets of keys. Does not raise: they may be as old afterwards."""
        ...

    def session(self, request: Request) -> Awaitable[Grant]:
        """What the application says of the session of `request`.

        Raises:
            RequestError: that it is none, or nothing.
        """
        ...


class Access:
    """The rights of one request."""

    __slots__ = ("_door", "_now", "grant", "token")

    def __init__(self, grant: Grant, door: Door, now: float, token: Token | None = None) -> None:
        """`token`: it came in the address, and opens streams as such do."""
        self.grant = grant
        self.token = token
        self._door = door
        self._now = now

    @property
    def may_operate(self) -> bool:
        """Whether it may see and end what is others'."""
        return self.grant.may_operate

    @property
    def holder(self) -> Hashable:
        """Who it is: the user, or where there is none the token or the key."""
        grant = self.grant
        if grant.subject is not None:
            return "user", grant.subject
        return ("token", grant.token_id) if grant.key is None else ("key", grant.key)

    def may_subscribe(self, channel: str) -> bool:
        """Whether it may follow `channel`."""
        return self.grant.may_subscribe(channel)

    def may_publish(self, channel: str) -> bool:
        """Whether it may publish to `channel`."""
        return self.token is None and self.grant.may_publish(channel)

    def admit(self, request: Request, channels: Sequence[str]) -> Admission:
        """Let it open a stream; see `Door`."""
        if self.token is None:
            return self._door.let_in(self.grant)
        return self._door.let_in_by_token(request, self.token, channels, self._now)


class Guard:
    """Looks at every request."""

    def __init__(  # noqa: PLR0913 (one of each)
        self,
        options: AuthOptions,
        *,
        door: Door,
        revocations: Revocations,
        own_keys: Sequence[Key],
        asking: Asking,
        origins: Collection[str],
        clock: Callable[[], float],
        foreign: Callable[[bytes], None] = lambda _origin: None,
    ) -> None:
        """`own_keys`: of the tokens that we make. `clock` gives seconds since 1970.

        Pages of `origins` may send cookies; `foreign` is told of others.
        """
        self._options = options
        self._door = door
        self._revocations = revocations
        self._own_keys = own_keys
        self._asking = asking
        self._origins = frozenset(origin.encode() for origin in origins)
        self._clock = clock
        self._foreign = foreign
        self._cookie = None if options.cookie is None else options.cookie.encode()
        self.api_keys = ApiKeys(options.api_keys)
        self._expected = Expected(
            audience=options.audience, issuer=options.issuer, leeway=options.leeway_seconds
        )
        self.ring = KeyRing(KeySource.parse(text) for text in options.keys)

    def check(self, request: Request) -> Request | Awaitable[Request]:
        """The request, with the rights of its sender.

        Raises:
            Unauthorized: nobody knows who that is.
            Forbidden: another page than those that may has sent somebody's cookie.
        """
        if request.path in _FOR_ANYBODY or request.method == b"OPTIONS":
            return request
        found = self._credential(request)
        if found is not None and is_api_key(found.text) and found.way is Way.HEADER:
            grant = self.api_keys.grant(found.text)
            if grant is None:
                raise Unauthorized("there is no such key")
            return request.with_rights(Access(grant, self._door, self._clock()))
        if found is not None and self._is_for_us(found):
            if found.way is Way.COOKIE:
                self._check_origin(request)
            return self._by_token(request, found)
        if self._options.forward.url is not None and _has_session(request):
            # Browsers send Basic authorization by themselves, as they do cookies.
            self._check_origin(request)
            return self._by_session(request)
        raise Unauthorized(
            "say who you are: Authorization: Bearer, or a token in the query",
            presented=found is not None,
        )

    def _credential(self, request: Request) -> Credential | None:
        """What it brings for us."""
        try:
            return credential(request, self._cookie)
        except Unauthorized:
            if self._options.forward.url is None:
                raise
            return None  # the application may know what to make of it

    def _is_for_us(self, found: Credential) -> bool:
        """Whether it is a token that we verify; without keys of others only our own are."""
        if self.ring or found.way is Way.QUERY:
            return bool(self.ring or self._own_keys)
        try:
            parts = take_apart(found.text)
        except Unauthorized:
            return False
        return is_signed_by(parts, self._own_keys)

    def _by_token(self, request: Request, found: Credential) -> Request | Awaitable[Request]:
        parts = take_apart(found.text)
        now = self._clock()
        token = self._verified(parts)
        if token is None:
            is_known = self.ring.knows(parts.kid) and not self.ring.is_missing(parts.algorithm)
            wanted = [] if is_known else self.ring.to_ask(parts.algorithm, now)
            if not wanted:
                raise self._not_signed(parts)
            return self._by_token_later(request, found, parts, wanted)
        return self._with_token(request, found, token, now)

    async def _by_token_later(
        self, request: Request, found: Credential, parts: Parts, wanted: Sequence[KeySet]
    ) -> Request:
        """As above, with keys that have to be fetched."""
        await self._asking.keys(wanted)
        token = self._verified(parts)
        if token is None:
            raise self._not_signed(parts)
        return self._with_token(request, found, token, self._clock())

    def _not_signed(self, parts: Parts) -> Unauthorized | Unavailable:
        """No key that is known has signed a token. Perhaps it is one that is not known yet."""
        if self.ring.is_missing(parts.algorithm):
            return Unavailable("the keys for this token are not there yet", retry_after_seconds=5)
        return Unauthorized("no key of this server has signed the token")

    def _verified(self, parts: Parts) -> Token | None:
        """The token, if a key that we know has signed it."""
        own = [key for key in self._own_keys if parts.kid == key.kid]
        if is_signed_by(parts, own):
            return token_of(parts, self._expected, own=True)
        if is_signed_by(parts, self.ring.find(parts.algorithm, parts.kid)):
            return token_of(parts, self._expected)
        return None

    def _with_token(self, request: Request, found: Credential, token: Token, now: float) -> Request:
        token.check_begun(now)
        if self._revocations.has(token.grant):
            raise Unauthorized("the token was revoked")
        if found.way is Way.QUERY:
            self._check_for_address(token)
            self._door.seen_in_address(token, now)
            is_stream = _is_stream(request)
            if token.has_expired(now) and not (is_stream and request.method == b"GET"):
                raise _expired()
            if token.single_id is not None and not is_stream:
                raise Unauthorized("the token opens a stream, and nothing else")
            return request.with_rights(Access(token.grant, self._door, now, token))
        if token.grant.ends_at <= now:
            raise _expired()
        if self._door.is_known_to_others(token):
            raise Unauthorized("the token has been in an address, and holds nowhere else: get one")
        return request.with_rights(Access(token.grant, self._door, now))

    def _check_for_address(self, token: Token) -> None:
        """What is written into logs has to be of little use to who reads them."""
        issued_at, most = token.grant.issued_at, self._options.query_seconds
        if issued_at is None:
            raise Unauthorized("a token in the query has to say when it was issued (iat)")
        if token.expires_at - issued_at > most:
            raise Unauthorized(f"a token in the query may live {most:g} s at most, from iat to exp")
        if token.single_id is None and self._options.query_needs_id:
            raise Unauthorized("a token in the query has to be for one stream: give it a jti")

    async def _by_session(self, request: Request) -> Request:
        grant = await self._asking.session(request)
        return request.with_rights(Access(grant, self._door, self._clock()))

    def _check_origin(self, request: Request) -> None:
        """Browsers send cookies whatever page asks: only those that may are answered.

        Raises:
            Forbidden: another's, or none is named where something is to be changed.
        """
        origin = request.header(b"origin")
        if origin is None:
            if request.method in _SAFE_METHODS or request.header(b"authorization") is not None:
                return
            raise Forbidden(
                "a request with a cookie has to say by Origin which page it comes from; programs "
                "send Authorization instead"
            )
        host = request.header(b"host") or b""
        if origin in self._origins or not is_foreign(origin, host):
            return
        self._foreign(origin)
        raise Forbidden(
            f"the request comes from a page of {quoted(origin.decode('latin-1'))}, which is not in "
            "cors.origins"
        )


def _has_session(request: Request) -> bool:
    return any(name in {b"cookie", b"authorization"} for name, _ in request.headers)


def _is_stream(request: Request) -> bool:
    path = request.path
    return path == _STREAMS or path.startswith(_STREAMS + b"/")


def _expired() -> Unauthorized:
    return Unauthorized("the token has expired: get a new one")
