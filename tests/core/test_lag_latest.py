"""Who lags where frames are conflated, told by what a client sees; reading for who lags."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_server.core.lag import pending, read_lagging
from sse_server.core.policy import AfterGap, LagPolicy, Policy
from sse_server.core.reading import losers
from sse_server.core.window import ChannelOptions, Window
from sse_server.wire.parser import EventStreamParser
from tests.core.fakes import POSITIONS, Bench
from tests.core.outlines import offset, outline

DROP_3 = ChannelOptions(max_lag_frames=3)
LATEST_2 = ChannelOptions(lag=LagPolicy.LATEST, max_lag_frames=2)


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
