"""Sets of keys that somebody publishes, and key files."""

import asyncio
import re
import threading
from pathlib import Path

import pytest

from sse_server import AuthOptions, ConfigurationError, Server, ServerOptions
from tests.auth.application import Application
from tests.auth.makers import KIND_OF, SECRET, jwk, private_key, token
from tests.auth.serving import UNAUTHORIZED, ask, bearer, error
from tests.outbound.conftest import StartAuth
from tests.running_server import RunningServer, wait_until

TARGET = "/channels/a/events"


def signed(kid: str | None, kind: str = "EC", **more: object) -> str:
    algorithm = next(name for name, own in KIND_OF.items() if own == kind)
    head = None if kid is None else {"kid": kid}
    return bearer(
        token(subscribe=["a"], key=private_key(kind), algorithm=algorithm, head=head, **more)  # type: ignore[arg-type]
    )


@pytest.fixture
def running(
    start: StartAuth, application: Application, monkeypatch: pytest.MonkeyPatch
) -> RunningServer:
    monkeypatch.setattr("sse_server.auth.key_ring.LEAST_SECONDS", 1_000.0)
    application.keys = [jwk("EC", kid="one")]
    running = start(AuthOptions(keys=(f"RS256+ES256+EdDSA jwks:{application.url}/jwks.json",)))
    assert ask(running, TARGET, signed("one")).status == 200  # the first waits for them
    return running


def keys_of(running: RunningServer) -> list[str | None]:
    keeper = running.server._gate._keeper
    assert keeper is not None
    return [key.kid for one in keeper.guard.ring.sets for key in one.keys]


def test_keys_are_fetched_before_they_are_needed(
    running: RunningServer, application: Application
) -> None:
    assert ask(running, TARGET, signed("one")).status == 200
    assert ask(running, TARGET, signed(None)).status == 200
    assert application.times_asked("/jwks.json") == 1


def test_a_key_that_nobody_knows_is_asked_for_once_in_a_while(
    running: RunningServer, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    application.keys.append(jwk("Ed25519", kid="two"))
    assert error(ask(running, TARGET, signed("two", "Ed25519"))) == UNAUTHORIZED
    assert application.times_asked("/jwks.json") == 1  # it was asked for a moment ago
    monkeypatch.setattr("sse_server.auth.key_ring.LEAST_SECONDS", 0.0)
    assert ask(running, TARGET, signed("two", "Ed25519")).status == 200
    assert application.times_asked("/jwks.json") == 2
    assert ask(running, TARGET, signed("two", "Ed25519")).status == 200
    assert application.times_asked("/jwks.json") == 2
    monkeypatch.setattr("sse_server.auth.key_ring.LEAST_SECONDS", 1_000.0)
    for number in range(20):
        assert error(ask(running, TARGET, signed(f"flood-{number}"))) == UNAUTHORIZED
    assert application.times_asked("/jwks.json") == 2


def test_a_bad_signature_asks_nobody(
    running: RunningServer, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sse_server.auth.key_ring.LEAST_SECONDS", 0.0)
    text = signed("one").replace("\r\n", "")
    assert error(ask(running, TARGET, text[:-5] + "AAAAA\r\n")) == UNAUTHORIZED
    assert application.times_asked("/jwks.json") == 1


@pytest.mark.parametrize("trouble", ["status", "nonsense", "empty", "secret", "short"])
def test_when_asking_fails_the_keys_stay(
    running: RunningServer,
    application: Application,
    monkeypatch: pytest.MonkeyPatch,
    trouble: str,
) -> None:
    monkeypatch.setattr("sse_server.auth.key_ring.LEAST_SECONDS", 0.0)
    match trouble:
        case "status":
            application.status = 500
        case "nonsense":
            application.body = b"nonsense"
        case "empty":
            application.keys = []
        case "secret":
            application.keys = [{"kty": "oct", "k": "AAAA" * 16, "kid": "two"}]
        case "short":
            application.keys = [{"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "two"}]
    assert error(ask(running, TARGET, signed("two"))) == UNAUTHORIZED
    assert application.times_asked("/jwks.json") == 2
    assert keys_of(running) == ["one"]
    assert ask(running, TARGET, signed("one")).status == 200


def test_a_key_that_was_taken_out_is_forgotten(
    running: RunningServer, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    application.keys = [jwk("Ed25519", kid="two")]
    monkeypatch.setattr("sse_server.auth.key_ring.LEAST_SECONDS", 0.0)
    monkeypatch.setattr("sse_server.auth.key_ring.OLD_SECONDS", 0.0)
    wait_until(lambda: keys_of(running) == ["two"], "the set was fetched again")
    assert error(ask(running, TARGET, signed("one"))) == UNAUTHORIZED


def test_who_comes_when_the_keys_were_never_there_is_told_to_come_back(
    start: StartAuth, application: Application
) -> None:
    application.status = 500
    running = start(AuthOptions(keys=(f"ES256 jwks:{application.url}/jwks.json",)))
    for _ in range(2):  # while they are asked for, and after
        answer = ask(running, TARGET, signed("one"))
        assert error(answer) == (503, "unavailable")
    answer = ask(running, "/events/a", signed("one") + "Accept: text/event-stream\r\n")
    assert answer.status == 200
    assert re.fullmatch(rb": the keys .*\nretry: \d{4}\n\n", answer.body)
    assert error(ask(running, TARGET, bearer(token(subscribe=["a"])))) == UNAUTHORIZED


def test_a_token_that_comes_before_the_keys_waits_for_them(
    start: StartAuth, application: Application
) -> None:
    application.keys = [jwk("EC", kid="one")]
    application.holds = threading.Event()
    running = start(AuthOptions(keys=(f"ES256 jwks:{application.url}/jwks.json",)))
    wait_until(lambda: application.times_asked("/jwks.json") == 1, "the keys are asked for")
    with running.client() as client:
        client.get(TARGET, signed("one"))
        wait_until(
            lambda: running.call(
                lambda: any(
                    getattr(one, "_task", None) is not None
                    for one in running.server._site.connections
                )
            ),
            "the client waits",
        )
        application.holds.set()
        assert client.read_answer().status == 200
    assert application.times_asked("/jwks.json") == 1


def test_key_files_are_read_again(
    start: StartAuth,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("sse_server.net.timer._INTERVAL_SECONDS", 0.01)
    file = tmp_path / "key"
    file.write_text(SECRET + "\n")
    running = start(AuthOptions(keys=(f"HS256 file:{file}",)))
    old, new = bearer(token(subscribe=["a"])), bearer(token(subscribe=["a"], key=SECRET[::-1]))
    assert ask(running, TARGET, old).status == 200
    assert error(ask(running, TARGET, new)) == UNAUTHORIZED
    file.write_text("short")
    wait_until(lambda: "a key stays as it was" in caplog.text, "the bad key is told")
    assert ask(running, TARGET, old).status == 200
    file.unlink()
    file.write_text(SECRET[::-1])
    wait_until(lambda: ask(running, TARGET, new).status == 200, "the new key holds")
    assert error(ask(running, TARGET, old)) == UNAUTHORIZED
    assert SECRET not in caplog.text


@pytest.mark.parametrize("content", [None, b"", b"short", b"x" * 100_000])
def test_a_key_file_that_is_none_is_told_at_the_start(
    tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    options = ServerOptions(bind=(), auth=AuthOptions(keys=(f"HS256 file:{file}",)))
    with pytest.raises(ConfigurationError, match="key"):
        asyncio.run(Server(options).start())
