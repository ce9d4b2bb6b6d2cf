"""`sse-server token`: a token, signed by a secret of the configuration. For trying things out."""

from __future__ import annotations

import secrets
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sse_server.cli.ending import exit_code
from sse_server.cli.exits import EXIT_USAGE
from sse_server.cli.sources import print_findings, sources_of
from sse_server.errors import ConfigurationError

if TYPE_CHECKING:
    import argparse

    from sse_server.auth.options import AuthOptions

DEFAULT_SECONDS = 60


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Take this command's part of the command line."""
    parser = commands.add_parser(
        "token",
        help="make a token",
        description="Print a token, signed by the first secret (HS256 and its like) of auth.keys.",
        allow_abbrev=False,
    )
    parser.add_argument("--config", metavar="FILE", help="TOML file with auth.keys")
    parser.add_argument("--sub", metavar="USER", help="who it is for, who may follow user:USER")
    parser.add_argument("--tenant", help="whose user that is")
    for right in ("subscribe", "publish"):
        parser.add_argument(
            f"--{right}",
            metavar="PATTERN",
            action="append",
            default=[],
            help=f"channels to {right} to: a name, prefix:* or *; may be repeated",
        )
    parser.add_argument(
        "--seconds",
        type=int,
        default=DEFAULT_SECONDS,
        help="how long it is good for (default: %(default)s)",
    )
    parser.add_argument("--once", action="store_true", help="in an address, for one stream (jti)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Make a token; returns the exit code."""
    from sse_server.config.given import InvalidConfiguration  # noqa: PLC0415 (a missing package is told)
    from sse_server.config.reading import read  # noqa: PLC0415

    try:
        options = read(sources_of(arguments)).settings.server.auth
    except InvalidConfiguration as error:
        print_findings(error)
        return EXIT_USAGE
    return exit_code(partial(_run, arguments, options))


def _run(arguments: argparse.Namespace, options: AuthOptions) -> None:
    from sse_server.auth.minting import compact  # noqa: PLC0415 (a missing package is told)

    algorithm, secret, kid = _secret(options)
    now = int(time.time())
    claims: dict[str, object] = {
        "aud": options.audience,
        "iat": now,
        "exp": now + arguments.seconds,
        "channels": {"subscribe": arguments.subscribe, "publish": arguments.publish},
        "iss": options.issuer,
        "sub": arguments.sub,
        "tenant": arguments.tenant,
        "jti": secrets.token_urlsafe(16) if arguments.once else None,
    }
    present = {name: value for name, value in claims.items() if value is not None}
    print(compact(present, secret, kid, algorithm))


def _secret(options: AuthOptions) -> tuple[str, bytes, str | None]:
    """The first that a token can be signed with: algorithm, secret, name.

    Raises:
        ConfigurationError: there is none.
    """
    from sse_server.auth.key_source import KeySource, Kind  # noqa: PLC0415 (a missing package is told)
    from sse_server.auth.keys import InvalidKey  # noqa: PLC0415

    problem = "no secret is among them, and a public key signs nothing"
    for source in map(KeySource.parse, options.keys):
        if not source.algorithms[0].startswith("HS"):
            continue
        try:
            content = Path(source.value).read_bytes() if source.kind is Kind.FILE else b""
            (key,) = source.read(content)
        except (OSError, InvalidKey) as error:
            problem = f"the secret cannot be read: {getattr(error, 'strerror', None) or error}"
            continue
        secret: bytes = key.material
        return source.algorithms[0], secret, source.kid
    raise ConfigurationError(
        setting="auth.keys", problem=problem, mend="write one like HS256 file:/etc/sse-server/key"
    )
