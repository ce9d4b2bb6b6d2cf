"""The log: the newest frames of all channels, in one order, and what stands beyond a place."""

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from heapq import heapify, heappop, heappush, heapreplace
from typing import NamedTuple, Protocol

from sse_server.core.burst import Burst
from sse_server.core.log_options import LogOptions
from sse_server.core.reading import Reading, read
from sse_server.core.window import FRAME_OVERHEAD_BYTES, INCOMPLETE, ChannelOptions, Mark, Window
from sse_server.wire.flow import Framing
from sse_server.wire.position import Positions

WINDOW_OVERHEAD_BYTES = 850
"""What a channel that holds frames costs beside them: the window with its four lists, its places in
dictionaries and heaps, and its name. Measured with 200,000 channels of one frame each."""

_MIN_DEAD = 1024  # so many dead windows may stand in a heap before it is made anew


class Readable(Hashable, Protocol):
    """A group, as far as the log is concerned: those who are sent the same bytes."""

    @property
    def windows(self) -> Sequence[Window]:
        """What it reads."""
        ...

    @property
    def framing(self) -> Framing:
        """How blocks become what one write sends."""
        ...

    size: int


class Tombstone(NamedTuple):
    """What a forgotten window had lost, as a window keeps it."""

    lost: int
    uncertain: int


class Log:
    """Windows by channel name, bounded in all, with memoised answers."""

    __slots__ = (
        "_ages",
        "_floor",
        "_memo",
        "_memo_bytes",
        "_ranks",
        "_tombstones",
        "appended_bytes",
        "bytes",
        "evicted",
        "newest",
        "options",
        "positions",
        "windows",
    )

    def __init__(
        self, options: LogOptions, positions: Positions, newest: int = 0, *, selective: bool = False
    ) -> None:
        """`newest`: the offset at which the log begins; what lies before it is not held.

        `selective`: of a channel that nobody follows nothing is known.
        """
        self.options = options
        self.positions = positions
        self.windows: dict[str, Window] = {}
        self.newest = newest
        self.bytes = 0  # of frames and of windows that hold some
        self.evicted = 0  # frames, ever
        self.appended_bytes = 0  # ever, bookkeeping included
        # A window stands in each heap at most once, by what was its oldest frame when it was put
        # there; whether that is still so is looked at when it comes up. So appending touches a
        # heap only for a window that is in none.
        self._ranks: list[tuple[int, Window]] = []
        self._ages: list[tuple[float, int, Window]] = []
        self._tombstones: OrderedDict[str, Tombstone] = OrderedDict()
        # What a channel without window and tombstone may have lost.
        self._floor = INCOMPLETE if selective else newest
        self._memo: dict[tuple[Readable, int], Burst] = {}
        self._memo_bytes = 0

    def window(self, channel: str) -> Window:
        """The window of a channel; made when there is none."""
        window = self.windows.get(channel)
        if window is None:
            options = self.options.of(channel)
            lost, uncertain = self._buried(channel, options)
            self._tombstones.pop(channel, None)
            window = self.windows[channel] = Window(
                channel, options, lost=lost, uncertain=uncertain
            )
        return window

    def lost(self, channel: str) -> int:
        """Up to which offset a channel has lost frames, or may have."""
        window = self.windows.get(channel)
        if window is None:
            return self._buried(channel, self.options.of(channel)).lost
        return window.lost

    def append(
        self, window: Window, offset: int, block: bytes, now: float, mark: Mark | None = None
    ) -> None:
        """Take the newest frame of all, and evict what no longer fits."""
        assert offset > self.newest, (offset, self.newest)
        self.newest = offset
        if not window.bytes:
            self.bytes += WINDOW_OVERHEAD_BYTES
            self.appended_bytes += WINDOW_OVERHEAD_BYTES
        size = len(block) + FRAME_OVERHEAD_BYTES
        grown = window.append(offset, block, now, mark)
        self.bytes += grown
        self.appended_bytes += size
        if grown < size:
            self._count_evicted(window)
        if not window.ranked:
            window.ranked = True
            heappush(self._ranks, (offset, window))
        age = window.options.max_age_seconds
        if age is not None and not window.aging:
            window.aging = True
            heappush(self._ages, (now + age, offset, window))
        if self.bytes > self.options.max_bytes:
            self._shrink()

    def since(self, place: int, group: Readable) -> Burst | None:
        """What those of `group` who stand at `place` are to be sent next; None: they have it all.

        The caller has seen that nothing is lost beyond `place`.
        """
        newest, is_shared = self.newest, group.size > 1
        burst = self._memo.get((group, place)) if is_shared else None
        if burst is not None and (burst.cut or burst.newest == newest):
            return burst
        reading = read(group.windows, place, newest, self.options.max_burst_bytes)
        if reading is None:
            return None
        burst = self.burst(reading, group.framing)
        if not is_shared:
            return burst  # nobody else asks
        if self._memo_bytes > self.options.max_memo_bytes:
            self.forget_bursts()
        self._memo[group, place] = burst
        self._memo_bytes += len(burst.data)
        return burst

    def forget_bursts(self) -> None:
        """Drop the memoised answers: the pump has run dry, nobody is about to ask again."""
        self._memo.clear()
        self._memo_bytes = 0

    def expire(self, now: float, limit: int = 10_000) -> float | None:
        """Evict what is too old, at most `limit` frames; returns when to be called again.

        The limit keeps one call below some milliseconds.
        """
        ages = self._ages
        while ages and ages[0][0] <= now and limit > 0:
            window = ages[0][2]
            age = window.options.max_age_seconds
            assert age is not None, window.name
            while len(window) and window.times[window.head] + age <= now and limit > 0:
                self._evict(window)
                limit -= 1
            self._count_evicted(window)
            oldest = window.oldest
            if oldest is None:
                heappop(ages)
                window.aging = False
                self.release(window)
            else:
                heapreplace(ages, (window.times[window.head] + age, oldest, window))
        return ages[0][0] if ages else None

    def release(self, window: Window) -> None:
        """Forget a window that holds nothing and that nobody follows, but for what it lost."""
        if len(window) or window.followed or self.windows.get(window.name) is not window:
            return
        del self.windows[window.name]
        if window.lost != self._floor and not window.options.ephemeral:
            self._tombstones[window.name] = Tombstone(window.lost, window.uncertain)
            if len(self._tombstones) > self.options.max_tombstones:
                _, tombstone = self._tombstones.popitem(last=False)
                self._floor = max(self._floor, tombstone.lost)
        allowed = 2 * len(self.windows) + _MIN_DEAD
        # In place: whoever lets a window go is in the middle of one of them.
        if len(self._ranks) > allowed:
            for entry in self._ranks:
                entry[1].ranked = len(entry[1]) > 0
            self._ranks[:] = [entry for entry in self._ranks if entry[1].ranked]
            heapify(self._ranks)
        if len(self._ages) > allowed:
            for aged in self._ages:
                aged[2].aging = len(aged[2]) > 0
            self._ages[:] = [aged for aged in self._ages if aged[2].aging]
            heapify(self._ages)

    def count_anew(self, channel: str) -> None:
        """Another tally than before counts the events of a channel."""
        window = self.windows.get(channel)
        if window is not None:
            window.tally = None

    def advance(self, newest: int) -> None:
        """Everything up to `newest` that is to be appended has been."""
        self.newest = max(self.newest, newest)

    def cut(self, window: Window, offset: int) -> None:
        """Up to `offset` a window may have holes: what it holds from there is let go."""
        while window.oldest is not None and window.oldest <= offset:
            self._evict(window)
        self._count_evicted(window)
        if not window.options.ephemeral and not offset <= window.lost < INCOMPLETE:
            window.lost = window.uncertain = offset
        window.newest = max(window.newest, offset)

    def begin_anew(self, newest: int) -> None:
        """Hold nothing, and go on from `newest`: what was beyond is gone."""
        for window in list(self.windows.values()):
            if window.lost < INCOMPLETE:
                self.cut(window, self.newest)
                window.newest = newest
            if not window.options.ephemeral:
                window.lost = window.uncertain = min(window.lost, newest)
            window.ranked = window.aging = False
            self.release(window)
        # By offsets that are given again now.
        self._ranks.clear()
        self._ages.clear()
        self._tombstones.clear()
        if self._floor < INCOMPLETE:
            self._floor = newest
        self.newest = newest
        self.forget_bursts()

    def drop(self, window: Window) -> None:
        """Forget a window, and what it holds: it will not be appended to any more."""
        while len(window):
            self._evict(window)
        self._count_evicted(window)
        window.lost = self._floor
        self.release(window)

    def _evict(self, window: Window) -> None:
        """Let the oldest frame of a window go."""
        self.bytes -= window.evict()
        if not window.bytes:
            self.bytes -= WINDOW_OVERHEAD_BYTES

    def _count_evicted(self, window: Window) -> None:
        self.evicted += window.evicted
        window.evicted = 0

    def _buried(self, channel: str, options: ChannelOptions) -> Tombstone:
        """What a channel without a window has lost."""
        if options.ephemeral:
            return Tombstone(0, -1)
        return self._tombstones.get(channel) or Tombstone(self._floor, self._floor)

    def _shrink(self) -> None:
        """Evict the oldest frames of all until the log fits; the newest stays whatever its size."""
        ranks = self._ranks
        while self.bytes > self.options.max_bytes:
            offset, window = ranks[0]
            oldest = window.oldest
            if oldest == offset:
                if oldest == self.newest:
                    return
                self._evict(window)
                self._count_evicted(window)
                oldest = window.oldest
            if oldest is None:
                heappop(ranks)
                window.ranked = False
                self.release(window)
            else:
                heapreplace(ranks, (oldest, window))

    def burst(self, reading: Reading, framing: Framing) -> Burst:
        """A reading as the bytes of one write."""
        return Burst(
            framing(reading.blocks),
            reading.frames,
            reading.place,
            reading.seen,
            reading.cut,
            self.newest,
            reading.gaps,
            reading.last,
            reading.skipped,
            reading.conflated,
            reading.closes,
        )
