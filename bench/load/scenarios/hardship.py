"""Clients that do not read or do not stay, and a server that is told to end."""

import contextlib
import threading
import time

from bench.load.publisher import Publisher
from bench.load.scenarios.registry import Part, scenario
from bench.load.trial import Trial

_MIB = 1024 * 1024
_SMALL_RECEIVE_BYTES = 4_096  # so that a stream which is not read stands still soon
_FEW_DRAINED = 200
_FEW_READERS = 10  # 32 MB/s; a driver that is busy would measure itself
_ENDS_WITHIN_SECONDS = 30.0


@scenario(
    "slow-readers",
    "100 streams that are never read, 150 events of 64 KiB",
    "resident_mib",
    "socket_mib",
    "p50_ms",
    "p99_ms",
    "us_per_delivery",
    "stalled_closed",
    "closed_after_s",
    part=Part.PROOF,
)
def slow_readers(trial: Trial) -> None:
    """What streams that nobody reads cost the server, and those that are read.

    Memory is the highest seen after any event; of the kernel's it is what both ends hold.
    """
    size, server = trial.size, trial.server
    trial.subscribe(size.stalled_readers, stalls=True)
    trial.subscribe(_FEW_READERS)
    interval_ns = 1_000_000_000 // size.events_per_second
    with trial.publisher(size.large_event_bytes) as publisher:
        before = trial.settled_cost()
        descriptors = server.descriptors()
        resident, sockets = before.resident_bytes, before.socket_bytes
        with trial.measuring():
            due_ns = time.monotonic_ns()
            for number in range(size.large_events):
                due_ns += interval_ns
                time.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)
                publisher.publish(due_ns)
                if number % 10 == 9:
                    cost = server.cost()
                    resident = max(resident, cost.resident_bytes)
                    sockets = max(sockets, cost.socket_bytes)
            trial.wait(publisher.sent)
        cost = server.cost()
        trial.figures |= {
            "resident_mib": (max(resident, cost.resident_bytes) - before.resident_bytes) / _MIB,
            "socket_mib": (max(sockets, cost.socket_bytes) - before.socket_bytes) / _MIB,
        }
        trial.figures |= _closed_by_stall_timeout(trial, descriptors)


def _closed_by_stall_timeout(trial: Trial, descriptors: int) -> dict[str, float]:
    """How many of the stalled the server has closed, and how long after the last event."""
    seconds = trial.server.subject.stall_timeout_seconds
    started = time.monotonic()
    if seconds is None:
        return {"stalled_closed": 0, "closed_after_s": 0}
    closed = 0
    while time.monotonic() - started < seconds + 5:
        closed = descriptors - trial.server.descriptors()
        if closed >= trial.size.stalled_readers:
            break
        time.sleep(0.2)
    return {"stalled_closed": closed, "closed_after_s": time.monotonic() - started}


@scenario(
    "stalled-tenth",
    "a tenth of the streams is not read",
    "p99_ms_without",
    "p99_ms",
    "p99_ratio",
    "us_per_delivery",
    "resident_mib",
    part=Part.PROOF,
)
def stalled_tenth(trial: Trial) -> None:
    """Latencies of nine tenths, alone and beside a tenth that has stopped to read."""
    size = trial.size
    stalled = size.subscribers // 10
    trial.subscribe(size.subscribers - stalled)
    with trial.publisher() as publisher:
        trial.measure_round_trips(publisher)
        without = trial.figures["p99_ms"]
        before = trial.settled_cost()
        trial.subscribe(stalled, stalls=True, receive_bytes=_SMALL_RECEIVE_BYTES)
        # Until they take nothing more: what their kernels and the server's hold of each.
        events = 400_000 // size.event_bytes
        publisher.pour(seconds=60, max_events=events, pipelined=64)
        trial.wait(publisher.sent)
        trial.measure_round_trips(publisher)
        resident = trial.server.cost().resident_bytes - before.resident_bytes
    trial.figures |= {
        "p99_ms_without": without,
        "p99_ratio": trial.figures["p99_ms"] / max(without, 1e-3),
        "resident_mib": resident / _MIB,
    }


@scenario(
    "drain",
    "SIGTERM in full fan-out, 200 streams",
    "all_ended_ms",
    "exited_ms",
    "clean_percent",
    "told_percent",
    drains=True,
    part=Part.SHORT,
)
def drain(trial: Trial) -> None:
    """All that was acknowledged arrives, and every stream ends as HTTP ends a response."""
    _drain(trial, min(_FEW_DRAINED, trial.size.subscribers))


@scenario(
    "drain-all",
    "SIGTERM in full fan-out, all streams",
    "all_ended_ms",
    "exited_ms",
    "clean_percent",
    "told_percent",
    drains=True,
    part=Part.PROOF,
)
def drain_all(trial: Trial) -> None:
    """The same with as many streams as in the other scenarios."""
    _drain(trial, trial.size.subscribers)


def _drain(trial: Trial, count: int) -> None:
    server, verdict = trial.server, trial.verdict
    trial.subscribe(count)
    with trial.publisher() as publisher:
        publisher.publish()
        trial.wait(publisher.sent)
        pouring = threading.Thread(target=_pour_until_refused, args=(publisher,))
        pouring.start()
        time.sleep(trial.size.seconds / 2)
        started = time.monotonic()
        server.terminate()
        trial.crowd.wait_for_end(_ENDS_WITHIN_SECONDS)
        ended = time.monotonic()
        pouring.join()
    status = server.wait(_ENDS_WITHIN_SECONDS)
    exited = time.monotonic()
    told = trial.crowd.tell()
    trial.figures |= {
        "all_ended_ms": (ended - started) * 1000,
        "exited_ms": (exited - started) * 1000,
        "clean_percent": 100 * sum(process.ends for process in told) / count,
        "told_percent": 100 * sum(process.farewells for process in told) / count,
    }
    verdict.expected_ends = count
    verdict.surplus = (publisher.sent - publisher.accepted) * count
    fewest = min(process.fewest for process in told)
    if fewest < publisher.accepted:
        verdict.trouble.append(f"{publisher.accepted - fewest} acknowledged events were lost")
    if status:
        verdict.trouble.append(f"the server ended with status {status}")


def _pour_until_refused(publisher: Publisher) -> None:
    with contextlib.suppress(ConnectionError):
        publisher.pour(seconds=60, max_events=10_000_000, pipelined=64)


@scenario(
    "abort",
    "2,000 streams aborted at once, twice",
    "back_ms",
    "first_round_mib",
    "second_round_mib",
    "descriptors_left",
    part=Part.PROOF,
)
def abort(trial: Trial) -> None:
    """What is left of streams that were reset: descriptors, memory, and how long it takes."""
    count, server = trial.size.aborted_streams, trial.server
    _abort_round(trial, 50)
    descriptors = server.descriptors()
    residents = [trial.settled_cost().resident_bytes]
    back = 0.0
    for _ in range(2):
        back = max(back, _abort_round(trial, count))
        residents.append(trial.settled_cost().resident_bytes)
    trial.figures |= {
        "back_ms": back * 1000,
        "first_round_mib": (residents[1] - residents[0]) / _MIB,
        "second_round_mib": (residents[2] - residents[1]) / _MIB,
        "descriptors_left": server.descriptors() - descriptors,
    }
    trial.subscribe(20)
    trial.prove()


def _abort_round(trial: Trial, count: int) -> float:
    """Open streams and abort them; how many seconds until their descriptors were back."""
    before = trial.server.descriptors()
    trial.subscribe(count)
    started = time.monotonic()
    trial.crowd.abort()
    while trial.server.descriptors() > before and time.monotonic() - started < 10:
        time.sleep(0.005)
    return time.monotonic() - started
