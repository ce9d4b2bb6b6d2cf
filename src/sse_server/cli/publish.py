"""`sse-server publish`: publish one event, or each line of standard input."""

from __future__ import annotations

import math
import os
import sys
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

from sse_server.cli.ending import CommandFailed, exit_code
from sse_server.cli.printable import one_line
from sse_server.cli.server_url import add_url, server_url, token
from sse_server.errors import ConfigurationError
from sse_server.wire.channel_name import check_channel
from sse_server.wire.event import MAX_DATA_BYTES, Priority

if TYPE_CHECKING:
    import argparse

    from sse_server.cli.publisher import Publisher

DEFAULT_TIMEOUT_SECONDS = 30.0
"""A server that is started again is there in less."""

_STDIN = "-"


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Take this command's part of the command line."""
    parser = commands.add_parser(
        "publish",
        help="publish an event, or lines as they come",
        description="Publish an event, print its id. What fails for the moment is tried again.",
        allow_abbrev=False,
    )
    parser.add_argument("channel", metavar="CHANNEL")
    parser.add_argument(
        "data",
        metavar="DATA",
        nargs="?",
        help="the data, or - for standard input, of which a last line end is left out "
        "(default: standard input, if it is no terminal)",
    )
    parser.add_argument("--event", metavar="TYPE", help="type of the event")
    parser.add_argument(
        "--id",
        help="published twice, it is one event (default: a random one); "
        "with --lines, the number of the line is added",
    )
    parser.add_argument(
        "--retry", metavar="MS", type=int, help="after which clients are to reconnect"
    )
    parser.add_argument("--priority", choices=[priority.value for priority in Priority])
    parser.add_argument("--key", help="what the event is the state of")
    parser.add_argument(
        "--lines", action="store_true", help="each line of standard input is an event"
    )
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=float,
        default=DEFAULT_TIMEOUT_SECONDS,
        help="give up after so long, all tries together (default: %(default)g)",
    )
    add_url(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Publish; returns the exit code."""
    return exit_code(partial(_run, arguments))


def _run(arguments: argparse.Namespace) -> None:
    from sse_server.cli.client import open_client  # noqa: PLC0415 (a missing package is told)
    from sse_server.cli.publisher import Publisher  # noqa: PLC0415

    check_channel(arguments.channel)
    _check(arguments)
    server = server_url(arguments.url)
    with open_client(server, token()) as client:
        publisher = Publisher(client, server, arguments.timeout)
        if arguments.lines:
            _publish_lines(publisher, arguments)
        else:
            _publish_one(publisher, arguments)


def _check(arguments: argparse.Namespace) -> None:
    """Refuse what contradicts itself.

    Raises:
        ConfigurationError: with a way out.
    """
    if arguments.lines and arguments.data not in {None, _STDIN}:
        raise ConfigurationError(
            setting="--lines", problem="reads standard input", mend="leave DATA out"
        )
    if sys.stdin is None and arguments.data in {None, _STDIN}:
        raise ConfigurationError(
            setting="DATA",
            problem="standard input is closed",
            mend="name the data, or a file: < FILE",
        )
    if arguments.data is None and sys.stdin.isatty():
        raise ConfigurationError(
            setting="DATA", problem="is missing", mend="write - to type it, up to Ctrl-D"
        )
    if not (0.0 < arguments.timeout < math.inf):
        raise ConfigurationError(
            setting="--timeout", problem="is no time", mend="write for example 30"
        )


def _publish_one(publisher: Publisher, arguments: argparse.Namespace) -> None:
    if arguments.data in {None, _STDIN}:
        # Too much is for the server to refuse, but not to be read to its end.
        data = sys.stdin.buffer.read(MAX_DATA_BYTES + 3).removesuffix(b"\n").removesuffix(b"\r")
    else:
        data = os.fsencode(arguments.data)
    parameters = {"id": arguments.id if arguments.id is not None else uuid4().hex}
    parameters |= {name: str(value) for name, value in _options(arguments).items()}
    _print_ids([publisher.publish(arguments.channel, data, parameters)])


def _publish_lines(publisher: Publisher, arguments: argparse.Namespace) -> None:
    from sse_server.cli.lines import batches  # noqa: PLC0415 (only here)

    stem = arguments.id if arguments.id is not None else uuid4().hex
    common = {"channel": arguments.channel, **_options(arguments)}
    number = 0
    for batch in batches(sys.stdin.fileno()):
        envelopes = [
            {**common, "data": line, "id": f"{stem}-{number + index}"}
            for index, line in enumerate(batch, 1)
        ]
        try:
            for positions in publisher.publish_all(envelopes):
                _print_ids(positions)
                number += len(positions)
        except CommandFailed as error:
            raise CommandFailed(f"from line {number + 1} on: {error}") from None


def _options(arguments: argparse.Namespace) -> dict[str, str | int]:
    """What the command line says of the event, in the server's words."""
    names = ("event", "retry", "priority", "key")
    values = {name: getattr(arguments, name) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def _print_ids(positions: list[str]) -> None:
    """Print them at once: who reads them waits for them.

    Raises:
        CommandFailed: nobody reads them, so nobody would know of what follows.
    """
    try:
        print("\n".join(map(one_line, positions)), flush=True)
    except BrokenPipeError:
        # What is buffered would make the interpreter complain at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise CommandFailed("nobody reads the ids; send them to /dev/null instead") from None
