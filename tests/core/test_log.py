from collections.abc import Sequence

import pytest

from sse_server.core.log import WINDOW_OVERHEAD_BYTES, Log
from sse_server.core.log_options import LogOptions
from sse_server.core.window import FRAME_OVERHEAD_BYTES, ChannelOptions, Window
from sse_server.errors import ConfigurationError
from sse_server.http.chunked import chunked, plain
from sse_server.wire.flow import Framing
from tests.core.fakes import POSITIONS

FRAME = 10 + FRAME_OVERHEAD_BYTES
WINDOW = WINDOW_OVERHEAD_BYTES


class Reader:
    """A group, as far as the log is concerned."""

    def __init__(self, *windows: Window, framing: Framing = plain) -> None:
        self.windows = windows
        self.framing = framing
        self.size = 2


def log_of(
    max_bytes: int = 1_000_000,
    *,
    max_burst_bytes: int = 1_000,
    max_memo_bytes: int = 1_000,
    max_tombstones: int = 100,
    newest: int = 0,
    patterns: Sequence[tuple[str, ChannelOptions]] = (),
    **channels: ChannelOptions,
) -> Log:
    options = LogOptions(
        max_bytes=max_bytes,
        patterns=(*channels.items(), *patterns),
        max_burst_bytes=max_burst_bytes,
        max_memo_bytes=max_memo_bytes,
        max_tombstones=max_tombstones,
    )
    return Log(options, POSITIONS, newest)


def append(log: Log, *channels: str, size: int = 10, now: float = 0.0) -> None:
    for channel in channels:
        offset = log.newest + 1
        log.append(log.window(channel), offset, b"%0*d" % (size, offset), now)


def held(log: Log) -> dict[str, list[int]]:
    return {name: w.offsets[w.head :] for name, w in log.windows.items()}


def test_the_first_pattern_that_matches_holds() -> None:
    exact, prefix, rest = (ChannelOptions(max_frames=n) for n in (1, 2, 3))
    options = LogOptions(patterns=(("user:1", exact), ("user:*", prefix), ("a*", rest)))
    assert options.of("user:1") is exact
    assert options.of("user:12") is prefix
    assert options.of("user:") is prefix
    assert options.of("a") is rest
    assert options.of("b") is options.channel
    assert LogOptions(patterns=(("*", exact),)).of("b") is exact


def test_the_oldest_frame_of_all_leaves_first() -> None:
    log = log_of(3 * FRAME + 3 * WINDOW)
    append(log, "a", "b", "a", "c")
    assert held(log) == {"a": [3], "b": [2], "c": [4]}
    append(log, "c")
    assert held(log) == {"a": [3], "c": [4, 5]}
    assert log.bytes == 3 * FRAME + 2 * WINDOW
    append(log, "c", size=3 * FRAME + 2 * WINDOW - FRAME_OVERHEAD_BYTES)
    assert held(log) == {"c": [6]}
    assert log.bytes == log.options.max_bytes


def test_the_newest_frame_stays_even_if_it_is_more_than_all_may_be() -> None:
    log = log_of(FRAME)
    append(log, "a", "b", size=500)
    assert held(log) == {"b": [2]}
    assert log.bytes == 500 + FRAME_OVERHEAD_BYTES + WINDOW


def test_what_is_too_old_is_evicted_and_the_next_time_is_said() -> None:
    log = log_of(a=ChannelOptions(max_age_seconds=10), b=ChannelOptions(max_age_seconds=None))
    append(log, "a", now=0)
    append(log, "a", "b", now=4)
    assert log.expire(9.9) == 10
    assert held(log) == {"a": [1, 2], "b": [3]}
    assert log.expire(10) == 14
    assert held(log) == {"a": [2], "b": [3]}
    assert log.expire(20) is None
    assert held(log) == {"b": [3]}
    assert log.bytes == FRAME + WINDOW


def test_one_call_evicts_a_bounded_number_of_frames() -> None:
    log = log_of(a=ChannelOptions(max_age_seconds=10))
    append(log, *["a"] * 5, now=0)
    assert log.expire(10, limit=2) == 10
    assert held(log) == {"a": [3, 4, 5]}
    assert log.expire(10, limit=3) is None
    assert held(log) == {}


def test_a_window_that_somebody_follows_is_not_forgotten() -> None:
    log = log_of(a=ChannelOptions(max_age_seconds=10))
    append(log, "a", now=0)
    window = log.window("a")
    window.followed = 1
    log.expire(10)
    assert log.windows == {"a": window}
    window.followed = 0
    log.release(window)
    assert log.windows == {}


def test_a_forgotten_channel_leaves_what_it_lost() -> None:
    log = log_of(2 * FRAME + WINDOW)
    append(log, "a", "a", "b", "b")
    assert held(log) == {"b": [3, 4]}
    assert log.lost("a") == 2
    assert log.lost("never") == 0
    window = log.window("a")
    assert (window.lost, window.uncertain, window.newest) == (2, 0, 2)
    assert log.lost("a") == 2


def test_past_the_bound_of_tombstones_it_is_not_known_what_was_lost() -> None:
    log = log_of(FRAME, max_tombstones=1)
    append(log, "a", "b", "c")  # a and b are forgotten, and so is what a lost
    assert (log.lost("a"), log.lost("b"), log.lost("never")) == (1, 2, 1)
    a, b = log.window("a"), log.window("b")
    assert (a.lost, a.uncertain) == (1, 1)
    assert (b.lost, b.uncertain) == (2, 0)


def test_what_was_not_known_is_not_known_after_it_was_forgotten_again() -> None:
    log = log_of(FRAME, max_tombstones=1)
    append(log, "a", "b", "c")
    early = log.window("early")
    assert (early.lost, early.uncertain) == (1, 1)
    append(log, "d")
    assert log.lost("never") == 2
    log.release(early)
    early = log.window("early")
    assert (early.lost, early.uncertain) == (1, 1)


def test_a_log_that_begins_later_does_not_know_what_was_before() -> None:
    log = log_of(newest=7)
    window = log.window("a")
    assert (window.lost, window.uncertain) == (7, 7)
    append(log, "a")
    assert held(log) == {"a": [8]}


def test_an_ephemeral_channel_leaves_nothing_behind() -> None:
    log = log_of(FRAME, a=ChannelOptions(ephemeral=True))
    append(log, "a", "b")
    assert log.lost("a") == 0
    assert log.window("a").lost == 0
    assert not log._tombstones


@pytest.mark.parametrize("age", [None, 1_000.0])
def test_channels_that_come_and_go_leave_no_trail_in_the_heaps(age: float | None) -> None:
    log = log_of(3 * (FRAME + WINDOW), patterns=[("c*", ChannelOptions(max_age_seconds=age))])
    for number in range(5_000):
        append(log, f"c{number}")
    assert len(log.windows) == 3
    assert len(log._ranks) <= 3 + 1_100
    assert len(log._ages) <= 3 + 1_100
    assert len(log._tombstones) == 100


def test_a_window_that_was_emptied_by_age_ages_again() -> None:
    log = log_of(a=ChannelOptions(max_age_seconds=10))
    append(log, "a", now=0)
    log.window("a").followed = 1
    assert log.expire(10) is None
    append(log, "a", now=20)
    assert log.expire(29) == 30
    assert log.expire(30) is None
    assert held(log) == {"a": []}


def test_heaps_that_are_made_anew_in_the_middle_of_an_eviction_stay_true() -> None:
    log = log_of(
        5_000 * (FRAME + WINDOW),
        patterns=[
            ("old*", ChannelOptions(max_age_seconds=None)),
            ("young*", ChannelOptions(max_age_seconds=10)),
        ],
    )
    append(log, *[f"old{number}" for number in range(600)])
    append(log, *[f"young{number}" for number in range(1_500)])
    log.expire(10)  # leaves windows that are gone in the heap of oldest frames
    assert len(log._ranks) == 2_100
    log.window("old599").followed = 1
    append(log, "new", size=log.options.max_bytes)
    assert held(log) == {"old599": [], "new": [2_101]}
    append(log, "old599")
    ranked = [window for _, window in log._ranks]
    assert len(set(ranked)) == len(ranked)
    assert log.window("old599") in ranked


def test_all_who_stand_at_one_place_share_one_burst() -> None:
    log = log_of()
    append(log, "a", "a")
    group = Reader(log.window("a"))
    burst = log.since(0, group)
    assert burst is not None
    assert burst.data == b"00000000010000000002"
    assert (burst.frames, burst.place, burst.seen, burst.cut) == (2, 2, 2, False)
    again = log.since(0, group)
    assert again is not None
    assert again.data is burst.data
    other = log.since(0, Reader(log.window("a"), framing=chunked))
    assert other is not None
    assert other.data == b"14\r\n00000000010000000002\r\n"


def test_a_burst_that_was_not_cut_is_made_anew_when_something_was_appended() -> None:
    log = log_of(max_burst_bytes=20)
    group = Reader(log.window("a"))
    append(log, "a")
    assert (burst := log.since(0, group))
    append(log, "a", "a")
    assert (burst := log.since(0, group))
    assert (burst.frames, burst.place, burst.cut) == (2, 2, True)
    append(log, "a")
    cut = log.since(0, group)
    assert cut is burst


def test_who_has_everything_is_sent_nothing() -> None:
    log = log_of()
    append(log, "a", "b")
    assert log.since(1, Reader(log.window("a"))) is None
    assert log.since(2, Reader(log.window("a"), log.window("b"))) is None


def test_answers_are_remembered_up_to_a_bound_and_until_the_pump_is_dry() -> None:
    log = log_of(max_burst_bytes=10, max_memo_bytes=100)
    append(log, *["a"] * 200)
    group = Reader(log.window("a"))
    for place in range(200):
        log.since(place, group)
        assert sum(len(burst.data) for burst in log._memo.values()) <= 110
    assert log._memo
    log.forget_bursts()
    assert not log._memo


@pytest.mark.parametrize("pattern", ["", "a*b", "**", "a b", "x" * 201, "*a"])
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigurationError, match="is no pattern"):
        LogOptions(patterns=((pattern, ChannelOptions()),))


@pytest.mark.parametrize(("first", "second"), [("a*", "a:b*"), ("*", "b"), ("a", "a"), ("a*", "a")])
def test_a_pattern_that_can_never_hold_is_refused(first: str, second: str) -> None:
    channel = ChannelOptions()
    with pytest.raises(ConfigurationError, match="never holds"):
        LogOptions(patterns=((first, channel), (second, channel)))
    if first != second:
        assert LogOptions(patterns=((second, channel), (first, channel)))
