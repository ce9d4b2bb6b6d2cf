"""What one subscriber reads by itself, because it differs from what its group does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sse_server.core.lag import read_lagging
from sse_server.core.policy import AfterGap
from sse_server.core.reading import losers, read, read_lossy

if TYPE_CHECKING:
    from sse_server.core.burst import Burst
    from sse_server.core.group import Group
    from sse_server.core.log import Log
    from sse_server.core.reading import Reading
    from sse_server.core.subscriber import Subscriber


def needs_own_reading(reader: Subscriber) -> bool:
    """Whether what it is to be sent next differs from what its group is."""
    place = reader.place
    if reader.start is not None or reader.lags:
        return True
    for channel in reader.beside:
        if channel.window.newest > place:
            return True
    return bool(losers(reader.windows, place))


def read_alone(reader: Subscriber, log: Log, group: Group) -> Burst | None:
    """What stands beyond its place on all that it follows. None: nothing does."""
    windows, place = reader.windows, reader.place
    beyond = (windows, place, log.newest, log.options.max_burst_bytes)
    affected = losers(windows, place, reader.start.forgiven if reader.start else None)
    reading: Reading | None = None
    if affected or reader.slow:  # rarely: a policy takes longer than reading
        policy, seen, positions = reader.policy, reader.seen, log.positions
        goes_on = not affected or policy.after_gap is AfterGap.EARLIEST
        if goes_on and reader.lags:
            reading = read_lagging(
                *beyond, policy=policy, seen=seen, affected=affected, positions=positions
            )
        elif affected:
            after_gap = policy.after_gap
            reading = read_lossy(
                *beyond, after_gap=after_gap, seen=seen, affected=affected, positions=positions
            )
    if reading is None:
        reading = read(*beyond)
    return None if reading is None else log.burst(reading, group.framing)
