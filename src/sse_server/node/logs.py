"""What the process writes of itself. The library only logs; here that gets a place to go."""

import logging

from sse_server.config.logging_options import LoggingOptions


def configure(options: LoggingOptions) -> None:
    """Write to standard error from `options.level` on. Called again, it sets the level anew."""
    logging.basicConfig(format="%(message)s")
    logging.getLogger("sse_server").setLevel(options.level.upper())
