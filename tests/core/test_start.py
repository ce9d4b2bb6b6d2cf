import pytest

from sse_server.core.reading import UNKNOWN_COUNT
from sse_server.core.start import EARLIEST, begin
from sse_server.core.window import ChannelOptions, Window
from tests.core.fakes import POSITIONS, window_of


def named(name: str, *offsets: int, lost: int = 0) -> Window:
    window = Window(name, ChannelOptions(), lost=lost, uncertain=-1)
    for offset in offsets:
        window.append(offset, b"x", 0.0)
    return window


def test_without_an_id_a_stream_begins_at_the_newest_position() -> None:
    assert begin(None, [window_of(3, 5, lost=2)], 9, POSITIONS) == (9, 2, None)


def test_with_an_id_it_begins_there_and_what_it_had_is_counted() -> None:
    assert begin(b"e-3", [window_of(3, 5, lost=2)], 9, POSITIONS) == (3, 1, None)
    assert begin(b"e-9", [window_of(3, 5, lost=2)], 9, POSITIONS) == (9, 2, None)


def test_what_it_had_is_not_known_where_frames_are_lost_beyond_its_id() -> None:
    assert begin(b"e-1", [window_of(3, 5, lost=2)], 9, POSITIONS) == (1, UNKNOWN_COUNT, None)


def test_the_earliest_position_differs_by_channel_and_is_no_gap() -> None:
    a, b = named("a", 3, 9), named("b", 8, lost=6)
    place, seen, start = begin(EARLIEST, [a, b], 9, POSITIONS)
    assert (place, seen) == (2, 0)
    assert start is not None
    assert (start.forgiven, start.until, start.gap) == ({b: 6}, 6, None)


def test_the_earliest_position_of_what_holds_nothing_is_the_newest() -> None:
    assert begin(EARLIEST, [named("a"), named("b", lost=6)], 9, POSITIONS) == (9, 0, None)


@pytest.mark.parametrize(
    ("last_id", "reason"),
    [
        (b"", b"malformed"),
        (b"5", b"malformed"),
        (b"e-05", b"malformed"),
        (b"Earliest", b"malformed"),
        (b"f-5", b"foreign-epoch"),
        (b"e-10", b"future"),
    ],
)
def test_a_position_that_names_none_is_a_gap_before_the_oldest_frame_held(
    last_id: bytes, reason: bytes
) -> None:
    a, b = named("a", 3, 9), named("b", 8, lost=6)
    place, seen, start = begin(last_id, [a, b], 9, POSITIONS)
    assert (place, seen) == (2, 0)
    assert start is not None
    assert (start.forgiven, start.until) == ({b: 6}, 6)
    assert start.gap is not None
    assert start.gap.startswith(b"id: e-2\nevent: gap\n")
    assert b'"reason":"%b"' % reason in start.gap
    assert b'"channels":["a","b"]' in start.gap
