"""Keys: where each option stands in a file, and the variable that sets it.

A key's path is that of its field: `hub.log.max_bytes` is what `ServerOptions().hub.log.max_bytes`
is. The options of channels stand elsewhere, in one section for each pattern:
`[channels."news:*"]`.
"""

from __future__ import annotations

import json
from dataclasses import MISSING, dataclass, fields
from difflib import get_close_matches
from typing import TYPE_CHECKING

from sse_server.config.logging_options import LoggingOptions
from sse_server.core.log_options import LogOptions
from sse_server.core.window import ChannelOptions
from sse_server.errors import quoted
from sse_server.options import FieldFacts, Options, Path, field_facts
from sse_server.server_options import ServerOptions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PREFIX = "SSE_SERVER_"
CHANNELS = "channels"
REST = "*"
"""The section of channels that no other names: `[channels."*"]`."""

_OF_CHANNELS = ("channel", "patterns")  # the fields of LogOptions that are sections of channels


@dataclass(frozen=True, slots=True)
class Key:
    """One thing that can be set."""

    path: Path
    owner: type[Options]
    facts: FieldFacts
    default: object

    @property
    def name(self) -> str:
        """As people write it: `hub.log.max_bytes`."""
        return ".".join(self.path)

    @property
    def variable(self) -> str:
        """The variable that sets it."""
        return PREFIX + "_".join(self.path).upper()

    def shown(self, value: object) -> str:
        """`value` as it may stand in a message."""
        if self.facts.secret is not None:
            value = self.facts.secret.mask(value)
        if isinstance(value, str):
            return quoted(value)
        return quoted(json.dumps(value, default=str))[1:-1]  # true, as in the file, and not True


def keys_of(owner: type[Options], section: Path = ()) -> Iterator[Key]:
    """The keys of a class of options that stands at `section`, those of inner ones after its own.

    So they can be written as TOML in this order.
    """
    facts = field_facts(owner)
    inner: list[tuple[str, type[Options]]] = []
    for field in fields(owner):
        kind = facts[field.name].type
        if owner is LogOptions and field.name in _OF_CHANNELS:
            continue
        if isinstance(kind, type) and issubclass(kind, Options):
            inner.append((field.name, kind))
            continue
        assert field.default is not MISSING, field.name
        yield Key((*section, field.name), owner, facts[field.name], field.default)
    for name, kind in inner:
        yield from keys_of(kind, (*section, name))


KEYS = {key.path: key for key in (*keys_of(ServerOptions), *keys_of(LoggingOptions, ("logging",)))}
CHANNEL_KEYS = {key.path[-1]: key for key in keys_of(ChannelOptions, (CHANNELS, REST))}
SECTIONS = {path[:length] for path in KEYS for length in range(len(path))}

PATH_OF_FIELD: dict[str, Path] = {
    **{f"{key.owner.__name__}.{path[-1]}": path for path, key in KEYS.items()},
    "LogOptions.patterns": (CHANNELS,),
}
"""Where that stands which options call `HubOptions.lane_size` when they refuse it."""


def name_of_option(path: str) -> str:
    """How a file calls what `Server.reload` calls `hub.log.patterns`."""
    is_channel = path.startswith(("hub.log.channel", "hub.log.patterns"))
    return CHANNELS if is_channel else path


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The name that was probably meant."""
    known = list(known)
    last = name.rpartition(".")[2]
    for other in known:  # the right name in the wrong section
        if other.rpartition(".")[2] == last:
            return other
    found = get_close_matches(name, known, n=1)
    return found[0] if found else None
