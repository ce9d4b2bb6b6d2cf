"""Which server, and with which token."""

import pytest

from sse_server.cli.server_url import ServerUrl, server_url, token
from sse_server.errors import ConfigurationError


@pytest.mark.parametrize(
    ("text", "base", "socket_path"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000", None),
        ("https://sse.example/hub/", "https://sse.example/hub", None),
        ("http://[::1]:8000/", "http://[::1]:8000", None),
        ("unix:/run/sse.sock", "http://localhost", "/run/sse.sock"),
    ],
)
def test_addresses(text: str, base: str, socket_path: str | None) -> None:
    found = server_url(text)
    assert (found.base, found.socket_path) == (base, socket_path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "127.0.0.1:8000",
        "ftp://a",
        "http://",
        "http://a b",
        "http://[::1",
        "http://a:99999",
        "http://user:secret@a",
        "ftp://user:secret@a",
        "http://a/?q",
        "http://a/#f",
        "unix:",
    ],
)
def test_what_is_no_address_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        server_url(text)
    assert str(error.value).startswith("--url")
    assert "secret" not in str(error.value)


def test_the_environment_has_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSE_SERVER_URL", raising=False)
    assert server_url(None) == ServerUrl("http://127.0.0.1:8000", "127.0.0.1")
    monkeypatch.setenv("SSE_SERVER_URL", "unix:a.sock")
    assert str(server_url(None)) == "unix:a.sock"
    assert str(server_url("http://b")) == "http://b"


def test_a_token_that_cannot_be_one_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSE_SERVER_TOKEN", " abc.def \n")
    assert token() == "abc.def"
    monkeypatch.setenv("SSE_SERVER_TOKEN", "sec\nret")
    with pytest.raises(ConfigurationError) as error:
        token()
    assert "ret" not in str(error.value).replace("characters", "")
    monkeypatch.delenv("SSE_SERVER_TOKEN")
    assert token() is None
