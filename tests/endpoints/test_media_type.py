import pytest

from sse_server.endpoints.media_type import body_type, names_event_stream, refuse_encoded_body
from sse_server.errors import UnsupportedMediaType
from tests.endpoints.fakes import get


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"application/json", b"application/json"),
        (b"Application/JSON ; charset=utf-8", b"application/json"),
        (b"", b""),
    ],
)
def test_a_body_type_has_no_parameters_and_no_capitals(value: bytes, expected: bytes) -> None:
    assert body_type(get(b"/", ((b"content-type", value),))) == expected


def test_no_content_type_is_none() -> None:
    assert body_type(get(b"/", ())) == b""


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ([b"text/event-stream"], True),
        ([b"application/json, Text/Event-Stream;q=0.5"], True),
        ([b"application/json", b"text/event-stream"], True),
        ([b"text/event-stream;q=0"], False),
        ([b"text/event-stream; q=0.000"], False),
        ([b"text/event-stream; q=0.001"], True),
        ([b"*/*"], False),
        ([b"text/*"], False),
        ([b"text/event-streams"], False),
        ([], False),
    ],
)
def test_accept_names_an_event_stream_or_does_not(values: list[bytes], named: bool) -> None:
    headers = tuple((b"accept", value) for value in values)
    assert names_event_stream(get(b"/", headers)) is named


def test_a_compressed_body_is_refused() -> None:
    refuse_encoded_body(get(b"/", ()))
    refuse_encoded_body(get(b"/", ((b"content-encoding", b"Identity"),)))
    with pytest.raises(UnsupportedMediaType, match="Content-Encoding"):
        refuse_encoded_body(get(b"/", ((b"content-encoding", b"gzip"),)))
