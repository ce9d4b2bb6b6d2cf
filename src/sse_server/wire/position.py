"""Positions: where a frame stands in the log, as clients see it.

A position is the SSE `id`. Inside, a place is an integer offset that only grows; outside it is
`epoch-offset`. The epoch names the log the offset belongs to, so that a position from a log that is
gone is recognised instead of being mistaken for one of this log. A log may go on in a new epoch:
then positions of the former are good up to where it ended. Only this module looks inside.
"""

import re
import secrets
from bisect import bisect_left
from collections.abc import Sequence
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
    """Makes and reads the positions of one log, through all epochs that it went through."""

    __slots__ = ("_begin", "_begins", "_ends", "_former", "_prefix", "epoch")

    def __init__(
        self, epoch: bytes, begin: int = -1, former: Sequence[tuple[bytes, int]] = ()
    ) -> None:
        """`epoch`: 1 to 32 of `[a-z0-9]`; it has the offsets beyond `begin`.

        `former`: the epochs that came before, oldest first, each with where it began. Each ended
        where the next began.
        """
        assert _POSITION.fullmatch(epoch + b"-0"), epoch
        self.epoch = epoch
        self._prefix = epoch + b"-"
        self._begin = begin
        self._former = [name for name, _ in former]
        self._begins = [start for _, start in former]
        self._ends = dict(zip(self._former, [*self._begins[1:], begin], strict=False))

    def begin(self, epoch: bytes, begin: int) -> None:
        """Another epoch has the offsets beyond `begin`. Those that the last one had are gone."""
        former = [*zip(self._former, self._begins, strict=True), (self.epoch, self._begin)]
        # An epoch that began where nothing is left gave nothing that is.
        former = [one for one in former if one[1] < begin or one[1] < 0]
        self.__init__(epoch, begin, former)  # type: ignore[misc]  # all anew, in place

    def encode(self, offset: int) -> bytes:
        """The position of `offset`: for ever the same, in the epoch that gave it."""
        if offset > self._begin:
            return b"%b%d" % (self._prefix, offset)
        return b"%b-%d" % (self.span(offset)[0], offset)

    def span(self, offset: int) -> tuple[bytes, int | None]:
        """The epoch that gave `offset`, and up to where that epoch goes; None: it goes on."""
        if offset > self._begin or not self._former:
            return self.epoch, None
        # What was before the first that is known goes by that one's name.
        name = self._former[max(0, bisect_left(self._begins, offset) - 1)]
        return name, self._ends[name]

    def parse(self, position: bytes) -> int | PositionFault:
        """The offset that `position` names, or why it names none.

        Whether the offset lies in the future of the epoch that goes on is for the log to say. One
        beyond the end of a former epoch is of a log that is gone: it was lost with a crash, or when
        an older copy was restored.
        """
        match = _POSITION.fullmatch(position)
        if match is None:
            return PositionFault.MALFORMED
        epoch, offset = match[1], int(match[2])
        if epoch != self.epoch and offset > self._ends.get(epoch, -1):
            return PositionFault.FOREIGN_EPOCH
        return offset
