"""`sse-server tail`, against real servers and behind bad networks."""

import json
import os
import select
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from tests.cli.command import Scripted, complaint, ended, environment, line, run, running
from tests.conftest import Serve, find_free_port
from tests.faults.proxy import Link, Passed, Proxy
from tests.peers.publisher import end_stream, publish, wait_for_clients

SOON = ("--max-wait", "0.02")
EVENT_STREAM = {"Content-Type": "text/event-stream; charset=utf-8"}


def test_events_are_printed_as_they_come(serve: Serve) -> None:
    url = serve().url
    with running("tail", "news", "--url", url) as process:
        wait_for_clients(url, "news")
        publish(url, "news", "one\nand a half")
        assert [line(process.stdout), line(process.stdout)] == ["one", "and a half"]
        publish(url, "news", "two", event="price")
        assert line(process.stdout) == "two"
        process.send_signal(signal.SIGINT)
        assert ended(process) == (130, "", "")


def test_formats(serve: Serve) -> None:
    url = serve().url
    first = publish(url, "news", "hello\x1b")
    second = publish(url, "news", '{"eur":\n41.7}', event="price")
    past = ("tail", "news", "--all-since", "earliest", "--count", "2", "--url", url)
    assert run(*past).stdout == b'hello\x1b\n{"eur":\n41.7}\n'  # no terminal: as it is
    assert [json.loads(text) for text in run(*past, "--format", "json").stdout.splitlines()] == [
        {"channel": "news", "id": first, "event": "message", "data": "hello\x1b"},
        {"channel": "news", "id": second, "event": "price", "data": '{"eur":\n41.7}'},
    ]
    assert run(*past, "--format", "raw").stdout.decode() == (
        f"id: {first}\ndata: hello\x1b\n\n"
        f'id: {second}\nevent: price\ndata: {{"eur":\ndata: 41.7}}\n\n'
    )


def test_several_channels_from_a_position_to_a_position(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    url = serve("--bind", f"unix:{path}").url
    positions = [publish(url, channel, str(n)) for n, channel in enumerate("ababac")]
    here = ("--url", f"unix:{path}")
    result = run(
        "tail", "--last-event-id", positions[0], "a", "--until-id", positions[3], *here, "b"
    )
    assert (result.returncode, result.stdout) == (0, b"1\n2\n3\n")
    # The end stands on another channel: what is behind it is not printed.
    result = run(
        "tail",
        "a",
        "--last-event-id",
        "earliest",
        "--until-id",
        positions[3],
        *here,
        "--format",
        "json",
    )
    assert [json.loads(text)["data"] for text in result.stdout.splitlines()] == ["0", "2"]


def test_an_end_in_a_log_that_is_gone_is_not_waited_for(serve: Serve) -> None:
    url = serve().url
    result = run("tail", "news", "--until-id", "gonegone-7", "--url", url)
    assert complaint(result, 1).startswith("gonegone-7 will not come")


@pytest.mark.parametrize(
    "arguments",
    [
        ("..",),
        ("a", "--count", "0"),
        ("a", "--until-id", "x"),
        ("a", "--silence", "nan"),
        ("a", "--max-wait", "-1"),
        ("a", "--last-event-id", "a b"),
        ("a", "--url", "b"),
    ],
)
def test_bad_usage_is_one_line(arguments: tuple[str, ...]) -> None:
    complaint(run("tail", *arguments), 2)


def test_the_first_line_is_enough_for_head(serve: Serve) -> None:
    url = serve().url
    publish(url, "news", "hello")
    with running("tail", "news", "--all-since", "earliest", "--url", url) as process:
        assert line(process.stdout) == "hello"
        assert process.stdout is not None
        process.stdout.close()  # and nothing more is published
        assert process.wait() == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
def test_output_that_nothing_fits_into_is_told_in_one_line(serve: Serve) -> None:
    url = serve().url
    publish(url, "news", "hello")
    with (
        Path("/dev/full").open("wb") as full,
        running("tail", "news", "--all-since", "earliest", "--url", url, stdout=full) as process,
    ):
        assert process.wait() == 1
        assert line(process.stderr) == "sse-server: input or output failed: No space left on device"
        assert line(process.stderr) == ""


def test_control_characters_do_not_reach_a_terminal(serve: Serve) -> None:
    url = serve().url
    publish(url, "news", "title \x1b]0;owned\x07 clear \x1b[2J \x9b31m bell \x08 end")
    publish(url, "news", "done")
    controller, terminal = os.openpty()
    try:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "sse_server", "tail", "news", "--count", "2"),
                *("--last-event-id", "gonegone-1", "--url", url),
            ],
            stdin=subprocess.DEVNULL,
            stdout=terminal,
            stderr=terminal,
            env=environment(),
        )
        shown = b""
        while b"done" not in shown:
            assert select.select([controller], [], [], 30)[0], shown
            shown += os.read(controller, 65_536)
        assert process.wait() == 0
    finally:
        os.close(controller)
        os.close(terminal)
    text = shown.decode()
    assert [c for c in text if (c < " " and c not in "\r\n") or "\x7f" <= c <= "\x9f"] == []
    assert "title \\x1b]0;owned\\x07 clear \\x1b[2J \\x9b31m bell \\x08 end" in text
    assert "gap: " in text


class CutsEarly(Proxy):
    """Cuts so many connections, each after so many bytes from the server."""

    def __init__(self, port: int, cuts: int, after_bytes: int) -> None:
        super().__init__(port)
        self.left = cuts
        self.after_bytes = after_bytes

    def link(self) -> Link:
        if self.left == 0:
            return Link()
        self.left -= 1
        return _Cut(self.after_bytes, resets=bool(self.left % 2))


class _Cut(Link):
    def __init__(self, left: int, *, resets: bool) -> None:
        self._left = left
        self._resets = resets

    def down(self, data: bytes) -> Passed:
        passed = data[: self._left]
        self._left -= len(passed)
        return Passed(passed, cuts=not self._left, resets=not self._left and self._resets)


def test_nothing_is_lost_or_repeated_over_cuts(serve: Serve) -> None:
    served = serve()
    feed = b"".join(b"%d %s\n" % (number, b"x" * (number % 50)) for number in range(200))
    assert run("publish", "news", "--lines", "--url", served.url, stdin=feed).returncode == 0
    # About 60 bytes an event: 25 of them a stream, and the end of the last one is missing.
    with CutsEarly(served.port, 5, 1_801) as proxy:
        result = run(
            *("tail", "news", "--all-since", "earliest", "--count", "200", "--format", "json"),
            *("--url", proxy.url, *SOON),
        )
        assert proxy.left == 0
    assert result.returncode == 0
    events = [json.loads(text) for text in result.stdout.splitlines()]
    assert [event["data"] for event in events] == feed.decode().splitlines()
    offsets = [int(event["id"].partition("-")[2]) for event in events]
    assert all(before < after for before, after in pairwise(offsets))
    assert b"; reconnecting\n" in result.stderr
    assert b"Traceback" not in result.stderr


def test_a_server_that_is_started_again_is_followed_with_a_gap(serve: Serve) -> None:
    served = serve()
    arguments = ("tail", "news", "--url", served.url, *SOON)
    with running(*arguments) as plain, running(*arguments, "--format", "json") as as_json:
        wait_for_clients(served.url, "news", 2)
        publish(served.url, "news", "before")
        assert line(plain.stdout) == "before"
        assert json.loads(line(as_json.stdout))["data"] == "before"
        served.stop()
        assert json.loads(line(as_json.stdout))["event"] == "server-shutdown"
        again = serve(port=served.port)
        gap = json.loads(line(as_json.stdout))
        assert (gap["event"], gap["data"]["reason"]) == ("gap", "foreign-epoch")
        assert gap["data"]["channels"] == ["news"]
        wait_for_clients(again.url, "news", 2)
        publish(again.url, "news", "after")
        assert json.loads(line(as_json.stdout))["data"] == "after"
        assert line(plain.stdout) == "after"
        plain.send_signal(signal.SIGINT)
        code, _, err = ended(plain)
    assert code == 130
    assert "sse-server: the server is shutting down" in err
    assert "events of news are missing before this (foreign-epoch)" in err


def test_a_server_that_comes_late_is_waited_for(serve: Serve) -> None:
    port = find_free_port()
    url = f"http://127.0.0.1:{port}"
    with running("tail", "news", "--url", url, "--count", "1", *SOON) as process:
        assert line(process.stderr).endswith("Connection refused; reconnecting")
        serve(port=port)
        wait_for_clients(url, "news")
        publish(url, "news", "hello")
        assert ended(process)[:2] == (0, "hello\n")


def test_what_passes_is_waited_out_and_told_once() -> None:
    busy = (503, {"Retry-After": "0"}, b'{"message":"not now"}')
    stream = (200, EVENT_STREAM, b"retry: 1\nid: a-1\ndata: 1\n\ndata: half")
    with Scripted(busy, busy, busy, stream, (429, {}, b""), stream) as server:
        result = run("tail", "news", "--count", "2", "--url", server.url, *SOON)
    assert (result.returncode, result.stdout) == (0, b"1\n1\n")
    assert result.stderr.decode().splitlines() == [
        "sse-server: not now; reconnecting",
        "sse-server: the stream has ended; reconnecting",
        "sse-server: the server answers 429 Too Many Requests; reconnecting",
    ]
    sent = [fields.get("last-event-id") for _, _, fields, _ in server.requests]
    assert sent == [None] * 4 + ["a-1"] * 2


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ((403, {}, b'{"message":"not\\u001b you"}'), "not\\x1b you"),
        ((204, {}, b""), "nothing more"),
        ((200, {"Content-Type": "text/html"}, b"<html>"), "no event stream, but text/html"),
        ((302, {"Location": "/"}, b""), "302 Found"),
        ((200, EVENT_STREAM, b"id: a \ndata: 1\n\n"), "cannot ask"),
    ],
)
def test_what_does_not_pass_ends_it(
    answer: tuple[int, dict[str, str], bytes], problem: str
) -> None:
    with Scripted(answer) as server:
        result = run("tail", "news", "--url", server.url, *SOON)
    assert result.returncode == 1
    assert problem in result.stderr.decode().splitlines()[-1]
    assert b"Traceback" not in result.stderr


def test_without_reconnecting_a_clean_end_is_good_and_another_is_not(serve: Serve) -> None:
    served = serve()
    arguments = ("tail", "news", "--no-reconnect", "--all-since", "earliest", "--url")
    publish(served.url, "news", "x" * 5_000)
    with CutsEarly(served.port, 1, 1_000) as proxy:
        assert "is lost" in complaint(run(*arguments, proxy.url), 1)
    with running(*arguments, served.url) as process:
        line(process.stdout)
        served.stop()
        assert ended(process)[0] == 0
    assert "Connection refused" in complaint(run(*arguments, served.url), 1)


@pytest.mark.parametrize("form", ["data", "json"])
def test_who_is_sent_away_by_an_operator_ends(serve: Serve, form: str) -> None:
    url = serve().url
    with running("tail", "news", "--url", url, "--format", form) as process:
        wait_for_clients(url, "news")
        end_stream(url, "news")
        status, printed, said = ended(process)
    assert (status, said) == (1, "sse-server: an operator has ended this stream\n")
    if form == "json":
        assert json.loads(printed)["data"]["comes_back"] is False
    else:
        assert printed == ""


def test_who_is_sent_away_for_a_while_comes_back(serve: Serve) -> None:
    url = serve().url
    with running("tail", "news", "--url", url) as process:
        wait_for_clients(url, "news")
        end_stream(url, "news", retry_ms=20)
        publish(url, "news", "while it was away")
        assert line(process.stdout) == "while it was away"


class Silent(Proxy):
    """The first stream is opened, and then nothing comes any more."""

    streams = 0

    def link(self) -> Link:
        self.streams += 1
        return _Silent() if self.streams == 1 else Link()


class _Silent(Link):
    def down(self, data: bytes) -> Passed:
        return Passed(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n: open\n\n")

    def up(self, data: bytes) -> Passed:
        return Passed(data)


def test_a_stream_that_is_silent_for_too_long_is_given_up(serve: Serve) -> None:
    served = serve()
    publish(served.url, "news", "hello")
    with Silent(served.port) as proxy:
        result = run(
            *("tail", "news", "--all-since", "earliest", "--count", "1", "--silence", "1.5"),
            *("--url", proxy.url, *SOON),
        )
        assert proxy.streams >= 2
    assert (result.returncode, result.stdout) == (0, b"hello\n")
    assert b"is lost: timed out; reconnecting" in result.stderr
