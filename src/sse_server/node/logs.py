"""Logs of the process: the records of `logging` as lines on standard error.

JSON, one object a line, for programs; readable lines for who looks at a terminal. Nothing that a
client has sent can begin a line or move a cursor: JSON escapes it, and readable lines show it as
Python would write it.
"""

from __future__ import annotations

import json
import logging
import sys
from typing import TYPE_CHECKING, TextIO

import structlog

from sse_server.errors import quoted

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor, WrappedLogger

    from sse_server.config.logging_options import LoggingOptions

_FIRST_KEYS = ("timestamp", "level", "logger", "event")
_DELETE = "\x7f"  # the only control character that JSON leaves as it is


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to what standard error is at the time."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        self.stream = sys.stderr
        super().emit(record)


def configure(options: LoggingOptions) -> None:
    """Set up logging for the process. Again: replaces what was set up."""
    root = logging.getLogger()
    for handler in [h for h in root.handlers if isinstance(h, _StandardError)]:
        root.removeHandler(handler)
    handler = _StandardError()
    handler.setFormatter(_formatter(options))
    root.addHandler(handler)
    level = logging.getLevelNamesMapping()[options.level.upper()]
    root.setLevel(max(level, logging.WARNING))
    logging.getLogger("sse_server").setLevel(level)


def _formatter(options: LoggingOptions) -> logging.Formatter:
    is_readable = options.format == "console" or (
        options.format == "auto" and sys.stderr is not None and sys.stderr.isatty()
    )
    last: list[Processor]
    if is_readable:
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            sort_keys=False,
            pad_event_to=24,
            exception_formatter=structlog.dev.plain_traceback,
        )
        last = [structlog.processors.format_exc_info, _printable, renderer]
    else:
        last = [structlog.processors.format_exc_info, _as_json]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _without_other_formats,
            *last,
        ],
    )


def _without_other_formats(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """What formatters of other handlers leave in a record is no field of it."""
    for key in ("message", "asctime"):
        event.pop(key, None)
    return event


def _as_json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    """Every character beyond ASCII is escaped, so that no text is too strange to be written."""
    ordered = {key: event.pop(key) for key in _FIRST_KEYS if key in event}
    return json.dumps({**ordered, **event}, default=str).replace(_DELETE, "\\u007f")


def _printable(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Nothing but what can be printed; of several lines, as of a traceback, all are set in."""
    for key, value in event.items():
        if key == "exception":
            event[key] = "\n".join("  " + _printed(line) for line in str(value).split("\n"))
        elif isinstance(value, str):
            event[key] = _printed(value)
    return event


def _printed(text: str) -> str:
    return text if text.isprintable() else quoted(text)
