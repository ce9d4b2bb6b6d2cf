from sse_server.core.log import Log
from sse_server.core.log_options import LogOptions
from sse_server.core.pump import Pump
from sse_server.core.window import ChannelOptions
from tests.core.fakes import POSITIONS, Bench


class Wakes:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


class Job:
    """A turn that costs so much, and comes back so many times."""

    def __init__(self, name: str, done: list[str], cost: int = 1, again: int = 0) -> None:
        self.name = name
        self.done = done
        self.cost = cost
        self.again = again
        self.queued = False

    def run(self, pump: Pump) -> int:
        self.queued = False
        self.done.append(self.name)
        if self.again:
            self.again -= 1
            pump.enqueue(self)
        return self.cost


def pump_of(writes_per_run: int) -> tuple[Pump, Wakes]:
    wakes = Wakes()
    return Pump(Log(LogOptions(), POSITIONS), wakes, writes_per_run, float), wakes


def test_the_loop_is_asked_once_for_however_much_waits() -> None:
    pump, wakes = pump_of(10)
    done: list[str] = []
    for name in "abc":
        pump.enqueue(Job(name, done))
    assert wakes.count == 1
    pump.run()
    assert done == ["a", "b", "c"]
    assert pump.is_dry
    pump.enqueue(Job("d", done))
    assert wakes.count == 2


def test_the_loop_gets_its_turn_after_a_bounded_number_of_writes() -> None:
    pump, wakes = pump_of(4)
    done: list[str] = []
    for name in "abcd":
        pump.enqueue(Job(name, done, cost=2))
    pump.run()
    assert done == ["a", "b"]
    assert wakes.count == 2
    pump.run()
    assert done == ["a", "b", "c", "d"]
    assert wakes.count == 2


def test_who_has_more_to_read_goes_to_the_end_of_the_queue() -> None:
    pump, _ = pump_of(100)
    done: list[str] = []
    pump.enqueue(Job("a", done, again=2))
    pump.enqueue(Job("b", done, again=1))
    pump.run()
    assert done == ["a", "b", "a", "b", "a"]


def test_under_load_one_write_carries_many_events() -> None:
    bench = Bench()
    sinks = [bench.join("news")[0] for _ in range(3)]
    bench.publish("news", "1")
    bench.run()
    bench.publish("news", "2", "3", "4")
    bench.run()
    for sink in sinks:
        assert [burst.count(b"data:") for burst in sink.bursts] == [1, 3]


def test_the_memo_is_kept_while_anything_waits_and_dropped_when_nothing_does() -> None:
    bench = Bench(lane_size=1, writes_per_run=1)
    for _ in range(3):
        bench.join("news")
    bench.publish("news", "1")
    bench.wakes = 0
    bench.hub.pump.run()  # the channel
    bench.hub.pump.run()  # the first lane
    assert bench.hub.log._memo
    bench.run()
    assert not bench.hub.log._memo


def test_what_was_sent_is_counted() -> None:
    bench = Bench(news=ChannelOptions(max_frames=2))
    for _ in range(3):
        bench.join("news")
    slow, subscriber = bench.join("news")
    subscriber.pause()
    bench.publish("news", "1", "2")
    bench.run()
    bench.publish("news", "3")
    subscriber.resume()
    bench.run()
    pump = bench.hub.pump
    assert pump.frames == 3 * 3 + 2
    assert pump.bursts == 3 * 2 + 1
    assert (pump.gaps, pump.lost) == (1, 1)
    assert [gap["lost"] for gap in slow.gaps] == [1]


def test_a_delay_is_observed_where_something_was_published_and_no_other() -> None:
    bench = Bench()
    bench.join("news")
    bench.run()
    assert sum(bench.hub.pump.latency.counts) == 0  # a stream that is opened is no publish
    bench.publish("news", "one")
    bench.now += 0.3
    bench.publish("news", "two")
    bench.now += 0.3
    bench.run()
    latency = bench.hub.pump.latency
    assert latency.counts[latency.bounds.index(1.0)] == sum(latency.counts) == 1
    assert latency.sum == 0.6


def test_the_newest_gaps_are_kept_for_who_writes_them_down() -> None:
    bench = Bench(news=ChannelOptions(max_frames=1))
    readers = [bench.pause("news")[1] for _ in range(100)]
    bench.publish("news", "one", "two", "three")
    for reader in readers:
        bench.resume(reader)
    bench.join("news", last_id=b"foreign-1")
    bench.run()
    told = list(bench.hub.pump.told_gaps)
    assert bench.hub.pump.gaps == 101
    assert len(told) == 64
    assert [(gap.windows[0].name, gap.reason, gap.lost, gap.streams) for gap in told[-2:]] == [
        ("news", "evicted", 2, 1),
        ("news", "foreign-epoch", None, 1),
    ]
