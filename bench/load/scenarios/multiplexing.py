"""HTTP/2 in clear: many streams on a connection, one on each of many, and very many in all."""

import time

from bench.load.scenarios.registry import Part, scenario
from bench.load.target import Target
from bench.load.trial import Trial

_MAX_SINGLE = 5_000
_MAX_CONNECTIONS = 1_000
_EVENTS_TO_ALL = 5
_WARM_CONNECTIONS = 20


@scenario(
    "h2-fan-out",
    "100 streams a connection of HTTP/2, one event at a time",
    "us_per_delivery_h1",
    "us_per_delivery",
    "h2_to_h1",
    "us_per_stream",
    "p50_ms",
    "p99_ms",
    "driver_percent",
    http2=True,
    part=Part.SHORT,
    targets=(
        Target(
            figure="h2_to_h1",
            what="CPU per delivery with 100 streams a connection, by that over HTTP/1.1",
            bound=0.06,
        ),
        Target(
            figure="us_per_delivery",
            what="µs of CPU per delivery with 100 streams a connection",
            bound=0.06,
            peer="nchan",
        ),
        Target(
            figure="us_per_stream", what="µs of CPU per new stream, 100 a connection", bound=250
        ),
    ),
)
def fan_out(trial: Trial) -> None:
    """The same number of streams over HTTP/1.1, then on connections of HTTP/2."""
    size = trial.size
    connections, streams = size.connections, size.streams_a_connection
    trial.subscribe(connections * streams)
    _measure_round_trips(trial)
    plain = trial.figures["us_per_delivery"]
    trial.begin_part()
    trial.subscribe_multiplexed(2, streams)  # warm
    trial.begin_part()
    before = trial.server.cost()
    trial.subscribe_multiplexed(connections, streams)
    after = trial.settled_cost()
    _measure_round_trips(trial)
    trial.figures |= {
        "us_per_delivery_h1": plain,
        "h2_to_h1": trial.figures["us_per_delivery"] / plain,
        "us_per_stream": (after.cpu_ns - before.cpu_ns) / 1000 / connections / streams,
    }


@scenario(
    "h2-single",
    "connections of HTTP/2 with one stream each",
    "us_per_stream_short_head",
    "us_per_stream",
    "bytes_per_stream_short_head",
    "bytes_per_stream",
    "us_per_delivery_h1",
    "us_per_delivery",
    "h2_to_h1",
    "p99_ms",
    http2=True,
    part=Part.PROOF,
    targets=(
        Target(
            figure="h2_to_h1",
            what="CPU per delivery with one stream a connection, by that over HTTP/1.1",
            bound=1.25,
        ),
        Target(
            figure="bytes_per_stream_short_head",
            what="bytes of resident memory per connection with one stream, a short head",
            bound=7_500,
        ),
        Target(
            figure="bytes_per_stream",
            what="bytes of resident memory per connection with one stream, a browser's head",
            bound=7_500,
        ),
        Target(
            figure="us_per_stream_short_head",
            what="µs of CPU per connection with one stream, a short head",
            bound=420,
        ),
        Target(
            figure="us_per_stream",
            what="µs of CPU per connection with one stream, a browser's head",
            bound=600,
        ),
    ),
)
def single(trial: Trial) -> None:
    """With a browser's head, and over HTTP/1.1; on another, new server with a short head."""
    count = min(_MAX_SINGLE, trial.size.subscribers)
    browsers = _open_single(trial, count, short_head=False)
    _measure_round_trips(trial)
    delivery = trial.figures["us_per_delivery"], trial.figures["p99_ms"]
    trial.begin_part()
    trial.subscribe(count)
    _measure_round_trips(trial)
    plain = trial.figures["us_per_delivery"]
    with trial.moved_to(trial.server.subject):
        short = _open_single(trial, count, short_head=True)
        trial.prove()
    trial.figures |= {
        "us_per_stream": browsers[0],
        "us_per_stream_short_head": short[0],
        "bytes_per_stream": browsers[1],
        "bytes_per_stream_short_head": short[1],
        "us_per_delivery_h1": plain,
        "us_per_delivery": delivery[0],
        "p99_ms": delivery[1],
        "h2_to_h1": delivery[0] / plain,
    }


def _open_single(trial: Trial, count: int, *, short_head: bool) -> tuple[float, float]:
    """Of each new connection with one stream: µs of CPU, and bytes of resident memory."""
    trial.subscribe_multiplexed(_WARM_CONNECTIONS, 1, short_head=short_head)
    before = trial.settled_cost()
    trial.subscribe_multiplexed(count, 1, short_head=short_head)
    after = trial.settled_cost()
    return (
        (after.cpu_ns - before.cpu_ns) / 1000 / count,
        (after.resident_bytes - before.resident_bytes) / count,
    )


@scenario(
    "h2-many",
    "1,000 connections of HTTP/2 with 100 streams each",
    "us_per_stream",
    "bytes_per_stream",
    "kernel_bytes_per_stream",
    "us_per_delivery",
    "p50_ms",
    "p99_ms",
    "all_have_it_ms",
    "streams",
    http2=True,
    part=Part.PROOF,
    targets=(
        Target(
            figure="bytes_per_stream",
            what="bytes of resident memory per idle stream, 100 a connection",
            bound=1_200,
        ),
        Target(figure="us_per_stream", what="µs of CPU per new stream, 100,000 in all", bound=250),
    ),
)
def many(trial: Trial) -> None:
    """Ten times as many streams as there are subscribers, and a few events to all of them."""
    size = trial.size
    connections = min(_MAX_CONNECTIONS, 10 * size.connections)
    streams = size.streams_a_connection
    count = connections * streams
    trial.subscribe_multiplexed(_WARM_CONNECTIONS, 1)
    before = trial.settled_cost()
    trial.subscribe_multiplexed(connections, streams)
    after = trial.settled_cost()
    trial.figures |= {
        "us_per_stream": (after.cpu_ns - before.cpu_ns) / 1000 / count,
        "bytes_per_stream": (after.resident_bytes - before.resident_bytes) / count,
        "kernel_bytes_per_stream": (after.kernel_bytes - before.kernel_bytes) / count,
        "streams": count,
    }
    with trial.publisher() as publisher, trial.measuring():
        slowest = 0.0
        for _ in range(_EVENTS_TO_ALL):
            started = time.monotonic()
            publisher.publish()
            trial.wait(publisher.sent)
            slowest = max(slowest, time.monotonic() - started)
    trial.figures["all_have_it_ms"] = slowest * 1000


def _measure_round_trips(trial: Trial) -> None:
    with trial.publisher() as publisher:
        trial.measure_round_trips(publisher)
