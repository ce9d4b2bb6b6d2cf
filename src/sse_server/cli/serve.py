"""`sse-server serve`: serve until a signal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from sse_server._version import __version__
from sse_server.cli.ending import drop_output
from sse_server.cli.exits import EXIT_OK, EXIT_USAGE
from sse_server.cli.sources import print_findings, sources_of

if TYPE_CHECKING:
    import argparse

    from sse_server.server import Server


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Take this command's part of the command line."""
    parser = commands.add_parser("serve", help="serve event streams", allow_abbrev=False)
    parser.add_argument(
        "--bind",
        action="append",
        metavar="HOST:PORT",
        help="address to listen on, or unix:PATH; may be repeated (default: 127.0.0.1:8000)",
    )
    parser.add_argument(
        "--engine",
        metavar="URL",
        help="what orders events and keeps them (default: memory:)",
    )
    parser.add_argument(
        "--tls-cert",
        metavar="FILE",
        help="certificate, and those between it and the root, as PEM: serve https",
    )
    parser.add_argument(
        "--tls-key",
        metavar="FILE",
        help="its private key, as PEM (default: it is in the certificate's file)",
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="TOML file with all settings; docs/configuration.md lists them",
    )
    parser.add_argument(
        "--allow-anonymous",
        action="store_true",
        default=None,
        help="let everyone who can reach it subscribe and publish, from any address",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve; returns the exit code."""
    from sse_server.config.given import InvalidConfiguration  # noqa: PLC0415 (a missing package is told)
    from sse_server.config.reading import read  # noqa: PLC0415
    from sse_server.errors import ConfigurationError  # noqa: PLC0415
    from sse_server.node.logs import configure  # noqa: PLC0415
    from sse_server.node.process import serve  # noqa: PLC0415
    from sse_server.node.reload import Reload  # noqa: PLC0415

    sources = sources_of(arguments)
    try:
        reading = read(sources)
    except InvalidConfiguration as error:
        print_findings(error)
        return EXIT_USAGE
    settings = reading.settings
    configure(settings.logging)
    try:
        serve(settings.server, _announce, Reload(sources, settings.logging))
    except ConfigurationError as error:
        print(f"sse-server: {reading.explain(error)}", file=sys.stderr)
        return EXIT_USAGE
    return EXIT_OK


def _announce(server: Server) -> None:
    """Say where it serves, and show the way to a first event; serve even if nobody reads it."""
    try:
        _print_first_steps(server)
    except OSError:
        drop_output()


def _print_first_steps(server: Server) -> None:
    for address in server.addresses:
        if address.startswith("unix:"):
            option, base = f"--unix-socket {address.removeprefix('unix:')} ", "http://localhost"
        else:
            option, base = "", f"{server.scheme}://{address}"
        if server.options.auth.is_configured:
            option += "-H 'Authorization: Bearer TOKEN' "
        print(
            f"sse-server {__version__} serves on {address}\n"
            f"  subscribe: curl -N {option}{base}/events/news\n"
            f"  publish:   curl {option}-d 'hello' {base}/events/news",
            flush=True,
        )
