"""Pressure: whether publishers have to wait for those who wait for the pump.

Who waits for the pump must not lose anything, so publishing waits when somebody has waited for
long, and when what has not been read comes near what is held.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sse_server.core.window import FRAME_OVERHEAD_BYTES

if TYPE_CHECKING:
    from sse_server.core.hub import Hub


def is_too_high(hub: Hub, channel: str, size: int) -> bool:
    """Whether a publisher of `size` bytes to `channel` has to wait until the pump is dry.

    Near is half: of the whole log, or of the channel's window.
    """
    pump, log = hub.pump, hub.log
    if pump.busy_since is None:
        return False
    if hub.clock() - pump.busy_since > hub.options.publish_wait_seconds:
        return True
    if (pump.unread_bytes + size) * 2 > log.options.max_bytes:
        return True
    window = log.windows.get(channel)
    if window is None or not window.followed or window.options.ephemeral:
        return False
    unread = len(window.offsets) - window.index(pump.dry_at)
    return unread * 2 > window.options.max_frames or (
        (unread * (window.longest + FRAME_OVERHEAD_BYTES) + size) * 2 > window.options.max_bytes
    )
