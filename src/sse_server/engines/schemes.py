"""Engines by the scheme of their URL."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sse_server.core.log_options import LogOptions
from sse_server.engines.idempotency import IdempotencyOptions
from sse_server.engines.memory import MemoryEngine
from sse_server.engines.sqlite.options import SqliteOptions
from sse_server.errors import ConfigurationError, quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    from sse_server.engines.base import Engine


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """What engines are made with."""

    clock: Callable[[], float] = time.monotonic
    """Monotonic seconds."""
    idempotency: IdempotencyOptions = field(default_factory=IdempotencyOptions)
    log: LogOptions = field(default_factory=LogOptions)
    """With the options of channels."""
    sqlite: SqliteOptions = field(default_factory=SqliteOptions)


def _make_memory(rest: str, settings: EngineSettings) -> Engine:
    if rest not in ("", "//"):
        raise ConfigurationError(
            setting="ServerOptions.engine",
            problem="the memory engine keeps nothing anywhere, so nothing can stand behind memory:",
            mend="write memory:",
        )
    return MemoryEngine(settings.clock, settings.idempotency)


def _make_sqlite(rest: str, settings: EngineSettings) -> Engine:
    try:
        from sse_server.engines.sqlite.engine import SqliteEngine  # noqa: PLC0415 (may be absent)
        from sse_server.engines.sqlite.file import parse_path  # noqa: PLC0415
    except ImportError as error:
        raise ConfigurationError(
            setting="ServerOptions.engine",
            problem=f"SQLite is not to be had: {error}",
            mend="use a Python that was built with it",
        ) from error
    path = parse_path(rest)
    return SqliteEngine(path, settings.sqlite, settings.log, settings.idempotency, settings.clock)


_SCHEMES: dict[str, tuple[str, Callable[[str, EngineSettings], Engine]]] = {
    "memory": ("memory: (what is published is gone with the process)", _make_memory),
    "sqlite": ("sqlite:///PATH (it is kept in a file)", _make_sqlite),
}
"""By scheme: what to write, and what makes the engine of what stands behind the colon."""


def make_engine(url: str, settings: EngineSettings) -> Engine:
    """The engine that `url` names: nothing is opened before `open`.

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
    return _SCHEMES[scheme][1](rest, settings)
