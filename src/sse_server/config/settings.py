"""Everything that can be set of the service."""

from dataclasses import dataclass, field

from sse_server.config.logging_options import LoggingOptions
from sse_server.options import Options
from sse_server.server_options import ServerOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Options):
    """The server's options, and those of the process around it."""

    server: ServerOptions = field(default_factory=ServerOptions)
    logging: LoggingOptions = field(default_factory=LoggingOptions)
