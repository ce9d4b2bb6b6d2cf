"""What is remembered for a time, and what happens when there is too much of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_server.auth.grant import Grant
from sse_server.auth.memory import Revocations, UsedTokens
from sse_server.auth.session import SessionCache, session_grant
from sse_server.errors import Unavailable


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 5)), max_size=60))
def test_a_used_token_is_never_forgotten_before_its_time(
    uses: list[tuple[int, int]],
) -> None:
    used = UsedTokens(10)
    now = 0.0
    until: dict[bytes, float] = {}
    for number, (seconds, later) in enumerate(uses):
        now += later
        name = b"%d" % number
        try:
            used.use(name, now + seconds, now)
            until[name] = now + seconds
        except Unavailable:
            assert sum(end > now for end in until.values()) >= 10
        assert len(used) <= 10
        assert all(used.has(name) for name, end in until.items() if end > now)


def test_revocations_are_bounded_and_none_is_forgotten() -> None:
    revocations = Revocations(2, 100)
    revocations.revoke_token("a", 0)
    revocations.revoke_token("b", 1)
    revocations.revoke_token("a", 2)  # again
    with pytest.raises(Unavailable):
        revocations.revoke_token("c", 3)
    assert revocations.has(Grant(token_id="a"))
    assert revocations.has(Grant(token_id="b"))
    revocations.revoke_token("c", 102)
    assert revocations.tokens == {"c": 102}


def test_a_user_is_revoked_until_now() -> None:
    revocations = Revocations(2, 100)
    revocations.revoke_subject("7", 50)
    assert revocations.has(Grant(subject="7", issued_at=50))
    assert revocations.has(Grant(subject="7", issued_at=None))
    assert not revocations.has(Grant(subject="7", issued_at=51))
    assert not revocations.has(Grant(subject="8", issued_at=1))
    assert not revocations.has(Grant())


def test_sessions_are_believed_for_a_time_and_the_oldest_is_forgotten() -> None:
    cache = SessionCache()
    grant = Grant(subject="7", ends_at=8)
    for number in range(3):
        cache.put(b"%d" % number, grant, 10, most=2)
    assert cache.get(b"0", 1) is None
    assert cache.get(b"1", 7.9) is grant
    assert cache.get(b"1", 8) is None  # the grant has ended
    cache.put(b"3", grant, 10, most=0)
    assert cache.get(b"3", 1) is None
    cache.clear()
    assert len(cache) == 0


def test_a_session_without_an_end_ends() -> None:
    assert session_grant(b"{}", 100, 900).ends_at == 1000
    assert session_grant(b'{"exp": 150.5}', 100, 900).ends_at == 150.5
