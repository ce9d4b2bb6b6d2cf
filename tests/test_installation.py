"""What `pip install .` and `make install` from a clone give; nothing that only the clone has."""

import os
import re
import socket
import subprocess
import sys
import venv
from pathlib import Path

import pytest

import sse_server._version
from tests.conftest import require_peer
from tests.node.service_manager import ServiceManager
from tests.running_server import Client

ROOT = Path(__file__).parent.parent
NO_INDEX = ("Could not find a version that satisfies the requirement", "Max retries exceeded")


UNITS = Path("usr/local/lib/systemd/system")
LIBRARY = Path("usr/local/lib/sse-server")
COMMAND = Path("usr/local/bin/sse-server")
SETTINGS = Path("etc/sse-server/sse-server.toml")


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


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make in the clone, as from a shell that knows nothing of these tests."""
    ours = ("PYTHONPATH", "MAKEFLAGS", "MAKELEVEL", "MFLAGS", "DESTDIR", "PREFIX", "UNIT_DIR")
    environ = {name: value for name, value in os.environ.items() if name not in ours}
    return subprocess.run(
        ["make", f"PYTHON={sys.executable}", *arguments],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what `make install` puts into a machine."""
    root = tmp_path_factory.mktemp("machine")
    installed = make("install", f"DESTDIR={root}")
    offline = any(sign in installed.stderr for sign in NO_INDEX)
    require_peer("package index", present=not offline, reason="pip finds no packages to install")
    assert installed.returncode == 0, installed.stderr
    assert "systemctl enable" in installed.stdout
    assert "systemctl status" in installed.stdout
    return root


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_the_unit_starts_is_there_and_serves(machine: Path, tmp_path: Path) -> None:
    unit = (machine / UNITS / "sse-server.service").read_text()
    (line,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    program, *arguments = line.split()
    assert program == f"/{COMMAND}"
    command = [f"{machine}{program}", *arguments]
    log = tmp_path / "log"
    with (
        ServiceManager(f"{tmp_path}/notify") as systemd,
        socket.create_server(("127.0.0.1", 0)) as listening,
    ):
        # The settings that the unit names are of a machine, and this one may have none.
        environ = {"SSE_SERVER_CONFIG": f"{machine / SETTINGS}", "PYTHONPATH": ""}
        process = systemd.start(command, [listening], log=log, environ=environ)
        try:
            assert systemd.hear() == {"READY": "1"}, log.read_text()
            with Client(socket.create_connection(listening.getsockname())) as client:
                client.get("/events/news")
                client.read_stream_head()
                process.terminate()
                assert client.read_to_end().endswith(b"0\r\n\r\n")
            assert process.wait(20) == 0
        finally:
            process.kill()
            process.wait()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_nothing_that_is_installed_knows_where_it_was_made(machine: Path) -> None:
    """So that it can be packed, and that the service can read it."""
    found = run("grep", "-rIlF", machine, machine / LIBRARY / "bin", machine / UNITS, cwd=machine)
    assert found.stdout == ""
    programs = {path.name for path in (machine / LIBRARY / "bin").iterdir()}
    assert {name for name in programs if not name.startswith("python")} == {"sse-server"}
    assert not list((machine / LIBRARY).rglob("__editable__*"))
    unreadable = run("find", machine / LIBRARY, "!", "-perm", "-444", cwd=machine)
    assert unreadable.stdout == ""
    version = run(machine / COMMAND, "--version", cwd=machine / LIBRARY)
    assert version.stdout == f"sse-server {sse_server._version.__version__}\n"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_settings_outlive_an_update_and_an_uninstallation(machine: Path) -> None:
    (machine / SETTINGS).write_text("# ours\n")
    inode = (machine / LIBRARY).stat().st_ino
    updated = make("install", f"DESTDIR={machine}")
    assert updated.returncode == 0, updated.stderr
    assert f"{machine / SETTINGS} stays as it is" in updated.stdout
    assert (machine / LIBRARY).stat().st_ino != inode
    assert run(machine / COMMAND, "--version", cwd=machine).returncode == 0

    gone = make("uninstall", f"DESTDIR={machine}")
    assert gone.returncode == 0, gone.stderr
    assert f"{(machine / SETTINGS).parent} stays" in gone.stdout
    files = [path for path in machine.rglob("*") if not path.is_dir()]
    assert files == [machine / SETTINGS]
    assert (machine / SETTINGS).read_text() == "# ours\n"
    assert make("uninstall", f"DESTDIR={machine}").returncode == 0  # nothing is left to be done


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["PREFIX=here"], "is no absolute path"),
        (["PYTHON=/nonexistent/python"], "/nonexistent/python is missing"),
        (["DESTDIR=/dev/null"], "cannot be written to"),
    ],
)
def test_an_installation_that_cannot_be_is_one_line(arguments: list[str], expected: str) -> None:
    done = make("install", *arguments)
    assert done.returncode != 0
    problem, *rest = done.stderr.splitlines()
    assert expected in problem
    assert all(line.startswith("make: ***") for line in rest)
