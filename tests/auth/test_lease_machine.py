"""Leases under any order of events: what a client keeps, and what a thief never gets."""

import contextlib

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sse_server import AuthOptions, Resume
from sse_server.auth.door import StillOpen
from sse_server.errors import RequestError, Unauthorized
from tests.auth.makers import HS256, token
from tests.auth.world import START, Opened, World

OPTIONS = AuthOptions(keys=(HS256,), leeway_seconds=0, max_leases=4)
BY_LEASE = AuthOptions(keys=(HS256,), leeway_seconds=0, max_leases=4, resume=Resume.LEASE)
NAMES = ["a", "b", "c"]


class Client:
    """A browser with a single-use token."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.stream: Opened | None = None
        self.cookie: bytes | None = None


class Leases(RuleBasedStateMachine):
    """Clients come and go, time passes, the server is started again, thieves try."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(OPTIONS)
        self.clients: dict[str, Client] = {}
        self.issued: dict[str, float] = {}
        self.number = 0

    @property
    def open(self) -> list[Client]:
        return [one for one in self.clients.values() if one.stream and one.stream.stream.is_open]

    @rule(name=st.sampled_from(NAMES))
    def client_gets_a_token_and_opens(self, name: str) -> None:
        old = self.clients.get(name)
        if old is not None and old in self.open:
            return
        self.number += 1
        text = token(self.world.now, 5, subscribe=["a"], jti=f"{self.number}")
        client = self.clients[name] = Client(text)
        self.issued[text] = self.world.now
        client.stream = self.world.open(text)
        client.cookie = client.stream.cookie

    @rule(name=st.sampled_from(NAMES), leaves_silently=st.booleans())
    def connection_breaks(self, name: str, leaves_silently: bool) -> None:
        client = self.clients.get(name)
        if client is None or client not in self.open:
            return
        assert client.stream is not None
        if leaves_silently:
            client.stream.sink.is_reached = False
        else:
            client.stream.cut()

    @rule(name=st.sampled_from(NAMES))
    def client_comes_back(self, name: str) -> None:
        client = self.clients.get(name)
        if client is None:
            return
        before = client.stream
        was_reached = client in self.open and before is not None and before.sink.is_reached
        try:
            client.stream = self.world.open(client.text, cookie=client.cookie)
        except StillOpen:
            assert before in [one.stream for one in self.open]
        except Unauthorized:
            assert client not in self.open
        else:
            assert not was_reached, "a stream that acknowledges was taken over"
            assert self.world.now < self.issued[client.text] + 900

    @rule(name=st.sampled_from(NAMES), offset=st.integers(0, 3))
    def thief_tries_the_address(self, name: str, offset: int) -> None:
        client = self.clients.get(name)
        if client is None:
            return
        for last_id in (None, offset):
            with contextlib.suppress(Unauthorized):
                self.world.admit(client.text, last_id=last_id)
                raise AssertionError("a thief was let in")

    @rule(name=st.sampled_from(NAMES), other=st.sampled_from(NAMES))
    def thief_tries_a_cookie_of_their_own(self, name: str, other: str) -> None:
        client, thief = self.clients.get(name), self.clients.get(other)
        if client is None or thief is None or name == other or thief.cookie is None:
            return
        with contextlib.suppress(Unauthorized):
            self.world.admit(client.text, cookie=thief.cookie)
            raise AssertionError("a thief was let in")

    @rule(seconds=st.sampled_from([0.5, 1, 3, 60, 299, 301, 890]))
    def time_passes(self, seconds: float) -> None:
        self.world.now += seconds
        self.world.streams.tick()

    @precondition(lambda self: self.world.now < START + 10_000)
    @rule()
    def server_is_started_again(self) -> None:
        for client in self.open:
            assert client.stream is not None
            client.stream.cut()
        self.world = self.world.restarted()

    @rule(name=st.sampled_from(NAMES))
    def token_is_revoked(self, name: str) -> None:
        client = self.clients.get(name)
        if client is None or client.stream is None:
            return
        token_id = client.stream.stream.grant.token_id
        assert token_id is not None
        with contextlib.suppress(RequestError):
            self.world.revocations.revoke_token(token_id, self.world.now)
        self.world.streams.revoke(self.world.streams.of(token_id, None))
        del self.clients[name]
        with contextlib.suppress(Unauthorized):
            self.world.admit(client.text, cookie=client.cookie)
            raise AssertionError("what was revoked was let in")

    @invariant()
    def no_lease_has_two_streams_and_none_is_forgotten(self) -> None:
        streams = list(self.world.streams.all.values())
        leases = [one.lease for one in streams if one.lease is not None]
        assert len(set(leases)) == len(leases)
        assert all(lease.stream in streams for lease in leases)
        assert all(one.is_open for one in streams)
        assert self.world.leases.size <= 4

    @invariant()
    def nobody_s_grant_is_over_for_long(self) -> None:
        self.world.streams.tick()
        for one in self.world.streams.all.values():
            assert one.grant.ends_at > self.world.now


class LeasesByPosition(Leases):
    """The same, where positions are taken: thieves have another User-Agent."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(BY_LEASE)

    @rule(name=st.sampled_from(NAMES), offset=st.integers(0, 3))
    def thief_tries_the_address(self, name: str, offset: int) -> None:
        client = self.clients.get(name)
        if client is None:
            return
        with contextlib.suppress(Unauthorized):
            self.world.admit(client.text, last_id=offset, headers=((b"user-agent", b"curl"),))
            raise AssertionError("a thief was let in")


TestLeases = Leases.TestCase
TestLeases.settings = settings(stateful_step_count=40)
TestLeasesByPosition = LeasesByPosition.TestCase
TestLeasesByPosition.settings = settings(stateful_step_count=40)
