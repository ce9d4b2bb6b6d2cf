"""Signs of life come from the loop, in time for the watchdog."""

import asyncio
import time

import pytest

from sse_server import Server, ServerOptions
from sse_server.node.notify import Manager
from sse_server.node.pulse import Pulse


class Listening(Manager):
    """A manager that keeps what it is told."""

    def __init__(self, watchdog_seconds: float | None) -> None:
        super().__init__("", watchdog_seconds)
        self.statuses: list[str] = []
        self.told = asyncio.Event()

    def alive(self, status: str) -> None:
        self.statuses.append(status)
        self.told.set()


async def _told_again(manager: Listening) -> None:
    manager.told.clear()
    await manager.told.wait()


def test_the_status_counts_what_has_happened_since_the_last() -> None:
    async def main() -> None:
        async with Server(ServerOptions(bind=())) as server:
            manager = Listening(0.02)
            pulse = Pulse(manager, server.hub, asyncio.get_running_loop())
            assert manager.statuses == ["0 streams open; events/s: 0 published, 0 delivered"]
            for _ in range(1_000):
                await server.publish("news", "x")
            while not any("published" in s and ": 0 published" not in s for s in manager.statuses):
                await _told_again(manager)
            while ": 0 published" not in manager.statuses[-1]:
                await _told_again(manager)
            pulse.stop()

    asyncio.run(main())


def test_a_loop_that_hangs_gives_no_sign() -> None:
    async def main() -> None:
        async with Server(ServerOptions(bind=())) as server:
            manager = Listening(0.02)
            pulse = Pulse(manager, server.hub, asyncio.get_running_loop())
            await _told_again(manager)
            before = len(manager.statuses)
            time.sleep(0.1)  # noqa: ASYNC251 (this is the test)
            assert len(manager.statuses) == before
            await _told_again(manager)
            pulse.stop()
            told = len(manager.statuses)
            await asyncio.sleep(0.05)
            assert len(manager.statuses) == told

    asyncio.run(main())


@pytest.mark.parametrize(
    ("watchdog_seconds", "interval"), [(None, 10.0), (60.0, 10.0), (30.0, 10.0), (4.0, 2.0)]
)
def test_it_beats_at_half_of_the_watchdog(watchdog_seconds: float | None, interval: float) -> None:
    async def main() -> None:
        async with Server(ServerOptions(bind=())) as server:
            manager = Listening(watchdog_seconds)
            pulse = Pulse(manager, server.hub, asyncio.get_running_loop())
            assert pulse._handle.when() - pulse._at == pytest.approx(interval, abs=1.0)
            pulse.stop()

    asyncio.run(main())
