"""Coming back after a restart; how much is kept for it; the cookie."""

import pytest

from sse_server import AuthOptions
from sse_server.auth.door import StillOpen
from sse_server.auth.lease_cookie import MOST_COOKIES, LeaseCookies
from sse_server.errors import NotGranted, Unavailable
from sse_server.http.request import Request
from tests.auth.makers import HS256, token
from tests.auth.world import BROWSER, START, World, many, once, refused

# --- over a restart ------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [once(), many()])
def test_a_client_comes_back_after_a_restart(text: str) -> None:
    world = World()
    stream = world.open(text)
    world.now += 100
    world = world.restarted()
    stream = world.open(text, cookie=stream.cookie)
    with pytest.raises(StillOpen):
        world.admit(text, cookie=stream.cookie)
    stream.cut()
    world.now += 250
    world.open(text, cookie=stream.cookie)


def test_two_browsers_with_one_token_come_back_after_a_restart() -> None:
    world = World()
    text = many()
    browsers = [world.open(text) for _ in range(2)]
    world = world.restarted(after=100)
    world.now += 1
    for browser in browsers:
        world.open(text, cookie=browser.cookie)
        with pytest.raises(StillOpen):
            world.admit(text, cookie=browser.cookie)


def test_after_a_restart_the_window_and_the_grant_hold() -> None:
    world = World()
    stream = world.open(once())
    world.now += 500
    world = world.restarted()
    world.now += 301
    refused(world, once(), cookie=stream.cookie)
    late = World(now=START + 901)
    refused(late, once(), cookie=stream.cookie)


def test_a_token_that_may_have_been_used_before_a_restart_is_used() -> None:
    world = World()
    world.open(once())
    world = world.restarted()
    refused(world, once())
    world.open(once(world.now))  # one that was issued since


def test_a_cookie_of_this_run_is_not_one_of_the_run_before() -> None:
    """Its lease has ended: it is not unknown because the server was started again."""
    world = World(AuthOptions(keys=(HS256,), leeway_seconds=0, resume_window_seconds=50))
    world.now += 10
    text = once(world.now)
    stream = world.open(text)
    stream.cut()
    world.now += 51
    world.streams.tick()
    refused(world, text, cookie=stream.cookie)


# --- bounds --------------------------------------------------------------------------------------


def test_when_there_are_too_many_leases_those_left_first_end() -> None:
    world = World(AuthOptions(keys=(HS256,), leeway_seconds=0, max_leases=2))
    texts = [token(START, 5, subscribe=["a"], jti=f"{number}") for number in range(4)]
    first, second = world.open(texts[0]), world.open(texts[1])
    second.cut()
    first.cut()
    third = world.open(texts[2])
    assert world.leases.size == 2
    refused(world, texts[1], cookie=second.cookie)
    again = world.open(texts[0], cookie=first.cookie)
    # All are open: the next is let in, and cannot come back.
    last = world.open(texts[3])
    assert last.cookie is None
    for stream in (third, again, last):
        assert stream.sink.aborted is None
    last.cut()
    refused(world, texts[3])


def test_when_too_many_tokens_were_used_others_have_to_wait() -> None:
    world = World(AuthOptions(keys=(HS256,), leeway_seconds=0, max_used=6))  # two for each
    for number in range(3):
        world.open(token(START, 5, subscribe=["a"], jti=f"{number}"))
    with pytest.raises(Unavailable):
        world.admit(token(START, 9, subscribe=["a"], jti="4"))
    refused(world, token(START, 5, subscribe=["a"], jti="0"))  # nothing was forgotten
    world.now += 5
    world.open(token(START, 9, subscribe=["a"], jti="4"))


def test_what_is_let_in_and_never_opened_leaves_nothing_behind() -> None:
    world = World()
    world.admit(once())
    assert world.leases.size == 1
    world.now += 300
    world.streams.tick()
    assert world.leases.size == 0
    assert not world.streams.all


def test_nobody_comes_back_to_another_channel() -> None:
    world = World()
    stream = world.open(once())
    stream.cut()
    with pytest.raises(NotGranted):
        world.admit(once(), cookie=stream.cookie, channels=("a", "b"))


def test_streams_that_are_over_are_forgotten() -> None:
    world = World()
    for number in range(500):
        world.open(token(START, 5, subscribe=["a"], jti=f"{number}")).cut()
    assert not world.streams.all
    assert len(world.streams._ends) <= 66
    assert not world.streams._by_subject
    assert not world.streams._by_token


# --- the cookie ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ((), b"HttpOnly; SameSite=Strict"),
        (((b"x-forwarded-proto", b"https"),), b"HttpOnly; SameSite=Strict; Secure"),
        (((b"origin", b"https://app.example"),), b"HttpOnly; SameSite=Strict; Secure"),
        (
            ((b"origin", b"https://app.example"), (b"sec-fetch-site", b"cross-site")),
            b"HttpOnly; SameSite=None; Secure",
        ),
        (((b"sec-fetch-site", b"cross-site"),), b"HttpOnly; SameSite=Strict"),
    ],
)
def test_the_cookie_is_for_its_client_alone(
    headers: tuple[tuple[bytes, bytes], ...], expected: bytes
) -> None:
    world = World()
    field = dict(world.admit(once(), headers=(*BROWSER, *headers)).headers)[b"set-cookie"]
    name, _, facts = field.partition(b"; ")
    assert name.startswith(b"sse-lease-")
    assert facts == b"Max-Age=900; Path=/; " + expected


def test_a_browser_has_a_bounded_number_of_cookies() -> None:
    """Each page that it opens has a token of its own, and all of the site gets the cookies."""
    world = World()
    jar: dict[bytes, bytes] = {}
    for number in range(MOST_COOKIES + 5):
        world.now += 1
        cookie = b"; ".join(b"%b=%b" % pair for pair in jar.items())
        text = token(world.now, 60, subscribe=["a"], jti=f"{number}")
        for name, field in world.admit(text, cookie=cookie).headers:
            assert name == b"set-cookie"
            kept, _, facts = field.partition(b"; ")
            name_of, _, value = kept.partition(b"=")
            if facts.startswith(b"Max-Age=0;"):
                assert name_of == next(iter(jar))  # the oldest
                del jar[name_of]
            else:
                jar[name_of] = value
        assert len(jar) <= MOST_COOKIES
    assert len(jar) == MOST_COOKIES


def test_the_cookie_is_for_tls_where_we_speak_it() -> None:
    cookies = LeaseCookies(b"s" * 32, is_tls=True)
    request = Request(b"GET", b"/events/a")
    field = cookies.field(request, b"t" * 16, cookies.new(START, START + 900), START)
    assert field.endswith(b"; Secure")
