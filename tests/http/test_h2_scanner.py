"""What is seen in the headers of frames, before h2 sees any."""

import pytest
from h2.errors import ErrorCodes
from hypothesis import given
from hypothesis import strategies as st

from sse_server.http.h2_budgets import Budgets, Http2Error
from sse_server.http.h2_frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    GOAWAY,
    HEADERS,
    PING,
    PREFACE,
    PRIORITY,
    SETTINGS,
    frame,
    goaway,
    ping,
)
from sse_server.http.h2_scanner import FrameScanner

BEGIN = PREFACE + frame(SETTINGS, 0, 0)
HEAD = frame(HEADERS, END_HEADERS, 1, b"block")


def scan(*chunks: bytes) -> tuple[FrameScanner, bytes]:
    scanner = FrameScanner(Budgets())
    passed = b""
    for chunk in chunks:
        scanner.receive(chunk)
        passed += scanner.take(1_000, 0.0)
    return scanner, passed


def error_of(data: bytes) -> ErrorCodes:
    with pytest.raises(Http2Error) as caught:
        scan(data)
    return ErrorCodes(caught.value.error_code)


@given(cuts=st.lists(st.integers(1, 100)))
def test_frames_pass_whole_however_they_come(cuts: list[int]) -> None:
    data = BEGIN + HEAD + frame(DATA, 0, 1, b"body") + ping(b"12345678") + frame(99, 0, 0, b"?")
    data += frame(HEADERS, 0, 3, b"a") + frame(CONTINUATION, END_HEADERS, 3, b"b")
    chunks, at = [], 0
    for cut in [*cuts, len(data)]:
        chunks.append(data[at : at + cut])
        at += cut
    scanner, passed = scan(*chunks)
    kept = ping(b"12345678") + frame(99, 0, 0, b"?")
    assert passed == data[len(PREFACE) :].replace(kept, b"")
    assert b"".join(scanner.output) == ping(b"12345678", ack=True)
    assert not scanner.is_waiting


def test_a_frame_is_refused_by_its_header() -> None:
    assert error_of(BEGIN + b"\xff\xff\xff\0\0\0\0\0\1") is ErrorCodes.FRAME_SIZE_ERROR


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n", PREFACE[:20] + b"XXXX", PREFACE + HEAD])
def test_what_does_not_begin_as_http_2_is_refused(data: bytes) -> None:
    assert error_of(data) is ErrorCodes.PROTOCOL_ERROR


def test_a_header_block_without_an_end_is_refused() -> None:
    block = frame(HEADERS, 0, 1, b"a") + frame(CONTINUATION, 0, 1, b"a") * 9
    assert error_of(BEGIN + block) is ErrorCodes.ENHANCE_YOUR_CALM


def test_settings_without_an_end_are_refused() -> None:
    assert error_of(BEGIN + frame(SETTINGS, 0, 0, b"x" * 6 * 33)) is ErrorCodes.ENHANCE_YOUR_CALM


def test_inside_a_header_block_every_frame_is_passed_on() -> None:
    data = frame(HEADERS, 0, 1, b"a") + ping(b"12345678") + frame(99, 0, 0)
    scanner, passed = scan(BEGIN + data)
    assert passed.endswith(data)
    assert scanner.output == []
    assert scanner.is_waiting


def test_what_is_not_whole_is_held() -> None:
    scanner, _ = scan(BEGIN + HEAD + frame(HEADERS, 0, 3, b"a" * 100) + HEAD[:5])
    assert scanner.held_bytes == 105
    scanner.receive(HEAD[5:])
    scanner.take(1_000, 0.0)
    assert scanner.held_bytes == 0


def test_goaway_is_kept_from_h2_and_noticed() -> None:
    scanner, passed = scan(BEGIN + goaway(0) + HEAD)
    assert scanner.is_leaving
    assert passed == frame(SETTINGS, 0, 0) + HEAD


@pytest.mark.parametrize(
    "unsound",
    [
        frame(PING, 0, 0, b"short"),
        frame(PING, 0, 1, b"12345678"),
        frame(PRIORITY, 0, 1, b"\0\0\0\1\0"),
        frame(PRIORITY, 0, 0, b"\0\0\0\3\0"),
        frame(PRIORITY, 0, 1, b"\0"),
        frame(GOAWAY, 0, 1, b"\0" * 8),
        frame(GOAWAY, 0, 0, b"\0"),
    ],
)
def test_what_is_unsound_is_left_to_h2(unsound: bytes) -> None:
    scanner, passed = scan(BEGIN + unsound)
    assert passed.endswith(unsound)
    assert not scanner.output
    assert not scanner.is_leaving


def test_so_many_heads_are_given_at_once() -> None:
    scanner = FrameScanner(Budgets())
    scanner.receive(BEGIN + HEAD * 5)
    assert scanner.take(2, 0.0).count(HEAD) == 2
    assert scanner.has_more
    assert scanner.take(10, 0.0).count(HEAD) == 3
    assert not scanner.has_more
