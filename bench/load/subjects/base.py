"""What the bench has to know about a server."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol


class Subject(Protocol):
    """How a server is started, and its requests; `bench.load.server` runs and ends it."""

    name: str
    replays: bool
    """Whether it keeps events for those who join later."""
    batches: bool
    """Whether one request can publish many events."""
    drains: bool
    """Whether it ends its streams itself when it is told to stop."""
    http2_after: int | None
    """How far behind its port is the one on which it speaks HTTP/2 in clear; None: on none."""
    tls: bool
    """Whether it speaks TLS, on one port with all that it speaks."""
    stall_timeout_seconds: float | None
    """After so long it closes who reads nothing; None: never."""

    def missing(self) -> str | None:
        """Why it cannot be run on this machine; None when it can."""
        ...

    def secured(self) -> "Subject | None":
        """The same with TLS; None: not here."""
        ...

    def version(self) -> str:
        """The version of what is run."""
        ...

    def command(self, port: int, folder: Path) -> list[str]:
        """What starts it in the foreground, on 127.0.0.1; the folder is for its configuration."""
        ...

    def subscribe_request(self, *channels: str, replay: bool = False) -> bytes:
        """A GET for the stream of channels: from now on, or from the oldest event kept."""
        ...

    def publish_request(self, channel: str, data: bytes) -> bytes:
        """A POST of one event."""
        ...

    def batch_request(self, events: Sequence[tuple[str, bytes]]) -> bytes:
        """A POST of many events, each with its channel; their data is JSON."""
        ...


def said(*command: str) -> str:
    """What a program answers to a question about its version, standard error included."""
    answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    return (answer.stdout + answer.stderr).strip()
