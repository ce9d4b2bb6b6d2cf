"""An application to ask, and servers that ask it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from sse_server import AuthOptions, CorsOptions, ForwardOptions, ServerOptions
from tests.auth.application import Application, run_application
from tests.auth.conftest import everything_is_logged
from tests.running_server import RunningServer, run_server

__all__ = ["everything_is_logged"]

APP = "https://app.example"
StartAuth = Callable[[AuthOptions], RunningServer]
StartForward = Callable[..., RunningServer]


@pytest.fixture
def application() -> Iterator[Application]:
    with run_application() as application:
        yield application


@pytest.fixture(params=["uvloop", "asyncio"])
def start(request: pytest.FixtureRequest) -> Iterator[StartAuth]:
    """A factory of servers, on each loop."""
    with ExitStack() as stack:

        def start(auth: AuthOptions) -> RunningServer:
            options = ServerOptions(
                bind=("127.0.0.1:0",),
                drain_seconds=0.2,
                auth=auth,
                cors=CorsOptions(origins=(APP,)),
            )
            return stack.enter_context(run_server(request.param, options))

        yield start


@pytest.fixture
def start_forward(start: StartAuth, application: Application) -> StartForward:
    """A factory of servers that ask the application about sessions."""

    def start_it(**forward: float) -> RunningServer:
        options = ForwardOptions(url=f"{application.url}/auth", **forward)  # type: ignore[arg-type]
        return start(AuthOptions(forward=options))

    return start_it
