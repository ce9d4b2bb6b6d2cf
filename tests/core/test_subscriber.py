import gc
import sys

import pytest

from sse_server.core.window import ChannelOptions
from sse_server.wire.flow import CloseReason
from tests.core.fakes import Bench, Recorder, nothing


def test_a_slow_subscriber_costs_a_place_and_no_queue() -> None:
    bench = Bench(news=ChannelOptions(max_frames=100))
    sink, subscriber = bench.join("news")
    bench.run()
    subscriber.pause()
    gc.collect()
    before = sys.getsizeof(subscriber)
    known = len(gc.get_referents(subscriber))
    for number in range(1_000):
        bench.publish("news", str(number))
        bench.run()
    assert bench.hub.pump.is_dry
    assert (subscriber.lane, subscriber.queued, subscriber.place) == (None, False, 0)
    assert sys.getsizeof(subscriber) == before
    assert len(gc.get_referents(subscriber)) == known
    assert sink.bursts == []
    subscriber.resume()
    bench.run()
    assert sink.data == [str(number) for number in range(900, 1_000)]
    assert [gap["lost"] for gap in sink.gaps] == [900]


def test_those_who_catch_up_from_one_place_share_their_bursts() -> None:
    bench = Bench()
    bench.publish("news", *["x" * 30_000] * 5)
    sinks = [bench.join("news", last_id=b"e-1")[0] for _ in range(3)]
    bench.run()
    for bursts in zip(*(sink.bursts for sink in sinks), strict=True):
        assert all(burst is bursts[0] for burst in bursts)
    assert len(sinks[0].bursts) == 2
    assert len(sinks[0].data) == 4


def test_those_who_catch_up_after_a_gap_that_came_first_share_what_follows() -> None:
    bench = Bench()
    bench.publish("news", "1", "2")
    sinks = [bench.join("news", last_id=b"other-1")[0] for _ in range(2)]
    bench.run()
    assert sinks[0].bursts[1] is sinks[1].bursts[1]
    assert [gap["reason"] for gap in sinks[0].gaps] == ["foreign-epoch"]
    assert sinks[0].data == ["1", "2"]


def test_who_has_caught_up_stands_with_the_others() -> None:
    bench = Bench()
    _, first = bench.join("news")
    bench.publish("news", "1")
    bench.run()
    _, second = bench.join("news", last_id=b"e-0")
    assert second.lane is None
    bench.run()
    assert second.lane is first.lane
    assert second.place == 1


def test_a_walker_that_publishing_outruns_walks_on() -> None:
    bench = Bench()
    bench.publish("news", "1")
    sink = Recorder()
    texts = iter("234")
    sink.on_write = lambda: bench.publish("news", *[t for t in [next(texts, "")] if t])
    bench.join("news", last_id=b"e-0", sink=sink)
    bench.run()
    assert sink.data == ["1", "2", "3", "4"]
    assert len(sink.bursts) == 4


@pytest.mark.parametrize(
    ("what", "sizes"), [("pause", [40_000]), ("leave", [40_000]), ("change", [40_000, 1])]
)
def test_a_walker_may_pause_leave_or_change_in_its_own_write(what: str, sizes: list[int]) -> None:
    bench = Bench()
    bench.publish("news", *["x" * 40_000] * 3)
    bench.publish("sport", "y")
    sink, subscriber = bench.join("news", last_id=b"e-0")

    def act() -> None:
        sink.on_write = nothing
        match what:
            case "pause":
                subscriber.pause()
            case "leave":
                subscriber.gone(CloseReason.LOST)
            case _:
                bench.hub.change(subscriber, ["sport"])

    sink.on_write = act
    bench.run()
    assert [len(text) for text in sink.data] == sizes


def test_who_is_paused_does_not_stand_whatever_it_follows_anew() -> None:
    bench = Bench()
    sink, subscriber = bench.join("news")
    subscriber.pause()
    bench.hub.change(subscriber, ["sport"])
    assert subscriber.lane is None
    bench.publish("sport", "1")
    bench.run()
    assert sink.bursts == []
    subscriber.resume()
    bench.run()
    assert sink.data == ["1"]


def test_who_is_paused_and_resumed_again_and_again_waits_once() -> None:
    bench = Bench()
    sink, subscriber = bench.join("news")
    bench.publish("news", "1")
    for _ in range(100):
        subscriber.pause()
        subscriber.resume()
    assert len(bench.hub.pump._queue) == 2  # the channel, and the one who walks
    bench.run()
    assert sink.data == ["1"]


def test_who_comes_back_from_the_id_of_a_gap_is_not_told_of_it_again() -> None:
    bench = Bench(news=ChannelOptions(max_frames=2))
    bench.publish("news", *"12345")
    sink, _ = bench.join("news", last_id=b"e-1")
    bench.run()
    (gap,) = sink.gaps
    assert (gap["id"], gap["lost"], gap["oldest"], gap["newest"]) == ("e-3", None, "e-4", "e-5")
    again, _ = bench.join("news", last_id=gap["id"].encode())
    bench.run()
    assert again.gaps == []
    assert again.data == ["4", "5"]


def test_who_is_cut_before_a_gap_that_was_due_is_told_of_it_when_it_comes_back() -> None:
    bench = Bench(drop=ChannelOptions(max_frames=2), max_burst_bytes=1)
    sink, subscriber = bench.pause("drop", "wide")
    bench.publish("drop", "1")
    bench.publish("wide", "2")
    bench.publish("drop", *"345")
    sink.on_write = subscriber.pause
    bench.resume(subscriber)
    assert (sink.data, sink.gaps, sink.last_id) == (["2"], [], "e-2")
    subscriber.gone(CloseReason.LOST)
    again, _ = bench.join("drop", "wide", last_id=b"e-2")
    bench.run()
    assert [gap["id"] for gap in again.gaps] == ["e-3"]
    assert again.data == ["4", "5"]


def test_earliest_is_everything_held_and_no_gap() -> None:
    bench = Bench(a=ChannelOptions(max_frames=2), b=ChannelOptions(max_frames=9))
    bench.publish("b", "1")
    bench.publish("a", *"2345")
    sink, subscriber = bench.join("a", "b", last_id=b"earliest")
    assert bench.hub.opening_position(subscriber) == b"e-0"
    bench.run()
    assert sink.data == ["1", "4", "5"]
    assert sink.gaps == []
    assert subscriber.start is None


def test_what_was_lost_before_is_forgiven_until_the_stream_has_passed_it_and_no_longer() -> None:
    bench = Bench(beside_limit=0, a=ChannelOptions(max_frames=2), b=ChannelOptions(max_frames=9))
    bench.publish("b", "x" * 40_000, "x" * 40_000)
    bench.publish("a", *"3456")
    bench.publish("b", "y" * 60_000, "z" * 30_000, "z")
    sinks = [bench.join("a", "b", last_id=b"earliest")[0] for _ in range(2)]
    bench.run()
    for sink in sinks:
        assert [text[0] for text in sink.data] == ["x", "x", "5", "6", "y", "z", "z"]
        assert sink.gaps == []
    bursts = [sink.bursts for sink in sinks]
    assert [burst.count(b"data:") for burst in bursts[0]] == [1, 1, 3, 2]
    assert [one is two for one, two in zip(*bursts, strict=True)][2:] == [False, True]


def test_what_is_lost_after_the_beginning_is_not_forgiven() -> None:
    bench = Bench(a=ChannelOptions(max_frames=2), b=ChannelOptions(max_frames=9))
    bench.publish("b", "1")
    bench.publish("a", *"2345")
    sink, subscriber = bench.join("a", "b", last_id=b"earliest")
    subscriber.pause()
    bench.publish("a", "6")
    subscriber.resume()
    bench.run()
    assert sink.data == ["1", "5", "6"]
    assert [(gap["id"], gap["lost"]) for gap in sink.gaps] == [("e-4", 1)]


def test_a_gap_that_comes_first_is_told_once_and_forgives_what_was_lost_before() -> None:
    bench = Bench(a=ChannelOptions(max_frames=2), b=ChannelOptions(max_frames=9))
    bench.publish("b", "1")
    bench.publish("a", *"2345")
    sink, subscriber = bench.join("a", "b", last_id=b"nonsense")
    assert bench.hub.opening_position(subscriber) is None
    bench.run()
    assert sink.data == ["1", "4", "5"]
    assert [(gap["id"], gap["reason"], gap["lost"], gap["requested"]) for gap in sink.gaps] == [
        ("e-0", "malformed", None, "nonsense")
    ]
