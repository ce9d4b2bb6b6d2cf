"""What leaves the file, and when: by channel, by number, by bytes, by age, in small steps."""

import tempfile
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sse_server.core.engine_counters import EngineCounters
from sse_server.core.history import Question
from sse_server.core.log_options import LogOptions
from sse_server.core.window import ChannelOptions
from sse_server.engines.sqlite import retention as module
from sse_server.engines.sqlite.file import DatabaseFile, transaction
from sse_server.engines.sqlite.options import SqliteOptions
from sse_server.engines.sqlite.pages import read_page
from sse_server.engines.sqlite.retention import Retention

KEYS_SECONDS = 100.0
WIDE = 1 << 30


def kept_for(
    events: int = WIDE, size: int = WIDE, seconds: float | None = None, **memory: object
) -> ChannelOptions:
    """So much in the file, and as little as can be in memory."""
    in_memory = {"max_frames": 1, "max_bytes": 1, "max_age_seconds": 0.001, **memory}
    return ChannelOptions(
        history_max_frames=events,
        history_max_bytes=size,
        history_max_age_seconds=seconds,
        **in_memory,  # type: ignore[arg-type]
    )


class Shelf:
    """A file with events, and what takes them away."""

    def __init__(
        self, folder: Path, *, default: ChannelOptions, **channels: ChannelOptions
    ) -> None:
        self.now = 1_000.0
        self.monotonic = 0.0
        self.log = LogOptions(channel=default, patterns=tuple(channels.items()))
        self.file = DatabaseFile(str(folder / "events.db"), SqliteOptions())
        self.offset = 0
        self.counters = EngineCounters()
        self.open()

    def open(self) -> None:
        """As a server does at its start."""
        self.connection = self.file.open()
        self.retention = Retention(
            self.connection,
            self.log.of,
            repr((self.log.channel, self.log.patterns)),
            KEYS_SECONDS,
            self.counters,
            lambda: self.now,
        )

    def close(self) -> None:
        self.connection.close()
        self.file.release()

    def add(self, channel: str, events: int = 1, size: int = 100) -> None:
        with transaction(self.connection):
            for _ in range(events):
                self.offset += 1
                row = (self.offset, channel, round(self.now * 1_000), b"x" * size)
                self.connection.execute("INSERT INTO events VALUES (?, ?, ?, ?)", row)

    def add_key(self, key: str) -> None:
        self.offset += 1
        row = (self.offset, "a", key, round(self.now * 1_000))
        self.connection.execute("INSERT INTO keys VALUES (?, ?, ?, ?)", row)

    def step(self) -> bool:
        """Whether there was something to do."""
        return self.retention._step()

    def settle(self) -> int:
        """Do all there is to do; returns in how many steps."""
        steps = 0
        while self.step():
            steps += 1
            assert steps < 10_000, "it never comes to rest"
        return steps

    def pass_seconds(self, seconds: int) -> Iterator[None]:
        """After each second of them, with all done that is due in it."""
        for _ in range(seconds):
            self.monotonic += 1.0
            while self.retention.work(self.monotonic) == 0.0:
                pass
            yield

    def kept(self, channel: str = "a") -> list[int]:
        rows = self.connection.execute(
            "SELECT offset FROM events WHERE channel = ? ORDER BY offset", (channel,)
        )
        return [offset for (offset,) in rows]

    def lost(self, channel: str = "a") -> int | None:
        row = self.connection.execute(
            "SELECT lost FROM channels WHERE name = ?", (channel,)
        ).fetchone()
        return None if row is None else row[0]

    def value(self, pragma: str) -> int:
        (value,) = self.connection.execute(f"PRAGMA {pragma}").fetchone()
        assert isinstance(value, int)
        return value


Make = Callable[..., Shelf]


@pytest.fixture
def shelf_of(tmp_path: Path) -> Iterator[Make]:
    """Makes one, and closes it."""
    shelves: list[Shelf] = []

    def make(default: ChannelOptions | None = None, **channels: ChannelOptions) -> Shelf:
        shelves.append(Shelf(tmp_path, default=default or kept_for(), **channels))
        return shelves[-1]

    yield make
    for shelf in shelves:
        shelf.close()


def test_so_many_events_are_kept_of_each_channel(shelf_of: Make) -> None:
    shelf = shelf_of(kept_for(events=3), b=kept_for(events=5))
    for _ in range(5):
        shelf.add("a", 2)
        shelf.add("b", 2)
    shelf.settle()
    assert shelf.kept("a") == [14, 17, 18]
    assert shelf.lost("a") == 13
    assert shelf.kept("b") == [12, 15, 16, 19, 20]
    assert shelf.lost("b") == 11
    assert shelf.counters.trimmed == 12


def test_so_many_bytes_are_kept_but_one_event_however_large(shelf_of: Make) -> None:
    shelf = shelf_of(kept_for(size=350))
    shelf.add("a", 6)
    shelf.settle()
    assert shelf.kept() == [4, 5, 6]
    shelf.add("a", 1, size=10_000)
    shelf.settle()
    assert shelf.kept() == [7]
    shelf.add("a")
    shelf.settle()
    assert shelf.kept() == [8]


def test_so_old_events_are_kept_also_where_nothing_comes(shelf_of: Make) -> None:
    shelf = shelf_of(kept_for(seconds=60), b=kept_for())
    shelf.add("a", 5)
    shelf.add("b", 5)
    shelf.settle()
    shelf.now += 50
    shelf.add("a", 2)
    shelf.settle()
    assert len(shelf.kept()) == 7
    shelf.now += 10
    shelf.settle()
    assert (shelf.kept(), shelf.lost()) == ([11, 12], 5)
    shelf.now += 50
    shelf.settle()
    assert (shelf.kept(), shelf.lost()) == ([], 12)
    shelf.now += 1e9
    shelf.settle()
    assert len(shelf.kept("b")) == 5
    shelf.add("a")
    shelf.settle()
    assert (shelf.kept(), shelf.lost()) == ([13], 12)


def test_it_is_never_less_than_the_log_holds(shelf_of: Make) -> None:
    shelf = shelf_of(
        a=kept_for(events=2, max_frames=5),
        b=kept_for(size=100, max_bytes=450),
        c=kept_for(seconds=10, max_age_seconds=60.0),
        d=kept_for(seconds=10, max_age_seconds=None),
    )
    for channel in "abcd":
        shelf.add(channel, 8)
    shelf.now += 59
    shelf.settle()
    assert [len(shelf.kept(channel)) for channel in "abcd"] == [5, 4, 8, 8]
    shelf.now += 1
    shelf.settle()
    assert [len(shelf.kept(channel)) for channel in "abcd"] == [5, 4, 0, 8]


def test_of_what_is_ephemeral_no_more_is_kept_than_in_the_log(shelf_of: Make) -> None:
    options = kept_for(max_frames=2, max_bytes=WIDE, ephemeral=True)
    shelf = shelf_of(options)
    shelf.add("a", 9)
    shelf.settle()
    assert shelf.kept() == [8, 9]


def test_a_step_is_small(shelf_of: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_STEP_EVENTS", 10)
    shelf = shelf_of(kept_for(events=5))
    shelf.add("a", 95)
    trimmed = [0]
    while shelf.step():
        trimmed.append(shelf.counters.trimmed)
    steps = [after - before for before, after in pairwise(trimmed)]
    assert max(steps) == 10
    assert sum(steps) == 90
    assert shelf.kept() == [91, 92, 93, 94, 95]


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_what_was_too_much_when_the_process_ended_is_taken_by_the_next(
    shelf_of: Make, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    shelf = shelf_of(kept_for(events=5))
    shelf.add("a", 3)
    shelf.settle()
    shelf.add("a", 30)
    for number in range(steps):
        assert shelf.step()  # all are counted first, and then some taken
        if number == 0:
            monkeypatch.setattr(module, "_STEP_EVENTS", 10)
    shelf.close()
    shelf.open()
    shelf.settle()
    assert shelf.kept() == [29, 30, 31, 32, 33]


def test_it_rests_when_there_is_nothing_to_do(shelf_of: Make) -> None:
    shelf = shelf_of(kept_for(events=5))
    shelf.add("a", 3)
    assert shelf.retention.work(0.0) == 0.0
    assert shelf.retention.work(0.0) == module.REST_SECONDS
    shelf.add("a", 3)
    assert shelf.retention.work(0.25) == 0.75
    assert shelf.retention.work(1.0) == 0.0


def test_other_options_hold_for_what_is_there(shelf_of: Make) -> None:
    shelf = shelf_of(kept_for(), b=kept_for(seconds=50))
    shelf.add("a", 9)
    shelf.add("b", 9)
    shelf.settle()
    shelf.close()
    shelf.log = LogOptions(channel=kept_for(events=4), patterns=(("b", kept_for(seconds=5)),))
    shelf.now += 6
    shelf.open()
    shelf.settle()
    assert (len(shelf.kept("a")), len(shelf.kept("b"))) == (4, 0)


def test_ids_of_publishers_are_forgotten_behind_their_window(
    shelf_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_STEP_EVENTS", 2)
    shelf = shelf_of()
    for number in range(5):
        shelf.add_key(f"old {number}")
    shelf.now += KEYS_SECONDS - 1
    shelf.add_key("new")
    shelf.settle()
    keys = "SELECT count(*) FROM keys"
    assert shelf.connection.execute(keys).fetchone() == (6,)
    shelf.now += 1
    shelf.settle()
    assert shelf.connection.execute(keys).fetchone() == (1,)


def test_of_very_many_empty_channels_it_is_known_that_they_may_have_lost(
    shelf_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MAX_EMPTY", 3)
    shelf = shelf_of(kept_for(seconds=10))
    for number in range(8):
        shelf.add(f"c{number}")
    shelf.now += 10
    shelf.settle()
    assert [shelf.lost(f"c{number}") for number in range(8)] == [None] * 5 + [6, 7, 8]
    page = read_page(shelf.connection, Question(("c0", "c6", "never"), 0, 8), 10, 1_000)
    assert page.lost == {"c0": 5, "c6": 7, "never": 5}


# --- room -----------------------------------------------------------------------------------------


def test_a_file_of_which_less_is_to_be_kept_shrinks_in_small_steps(
    shelf_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MAX_FREE_PAGES", 8)
    monkeypatch.setattr(module, "_STEP_PAGES", 16)
    shelf = shelf_of()
    shelf.add("b", 5)
    shelf.add("a", 400, size=5_000)  # two pages each
    shelf.add("b", 5)
    shelf.settle()
    full = shelf.value("page_count")
    shelf.close()
    shelf.log = LogOptions(channel=kept_for(), patterns=(("a", kept_for(events=10)),))
    shelf.open()
    pages = [shelf.value("page_count")]
    for _ in shelf.pass_seconds(100):
        pages.append(shelf.value("page_count"))  # noqa: PERF401 (one by one, as it shrinks)
    assert pages[-1] < full / 8
    assert max(before - after for before, after in pairwise(pages)) <= 17  # and one that maps them
    assert shelf.value("freelist_count") <= max(8, pages[-1] / 4)
    assert (len(shelf.kept("a")), len(shelf.kept("b"))) == (10, 10)
    assert shelf.connection.execute("PRAGMA integrity_check").fetchone() == (b"ok",)
    shelf.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert Path(shelf.file.path).stat().st_size == pages[-1] * shelf.value("page_size")


def test_room_that_is_used_again_is_not_given_back(
    shelf_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MAX_FREE_PAGES", 8)
    shelf = shelf_of(kept_for(events=100))
    shelf.add("a", 100, size=5_000)
    shelf.settle()
    largest = 0
    for _ in range(10):
        shelf.add("a", 10, size=5_000)
        for _ in shelf.pass_seconds(3):
            assert shelf.value("page_count") >= largest
            largest = shelf.value("page_count")
    assert largest < 1.25 * 200


def test_a_file_that_cannot_shrink_is_left_as_it_is(
    shelf_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MAX_FREE_PAGES", 8)
    shelf = shelf_of(kept_for(events=5))
    shelf.connection.execute("PRAGMA journal_mode = DELETE")
    shelf.connection.execute("PRAGMA auto_vacuum = NONE")
    shelf.connection.execute("VACUUM")
    shelf.close()
    shelf.open()
    assert shelf.value("auto_vacuum") == 0
    shelf.add("a", 100, size=5_000)
    for _ in shelf.pass_seconds(5):
        assert len(shelf.kept()) == 5
    assert shelf.value("freelist_count") > 100


# --- whatever happens -----------------------------------------------------------------------------

OPTIONS = {
    "few": kept_for(events=4),
    "small": kept_for(size=250),
    "aged": kept_for(seconds=20),
    "all": kept_for(events=6, size=900, seconds=40),
}
deeds = st.one_of(
    st.tuples(st.sampled_from(sorted(OPTIONS)), st.integers(1, 9), st.sampled_from([10, 60, 300])),
    st.tuples(st.just("later"), st.integers(1, 30)),
    st.tuples(st.just("steps"), st.integers(1, 6)),
    st.just(("restart",)),
    st.just(("settle",)),
)


@settings(max_examples=40, deadline=None)
@given(deeds=st.lists(deeds, max_size=20), step=st.sampled_from([1, 3, 2_000]))
def test_whatever_happens_each_channel_has_what_is_to_be_kept(
    deeds: list[tuple[object, ...]], step: int
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patches:
        patches.setattr(module, "_STEP_EVENTS", step)
        shelf = Shelf(Path(folder), default=kept_for(), **OPTIONS)
        ever: dict[str, list[tuple[int, float, int]]] = {name: [] for name in OPTIONS}
        for deed in deeds:
            match deed:
                case ("later", int(seconds)):
                    shelf.now += seconds
                case ("steps", int(steps)):
                    for _ in range(steps):
                        shelf.step()
                case ("restart",):
                    shelf.close()
                    shelf.open()
                case ("settle",):
                    shelf.settle()
                    check(shelf, ever)
                case (str(name), int(events), int(size)):
                    for _ in range(events):
                        shelf.add(name, size=size)
                        ever[name].append((shelf.offset, shelf.now, size))
        shelf.settle()
        check(shelf, ever)
        shelf.close()


def check(shelf: Shelf, ever: dict[str, list[tuple[int, float, int]]]) -> None:
    """Nothing stays that is too much, and nothing is gone that ever was not."""
    for name, events in ever.items():
        options, offsets = OPTIONS[name], shelf.kept(name)
        known = {offset: (at, size) for offset, at, size in events}
        assert offsets == [offset for offset, _, _ in events][len(events) - len(offsets) :]
        assert (shelf.lost(name) or 0) == max((o for o in known if o not in offsets), default=0)
        row = shelf.connection.execute(
            "SELECT events, bytes FROM channels WHERE name = ?", (name,)
        ).fetchone() or (0, 0)
        size = sum(known[offset][1] for offset in offsets)
        assert row == (len(offsets), size)
        assert len(offsets) <= options.history_max_frames
        assert len(offsets) <= 1 or size <= options.history_max_bytes
        age = options.history_max_age_seconds
        assert age is None or all(known[offset][0] + age > shelf.now for offset in offsets)
        if age is None and len(offsets) < len(events):  # one more would have been too much
            larger = size + events[len(events) - len(offsets) - 1][2]
            assert len(offsets) == options.history_max_frames or larger > options.history_max_bytes
