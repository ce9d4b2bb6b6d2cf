from sse_server.core.group import Group
from sse_server.core.subscriber import Subscriber
from sse_server.http.chunked import chunked
from sse_server.wire.flow import CloseReason
from tests.core.fakes import Bench


def sizes(group: Group | None) -> list[int]:
    assert group is not None
    return sorted(len(lane.members) for lane in group.lanes)


def subscribers(bench: Bench, count: int) -> list[Subscriber]:
    return [bench.join("news")[1] for _ in range(count)]


def test_a_lane_has_a_bounded_number_of_members() -> None:
    bench = Bench(lane_size=4)
    joined = subscribers(bench, 10)
    assert sizes(joined[0].group) == [2, 4, 4]
    assert joined[0].group is joined[9].group


def test_the_framing_makes_a_group_of_its_own() -> None:
    bench = Bench()
    plain_sink, one = bench.join("news")
    chunked_sink, two = bench.join("news", framing=chunked)
    assert one.group is not two.group
    bench.publish("news", "1")
    bench.run()
    (block,) = plain_sink.bursts
    assert chunked_sink.bursts == [b"%x\r\n%b\r\n" % (len(block), block)]


def test_lanes_that_lose_members_become_one_again() -> None:
    bench = Bench(lane_size=4)
    joined = subscribers(bench, 12)
    for subscriber in [*joined[:3], *joined[4:7], *joined[8:10]]:
        subscriber.gone(CloseReason.LOST)
    assert sizes(joined[3].group) == [4]
    for slot, subscriber in enumerate(next(iter(joined[3].group.lanes)).members):  # type: ignore[union-attr]
        assert subscriber.slot == slot


def test_lanes_that_are_too_many_for_one_stay_two() -> None:
    bench = Bench(lane_size=4)
    joined = subscribers(bench, 8)
    for subscriber in (joined[4], *joined[:2]):
        subscriber.gone(CloseReason.LOST)
    assert sizes(joined[7].group) == [2, 3]


def test_who_arrives_while_the_open_lane_is_behind_opens_another_until_both_are_at_the_tip() -> (
    None
):
    bench = Bench(lane_size=4)
    (first,) = subscribers(bench, 1)
    bench.publish("news", "1")
    subscribers(bench, 2)
    assert sizes(first.group) == [1, 2]
    bench.run()
    assert sizes(first.group) == [3]


def test_a_lane_that_is_behind_does_not_merge_with_one_that_is_not() -> None:
    bench = Bench(lane_size=4)
    sink, first = bench.join("news")
    old = subscribers(bench, 2)
    bench.publish("news", "1")
    new, _ = bench.join("news")
    old[0].gone(CloseReason.LOST)
    bench.run()
    assert sink.data == ["1"]
    assert new.data == []
    assert sizes(first.group) == [3]


def test_a_lane_in_a_visit_is_not_merged_into_one_that_loses_members() -> None:
    bench = Bench(lane_size=8)
    visited = subscribers(bench, 8)
    sink, _ = bench.join("news")
    last, _ = bench.join("news")

    def leave() -> None:
        for subscriber in visited[:5]:
            subscriber.gone(CloseReason.LOST)

    sink.on_write = leave
    bench.publish("news", "1")
    bench.run()
    assert sink.data == last.data == ["1"]
    assert sizes(visited[7].group) == [5]


def test_a_lane_that_loses_members_in_its_visit_is_not_merged_before_it_ends() -> None:
    bench = Bench(lane_size=4)
    joined = [bench.join("news") for _ in range(7)]

    def let_go(*indexes: int) -> None:
        for index in indexes:
            joined[index][1].gone(CloseReason.LOST)

    joined[0][0].on_write = lambda: let_go(2, 3)
    joined[4][0].on_write = lambda: let_go(5)
    bench.publish("news", "1")
    bench.run()
    assert [sink.data for sink, _ in joined] == [["1"], ["1"], [], [], ["1"], [], ["1"]]
    assert sizes(joined[0][1].group) == [4]


def test_a_group_that_nobody_is_in_is_forgotten() -> None:
    bench = Bench()
    _, subscriber = bench.join("news")
    bench.publish("news", "1")
    subscriber.gone(CloseReason.LOST)
    bench.run()
    assert not bench.hub._groups
    assert not bench.hub._channels
