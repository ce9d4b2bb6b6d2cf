"""Chromium's EventSource with a token that lives for five seconds: over cuts and a restart.

EventSource repeats its address for ever, so with a token that has expired and was used. The URL is
what an access log has: whoever reads it gets nothing.
"""

import json
import urllib.error
import urllib.request
from pathlib import Path

from playwright.sync_api import Page

from sse_server.auth.api_keys import new_api_key
from tests.auth.makers import HS256, token
from tests.conftest import Serve, Served
from tests.peers.cutting_proxy import CuttingProxy
from tests.peers.test_chromium import RECONNECT_TIMEOUT_MS, Source
from tests.peers.test_client_script import App

TOKEN_SECONDS = 5
SPENT_MS = 6_000  # after that it has expired
PUBLISHER, ENTRY = new_api_key("publisher", ["publish=*", "subscribe=*"])


def settings(folder: Path, **more: object) -> str:
    """A file of settings; returns its name."""
    values = {
        "keys": [HS256],
        "api_keys": [ENTRY],
        "leeway_seconds": 0,
        "state_file": str(folder / "state"),
        **more,
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in values.items()]
    file = folder / "sse.toml"
    file.write_text("[auth]\n" + "\n".join(lines) + "\n")
    return str(file)


def publish(served: Served, data: str, channel: str = "news") -> None:
    request = urllib.request.Request(
        f"{served.url}/events/{channel}",
        data=data.encode(),
        headers={"Authorization": f"Bearer {PUBLISHER}"},
    )
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert answer.status == 200


def status_for_a_thief(served: Served, address: str, agent: str) -> int:
    """What is got with what stands in an access log."""
    request = urllib.request.Request(
        served.url + address, headers={"Accept": "text/event-stream", "User-Agent": agent}
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            status: int = answer.status
            return status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def cut_when_its_token_is_spent(
    page: Page, served: Served, proxy: CuttingProxy, source: Source
) -> str:
    """Have a stream come back with the token that it began with; returns the browser's name."""
    source.wait_until_open()
    publish(served, "first")
    source.heard(1)
    agent: str = page.evaluate("navigator.userAgent")
    page.wait_for_timeout(SPENT_MS)
    proxy.cut()
    source.wait_until_open(2)
    publish(served, "after the cut")
    assert [data for _, data, _ in source.heard(2)] == ["first", "after the cut"]
    return agent


def test_a_token_of_five_seconds_by_the_cookie(serve: Serve, page: Page, tmp_path: Path) -> None:
    config = settings(tmp_path)
    served = serve("--config", config)
    text = token(seconds=TOKEN_SECONDS, subscribe=["news"], jti="once")
    address = f"/events/news?token={text}"
    with CuttingProxy(served, address, waits=True) as proxy:
        page.goto(f"{proxy.url}/")
        source = Source(page, "news", address)
        agent = cut_when_its_token_is_spent(page, served, proxy, source)
        assert status_for_a_thief(served, address, agent) == 401

        served.stop()
        served = serve("--config", config, port=served.port)
        assert status_for_a_thief(served, address, agent) == 401
        source.wait_until_open(3)
        publish(served, "after the restart")
        *_, gap, last = source.heard(4, RECONNECT_TIMEOUT_MS)
        assert (gap[0], last[1]) == ("gap", "after the restart")
    assert text not in served.log()


def test_the_script_opens_and_changes_with_tokens_of_its_own(
    serve: Serve, page: Page, tmp_path: Path
) -> None:
    served = serve("--config", settings(tmp_path))
    tokens = [token(subscribe=["news", "sport"], jti=f"{number}") for number in range(5)]
    app = App(page, served.url)
    app.follow("news", tokens=tokens)
    app.wait_until_open()
    assert app.add("sport") is not None
    publish(served, "to sport", "sport")
    assert [data for _, data, _ in app.heard(1)] == ["to sport"]
    message = app.evaluate("stream.add('secret').catch((error) => error.message)")
    assert message == "you may not follow 'secret'"
    assert len(app.asked) == 1
    assert app.channels == ["news", "sport"]


def test_a_token_of_five_seconds_by_the_position(serve: Serve, page: Page, tmp_path: Path) -> None:
    """A page of another origin that sends no cookies."""
    other = serve()
    served = serve(
        "--config",
        settings(tmp_path, resume="lease"),
        env={"SSE_SERVER_CORS_ORIGINS": other.url},
    )
    address = f"/events/news?token={token(seconds=TOKEN_SECONDS, subscribe=['news'], jti='1')}"
    with CuttingProxy(served, address, waits=True) as proxy:
        page.goto(f"{other.url}/healthz")  # whose policy lets it connect to others
        source = Source(page, "news", proxy.url + address)
        agent = cut_when_its_token_is_spent(page, served, proxy, source)
        assert page.context.cookies(proxy.url) == []
        assert status_for_a_thief(served, address, agent) == 401
