"""The command `sse-server`. Each of its commands is a module with `add_to` and `run`."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from typing import TYPE_CHECKING

from sse_server._version import __version__
from sse_server.cli.exits import EXIT_USAGE
from sse_server.cli.interleaved import InterleavedParser

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_COMMANDS = ("serve", "check_config", "publish", "tail", "token", "key")
"""Modules of this package."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    try:
        parsed = _parser().parse_args(arguments)
        run: Callable[[argparse.Namespace], int] = parsed.run
        return run(parsed)
    except ImportError as error:
        missing = (error.name or str(error)).partition(".")[0]
        print(
            f"sse-server: the package {missing} is missing; install it with: "
            f"{sys.executable} -m pip install {missing}",
            file=sys.stderr,
        )
        return EXIT_USAGE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sse-server", description="A Server-Sent Events server.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"sse-server {__version__}")
    commands = parser.add_subparsers(
        title="commands", required=True, metavar="COMMAND", parser_class=InterleavedParser
    )
    for name in _COMMANDS:
        module = import_module(f"sse_server.cli.{name}")
        module.add_to(commands)
    return parser
