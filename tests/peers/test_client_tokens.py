"""client.js in Chromium, where one has to say who one is: with a token for each stream."""

import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route

from tests.auth.makers import token
from tests.conftest import Serve, Served
from tests.peers.test_chromium_tokens import PUBLISHER, settings
from tests.peers.test_client_script import App

STREAM_SECONDS = 3  # until the token's stream is ended

Start = Callable[[int], App]


@pytest.fixture
def served(serve: Serve, tmp_path: Path) -> Served:
    return serve("--config", settings(tmp_path))


@pytest.fixture
def start(served: Served, page: Page) -> Start:
    """Shows a page whose tokens are made for streams of so many seconds."""

    def start(seconds: int) -> App:
        numbers = count()

        def mint(route: Route) -> None:
            until, jti = int(time.time()) + seconds, str(next(numbers))
            route.fulfill(body=token(subscribe=["news", "sport"], jti=jti, until=until))

        page.route("**/mint", mint)
        return App(page, served.url)

    return start


def test_it_goes_on_with_new_tokens_and_the_channels_it_has(
    start: Start, served: Served, page: Page
) -> None:
    def publish(channel: str, data: str) -> None:
        answer = page.request.post(
            f"{served.url}/events/{channel}",
            data=data,
            headers={"Authorization": f"Bearer {PUBLISHER}"},
        )
        assert answer.status == 200

    app = start(STREAM_SECONDS)
    app.follow("news", types=("token-expired",), mint="/mint")
    app.wait_until_open()
    app.add("sport")
    publish("sport", "first")
    app.wait_for("heard.some(([type]) => type === 'token-expired')")
    publish("sport", "second")
    app.wait_until_open(times=2)
    publish("news", "third")
    app.wait_for("heard.filter(([type]) => type === 'message').length >= 3")
    heard = [data for kind, data, _ in app.heard(4) if kind == "message"]
    assert heard == ["first", "second", "third"]
    used = [asked["token"][0] for asked in app.asked]
    assert len(set(used)) == len(used) >= 2


def test_what_a_token_does_not_allow_is_thrown_and_undone(start: Start) -> None:
    app = start(60)
    app.follow("news", mint="/mint")
    app.wait_until_open()
    refused = app.evaluate("stream.add('other').catch((error) => error.message)")
    assert "you may not follow" in str(refused)
    assert app.channels == ["news"]
    assert app.add("sport") is not None
    assert len(app.asked) == 1
