"""SIGHUP to a process that serves."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import Serve, Served
from tests.running_server import Client, wait_until

APP = "https://app.example"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that is good."""
    file = tmp_path / "sse.toml"
    file.write_text("drain_seconds = 0.2\n")
    return file


@contextmanager
def _open(served: Served) -> Iterator[Client]:
    with Client(socket.create_connection(("127.0.0.1", served.port))) as client:
        yield client


def _reload(served: Served, line: str) -> None:
    """Have the process read its configuration again, until it says `line`."""
    before = served.log().count(line)
    served.process.send_signal(signal.SIGHUP)
    try:
        wait_until(lambda: served.log().count(line) > before, line)
    except AssertionError:
        pytest.fail(f"{line!r} is not in:\n{served.log()}")


def _allowed(client: Client) -> str | None:
    """Which origin may read an answer that a page of `APP` asks for."""
    client.get("/channels", f"Origin: {APP}\r\n")
    return client.read_answer().fields.get("access-control-allow-origin")


def test_what_can_be_taken_over_is_and_streams_go_on(serve: Serve, file: Path) -> None:
    served = serve("--config", str(file))
    with _open(served) as stream, _open(served) as client:
        stream.get("/events/news")
        stream.read_stream_head()
        assert _allowed(client) is None
        file.write_text(
            f"drain_seconds = 0.2\n[cors]\norigins = ['{APP}']\n[hub]\nlane_size = 9\n"
            "[hub.log]\nmax_bytes = 5\n[channels.'a*']\nmax_frames = 3\n"
            "[logging]\nlevel = 'warning'\n"
        )
        _reload(served, "started again to change: hub.log.max_bytes, channels, hub.lane_size")
        assert _allowed(client) == APP
        client.post("/events/news", "still here")
        client.read_answer()
        assert stream.read_events(1) == ["still here"]
        # What is not important enough any more was not told; now it is again.
        assert "changed: cors" not in served.log()
        file.write_text("drain_seconds = 0.2\n")
        _reload(served, "changed: cors.origins, logging.level")
        assert _allowed(client) is None
    assert served.stop() == 0
    assert "Traceback" not in served.log()


def test_a_bad_file_changes_nothing_and_is_one_line_each(serve: Serve, file: Path) -> None:
    file.write_text(f"drain_seconds = 0.2\n[cors]\norigins = ['{APP}']\n")
    served = serve("--config", str(file))
    with _open(served) as client:
        for text, line in (
            ("[cors]\norigins = ['null']", f"cors.origins in {file}: 'null' is no origin"),
            ("[cors", f"{file}: the file is no TOML"),
            ("[hub]\nlane_size = 0", f"hub.lane_size in {file}: 0 does not fit"),
        ):
            file.write_text(text)
            _reload(served, f"the configuration stays as it was: {line}")
            assert _allowed(client) == APP
        file.unlink()
        _reload(served, "the configuration stays as it was: --config")
        assert _allowed(client) == APP
        file.write_text(f"drain_seconds = 0.2\n[cors]\norigins = ['{APP}']\n")
        _reload(served, "the configuration was read again; changed: nothing")
    assert served.stop() == 0
    assert "Traceback" not in served.log()


def test_flags_and_variables_win_again(serve: Serve, file: Path) -> None:
    served = serve("--config", str(file), env={"SSE_SERVER_CORS_ORIGINS": APP})
    with _open(served) as client:
        assert _allowed(client) == APP
        file.write_text("bind = ['127.0.0.1:1']\nrestart_seconds = 3\n[cors]\norigins = []\n")
        _reload(served, "changed: drain_seconds, restart_seconds")
        assert _allowed(client) == APP
    assert "started again" not in served.log()


def test_without_a_file_there_is_nothing_to_change(serve: Serve) -> None:
    served = serve()
    _reload(served, "the configuration was read again; changed: nothing")
    assert served.stop() == 0


RELOAD_AS_IT_LISTENS = """
import os, signal
from sse_server import Server, ServerOptions
from sse_server.node.process import serve

class HastyServer(Server):
    async def start(self):
        await super().start()
        os.kill(os.getpid(), signal.SIGHUP)

def reload(server):
    print("reloaded", server.addresses, flush=True)
    os.kill(os.getpid(), signal.SIGTERM)

import sse_server.node.process
sse_server.node.process.Server = HastyServer
serve(ServerOptions(bind=("127.0.0.1:0",)), lambda server: None, reload)
"""


def test_who_sees_it_listen_may_have_it_reload_at_once() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", RELOAD_AS_IT_LISTENS], capture_output=True, text=True, check=False
    )
    assert ran.stdout.startswith("reloaded"), ran.stderr
    assert ran.returncode == 0
