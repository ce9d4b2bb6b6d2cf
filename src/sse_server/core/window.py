"""Windows: the newest frames of one channel, and what the channel has lost.

Parallel lists instead of frame objects: what a burst needs is a slice of `blocks`, and a slice of a
list is the cheapest thing Python can join. The live part begins at `head`; what lies before it is
cut off when it is more than half of the list, so that eviction costs O(1) in the long run.
"""

from bisect import bisect_right
from dataclasses import dataclass
from sys import maxsize
from typing import TYPE_CHECKING, Annotated, NamedTuple

from sse_server.core.policy import AfterGap, LagPolicy
from sse_server.options import Bounds, Options

if TYPE_CHECKING:
    from sse_server.core.traffic import Tally

FRAME_OVERHEAD_BYTES = 130
"""What a frame costs beside its text: bytes object 33, offset 32, time 24, three list slots 24, and
what lists over-allocate."""

INCOMPLETE = maxsize
"""For `Window.lost`: from where on it will be complete is not known yet."""

_DEFAULT_LAG_FRAMES = 100
_MIN_CUT = 64  # below this many dead slots, moving the rest of the list is not worth it


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelOptions(Options):
    """How much of a channel stays in memory; the first bound reached wins."""

    max_frames: Annotated[int, Bounds(1, 100_000_000)] = 10_000
    """The oldest leave first. `max_frames = 100` is "the last 100"."""
    max_age_seconds: Annotated[float | None, Bounds(0.001, 31_536_000)] = 300.0
    """None: age does not matter. Five minutes: a phone that changes networks comes back in time."""
    max_bytes: Annotated[int, Bounds(1, 1 << 40)] = 4 * 1024 * 1024
    """Frames as they stand in memory, bookkeeping included."""
    presence: bool = False
    """Keep the number of clients as one event on `{channel}/presence`, which its streams follow."""
    ephemeral: bool = False
    """What leaves the window is not missed: no gap is told (a presence channel)."""
    lag: LagPolicy = LagPolicy.DROP
    """What happens to a subscriber that reads too slowly and lags beyond `max_lag_frames`."""
    max_lag_frames: Annotated[int | None, Bounds(0, 100_000_000)] = None
    """None with `drop`: no bound but the window's, so that a slow reader loses only what is
    evicted; with the others 100. With a number, frames of low priority are left out first."""
    after_gap: AfterGap = AfterGap.EARLIEST
    """Where a stream goes on after a gap."""
    history_max_frames: Annotated[int, Bounds(1, 1 << 40)] = 1_000_000
    """So many an engine keeps that keeps more than memory, `sqlite:`. Never less than memory does,
    in number, age and bytes."""
    history_max_age_seconds: Annotated[float | None, Bounds(1, 3_153_600_000)] = 604_800.0
    """A week there, so that who was on holiday is told what happened. None: age does not matter."""
    history_max_bytes: Annotated[int, Bounds(1, 1 << 50)] = 1024 * 1024 * 1024
    """So many there, of frames as they are sent."""

    @property
    def lag_bound(self) -> int:
        """Pending frames beyond which a slow subscriber lags."""
        if self.max_lag_frames is not None:
            return self.max_lag_frames
        return maxsize if self.lag is LagPolicy.DROP else _DEFAULT_LAG_FRAMES

    @property
    def is_conflated(self) -> bool:
        """Whether a frame that a later one with its key supersedes is not missed."""
        return self.lag is LagPolicy.LATEST

    @property
    def is_counted(self) -> bool:
        """Whether every frame that leaves the window is a loss, so that losses can be counted."""
        return not (self.ephemeral or self.is_conflated)


class Mark(NamedTuple):
    """What a policy wants to know of a frame; most frames have none."""

    is_low: bool
    """It is left out first."""
    key: str | None
    """A later frame with the same key supersedes it."""


class Span(NamedTuple):
    """Indexes into a window's lists: frames `start` up to, not including, `stop`."""

    start: int
    stop: int


class Window:
    """The frames of one channel, oldest first."""

    __slots__ = (
        "aging",
        "blocks",
        "bytes",
        "current",
        "evicted",
        "followed",
        "head",
        "longest",
        "lost",
        "marks",
        "name",
        "newest",
        "offsets",
        "options",
        "ranked",
        "tally",
        "times",
        "total",
        "uncertain",
    )

    def __init__(self, name: str, options: ChannelOptions, *, lost: int, uncertain: int) -> None:
        """`lost`: the newest offset this channel is known, or has to be taken, to have lost.

        `uncertain`: up to here it is not known whether anything was lost.
        """
        self.name = name
        self.options = options
        self.offsets: list[int] = []
        self.blocks: list[bytes] = []
        self.times: list[float] = []
        self.marks: list[Mark | None] = []
        # Where conflated: the newest offset of each key, oldest first.
        self.current: dict[str | None, int] | None = {} if options.is_conflated else None
        self.head = 0
        self.bytes = 0  # of its frames
        self.longest = 0  # no block is longer; never lowered while there are frames
        self.total = 0  # frames ever appended to this object
        self.evicted = 0  # of them, since the log last asked
        # Nothing beyond it has ever been appended.
        self.newest = 0 if lost == INCOMPLETE else lost
        self.lost = lost
        self.uncertain = uncertain
        self.followed = 0  # by how many subscribers; not forgotten while above zero
        self.ranked = False  # stands in the log's heap of oldest frames
        self.aging = False  # stands in the log's heap of ages
        self.tally: Tally | None = None  # where its events are counted; None: to be asked for

    def __len__(self) -> int:
        """Frames held."""
        return len(self.offsets) - self.head

    @property
    def oldest(self) -> int | None:
        """The offset of the oldest frame held."""
        return self.offsets[self.head] if self.head < len(self.offsets) else None

    def append(self, offset: int, block: bytes, now: float, mark: Mark | None = None) -> int:
        """Add the newest frame and evict what no longer fits; returns by how many bytes it grew.

        At least one frame, the new one, stays, whatever the bounds.
        """
        before = self.bytes
        size = len(block)
        self.offsets.append(offset)
        self.blocks.append(block)
        self.times.append(now)
        self.marks.append(mark)
        if self.current is not None:
            key = mark.key if mark else None
            self.current.pop(key, None)
            self.current[key] = offset
        self.bytes += size + FRAME_OVERHEAD_BYTES
        self.total += 1
        self.newest = offset
        self.longest = max(self.longest, size)
        options = self.options
        held = len(self.offsets) - self.head
        while held > 1 and (held > options.max_frames or self.bytes > options.max_bytes):
            self.evict()
            held -= 1
        return self.bytes - before

    def evict(self) -> int:
        """Let the oldest frame go; returns how many bytes that freed."""
        head = self.head
        freed = len(self.blocks[head]) + FRAME_OVERHEAD_BYTES
        if self.current is not None:
            self._lose_current(head)
        elif not self.options.ephemeral:
            self.lost = self.offsets[head]
        self.blocks[head] = b""
        self.bytes -= freed
        self.evicted += 1
        self.head = head = head + 1
        if head == len(self.offsets):
            self.longest = 0
        if head >= _MIN_CUT and head * 2 >= len(self.offsets):
            del self.offsets[:head], self.blocks[:head], self.times[:head], self.marks[:head]
            self.head = 0
        return freed

    def _lose_current(self, head: int) -> None:
        """Conflated: only the newest frame of a key is a loss."""
        assert self.current is not None
        mark, offset = self.marks[head], self.offsets[head]
        key = mark.key if mark else None
        if self.current[key] == offset:
            del self.current[key]
            if not self.options.ephemeral:
                self.lost = offset

    def index(self, place: int) -> int:
        """Where in the lists the first frame beyond `place` stands."""
        offsets = self.offsets
        count = len(offsets)
        if self.newest <= place or self.head == count:
            return count
        # Mostly one frame is unread: the newest.
        if count - self.head == 1 or offsets[-2] <= place:
            return count - 1
        return bisect_right(offsets, place, self.head)

    def span(self, place: int, budget: int) -> Span:
        """The frames beyond `place` that fit in `budget` bytes, but at least one where there is."""
        start = self.index(place)
        stop = len(self.offsets)
        if (stop - start) * self.longest <= budget:
            return Span(start, stop)
        blocks = self.blocks
        end = start
        while end < stop:
            budget -= len(blocks[end])
            if budget < 0 and end > start:
                break
            end += 1
        return Span(start, end)

    def count(self, place: int) -> int:
        """How many frames were ever appended up to `place`, held or not.

        Exact when nothing beyond `place` has been evicted.
        """
        return self.total - (len(self.offsets) - self.index(place))
