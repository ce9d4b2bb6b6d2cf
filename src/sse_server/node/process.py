"""A process that serves until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
from typing import TYPE_CHECKING

from sse_server.errors import ConfigurationError
from sse_server.node.activation import inherited_sockets
from sse_server.node.notify import Manager
from sse_server.node.pulse import Pulse
from sse_server.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from sse_server.server_options import ServerOptions

# A full collection walks every object of every connection, and nothing is sent meanwhile. Almost
# nothing here is cyclic, so it may come rarely.
_GC_THRESHOLDS = (50_000, 20, 100)
_END_SECONDS = 10.0  # what may be left to do when the drain is over, on a machine that is busy


# glibc's M_MMAP_THRESHOLD. uvloop's TLS has a buffer of this size in each connection, and hardly
# uses it. Left alone, glibc takes larger and larger blocks from memory that has been used before: a
# TLS connection with a stream took 57 KB instead of 31.
_MMAP_THRESHOLD = -3
_TLS_BUFFER_BYTES = 256 * 1024


def keep_tls_buffers_unused() -> None:
    """Have malloc take blocks of the size of TLS buffers from fresh memory, where it is glibc's."""
    import ctypes  # noqa: PLC0415 (needed here alone)

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _TLS_BUFFER_BYTES)


def _reload_nothing(_server: Server) -> None:
    """What it serves with was not read from anywhere."""


def serve(
    options: ServerOptions,
    announce: Callable[[Server], None],
    reload: Callable[[Server], None] = _reload_nothing,
) -> None:
    """Serve until SIGINT or SIGTERM, then end cleanly; a second signal ends at once.

    Listens on the sockets that a service manager passes, if it passes any, and tells it how it is.
    `announce` is called when the server listens, `reload` at each SIGHUP.

    Raises:
        ConfigurationError: the options cannot be served with.
    """
    # Whoever sees that it listens may send one, before there is a handler: it waits for that.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    sockets = inherited_sockets(os.environ)
    if not sockets and not options.bind:
        raise ConfigurationError(
            setting="ServerOptions.bind",
            problem="is empty, so nobody could connect",
            mend="name an address, such as 127.0.0.1:8000, or leave it out",
        )
    server = Server(options, sockets=sockets)
    gc.set_threshold(*_GC_THRESHOLDS)
    if options.tls.cert is not None:
        keep_tls_buffers_unused()
    with contextlib.closing(Manager.of(os.environ)) as manager:
        _run(_serve(server, manager, announce, reload))


async def _serve(
    server: Server,
    manager: Manager,
    announce: Callable[[Server], None],
    reload: Callable[[Server], None],
) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()

    def stop() -> None:
        if stopped.is_set():
            sys.exit(1)
        stopped.set()

    def reload_settings() -> None:
        with manager.reloading():
            reload(server)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    async with server:
        gc.collect()
        gc.freeze()  # what stands now stays: no collection need look at it again
        loop.add_signal_handler(signal.SIGHUP, reload_settings)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        announce(server)
        manager.ready()
        pulse = Pulse(manager, server.hub, loop)
        await stopped.wait()
        pulse.stop()
        manager.stopping(server.options.drain_seconds + _END_SECONDS)


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
