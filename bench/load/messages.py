"""What the bench and a process of subscribers say to one another."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """Open `count` streams with these bytes as the request."""

    address: tuple[str, int]
    request: bytes
    """Where it says `{n}` stands the number of the stream: each has a channel of its own."""
    count: int
    first: int = 0
    """Number of the first of them."""
    stalls: bool = False
    """Never read again once the response's head has come, and counted nowhere from then on."""
    receive_bytes: int | None = None
    """SO_RCVBUF; None: the kernel's choice."""
    multiplexed: int | None = None
    """So many streams on each of `count` connections of HTTP/2, and the request is all that each
    sends at its start; None: HTTP/1.1."""
    tls: bool = False
    """Over TLS, with a new session; only HTTP/2."""
    resumed: bool = False
    """With the session of an earlier connection. One that the server does not take is a drop."""


@dataclass(frozen=True, slots=True)
class Abort:
    """Reset all streams and forget them; answer with an `Aborted`."""


@dataclass(frozen=True, slots=True)
class AwaitEnd:
    """Send an `Ended` as soon as no stream is open."""


@dataclass(frozen=True, slots=True)
class Await:
    """Send a `Delivered` as soon as every subscriber has all events up to this number."""

    number: int


@dataclass(frozen=True, slots=True)
class Reset:
    """Forget the latencies and the CPU time recorded so far."""


@dataclass(frozen=True, slots=True)
class Tell:
    """Answer with a `Told`."""


@dataclass(frozen=True, slots=True)
class Quit:
    """Close all streams and end."""


Command = Open | Abort | Await | AwaitEnd | Reset | Tell | Quit


@dataclass(frozen=True, slots=True)
class Opened:
    """All streams asked for stand, or have failed."""


@dataclass(frozen=True, slots=True)
class Aborted:
    """All streams are reset."""


@dataclass(frozen=True, slots=True)
class Ended:
    """No stream is open."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """Every subscriber of this process has what was awaited."""

    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a process has seen since it began; from `latencies` on, since the last `Reset`."""

    deliveries: int
    """Events received, each counted once per subscriber; repeats apart."""
    fewest: int
    """The highest event number of the stream whose highest is the lowest."""
    gaps: int
    repeats: int
    drops: int
    """Streams that the server refused, broke or cut."""
    ends: int
    """Streams that the server ended as HTTP ends a response."""
    farewells: int
    """Streams that were told when to come back."""
    first_failure: str
    latencies_us: dict[int, int]
    """A histogram's buckets."""
    cpu_ns: int
    reads: int
    read_bytes: int
    """Counted apart from decoding, to hold the deliveries against."""
    decoded: int
    """Reads that were decoded; the others were equal to one decoded before."""


Report = Opened | Aborted | Ended | Delivered | Told
