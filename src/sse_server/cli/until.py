"""A position that a stream is followed up to."""

from __future__ import annotations

from sse_server.cli.ending import CommandFailed
from sse_server.errors import ConfigurationError
from sse_server.wire.position import PositionFault, Positions, epoch_of


class Until:
    """Compares where a stream stands with where it is to end."""

    __slots__ = ("_offset", "_positions", "_text")

    def __init__(self, position: str) -> None:
        """`position`: as it was printed.

        Raises:
            ConfigurationError: it is none.
        """
        epoch = epoch_of(position.encode())
        if epoch is None:
            raise ConfigurationError(
                setting="--until-id", problem="is no position", mend="write an id that was printed"
            )
        self._text = position
        self._positions = Positions(epoch)
        self._offset = self._offset_of(position)
        assert self._offset is not None

    def is_reached(self, position: str) -> bool:
        """Whether a stream that stands there has all up to the end.

        Raises:
            CommandFailed: the log that the end stood in is gone.
        """
        offset = self._offset_of(position)
        return offset is not None and self._offset is not None and offset >= self._offset

    def is_passed(self, position: str) -> bool:
        """Whether what stands there stands behind the end.

        Raises:
            CommandFailed: the log that the end stood in is gone.
        """
        return self.is_reached(position) and self._offset_of(position) != self._offset

    def _offset_of(self, position: str) -> int | None:
        """None where a stream has no position yet."""
        offset = self._positions.parse(position.encode())
        if offset is PositionFault.FOREIGN_EPOCH:
            raise CommandFailed(
                f"{self._text} will not come: the server has another log now, at {position}"
            )
        return offset if isinstance(offset, int) else None
