import random

import h11
import orjson
import pytest

from sse_server.errors import LimitExceeded, RemoteProtocolError
from sse_server.http import request_head
from sse_server.http.chunked import chunked, plain
from sse_server.http.http1 import Http1, Http1Options, Phase
from sse_server.http.request import Request
from sse_server.http.request_head import NOT_HTTP
from sse_server.http.response import Response
from tests.http.exchange import DATE, NEXT, OK, OPTIONS, byte_by_byte, head, new_machine, read

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def taken(raw: bytes, options: Http1Options = OPTIONS) -> Http1:
    """A machine that has handed out the request at the beginning of `raw`."""
    machine = new_machine(options)
    assert isinstance(read(machine, [raw]), Request)
    return machine


# --- the phases ---


def test_a_new_connection_is_idle_and_wants_input() -> None:
    machine = new_machine()
    assert machine.next_request() is None
    assert (machine.phase, machine.wants_input, machine.must_close) == (Phase.IDLE, True, False)


def test_the_phase_says_whether_a_head_or_a_body_is_incomplete() -> None:
    machine = new_machine()
    phases = []
    for piece in (b"POST / HTTP/1.1\r\nHost: a\r\n", b"Content-Length: 2\r\n\r\n", b"x", b"x"):
        machine.receive(piece)
        machine.next_request()
        phases.append(machine.phase)
    assert phases == [Phase.HEAD, Phase.BODY, Phase.BODY, Phase.ANSWERING]
    machine.respond(OK)
    assert machine.phase is Phase.IDLE


def test_empty_lines_alone_do_not_look_like_progress() -> None:
    machine = new_machine()
    phases = []
    for piece in byte_by_byte(b"\r\n\r"):
        machine.receive(piece)
        assert machine.next_request() is None
        phases.append(machine.phase)
    assert phases == [Phase.HEAD, Phase.IDLE, Phase.HEAD]
    machine.receive(b"\n")
    with pytest.raises(RemoteProtocolError):
        machine.next_request()


# --- keep-alive and pipelining ---


def test_a_connection_serves_one_request_after_the_other() -> None:
    machine = new_machine()
    for turn in range(50):
        machine.receive(b"POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxy" % turn)
        request = machine.next_request()
        assert request is not None
        assert (request.path, request.body) == (b"/%d" % turn, b"xy")
        assert machine.respond(OK).endswith(b"\r\n\r\nok")
        assert (machine.phase, machine.unread_bytes) == (Phase.IDLE, 0)


def pipelined() -> tuple[bytes, list[tuple[bytes, bytes]]]:
    requests = [
        (head(line=b"GET /1 HTTP/1.1"), (b"/1", b"")),
        (head(b"Content-Length: 3", line=b"POST /2 HTTP/1.1") + b"abc", (b"/2", b"abc")),
        (b"\r\n" + head(b"x:y", line=b"GET /3 HTTP/1.1"), (b"/3", b"")),
        (
            head(b"Transfer-Encoding: chunked", line=b"POST /4 HTTP/1.1")
            + b"2\r\nde\r\n0\r\nX: y\r\n\r\n",
            (b"/4", b"de"),
        ),
        (head(b"Content-Length: 0", line=b"POST /5 HTTP/1.1"), (b"/5", b"")),
        (head(line=b"GET http://b/6 HTTP/1.1"), (b"/6", b"")),
    ]
    return b"".join(raw for raw, _ in requests), [expected for _, expected in requests]


def test_pipelined_requests_come_one_by_one_in_order_however_they_arrive() -> None:
    raw, expected = pipelined()
    chance = random.Random(1)
    for _ in range(200):
        machine = new_machine()
        seen = []
        at = 0
        while at < len(raw):
            step = chance.choice((1, 2, 7, 40, len(raw)))
            machine.receive(raw[at : at + step])
            at += step
            while (request := machine.next_request()) is not None:
                seen.append((request.path, request.body))
                assert machine.next_request() is None, "the first one is not answered yet"
                machine.respond(OK)
        assert seen == expected
        assert machine.phase is Phase.IDLE


def test_a_pipelined_request_is_not_looked_at_before_the_first_is_answered() -> None:
    machine = taken(head() + b"this is not HTTP\r\n\r\n")
    assert machine.next_request() is None
    assert b" 200 OK\r\n" in machine.respond(OK)
    with pytest.raises(RemoteProtocolError):
        machine.next_request()


def test_a_client_that_wants_to_close_gets_one_answer() -> None:
    for field in (b"Connection: close", b"Connection: x, Close", b"connection:Keep-Alive,close"):
        machine = taken(head(field) + NEXT)
        assert b"\r\nConnection: close\r\n" in machine.respond(OK)
        assert machine.must_close
        assert machine.next_request() is None


def test_close_may_stand_in_either_of_two_connection_fields() -> None:
    for fields in ((b"x", b"close"), (b"close", b"x")):
        machine = taken(head(*[b"Connection: " + value for value in fields]))
        machine.respond(OK)
        assert machine.must_close


def test_http_1_0_gets_one_answer_even_if_it_asks_for_more() -> None:
    machine = taken(head(b"Connection: keep-alive", line=b"GET / HTTP/1.0") + NEXT)
    assert b"\r\nConnection: close\r\n" in machine.respond(OK)
    assert machine.must_close


def test_an_answer_can_be_made_the_last_one() -> None:
    machine = taken(head() + NEXT)
    assert b"\r\nConnection: close\r\n" in machine.respond(OK, close=True)
    assert machine.must_close
    assert machine.next_request() is None


# --- the end of input ---


def test_the_end_of_input_between_requests_closes() -> None:
    machine = new_machine()
    machine.receive(b"")
    assert machine.next_request() is None
    assert machine.must_close


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HT",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx",
    ],
)
def test_the_end_of_input_inside_a_request_is_an_error(raw: bytes) -> None:
    for pieces in ([raw, b""], [*byte_by_byte(raw), b""]):
        refusal = read(new_machine(), pieces)
        assert isinstance(refusal, RemoteProtocolError)
        assert refusal.code == "incomplete-request"


def test_requests_before_the_end_of_input_are_answered() -> None:
    machine = new_machine()
    machine.receive(NEXT + NEXT)
    machine.receive(b"")
    assert machine.next_request() is not None
    assert b"Connection: close" not in machine.respond(OK)
    assert machine.next_request() is not None
    assert b"\r\nConnection: close\r\n" in machine.respond(OK)
    assert machine.must_close


# --- 100-continue ---


def expecting(body: bytes = b"") -> bytes:
    return head(b"Content-Length: 2", b"Expect: 100-Continue", line=b"POST / HTTP/1.1") + body


def test_who_waits_with_a_body_is_told_to_continue_once() -> None:
    for pieces in ([expecting()], byte_by_byte(expecting())):
        machine = new_machine()
        assert read(machine, pieces) is None
        assert machine.take_output() == CONTINUE
        assert machine.take_output() == b""
        assert machine.next_request() is None
        assert machine.take_output() == b""
        assert read(machine, [b"x"]) is None
        assert machine.take_output() == b""
        request = read(machine, [b"y"])
        assert isinstance(request, Request)
        assert request.body == b"xy"


def test_who_waits_with_a_chunked_body_is_told_to_continue() -> None:
    machine = new_machine()
    raw = head(b"Transfer-Encoding: chunked", b"Expect: 100-continue", line=b"POST / HTTP/1.1")
    assert read(machine, [raw]) is None
    assert machine.take_output() == CONTINUE
    assert isinstance(read(machine, [b"0\r\n\r\n"]), Request)


def test_who_did_not_wait_with_its_body_is_told_nothing() -> None:
    for body in (b"x", b"xy"):
        machine = new_machine()
        read(machine, [expecting(body)])
        assert machine.take_output() == b""


def test_a_body_that_is_too_large_is_refused_before_it_is_sent() -> None:
    machine = new_machine(Http1Options(max_body_bytes=1))
    refusal = read(machine, [expecting()])
    assert isinstance(refusal, LimitExceeded)
    assert refusal.status == 413
    assert machine.take_output() == b""


def test_a_pipelined_expectation_waits_for_its_turn() -> None:
    machine = taken(NEXT + expecting())
    assert machine.take_output() == b""
    machine.respond(OK)
    assert machine.next_request() is None
    assert machine.take_output() == CONTINUE


# --- refusing ---


def test_a_refusal_is_json_with_its_status_and_closes() -> None:
    machine = new_machine()
    machine.receive(head(host=None))
    with pytest.raises(RemoteProtocolError) as raised:
        machine.next_request()
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
    client.receive_data(machine.refuse(raised.value))
    answer = client.next_event()
    assert isinstance(answer, h11.Response)
    assert answer.status_code == 400
    assert (b"connection", b"close") in list(answer.headers)
    assert (b"date", DATE) in list(answer.headers)
    body = client.next_event()
    assert isinstance(body, h11.Data)
    assert orjson.loads(bytes(body.data)) == {
        "error": "bad-request",
        "message": raised.value.message,
    }


def test_a_slow_request_can_be_refused_while_it_is_incomplete() -> None:
    machine = new_machine()
    assert read(machine, [b"GET / HT"]) is None
    late = RemoteProtocolError("the head took too long", 408, "request-timeout")
    assert machine.refuse(late).startswith(b"HTTP/1.1 408 ")
    assert machine.must_close


def test_who_speaks_another_protocol_gets_no_answer() -> None:
    machine = new_machine()
    refusal = read(machine, [b"INVALID CONNECTION PREFACE\r\n\r\n"])
    assert isinstance(refusal, RemoteProtocolError)
    assert refusal.code == NOT_HTTP
    assert machine.refuse(refusal) == b""
    assert machine.must_close


def test_a_message_does_not_carry_what_the_client_sent_at_length() -> None:
    refusal = read(new_machine(), [head(b"X" * 5_000)])
    assert isinstance(refusal, RemoteProtocolError)
    assert len(refusal.message) < 200


# --- answers ---


def test_head_gets_the_length_and_no_body() -> None:
    answer = taken(head(line=b"HEAD / HTTP/1.1")).respond(Response(200, (), b"12345"))
    assert b"\r\nContent-Length: 5\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


def test_an_answer_bears_the_date_where_there_is_a_clock() -> None:
    assert b"\r\nDate: %b\r\n" % DATE in taken(head()).respond(OK)
    machine = Http1(OPTIONS)
    read(machine, [head()])
    assert b"\r\nDate:" not in machine.respond(OK)


# --- event streams ---


def test_a_stream_is_chunked() -> None:
    machine = taken(head())
    answer, framing = machine.open_stream(((b"vary", b"Origin"),))
    assert answer == (
        b"HTTP/1.1 200 OK\r\n"
        b"Content-Type: text/event-stream\r\n"
        b"Cache-Control: no-cache, no-transform\r\n"
        b"X-Accel-Buffering: no\r\n"
        b"Surrogate-Control: no-store\r\n"
        b"Connection: keep-alive\r\n"
        b"Transfer-Encoding: chunked\r\n"
        b"Vary: Origin\r\n"
        b"Date: Tue, 15 Nov 1994 08:12:31 GMT\r\n"
        b"\r\n"
    )
    assert framing is chunked
    assert (machine.phase, machine.must_close) == (Phase.STREAMING, False)


def test_a_stream_for_http_1_0_ends_with_its_connection() -> None:
    answer, framing = taken(head(line=b"GET / HTTP/1.0")).open_stream()
    assert b"Transfer-Encoding" not in answer
    assert b"\r\nConnection: close\r\n" in answer
    assert framing is plain


def test_what_came_behind_the_request_of_a_stream_is_counted_and_never_read() -> None:
    machine = taken(head() + b"junk")
    machine.open_stream()
    assert machine.unread_bytes == 4
    machine.receive(NEXT)
    assert machine.next_request() is None
    assert machine.unread_bytes == 4


# --- memory ---

READ_BYTES = 65_536
SMALL = Http1Options(
    max_request_line_bytes=500,
    max_field_bytes=500,
    max_head_bytes=2_000,
    max_body_bytes=10_000,
    max_pipelined_bytes=3_000,
)


@pytest.mark.parametrize("step", [1, 1_000, READ_BYTES])
@pytest.mark.parametrize(
    ("raw", "bound"),
    [
        (b"x" * 200_000, 501),
        (b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 40_000, 2_000),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 200_000, 2_000),
        (b"\r\n" * 100_000, 4),
        (head(b"Content-Length: 10000", line=b"POST / HTTP/1.1") + b"x" * 200_000, 10_000 + 3_000),
        (
            head(b"Transfer-Encoding: chunked", line=b"POST / HTTP/1.1") + b"1\r\nx\r\n" * 40_000,
            10_000 + 300,
        ),
        (head(b"Transfer-Encoding: chunked", line=b"POST / HTTP/1.1") + b"0" * 200_000, 300),
        (
            head(b"Transfer-Encoding: chunked", line=b"POST / HTTP/1.1") + b"0;" + b"x" * 200_000,
            300,
        ),
        (
            head(b"Transfer-Encoding: chunked", line=b"POST / HTTP/1.1")
            + b"0\r\n"
            + b"X: y\r\n" * 40_000,
            5_000,
        ),
        (NEXT * 6_000, 3_000),
    ],
    ids=[
        "line",
        "fields",
        "field",
        "empty lines",
        "length",
        "tiny chunks",
        "size",
        "extension",
        "trailers",
        "pipelined",
    ],
)
def test_a_flood_is_bounded_by_the_limits_and_one_read(raw: bytes, bound: int, step: int) -> None:
    machine = new_machine(SMALL)
    most = 0
    for at in range(0, len(raw), step):
        if not machine.wants_input:
            break
        machine.receive(raw[at : at + step])
        try:
            machine.next_request()
        except (RemoteProtocolError, LimitExceeded):
            assert machine.unread_bytes == 0
            break
        body = 0 if machine._chunks is None else len(machine._chunks._body)
        most = max(most, machine.unread_bytes + body)
    assert not machine.wants_input, "the flood was never stopped"
    assert most <= bound + step


def test_reading_stops_behind_a_request_that_is_not_answered_and_goes_on_after_it() -> None:
    machine = taken(head() + b"x" * 3_000, SMALL)
    assert not machine.wants_input
    machine.respond(OK)
    assert machine.wants_input


def test_a_large_body_in_small_pieces_is_read_in_linear_time() -> None:
    body = b"x" * 4_000_000
    machine = new_machine()
    raw = head(b"Content-Length: %d" % len(body), line=b"POST / HTTP/1.1") + body
    request = read(machine, [raw[at : at + 1_000] for at in range(0, len(raw), 1_000)])
    assert isinstance(request, Request)
    assert request.body == body


class CountingBuffer(bytearray):
    """A buffer that knows how much of it has been searched and copied."""

    work = 0

    def find(self, sub: bytes, start: int = 0, end: int | None = None) -> int:  # type: ignore[override]
        end = len(self) if end is None else min(end, len(self))
        at = super().find(sub, start, end)
        self.work += max(0, (at if at >= 0 else end) - start)
        return at

    def __getitem__(self, key: slice) -> bytearray:  # type: ignore[override]
        data = super().__getitem__(key)
        self.work += len(data)
        return data


@pytest.mark.parametrize("framing", ["length", "chunked", "small chunks"])
@pytest.mark.parametrize("step", [1, 100])
def test_the_work_on_a_dripped_body_grows_with_its_bytes_and_not_with_its_reads(
    framing: str, step: int
) -> None:
    def work(size: int) -> int:
        post = b"POST / HTTP/1.1"
        if framing == "length":
            raw = head(b"Content-Length: %d" % size, line=post) + b"x" * size
        else:
            chunk = size if framing == "chunked" else 50
            coded = (b"%x\r\n" % chunk + b"x" * chunk + b"\r\n") * (size // chunk)
            raw = head(b"Transfer-Encoding: chunked", line=post) + coded + b"0\r\n\r\n"
        machine = new_machine()
        machine._buffer = buffer = CountingBuffer()
        request = read(machine, [raw[at : at + step] for at in range(0, len(raw), step)])
        assert isinstance(request, Request)
        assert len(request.body) == size
        return buffer.work

    assert work(40_000) < 5 * work(10_000)
    assert work(40_000) < 4 * 40_000


def test_the_work_on_a_dripped_head_grows_with_its_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[bytes] = []
    check = request_head._check_request_line

    def note(line: bytes) -> None:
        looked_at.append(line)
        check(line)

    monkeypatch.setattr(request_head, "_check_request_line", note)
    line = b"GET /" + b"a" * 50 + b" HTTP/1.1"
    raw = head(*[b"X: " + b"x" * 200] * 90, line=line)
    machine = new_machine()
    machine._buffer = buffer = CountingBuffer()
    assert isinstance(read(machine, byte_by_byte(raw)), Request)
    assert looked_at == [line] * 2  # when it was there, and with the whole head
    # With every byte: the end of the request line, and the last bytes for the end of the head.
    assert buffer.work < len(raw) * (len(line) + 10)
