import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_server.endpoints.address import (
    channel_in_path,
    number,
    only_parameters,
    page_limit,
    single_parameters,
    text,
)
from sse_server.errors import InvalidChannel, InvalidRequest, RequestError
from sse_server.wire.channel_name import check_channel
from tests.endpoints.fakes import get

CHANNEL_CHARACTERS = "abcXYZ019_.:@/=-"


def channel(path: bytes) -> str:
    return channel_in_path(path, b"/events/")


@pytest.mark.parametrize(
    "path",
    [b"/events/a/b", b"/events/a%2Fb", b"/events/a%2fb", b"/events/%61%2F%62", b"/events/a/%62"],
)
def test_every_spelling_of_a_channel_is_that_channel(path: bytes) -> None:
    assert channel(path) == "a/b"


@pytest.mark.parametrize(
    "path",
    [
        b"/events/a%252Fb",  # decoded twice it would be a/b
        b"/events/%2e%2e/a",
        b"/events/a//b",
        b"/events/a%2F",
        b"/events/",
        b"/events/a+b",  # a plus is a space in queries only, and neither is part of a name
        b"/events/a%20b",
        b"/events/a%00",
        b"/events/%FF",  # not UTF-8
        b"/events/a%FFb",  # nor is it left out
        b"/events/%C3%A9",
        b"/events/\xc3\xa9",
        b"/events/\\xff",  # what a bad byte is shown as is no name either
        b"/events/" + b"a" * 201,
    ],
)
def test_what_is_no_channel_after_one_decoding_is_refused(path: bytes) -> None:
    with pytest.raises(InvalidChannel):
        channel(path)


@pytest.mark.parametrize("path", [b"/events/a%", b"/events/a%2", b"/events/a%zz"])
def test_a_percent_sign_without_two_digits_is_refused(path: bytes) -> None:
    with pytest.raises(InvalidRequest):
        channel(path)


@given(st.binary(max_size=40))
def test_any_path_is_a_valid_channel_or_refused(raw: bytes) -> None:
    try:
        name = channel(b"/events/" + raw)
    except RequestError:
        return
    assert check_channel(name) == name


@given(st.text(CHANNEL_CHARACTERS, min_size=1, max_size=20), st.data())
def test_a_channel_comes_through_any_encoding_of_its_characters(
    name: str, data: st.DataObject
) -> None:
    encoded = b"".join(
        b"%%%02X" % ord(character) if data.draw(st.booleans()) else character.encode()
        for character in name
    )
    try:
        expected = check_channel(name)
    except InvalidChannel:
        with pytest.raises(InvalidChannel):
            channel(b"/events/" + encoded)
    else:
        assert channel(b"/events/" + encoded) == expected


def test_the_suffix_is_taken_off_the_raw_path() -> None:
    path = b"/channels/x%2Fevents/events"
    assert channel_in_path(path, b"/channels/", b"/events") == "x/events"


def test_a_parameter_that_is_there_twice_is_refused() -> None:
    request = get(b"/x?limit=1&other=1&other=2&lim%69t=1")
    with pytest.raises(InvalidRequest, match="limit more than once"):
        single_parameters(request, frozenset((b"limit",)))
    assert single_parameters(request, frozenset((b"after",))) == {}


def test_a_parameter_nobody_knows_is_refused_by_name_where_that_is_asked_for() -> None:
    request = get(b"/x?evnet=tick")
    with pytest.raises(InvalidRequest, match=r"'evnet'.*it may have event"):
        only_parameters(request, frozenset((b"event",)))
    assert only_parameters(get(b"/x?event=tick"), frozenset((b"event",))) == {b"event": b"tick"}


def test_text_is_utf_8() -> None:
    assert text({b"key": "é".encode()}, b"key") == "é"
    assert text({}, b"key") is None
    with pytest.raises(InvalidRequest, match="key is not UTF-8"):
        text({b"key": b"\xff"}, b"key")


@pytest.mark.parametrize("value", [b"", b"-1", b"+1", b"1.0", b" 1", b"1_000", b"9" * 19, b"\xb2"])
def test_a_number_is_only_digits(value: bytes) -> None:
    with pytest.raises(InvalidRequest, match="retry"):
        number({b"retry": value}, b"retry")
    assert number({b"retry": b"0042"}, b"retry") == 42
    assert number({}, b"retry") is None


@pytest.mark.parametrize("limit", [b"0", b"11"])
def test_a_limit_outside_its_bounds_is_refused(limit: bytes) -> None:
    with pytest.raises(InvalidRequest, match="1 to 10"):
        page_limit({b"limit": limit}, 5, 10)
    assert page_limit({}, 5, 10) == 5
    assert page_limit({b"limit": b"10"}, 5, 10) == 10


def test_an_address_without_parameters_says_that_it_has_none() -> None:
    with pytest.raises(InvalidRequest, match=r"which means nothing here: leave it out$"):
        only_parameters(get(b"/events?channel=a"), frozenset())
