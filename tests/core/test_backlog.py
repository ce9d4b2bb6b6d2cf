"""Backlogs: what open streams have not been sent."""

import pytest

from sse_server.core import backlog
from sse_server.core.backlog import backlogs
from sse_server.core.window import ChannelOptions
from sse_server.wire.flow import CloseReason
from tests.core.fakes import Bench


def by_frames(bench: Bench) -> dict[int, float]:
    """Streams by what is pending for them."""
    found: dict[int, float] = {}
    for item in backlogs(bench.hub):
        found[item.frames] = found.get(item.frames, 0) + item.streams
    return found


def test_who_has_everything_has_no_backlog() -> None:
    bench = Bench()
    for _ in range(3):
        bench.join("news")
    bench.publish("news", "one")
    bench.run()
    assert by_frames(bench) == {0: 3}


def test_nobody_is_there() -> None:
    assert by_frames(Bench()) == {}


def test_the_paused_have_what_came_since_and_its_bytes() -> None:
    bench = Bench()
    bench.join("news")
    bench.pause("news")
    bench.publish("news", "x" * 100, "x" * 100)
    bench.run()
    assert by_frames(bench) == {0: 1, 2: 1}
    (pending,) = (item for item in backlogs(bench.hub) if item.frames)
    assert pending.bytes == sum(map(len, bench.hub.log.windows["news"].blocks))


def test_who_waits_for_the_pump_has_what_it_waits_for() -> None:
    bench = Bench(lane_size=2, writes_per_run=1)
    first = bench.hub.newest
    for _ in range(5):
        bench.join("news")
    bench.run()
    bench.publish("news", "one")
    assert by_frames(bench) == {1: 5}  # the channel has not been woken
    bench.hub.pump.run()
    assert by_frames(bench) == {1: 5}  # its lanes wait
    bench.hub.pump.run()
    assert by_frames(bench) == {0: 2, 1: 3}
    bench.run()
    assert by_frames(bench) == {0: 5}
    bench.join("news", last_id=b"e-%d" % first)
    assert by_frames(bench) == {0: 5, 1: 1}


def test_who_was_paused_or_is_gone_while_it_waited_is_counted_once() -> None:
    bench = Bench()
    bench.publish("news", "one")
    _, paused = bench.join("news", last_id=b"e-0")
    _, gone = bench.join("news", last_id=b"e-0")
    paused.pause()
    gone.gone(CloseReason.LOST)
    assert by_frames(bench) == {1: 1}


def test_who_changed_its_channels_while_it_waited_is_counted_once() -> None:
    bench = Bench()
    _, subscriber = bench.pause("news")
    subscriber.resume()
    bench.hub.change(subscriber, ["more"])
    bench.publish("more", "one")
    assert by_frames(bench) == {1: 1}


def test_of_many_some_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "_MOST_LOOKS", 10)
    bench = Bench()
    for _ in range(95):
        bench.pause("news")
    bench.publish("news", "one")
    looked_at = [item for item in backlogs(bench.hub) if item.frames]
    assert len(looked_at) <= 10
    assert sum(item.streams for item in looked_at) == pytest.approx(95, abs=10)


def test_what_is_evicted_is_no_backlog() -> None:
    bench = Bench(news=ChannelOptions(max_frames=1))
    bench.pause("news")
    bench.publish("news", "one", "two", "three")
    assert by_frames(bench) == {1: 1}
    assert bench.hub.published - bench.hub.log.evicted == 1
