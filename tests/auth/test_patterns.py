"""How grants name channels."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_server.auth.patterns import MAX_PATTERNS, InvalidPatterns, Patterns, pattern_list

NAMES = st.text(alphabet="abA:/.", min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("pattern", "named", "others"),
    [
        ("news", ["news"], ["new", "newss", "News", "news:a", "news/a"]),
        ("news:*", ["news:a", "news:a:b", "news:a/b"], ["news", "newsa", "News:a", "news/a"]),
        ("a:b:*", ["a:b:c"], ["a:c", "a:b"]),
        ("*", ["a", "user:7", "a/b"], []),
    ],
)
def test_patterns(pattern: str, named: list[str], others: list[str]) -> None:
    patterns = Patterns([pattern])
    assert all(map(patterns.match, named))
    assert not any(map(patterns.match, others))


@pytest.mark.parametrize(
    "text",
    ["", "a*", "*a", "a:*:b", "a:**", ":*\0", "a b", "a//b", "../a", "a:*\n", "ä", "x" * 201],
)
def test_what_is_no_pattern(text: str) -> None:
    with pytest.raises(InvalidPatterns):
        Patterns([text])


@pytest.mark.parametrize("value", ["news", {}, 7, [7], ["a", None], [["a"]]])
def test_what_is_no_list(value: object) -> None:
    with pytest.raises(InvalidPatterns):
        pattern_list(value)


def test_a_list_is_bounded() -> None:
    names = [f"c{number}" for number in range(MAX_PATTERNS)]
    assert len(pattern_list(names).texts) == MAX_PATTERNS
    for more in ([*names, "one"], names * 100):
        with pytest.raises(InvalidPatterns, match=str(MAX_PATTERNS)):
            pattern_list(more)


def test_nothing_names_nothing() -> None:
    assert not Patterns()
    assert not Patterns().match("a")
    assert pattern_list(None) == Patterns()


@given(st.lists(NAMES, max_size=4), st.lists(NAMES, max_size=4), NAMES)
def test_a_channel_is_named_by_what_it_is_or_begins_with(
    names: list[str], prefixes: list[str], channel: str
) -> None:
    texts = [*names, *(f"{prefix}:*" for prefix in prefixes)]
    try:
        patterns = Patterns(texts)
    except InvalidPatterns:
        return
    expected = channel in names or any(channel.startswith(f"{one}:") for one in prefixes)
    assert patterns.match(channel) == expected


@given(NAMES, st.sampled_from(["a", "a:*", "*", "A:b:*", "b"]))
def test_what_covers_a_pattern_names_all_that_it_does(channel: str, pattern: str) -> None:
    for other in ("a", "a:*", "a:b:*", "*", "A:*"):
        if Patterns([other]).cover(pattern) and Patterns([pattern]).match(channel):
            assert Patterns([other]).match(channel)


@given(st.text(alphabet=string.printable, max_size=20))
def test_anything_is_a_pattern_or_refused(text: str) -> None:
    try:
        patterns = Patterns([text])
    except InvalidPatterns:
        return
    assert patterns.texts == (text,)
