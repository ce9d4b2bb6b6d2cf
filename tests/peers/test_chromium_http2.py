"""Chromium: a page with more EventSources than it has connections."""

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import Browser, Page

from sse_server import ServerOptions
from sse_server.net.tls import TlsOptions
from tests.running_server import RunningServer, run_server, wait_until

OPEN = """(count) => {
  window.heard = [];
  for (let number = 0; number < count; number++) {
    const source = new EventSource(`/events/news?n=${number}`);
    source.addEventListener("message", (event) => heard.push(`${number} ${event.data}`));
  }
}"""
POST = """async (seconds) => {
  const signal = AbortSignal.timeout(seconds * 1000);
  try {
    return (await fetch("/events/news", { method: "POST", body: "posted", signal })).status;
  } catch (error) {
    return error.name;
  }
}"""


@contextlib.contextmanager
def serving(options: ServerOptions) -> Iterator[RunningServer]:
    """A server; it is started and ended in a thread where Playwright has no loop."""
    with ThreadPoolExecutor(1) as thread, contextlib.ExitStack() as ends:
        server = run_server("uvloop", options)
        running = thread.submit(server.__enter__).result()
        ends.callback(lambda: thread.submit(server.__exit__, None, None, None).result())
        yield running


@pytest.fixture
def secured(certificate: TlsOptions) -> Iterator[RunningServer]:
    options = ServerOptions(bind=("127.0.0.1:0",), drain_seconds=1.0, tls=certificate)
    with serving(options) as running:
        yield running


@pytest.fixture
def trusting(chromium: Browser) -> Iterator[Page]:
    """A page that takes any certificate."""
    with contextlib.closing(chromium.new_context(ignore_https_errors=True)) as context:
        yield context.new_page()


def test_a_hundred_sources_live_on_one_connection_and_a_post_gets_through(
    secured: RunningServer, trusting: Page
) -> None:
    trusting.goto(f"https://127.0.0.1:{secured.port}/healthz")
    trusting.evaluate(OPEN, 100)
    wait_until(lambda: secured.server.hub.subscribers == 100, "all are open")
    assert trusting.evaluate(POST, 10) == 200
    trusting.wait_for_function("heard.length === 100")
    assert secured.site_sizes == (1, 0)
    heard = trusting.evaluate("heard")
    assert sorted(heard) == sorted(f"{number} posted" for number in range(100))


def reload(secured: RunningServer, trusting: Page, times: int, open_ms: int) -> None:
    """A page with 100 sources, each time when they have been open for so long."""
    trusting.goto(f"https://127.0.0.1:{secured.port}/healthz")
    for _ in range(times):
        trusting.evaluate(OPEN, 100)
        wait_until(lambda: secured.server.hub.subscribers == 100, "all are open")
        trusting.wait_for_timeout(open_ms)
        trusting.reload()
        wait_until(lambda: secured.server.hub.subscribers == 0, "all are gone")
    assert secured.site_sizes == (1, 0)
    assert not secured.server._journal.breaks


def test_sources_that_are_closed_make_room_and_cost_nothing(
    secured: RunningServer, trusting: Page
) -> None:
    reload(secured, trusting, times=5, open_ms=1_100)  # resets of younger streams are counted


def test_a_page_of_a_hundred_sources_is_reloaded_thrice_as_fast_as_it_can_be(
    secured: RunningServer, trusting: Page
) -> None:
    reload(secured, trusting, times=3, open_ms=0)


def test_over_http_1_the_seventh_waits(page: Page) -> None:
    with serving(ServerOptions(bind=("127.0.0.1:0",), drain_seconds=0.2)) as running:
        page.goto(f"http://127.0.0.1:{running.port}/healthz")
        page.evaluate(OPEN, 7)
        wait_until(lambda: running.server.hub.subscribers == 6, "six are open")
        assert page.evaluate(POST, 1) == "TimeoutError"
        assert running.server.hub.opened == 6
        page.close()
