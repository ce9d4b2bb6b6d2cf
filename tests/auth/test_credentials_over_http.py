"""Cookies and tokens in addresses, over real sockets."""

import json
import time

import pytest

from sse_server import AuthOptions
from sse_server.auth.api_keys import new_api_key
from tests.auth.makers import HS256, token
from tests.auth.serving import (
    APP,
    FORBIDDEN,
    NOT_GRANTED,
    UNAUTHORIZED,
    Controlled,
    Start,
    ask,
    bearer,
    claims_of,
    error,
)
from tests.running_server import RunningServer

# --- cookies -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (APP, 200),
        ("http://localhost", 200),
        ("https://evil.example", 403),
        (APP + ".evil.example", 403),
        ("null", 403),
        (None, 403),
    ],
)
def test_who_may_publish_by_a_cookie(
    running: RunningServer, origin: str | None, expected: int
) -> None:
    fields = f"Cookie: session={token(publish=['a'])}\r\n"
    if origin is not None:
        fields += f"Origin: {origin}\r\n"
    answer = ask(running, "/events/a", fields, "x")
    assert answer.status == expected
    if expected == 403:
        assert error(answer) == FORBIDDEN


def test_a_foreign_page_reads_nothing_by_a_cookie(running: RunningServer) -> None:
    fields = f"Cookie: session={token(subscribe=['a'])}\r\nOrigin: https://evil.example\r\n"
    assert error(ask(running, "/events/a", fields)) == FORBIDDEN


def test_pages_that_may_get_credentials(running: RunningServer) -> None:
    answer = ask(running, "/channels/a/events", f"Origin: {APP}\r\n")
    assert answer.status == 401  # refusals can be read, too
    assert answer.fields["access-control-allow-origin"] == APP
    assert answer.fields["access-control-allow-credentials"] == "true"
    with running.client() as client:
        client.get(
            "/events/a",
            f"Origin: {APP}\r\nAccess-Control-Request-Method: GET\r\n",
            method="OPTIONS",
        )
        preflight = client.read_answer()
    assert preflight.status == 204
    assert "Authorization" in preflight.fields["access-control-allow-headers"]


# --- tokens in addresses -------------------------------------------------------------------------


def test_a_token_in_the_address_is_short_lived(running: RunningServer) -> None:
    now = time.time()
    for bad in (
        token(now, 121, subscribe=["a"]),
        token(now, 60, subscribe=["a"], iat=None),
    ):
        assert error(ask(running, f"/events/a?token={bad}")) == UNAUTHORIZED
    client = running.subscriber(f"/events/a?token={token(now, 120, subscribe=['a'])}")
    client.socket.close()


def test_a_token_that_has_to_be_for_one_stream(start: Start) -> None:
    running = start(AuthOptions(keys=(HS256,), query_needs_id=True))
    assert error(ask(running, f"/events/a?token={token(subscribe=['a'])}")) == UNAUTHORIZED
    running.subscriber(f"/events/a?token={token(subscribe=['a'], jti='1')}")


def test_a_token_is_not_used_up_by_what_opens_nothing(running: RunningServer) -> None:
    once = token(subscribe=["a"], jti="not used up")
    with running.client() as client:
        client.get(f"/events/a?token={once}", method="HEAD")
        assert client.read_answer(head_only=True).status == 200
    assert error(ask(running, f"/events/b?token={once}")) == NOT_GRANTED
    assert ask(running, f"/events/a?heartbeat=x&token={once}").status == 400
    assert ask(running, f"/events/a?token={once}", "Accept: text/html\r\n").status == 406
    running.subscriber(f"/events/a?token={once}")
    assert error(ask(running, f"/events/a?token={once}")) == UNAUTHORIZED


@pytest.mark.parametrize("token_id", ["seen", None])
def test_what_has_been_in_an_address_holds_nowhere_else(
    running: RunningServer, token_id: str | None
) -> None:
    """Who has it from a log could publish with it, or get newer ones."""
    text = token(subscribe=["a"], publish=["a"], jti=token_id, sub=f"seen {token_id}")
    assert ask(running, "/events/a", bearer(text), "x").status == 200
    assert error(ask(running, f"/events/b?token={text}")) == NOT_GRANTED  # it need not open any
    session = f"Cookie: session={text}\r\nOrigin: {APP}\r\n"
    for fields in (bearer(text), session):
        assert error(ask(running, "/events/a", fields, "x")) == UNAUTHORIZED
        assert error(ask(running, "/token", fields, "")) == UNAUTHORIZED
        assert error(ask(running, "/events/a", fields)) == UNAUTHORIZED
    history = ask(running, f"/channels/a/events?token={text}")
    assert history.status == (401 if token_id else 200)
    running.subscriber(f"/events/a?token={text}")


def test_exchange_of_a_session(running: RunningServer) -> None:
    session = token(subscribe=["news", "room:*"], publish=["news"], seconds=3_600, sub="9")
    body = json.dumps({"channels": ["room:1", "user:9"]})
    answer = ask(running, "/token", bearer(session), body)
    assert answer.status == 200
    assert answer.fields["cache-control"] == "no-store"
    value = json.loads(answer.body)
    assert value["expires_in"] == 60
    with running.subscriber(f"/events/room:1?token={value['token']}") as client:
        running.publish("room:1", "x")
        assert client.read_events(1) == ["x"]
    assert error(ask(running, f"/events/room:2?token={value['token']}")) == NOT_GRANTED
    assert error(ask(running, "/events/news", bearer(value["token"]), "x")) == UNAUTHORIZED
    newer = json.loads(ask(running, "/token", bearer(session), body).body)["token"]
    assert error(ask(running, "/events/news", bearer(newer), "x")) == NOT_GRANTED


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"channels": ["other"]}', NOT_GRANTED),
        ('{"channels": ["*"]}', NOT_GRANTED),
        ('{"channels": ["room*"]}', (400, "invalid-request")),
        ('{"channels": "news"}', (400, "invalid-request")),
        ('{"channel": ["news"]}', (400, "invalid-request")),
        ("[]", (400, "invalid-request")),
        ("nonsense", (400, "invalid-request")),
        (json.dumps({"channels": [f"c{n}" for n in range(10_000)]}), (400, "invalid-request")),
    ],
)
def test_what_cannot_be_exchanged(
    running: RunningServer, body: str, expected: tuple[int, str]
) -> None:
    session = bearer(token(subscribe=["news", "room:*"]))
    assert error(ask(running, "/token", session, body)) == expected


@pytest.mark.parametrize(("subject", "asked"), [("*", "user:*"), ("a:*", "user:a:*")])
def test_a_name_is_exchanged_for_no_pattern(
    running: RunningServer, subject: str, asked: str
) -> None:
    session = bearer(token(sub=subject))
    assert error(ask(running, "/token", session, json.dumps({"channels": [asked]}))) == NOT_GRANTED
    granted = bearer(token(sub=subject, subscribe=["user:*"]))
    assert ask(running, "/token", granted, json.dumps({"channels": [asked]})).status == 200


def test_what_a_token_is_exchanged_for_ends_with_it(running: RunningServer) -> None:
    """However often, and however it is used then."""
    text = token(subscribe=["news"], seconds=10)
    end = claims_of(text)["exp"] + AuthOptions().leeway_seconds
    for _ in range(3):
        text = json.loads(ask(running, "/token", bearer(text), "").body)["token"]
        assert claims_of(text)["until"] <= end
    stream = Controlled(running, "/events/news", bearer(text))
    expires_in = json.loads(stream.renew(running, bearer(text)).body)["expires_in"]
    assert expires_in <= end - time.time()


def test_what_is_exchanged_is_taken_back(start: Start) -> None:
    many, entry = new_api_key("many", [f"subscribe={'|'.join(f'{n}-{n:0180}' for n in range(60))}"])
    running = start(AuthOptions(keys=(HS256,), api_keys=(entry,), token_seconds=600))
    answer = json.loads(ask(running, "/token", bearer(token(subscribe=["a"])), "").body)
    assert answer["expires_in"] == 120  # auth.query_seconds
    running.subscriber(f"/events/a?token={answer['token']}")
    assert error(ask(running, "/token", bearer(many), "")) == (400, "invalid-request")
    one = json.dumps({"channels": [f"7-{7:0180}"]})
    assert ask(running, "/token", bearer(many), one).status == 200


def test_a_token_in_an_address_is_not_exchanged_for_another(running: RunningServer) -> None:
    target = f"/token?token={token(subscribe=['news'])}"
    assert error(ask(running, target, body="")) == UNAUTHORIZED
