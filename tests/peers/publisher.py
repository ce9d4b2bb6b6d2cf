"""The side of a test that the peers do not see: publishes, sees who follows, and ends it."""

import json
import time
import urllib.error
import urllib.request
from urllib.parse import urlencode

ANSWER_TIMEOUT_SECONDS = 5.0
CLIENTS_TIMEOUT_SECONDS = 15.0


def publish(url: str, channel: str, data: str, **query: str) -> str:
    """Publish one event; returns its position."""
    address = f"{url}/events/{channel}" + (f"?{urlencode(query)}" if query else "")
    request = urllib.request.Request(address, data=data.encode(), method="POST")
    with urllib.request.urlopen(request, timeout=ANSWER_TIMEOUT_SECONDS) as answer:
        position: str = json.load(answer)["id"]
        return position


def clients(url: str, channel: str) -> int:
    """How many streams follow a channel."""
    try:
        address = f"{url}/channels/{channel}"
        with urllib.request.urlopen(address, timeout=ANSWER_TIMEOUT_SECONDS) as answer:
            count: int = json.load(answer)["clients"]
            return count
    except urllib.error.HTTPError as error:
        with error:
            if error.code != 404:
                raise
            return 0


def wait_for_clients(url: str, channel: str, count: int = 1) -> None:
    """Return when `count` streams follow a channel."""
    deadline = time.monotonic() + CLIENTS_TIMEOUT_SECONDS
    while (found := clients(url, channel)) != count:
        assert time.monotonic() < deadline, f"{found} streams follow {channel}, not {count}"
        time.sleep(0.02)


def end_stream(url: str, channel: str, *, retry_ms: int | None = None) -> None:
    """End the only stream that follows a channel."""
    address = f"{url}/subscribers?channel={channel}"
    with urllib.request.urlopen(address, timeout=ANSWER_TIMEOUT_SECONDS) as answer:
        (stream,) = json.load(answer)["subscribers"]
    query = "" if retry_ms is None else f"?retry={retry_ms}"
    request = urllib.request.Request(
        f"{url}/subscribers/{stream['subscriber']}{query}", method="DELETE"
    )
    urllib.request.urlopen(request, timeout=ANSWER_TIMEOUT_SECONDS).close()
