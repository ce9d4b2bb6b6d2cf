"""Coming back with a token whose time is over: who may, by a cookie or a position."""

import pytest

from sse_server.auth.door import StillOpen
from tests.auth.makers import token
from tests.auth.world import BROWSER, BY_LEASE, START, World, many, once, refused

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
