"""sse_server itself, as its users start it."""

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.load.certificate import write_certificate
from bench.load.request import get_stream, post
from bench.load.subjects.base import Subject, said


class SseServer:
    """`python -m sse_server serve` with the interpreter that runs the bench."""

    name = "sse_server"
    replays = True
    batches = True
    drains = True
    http2_after: int | None = 0
    tls = False
    stall_timeout_seconds: float | None = 30.0

    def __init__(self, *arguments: str) -> None:
        """What it is started with beside its address."""
        self._arguments = arguments

    def missing(self) -> str | None:
        if importlib.util.find_spec("sse_server") is None:
            return "the package sse_server is not installed: `make serve` or pip install -e ."
        if importlib.util.find_spec("sse_server.__main__") is None:
            return "sse_server has no command yet"
        return None

    def secured(self) -> Subject | None:
        return SecuredSseServer()

    def version(self) -> str:
        loop = "uvloop" if importlib.util.find_spec("uvloop") else "asyncio"
        return f"{said(sys.executable, '-m', 'sse_server', '--version')} ({loop})"

    def command(self, port: int, folder: Path) -> list[str]:
        serve = [sys.executable, "-m", "sse_server", "serve", "--bind", f"127.0.0.1:{port}"]
        return [*serve, *self._arguments]

    def subscribe_request(self, *channels: str, replay: bool = False) -> bytes:
        if len(channels) == 1:
            return get_stream(f"/events/{channels[0]}" + ("?last_event_id=earliest" * replay))
        return get_stream("/events?" + "&".join(f"channel={channel}" for channel in channels))

    def publish_request(self, channel: str, data: bytes) -> bytes:
        return post(f"/events/{channel}", data)

    def batch_request(self, events: Sequence[tuple[str, bytes]]) -> bytes:
        lines = [b'{"channel":"%s","data":%s}' % (name.encode(), data) for name, data in events]
        return post("/events", b"\n".join(lines), kind="application/x-ndjson")


class SecuredSseServer(SseServer):
    """The same with a certificate."""

    tls = True

    def command(self, port: int, folder: Path) -> list[str]:
        cert, key = write_certificate(folder)
        secure = ["--tls-cert", str(cert), "--tls-key", str(key)]
        return [*super().command(port, folder), *secure]
