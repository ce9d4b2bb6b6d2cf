"""Addresses to listen on: as they are written in settings, or as a bound socket has them."""

import re
import socket
from dataclasses import dataclass

from sse_server.errors import ConfigurationError, quoted

_HOST_AND_PORT = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f:.%\w]+)\]|(?P<host>[^\[\]:]*)):(?P<port>\d{1,5})"
)
_UNIX = "unix:"
_MAX_PORT = 65_535
_FAMILIES = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP address, or the path of a Unix socket."""

    host: str | None
    """None for a Unix socket."""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        """As it is written in settings."""
        if self.host is None:
            return f"{_UNIX}{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str, setting: str = "ServerOptions.bind") -> Address:
    """Read `HOST:PORT`, `[V6]:PORT` or `unix:PATH`.

    Raises:
        ConfigurationError: it is none of them; `setting` is where it stands.
    """
    if text.startswith(_UNIX) and len(text) > len(_UNIX):
        return Address(None, path=text.removeprefix(_UNIX))
    match = _HOST_AND_PORT.fullmatch(text)
    if match is None or int(match["port"]) > _MAX_PORT:
        raise ConfigurationError(
            setting=setting,
            problem=f"{quoted(text)} is no address",
            mend="write HOST:PORT, [IPV6]:PORT or unix:PATH, for example 127.0.0.1:8000",
        )
    host = match["v6"] or match["host"]
    if not host:
        raise ConfigurationError(
            setting=setting,
            problem=f"{quoted(text)} names no host",
            mend=f"write 127.0.0.1:{match['port']}, or 0.0.0.0:{match['port']} for every interface",
        )
    return Address(host, int(match["port"]))


def bound_address(sock: socket.socket) -> Address:
    """Where a socket listens, or will.

    Raises:
        ConfigurationError: it is not a bound stream socket.
    """
    if sock.family not in _FAMILIES or sock.type != socket.SOCK_STREAM:
        raise _unfit(sock, "is no stream socket")
    try:
        sock.getpeername()
    except OSError:
        pass  # as it should be
    else:
        raise _unfit(sock, "is a connection")
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        if not name:
            raise _unfit(sock, "is not bound")
        # The abstract names of Linux begin with a zero byte, and are written with an @.
        path = name if isinstance(name, str) else "@" + name[1:].decode("utf-8", "replace")
        return Address(None, path=path)
    return Address(name[0], name[1])


def _unfit(sock: socket.socket, problem: str) -> ConfigurationError:
    return ConfigurationError(
        setting="sockets",
        problem=f"descriptor {sock.fileno()} {problem}",
        mend="pass bound stream sockets; in a systemd socket unit: ListenStream=, no Accept=",
    )
