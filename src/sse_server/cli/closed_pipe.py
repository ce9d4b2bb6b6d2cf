"""Noticing that nobody reads standard output any more, before there is something to write."""

import os
import select
import stat
import sys
import threading

from sse_server.cli.exits import EXIT_OK


def leave_when_nobody_reads() -> None:
    """End the process, quietly, when the other end of standard output is closed.

    Without this `tail news | head -1` would wait for a second event only to find nobody to take it.
    """
    descriptor = sys.stdout.fileno()
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        threading.Thread(target=_watch, args=(descriptor,), daemon=True).start()


def _watch(descriptor: int) -> None:
    """Wait for an error or a hang-up, which poll tells without being asked for."""
    poll = select.poll()
    poll.register(descriptor, 0)
    poll.poll()
    os._exit(EXIT_OK)  # there is nothing to put in order: what is buffered has no reader
