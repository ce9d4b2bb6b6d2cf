"""The TOML file."""

from __future__ import annotations

import tomllib
from pathlib import Path as FilePath
from typing import TYPE_CHECKING

from sse_server.config.given import Given, misfit
from sse_server.config.keys import CHANNEL_KEYS, CHANNELS, KEYS, REST, SECTIONS, Key, nearest
from sse_server.config.values import read_value
from sse_server.errors import ConfigurationError, quoted

if TYPE_CHECKING:
    from sse_server.options import Path


def read_file(name: str, setting: str) -> tuple[list[Given], list[ConfigurationError]]:
    """What the file gives, in its order, and all that is wrong with it.

    `setting` is what named the file.
    """
    try:
        table = tomllib.loads(FilePath(name).read_text(encoding="utf-8"))
    except OSError as error:
        problem = f"{quoted(name)} cannot be read: {error.strerror or error}"
        return [], [_error(setting, problem, "name a TOML file that this user may read")]
    except ValueError as error:  # no TOML, or not even UTF-8
        mend = 'mend that; a name with other characters than A-Z a-z 0-9 _ - stands in "quotes"'
        return [], [_error(name, f"the file is no TOML: {error}", mend)]
    reader = _Reader(name)
    channels = table.pop(CHANNELS, {})
    reader.read(table, ())
    reader.read_channels(channels)
    return reader.given, reader.findings


_NAMES = [
    *(key.name for key in KEYS.values()),
    *(f'{CHANNELS}."{REST}".{name}' for name in CHANNEL_KEYS),
    *sorted(".".join(section) for section in SECTIONS if section),
    CHANNELS,
]


class _Reader:
    """Goes through the tables of one file."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.given: list[Given] = []
        self.findings: list[ConfigurationError] = []

    def read(self, table: dict[str, object], section: Path) -> None:
        """A section, and all within it."""
        for name, value in table.items():
            path = (*section, name)
            if path in KEYS:
                self._take(KEYS[path], path, value)
            elif path in SECTIONS and not isinstance(value, dict):
                self._refuse(path, "is a section", f"write [{'.'.join(path)}] and its keys below")
            elif isinstance(value, dict) and (value or path in SECTIONS):
                self.read(value, path)
            else:
                self._refuse_name(path, _NAMES)

    def read_channels(self, sections: object) -> None:
        """The sections of channels."""
        if not isinstance(sections, dict):
            self._refuse((CHANNELS,), "is a section", f'write [{CHANNELS}."news:*"] for each')
            return
        for pattern, table in sections.items():
            section = (CHANNELS, pattern)
            if not isinstance(table, dict):
                mend = f'write it below [{CHANNELS}."*"], or another pattern'
                self._refuse(section, "is no section", mend)
                continue
            if not table and pattern != REST:
                # It holds, and says that everything is as for the rest.
                self.given.append(Given(section, None, self._written(section), self._name))
            for name, value in table.items():
                if name in CHANNEL_KEYS:
                    self._take(CHANNEL_KEYS[name], (*section, name), value)
                else:
                    self._refuse_name((*section, name), list(CHANNEL_KEYS))

    def _take(self, key: Key, path: Path, value: object) -> None:
        written = self._written(path)
        try:
            self.given.append(Given(path, read_value(key, value), written, self._name))
        except ValueError:
            self.findings.append(misfit(key, value, written))

    def _refuse_name(self, path: Path, known: list[str]) -> None:
        name = path[-1] if path[0] == CHANNELS else ".".join(path)
        meant = nearest(name, known)
        mend = "docs/configuration.md lists them" if meant is None else f"did you mean {meant}?"
        self._refuse(path, "there is no such key", mend)

    def _refuse(self, path: Path, problem: str, mend: str) -> None:
        self.findings.append(_error(self._written(path), problem, mend))

    def _written(self, path: Path) -> str:
        return f"{'.'.join(map(bare_or_quoted, path))} in {self._name}"


def bare_or_quoted(name: str) -> str:
    """A name as TOML has it."""
    is_bare = name.isascii() and name.replace("_", "a").replace("-", "a").isalnum()
    return name if is_bare else f'"{name}"' if name.isprintable() else quoted(name)


def _error(setting: str, problem: str, mend: str) -> ConfigurationError:
    return ConfigurationError(setting=setting, problem=problem, mend=mend)
