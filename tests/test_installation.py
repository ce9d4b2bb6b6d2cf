"""What `pip install .` from a clone gives: the command, and nothing that only the clone has."""

import subprocess
import venv
from pathlib import Path

import pytest

import sse_server._version
from tests.conftest import require_peer

ROOT = Path(__file__).parent.parent
NO_INDEX = ("Could not find a version that satisfies the requirement", "Max retries exceeded")


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_clone_installs_into_a_new_environment(tmp_path: Path) -> None:
    venv.create(tmp_path / "new", with_pip=True)
    python = tmp_path / "new" / "bin" / "python"
    installed = run(python, "-m", "pip", "install", "--quiet", ROOT, cwd=tmp_path)
    offline = any(sign in installed.stderr for sign in NO_INDEX)
    require_peer("package index", present=not offline, reason="pip finds no packages to install")
    assert installed.returncode == 0, installed.stderr

    version = run(python.with_name("sse-server"), "--version", cwd=tmp_path)
    assert version.returncode == 0, version.stderr
    assert sse_server._version.__version__ in version.stdout

    files = run(python, "-m", "pip", "show", "--files", "sse-server", cwd=tmp_path).stdout
    assert "sse_server/py.typed" in files
    assert "conftest.py" not in files
