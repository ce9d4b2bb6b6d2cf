"""Asking others, over HTTP: for sets of keys, and about sessions.

A question that is under way is not asked again: who comes meanwhile waits for the same answer.
"""

from __future__ import annotations

import asyncio
import logging
import time
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import httpx

from sse_server._version import __version__
from sse_server.auth.anonymous import is_loopback
from sse_server.auth.grant import InvalidGrant
from sse_server.auth.keys import InvalidKey
from sse_server.auth.session import SessionCache, session_grant, session_of
from sse_server.errors import Forbidden, Unauthorized, Unavailable

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from sse_server.auth.grant import Grant
    from sse_server.auth.key_ring import KeySet
    from sse_server.auth.options import AuthOptions
    from sse_server.http.request import Request

K = TypeVar("K")
T = TypeVar("T")

logger = logging.getLogger(__name__)

KEYS_TIMEOUT_SECONDS = 5.0
MAX_ANSWER_BYTES = 1024 * 1024
"""Of a key set, or of a grant. Both have some KB."""
_FAILURES = (httpx.HTTPError, httpx.InvalidURL, UnicodeError, TimeoutError)
_CONNECTIONS = 100  # at once; what comes beyond waits, within its time


class HttpAsking:
    """Asks by HTTP, over connections that are kept."""

    def __init__(self, options: AuthOptions) -> None:
        """Connects to nobody before it is asked something."""
        self._options = options
        self._sessions = SessionCache()
        self._fetching: dict[KeySet, asyncio.Task[None]] = {}
        self._asking: dict[tuple[int, bytes], asyncio.Task[Grant]] = {}
        self._forgotten = 0  # times: what was asked before that is not believed
        self._clients: dict[bool, httpx.AsyncClient] = {}  # by whether they are for this machine

    def reload(self, options: AuthOptions) -> None:
        """Other options, from now on."""
        self._options = options
        self.forget_sessions()

    def forget_sessions(self) -> None:
        """Ask anew for every session, also for those that are being asked about."""
        self._sessions.clear()
        self._forgotten += 1

    async def close(self) -> None:
        """Ask nobody any more."""
        under_way: list[asyncio.Task[None] | asyncio.Task[Grant]] = [
            *self._fetching.values(),
            *self._asking.values(),
        ]
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        for client in self._clients.values():
            await client.aclose()

    async def keys(self, wanted: Sequence[KeySet]) -> None:
        """Fetch these sets. Does not raise: they may be as old afterwards."""
        for one in wanted:
            if one not in self._fetching:
                self._keep(self._fetching, one, self._fetch_keys(one))
        await asyncio.gather(*(asyncio.shield(self._fetching[one]) for one in wanted))

    async def session(self, request: Request) -> Grant:
        """What the application says of the session of `request`.

        Raises:
            Unauthorized, Forbidden: that it is none.
            Unavailable: nothing that can be understood, or nothing in time.
        """
        session = session_of(request)
        while True:
            known = self._sessions.get(session, time.time())
            if known is not None:
                return known
            key = (self._forgotten, session)
            if key not in self._asking:
                self._keep(self._asking, key, self._ask_session(request, key))
            # Whoever waits may go away; the others still want the answer.
            grant = await asyncio.shield(self._asking[key])
            if key[0] == self._forgotten:
                return grant

    def _keep(
        self, under_way: dict[K, asyncio.Task[T]], key: K, asking: Coroutine[None, None, T]
    ) -> None:
        """Let it be under way until it is done."""
        task = asyncio.get_running_loop().create_task(asking)
        under_way[key] = task

        def done(task: asyncio.Task[T]) -> None:
            under_way.pop(key, None)
            if not task.cancelled():
                task.exception()  # it may be that nobody waits for it any more

        task.add_done_callback(done)

    async def _fetch_keys(self, wanted: KeySet) -> None:
        wanted.asked(time.time())
        address = wanted.source.value
        problem: object = None
        try:
            async with asyncio.timeout(KEYS_TIMEOUT_SECONDS):
                status, body = await self._get(address, [])
            if status == httpx.codes.OK:
                wanted.take(body, time.time())
            else:
                problem = f"the answer has status {status}"
        except InvalidKey as error:
            problem = error
        except _FAILURES as error:
            problem = type(error).__name__
        finally:
            wanted.answered()
        if problem is not None:
            logger.warning("keys stay as they are: %s: %s", _shown(address), problem)

    async def _ask_session(self, request: Request, key: tuple[int, bytes]) -> Grant:
        forward = self._options.forward
        if forward.url is None:  # any more
            raise _nobody_knows()
        # As bytes: as text httpx takes nothing but ASCII.
        headers = [field for field in request.headers if field[0] in {b"cookie", b"authorization"}]
        try:
            async with asyncio.timeout(forward.timeout_seconds):
                status, body = await self._get(forward.url, headers)
        except _FAILURES as error:
            logger.warning("a session cannot be asked for: %s", type(error).__name__)
            raise _nobody_knows() from None
        if status == httpx.codes.UNAUTHORIZED:
            raise Unauthorized("the application does not know this session: log in")
        if status == httpx.codes.FORBIDDEN:
            raise Forbidden("the application does not let this session in")
        if not httpx.codes.is_success(status):
            logger.warning("a session cannot be asked for: %s", f"status {status}")
            raise _nobody_knows()
        now = time.time()
        try:
            grant = session_grant(body, now, self._options.grant_seconds)
        except InvalidGrant as error:
            logger.warning("a session cannot be asked for: %s", error)
            raise _nobody_knows() from None
        if grant.ends_at <= now:
            raise Unauthorized("the application says that this session has ended: log in")
        forgotten, session = key
        if forgotten == self._forgotten:
            self._sessions.put(session, grant, now + forward.cache_seconds, forward.max_cached)
        return grant

    def _client(self, address: str) -> httpx.AsyncClient:
        """Who asks there. Proxies that the environment names are for other machines."""
        is_here = is_loopback(httpx.URL(address).host)
        client = self._clients.get(is_here)
        if client is None:
            client = self._clients[is_here] = httpx.AsyncClient(
                headers={
                    "User-Agent": f"sse-server/{__version__}",
                    "Accept": "application/json",
                    "Accept-Encoding": "identity",  # how long an answer is, is seen before it is
                },
                cookies=_no_cookies(),
                limits=httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=20),
                timeout=KEYS_TIMEOUT_SECONDS,
                trust_env=not is_here,
            )
        return client

    async def _get(self, address: str, headers: list[tuple[bytes, bytes]]) -> tuple[int, bytes]:
        """Status and body. Redirects are not followed: what is sent is for this address alone."""
        body = bytearray()
        url = httpx.URL(address)
        # httpx logs the address of each question: what may be secret in it is sent beside it.
        bare = url.copy_with(userinfo=b"", query=None, fragment=None)
        auth = httpx.BasicAuth(url.username, url.password) if url.userinfo else None
        target = {"target": url.raw_path}
        client = self._client(address)
        async with client.stream(
            "GET", bare, headers=headers, auth=auth, extensions=target
        ) as answer:
            async for chunk in answer.aiter_raw():
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    raise httpx.DecodingError("the answer is too long")
        return answer.status_code, bytes(body)


def _no_cookies() -> CookieJar:
    """A jar that keeps none: what an answer sets is for whose session was asked about."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))


def _shown(address: str) -> str:
    """An address without what may be secret in it."""
    url = urlsplit(address)
    return f"{url.scheme}://{url.hostname}{url.path}"


def _nobody_knows() -> Unavailable:
    return Unavailable("nobody can say who you are now: try again", retry_after_seconds=5)
