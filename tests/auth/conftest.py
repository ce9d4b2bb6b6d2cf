"""All that is logged while these tests run is looked at: `tests/conftest.py`."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from sse_server import AuthOptions
from tests.auth.makers import HS256
from tests.auth.serving import OPERATOR_ENTRY, PUBLISHER_ENTRY, Start, options
from tests.running_server import RunningServer, run_server


@pytest.fixture(autouse=True)
def everything_is_logged() -> Iterator[None]:
    """At the most talkative level of the server's own."""
    logger = logging.getLogger("sse_server")
    before = logger.level
    logger.setLevel(logging.DEBUG)
    yield
    logger.setLevel(before)


@pytest.fixture(scope="module")
def running() -> Iterator[RunningServer]:
    auth = AuthOptions(keys=(HS256,), api_keys=(PUBLISHER_ENTRY, OPERATOR_ENTRY), cookie="session")
    with run_server("uvloop", options(auth)) as running:
        yield running


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as stack:
        yield lambda auth: stack.enter_context(run_server("uvloop", options(auth)))
