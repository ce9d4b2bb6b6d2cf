"""Every refusal that docs/http.md names is met by a request, as its status and its code."""

import socket
from collections.abc import Iterator

import orjson
import pytest

from tests import http_surface
from tests.running_server import RunningServer, run_server

# Met where time, a shutdown or a bug can be had: tests/net, tests/test_server.py.
ELSEWHERE = {(408, "request-timeout"), (500, "internal-error"), (503, "unavailable")}
# Met where everyone has to say who they are: tests/auth/test_rights_over_http.py.
ELSEWHERE |= {(401, "unauthorized"), (403, "not-granted")}


def request(line: str, *fields: str, body: str = "", version: str = "1.1") -> str:
    """A whole request, with what it needs besides."""
    length = [f"Content-Length: {len(body)}"] if body else []
    head = [f"{line} HTTP/{version}", "Host: localhost", *length, *fields]
    return "\r\n".join(head) + f"\r\n\r\n{body}"


JSON = "Content-Type: application/json"
LINES = "Content-Type: application/x-ndjson"

REFUSED = {
    (400, "bad-request"): request("GET *"),
    (400, "incomplete-request"): "GET / HTTP/1.1\r\n",
    (400, "invalid-channel"): request("GET /events/a//b"),
    (400, "invalid-event"): request("POST /events/news?event=gap", body="x"),
    (400, "invalid-request"): request("GET /events/news?heartbeat=none"),
    (403, "forbidden"): request("GET /channels", "Via: 1.1 proxy"),
    (404, "not-found"): request("GET /nothing"),
    (405, "method-not-allowed"): request("DELETE /events/news"),
    (406, "not-acceptable"): request("GET /events/news", "Accept: application/json"),
    (410, "position-gone"): request("GET /channels/news/events?after=gonegone-1"),
    (411, "length-required"): request("POST /events/news", version="1.0"),
    (413, "batch-too-large"): request("POST /events", LINES, body="\n" * 20_001),
    (413, "body-too-large"): request("POST /events/news", f"Content-Length: {1 << 30}"),
    (413, "event-too-large"): request("POST /events/news", body="x" * (1 << 20) + "x"),
    (414, "target-too-long"): request("GET /" + "x" * 10_000),
    (415, "unsupported-media-type"): request("POST /events", body="x"),
    (417, "expectation-failed"): request("GET /", "Expect: a-miracle"),
    (431, "head-too-large"): request("GET /", "X-Long: " + "x" * 10_000),
    (501, "not-implemented"): request("BREW /events/news"),
    (505, "version-not-supported"): request("GET /", version="2.0"),
}


@pytest.fixture(scope="module")
def running() -> Iterator[RunningServer]:
    with run_server("uvloop") as running:
        yield running


def test_every_refusal_has_a_request() -> None:
    assert REFUSED.keys() | ELSEWHERE == http_surface.errors()


@pytest.mark.parametrize("error", REFUSED, ids=lambda error: f"{error[0]} {error[1]}")
def test_request_is_refused_as_the_page_says(
    error: http_surface.Error, running: RunningServer
) -> None:
    with running.client() as client:
        client.send(REFUSED[error])
        client.socket.shutdown(socket.SHUT_WR)
        answer = client.read_answer()
    value = orjson.loads(answer.body)
    assert (answer.status, value["error"]) == error
    assert set(value) == {"error", "message"}
    assert answer.fields["content-type"] == "application/json"
    assert answer.fields["cache-control"] == "no-store"
