"""Positions: where a frame stands in the log, as clients see it.

A position is the SSE `id`. Inside, a place is an integer offset that only grows; outside it is
`epoch-offset`. The epoch names the log the offset belongs to, so that a position from a log that is
gone is recognised instead of being mistaken for one of this log. Only this module looks inside.
"""

import re
import secrets
from enum import StrEnum

_EPOCH_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_EPOCH_LENGTH = 8  # 36^8 is 41 bits: two restarts that meet are one in 2.8 million million
_POSITION = re.compile(rb"([a-z0-9]{1,32})-(0|[1-9][0-9]{0,18})")  # 19 digits fit in 64 bits


class PositionFault(StrEnum):
    """Why a position that a client sent cannot be resumed from."""

    MALFORMED = "malformed"
    FOREIGN_EPOCH = "foreign-epoch"
    FUTURE = "future"


def new_epoch() -> bytes:
    """Name a new log. Random, so that no clock and no earlier run is needed to be different."""
    return "".join(secrets.choice(_EPOCH_ALPHABET) for _ in range(_EPOCH_LENGTH)).encode()


def epoch_of(position: bytes) -> bytes | None:
    """The log that `position` belongs to; None if it is no position."""
    match = _POSITION.fullmatch(position)
    return None if match is None else match[1]


class Positions:
    """Makes and reads the positions of one epoch."""

    __slots__ = ("_prefix", "epoch")

    def __init__(self, epoch: bytes) -> None:
        """`epoch`: 1 to 32 of `[a-z0-9]`."""
        assert _POSITION.fullmatch(epoch + b"-0"), epoch
        self.epoch = epoch
        self._prefix = epoch + b"-"

    def encode(self, offset: int) -> bytes:
        """The position of `offset` in this epoch."""
        return b"%b%d" % (self._prefix, offset)

    def parse(self, position: bytes) -> int | PositionFault:
        """The offset that `position` names, or why it names none.

        Whether the offset lies in the future is for the log to say.
        """
        match = _POSITION.fullmatch(position)
        if match is None:
            return PositionFault.MALFORMED
        if match[1] != self.epoch:
            return PositionFault.FOREIGN_EPOCH
        return int(match[2])
