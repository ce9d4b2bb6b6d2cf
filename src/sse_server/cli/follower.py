"""Following channels for as long as one likes, over whatever happens to the streams.

A stream is either being read, or there is a wait before the next is asked for. It is given up when
it ends, breaks, or brings no byte for a time in which a living one has sent a heartbeat; the next
one goes on from the last id. A partial event is dropped and comes again.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from sse_server.cli.backoff import Backoff
from sse_server.cli.client import (
    CONNECT_TIMEOUT_SECONDS,
    TRANSIENT,
    read_answer,
    refusal,
    retry_after_seconds,
    trouble,
)
from sse_server.cli.ending import CommandFailed
from sse_server.errors import RemoteProtocolError
from sse_server.wire.parser import EventStreamParser, StreamEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sse_server.cli.server_url import ServerUrl

_FIRST_WAIT_SECONDS = 1.0  # where no stream has said `retry:` yet
_EVENT_STREAM = "text/event-stream"
_NO_CONTENT = 204


class _TryLater(Exception):  # noqa: N818 (it says what to do)
    """The server cannot serve a stream now."""

    def __init__(self, message: str, seconds: float | None) -> None:
        super().__init__(message)
        self.seconds = seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowOptions:
    """When a stream is given up, and what then."""

    silence_seconds: float
    """Without a byte."""
    max_wait_seconds: float
    """Before the next stream, whatever the server asks for."""
    reconnects: bool


class Follower:
    """Follows channels of one server."""

    def __init__(
        self,
        client: httpx.Client,
        server: ServerUrl,
        channels: Sequence[str],
        last_event_id: str,
        options: FollowOptions,
    ) -> None:
        """`last_event_id`: where to begin; empty: with what is published from now on."""
        self.last_event_id = last_event_id
        """Up to where everything has been handed out."""
        self._client = client
        self._server = server
        self._options = options
        self._backoff = Backoff(_FIRST_WAIT_SECONDS, max_wait_seconds=options.max_wait_seconds)
        self._retry_seconds: float | None = None
        self._complaint = ""  # said last, since the last stream
        self._path = f"/events/{channels[0]}" if len(channels) == 1 else "/events"
        self._parameters = {"channel": list(channels)} if len(channels) > 1 else {}

    def follow(self, say: Callable[[str], None]) -> Iterator[list[StreamEvent]]:
        """The events of each read, perhaps none; `say` is told of each break once.

        Raises:
            CommandFailed: it is refused for good, or a stream breaks and reconnecting is not meant.
        """
        while True:
            retry_after = None
            try:
                yield from self._stream()
            except httpx.RequestError as error:
                complaint = trouble(error, self._server)
            except _TryLater as error:
                complaint, retry_after = str(error), error.seconds
            else:
                if not self._options.reconnects:
                    return
                complaint = "the stream has ended"
            if not self._options.reconnects:
                raise CommandFailed(complaint)
            if complaint != self._complaint:
                self._complaint = complaint
                say(f"{complaint}; reconnecting")
            time.sleep(
                self._backoff.next_seconds(
                    retry_seconds=self._retry_seconds, retry_after_seconds=retry_after
                )
            )

    def _stream(self) -> Iterator[list[StreamEvent]]:
        """The events of one stream, up to its clean end."""
        fields = {b"Accept": _EVENT_STREAM.encode(), b"Cache-Control": b"no-store"}
        if self.last_event_id:
            fields[b"Last-Event-ID"] = self.last_event_id.encode()
        timeout = httpx.Timeout(CONNECT_TIMEOUT_SECONDS, read=self._options.silence_seconds)
        with self._client.stream(
            "GET",
            self._path,
            params=self._parameters,
            headers=list(fields.items()),
            timeout=timeout,
        ) as response:
            _check(response)
            self._backoff.reset()
            self._complaint = ""
            parser = EventStreamParser(self.last_event_id)
            for chunk in response.iter_bytes():
                try:
                    events = parser.feed(chunk)
                except RemoteProtocolError as error:
                    raise CommandFailed(str(error)) from None
                self.last_event_id = parser.last_event_id
                if parser.retry_ms is not None:
                    self._retry_seconds = parser.retry_ms / 1000
                yield events


def _check(response: httpx.Response) -> None:
    """Refuse what is no event stream.

    Raises:
        CommandFailed: and there will be none.
        _TryLater: but there may be one.
    """
    status = response.status_code
    if status == _NO_CONTENT:
        raise CommandFailed("the server has nothing more for this stream (204 No Content)")
    if not response.is_success:
        message = refusal(response, read_answer(response))
        if status in TRANSIENT:
            raise _TryLater(message, retry_after_seconds(response))
        raise CommandFailed(message)
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type != _EVENT_STREAM:
        raise CommandFailed(f"the answer is no event stream, but {media_type or 'nothing known'}")
