"""Traffic: whatever is busy when, every event is counted once and nothing is ever taken back."""

from hypothesis import given
from hypothesis import strategies as st

from sse_server.core.traffic import OTHER, Traffic
from sse_server.core.window import ChannelOptions
from tests.core.fakes import Bench

NAMES = st.sampled_from([*"abcdefghijkl", OTHER])


def publish(traffic: Traffic, name: str, number: int) -> None:
    """As the hub does it, but that it asks each time."""
    traffic.tally(name).events += 1
    if number >= traffic.sample_at:
        traffic.sample(name, number)


@given(st.lists(st.tuples(NAMES, st.integers(1, 60), st.booleans()), max_size=60))
def test_sums_are_right_few_are_shown_and_none_goes_backwards(
    steps: list[tuple[str, int, bool]],
) -> None:
    traffic = Traffic(2)
    shown: dict[str, int] = {}
    published = 0
    for step, (name, events, looks) in enumerate(steps):
        for _ in range(events):
            published += 1
            publish(traffic, name, published)
        if looks:
            traffic.look(100.0 * step)
        assert traffic.total == published
        tallies = {tally.name: tally.events for tally in traffic.tallies}
        assert len(tallies) == len(traffic.tallies) <= 3
        assert all(tallies[name] >= count for name, count in shown.items() if name in tallies)
        shown.update(tallies)


def test_as_long_as_there_is_room_every_name_has_its_own() -> None:
    traffic = Traffic(3)
    for number, name in enumerate(["a", "b", "c", "d", OTHER, "a"]):
        publish(traffic, name, number)
    assert {tally.name: tally.events for tally in traffic.tallies} == {
        "a": 2,
        "b": 1,
        "c": 1,
        OTHER: 2,
    }


def test_a_name_that_becomes_busy_takes_the_place_of_one_that_is_not() -> None:
    traffic = Traffic(2)
    for number, name in enumerate(["a", "b"] + ["late", "a"] * 500):
        publish(traffic, name, number)
    assert sorted(traffic.look(0.0)) == ["b", "late"]
    assert [tally.name for tally in traffic.tallies] == ["a", "late", OTHER]
    traffic.tally("late").events += 1
    assert [tally.events for tally in traffic.tallies] == [501, 1, 500]


def test_one_that_was_overtaken_goes_on_where_it_was() -> None:
    traffic = Traffic(1)
    for number in range(1_000):
        publish(traffic, "a", number)
    for name in "ba":
        for look in range(10):
            for number in range(1_000):
                publish(traffic, name, traffic.sample_at + number % 2)
            traffic.look(traffic._look_at + look)
        assert name in [tally.name for tally in traffic.tallies]
    assert traffic.tallies[0].events >= 1_000
    assert traffic.total == 21_000


def test_what_is_kept_is_bounded_however_many_names_there_are() -> None:
    traffic = Traffic(4)
    for number in range(50_000):
        publish(traffic, f"channel {number % 10_000}", number)
        if number % 1_000 == 0:
            traffic.look(float(number))
    assert len(traffic) == 4
    assert len(traffic._samples) <= 32
    assert len(traffic._overtaken) <= 40
    assert traffic.total == 50_000


def test_one_among_very_many_is_found() -> None:
    traffic = Traffic(4)
    for number in range(20_000):
        name = "busy" if number % 10 == 7 else f"channel {number}"
        publish(traffic, name, number)
        if number % 1_000 == 0:
            traffic.look(float(number))
    assert "busy" in [tally.name for tally in traffic.tallies]


def test_none_may_have_its_own() -> None:
    traffic = Traffic(0)
    for number in range(100):
        publish(traffic, "a", number)
    traffic.look(0.0)
    assert [(tally.name, tally.events) for tally in traffic.tallies] == [(OTHER, 100)]


def test_the_hub_counts_on_where_a_channel_was_forgotten_or_has_been_overtaken() -> None:
    bench = Bench(busiest_channels=1, news=ChannelOptions(max_age_seconds=1.0))
    bench.publish("news", "one")
    bench.tick(2.0)
    assert "news" not in bench.hub.log.windows
    bench.publish("news", "two")
    bench.publish("late", *["x"] * 200)
    tallies = bench.hub.traffic.tallies
    assert [(tally.name, tally.events) for tally in tallies] == [("news", 2), (OTHER, 200)]
    bench.tick(60.0)
    bench.publish("late", "y")
    bench.publish("news", "three")
    tallies = bench.hub.traffic.tallies
    assert [(tally.name, tally.events) for tally in tallies] == [("late", 1), (OTHER, 201)]
    assert bench.hub.traffic.total == bench.hub.published == 204
