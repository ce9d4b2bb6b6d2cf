"""Reading: the frames of some windows beyond a place, in the one order, with the gap among them."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, groupby

from sse_server.core.gap import Gap, reason
from sse_server.core.window import Window
from sse_server.wire.position import Positions

UNKNOWN_COUNT = -1
"""For `seen`: how many frames lie before the place is not known."""


@dataclass(slots=True)
class Reading:
    """What stands beyond a place."""

    blocks: list[bytes]
    frames: int
    """Blocks that are frames: all but gaps."""
    place: int
    """Where it leads to: the newest offset of the log when nothing is left to read."""
    seen: int
    """Frames of these windows up to there, ever appended."""
    cut: bool
    """There is more, which the budget did not allow."""
    gaps: Sequence[Gap] = ()


def count(windows: Sequence[Window], place: int) -> int:
    """Frames that were ever appended up to `place`; those evicted beyond it count as well."""
    return sum(window.count(place) for window in windows if not window.options.ephemeral)


def known_count(windows: Sequence[Window], place: int) -> int:
    """The same, or `UNKNOWN_COUNT` where some beyond `place` are lost already."""
    return UNKNOWN_COUNT if losers(windows, place) else count(windows, place)


def losers(
    windows: Sequence[Window], place: int, forgiven: Mapping[Window, int] | None = None
) -> list[Window]:
    """The windows that lost something beyond `place`, and beyond what they are forgiven."""
    if forgiven is None:
        return [window for window in windows if window.lost > place]
    return [window for window in windows if window.lost > max(place, forgiven.get(window, -1))]


def read(windows: Sequence[Window], place: int, newest: int, budget: int) -> Reading | None:
    """Read beyond a place from which nothing is lost. None: nothing is there."""
    if len(windows) == 1:
        window = windows[0]
        start, stop = window.span(place, budget)
        if start == stop:
            return None
        unread = len(window.offsets) - stop
        end = window.offsets[stop - 1] if unread else newest
        blocks = window.blocks[start:stop]
        seen = 0 if window.options.ephemeral else window.total - unread
        return Reading(blocks, stop - start, end, seen, cut=unread > 0)
    offsets, blocks, cut = _merge(windows, place, budget)
    if not blocks:
        return None
    end = offsets[-1] if cut else newest
    return Reading(blocks, len(blocks), end, count(windows, end), cut)


def read_lossy(  # noqa: PLR0913 (the state of a reader; called in one place)
    windows: Sequence[Window],
    place: int,
    newest: int,
    budget: int,
    *,
    seen: int,
    affected: Sequence[Window],
    positions: Positions,
) -> Reading:
    """Read beyond a place from which `affected` lost frames; gaps are told where they stand.

    A reading that is cut before a gap says nothing of it: a later one will. `seen` is what the
    reader had up to `place` when it got there; what was evicted since is what it lost. That is
    known of all channels together, so the last gap that is due bears the number for all.
    """
    offsets, blocks, cut = _merge(windows, place, budget)
    frames = len(blocks)
    end = offsets[-1] if cut else newest
    due = sorted([window for window in affected if window.lost <= end], key=lambda w: w.lost)
    lost: int | None = None
    if len(due) == len(affected):
        if seen != UNKNOWN_COUNT:
            lost = count(windows, place) - seen
        seen = count(windows, end)
    elif seen != UNKNOWN_COUNT:
        seen += count(windows, end) - count(windows, place)
    gaps = _gaps(due, offsets, positions.encode(place), lost)
    for gap in reversed(gaps):
        blocks.insert(bisect_right(offsets, gap.at), gap.block(positions, newest))
    return Reading(blocks, frames, end, seen, cut, gaps)


def _gaps(
    due: Sequence[Window], offsets: Sequence[int], requested: bytes, lost: int | None
) -> list[Gap]:
    """The gaps of windows that lost something, by what they lost last.

    What has no frame between is one gap. Where frames stand between there have to be several: a
    client that is cut there has passed the first, and must have been told of it.
    """
    gaps = []
    for (_, why), windows in groupby(
        due, key=lambda window: (bisect_right(offsets, window.lost), reason(window))
    ):
        affected = tuple(windows)
        at = affected[-1].lost
        gaps.append(Gap(windows=affected, at=at, requested=requested, reason=why, lost=None))
    if gaps:
        gaps[-1] = replace(gaps[-1], lost=lost)
    return gaps


def _merge(
    windows: Sequence[Window], place: int, budget: int
) -> tuple[list[int], list[bytes], bool]:
    """Offsets and blocks beyond `place` in order, at least one if there is one, and whether cut."""
    entries: list[tuple[int, bytes]] = []
    horizon: int | None = None  # beyond it a window that was cut may have frames that are not here
    sources = 0
    for window in windows:
        if window.newest <= place:
            continue
        start, stop = window.span(place, budget)
        if start == stop:
            continue
        sources += 1
        entries += zip(window.offsets[start:stop], window.blocks[start:stop], strict=True)
        if stop < len(window.offsets):
            last = window.offsets[stop - 1]
            horizon = last if horizon is None else min(horizon, last)
    if sources > 1:
        entries.sort()
    offsets = [offset for offset, _ in entries]
    blocks = [block for _, block in entries]
    stop = len(offsets) if horizon is None else bisect_right(offsets, horizon)
    if sources > 1:
        sizes = accumulate(map(len, blocks[:stop]))
        stop = max(1, bisect_right(list(sizes), budget))
    return offsets[:stop], blocks[:stop], stop < len(entries) or horizon is not None
