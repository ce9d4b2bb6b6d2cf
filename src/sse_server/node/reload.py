"""Reloading: SIGHUP reads the configuration anew, and a running server takes over what it can."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from sse_server.config.given import InvalidConfiguration
from sse_server.config.keys import name_of_option
from sse_server.config.reading import Sources, read
from sse_server.errors import ConfigurationError, ServerClosed
from sse_server.node.logs import configure
from sse_server.options import changes, take_over

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sse_server.config.logging_options import LoggingOptions
    from sse_server.server import Server

logger = logging.getLogger(__name__)


class Reload:
    """To be called with a server that was started with what `sources` gave then."""

    __slots__ = ("_logging", "_sources")

    def __init__(self, sources: Sources, logging_options: LoggingOptions) -> None:
        """`logging_options` are in force."""
        self._sources = sources
        self._logging = logging_options

    def __call__(self, server: Server) -> None:
        """Read the sources again. A bad file changes nothing; what happened is logged."""
        before = server.options
        try:
            settings = read(self._sources).settings
            left = server.reload(settings.server)
        except InvalidConfiguration as error:
            for finding in error.findings:
                logger.error("the configuration stays as it was: %s", finding)  # noqa: TRY400 (one line)
            return
        except (ConfigurationError, ServerClosed) as error:
            logger.error("the configuration stays as it was: %s", error)  # noqa: TRY400 (one line)
            return
        taken = [".".join(path) for path in changes(before, server.options)]
        old = self._logging
        self._logging, unfit = take_over(old, settings.logging)
        configure(self._logging)
        taken += [f"logging.{name}" for (name,) in changes(old, self._logging)]
        left += [f"logging.{name}" for (name,) in unfit]
        logger.info("the configuration was read again; changed: %s", _listed(taken))
        if left:
            logger.warning("the server has to be started again to change: %s", _listed(left))


def _listed(options: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(map(name_of_option, options))) or "nothing"
