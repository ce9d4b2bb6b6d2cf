"""Sessions that an application knows."""

import gzip
import logging
import re
import threading
import time

import pytest

from sse_server import AuthOptions, ConfigurationError, ForwardOptions
from tests.auth.application import Application
from tests.auth.makers import HS256, jwk
from tests.auth.serving import (
    FORBIDDEN,
    NOT_GRANTED,
    UNAUTHORIZED,
    ask,
    bearer,
    error,
    let_time_pass,
)
from tests.outbound.conftest import APP, StartAuth, StartForward
from tests.running_server import RunningServer, wait_until

UNAVAILABLE = (503, "unavailable")
COOKIE = "Cookie: sid=seven\r\n"


@pytest.fixture
def running(start_forward: StartForward, application: Application) -> RunningServer:
    application.sessions["seven"] = {
        "sub": "7",
        "tenant": "blue",
        "channels": {"subscribe": ["news:*"], "publish": ["a"]},
    }
    return start_forward()


def test_a_session_is_let_in(running: RunningServer, application: Application) -> None:
    with running.client() as client:
        client.get("/events?channel=news:1&channel=user:7", COOKIE)
        client.read_stream_head()
        running.publish("user:7", "x")
        assert client.read_events(1) == ["x"]
    assert error(ask(running, "/events/user:8", COOKIE)) == NOT_GRANTED
    published = ask(running, "/events/a", f"{COOKIE}Origin: {APP}\r\n", "x")
    assert published.status == 200
    (path, fields), *_ = application.asked
    assert path == "/auth"
    assert fields["cookie"] == "sid=seven"
    assert "authorization" not in fields


def test_authorization_is_asked_about_as_it_is(
    running: RunningServer, application: Application
) -> None:
    application.sessions["Basic c2V2ZW4="] = application.sessions["seven"]
    application.sessions["Bearer opaque"] = application.sessions["seven"]
    for field in ("Basic c2V2ZW4=", "Bearer opaque"):
        answer = ask(running, "/channels/news:1/events", f"Authorization: {field}\r\n")
        assert answer.status == 200
    assert ask(running, "/events/a", bearer("opaque"), "x").status == 200  # needs no Origin


def test_authorization_of_another_kind_is_asked_about_beside_keys(
    start: StartAuth, application: Application
) -> None:
    application.sessions["Basic c2V2ZW4="] = {"channels": {"subscribe": ["a"]}}
    url = f"{application.url}/auth"
    running = start(AuthOptions(keys=(HS256,), forward=ForwardOptions(url=url)))
    assert ask(running, "/channels/a/events", "Authorization: Basic c2V2ZW4=\r\n").status == 200
    assert error(ask(running, "/channels/a/events", bearer("opaque"))) == UNAUTHORIZED
    assert len(application.asked) == 1


@pytest.mark.parametrize(
    "url",
    ["http://[::1", "http://127.0.0.1:99999/", "http://127.0.0.1:0/", "http:///auth", "ftp://a/"],
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(ConfigurationError, match="can be asked"):
        ForwardOptions(url=url)
    with pytest.raises(ConfigurationError, match="https"):
        AuthOptions(keys=(f"ES256 jwks:{url}",))


def test_an_address_with_a_user_would_be_that_user_s_session() -> None:
    with pytest.raises(ConfigurationError, match="has a user") as caught:
        ForwardOptions(url="http://me:hunter2@app.example/auth")
    assert "hunter2" not in str(caught.value)


def test_the_address_that_is_asked_is_in_no_log(
    start: StartAuth, application: Application, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither in ours nor, where all that libraries say is logged, in httpx's."""
    caplog.set_level(logging.INFO)
    application.keys = [jwk("EC")]
    url = application.url.replace("//", "//me:hunter2@")
    keys = (f"ES256 jwks:{url}/jwks.json?key=hunter3",)
    forward = ForwardOptions(url=f"{application.url}/auth?key=hunter3")
    running = start(AuthOptions(keys=keys, forward=forward))
    assert error(ask(running, "/channels/a/events", COOKIE)) == UNAUTHORIZED
    wait_until(lambda: len(application.asked) == 2, "both are asked")
    asked = dict(application.asked)
    assert asked.keys() == {"/jwks.json?key=hunter3", "/auth?key=hunter3"}
    assert asked["/jwks.json?key=hunter3"]["authorization"].startswith("Basic ")
    assert "authorization" not in asked["/auth?key=hunter3"]
    assert "HTTP Request: GET" in caplog.text
    assert "hunter" not in caplog.text


def test_an_address_that_nobody_can_look_up(start: StartAuth) -> None:
    running = start(AuthOptions(forward=ForwardOptions(url="http://xn--/auth")))
    assert error(ask(running, "/channels/a/events", COOKIE)) == UNAVAILABLE


def test_a_compressed_answer_is_not_taken(running: RunningServer, application: Application) -> None:
    """Some KB of it may be some GB."""
    application.encoding = "gzip"
    application.body = gzip.compress(b"{}")
    assert error(ask(running, "/channels/news:1/events", COOKIE)) == UNAVAILABLE
    assert application.asked[0][1]["accept-encoding"] == "identity"


def test_nobody_gets_the_session_that_another_s_answer_has_set(
    running: RunningServer, application: Application
) -> None:
    application.sets_cookie = "sid=seven; Path=/"
    assert ask(running, "/channels/news:1/events", COOKIE).status == 200
    for field in ("Authorization: Basic eA==\r\n", bearer("opaque"), "Cookie: other=1\r\n"):
        assert error(ask(running, "/channels/news:1/events", field)) == UNAUTHORIZED
    assert "cookie" not in application.asked[1][1]


def test_a_session_is_asked_about_whatever_bytes_it_has(
    running: RunningServer, application: Application
) -> None:
    assert error(ask(running, "/events/news:1", "Cookie: sid=caf\xe9\r\n")) == UNAUTHORIZED
    assert error(ask(running, "/events/news:1", "Authorization: B caf\xe9\r\n")) == UNAUTHORIZED
    assert application.asked[1][1]["authorization"].encode("latin-1").decode() == "B caf\xe9"


def test_a_foreign_page_cannot_use_what_a_browser_sends_by_itself(
    running: RunningServer, application: Application
) -> None:
    application.sessions["Basic c2V2ZW4="] = application.sessions["seven"]
    evil = "Origin: https://evil.example\r\n"
    for field in ("Authorization: Basic c2V2ZW4=\r\n", COOKIE):
        assert error(ask(running, "/events/a", field + evil, "x")) == FORBIDDEN
        assert error(ask(running, "/channels/news:1/events", field + evil)) == FORBIDDEN
    assert application.asked == []


def test_refusals_pass_through(running: RunningServer) -> None:
    assert error(ask(running, "/events/news:1", "Cookie: sid=eight\r\n")) == UNAUTHORIZED
    assert error(ask(running, "/events/news:1", "Cookie: sid=forbidden\r\n")) == FORBIDDEN
    assert error(ask(running, "/events/news:1")) == UNAUTHORIZED


def test_who_shows_nothing_is_not_asked_about(
    running: RunningServer, application: Application
) -> None:
    assert error(ask(running, "/events/news:1")) == UNAUTHORIZED
    assert error(ask(running, "/events/a", COOKIE, "x")) == FORBIDDEN  # no Origin
    assert application.asked == []


def test_a_proxy_of_the_environment_is_not_for_this_machine(
    running: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert ask(running, "/channels/news:1/events", COOKIE).status == 200


@pytest.mark.parametrize("status", [204, 302, 400, 404, 500, 503])
def test_anything_else_is_503(
    running: RunningServer, application: Application, status: int
) -> None:
    application.status = status
    application.body = b""
    answer = ask(running, "/events/news:1", COOKIE)
    assert error(answer) == UNAVAILABLE
    assert answer.fields["retry-after"] == "5"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"[]",
        b'{"sub": 7}',
        b'{"channels": "news"}',
        b'{"channels": {"subscribe": ["a*"]}}',
        b'{"exp": "tomorrow"}',
        b"[" * 100_000,
        b'"' + b"x" * 2_000_000 + b'"',
    ],
)
def test_what_is_no_grant_is_503(
    running: RunningServer, application: Application, body: bytes
) -> None:
    application.body = body
    assert error(ask(running, "/events/news:1", COOKIE)) == UNAVAILABLE


def test_an_application_that_is_not_there(start_forward: StartForward) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Application, "url", property(lambda _self: "http://127.0.0.1:9"))
        running = start_forward()
    assert error(ask(running, "/events/news:1", COOKIE)) == UNAVAILABLE


def test_event_source_is_told_to_come_back(
    running: RunningServer, application: Application
) -> None:
    application.status = 500
    answer = ask(running, "/events/news:1", COOKIE + "Accept: text/event-stream\r\n")
    assert answer.status == 200
    assert answer.fields["content-type"] == "text/event-stream"
    assert re.fullmatch(rb": nobody can say .*\nretry: [5-8]\d{3}\n\n", answer.body)


def test_an_application_that_does_not_answer(
    start_forward: StartForward, application: Application
) -> None:
    application.holds = threading.Event()
    running = start_forward(timeout_seconds=0.1)
    assert error(ask(running, "/events/news:1", COOKIE)) == UNAVAILABLE


def test_a_grant_is_believed_for_a_time(running: RunningServer, application: Application) -> None:
    for _ in range(5):
        assert ask(running, "/channels/news:1/events", COOKIE).status == 200
    assert len(application.asked) == 1
    ask(running, "/channels/news:1/events", "Cookie: sid=seven; other=1\r\n")
    assert len(application.asked) == 2


def test_a_refusal_is_not_believed(running: RunningServer, application: Application) -> None:
    ask(running, "/channels/news:1/events", "Cookie: sid=eight\r\n")
    application.sessions["eight"] = {"channels": {"subscribe": ["news:*"]}}
    assert ask(running, "/channels/news:1/events", "Cookie: sid=eight\r\n").status == 200


def test_who_comes_meanwhile_waits_for_the_same_answer(
    running: RunningServer, application: Application
) -> None:
    application.holds = threading.Event()
    clients = [running.client() for _ in range(5)]
    for client in clients:
        client.get("/channels/news:1/events", COOKIE)
    keeper = running.server._gate._keeper
    assert keeper is not None
    wait_until(lambda: len(application.asked) == 1, "the application is asked")
    wait_until(
        lambda: (
            running.call(
                lambda: sum(
                    getattr(one, "_task", None) is not None
                    for one in running.server._site.connections
                )
            )
            == 5
        ),
        "all wait",
    )
    clients.pop().reset()  # who goes away takes nobody's answer along
    application.holds.set()
    for client in clients:
        assert client.read_answer().status == 200
    assert len(application.asked) == 1


def test_an_answer_from_before_a_user_was_revoked_is_not_believed(
    running: RunningServer, application: Application
) -> None:
    application.holds = threading.Event()
    with running.client() as client:
        client.get("/channels/news:1/events", COOKIE)
        wait_until(lambda: len(application.asked) == 1, "the application is asked")
        application.sessions.clear()
        running.call(lambda: running.server._gate.revoke(None, "7"))
        application.holds.set()
        assert error(client.read_answer()) == UNAUTHORIZED
    assert len(application.asked) == 2


def test_a_grant_that_ends(
    start_forward: StartForward, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sse_server.net.timer._INTERVAL_SECONDS", 0.02)
    application.sessions["seven"] = {
        "channels": {"subscribe": ["a"]},
        "exp": time.time() + 60,
    }
    running = start_forward(cache_seconds=0)
    with running.client() as client:
        client.get("/events/a", COOKIE)
        client.read_stream_head()
        let_time_pass(running, 100)
        assert b"event: token-expired" in client.read_to_end()
    application.sessions["seven"]["exp"] = time.time() - 1
    assert error(ask(running, "/events/a", COOKIE + "X: 1\r\n")) == UNAUTHORIZED


def test_a_session_becomes_a_token(running: RunningServer) -> None:
    answer = ask(running, "/token", f"{COOKIE}Origin: {APP}\r\n", '{"channels": ["news:1"]}')
    assert answer.status == 200
    token = answer.body.split(b'"')[3].decode()
    # In a header it is ours, and the application is not asked about it.
    assert ask(running, "/channels/news:1/events", bearer(token)).status == 200
    running.subscriber(f"/events/news:1?token={token}")
    assert error(ask(running, "/token", COOKIE, "")) == FORBIDDEN
