"""Publishing with nobody listening: how much is taken in."""

import time

from bench.load.posters import post_side_by_side
from bench.load.publisher import Publisher
from bench.load.scenarios.registry import Part, scenario
from bench.load.stream import event_data
from bench.load.target import Target
from bench.load.trial import Figures, Trial

_CONNECTIONS = 16
_PIPELINED = 64
_BATCH = 1_000
_BATCHES_ON_THEIR_WAY = 3
_MAX_EVENTS = 100_000_000


@scenario(
    "publish",
    "publishing, nobody listens",
    "posts_per_second",
    "us_per_post",
    "pipelined_posts_per_second",
    "batched_events_per_second",
    "us_per_batched_event",
    "server_percent",
    part=Part.SHORT,
    targets=(
        Target(
            figure="posts_per_second",
            what="POSTs accepted per second, 16 publishers",
            bound=0.6,
            peer="node",
            at_least=True,
        ),
        Target(  # the same where others use the machine, too
            figure="us_per_post",
            what="µs of CPU per POST, 16 publishers",
            bound=1.65,
            peer="node",
        ),
        Target(
            figure="batched_events_per_second",
            what="events accepted per second, NDJSON batches of 1,000",
            bound=100_000,
            at_least=True,
        ),
    ),
)
def publish(trial: Trial) -> None:
    """One event a POST: by 16 publishers who wait for each answer, and by one who does not.

    Then in NDJSON batches, by a server that takes them.
    """
    subject, address = trial.server.subject, trial.server.address
    data = event_data(1, 1, trial.size.event_bytes)
    request = subject.publish_request(trial.channel, data)
    post_side_by_side(address, request, _CONNECTIONS, trial.size.seconds / 8)
    before, started = trial.server.cost(), time.monotonic()
    posts = post_side_by_side(address, request, _CONNECTIONS, trial.size.seconds)
    seconds = time.monotonic() - started
    after = trial.server.cost()
    cpu_ns = after.cpu_ns - before.cpu_ns
    trial.figures |= {
        "posts_per_second": posts / seconds,
        "us_per_post": cpu_ns / 1000 / posts,
        "server_percent": cpu_ns / 1e7 / seconds,
        "waited_percent": (after.waited_ns - before.waited_ns) / 1e7 / seconds,
    }
    with trial.publisher() as publisher:
        poured = _pour(trial, publisher, pipelined=_PIPELINED, batch=1)
        trial.figures["pipelined_posts_per_second"] = poured["events_per_second"]
        if subject.batches:
            poured = _pour(trial, publisher, pipelined=_BATCHES_ON_THEIR_WAY, batch=_BATCH)
            trial.figures |= {
                "batched_events_per_second": poured["events_per_second"],
                "us_per_batched_event": poured["us_per_event"],
            }


def _pour(trial: Trial, publisher: Publisher, *, pipelined: int, batch: int) -> Figures:
    first, before, started = publisher.sent, trial.server.cost(), time.monotonic()
    publisher.pour(
        seconds=trial.size.seconds / 2, max_events=_MAX_EVENTS, pipelined=pipelined, batch=batch
    )
    events, seconds = publisher.accepted - first, time.monotonic() - started
    cpu_ns = trial.server.cost().cpu_ns - before.cpu_ns
    return {"events_per_second": events / seconds, "us_per_event": cpu_ns / 1000 / events}
