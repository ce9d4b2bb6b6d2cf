import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_server.auth.anonymous import AnonymousGuard, check_bind, is_loopback
from sse_server.errors import ConfigurationError, Forbidden
from sse_server.http.request import Headers, Request

STATE_CHANGING = [b"POST", b"PUT", b"PATCH", b"DELETE"]


def request_with(
    *fields: tuple[bytes, bytes],
    method: bytes = b"GET",
    host: bytes | None = b"localhost:8000",
    path: bytes = b"/events",
) -> Request:
    own: Headers = () if host is None else ((b"host", host),)
    return Request(method, path, b"", (*own, (b"user-agent", b"curl/8.0"), *fields))


def passes(request: Request) -> bool:
    try:
        AnonymousGuard(allow_anonymous=False).check(request)
    except Forbidden:
        return False
    return True


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.255.255.254",
        "::1",
        "::1%lo",
        "::ffff:127.0.0.1",
        "localhost",
        "LocalHost.",
    ],
)
def test_loopback_can_be_bound_without_more(host: str) -> None:
    check_bind(host, allow_anonymous=False)


def test_a_unix_socket_can_be_bound_without_more() -> None:
    check_bind(None, allow_anonymous=False)


@pytest.mark.parametrize(
    "host",
    [
        "0.0.0.0",
        "::",
        "",
        "*",
        "10.0.0.1",
        "192.168.1.5",
        "169.254.1.1",
        "fe80::1%eth0",
        "::ffff:10.0.0.1",
        "::ffff:0.0.0.0",
        "128.0.0.1",
        "example.org",
        "localhost.example.org",
        "evil.localhost",
        "127.1",
        "0x7f000001",
    ],
)
def test_another_bind_is_refused_unless_it_is_said_to_be_meant(host: str) -> None:
    with pytest.raises(ConfigurationError, match="--allow-anonymous") as caught:
        check_bind(host, allow_anonymous=False)
    assert "\n" not in str(caught.value)
    check_bind(host, allow_anonymous=True)


@pytest.mark.parametrize(
    "host",
    [
        b"localhost",
        b"localhost:8000",
        b"LOCALHOST:8000",
        b"localhost.",
        b"localhost.:8000",
        b"127.0.0.1",
        b"127.0.0.1:8000",
        b"127.0.0.1.:8000",
        b"127.255.0.9:1",
        b"[::1]",
        b"[::1]:8000",
        b"[0:0:0:0:0:0:0:1]:8000",
        b"[::ffff:127.0.0.1]:8000",
        b"[::FFFF:7f00:1]",
    ],
)
def test_a_host_that_is_this_machine_passes(host: bytes) -> None:
    assert passes(request_with(host=host))


@pytest.mark.parametrize(
    "host",
    [
        None,
        b"",
        b":8000",
        b"example.org",
        b"rebound.example.org:8000",
        b"localhost.example.org",
        b"example.localhost",
        b"notlocalhost",
        b"localhost..",
        b"localhost:80:80",
        b"localhost:port",
        b"localhost:123456",
        b"localhost@example.org",
        b"user@localhost",
        b"localhost, example.org",
        b"localhost/",
        b" localhost",
        b"localhost\n",
        b"127.0.0.1.example.org",
        b"127.0.0.256",
        b"127.0.0.01",
        b"127.1",
        b"2130706433",
        b"0.0.0.0:8000",
        b"10.0.0.1",
        b"::1",
        b"[::]",
        b"[::2]:8000",
        b"[fe80::1]",
        b"[::1].example.org",
        b"[::1",
        b"[::ffff:10.0.0.1]",
        b"localhost\xff",
    ],
)
def test_dns_rebinding_any_other_host_is_refused(host: bytes | None) -> None:
    assert not passes(request_with(host=host))


def test_who_is_refused_is_told_what_to_set() -> None:
    with pytest.raises(Forbidden, match="--allow-anonymous") as caught:
        AnonymousGuard(allow_anonymous=False).check(request_with(host=b"example.org"))
    assert caught.value.status == 403


def test_two_hosts_that_differ_are_refused() -> None:
    assert not passes(request_with((b"host", b"example.org")))
    assert not passes(request_with((b"host", b"localhost:8000"), host=b"example.org"))


@pytest.mark.parametrize(
    "name",
    [
        b"forwarded",
        b"via",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-proto",
        b"x-forwarded-anything",
    ],
)
def test_what_came_through_a_proxy_is_refused(name: bytes) -> None:
    assert not passes(request_with((name, b"")))
    assert not passes(request_with((name, b"127.0.0.1"), method=b"POST"))


@pytest.mark.parametrize("name", [b"x-forward", b"forwarded-by", b"viable", b"x-request-id"])
def test_other_fields_are_no_sign_of_a_proxy(name: bytes) -> None:
    assert passes(request_with((name, b"1")))


FOREIGN_ORIGINS = [
    b"null",
    b"",
    b"http://example.org",
    b"http://localhost",  # another port is another origin
    b"http://localhost:3000",
    b"http://127.0.0.1:8000",
    b"http://localhost:8000.example.org",
    b"http://localhost:8000/",
    b"localhost:8000",
    b"file://localhost:8000",
    b"http://localhost:8000 http://example.org",
]


@pytest.mark.parametrize("method", STATE_CHANGING)
@pytest.mark.parametrize("origin", FOREIGN_ORIGINS)
def test_a_page_elsewhere_cannot_change_anything(method: bytes, origin: bytes) -> None:
    assert not passes(request_with((b"origin", origin), method=method))


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS"])
@pytest.mark.parametrize("origin", FOREIGN_ORIGINS)
def test_reading_is_left_to_the_browsers_own_rule(method: bytes, origin: bytes) -> None:
    assert passes(request_with((b"origin", origin), method=method))


@pytest.mark.parametrize("method", STATE_CHANGING)
@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (b"http://localhost:8000", b"localhost:8000"),
        (b"https://localhost:8443", b"localhost:8443"),
        (b"http://localhost:8000", b"LocalHost:8000"),
        (b"http://[::1]:8000", b"[::1]:8000"),
    ],
)
def test_the_servers_own_page_may_change_things(method: bytes, origin: bytes, host: bytes) -> None:
    assert passes(request_with((b"origin", origin), method=method, host=host))


def test_one_foreign_origin_among_several_is_enough() -> None:
    own, foreign = (b"origin", b"http://localhost:8000"), (b"origin", b"http://example.org")
    assert not passes(request_with(own, foreign, method=b"POST"))
    assert not passes(request_with(foreign, own, method=b"POST"))


@pytest.mark.parametrize("path", [b"/healthz", b"/readyz"])
def test_health_is_told_to_anyone(path: bytes) -> None:
    fields = ((b"x-forwarded-for", b"10.0.0.1"), (b"origin", b"null"))
    assert passes(request_with(*fields, host=b"example.org", path=path))


@pytest.mark.parametrize("path", [b"/healthz/", b"/healthz/../events", b"/%68ealthz", b"/HEALTHZ"])
def test_nothing_else_is_health(path: bytes) -> None:
    assert not passes(request_with(host=b"example.org", path=path))


def test_with_the_flag_everything_passes() -> None:
    guard = AnonymousGuard(allow_anonymous=True)
    guard.check(request_with((b"via", b"1.1 x"), (b"origin", b"null"), method=b"POST", host=None))


@given(st.text("localhst127.0:[]%x\x00é", max_size=25))
def test_any_host_passes_or_is_forbidden(host: str) -> None:
    name = host.rpartition(":")[0] or host
    if passes(request_with(host=host.encode())):
        assert is_loopback(name.strip("[]").rstrip(".")) or is_loopback(host.strip("[]"))
    assert is_loopback(name) in {True, False}


@pytest.mark.parametrize("allow_anonymous", [True, False])
@pytest.mark.parametrize(
    ("origin", "told"),
    [
        (None, []),
        (b"http://localhost", []),
        (b"https://app.example", []),
        (b"https://other.example", [b"https://other.example"]),
        (b"null", [b"null"]),
    ],
)
def test_pages_of_other_origins_are_told_of(
    allow_anonymous: bool, origin: bytes | None, told: list[bytes]
) -> None:
    foreign: list[bytes] = []
    guard = AnonymousGuard(
        allow_anonymous=allow_anonymous, origins=["https://app.example"], foreign=foreign.append
    )
    fields = ((b"host", b"localhost"), *([] if origin is None else [(b"origin", origin)]))
    guard.check(Request(b"GET", b"/events/news", headers=fields))
    assert foreign == told


def test_behind_a_proxy_the_browser_knows_whose_page_it_is() -> None:
    foreign: list[bytes] = []
    guard = AnonymousGuard(allow_anonymous=True, foreign=foreign.append)
    fields = (
        (b"host", b"backend:8000"),
        (b"origin", b"https://app.example"),
        (b"sec-fetch-site", b"same-origin"),
    )
    guard.check(Request(b"POST", b"/events/news", headers=fields))
    assert foreign == []
