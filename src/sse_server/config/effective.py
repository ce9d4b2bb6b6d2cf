"""The settings that hold, as a TOML file that says where each comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sse_server.config.file import bare_or_quoted
from sse_server.config.keys import CHANNEL_KEYS, CHANNELS, KEYS, REST, Key
from sse_server.config.values import as_toml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sse_server.config.reading import Reading
    from sse_server.core.window import ChannelOptions
    from sse_server.options import Options, Path


def effective_toml(reading: Reading) -> str:
    """A file that sets everything as `reading` has it; secrets are masked."""
    return "\n".join(_lines(reading)) + "\n"


def _lines(reading: Reading) -> Iterator[str]:
    section: Path = ()
    for path, key in KEYS.items():
        if path[:-1] != section:
            section = path[:-1]
            yield ""
            yield f"[{'.'.join(section)}]"
        options: Options = reading.settings.server
        inner = path
        if path[0] == "logging":
            options, inner = reading.settings.logging, path[1:]
        for name in inner[:-1]:
            options = getattr(options, name)
        yield _line(key, getattr(options, path[-1]), _origin(reading, path))
    log = reading.settings.server.hub.log
    sections: list[tuple[str, ChannelOptions]] = [*log.patterns, (REST, log.channel)]
    for pattern, channel in sections:
        yield ""
        yield f"[{CHANNELS}.{bare_or_quoted(pattern)}]"
        for name, key in CHANNEL_KEYS.items():
            own = (CHANNELS, pattern, name)
            path = own if own in reading.given else (CHANNELS, REST, name)
            yield _line(key, getattr(channel, name), _origin(reading, path))


def _line(key: Key, value: object, origin: str) -> str:
    if key.facts.secret is not None and value:
        value = key.facts.secret.mask(value)
    return f"{key.path[-1]} = {as_toml(value)}  # {origin}"


def _origin(reading: Reading, path: Path) -> str:
    given = reading.given.get(path)
    return "default" if given is None else " ".join(given.origin.split())
