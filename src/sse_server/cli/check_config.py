"""`sse-server check-config`: read the configuration as `serve` would, and say what is wrong."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sse_server.cli.ending import exit_code
from sse_server.cli.exits import EXIT_USAGE
from sse_server.cli.sources import print_findings, sources_of

if TYPE_CHECKING:
    import argparse


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Take this command's part of the command line."""
    parser = commands.add_parser(
        "check-config", help="tell what is wrong with the configuration", allow_abbrev=False
    )
    parser.add_argument(
        "config",
        nargs="?",
        metavar="FILE",
        help="TOML file (default: the one that SSE_SERVER_CONFIG names, if any)",
    )
    parser.add_argument(
        "--show",
        action="store_true",
        help="print all settings as TOML, with where each comes from; passwords are masked",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Check; returns the exit code."""
    from sse_server.config.effective import effective_toml  # noqa: PLC0415 (a missing package is told)
    from sse_server.config.given import InvalidConfiguration  # noqa: PLC0415
    from sse_server.config.reading import read  # noqa: PLC0415

    try:
        reading = read(sources_of(arguments, file_setting="FILE"))
    except InvalidConfiguration as error:
        print_findings(error)
        return EXIT_USAGE
    if arguments.show:
        text = effective_toml(reading)
    else:
        count = len(reading.given)
        settings = "1 setting" if count == 1 else f"{count} settings"
        where = "the environment" if reading.file is None else f"{reading.file} and the environment"
        text = f"{where} can be served with: {settings}\n"
    return exit_code(partial(print, text, end="", flush=True))
