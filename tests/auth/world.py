"""A guard and its door, with time as a variable and nothing real but what decides."""

from collections.abc import Awaitable, Sequence

import pytest

from sse_server.auth.door import Door, Log
from sse_server.auth.grant import Grant
from sse_server.auth.guard import Guard
from sse_server.auth.key_ring import KeySet
from sse_server.auth.lease_cookie import LeaseCookies
from sse_server.auth.leases import Leases
from sse_server.auth.memory import Revocations, UsedTokens
from sse_server.auth.minting import Mint
from sse_server.auth.open_streams import GrantedStream, OpenStreams
from sse_server.auth.options import AuthOptions, Resume
from sse_server.errors import Unauthorized
from sse_server.http.chunked import plain
from sse_server.http.request import Request
from sse_server.http.rights import Admission
from sse_server.wire.flow import NOTHING, Client, CloseReason, Sent
from tests.auth.makers import HS256, token

START = 1_800_000_000.0
BROWSER = ((b"user-agent", b"Chromium"), (b"accept", b"text/event-stream"))
SECRET = b"s" * 32


class FakeSink:
    """A connection whose client acknowledges what it is sent, until it is cut off."""

    bundler = None

    def __init__(self) -> None:
        self.sent = b""
        self.unsent = 0
        self.is_reached = True
        self.aborted: CloseReason | None = None
        self.source: GrantedStream | None = None
        self._acknowledged = 0

    def write(self, data: bytes) -> None:
        self.sent += data
        if self.is_reached:
            self._acknowledged = len(self.sent)

    def end(self, reason: CloseReason, last: bytes = b"") -> None:
        self.write(last)
        assert self.source is not None
        self.source.gone(reason)

    def abort(self, reason: CloseReason) -> None:
        self.aborted = reason
        assert self.source is not None
        self.source.gone(reason)

    @property
    def client(self) -> Client:
        return Client(None, None)

    @property
    def acknowledged(self) -> tuple[int, int]:
        return self._acknowledged, len(self.sent) - self._acknowledged


class FakeSubscriber:
    """A stream that is nothing but open."""

    delivered: Sent = NOTHING
    opened_at = 0.0
    followed: list[str]

    def __init__(self, sink: FakeSink, place: int) -> None:
        self.sink = sink
        self.place = place
        self.followed = []
        self.reason: CloseReason | None = None

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def finish(self, farewell: bytes) -> None: ...

    def gone(self, reason: CloseReason) -> None:
        self.reason = self.reason or reason

    def close(self, reason: CloseReason, last: bytes = b"") -> None:
        if self.reason is None:
            self.reason = reason
            self.sink.end(reason, last)


class Silent:
    """Asks nobody."""

    async def keys(self, wanted: Sequence[KeySet]) -> None: ...

    async def session(self, request: Request) -> Grant:
        raise Unauthorized("no session")


class Opened:
    """A stream of a client, and what it keeps."""

    def __init__(self, sink: FakeSink, stream: GrantedStream, cookie: bytes | None) -> None:
        self.sink = sink
        self.stream = stream
        self.cookie = cookie

    def cut(self) -> None:
        """Its connection is gone."""
        self.stream.gone(CloseReason.LOST)


class World:
    """One run of a server; `restarted` is the next."""

    def __init__(self, options: AuthOptions | None = None, now: float = START) -> None:
        self.options = options or AuthOptions(keys=(HS256,), leeway_seconds=0)
        self.now = now
        self.newest = 0
        self.leases = Leases(self.options.max_leases, self.options.resume_window_seconds)
        self.used = UsedTokens(self.options.max_used)
        self.revocations = Revocations(self.options.max_revoked, self.options.revoked_seconds)
        self.streams = OpenStreams(self.leases, lambda: self.newest, lambda: self.now)
        self.mint = Mint(SECRET, self.options.audience)
        door = Door(
            self.options,
            leases=self.leases,
            used=self.used,
            cookies=LeaseCookies(SECRET),
            streams=self.streams,
            log=Log(newest=lambda: self.newest, offset=int),
            started_at=now,
        )
        self.guard = Guard(
            self.options,
            door=door,
            revocations=self.revocations,
            own_keys=(self.mint.key,),
            asking=Silent(),
            origins=(),
            clock=lambda: self.now,
        )

    def restarted(self, after: float = 1.0) -> "World":
        """The next run, whose log begins anew."""
        return World(self.options, self.now + after)

    def admit(
        self,
        token: str,
        *,
        channels: Sequence[str] = ("a",),
        cookie: bytes | None = None,
        last_id: int | None = None,
        headers: tuple[tuple[bytes, bytes], ...] = BROWSER,
    ) -> Admission:
        """Ask for a stream as EventSource does.

        Raises:
            Unauthorized, NotGranted, Unavailable: it is not opened.
        """
        if cookie is not None:
            headers = (*headers, (b"cookie", b"other=1; " + cookie))
        if last_id is not None:
            headers = (*headers, (b"last-event-id", b"%d" % last_id))
        request = Request(b"GET", b"/events/a", b"token=" + token.encode(), headers)
        checked = self.guard.check(request)
        assert not isinstance(checked, Awaitable)
        assert checked.rights is not None
        return checked.rights.admit(checked, channels)

    def open(
        self,
        token: str,
        *,
        cookie: bytes | None = None,
        last_id: int | None = None,
        headers: tuple[tuple[bytes, bytes], ...] = BROWSER,
    ) -> Opened:
        """As `admit`, and it is opened."""
        admission = self.admit(token, cookie=cookie, last_id=last_id, headers=headers)
        fields = dict(admission.headers)
        set_cookie = fields.get(b"set-cookie")
        sink = FakeSink()
        place = self.newest if last_id is None else last_id
        source = admission.opened(FakeSubscriber(sink, place), sink, plain)
        assert isinstance(source, GrantedStream)
        sink.source = source
        kept = cookie if set_cookie is None else set_cookie.partition(b";")[0]
        return Opened(sink, source, kept)


BY_LEASE = AuthOptions(keys=(HS256,), leeway_seconds=0, resume=Resume.LEASE)
MODES = pytest.mark.parametrize("resume", list(Resume))


def once(now: float = START, seconds: float = 5, **more: object) -> str:
    return token(now, seconds, subscribe=["a"], jti="once", **more)  # type: ignore[arg-type]


def many(now: float = START, seconds: float = 5) -> str:
    """A token that is not for one stream alone."""
    return token(now, seconds, subscribe=["a"])


def refused(world: World, text: str, **how: object) -> None:
    with pytest.raises(Unauthorized):
        world.admit(text, **how)  # type: ignore[arg-type]
