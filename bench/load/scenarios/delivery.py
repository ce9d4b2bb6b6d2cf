"""Connect, idle, fan-out, latency, replay: what every day asks of a server."""

import time

from bench.load.scenarios.registry import scenario
from bench.load.trial import Trial

_DELIVERY = ("us_per_delivery", "deliveries_per_second", "p50_ms", "p99_ms", "p999_ms")
_SHARES = ("server_percent", "waited_percent", "driver_percent", "events_per_read")

_MAX_POURED = 40_000
"""A bound against a server that accepts without end; more than any delivers in the time given, so
that all are measured for equally long."""


@scenario(
    "connect",
    "all connect at once",
    "us_per_stream",
    "bytes_per_stream",
    "socket_bytes_per_stream",
    "streams_per_second",
)
def connect(trial: Trial) -> None:
    """CPU and memory of a stream: the difference that N streams make to a server that is warm."""
    count = trial.size.subscribers
    trial.subscribe(20)
    before = trial.settled_cost()
    started = time.monotonic()
    trial.subscribe(count)
    seconds = time.monotonic() - started
    after = trial.settled_cost()
    trial.figures |= {
        "us_per_stream": (after.cpu_ns - before.cpu_ns) / 1000 / count,
        "bytes_per_stream": (after.resident_bytes - before.resident_bytes) / count,
        "socket_bytes_per_stream": (after.socket_bytes - before.socket_bytes) / count,
        "streams_per_second": count / seconds,
    }
    trial.prove()


@scenario("idle", "idle streams, heartbeats included", "cpu_percent", "bytes_per_stream")
def idle(trial: Trial) -> None:
    """CPU of streams on which nothing happens; memory again, heartbeats having been written."""
    start = trial.settled_cost(0.5)
    trial.subscribe(trial.size.subscribers)
    before = trial.settled_cost()
    time.sleep(trial.size.idle_seconds)
    after = trial.server.cost()
    trial.figures |= {
        "cpu_percent": (after.cpu_ns - before.cpu_ns) / 1e7 / trial.size.idle_seconds,
        "bytes_per_stream": (after.resident_bytes - start.resident_bytes) / trial.size.subscribers,
    }
    trial.prove()


@scenario("fan-out-one", "fan-out, one event at a time", *_DELIVERY, *_SHARES)
def fan_out_one(trial: Trial) -> None:
    """The next event is published when everybody has the one before."""
    trial.subscribe(trial.size.subscribers)
    with trial.publisher() as publisher:

        def round_trip() -> None:
            publisher.publish()
            trial.wait(publisher.sent)

        for _ in range(3):  # warm: paths, and TCP's windows
            round_trip()
        with trial.measuring():
            deadline = time.monotonic() + trial.size.seconds
            while time.monotonic() < deadline:
                round_trip()


@scenario("fan-out-full", "fan-out, at full speed", *_DELIVERY, *_SHARES)
def fan_out_full(trial: Trial) -> None:
    """Events are published as fast as they are accepted, and all are waited for.

    A server that joins events into one write has few writes here: its CPU per delivery means
    something only beside `events_per_read` and the latencies, which are what the joining costs.
    """
    trial.subscribe(trial.size.subscribers)
    with trial.publisher() as publisher:

        def pour(seconds: float) -> None:
            publisher.pour(seconds=seconds, max_events=_MAX_POURED, pipelined=64)
            trial.wait(publisher.sent)

        pour(trial.size.seconds / 10)
        with trial.measuring():
            pour(trial.size.seconds)


@scenario(
    "latency",
    "latency, 50 events/s",
    "p50_ms",
    "p99_ms",
    "p999_ms",
    "us_per_delivery",
    "waited_percent",
)
def latency(trial: Trial) -> None:
    """Events on schedule; latency counts from when an event was due, not from when it was sent."""
    trial.subscribe(trial.size.few)
    interval_ns = 1_000_000_000 // trial.size.events_per_second
    count = int(trial.size.seconds * trial.size.events_per_second)
    with trial.publisher() as publisher:
        for _ in range(3):
            publisher.publish()
        trial.wait(publisher.sent)
        with trial.measuring():
            due_ns = time.monotonic_ns()
            for _ in range(count):
                due_ns += interval_ns
                time.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)
                publisher.publish(due_ns)
            trial.wait(publisher.sent)


@scenario(
    "replay",
    "replay of 100 events to joiners",
    "us_per_joiner",
    "us_per_delivery",
    "all_caught_up_ms",
    replays=True,
)
def replay(trial: Trial) -> None:
    """Streams that begin with the oldest event kept, all at once; connecting is in the figures."""
    count = trial.size.few
    events = trial.size.replayed_events
    with trial.publisher() as publisher:
        for _ in range(events):
            publisher.publish()
    before, started = trial.settled_cost(0.5), time.monotonic()
    trial.subscribe(count, replay=True)
    trial.wait(events)
    seconds = time.monotonic() - started
    cpu_us = (trial.server.cost().cpu_ns - before.cpu_ns) / 1000
    trial.figures |= {
        "us_per_joiner": cpu_us / count,
        "us_per_delivery": cpu_us / count / events,
        "all_caught_up_ms": seconds * 1000,
    }
