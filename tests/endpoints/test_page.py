import base64
import hashlib
import re

import pytest

from sse_server.endpoints.page import PageEndpoint
from sse_server.endpoints.router import Router
from sse_server.http.response import Response
from tests.endpoints.fakes import get, header_of, respond


@pytest.fixture
def page() -> Response:
    router = Router()
    PageEndpoint().add_to(router)
    return respond(router, get(b"/"))


def policy_of(page: Response) -> dict[str, list[str]]:
    policy = (header_of(page, b"content-security-policy") or b"").decode()
    directives = (directive.split() for directive in policy.split(";"))
    return {name: sources for name, *sources in directives}


def inline(page: Response, element: str) -> bytes:
    (text,) = re.findall(f"<{element}>(.*?)</{element}>".encode(), page.body, re.DOTALL)
    assert isinstance(text, bytes)
    return text


def test_the_page_is_html(page: Response) -> None:
    assert page.status == 200
    assert header_of(page, b"content-type") == b"text/html; charset=utf-8"
    assert page.body.startswith(b"<!doctype html>")


@pytest.mark.parametrize("element", ["script", "style"])
def test_the_policy_allows_the_inline_elements_by_their_hash_alone(
    page: Response, element: str
) -> None:
    digest = base64.b64encode(hashlib.sha256(inline(page, element)).digest()).decode()
    assert policy_of(page)[f"{element}-src"] == [f"'sha256-{digest}'"]


def test_the_policy_forbids_everything_that_is_not_named(page: Response) -> None:
    policy = policy_of(page)
    assert policy["default-src"] == ["'none'"]
    assert policy["connect-src"] == ["'self'"]
    assert policy["frame-ancestors"] == ["'none'"]


def test_the_page_has_nothing_that_its_policy_would_stop(page: Response) -> None:
    html = page.body.decode()
    assert not re.search(r"\sstyle=|\son[a-z]+=|javascript:", html)
    assert re.findall(r'(?:src|href|action)="([^"]*)"', html) == ["data:,"]
    assert "//" not in re.sub(r"(?m)^\s*//.*|;\s*//.*", "", html)  # no address elsewhere


def test_what_an_event_brings_is_only_ever_text(page: Response) -> None:
    script = inline(page, "script").decode()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval", script)
