"""docs/configuration.md and systemd/sse-server.toml, made from the options.

`python -m sse_server.config.reference DOCS EXAMPLE` writes both; `make docs` does that.
"""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from textwrap import wrap

from sse_server.config.docstrings import class_docstring, field_docstrings
from sse_server.config.keys import CHANNEL_KEYS, CHANNELS, KEYS, REST, Key
from sse_server.config.values import as_toml, wanted

_DOCS_HEAD = """\
# Configuration

Everything that can be set of `sse-server`. This page is made from the code by `make docs`.

Settings come from four places; a later one wins, key by key:

1. the defaults, which are on this page,
2. a TOML file, which `--config FILE` or `SSE_SERVER_CONFIG` names,
3. the environment: each key but those of channels has a variable; a list is written with commas,
4. flags: `--bind`, `--engine`, `--allow-anonymous`, `--tls-cert`, `--tls-key`.

Sizes and times are numbers, and the key says of what: bytes, seconds. Where a key may be `"none"`,
that means what its text says of None. `sse-server check-config FILE` tells all that is wrong with a
file and the environment, and with `--show` what holds, and where each value comes from.

What is marked *on reload* is taken over by a running server when it gets SIGHUP. For the rest it
has to be started again; its log names what has changed of that.

A program that embeds the server has the same options: `hub.log.max_bytes` is
`ServerOptions(hub=HubOptions(log=LogOptions(max_bytes=…)))`.
"""

_EXAMPLE_HEAD = """\
# Settings of sse-server. What is commented out is the default; to change it, take the # away.
# `sse-server check-config FILE` tells what is wrong, and `systemctl reload` takes over what can be
# taken over by a running server. docs/configuration.md says which that is.
"""

_CHANNELS_TEXT = """\
Channels have a section for each pattern: an exact name, `prefix*`, or `*`. The first section in the
file whose pattern matches a channel holds for it, and what it leaves out is as in `[channels."*"]`,
which holds for all other channels, wherever it stands. There are no variables for these keys."""

_CHANNELS_EXAMPLE = """\
[channels."news:*"]
max_frames = 100
lag = "latest"

[channels."room:*"]
presence = true
"""

_LOG_TEXT = "This is the log of events in memory; what the process writes of itself is `[logging]`."


def markdown() -> str:
    """The page."""
    return "\n".join(_markdown()) + "\n"


def example() -> str:
    """The file."""
    return "\n".join(_example()) + "\n"


def _markdown() -> Iterator[str]:
    yield _DOCS_HEAD
    yield "## Top level"
    for section, keys in _sections():
        if section:
            yield f"\n## `{section}`\n\n{_section_text(section, keys)}"
        for key in keys:
            yield f"\n### `{_short(key)}`\n"
            yield f"{_facts(key)}\n"
            yield field_docstrings(key.owner).get(key.path[-1], "")


def _facts(key: Key) -> str:
    parts = [wanted(key), f"default `{as_toml(key.default)}`"]
    if key.path[0] != CHANNELS:
        parts.append(f"`{key.variable}`")
    if key.facts.reloadable:
        parts.append("*on reload*")
    return " · ".join(parts)


def _example() -> Iterator[str]:
    yield _EXAMPLE_HEAD.rstrip()
    for section, keys in _sections():
        if section:
            yield f"\n{section}"
            yield from _comment(_section_text(section, keys).split("\n\n```")[0])
            if section.startswith(f"[{CHANNELS}"):
                yield "#"
                yield from (f"#     {line}".rstrip() for line in _CHANNELS_EXAMPLE.splitlines())
        for key in keys:
            yield ""
            yield from _comment(field_docstrings(key.owner).get(key.path[-1], ""))
            yield from _comment(f"Write {wanted(key)}.")
            yield f"#{key.path[-1]} = {as_toml(key.default)}"


def _comment(text: str) -> Iterator[str]:
    return (f"# {line}" for line in wrap(text, 98))


def _sections() -> Iterator[tuple[str, list[Key]]]:
    """Each section's heading, none for the top level, and its keys."""
    sections: dict[str, list[Key]] = {}
    for key in KEYS.values():
        path = key.path[:-1]
        sections.setdefault(f"[{'.'.join(path)}]" if path else "", []).append(key)
    yield from sections.items()
    yield f'[{CHANNELS}."{REST}"]', list(CHANNEL_KEYS.values())


def _section_text(section: str, keys: list[Key]) -> str:
    text = class_docstring(keys[0].owner)
    if section == "[hub.log]":
        return f"{text} {_LOG_TEXT}"
    if section.startswith(f"[{CHANNELS}"):
        return f"{text} {_CHANNELS_TEXT}\n\n```toml\n{_CHANNELS_EXAMPLE}```"
    return text


def _short(key: Key) -> str:
    return key.path[-1] if key.path[0] == CHANNELS else key.name


def main(arguments: Iterable[str]) -> None:
    """Write both files."""
    docs, toml = arguments
    Path(docs).write_text(markdown(), encoding="utf-8")
    Path(toml).write_text(example(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
