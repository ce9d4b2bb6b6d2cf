"""What answers mean."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from sse_server.cli.client import read_answer, refusal, retry_after_seconds
from sse_server.cli.ending import CommandFailed


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        (" 120 ", 120.0),
        ("9" * 5_000, 999_999_999.0),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("\u0662", None),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0.0),
    ],
)
def test_retry_after(text: str, seconds: float | None) -> None:
    response = httpx.Response(503, headers=[(b"Retry-After", text.encode())])
    assert retry_after_seconds(response) == seconds


def test_retry_after_a_date() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    seconds = retry_after_seconds(httpx.Response(503, headers={"Retry-After": date}))
    assert seconds is not None
    assert 0.0 < seconds <= 100.0


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error":"x","message":"why"}', "why"),
        (b'{"message":1}', "the server answers 502 Bad Gateway"),
        (b"[]", "the server answers 502 Bad Gateway"),
        (b"<html>", "the server answers 502 Bad Gateway"),
    ],
)
def test_refusals(body: bytes, message: str) -> None:
    assert refusal(httpx.Response(502), body) == message
    assert refusal(httpx.Response(599), b"") == "the server answers 599"


def test_an_answer_without_end_is_not_read_to_its_end() -> None:
    with pytest.raises(CommandFailed, match="over 1048576 bytes"):
        read_answer(httpx.Response(200, content=(b"x" * 65_536 for _ in iter(int, 1))))
