"""What all tests share: profiles of hypothesis, absent peers, a served instance, a browser."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest
import trustme
from hypothesis import settings
from playwright.sync_api import Browser, Page, sync_playwright

from sse_server.net.tls import TlsOptions
from tests.auth.secrets import secret_in

START_TIMEOUT_SECONDS = 15.0
STOP_TIMEOUT_SECONDS = 15.0

# No deadlines: the machines that run this are shared, and a slow moment is no bug.
settings.register_profile("default", deadline=None, max_examples=50)
# The same examples on every run, so that only a change can turn it red.
settings.register_profile("ci", deadline=None, max_examples=100, derandomize=True, print_blob=True)
settings.register_profile("deep", deadline=None, max_examples=5_000, stateful_step_count=100)
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "default")
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests that use the browser last.

    Playwright's synchronous API leaves a running event loop in the thread until it is stopped, and
    `asyncio.run` refuses to work beside it.
    """
    items.sort(key=lambda item: "chromium" in getattr(item, "fixturenames", ()))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Whatever a test has printed or logged holds no token, key or cookie."""
    report = yield
    for title, text in report.sections:
        found = secret_in(text)
        if found is not None and report.passed:
            report.outcome = "failed"
            report.longrepr = f"{title}: there is a secret in it: {found}"
    return report


def require_peer(name: str, *, present: bool, reason: str) -> None:
    """Skip the test, by name and with the reason, when a peer is absent.

    With TESTS_REQUIRE_PEERS=1, as in CI, an absent peer fails the test instead.
    """
    if present:
        return
    message = f"{name} is absent: {reason}"
    if os.environ.get("TESTS_REQUIRE_PEERS") == "1":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def require_command(name: str, *, package: str) -> str:
    """The path of a program, which Debian has in `package`; the test skips when it is absent."""
    # Debian keeps nginx where the PATH of an ordinary user does not look.
    path = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    require_peer(name, present=path is not None, reason=f"apt-get install {package}")
    assert path is not None
    return path


def find_free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def write_certificate(folder: Path) -> TlsOptions:
    """A new certificate for this machine, which vouches for itself, and its key."""
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1", "::1")
    cert, key = folder / "cert.pem", folder / "key.pem"
    chain = [*certificate.cert_chain_pems, authority.cert_pem]
    cert.write_bytes(b"".join(pem.bytes() for pem in chain))
    certificate.private_key_pem.write_to_path(str(key))
    return TlsOptions(cert=str(cert), key=str(key))


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> TlsOptions:
    """A certificate for this machine; its file is also what a client is to trust."""
    return write_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listened on a moment ago."""
    return find_free_port()


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """`sse-server serve` in a process of its own, answering `/healthz`."""

    port: int
    process: subprocess.Popen[bytes]
    log_file: Path

    @property
    def url(self) -> str:
        """Without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def log(self) -> str:
        """What the process has written to standard output and standard error so far."""
        return self.log_file.read_text(errors="replace")

    def stop(self, sig: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, wait for the end, and return the exit status as `Popen` counts it.

        Raises:
            subprocess.TimeoutExpired: it had not ended in time; it has been killed.
        """
        if self.process.poll() is None:
            self.process.send_signal(sig)
        try:
            return self.process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def wait_until_healthy(self) -> None:
        """Return when `/healthz` answers 200; fail with the log when the process ends or hangs."""
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                pytest.fail(f"serve ended with {self.process.returncode}:\n{self.log()}")
            with (
                contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError),
                urllib.request.urlopen(f"{self.url}/healthz", timeout=1) as answer,
            ):
                if answer.status == 200:
                    return
            time.sleep(0.02)
        pytest.fail(f"serve did not become healthy:\n{self.log()}")


class Serve(Protocol):
    """Starts an instance; `port` lets a test start another in the place of one that was stopped."""

    def __call__(
        self, *args: str, port: int | None = None, env: Mapping[str, str] | None = None
    ) -> Served: ...


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """A factory of served instances: `serve("--some-flag").url`. All are killed at the end."""
    started: list[Served] = []

    def start(*args: str, port: int | None = None, env: Mapping[str, str] | None = None) -> Served:
        port = find_free_port() if port is None else port
        log_file = tmp_path / f"serve-{len(started)}.log"
        command = [sys.executable, "-m", "sse_server", "serve", "--bind", f"127.0.0.1:{port}"]
        with log_file.open("wb") as log:
            process = subprocess.Popen(
                [*command, *args],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
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
    for served in started:
        assert secret_in(served.log()) is None, f"a log has a secret: {secret_in(served.log())}"


CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_ARGS = (
    "--headless",
    "--no-sandbox",  # the tests may run as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    # No traffic but that of the test.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The Chromium that is installed, driven by Playwright.

    A test with it cannot use `asyncio.run` or `asyncio.Runner` itself, only in another thread.
    """
    path = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    require_peer("chromium", present=path is not None, reason="apt-get install chromium")
    driver = subprocess.run(
        [sys.executable, "-m", "playwright", "--version"],
        capture_output=True,
        text=True,
        check=False,
    )
    # It brings programs of its own, which lack a library on a bare Debian (libatomic1).
    require_peer(
        "Playwright's driver", present=driver.returncode == 0, reason=driver.stderr.strip()
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page in a browser context of its own: no cookies, cache or connections of other tests."""
    with contextlib.closing(chromium.new_context()) as context:
        yield context.new_page()
