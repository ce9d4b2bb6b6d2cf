"""Publishers side by side."""

import sys

import pytest

from bench.load import server
from bench.load.cores import divide
from bench.load.posters import post_side_by_side
from bench.load.request import post
from bench.load.subjects.own import SseServer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the bench reads /proc")


def test_accepted_requests_are_counted_and_refused_ones_are_an_error() -> None:
    with server.run(SseServer(), divide().server) as running:
        assert post_side_by_side(running.address, post("/events/a", b"x"), 4, 0.05) >= 4
        with pytest.raises(ConnectionError, match="404"):
            post_side_by_side(running.address, post("/nowhere", b"x"), 4, 0.05)


def test_cores_are_divided_and_shared_only_if_there_is_one() -> None:
    assert divide({3, 1, 2}) == (frozenset({1}), frozenset({2, 3}))
    assert divide({5}) == (frozenset({5}), frozenset({5}))
