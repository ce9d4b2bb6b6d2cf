import pytest

from sse_server.core.window import FRAME_OVERHEAD_BYTES, ChannelOptions, Window
from tests.core.fakes import window_of


def test_the_first_bound_that_is_reached_evicts() -> None:
    few = Window("few", ChannelOptions(max_frames=2), lost=0, uncertain=-1)
    small = Window("small", ChannelOptions(max_bytes=2 * (10 + FRAME_OVERHEAD_BYTES)), lost=0,
                   uncertain=-1)  # fmt: skip
    for offset in range(1, 6):
        for window in (few, small):
            window.append(offset, b"x" * 10, 0.0)
            assert len(window) == min(offset, 2)
            assert window.lost == max(offset - 2, 0)
            assert window.bytes == len(window) * (10 + FRAME_OVERHEAD_BYTES)


def test_append_says_by_how_many_bytes_the_window_grew() -> None:
    window = Window("news", ChannelOptions(max_frames=1), lost=0, uncertain=-1)
    assert window.append(1, b"x" * 50, 0.0) == 50 + FRAME_OVERHEAD_BYTES
    assert window.append(2, b"x" * 20, 0.0) == -30


def test_the_newest_frame_stays_however_large() -> None:
    window = Window("news", ChannelOptions(max_bytes=100), lost=0, uncertain=-1)
    window.append(1, b"x" * 10, 0.0)
    window.append(2, b"x" * 1_000, 0.0)
    assert window.offsets[window.head :] == [2]
    assert window.lost == 1


def test_an_ephemeral_window_loses_nothing() -> None:
    window = Window("news", ChannelOptions(max_frames=1, ephemeral=True), lost=0, uncertain=-1)
    window.append(1, b"x", 0.0)
    window.append(2, b"x", 0.0)
    assert window.lost == 0
    assert window.oldest == 2


def test_what_was_evicted_is_cut_off_the_lists_now_and_then() -> None:
    window = Window("news", ChannelOptions(max_frames=10), lost=0, uncertain=-1)
    for offset in range(1, 1_000):
        window.append(offset, b"x", 0.0)
        assert len(window.offsets) == len(window.blocks) == len(window.times) < 64 + 10
        assert not any(window.blocks[: window.head])
        assert window.oldest == max(1, offset - 9)
        assert window.total == offset


@pytest.mark.parametrize("place", range(12))
@pytest.mark.parametrize("evicted", range(5))
def test_the_index_is_that_of_the_first_frame_beyond_a_place(place: int, evicted: int) -> None:
    window = window_of(2, 4, 6, 8, 10)
    for _ in range(evicted):
        window.evict()
    beyond = [offset for offset in (2, 4, 6, 8, 10)[evicted:] if offset > place]
    assert window.offsets[window.index(place) :] == beyond
    assert window.count(place) == 5 - len(beyond)


def test_an_empty_window_has_nothing_beyond_any_place() -> None:
    window = window_of(3, lost=2)
    window.evict()
    assert window.oldest is None
    assert window.longest == 0
    for place in (0, 2, 3, 9):
        assert window.span(place, 100) == (1, 1)
        assert window.count(place) == 1


def test_a_span_fits_in_the_budget_to_the_byte_but_has_at_least_one_frame() -> None:
    window = Window("news", ChannelOptions(), lost=0, uncertain=-1)
    for offset, size in enumerate((10, 20, 5, 40), start=1):
        window.append(offset, b"x" * size, 0.0)
    assert window.span(0, 9) == (0, 1)
    assert window.span(0, 29) == (0, 1)
    assert window.span(0, 30) == (0, 2)
    assert window.span(0, 74) == (0, 3)
    assert window.span(0, 75) == (0, 4)
    assert window.span(2, 1) == (2, 3)
    assert window.span(4, 75) == (4, 4)
