"""An HTTP client for the commands, and what its errors mean to who runs them.

Imports httpx, so commands import it only when they run.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

import httpx
import orjson

from sse_server._version import __version__
from sse_server.auth.anonymous import is_loopback
from sse_server.cli.ending import CommandFailed

if TYPE_CHECKING:
    from sse_server.cli.server_url import ServerUrl

CONNECT_TIMEOUT_SECONDS = 10.0
TRANSIENT = frozenset((408, 429, 500, 502, 503, 504))
"""Statuses after which the same request may well be answered: a limit, a restart, a proxy whose
server is not there yet."""

_MAX_ANSWER_BYTES = 1024 * 1024  # beyond any answer to a publisher
_BUGS = (httpx.LocalProtocolError, httpx.UnsupportedProtocol)  # no second try mends them


def open_client(server: ServerUrl, token: str | None) -> httpx.Client:
    """A client of one server. Redirects are not followed: the token is for this server alone.

    Proxies that the environment names are for other machines: what goes to loopback or to a Unix
    socket is never sent through one.
    """
    headers = {"User-Agent": f"sse-server/{__version__}", "Accept-Encoding": "identity"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    return httpx.Client(
        base_url=server.base,
        headers=headers,
        transport=httpx.HTTPTransport(uds=server.socket_path) if server.socket_path else None,
        trust_env=server.socket_path is None and not is_loopback(server.host),
        timeout=CONNECT_TIMEOUT_SECONDS,
    )


def read_answer(response: httpx.Response) -> bytes:
    """The body of a response that is being streamed.

    Raises:
        CommandFailed: it does not come to an end.
    """
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > _MAX_ANSWER_BYTES:
            raise CommandFailed(f"the answer has over {_MAX_ANSWER_BYTES} bytes")
    return bytes(body)


def refusal(response: httpx.Response, body: bytes) -> str:
    """Why the server refuses: its own message, where there is one."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        answer = None
    if isinstance(answer, dict) and isinstance(message := answer.get("message"), str) and message:
        return message
    try:
        phrase = HTTPStatus(response.status_code).phrase
    except ValueError:
        phrase = ""
    return f"the server answers {response.status_code} {phrase}".rstrip()


def trouble(error: httpx.RequestError, server: ServerUrl) -> str:
    """What has happened to a request.

    Raises:
        CommandFailed: trying again is of no use.
    """
    reason = str(error).rpartition("] ")[2] or type(error).__name__
    if isinstance(error, _BUGS):
        raise CommandFailed(f"cannot ask {server}: {reason}") from None
    if is_unsent(error):
        return f"cannot reach {server}: {reason}"
    return f"the connection to {server} is lost: {reason}"


def is_unsent(error: httpx.RequestError) -> bool:
    """Whether the server cannot have seen anything of the request."""
    return isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)


def retry_after_seconds(response: httpx.Response) -> float | None:
    """What Retry-After asks for, a number or a date (RFC 9110 section 10.2.3)."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])  # 31 years; float() takes any number of digits, but as inf
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - datetime.now(UTC)).total_seconds())
