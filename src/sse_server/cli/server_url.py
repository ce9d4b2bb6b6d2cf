"""Which server a command speaks to, and with which token."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sse_server.errors import ConfigurationError

if TYPE_CHECKING:
    import argparse

DEFAULT_URL = "http://127.0.0.1:8000"
URL_VARIABLE = "SSE_SERVER_URL"
TOKEN_VARIABLE = "SSE_SERVER_TOKEN"  # noqa: S105 (its name, not the token)

_UNIX = "unix:"
_MEND = f"write for example {DEFAULT_URL} or unix:/run/sse-server/sse.sock"
_VISIBLE = re.compile(r"[\x21-\x7e]+")  # ASCII: what may stand in a header


@dataclass(frozen=True, slots=True)
class ServerUrl:
    """Where a server is."""

    base: str
    """Without a slash at the end."""
    host: str
    socket_path: str | None = None
    """Of a Unix socket; the base is then only a name."""

    def __str__(self) -> str:
        """As it would be written on the command line."""
        return self.base if self.socket_path is None else f"{_UNIX}{self.socket_path}"


def add_url(parser: argparse.ArgumentParser) -> None:
    """Take `--url`."""
    parser.add_argument(
        "--url",
        help=f"the server, or unix:PATH (default: ${URL_VARIABLE}, or {DEFAULT_URL}); "
        f"a token is read from ${TOKEN_VARIABLE}",
    )


def server_url(argument: str | None) -> ServerUrl:
    """Where the server is that `--url`, the environment or the default names.

    Raises:
        ConfigurationError: it names none. The value is not repeated: it may have a password in it.
    """
    setting = URL_VARIABLE if argument is None else "--url"
    text = argument if argument is not None else os.environ.get(URL_VARIABLE) or DEFAULT_URL
    if text.startswith(_UNIX):
        path = text.removeprefix(_UNIX)
        if not path or "\0" in path:
            raise ConfigurationError(setting=setting, problem="has no path", mend=_MEND)
        return ServerUrl("http://localhost", "localhost", path)
    return _parsed(text, setting)


def token() -> str | None:
    """The token that the environment has, if it has one.

    Raises:
        ConfigurationError: it could not be sent. It is never shown.
    """
    text = os.environ.get(TOKEN_VARIABLE, "").strip()
    if not text:
        return None
    if not _VISIBLE.fullmatch(text):
        raise ConfigurationError(
            setting=TOKEN_VARIABLE,
            problem="has characters that no token has",
            mend="set it to the token alone",
        )
    return text


def _parsed(text: str, setting: str) -> ServerUrl:
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port  # the port is checked when it is asked for
    except ValueError as error:
        raise ConfigurationError(setting=setting, problem=str(error), mend=_MEND) from None
    problem = None
    if parts.scheme not in {"http", "https"} or not host:
        problem = "is no address that begins with http:// or https://"
    elif parts.username is not None or parts.password is not None:
        problem = f"has a user in it; a token belongs into {TOKEN_VARIABLE}"
    elif parts.query or parts.fragment or not _VISIBLE.fullmatch(text):
        problem = "has more in it than a server and a path, in ASCII"
    if problem or not host:
        raise ConfigurationError(setting=setting, problem=problem or "", mend=_MEND)
    return ServerUrl(text.rstrip("/?#"), host)
