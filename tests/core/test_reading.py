import pytest

from sse_server.core.gap import EVICTED, UNKNOWN
from sse_server.core.policy import AfterGap
from sse_server.core.reading import UNKNOWN_COUNT, Reading, known_count, losers, read, read_lossy
from sse_server.core.window import ChannelOptions, Window
from tests.core.fakes import POSITIONS

BUDGET = 1_000


def window(name: str, *offsets: int, lost: int = 0, ephemeral: bool = False) -> Window:
    options = ChannelOptions(ephemeral=ephemeral)
    made = Window(name, options, lost=lost, uncertain=-1)
    for offset in offsets:
        made.append(offset, b"<%02d>" % offset, 0.0)
    return made


def lossy(
    windows: list[Window], place: int, seen: int = UNKNOWN_COUNT, budget: int = BUDGET
) -> Reading:
    return read_lossy(
        windows, place, 20, budget, seen=seen, affected=losers(windows, place), positions=POSITIONS
    )


def outline(reading: Reading) -> list[str]:
    """Frames as they are, gaps as `gap ID`."""
    return [
        "gap " + block.split(b"\n")[0].decode() if b"event: gap" in block else block.decode()
        for block in reading.blocks
    ]


def test_windows_are_read_in_the_one_order() -> None:
    windows = [window("a", 1, 4, 6), window("b", 2, 3), window("c", 5)]
    reading = read(windows, 1, 9, BUDGET)
    assert reading is not None
    assert reading.blocks == [b"<02>", b"<03>", b"<04>", b"<05>", b"<06>"]
    assert (reading.frames, reading.place, reading.seen, reading.cut) == (5, 9, 6, False)


def test_nothing_beyond_the_place_is_no_reading() -> None:
    windows = [window("a", 1, 4), window("b", 2)]
    assert read(windows, 4, 9, BUDGET) is None
    assert read(windows[:1], 4, 9, BUDGET) is None


@pytest.mark.parametrize("frames", range(1, 6))
def test_a_cut_reading_leads_to_its_last_frame(frames: int) -> None:
    windows = [window("a", 1, 4, 6), window("b", 2, 3, 5)]
    reading = read(windows, 0, 9, frames * 4 + 3)
    assert reading is not None
    assert reading.frames == reading.place == reading.seen == frames
    assert reading.cut


def test_a_cut_reading_stops_before_what_a_window_that_was_cut_may_still_have() -> None:
    # The first frame of b alone is all the budget: its frame 3 is not there, so 5 must wait.
    b = Window("b", ChannelOptions(), lost=0, uncertain=-1)
    b.append(2, b"x" * 40, 0.0)
    b.append(3, b"x" * 40, 0.0)
    reading = read([window("a", 1, 5), b], 0, 9, 48)
    assert reading is not None
    assert reading.blocks == [b"<01>", b"x" * 40]
    assert reading.cut
    assert reading.place == 2


def test_a_cut_reading_stops_where_the_first_of_two_that_were_cut_did() -> None:
    a, b = (Window(name, ChannelOptions(), lost=0, uncertain=-1) for name in "ab")
    for offset, size in ((1, 1), (2, 9), (3, 1), (4, 9)):
        (a if offset < 3 else b).append(offset, b"x" * size, 0.0)
    reading = read([a, b], 0, 9, 9)
    assert reading is not None
    assert (reading.frames, reading.place, reading.cut) == (1, 1, True)


def test_a_single_frame_may_be_larger_than_the_budget() -> None:
    reading = read([window("a", 1, 3), window("b", 2)], 0, 9, 1)
    assert reading is not None
    assert reading.blocks == [b"<01>"]


def test_ephemeral_frames_are_read_and_not_counted() -> None:
    presence = window("p", 2, ephemeral=True)
    for windows in ([presence], [presence, window("a")]):
        reading = read(windows, 0, 9, BUDGET)
        assert reading is not None
        assert (reading.frames, reading.seen) == (1, 0)
    assert known_count([presence], 9) == 0


def test_a_count_is_not_known_where_something_beyond_the_place_is_lost() -> None:
    windows = [window("a", 4, 5, lost=3), window("b", 2)]
    assert known_count(windows, 2) == UNKNOWN_COUNT
    assert known_count(windows, 3) == 1
    assert known_count(windows, 4) == 2


def test_a_gap_stands_where_the_newest_lost_frame_stood() -> None:
    reading = lossy([window("a", 6, 7, lost=4), window("b", 2, 3, 5)], 1)
    assert outline(reading) == ["<02>", "<03>", "gap id: e-4", "<05>", "<06>", "<07>"]
    assert reading.frames == 5
    (gap,) = reading.gaps
    assert [w.name for w in gap.windows] == ["a"]
    assert (gap.at, gap.requested, gap.reason, gap.lost) == (4, b"e-1", EVICTED, None)


def test_what_has_no_frame_between_is_one_gap() -> None:
    reading = lossy([window("a", 6, lost=3), window("b", 7, lost=5)], 0)
    assert outline(reading) == ["gap id: e-5", "<06>", "<07>"]
    assert {w.name for w in reading.gaps[0].windows} == {"a", "b"}


def test_a_client_that_is_cut_between_two_gaps_has_been_told_of_the_first() -> None:
    reading = lossy([window("a", 6, lost=3), window("b", 7, lost=5), window("c", 4)], 0)
    assert outline(reading) == ["gap id: e-3", "<04>", "gap id: e-5", "<06>", "<07>"]
    assert [[w.name for w in gap.windows] for gap in reading.gaps] == [["a"], ["b"]]


def test_what_is_evicted_and_what_is_not_known_are_two_gaps() -> None:
    forgotten = Window("b", ChannelOptions(), lost=3, uncertain=3)
    reading = lossy([window("a", 6, lost=2), forgotten], 0)
    assert outline(reading) == ["gap id: e-2", "gap id: e-3", "<06>"]
    assert [gap.reason for gap in reading.gaps] == [EVICTED, UNKNOWN]


def test_the_last_gap_that_is_due_bears_the_number_for_all() -> None:
    a, b = window("a", 1, 3, 6), window("b", 2, 5, 7)
    c = window("c", 4)
    for lost in (a, a, b, b):
        lost.evict()
    reading = lossy([a, b, c], 0, seen=0)
    assert outline(reading) == ["gap id: e-3", "<04>", "gap id: e-5", "<06>", "<07>"]
    assert [gap.lost for gap in reading.gaps] == [None, 4]
    assert reading.seen == 7


def test_a_reading_that_is_cut_before_a_gap_leaves_it_and_its_number_to_a_later_one() -> None:
    a, b = window("a", 1, 2, 5), window("b", 3, 4, 6)
    a.evict()
    a.evict()
    first = lossy([a, b], 0, seen=0, budget=4)
    assert outline(first) == ["gap id: e-2", "<03>"]
    a.evict()
    second = lossy([a, b], first.place, first.seen, budget=4)
    assert outline(second) == ["<04>"]
    assert (second.place, second.gaps) == (4, [])
    third = lossy([a, b], second.place, second.seen, budget=4)
    assert outline(third) == ["gap id: e-5", "<06>"]
    assert [gap.lost for gap in (*first.gaps, *third.gaps)] == [2, 1]
    assert (third.place, third.seen) == (20, 6)


def test_a_gap_is_told_even_if_nothing_is_left_to_read() -> None:
    a = window("a", 1, 2)
    a.evict()
    a.evict()
    reading = lossy([a], 1, seen=1)
    assert outline(reading) == ["gap id: e-2"]
    assert (reading.frames, reading.place, reading.gaps[0].lost) == (0, 20, 1)


@pytest.mark.parametrize(
    ("after_gap", "at", "named", "lost"),
    [(AfterGap.CLOSE, 3, ["a", "b"], 3), (AfterGap.LATEST, 20, ["a", "b", "c"], 6)],
)
def test_a_stream_that_passes_over_frames_after_a_gap_is_told_of_their_channels_too(
    after_gap: AfterGap, at: int, named: list[str], lost: int
) -> None:
    a, b, c, d = window("a", 1, 3, 6), window("b", 2, 5), window("c", 4), window("d")
    a.evict()
    a.evict()
    reading = read_lossy(
        [a, b, c, d],
        0,
        20,
        BUDGET,
        after_gap=after_gap,
        seen=0,
        affected=[a],
        positions=POSITIONS,
    )
    assert outline(reading) == [f"gap id: e-{at}"]
    (gap,) = reading.gaps
    assert ([w.name for w in gap.windows], gap.lost) == (named, lost)
    assert (reading.place, reading.closes) == (at, after_gap is AfterGap.CLOSE)


def test_who_is_forgiven_loses_only_what_is_lost_since() -> None:
    a = window("a", 4, 6, lost=3)
    assert losers([a], 2, {a: 3}) == []
    assert losers([a], 2, {}) == [a]
    a.evict()
    assert losers([a], 2, {a: 3}) == [a]
    assert losers([a], 4, {a: 3}) == []
