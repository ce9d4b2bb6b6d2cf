import pytest

from sse_server.core.window import ChannelOptions
from tests.core.fakes import Bench, frame_bytes


def test_channels_are_listed_by_name_a_page_at_a_time() -> None:
    bench = Bench()
    for name in ("d", "b", "a", "c"):
        bench.publish(name, name)
    bench.join("b")
    bench.join("empty")
    page = bench.hub.directory.channels("", 2)
    assert [info.name for info in page] == ["a", "b"]
    assert page[1] == ("b", 1, 1, frame_bytes(2, "b"), 2, 2)
    assert [info.name for info in bench.hub.directory.channels("b", 9)] == ["c", "d", "empty"]
    assert bench.hub.directory.channel("empty") == ("empty", 1, 0, 0, None, None)
    assert bench.hub.directory.channels("empty", 9) == []


@pytest.mark.parametrize(
    ("after", "until", "max_frames", "frames", "end", "lost", "more"),
    [
        (None, None, 9, [3, 5, 7], 8, False, False),
        (0, None, 9, [3, 5, 7], 8, True, False),
        (1, None, 9, [3, 5, 7], 8, False, False),
        (3, None, 9, [5, 7], 8, False, False),
        (3, 5, 9, [5], 5, False, False),
        (3, 6, 9, [5], 6, False, False),
        (None, None, 2, [3, 5], 5, False, True),
        (5, None, 2, [7], 8, False, False),
        (None, 5, 2, [3, 5], 5, False, False),
        (7, None, 9, [], 8, False, False),
        (7, 5, 9, [], 5, False, False),
    ],
)
def test_history_is_read_in_pages(
    after: int | None,
    until: int | None,
    max_frames: int,
    frames: list[int],
    end: int,
    lost: bool,
    more: bool,
) -> None:
    bench = Bench(a=ChannelOptions(max_frames=3))
    for _ in range(4):
        bench.publish("a", "x")
        bench.publish("b", "y")
    page = bench.hub.directory.history("a", after, until, max_frames, 10_000)
    assert [int(block.split(b"\n")[0][6:]) for block in page.frames] == frames
    assert (page.end, page.lost, page.more) == (end, lost, more)


def test_a_page_of_history_has_a_bounded_number_of_bytes() -> None:
    bench = Bench()
    bench.publish("a", *["x" * 100] * 5)
    page = bench.hub.directory.history("a", None, None, 100, 350)
    assert (len(page.frames), page.end, page.more) == (3, 3, True)


def test_the_history_of_a_channel_that_was_forgotten_says_what_is_lost() -> None:
    bench = Bench(a=ChannelOptions(max_age_seconds=10))
    bench.publish("a", "1", "2")
    bench.now = 10.0
    bench.hub.expire()
    assert bench.hub.directory.history("a", 1, None, 9, 999) == ([], 2, True, False)
    assert bench.hub.directory.history("a", 2, None, 9, 999) == ([], 2, False, False)
    assert bench.hub.directory.history("a", None, None, 9, 999) == ([], 2, False, False)
    assert bench.hub.directory.history("never", 0, None, 9, 999) == ([], 2, False, False)


def test_only_who_follows_a_channel_is_its_client() -> None:
    bench = Bench()
    bench.publish("a", "1")
    assert bench.hub.directory.clients("a") == bench.hub.directory.clients("never") == 0
    bench.join("a", "b")
    bench.join("b")
    assert [bench.hub.directory.clients(name) for name in ("a", "b")] == [1, 2]


def test_looking_at_a_channel_does_not_make_it() -> None:
    bench = Bench(newest=5)
    assert bench.hub.directory.channel("never") is None
    assert bench.hub.directory.history("never", 3, None, 9, 999) == ([], 5, True, False)
    assert bench.hub.directory.newest == 5
    assert not bench.hub.log.windows
