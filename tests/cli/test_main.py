"""The command, in a process of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import sse_server
from tests.cli.command import line, running
from tests.conftest import Serve, find_free_port
from tests.running_server import Client

# `None` in sys.modules makes its import fail as that of a package that is not installed does.
WITHOUT = """
import sys
sys.modules[{name!r}] = None
from sse_server.cli import main
sys.exit(main(["serve"]))
"""


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sse_server", *arguments],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def _one_line(result: subprocess.CompletedProcess[str]) -> str:
    """Its complaint."""
    assert result.returncode == 2, result
    assert result.stdout == ""
    assert result.stderr.startswith("sse-server: ")
    assert result.stderr.count("\n") == 1, result.stderr
    return result.stderr


def test_the_version() -> None:
    result = _run("--version")
    assert (result.returncode, result.stdout) == (0, f"sse-server {sse_server.__version__}\n")


def test_without_a_command_the_usage_is_told() -> None:
    result = _run()
    assert result.returncode == 2
    assert "usage: sse-server" in result.stderr


@pytest.mark.parametrize("bind", ["nonsense", ":80", "127.0.0.1:99999", "unix:"])
def test_a_bad_address_is_one_line(bind: str) -> None:
    assert "for example" in (line := _one_line(_run("serve", "--bind", bind))) or "write" in line


def test_a_taken_port_is_one_line_that_names_the_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        line = _one_line(_run("serve", "--bind", f"127.0.0.1:{taken.getsockname()[1]}"))
    assert "--bind 127.0.0.1:0 finds a free one" in line


def test_anonymous_use_from_elsewhere_has_to_be_meant() -> None:
    assert "--allow-anonymous" in _one_line(_run("serve", "--bind", "0.0.0.0:0"))


@pytest.mark.parametrize("name", ["h11", "orjson"])
def test_a_missing_package_is_one_line(name: str) -> None:
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(name=name)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    line = _one_line(result)
    assert f"the package {name} is missing" in line
    assert f"-m pip install {name}" in line


def test_it_prints_two_commands_that_show_a_first_event(serve: Serve) -> None:
    served = serve()
    assert f"curl -N http://127.0.0.1:{served.port}/events/news" in served.log()
    assert f"curl -d 'hello' http://127.0.0.1:{served.port}/events/news" in served.log()


def test_it_serves_when_nobody_reads_what_it_prints() -> None:
    port = find_free_port()
    with running("serve", "--bind", f"127.0.0.1:{port}", stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert line(process.stderr)  # it has started
        with Client(socket.create_connection(("127.0.0.1", port))) as client:
            client.get("/healthz")
            assert client.read_answer().status == 200
        process.terminate()
        assert process.wait() == 0
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(serve: Serve, number: signal.Signals) -> None:
    served = serve()
    with Client(socket.create_connection(("127.0.0.1", served.port))) as client:
        client.get("/events/news")
        client.read_stream_head()
        assert served.stop(number) == 0
        assert client.read_to_end().endswith(b"0\r\n\r\n")
    assert "Traceback" not in served.log()


def test_it_serves_without_uvloop(tmp_path: Path, serve: Serve) -> None:
    (tmp_path / "uvloop.py").write_text("raise ImportError('not here')\n")
    served = serve(env={"PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"})
    assert served.stop() == 0
    assert "Traceback" not in served.log()


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_a_second_signal_ends_it_at_once(tmp_path: Path, serve: Serve, loop: str) -> None:
    if loop == "asyncio":
        (tmp_path / "uvloop.py").write_text("raise ImportError('not here')\n")
    served = serve(env={"PYTHONPATH": str(tmp_path)})
    with (
        Client(socket.create_connection(("127.0.0.1", served.port))) as stuck,
        Client(socket.create_connection(("127.0.0.1", served.port))) as publisher,
    ):
        stuck.get("/events/news")
        stuck.read_stream_head()
        for _ in range(150):
            publisher.post("/events/news", "x" * 100_000)
            assert publisher.read_answer().status == 200
        begun = time.monotonic()
        served.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert served.process.poll() is None  # it waits for the client that does not read
        assert served.stop() == 1
        assert time.monotonic() - begun < 3.0
    assert "Traceback" not in served.log()
