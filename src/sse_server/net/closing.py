"""Ending connections: what a client is told that took too long, and how one is closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sse_server.errors import RemoteProtocolError

if TYPE_CHECKING:
    import asyncio


def took_too_long() -> RemoteProtocolError:
    """The answer to what began as a request and did not become a whole one."""
    message = "the request did not arrive in time: send it at once"
    return RemoteProtocolError(message, 408, "request-timeout")


def close_gently(transport: asyncio.Transport) -> None:
    """End our side, and let what has been written arrive: at once would be a reset.

    The client, which may still be sending, ends its own when it has read that (RFC 9112 section
    9.6); who does not is to be aborted after a while.
    """
    if transport.is_closing():
        return
    if transport.can_write_eof():
        transport.resume_reading()
        try:
            transport.write_eof()
        except OSError:  # what has just been written was reset: the client is gone
            transport.abort()
    else:  # TLS says that it ends, and waits for the answer
        transport.close()
