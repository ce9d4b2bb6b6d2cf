"""Files: keys that are read again when they change, and the state that outlives a restart."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from sse_server.auth.key_source import Kind
from sse_server.auth.keys import InvalidKey
from sse_server.auth.state import InvalidState, State
from sse_server.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sse_server.auth.key_ring import KeySet

MAX_KEY_FILE_BYTES = 64 * 1024

_Stamp = tuple[int, int, int]


class KeyFiles:
    """The sets of keys that are files."""

    def __init__(self, sets: Iterable[KeySet], now: float) -> None:
        """Read them.

        Raises:
            ConfigurationError: one cannot be read, or has no key.
        """
        self._sets = [one for one in sets if one.source.kind is Kind.FILE]
        self._stamps: dict[KeySet, _Stamp | None] = {}
        for one in self._sets:
            try:
                self._read(one, now)
            except (OSError, InvalidKey) as error:
                raise ConfigurationError(
                    setting="AuthOptions.keys",
                    problem=f"{one.source.value} {_told(error)}",
                    mend="name a file with a key that this user may read",
                ) from None

    def read_changed(self, now: float) -> list[tuple[str, str]]:
        """Read those again that have changed. Returns which could not be, and why."""
        failed: list[tuple[str, str]] = []
        for one in self._sets:
            if _stamp(one.source.value) == self._stamps[one]:
                continue
            try:
                self._read(one, now)
            except (OSError, InvalidKey) as error:
                failed.append((one.source.value, _told(error)))
        return failed

    def _read(self, one: KeySet, now: float) -> None:
        name = one.source.value
        self._stamps[one] = _stamp(name)
        with Path(name).open("rb") as file:
            content = file.read(MAX_KEY_FILE_BYTES + 1)
        if len(content) > MAX_KEY_FILE_BYTES:
            raise InvalidKey("is too long for a key")
        one.take(content, now)


def load_state(name: str) -> State:
    """What stands in the file; one that is not there is made.

    Raises:
        ConfigurationError: it cannot be.
    """
    try:
        with contextlib.suppress(FileNotFoundError):
            return State.read(Path(name).read_bytes())
        state = State.new()
        save_state(name, state)
    except (OSError, InvalidState) as error:
        raise ConfigurationError(
            setting="AuthOptions.state_file",
            problem=f"{name} {_told(error)}",
            mend="name a file that this user may read and write, or none",
        ) from None
    return state


def save_state(name: str, state: State) -> None:
    """Write it: whole, or not at all; for nobody else to read.

    Raises:
        OSError: it cannot be.
    """
    new = f"{name}.new"
    with contextlib.suppress(FileNotFoundError):
        Path(new).unlink()
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(state.write())
        file.flush()
        os.fsync(file.fileno())
    Path(new).replace(name)


def _stamp(name: str) -> _Stamp | None:
    """What differs when a file has changed."""
    try:
        facts = Path(name).stat()
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_size, facts.st_ino


def _told(error: Exception) -> str:
    """What is wrong, without the name, which stands before it."""
    if isinstance(error, OSError):
        return f"cannot be read or written ({error.strerror or type(error).__name__})"
    return f"is not what it should be ({error})"
