"""The ways in which a client can speak to a server, behind one face: one suite runs over all."""

import socket
import ssl
import struct
from dataclasses import dataclass
from typing import Protocol

from sse_server.net.tls import TlsOptions
from tests.http2_client import Http2Client
from tests.running_server import Answer, Client, RunningServer

Fields = tuple[tuple[str, str], ...]


class Link(Protocol):
    """A connection."""

    socket: socket.socket

    def request(
        self, method: str, target: str, fields: Fields = (), body: bytes | None = None
    ) -> Answer: ...

    def subscribe(self, target: str = "/events/news", fields: Fields = ()) -> bytes:
        """Open the stream of this connection; returns its opening block."""
        ...

    def read_events(self, count: int) -> list[str]: ...

    def read_stream_to_end(self) -> bytes:
        """What is left of the stream, which has to end cleanly."""
        ...


class Http1Link:
    """HTTP/1.1, in clear or not."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self._client = Client(sock)

    def request(
        self, method: str, target: str, fields: Fields = (), body: bytes | None = None
    ) -> Answer:
        self._send(method, target, fields, body)
        return self._client.read_answer(head_only=method == "HEAD")

    def subscribe(self, target: str = "/events/news", fields: Fields = ()) -> bytes:
        self._send("GET", target, fields, None)
        return self._client.read_stream_head().body

    def read_events(self, count: int) -> list[str]:
        return self._client.read_events(count)

    def read_stream_to_end(self) -> bytes:
        data = self._client.read_to_end()
        assert data.endswith(b"0\r\n\r\n"), data[-100:]
        return data

    def _send(self, method: str, target: str, fields: Fields, body: bytes | None) -> None:
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields if name != "host")
        host = dict(fields).get("host", "localhost")
        if body is not None:
            lines += f"Content-Length: {len(body)}\r\n"
        head = f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n"
        self._client.send(head.encode() + (body or b""))


class Http2Link:
    """HTTP/2, in clear or not."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.client = Http2Client(sock)
        self._stream_id = 0

    def request(
        self, method: str, target: str, fields: Fields = (), body: bytes | None = None
    ) -> Answer:
        host = dict(fields).get("host", "localhost")
        others = tuple((name.lower(), value) for name, value in fields if name != "host")
        stream_id = self.client.send(
            target, method=method, fields=others, body=body, authority=host
        )
        return self.client.answer(stream_id)

    def subscribe(self, target: str = "/events/news", fields: Fields = ()) -> bytes:
        lower = tuple((name.lower(), value) for name, value in fields)
        self._stream_id = self.client.send(target, fields=lower)
        return self.client.read_until(self._stream_id, b"\n\n")

    def read_events(self, count: int) -> list[str]:
        return self.client.read_events(self._stream_id, count)

    def read_stream_to_end(self) -> bytes:
        return self.client.answer(self._stream_id).body


@dataclass(frozen=True, slots=True)
class Subject:
    """One of the ways."""

    name: str
    http2: bool
    tls: TlsOptions | None

    def connect(self, running: RunningServer) -> Link:
        """A new connection, which is closed with the server if not before."""
        sock: socket.socket = socket.create_connection(("127.0.0.1", running.port), 10)
        if self.tls is not None:
            context = ssl.create_default_context(cafile=self.tls.cert)
            context.set_alpn_protocols(["h2"] if self.http2 else ["http/1.1"])
            sock = context.wrap_socket(sock, server_hostname="localhost")
        running.keep(sock)
        return Http2Link(sock) if self.http2 else Http1Link(sock)


def reset(sock: socket.socket) -> None:
    """Abort: the server gets a RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
