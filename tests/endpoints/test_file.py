import pytest

from sse_server._version import __version__
from sse_server.endpoints.client_script import ClientScriptEndpoint
from sse_server.endpoints.page import PageEndpoint
from sse_server.endpoints.router import Router
from sse_server.http.response import Response
from tests.endpoints.fakes import get, header_of, respond


@pytest.fixture
def router() -> Router:
    router = Router()
    ClientScriptEndpoint().add_to(router)
    PageEndpoint().add_to(router)
    return router


def ask(router: Router, path: bytes, *tags: bytes) -> Response:
    return respond(router, get(path, tuple((b"if-none-match", tag) for tag in tags)))


def test_the_script_is_a_module_that_says_its_version(router: Router) -> None:
    answer = ask(router, b"/client.js")
    assert header_of(answer, b"content-type") == b"text/javascript; charset=utf-8"
    assert header_of(answer, b"x-content-type-options") == b"nosniff"
    assert answer.body.startswith(f"// sse_server {__version__}: ".encode())
    assert b"export class Stream" in answer.body


@pytest.mark.parametrize("path", [b"/client.js", b"/"])
def test_who_has_a_file_is_not_sent_it_again(router: Router, path: bytes) -> None:
    answer = ask(router, path)
    assert header_of(answer, b"cache-control") == b"no-cache"
    tag = header_of(answer, b"etag")
    assert tag is not None
    for tags in ([tag], [b"W/" + tag], [b'"other", ' + tag], [b'"other"', tag], [b"*"]):
        again = ask(router, path, *tags)
        assert (again.status, again.body) == (304, b"")
        assert header_of(again, b"etag") == tag
    for tags in ([b'"other"'], [tag[1:-1]], [b""]):
        assert ask(router, path, *tags).status == 200


def test_files_are_told_apart(router: Router) -> None:
    assert header_of(ask(router, b"/"), b"etag") != header_of(ask(router, b"/client.js"), b"etag")
