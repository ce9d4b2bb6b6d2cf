"""Clients that hold on to a stream as EventSource does, and remember what they were told."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from bench.load.stream import dechunk
from sse_server.wire.parser import EventStreamParser, StreamEvent


class Transcript:
    """One chunked response, decoded as it comes."""

    def __init__(self, last_event_id: str = "") -> None:
        self.parser = EventStreamParser(last_event_id)
        self.status: int | None = None
        """None before the head is complete."""
        self.is_complete = False
        """Whether the last chunk has come."""
        self._raw = b""
        self._left = 0

    def feed(self, data: bytes) -> list[StreamEvent]:
        """The events that these bytes complete."""
        self._raw += data
        if self.status is None:
            head, end, rest = self._raw.partition(b"\r\n\r\n")
            if not end:
                return []
            self.status = int(head.split(b" ", 2)[1])
            assert b"\r\ntransfer-encoding: chunked" in head.lower(), head
            self._raw = rest
        assert not self.is_complete, f"bytes after the end: {self._raw!r}"
        self._left, text, self._raw = dechunk(self._left, self._raw)
        self.is_complete = self._left < 0
        return self.parser.feed(text)


def transcript(received: bytes) -> tuple[Transcript, list[StreamEvent]]:
    """What a whole response says."""
    found = Transcript()
    return found, found.feed(received)


def stream_request(channel: str, last_event_id: str = "") -> bytes:
    """A GET for the stream of a channel."""
    resume = f"Last-Event-ID: {last_event_id}\r\n" if last_event_id else ""
    return f"GET /events/{channel} HTTP/1.1\r\nHost: localhost\r\n{resume}\r\n".encode()


class Follower:
    """Follows a channel, and resumes where it was cut."""

    def __init__(self, port: int, channel: str = "news", *, last_event_id: str = "") -> None:
        self.port = port
        self.channel = channel
        self.last_event_id = last_event_id
        self.events: list[StreamEvent] = []
        """In the order in which they came, the server's own included."""
        self.streams = 0
        """How often it was answered."""

    @property
    def data(self) -> list[str]:
        """Of the events that were published."""
        return [event.data for event in self.events if event.type == "message"]

    @property
    def gaps(self) -> list[dict[str, Any]]:
        """What it was told to have lost."""
        return [json.loads(event.data) for event in self.events if event.type == "gap"]

    async def follow(self) -> None:
        """Read and come back, for ever."""
        while True:
            with contextlib.suppress(OSError):
                await self.read_stream()
            await asyncio.sleep(0.02)

    async def read_stream(self) -> None:
        """Read one stream until it ends, in whichever way."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(stream_request(self.channel, self.last_event_id))
            response = Transcript(self.last_event_id)
            while data := await reader.read(65_536):
                self.streams += response.status is None
                self.events += response.feed(data)
                self.streams -= response.status is None
                self.last_event_id = response.parser.last_event_id
        finally:
            writer.transport.abort()


async def wait_for(condition: Callable[[], bool], seconds: float = 40.0) -> None:
    """Return soon after `condition` holds."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 (what is waited for knows nothing of it)
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def following(followers: Sequence[Follower]) -> AsyncIterator[None]:
    """All follow until the block is left."""
    tasks = [asyncio.create_task(follower.follow()) for follower in followers]
    try:
        yield
        for task in tasks:
            assert not task.done(), task.exception()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
