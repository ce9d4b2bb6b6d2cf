"""Waits."""

import math

from hypothesis import given
from hypothesis import strategies as st

from sse_server.cli.backoff import MAX_WAIT_SECONDS, Backoff

SECONDS = st.none() | st.floats(0, 1e300)


def test_waits_double_up_to_a_limit_and_begin_anew() -> None:
    backoff = Backoff(1.0)
    for expected in (1, 2, 4, 8, 16, 30, 30):
        assert expected <= backoff.next_seconds() <= expected * 1.25
    backoff.reset()
    assert backoff.next_seconds() <= 1.25


def test_what_the_server_asks_for_is_the_least() -> None:
    backoff = Backoff(1.0)
    assert 5.0 <= backoff.next_seconds(retry_seconds=5.0) <= 6.25
    assert 10.0 <= backoff.next_seconds(retry_seconds=5.0) <= 12.5
    assert 100.0 <= backoff.next_seconds(retry_after_seconds=100.0) <= 125.0
    assert backoff.next_seconds(retry_seconds=60.0) >= 60.0 > MAX_WAIT_SECONDS


@given(st.lists(st.tuples(SECONDS, SECONDS), max_size=20), st.floats(0.01, 1e9))
def test_every_wait_is_bounded(asked: list[tuple[float | None, float | None]], most: float) -> None:
    backoff = Backoff(1.0, max_wait_seconds=most)
    for retry, retry_after in asked:
        wait = backoff.next_seconds(retry_seconds=retry, retry_after_seconds=retry_after)
        assert 0.0 <= wait <= min(most, 86_400.0)
        assert not math.isnan(wait)
