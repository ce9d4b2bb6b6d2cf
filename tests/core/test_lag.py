"""Who lags: `drop` and `latest`, told by what a client sees."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_server.core.lag import pending, read_lagging
from sse_server.core.log_options import LogOptions
from sse_server.core.policy import AfterGap, LagPolicy, Policy
from sse_server.core.reading import losers
from sse_server.core.window import ChannelOptions, Window
from sse_server.wire.parser import EventStreamParser, StreamEvent
from tests.core.fakes import POSITIONS, Bench, Recorder

DROP_3 = ChannelOptions(max_lag_frames=3)
LATEST_2 = ChannelOptions(lag=LagPolicy.LATEST, max_lag_frames=2)


def offset(event: StreamEvent) -> int:
    return int(event.last_event_id.removeprefix("e-"))


def outline(sink: Recorder) -> list[str]:
    """Frames as their data, gaps as `gap ID lost`."""
    gaps = iter(sink.gaps)
    return [
        f"gap {gap['id']} {gap['lost']}"
        if event.type == "gap" and (gap := next(gaps))
        else event.data
        for event in sink.events
    ]


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


# --- latest ---------------------------------------------------------------------------------------


def test_who_lags_gets_the_last_frame_of_each_key() -> None:
    bench = Bench(prices=LATEST_2)
    sink, subscriber = bench.pause("prices")
    for key, text in ("a1", "b2", "a3", "c4", "b5", "a6"):
        bench.publish("prices", key + text, key=key)
    bench.resume(subscriber)
    assert outline(sink) == ["c4", "b5", "a6"]
    assert bench.hub.pump.conflated == 3
    assert bench.hub.pump.gaps == bench.hub.pump.lost == bench.hub.pump.skipped == 0


def test_without_keys_who_lags_gets_the_newest_only() -> None:
    bench = Bench(prices=LATEST_2)
    sink, subscriber = bench.pause("prices")
    bench.publish("prices", *"123")
    bench.publish("prices", "k", key="k")
    bench.publish("prices", "4")
    bench.resume(subscriber)
    assert outline(sink) == ["k", "4"]
    assert bench.hub.pump.conflated == 3


def test_nothing_is_conflated_up_to_the_bound_or_for_who_was_never_paused() -> None:
    bench = Bench(prices=LATEST_2)
    standing, _ = bench.join("prices")
    sink, subscriber = bench.pause("prices")
    bench.publish("prices", "1", "2", key="k")
    bench.resume(subscriber)
    bench.publish("prices", *"345", key="k")
    bench.run()
    assert sink.data == standing.data == list("12345")
    assert bench.hub.pump.conflated == 0


def test_keys_of_two_channels_are_not_the_same() -> None:
    bench = Bench(a=LATEST_2, b=LATEST_2)
    sink, subscriber = bench.pause("a", "b")
    for channel, text in (("a", "1"), ("b", "2"), ("a", "3"), ("b", "4")):
        bench.publish(channel, text, key="k")
    bench.resume(subscriber)
    assert outline(sink) == ["3", "4"]


def test_superseded_frames_that_are_evicted_are_no_gap() -> None:
    bench = Bench(prices=ChannelOptions(lag=LagPolicy.LATEST, max_lag_frames=2, max_frames=4))
    sink, subscriber = bench.pause("prices")
    for number in range(1, 21):
        bench.publish("prices", str(number), key="ab"[number % 2])
    bench.resume(subscriber)
    assert outline(sink) == ["19", "20"]
    assert bench.hub.pump.conflated == 2  # those that were held
    old, _ = bench.join("prices", last_id=b"e-1")
    bench.run()
    assert outline(old) == ["17", "18", "19", "20"]


def test_a_key_whose_last_frame_is_evicted_is_a_gap() -> None:
    bench = Bench(prices=ChannelOptions(lag=LagPolicy.LATEST, max_lag_frames=2, max_frames=4))
    sink, subscriber = bench.pause("prices")
    bench.publish("prices", "rare", key="rare")
    for number in range(2, 8):
        bench.publish("prices", str(number), key="often")
    bench.resume(subscriber)
    assert outline(sink) == ["gap e-1 None", "7"]
    old, _ = bench.join("prices", last_id=b"e-0")
    bench.run()
    assert outline(old) == ["gap e-1 None", "4", "5", "6", "7"]
    again, _ = bench.join("prices", last_id=b"e-1")
    bench.run()
    assert again.gaps == []


def test_what_is_conflated_may_take_several_bursts() -> None:
    bench = Bench(prices=LATEST_2, max_burst_bytes=1)
    sink, subscriber = bench.pause("prices")
    for number in range(12):
        bench.publish("prices", str(number), key=str(number % 4))
    bench.resume(subscriber)
    assert sink.data == ["8", "9", "10", "11"]
    assert len(sink.bursts) == 4
    assert bench.hub.pump.conflated == 8


def test_presence_goes_along_with_what_is_conflated() -> None:
    bench = Bench(room=ChannelOptions(lag=LagPolicy.LATEST, max_lag_frames=2, presence=True))
    sink, subscriber = bench.pause("room")
    bench.publish("room", *"12")
    bench.publish("room/presence", "3 clients")
    bench.publish("room", *"45")
    bench.resume(subscriber)
    assert outline(sink) == ["3 clients", "5"]


def test_a_channel_that_drops_makes_one_that_conflates_drop() -> None:
    bench = Bench(prices=LATEST_2, news=DROP_3)
    sink, subscriber = bench.pause("prices", "news")
    bench.publish("news", "1", "2")
    bench.publish("prices", "3", "4", key="k")
    bench.resume(subscriber)
    assert outline(sink) == ["gap e-2 2", "3", "4"]
    assert bench.hub.pump.conflated == 0


@given(
    keys=st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=30),
    max_frames=st.sampled_from([2, 5, 100]),
    budget=st.sampled_from([1, 60, 65_536]),
)
def test_a_client_of_latest_that_is_cut_anywhere_has_the_last_of_each_key_or_is_told(
    keys: list[str | None], max_frames: int, budget: int
) -> None:
    options = ChannelOptions(lag=LagPolicy.LATEST, max_lag_frames=1, max_frames=max_frames)
    bench = Bench(prices=options, max_burst_bytes=budget)
    sink, subscriber = bench.pause("prices")
    last: dict[str | None, int] = {}
    for key in keys:
        bench.publish("prices", str(bench.hub.newest + 1), key=key)
        last[key] = bench.hub.newest
    bench.resume(subscriber)
    ids = [offset(event) for event in sink.events]
    assert all(one < other for one, other in pairwise(ids))
    for cut in range(len(ids) + 1):
        again, _ = bench.join("prices", last_id=b"e-%d" % (ids[cut - 1] if cut else 0))
        bench.run()
        events = [*sink.events[:cut], *again.events]
        had = {offset(event) for event in events if event.type != "gap"}
        told = max([offset(event) for event in events if event.type == "gap"], default=0)
        assert all(offset in had or offset <= told for offset in last.values())
        assert told == bench.hub.log.window("prices").lost


# --- the reading itself ---------------------------------------------------------------------------


def lagging(windows: list[Window], bound: int) -> list[bytes]:
    reading = read_lagging(
        windows,
        0,
        20,
        1_000,
        policy=Policy(LagPolicy.DROP, bound, AfterGap.EARLIEST),
        seen=0,
        affected=losers(windows, 0),
        positions=POSITIONS,
    )
    parser = EventStreamParser()
    return [
        parser.feed(block)[0].last_event_id.encode() if b"event: gap" in block else block
        for block in reading.blocks
    ]


@pytest.mark.parametrize(
    ("bound", "blocks"),
    [(1, [b"e-6", b"<7>"]), (2, [b"e-4", b"<5>", b"<7>"]), (9, [b"e-4", b"<5>", b"<7>"])],
)
def test_a_gap_stands_right_before_what_is_kept_and_behind_what_is_evicted(
    bound: int, blocks: list[bytes]
) -> None:
    a = Window("a", ChannelOptions(), lost=3, uncertain=-1)
    a.append(5, b"<5>", 0.0)
    b = Window("b", ChannelOptions(), lost=0, uncertain=-1)
    b.append(2, b"<2>", 0.0)
    b.append(7, b"<7>", 0.0)
    assert pending([a, b], 0) == 3
    assert lagging([a, b], bound) == blocks
