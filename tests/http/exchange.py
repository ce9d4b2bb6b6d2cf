"""Bytes put through the machine, whole, byte by byte and with more behind them."""

from collections.abc import Iterable

from sse_server.errors import LimitExceeded, RemoteProtocolError
from sse_server.http.http1 import Http1, Http1Options
from sse_server.http.request import Request
from sse_server.http.response import Response

OPTIONS = Http1Options()
DATE = b"Tue, 15 Nov 1994 08:12:31 GMT"
NEXT = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"
OK = Response(200, (), b"ok")

Refusal = RemoteProtocolError | LimitExceeded


def new_machine(options: Http1Options = OPTIONS) -> Http1:
    return Http1(options, lambda: DATE)


def byte_by_byte(raw: bytes) -> list[bytes]:
    return [raw[at : at + 1] for at in range(len(raw))]


def read(machine: Http1, pieces: Iterable[bytes]) -> Request | Refusal | None:
    """What the first request of `pieces` becomes; any other exception is a failure."""
    for piece in pieces:
        machine.receive(piece)
        try:
            request = machine.next_request()
        except (RemoteProtocolError, LimitExceeded) as error:
            return error
        if request is not None:
            return request
    return None


def accepted(raw: bytes, options: Http1Options = OPTIONS) -> Request:
    """The request that `raw` is, the same in every way of arriving."""
    whole, dripped, followed = (new_machine(options) for _ in range(3))
    request = read(whole, [raw])
    assert isinstance(request, Request), request
    assert read(dripped, byte_by_byte(raw)) == request
    assert read(followed, [raw + NEXT]) == request
    for machine in (whole, dripped):
        assert machine.unread_bytes == 0
    assert followed.unread_bytes == len(NEXT)
    followed.respond(OK)
    if not followed.must_close:
        following = followed.next_request()
        assert following is not None
        assert following.path == b"/next"
    return request


def refused(raw: bytes, options: Http1Options = OPTIONS) -> Refusal:
    """Why `raw` is no request, the same in every way of arriving; and nothing is read after it."""
    refusals = []
    for pieces in ([raw], byte_by_byte(raw), [raw + NEXT]):
        machine = new_machine(options)
        refusal = read(machine, pieces)
        assert isinstance(refusal, RemoteProtocolError | LimitExceeded), refusal
        assert machine.must_close
        machine.receive(NEXT)
        assert machine.next_request() is None
        assert machine.unread_bytes == 0
        answer = machine.refuse(refusal)
        if answer:
            assert answer.startswith(b"HTTP/1.1 %d " % refusal.status)
            assert b"\r\nConnection: close\r\n" in answer
        assert machine.must_close
        refusals.append(refusal)
    statuses = [(refusal.status, refusal.code) for refusal in refusals]
    assert statuses == statuses[:1] * 3
    return refusals[0]


def head(*fields: bytes, line: bytes = b"GET / HTTP/1.1", host: bytes | None = b"a") -> bytes:
    """A head of `fields` as they are, with a Host field in front of them."""
    lines = [line, *fields] if host is None else [line, b"Host: " + host, *fields]
    return b"".join(text + b"\r\n" for text in (*lines, b""))
