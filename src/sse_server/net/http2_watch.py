"""What an HTTP/2 connection waits for, and until when.

- A frame or a header block that has begun: as long as the head of a request may take.
- A body: as long as a body may take.
- Something to do: a connection without streams is closed when it has been idle.
- An answer that is not read: as long as a connection may be idle.
- A sign of life: one with streams that has sent nothing for long is asked, and has to answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sse_server.http.h2_lean import NOTHING

if TYPE_CHECKING:
    from sse_server.http.h2_options import Http2Options
    from sse_server.http.h2_stream import Http2Stream
    from sse_server.http.http2 import Http2
    from sse_server.net.site import ConnectionOptions


class Http2Watch:
    """The moments of one connection, in the loop's seconds."""

    __slots__ = (
        "_heard",
        "_looked_at",
        "_options",
        "_pinged",
        "_taken",
        "_waiting_since",
        "drains",
    )

    def __init__(self, options: Http2Options, now: float) -> None:
        """A preface is waited for."""
        self._options = options
        self._heard = now
        self._pinged: float | None = None  # when it was asked for a sign of life
        self._waiting_since: float | None = now
        self._looked_at = now
        self._taken: dict[Http2Stream, int] = NOTHING  # how much of each answer was, then
        self.drains = False  # it is closed as soon as it has no streams, and nothing is on its way

    def hear(self, now: float) -> None:
        """The client has sent something; or its time begins anew."""
        self._heard = now
        self._pinged = None

    def ask(self, now: float) -> None:
        """It is asked for a sign of life."""
        self._pinged = now

    def look(self, *, is_waiting: bool, has_progressed: bool) -> None:
        """All that has come has been read; `is_waiting`: some of it is not whole."""
        if not is_waiting:
            self._waiting_since = None
        elif self._waiting_since is None or has_progressed:
            self._waiting_since = self._heard

    def end(self) -> None:
        """There is nothing to wait for any more."""
        self._taken = NOTHING

    def is_stuck(self, now: float, options: ConnectionOptions) -> bool:
        """Whether something that has begun does not come to its end."""
        since = self._waiting_since
        return since is not None and now >= since + options.head_timeout_seconds

    def is_dead(self, now: float) -> bool:
        """Whether no sign of life has come in time."""
        pinged = self._pinged
        return pinged is not None and now >= pinged + self._options.keepalive_timeout_seconds

    def is_silent(self, now: float, machine: Http2) -> bool:
        """Whether it is to be asked for a sign of life."""
        flow = machine.flow
        if not flow.streams or flow.paused or self._pinged is not None:
            return False
        return now >= self._heard + self._options.keepalive_seconds

    def is_idle(self, now: float, options: ConnectionOptions) -> bool:
        """Whether it has not been used for too long, if it has no streams."""
        return now >= self._idle_at(options)

    def unread(self, now: float, machine: Http2, options: ConnectionOptions) -> list[Http2Stream]:
        """Answers of which nothing was taken for too long."""
        if self._taken and now < self._looked_at + options.idle_timeout_seconds:
            return []
        before = self._taken
        answers = [s for s in machine.flow.streams.values() if s.ends and s.rest]
        self._taken = {stream: stream.at for stream in answers} or NOTHING
        self._looked_at = now
        return [stream for stream in answers if before.get(stream) == stream.at]

    def due(self, now: float, machine: Http2, options: ConnectionOptions) -> float:
        """When the first of all this is due, or earlier."""
        if self._pinged is not None:
            times = [self._pinged + self._options.keepalive_timeout_seconds]
        elif machine.flow.streams:
            # A full transport is not read from: then there is nothing to be heard.
            since = now if machine.flow.paused else self._heard
            times = [since + self._options.keepalive_seconds]
        else:
            times = [self._idle_at(options)]
        if self._waiting_since is not None:
            times.append(self._waiting_since + options.head_timeout_seconds)
        if machine.flow.answer_bytes:
            looked_at = self._looked_at if self._taken else now
            times.append(looked_at + options.idle_timeout_seconds)
        body = machine.oldest_body
        if body is not None:
            times.append(body + options.body_timeout_seconds)
        return min(times)

    def _idle_at(self, options: ConnectionOptions) -> float:
        wait = options.linger_seconds if self.drains else options.idle_timeout_seconds
        return self._heard + wait
