"""HTTP/2 over TLS: handshakes, memory, and what an event costs that is encrypted for each."""

from bench.load.scenarios.registry import Part, scenario
from bench.load.target import Target
from bench.load.trial import Trial

_MAX_SINGLE = 1_000
_WARM_CONNECTIONS = 20


@scenario(
    "tls",
    "HTTP/2 over TLS, one stream a connection, then 100",
    "us_per_full_handshake",
    "us_per_resumed_handshake",
    "bytes_per_connection",
    "us_per_delivery_single",
    "bytes_per_stream",
    "us_per_delivery",
    tls=True,
    part=Part.PROOF,
    targets=(
        Target(
            figure="bytes_per_connection",
            what="bytes of resident memory per TLS connection with one stream",
            bound=40_000,
        ),
        Target(
            figure="bytes_per_stream",
            what="bytes of resident memory per stream, 100 a TLS connection",
            bound=1_500,
        ),
    ),
)
def tls(trial: Trial) -> None:
    """Connections one after another, with a new session, then with one that is known.

    A handshake's CPU is that of all that a connection begins with, its request included.
    """
    secured = trial.server.subject.secured()
    if secured is None:
        raise ValueError("the server does not speak TLS")
    size = trial.size
    count = min(_MAX_SINGLE, size.subscribers)
    with trial.moved_to(secured):
        full, memory = _open(trial, count, 1)
        with trial.publisher() as publisher:
            trial.measure_round_trips(publisher)
        single = trial.figures["us_per_delivery"]
        trial.begin_part()
        resumed, _ = _open(trial, count, 1, resumed=True)
        trial.prove()
    connections, streams = size.connections, size.streams_a_connection
    with trial.moved_to(secured):
        _, shared_memory = _open(trial, connections, streams)
        with trial.publisher() as publisher:
            trial.measure_round_trips(publisher)
    trial.figures |= {
        "us_per_full_handshake": full,
        "us_per_resumed_handshake": resumed,
        "bytes_per_connection": memory,
        "us_per_delivery_single": single,
        "bytes_per_stream": shared_memory / streams,
    }


def _open(
    trial: Trial, connections: int, streams: int, *, resumed: bool = False
) -> tuple[float, float]:
    """Of each connection: µs of CPU, and bytes of resident memory."""
    trial.subscribe_multiplexed(_WARM_CONNECTIONS, 1)
    before = trial.settled_cost()
    trial.subscribe_multiplexed(connections, streams, resumed=resumed)
    after = trial.settled_cost()
    return (
        (after.cpu_ns - before.cpu_ns) / 1000 / connections,
        (after.resident_bytes - before.resident_bytes) / connections,
    )
