"""Requests to damage, and all that comes of what they become; for hypothesis and for fuzzers."""

from itertools import pairwise

from sse_server.errors import LimitExceeded, RemoteProtocolError
from sse_server.http.http1 import Http1Options, Phase
from tests.http.corpus import HEADS
from tests.http.exchange import OK, new_machine

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
