from collections.abc import Callable

import pytest

from sse_server.core.subscriber import Subscriber
from sse_server.core.window import ChannelOptions
from sse_server.wire.flow import CloseReason
from tests.core.fakes import Bench, Recorder


def test_all_members_are_written_the_same_object() -> None:
    bench = Bench()
    sinks = [bench.join("news")[0] for _ in range(5)]
    bench.publish("news", "1", "2")
    bench.run()
    assert len({id(sink.bursts[0]) for sink in sinks}) == 1
    assert sinks[0].data == ["1", "2"]


def test_a_member_knows_its_place_before_it_is_written_to() -> None:
    bench = Bench()
    places = []
    sink, subscriber = bench.join("news")
    sink.on_write = lambda: places.append(subscriber.place)
    bench.publish("news", "1", "2")
    bench.run()
    assert places == [2]


def others_do(what: Callable[[Subscriber], None]) -> tuple[Bench, list[Recorder]]:
    """Three members; the one in the middle does something to all, in its first write."""
    bench = Bench()
    joined = [bench.join("news") for _ in range(3)]

    def act() -> None:
        joined[1][0].on_write = lambda: None
        for _, subscriber in joined:
            what(subscriber)

    joined[1][0].on_write = act
    bench.publish("news", "1")
    bench.run()
    for _, subscriber in joined:
        if subscriber.group is not None:
            subscriber.resume()
    bench.publish("news", "2")
    bench.run()
    return bench, [sink for sink, _ in joined]


def test_who_is_paused_in_a_visit_is_not_written_to_and_misses_nothing() -> None:
    _, sinks = others_do(lambda subscriber: subscriber.pause())
    assert [sink.data for sink in sinks] == [["1", "2"]] * 3


def test_who_is_paused_and_resumed_in_a_visit_gets_nothing_twice() -> None:
    def bounce(subscriber: Subscriber) -> None:
        subscriber.pause()
        subscriber.resume()

    _, sinks = others_do(bounce)
    assert [sink.data for sink in sinks] == [["1", "2"]] * 3


def test_who_leaves_in_a_visit_is_not_written_to() -> None:
    bench, sinks = others_do(lambda subscriber: subscriber.gone(CloseReason.LOST))
    assert [sink.data for sink in sinks] == [["1"], ["1"], []]
    assert bench.hub.subscribers == 0


def test_who_changes_channels_in_a_visit_gets_what_it_had_not_been_sent() -> None:
    bench = Bench()
    for _ in range(5):
        bench.join("sport")  # makes it the group of who follows both
    sinks = [bench.join("news")[0] for _ in range(2)]
    late, subscriber = bench.join("news")
    sinks[1].on_write = lambda: bench.hub.change(subscriber, ["news", "sport"])
    bench.publish("news", "1")
    bench.run()
    sinks[1].on_write = lambda: None
    bench.publish("sport", "2")
    bench.run()
    assert late.data == ["1", "2"]


def test_what_is_published_in_a_visit_comes_after_it() -> None:
    bench = Bench()
    first, _ = bench.join("news")
    second, _ = bench.join("news")
    texts = iter(["2", "3"])
    first.on_write = lambda: bench.publish("news", *[text for text in [next(texts, "")] if text])
    bench.publish("news", "1")
    bench.run()
    assert first.data == second.data == ["1", "2", "3"]


def test_a_sink_that_raises_costs_nobody_else_anything() -> None:
    def fail() -> None:
        raise RuntimeError("this transport is broken")

    bench = Bench()
    (first, _), (broken, subscriber), (last, _) = [bench.join("news") for _ in range(3)]
    other, _ = bench.join("other")
    broken.on_write = fail
    bench.publish("news", "1")
    bench.publish("other", "1")
    with pytest.raises(RuntimeError, match="broken"):
        bench.hub.pump.run()
    assert broken.aborted is CloseReason.LOST
    assert subscriber.group is None
    bench.publish("news", "2")
    bench.run()
    assert first.data == last.data == ["1", "2"]
    assert other.data == ["1"]


def test_a_sink_that_raises_while_it_is_written_to_alone_is_ended() -> None:
    def fail() -> None:
        raise RuntimeError("this transport is broken")

    bench = Bench()
    bench.publish("news", "1")
    broken, subscriber = bench.join("news", last_id=b"earliest")
    fine, _ = bench.join("news", last_id=b"earliest")
    broken.on_write = fail
    with pytest.raises(RuntimeError, match="broken"):
        bench.hub.pump.run()
    bench.run()
    assert subscriber.group is None
    assert fine.data == ["1"]


def test_who_joins_in_a_visit_gets_only_what_comes_after() -> None:
    bench = Bench()
    first, _ = bench.join("news")
    joined: list[Recorder] = []

    def join() -> None:
        first.on_write = lambda: None
        joined.append(bench.join("news")[0])

    first.on_write = join
    bench.publish("news", "1")
    bench.run()
    bench.publish("news", "2")
    bench.run()
    assert joined[0].data == ["2"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_what_a_member_lost_is_counted_from_its_own_place(when: str) -> None:
    # It is paused from inside the write to another: before its own, or after.
    bench = Bench(news=ChannelOptions(max_frames=1))
    joined = [bench.join("news") for _ in range(2)]
    (sink, subscriber), (other, _) = joined if when == "after" else reversed(joined)
    other.on_write = subscriber.pause
    bench.publish("news", "1")
    bench.run()
    other.on_write = lambda: None
    bench.publish("news", "2", "3")
    subscriber.resume()
    bench.run()
    assert sink.data == (["1", "3"] if when == "after" else ["3"])
    assert [gap["lost"] for gap in sink.gaps] == [1 if when == "after" else 2]


def test_an_open_stream_that_the_pump_serves_too_late_is_told_how_many_it_lost() -> None:
    bench = Bench(news=ChannelOptions(max_frames=2))
    sinks = [bench.join("news")[0] for _ in range(2)]
    bench.publish("news", "1")
    bench.run()
    bench.publish("news", *"23456")
    bench.run()
    for sink in sinks:
        assert sink.data == ["1", "5", "6"]
        assert [(gap["id"], gap["lost"], gap["requested"]) for gap in sink.gaps] == [
            ("e-4", 3, "e-1")
        ]


def test_members_that_pause_in_their_write_count_as_written_to() -> None:
    bench = Bench(lane_size=2, writes_per_run=2)
    joined = [bench.join("news") for _ in range(10)]
    for sink, subscriber in joined:
        sink.on_write = subscriber.pause
    bench.publish("news", "1")
    assert bench.run() >= 5
    assert bench.hub.pump.frames == 10


def test_a_lane_takes_a_long_backlog_in_bursts_within_the_budget() -> None:
    bench = Bench()
    sink, _ = bench.join("news")
    bench.publish("news", *["x" * 40_000] * 4)
    bench.run()
    assert [burst.count(b"data:") for burst in sink.bursts] == [1, 1, 1, 1]
    assert bench.hub.pump.is_dry


def test_a_heartbeat_carries_the_position_once_and_only_when_it_has_moved() -> None:
    bench = Bench()
    sink, _ = bench.join("quiet")
    bench.publish("busy", "1")
    for _ in range(3):
        bench.now += 20.0
        bench.hub.tick()
        bench.run()
    assert sink.bursts == [b":\nid: e-1\n\n", b":\n", b":\n"]
