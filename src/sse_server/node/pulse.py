"""Signs of life, given from the loop of a server: when it hangs there are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from sse_server.core.hub import Hub
    from sse_server.node.notify import Manager

_INTERVAL_SECONDS = 10.0  # for people who look at the status; a shorter watchdog hears more often


class Pulse:
    """Tells a manager again and again that the loop turns, and how much it has to do."""

    def __init__(self, manager: Manager, hub: Hub, loop: asyncio.AbstractEventLoop) -> None:
        """Begins at once."""
        self._manager = manager
        self._hub = hub
        self._loop = loop
        watchdog = manager.watchdog_seconds
        # Half of it, as sd_watchdog_enabled(3) advises: one that is late is still in time.
        self._interval = _INTERVAL_SECONDS if watchdog is None else watchdog / 2
        self._interval = min(self._interval, _INTERVAL_SECONDS)
        self._at = loop.time()
        self._published = hub.published
        self._delivered = hub.pump.frames
        self._beat()

    def stop(self) -> None:
        """No sign is given after this."""
        self._handle.cancel()

    def _beat(self) -> None:
        self._handle = self._loop.call_later(self._interval, self._beat)
        self._manager.alive(self._status())

    def _status(self) -> str:
        """What has happened since the last one."""
        hub, now = self._hub, self._loop.time()
        seconds = max(now - self._at, 0.001)  # the first has nothing behind it
        published = (hub.published - self._published) / seconds
        delivered = (hub.pump.frames - self._delivered) / seconds
        self._at, self._published, self._delivered = now, hub.published, hub.pump.frames
        return (
            f"{hub.subscribers:,} streams open; "
            f"events/s: {published:,.0f} published, {delivered:,.0f} delivered"
        )
