"""The journal: log lines on what happens, so many of each kind a second, and refusals by code.

A line is written by `logging`, with a constant message and its particulars as fields of the record
(`extra`). Who sets up logging decides what becomes of it. Whatever happens more often than
`lines_per_second` is counted, and the number told once a second: a crowd that connects costs one
comparison each, and nobody can fill a disk. Starts, stops and errors are always written.

No line holds a query, a header field (but Origin), a token, or what an event says.
"""

from __future__ import annotations

import logging
import platform
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from sse_server._version import __version__
from sse_server.errors import quoted
from sse_server.options import Bounds, Options

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from sse_server.core.engine_counters import EngineCounters
    from sse_server.core.pump import Pump
    from sse_server.errors import RequestError
    from sse_server.http.request import Request
    from sse_server.wire.flow import CloseReason, Source

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalOptions(Options):
    """How much of what happens is logged."""

    lines_per_second: Annotated[int, Bounds(1, 100_000)] = 50
    """Of each kind. More than anybody can follow by eye, and 50 MB an hour for a kind at most."""


class Line:
    """One kind of line."""

    __slots__ = ("_left", "event", "left_out", "level")

    def __init__(self, event: str, level: int) -> None:
        """`event` is the message, always the same."""
        self.event = event
        self.level = level
        self._left = 0  # may be written this second
        self.left_out = 0  # not written, since that was told

    def refill(self, lines: int) -> None:
        """A second has begun. At a level that nobody listens to no line is due."""
        is_enabled = logger.isEnabledFor(self.level)
        self._left = lines if is_enabled else 0
        if self.left_out and is_enabled:
            fields = {"kind": self.event, "count": self.left_out}
            logger.log(self.level, LEFT_OUT, extra=fields)
        self.left_out = 0

    def is_due(self) -> bool:
        """Whether to write one, which is one less for this second."""
        if self._left > 0:
            self._left -= 1
            return True
        self.left_out += 1
        return False

    def write(self, **fields: object) -> None:
        """Write one that is due."""
        logger.log(self.level, self.event, extra=fields)


_MAX_TEXT = 200  # of a path or an origin
_ORIGIN = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://[^/?#@]+|null")
_MALFORMED = "malformed"
_MEND_MALFORMED = "nothing is to be done: no browser sends this"
_MEND_NULL = "serve the page from an origin of its own: null is every sandboxed page and file"

LEFT_OUT = "lines left out"
STARTED = "server started"
UNABLE = "engine cannot store"
ABLE = "engine stores again"
STOPPED = "server stopped"


class Journal:
    """What all parts of a server tell of what happens."""

    def __init__(
        self, options: JournalOptions | None = None, clock: Callable[[], float] = lambda: 0.0
    ) -> None:
        """`clock` gives the seconds in which streams are timed."""
        self._lines_per_second = (options or JournalOptions()).lines_per_second
        self._clock = clock
        self._gaps = 0  # that have been told of
        self._opened = Line("stream opened", logging.INFO)
        self._closed = Line("stream closed", logging.INFO)
        self._paused = Line("stream paused", logging.DEBUG)
        self._slow = Line("stream too slow", logging.WARNING)
        self._gap = Line("gap told", logging.INFO)
        self._refused = Line("request refused", logging.INFO)
        self._origin = Line("origin refused", logging.WARNING)
        self._published = Line("event published", logging.DEBUG)
        self._full = Line("listener full", logging.WARNING)
        self._broken = Line("connection broken off", logging.INFO)
        self._room = Line("listener has room", logging.INFO)
        self._unread = Line("history cannot be read", logging.WARNING)
        self._trouble: str | None = None
        self._page_failures = 0  # that have been told of
        self._unable = Line("no connection accepted", logging.WARNING)
        self.lines = (
            *(self._opened, self._closed, self._paused, self._slow, self._gap, self._refused),
            *(self._origin, self._published, self._full, self._room, self._unable, self._unread),
            self._broken,
        )
        self.refusals: Counter[str] = Counter()
        self.breaks: Counter[str] = Counter()
        self.tells_events = False
        """Whether published events are worth telling of."""
        self.tick()

    def tick(self) -> None:
        """A second has begun."""
        for line in self.lines:
            line.refill(self._lines_per_second)
        self.tells_events = logger.isEnabledFor(self._published.level)

    def started(self, addresses: Sequence[str]) -> None:
        """The server listens."""
        fields = {
            "addresses": list(addresses),
            "version": __version__,
            "python": platform.python_version(),
        }
        logger.info(STARTED, extra=fields)

    def stopped(self, streams: int) -> None:
        """The server is closed; so many streams were open when that began."""
        logger.info(STOPPED, extra={"streams": streams, "version": __version__})

    def opened(self, transport: asyncio.BaseTransport, source: Source, *, resumed: bool) -> None:
        """A stream has been opened; `resumed`: its client says what it had last."""
        if self._opened.is_due():
            self._opened.write(channels=source.followed, peer=peer(transport), resumed=resumed)

    def closed(
        self,
        transport: asyncio.BaseTransport,
        source: Source,
        reason: CloseReason,
        left: int,
    ) -> None:
        """A stream has ended; so many are `left`."""
        if self._closed.is_due():
            events, size = source.delivered
            self._closed.write(
                reason=reason.label,
                peer=peer(transport),
                duration_seconds=round(self._clock() - source.opened_at, 3),
                events=events,
                bytes=size,
                streams=left,
            )

    def paused(self, transport: asyncio.BaseTransport, source: Source) -> None:
        """A stream's client does not take what is sent to it."""
        if self._paused.is_due():
            self._paused.write(channels=source.followed, peer=peer(transport))

    def too_slow(self, transport: asyncio.BaseTransport, held_bytes: int) -> None:
        """A stream is ended because its client takes nothing, or lags where that is not allowed."""
        if self._slow.is_due():
            self._slow.write(peer=peer(transport), held_bytes=held_bytes)

    def gaps(self, pump: Pump) -> None:
        """Tell of the gaps that streams have been told since the last call."""
        told = pump.told_gaps
        line = self._gap
        line.left_out += max(0, pump.gaps - self._gaps - sum(gap.streams for gap in told))
        self._gaps = pump.gaps
        while told:
            gap = told.popleft()
            if line.is_due():
                channels = [window.name for window in gap.windows]
                line.write(channels=channels, reason=gap.reason, lost=gap.lost, streams=gap.streams)

    def engine(self, trouble: str | None, counters: EngineCounters) -> None:
        """Tell whether the engine can store, if that has changed, and of pages that it has not."""
        if trouble is None and self._trouble is not None:
            logger.info(ABLE)
        elif trouble != self._trouble:
            logger.error(UNABLE, extra={"problem": trouble})
        self._trouble = trouble
        failures = counters.page_failures - self._page_failures
        if failures and self._unread.is_due():
            self._unread.write(streams=failures, problem=counters.page_problem)
        self._page_failures = counters.page_failures

    def refused(self, error: RequestError, request: Request | None = None) -> None:
        """A request got an error for an answer; None: it was none that can be read."""
        self.refusals[error.code] += 1
        if self._refused.is_due():
            self._refused.write(
                code=error.code,
                status=error.status,
                method=None if request is None else _text(request.method),
                path=None if request is None else _text(request.path),
            )

    def broken(self, transport: asyncio.BaseTransport, kind: str, problem: str) -> None:
        """A connection of HTTP/2 is ended for what its client has sent."""
        self.breaks[kind] += 1
        if self._broken.is_due():
            self._broken.write(kind=kind, problem=problem, peer=peer(transport))

    def origin_refused(self, origin: bytes) -> None:
        """A browser will not let a page of `origin` have its answer."""
        if self._origin.is_due():
            if not _ORIGIN.fullmatch(origin):  # it may be an address, with a query and a password
                self._origin.write(origin=_MALFORMED, mend=_MEND_MALFORMED)
                return
            mend = _MEND_NULL if origin == b"null" else "add it to cors.origins"
            self._origin.write(origin=_text(origin), mend=mend)

    def published(self, channel: str, position: bytes, size: int, *, duplicate: bool) -> None:
        """An event of `size` characters stands at `position`. Only where `tells_events`."""
        if self._published.is_due():
            self._published.write(
                channel=channel, id=position.decode(), size=size, duplicate=duplicate
            )

    def listener_full(self, address: object, connections: int) -> None:
        """All connections are taken: who comes now waits until there is room."""
        if self._full.is_due():
            self._full.write(address=str(address), connections=connections)

    def listener_has_room(self, address: object) -> None:
        """Who waited may come."""
        if self._room.is_due():
            self._room.write(address=str(address))

    def unable_to_accept(self, address: object, error: OSError) -> None:
        """The kernel gives no connection."""
        if self._unable.is_due():
            self._unable.write(address=str(address), problem=error.strerror)


def peer(transport: asyncio.BaseTransport) -> str | None:
    """Who is at the other end, as the kernel knows it: perhaps a proxy. None: gone already."""
    try:
        name: object = transport.get_extra_info("peername")
    except OSError:
        return None
    if isinstance(name, tuple):
        host, port = name[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return "unix" if name in ("", b"") else None


def _text(value: bytes) -> str:
    """What a client sent, as it may stand in a log: short, without control characters."""
    text = value.decode("latin-1")
    return text if text.isprintable() and len(text) <= _MAX_TEXT else quoted(text)
