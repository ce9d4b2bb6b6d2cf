"""One scenario with one server: what the scenario functions work with, and whether it counts."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from bench.load.crowd import Crowd
from bench.load.descriptors import max_descriptors
from bench.load.frames import connection_start
from bench.load.histogram import Histogram
from bench.load.messages import Open
from bench.load.publisher import Publisher
from bench.load.server import Cost, Server, run
from bench.load.subjects.base import Subject

Figures = dict[str, float]

_SPARE_DESCRIPTORS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is done; every subject gets the same."""

    subscribers: int
    seconds: float
    """How long a measurement lasts; what was begun is finished."""
    idle_seconds: float
    event_bytes: int = 200
    """Of the data of an event, one line of JSON."""
    events_per_second: int = 50
    """In the latency scenario."""
    few_subscribers: int = 1_000
    """At most so many in the scenarios latency, sizes and replay."""
    many_subscribers: int = 19_000
    """At most so many in the scenario scale; one process may have 20,000 descriptors."""
    replayed_events: int = 100
    stalled_readers: int = 100
    """In the scenario slow-readers; 150 events of 64 KiB are more than their sockets hold."""
    streams_a_connection: int = 100
    """Over HTTP/2, in the scenarios that have many."""
    kept_events: int = 1_000_000
    """In a file, in the scenario stored-replay."""
    replayed_of_kept: int = 100_000
    large_events: int = 150
    large_event_bytes: int = 65_536
    aborted_streams: int = 2_000
    settle_seconds: float = 1.0
    """Until a server has finished what it was doing."""
    wait_seconds: float = 60.0
    """For deliveries that do not come."""

    @property
    def few(self) -> int:
        """Subscribers of the scenarios that need fewer."""
        return min(self.few_subscribers, self.subscribers)

    @property
    def many(self) -> int:
        """Subscribers of the scenario that compares many with few."""
        most = max_descriptors() - _SPARE_DESCRIPTORS
        return min(self.many_subscribers, 19 * self.few, most)

    @property
    def connections(self) -> int:
        """Connections of HTTP/2 that together have as many streams as there are subscribers."""
        return max(1, self.subscribers // self.streams_a_connection)


@dataclass(slots=True, kw_only=True)
class Verdict:
    """What was proved about the deliveries of a trial; figures count only when it is clean."""

    expected: int = 0
    deliveries: int = 0
    gaps: int = 0
    repeats: int = 0
    drops: int = 0
    ends: int = 0
    expected_ends: int = 0
    surplus: int = 0
    """Deliveries that may come beside: of events that were sent, and not acknowledged."""
    trouble: list[str] = field(default_factory=list)

    @property
    def valid(self) -> bool:
        """Each subscriber got each event once, in order, and no stream was lost."""
        clean = not (self.gaps or self.repeats or self.drops or self.trouble)
        return (
            clean
            and self.expected <= self.deliveries <= self.expected + self.surplus
            and self.ends == self.expected_ends
        )

    def __str__(self) -> str:
        told = [f"{self.deliveries:,} of {self.expected:,} deliveries"]
        told += [
            f"{count:,} {what}"
            for what, count in (
                ("gaps", self.gaps),
                ("repeats", self.repeats),
                ("drops", self.drops),
                ("ends", self.ends),
            )
            if count
        ]
        return ", ".join(told + self.trouble)


class Trial:
    """A server, a crowd and a publisher; counts what each subscriber has to receive."""

    def __init__(self, server: Server, crowd: Crowd, size: Size) -> None:
        self.server = server
        self.crowd = crowd
        self.size = size
        self.figures: Figures = {}
        self.verdict = Verdict()
        self.channel = "bench1"
        """Where events go, unless a scenario says otherwise."""
        self._published = 0
        self._parts = 1

    def subscribe(
        self,
        count: int,
        *channels: str,
        replay: bool = False,
        stalls: bool = False,
        receive_bytes: int | None = None,
    ) -> None:
        """Open streams and wait until all stand; those that stall are never read afterwards.

        `{n}` in a channel's name stands for the number of the stream, from 0.
        """
        names = channels or (self.channel,)
        command = Open(
            address=self.server.address,
            request=self.server.subject.subscribe_request(*names, replay=replay),
            count=count,
            stalls=stalls,
            receive_bytes=receive_bytes,
        )
        self.crowd.open(command)

    def subscribe_multiplexed(
        self,
        connections: int,
        streams: int,
        *,
        short_head: bool = False,
        resumed: bool = False,
    ) -> None:
        """Open connections of HTTP/2 with so many streams each; wait until all stand."""
        server = self.server
        request = server.subject.subscribe_request(self.channel)
        command = Open(
            address=server.http2_address,
            request=connection_start(
                request,
                streams,
                short_head=short_head,
                scheme=b"https" if server.subject.tls else b"http",
            ),
            count=connections,
            multiplexed=streams,
            tls=server.subject.tls,
            resumed=resumed,
        )
        self.crowd.open(command)

    @contextlib.contextmanager
    def publisher(
        self, event_bytes: int | None = None, channel: str | None = None
    ) -> Iterator[Publisher]:
        """A publisher; there is one in a part of a trial, since events are numbered from 1."""
        subject, size = self.server.subject, event_bytes or self.size.event_bytes
        with Publisher(self.server.address, subject, channel or self.channel, size) as publisher:
            try:
                yield publisher
            finally:
                self._published = publisher.accepted

    def begin_part(self) -> None:
        """Judge what came so far, reset all streams, and begin anew with a channel of its own."""
        self.judge()
        self.crowd.abort()
        self._published = 0
        self._parts += 1
        self.channel = f"bench{self._parts}"
        self.settled_cost()

    @contextlib.contextmanager
    def server_beside(self, subject: Subject) -> Iterator[Server]:
        """Another server on the same core: while one works, the other does nothing."""
        with run(subject, self.server.cores) as other:
            yield other

    @contextlib.contextmanager
    def moved_to(self, subject: Subject) -> Iterator[None]:
        """A part of the trial with another server; what comes after is with the first again."""
        self.begin_part()
        first = self.server
        with self.server_beside(subject) as self.server:
            yield
            self.begin_part()
        self.server = first

    def wait(self, number: int) -> None:
        """Wait until every subscriber has the events up to a number.

        Raises:
            TimeoutError: they do not come.
        """
        if not self.crowd.wait(number, self.size.wait_seconds):
            raise TimeoutError(f"event {number} did not reach everybody")

    def prove(self) -> None:
        """Show that all streams live: publish one event to all and wait for it."""
        with self.publisher() as publisher:
            publisher.publish()
            self.wait(publisher.sent)

    def measure_round_trips(self, publisher: Publisher) -> None:
        """Publish when everybody has the event before; the first three are not measured."""

        def round_trip() -> None:
            publisher.publish()
            self.wait(publisher.sent)

        for _ in range(3):  # warm: paths, and TCP's windows
            round_trip()
        with self.measuring(publisher.event_bytes):
            deadline = time.monotonic() + self.size.seconds
            while time.monotonic() < deadline:
                round_trip()

    @contextlib.contextmanager
    def measuring(self, event_bytes: int | None = None) -> Iterator[None]:
        """Measure deliveries: server CPU for each, latencies, how busy server and driver are.

        The block has to end with everything delivered.
        """
        before = self._deliveries()
        self.crowd.reset()
        start, started = self.server.cost(), time.monotonic()
        yield
        end, seconds = self.server.cost(), time.monotonic() - started
        told = self.crowd.tell()
        deliveries = sum(process.deliveries for process in told) - before
        latencies = Histogram()
        for process in told:
            latencies.merge(process.latencies_us.items())
        cpu_ns = end.cpu_ns - start.cpu_ns
        driver_ns = max(process.cpu_ns for process in told)
        reads = sum(process.reads for process in told)
        bytes_per_delivery = sum(process.read_bytes for process in told) / max(1, deliveries)
        if bytes_per_delivery < (event_bytes or self.size.event_bytes):
            self.verdict.trouble.append(
                f"{bytes_per_delivery:.0f} bytes per delivery are less than an event"
            )
        self.figures |= {
            "us_per_delivery": cpu_ns / 1000 / max(1, deliveries),
            "deliveries_per_second": deliveries / seconds,
            "p50_ms": latencies.quantile(0.5) / 1000,
            "p99_ms": latencies.quantile(0.99) / 1000,
            "p999_ms": latencies.quantile(0.999) / 1000,
            "server_percent": cpu_ns / 1e7 / seconds,
            "waited_percent": (end.waited_ns - start.waited_ns) / 1e7 / seconds,
            "driver_percent": driver_ns / 1e7 / seconds,
            "bytes_per_delivery": bytes_per_delivery,
            "events_per_read": deliveries / max(1, reads),
            "deliveries": deliveries,
            "seconds": seconds,
            "resident_bytes": end.resident_bytes,
            "socket_bytes": end.socket_bytes,
        }

    def settled_cost(self, seconds: float | None = None) -> Cost:
        """The server's cost once it has finished what it was doing."""
        time.sleep(self.size.settle_seconds if seconds is None else seconds)
        return self.server.cost()

    def judge(self) -> None:
        """Add to the verdict what the subscribers have seen since this part of the trial began."""
        told = self.crowd.tell()
        verdict = self.verdict
        verdict.expected += self._published * self.crowd.streams
        verdict.deliveries += sum(process.deliveries for process in told)
        verdict.gaps += sum(process.gaps for process in told)
        verdict.repeats += sum(process.repeats for process in told)
        verdict.drops += sum(process.drops for process in told)
        verdict.ends += sum(process.ends for process in told)
        failures = [process.first_failure for process in told if process.first_failure]
        verdict.trouble += failures[:1]

    def _deliveries(self) -> int:
        return sum(process.deliveries for process in self.crowd.tell())
