"""The exception tree, sorted by blame.

`LocalProtocolError` is ours: a bug. A `RequestError` is the client's, and carries the answer it
gets: a status, a short code and a message that says what is wrong and what to do. What a peer sent
appears in a message only through `quoted`: escaped and cut short.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

_QUOTED_CHARACTERS = 80  # enough to recognise a value, too little to flood a log


def quoted(value: str | bytes) -> str:
    """`value` as it may stand in a message: its repr, at most 80 characters."""
    text = repr(value[:_QUOTED_CHARACTERS])
    if len(value) <= _QUOTED_CHARACTERS and len(text) <= _QUOTED_CHARACTERS:
        return text
    return text[: _QUOTED_CHARACTERS - 1] + "…"


class SSEServerError(Exception):
    """Whatever sse_server raises on purpose."""


class ConfigurationError(SSEServerError):
    """A setting that cannot be served with. One line: an operator reads it in a terminal."""

    def __init__(self, *, setting: str, problem: str, mend: str) -> None:
        """`mend` says what to write instead."""
        self.setting = setting
        self.problem = problem
        self.mend = mend
        super().__init__(" ".join(f"{setting}: {problem}; {mend}".split()))


class LocalProtocolError(SSEServerError):
    """We are about to break a protocol's rules: a bug here, never an answer to a client."""


class ServerClosed(SSEServerError):  # noqa: N818 (public name: it says what happened)
    """The server takes no more calls: it is shutting down, or has."""

    def __init__(self, message: str = "the server is closed") -> None:
        """`message` where more than that is known."""
        super().__init__(message)


class RequestError(SSEServerError):
    """What a client can meet: an answer with a status, a short code and a message."""

    status: int = 400
    code: str = "bad-request"
    headers: tuple[tuple[bytes, bytes], ...] = ()
    details: Mapping[str, object] = MappingProxyType({})
    """What the answer tells beside code and message."""

    def __init__(self, message: str) -> None:
        """`message`: what is wrong and what to do."""
        super().__init__(message)
        self.message = message


class InvalidEvent(RequestError):  # noqa: N818 (public name: it says what is wrong)
    """An event that cannot be sent as it is."""

    code = "invalid-event"

    def __init__(self, field: str, problem: str) -> None:
        """`field` names the part of the event, `problem` says what it must be."""
        self.field = field
        self.problem = problem
        super().__init__(f"the event's {field} {problem}")


class InvalidChannel(RequestError):  # noqa: N818 (public name: it says what is wrong)
    """A channel's name that cannot be one."""

    code = "invalid-channel"

    def __init__(self, channel: str | bytes, problem: str) -> None:
        """`problem` says what the name must be."""
        self.channel = channel
        self.problem = problem
        super().__init__(f"the channel name {quoted(channel)} {problem}")


class InvalidRequest(RequestError):  # noqa: N818 (public name: it says what is wrong)
    """A request that cannot be understood."""

    code = "invalid-request"


class Forbidden(RequestError):  # noqa: N818 (public name: the status it stands for)
    """A request that is understood and refused."""

    status = 403
    code = "forbidden"


class NotGranted(Forbidden):
    """Whoever asks has said who they are, and it is not theirs to do."""

    code = "not-granted"
    headers = ((b"www-authenticate", b'Bearer realm="sse-server", error="insufficient_scope"'),)


class Unauthorized(RequestError):  # noqa: N818 (public name: the status it stands for)
    """Nobody knows who asks: no credential, or one that does not hold (RFC 6750 section 3)."""

    status = 401
    code = "unauthorized"

    def __init__(self, message: str, *, presented: bool = True) -> None:
        """`presented`: there was a credential. It must not stand in `message`."""
        challenge = b'Bearer realm="sse-server"'
        if presented:
            challenge += b', error="invalid_token"'
        self.headers = ((b"www-authenticate", challenge),)
        super().__init__(message)


class NotFound(RequestError):  # noqa: N818 (public name: the status it stands for)
    """Nothing is at this address."""

    status = 404
    code = "not-found"


class MethodNotAllowed(RequestError):  # noqa: N818 (public name: the status it stands for)
    """The address is right, the method is not."""

    status = 405
    code = "method-not-allowed"

    def __init__(self, allowed: Sequence[str]) -> None:
        """`allowed`: the methods that the address takes, as the Allow header names them."""
        self.allowed = tuple(allowed)
        methods = ", ".join(self.allowed)
        self.headers = ((b"allow", methods.encode("ascii")),)
        super().__init__(f"this address does not take that method; it takes {methods}")


class NotAcceptable(RequestError):  # noqa: N818 (public name: the status it stands for)
    """The client accepts nothing that this address has."""

    status = 406
    code = "not-acceptable"


class UnsupportedMediaType(RequestError):  # noqa: N818 (public name: the status it stands for)
    """The body is of a kind that this address does not read."""

    status = 415
    code = "unsupported-media-type"


class InternalError(RequestError):
    """An error of ours. What it was stands in the log, not in the answer."""

    status = 500
    code = "internal-error"

    def __init__(self) -> None:
        """The same for all."""
        super().__init__("the server failed to answer this request; its log says why")


class Unavailable(RequestError):  # noqa: N818 (public name: the status it stands for)
    """Not now: what the request needs is not there, or the server is shutting down."""

    status = 503
    code = "unavailable"

    def __init__(self, message: str, *, retry_after_seconds: int | None = None) -> None:
        """`retry_after_seconds`: when it is known, the client is told."""
        self.retry_after_seconds = retry_after_seconds
        self.headers = _retry_after(retry_after_seconds)
        super().__init__(message)


# What is too much by itself has a status of its own and no second try; what is too much now is 429.
_TOO_LARGE = {
    "batch": (413, "batch-too-large", "send fewer events in one request"),
    "body": (413, "body-too-large", "send less in one request"),
    "event": (413, "event-too-large", "send a reference to large data instead of the data"),
    "target": (414, "target-too-long", "ask for less in one address"),
    "head": (431, "head-too-large", "send fewer or shorter header fields"),
}
_TOO_MANY = (429, "limit-exceeded", "wait before the next try, or have the limit raised")


class LimitExceeded(RequestError):  # noqa: N818 (public name: it says what happened)
    """More than the server allows.

    `limit` names what is counted. `batch`, `body` and `event` answer 413, `target` (the address)
    414, `head` (the header fields) 431, everything else 429.
    """

    def __init__(
        self, *, limit: str, allowed: float, retry_after_seconds: int | None = None
    ) -> None:
        """`allowed` is in the limit's own unit: bytes for sizes, else a count or a rate."""
        self.limit = limit
        self.allowed = allowed
        self.retry_after_seconds = retry_after_seconds
        self.headers = _retry_after(retry_after_seconds)
        self.status, self.code, mend = _TOO_LARGE.get(limit, _TOO_MANY)
        unit = " bytes" if limit in _TOO_LARGE and limit != "batch" else ""
        super().__init__(f"the limit for {limit} is {allowed}{unit}: {mend}")


class RemoteProtocolError(RequestError):
    """The peer broke a protocol's rules; where an answer is still possible, this is it."""

    def __init__(self, message: str, status: int = 400, code: str = "bad-request") -> None:
        """Where we are the client there is no answer: status and code are then for the log."""
        self.status = status
        self.code = code
        super().__init__(message)


def _retry_after(seconds: int | None) -> tuple[tuple[bytes, bytes], ...]:
    """RFC 9110 section 10.2.3, in seconds."""
    return () if seconds is None else ((b"retry-after", b"%d" % seconds),)
