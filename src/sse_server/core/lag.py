"""Reading for who lags: fewer frames than are pending, and the difference told or conflated.

`drop` keeps the newest of normal priority, as many as the bound, and tells of the others first: the
gap stands right before what is kept, so that a client that is cut anywhere behind it has been told.
`latest` keeps what no later frame with its key supersedes; that loses nothing.
"""

from collections.abc import Sequence
from heapq import nlargest

from sse_server.core.gap import LAGGED, Gap
from sse_server.core.policy import AfterGap, LagPolicy, Policy
from sse_server.core.reading import (
    Reading,
    count,
    cut_to_budget,
    finish,
    how_many_lost,
    missed,
    pass_over,
    passed,
)
from sse_server.core.window import Window
from sse_server.wire.position import Positions

Entry = tuple[int, bytes]


def pending(windows: Sequence[Window], place: int) -> int:
    """Frames held beyond `place` that would be missed."""
    return sum(len(window.offsets) - window.index(place) for window in missed(windows))


def read_lagging(  # noqa: PLR0913 (the state of a reader; called in one place)
    windows: Sequence[Window],
    place: int,
    newest: int,
    budget: int,
    *,
    policy: Policy,
    seen: int,
    affected: Sequence[Window],
    positions: Positions,
) -> Reading:
    """Read beyond a place for who lags; `affected` have lost something beyond it.

    Fleeting frames (presence) are not bounded, and nothing is told of those left out.
    """
    if policy.lag is LagPolicy.LATEST:
        entries = _current(windows, place)
        offsets, blocks, cut = cut_to_budget(entries, budget)
        reading = finish(
            windows,
            (offsets, blocks, cut),
            place,
            newest,
            seen=seen,
            affected=affected,
            positions=positions,
        )
        reading.conflated = passed(windows, place, reading.place) - reading.frames
        return reading
    floor = max([place, *(window.lost for window in affected)])
    bounded = missed(windows)
    fleeting = [window for window in windows if window not in bounded]
    kept = nlargest(policy.max_lag_frames, _normal(bounded, floor, policy.max_lag_frames))
    kept += _beyond(fleeting, floor)
    kept.sort()
    offsets, blocks, cut = cut_to_budget(kept, budget)
    end = offsets[-1] if cut else newest
    skipped = passed(bounded, place, end) + passed(fleeting, floor, end) - len(blocks)
    if skipped and policy.after_gap is not AfterGap.EARLIEST:
        closes = policy.after_gap is AfterGap.CLOSE
        return pass_over(
            windows,
            place,
            newest,
            (offsets[0] - 1 if offsets else end) if closes else newest,
            reason=LAGGED,
            closes=closes,
            seen=seen,
            affected=affected,
            positions=positions,
        )
    lost = how_many_lost(windows, place, seen, affected)
    reading = Reading(blocks, len(blocks), end, count(windows, end), cut, skipped=skipped)
    reading.last = offsets[-1] if offsets else end
    if skipped or affected:
        kept_offsets = frozenset(offsets)
        gap = Gap(
            windows=[w for w in bounded if w in affected or _skips(w, place, end, kept_offsets)],
            at=offsets[0] - 1 if offsets else end,
            requested=positions.encode(place),
            reason=LAGGED,
            lost=None if lost is None else lost + skipped,
        )
        blocks.insert(0, gap.block(positions, newest))
        reading.gaps = [gap]
    return reading


def _skips(window: Window, place: int, end: int, kept: frozenset[int]) -> bool:
    """Whether frames of this window are among those left out."""
    return not kept.issuperset(window.offsets[window.index(place) : window.index(end)])


def _normal(windows: Sequence[Window], floor: int, most: int) -> list[Entry]:
    """The newest frames of normal priority beyond `floor`, at most so many of each window."""
    entries: list[Entry] = []
    for window in windows:
        taken = 0
        for index in range(len(window.offsets) - 1, window.index(floor) - 1, -1):
            mark = window.marks[index]
            if mark is None or not mark.is_low:
                entries.append((window.offsets[index], window.blocks[index]))
                taken += 1
                if taken == most:
                    break
    return entries


def _current(windows: Sequence[Window], place: int) -> list[Entry]:
    """The newest frame of each key, where that is beyond `place`, in order."""
    entries: list[Entry] = _beyond([window for window in windows if window.current is None], place)
    for window in windows:
        if window.current is None:  # fleeting: the others are all conflated
            continue
        for offset in reversed(window.current.values()):
            if offset <= place:
                break
            entries.append((offset, window.blocks[window.index(offset - 1)]))
    entries.sort()
    return entries


def _beyond(windows: Sequence[Window], place: int) -> list[Entry]:
    """All frames held beyond `place`, window by window."""
    entries: list[Entry] = []
    for window in windows:
        start = window.index(place)
        entries += zip(window.offsets[start:], window.blocks[start:], strict=True)
    return entries
