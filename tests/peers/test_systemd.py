"""The units, and the service under them. systemd itself is not started: its tools are asked."""

import ctypes.util
import mmap
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from sse_server import ServerOptions
from sse_server.net.address import parse_address
from tests.conftest import find_free_port, require_command, require_peer
from tests.node.service_manager import ServiceManager
from tests.peers.sandbox import allowed_calls, read_unit
from tests.running_server import Client, wait_until

UNITS = Path(__file__).parent.parent.parent / "systemd"
SERVICE = UNITS / "sse-server.service"
SERVE = [sys.executable, "-m", "sse_server", "serve"]
SANDBOX = [sys.executable, str(Path(__file__).with_name("sandbox.py")), str(SERVICE)]
MAX_EXPOSURE = 1.1


@pytest.fixture(scope="module")
def systemd_analyze() -> str:
    return require_command("systemd-analyze", package="systemd")


def _verify(systemd_analyze: str, folder: Path, extra: str = "") -> list[str]:
    """What systemd has to say of the units, whose program is put in place for it."""
    program = folder / "sse-server"
    program.touch(mode=0o755)
    for unit in ("sse-server.service", "sse-server.socket"):
        text = (UNITS / unit).read_text()
        text = re.sub(r"(?m)^(ExecStart=)\S+", rf"\g<1>{program}", text)
        (folder / unit).write_text(text + extra)
    done = subprocess.run(
        [
            systemd_analyze,
            "verify",
            "--man=no",
            folder / "sse-server.service",
            folder / "sse-server.socket",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    said = (done.stdout + done.stderr).splitlines()
    return [line for line in said if "sse-server" in line]  # a machine's own units may have faults


def test_systemd_finds_nothing_wrong_with_the_units(systemd_analyze: str, tmp_path: Path) -> None:
    assert _verify(systemd_analyze, tmp_path) == []


def test_systemd_would_say_so_otherwise(systemd_analyze: str, tmp_path: Path) -> None:
    assert "Nonsense" in "".join(_verify(systemd_analyze, tmp_path, "Nonsense=1\n"))


def test_the_service_can_do_little_but_serve(systemd_analyze: str) -> None:
    said = subprocess.run(
        [systemd_analyze, "security", "--offline=true", "--no-pager", SERVICE],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    ).stdout
    exposure = re.search(r"Overall exposure level for sse-server\.service: ([\d.]+)", said)
    assert exposure is not None, said
    assert float(exposure[1]) <= MAX_EXPOSURE, said


def test_the_units_fit_the_defaults_of_the_server() -> None:
    service = read_unit(SERVICE)["Service"]
    sockets = read_unit(UNITS / "sse-server.socket")["Socket"]
    drain = ServerOptions().drain_seconds
    assert int(service["TimeoutStopSec"][0]) >= drain + 10
    addresses = [parse_address(address) for address in sockets["ListenStream"]]
    assert [str(address) for address in addresses] == list(ServerOptions().bind)


@pytest.fixture(scope="module")
def sandbox(systemd_analyze: str) -> list[str]:
    """What a command stands behind to be run as the unit says."""
    require_peer(
        "libseccomp",
        present=ctypes.util.find_library("seccomp") is not None,
        reason="apt-get install libseccomp2",
    )
    return SANDBOX


def test_the_sandbox_refuses_what_it_is_to_refuse(sandbox: list[str]) -> None:
    program = (
        "import mmap, os\n"
        f"for attempt in (lambda: mmap.mmap(-1, 4096, prot={mmap.PROT_WRITE | mmap.PROT_EXEC}),\n"
        "                lambda: os.nice(1), lambda: os.chroot('/')):\n"
        "    try: attempt()\n"
        "    except PermissionError: print('refused')\n"
        "    else: print('allowed')\n"
    )
    said = subprocess.run(
        [*sandbox, sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert said.stdout.split() == ["refused"] * 3
    assert "accept4" in allowed_calls(["@system-service"])


def test_the_server_and_all_it_stands_on_live_in_the_sandbox(
    sandbox: list[str], tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with (
        ServiceManager(f"{tmp_path}/notify") as systemd,
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as unix,
    ):
        unix.bind(f"{tmp_path}/socket")
        process = systemd.start([*sandbox, *SERVE], [tcp, unix], log=log)
        try:
            assert systemd.hear() == {"READY": "1"}, log.read_text()
            stream_socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            stream_socket.connect(f"{tmp_path}/socket")
            with (
                Client(stream_socket) as stream,
                Client(socket.create_connection(tcp.getsockname())) as publisher,
            ):
                stream.get("/events/news")
                stream.read_stream_head()
                envelope = orjson.dumps({"channel": "news", "data": "hello"}).decode()
                publisher.post("/events", envelope, "Content-Type: application/json\r\n")
                assert publisher.read_answer().status == 200
                assert stream.read_events(1) == ["hello"]
                process.send_signal(signal.SIGHUP)
                systemd.hear_until("RELOADING")
                assert systemd.hear_until("READY") == {"READY": "1"}
                process.send_signal(signal.SIGTERM)
                assert stream.read_to_end().endswith(b"0\r\n\r\n")
            systemd.hear_until("STOPPING")
            assert process.wait(20) == 0
        finally:
            process.kill()
            process.wait()
    assert "Traceback" not in log.read_text()


def test_every_package_that_it_needs_lives_in_the_sandbox(sandbox: list[str]) -> None:
    program = """
import asyncio, socket
import h11, httpx, orjson, prometheus_client, pydantic, structlog, uvloop
class Setting(pydantic.BaseModel):
    seconds: float
assert Setting.model_validate_json('{"seconds": 1}').seconds == orjson.loads(b"1")
async def main():
    await asyncio.get_running_loop().getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)
    assert await asyncio.to_thread(int, "1") == 1
asyncio.Runner(loop_factory=uvloop.new_event_loop).run(main())
httpx.Client().close()
prometheus_client.generate_latest()
print("well")
"""
    said = subprocess.run(
        [*sandbox, sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert said.stdout == "well\n", said.stderr


def test_it_is_started_by_the_first_connection(tmp_path: Path) -> None:
    activate = require_command("systemd-socket-activate", package="systemd")
    port = find_free_port()
    command = [activate, f"--listen=127.0.0.1:{port}", "--fdname=web"]
    # It hands on nothing of the environment but what it is told to.
    environ = {**os.environ, "NOTIFY_SOCKET": f"{tmp_path}/notify"}
    wanted = ("NOTIFY_SOCKET", "PYTHONPATH")
    command += [f"--setenv={name}={environ[name]}" for name in wanted if name in environ]
    log = tmp_path / "log"
    with ServiceManager(f"{tmp_path}/notify") as systemd, log.open("wb") as output:
        process = subprocess.Popen([*command, *SERVE], stdout=output, stderr=subprocess.STDOUT)
        try:
            with Client(_connect(port)) as client:
                client.get("/events/news")
                client.read_stream_head()
                assert systemd.hear() == {"READY": "1"}
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            process.kill()
            process.wait()
    assert f"serves on 127.0.0.1:{port}\n" in log.read_text()


def _connect(port: int) -> socket.socket:
    """Connect as soon as somebody listens."""
    found: list[socket.socket] = []

    def is_connected() -> bool:
        try:
            found.append(socket.create_connection(("127.0.0.1", port)))
        except ConnectionRefusedError:
            return False
        return True

    wait_until(is_connected, "systemd-socket-activate listens")
    return found[0]


def test_what_the_tests_hear_with_hears_systemds_own_tool(tmp_path: Path) -> None:
    notify = require_command("systemd-notify", package="systemd")
    with ServiceManager(f"{tmp_path}/notify") as systemd:
        subprocess.run(
            [notify, "--no-block", "--ready", "--status=well"],
            env={**os.environ, "NOTIFY_SOCKET": systemd.address},
            check=True,
        )
        assert systemd.hear() == {"READY": "1", "STATUS": "well"}
