"""A Server-Sent Events server: `Server` to embed it, `sse-server` to run it."""

from importlib import import_module
from typing import TYPE_CHECKING

from sse_server._version import __version__

if TYPE_CHECKING:
    from sse_server.auth.options import AuthOptions, ForwardOptions, Resume
    from sse_server.core.hub_options import HubOptions
    from sse_server.core.log_options import LogOptions
    from sse_server.core.policy import AfterGap, LagPolicy
    from sse_server.core.window import ChannelOptions
    from sse_server.endpoints.cors import CorsOptions
    from sse_server.engines.base import Receipt
    from sse_server.engines.sqlite.options import Durability, SqliteOptions
    from sse_server.errors import (
        ConfigurationError,
        InvalidChannel,
        InvalidEvent,
        LimitExceeded,
        ServerClosed,
        SSEServerError,
        Unavailable,
    )
    from sse_server.http.h2_options import Http2Options
    from sse_server.net.site import ConnectionOptions
    from sse_server.net.socket_options import SocketOptions
    from sse_server.net.tls import TlsOptions
    from sse_server.observe.journal import JournalOptions
    from sse_server.server import Server
    from sse_server.server_options import ServerOptions
    from sse_server.wire.event import Event, Priority

__all__ = [
    "AfterGap",
    "AuthOptions",
    "ChannelOptions",
    "ConfigurationError",
    "ConnectionOptions",
    "CorsOptions",
    "Durability",
    "Event",
    "ForwardOptions",
    "Http2Options",
    "HubOptions",
    "InvalidChannel",
    "InvalidEvent",
    "JournalOptions",
    "LagPolicy",
    "LimitExceeded",
    "LogOptions",
    "Priority",
    "Receipt",
    "Resume",
    "SSEServerError",
    "Server",
    "ServerClosed",
    "ServerOptions",
    "SocketOptions",
    "SqliteOptions",
    "TlsOptions",
    "Unavailable",
    "__version__",
]

# Loaded when it is asked for, so that the command can say in one line that a package is missing.
_HOMES = {
    "AfterGap": "sse_server.core.policy",
    "AuthOptions": "sse_server.auth.options",
    "ChannelOptions": "sse_server.core.window",
    "ConfigurationError": "sse_server.errors",
    "ConnectionOptions": "sse_server.net.site",
    "CorsOptions": "sse_server.endpoints.cors",
    "Durability": "sse_server.engines.sqlite.options",
    "Event": "sse_server.wire.event",
    "ForwardOptions": "sse_server.auth.options",
    "Http2Options": "sse_server.http.h2_options",
    "HubOptions": "sse_server.core.hub_options",
    "InvalidChannel": "sse_server.errors",
    "InvalidEvent": "sse_server.errors",
    "JournalOptions": "sse_server.observe.journal",
    "LagPolicy": "sse_server.core.policy",
    "LimitExceeded": "sse_server.errors",
    "LogOptions": "sse_server.core.log_options",
    "Priority": "sse_server.wire.event",
    "Receipt": "sse_server.engines.base",
    "Resume": "sse_server.auth.options",
    "SSEServerError": "sse_server.errors",
    "Server": "sse_server.server",
    "ServerClosed": "sse_server.errors",
    "ServerOptions": "sse_server.server_options",
    "SocketOptions": "sse_server.net.socket_options",
    "SqliteOptions": "sse_server.engines.sqlite.options",
    "TlsOptions": "sse_server.net.tls",
    "Unavailable": "sse_server.errors",
}


def __getattr__(name: str) -> object:
    """Load a public name (PEP 562)."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)
