import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_server.errors import InvalidChannel
from sse_server.wire.channel_name import check_channel

ALPHABET = "ABCXYZabcxyz0189_.:@/=-"


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "global",
        "users/12345",
        "a.b",
        "...",
        "a/..b",
        ".a/b.",
        "tenant:x@y=z-1_",
        "-",
        "x" * 200,
        "/".join("x" * 100),
    ],
)
def test_names_that_are_channels(name: str) -> None:
    assert check_channel(name) == name


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", "is empty"),
        ("x" * 201, "longer than 200"),
        ("x" * 10_000_000, "longer than 200"),
        ("/", "slash"),
        ("/a", "slash"),
        ("a/", "slash"),
        ("a//b", "empty segment"),
        (".", "segment that is"),
        ("..", "segment that is"),
        ("a/../b", "segment that is"),
        ("a/.", "segment that is"),
        ("./a", "segment that is"),
        ("a\n", r"'\\n' at character 1"),
        ("a b", "' ' at character 1"),
        ("a\0", r"'\\x00' at character 1"),
        ("é", r"'\\xe9' at character 0"),
        ("a%2fb", "'%' at character 1"),
        ("a,b", "',' at character 1"),
        ("a*", r"'\*' at character 1"),
        ("٣", r"'\\u0663' at character 0"),
        ("\ud800", r"'\\ud800' at character 0"),
    ],
)
def test_names_that_are_not_are_told_why(name: str, problem: str) -> None:
    with pytest.raises(InvalidChannel, match=problem) as caught:
        check_channel(name)
    assert len(str(caught.value)) < 300


@given(st.text(ALPHABET, max_size=8) | st.text(max_size=8))
def test_the_pattern_is_the_rule_in_words(name: str) -> None:
    segments = name.split("/")
    by_the_rule = re.fullmatch(r"[A-Za-z0-9_.:@/=-]{1,200}", name) is not None and not any(
        segment in {"", ".", ".."} for segment in segments
    )
    try:
        check_channel(name)
    except InvalidChannel:
        assert not by_the_rule
    else:
        assert by_the_rule
