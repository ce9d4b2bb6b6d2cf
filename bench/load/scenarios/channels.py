"""Many channels: one for each subscriber, alone or beside one that all share."""

import time

from bench.load.publisher import Publisher
from bench.load.scenarios.registry import Part, scenario
from bench.load.target import Target
from bench.load.trial import Trial

_BATCH = 1_000
_PIPELINED = 64


@scenario(
    "personal",
    "a broadcast to streams that follow a personal channel too",
    "us_per_delivery_plain",
    "us_per_delivery",
    "personal_to_plain",
    "p99_ms",
    "server_percent",
    part=Part.SHORT,
    targets=(
        Target(
            figure="personal_to_plain",
            what="CPU per delivery of a broadcast, personal channel beside it, by plain",
            bound=1.15,
        ),
    ),
)
def personal(trial: Trial) -> None:
    """The same server with plain streams, then with streams that follow `user{n}` and one channel.

    Each gets one personal event first: that all are followed is shown before it is measured.
    """
    count = trial.size.subscribers
    trial.subscribe(count)
    with trial.publisher() as publisher:
        trial.measure_round_trips(publisher)
    plain = trial.figures["us_per_delivery"]
    trial.begin_part()
    trial.subscribe(count, trial.channel, "user{n}")
    users = [f"user{number}" for number in range(count)]
    with trial.publisher() as publisher:
        _publish_each(trial, publisher, users)
        trial.measure_round_trips(publisher)
    trial.figures |= {
        "us_per_delivery_plain": plain,
        "personal_to_plain": trial.figures["us_per_delivery"] / plain,
    }


@scenario(
    "channels",
    "a channel for each subscriber, one event each",
    "us_per_delivery_single",
    "us_per_delivery_batched",
    "p99_ms",
    "bytes_per_stream",
    "server_percent",
    part=Part.SHORT,
    targets=(
        Target(
            figure="us_per_delivery_batched",
            what="µs of CPU per event, a channel for each subscriber, published in batches",
            bound=25.0,
        ),
    ),
)
def channels(trial: Trial) -> None:
    """As many channels as streams; publishing is in the figures.

    Rounds of one event to each: a POST each, then in batches by servers that take them.
    """
    count = trial.size.subscribers
    names = [f"user{number}" for number in range(count)]
    before = trial.settled_cost(0.5)
    trial.subscribe(count, "user{n}")
    after = trial.settled_cost(0.5)
    with trial.publisher() as publisher:
        _measure_rounds(trial, publisher, names, batch=1)
        trial.figures["us_per_delivery_single"] = trial.figures["us_per_delivery"]
        if trial.server.subject.batches:
            _measure_rounds(trial, publisher, names, batch=_BATCH)
            trial.figures["us_per_delivery_batched"] = trial.figures["us_per_delivery"]
    resident_bytes = after.resident_bytes - before.resident_bytes
    trial.figures["bytes_per_stream"] = resident_bytes / count


def _measure_rounds(trial: Trial, publisher: Publisher, names: list[str], batch: int) -> None:
    _publish_each(trial, publisher, names, batch)
    with trial.measuring():
        deadline = time.monotonic() + trial.size.seconds / 2
        while time.monotonic() < deadline:
            _publish_each(trial, publisher, names, batch)


def _publish_each(trial: Trial, publisher: Publisher, names: list[str], batch: int = 1) -> None:
    pipelined = 1 if batch > 1 else _PIPELINED
    publisher.publish_each(names, pipelined=pipelined, batch=batch)
    trial.wait(publisher.sent)
