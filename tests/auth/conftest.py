"""All that is logged while these tests run is looked at: `tests/conftest.py`."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def everything_is_logged() -> Iterator[None]:
    """At the most talkative level of the server's own."""
    logger = logging.getLogger("sse_server")
    before = logger.level
    logger.setLevel(logging.DEBUG)
    yield
    logger.setLevel(before)
