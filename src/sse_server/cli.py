"""The command `sse-server`."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from sse_server._version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sse_server.server import Server

EXIT_OK = 0
EXIT_USAGE = 2
"""The command line, a setting or the installation is wrong; argparse uses it, too."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return _serve(options)
    except ImportError as error:
        missing = (error.name or str(error)).partition(".")[0]
        print(
            f"sse-server: the package {missing} is missing; install it with: "
            f"{sys.executable} -m pip install {missing}",
            file=sys.stderr,
        )
        return EXIT_USAGE


def _serve(arguments: argparse.Namespace) -> int:
    from sse_server.errors import ConfigurationError  # noqa: PLC0415 (a missing package is told)
    from sse_server.node.process import serve  # noqa: PLC0415
    from sse_server.server import ServerOptions  # noqa: PLC0415

    options = ServerOptions(
        bind=tuple(arguments.bind or ServerOptions().bind),
        allow_anonymous=arguments.allow_anonymous,
    )
    try:
        serve(options, _announce)
    except ConfigurationError as error:
        print(f"sse-server: {error}", file=sys.stderr)
        return EXIT_USAGE
    return EXIT_OK


def _announce(server: Server) -> None:
    """Say where it serves, and show the way to a first event."""
    for address in server.addresses:
        if address.startswith("unix:"):
            option, base = f"--unix-socket {address.removeprefix('unix:')} ", "http://localhost"
        else:
            option, base = "", f"http://{address}"
        print(
            f"sse-server {__version__} serves on {address}\n"
            f"  subscribe: curl -N {option}{base}/events/news\n"
            f"  publish:   curl {option}-d 'hello' {base}/events/news",
            flush=True,
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sse-server", description="A Server-Sent Events server.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"sse-server {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="serve event streams", allow_abbrev=False)
    serve.add_argument(
        "--bind",
        action="append",
        metavar="HOST:PORT",
        help="address to listen on, or unix:PATH; may be repeated (default: 127.0.0.1:8000)",
    )
    serve.add_argument(
        "--allow-anonymous",
        action="store_true",
        help="let everyone who can reach it subscribe and publish, from any address",
    )
    return parser
