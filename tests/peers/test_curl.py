"""curl: what a person at a terminal does."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sse_server.wire.parser import EventStreamParser, StreamEvent
from tests.conftest import Serve, require_command
from tests.peers.publisher import publish, wait_for_clients

EVENT_TIMEOUT_SECONDS = 5.0


class Watching:
    """A `curl -N` that goes on."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self._process = process
        self._output = output

    def text(self) -> str:
        """All it has shown so far."""
        return self._output.read_text(encoding="utf-8")

    def events(self, count: int) -> list[StreamEvent]:
        """All it has been sent, once that are at least `count` events, while it still runs."""
        deadline = time.monotonic() + EVENT_TIMEOUT_SECONDS
        while len(events := EventStreamParser().feed(self._output.read_bytes())) < count:
            assert time.monotonic() < deadline, f"{events} is not {count} events:\n{self.text()}"
            time.sleep(0.02)
        assert self._process.poll() is None, "curl has ended"
        return events


@pytest.fixture
def curl() -> str:
    return require_command("curl", package="curl")


@pytest.fixture
def watch(curl: str, tmp_path: Path) -> Iterator[Callable[..., Watching]]:
    """Starts `curl -N` with these arguments; all are ended with the test."""
    with ExitStack() as ends:

        def start(*arguments: str) -> Watching:
            output = tmp_path / f"curl-{time.monotonic_ns()}"
            with output.open("wb") as stream:
                process = subprocess.Popen(
                    [curl, "--silent", "--show-error", "-N", *arguments], stdout=stream
                )
            ends.callback(process.wait)
            ends.callback(process.kill)
            return Watching(process, output)

        yield start


def answer(curl: str, *arguments: str) -> object:
    """The JSON that a curl which ends has printed."""
    done = subprocess.run(
        [curl, "--silent", "--show-error", "--max-time", "10", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_curl_shows_each_event_while_the_stream_goes_on(
    serve: Serve, curl: str, watch: Callable[..., Watching]
) -> None:
    url = serve().url
    stream = watch(f"{url}/events/news")
    wait_for_clients(url, "news")
    for number in range(1, 4):
        told = answer(curl, "-d", f"event {number}", f"{url}/events/news")
        assert isinstance(told, dict)
        newest = stream.events(number)[-1]
        assert newest == StreamEvent("message", f"event {number}", told["id"])


def test_curl_resumes_behind_the_id_it_names(serve: Serve, watch: Callable[..., Watching]) -> None:
    url = serve().url
    ids = [publish(url, "news", f"event {number}") for number in range(5)]
    publish(url, "other", "not for this stream")
    resumed = watch("-H", f"Last-Event-ID: {ids[2]}", f"{url}/events/news")
    wait_for_clients(url, "news")
    live = publish(url, "news", "live")
    expected = [("event 3", ids[3]), ("event 4", ids[4]), ("live", live)]
    assert resumed.events(3) == [StreamEvent("message", *pair) for pair in expected]
    by_query = watch(f"{url}/events/news?last_event_id=earliest")
    assert [event.data for event in by_query.events(6)] == [
        *(f"event {number}" for number in range(5)),
        "live",
    ]


def test_curl_is_told_a_gap_once(serve: Serve, watch: Callable[..., Watching]) -> None:
    url = serve().url
    publish(url, "news", "kept")
    stream = watch("-H", "Last-Event-ID: another0-7", f"{url}/events/news")
    gap, kept = stream.events(2)
    assert (gap.type, kept.data) == ("gap", "kept")
    told = json.loads(gap.data)
    assert told["reason"] == "foreign-epoch"
    assert (told["channels"], told["requested"]) == (["news"], "another0-7")
    assert told["oldest"] == told["newest"] == kept.last_event_id
    again = watch("-H", f"Last-Event-ID: {gap.last_event_id}", f"{url}/events/news")
    assert again.events(1) == [kept]


def test_curl_with_http_1_0_is_answered_without_chunks(
    serve: Serve, watch: Callable[..., Watching]
) -> None:
    url = serve().url
    stream = watch("--http1.0", "--raw", "--include", f"{url}/events/news")
    wait_for_clients(url, "news")
    position = publish(url, "news", "hello")
    deadline = time.monotonic() + EVENT_TIMEOUT_SECONDS
    while "hello" not in stream.text() and time.monotonic() < deadline:
        time.sleep(0.02)
    head, _, body = stream.text().partition("\n\n")  # read as text, CRLF is LF
    assert head.startswith("HTTP/1.")
    assert "content-type: text/event-stream" in head.lower()
    assert "transfer-encoding" not in head.lower()
    assert body.startswith(":")
    assert body.endswith(f"\n\nid: {position}\ndata: hello\n\n")


def test_curl_uses_a_unix_socket(
    serve: Serve, curl: str, tmp_path: Path, watch: Callable[..., Watching]
) -> None:
    path = tmp_path / "sse.sock"
    served = serve("--bind", f"unix:{path}")
    stream = watch("--unix-socket", str(path), "http://localhost/events/news")
    wait_for_clients(served.url, "news")
    told = answer(curl, "--unix-socket", str(path), "-d", "by file", "http://localhost/events/news")
    assert isinstance(told, dict)
    assert stream.events(1) == [StreamEvent("message", "by file", told["id"])]
    assert served.stop() == 0
    assert not path.exists()


def test_curl_sends_a_notification(serve: Serve, curl: str, watch: Callable[..., Watching]) -> None:
    url = serve().url
    stream = watch(f"{url}/events")
    wait_for_clients(url, "global")
    told = answer(curl, "-d", '{"text": "lunch is ready"}', f"{url}/send")
    assert isinstance(told, dict)
    assert (told["sent"], told["clients"]) == (True, 1)
    assert stream.events(1) == [
        StreamEvent("notification", '{"text":"lunch is ready"}', told["id"])
    ]
    refused = answer(curl, "-d", "{lunch}", f"{url}/send")
    assert isinstance(refused, dict)
    assert refused["error"] == "invalid-request"


def test_curl_publishes_lines_of_envelopes_as_one_batch(
    serve: Serve, curl: str, tmp_path: Path, watch: Callable[..., Watching]
) -> None:
    url = serve().url
    stream = watch(f"{url}/events?channel=a&channel=b")
    wait_for_clients(url, "b")
    lines = [
        {"channel": "a", "data": "one"},
        {"channel": "b", "event": "price", "data": {"eur": 41.7}},
        {"channel": "a", "data": "two\nlines"},
    ]
    file = tmp_path / "events.ndjson"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    command = ("-H", "Content-Type: application/x-ndjson", "--data-binary")
    told = answer(curl, *command, f"@{file}", f"{url}/events")
    assert isinstance(told, dict)
    assert told["published"] == 3
    assert [(event.type, event.data, event.last_event_id) for event in stream.events(3)] == [
        ("message", "one", told["events"][0]["id"]),
        ("price", '{"eur":41.7}', told["events"][1]["id"]),
        ("message", "two\nlines", told["events"][2]["id"]),
    ]
    with file.open("a", encoding="utf-8") as appended:
        appended.write("this is no envelope\n")
    refused = answer(curl, *command, f"@{file}", f"{url}/events")
    assert isinstance(refused, dict)
    assert refused["message"].startswith("line 4: ")
    assert len(stream.events(3)) == 3, "nothing of a refused batch is published"
