"""Streams themselves: what it costs to open them and to hold them."""

import time

from bench.load.scenarios.registry import Part, scenario
from bench.load.server import Cost
from bench.load.target import Target
from bench.load.trial import Figures, Trial


@scenario(
    "connect",
    "all connect at once",
    "us_per_stream",
    "bytes_per_stream",
    "kernel_bytes_per_stream",
    "streams_per_second",
    "server_percent",
    part=Part.SHORT,
    targets=(
        Target(figure="us_per_stream", what="µs of CPU per new stream", bound=75.0),
        Target(figure="us_per_stream", what="µs of CPU per new stream", bound=0.4, peer="node"),
    ),
)
def connect(trial: Trial) -> None:
    """CPU and memory of a stream: the difference that N streams make to a server that is warm."""
    count = trial.size.subscribers
    trial.subscribe(20)
    before, started = trial.settled_cost(), time.monotonic()
    trial.subscribe(count)
    seconds = time.monotonic() - started
    after = trial.settled_cost()
    cpu_ns = after.cpu_ns - before.cpu_ns
    trial.figures |= _memory(before, after, count) | {
        "us_per_stream": cpu_ns / 1000 / count,
        "streams_per_second": count / seconds,
        "server_percent": cpu_ns / 1e7 / seconds,
    }
    trial.prove()


@scenario(
    "idle",
    "idle streams, heartbeats included",
    "cpu_percent",
    "bytes_per_stream",
    "kernel_bytes_per_stream",
    targets=(
        Target(
            figure="bytes_per_stream", what="bytes of resident memory per idle stream", bound=2_500
        ),
        Target(
            figure="bytes_per_stream",
            what="bytes of resident memory per idle stream",
            bound=0.3,
            peer="nchan",
        ),
        Target(
            figure="cpu_percent", what="% of a core, idle streams and their heartbeats", bound=1.5
        ),
    ),
)
def idle(trial: Trial) -> None:
    """CPU of streams on which nothing happens but heartbeats, and memory once they were written."""
    count, seconds = trial.size.subscribers, trial.size.idle_seconds
    start = trial.settled_cost(0.5)
    trial.subscribe(count)
    before = trial.settled_cost()
    time.sleep(seconds)
    after = trial.server.cost()
    trial.figures |= _memory(start, after, count) | {
        "cpu_percent": (after.cpu_ns - before.cpu_ns) / 1e7 / seconds,
        "waited_percent": (after.waited_ns - before.waited_ns) / 1e7 / seconds,
    }
    trial.prove()


def _memory(before: Cost, after: Cost, count: int) -> Figures:
    """Of a stream: the server's own, and the kernel's for both ends of it."""
    return {
        "bytes_per_stream": (after.resident_bytes - before.resident_bytes) / count,
        "kernel_bytes_per_stream": (after.kernel_bytes - before.kernel_bytes) / count,
        "socket_bytes_per_stream": (after.socket_bytes - before.socket_bytes) / count,
        "resident_bytes": after.resident_bytes,
        "socket_bytes": after.socket_bytes,
    }
