"""A process that serves: what it prepares before it does."""

import asyncio
import gc
import logging
import os
import signal
import threading
import time

import pytest

from sse_server import Server, ServerOptions
from sse_server.errors import ConfigurationError
from sse_server.node.process import serve


def test_it_announces_when_it_listens_and_returns_when_it_is_told_to_stop() -> None:
    announced: list[str] = []

    def announce(server: Server) -> None:
        announced.extend(server.addresses)
        asyncio.get_running_loop().call_later(0.01, os.kill, os.getpid(), signal.SIGTERM)

    thresholds = gc.get_threshold()
    root = logging.getLogger()
    configured = (root.level, logging.getLogger("sse_server").level, root.handlers.copy())
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        serve(ServerOptions(bind=("127.0.0.1:0",)), announce)
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
        root.setLevel(configured[0])
        logging.getLogger("sse_server").setLevel(configured[1])
        root.handlers[:] = configured[2]
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert announced
    assert announced[0].startswith("127.0.0.1:")


def test_it_starts_nothing_where_nobody_could_connect() -> None:
    with pytest.raises(ConfigurationError, match="nobody could connect"):
        serve(ServerOptions(bind=()), lambda _server: pytest.fail("it listens"))


def test_it_starts_nothing_with_options_that_it_cannot_serve_with() -> None:
    begun = time.monotonic()
    threads = threading.active_count()
    with pytest.raises(ConfigurationError):
        serve(ServerOptions(bind=("0.0.0.0:0",)), lambda _server: pytest.fail("it listens"))
    assert threading.active_count() == threads
    assert time.monotonic() - begun < 1.0
