"""A server where everyone has to say who they are, over real sockets."""

import json
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import jwt
import pytest

from sse_server import AuthOptions, CorsOptions, ServerOptions
from sse_server.auth.api_keys import new_api_key
from tests.auth.makers import HS256, SECRET, token
from tests.auth.secrets import secret_in
from tests.conftest import write_certificate
from tests.running_server import Answer, Client, RunningServer, run_server, wait_until

APP = "https://app.example"
PUBLISHER, PUBLISHER_ENTRY = new_api_key("publisher", ["publish=news:*|a"])
OPERATOR, OPERATOR_ENTRY = new_api_key("operator", ["operate"])

Start = Callable[[AuthOptions], RunningServer]


def options(auth: AuthOptions) -> ServerOptions:
    cors = CorsOptions(origins=(APP,))
    return ServerOptions(bind=("127.0.0.1:0",), drain_seconds=0.2, auth=auth, cors=cors)


@pytest.fixture(scope="module")
def running() -> Iterator[RunningServer]:
    auth = AuthOptions(keys=(HS256,), api_keys=(PUBLISHER_ENTRY, OPERATOR_ENTRY), cookie="session")
    with run_server("uvloop", options(auth)) as running:
        yield running


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as stack:
        yield lambda auth: stack.enter_context(run_server("uvloop", options(auth)))


def bearer(text: str) -> str:
    return f"Authorization: Bearer {text}\r\n"


def ask(running: RunningServer, target: str, fields: str = "", body: str | None = None) -> Answer:
    with running.client() as client:
        if body is None:
            client.get(target, fields)
        else:
            client.post(target, body, fields)
        answer = client.read_answer()
    if target != "/token":
        assert secret_in(answer.body.decode()) is None
    return answer


def let_time_pass(running: RunningServer, seconds: float) -> None:
    """For the ends of grants."""
    keeper = running.server._gate._keeper
    assert keeper is not None
    streams = keeper.streams
    running.call(lambda: setattr(streams, "_clock", lambda: time.time() + seconds))


def claims_of(text: str) -> dict[str, float]:
    """The times that stand in a token."""
    found: dict[str, float] = jwt.decode(text, options={"verify_signature": False})
    return found


def error(answer: Answer) -> tuple[int, str]:
    return answer.status, json.loads(answer.body)["error"]


UNAUTHORIZED = (401, "unauthorized")
NOT_GRANTED = (403, "not-granted")
FORBIDDEN = (403, "forbidden")


# --- who -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/events/news", None),
        ("/events?channel=news", None),
        ("/channels", None),
        ("/channels/news", None),
        ("/channels/news/events", None),
        ("/metrics", None),
        ("/events/news", "x"),
        ("/events", "x"),
        ("/send", "{}"),
        ("/token", ""),
        ("/revocations", "{}"),
        ("/nothing", None),
    ],
)
def test_who_says_nothing_gets_nothing(
    running: RunningServer, target: str, body: str | None
) -> None:
    answer = ask(running, target, body=body)
    assert error(answer) == UNAUTHORIZED
    assert answer.fields["www-authenticate"] == 'Bearer realm="sse-server"'


@pytest.mark.parametrize("target", ["/healthz", "/readyz", "/", "/client.js"])
def test_what_is_for_anybody(running: RunningServer, target: str) -> None:
    assert ask(running, target).status == 200


def test_a_bad_token_is_told_as_such(running: RunningServer) -> None:
    answer = ask(running, "/channels/news/events", bearer("nonsense"))
    assert error(answer) == UNAUTHORIZED
    assert answer.fields["www-authenticate"].endswith('error="invalid_token"')


def test_the_three_ways(running: RunningServer) -> None:
    good = token(subscribe=["news"])
    target = "/channels/news/events"
    assert ask(running, target, bearer(good)).status == 200
    assert ask(running, target, f"Cookie: a=b; session={good}\r\n").status == 200
    assert ask(running, f"{target}?token={good}").status == 200


@pytest.mark.parametrize("bad", [token(seconds=-60), "nonsense", token(key=SECRET[::-1])])
def test_the_first_that_is_there_counts(running: RunningServer, bad: str) -> None:
    good = token(subscribe=["news"], sub=f"first of {bad[:12]}")
    other = token(subscribe=["news"], sub="in an address")
    target = "/channels/news/events"
    cookie = f"Cookie: session={good}\r\n"
    assert error(ask(running, f"{target}?token={other}", bearer(bad) + cookie)) == UNAUTHORIZED
    assert error(ask(running, f"{target}?token={bad}", cookie)) == UNAUTHORIZED
    assert ask(running, f"{target}?token={bad}", bearer(good)).status == 200
    assert ask(running, f"{target}?token={other}", f"Cookie: session={bad}\r\n").status == 200


@pytest.mark.parametrize("field", ["Basic YTpi", "Bearer", "Bearer a b", "Bearer ", "Token x"])
def test_authorization_of_another_kind(running: RunningServer, field: str) -> None:
    answer = ask(running, "/channels/news/events", f"Authorization: {field}\r\n")
    assert error(answer) == UNAUTHORIZED


def test_two_credentials_of_one_kind(running: RunningServer) -> None:
    good = token(subscribe=["news"])
    assert error(ask(running, "/channels/news/events", bearer(good) * 2)) == UNAUTHORIZED
    target = f"/channels/news/events?token={good}&token={good}"
    assert error(ask(running, target)) == UNAUTHORIZED


def test_a_token_in_the_address_publishes_nothing(running: RunningServer) -> None:
    good = token(publish=["a"])
    assert error(ask(running, f"/events/a?token={good}", body="x")) == UNAUTHORIZED


# --- what ----------------------------------------------------------------------------------------


def test_publishing_is_granted_channel_by_channel(running: RunningServer) -> None:
    fields = bearer(token(publish=["a", "news:*"], subscribe=["b"]))
    assert ask(running, "/events/a", fields, "x").status == 200
    assert ask(running, "/events/news:1", fields, "x").status == 200
    assert error(ask(running, "/events/b", fields, "x")) == NOT_GRANTED
    assert error(ask(running, "/events/news", fields, "x")) == NOT_GRANTED
    assert ask(running, "/send?channel=a", fields, "{}").status == 200
    assert error(ask(running, "/send", fields, "{}")) == NOT_GRANTED


def test_of_a_batch_nothing_is_published_when_one_is_not_granted(running: RunningServer) -> None:
    fields = bearer(token(publish=["batch:*"], subscribe=["batch:*"]))
    envelopes = [{"channel": "batch:1", "data": "x"}, {"channel": "user:8", "data": "x"}]
    as_json = fields + "Content-Type: application/json\r\n"
    as_lines = fields + "Content-Type: application/x-ndjson\r\n"
    lines = "\n".join(map(json.dumps, envelopes))
    assert error(ask(running, "/events", as_json, json.dumps(envelopes))) == NOT_GRANTED
    assert error(ask(running, "/events", as_lines, lines)) == NOT_GRANTED
    assert error(ask(running, "/events", as_json, json.dumps(envelopes[1]))) == NOT_GRANTED
    page = json.loads(ask(running, "/channels/batch:1/events", fields).body)
    assert page["events"] == []
    assert ask(running, "/events", as_json, json.dumps(envelopes[:1])).status == 200


@pytest.mark.parametrize(
    "name",
    [
        "user:8",
        "User:7",
        "USER:7",
        "user%3A8",
        "user:%38",
        "user:7:admin",
        "user:",
        "user",
        "user:77",
        "global",
    ],
)
def test_another_user_s_channel(running: RunningServer, name: str) -> None:
    fields = bearer(token(sub="7"))
    for target in (
        f"/events/{name}",
        f"/events?channel=user:7&channel={name}",
        f"/events/{name}?last_event_id=earliest",
        f"/channels/{name}/events",
        f"/channels/{name}",
    ):
        assert error(ask(running, target, fields)) == NOT_GRANTED


@pytest.mark.parametrize(
    "name",
    [
        "user%253A8",
        "user:%EF%BC%98",  # a full-width 8
        "user%EF%BC%9A8",  # a full-width colon
        "user:8%00",
        "user:8%2F",
        "user:*",
        "*",
        "user:8/../user:8",
    ],
)
def test_another_user_s_channel_by_a_name_that_is_none(running: RunningServer, name: str) -> None:
    assert ask(running, f"/events/{name}", bearer(token())).status in {400, 403}


def test_a_name_s_own_channel(running: RunningServer) -> None:
    with running.client() as client:
        client.get("/events/user%3a7", bearer(token(sub="7")))
        client.read_stream_head()
        running.publish("user:7", "for one")
        assert client.read_events(1) == ["for one"]


@pytest.mark.parametrize("subject", ["*", "a:*", "7/../8", "8\u0301", "\uff17"])
def test_a_name_is_no_pattern(running: RunningServer, subject: str) -> None:
    fields = bearer(token(sub=subject))
    for name in ("user:8", "user:a:b", "user:7", "a:b", "news"):
        assert error(ask(running, f"/events/{name}", fields)) == NOT_GRANTED


def test_looking_at_all_is_for_operators(running: RunningServer) -> None:
    everything = bearer(token(subscribe=["*"], publish=["*"]))
    for target in ("/channels", "/metrics"):
        assert error(ask(running, target, everything)) == NOT_GRANTED
        assert error(ask(running, target, bearer(PUBLISHER))) == NOT_GRANTED
        assert ask(running, target, bearer(OPERATOR)).status == 200
    assert ask(running, "/channels/nobody-is-here", everything).status == 404


def test_api_keys(running: RunningServer) -> None:
    assert ask(running, "/events/news:1", bearer(PUBLISHER), "x").status == 200
    assert error(ask(running, "/events/b", bearer(PUBLISHER), "x")) == NOT_GRANTED
    assert error(ask(running, "/events/news:1", bearer(PUBLISHER))) == NOT_GRANTED
    for wrong in (PUBLISHER[:-1] + "_", "sse_nobody_" + PUBLISHER[-43:], PUBLISHER + "x", "sse_"):
        assert error(ask(running, "/events/a", bearer(wrong), "x")) == UNAUTHORIZED
    # A key does not belong into an address.
    assert error(ask(running, f"/channels?token={OPERATOR}")) == UNAUTHORIZED


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


# --- open streams --------------------------------------------------------------------------------


class Controlled:
    """A stream that its client may change."""

    def __init__(self, running: RunningServer, target: str, fields: str = "") -> None:
        self.client = running.client()
        self.client.get(f"{target}{'&' if '?' in target else '?'}control=1", fields)
        opening = self.client.read_stream_head()
        data = re.findall(rb"data: (.*)\n", opening.body)[0]
        self.name: str = json.loads(data)["subscriber"]
        self.cookie = opening.fields.get("set-cookie", "").partition(";")[0]

    def change(self, running: RunningServer, fields: str, **how: list[str]) -> Answer:
        return ask(running, f"/subscribers/{self.name}/channels", fields, json.dumps(how))

    def renew(self, running: RunningServer, fields: str) -> Answer:
        return ask(running, f"/subscribers/{self.name}/token", fields, "")


def names(running: RunningServer) -> str:
    """All streams that are open."""
    return ask(running, "/subscribers?limit=1000", bearer(OPERATOR)).body.decode()


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
