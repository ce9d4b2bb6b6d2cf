"""CORS: which pages of other origins may read answers (WHATWG Fetch, section 3.3).

Only origins that are configured, compared as wholes; what a request names is never sent back, and
`null`, which every sandboxed page has, cannot be configured. An answer differs by origin, so each
says `Vary: Origin`.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated

from sse_server.errors import ConfigurationError, quoted
from sse_server.http.request import Headers, Request
from sse_server.http.response import Answer, Endpoint, EventStream, Response
from sse_server.options import RELOADABLE, Options
from sse_server.promise import after

_ORIGIN = re.compile(r"https?://[a-z0-9.\-_\[\]:]+")
_USUAL_PORTS = {"http": ":80", "https": ":443"}
_VARY = (b"vary", b"Origin")
_PREFLIGHT: Headers = (
    (b"access-control-allow-methods", b"GET, HEAD, POST, DELETE"),
    (b"access-control-allow-headers", b"Authorization, Content-Type, Last-Event-ID"),
    # Ten minutes: long enough to count, short enough for an origin that is taken from the list.
    (b"access-control-max-age", b"600"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CorsOptions(Options):
    """Pages of other origins that may use the server."""

    origins: Annotated[tuple[str, ...], RELOADABLE] = ()
    """`https://app.example`, with the port where it is not the scheme's own, without a path. Their
    requests may carry cookies and authorization."""

    def __post_init__(self) -> None:
        """Refuse what is no origin.

        Raises:
            ConfigurationError: one of them would never match, or match too much.
        """
        Options.__post_init__(self)
        for origin in self.origins:
            if not _ORIGIN.fullmatch(origin):
                raise ConfigurationError(
                    setting="CorsOptions.origins",
                    problem=f"{quoted(origin)} is no origin",
                    mend="write each as a browser sends it, for example https://app.example",
                )
            port = _USUAL_PORTS[origin.partition(":")[0]]
            if origin.endswith(port):
                raise ConfigurationError(
                    setting="CorsOptions.origins",
                    problem=f"{quoted(origin)} has the port that browsers leave out",
                    mend=f"write {origin.removesuffix(port)}",
                )


class Cors:
    """An endpoint around another: answers preflights, and says who may read the answers."""

    __slots__ = ("_allowed", "_endpoint", "_refused")

    def __init__(
        self,
        endpoint: Endpoint,
        options: CorsOptions,
        refused: Callable[[bytes], None] = lambda _origin: None,
    ) -> None:
        """`endpoint` answers everything but preflights; `refused` is told whose are refused."""
        self._endpoint = endpoint
        self._refused = refused
        self._allowed: dict[bytes, Headers] = {}
        for origin in options.origins:
            name = origin.encode()
            self._allowed[name] = (
                _VARY,
                (b"access-control-allow-origin", name),
                (b"access-control-allow-credentials", b"true"),
            )

    def __call__(self, request: Request) -> Answer | Awaitable[Answer]:
        """Answer `request`."""
        origin = request.header(b"origin")
        fields = (_VARY,) if origin is None else self._allowed.get(origin, (_VARY,))
        if request.method == b"OPTIONS" and request.header(b"access-control-request-method"):
            allowed = len(fields) > 1
            if origin is not None and not allowed:
                self._refused(origin)
            return Response(204, (*fields, *_PREFLIGHT) if allowed else fields)
        answer = self._endpoint(request)
        if isinstance(answer, Response | EventStream):
            return _with_fields(fields, answer)
        return after(answer, partial(_with_fields, fields))


def _with_fields(fields: Headers, answer: Answer) -> Answer:
    return replace(answer, headers=(*answer.headers, *fields))
