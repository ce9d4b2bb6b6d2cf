"""How a command ends: an exit code, and one line that says why."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

from sse_server.cli.exits import EXIT_FAILURE, EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE
from sse_server.cli.printable import one_line
from sse_server.errors import ConfigurationError, InvalidChannel

if TYPE_CHECKING:
    from collections.abc import Callable


class CommandFailed(Exception):  # noqa: N818 (it says what happened)
    """What was asked for could not be done; the message says why."""


def say(text: str) -> None:
    """Tell who runs the command, in one line on standard error."""
    with contextlib.suppress(OSError):  # nobody may listen there
        print(f"sse-server: {one_line(text)}", file=sys.stderr, flush=True)


def exit_code(command: Callable[[], None]) -> int:
    """Run `command`, and make an exit code of how it ended."""
    try:
        command()
    except (ConfigurationError, InvalidChannel) as error:
        say(str(error))
        return EXIT_USAGE
    except CommandFailed as error:
        say(str(error))
        return EXIT_FAILURE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        drop_output()  # whoever read, as `head` does, has enough
    except OSError as error:  # a full disk behind `>`, a folder behind `<`
        drop_output()
        say(f"input or output failed: {error.strerror or error}")
        return EXIT_FAILURE
    return EXIT_OK


def drop_output() -> None:
    """Print into nothing from here on: what is buffered would fail again at the process's end."""
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 (no file of ours)
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
