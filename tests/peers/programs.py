"""Programs that tests run beside the server: clients that go on, and proxies in front of it."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import require_command
from tests.running_server import wait_until

RUN_TIMEOUT_SECONDS = 60.0

NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/errors;
events {{ worker_connections 256; }}
http {{
    access_log off; client_body_temp_path {folder}; proxy_temp_path {folder};
    fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
    {servers}
}}
"""


def run(*command: str) -> str:
    """Run a program to its end; what it printed."""
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=RUN_TIMEOUT_SECONDS, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def running(folder: Path, *command: str) -> Iterator[Path]:
    """A program that goes on until the context is left; the file with what it prints."""
    output = folder / f"output-{time.monotonic_ns()}"
    with output.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT)
    try:
        yield output
    finally:
        process.kill()
        process.wait()


def accepts(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def running_nginx(folder: Path, port: int, servers: str) -> Iterator[None]:
    """An nginx that listens on `port`, as `servers` have to say."""
    nginx = require_command("nginx", package="nginx")
    configuration = folder / "nginx.conf"
    configuration.write_text(NGINX.format(folder=folder, servers=servers))
    command = (nginx, "-c", str(configuration), "-p", str(folder), "-e", str(folder / "errors"))
    with running(folder, *command) as output:
        wait_until(lambda: accepts(port), f"nginx listens: {output.read_text()}")
        yield
