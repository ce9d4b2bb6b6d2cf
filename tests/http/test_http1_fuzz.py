"""One promise: a request, or a `RemoteProtocolError` or `LimitExceeded`, whatever comes."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sse_server.errors import LimitExceeded, RemoteProtocolError
from sse_server.http.http1 import Http1Options, Phase
from sse_server.http.request import Request
from tests.http.corpus import HEADS
from tests.http.exchange import OK, byte_by_byte, new_machine

SMALL = Http1Options(max_body_bytes=1_000, max_head_bytes=2_000, max_pipelined_bytes=10_000)
BASES = [
    *HEADS.values(),
    b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nab\r\n0\r\nT:\r\n\r\n",
    b"POST /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
    b"OPTIONS * HTTP/1.1\r\nHost:a\r\n\r\nGET http://b/c HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\r\nPOST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nxy",
]
TOKENS = [
    *[
        b"",
        b"\r",
        b"\n",
        b"\r\n",
        b"\r\n\r\n",
        b"\x00",
        b"\x7f",
        b"\xff",
        b" ",
        b"\t",
        b":",
        b",",
        b";",
    ],
    *[
        b"Content-Length: 3\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Host: b\r\n",
        b"Expect: x\r\n",
    ],
    *[
        b"HTTP/2.0",
        b"HTTP/1.0",
        b"%zz",
        b"#",
        b"99999999999999999999",
        b"-1",
        b"0",
        b"ffffffffffff",
    ],
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    raw = draw(st.sampled_from(BASES)) + draw(st.sampled_from([b"", *BASES]))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(raw)))
        cut = draw(st.sampled_from([0, 0, 1, 2, 10]))
        token = draw(st.one_of(st.sampled_from(TOKENS), st.binary(max_size=4)))
        raw = raw[:at] + token + raw[at + cut :]
    return raw


def outcomes(pieces: list[bytes]) -> list[object]:
    """All that comes of `pieces` and the end of input: requests, at most one refusal, the phase."""
    machine = new_machine(SMALL)
    seen: list[object] = []
    for piece in [*pieces, b""]:
        machine.receive(piece)
        try:
            while (request := machine.next_request()) is not None:
                assert request.path.startswith(b"/") or request.path == b"*"
                assert b"#" not in request.path + request.query
                assert len(request.body) <= SMALL.max_body_bytes
                seen.append(request)
                assert machine.respond(OK).startswith(b"HTTP/1.1 200 OK\r\n")
        except (RemoteProtocolError, LimitExceeded) as error:
            machine.refuse(error)
            seen.append("refused")
        assert machine.take_output() in {b"", b"HTTP/1.1 100 Continue\r\n\r\n"}
    assert machine.phase is Phase.CLOSING, "after the end of input nothing is left to wait for"
    assert seen.count("refused") <= 1
    return seen


def cut_in_pieces(raw: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(raw), *(cut % (len(raw) + 1) for cut in cuts)})
    return [raw[begin:end] for begin, end in pairwise(places)]


@given(mutated(), st.lists(st.integers(0, 5_000), max_size=5))
def test_mutated_requests_come_out_the_same_however_they_arrive(
    raw: bytes, cuts: list[int]
) -> None:
    whole = outcomes([raw] if raw else [])
    assert outcomes(byte_by_byte(raw)) == whole
    assert outcomes(cut_in_pieces(raw, cuts)) == whole


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5))
def test_random_bytes_come_out_the_same_however_they_arrive(raw: bytes, cuts: list[int]) -> None:
    assert outcomes(cut_in_pieces(raw, cuts)) == outcomes([raw] if raw else [])


@given(
    st.lists(st.sampled_from([*TOKENS, b"GET / HTTP/1.1\r\n", b"Host: a\r\n", b"x"]), max_size=30)
)
def test_shuffled_tokens_are_read_or_refused(tokens: list[bytes]) -> None:
    raw = b"".join(tokens)
    assert outcomes(byte_by_byte(raw)) == outcomes([raw] if raw else [])


def test_the_requests_to_mutate_are_good_ones() -> None:
    for raw in BASES[len(HEADS) :]:
        assert all(isinstance(outcome, Request) for outcome in outcomes([raw]))
