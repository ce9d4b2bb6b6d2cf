from itertools import product

import pytest

from sse_server.core.policy import AfterGap, LagPolicy, Policy, strictest
from sse_server.core.presence import PRESENCE_OPTIONS
from sse_server.core.window import ChannelOptions, Window
from sse_server.wire.flow import CloseReason
from tests.core.fakes import Bench, Recorder

LATEST, DROP, DISCONNECT = LagPolicy.LATEST, LagPolicy.DROP, LagPolicy.DISCONNECT


def windows(*options: ChannelOptions) -> list[Window]:
    return [Window(str(n), option, lost=0, uncertain=-1) for n, option in enumerate(options)]


@pytest.mark.parametrize(("one", "other"), list(product([LATEST, DROP, DISCONNECT], repeat=2)))
def test_the_strictest_lag_policy_of_its_channels_holds(one: LagPolicy, other: LagPolicy) -> None:
    order = [LATEST, DROP, DISCONNECT]
    options = [ChannelOptions(lag=lag, max_lag_frames=5) for lag in (one, other)]
    assert strictest(windows(*options)).lag is max(one, other, key=order.index)


@pytest.mark.parametrize(("one", "other"), list(product(AfterGap, repeat=2)))
def test_the_strictest_after_gap_of_its_channels_holds(one: AfterGap, other: AfterGap) -> None:
    order = [AfterGap.EARLIEST, AfterGap.LATEST, AfterGap.CLOSE]
    options = [ChannelOptions(after_gap=after_gap) for after_gap in (one, other)]
    assert strictest(windows(*options)).after_gap is max(one, other, key=order.index)


def test_the_lowest_bound_holds() -> None:
    options = [ChannelOptions(max_lag_frames=bound) for bound in (7, 3, 9)]
    assert strictest(windows(*options)).max_lag_frames == 3


def test_without_a_number_drop_has_no_bound_and_the_others_have_one() -> None:
    assert ChannelOptions().lag_bound > 10**12
    assert [ChannelOptions(lag=lag).lag_bound for lag in (LATEST, DISCONNECT)] == [100, 100]


def test_a_presence_channel_does_not_make_a_stream_stricter() -> None:
    calm = ChannelOptions(lag=LATEST, max_lag_frames=50)
    assert strictest(windows(calm, PRESENCE_OPTIONS)) == Policy(LATEST, 50, AfterGap.EARLIEST)


def test_what_follows_nothing_but_ephemeral_channels_has_their_policy() -> None:
    options = ChannelOptions(ephemeral=True, lag=DISCONNECT, max_lag_frames=2)
    assert strictest(windows(options)) == Policy(DISCONNECT, 2, AfterGap.EARLIEST)


# --- disconnect -----------------------------------------------------------------------------------


def disconnecting() -> Bench:
    return Bench(
        strict=ChannelOptions(lag=DISCONNECT, max_lag_frames=2),
        room=ChannelOptions(lag=DISCONNECT, max_lag_frames=2, presence=True),
    )


def test_who_lags_where_that_is_not_allowed_is_closed_when_it_resumes() -> None:
    bench = disconnecting()
    sink, subscriber = bench.pause("strict")
    bench.publish("strict", "1", "2", "3")
    bench.resume(subscriber)
    assert sink.ended is CloseReason.SLOW
    assert sink.aborted is None
    assert sink.data == []
    assert bench.hub.closed == {CloseReason.SLOW: 1}


def test_who_lags_where_that_is_not_allowed_is_aborted_by_the_sweep_while_it_is_paused() -> None:
    bench = disconnecting()
    sink, _ = bench.pause("strict")
    bench.publish("strict", "1", "2")
    bench.tick()
    assert not bench.hub.closed
    bench.publish("strict", "3")
    bench.tick()
    assert sink.aborted is CloseReason.SLOW
    assert sink.ended is None
    assert bench.hub.subscribers == len(bench.hub.stalls) == 0


def test_who_is_within_the_bound_or_was_never_paused_is_not_closed() -> None:
    bench = disconnecting()
    within, subscriber = bench.pause("strict")
    standing, _ = bench.join("strict")
    walking, _ = bench.join("strict", last_id=b"e-0")
    bench.publish("strict", "1", "2")
    bench.resume(subscriber)
    bench.publish("strict", *"34567")
    bench.tick()
    for sink in (within, standing, walking):
        assert sink.data == ["1", "2", "3", "4", "5", "6", "7"]
        assert sink.ended is sink.aborted is None


def test_who_was_slow_once_and_had_everything_since_is_not_slow_any_more() -> None:
    bench = disconnecting()
    sink, subscriber = bench.pause("strict")
    bench.resume(subscriber)
    assert not subscriber.slow
    bench.publish("strict", *"12345")
    bench.run()
    assert len(sink.data) == 5


def test_who_was_slow_is_not_slow_any_more_when_it_stands_with_other_channels() -> None:
    bench = disconnecting()
    _, subscriber = bench.pause("strict")
    subscriber.resume()
    bench.hub.change(subscriber, ["strict", "more"])
    assert subscriber.lane is not None
    assert not subscriber.slow


def test_others_of_the_group_are_not_touched() -> None:
    bench = disconnecting()
    other, _ = bench.join("strict")
    bench.pause("strict")
    bench.publish("strict", "1", "2", "3")
    bench.tick()
    bench.publish("strict", "4")
    bench.run()
    assert other.data == ["1", "2", "3", "4"]
    assert bench.hub.subscribers == 1


def test_one_strict_channel_makes_the_stream_strict() -> None:
    bench = disconnecting()
    sink, subscriber = bench.pause("calm", "strict")
    bench.publish("calm", "1", "2", "3")
    bench.resume(subscriber)
    assert sink.ended is CloseReason.SLOW


def test_presence_is_not_counted_as_lag() -> None:
    bench = disconnecting()
    sink, subscriber = bench.pause("room")
    bench.publish("room", "1", "2")
    bench.publish("room/presence", "3 clients")
    bench.resume(subscriber)
    assert sink.data == ["1", "2", "3 clients"]
    assert sink.ended is None


# --- after a gap ----------------------------------------------------------------------------------


def with_gap(after_gap: AfterGap, **options: int) -> Bench:
    channel = ChannelOptions(after_gap=after_gap, max_frames=2, **options)  # type: ignore[arg-type]
    return Bench(a=channel, b=ChannelOptions(max_frames=9))


def replay(bench: Bench, *channels: str, last_id: bytes) -> Recorder:
    sink, _ = bench.join(*channels, last_id=last_id)
    bench.run()
    return sink


def test_after_a_gap_a_stream_goes_on_with_the_oldest_frame_held() -> None:
    bench = with_gap(AfterGap.EARLIEST)
    bench.publish("a", *"12345")
    sink = replay(bench, "a", last_id=b"e-1")
    assert sink.data == ["4", "5"]
    assert [gap["id"] for gap in sink.gaps] == ["e-3"]


def test_after_a_gap_a_stream_goes_on_with_the_next_that_is_published() -> None:
    bench = with_gap(AfterGap.LATEST)
    bench.publish("a", *"12345")
    bench.publish("other", "6")
    sink = replay(bench, "a", last_id=b"e-1")
    assert sink.data == []
    assert [(gap["id"], gap["reason"]) for gap in sink.gaps] == [("e-6", "evicted")]
    bench.publish("a", "7")
    bench.run()
    assert sink.data == ["7"]
    assert replay(bench, "a", last_id=b"e-6").gaps == []


def test_after_a_gap_a_stream_ends_and_is_not_ended_again_when_it_comes_back() -> None:
    bench = with_gap(AfterGap.CLOSE)
    bench.publish("a", *"12345")
    sink = replay(bench, "a", last_id=b"e-1")
    assert sink.data == []
    assert [gap["id"] for gap in sink.gaps] == ["e-3"]
    assert sink.ended is CloseReason.GAP
    assert sink.ended.comes_back
    again = replay(bench, "a", last_id=sink.last_id.encode())
    assert (again.data, again.gaps, again.ended) == (["4", "5"], [], None)


@pytest.mark.parametrize("after_gap", [AfterGap.LATEST, AfterGap.CLOSE])
def test_what_a_gap_passes_over_is_counted_and_its_channels_are_named(after_gap: AfterGap) -> None:
    bench = with_gap(after_gap)
    sink, subscriber = bench.pause("a", "b")
    bench.publish("a", "1")
    bench.publish("b", "2")
    bench.publish("a", *"345")
    bench.resume(subscriber)
    (gap,) = sink.gaps
    assert sorted(gap["channels"]) == ["a", "b"]
    assert gap["lost"] == (5 if after_gap is AfterGap.LATEST else 3)
    assert bench.hub.pump.lost == gap["lost"]


@pytest.mark.parametrize("after_gap", [AfterGap.LATEST, AfterGap.CLOSE])
def test_a_gap_that_passes_over_presence_does_not_count_it(after_gap: AfterGap) -> None:
    bench = with_gap(after_gap, presence=True)
    sink, subscriber = bench.pause("a")
    bench.publish("a", "1")
    bench.publish("a/presence", "2")
    bench.publish("a", *"34")
    bench.resume(subscriber)
    (gap,) = sink.gaps
    assert (gap["channels"], gap["lost"]) == (["a"], 3 if after_gap is AfterGap.LATEST else 1)


def test_how_much_a_gap_passes_over_is_not_known_where_some_of_it_may_be_superseded() -> None:
    bench = Bench(
        a=ChannelOptions(after_gap=AfterGap.LATEST, max_frames=2),
        b=ChannelOptions(lag=LATEST),
    )
    sink, subscriber = bench.pause("a", "b")
    bench.publish("b", "1", "2", key="k")
    bench.publish("a", "3", "4", "5")
    bench.resume(subscriber)
    assert [(gap["channels"], gap["lost"]) for gap in sink.gaps] == [(["a", "b"], None)]


@pytest.mark.parametrize("last_id", [b"", b"nonsense", b"other-3", b"e-99"])
def test_after_a_position_that_names_none_the_policy_says_where_it_goes_on(last_id: bytes) -> None:
    ends = {AfterGap.EARLIEST: ["4", "5"], AfterGap.LATEST: [], AfterGap.CLOSE: []}
    for after_gap, data in ends.items():
        bench = with_gap(after_gap)
        bench.publish("a", *"12345")
        sink = replay(bench, "a", last_id=last_id)
        assert sink.data == data
        (gap,) = sink.gaps
        assert gap["id"] == ("e-5" if after_gap is AfterGap.LATEST else "e-3")
        assert sink.ended is (CloseReason.GAP if after_gap is AfterGap.CLOSE else None)
        again = replay(bench, "a", last_id=gap["id"].encode())
        rest = [] if after_gap is AfterGap.LATEST else ["4", "5"]
        assert (again.data, again.gaps, again.ended) == (rest, [], None)


@pytest.mark.parametrize("after_gap", list(AfterGap))
def test_no_gap_is_told_twice_over_several_channels(after_gap: AfterGap) -> None:
    options = ChannelOptions(max_frames=2, after_gap=after_gap)
    last_ids = [b"e-0", b"e-3", b"e-20"]
    if after_gap is not AfterGap.EARLIEST:  # the earliest is no position: it differs by channel
        last_ids.append(b"nonsense")
    for last_id in last_ids:
        bench = Bench(a=options, b=options, c=ChannelOptions(max_frames=4))
        for number in range(1, 25):
            bench.publish("abc"[number % 3], str(number))
        bench.publish("b", "25", "26")
        sink = replay(bench, "a", "b", "c", last_id=last_id)
        assert sink.gaps
        again = replay(bench, "a", "b", "c", last_id=sink.gaps[-1]["id"].encode())
        assert again.gaps == []
        assert again.ended is None


def test_who_began_with_the_earliest_and_is_closed_is_not_closed_again() -> None:
    # b had lost 2 to 5 before the stream began, which was forgiven; a loses 1 while it is paused.
    bench = Bench(
        a=ChannelOptions(max_frames=1),
        b=ChannelOptions(max_frames=1, after_gap=AfterGap.CLOSE),
    )
    bench.publish("a", "1")
    bench.publish("b", *"23456")
    sink, subscriber = bench.pause("a", "b", last_id=b"earliest")
    bench.publish("a", "7")
    bench.resume(subscriber)
    assert sink.ended is CloseReason.GAP
    again = replay(bench, "a", "b", last_id=sink.last_id.encode())
    assert (again.data, again.gaps, again.ended) == (["6", "7"], [], None)


def test_what_is_lost_behind_a_gap_that_was_told_is_a_gap_of_its_own() -> None:
    bench = with_gap(AfterGap.CLOSE)
    bench.publish("a", *"12345")
    sink = replay(bench, "a", last_id=b"e-0")
    bench.publish("a", "6")
    again = replay(bench, "a", last_id=sink.last_id.encode())
    assert again.ended is CloseReason.GAP
    assert [gap["id"] for gap in again.gaps] == ["e-4"]


def test_a_stream_that_ends_with_a_gap_is_sent_nothing_behind_it() -> None:
    bench = with_gap(AfterGap.CLOSE)
    bench.publish("a", *"12345")
    sink, subscriber = bench.join("a", last_id=b"other-1")
    bench.publish("a", "6")
    bench.run()
    assert subscriber.group is None
    assert [event.type for event in sink.events] == ["gap"]
    assert bench.hub.closed == {CloseReason.GAP: 1}
    assert bench.hub.pump.gaps == 1


@pytest.mark.parametrize("lag", [LATEST, DROP])
def test_who_lags_and_loses_is_closed_where_a_gap_closes(lag: LagPolicy) -> None:
    options = ChannelOptions(
        lag=lag, max_lag_frames=1, max_frames=3, after_gap=AfterGap.CLOSE, max_age_seconds=None
    )
    bench = Bench(a=options)
    sink, subscriber = bench.pause("a")
    for number in range(6):
        bench.publish("a", str(number), key=str(number))
    bench.resume(subscriber)
    assert sink.data == []
    assert [(gap["id"], gap["reason"]) for gap in sink.gaps] == [("e-3", "evicted")]
    assert sink.ended is CloseReason.GAP
    again = replay(bench, "a", last_id=b"e-3")
    assert (again.data, again.gaps) == (["3", "4", "5"], [])


def test_after_what_is_dropped_the_policy_says_where_the_stream_goes_on() -> None:
    for after_gap, at, lost, rest in (
        (AfterGap.EARLIEST, "e-3", 3, []),
        (AfterGap.LATEST, "e-5", 5, []),
        (AfterGap.CLOSE, "e-3", 3, ["4", "5"]),
    ):
        bench = Bench(a=ChannelOptions(max_lag_frames=2, after_gap=after_gap))
        sink, subscriber = bench.pause("a")
        bench.publish("a", *"12345")
        bench.resume(subscriber)
        assert [(g["id"], g["lost"], g["reason"]) for g in sink.gaps] == [(at, lost, "lagged")]
        assert sink.data == (["4", "5"] if after_gap is AfterGap.EARLIEST else [])
        assert (sink.ended is CloseReason.GAP) is (after_gap is AfterGap.CLOSE)
        if sink.ended:
            again = replay(bench, "a", last_id=at.encode())
            assert (again.data, again.gaps) == (rest, [])
