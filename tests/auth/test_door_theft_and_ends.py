"""What a thief of a token can do, and how what lets a client come back ends."""

from dataclasses import replace

import pytest

from sse_server import AuthOptions, Resume
from sse_server.auth.door import StillOpen
from sse_server.wire.flow import CloseReason
from tests.auth.makers import HS256, token
from tests.auth.test_tokens import verified
from tests.auth.world import MODES, START, World, many, once, refused

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
