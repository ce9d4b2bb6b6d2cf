"""What was given: a value for a key, and how that was written where it was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sse_server.config.values import wanted
from sse_server.errors import ConfigurationError, SSEServerError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sse_server.config.keys import Key
    from sse_server.options import Path


@dataclass(frozen=True, slots=True)
class Given:
    """One value, checked by itself."""

    path: Path
    value: object
    written: str
    """The setting as a message names it: `hub.lane_size in sse.toml`, a variable, a flag."""
    origin: str
    """The file, the variable or the flag."""


class InvalidConfiguration(SSEServerError):  # noqa: N818 (public name: it says what is wrong)
    """Settings that cannot be served with: all that is wrong with them, one line each."""

    def __init__(self, findings: Sequence[ConfigurationError]) -> None:
        """At least one."""
        self.findings = tuple(findings)
        super().__init__("\n".join(map(str, findings)))


def misfit(key: Key, value: object, written: str) -> ConfigurationError:
    """What is told of a value that its key does not take."""
    return ConfigurationError(
        setting=written, problem=f"{key.shown(value)} does not fit", mend=f"write {wanted(key)}"
    )
