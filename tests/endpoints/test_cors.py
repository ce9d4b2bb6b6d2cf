import asyncio

import pytest

from sse_server.endpoints.cors import Cors, CorsOptions
from sse_server.errors import ConfigurationError
from sse_server.http.request import Headers, Request
from sse_server.http.response import Answer, EventStream, Opened, Response

APP = b"https://app.example"
OPTIONS = CorsOptions(origins=(APP.decode(), "http://localhost:3000"))


def ask(
    *headers: tuple[bytes, bytes], method: bytes = b"GET", answer: Answer | None = None
) -> Answer:
    given = answer or Response(200, ((b"content-type", b"x/y"),), b"body")
    result = Cors(lambda _request: given, OPTIONS)(Request(method, b"/", headers=headers))
    assert isinstance(result, Response | EventStream)
    return result


def fields(answer: Answer) -> dict[bytes, bytes]:
    return dict(answer.headers)


def test_a_page_of_a_configured_origin_may_read_the_answer() -> None:
    answer = ask((b"origin", APP))
    assert fields(answer) == {
        b"content-type": b"x/y",
        b"vary": b"Origin",
        b"access-control-allow-origin": APP,
        b"access-control-allow-credentials": b"true",
    }


@pytest.mark.parametrize(
    "origin",
    [
        b"null",
        b"*",
        b"",
        b"https://app.example.evil",
        b"https://evil.example",
        b"http://app.example",
        b"https://app.example:8443",
        b"https://APP.example/",
        b"https://app.example, https://evil.example",
        b"https://app.example\x00",
    ],
)
def test_no_other_origin_may_and_none_is_reflected(origin: bytes) -> None:
    for method in (b"GET", b"OPTIONS"):
        answer = ask(
            (b"origin", origin), (b"access-control-request-method", b"POST"), method=method
        )
        assert not [name for name, _ in answer.headers if name.startswith(b"access-control")]
        assert origin == b"" or origin not in fields(answer).values()
        assert fields(answer)[b"vary"] == b"Origin"


def test_an_answer_without_an_origin_varies_too() -> None:
    assert fields(ask())[b"vary"] == b"Origin"


def test_a_preflight_is_answered_without_asking_the_endpoint() -> None:
    wanted: Headers = ((b"origin", APP), (b"access-control-request-method", b"POST"))
    answer = ask(*wanted, method=b"OPTIONS")
    assert isinstance(answer, Response)
    assert (answer.status, answer.body) == (204, b"")
    assert fields(answer)[b"access-control-allow-origin"] == APP
    assert b"POST" in fields(answer)[b"access-control-allow-methods"]
    assert b"Last-Event-ID" in fields(answer)[b"access-control-allow-headers"]


def test_ordinary_options_are_the_endpoints() -> None:
    assert isinstance(answer := ask((b"origin", APP), method=b"OPTIONS"), Response)
    assert answer.body == b"body"


def test_event_streams_and_late_answers_say_it_too() -> None:
    def never(*_: object) -> Opened:
        raise AssertionError("not opened here")

    stream = ask((b"origin", APP), answer=EventStream(never))
    assert fields(stream)[b"access-control-allow-origin"] == APP

    async def later() -> Answer:
        return Response(200)

    late = Cors(lambda _request: later(), OPTIONS)(
        Request(b"GET", b"/", headers=((b"origin", APP),))
    )
    assert not isinstance(late, Response | EventStream)

    async def waited() -> Answer:
        return await late

    assert fields(asyncio.run(waited()))[b"access-control-allow-origin"] == APP


@pytest.mark.parametrize(
    "origin", ["null", "*", "app.example", "https://app.example/", "https://a b", "HTTPS://X", ""]
)
def test_what_is_no_origin_cannot_be_configured(origin: str) -> None:
    with pytest.raises(ConfigurationError, match=r"CorsOptions\.origins"):
        CorsOptions(origins=(origin,))


@pytest.mark.parametrize(
    ("origin", "sent"),
    [
        ("https://app.example:443", "https://app.example"),
        ("http://app.example:80", "http://app.example"),
        ("https://[::1]:443", "https://[::1]"),
    ],
)
def test_a_port_that_browsers_leave_out_cannot_be_configured(origin: str, sent: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        CorsOptions(origins=(origin,))
    assert refused.value.mend == f"write {sent}"
    CorsOptions(
        origins=(sent, "https://app.example:80", "http://app.example:443", "https://[::443]")
    )


def test_a_preflight_that_is_refused_is_told_of() -> None:
    refused: list[bytes] = []
    cors = Cors(lambda _request: Response(200), OPTIONS, refused.append)
    for origin in (b"https://elsewhere.example", OPTIONS.origins[0].encode()):
        fields = ((b"origin", origin), (b"access-control-request-method", b"POST"))
        cors(Request(b"OPTIONS", b"/events", headers=fields))
    assert refused == [b"https://elsewhere.example"]
