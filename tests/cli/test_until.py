"""Where a stream is to end."""

import pytest

from sse_server.cli.ending import CommandFailed
from sse_server.cli.until import Until
from sse_server.errors import ConfigurationError


def test_a_place_is_before_at_or_behind_the_end() -> None:
    until = Until("abc-10")
    places = ["", "earliest", "abc-9", "abc-10", "abc-11"]
    assert [until.is_reached(place) for place in places] == [False, False, False, True, True]
    assert [until.is_passed(place) for place in places] == [False, False, False, False, True]


def test_the_end_of_another_log_never_comes() -> None:
    with pytest.raises(CommandFailed, match="abc-10 will not come"):
        Until("abc-10").is_reached("xyz-1")


@pytest.mark.parametrize("text", ["", "earliest", "abc", "abc-", "a-1-1"])
def test_what_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        Until(text)
