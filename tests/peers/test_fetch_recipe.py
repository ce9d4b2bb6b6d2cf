"""The recipe of docs/clients.md for following with `fetch`, as it stands there, in Chromium."""

import json
import re

from playwright.sync_api import Page

from tests.conftest import Serve
from tests.peers.publisher import end_stream, publish, wait_for_clients
from tests.snippets import ROOT, sections

PAGE = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")


def recipe(url: str) -> str:
    """The recipe, for a server at `url`."""
    (section,) = (one for one in sections(PAGE) if one.title == "Browsers: fetch, with a header")
    (code,) = (block.code for block in section.blocks if block.language == "js")
    return re.sub(r"http://127\.0\.0\.1:8000", url, code)


def test_it_sends_its_token_and_comes_back_with_its_last_id(serve: Serve, page: Page) -> None:
    url = serve().url
    head = '<!doctype html><link rel="icon" href="data:,">'
    html = f'{head}<script type="module">{recipe(url)}</script>'
    heard: list[str] = []
    headers: list[dict[str, str]] = []
    page.on("console", lambda message: heard.append(message.text))
    page.on("request", lambda r: headers.append(r.headers) if "/events/" in r.url else None)
    page.route("**/app.html", lambda route: route.fulfill(body=html, content_type="text/html"))
    page.goto(f"{url}/app.html")
    wait_for_clients(url, "news")
    last = publish(url, "news", "several\nlines, \N{GREEK SMALL LETTER ALPHA}", event="price")
    end_stream(url, "news", retry_ms=20)
    publish(url, "news", "while it was away")
    wait_for_clients(url, "news")
    publish(url, "news", "again")
    for _ in range(500):
        if "message: again" in heard:
            break
        page.wait_for_timeout(20)
    ended = next(text for text in heard if text.startswith("stream-ended: "))
    assert json.loads(ended.partition(": ")[2])["comes_back"] is True
    assert [text for text in heard if text != ended] == [
        "price: several\nlines, \N{GREEK SMALL LETTER ALPHA}",
        "message: while it was away",
        "message: again",
    ]
    assert {one["authorization"] for one in headers} == {"Bearer a-token-of-the-page-s-own"}
    assert [one.get("last-event-id") for one in headers] == [None, last]
