"""Chromium: its EventSource, on the server's own page, and that page itself.

Playwright's synchronous API calls back only while it is waiting, so what a stream brings is kept in
the page, and asked for.
"""

import json
import signal
import time
from typing import cast

import pytest
from playwright.sync_api import ConsoleMessage, Page, expect

from tests.conftest import Serve
from tests.peers.conftest import ServeBriskly
from tests.peers.cutting_proxy import CuttingProxy
from tests.peers.publisher import publish, wait_for_clients

# The server says `retry:` 2 to 5 s, and a browser that is refused waits longer each time.
RECONNECT_TIMEOUT_MS = 20_000
EVENT_TIMEOUT_MS = 5_000

LISTEN = """([name, address, types]) => {
  const source = new EventSource(address);
  const heard = [];
  const state = window[name] = { source, heard, opened: 0, errors: 0, away: 0, ended: 0 };
  source.addEventListener("open", () => {
    state.opened += 1;
    if (state.ended) state.away = performance.now() - state.ended;
  });
  source.addEventListener("error", () => {
    state.errors += 1;
    state.ended ||= performance.now();
  });
  for (const type of types) {
    source.addEventListener(type, (event) => {
      heard.push([event.type, event.data, event.lastEventId]);
    });
  }
}"""

# What a fetch of a stream brings in its first second.
READ = """async ([address, lastEventId]) => {
  const stop = new AbortController();
  const headers = { "Last-Event-ID": lastEventId };
  const answer = await fetch(address, { headers, signal: stop.signal });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  setTimeout(() => stop.abort(), 1000);
  let text = "";
  try {
    for (;;) text += (await reader.read()).value;
  } catch (error) {
    return text;
  }
}"""

Heard = tuple[str, str, str]
"""Type, data and lastEventId."""


class Source:
    """An EventSource in a page."""

    def __init__(self, page: Page, name: str, address: str, types: tuple[str, ...] = ()) -> None:
        self._page = page
        self._name = name
        page.evaluate(LISTEN, [name, address, ["message", "gap", *types]])

    def wait_until_open(self, times: int = 1) -> None:
        self._wait_for(f"opened >= {times}", RECONNECT_TIMEOUT_MS)

    def wait_until_broken(self) -> None:
        self._wait_for("errors >= 1", EVENT_TIMEOUT_MS)

    @property
    def errors(self) -> int:
        """How often it lost its stream, or did not get one."""
        return cast("int", self._page.evaluate(f"window.{self._name}.errors"))

    @property
    def away_ms(self) -> float:
        """From when it first lost its stream until it last had one again."""
        return cast("float", self._page.evaluate(f"window.{self._name}.away"))

    def heard(self, count: int, timeout_ms: int = EVENT_TIMEOUT_MS) -> list[Heard]:
        """All it has heard, once that are at least `count` events."""
        self._wait_for(f"heard.length >= {count}", timeout_ms)
        heard = self._page.evaluate(f"window.{self._name}.heard")
        return [cast("Heard", tuple(event)) for event in heard]

    def _wait_for(self, condition: str, timeout_ms: int) -> None:
        # Not `wait_for_function`: it uses eval, which the page's policy forbids.
        deadline = time.monotonic() + timeout_ms / 1000
        while not self._page.evaluate(f"window.{self._name}.{condition}"):
            state = self._page.evaluate(f"JSON.stringify(window.{self._name})")
            assert time.monotonic() < deadline, f"{condition} is not so: {state}"
            self._page.wait_for_timeout(20)


@pytest.fixture
def complaints(page: Page) -> list[str]:
    """What the page has complained of: exceptions, and errors on the console."""
    found: list[str] = []

    def keep(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            found.append(message.text)

    page.on("console", keep)
    page.on("pageerror", lambda error: found.append(str(error)))
    return found


def test_eventsource_opens_and_hears_messages_and_named_events(serve: Serve, page: Page) -> None:
    url = serve().url
    page.goto(f"{url}/")
    source = Source(page, "news", "/events/news", ("price",))
    source.wait_until_open()
    first = publish(url, "news", "hello")
    second = publish(url, "news", "41.7", event="price")
    publish(url, "news", "nobody listens to this type", event="other")
    last = publish(url, "news", "several\nlines, \N{GREEK SMALL LETTER ALPHA}")
    assert source.heard(3) == [
        ("message", "hello", first),
        ("price", "41.7", second),
        ("message", "several\nlines, \N{GREEK SMALL LETTER ALPHA}", last),
    ]


def test_eventsource_follows_several_channels_in_one_order(serve: Serve, page: Page) -> None:
    url = serve().url
    page.goto(f"{url}/")
    source = Source(page, "both", "/events?channel=a&channel=b")
    source.wait_until_open()
    expected: list[Heard] = []
    for number in range(10):
        channel = "ab"[number % 2]
        expected.append(
            ("message", f"{channel}{number}", publish(url, channel, f"{channel}{number}"))
        )
        publish(url, "c", "not for this stream")
    assert source.heard(10) == expected


def test_personal_channel_beside_a_shared_one_leaves_no_hole(serve: Serve, page: Page) -> None:
    url = serve().url
    page.goto(f"{url}/")
    # Each of the two has a channel of its own beside the shared one, which makes their group.
    sources = {
        user: Source(page, user, f"/events?channel=news&channel=user:{user}") for user in ("a", "b")
    }
    for source in sources.values():
        source.wait_until_open()
    expected: dict[str, list[Heard]] = {"a": [], "b": []}
    for number, to in enumerate(["news", "a", "news", "b", "b", "a", "news"]):
        position = publish(url, to if to == "news" else f"user:{to}", f"{number} to {to}")
        for user in sources if to == "news" else [to]:
            expected[user].append(("message", f"{number} to {to}", position))
    for user, source in sources.items():
        assert source.heard(5) == expected[user]


def test_eventsource_outlives_a_killed_server_and_is_told_the_gap_once(
    serve: Serve, page: Page
) -> None:
    served = serve()
    page.goto(f"{served.url}/")
    source = Source(page, "news", "/events/news")
    source.wait_until_open()
    before = [publish(served.url, "news", f"before {number}") for number in range(2)]
    source.heard(2)
    served.stop(signal.SIGKILL)
    source.wait_until_broken()

    url = serve(port=served.port).url
    away = publish(url, "news", "while it was away")
    source.wait_until_open(times=2)
    later = publish(url, "news", "later")
    heard = source.heard(5, RECONNECT_TIMEOUT_MS)
    gap = heard.pop(2)
    assert heard == [
        ("message", "before 0", before[0]),
        ("message", "before 1", before[1]),
        ("message", "while it was away", away),
        ("message", "later", later),
    ]
    kind, data, gap_id = gap
    told = json.loads(data)
    assert (kind, told["reason"], told["requested"]) == ("gap", "foreign-epoch", before[1])
    assert told["oldest"] == away

    # Whoever comes back with the id of the gap has been told.
    again = page.evaluate(READ, ["/events/news", gap_id])
    assert "event: gap" not in again
    assert [line for line in again.splitlines() if line.startswith("data:")] == [
        "data: while it was away",
        "data: later",
    ]


def test_eventsource_cut_before_its_first_event_misses_nothing(serve: Serve, page: Page) -> None:
    served = serve()
    publish(served.url, "news", "before it came")
    with CuttingProxy(served, "/events/news") as proxy:
        page.goto(f"{proxy.url}/")
        source = Source(page, "news", "/events/news")
        proxy.wait_until_cut()
        wait_for_clients(served.url, "news", 0)
        away = [publish(served.url, "news", f"away {number}") for number in range(3)]
        source.wait_until_open(times=2)
        live = publish(served.url, "news", "live")
        heard = source.heard(4, RECONNECT_TIMEOUT_MS)
        page.goto("about:blank")
    assert heard == [
        *(("message", f"away {number}", position) for number, position in enumerate(away)),
        ("message", "live", live),
    ]
    assert proxy.last_event_ids == [None, proxy.opening_id]


def test_heartbeats_fire_no_event_and_keep_the_id_of_a_quiet_channel_recent(
    serve_briskly: ServeBriskly, page: Page
) -> None:
    served = serve_briskly()
    with CuttingProxy(served, "/events/quiet", waits=True) as proxy:
        page.goto(f"{proxy.url}/")
        source = Source(page, "quiet", "/events/quiet")
        source.wait_until_open()
        for number in range(3):
            recent = publish(served.url, "busy", f"not for this stream {number}")
        lifted = proxy.wait_for(rb"\n:\nid: %b\n\n" % recent.encode())
        # The log stands still: the next one is a comment, without an id and without a block's end.
        proxy.wait_for(rb"\n:\n\r\n", after=lifted.end())
        assert (source.heard(0), source.errors) == ([], 0)
        assert recent != proxy.opening_id

        proxy.cut()
        source.wait_until_broken()
        publish(served.url, "busy", "nor is this")
        away = publish(served.url, "quiet", "while it was away")
        source.wait_until_open(times=2)
        live = publish(served.url, "quiet", "live")
        heard = source.heard(2)
        page.goto("about:blank")
    assert heard == [("message", "while it was away", away), ("message", "live", live)]
    assert proxy.last_event_ids == [None, recent]


def test_eventsource_is_told_of_a_shutdown_and_comes_back_by_itself(
    serve_briskly: ServeBriskly, page: Page
) -> None:
    served = serve_briskly()
    begins = publish(served.url, "news", "before it came")
    with CuttingProxy(served, "/events/news", waits=True) as proxy:
        page.goto(f"{proxy.url}/")
        source = Source(page, "news", "/events/news", ("server-shutdown",))
        source.wait_until_open()
        assert served.stop(signal.SIGTERM) == 0
        source.wait_until_broken()
        farewell = proxy.wait_for(rb"event: server-shutdown\nretry: (\d+)\ndata: [^\n]*\n\n")
        assert proxy.passed.endswith(b"\r\n0\r\n\r\n")

        url = serve_briskly(port=served.port).url
        source.wait_until_open(times=2)
        live = publish(url, "news", "live")
        heard = source.heard(3)
        away_ms = source.away_ms
        page.goto("about:blank")
    (kind, data, held), gap, message = heard
    # It fired once, with the id that the client held; that is where the client goes on.
    assert (kind, held) == ("server-shutdown", begins)
    assert "shutting down" in json.loads(data)["message"]
    assert (gap[0], json.loads(gap[1])["requested"]) == ("gap", begins)
    assert message == ("message", "live", live)
    assert set(proxy.last_event_ids) == {None, begins}
    # Its own `retry:`, not that of the opening block, which is 2 s or more.
    retry_ms = int(farewell[1])
    assert 500 <= retry_ms < 2_000
    assert away_ms >= retry_ms


# --- the page -------------------------------------------------------------------------------------


def test_page_publishes_and_shows_what_it_is_sent(
    serve: Serve, page: Page, complaints: list[str]
) -> None:
    url = serve().url
    page.goto(f"{url}/")
    expect(page.locator("#state")).to_have_text("following global")
    page.get_by_label("Data").fill("from the page")
    page.get_by_role("button", name="Publish").click()
    events = page.locator("#events li")
    expect(events).to_have_count(1)
    expect(events.first).to_contain_text("message")
    expect(events.first).to_contain_text("from the page")
    expect(page.locator("#answer")).to_contain_text("published as ")

    page.get_by_label("Event type, or none").fill("price")
    page.get_by_role("button", name="Publish").click()
    expect(events).to_have_count(2)
    expect(events.first).to_contain_text("price")

    publish(url, "global", "<b>text, and nothing else</b>")
    expect(events.first.locator("pre")).to_have_text("<b>text, and nothing else</b>")
    assert complaints == []


def test_page_says_why_an_event_is_refused(serve: Serve, page: Page) -> None:
    page.goto(f"{serve().url}/")
    page.get_by_label("Event type, or none").fill("gap")
    page.get_by_role("button", name="Publish").click()
    expect(page.locator("#answer.bad")).to_contain_text("the server's own")
    expect(page.locator("#events li")).to_have_count(0)


def test_page_follows_the_channel_it_is_asked_for(
    serve: Serve, page: Page, complaints: list[str]
) -> None:
    url = serve().url
    publish(url, "orders/eu", "kept")
    page.goto(f"{url}/?channel=orders/eu")
    expect(page.locator("#state")).to_have_text("following orders/eu")
    expect(page.locator("#command")).to_have_text(f"curl -d 'hello' {url}/events/orders/eu")
    page.get_by_text("More").click()
    page.get_by_label("begin with what is kept").check()
    page.get_by_role("button", name="Follow").click()
    events = page.locator("#events li")
    expect(events).to_have_count(1)
    expect(events.first).to_contain_text("kept")

    page.get_by_label("Channel").fill("news")
    page.get_by_role("button", name="Follow").click()
    expect(page.locator("#state")).to_have_text("following news")
    expect(events).to_have_count(0)
    wait_for_clients(url, "orders/eu", 0)
    publish(url, "news", "hello")
    expect(events).to_have_count(1)
    assert complaints == []


def test_page_comes_back_by_itself_and_shows_the_gap(serve: Serve, page: Page) -> None:
    served = serve()
    page.goto(f"{served.url}/")
    state = page.locator("#state")
    expect(state).to_have_text("following global")
    served.stop(signal.SIGKILL)
    expect(state).to_have_text("reconnecting to global")
    url = serve(port=served.port).url
    publish(url, "global", "later")
    expect(state).to_have_text("following global", timeout=RECONNECT_TIMEOUT_MS)
    events = page.locator("#events li")
    expect(events).to_have_count(2)
    expect(events.last).to_contain_text("foreign-epoch")
    expect(events.first).to_contain_text("later")


@pytest.mark.parametrize("width", [320, 1200])
def test_page_fits_into_its_window(serve: Serve, page: Page, width: int) -> None:
    url = serve().url
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(f"{url}/?channel={'long-name/' * 19}x")
    expect(page.locator("#state.open")).to_be_visible()
    publish(url, f"{'long-name/' * 19}x", "x" * 2_000)
    expect(page.locator("#events li")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth") == width
