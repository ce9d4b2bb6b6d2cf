"""A process that serves until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from typing import TYPE_CHECKING

from sse_server.node.logs import LoggingOptions, configure
from sse_server.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from sse_server.server import ServerOptions

# A full collection walks every object of every connection, and nothing is sent meanwhile. Almost
# nothing here is cyclic, so it may come rarely.
_GC_THRESHOLDS = (50_000, 20, 100)


def serve(
    options: ServerOptions,
    announce: Callable[[Server], None],
    logs: LoggingOptions | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM, then end cleanly; a second signal ends at once.

    `announce` is called when the server listens.

    Raises:
        ConfigurationError: the options cannot be served with.
    """
    configure(logs or LoggingOptions())
    server = Server(options)
    gc.set_threshold(*_GC_THRESHOLDS)
    _run(_serve(server, announce))


async def _serve(server: Server, announce: Callable[[Server], None]) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()

    def stop() -> None:
        if stopped.is_set():
            sys.exit(1)
        stopped.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    async with server:
        gc.collect()
        gc.freeze()  # what stands now stays: no collection need look at it again
        announce(server)
        await stopped.wait()


def _run(main: Coroutine[None, None, None]) -> None:
    """Run on uvloop where there is one."""
    try:
        import uvloop  # noqa: PLC0415 (absent on some platforms)
    except ImportError:
        factory = None
    else:
        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main)
