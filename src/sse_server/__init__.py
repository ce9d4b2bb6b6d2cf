"""A Server-Sent Events server: `Server` to embed it, `sse-server` to run it."""

from sse_server._version import __version__
from sse_server.engines.base import Receipt
from sse_server.errors import (
    ConfigurationError,
    InvalidChannel,
    InvalidEvent,
    ServerClosed,
    SSEServerError,
)
from sse_server.server import Server, ServerOptions
from sse_server.wire.event import Event, Priority

__all__ = [
    "ConfigurationError",
    "Event",
    "InvalidChannel",
    "InvalidEvent",
    "Priority",
    "Receipt",
    "SSEServerError",
    "Server",
    "ServerClosed",
    "ServerOptions",
    "__version__",
]
