from sse_server.core.presence import Presence, presence_channel
from sse_server.core.window import ChannelOptions
from tests.core.fakes import Bench


def test_a_channel_whose_clients_changed_is_told_of_once() -> None:
    presence = Presence()
    for channel in ("b", "a", "b"):
        presence.changed(channel)
    assert presence.take() == ["b", "a"]
    assert presence.take() == []


def test_streams_of_a_channel_with_presence_follow_it_too() -> None:
    bench = Bench(room=ChannelOptions(presence=True))
    sink, subscriber = bench.join("room")
    other, _ = bench.join("hall")
    assert bench.hub.presence.take() == ["room"]
    bench.publish(presence_channel("room"), "1 client")
    bench.publish("room", "hello")
    bench.run()
    assert sink.data == ["1 client", "hello"]
    assert other.data == []
    bench.hub.change(subscriber, ["hall"])
    assert bench.hub.presence.take() == ["room"]
    assert bench.hub.directory.clients("room/presence") == 0


def test_presence_is_the_newest_count_alone_and_never_a_gap() -> None:
    bench = Bench(room=ChannelOptions(presence=True))
    bench.publish("room", "hello")
    sink, subscriber = bench.join("room")
    subscriber.pause()
    bench.publish("room/presence", "1", "2", "3")
    subscriber.resume()
    bench.run()
    assert sink.data == ["3"]
    late, _ = bench.join("room", last_id=b"e-0")
    bench.run()
    assert late.data == ["hello", "3"]
    assert bench.hub.pump.gaps == 0


def test_presence_beside_or_not_spoils_no_count_of_lost_frames() -> None:
    # The presence channel makes the group, the room stands beside it: more follow the former.
    bench = Bench(room=ChannelOptions(presence=True, max_frames=1))
    bench.join("room/presence")
    bench.publish("room/presence", "1", "2")
    sink, subscriber = bench.join("room")
    assert [channel.window.name for channel in subscriber.beside] == ["room"]
    bench.publish("room/presence", "3")
    bench.run()
    subscriber.pause()
    bench.publish("room", "a", "b")
    subscriber.resume()
    bench.run()
    assert sink.data == ["3", "b"]
    assert [gap["lost"] for gap in sink.gaps] == [1]


def test_the_presence_of_a_presence_channel_is_an_ordinary_channel() -> None:
    bench = Bench(room=ChannelOptions(presence=True))
    options = bench.hub.options.log
    assert options.of("room/presence").ephemeral
    assert not options.of("room/presence/presence").ephemeral
    assert not options.of("hall/presence").ephemeral


def test_a_change_tells_of_the_channels_that_it_adds_and_removes_alone() -> None:
    room = ChannelOptions(presence=True)
    bench = Bench(room0=room, room1=room, room2=room)
    _, subscriber = bench.join("room0", "room1")
    bench.hub.presence.take()
    bench.hub.change(subscriber, ["room0", "room2"])
    assert sorted(bench.hub.presence.take()) == ["room1", "room2"]
    bench.hub.change(subscriber, ["room0", "room2", "news"])
    assert bench.hub.presence.take() == []
