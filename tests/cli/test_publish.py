"""`sse-server publish`, against real servers and in front of bad networks."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.cli.command import TIMEOUT_SECONDS, Scripted, complaint, ended, line, run, running
from tests.conftest import Serve, find_free_port
from tests.faults.proxy import Link, Passed, Proxy

BUSY = (503, {"Retry-After": "0"}, b'{"error":"unavailable","message":"not now"}')
TAKEN: Scripted.Answer = (200, {}, b'{"id":"abc-1","channel":"news","duplicate":false}')


def history(url: str, channel: str) -> list[dict[str, str]]:
    with urllib.request.urlopen(f"{url}/channels/{channel}/events?limit=1000", timeout=5) as answer:
        events: list[dict[str, str]] = json.load(answer)["events"]
        return events


def data(url: str, channel: str) -> list[str]:
    return [event["data"] for event in history(url, channel)]


def ids(result: subprocess.CompletedProcess[bytes]) -> list[str]:
    assert result.returncode == 0, result
    assert result.stderr == b"", result
    return result.stdout.decode().splitlines()


def test_what_was_published_is_there_under_the_id_that_is_printed(serve: Serve) -> None:
    url = serve().url
    here = ("--url", url)
    printed = ids(run("publish", "news", "--event", "price", "41.7 €", *here))
    printed += ids(run("publish", *here, "news", "-", stdin=b"from a pipe\nof lines\r\n"))
    printed += ids(run("publish", "news", stdin=b" as it is", env={"SSE_SERVER_URL": url}))
    printed += ids(run("publish", "news", *here, "--", "-5"))
    assert history(url, "news") == [
        {"id": printed[0], "event": "price", "data": "41.7 €"},
        {"id": printed[1], "event": "message", "data": "from a pipe\nof lines"},
        {"id": printed[2], "event": "message", "data": " as it is"},
        {"id": printed[3], "event": "message", "data": "-5"},
    ]


def test_the_same_id_is_the_same_event(serve: Serve) -> None:
    url = serve().url
    options = ("--id", "a b&c=d", "--key", "k", "--priority", "low", "--retry", "10", "--url", url)
    assert ids(run("publish", "news", "x", *options)) == ids(run("publish", "news", "x", *options))
    lines = ("publish", "log", "--lines", "-", "--id", "import", "--url", url)
    assert ids(run(*lines, stdin=b"1\n2\n")) == ids(run(*lines, stdin=b"1\n2\n"))
    assert data(url, "news") == ["x"]
    assert data(url, "log") == ["1", "2"]


def test_over_a_unix_socket(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    url = serve("--bind", f"unix:{path}").url
    ids(run("publish", "news", "x", "--url", f"unix:{path}"))
    assert data(url, "news") == ["x"]


def test_proxies_of_the_environment_are_not_for_this_machine(serve: Serve) -> None:
    url = serve().url
    nowhere = f"http://127.0.0.1:{find_free_port()}"
    env = {"HTTP_PROXY": nowhere, "http_proxy": nowhere, "ALL_PROXY": nowhere}
    ids(run("publish", "news", "x", "--url", url, env=env))
    assert data(url, "news") == ["x"]


def test_a_refusal_is_one_line_with_the_servers_own_words(serve: Serve) -> None:
    here = ("--url", serve().url)
    assert "cannot be 'gap'" in complaint(run("publish", "news", "x", "--event", "gap", *here), 1)
    large = complaint(run("publish", "news", *here, stdin=b"x" * 3_000_000), 1)
    assert "the limit for event is 1048576 bytes" in large
    lines = run("publish", "log", "--lines", "--event", "gap", *here, stdin=b"one\n")
    assert complaint(lines, 1).startswith("from line 1 on: line 1: the event's type")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("a//b", "x"), "empty segment"),
        (("news", "x", "--url", "nonsense"), "--url"),
        (("news", "x", "--lines"), "--lines"),
        (("news", "x", "--timeout", "0"), "--timeout"),
    ],
)
def test_bad_usage_is_one_line(arguments: tuple[str, ...], problem: str) -> None:
    assert problem in complaint(run("publish", *arguments), 2)


def test_at_a_terminal_data_has_to_be_given() -> None:
    controller, terminal = os.openpty()
    try:
        with running("publish", "news", stdin=terminal) as process:
            code, _, err = ended(process)
        assert (code, err.count("\n")) == (2, 1)
        assert "write - to type it" in err
    finally:
        os.close(controller)
        os.close(terminal)


def test_data_cannot_come_from_an_input_that_is_closed() -> None:
    result = subprocess.run(
        ["sh", "-c", f'"{sys.executable}" -m sse_server publish news - <&-'],
        capture_output=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert result.returncode == 2
    assert result.stderr.startswith(b"sse-server: DATA: standard input is closed")


def test_the_token_is_sent_and_never_shown() -> None:
    refused: Scripted.Answer = (401, {}, b'{"message":"no such token\\u001b[2J"}')
    with Scripted(refused) as server:
        env = {"SSE_SERVER_TOKEN": "s3cret-t0ken"}
        result = run("publish", "news", "x", "--url", server.url, env=env)
    assert complaint(result, 1) == "no such token\\x1b[2J"
    assert server.requests[0][2]["authorization"] == "Bearer s3cret-t0ken"


def test_it_tries_again_with_the_same_id_until_it_is_taken() -> None:
    with Scripted(BUSY, (502, {}, b"<html>"), BUSY, TAKEN) as server:
        assert ids(run("publish", "news", "x", "--url", server.url)) == ["abc-1"]
    targets = {target for _, target, _, _ in server.requests}
    assert len(server.requests) == 4
    assert len(targets) == 1
    assert "id=" in targets.pop()


def partly(*ids: str | None) -> bytes:
    """What a server answers of a batch; None: not known to be stored."""
    events = [{"error": "unavailable"} if one is None else {"id": one} for one in ids]
    return json.dumps({"error": "unavailable", "message": "not now", "events": events}).encode()


def test_of_a_batch_that_is_stored_in_part_the_rest_is_sent_again() -> None:
    again = {"Retry-After": "0"}
    answers: list[Scripted.Answer] = [
        (503, again, partly("abc-1", None, "abc-2", None)),
        BUSY,
        (503, again, partly("abc-3", None)),
        (200, {}, partly("abc-4")),
    ]
    with Scripted(*answers) as server:
        lines = ("publish", "news", "--lines", "--id", "n", "--url", server.url)
        assert ids(run(*lines, stdin=b"a\nb\nc\nd\n")) == ["abc-1", "abc-3", "abc-2", "abc-4"]
    sent = [
        [json.loads(envelope)["id"] for envelope in body.splitlines()]
        for _, _, _, body in server.requests
    ]
    assert sent == [["n-1", "n-2", "n-3", "n-4"], ["n-2", "n-4"], ["n-2", "n-4"], ["n-4"]]


def test_of_a_batch_whose_rest_is_refused_the_ids_are_printed_that_are_known() -> None:
    refused: Scripted.Answer = (413, {}, b'{"message":"too much"}')
    with Scripted((503, {"Retry-After": "0"}, partly("abc-1", None, "abc-2")), refused) as server:
        result = run("publish", "news", "--lines", "--url", server.url, stdin=b"a\nb\nc\n")
    assert complaint(result, 1) == "from line 2 on: too much"
    assert result.stdout == b"abc-1\n"


def test_what_may_be_stored_is_not_sent_again_when_its_id_may_be_forgotten() -> None:
    late = {"Retry-After": "101"}
    for status in (500, 502, 503, 504):
        with Scripted((status, late, b'{"message":"not now"}'), TAKEN) as server:
            result = run("publish", "news", "x", "--url", server.url, "--timeout", "3600")
        assert complaint(result, 1) == "not now"
        assert len(server.requests) == 1


def test_it_gives_up_in_time() -> None:
    with Scripted(BUSY) as server:
        complaint(run("publish", "news", "x", "--url", server.url, "--timeout", "1"), 1)
    url = f"http://127.0.0.1:{find_free_port()}"
    result = run("publish", "news", "x", "--url", url, "--timeout", "0.3")
    assert "Connection refused" in complaint(result, 1)
    with Scripted((503, {"Retry-After": "3600"}, b'{"message":"not today"}')) as server:
        result = run("publish", "news", "x", "--url", server.url)
    assert complaint(result, 1) == "not today"
    assert len(server.requests) == 1


def test_what_is_no_sse_server_is_told() -> None:
    with Scripted((200, {}, b"<html>")) as server:
        assert "is no sse_server" in complaint(run("publish", "a", "x", "--url", server.url), 1)
    with Scripted((301, {"Location": "/elsewhere"}, b"")) as server:
        assert "301 Moved" in complaint(run("publish", "a", "x", "--url", server.url), 1)
    assert len(server.requests) == 1


def test_a_server_that_comes_late_is_waited_for(serve: Serve) -> None:
    port = find_free_port()
    with running("publish", "news", "x", "--url", f"http://127.0.0.1:{port}") as process:
        served = serve(port=port)
        code, out, err = ended(process)
    assert (code, err) == (0, "")
    assert [event["id"] for event in history(served.url, "news")] == [out.rstrip("\n")]


class LosesAnswers(Proxy):
    """The first answers are lost, after the server has taken what was published."""

    def __init__(self, port: int, count: int) -> None:
        super().__init__(port)
        self.left = count

    def link(self) -> Link:
        if self.left == 0:
            return Link()
        self.left -= 1
        return _LostAnswer()


class _LostAnswer(Link):
    def down(self, data: bytes) -> Passed:
        return Passed(b"", cuts=True)


def test_a_lost_answer_publishes_nothing_twice(serve: Serve) -> None:
    url = serve().url
    with LosesAnswers(int(url.rpartition(":")[2]), 2) as proxy:
        printed = ids(run("publish", "news", "x", "--url", proxy.url))
        proxy.left = 2
        printed += ids(run("publish", "news", "--lines", "--url", proxy.url, stdin=b"a\nb\n"))
    assert [event["id"] for event in history(url, "news")] == printed
    assert data(url, "news") == ["x", "a", "b"]


def test_lines_are_published_as_they_come(serve: Serve) -> None:
    url = serve().url
    with running("publish", "log", "--lines", "-", "--url", url, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        for number in range(3):
            process.stdin.write(f"line {number}\n".encode())
            process.stdin.flush()
            assert line(process.stdout).count("-") == 1  # its id, while the pipe is open
            assert data(url, "log")[-1] == f"line {number}"
        process.stdin.write(b"\xff and no line end")
        assert ended(process)[0] == 0
    assert data(url, "log")[-1] == "\N{REPLACEMENT CHARACTER} and no line end"


def test_many_lines_arrive_once_and_in_order(serve: Serve) -> None:
    url = serve().url
    printed = ids(
        run(
            "publish",
            "log",
            "--lines",
            "--url",
            url,
            stdin=b"".join(b"%d\n" % n for n in range(5_000)),
        )
    )
    assert len(set(printed)) == 5_000
    assert data(url, "log")[:1_000] == [str(number) for number in range(1_000)]


def test_whoever_writes_lines_waits_while_the_server_is_away(serve: Serve) -> None:
    port = find_free_port()
    url = f"http://127.0.0.1:{port}"
    with running("publish", "log", "--lines", "--url", url, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        descriptor = process.stdin.fileno()
        os.set_blocking(descriptor, False)
        written = 0
        quiet_since = time.monotonic()
        while time.monotonic() - quiet_since < 1.0:  # nothing was taken for so long
            try:
                written += os.write(descriptor, b"%0127d\n" % (written // 128))
                quiet_since = time.monotonic()
            except BlockingIOError:
                time.sleep(0.02)
        assert written < 1_000_000
        served = serve(port=port)
        process.stdin.close()
        assert process.stdout is not None
        printed = process.stdout.read().decode().splitlines()
        assert process.wait() == 0
    lines = [f"{number:0127}" for number in range(written // 128)]
    assert len(printed) == len(lines)
    assert data(served.url, "log") == lines[:1_000]  # a page


def test_httpx_is_imported_by_who_needs_it_and_missed_in_one_line() -> None:
    script = """
import contextlib, sys
from sse_server.cli import main
with contextlib.suppress(SystemExit):
    main(["--version"])
assert "httpx" not in sys.modules
sys.modules["httpx"] = None
sys.exit(main(["publish", "news", "x"]))
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert "the package httpx is missing" in complaint(result, 2)


def test_a_reader_of_ids_that_leaves_is_told_in_one_line(serve: Serve) -> None:
    url = serve().url
    with running("publish", "log", "--lines", "--url", url, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.close()
        process.stdin.write(b"one\n")
        process.stdin.flush()
        assert process.wait() == 1
        assert process.stderr is not None
        assert process.stderr.read().count(b"\n") == 1
