"""Other keys for a server that runs."""

from dataclasses import replace
from pathlib import Path

import pytest

from sse_server import AuthOptions, ConfigurationError
from sse_server.auth.api_keys import new_api_key
from tests.auth.application import Application
from tests.auth.makers import HS256, SECRET, jwk, private_key, token
from tests.auth.serving import UNAUTHORIZED, ask, bearer, error
from tests.outbound.conftest import StartAuth
from tests.running_server import RunningServer

TARGET = "/channels/a/events"


def reload(running: RunningServer, auth: AuthOptions) -> list[str]:
    options = replace(running.server.options, auth=auth)
    return running.call(lambda: running.server.reload(options))


def test_keys_come_and_go(start: StartAuth) -> None:
    running = start(AuthOptions(keys=(HS256,)))
    old = bearer(token(subscribe=["a"]))
    new = bearer(token(subscribe=["a"], key=SECRET[::-1]))
    stream = running.client()
    stream.get("/events/a", old)
    stream.read_stream_head()
    key, entry = new_api_key("ops", ["operate"])
    assert (
        reload(running, AuthOptions(keys=(f"HS256 text:{SECRET[::-1]}",), api_keys=(entry,))) == []
    )
    assert error(ask(running, TARGET, old)) == UNAUTHORIZED
    assert ask(running, TARGET, new).status == 200
    assert ask(running, "/channels", bearer(key)).status == 200
    running.publish("a", "still there")
    assert stream.read_events(1) == ["still there"]


@pytest.mark.parametrize("how", ["taken out", "another secret", "fewer rights"])
def test_an_api_key_takes_its_streams_along(start: StartAuth, how: str) -> None:
    key, entry = new_api_key("one", ["subscribe=a"])
    stays, entry_that_stays = new_api_key("two", ["subscribe=a"])
    running = start(AuthOptions(api_keys=(entry, entry_that_stays)))
    streams = [running.subscriber("/events/a", bearer(text)) for text in (key, stays)]
    later = {
        "taken out": (),
        "another secret": (new_api_key("one", ["subscribe=a"])[1],),
        "fewer rights": (entry.replace("subscribe=a", "subscribe=b"),),
    }[how]
    reload(running, AuthOptions(api_keys=(*later, entry_that_stays)))
    assert b"the grant was taken back" in streams[0].read_to_end()
    running.publish("a", "still there")
    assert streams[1].read_events(1) == ["still there"]


def test_a_key_file_that_is_not_there_changes_nothing(start: StartAuth, tmp_path: Path) -> None:
    running = start(AuthOptions(keys=(HS256,)))
    with pytest.raises(ConfigurationError):
        reload(running, AuthOptions(keys=(f"HS256 file:{tmp_path}/nothing",), audience="other"))
    assert ask(running, TARGET, bearer(token(subscribe=["a"]))).status == 200


def test_what_was_used_stays_used(start: StartAuth) -> None:
    running = start(AuthOptions(keys=(HS256,)))
    target = f"/events/a?token={token(subscribe=['a'], jti='once')}"
    running.subscriber(target)
    reload(running, AuthOptions(keys=(HS256,), leeway_seconds=1))
    assert error(ask(running, target)) == UNAUTHORIZED


def test_sets_are_not_forgotten(start: StartAuth, application: Application) -> None:
    application.keys = [jwk("EC", kid="one")]
    entry = f"ES256 jwks:{application.url}/jwks.json"
    running = start(AuthOptions(keys=(entry,)))
    text = bearer(token(subscribe=["a"], key=private_key("EC"), algorithm="ES256"))
    assert ask(running, TARGET, text).status == 200
    application.status = 500
    reload(running, AuthOptions(keys=(entry, HS256)))
    assert ask(running, TARGET, text).status == 200


def test_a_server_may_begin_to_ask(start: StartAuth) -> None:
    running = start(AuthOptions())
    assert ask(running, TARGET).status == 200
    reload(running, AuthOptions(keys=(HS256,)))
    assert error(ask(running, TARGET)) == UNAUTHORIZED
    assert reload(running, AuthOptions()) == []
    assert error(ask(running, TARGET)) == UNAUTHORIZED  # and not stop, by an empty file


def test_the_state_file_cannot_be_changed(start: StartAuth, tmp_path: Path) -> None:
    running = start(AuthOptions(keys=(HS256,)))
    left = reload(running, AuthOptions(keys=(HS256,), state_file=str(tmp_path / "state")))
    assert left == ["auth.state_file"]
    assert not (tmp_path / "state").exists()
