from sse_server.core.activity import PAUSED, STANDING, WALKING, activity
from sse_server.core.window import ChannelOptions
from tests.core.fakes import Bench


def test_who_has_everything_stands_at_the_newest_position() -> None:
    bench = Bench()
    sink, subscriber = bench.join("news", "sport")
    bench.publish("news", "one", "two")
    bench.run()
    bench.publish("elsewhere", "three")
    bench.now = 4.0
    found = activity(subscriber)
    assert (found.state, found.place, found.last) == (STANDING, 3, 2)
    assert (found.backlog_frames, found.backlog_bytes, found.lag_seconds) == (0, 0, 0.0)
    assert (found.frames, found.bytes) == (2, len(b"".join(sink.bursts)))
    assert found.channels == ["news", "sport"]
    assert found.client == sink.client
    assert round(found.open_seconds, 3) == 4.0


def test_who_waits_for_the_pump_stands_behind_what_was_published() -> None:
    bench = Bench()
    _, subscriber = bench.join("news")
    bench.publish("news", "one")
    bench.now = 0.5
    found = activity(subscriber)
    assert (found.state, found.place, found.last) == (STANDING, 0, None)
    assert (found.backlog_frames, found.lag_seconds) == (1, 0.5)


def test_who_replays_walks() -> None:
    bench = Bench()
    bench.publish("news", "one", "two", "three")
    _, subscriber = bench.join("news", last_id=b"e-1")
    bench.now = 2.0
    found = activity(subscriber)
    assert (found.state, found.place, found.last) == (WALKING, 1, 1)
    assert (found.backlog_frames, found.lag_seconds) == (2, 2.0)


def test_who_is_paused_has_what_its_transport_holds_back_and_a_backlog() -> None:
    bench = Bench()
    sink, subscriber = bench.join("news")
    bench.publish("news", "one")
    bench.run()
    subscriber.pause()
    sink.unsent = 77
    bench.publish("sport", "not for it")
    bench.now = 1.0
    bench.publish("news", "x" * 100)
    bench.now = 3.0
    bench.publish("news", "x" * 100)
    bench.run()
    found = activity(subscriber)
    assert (found.state, found.place, found.last, found.unsent) == (PAUSED, 1, 1, 77)
    assert (found.backlog_frames, found.lag_seconds) == (2, 2.0)
    assert found.frames == 1


def test_who_lost_something_has_a_backlog_of_what_is_still_held() -> None:
    bench = Bench(news=ChannelOptions(max_frames=2))
    _, subscriber = bench.pause("news")
    bench.publish("news", *"12345")
    found = activity(subscriber)
    assert (found.place, found.last, found.backlog_frames) == (0, None, 2)
