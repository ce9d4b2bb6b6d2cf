"""The cookie by which a browser comes back with a token whose time is over.

EventSource repeats its address, token and all, when its stream was cut. The cookie says that this
browser is the one that a stream was opened for. It is signed, so that it outlives a restart; it is
nothing without the token, and the token is nothing without it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sse_server.auth.credentials import cookies

if TYPE_CHECKING:
    from sse_server.http.request import Headers, Request

_HOLDER_BYTES = 12
MOST_COOKIES = 20
"""Of one browser. With every page that is opened there is one more, of 110 bytes, and many servers
refuse requests whose cookies have more than 8 KB: not us alone, but all of this site."""
_COMMON = b"sse-lease-"
_NAMED_BY = 4  # characters of a holder's name in that of its cookie
_VALUE = re.compile(
    rb"([A-Za-z0-9_-]{16})\.([0-9]{1,12})\.([0-9]{1,12})\.([0-9]{1,6})\.([A-Za-z0-9_-]{43})"
)


@dataclass(frozen=True, slots=True)
class Holder:
    """A browser that has opened streams with one token."""

    name: bytes
    """Random."""
    since: int
    """When it opened the first, in seconds since 1970."""
    ends_at: int
    """When the grant ends, for all of them."""
    streams: int
    """How many leases it has at most."""


class LeaseCookies:
    """Makes and reads them."""

    __slots__ = ("_is_tls", "_secret")

    def __init__(self, secret: bytes, *, is_tls: bool = False) -> None:
        """`secret` is for this purpose alone. `is_tls`: we speak TLS ourselves."""
        self._secret = secret
        self._is_tls = is_tls

    def new(self, now: float, ends_at: float) -> Holder:
        """A browser that comes for the first time."""
        name = base64.urlsafe_b64encode(secrets.token_bytes(_HOLDER_BYTES))
        return Holder(name, int(now), int(ends_at), 1)

    def another(self, holder: Holder, ends_at: float) -> Holder:
        """The same browser, with one stream more."""
        return replace(holder, streams=holder.streams + 1, ends_at=int(ends_at))

    def renewed(self, holder: Holder, ends_at: float) -> Holder:
        """The same browser, with a grant that ends at another time."""
        return replace(holder, ends_at=int(ends_at))

    def read(self, request: Request, token: bytes) -> list[Holder]:
        """Who comes back with `token` (its digest); nobody where nobody can tell.

        It may be more than one: a page that opens two streams at once gets a cookie with each.
        """
        prefix = _prefix(token)
        holders = []
        for name, value in cookies(request):
            match = _VALUE.fullmatch(value) if name.startswith(prefix) else None
            if match is not None:
                of, since, ends_at, streams, signature = match.groups()
                holder = Holder(of, int(since), int(ends_at), int(streams))
                if hmac.compare_digest(signature, self._signature(holder, token)):
                    holders.append(holder)
        return holders

    def fields(self, request: Request, token: bytes, holder: Holder, now: float) -> Headers:
        """What is sent with a new one: it, and the ends of those that were there for longest.

        Nobody has signed when these were made, for us; but they are the browser's own.
        """
        own = _prefix(token) + holder.name[:_NAMED_BY]
        others = [
            (int(match[2]), name)
            for name, value in cookies(request)
            if name.startswith(_COMMON) and name != own and (match := _VALUE.fullmatch(value))
        ]
        others.sort()
        oldest = others[: max(0, len(others) + 1 - MOST_COOKIES)]
        ended = self._attributes(request, 0)
        return (
            (b"set-cookie", self.field(request, token, holder, now)),
            *((b"set-cookie", b"%b=; %b" % (name, ended)) for _, name in oldest),
        )

    def field(self, request: Request, token: bytes, holder: Holder, now: float) -> bytes:
        """What Set-Cookie says, in the answer to `request`.

        Scripts do not get it. It goes to this site alone, unless the page is another site's that
        uses this one over TLS. Its path is that of the whole site, since nobody here knows where a
        proxy has put us, and it is to be renewed from another address than the stream's.
        """
        value = b"%b.%b" % (_facts(holder), self._signature(holder, token))
        facts = self._attributes(request, max(0, int(holder.ends_at - now)))
        return b"%b%b=%b; %b" % (_prefix(token), holder.name[:_NAMED_BY], value, facts)

    def _attributes(self, request: Request, age: int) -> bytes:
        is_secure = self._is_tls or came_by_tls(request)
        is_cross_site = request.header(b"sec-fetch-site") == b"cross-site"
        same_site = b"None" if is_cross_site and is_secure else b"Strict"
        secure = b"; Secure" if is_secure else b""
        return b"Max-Age=%d; Path=/; HttpOnly; SameSite=%b%b" % (age, same_site, secure)

    def _signature(self, holder: Holder, token: bytes) -> bytes:
        signed = b"%b.%b" % (token, _facts(holder))
        return base64.urlsafe_b64encode(hmac.digest(self._secret, signed, hashlib.sha256))[:43]


def came_by_tls(request: Request) -> bool:
    """Whether the browser speaks TLS to a proxy, as this says, or as its page's origin does."""
    forwarded = request.header(b"x-forwarded-proto") or b""
    if forwarded.split(b",")[0].strip().lower() == b"https":
        return True
    return (request.header(b"origin") or b"").startswith(b"https://")


def _prefix(token: bytes) -> bytes:
    """How cookies of one token are called: a browser may have streams of many."""
    return b"%b%b-" % (_COMMON, token[:6].hex().encode())


def _facts(holder: Holder) -> bytes:
    return b"%b.%d.%d.%d" % (holder.name, holder.since, holder.ends_at, holder.streams)
