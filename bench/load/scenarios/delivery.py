"""One channel, many subscribers: what an event costs, and how late it is."""

import time

from bench.load.scenarios.registry import Part, scenario
from bench.load.target import Target
from bench.load.trial import Trial

_DELIVERY = ("us_per_delivery", "deliveries_per_second", "p50_ms", "p99_ms", "p999_ms")
_SHARES = ("server_percent", "waited_percent", "driver_percent", "events_per_read")

_MAX_POURED = 40_000
"""A bound against a server that accepts without end; more than any delivers in the time given, so
that all are measured for equally long."""
_SIZES = {"100b": 100, "1kb": 1_024, "16kb": 16_384}


@scenario(
    "fan-out-one",
    "fan-out, one event at a time",
    *_DELIVERY,
    *_SHARES,
    part=Part.SHORT,
    targets=(
        Target(
            figure="us_per_delivery",
            what="µs of CPU per delivery, one event at a time",
            bound=0.8,
            peer="nchan",
        ),
    ),
)
def fan_out_one(trial: Trial) -> None:
    """The next event is published when everybody has the one before."""
    trial.subscribe(trial.size.subscribers)
    with trial.publisher() as publisher:
        trial.measure_round_trips(publisher)


@scenario(
    "fan-out-full",
    "fan-out, at full speed",
    *_DELIVERY,
    *_SHARES,
    part=Part.SHORT,
    targets=(
        Target(
            figure="us_per_delivery",
            what="µs of CPU per delivery, as fast as it accepts",
            bound=0.1,
            peer="nchan",
        ),
    ),
)
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
    "driver_percent",
    part=Part.SHORT,
    targets=(
        Target(
            figure="p99_ms",
            what="ms until 99 % have it, 1,000 subscribers, 50 events/s",
            bound=1.1,
            peer="nchan",
        ),
    ),
)
def latency(trial: Trial) -> None:
    """Events on schedule; latency counts from when an event was due, not from when it was sent."""
    trial.subscribe(trial.size.few)
    with trial.publisher() as publisher:
        for _ in range(3):
            publisher.publish()
        trial.wait(publisher.sent)
        with trial.measuring():
            due_ns = time.monotonic_ns()
            for _ in range(int(trial.size.seconds * trial.size.events_per_second)):
                due_ns += 1_000_000_000 // trial.size.events_per_second
                time.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)
                publisher.publish(due_ns)
            trial.wait(publisher.sent)


@scenario(
    "scale",
    "few streams and many, one event at a time",
    "us_per_delivery_few",
    "us_per_delivery",
    "many_to_few",
    "p99_ms",
    "streams",
    part=Part.PROOF,
    targets=(
        Target(
            figure="many_to_few",
            what="CPU per delivery at 19,000 streams by that at 1,000",
            bound=1.3,
        ),
        Target(
            figure="many_to_few",
            what="CPU per delivery at 19,000 streams by that at 1,000",
            bound=1.0,
            peer="nchan",
        ),
    ),
)
def scale(trial: Trial) -> None:
    """The same server with few streams, then with as many as its descriptors allow."""
    trial.subscribe(trial.size.few)
    with trial.publisher() as publisher:
        trial.measure_round_trips(publisher)
    few = trial.figures["us_per_delivery"]
    trial.begin_part()
    trial.subscribe(trial.size.many)
    with trial.publisher() as publisher:
        trial.measure_round_trips(publisher)
    trial.figures |= {
        "us_per_delivery_few": few,
        "many_to_few": trial.figures["us_per_delivery"] / few,
        "streams": trial.size.many,
    }


@scenario(
    "sizes",
    "event sizes, one at a time",
    *(f"us_per_delivery_{name}" for name in _SIZES),
    *(f"p99_ms_{name}" for name in _SIZES),
    part=Part.PROOF,
)
def sizes(trial: Trial) -> None:
    """Events of 100 bytes, 1 KB and 16 KB to 1,000 subscribers."""
    trial.subscribe(trial.size.few)
    with trial.publisher() as publisher:
        for name, event_bytes in _SIZES.items():
            publisher.event_bytes = event_bytes
            trial.measure_round_trips(publisher)
            for figure in ("us_per_delivery", "p99_ms"):
                trial.figures[f"{figure}_{name}"] = trial.figures[figure]


@scenario(
    "replay",
    "replay of 100 events to joiners",
    "us_per_joiner",
    "us_per_delivery",
    "all_caught_up_ms",
    replays=True,
    part=Part.SHORT,
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
