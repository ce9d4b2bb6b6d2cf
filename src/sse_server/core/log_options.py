"""Options of the log: how much stays in memory, of which channels."""

from dataclasses import dataclass, field
from typing import Annotated

from sse_server.core.presence import PRESENCE_OPTIONS, SUFFIX
from sse_server.core.window import ChannelOptions
from sse_server.errors import ConfigurationError, quoted
from sse_server.options import Bounds, Options
from sse_server.wire.channel_name import is_pattern, matches_all


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOptions(Options):
    """How much of the past stays in memory."""

    max_bytes: Annotated[int, Bounds(1, 1 << 40)] = 256 * 1024 * 1024
    """All channels together, bookkeeping included; the oldest frame of all leaves first."""
    channel: ChannelOptions = field(default_factory=ChannelOptions)
    """For channels that no pattern names."""
    patterns: tuple[tuple[str, ChannelOptions], ...] = ()
    """(pattern, options): an exact name, `prefix*`, or `*`. The first that matches holds."""
    max_burst_bytes: Annotated[int, Bounds(1, 1 << 26)] = 64 * 1024
    """What one write may carry, unless a single event is larger. More would sit in the kernel."""
    max_memo_bytes: Annotated[int, Bounds(0, 1 << 34)] = 16 * 1024 * 1024
    """Bursts that are kept for others at the same place until the pump runs dry."""
    max_tombstones: Annotated[int, Bounds(0, 100_000_000)] = 100_000
    """Forgotten channels of which it is known what they lost."""

    def __post_init__(self) -> None:
        """Refuse patterns that name nothing.

        Raises:
            ConfigurationError: one is malformed, or stands behind one that names all that it does.
        """
        Options.__post_init__(self)
        earlier: list[str] = []
        for pattern, _ in self.patterns:
            if not is_pattern(pattern):
                raise _unfit(f"{quoted(pattern)} is no pattern", "write a channel, prefix* or *")
            for other in earlier:
                if matches_all(other, pattern):
                    problem = f"{quoted(pattern)} never holds, since {quoted(other)} stands before"
                    raise _unfit(problem, "put the narrower one first")
            earlier.append(pattern)

    def of(self, channel: str) -> ChannelOptions:
        """The options that hold for a channel."""
        base, suffix, rest = channel.rpartition(SUFFIX)
        if suffix and not rest and self.of(base).presence:
            return PRESENCE_OPTIONS
        for pattern, options in self.patterns:
            if pattern == channel or (pattern[-1:] == "*" and channel.startswith(pattern[:-1])):
                return options
        return self.channel


def _unfit(problem: str, mend: str) -> ConfigurationError:
    return ConfigurationError(setting="LogOptions.patterns", problem=problem, mend=mend)
