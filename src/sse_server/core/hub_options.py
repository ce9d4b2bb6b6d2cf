"""Options of the hub."""

from dataclasses import dataclass, field
from typing import Annotated

from sse_server.core.log_options import LogOptions
from sse_server.options import RELOADABLE, Bounds, Options


@dataclass(frozen=True, slots=True, kw_only=True)
class HubOptions(Options):
    """How the hub keeps and delivers."""

    log: LogOptions = field(default_factory=LogOptions)
    lane_size: Annotated[int, Bounds(1, 65_536)] = 512
    """Members served in one step: 3.5 ms of writes, during which nothing else runs."""
    writes_per_run: Annotated[int, Bounds(1, 65_536)] = 512
    """Writes after which the loop may take in publishes and handshakes."""
    beside_limit: Annotated[int, Bounds(0, 65_536), RELOADABLE] = 16
    """So many subscribers may follow a channel by themselves, beside the group of another channel
    of theirs: publishing to it touches each of them."""
    heartbeat_seconds: Annotated[float, Bounds(1), RELOADABLE] = 15.0
    """No stream is silent for longer. Below what closes silent connections: nginx and AWS load
    balancers (ALB) 60 s, Cloudflare 100 s. Infinite: no heartbeats."""
    stall_timeout_seconds: Annotated[float, Bounds(1), RELOADABLE] = 30.0
    """A stream whose client has taken nothing for so long while something waited is closed.
    Infinite: none is."""
    publish_wait_seconds: Annotated[float, Bounds(0, 60), RELOADABLE] = 0.1
    """When those who wait for the pump are further behind, publishers are answered later."""
    busiest_channels: Annotated[int, Bounds(0, 10_000)] = 100
    """Whose events are counted one by one, those of the others together: each is a time series."""
