"""Open streams of those who have said who they are, over real sockets: changed, renewed, ended."""

import json
import socket
import ssl
import time
from dataclasses import replace
from pathlib import Path

import pytest

from sse_server import AuthOptions
from tests.auth.makers import HS256, token
from tests.auth.serving import (
    NOT_GRANTED,
    OPERATOR,
    OPERATOR_ENTRY,
    PUBLISHER,
    UNAUTHORIZED,
    Controlled,
    Start,
    ask,
    bearer,
    error,
    let_time_pass,
    names,
    options,
)
from tests.conftest import write_certificate
from tests.running_server import Client, RunningServer, run_server, wait_until

# --- open streams --------------------------------------------------------------------------------


def test_channels_of_an_open_stream_are_granted_twice(running: RunningServer) -> None:
    narrow = bearer(token(subscribe=["a", "b"]))
    wide = bearer(token(subscribe=["*"]))
    stream = Controlled(running, "/events/a", narrow)
    assert stream.change(running, narrow, add=["b"]).status == 200
    assert error(stream.change(running, narrow, add=["c"])) == NOT_GRANTED
    assert error(stream.change(running, wide, add=["c"])) == NOT_GRANTED
    assert error(stream.change(running, bearer(token()), add=["b"])) == NOT_GRANTED
    assert stream.renew(running, wide).status == 200
    assert stream.change(running, wide, add=["c"], remove=["a", "b"]).status == 200
    running.publish("b", "not any more")
    running.publish("c", "x")
    assert stream.client.read_events(1) == ["x"]


@pytest.mark.parametrize("key", [None, OPERATOR, PUBLISHER])
def test_nobody_else_changes_a_stream(running: RunningServer, key: str | None) -> None:
    who = key or token(sub="8", subscribe=["*"])
    stream = Controlled(running, "/events/a", bearer(token(subscribe=["*"])))
    assert error(stream.change(running, bearer(who), add=[]))[0] == 404
    assert error(stream.renew(running, bearer(who)))[0] == 404
    assert error(stream.renew(running, "")) == UNAUTHORIZED


def test_streams_are_looked_at_and_ended_by_operators(running: RunningServer) -> None:
    own = bearer(token(subscribe=["*"]))
    stream = Controlled(running, "/events/a", own)
    target = f"/subscribers/{stream.name}"
    for address in ("/subscribers", target):
        assert error(ask(running, address, own)) == NOT_GRANTED
        assert ask(running, address, bearer(OPERATOR)).status == 200
    with running.client() as client:
        for fields, expected in ((own, 403), (bearer(OPERATOR), 200)):
            client.get(target, fields, method="DELETE")
            assert client.read_answer().status == expected
    assert b"event: stream-ended" in stream.client.read_to_end()


def test_a_grant_is_renewed_in_place(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sse_server.net.timer._INTERVAL_SECONDS", 0.02)
    running = start(AuthOptions(keys=(HS256,)))
    old, new = (bearer(token(time.time(), seconds, subscribe=["a"])) for seconds in (60, 600))
    streams = [Controlled(running, "/events/a", old) for _ in range(2)]
    answer = streams[0].renew(running, new)
    assert 400 < json.loads(answer.body)["expires_in"] <= 605
    let_time_pass(running, 100)
    assert b"event: token-expired" in streams[1].client.read_to_end()
    running.publish("a", "x")
    assert streams[0].client.read_events(1) == ["x"]
    # Not by a grant that does not have what the stream follows.
    assert error(streams[0].renew(running, bearer(token(subscribe=["b"])))) == NOT_GRANTED


def test_a_lease_is_renewed_with_its_cookie(running: RunningServer) -> None:
    target = f"/events/a?token={token(subscribe=['a'], jti='to be renewed')}"
    stream = Controlled(running, target)
    session = bearer(token(time.time(), 7_200, subscribe=["*"]))
    answer = stream.renew(running, f"{session}Cookie: {stream.cookie}\r\n")
    assert 800 < json.loads(answer.body)["expires_in"] <= 900
    renewed = answer.fields["set-cookie"].partition(";")[0]
    assert renewed.partition("=")[0] == stream.cookie.partition("=")[0]
    stream.client.socket.close()
    wait_until(lambda: stream.name not in names(running), "the stream has ended")
    running.subscriber(target, f"Cookie: {renewed}\r\n")
    # No cookie where it would give back more than the new grant has, after a restart.
    again = Controlled(running, f"/events/a?token={token(subscribe=['a', 'b'], jti='wider')}")
    narrow = bearer(token(time.time(), 7_200, subscribe=["a"]))
    answer = again.renew(running, f"{narrow}Cookie: {again.cookie}\r\n")
    assert answer.status == 200
    assert "set-cookie" not in answer.fields


# --- ends ----------------------------------------------------------------------------------------


def test_a_grant_ends_its_stream(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sse_server.net.timer._INTERVAL_SECONDS", 0.02)
    running = start(AuthOptions(keys=(HS256,)))
    with running.client() as client:
        client.get("/events/a", bearer(token(subscribe=["a"])))
        client.read_stream_head()
        running.publish("a", "before")
        assert client.read_events(1) == ["before"]
        let_time_pass(running, 100)
        text = client.read_to_end()
    assert b"event: token-expired\r\nretry: " in text.replace(b"\n", b"\r\n")
    assert text.endswith(b"0\r\n\r\n")
    closed = running.call(lambda: dict(running.server.hub.closed))
    assert {reason.label: count for reason, count in closed.items()} == {"expired": 1}


@pytest.mark.parametrize("what", [{"sub": "7"}, {"jti": "one"}, {"sub": "7", "jti": "one"}])
def test_revoking_ends_streams_at_once(start: Start, what: dict[str, str]) -> None:
    running = start(AuthOptions(keys=(HS256,), api_keys=(OPERATOR_ENTRY,)))
    revoked = token(subscribe=["a"], sub="7", jti="one")
    other = token(subscribe=["a"], sub="8", jti="two")
    clients = []
    for text in (revoked, other):
        client = running.client()
        client.get("/events/a", bearer(text))
        client.read_stream_head()
        clients.append(client)
    by_address = running.subscriber(f"/events/a?token={revoked}")
    answer = ask(running, "/revocations", bearer(OPERATOR), json.dumps(what))
    assert json.loads(answer.body) == {"ended": 2}
    for client in (clients[0], by_address):
        last = client.read_to_end()
        assert b"event: token-expired" in last
        assert b"retry" not in last
    assert error(ask(running, "/events/a", bearer(revoked))) == UNAUTHORIZED
    assert error(ask(running, f"/events/a?token={revoked}")) == UNAUTHORIZED
    running.publish("a", "still here")
    assert clients[1].read_events(1) == ["still here"]


def test_what_cannot_be_revoked_as_a_whole_is_not_in_part(start: Start) -> None:
    running = start(AuthOptions(keys=(HS256,), api_keys=(OPERATOR_ENTRY,), max_revoked=1))
    operator = bearer(OPERATOR)
    assert ask(running, "/revocations", operator, '{"sub": "other"}').status == 200
    text = bearer(token(subscribe=["a"], jti="one"))
    both = ask(running, "/revocations", operator, '{"jti": "one", "sub": "7"}')
    assert error(both) == (503, "unavailable")
    assert ask(running, "/channels/a/events", text).status == 200
    assert ask(running, "/revocations", operator, '{"jti": "one"}').status == 200
    assert error(ask(running, "/channels/a/events", text)) == UNAUTHORIZED


def test_what_a_token_was_exchanged_for_is_revoked_with_it(start: Start) -> None:
    running = start(AuthOptions(keys=(HS256,), api_keys=(OPERATOR_ENTRY,)))
    session = token(subscribe=["a"], jti="session", sub=None)
    first = session
    for _ in range(2):  # from one to the next
        first = json.loads(ask(running, "/token", bearer(first), "").body)["token"]
    used, unused = (
        json.loads(ask(running, "/token", bearer(first), "").body)["token"] for _ in "ab"
    )
    stream = Controlled(running, f"/events/a?token={used}")
    revoked = ask(running, "/revocations", bearer(OPERATOR), '{"jti": "session"}')
    assert json.loads(revoked.body) == {"ended": 1}
    stream.client.read_to_end()
    for fields in (bearer(session), bearer(first), bearer(unused)):
        assert error(ask(running, "/token", fields, "")) == UNAUTHORIZED
    assert error(ask(running, f"/events/a?token={unused}")) == UNAUTHORIZED


def test_where_the_server_speaks_tls_its_cookie_is_for_that_alone(tmp_path: Path) -> None:
    """A page of its own names no origin, and there is no proxy that says so."""
    tls = write_certificate(tmp_path)
    secured = replace(options(AuthOptions(keys=(HS256,))), tls=tls)
    context = ssl.create_default_context(cafile=tls.cert)
    with run_server("uvloop", secured) as running:
        sock = running.keep(socket.create_connection(("127.0.0.1", running.port)))
        client = Client(running.keep(context.wrap_socket(sock, server_hostname="localhost")))
        client.get(f"/events/a?token={token(subscribe=['a'])}")
        assert client.read_stream_head().fields["set-cookie"].endswith("; Secure")


def test_a_user_that_was_revoked_may_come_back_with_a_newer_token(start: Start) -> None:
    running = start(AuthOptions(keys=(HS256,), api_keys=(OPERATOR_ENTRY,)))
    ask(running, "/revocations", bearer(OPERATOR), '{"sub": "7"}')
    newer = token(time.time() + 2, subscribe=["a"])
    assert ask(running, "/channels/a/events", bearer(newer)).status == 200


@pytest.mark.parametrize(
    "body", ["", "{}", "[]", '{"sub": 7}', '{"user": "7"}', '{"sub": ""}', "x"]
)
def test_what_cannot_be_revoked(running: RunningServer, body: str) -> None:
    assert ask(running, "/revocations", bearer(OPERATOR), body).status == 400
    assert error(ask(running, "/revocations", bearer(PUBLISHER), body)) == NOT_GRANTED


def test_where_nobody_has_to_say_who_they_are() -> None:
    with run_server("uvloop") as running:
        assert error(ask(running, "/token", body="")) == (404, "not-found")
        assert error(ask(running, "/revocations", body='{"sub": "7"}')) == (404, "not-found")
        assert ask(running, "/events/news", bearer("nonsense"), "x").status == 200
