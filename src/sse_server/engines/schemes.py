"""Engines by the scheme of their URL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sse_server.engines.memory import MemoryEngine
from sse_server.errors import ConfigurationError, quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    from sse_server.engines.base import Engine
    from sse_server.engines.idempotency import IdempotencyOptions

    Clock = Callable[[], float]
    Make = Callable[[str, Clock, IdempotencyOptions], Engine]


def _make_memory(rest: str, clock: Clock, idempotency: IdempotencyOptions) -> Engine:
    if rest not in ("", "//"):
        raise ConfigurationError(
            setting="ServerOptions.engine",
            problem="the memory engine keeps nothing anywhere, so nothing can stand behind memory:",
            mend="write memory:",
        )
    return MemoryEngine(clock, idempotency)


_SCHEMES: dict[str, tuple[str, Make]] = {
    "memory": ("memory: (what is published is gone with the process)", _make_memory),
}
"""By scheme: what to write, and what makes the engine of what stands behind the colon."""


def make_engine(url: str, clock: Clock, idempotency: IdempotencyOptions) -> Engine:
    """The engine that `url` names, not started: nothing is opened before `start`.

    Raises:
        ConfigurationError: it names none, or not well.
    """
    scheme, _, rest = url.partition(":")
    if scheme not in _SCHEMES:
        known = " or ".join(example for example, _ in _SCHEMES.values())
        raise ConfigurationError(
            setting="ServerOptions.engine",
            problem=f"there is no engine {quoted(scheme)}",
            mend=f"write {known}",
        )
    return _SCHEMES[scheme][1](rest, clock, idempotency)
