import pytest

from sse_server.core.window import ChannelOptions
from sse_server.wire.flow import CloseReason
from tests.core.fakes import Bench, Recorder


def paused(bench: Bench, unsent: int) -> Recorder:
    sink, subscriber = bench.join("news")
    sink.unsent = unsent
    subscriber.pause()
    return sink


def test_who_takes_nothing_is_closed_after_the_timeout() -> None:
    bench = Bench(stall_timeout_seconds=30)
    sink = paused(bench, 1_000)
    for _ in range(29):
        bench.tick()
    assert not bench.hub.closed
    bench.tick()
    assert sink.aborted is CloseReason.SLOW
    assert bench.hub.closed == {CloseReason.SLOW: 1}
    assert bench.hub.subscribers == len(bench.hub.stalls) == 0


def test_who_takes_something_however_little_is_kept() -> None:
    bench = Bench(stall_timeout_seconds=5)
    sink = paused(bench, 100)
    for _ in range(100):
        sink.unsent -= 1
        for _ in range(4):
            bench.tick()
    assert not bench.hub.closed
    for _ in range(5):
        bench.tick()
    assert sink.aborted is CloseReason.SLOW


def test_what_grows_is_not_taken() -> None:
    bench = Bench(stall_timeout_seconds=5)
    sink = paused(bench, 100)
    for _ in range(5):
        sink.unsent += 1
        bench.tick()
    assert sink.aborted is CloseReason.SLOW


@pytest.mark.parametrize("how", ["resumed", "gone", "closed"])
def test_who_is_not_paused_any_more_is_forgotten(how: str) -> None:
    bench = Bench(stall_timeout_seconds=5)
    sink, subscriber = bench.pause("news")
    assert len(bench.hub.stalls) == 1
    match how:
        case "resumed":
            bench.resume(subscriber)
        case "gone":
            subscriber.gone(CloseReason.LOST)
        case _:
            subscriber.close(CloseReason.KICKED)
    assert len(bench.hub.stalls) == 0
    bench.tick(100)
    assert sink.aborted is (CloseReason.KICKED if how == "closed" else None)
    assert bench.hub.closed[CloseReason.SLOW] == 0


def test_the_timeout_begins_anew_with_each_pause() -> None:
    bench = Bench(stall_timeout_seconds=5)
    sink, subscriber = bench.pause("news")
    for _ in range(3):
        bench.tick(4)
        bench.resume(subscriber)
        subscriber.pause()
    assert sink.aborted is None
    assert bench.hub.pauses == 4


def test_who_changes_its_channels_while_it_is_paused_is_watched_on() -> None:
    bench = Bench(stall_timeout_seconds=5)
    sink, subscriber = bench.pause("news")
    bench.hub.change(subscriber, ["other"])
    bench.tick(5)
    assert sink.aborted is CloseReason.SLOW


def test_streams_that_go_with_one_that_is_closed_are_left_alone() -> None:
    # Two streams of one connection: its abort tells the other that it is gone.
    bench = Bench(
        news=ChannelOptions(max_lag_frames=1), stall_timeout_seconds=5, heartbeat_seconds=100
    )
    _, other = bench.join("news")

    class Connection(Recorder):
        def abort(self, reason: CloseReason) -> None:
            super().abort(reason)
            other.gone(reason)

    _, first = bench.join("news", sink=Connection())
    first.pause()
    other.sink.unsent = 10  # type: ignore[misc]
    other.pause()
    other.sink.unsent = 5  # type: ignore[misc]
    bench.tick(5)
    assert bench.hub.subscribers == len(bench.hub.stalls) == 0
    bench.tick(100)


def test_a_farewell_is_said_when_everything_has_been_sent() -> None:
    bench = Bench()
    standing, one = bench.join("news")
    slow, other = bench.pause("news")
    bench.publish("news", "1")
    one.finish(b"bye")
    other.finish(b"bye")
    bench.run()
    assert bench.hub.closed == {CloseReason.DRAINED: 1}
    bench.resume(other)
    assert bench.hub.closed == {CloseReason.DRAINED: 2}
    for sink in (standing, slow):
        assert sink.data == ["1"]
        assert sink.bursts[-1] == b"bye"


def test_a_stream_that_changes_its_channels_in_its_farewell_ends_nevertheless() -> None:
    bench = Bench()
    sink, subscriber = bench.join("news")
    subscriber.finish(b"bye")
    bench.hub.change(subscriber, ["other"])
    bench.run()
    assert sink.ended is CloseReason.DRAINED
