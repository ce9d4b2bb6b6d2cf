"""Reading: the frames of some windows beyond a place, in the one order, with the gap among them."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter

from sse_server.core.gap import Gap, reason
from sse_server.core.policy import AfterGap
from sse_server.core.window import Window
from sse_server.wire.position import Positions

Part = tuple[list[int], list[bytes], bool]
"""Offsets and their blocks, and whether there is more."""

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
    last: int = 0
    """The last id in it."""
    skipped: int = 0
    """Frames left out for who lags."""
    conflated: int = 0
    """Frames left out for a later one with their key."""
    closes: bool = False
    """The stream ends with it."""


def count(windows: Sequence[Window], place: int) -> int:
    """Frames that were ever appended up to `place`; those evicted beyond it count as well."""
    return sum([window.count(place) for window in windows if window.options.is_counted])


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


def missed(windows: Sequence[Window]) -> Sequence[Window]:
    """Those whose frames are missed when they are left out; all, where none are."""
    return [window for window in windows if not window.options.ephemeral] or windows


def passed(windows: Sequence[Window], place: int, end: int) -> int:
    """Frames held beyond `place` up to and with `end`."""
    return sum(window.index(end) - window.index(place) for window in windows)


def read(windows: Sequence[Window], place: int, newest: int, budget: int) -> Reading | None:
    """Read beyond a place from which nothing is lost. None: nothing is there."""
    if len(windows) == 1:
        window = windows[0]
        start, stop = window.span(place, budget)
        if start == stop:
            return None
        unread = len(window.offsets) - stop
        last = window.offsets[stop - 1]
        blocks = window.blocks[start:stop]
        seen = window.total - unread if window.options.is_counted else 0
        end = last if unread else newest
        return Reading(blocks, stop - start, end, seen, unread > 0, last=last)
    offsets, blocks, cut = _merge(windows, place, budget)
    if not blocks:
        return None
    last = offsets[-1]
    end = last if cut else newest
    return Reading(blocks, len(blocks), end, count(windows, end), cut, last=last)


def read_lossy(  # noqa: PLR0913 (the state of a reader; called in one place)
    windows: Sequence[Window],
    place: int,
    newest: int,
    budget: int,
    *,
    after_gap: AfterGap = AfterGap.EARLIEST,
    seen: int,
    affected: Sequence[Window],
    positions: Positions,
) -> Reading:
    """Read beyond a place from which `affected` lost frames; gaps are told where they stand.

    `seen` is what the reader had up to `place` when it got there; what was evicted since is what it
    lost. Where the stream does not go on with the oldest frame held, what it passes over is lost to
    it as well.
    """
    if after_gap is AfterGap.EARLIEST:
        part = _merge(windows, place, budget)
        return finish(
            windows, part, place, newest, seen=seen, affected=affected, positions=positions
        )
    closes = after_gap is AfterGap.CLOSE
    # Beyond all that is lost, forgiven or not: who comes back from there is not told again.
    at = max(window.lost for window in windows) if closes else newest
    return pass_over(
        windows,
        place,
        newest,
        at,
        reason=reason(affected[-1]),
        closes=closes,
        seen=seen,
        affected=affected,
        positions=positions,
    )


def pass_over(  # noqa: PLR0913 (the same)
    windows: Sequence[Window],
    place: int,
    newest: int,
    at: int,
    *,
    reason: str,
    closes: bool,
    seen: int,
    affected: Sequence[Window],
    positions: Positions,
) -> Reading:
    """Read nothing but a gap, that stands at `at` and tells of everything up to there."""
    missing = [w for w in missed(windows) if w in affected or w.index(at) > w.index(place)]
    lost = how_many_lost(windows, place, seen, missing)
    gap = Gap(
        windows=missing,
        at=at,
        requested=positions.encode(place),
        reason=reason,
        lost=None if lost is None else lost + passed(missing, place, at),
    )
    blocks = [gap.block(positions, newest)]
    return Reading(blocks, 0, at, count(windows, at), closes, [gap], last=at, closes=closes)


def finish(  # noqa: PLR0913 (the same)
    windows: Sequence[Window],
    part: Part,
    place: int,
    newest: int,
    *,
    seen: int,
    affected: Sequence[Window],
    positions: Positions,
) -> Reading:
    """Make a reading of what was read, with the gaps that are due in it.

    A reading that is cut before a gap says nothing of it: a later one will. How many were lost is
    known of all channels together, so the last gap that is due bears the number for all.
    """
    offsets, blocks, cut = part
    frames = len(blocks)
    end = offsets[-1] if cut else newest
    due = sorted([window for window in affected if window.lost <= end], key=lambda w: w.lost)
    lost: int | None = None
    if len(due) == len(affected):
        lost = how_many_lost(windows, place, seen, affected)
        seen = count(windows, end)
    elif seen != UNKNOWN_COUNT:
        seen += count(windows, end) - count(windows, place)
    gaps = _gaps(due, offsets, positions.encode(place), lost)
    for gap in reversed(gaps):
        blocks.insert(bisect_right(offsets, gap.at), gap.block(positions, newest))
    last = max([*offsets[-1:], *[gap.at for gap in gaps]], default=end)
    return Reading(blocks, frames, end, seen, cut, gaps, last=last)


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


def how_many_lost(
    windows: Sequence[Window], place: int, seen: int, affected: Sequence[Window]
) -> int | None:
    """Frames that a reader lost who had `seen` when it came to `place`; None: not known."""
    if seen == UNKNOWN_COUNT or not all(window.options.is_counted for window in affected):
        return None
    return count(windows, place) - seen


def _merge(windows: Sequence[Window], place: int, budget: int) -> Part:
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
    if horizon is not None:
        entries = entries[: bisect_right(entries, horizon, key=itemgetter(0))]
    offsets, blocks, cut = cut_to_budget(entries, budget)
    return offsets, blocks, cut or horizon is not None


def cut_to_budget(entries: Sequence[tuple[int, bytes]], budget: int) -> Part:
    """The first of `entries` that fit, at least one if there is one."""
    stop = len(entries)
    for index, (_, block) in enumerate(entries):
        budget -= len(block)
        if budget < 0:
            stop = max(1, index)
            break
    kept = entries[:stop]
    return [offset for offset, _ in kept], [block for _, block in kept], stop < len(entries)
