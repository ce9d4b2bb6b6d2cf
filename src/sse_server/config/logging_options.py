"""Options of what the service writes to its log. The library never configures logging."""

from dataclasses import dataclass
from typing import Annotated, Literal

from sse_server.options import RELOADABLE, Options


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggingOptions(Options):
    """What the service tells of itself on standard error."""

    level: Annotated[Literal["debug", "info", "warning", "error"], RELOADABLE] = "info"
    """Of the server itself. What other packages say is logged from warnings on: at other levels
    some of them tell header fields and addresses with queries."""
    format: Literal["auto", "json", "console"] = "auto"
    """One JSON object a line, for programs, or lines for people. `auto`: lines for people where
    standard error is a terminal."""
