"""Where a command's settings come from, as its command line and the environment say."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from sse_server.config.given import InvalidConfiguration
    from sse_server.config.reading import Sources

_FLAGS = (("bind",), ("engine",), ("allow_anonymous",), ("tls", "cert"), ("tls", "key"))
"""Keys that are flags as well."""


def sources_of(arguments: argparse.Namespace, file_setting: str = "--config") -> Sources:
    """What `arguments` say; `file_setting` is what names the file there."""
    from sse_server.config.reading import Sources  # noqa: PLC0415 (a missing package is told)

    flags = {path: getattr(arguments, "_".join(path), None) for path in _FLAGS}
    return Sources(
        environ=os.environ,
        file=arguments.config,
        file_setting=file_setting,
        flags={path: value for path, value in flags.items() if value is not None},
    )


def print_findings(error: InvalidConfiguration) -> None:
    """All that is wrong, a line each."""
    for finding in error.findings:
        print(f"sse-server: {finding}", file=sys.stderr)
