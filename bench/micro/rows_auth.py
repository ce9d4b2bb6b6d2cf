"""Rows of sse_server.auth: what it takes to know who asks, and to let a stream in."""

import time
from collections.abc import Awaitable, Callable, Sequence

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bench.micro.timer import row
from sse_server.auth.api_keys import new_api_key
from sse_server.auth.door import Door, Log
from sse_server.auth.grant import Grant
from sse_server.auth.guard import Guard
from sse_server.auth.key_ring import KeySet
from sse_server.auth.lease_cookie import LeaseCookies
from sse_server.auth.leases import Leases
from sse_server.auth.memory import Revocations, UsedTokens
from sse_server.auth.open_streams import OpenStreams
from sse_server.auth.options import AuthOptions
from sse_server.errors import Unauthorized
from sse_server.http.request import Request

_SECRET = "a secret that is long enough for HS256 and its like"
_FIELDS = ((b"host", b"localhost"), (b"user-agent", b"bench"), (b"accept", b"text/event-stream"))


class _Nobody:
    """Is not asked."""

    async def keys(self, wanted: Sequence[KeySet]) -> None: ...

    async def session(self, request: Request) -> Grant:
        raise Unauthorized("nobody is asked")


def _guard(options: AuthOptions) -> Guard:
    leases = Leases(options.max_leases, options.resume_window_seconds)
    streams = OpenStreams(leases, lambda: 0, time.time)
    door = Door(
        options,
        leases=leases,
        used=UsedTokens(options.max_used),
        cookies=LeaseCookies(b"s" * 32),
        streams=streams,
        log=Log(newest=lambda: 0, offset=lambda _position: None),
        started_at=0.0,
    )
    return Guard(
        options,
        door=door,
        revocations=Revocations(100, 100),
        own_keys=(),
        asking=_Nobody(),
        origins=(),
        clock=time.time,
    )


def _token(key: object, algorithm: str, **more: object) -> bytes:
    now = int(time.time())
    channels = {"subscribe": ["news:*", "room:7"], "publish": []}
    claims = {"aud": "sse", "sub": "7", "iat": now, "exp": now + 100, "channels": channels, **more}
    return jwt.encode(claims, key, algorithm).encode()  # type: ignore[arg-type]


def _checking(options: AuthOptions, credential: bytes) -> Callable[[], object]:
    guard = _guard(options)
    request = Request(
        b"GET", b"/events/room:7", b"", (*_FIELDS, (b"authorization", b"Bearer " + credential))
    )
    return lambda: guard.check(request)


@row("know who asks by a token of HS256", target=10)
def by_secret() -> Callable[[], object]:
    options = AuthOptions(keys=(f"HS256 text:{_SECRET}",))
    return _checking(options, _token(_SECRET, "HS256"))


@row("know who asks by a token of ES256", target=45)
def by_public_key() -> Callable[[], object]:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return _checking(AuthOptions(keys=(f"ES256 pem:{pem.decode()}",)), _token(key, "ES256"))


@row("know who asks by an API key", target=1.5)
def by_api_key() -> Callable[[], object]:
    key, entry = new_api_key("bench", ["publish=*"])
    return _checking(AuthOptions(api_keys=(entry,)), key.encode())


@row("let in a stream by a token in the address", target=20)
def by_address() -> Callable[[], object]:
    guard = _guard(AuthOptions(keys=(f"HS256 text:{_SECRET}",), max_leases=1_000))
    query = b"token=" + _token(_SECRET, "HS256")
    request = Request(b"GET", b"/events/room:7", query, _FIELDS)

    def let_in() -> None:
        checked = guard.check(request)
        assert not isinstance(checked, Awaitable)
        assert checked.rights is not None
        checked.rights.admit(checked, ("room:7",))

    return let_in
