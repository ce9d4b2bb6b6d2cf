"""File descriptors: how many connections there are some for."""

import resource
import sys
from pathlib import Path

RESERVED_DESCRIPTORS = 32
"""For everything but connections: an engine's files and sockets, logs, what the application opens,
and connections that are being accepted while the last one is counted."""


def spare_descriptors() -> int:
    """How many more this process may open and still have its reserve; at least one."""
    limit, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return sys.maxsize
    taken = sum(1 for _ in Path("/dev/fd").iterdir())
    return max(1, limit - taken - RESERVED_DESCRIPTORS)
