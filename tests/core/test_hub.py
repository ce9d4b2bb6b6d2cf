import pytest

from sse_server.core import hub as hub_module
from sse_server.core.window import ChannelOptions
from sse_server.http.chunked import chunked
from sse_server.wire.event import Event
from sse_server.wire.flow import CloseReason
from tests.core.fakes import Bench


def test_an_event_is_encoded_once_whoever_follows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = []

    def encode(event: Event) -> bytes:
        encoded.append(event)
        return b"data: x\n\n"

    monkeypatch.setattr(hub_module, "encode", encode)
    bench = Bench()
    sinks = [bench.join("news")[0] for _ in range(3)]
    sinks.append(bench.join("news", "user:1")[0])
    sinks.append(bench.join("news", framing=chunked)[0])
    bench.publish("news", "1")
    bench.run()
    assert all(len(sink.bursts) == 1 for sink in sinks)
    assert len(encoded) == 1


def test_replay_then_live_with_no_gap_and_no_repeat() -> None:
    bench = Bench()
    bench.publish("news", "1", "2", "3")
    sink, subscriber = bench.join("news", last_id=b"e-1")
    assert bench.hub.opening_position(subscriber) == b"e-1"
    bench.publish("news", "4")
    bench.run()
    bench.publish("news", "5")
    bench.run()
    assert sink.data == ["2", "3", "4", "5"]


def test_without_an_id_a_stream_begins_at_the_newest_position() -> None:
    bench = Bench()
    bench.publish("news", "1")
    bench.publish("sport", "2")
    sink, subscriber = bench.join("news")
    assert bench.hub.opening_position(subscriber) == b"e-2"
    assert subscriber.lane is not None
    bench.run()
    assert sink.bursts == []


def test_several_channels_on_one_stream_are_resumed_by_one_id() -> None:
    bench = Bench()
    for channel, text in (("a", "1"), ("b", "2"), ("c", "3"), ("b", "4"), ("a", "5")):
        bench.publish(channel, text)
    sink, _ = bench.join("b", "a", last_id=b"e-1")
    bench.run()
    assert sink.data == ["2", "4", "5"]


def test_whether_there_is_a_gap_is_decided_by_what_the_channel_lost() -> None:
    bench = Bench(busy=ChannelOptions(max_frames=1))
    bench.publish("quiet", "1")
    bench.publish("busy", *"23456")
    quiet, _ = bench.join("quiet", last_id=b"e-0")
    busy, _ = bench.join("busy", last_id=b"e-5")
    both, _ = bench.join("quiet", "busy", last_id=b"e-0")
    bench.run()
    assert (quiet.data, quiet.gaps) == (["1"], [])
    assert (busy.data, busy.gaps) == (["6"], [])
    assert both.data == ["1", "6"]
    assert [(gap["channels"], gap["id"]) for gap in both.gaps] == [(["busy"], "e-5")]


def test_a_channel_whose_losses_were_forgotten_has_an_unknown_gap() -> None:
    bench = Bench(newest=7)
    sink, _ = bench.join("news", last_id=b"e-3")
    bench.run()
    assert [(gap["reason"], gap["id"], gap["lost"]) for gap in sink.gaps] == [
        ("unknown", "e-7", None)
    ]
    sink, _ = bench.join("news", last_id=b"e-7")
    bench.run()
    assert sink.gaps == []


def test_a_channel_that_is_added_is_read_from_where_the_stream_stands() -> None:
    bench = Bench()
    sink, subscriber = bench.join("a")
    bench.publish("b", "old")
    bench.hub.change(subscriber, ["a", "b"])
    bench.publish("b", "new")
    bench.publish("a", "too")
    bench.run()
    assert sink.data == ["new", "too"]
    bench.hub.change(subscriber, ["b"])
    bench.publish("a", "not any more")
    bench.run()
    assert sink.data == ["new", "too"]
    assert bench.hub.directory.clients("a") == 0


def test_a_channel_that_is_added_to_a_stream_that_lags_is_read_from_its_place() -> None:
    bench = Bench(b=ChannelOptions(max_frames=2))
    sink, subscriber = bench.join("a")
    subscriber.pause()
    bench.publish("a", "1")
    bench.publish("b", *"234")
    bench.hub.change(subscriber, ["a", "b"])
    assert subscriber.lane is None
    subscriber.resume()
    bench.run()
    assert sink.data == ["1", "3", "4"]
    assert [(gap["channels"], gap["id"], gap["lost"]) for gap in sink.gaps] == [
        (["b"], "e-2", None)
    ]


def test_a_channel_that_a_stream_keeps_is_not_forgotten_while_it_changes() -> None:
    bench = Bench()
    _, subscriber = bench.join("a")
    window = bench.hub.log.windows["a"]
    bench.hub.change(subscriber, ["a", "b"])
    assert bench.hub.log.windows["a"] is window
    assert window.followed == bench.hub.directory.clients("a") == 1


def test_channels_without_frames_and_followers_are_forgotten() -> None:
    bench = Bench(a=ChannelOptions(max_age_seconds=10))
    _, subscriber = bench.join("a", "b")
    bench.publish("a", "1")
    bench.now = 10.0
    assert bench.hub.expire() is None
    assert set(bench.hub.log.windows) == {"a", "b"}
    subscriber.gone(CloseReason.LOST)
    assert not bench.hub.log.windows
    assert bench.hub.directory.channel("a") is None


def test_a_stream_ends_once_whoever_says_so() -> None:
    bench = Bench()
    _, subscriber = bench.join("a")
    subscriber.gone(CloseReason.SLOW)
    subscriber.gone(CloseReason.LOST)
    assert bench.hub.subscribers == 0
    assert bench.hub.closed == {CloseReason.SLOW: 1}
    bench.publish("a", "1")
    bench.run()


def test_a_channel_named_twice_is_followed_once() -> None:
    bench = Bench()
    sink, _ = bench.join("a", "a")
    assert bench.hub.directory.clients("a") == 1
    bench.publish("a", "1")
    bench.run()
    assert sink.data == ["1"]


def test_a_change_says_from_where_an_added_channel_is_read() -> None:
    bench = Bench()
    _, standing = bench.join("a")
    slow, paused = bench.join("a")
    bench.publish("a", "1")
    bench.run()
    paused.pause()
    bench.publish("a", "2")
    bench.publish("b", "3")
    _, behind = bench.join("a", last_id=b"e-0")
    assert bench.hub.change(standing, ["a", "b"]) == 1  # it waits for the pump
    assert bench.hub.change(paused, ["a", "b"]) == 1
    assert bench.hub.change(behind, ["a", "b"]) == 0
    bench.run()
    assert bench.hub.change(standing, ["a", "b", "c"]) == 3
    assert bench.hub.change(behind, ["b"]) == 3
    bench.resume(paused)
    assert slow.data == ["1", "2", "3"]
    assert bench.hub.changed == 5


def test_who_changes_while_it_walks_is_told_a_position_by_the_next_heartbeat() -> None:
    bench = Bench()
    sink, subscriber = bench.join("a")
    bench.publish("a", "1")
    bench.publish("b", "2")
    bench.run()
    subscriber.pause()
    subscriber.resume()  # it is at 2, and 1 is the last id that it was sent
    bench.hub.change(subscriber, ["a", "c"])
    bench.run()
    for _ in range(16):
        bench.tick()
    assert sink.last_id == "e-2"


def test_channels_are_told_as_they_were_asked_for() -> None:
    bench = Bench(room=ChannelOptions(presence=True))
    _, subscriber = bench.join("room", "news")
    assert subscriber.followed.count("room/presence") == 1
    assert subscriber.chosen == ["news", "room"]
    bench.hub.change(subscriber, ["news", "room/presence"])
    assert subscriber.chosen == ["news", "room/presence"]
