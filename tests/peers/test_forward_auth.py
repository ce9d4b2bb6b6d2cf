"""An application and the server behind one nginx, as they stand in real life.

The page, its session and the streams are of one origin; the server asks the application about the
session, through nginx as well.
"""

import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.auth.application import Application, run_application
from tests.conftest import Serve, find_free_port, require_command
from tests.peers.test_chromium import Source
from tests.running_server import Client, wait_until

CONFIGURATION = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/errors;
events {{ worker_connections 256; }}
http {{
    access_log {folder}/access; client_body_temp_path {folder}; proxy_temp_path {folder};
    fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
    server {{
        listen 127.0.0.1:{port};
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $http_host;
        location ~ ^/(events|send|token|subscribers|channels) {{
            proxy_pass http://127.0.0.1:{server};
        }}
        location / {{ proxy_pass http://127.0.0.1:{application}; }}
    }}
}}
"""


class Site:
    """All that stands behind one address."""

    def __init__(self, application: Application, port: int) -> None:
        self.application = application
        self.port = port
        self.url = f"http://127.0.0.1:{port}"


@pytest.fixture
def site(tmp_path: Path, serve: Serve) -> Iterator[Site]:
    nginx = require_command("nginx", package="nginx")
    port = find_free_port()
    served = serve(env={"SSE_SERVER_AUTH_FORWARD_URL": f"http://127.0.0.1:{port}/sse-auth"})
    with run_application() as application:
        configuration = tmp_path / "nginx.conf"
        configuration.write_text(
            CONFIGURATION.format(
                folder=tmp_path, port=port, server=served.port, application=application.port
            )
        )
        with ExitStack() as stack:
            command = [
                nginx,
                "-c",
                str(configuration),
                "-p",
                str(tmp_path),
                "-e",
                f"{tmp_path}/errors",
            ]
            process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
            stack.callback(process.wait)
            stack.callback(process.terminate)
            wait_until(lambda: _listens(port), "nginx listens")
            application.sessions["seven"] = {
                "sub": "7",
                "channels": {"subscribe": ["news"], "publish": ["news"]},
            }
            yield Site(application, port)


def _listens(port: int) -> bool:
    try:
        _client(port).socket.close()
    except ConnectionRefusedError:
        return False
    return True


def _client(port: int) -> Client:
    return Client(socket.create_connection(("127.0.0.1", port)))


def test_who_is_logged_in_is_let_in(site: Site) -> None:
    statuses = {}
    for name in ("seven", "nobody", "forbidden"):
        with _client(site.port) as client:
            client.get("/channels/news/events", f"Cookie: sid={name}\r\n")
            statuses[name] = client.read_answer().status
    assert statuses == {"seven": 200, "nobody": 401, "forbidden": 403}
    site.application.status = 500
    with _client(site.port) as client:
        client.get("/channels/news/events", "Cookie: sid=eight\r\n")
        assert client.read_answer().status == 503


def test_a_page_of_the_application_follows_and_publishes(site: Site, page: Page) -> None:
    site.application.body = None
    page.goto(f"{site.url}/")  # 401, as nobody is logged in; but a page
    page.context.add_cookies([{"name": "sid", "value": "seven", "url": site.url}])
    source = Source(page, "news", "/events/news")
    source.wait_until_open()
    status = page.evaluate(
        "async () => (await fetch('/events/news', {method: 'POST', body: 'from the page'})).status"
    )
    assert status == 200
    assert [data for _, data, _ in source.heard(1)] == ["from the page"]
    token = page.evaluate(
        "async () => (await (await fetch('/token', {method: 'POST'})).json()).token"
    )
    by_address = Source(page, "again", f"/events/news?token={token}")
    by_address.wait_until_open()
    (cookie,) = [one for one in page.context.cookies() if one["name"].startswith("sse-lease-")]
    assert cookie["httpOnly"]
    refused = page.evaluate("async () => (await fetch('/events/other')).status")
    assert refused == 403
    assert json.dumps(page.evaluate("document.cookie")) == '"sid=seven"'
