"""`sse-server tail`: print events as they come, for ever."""

from __future__ import annotations

import math
import re
import sys
from functools import partial
from typing import TYPE_CHECKING

from sse_server.cli.ending import CommandFailed, exit_code, say
from sse_server.cli.server_url import add_url, server_url, token
from sse_server.errors import ConfigurationError
from sse_server.wire.channel_name import check_channel

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from sse_server.cli.until import Until
    from sse_server.wire.parser import StreamEvent

DEFAULT_SILENCE_SECONDS = 45.0
"""Three heartbeats of a server, which sends one after 15 seconds unless it is told otherwise."""

_ID = re.compile(r"[\x21-\x7e]{1,200}")


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Take this command's part of the command line."""
    parser = commands.add_parser(
        "tail",
        help="print events as they come",
        description="Print the events of channels as they come. When the stream breaks, it is "
        "taken up again where it was.",
        allow_abbrev=False,
    )
    parser.add_argument("channels", metavar="CHANNEL", nargs="+")
    parser.add_argument(
        "--last-event-id",
        "--all-since",
        dest="last_event_id",
        metavar="ID",
        default="",
        help="begin behind this id; earliest: with all that is kept (default: with the next event)",
    )
    parser.add_argument("--until-id", metavar="ID", help="end when everything up to it is printed")
    parser.add_argument("--count", metavar="N", type=int, help="end after so many events")
    parser.add_argument(
        "--format",
        choices=("data", "json", "raw"),
        default="data",
        help="data: its lines; json: an object a line; raw: blocks of an event stream, "
        "with control characters (default: %(default)s)",
    )
    parser.add_argument(
        "--no-reconnect", action="store_true", help="end when the stream ends or breaks"
    )
    parser.add_argument(
        "--max-wait",
        metavar="SECONDS",
        type=float,
        default=math.inf,
        help="reconnect after so long at most, whatever the server asks for",
    )
    parser.add_argument(
        "--silence",
        metavar="SECONDS",
        type=float,
        default=DEFAULT_SILENCE_SECONDS,
        help="give a stream up that has brought nothing for so long (default: %(default)g)",
    )
    add_url(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Follow; returns the exit code."""
    return exit_code(partial(_run, arguments))


def _run(arguments: argparse.Namespace) -> None:
    from sse_server.cli.client import open_client  # noqa: PLC0415 (a missing package is told)
    from sse_server.cli.closed_pipe import leave_when_nobody_reads  # noqa: PLC0415
    from sse_server.cli.follower import Follower, FollowOptions  # noqa: PLC0415
    from sse_server.cli.until import Until  # noqa: PLC0415

    _check(arguments)
    options = FollowOptions(
        silence_seconds=arguments.silence,
        max_wait_seconds=arguments.max_wait,
        reconnects=not arguments.no_reconnect,
    )
    server = server_url(arguments.url)
    printer = Printer(
        _formatter(arguments),
        is_data=arguments.format == "data",
        until=None if arguments.until_id is None else Until(arguments.until_id),
        count=arguments.count,
    )
    with open_client(server, token()) as client:
        follower = Follower(client, server, arguments.channels, arguments.last_event_id, options)
        leave_when_nobody_reads()
        for events in follower.follow(say):
            if printer.is_done_with(events, follower.last_event_id):
                return


class Printer:
    """Prints events until there have been enough."""

    def __init__(
        self,
        form: Callable[[StreamEvent], bytes],
        *,
        is_data: bool,
        until: Until | None,
        count: int | None,
    ) -> None:
        """`is_data`: `form` shows data alone; what the server has to say is said beside it."""
        self._form = form
        self._is_data = is_data
        self._until = until
        self._left = math.inf if count is None else count

    def is_done_with(self, events: list[StreamEvent], last_event_id: str) -> bool:
        """Print them; whether that is the end. `last_event_id`: where the stream stands now.

        Raises:
            CommandFailed: an operator has sent us away.
        """
        from sse_server.cli.event_format import (  # noqa: PLC0415 (needs orjson)
            OWN_TYPES,
            is_final,
            notice,
        )

        for event in events:
            is_own = event.type in OWN_TYPES
            if not is_own and self._until and self._until.is_passed(event.last_event_id):
                return True
            if is_own and is_final(event):
                if not self._is_data:
                    self._print(event, is_own=is_own)
                raise CommandFailed(notice(event))
            self._print(event, is_own=is_own)
            self._left -= not is_own
            if self._left <= 0:
                return True
        return self._until is not None and self._until.is_reached(last_event_id)

    def _print(self, event: StreamEvent, *, is_own: bool) -> None:
        """Print one, at once."""
        from sse_server.cli.event_format import notice  # noqa: PLC0415 (needs orjson)

        if is_own and self._is_data:
            say(notice(event))
            return
        out = sys.stdout.buffer
        out.write(self._form(event))
        out.flush()


def _formatter(arguments: argparse.Namespace) -> Callable[[StreamEvent], bytes]:
    """What makes the bytes that are printed."""
    from sse_server.cli.event_format import as_data, as_json, as_raw  # noqa: PLC0415 (needs orjson)

    if arguments.format == "json":
        # Which of several channels an event is from is not told by the stream.
        channels = arguments.channels
        return partial(as_json, channel=channels[0] if len(channels) == 1 else None)
    if arguments.format == "raw":
        return as_raw
    return partial(as_data, for_terminal=sys.stdout.isatty())


def _check(arguments: argparse.Namespace) -> None:
    """Refuse what cannot be meant.

    Raises:
        ConfigurationError: with a way out.
        InvalidChannel: no channel can be called that.
    """
    for channel in arguments.channels:
        check_channel(channel)
    if arguments.last_event_id and not _ID.fullmatch(arguments.last_event_id):
        raise ConfigurationError(
            setting="--last-event-id", problem="is no id", mend="write one that was printed"
        )
    if arguments.count is not None and arguments.count < 1:
        raise ConfigurationError(
            setting="--count", problem="is no number of events", mend="write 1"
        )
    for setting, seconds in (("--silence", arguments.silence), ("--max-wait", arguments.max_wait)):
        if not seconds > 0.0:
            raise ConfigurationError(
                setting=setting, problem="is no time", mend="write for example 45"
            )
