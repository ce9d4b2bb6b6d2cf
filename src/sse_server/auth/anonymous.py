"""Anonymous use: on this machine only, unless the operator says otherwise.

Without accounts whoever reaches the listener may do everything, so who reaches it must be the
machine's own users. A server bound elsewhere refuses to start. On loopback and on a Unix socket,
outsiders can still come in by three ways, and a request that shows signs of one is refused:

- a proxy on this machine, which says so in Forwarded, X-Forwarded-* or Via;
- a web page whose name its owner has pointed to 127.0.0.1 (DNS rebinding), or a proxy that passes
  the public name on: Host is not this machine's. That holds for Unix sockets too: no browser gets
  there, but it is the usual place to stand behind a proxy;
- a web page elsewhere that posts to http://localhost: its Origin is not the server's own.
"""

import re
from collections.abc import Callable, Collection
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from sse_server.errors import ConfigurationError, Forbidden, quoted
from sse_server.http.request import Request

OPEN_PATHS = frozenset((b"/healthz", b"/readyz"))
"""Answered to anyone: load balancers ask by whatever name, and there is nothing in the answer."""

_MEND = "start the server with --allow-anonymous if everyone who can reach it may use it"
_SAFE_METHODS = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE"))  # RFC 9110 section 9.2.1
_HOP_FIELDS = (b"forwarded", b"via")
_HOP_PREFIX = b"x-forwarded-"

# The usual ways to write it. A bracketed address has many more.
_OCTET = rb"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_PORT = rb"(?::[0-9]{0,5})?"
_USUAL_HOST = re.compile(
    rb"(?:(?:localhost|127(?:\." + _OCTET + rb"){3})\.?|\[::1\])" + _PORT, re.IGNORECASE
)
_BRACKETED_HOST = re.compile(rb"\[([0-9A-Fa-f:.]{2,45})\]" + _PORT)


def is_loopback(host: str) -> bool:
    """Whether `host` is `localhost` or an address that never leaves the machine.

    Another name may be loopback today and something else tomorrow: it is not.
    """
    if host.lower() in ("localhost", "localhost."):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback


def check_bind(
    host: str | None, *, allow_anonymous: bool, setting: str = "ServerOptions.bind"
) -> None:
    """Refuse to listen where strangers are; `host` without brackets, None for a Unix socket.

    `setting` is what says so.

    Raises:
        ConfigurationError: `host` is not loopback, and nothing says that this is meant.
    """
    if allow_anonymous or host is None or is_loopback(host):
        return
    raise ConfigurationError(
        setting=setting,
        problem=f"{quoted(host)} can be reached from elsewhere, and nobody has to say who they are",
        mend=(
            "bind to 127.0.0.1 or a Unix socket, or add --allow-anonymous on a closed network or "
            "behind a proxy of your own"
        ),
    )


class AnonymousGuard:
    """Looks at every request that does not say who it is from."""

    __slots__ = ("_allow_anonymous", "_foreign", "_origins")

    def __init__(
        self,
        *,
        allow_anonymous: bool,
        origins: Collection[str] = (),
        foreign: Callable[[bytes], None] = lambda _origin: None,
    ) -> None:
        """`allow_anonymous`: everything passes. `origins` are not foreign.

        `foreign` is told of other pages' origins, whether their requests are refused here or their
        answers by the browser.
        """
        self._allow_anonymous = allow_anonymous
        self._foreign = foreign
        self._origins = frozenset(origin.encode() for origin in origins)

    def check(self, request: Request) -> Request:
        """Let pass what comes from this machine, as it is.

        Raises:
            Forbidden: it shows signs of coming from elsewhere.
        """
        if self._allow_anonymous:
            self._look_at_origin(request)
        elif request.path not in OPEN_PATHS:
            self._check_signs(request)
        return request

    def _check_signs(self, request: Request) -> None:
        host = origin = None
        for name, value in request.headers:
            if name == b"host":
                if host is not None and value != host:
                    raise Forbidden(f"the request names two hosts; {_MEND}")
                host = value
            elif name == b"origin":
                origin = value if origin is None else b"null"  # more than one is nobody's own
            elif name in _HOP_FIELDS or name.startswith(_HOP_PREFIX):
                raise Forbidden(
                    f"the request came through a proxy, as its field "
                    f"{quoted(name.decode('latin-1'))} says, "
                    f"and anonymous use is for this machine only; {_MEND}"
                )
        if host is None or not _is_own_host(host):
            named = "nothing" if host is None else quoted(host.decode("latin-1"))
            raise Forbidden(
                f"the request's Host is {named}, and anonymous use is for localhost only; {_MEND}"
            )
        if origin is None or origin in self._origins or not is_foreign(origin, host):
            return
        self._foreign(origin)
        if request.method not in _SAFE_METHODS:
            raise Forbidden(
                f"the request comes from a page of {quoted(origin.decode('latin-1'))}, and "
                f"anonymous use is for the server's own pages; {_MEND}"
            )

    def _look_at_origin(self, request: Request) -> None:
        """Tell of a page of another origin: nothing refuses it here, but its browser does."""
        origin = request.header(b"origin")
        if origin is None or origin in self._origins:
            return
        # Behind a proxy Host may be anything. Browsers say themselves whose page it is.
        if request.header(b"sec-fetch-site") == b"same-origin":
            return
        if is_foreign(origin, request.header(b"host") or b""):
            self._foreign(origin)


@lru_cache(maxsize=64)  # a machine has few names
def _is_own_host(host: bytes) -> bool:
    """Whether the Host field, with or without a port, names this machine."""
    if _USUAL_HOST.fullmatch(host):
        return True
    bracketed = _BRACKETED_HOST.fullmatch(host)
    return bracketed is not None and is_loopback(bracketed[1].decode())


def is_foreign(origin: bytes, host: bytes) -> bool:
    """Whether a page from `origin` is another's than that of `host`. `null` is."""
    return origin.lower() not in (b"http://" + host.lower(), b"https://" + host.lower())
