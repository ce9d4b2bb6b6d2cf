"""Who asks and what they may, over real sockets."""

import json

import pytest

from tests.auth.makers import SECRET, token
from tests.auth.serving import (
    NOT_GRANTED,
    OPERATOR,
    PUBLISHER,
    UNAUTHORIZED,
    ask,
    bearer,
    error,
)
from tests.running_server import RunningServer

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
