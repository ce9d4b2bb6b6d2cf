"""The gate: all that decides who may listen and publish, wired together, in a running loop.

What decides is in `auth` and pure; here are the clock, the files, the questions to others and what
has to be done once a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from math import inf
from typing import TYPE_CHECKING

from sse_server.auth.api_keys import ApiKeys
from sse_server.auth.door import Door, Log
from sse_server.auth.guard import Access, Guard
from sse_server.auth.keys import InvalidKey
from sse_server.auth.lease_cookie import LeaseCookies
from sse_server.auth.leases import Leases
from sse_server.auth.memory import Revocations, UsedTokens
from sse_server.auth.minting import Mint, derived
from sse_server.auth.open_streams import OpenStreams
from sse_server.auth.state import State
from sse_server.auth.tokens import MAX_TOKEN_BYTES
from sse_server.errors import InvalidRequest, NotFound, NotGranted, Unavailable, quoted
from sse_server.outbound.files import KeyFiles, load_state, save_state

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from sse_server.auth.grant import Grant
    from sse_server.auth.key_ring import KeyRing
    from sse_server.auth.options import AuthOptions
    from sse_server.core.hub import Hub
    from sse_server.http.request import Headers, Request
    from sse_server.http.rights import OpenStream
    from sse_server.outbound.asking import HttpAsking

logger = logging.getLogger(__name__)

_FILES_SECONDS = 5  # between two looks at key files


class Gate:
    """Who may listen and publish, of one server; nothing at all while nobody has to say so."""

    def __init__(self, hub: Hub, foreign: Callable[[bytes], None], *, is_tls: bool = False) -> None:
        """`foreign` is told of the origins of pages that may not send cookies."""
        self._is_tls = is_tls
        self._hub = hub
        self._foreign = foreign
        self._keeper: _Keeper | None = None

    @property
    def guard(self) -> Guard | None:
        """Who looks at every request; None: nobody has to say who they are."""
        return None if self._keeper is None else self._keeper.guard

    @property
    def tenants(self) -> Counter[str]:
        """How many streams are open of each tenant."""
        return Counter() if self._keeper is None else self._keeper.streams.tenants

    def take(self, options: AuthOptions, origins: Collection[str]) -> None:
        """Begin with these options, or go on with them. Open streams stay as they are.

        Raises:
            ConfigurationError: a file cannot be read; then nothing has changed.
        """
        if self._keeper is not None:
            self._keeper.take(options, origins)
        elif options.is_configured:
            keeper = _Keeper(options, self._hub, self._foreign, is_tls=self._is_tls)
            keeper.take(options, origins)
            self._keeper = keeper

    def tick(self) -> None:
        """What is due once a second."""
        if self._keeper is not None:
            self._keeper.tick()

    async def close(self) -> None:
        """Ask nobody any more."""
        if self._keeper is not None:
            await self._keeper.close()

    def issue(self, grant: Grant, subscribe: list[str]) -> tuple[str, int]:
        """A token for an address, of who has `grant`, to follow `subscribe` of it; its seconds.

        Raises:
            NotFound: there are no tokens here.
            InvalidRequest: for so much there is none.
        """
        if self._keeper is None:
            raise _nobody_is_asked()
        return self._keeper.issue(grant, subscribe)

    def revoke(self, token_id: str | None, subject: str | None) -> int:
        """Let this token, or all of this user that were issued until now, hold no more.

        Returns how many streams that has ended.

        Raises:
            NotFound: there are no grants here.
            Unavailable: too many are revoked, or it will be forgotten with the process.
        """
        if self._keeper is None:
            raise _nobody_is_asked()
        return self._keeper.revoke(token_id, subject)

    def renew(self, stream: OpenStream, request: Request) -> tuple[int | None, Headers]:
        """Let an open stream go on by the grant of who sends `request`.

        Returns for how many seconds, if that ends, and what is to be sent with the answer.

        Raises:
            NotFound: there are no grants here.
            Unauthorized: that one has ended.
        """
        if self._keeper is None or not isinstance(request.rights, Access):
            raise _nobody_is_asked()
        return self._keeper.renew(stream, request, request.rights.grant)

    def allow(self, stream: OpenStream, channels: Sequence[str]) -> None:
        """Let an open stream follow `channels`, too.

        Raises:
            NotGranted: it was not opened by somebody who may.
        """
        granted = None if self._keeper is None else self._keeper.streams.all.get(stream)
        for channel in () if granted is None else channels:
            if granted is not None and not granted.grant.may_subscribe(channel):
                raise NotGranted(f"the stream's grant does not have {quoted(channel)}")


class _Keeper:
    """What there is where everyone has to say who they are."""

    guard: Guard
    _door: Door
    _files: KeyFiles

    def __init__(
        self,
        options: AuthOptions,
        hub: Hub,
        foreign: Callable[[bytes], None],
        *,
        is_tls: bool,
    ) -> None:
        from sse_server.outbound.asking import HttpAsking  # noqa: PLC0415 (httpx takes 60 ms)

        self._options = options
        self._hub = hub
        self._foreign = foreign
        self._state = State.new() if options.state_file is None else load_state(options.state_file)
        self._started_at = time.time()
        self._ticks = 0
        self._fetching: set[asyncio.Task[None]] = set()
        self._leases = Leases(options.max_leases, options.resume_window_seconds)
        self._used = UsedTokens(options.max_used)
        self._revocations = Revocations(options.max_revoked, options.revoked_seconds)
        self._revocations.restore(self._state.tokens, self._state.subjects)
        self._cookies = LeaseCookies(derived(self._state.secret, b"lease"), is_tls=is_tls)
        self._asking: HttpAsking = HttpAsking(options)
        self._api_keys = ApiKeys(())
        self._mint: Mint | None = None
        self._ring: KeyRing | None = None
        self.streams = OpenStreams(self._leases, lambda: hub.newest, time.time)

    def take(self, options: AuthOptions, origins: Collection[str]) -> None:
        mint = None
        with contextlib.suppress(InvalidKey):  # PyJWT is not there: only API keys are used
            mint = Mint(derived(self._state.secret, b"token"), options.audience)
        door = Door(
            options,
            leases=self._leases,
            used=self._used,
            cookies=self._cookies,
            streams=self.streams,
            log=Log(newest=lambda: self._hub.newest, offset=self._offset),
            started_at=self._started_at,
        )
        guard = Guard(
            options,
            door=door,
            revocations=self._revocations,
            own_keys=() if mint is None else (mint.key,),
            asking=self._asking,
            origins=origins,
            clock=time.time,
            foreign=self._foreign,
        )
        if self._ring is not None:
            guard.ring.adopt(self._ring.sets)
        self._files = KeyFiles(guard.ring.sets, time.time())
        self._options = options
        self._leases.reload(options.max_leases, options.resume_window_seconds)
        self._asking.reload(options)
        self._door = door
        self._mint = mint
        self._ring = guard.ring
        self.guard = guard
        gone = self._api_keys.without(guard.api_keys)
        self._api_keys = guard.api_keys
        if gone:
            self.streams.revoke(self.streams.of_keys(gone))
        self._fetch_old_keys()

    def tick(self) -> None:
        self.streams.tick()
        self._fetch_old_keys()
        self._ticks += 1
        if self._ticks % _FILES_SECONDS == 0:
            for name, problem in self._files.read_changed(time.time()):
                logger.error("a key stays as it was: %s %s", name, problem)

    async def close(self) -> None:
        await self._asking.close()
        for task in self._fetching:
            task.cancel()
        await asyncio.gather(*self._fetching, return_exceptions=True)

    def issue(self, grant: Grant, subscribe: list[str]) -> tuple[str, int]:
        if self._mint is None:
            raise NotFound("there are no tokens here: the package PyJWT is not installed")
        options = self._options
        seconds = min(options.token_seconds, options.query_seconds)  # or it would be refused
        token = self._mint.stream_token(grant, subscribe, time.time(), seconds)
        if len(token) > MAX_TOKEN_BYTES:
            raise InvalidRequest(
                "the token would be too long for an address: name the channels that it is for"
            )
        return token, int(seconds)

    def renew(
        self, stream: OpenStream, request: Request, grant: Grant
    ) -> tuple[int | None, Headers]:
        granted = self.streams.all.get(stream)
        if granted is None:
            raise NotFound("this stream was opened when nobody had to say who they are")
        now = time.time()
        fields = self._door.renew(granted, request, grant, now)
        ends_at = granted.grant.ends_at
        return (None if ends_at == inf else max(0, int(ends_at - now))), fields

    def revoke(self, token_id: str | None, subject: str | None) -> int:
        now = time.time()
        streams = self.streams
        self._revocations.check_room(token_id, subject, now)
        if token_id is not None:
            self._revocations.revoke_token(token_id, now)
        if subject is not None:
            self._revocations.revoke_subject(subject, now)
        self._asking.forget_sessions()
        self._leases.revoke(self._revocations.has)
        ended = streams.revoke(streams.of(token_id, subject))
        self._save()
        return ended

    def _offset(self, position: bytes) -> int | None:
        place = self._hub.positions.parse(position)
        return place if isinstance(place, int) else None

    def _fetch_old_keys(self) -> None:
        """Before they are needed: once at the start, and when they are old."""
        now = time.time()
        old = [one for one in self.guard.ring.sets if one.is_old(now)]
        if old:
            task = asyncio.get_running_loop().create_task(self._asking.keys(old))
            self._fetching.add(task)
            task.add_done_callback(self._fetching.discard)

    def _save(self) -> None:
        """Keep what is revoked.

        Raises:
            Unavailable: that is not possible. It holds nevertheless, while the process lives.
        """
        if self._options.state_file is None:
            return
        revocations = self._revocations
        state = State(self._state.secret, revocations.tokens, revocations.subjects)
        try:
            save_state(self._options.state_file, state)
        except OSError as error:
            logger.error("what is revoked cannot be kept: %s", error.strerror)  # noqa: TRY400 (one line)
            raise Unavailable("revoked, but only until the server is started again") from None


def _nobody_is_asked() -> NotFound:
    return NotFound("nobody has to say who they are here: auth is not set")
