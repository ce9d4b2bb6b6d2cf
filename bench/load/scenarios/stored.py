"""The SQLite engine of sse_server beside its memory engine: what keeping events costs.

Peers keep events in memory; Node keeps none. So nothing here has a peer but ourselves.
"""

import asyncio
import socket
import tempfile
import threading
import time

from bench.load import keeping
from bench.load.posters import post_side_by_side
from bench.load.publisher import Publisher
from bench.load.request import get_stream
from bench.load.scenarios.registry import Part, scenario
from bench.load.server import pinned
from bench.load.stream import Decoder, event_data
from bench.load.subjects.own import SseServer
from bench.load.target import Target
from bench.load.trial import Trial

_PUBLISHERS = 64
_TURNS = 2
_READ_BYTES = 1 << 16
_KEPT = "kept"
"""The channel whose history is replayed."""


@scenario(
    "stored-publish",
    "publishing into SQLite, 64 publishers",
    "engine_events_per_second",
    "posts_per_second",
    "memory_posts_per_second",
    "sqlite_to_memory",
    "us_per_post",
    "memory_us_per_post",
    "sqlite_to_memory_cpu",
    own=True,
    part=Part.PROOF,
    targets=(
        Target(
            figure="engine_events_per_second",
            what="events acknowledged per second by the SQLite engine itself, 64 publishers",
            bound=15_000,
            at_least=True,
        ),
        Target(
            figure="sqlite_to_memory",
            what="POSTs accepted per second with SQLite, by those with memory",
            bound=0.7,
            at_least=True,
        ),
        # With memory each answer comes by itself, and the driver can be the limit.
        Target(
            figure="sqlite_to_memory_cpu",
            what="CPU of a POST with SQLite, by that with memory",
            bound=1.43,
        ),
    ),
)
def publish(trial: Trial) -> None:
    """At the engine's own interface, on the server's core; then over HTTP, in turns with memory."""
    seconds = trial.size.seconds
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        with pinned(trial.server.cores):
            url = f"sqlite:{folder}/engine.db"
            rate = asyncio.run(keeping.publish_side_by_side(url, _PUBLISHERS, seconds))
        with trial.server_beside(SseServer("--engine", f"sqlite:{folder}/http.db")) as other:
            servers = {"memory": trial.server, "sqlite": other}
            posts = dict.fromkeys(servers, 0)
            start_ns = {name: server.cost().cpu_ns for name, server in servers.items()}
            for _ in range(_TURNS):
                for name, server in servers.items():
                    posts[name] += _post(trial, server.address, seconds / _TURNS)
            us_per_post = {
                name: (server.cost().cpu_ns - start_ns[name]) / 1000 / posts[name]
                for name, server in servers.items()
            }
    trial.figures |= {
        "engine_events_per_second": rate,
        "posts_per_second": posts["sqlite"] / seconds,
        "memory_posts_per_second": posts["memory"] / seconds,
        "sqlite_to_memory": posts["sqlite"] / posts["memory"],
        "us_per_post": us_per_post["sqlite"],
        "sqlite_to_memory_cpu": us_per_post["sqlite"] / us_per_post["memory"],
        "memory_us_per_post": us_per_post["memory"],
    }


def _post(trial: Trial, address: tuple[str, int], seconds: float) -> int:
    data = event_data(1, 1, trial.size.event_bytes)
    request = trial.server.subject.publish_request(trial.channel, data)
    return post_side_by_side(address, request, _PUBLISHERS, seconds)


@scenario(
    "stored-replay",
    "a million events kept; 100,000 to one who is late, beside live streams",
    "open_ms",
    "started_ms",
    "replayed_per_second",
    "p99_ms_without",
    "p99_ms",
    "p99_ratio",
    own=True,
    part=Part.PROOF,
    targets=(
        Target(figure="started_ms", what="ms until it listens, a million events kept", bound=1_000),
        Target(
            figure="replayed_per_second",
            what="events per second of 100,000 replayed to one who is late",
            bound=50_000,
            at_least=True,
        ),
        Target(
            figure="p99_ratio",
            what="p99 of live streams while they are replayed, by that before",
            bound=1.5,
        ),
    ),
)
def replay(trial: Trial) -> None:
    """Live streams alone for as long as a replay takes, and then beside one."""
    size = trial.size
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        url = f"sqlite:{folder}/kept.db"
        count = size.replayed_of_kept
        asyncio.run(keeping.fill(url, _KEPT, count, size.kept_events, size.event_bytes))
        with pinned(trial.server.cores):
            trial.figures["open_ms"] = asyncio.run(keeping.open_seconds(url)) * 1000
        subject = SseServer("--engine", url)
        started = time.monotonic()
        with trial.server_beside(subject):
            trial.figures["started_ms"] = (time.monotonic() - started) * 1000
        with trial.moved_to(subject):
            trial.subscribe(size.few)
            with trial.publisher() as publisher:
                _measure_latency(trial, publisher, _Late(trial, 1))  # warm
                _measure_latency(trial, publisher, None)
                without = trial.figures["p99_ms"]
                late = _Late(trial, count)
                _measure_latency(trial, publisher, late)
            late.join()
            if late.found() != (count, 0, 0):
                trial.verdict.trouble.append(f"the late client has {late.found()} of {count}")
    trial.figures |= {
        "replayed_per_second": count / late.seconds,
        "p99_ms_without": without,
        "p99_ratio": trial.figures["p99_ms"] / without,
    }


def _measure_latency(trial: Trial, publisher: Publisher, late: "_Late | None") -> None:
    """Events on schedule, for as long as a measurement takes and until the late one has all."""
    size = trial.size
    with trial.measuring():
        if late is not None:
            late.start()
        due_ns = time.monotonic_ns()
        end_ns = due_ns + int(size.seconds * 1e9)
        while due_ns < end_ns or (late is not None and late.is_alive()):
            due_ns += 1_000_000_000 // size.events_per_second
            time.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)
            publisher.publish(due_ns)
        trial.wait(publisher.sent)


class _Late(threading.Thread):
    """A client that reads a channel from its oldest event on, and decodes it when asked.

    Reading lets the publisher go on; decoding beside it would be in the latencies.
    """

    def __init__(self, trial: Trial, events: int) -> None:
        super().__init__()
        self._address = trial.server.address
        self._bytes = events * trial.size.event_bytes
        self._last = b'"serial":%d' % (1_000_000_000 + events)
        self._timeout = trial.size.wait_seconds
        self.seconds = 0.0
        self._data = b""

    def run(self) -> None:
        parts: list[bytes] = []
        size = 0
        started = time.monotonic()
        with socket.create_connection(self._address, timeout=self._timeout) as sock:
            sock.sendall(get_stream(f"/events/{_KEPT}?last_event_id=earliest"))
            # From when there can be the last event on, it is looked for where it can begin.
            while size < self._bytes or self._last not in b"".join(parts[-2:]):
                data = sock.recv(_READ_BYTES)
                if not data:
                    break
                parts.append(data)
                size += len(data)
            self.seconds = time.monotonic() - started
            while b"\n\n" not in b"".join(parts[-2:]).partition(self._last)[2]:
                parts.append(sock.recv(_READ_BYTES))
        self._data = b"".join(parts)

    def found(self) -> tuple[int, int, int]:
        """The newest event, gaps, repeats."""
        decoder = Decoder()
        progress = decoder.step(decoder.start, self._data).progress
        return progress.newest, progress.gaps, progress.repeats
