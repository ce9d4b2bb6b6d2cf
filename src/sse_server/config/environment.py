"""The environment: a variable for every key but those of channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sse_server.config.given import Given, misfit
from sse_server.config.keys import KEYS, PREFIX, nearest
from sse_server.config.values import read_text
from sse_server.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE_VARIABLE = "SSE_SERVER_CONFIG"
"""Names the TOML file."""
OTHER_VARIABLES = frozenset((FILE_VARIABLE, "SSE_SERVER_URL", "SSE_SERVER_TOKEN"))
"""Begin like ours and are read elsewhere: the last two by the commands publish and tail."""

_KEY_OF = {key.variable: key for key in KEYS.values()}
assert len(_KEY_OF) == len(KEYS), "two keys have one variable"


def read_environment(
    environ: Mapping[str, str],
) -> tuple[list[Given], list[ConfigurationError]]:
    """What the variables give, and all that is wrong with them."""
    given: list[Given] = []
    findings: list[ConfigurationError] = []
    for name, text in sorted(environ.items()):
        if not name.startswith(PREFIX) or name in OTHER_VARIABLES:
            continue
        key = _KEY_OF.get(name)
        if key is None:
            findings.append(_unknown(name))
            continue
        try:
            given.append(Given(key.path, read_text(key, text), name, name))
        except ValueError:
            findings.append(misfit(key, text, name))
    return given, findings


def _unknown(name: str) -> ConfigurationError:
    known = sorted((*_KEY_OF, *OTHER_VARIABLES))
    meant = nearest(name.removeprefix(PREFIX), [other.removeprefix(PREFIX) for other in known])
    mend = "docs/configuration.md lists them"
    if meant is not None:
        mend = f"did you mean {PREFIX}{meant}?"
    return ConfigurationError(setting=name, problem="there is no such variable", mend=mend)
