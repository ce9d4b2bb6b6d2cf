"""What is measured: plain counters of all parts, made into families when somebody asks.

Nothing is counted here, and nothing here grows with the number of channels or subscribers.
"""

from __future__ import annotations

import platform
from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeHistogramMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from sse_server._version import __version__
from sse_server.core.backlog import backlogs
from sse_server.core.window import FRAME_OVERHEAD_BYTES
from sse_server.wire.flow import CloseReason

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from prometheus_client import Metric

    from sse_server.core.engine_counters import EngineCounters
    from sse_server.core.histogram import Histogram
    from sse_server.core.hub import Hub

PREFIX = "sse_server_"

_MAX_TENANTS = 100  # each is a time series

_FRAMES = (0, 1, 10, 100, 1_000, 10_000)
_BYTES = (0, 1 << 10, 1 << 14, 1 << 18, 1 << 20, 1 << 22, 1 << 24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What is looked at."""

    hub: Hub
    connections: Callable[[], int]
    """How many are open, those with streams among them."""
    delayed: Callable[[], int]
    """Publishes that had to wait."""
    refusals: Counter[str]
    """By the code of their error."""
    breaks: Counter[str]
    """Connections of HTTP/2 that were ended, by what for."""
    handshakes: Mapping[str, int]
    """Those of TLS, by how they ended."""
    loop_lag: Histogram
    tenants: Callable[[], Counter[str]]
    """How many streams are open, by tenant."""
    engine: EngineCounters
    trouble: Callable[[], str | None]
    """Why the engine cannot store; None: it can."""


class ServerCollector(Collector):
    """Shows the counters of one server."""

    def __init__(self, observed: Observed) -> None:
        self._observed = observed

    def collect(self) -> Iterator[Metric]:
        """All families."""
        yield from self._streams()
        yield from self._events()
        yield from self._slow_streams()
        yield from self._delays()
        yield from self._memory()
        yield from self._engine()
        yield _counter(
            "refusals",
            "Requests that were answered with an error, by its code.",
            by=("code", self._observed.refusals),
        )
        yield _counter(
            "http2_errors",
            "Connections of HTTP/2 ended for what their client sent, by error code or flood.",
            by=("kind", self._observed.breaks),
        )
        yield _counter(
            "tls_handshakes",
            "Handshakes of TLS, by how they ended: full, resumed or failed.",
            by=("result", self._observed.handshakes),
        )
        info = {"version": __version__, "python": platform.python_version()}
        yield InfoMetricFamily(f"{PREFIX}build", "Versions.", info)

    def _streams(self) -> Iterator[Metric]:
        hub = self._observed.hub
        yield _gauge("open_streams", "Event streams that are open.", hub.subscribers)
        tenants = GaugeMetricFamily(
            f"{PREFIX}tenant_open_streams",
            "Event streams that are open, by the tenant of their grants. Those with most.",
            labels=("tenant",),
        )
        for tenant, number in self._observed.tenants().most_common(_MAX_TENANTS):
            tenants.add_metric((tenant,), number)
        yield tenants
        yield _gauge(
            "open_connections",
            "Connections that are open, those of event streams among them.",
            self._observed.connections(),
        )
        yield _counter("streams_opened", "Event streams opened.", hub.opened)
        yield _counter(
            "streams_resumed",
            "Event streams opened by clients that came with a position: reconnects.",
            hub.reconnected,
        )
        yield _counter(
            "stream_changes", "Times that an open stream was given other channels.", hub.changed
        )
        closed = {reason.label: hub.closed[reason] for reason in CloseReason}
        yield _counter("streams_closed", "Event streams ended, by reason.", by=("reason", closed))
        yield _counter("heartbeats", "Heartbeats written to streams.", hub.heartbeats.sent)

    def _events(self) -> Iterator[Metric]:
        hub = self._observed.hub
        pump, log = hub.pump, hub.log
        yield _counter("events_published", "Events taken from publishers.", hub.published)
        yield _counter(
            "published_bytes",
            "Their bytes, as they are sent.",
            log.appended_bytes - hub.published * FRAME_OVERHEAD_BYTES,
        )
        channels = {tally.name: tally.events for tally in hub.traffic.tallies}
        yield _counter(
            "channel_events_published",
            "Events published, by channel. The busiest channels have series of their own, the "
            "others are counted as channel other.",
            by=("channel", channels),
        )
        yield _counter("events_delivered", "Events written to streams.", pump.frames)
        yield _counter(
            "delivered_bytes", "Their bytes, without those of heartbeats and openings.", pump.bytes
        )
        yield _counter("writes", "Writes that carried them.", pump.bursts)
        yield _counter(
            "publishes_delayed",
            "Publishes that waited until clients had what was published before.",
            self._observed.delayed(),
        )

    def _slow_streams(self) -> Iterator[Metric]:
        hub = self._observed.hub
        pump = hub.pump
        yield _gauge("paused_streams", "Streams whose clients take nothing now.", len(hub.stalls))
        yield _counter("pauses", "Times that a client took no more.", hub.pauses)
        yield _counter("gaps", "Gaps that streams were told.", pump.gaps)
        yield _counter(
            "gap_events_lost", "Events that those gaps told of, where their number was known.",
            pump.lost,
        )  # fmt: skip
        yield _counter(
            "events_dropped",
            "Of those, events that were left out for clients that lagged.",
            pump.skipped,
        )
        yield _counter(
            "events_conflated",
            "Events left out for clients that lagged because a later one replaced them.",
            pump.conflated,
        )
        frames = [0.0] * (len(_FRAMES) + 1)
        sizes = [0.0] * (len(_BYTES) + 1)
        all_frames = all_bytes = 0.0
        for backlog in backlogs(hub):
            frames[bisect_left(_FRAMES, backlog.frames)] += backlog.streams
            sizes[bisect_left(_BYTES, backlog.bytes)] += backlog.streams
            all_frames += backlog.frames * backlog.streams
            all_bytes += backlog.bytes * backlog.streams
        yield GaugeHistogramMetricFamily(
            f"{PREFIX}backlog_events",
            "Events that open streams have not been sent, by stream, now. Of many that are behind "
            "some are looked at.",
            _buckets(_FRAMES, frames),
            all_frames,
        )
        yield GaugeHistogramMetricFamily(
            f"{PREFIX}backlog_bytes",
            "The same in bytes: as many events of their channels' average size.",
            _buckets(_BYTES, sizes),
            all_bytes,
            unit="bytes",
        )

    def _delays(self) -> Iterator[Metric]:
        yield _histogram(
            "publish_to_written_seconds",
            "From the first publish after all was written until all is written again: no event "
            "waited longer for the kernel to have it, for any stream that takes it.",
            self._observed.hub.pump.latency,
        )
        yield _histogram(
            "loop_lag_seconds",
            "How late the event loop comes to a timer, tried once a second.",
            self._observed.loop_lag,
        )

    def _memory(self) -> Iterator[Metric]:
        hub = self._observed.hub
        log = hub.log
        yield _gauge("channels", "Channels with events in memory or streams.", len(log.windows))
        yield _gauge("log_events", "Events in memory.", hub.published - log.evicted)
        yield _gauge("log_bytes", "Their bytes, bookkeeping included.", log.bytes, unit="bytes")

    def _engine(self) -> Iterator[Metric]:
        engine = self._observed.engine
        yield _gauge(
            "engine_able",
            "1 while events can be stored, 0 while they cannot. In memory they always can.",
            self._observed.trouble() is None,
        )
        yield _histogram(
            "engine_commit_seconds", "How long groups of events took to be stored.", engine.seconds
        )
        yield _histogram(
            "engine_batch_events", "How many events those groups had.", engine.batches, "events"
        )
        yield _counter(
            "engine_failures",
            "Groups of events that could not be stored: their publishers got 503.",
            engine.failures,
        )
        yield _counter("engine_pages", "Pages of history read for streams.", engine.pages)
        yield _counter(
            "engine_page_failures",
            "Pages that could not be read: their streams went on with what is in memory.",
            engine.page_failures,
        )
        yield _counter("engine_events_trimmed", "Events that were kept no longer.", engine.trimmed)
        yield _counter(
            "engine_trim_failures", "Attempts at that which failed.", engine.trim_failures
        )


def _counter(
    name: str,
    documentation: str,
    value: float | None = None,
    *,
    by: tuple[str, Mapping[str, int]] | None = None,
) -> CounterMetricFamily:
    if by is None:
        return CounterMetricFamily(PREFIX + name, documentation, value)
    label, values = by
    family = CounterMetricFamily(PREFIX + name, documentation, labels=(label,))
    for key, number in values.items():
        family.add_metric((key,), number)
    return family


def _gauge(name: str, documentation: str, value: float, unit: str = "") -> GaugeMetricFamily:
    return GaugeMetricFamily(PREFIX + name, documentation, value, unit=unit)


def _histogram(
    name: str, documentation: str, histogram: Histogram, unit: str = "seconds"
) -> HistogramMetricFamily:
    buckets = _buckets(histogram.bounds, histogram.counts)
    return HistogramMetricFamily(PREFIX + name, documentation, buckets, histogram.sum, unit=unit)


def _buckets(bounds: Sequence[float], counts: Sequence[float]) -> list[tuple[str, float]]:
    """Numbers up to each bound, as the formats have them."""
    names = [*map(floatToGoString, bounds), "+Inf"]
    return list(zip(names, accumulate(counts), strict=True))
