"""`sse-server key new`: an API key for a program that publishes or operates."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

from sse_server.cli.ending import exit_code
from sse_server.errors import ConfigurationError

if TYPE_CHECKING:
    import argparse


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Take this command's part of the command line."""
    parser = commands.add_parser(
        "key",
        help="make an API key",
        description="Print a new API key, and below it the entry that auth.api_keys needs. The key "
        "is shown once: the entry has its hash alone.",
        allow_abbrev=False,
    )
    parser.add_argument("action", choices=["new"])
    parser.add_argument("name", metavar="NAME", help="whose it is: a-z, 0-9 and -")
    for right in ("publish", "subscribe"):
        parser.add_argument(
            f"--{right}",
            metavar="PATTERN",
            action="append",
            default=[],
            help=f"channels that it may {right} to: a name, prefix:* or *; may be repeated",
        )
    parser.add_argument(
        "--operate", action="store_true", help="see and end what is others', read metrics"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Make a key; returns the exit code."""
    return exit_code(partial(_run, arguments))


def _run(arguments: argparse.Namespace) -> None:
    from sse_server.auth.api_keys import new_api_key  # noqa: PLC0415 (a missing package is told)
    from sse_server.auth.keys import InvalidKey  # noqa: PLC0415

    patterns = {"publish": arguments.publish, "subscribe": arguments.subscribe}
    rights = [f"{right}={'|'.join(of_it)}" for right, of_it in patterns.items() if of_it]
    if arguments.operate:
        rights.append("operate")
    try:
        key, entry = new_api_key(arguments.name, rights)
    except InvalidKey as error:
        raise ConfigurationError(
            setting="key new", problem=str(error), mend="for example: deploy --publish 'news:*'"
        ) from None
    print(key)
    print(f"api_keys = [{json.dumps(entry)}]  # in [auth]")
