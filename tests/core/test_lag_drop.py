"""Who lags where frames are dropped, told by what a client sees."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sse_server.core.log_options import LogOptions
from sse_server.core.window import ChannelOptions
from tests.core.fakes import Bench
from tests.core.outlines import offset, outline

DROP_3 = ChannelOptions(max_lag_frames=3)


# --- drop -----------------------------------------------------------------------------------------


def test_who_lags_is_told_of_one_gap_and_gets_the_newest() -> None:
    bench = Bench(news=DROP_3)
    sink, subscriber = bench.pause("news")
    bench.publish("news", *"12345678")
    bench.resume(subscriber)
    assert outline(sink) == ["gap e-5 5", "6", "7", "8"]
    (gap,) = sink.gaps
    assert (gap["reason"], gap["channels"], gap["requested"]) == ("lagged", ["news"], "e-0")
    assert (gap["oldest"], gap["newest"]) == ("e-1", "e-8")
    pump = bench.hub.pump
    assert (pump.skipped, pump.lost, pump.gaps, pump.frames) == (5, 5, 1, 3)
    bench.publish("news", "9")
    bench.run()
    assert outline(sink) == ["gap e-5 5", "6", "7", "8", "9"]
    assert subscriber.lane is not None


def test_nothing_is_dropped_up_to_the_bound() -> None:
    bench = Bench(news=DROP_3)
    sink, subscriber = bench.pause("news")
    bench.publish("news", *"123")
    bench.resume(subscriber)
    assert outline(sink) == ["1", "2", "3"]
    assert bench.hub.pump.skipped == 0


def test_nothing_is_dropped_for_who_was_never_paused() -> None:
    bench = Bench(news=DROP_3)
    standing, _ = bench.join("news")
    bench.publish("news", *"12345678")
    walking, _ = bench.join("news", last_id=b"e-0")
    bench.run()
    assert standing.data == walking.data == list("12345678")
    assert standing.gaps == walking.gaps == []


def test_without_a_bound_only_what_is_evicted_is_lost() -> None:
    bench = Bench(news=ChannelOptions(max_frames=500))
    sink, subscriber = bench.pause("news")
    bench.publish("news", *map(str, range(600)))
    bench.resume(subscriber)
    assert len(sink.data) == 500
    assert [(gap["reason"], gap["lost"]) for gap in sink.gaps] == [("evicted", 100)]


def test_low_priority_is_left_out_first() -> None:
    bench = Bench(news=DROP_3)
    sink, subscriber = bench.pause("news")
    bench.publish("news", *"12")
    bench.publish("news", *"abcdef", low=True)
    bench.publish("news", "3")
    bench.publish("news", "g", low=True)
    bench.resume(subscriber)
    assert outline(sink) == ["gap e-0 7", "1", "2", "3"]


def test_low_priority_is_not_left_out_for_who_is_within_the_bound() -> None:
    bench = Bench(news=DROP_3)
    sink, subscriber = bench.pause("news")
    bench.publish("news", "1", "2", low=True)
    bench.publish("news", "3")
    bench.resume(subscriber)
    assert outline(sink) == ["1", "2", "3"]


def test_nothing_but_low_priority_is_a_gap_at_the_newest() -> None:
    bench = Bench(news=DROP_3)
    sink, subscriber = bench.pause("news")
    bench.publish("news", *"abcd", low=True)
    bench.publish("other", "5")
    bench.resume(subscriber)
    assert outline(sink) == ["gap e-5 4"]
    assert subscriber.lane is not None


def test_what_is_kept_may_take_several_bursts_and_the_gap_is_told_once() -> None:
    bench = Bench(news=DROP_3, max_burst_bytes=1)
    sink, subscriber = bench.pause("news")
    bench.publish("news", *"12345678")
    bench.resume(subscriber)
    assert outline(sink) == ["gap e-5 5", "6", "7", "8"]
    assert len(sink.bursts) == 3


def test_what_is_dropped_over_several_channels_names_those_that_lost() -> None:
    bench = Bench(a=DROP_3, b=DROP_3)
    sink, subscriber = bench.pause("a", "b", "c")
    bench.publish("a", "1", "2")
    bench.publish("b", "3")
    bench.publish("a", "4", "5", "6")
    bench.publish("c", "7")
    bench.resume(subscriber)
    assert outline(sink) == ["gap e-4 4", "5", "6", "7"]
    assert [gap["channels"] for gap in sink.gaps] == [["a", "b"]]


def test_what_is_evicted_and_what_is_dropped_are_one_gap() -> None:
    bench = Bench(news=ChannelOptions(max_frames=5, max_lag_frames=3))
    sink, subscriber = bench.pause("news")
    bench.publish("news", *map(str, range(1, 11)))
    bench.resume(subscriber)
    assert outline(sink) == ["gap e-7 7", "8", "9", "10"]
    assert [gap["reason"] for gap in sink.gaps] == ["lagged"]


def test_who_lost_on_two_channels_within_its_bound_is_told_of_two_gaps_and_one_number() -> None:
    options = ChannelOptions(max_lag_frames=6, max_frames=3)
    bench = Bench(a=options, b=options)
    sink, subscriber = bench.pause("a", "b")
    bench.publish("a", *"1234")
    bench.publish("b", *"5678")
    bench.resume(subscriber)
    assert outline(sink) == ["gap e-1 None", "2", "3", "4", "gap e-5 2", "6", "7", "8"]
    assert [gap["reason"] for gap in sink.gaps] == ["evicted", "evicted"]
    assert bench.hub.pump.lost == 2


def test_who_has_not_had_everything_once_does_not_lag_however_far_behind() -> None:
    bench = Bench(news=ChannelOptions(max_frames=5, max_lag_frames=3))
    bench.publish("news", *map(str, range(1, 11)))
    sink, subscriber = bench.pause("news", last_id=b"e-2")
    bench.resume(subscriber)
    assert outline(sink) == ["gap e-5 None", "6", "7", "8", "9", "10"]
    subscriber.pause()
    bench.publish("news", *map(str, range(11, 16)))
    bench.resume(subscriber)
    assert outline(sink)[6:] == ["gap e-12 2", "13", "14", "15"]


def test_who_lags_again_is_told_again_of_what_it_lost_since() -> None:
    bench = Bench(news=DROP_3)
    sink, subscriber = bench.pause("news")
    for first in (1, 11):
        bench.publish("news", *map(str, range(first, first + 10)))
        bench.resume(subscriber)
        subscriber.pause()
    assert outline(sink) == ["gap e-7 7", "8", "9", "10", "gap e-17 7", "18", "19", "20"]


def test_who_is_paused_by_every_write_is_told_of_every_loss() -> None:
    bench = Bench(news=DROP_3, max_burst_bytes=1)
    sink, subscriber = bench.pause("news")
    sink.on_write = subscriber.pause
    for first in range(1, 40, 5):
        bench.publish("news", *map(str, range(first, first + 5)))
        bench.resume(subscriber)
    while subscriber.place < 40:
        bench.resume(subscriber)
    lost = sum(gap["lost"] for gap in sink.gaps)
    assert lost + len(sink.data) == 40
    assert all(one <= other for one, other in pairwise(map(offset, sink.events)))


def test_who_lags_later_after_a_gap_that_had_to_come_first_is_told_of_both() -> None:
    bench = Bench(news=DROP_3)
    sink, subscriber = bench.pause("news", last_id=b"nonsense")
    bench.resume(subscriber)
    subscriber.pause()
    bench.publish("news", *"12345")
    bench.resume(subscriber)
    assert [gap["reason"] for gap in sink.gaps] == ["malformed", "lagged"]
    assert outline(sink)[1:] == ["gap e-2 2", "3", "4", "5"]


def test_presence_is_neither_dropped_nor_counted() -> None:
    bench = Bench(room=ChannelOptions(presence=True, max_lag_frames=2))
    sink, subscriber = bench.pause("room")
    bench.publish("room", *"123")
    bench.publish("room/presence", "4 clients")
    bench.publish("room", *"56")
    bench.resume(subscriber)
    assert outline(sink) == ["gap e-3 3", "4 clients", "5", "6"]
    assert [gap["channels"] for gap in sink.gaps] == [["room"]]
    assert bench.hub.pump.skipped == 3


def test_the_bound_is_not_reached_by_presence() -> None:
    bench = Bench(room=ChannelOptions(presence=True, max_lag_frames=2))
    sink, subscriber = bench.pause("room")
    bench.publish("room/presence", "1 client")
    bench.publish("room", *"23")
    bench.resume(subscriber)
    assert outline(sink) == ["1 client", "2", "3"]


def test_a_personal_channel_beside_the_group_is_dropped_from_too() -> None:
    bench = Bench(log=LogOptions(channel=DROP_3))
    bench.join("news")
    sink, subscriber = bench.pause("news", "user:1")
    assert subscriber.beside
    bench.publish("user:1", *"1234")
    bench.publish("news", *"56")
    bench.resume(subscriber)
    assert outline(sink) == ["gap e-3 3", "4", "5", "6"]
    bench.publish("user:1", "7")
    bench.run()
    assert sink.data[-1] == "7"


def test_a_bound_of_nothing_leaves_only_the_gap() -> None:
    bench = Bench(news=ChannelOptions(max_lag_frames=0))
    sink, subscriber = bench.pause("news")
    bench.publish("news", *"12")
    bench.resume(subscriber)
    assert outline(sink) == ["gap e-2 2"]


publishings = st.lists(
    st.tuples(st.sampled_from("abc"), st.booleans()), min_size=1, max_size=40
).map(
    lambda pairs: [
        (channel, low and number % 2 == 0) for number, (channel, low) in enumerate(pairs)
    ]
)


@given(
    publishings=publishings,
    bound=st.integers(0, 6),
    max_frames=st.sampled_from([3, 5, 100]),
    budget=st.sampled_from([1, 60, 100, 65_536]),
    more=st.lists(st.sampled_from("abc"), max_size=5),
)
def test_a_client_that_is_cut_anywhere_misses_nothing_untold(
    publishings: list[tuple[str, bool]], bound: int, max_frames: int, budget: int, more: list[str]
) -> None:
    options = ChannelOptions(max_lag_frames=bound, max_frames=max_frames)
    bench = Bench(a=options, b=options, c=options, max_burst_bytes=budget)
    sink, subscriber = bench.pause("a", "b", "c")
    for channel, low in publishings:
        bench.publish(channel, str(bench.hub.newest + 1), low=low)
    inside = iter(more)

    def publish_more() -> None:
        for channel in inside:
            bench.publish(channel, str(bench.hub.newest + 1))
            break

    sink.on_write = publish_more
    bench.resume(subscriber)
    events = sink.events
    ids = [offset(event) for event in events]
    assert all(one <= other for one, other in pairwise(ids)), "ids went back"
    # Who is within its bound is told of each channel where it lost; the last has the number of all.
    lost = sum(gap["lost"] or 0 for gap in sink.gaps)
    assert not sink.gaps or sink.gaps[-1]["lost"] is not None
    assert lost + len(sink.data) == bench.hub.newest
    assert lost == bench.hub.pump.lost
    windows = [bench.hub.log.window(name) for name in "abc"]
    held = {offset for window in windows for offset in window.offsets[window.head :]}
    for cut in range(len(events) + 1):
        at = ids[cut - 1] if cut else 0
        had = {int(event.data) for event in events[:cut] if event.type != "gap"}
        told = [offset(event) for event in events[:cut] if event.type == "gap"]
        again, _ = bench.join("a", "b", "c", last_id=b"e-%d" % at)
        bench.run()
        had |= {int(text) for text in again.data}
        told += [offset(event) for event in again.events if event.type == "gap"]
        untold = set(range(1, bench.hub.newest + 1)) - had
        # Up to the newest gap told everything may be missing; beyond it nothing.
        assert all(missing <= max(told, default=0) for missing in untold if missing > at)
        assert told or not untold
        assert {offset for offset in held if offset > at} <= {int(text) for text in again.data}
