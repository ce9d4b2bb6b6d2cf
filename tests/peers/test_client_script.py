"""client.js in Chromium: it follows over whatever ends a stream, with the channels it has."""

import json
import signal
import time
from typing import cast
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, Route

from tests.conftest import Serve, Served
from tests.peers.conftest import ServeBriskly
from tests.peers.publisher import end_stream, publish, wait_for_clients

TIMEOUT_MS = 20_000
APP = """<!doctype html><link rel="icon" href="data:,"><script type="module">
import { Stream } from "/client.js";
window.heard = [];
window.states = [];
window.follow = (channels, types, options = {}) => {
  const on = {};
  for (const type of types) on[type] = (e) => heard.push([e.type, e.data, e.lastEventId]);
  if (options.mint) options.token = async () => (await fetch(options.mint)).text();
  if (options.tokens) options.token = async () => {
    const token = options.tokens.shift();
    if (token === "none") throw new Error("no token now");
    return token;
  };
  window.stream = new Stream(channels, { ...options, on, onstate: (state) => states.push(state) });
};
window.ready = true;
</script>"""

Heard = tuple[str, str, str]
"""Type, data and lastEventId."""


class App:
    """A page with a stream of the script's."""

    def __init__(self, page: Page, url: str) -> None:
        self._page = page
        self.asked: list[dict[str, list[str]]] = []
        """The queries of the streams that were asked for."""
        page.route("**/app.html", lambda route: route.fulfill(body=APP, content_type="text/html"))
        page.on("request", lambda request: self._note(request.url))
        page.goto(f"{url}/app.html")
        self.wait_for("window.ready")

    def follow(self, *channels: str, types: tuple[str, ...] = (), **options: object) -> None:
        kinds = ["message", "gap", *types]
        self._page.evaluate("(given) => follow(...given)", [list(channels), kinds, options])

    def add(self, *channels: str) -> str | None:
        return cast("str | None", self._page.evaluate("(c) => stream.add(...c)", list(channels)))

    def remove(self, *channels: str) -> str | None:
        return cast("str | None", self._page.evaluate("(c) => stream.remove(...c)", list(channels)))

    @property
    def state(self) -> str:
        return cast("str", self._page.evaluate("stream.state"))

    @property
    def states(self) -> list[str]:
        return cast("list[str]", self._page.evaluate("states"))

    @property
    def channels(self) -> list[str]:
        return cast("list[str]", self._page.evaluate("stream.channels"))

    def evaluate(self, script: str) -> object:
        return self._page.evaluate(script)

    def wait_until_open(self, times: int = 1) -> None:
        """Open now, and for so many times."""
        opened = "states.filter((state) => state === 'open').length"
        self.wait_for(f"stream.state === 'open' && {opened} >= {times}")

    def heard(self, count: int) -> list[Heard]:
        """All it has heard, once that are at least so many events."""
        self.wait_for(f"heard.length >= {count}")
        return [cast("Heard", tuple(event)) for event in self._page.evaluate("heard")]

    def wait_for(self, condition: str) -> None:
        deadline = time.monotonic() + TIMEOUT_MS / 1000
        while not self._page.evaluate(condition):
            assert time.monotonic() < deadline, f"{condition}: {self._page.evaluate('states')}"
            self._page.wait_for_timeout(20)

    def _note(self, address: str) -> None:
        parts = urlsplit(address)
        if parts.path == "/events":
            self.asked.append(parse_qs(parts.query))


@pytest.fixture
def served(serve: Serve) -> Served:
    return serve()


@pytest.fixture
def app(served: Served, page: Page) -> App:
    return App(page, served.url)


def test_it_hears_events_by_their_types(app: App, served: Served) -> None:
    app.follow("news", types=("price",))
    app.wait_until_open()
    first = publish(served.url, "news", "hello")
    second = publish(served.url, "news", "41.7", event="price")
    assert app.heard(2) == [("message", "hello", first), ("price", "41.7", second)]
    assert app.states == ["open"]
    assert app.evaluate("stream.lastEventId") == second


def test_it_begins_where_it_is_told_to(app: App, served: Served) -> None:
    publish(served.url, "news", "kept")
    app.follow("news", lastEventId="earliest")
    assert [data for _, data, _ in app.heard(1)] == ["kept"]


def test_channels_come_and_go_on_one_stream(app: App, served: Served) -> None:
    app.follow("a")
    app.wait_until_open()
    before = publish(served.url, "b", "before")
    assert app.add("b", "c") == before
    assert app.channels == ["a", "b", "c"]
    publish(served.url, "b", "1")
    app.remove("a")
    publish(served.url, "a", "not any more")
    publish(served.url, "c", "2")
    assert [data for _, data, _ in app.heard(2)] == ["1", "2"]
    assert len(app.asked) == 1


def test_what_the_server_refuses_is_thrown_and_undone(app: App) -> None:
    app.follow("a")
    app.wait_until_open()
    message = app.evaluate("stream.add('b c').catch((error) => error.message)")
    assert isinstance(message, str)
    assert "channel name" in message
    assert app.channels == ["a"]


def test_added_channels_are_there_again_after_a_break_and_nothing_is_missing(
    app: App, served: Served, page: Page
) -> None:
    app.follow("a")
    app.wait_until_open()
    app.add("b")
    app.remove("a")
    publish(served.url, "b", "before")
    app.heard(1)
    page.context.set_offline(True)
    end_stream(served.url, "b", retry_ms=50)  # cut while it is away
    wait_for_clients(served.url, "b", 0)
    for number in range(3):
        publish(served.url, "a", "not for it")
        publish(served.url, "b", f"away {number}")
    page.context.set_offline(False)
    app.wait_until_open(times=2)
    publish(served.url, "b", "live")
    data = [data for _, data, _ in app.heard(5)]
    assert data == ["before", "away 0", "away 1", "away 2", "live"]
    assert app.asked[-1]["channel"] == ["b"]


def test_a_source_that_gave_up_is_opened_anew_with_a_new_token_from_the_last_event(
    app: App, served: Served, page: Page
) -> None:
    refused = 0

    def refuse_some(route: Route) -> None:
        nonlocal refused
        refused += 1
        if refused in {1, 3}:
            route.fulfill(status=503)
        else:
            route.continue_()

    page.route("**/events?*", refuse_some)
    app.follow("news", tokens=["one", "none", "two", "three", "four"])
    app.wait_until_open()
    first = publish(served.url, "news", "before")
    app.heard(1)
    app.add("sport")
    end_stream(served.url, "news", retry_ms=0)
    publish(served.url, "sport", "while it was away")
    app.wait_until_open(times=2)
    assert [data for _, data, _ in app.heard(2)] == ["before", "while it was away"]
    assert [asked["token"] for asked in app.asked[:2]] == [["one"], ["two"]]
    assert app.asked[-1]["token"] == ["four"]  # the third was for the change
    assert app.asked[-1]["last_event_id"] == [first]
    assert app.asked[-1]["channel"] == ["news", "sport"]


def test_it_calls_back_at_a_shutdown_and_a_gap(serve_briskly: ServeBriskly, page: Page) -> None:
    served = serve_briskly()
    app = App(page, served.url)
    app.follow("news", types=("server-shutdown",))
    app.wait_until_open()
    last = publish(served.url, "news", "before")
    app.heard(1)
    assert served.stop(signal.SIGTERM) == 0
    url = serve_briskly(port=served.port).url
    app.wait_until_open(times=2)
    publish(url, "news", "after")
    _, shutdown, gap, after = app.heard(4)
    assert shutdown[0] == "server-shutdown"
    assert (gap[0], json.loads(gap[1])["requested"]) == ("gap", last)
    assert after[1] == "after"
    assert app.states == ["open", "waiting", "open"]


def test_a_token_that_has_expired_is_told_and_replaced(
    app: App, served: Served, page: Page
) -> None:
    expired = 'id: e-1\nevent: token-expired\ndata: {"message": "it is over"}\nretry: 60000\n\n'

    def end_the_first(route: Route) -> None:
        if "token=one" in route.request.url:
            route.fulfill(body=expired, content_type="text/event-stream")
        else:
            route.continue_()

    page.route("**/events?*", end_the_first)
    app.follow("news", types=("token-expired",), tokens=["one", "two"])
    app.wait_until_open()
    assert app.heard(1)[0] == ("token-expired", '{"message": "it is over"}', "e-1")
    assert [asked["token"] for asked in app.asked] == [["one"], ["two"]]
    assert app.asked[1]["last_event_id"] == ["e-1"]


def test_it_stays_away_when_an_operator_says_so(app: App, served: Served) -> None:
    app.follow("news", types=("stream-ended",))
    app.wait_until_open()
    end_stream(served.url, "news")
    app.wait_for("stream.state === 'closed'")
    (ended,) = app.heard(1)
    assert (ended[0], json.loads(ended[1])["comes_back"]) == ("stream-ended", False)
    assert app.evaluate("stream.add('sport')") is None
    assert len(app.asked) == 1


def test_a_stream_that_is_closed_is_gone(app: App, served: Served) -> None:
    app.follow("news")
    app.wait_until_open()
    app.evaluate("stream.close()")
    wait_for_clients(served.url, "news", 0)
    assert app.states == ["open", "closed"]


@pytest.mark.slow
def test_an_eventsource_that_an_operator_sent_away_stays_away(served: Served, page: Page) -> None:
    page.goto(f"{served.url}/?channel=news")
    wait_for_clients(served.url, "news")
    end_stream(served.url, "news")
    page.wait_for_timeout(7_000)  # it would come back after 2 to 5 seconds
    wait_for_clients(served.url, "news", 0)
