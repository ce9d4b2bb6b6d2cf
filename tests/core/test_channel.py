from sse_server.core.subscriber import Subscriber
from sse_server.core.window import ChannelOptions
from tests.core.fakes import Bench, Recorder, nothing


def names(subscriber: Subscriber) -> list[str]:
    return [channel.window.name for channel in subscriber.beside]


def test_a_personal_channel_stands_beside_the_shared_group() -> None:
    bench = Bench()
    bench.join("news")
    users = [bench.join(f"user:{number}", "news") for number in range(5)]
    assert len({subscriber.group for _, subscriber in users}) == 1
    assert [names(subscriber) for _, subscriber in users] == [[f"user:{n}"] for n in range(5)]
    bench.publish("news", "all")
    bench.run()
    assert len({id(sink.bursts[0]) for sink, _ in users}) == 1


def test_a_personal_frame_takes_its_reader_out_of_the_lane_and_back() -> None:
    bench = Bench()
    bench.join("news")
    sink, subscriber = bench.join("user:1", "news")
    lane = subscriber.lane
    bench.publish("user:1", "mine")
    assert subscriber.lane is None
    bench.run()
    assert sink.data == ["mine"]
    assert subscriber.lane is lane


def test_a_personal_frame_between_two_shared_ones_arrives_between_them() -> None:
    bench = Bench()
    other, _ = bench.join("news")
    sink, _ = bench.join("user:1", "news")
    bench.publish("news", "1")
    bench.publish("user:1", "2")
    bench.publish("news", "3")
    bench.run()
    assert sink.data == ["1", "2", "3"]
    assert other.data == ["1", "3"]


def test_a_personal_frame_published_in_a_visit_leaves_no_hole() -> None:
    bench = Bench()
    written: list[Recorder] = []
    first, last = [bench.join("user:1", "news")[0] for _ in range(2)]
    bench.join("news")

    def publish() -> None:
        written.append(first)
        first.on_write = nothing
        bench.publish("user:1", "2")

    first.on_write = publish
    bench.publish("news", "1")
    bench.run()
    bench.publish("news", "3")
    bench.run()
    assert written == [first]
    assert first.data == last.data == ["1", "2", "3"]


def test_when_too_many_would_stand_beside_a_channel_the_others_make_a_group() -> None:
    bench = Bench(beside_limit=2)
    joined = [bench.join("a", "b")[1] for _ in range(5)]
    assert [names(subscriber) for subscriber in joined] == [["b"], ["b"], [], [], []]
    assert joined[2].group is joined[4].group
    assert bench.hub.directory.clients("b") == 5
    bench.publish("b", "1")
    assert [subscriber.lane is None for subscriber in joined] == [True, True, False, False, False]
    bench.run()
    assert [subscriber.place for subscriber in joined] == [1] * 5


def test_what_was_lost_of_channels_beside_is_counted() -> None:
    bench = Bench()
    bench.join("news")
    sink, subscriber = bench.join("user:1", "news")
    for channel in ("news", "user:1"):
        bench.publish(channel, "a", "b")
    bench.run()
    subscriber.pause()
    bench.publish("user:1", "c", "d")
    bench.publish("news", "e")
    for _ in range(4):
        bench.hub.log.bytes -= bench.hub.log.windows["user:1"].evict()
    subscriber.resume()
    bench.run()
    assert sink.data == ["a", "b", "a", "b", "e"]
    assert [(gap["channels"], gap["lost"]) for gap in sink.gaps] == [(["user:1"], 2)]


def test_what_was_lost_is_counted_for_who_walks_with_its_group_and_beside_it() -> None:
    bench = Bench(news=ChannelOptions(max_frames=3))
    bench.join("news")
    sink, subscriber = bench.join("user:1", "news")
    bench.publish("user:1", "mine")
    bench.run()
    subscriber.pause()
    bench.publish("news", *["x" * 40_000] * 3)
    sink.on_write = subscriber.pause  # after one of the three
    subscriber.resume()
    bench.run()
    sink.on_write = nothing
    bench.publish("news", *"yyyy")
    subscriber.resume()
    bench.run()
    assert [text[0] for text in sink.data] == ["m", "x", "y", "y", "y"]
    assert [gap["lost"] for gap in sink.gaps] == [3]


def groups_of_one(bench: Bench, count: int) -> list[Recorder]:
    """So many groups on `news`: a beside limit of nothing keeps personal channels in the group."""
    return [bench.join("news", f"user:{number}")[0] for number in range(count)]


def test_thousands_of_groups_on_one_channel_are_woken_in_bounded_steps() -> None:
    bench = Bench(beside_limit=0, writes_per_run=100)
    sinks = groups_of_one(bench, 2_000)
    channel = bench.hub._channels["news"]
    assert len(channel.groups) == 2_000
    bench.publish("news", "1")
    assert not any(lane.queued for group in channel.groups for lane in group.lanes)
    bench.wakes = 0
    bench.hub.pump.run()
    awake = 2_000 - len(channel._asleep)
    assert awake == 512
    served = sum(bool(sink.bursts) for sink in sinks)
    queued = sum(lane.queued for group in channel.groups for lane in group.lanes)
    assert queued + served == awake
    bench.publish("news", "2")  # while some are awake and some are not
    assert bench.run() > 2_000 // 100
    assert all(sink.data == ["1", "2"] for sink in sinks)
    assert not channel.queued


def test_what_is_published_when_the_last_groups_are_being_woken_reaches_the_first() -> None:
    bench = Bench(beside_limit=0, writes_per_run=65)
    sinks = groups_of_one(bench, 600)
    bench.publish("news", "1")
    bench.wakes = 0
    bench.hub.pump.run()  # wakes 512, and those are about to be served
    while not sinks[511].bursts:
        bench.hub.pump.run()
    assert not sinks[599].bursts
    bench.publish("news", "2")
    bench.wakes = 1
    bench.run()
    assert all(sink.data == ["1", "2"] for sink in sinks)
