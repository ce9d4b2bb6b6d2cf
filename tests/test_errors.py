import pytest

from sse_server.errors import (
    ConfigurationError,
    InvalidChannel,
    InvalidEvent,
    LimitExceeded,
    MethodNotAllowed,
    RemoteProtocolError,
    RequestError,
    ServerClosed,
    SSEServerError,
    Unavailable,
    quoted,
)


def all_subclasses(cls: type[Exception]) -> list[type[Exception]]:
    return [sub for direct in cls.__subclasses__() for sub in (direct, *all_subclasses(direct))]


def test_everything_is_caught_as_one() -> None:
    raised = [cls for cls in all_subclasses(Exception) if cls.__module__ == "sse_server.errors"]
    assert len(raised) > 10
    assert all(issubclass(cls, SSEServerError) for cls in raised)


def test_every_request_error_has_a_client_or_server_status_and_a_code_of_its_own() -> None:
    own = [
        cls
        for cls in all_subclasses(RequestError)
        if cls.__module__ == "sse_server.errors" and cls is not RemoteProtocolError
    ]
    codes = [vars(cls).get("code") for cls in own if cls is not LimitExceeded]
    assert None not in codes
    assert len(set(codes)) == len(codes)
    assert all(400 <= getattr(cls, "status") <= 599 for cls in own)  # noqa: B009 (not on Exception)


def test_a_request_error_says_its_message() -> None:
    error = InvalidEvent("type", "must be str")
    assert str(error) == error.message == "the event's type must be str"
    assert (error.field, error.problem, error.status) == ("type", "must be str", 400)


def test_a_configuration_error_is_one_line_with_its_three_facts() -> None:
    error = ConfigurationError(setting="bind", problem="the port\nis taken", mend="take another")
    assert str(error) == "bind: the port is taken; take another"


def test_method_not_allowed_sets_the_allow_header() -> None:
    error = MethodNotAllowed(("GET", "HEAD"))
    assert error.headers == ((b"allow", b"GET, HEAD"),)
    assert "GET, HEAD" in error.message


@pytest.mark.parametrize(
    ("limit", "status"),
    [("body", 413), ("event", 413), ("target", 414), ("head", 431), ("streams", 429)],
)
def test_a_limit_has_the_status_of_what_it_limits(limit: str, status: int) -> None:
    error = LimitExceeded(limit=limit, allowed=100)
    assert error.status == status
    assert limit in error.message
    assert "100" in error.message
    assert error.headers == ()


def test_only_sizes_are_told_in_bytes() -> None:
    assert "100 bytes" in LimitExceeded(limit="body", allowed=100).message
    assert "bytes" not in LimitExceeded(limit="streams", allowed=100).message


def test_a_known_wait_is_told() -> None:
    told = ((b"retry-after", b"7"),)
    assert LimitExceeded(limit="publishes", allowed=5, retry_after_seconds=7).headers == told
    assert Unavailable("the engine is away", retry_after_seconds=7).headers == told
    assert Unavailable("the engine is away").headers == ()


def test_a_remote_protocol_error_carries_its_answer() -> None:
    error = RemoteProtocolError("that is no request", status=505, code="http-version")
    assert (error.status, error.code, error.message) == (505, "http-version", "that is no request")
    assert RemoteProtocolError("no").status == 400
    assert RemoteProtocolError.status == 400


def test_a_closed_server_says_so() -> None:
    assert str(ServerClosed()) == "the server is closed"


@pytest.mark.parametrize("value", ["x" * 10_000_000, b"\xff" * 10_000_000, "\n" * 60, "\x1b" * 80])
def test_what_a_peer_sent_is_quoted_short_and_escaped(value: str | bytes) -> None:
    text = quoted(value)
    assert len(text) <= 80
    assert text.endswith("…")
    assert text.isprintable()


def test_what_is_short_is_quoted_whole() -> None:
    assert quoted("a\nb") == r"'a\nb'"
    assert quoted(b"\x00") == r"b'\x00'"


def test_a_bad_channel_name_is_not_echoed_whole() -> None:
    assert len(str(InvalidChannel("x" * 1000, "is longer than 200 characters"))) < 150
