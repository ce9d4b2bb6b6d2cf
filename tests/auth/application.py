"""A small application of somebody's: it knows sessions, and publishes keys."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Application:
    """What it answers; tests change that while it runs."""

    port: int = 0
    sessions: dict[str, dict[str, object]] = field(default_factory=dict)
    """Grants, by the cookie `sid`; by `Authorization` where that is sent."""
    keys: list[dict[str, object]] = field(default_factory=list)
    status: int | None = None
    """Instead of what it would answer."""
    sets_cookie: str | None = None
    """With every answer, as applications do that make sessions last longer while they are used."""
    encoding: str | None = None
    body: bytes | None = None
    holds: threading.Event | None = None
    """To wait for before the answer, which is known, is sent."""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """Paths, and header fields."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def times_asked(self, path: str) -> int:
        return sum(1 for asked, _ in self.asked if asked == path)

    def answer(self, path: str, fields: dict[str, str]) -> tuple[int, bytes]:
        if path == "/jwks.json":
            return 200, json.dumps({"keys": self.keys}).encode()
        cookie = SimpleCookie(fields.get("cookie", "")).get("sid")
        name = fields.get("authorization") or (cookie.value if cookie else "")
        if name == "forbidden":
            return 403, b"not you"
        if name not in self.sessions:
            return 401, b"log in"
        return 200, json.dumps(self.sessions[name]).encode()


class Quiet(ThreadingHTTPServer):
    """Says nothing when who has asked does not wait for the answer."""

    def handle_error(self, *_: object) -> None: ...


@contextmanager
def run_application() -> Iterator[Application]:
    """It runs until the context is left."""
    application = Application()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            fields = {name.lower(): value for name, value in self.headers.items()}
            application.asked.append((self.path, fields))
            status, body = application.answer(self.path, fields)
            if application.holds is not None:
                application.holds.wait(10)
            status = application.status or status
            body = body if application.body is None else application.body
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", application.url + "/elsewhere")
            if application.encoding is not None:
                self.send_header("Content-Encoding", application.encoding)
            if application.sets_cookie is not None:
                self.send_header("Set-Cookie", application.sets_cookie)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = Quiet(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    application.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield application
    finally:
        if application.holds is not None:
            application.holds.set()
        server.shutdown()
        thread.join()
        server.server_close()
