"""A whole trial, driver and all, against a server that does right and one that does wrong."""

import mmap
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.load.cores import divide
from bench.load.request import get_stream, post
from bench.load.scenarios import SCENARIOS
from bench.load.server import cpu_ns, resident_bytes
from bench.load.session import measure
from bench.load.subjects import SUBJECTS
from bench.load.subjects.base import Subject
from bench.load.trial import Size, Trial

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the bench reads /proc")

SIZE = Size(
    subscribers=20,
    seconds=0.2,
    idle_seconds=0.2,
    settle_seconds=0.1,
    wait_seconds=2.0,
    stalled_readers=5,
    large_events=10,
    aborted_streams=50,
    many_subscribers=100,
    streams_a_connection=10,
    kept_events=2_000,
    replayed_of_kept=1_500,
)


class Faulty:
    """The broadcaster of faulty_server.py as a subject."""

    name = "faulty"
    replays = False
    batches = True
    drains = False
    http2_after: int | None = None
    tls = False
    stall_timeout_seconds: float | None = None

    def __init__(self, fault: str) -> None:
        self.fault = fault

    def missing(self) -> str | None:
        return None

    def secured(self) -> Subject | None:
        return None

    def version(self) -> str:
        return "0"

    def command(self, port: int, folder: Path) -> list[str]:
        script = Path(__file__).with_name("faulty_server.py")
        return [sys.executable, str(script), str(port), self.fault]

    def subscribe_request(self, *channels: str, replay: bool = False) -> bytes:
        return get_stream(f"/{','.join(channels)}")

    def publish_request(self, channel: str, data: bytes) -> bytes:
        return post(f"/{channel}", data)

    def batch_request(self, events: Sequence[tuple[str, bytes]]) -> bytes:
        return post("/", b"\n".join(b"%s %s" % (name.encode(), data) for name, data in events))


def measured(name: str, fault: str = "none", drivers: int = 1) -> Trial:
    return measure(Faulty(fault), SCENARIOS[name], SIZE, drivers, divide())


@pytest.mark.parametrize(
    "name", [name for name, one in SCENARIOS.items() if one.suits(Faulty("none"))]
)
def test_every_scenario_proves_a_server_that_does_right(name: str) -> None:
    trial = measured(name)
    assert trial.verdict.valid, str(trial.verdict)
    assert trial.verdict.deliveries >= SIZE.subscribers or name == "publish"  # nobody listens
    assert set(SCENARIOS[name].shown) <= set(trial.figures)


@pytest.mark.parametrize(
    "name", [name for name, one in SCENARIOS.items() if one.http2 or one.own or one.tls]
)
def test_scenarios_of_http2_and_of_its_own_prove_the_server_itself(name: str) -> None:
    trial = measure(SUBJECTS["sse_server"], SCENARIOS[name], SIZE, 1, divide())
    assert trial.verdict.valid, str(trial.verdict)
    assert trial.verdict.deliveries >= SIZE.subscribers or name == "stored-publish"
    assert set(SCENARIOS[name].shown) <= set(trial.figures)


def test_subscribers_can_be_spread_over_processes() -> None:
    trial = measured("latency", drivers=3)
    assert trial.verdict.valid, str(trial.verdict)
    assert trial.crowd.streams == SIZE.subscribers


@pytest.mark.parametrize("fault", ["gap", "repeat", "drop", "refuse"])
def test_a_fault_on_one_stream_makes_the_figures_invalid(fault: str) -> None:
    trial = measured("latency", fault)
    verdict = trial.verdict
    assert not verdict.valid
    assert (verdict.gaps, verdict.repeats, verdict.drops) == {
        "gap": (1, 0, 0),
        "repeat": (0, 1, 0),
        "drop": (0, 0, 1),
        "refuse": (0, 0, 1),
    }[fault]


def test_a_fault_in_the_first_part_of_a_trial_is_not_forgotten() -> None:
    verdict = measured("personal", "repeat").verdict
    assert not verdict.valid
    assert (verdict.gaps, verdict.repeats, verdict.drops) == (0, 1, 0)
    assert verdict.deliveries == verdict.expected


def test_an_invalid_trial_has_the_last_words_of_its_server() -> None:
    assert "last words" in str(measured("latency", "drop").verdict)


def test_cpu_clock_agrees_with_proc_stat() -> None:
    deadline = time.process_time() + 0.1
    while time.process_time() < deadline:
        pass
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    assert cpu_ns(os.getpid()) / 1e9 == pytest.approx(ticks / os.sysconf("SC_CLK_TCK"), abs=0.05)


def test_resident_bytes_sees_what_is_touched() -> None:
    before = resident_bytes(os.getpid())
    with mmap.mmap(-1, 8_000_000) as held:  # fresh pages, whatever the allocator has left over
        held.write(b"x" * 8_000_000)
        assert resident_bytes(os.getpid()) - before > 7_000_000


def test_bytes_read_are_held_against_the_deliveries() -> None:
    trial = measured("fan-out-one")
    # The event, "data: " and the blank line, and the chunk around them.
    assert trial.figures["bytes_per_delivery"] == SIZE.event_bytes + 8 + 6
