"""Reading the configuration: defaults, file, environment, flags; later wins, key by key."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, TypeVar

from sse_server.config.environment import FILE_VARIABLE, read_environment
from sse_server.config.file import read_file
from sse_server.config.given import Given, InvalidConfiguration, misfit
from sse_server.config.keys import CHANNELS, KEYS, PATH_OF_FIELD, REST
from sse_server.config.logging_options import LoggingOptions
from sse_server.config.settings import Settings
from sse_server.config.values import read_value
from sse_server.core.log_options import LogOptions
from sse_server.core.window import ChannelOptions
from sse_server.errors import ConfigurationError
from sse_server.options import Options, Path, field_facts
from sse_server.server_options import ServerOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T", bound=Options)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where settings come from. To be read again on a reload."""

    environ: Mapping[str, str]
    file: str | None = None
    """As a flag names it. None: as the environment does, if at all."""
    file_setting: str = "--config"
    """What named `file`."""
    flags: Mapping[Path, object] = field(default_factory=dict)
    """What the command line gives, by the path of its key."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read."""

    settings: Settings
    given: Mapping[Path, Given]
    """What does not come from the defaults, by path; of channels `("channels", pattern, name)`."""
    file: str | None

    def explain(self, error: ConfigurationError) -> ConfigurationError:
        """An error of the options', naming the setting as it was written."""
        return _explained(error, self.given)


def read(sources: Sources) -> Reading:
    """Read all sources.

    Raises:
        InvalidConfiguration: something is wrong; it says everything that is.
    """
    findings: list[ConfigurationError] = []
    given: dict[Path, Given] = {}
    file, setting = sources.file, sources.file_setting
    if file is None:
        file, setting = sources.environ.get(FILE_VARIABLE), FILE_VARIABLE
    read_all = [read_environment(sources.environ), _read_flags(sources.flags)]
    if file is not None:
        read_all.insert(0, read_file(file, setting))
    for found, wrong in read_all:
        given.update((one.path, one) for one in found)
        findings += wrong
    builder = _Builder(given)
    settings = Settings(
        server=builder.build(ServerOptions), logging=builder.build(LoggingOptions, ("logging",))
    )
    findings += builder.findings
    if findings:
        raise InvalidConfiguration(findings)
    return Reading(settings, given, file)


def _read_flags(flags: Mapping[Path, object]) -> tuple[list[Given], list[ConfigurationError]]:
    given: list[Given] = []
    findings: list[ConfigurationError] = []
    for path, value in flags.items():
        flag = "--" + "-".join(path).replace("_", "-")
        try:
            given.append(Given(path, read_value(KEYS[path], value), flag, flag))
        except ValueError:
            findings.append(misfit(KEYS[path], value, flag))
    return given, findings


def _explained(error: ConfigurationError, given: Mapping[Path, Given]) -> ConfigurationError:
    path = PATH_OF_FIELD.get(error.setting)
    if path is None:
        return error
    setting = given[path].written if path in given else ".".join(path)
    if path == (CHANNELS,):
        origins = [one.origin for one in given.values() if one.path[0] == CHANNELS]
        setting = f"{CHANNELS} in {origins[0]}" if origins else CHANNELS
    return ConfigurationError(setting=setting, problem=error.problem, mend=error.mend)


class _Builder:
    """Makes options of what was given."""

    def __init__(self, given: Mapping[Path, Given]) -> None:
        self._given = given
        self.findings: list[ConfigurationError] = []

    def build(self, kind: type[T], section: Path = ()) -> T:
        """Those that stand at `section`; the defaults, and a finding, where they do not fit."""
        values: dict[str, object] = {}
        facts = field_facts(kind)
        for name in (one.name for one in fields(kind)):
            path = (*section, name)
            inner = facts[name].type
            if path in self._given:
                values[name] = self._given[path].value
            elif isinstance(inner, type) and issubclass(inner, Options):
                values[name] = self.build(inner, path)
        if kind is LogOptions:
            values.update(self._channels())
        try:
            return kind(**values)
        except ConfigurationError as error:
            self.findings.append(_explained(error, self._given))
            return kind()

    def _channels(self) -> dict[str, object]:
        """What a section leaves out is as in the section of the rest."""
        sections: dict[str, dict[str, object]] = {}
        for path, given in self._given.items():
            if path[0] == CHANNELS:
                section = sections.setdefault(path[1], {})
                section.update((name, given.value) for name in path[2:])
        rest = sections.pop(REST, {})
        patterns = tuple(
            (pattern, ChannelOptions(**{**rest, **own}))  # type: ignore[arg-type] # checked by key
            for pattern, own in sections.items()
        )
        channel = ChannelOptions(**rest)  # type: ignore[arg-type] # checked by key
        return {"channel": channel, "patterns": patterns}
