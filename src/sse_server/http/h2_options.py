"""How HTTP/2 is spoken, as far as that can be set."""

from dataclasses import dataclass
from typing import Annotated

from sse_server.options import RELOADABLE, Bounds, Options


@dataclass(frozen=True, slots=True, kw_only=True)
class Http2Options(Options):
    """How HTTP/2 is spoken, on the same listeners as HTTP/1.1.

    Over TLS clients choose it by ALPN, in clear they begin with it. What a request may be is said
    in `[http1]`. A reload holds for connections that begin after it.
    """

    max_concurrent_streams: Annotated[int, Bounds(1, 1_000), RELOADABLE] = 256
    """Of one connection. A page with 100 EventSources has room for its other requests; with 100
    they would wait for ever."""
    turn_bytes: Annotated[int, Bounds(1, 1 << 24), RELOADABLE] = 16_384
    """What a stream is sent while others wait for the same connection's window, before the next one
    has its turn. A full frame."""
    keepalive_seconds: Annotated[float, Bounds(1), RELOADABLE] = 30.0
    """A connection with open streams that has sent nothing for so long is asked for a sign of life.
    Below what closes silent connections: AWS load balancers 60 s. Infinite: none is."""
    keepalive_timeout_seconds: Annotated[float, Bounds(0.01, 3_600), RELOADABLE] = 15.0
    """When none has come by then, the client is gone."""
