import time

import pytest

from sse_server.core.registry import Registry
from sse_server.wire.flow import CloseReason
from tests.core.fakes import Bench


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def registry(bench: Bench) -> Registry:
    return bench.hub.registry


def test_streams_are_found_by_their_names_whatever_they_are_doing(
    bench: Bench, registry: Registry
) -> None:
    _, standing = bench.join("news")
    bench.publish("news", "1")
    bench.run()
    _, walking = bench.join("news", last_id=b"e-0")
    _, paused = bench.pause("news", last_id=b"e-0")
    assert (walking.queued, paused.paused) == (True, True)
    opened = [standing, walking, paused]
    assert [registry.find(registry.name(one)) for one in opened] == opened
    assert set(registry) == set(opened)


def test_a_stream_that_is_gone_is_not_found(bench: Bench, registry: Registry) -> None:
    _, subscriber = bench.join("news")
    name = registry.control(subscriber, "somebody")
    assert registry.find(name) is subscriber
    subscriber.gone(CloseReason.LOST)
    assert registry.find(name) is None
    assert registry.holder(subscriber) is None
    assert not registry._controlled
    assert list(registry) == []


def test_a_stream_has_one_name_and_no_other_stream_has_it(bench: Bench, registry: Registry) -> None:
    opened = [bench.join("news")[1] for _ in range(100)]  # all in the same moment of the clock
    names = [registry.name(one) for one in opened]
    assert len(set(names)) == 100
    assert names == [registry.control(one, None) for one in opened]
    assert all(len(name) == 32 for name in names)


@pytest.mark.parametrize("index", range(32))
def test_no_character_of_a_name_can_be_another(
    bench: Bench, registry: Registry, index: int
) -> None:
    _, subscriber = bench.join("news")
    name = registry.control(subscriber, None)
    other = "B" if name[index] == "A" else "A"
    assert registry.find(name[:index] + other + name[index + 1 :]) is None


@pytest.mark.parametrize("name", ["", "x", "A" * 31, "A" * 33, "A" * 32, "=" * 32, "ä" * 32])
def test_what_is_no_name_finds_nothing(bench: Bench, registry: Registry, name: str) -> None:
    bench.join("news")
    assert registry.find(name) is None
    assert registry.opened_at(name) is None


def test_names_of_another_server_find_nothing() -> None:
    here, there = Bench(), Bench()
    _, subscriber = here.join("news")
    there.join("news")
    assert there.hub.registry.find(here.hub.registry.name(subscriber)) is None


def test_who_holds_a_stream_is_known_of_those_that_are_controlled(
    bench: Bench, registry: Registry
) -> None:
    _, mine = bench.join("news")
    _, nobodys = bench.join("news")
    _, unknown = bench.join("news")
    registry.control(mine, "me")
    registry.control(nobodys, None)
    assert [registry.holder(one) for one in (mine, nobodys, unknown)] == ["me", None, None]


def test_pages_are_by_age_and_go_on_behind_a_stream_that_is_gone(
    bench: Bench, registry: Registry
) -> None:
    opened = []
    for index in range(7):
        bench.now = index // 2
        opened.append(bench.join(f"channel-{index % 3}")[1])
    first = registry.page(-1.0, 3)
    assert first == opened[:3]
    after = registry.opened_at(registry.name(first[-1]))
    assert after is not None
    first[-1].gone(CloseReason.LOST)
    assert registry.page(after, 10) == opened[3:]


def test_pages_of_a_channel_have_who_follows_it_in_whichever_way() -> None:
    bench = Bench(beside_limit=2)
    _, shared = bench.join("news")
    _, other = bench.join("sport")
    _, beside = bench.join("sport", "user:1", "news")
    _, paused = bench.pause("news", "sport")
    found = bench.hub.registry.page(-1.0, 10, "news")
    assert found == [shared, beside, paused]
    assert bench.hub.registry.page(-1.0, 10, "sport") == [other, beside, paused]
    assert bench.hub.registry.page(-1.0, 1, "sport") == [other]
    assert bench.hub.registry.page(-1.0, 10, "user:1") == [beside]
    assert bench.hub.registry.page(-1.0, 10, "nobody") == []


def test_no_two_moments_are_the_same_and_none_is_before_the_clock(registry: Registry) -> None:
    moments = [registry.moment(now) for now in (0.0, 0.0, 5.0, 5.0, 4.0, 6.0)]
    assert moments == sorted(set(moments))
    assert moments[2] == pytest.approx(5.0)
    assert moments[-1] == pytest.approx(6.0)
    now = time.monotonic()
    assert registry.moment(now) == now


def test_ending_a_stream_says_farewell_where_the_transport_takes_it(bench: Bench) -> None:
    sink, subscriber = bench.join("news")
    full, paused = bench.pause("news")
    bench.hub.registry.end(subscriber, CloseReason.KICKED, b"data: bye\n\n")
    bench.hub.registry.end(paused, CloseReason.KICKED, b"data: bye\n\n")
    assert (sink.ended, sink.data) == (CloseReason.KICKED, ["bye"])
    assert (full.aborted, full.data) == (CloseReason.KICKED, [])
    assert bench.hub.subscribers == 0
    assert bench.hub.closed == {CloseReason.KICKED: 2}
