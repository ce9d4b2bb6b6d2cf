from dataclasses import replace
from itertools import pairwise
from math import inf

import pytest

from sse_server.core.heartbeat import Beating
from sse_server.http.chunked import chunked
from sse_server.wire.encoder import id_block
from sse_server.wire.flow import CloseReason
from sse_server.wire.parser import EventStreamParser
from tests.core.fakes import Bench, Recorder, nothing

INTERVAL = 15.0


def beats(sink: Recorder) -> list[bytes]:
    return [burst for burst in sink.bursts if burst.startswith(b":")]


def wheel(bench: Bench) -> list[Beating]:
    return [lane for bucket in bench.hub.heartbeats._buckets.values() for lane in bucket]


def pass_seconds(bench: Bench, seconds: int) -> None:
    for _ in range(seconds):
        bench.tick()


def test_a_quiet_stream_is_sent_a_comment() -> None:
    bench = Bench()
    sink, _ = bench.join("news")
    pass_seconds(bench, 16)
    assert sink.bursts == [b":\n"]
    assert bench.hub.heartbeats.sent == 1


def test_the_position_is_told_when_it_has_moved_and_only_then() -> None:
    bench = Bench()
    sink, _ = bench.join("news")
    bench.publish("other", "1", "2")
    pass_seconds(bench, 16)
    assert sink.bursts == [b":\nid: e-2\n\n"]
    pass_seconds(bench, 16)
    assert sink.bursts[1:] == [b":\n"]
    bench.publish("other", "3")
    pass_seconds(bench, 16)
    assert beats(sink)[-1] == b":\nid: e-3\n\n"


def test_the_position_that_a_stream_began_with_is_not_told_again() -> None:
    bench = Bench()
    bench.publish("other", "1")
    sink, _ = bench.join("news")
    pass_seconds(bench, 16)
    assert sink.bursts == [b":\n"]


def test_the_position_is_told_when_it_has_moved_beyond_the_last_frame_sent() -> None:
    bench = Bench()
    sink, _ = bench.join("news")
    bench.publish("news", "1")
    bench.publish("other", "2")
    bench.run()
    assert sink.last_id == "e-1"
    pass_seconds(bench, 16)
    assert sink.last_id == "e-2"


@pytest.mark.parametrize("others", [0, 1])
def test_who_comes_back_with_an_old_position_is_told_a_recent_one(others: int) -> None:
    bench = Bench()
    bench.publish("news", "1")
    bench.publish("other", *"234")
    for _ in range(others):
        bench.join("news")
    caught_up, _ = bench.join("news", last_id=b"e-0")
    nothing_to_read, _ = bench.join("news", last_id=b"e-1")
    pass_seconds(bench, 16)
    assert caught_up.last_id == nothing_to_read.last_id == "e-4"
    bench.tick(16)
    assert beats(caught_up)[1:] == beats(nothing_to_read)[1:] == [b":\n"]


def test_who_was_paused_with_nothing_to_read_is_told_a_recent_position() -> None:
    bench = Bench()
    sink, subscriber = bench.join("news")
    bench.publish("news", "1")
    bench.publish("other", "2")
    bench.run()
    subscriber.pause()
    subscriber.resume()
    pass_seconds(bench, 16)
    assert sink.last_id == "e-2"


def test_who_changes_its_channels_is_told_a_recent_position() -> None:
    bench = Bench()
    sink, subscriber = bench.join("news")
    bench.publish("other", "1")
    bench.hub.change(subscriber, ["news", "more"])
    pass_seconds(bench, 16)
    assert sink.last_id == "e-1"


def test_who_changes_its_channels_inside_a_write_is_told_a_recent_position() -> None:
    bench = Bench()
    bench.publish("news", "1")
    bench.publish("other", "2")
    sink, subscriber = bench.join("news", last_id=b"e-0")
    sink.on_write = lambda: bench.hub.change(subscriber, ["more"])
    bench.run()
    assert sink.last_id == "e-1"
    pass_seconds(bench, 16)
    assert sink.last_id == "e-2"


def test_who_changes_its_channels_between_resuming_and_its_turn_is_told_a_recent_position() -> None:
    bench = Bench()
    sink, subscriber = bench.join("news")
    bench.publish("news", "1")
    bench.publish("other", "2")
    sink.on_write = subscriber.pause
    bench.run()
    sink.on_write = nothing
    subscriber.resume()
    bench.hub.change(subscriber, ["more"])
    assert sink.last_id == "e-1"
    pass_seconds(bench, 16)
    assert sink.last_id == "e-2"


def test_who_changes_its_channels_inside_a_heartbeat_of_another_is_told_a_position() -> None:
    bench = Bench()
    first, _ = bench.join("news")
    sink, subscriber = bench.join("news")
    bench.publish("other", "1")
    first.on_write = lambda: bench.hub.change(subscriber, ["more"])
    bench.tick(16)
    first.on_write = nothing
    assert sink.bursts == []
    pass_seconds(bench, 16)
    assert sink.last_id == "e-1"


def test_who_changes_its_channels_is_not_silent_for_longer() -> None:
    bench = Bench(heartbeat_seconds=INTERVAL)
    sink, subscriber = bench.join("news")
    bench.join("more")
    written = [bench.now]
    sink.on_write = lambda: written.append(bench.now)
    for number in range(9):
        pass_seconds(bench, 10)
        bench.hub.change(subscriber, ["more"] if number % 2 else ["news"])
    assert len(written) > 6
    assert max(after - before for before, after in pairwise(written)) <= INTERVAL + 1


def test_who_comes_to_those_who_were_written_to_is_not_silent_for_longer() -> None:
    bench = Bench(heartbeat_seconds=INTERVAL)
    sink, subscriber = bench.join("news")
    bench.join("more")
    pass_seconds(bench, 10)
    bench.publish("more", "1")
    bench.run()
    bench.hub.change(subscriber, ["more"])
    pass_seconds(bench, 6)
    assert len(beats(sink)) == 1


def test_those_who_were_there_before_are_not_silent_for_longer_either() -> None:
    bench = Bench(heartbeat_seconds=INTERVAL)
    sink, _ = bench.join("more")
    pass_seconds(bench, 10)
    _, subscriber = bench.join("news")
    bench.hub.change(subscriber, ["more"])
    pass_seconds(bench, 6)
    assert len(beats(sink)) == 1


def test_a_heartbeat_fires_no_event_and_moves_the_last_id() -> None:
    bench = Bench()
    sink, _ = bench.join("news")
    bench.publish("other", "1")
    pass_seconds(bench, 40)
    bench.publish("news", "2")
    bench.run()
    parser = EventStreamParser()
    parser.feed(id_block(b"e-0"))
    seen = [(parser.feed(burst), parser.last_event_id) for burst in sink.bursts]
    assert [event.data for events, _ in seen for event in events] == ["2"]
    assert [last_id for events, last_id in seen if not events][-1] == "e-1"


@pytest.mark.parametrize("cut", range(12))
def test_a_heartbeat_may_be_cut_anywhere(cut: int) -> None:
    data = b":\nid: e-7\n\n:\n"
    parser = EventStreamParser("e-3")
    assert parser.feed(data[:cut]) + parser.feed(data[cut:]) == []
    assert parser.last_event_id == "e-7"


def test_a_heartbeat_is_framed_as_everything_else() -> None:
    bench = Bench()
    sink, _ = bench.join("news", framing=chunked)
    pass_seconds(bench, 16)
    bench.publish("other", "1")
    pass_seconds(bench, 16)
    assert sink.bursts == [b"2\r\n:\n\r\n", b"b\r\n:\nid: e-1\n\n\r\n"]


def test_a_stream_that_does_not_want_positions_is_told_none() -> None:
    bench = Bench()
    sink, subscriber = bench.join("news", tells_positions=False)
    with_positions, other = bench.join("news")
    bench.publish("other", "1")
    pass_seconds(bench, 16)
    assert sink.bursts == [b":\n"]
    assert with_positions.bursts == [b":\nid: e-1\n\n"]
    assert subscriber.group is not other.group
    bench.hub.change(subscriber, ["news", "more"])
    pass_seconds(bench, 16)
    assert sink.bursts == [b":\n"] * 2


def test_the_position_that_is_told_is_one_to_resume_from_without_a_gap() -> None:
    bench = Bench()
    sink, subscriber = bench.join("news", "user:1")
    bench.publish("user:1", "1")
    bench.publish("other", *"2345")
    bench.run()
    pass_seconds(bench, 16)
    assert sink.last_id == "e-5"
    subscriber.gone(CloseReason.LOST)
    bench.publish("news", "6")
    bench.publish("user:1", "7")
    again, _ = bench.join("news", "user:1", last_id=b"e-5")
    bench.run()
    assert (again.data, again.gaps) == (["6", "7"], [])


def test_a_channel_that_was_forgotten_is_resumed_from_a_heartbeat_without_a_gap() -> None:
    bench = Bench()
    sink, subscriber = bench.join("news")
    bench.publish("news", "1")
    bench.publish("other", "2")
    bench.run()
    pass_seconds(bench, 16)
    subscriber.gone(CloseReason.LOST)
    bench.tick(400)
    assert not bench.hub.log.windows
    again, _ = bench.join("news", last_id=sink.last_id.encode())
    bench.run()
    assert again.gaps == []


def test_a_stream_that_something_was_sent_on_has_no_heartbeat() -> None:
    bench = Bench()
    sink, _ = bench.join("news")
    for number in range(10):
        pass_seconds(bench, 10)
        bench.publish("news", str(number))
        bench.run()
    assert beats(sink) == []
    assert len(sink.data) == 10


def test_every_quiet_stream_has_one_within_the_interval_and_never_too_early() -> None:
    bench = Bench(lane_size=2, heartbeat_seconds=INTERVAL)
    bench.now = 1_000.7
    times: list[list[float]] = []
    for number in range(60):
        sink, _ = bench.join(f"news:{number % 9}")
        written = [bench.now]
        times.append(written)
        sink.on_write = lambda written=written: written.append(bench.now)  # type: ignore[misc]
        bench.tick(0.13)
    for second in range(100):
        if second % 7 == 0:
            bench.publish(f"news:{second % 9}", "x")
            bench.run()
        bench.tick(0.9 + second % 3 / 10)
    for written in times:
        written.append(bench.now)
        silences = [after - before for before, after in pairwise(written)]
        assert max(silences) <= INTERVAL + 1


@pytest.mark.parametrize("interval", [1.0, 2.0, 4.0, 15.0, 60.0])
def test_no_heartbeat_comes_before_three_quarters_of_the_interval(interval: float) -> None:
    bench = Bench(lane_size=1, heartbeat_seconds=interval)
    times: list[list[float]] = []
    for _ in range(20):
        sink, _ = bench.join("news")
        written = [bench.now]
        times.append(written)
        sink.on_write = lambda written=written: written.append(bench.now)  # type: ignore[misc]
        bench.now += 0.045
    for _ in range(int(interval * 4)):
        bench.tick()
    for written in times:
        silences = [after - before for before, after in pairwise(written)]
        assert len(silences) >= 3
        assert min(silences) >= interval * 0.75
        assert max(silences) <= interval + 1


def test_streams_that_came_at_once_are_spread_over_seconds() -> None:
    bench = Bench(lane_size=1)
    for _ in range(300):
        bench.join("news")
    sent = []
    for _ in range(16):
        before = bench.hub.heartbeats.sent
        bench.tick()
        sent.append(bench.hub.heartbeats.sent - before)
    assert sum(sent) == 300
    assert max(sent) <= 120
    assert sum(1 for count in sent if count) >= 3


def test_members_of_a_lane_that_is_merged_into_another_are_not_silent_for_longer() -> None:
    bench = Bench(lane_size=4)
    early = [bench.join("news") for _ in range(4)]
    pass_seconds(bench, 8)
    late = [bench.join("news") for _ in range(4)]
    assert early[0][1].lane is not late[0][1].lane
    for _, subscriber in [*early[:3], *late[:2]]:
        subscriber.gone(CloseReason.LOST)
    assert early[3][1].lane is late[3][1].lane
    pass_seconds(bench, 8)
    assert len(beats(early[3][0])) == 1
    pass_seconds(bench, 16)
    assert len(wheel(bench)) == 1


def test_members_of_lanes_that_become_one_are_told_the_newer_position() -> None:
    bench = Bench(lane_size=4)
    early = [bench.join("news") for _ in range(4)]
    bench.publish("other", "1")
    late = [bench.join("news") for _ in range(4)]
    for _, subscriber in [*early[:3], *late[:2]]:
        subscriber.gone(CloseReason.LOST)
    assert early[3][1].lane is late[3][1].lane
    pass_seconds(bench, 16)
    assert early[3][0].last_id == "e-1"


def test_lanes_that_are_gone_leave_the_wheel() -> None:
    bench = Bench(lane_size=1)
    for _ in range(50):
        _, subscriber = bench.join("news")
        subscriber.gone(CloseReason.LOST)
    pass_seconds(bench, 16)
    assert wheel(bench) == []
    assert not bench.hub.heartbeats._buckets
    assert bench.hub.heartbeats.sent == 0


def test_a_lane_stands_in_the_wheel_once_whatever_is_published() -> None:
    bench = Bench()
    bench.join("news")
    for number in range(100):
        bench.publish("news", str(number))
        bench.tick()
        assert len(wheel(bench)) == 1


def test_with_an_infinite_interval_there_are_none() -> None:
    bench = Bench(heartbeat_seconds=inf)
    sink, _ = bench.join("news")
    bench.publish("other", "1")
    pass_seconds(bench, 300)
    bench.publish("news", "2")
    bench.run()
    assert sink.bursts == [b"id: e-2\ndata: 2\n\n"]
    assert list(bench.hub.heartbeats._buckets) == [-1]  # where lanes wait for another interval


def test_ticks_that_come_late_or_often_change_nothing() -> None:
    bench = Bench()
    sink, _ = bench.join("news")
    bench.tick(100)
    for _ in range(50):
        bench.tick(0)
    assert len(beats(sink)) == 1
    bench.tick(100)
    assert len(beats(sink)) == 2


def test_a_stream_that_is_paused_or_has_left_is_sent_none() -> None:
    bench = Bench(stall_timeout_seconds=1_000)
    paused, subscriber = bench.pause("news")
    left, other = bench.join("news")
    other.gone(CloseReason.LOST)
    pass_seconds(bench, 40)
    assert paused.bursts == left.bursts == []
    bench.resume(subscriber)
    pass_seconds(bench, 16)
    assert paused.bursts == [b":\n"]


def test_whatever_happens_inside_the_write_of_a_heartbeat_nothing_is_missed() -> None:
    bench = Bench()
    joined = [bench.join("news") for _ in range(4)]
    sinks = [sink for sink, _ in joined]

    def act() -> None:
        sinks[0].on_write = lambda: None
        bench.publish("news", "1")
        joined[1][1].gone(CloseReason.LOST)
        joined[2][1].pause()
        joined[2][1].resume()
        joined[3][1].pause()

    sinks[0].on_write = act
    pass_seconds(bench, 16)
    bench.resume(joined[3][1])
    assert [sink.data for sink in sinks] == [["1"], [], ["1"], ["1"]]
    assert bench.hub.pump.is_dry


@pytest.mark.parametrize(("before", "after"), [(60.0, 4.0), (inf, 4.0), (60.0, inf), (4.0, 60.0)])
def test_another_interval_holds_for_streams_that_are_open(before: float, after: float) -> None:
    bench = Bench(heartbeat_seconds=before)
    sinks = [bench.join("news")[0], bench.join("other")[0]]
    pass_seconds(bench, 2)
    bench.hub.reload(replace(bench.hub.options, heartbeat_seconds=after))
    pass_seconds(bench, 40)
    for sink in sinks:
        assert len(beats(sink)) == 0 if after > 40 else 10 <= len(beats(sink)) <= 14
    assert len(wheel(bench)) == 2


def test_a_lane_that_is_gone_leaves_the_wheel_without_heartbeats_too() -> None:
    bench = Bench(heartbeat_seconds=inf)
    _, subscriber = bench.join("news")
    assert len(wheel(bench)) == 1
    subscriber.gone(CloseReason.LOST)
    assert wheel(bench) == []
