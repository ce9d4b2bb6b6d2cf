"""The metrics of one server, as Prometheus reads them.

Each server has a registry of its own, so that a process may have several.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.exposition import generate_latest as plain_text
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as OPEN_METRICS_TYPE
from prometheus_client.openmetrics.exposition import generate_latest as open_metrics

from sse_server.observe.collector import ServerCollector
from sse_server.observe.process import LinuxProcess

if TYPE_CHECKING:
    from sse_server.observe.collector import Observed

_OPEN_METRICS = b"application/openmetrics-text"


class Metrics:
    """Shows what is observed."""

    __slots__ = ("registry",)

    def __init__(self, observed: Observed) -> None:
        """`observed` is looked at each time."""
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(ServerCollector(observed))
        self.registry.register(LinuxProcess())

    def page(self, accept: bytes) -> tuple[bytes, bytes]:
        """Content type and text: OpenMetrics for who takes that, else the older format."""
        if _OPEN_METRICS in accept.lower():
            return OPEN_METRICS_TYPE.encode(), open_metrics(self.registry)  # type: ignore[no-untyped-call]
        return CONTENT_TYPE_PLAIN_0_0_4.encode(), plain_text(self.registry)
