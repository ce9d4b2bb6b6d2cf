"""Coming back with a token whose time is over: who may, who may not, and what a thief can do."""

from dataclasses import replace

import pytest

from sse_server import AuthOptions, Resume
from sse_server.auth.door import StillOpen
from sse_server.auth.lease_cookie import MOST_COOKIES, LeaseCookies
from sse_server.errors import NotGranted, Unauthorized, Unavailable
from sse_server.http.request import Request
from sse_server.wire.flow import CloseReason
from tests.auth.makers import HS256, token
from tests.auth.test_tokens import verified
from tests.auth.world import BROWSER, START, World

BY_LEASE = AuthOptions(keys=(HS256,), leeway_seconds=0, resume=Resume.LEASE)
MODES = pytest.mark.parametrize("resume", list(Resume))


def once(now: float = START, seconds: float = 5, **more: object) -> str:
    return token(now, seconds, subscribe=["a"], jti="once", **more)  # type: ignore[arg-type]


def many(now: float = START, seconds: float = 5) -> str:
    """A token that is not for one stream alone."""
    return token(now, seconds, subscribe=["a"])


def refused(world: World, text: str, **how: object) -> None:
    with pytest.raises(Unauthorized):
        world.admit(text, **how)  # type: ignore[arg-type]


# --- by the cookie -------------------------------------------------------------------------------


def test_a_client_comes_back_with_its_cookie_again_and_again() -> None:
    world = World()
    stream = world.open(once())
    for _ in range(3):
        stream.cut()
        world.now += 200
        stream = world.open(once(), cookie=stream.cookie)


@pytest.mark.parametrize("text", [once(), many()])
def test_a_token_alone_does_not_come_back(text: str) -> None:
    world = World()
    stream = world.open(text)
    stream.cut()
    world.now += 6
    refused(world, text)
    refused(world, text, last_id=0)


def test_a_token_that_was_used_opens_nothing_else() -> None:
    world = World()
    world.open(once())
    refused(world, once())


def test_a_token_that_is_not_for_one_stream_has_a_lease_for_each() -> None:
    world = World()
    first = world.open(many())
    second = world.open(many(), cookie=first.cookie)
    assert world.leases.size == 2
    world.now += 6
    with pytest.raises(StillOpen):
        world.admit(many(), cookie=second.cookie)
    first.cut()
    world.open(many(), cookie=second.cookie)
    with pytest.raises(StillOpen):
        world.admit(many(), cookie=second.cookie)


@pytest.mark.parametrize("restarts", [False, True])
def test_a_page_that_opens_two_streams_at_once_gets_both_back(*, restarts: bool) -> None:
    """Neither request had a cookie yet, and a browser keeps what comes with both answers."""
    world = World()
    text = many()
    streams = [world.open(text) for _ in range(2)]
    kept = dict((one.cookie or b"").split(b"=", 1) for one in streams)
    cookie = b"; ".join(b"%b=%b" % pair for pair in kept.items())
    world.now += 100
    if restarts:
        world = world.restarted()
    else:
        for one in streams:
            one.cut()
    for _ in range(2):
        world.open(text, cookie=cookie)
    with pytest.raises(StillOpen):
        world.admit(text, cookie=cookie)


def test_two_browsers_with_one_token_do_not_come_back_as_one_another() -> None:
    world = World()
    first, second = world.open(many()), world.open(many())
    assert first.cookie != second.cookie
    world.now += 6
    first.cut()
    with pytest.raises(StillOpen):
        world.admit(many(), cookie=second.cookie)
    world.open(many(), cookie=first.cookie)


def test_a_forged_cookie_is_none() -> None:
    world = World()
    stream = world.open(once())
    stream.cut()
    assert stream.cookie is not None
    name, _, value = stream.cookie.partition(b"=")
    parts = value.split(b".")
    for index in range(len(parts)):
        changed = list(parts)
        last = b"1" if parts[index][-1:] != b"1" else b"2"
        changed[index] = parts[index][:-1] + last
        refused(world, once(), cookie=name + b"=" + b".".join(changed))
    refused(world, once(), cookie=name + b"=")
    refused(world, once(), cookie=name + b"=" + b"x" * 5_000)


def test_a_cookie_of_another_token_is_none() -> None:
    world = World()
    mine = world.open(token(START, 5, subscribe=["a"], jti="mine"))
    theirs = world.open(once())
    theirs.cut()
    assert mine.cookie is not None
    assert theirs.cookie is not None
    refused(world, once(), cookie=mine.cookie)
    renamed = theirs.cookie.partition(b"=")[0] + b"=" + mine.cookie.partition(b"=")[2]
    refused(world, once(), cookie=renamed)


def test_a_cookie_is_nothing_without_its_token() -> None:
    world = World()
    stream = world.open(once())
    stream.cut()
    refused(world, token(START, 5, subscribe=["a"], jti="once", sub="8", key="x" * 32),
            cookie=stream.cookie)  # fmt: skip


# --- by the position -----------------------------------------------------------------------------


def test_a_client_comes_back_by_its_position() -> None:
    world = World(BY_LEASE)
    world.newest = 10
    stream = world.open(once())
    world.newest = 15
    stream.cut()
    world.newest = 20
    world.now += 100
    stream = world.open(once(), last_id=12)
    stream.cut()
    world.open(once(), last_id=17)  # it was sent that in the meantime


@pytest.mark.parametrize("position", [0, 9, 16, 20, 10**15])
def test_a_position_that_the_stream_was_not_sent(position: int) -> None:
    world = World(BY_LEASE)
    world.newest = 10
    stream = world.open(once())
    world.newest = 15
    stream.cut()
    world.newest = 20
    refused(world, once(), last_id=position)


@pytest.mark.parametrize(
    "headers",
    [
        ((b"user-agent", b"curl"),),
        (),
        (*BROWSER, (b"origin", b"https://evil.example")),
    ],
)
def test_a_position_of_another_client(headers: tuple[tuple[bytes, bytes], ...]) -> None:
    world = World(BY_LEASE)
    stream = world.open(once())
    stream.cut()
    refused(world, once(), last_id=0, headers=headers)
    world.open(once(), last_id=0)


def test_a_position_after_a_restart_is_of_nobody() -> None:
    world = World(BY_LEASE)
    world.open(once())
    refused(world.restarted(), once(), last_id=0)


def test_a_position_does_not_help_where_cookies_are_asked_for() -> None:
    world = World()
    world.open(once()).cut()
    refused(world, once(), last_id=0)


# --- theft ---------------------------------------------------------------------------------------


@MODES
def test_a_thief_with_the_address_gets_nothing(resume: Resume) -> None:
    """What stands in an access log: the address, and often the User-Agent."""
    world = World(AuthOptions(keys=(HS256,), leeway_seconds=0, resume=resume))
    world.newest = 10
    victim = world.open(once())
    for _ in range(2):  # while the stream is open, and when it was cut
        refused(world, once())
        refused(world, once(), headers=((b"user-agent", b"curl"),))
        refused(world, once(), last_id=3)
        victim.cut()
    assert victim.sink.aborted is None


@MODES
def test_a_thief_with_everything_takes_nothing_from_an_open_stream(resume: Resume) -> None:
    world = World(AuthOptions(keys=(HS256,), leeway_seconds=0, resume=resume))
    victim = world.open(once())
    for _ in range(20):
        world.now += 3
        with pytest.raises(StillOpen):
            world.admit(once(), cookie=victim.cookie, last_id=0)
    assert victim.sink.aborted is None
    assert len(world.streams.all) == 1


def test_a_thief_of_a_cookie_keeps_the_stream_while_it_acknowledges() -> None:
    """Who has the cookie is the client, as far as can be told; but there is one of them."""
    world = World()
    victim = world.open(once())
    victim.cut()
    world.open(once(), cookie=victim.cookie)
    with pytest.raises(StillOpen):
        world.admit(once(), cookie=victim.cookie)


# --- a stream whose client is gone without a word ------------------------------------------------


def test_a_stream_that_acknowledges_nothing_gives_way() -> None:
    world = World()
    stream = world.open(once())
    stream.sink.is_reached = False
    with pytest.raises(StillOpen):
        world.admit(once(), cookie=stream.cookie)
    world.now += 1
    with pytest.raises(StillOpen):
        world.admit(once(), cookie=stream.cookie)
    world.now += 1
    again = world.open(once(), cookie=stream.cookie)
    assert stream.sink.aborted is CloseReason.REPLACED
    assert list(world.streams.all.values()) == [again.stream]


def test_a_stream_that_acknowledges_late_does_not() -> None:
    world = World()
    stream = world.open(once())
    stream.sink.is_reached = False
    for _ in range(5):
        with pytest.raises(StillOpen):
            world.admit(once(), cookie=stream.cookie)
        stream.sink.is_reached = True
        stream.sink.write(b"")  # something comes through
        stream.sink.is_reached = False
        world.now += 60
    assert stream.sink.aborted is None


# --- ends ----------------------------------------------------------------------------------------


def test_a_lease_ends_some_time_after_its_stream() -> None:
    world = World()
    stream = world.open(once())
    stream.cut()
    world.now += 299
    stream = world.open(once(), cookie=stream.cookie)
    stream.cut()
    world.now += 301
    refused(world, once(), cookie=stream.cookie)
    world.streams.tick()
    assert world.leases.size == 0


def test_a_lease_never_outlives_its_grant() -> None:
    world = World()
    stream = world.open(once())
    for _ in range(4):
        stream.cut()
        world.now += 224
        stream = world.open(once(), cookie=stream.cookie)
    stream.cut()
    world.now = START + 900
    refused(world, once(), cookie=stream.cookie)


def test_a_grant_ends_its_stream_and_the_lease_with_it() -> None:
    world = World()
    stream = world.open(once())
    world.now = START + 899
    world.streams.tick()
    assert stream.stream.is_open
    world.now = START + 900
    world.streams.tick()
    assert b"event: token-expired" in stream.sink.sent
    assert not world.streams.all
    assert world.leases.size == 0
    refused(world, once(), cookie=stream.cookie)


def test_a_token_may_say_that_its_grant_ends_earlier() -> None:
    world = World()
    text = once(until=START + 30)
    stream = world.open(text)
    stream.cut()
    world.now = START + 29
    world.open(text, cookie=stream.cookie)
    world.now = START + 30
    world.streams.tick()
    assert not world.streams.all
    refused(world, text, cookie=stream.cookie)


def test_what_was_revoked_does_not_come_back() -> None:
    world = World()
    stream = world.open(once())
    stream.cut()
    world.revocations.revoke_token("once", world.now)
    refused(world, once(), cookie=stream.cookie)


def test_a_lease_that_was_left_is_revoked_by_the_grant_that_it_has_now() -> None:
    world = World()
    stream = world.open(once())
    newer = verified(token(START, 500, subscribe=["a"], jti="newer")).grant
    world.streams.renew(stream.stream, newer)
    stream.cut()
    world.revocations.revoke_token("newer", world.now)
    world.leases.revoke(world.revocations.has)
    refused(world, once(), cookie=stream.cookie)


def test_a_crowd_whose_grants_end_together_is_ended_in_portions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sse_server.auth.open_streams.ENDED_PER_SECOND", 10)
    world = World()
    for _ in range(25):
        world.open(many())
    world.now = START + 900
    left = []
    for _ in range(4):
        world.streams.tick()
        left.append(len(world.streams.all))
    assert left == [15, 5, 0, 0]


def test_who_renews_all_the_time_keeps_nobody_s_stream_open() -> None:
    """Neither the work of a second, nor memory, is for ends that hold no more."""
    world = World()
    busy = world.open(token(START, subscribe=["a"]))
    other = world.open(token(START, subscribe=["a"], sub="8"))
    for number in range(3_000):
        grant = replace(busy.stream.grant, ends_at=START + 800 + number % 2)
        world.streams.renew(busy.stream, grant)
        assert len(world.streams._ends) < 100
    world.now = START + 900
    world.streams.tick()
    assert not busy.stream.is_open
    assert not other.stream.is_open


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
