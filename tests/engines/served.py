"""Servers on a file, and what is done to files and disks."""

import array
import contextlib
import fcntl
import json
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from sse_server import ConfigurationError, ServerOptions
from sse_server.core.hub_options import HubOptions
from sse_server.core.log_options import LogOptions
from sse_server.core.window import ChannelOptions
from sse_server.engines.sqlite.engine import SqliteEngine
from sse_server.engines.sqlite.options import SqliteOptions
from tests.running_server import Client, RunningServer, run_server, wait_until

_GET_FLAGS, _SET_FLAGS, _IMMUTABLE = 0x8008_6601, 0x4008_6602, 0x10  # linux/fs.h


FEW = HubOptions(log=LogOptions(channel=ChannelOptions(max_frames=5)))
"""What a hub keeps, where most is to come from the file."""


def served(
    path: Path,
    *,
    hub: HubOptions | None = None,
    loop_name: str = "asyncio",
    drain_seconds: float = 0.2,
    lock_wait_seconds: float = 0.1,
) -> contextlib.AbstractContextManager[RunningServer]:
    options = ServerOptions(
        bind=("127.0.0.1:0",),
        drain_seconds=drain_seconds,
        engine=f"sqlite://{quote(str(path))}",
        hub=hub or HubOptions(),
        sqlite=SqliteOptions(lock_wait_seconds=lock_wait_seconds),
    )
    return run_server(loop_name, options)


def refused(path: Path) -> str:
    """Why no server starts on it: one line."""
    with pytest.raises(ConfigurationError) as caught, served(path):
        raise AssertionError("it serves")
    text = str(caught.value)
    assert text.startswith("ServerOptions.engine: ")
    assert "\n" not in text
    return text.removeprefix("ServerOptions.engine: ")


def publish(
    running: RunningServer, data: str = "x", query: str = ""
) -> tuple[int, dict[str, object]]:
    with running.client() as client:
        client.post(f"/events/news{query}", data)
        answer = client.read_answer()
        found: dict[str, object] = json.loads(answer.body)
        return answer.status, found


def look(running: RunningServer, target: str) -> tuple[int, bytes]:
    with running.client() as client:
        client.get(target)
        answer = client.read_answer()
        return answer.status, answer.body


def engine_of(running: RunningServer) -> SqliteEngine:
    engine = running.server._engine._engine
    assert isinstance(engine, SqliteEngine)
    return engine


def cannot_store(running: RunningServer, problem: str) -> None:
    """Publishers are told why, operators too, and everything else is as ever."""
    status, answer = publish(running, "lost " * 1_000, "?id=k")
    assert status == 503
    assert answer["error"] == "unavailable"
    assert problem in str(answer["message"])
    status, body = look(running, "/readyz")
    assert status == 503
    assert problem in body.decode()
    assert look(running, "/healthz")[0] == 200
    status, body = look(running, "/metrics")
    assert status == 200
    assert b"\nsse_server_engine_able 0.0\n" in body
    assert look(running, "/channels/news")[0] == 200


@contextlib.contextmanager
def going_on(running: RunningServer, problem: str) -> Iterator[Client]:
    """Behind it events cannot be stored, and a stream that is open goes on."""
    assert publish(running, "before")[0] == 200
    stream = running.subscriber("/events/news?last_event_id=earliest")
    assert stream.read_events(1) == ["before"]
    yield stream  # it is brought about
    cannot_store(running, problem)
    late = running.subscriber("/events/news?last_event_id=earliest")
    assert late.read_events(1) == ["before"]


def stores_again(running: RunningServer, stream: Client) -> None:
    """What failed was sent to nobody, and is published now by its id."""
    wait_until(lambda: look(running, "/readyz")[0] == 200, "it stores again")
    status, answer = publish(running, "after", "?id=k")
    assert (status, answer["duplicate"]) == (200, False)
    assert stream.read_events(1) == ["after"]
    late = running.subscriber("/events/news?last_event_id=earliest")
    found = late.read_events(2)
    while found[-1] != "after":
        found += late.read_events(1)
    assert not [data for data in found if data.startswith("lost")]


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A disk of 1 MiB; without the right to mount one the test is skipped."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    mount = subprocess.run(command, capture_output=True, text=True, check=False)
    if mount.returncode:
        pytest.skip(f"no small disk can be made: {mount.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(path: Path) -> None:
    """Leave no room on the disk."""
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(b"x" * 4_096):
            pass


@contextlib.contextmanager
def unwritable(*paths: Path) -> Iterator[None]:
    """Have every write fail, also for who has them open; skipped where that cannot be had."""
    probe = paths[0].parent / "probe"
    with probe.open("wb", buffering=0) as file:
        try:
            _set_immutable(probe, is_immutable=True)
        except OSError as error:
            pytest.skip(f"no file can be made immutable: {error}")
        try:
            file.write(b"x")
        except OSError:
            pass
        else:
            pytest.skip("this file system lets immutable files be written to")
        finally:
            _set_immutable(probe, is_immutable=False)
    try:
        for path in paths:
            _set_immutable(path, is_immutable=True)
        yield
    finally:
        for path in paths:
            _set_immutable(path, is_immutable=False)


def _set_immutable(path: Path, *, is_immutable: bool) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        flags = array.array("i", [0])
        fcntl.ioctl(descriptor, _GET_FLAGS, flags)
        flags[0] = flags[0] | _IMMUTABLE if is_immutable else flags[0] & ~_IMMUTABLE
        fcntl.ioctl(descriptor, _SET_FLAGS, flags)
    finally:
        os.close(descriptor)


def overwrite(path: Path, at: int, content: bytes) -> None:
    """Damage a file."""
    with path.open("r+b") as file:
        file.seek(at)
        file.write(content)


def damage_index(path: Path) -> None:
    """Damage the page from which events are found by channel."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'events_of_channels'"
        ).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    overwrite(path, (page - 1) * size, b"\xff" * size)
