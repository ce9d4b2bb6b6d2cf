"""The command in a process of its own, as a shell would run it."""

import contextlib
import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from typing import IO, Self

TIMEOUT_SECONDS = 40


def environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    return {**os.environ, **(variables or {})}


def run(
    *arguments: str, stdin: bytes | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run it to its end. Without `stdin` that is /dev/null."""
    return subprocess.run(
        [sys.executable, "-m", "sse_server", *arguments],
        stdin=subprocess.DEVNULL if stdin is None else None,
        input=stdin,
        capture_output=True,
        timeout=TIMEOUT_SECONDS,
        env=environment(env),
        check=False,
    )


@contextlib.contextmanager
def running(
    *arguments: str,
    stdin: int = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.PIPE,
    env: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run it until the context is left; its output is in pipes."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sse_server", *arguments],
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.PIPE,
        env=environment(env),
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def line(pipe: IO[bytes] | None) -> str:
    """The next line, when it comes; pytest's timeout bounds it."""
    assert pipe is not None
    return pipe.readline().decode().removesuffix("\n")


def ended(process: subprocess.Popen[bytes]) -> tuple[int, str, str]:
    """Exit status, standard output and standard error, when it has ended by itself."""
    out, err = process.communicate(timeout=TIMEOUT_SECONDS)
    return process.returncode, out.decode(), err.decode()


def complaint(result: subprocess.CompletedProcess[bytes], status: int) -> str:
    """Its one line on standard error."""
    assert result.returncode == status, result
    text = result.stderr.decode()
    assert text.startswith("sse-server: "), result
    assert text.count("\n") == 1, result
    return text.removeprefix("sse-server: ").rstrip("\n")


class Scripted(http.server.ThreadingHTTPServer):
    """Answers with statuses that a real server gives only while it is overloaded or broken."""

    Answer = tuple[int, dict[str, str], bytes]
    """Status, fields, body."""

    def __init__(self, *answers: Answer) -> None:
        """`answers`, in turn; the last one for ever."""
        self.answers = list(answers)
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        """Method, target, fields, body."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.01,)).start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Scripted

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        fields = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append((self.command, self.path, fields, body))
        answers = self.server.answers
        status, headers, content = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET  # noqa: N815 (the name is that of the base class)

    def log_message(self, *_args: object) -> None:
        pass
