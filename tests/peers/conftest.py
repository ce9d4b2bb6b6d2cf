"""What tests against real peers share; each of them is marked `peer`."""

import shutil
import subprocess
from pathlib import Path
from typing import Protocol

import pytest

from tests.conftest import require_peer

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
