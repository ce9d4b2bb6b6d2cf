"""Which endpoint answers a request.

A pattern is a path, `/events`, or has one part in braces: `/events/{channel}`,
`/channels/{channel}/events`, `/subscribers/{id}`. A channel's name may contain slashes, so that
part spans segments, and what stands behind it is looked for at the end of the path. That is decided
on the path as it was sent, before any decoding: `/channels/a/b/events` is the history of `a/b`, and
a channel that is called `x/events` is found at `/channels/x%2Fevents`. The fixed parts are compared
as they were sent.
"""

import re
from collections.abc import Awaitable, Callable
from functools import partial

from sse_server.endpoints.not_now import refusal
from sse_server.errors import InvalidRequest, MethodNotAllowed, NotFound, RequestError, quoted
from sse_server.http.heads import EVENT_STREAM_FIELDS
from sse_server.http.request import Request
from sse_server.http.response import Answer, Endpoint, EventStream, Response
from sse_server.promise import after

METHODS = (
    # RFC 9110 section 9.3 and RFC 5789.
    *(b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE"),
    b"PATCH",
)
_KNOWN_METHODS = frozenset(METHODS)
_PART = re.compile(r"(\{[a-z]+\})")

Methods = dict[bytes, Endpoint]
Refused = Callable[[RequestError, Request], None]
Check = Callable[[Request], Request | Awaitable[Request]]
"""The request to be answered, with its sender's rights; it may refuse it as an endpoint may."""


class UnknownMethod(RequestError):  # noqa: N818 (named as the classes of sse_server.errors are)
    """A method that HTTP does not have, or none that we have heard of (RFC 9110 section 15.6.2)."""

    status = 501
    code = "not-implemented"


class Router:
    """Finds the endpoint, calls it, and answers what it refuses. An endpoint itself.

    OPTIONS, and HEAD where there is GET, come by themselves.
    """

    __slots__ = ("_around", "_check", "_exact", "_patterns", "_refused")

    def __init__(self, check: Check | None = None, refused: Refused | None = None) -> None:
        """`check` sees every request first. `refused` is told of each that is refused."""
        self._check = check
        self._refused = refused
        self._exact: dict[bytes, Methods] = {}
        self._patterns: list[tuple[bytes, str]] = []
        # By what stands before the braces; then the longest end first, so that the empty one,
        # which every path ends with, comes last.
        self._around: dict[bytes, list[tuple[bytes, Methods]]] = {}

    def add(self, method: bytes, pattern: str, endpoint: Endpoint) -> None:
        """Have `endpoint` answer `method` at `pattern`; each pair once."""
        methods = self._methods(pattern)
        assert method not in methods, (method, pattern)
        methods[method] = endpoint
        self._patterns.append((method, pattern))

    @property
    def routes(self) -> list[tuple[bytes, str]]:
        """The (method, pattern) pairs that were added."""
        return self._patterns.copy()

    def __call__(self, request: Request) -> Answer | Awaitable[Answer]:
        """Answer `request`. The answer to HEAD carries GET's body: the machine leaves it out."""
        try:
            if self._check is not None:
                checked = self._check(request)
                if checked is not request:
                    if not isinstance(checked, Request):
                        return self._after(checked, request)
                    request = checked
            answer = self._endpoint(request)(request)
        except RequestError as error:
            return self._refusal(request, error)
        if answer.__class__ is Response:
            return answer
        if isinstance(answer, (Response, EventStream)):
            return _without_stream(answer) if request.method == b"HEAD" else answer
        return self._later(answer, request)

    async def _after(self, check: Awaitable[Request], request: Request) -> Answer:
        """What comes out of a request that could not be checked at once."""
        try:
            request = await check
            answer = self._endpoint(request)(request)
        except RequestError as error:
            return self._refusal(request, error)
        if isinstance(answer, Response | EventStream):
            return _without_stream(answer) if request.method == b"HEAD" else answer
        return await self._later(answer, request)

    def _refusal(self, request: Request, error: RequestError) -> Response:
        """The answer to what was refused."""
        if self._refused is not None:
            self._refused(error, request)
        return refusal(request, error)

    def _later(self, later: Awaitable[Answer], request: Request) -> Awaitable[Answer]:
        """What comes out of an endpoint that could not answer at once."""
        make = _without_stream if request.method == b"HEAD" else _as_it_is
        return after(later, make, partial(self._failed, request))

    def _failed(self, request: Request, error: Exception) -> Response:
        if isinstance(error, RequestError):
            return self._refusal(request, error)
        raise error

    def _methods(self, pattern: str) -> Methods:
        """The methods at `pattern`, empty if it is new."""
        before, *part_and_after = _PART.split(pattern)
        if not part_and_after:
            return self._exact.setdefault(before.encode(), {})
        prefix, suffix = before.encode(), part_and_after[1].encode()
        # One segment: a request is looked up by its first.
        assert prefix.find(b"/", 1) == len(prefix) - 1, pattern
        ends = self._around.setdefault(prefix, [])
        for end, methods in ends:
            if end == suffix:
                return methods
        ends.append((suffix, {}))
        ends.sort(key=lambda entry: len(entry[0]), reverse=True)
        return next(methods for end, methods in ends if end == suffix)

    def _endpoint(self, request: Request) -> Endpoint:
        """Who answers `request`."""
        method = request.method
        methods = self._find(request.path)
        if methods is not None and method in methods:
            return methods[method]
        if method not in _KNOWN_METHODS:
            raise UnknownMethod(
                f"{quoted(method.decode('latin-1'))} is no method of HTTP's: OPTIONS says what "
                "this address takes"
            )
        if request.path == b"*":
            if method != b"OPTIONS":
                raise InvalidRequest("only OPTIONS can be sent to *")
            return _options(METHODS)
        if methods is None:
            path = quoted(request.path.decode("latin-1"))
            raise NotFound(f"nothing is at {path}; events are at /events/{{channel}}")
        if method == b"HEAD" and b"GET" in methods:
            return methods[b"GET"]
        allowed = {*methods, b"OPTIONS"} | ({b"HEAD"} if b"GET" in methods else set())
        if method == b"OPTIONS":
            return _options(sorted(allowed))
        raise MethodNotAllowed([name.decode() for name in sorted(allowed)])

    def _find(self, path: bytes) -> Methods | None:
        """What can be done at `path`."""
        exact = self._exact.get(path)
        if exact is not None:
            return exact
        prefix = path[: path.find(b"/", 1) + 1]
        for suffix, methods in self._around.get(prefix, ()):
            # Without a channel between the two the end belongs to a name: /channels/events.
            if not suffix or (path.endswith(suffix) and len(path) > len(prefix) + len(suffix)):
                return methods
        return None


def _options(allowed: list[bytes] | tuple[bytes, ...]) -> Endpoint:
    """Answers which methods there are."""
    response = Response(204, ((b"allow", b", ".join(allowed)),))
    return lambda _request: response


def _as_it_is(answer: Answer) -> Answer:
    return answer


def _without_stream(answer: Answer) -> Response:
    """The answer to HEAD: an event stream is not opened, so nobody subscribes."""
    if isinstance(answer, Response):
        return answer
    return Response(200, (*EVENT_STREAM_FIELDS, *answer.headers))
