"""What the tests on real sockets share."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from sse_server import ServerOptions
from sse_server.net.tls import TlsOptions
from tests.net.subjects import Subject
from tests.running_server import LOOPS, RunningServer, run_server

StartServer = Callable[[ServerOptions], RunningServer]


@pytest.fixture(params=LOOPS)
def loop_name(request: pytest.FixtureRequest) -> str:
    """Each test on each loop."""
    name: str = request.param
    return name


@pytest.fixture
def running(loop_name: str) -> Iterator[RunningServer]:
    """A server with the options that everybody gets."""
    with run_server(loop_name) as running:
        yield running


@pytest.fixture
def start_server(loop_name: str) -> Iterator[StartServer]:
    """A factory of servers with other options."""
    with ExitStack() as stack:
        yield lambda options: stack.enter_context(run_server(loop_name, options))


@pytest.fixture
def fast_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The timer looks every 20 ms: deadlines of a fraction of a second are met in time."""
    monkeypatch.setattr("sse_server.net.timer._INTERVAL_SECONDS", 0.02)


@pytest.fixture(params=["http/1.1", "http/1.1 over tls", "h2c", "h2"])
def subject(request: pytest.FixtureRequest, certificate: TlsOptions) -> Subject:
    """Each test over each version of HTTP, in clear and over TLS."""
    name: str = request.param
    tls = certificate if name in {"h2", "http/1.1 over tls"} else None
    return Subject(name, name.startswith("h2"), tls)
