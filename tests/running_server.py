"""A server in a thread of its own, and clients that are nothing but sockets."""

import asyncio
import contextlib
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

from sse_server import Event, Server, ServerOptions

T = TypeVar("T")

TIMEOUT_SECONDS = 10.0
LOOPS = ("uvloop", "asyncio")


def new_loop(name: str) -> asyncio.AbstractEventLoop:
    """A loop of one of `LOOPS`."""
    if name == "asyncio":
        return asyncio.new_event_loop()
    import uvloop  # noqa: PLC0415 (only where it is asked for)

    return uvloop.new_event_loop()


def wait_until(condition: Callable[[], bool], what: str, seconds: float = TIMEOUT_SECONDS) -> None:
    """Return as soon as `condition` holds; fail with `what` was waited for when it does not."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain: {what}"
        time.sleep(0.002)


class RunningServer:
    """A server that has been started, seen from another thread."""

    def __init__(self, server: Server, loop: asyncio.AbstractEventLoop) -> None:
        self.server = server
        self.loop = loop
        self.errors: list[str] = []
        """What reached the loop's exception handler."""
        self._sockets: list[socket.socket] = []

    @property
    def port(self) -> int:
        return int(self.server.addresses[0].rpartition(":")[2])

    @property
    def site_sizes(self) -> tuple[int, int]:
        """Connections and streams."""
        site = self.server._site
        return len(site.connections), len(site.streams)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run in the server's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(TIMEOUT_SECONDS)

    def call(self, function: Callable[[], T]) -> T:
        """Call in the server's loop."""

        async def call() -> T:
            return function()

        return self.run(call())

    def publish(self, channel: str, *data: str) -> None:
        """Publish all in one turn of the loop."""

        async def publish() -> None:
            for text in data:
                await self.server.publish(channel, Event(text))

        self.run(publish())

    def client(self) -> "Client":
        """A client that has just connected. Closed with the server, if not before."""
        return Client(self.keep(socket.create_connection(("127.0.0.1", self.port))))

    def keep(self, sock: socket.socket) -> socket.socket:
        """Close a client's socket with the server, if not before."""
        self._sockets.append(sock)
        return sock

    def close_clients(self) -> None:
        for sock in self._sockets:
            sock.close()

    def subscriber(self, target: str = "/events/news", fields: str = "") -> "Client":
        """A client with an open stream, whose head and opening block are read."""
        client = self.client()
        client.get(target, fields)
        client.read_stream_head()
        return client

    def wait_until_empty(self) -> None:
        wait_until(
            lambda: self.site_sizes == (0, 0) and self.server.hub.subscribers == 0, "all are gone"
        )


@contextlib.contextmanager
def run_server(
    loop_name: str, options: ServerOptions | None = None, sockets: Sequence[socket.socket] = ()
) -> Iterator[RunningServer]:
    """A server on a free port of 127.0.0.1, or as `options` say, until the context is left.

    Raises:
        AssertionError: something reached the loop's exception handler.
    """
    loop = new_loop(loop_name)
    server = Server(
        options or ServerOptions(bind=("127.0.0.1:0",), drain_seconds=0.2), sockets=sockets
    )
    running = RunningServer(server, loop)
    loop.set_exception_handler(lambda _loop, context: running.errors.append(str(context)))
    thread = threading.Thread(target=loop.run_forever, name="server")
    thread.start()
    try:
        running.run(server.start())
        try:
            yield running
        finally:
            running.close_clients()
            running.run(server.close())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
    assert running.errors == []


@dataclass(frozen=True, slots=True)
class Answer:
    """A response as it came."""

    status: int
    fields: dict[str, str]
    body: bytes
    head: bytes = field(repr=False)


class Client:
    """A socket and what has been received but not looked at."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(TIMEOUT_SECONDS)
        self.socket = sock
        self.buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.socket.close()

    def send(self, data: bytes | str) -> None:
        self.socket.sendall(data.encode() if isinstance(data, str) else data)

    def get(self, target: str, fields: str = "", *, method: str = "GET") -> None:
        self.send(f"{method} {target} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n")

    def post(self, target: str, body: str, fields: str = "") -> None:
        self.send(
            f"POST {target} HTTP/1.1\r\nHost: localhost\r\n"
            f"Content-Length: {len(body.encode())}\r\n{fields}\r\n{body}"
        )

    def read_until(self, mark: bytes) -> bytes:
        """All up to and with `mark`."""
        while mark not in self.buffer:
            data = self.socket.recv(65_536)
            assert data, f"the connection ended before {mark!r}: {self.buffer[-500:]!r}"
            self.buffer += data
        found, _, self.buffer = self.buffer.partition(mark)
        return found + mark

    def read_exactly(self, size: int) -> bytes:
        while len(self.buffer) < size:
            data = self.socket.recv(65_536)
            assert data, f"the connection ended: {self.buffer[-500:]!r}"
            self.buffer += data
        found, self.buffer = self.buffer[:size], self.buffer[size:]
        return found

    def read_to_end(self) -> bytes:
        """All that comes until the server ends the connection, cleanly: a reset raises."""
        parts = [self.buffer]
        while data := self.socket.recv(1 << 20):
            parts.append(data)
        self.buffer = b""
        return b"".join(parts)

    def read_answer(self, *, head_only: bool = False) -> Answer:
        head = self.read_until(b"\r\n\r\n")
        line, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        fields = {
            name.lower(): value for name, _, value in (text.partition(": ") for text in lines)
        }
        size = 0 if head_only else int(fields.get("content-length", "0"))
        return Answer(int(line.split(" ")[1]), fields, self.read_exactly(size), head)

    def read_stream_head(self) -> Answer:
        """The head of an event stream, and its opening block as the body."""
        head = self.read_answer()
        assert head.status == 200, head
        return Answer(200, head.fields, self.read_until(b"\n\n"), head.head)

    def read_events(self, count: int) -> list[str]:
        """The data of so many events. For streams in which each is one line."""
        found: list[str] = []
        while len(found) < count:
            block = self.read_until(b"\n\n")
            match = re.search(rb"^data: ?(.*)$", block, re.MULTILINE)
            if match:
                found.append(match[1].decode())
        return found

    def is_ended(self) -> bool:
        """Whether the server has ended the connection, in whichever way, with nothing to read."""
        try:
            return self.socket.recv(1, socket.MSG_PEEK) == b""
        except ConnectionResetError:
            return True

    def reset(self) -> None:
        """Abort: the server gets a RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()
