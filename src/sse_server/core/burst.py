"""Bursts: the bytes of one write."""

from collections.abc import Sequence
from dataclasses import dataclass

from sse_server.core.gap import Gap


@dataclass(slots=True)
class Burst:
    """The bytes of one write, and the place it leads to. Shared by all who stand at one place."""

    data: bytes
    frames: int
    place: int
    seen: int
    cut: bool
    """The budget ended it: there is more."""
    newest: int
    """Of the log when it was read: an uncut burst is good until something is appended."""
    gaps: Sequence[Gap]
    last: int
    """The last id in it."""
    skipped: int
    conflated: int
    closes: bool
