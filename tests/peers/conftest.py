"""What tests against real peers share; each of them is marked `peer`."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from tests.conftest import Served, find_free_port, require_peer

HERE = Path(__file__).parent
NODE_TIMEOUT_SECONDS = 30.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all that lives below this folder."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.peer)


class NodeRun(Protocol):
    """Runs an ES module, given as its source, and returns what it printed."""

    def __call__(self, script: str, *args: str) -> str: ...


@pytest.fixture(scope="session")
def node_run() -> NodeRun:
    """Node with the npm clients: `import { EventSource } from "eventsource"` works in the script.

    The script finds its arguments in `process.argv.slice(1)`. It must end by itself, with 0.
    """
    node = shutil.which("node")
    require_peer("node", present=node is not None, reason="apt-get install nodejs npm")
    assert node is not None
    require_peer(
        "npm eventsource",
        present=(HERE / "node_modules" / "eventsource").is_dir(),
        reason="npm --prefix tests/peers ci",
    )

    def run(script: str, *args: str) -> str:
        done = subprocess.run(
            [node, "--input-type=module", "--eval", script, "--", *args],
            cwd=HERE,  # where node looks for node_modules
            capture_output=True,
            text=True,
            timeout=NODE_TIMEOUT_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            pytest.fail(f"node exited with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    return run


class ServeBriskly(Protocol):
    """Starts `brisk_server.py`; `port` puts one in the place of one that was stopped."""

    def __call__(self, *, port: int | None = None) -> Served: ...


@pytest.fixture
def serve_briskly(tmp_path: Path) -> Iterator[ServeBriskly]:
    """A factory of servers that do not keep a test waiting. All are killed at the end."""
    started: list[Served] = []

    def start(*, port: int | None = None) -> Served:
        port = find_free_port() if port is None else port
        log_file = tmp_path / f"brisk-{len(started)}.log"
        with log_file.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, str(HERE / "brisk_server.py"), str(port)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        served = Served(port=port, process=process, log_file=log_file)
        started.append(served)
        served.wait_until_healthy()
        return served

    yield start
    for served in started:
        if served.process.poll() is None:
            served.process.kill()
        served.process.wait()
