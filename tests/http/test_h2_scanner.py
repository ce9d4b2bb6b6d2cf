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
    END_STREAM,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    PREFACE,
    PRIORITY,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
    goaway,
    ping,
    window_update,
)
from sse_server.http.h2_scanner import Found, FrameScanner

SETTINGS_FRAME = frame(SETTINGS, 0, 0)
BEGIN = PREFACE + SETTINGS_FRAME
HEAD = frame(HEADERS, END_HEADERS, 1, b"block")


def scan(*chunks: bytes) -> tuple[FrameScanner, bytes]:
    """A scanner that has taken this; the frames that it has passed on, as they came."""
    scanner = new_scanner()
    passed = b""
    for chunk in chunks:
        scanner.receive(chunk)
        passed += frames_of(scanner.take(1_000, 0.0))
    return scanner, passed


def new_scanner() -> FrameScanner:
    return FrameScanner(Budgets(), 65_536)


def frames_of(found: list[Found]) -> bytes:
    """With those of a run by streams."""
    parts: list[bytes] = []
    for one in found:
        if isinstance(one, bytes):
            parts.append(one)
        else:
            parts += one.updates
            for pieces in one.bodies.values():
                parts += pieces.frames
    return b"".join(parts)


def shown(one: Found) -> object:
    """Frames, or what is in a run."""
    if isinstance(one, bytes):
        return one
    bodies = {
        stream_id: (b"".join(pieces.data), pieces.size, b"".join(pieces.frames))
        for stream_id, pieces in one.bodies.items()
    }
    return b"".join(one.updates), bodies, one.faults


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
        frame(PRIORITY, 0, 0, b"\0\0\0\3\0"),
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
    scanner = new_scanner()
    scanner.receive(BEGIN + HEAD * 5)
    assert frames_of(scanner.take(2, 0.0)).count(HEAD) == 2
    assert scanner.has_more
    assert frames_of(scanner.take(10, 0.0)).count(HEAD) == 3
    assert not scanner.has_more


@pytest.mark.parametrize(
    ("priority", "error_code"),
    [(b"\0\0\0\1\0", ErrorCodes.PROTOCOL_ERROR), (b"\0", ErrorCodes.FRAME_SIZE_ERROR)],
)
def test_a_wrong_priority_is_the_fault_of_its_stream(
    priority: bytes, error_code: ErrorCodes
) -> None:
    scanner = new_scanner()
    scanner.receive(BEGIN + HEAD + frame(PRIORITY, 0, 1, priority) + HEAD)
    first, run, last = scanner.take(10, 0.0)
    assert (first, last) == (SETTINGS_FRAME + HEAD, HEAD)
    assert shown(run) == (b"", {}, {1: error_code})


def test_runs_are_found_where_they_stand() -> None:
    pieces = frame(DATA, 0, 1, b"a") + frame(DATA, PADDED, 1, b"\2bc\0\0") + frame(DATA, 0, 1)
    others = frame(DATA, 0, 3, b"d")
    last = frame(DATA, END_STREAM, 3, b"e")
    update, more = window_update(0, 1) + window_update(3, 2), window_update(1, 9)
    scanner = new_scanner()
    sent = HEAD + pieces + update + others + ping(b"12345678") + pieces + more + last + update
    scanner.receive(BEGIN + sent + pieces[:9])
    assert [shown(one) for one in scanner.take(10, 0.0)] == [
        SETTINGS_FRAME + HEAD,
        (update + more, {1: (b"abcabc", 12, pieces * 2), 3: (b"d", 1, others)}, {}),
        last,
        (update, {}, {}),
    ]
    assert scanner.held_bytes == 9


def test_h2_is_given_what_it_need_not_see_apart_in_one_piece() -> None:
    update = window_update(0, 1)
    scanner = new_scanner()
    scanner.receive(BEGIN + update + HEAD + ping(b"12345678") + update + HEAD + update)
    assert [shown(one) for one in scanner.take(10, 0.0)] == [
        SETTINGS_FRAME + HEAD * 2,
        (update * 3, {}, {}),
    ]


def test_a_window_of_a_stream_is_opened_where_it_stands() -> None:
    one, two = window_update(0, 1), window_update(1, 1)
    scanner = new_scanner()
    scanner.receive(BEGIN + one + two + HEAD + one + HEAD + two)
    assert [shown(one) for one in scanner.take(10, 0.0)] == [
        SETTINGS_FRAME,
        (one + two, {}, {}),
        HEAD * 2,
        (one + two, {}, {}),
    ]


def test_a_run_ends_where_a_frame_is_not_whole() -> None:
    whole = frame(DATA, 0, 1, b"abc")
    scanner = new_scanner()
    scanner.receive(BEGIN + whole + whole[:-1])
    assert [shown(one) for one in scanner.take(10, 0.0)] == [
        SETTINGS_FRAME,
        (b"", {1: (b"abc", 3, whole)}, {}),
    ]
    scanner.receive(whole[-1:])
    assert [shown(one) for one in scanner.take(10, 0.0)] == [(b"", {1: (b"abc", 3, whole)}, {})]


@pytest.mark.parametrize(
    "unsound",
    [
        frame(DATA, PADDED, 1),
        frame(DATA, PADDED, 1, b"\2a"),
        frame(DATA, END_STREAM, 1, b"a"),
        frame(WINDOW_UPDATE, 0, 0, b"abc"),
        frame(WINDOW_UPDATE, 0, 0, b"abcde"),
    ],
)
def test_a_frame_that_is_in_no_run_is_left_to_h2(unsound: bytes) -> None:
    good = frame(DATA, 0, 1, b"a")
    scanner = new_scanner()
    scanner.receive(BEGIN + good + unsound + good)
    run: object = (b"", {1: (b"a", 1, good)}, {})
    assert [shown(one) for one in scanner.take(10, 0.0)] == [SETTINGS_FRAME, run, unsound, run]


def test_a_long_run_of_data_is_taken_in_turns() -> None:
    scanner = new_scanner()
    scanner.receive(BEGIN + frame(DATA, 0, 1, b"x") * 1_000)
    taken = [frames_of(scanner.take(10, 0.0)).count(b"x")]
    while scanner.has_more:
        taken.append(frames_of(scanner.take(10, 0.0)).count(b"x"))
    assert (sum(taken), len(taken)) == (1_000, 2)


def test_windows_are_opened_many_in_a_turn() -> None:
    scanner = new_scanner()
    scanner.receive(BEGIN + window_update(1, 1) * 5_000)
    assert frames_of(scanner.take(10, 0.0)) == SETTINGS_FRAME + window_update(1, 1) * 5_000
    assert not scanner.has_more


def test_a_header_block_is_refused_by_its_size_before_it_is_decoded() -> None:
    block = frame(HEADERS, 0, 1, b"a" * 16_384) + frame(CONTINUATION, 0, 1, b"a" * 16_384) * 3
    scanner, _ = scan(BEGIN + block)
    while scanner.has_more:
        scanner.take(10, 0.0)
    assert scanner.held_bytes == 65_536
    scanner.receive(frame(CONTINUATION, END_HEADERS, 1, b"a"))
    with pytest.raises(Http2Error) as caught:
        scanner.take(10, 0.0)
    assert caught.value.error_code == ErrorCodes.ENHANCE_YOUR_CALM
