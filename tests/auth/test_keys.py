"""Sets of keys: what is taken of them, and what is not."""

import json

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_server.auth.key_ring import LEAST_SECONDS, MOST_TRIED, OLD_SECONDS, KeyRing
from sse_server.auth.key_source import KeySource
from sse_server.auth.keys import InvalidKey, candidates, key_set
from tests.auth.makers import KIND_OF, SECRET, jwk, private_key

PUBLIC = ("RS256", "PS256", "ES256", "EdDSA")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)


def read(*members: object, names: tuple[str, ...] = PUBLIC) -> list[tuple[str | None, set[str]]]:
    found = key_set(names, json.dumps({"keys": members}).encode())
    return [(key.kid, set(key.algorithms)) for key in found]


def test_keys_are_bound_to_the_algorithms_of_their_kind() -> None:
    members = [jwk(kind, kid=kind) for kind in ("RSA", "EC", "Ed25519")]
    assert read(*members) == [
        ("RSA", {"RS256", "PS256"}),
        ("EC", {"ES256"}),
        ("Ed25519", {"EdDSA"}),
    ]
    assert read(*members, names=("ES256",)) == [("EC", {"ES256"})]
    assert read(jwk("RSA", alg="PS256")) == [(None, {"PS256"})]


@pytest.mark.parametrize(
    "member",
    [
        {"kty": "oct", "k": "AAAA" * 16, "alg": "HS256"},
        {"kty": ["RSA"], "n": "AQAB", "e": "AQAB"},
        {"kty": "RSA", "crv": ["P-256"]},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "P-384"},
        {**jwk("EC"), "use": "enc"},
        {**jwk("EC"), "key_ops": ["sign"]},
        {**jwk("EC"), "key_ops": "verify"},
        {**jwk("EC"), "alg": "HS256"},
        {**jwk("EC"), "alg": ["ES256"]},
        {**jwk("EC"), "kid": 7},
        "EC",
        None,
    ],
)
def test_what_is_not_for_us_is_left_out(member: object) -> None:
    assert read(member, jwk("Ed25519")) == [(None, {"EdDSA"})]
    with pytest.raises(InvalidKey):
        read(member)


def test_a_private_key_that_is_shown_is_a_public_one() -> None:
    maker = jwt.get_algorithm_by_name("RS256")
    private = maker.to_jwk(private_key("RSA"), as_dict=True)
    assert "d" in private
    del private["key_ops"]  # which says that it signs
    assert read(private) == [(None, {"RS256", "PS256"})]


@given(st.dictionaries(st.sampled_from(["kty", "crv", "x", "y", "n", "e", "alg", "use"]), JSON))
def test_any_member_is_taken_or_left_out(changed: dict[str, object]) -> None:
    for kind in KIND_OF.values():
        for _, algorithms in read({**jwk(kind), **changed}, jwk("Ed25519")):
            assert algorithms <= set(PUBLIC)


@pytest.mark.parametrize(
    "document", [b"", b"[]", b"{}", b'{"keys": {}}', b'{"keys": []}', b"[" * 5000, b"\xff"]
)
def test_what_is_no_set(document: bytes) -> None:
    with pytest.raises(InvalidKey):
        key_set(PUBLIC, document)


def test_a_set_is_bounded() -> None:
    with pytest.raises(InvalidKey, match="100"):
        read(*[jwk("EC")] * 101)


def test_keys_are_looked_for_by_their_names() -> None:
    ring = KeyRing(
        [KeySource.parse(f"HS256 kid=a text:{SECRET}"), KeySource.parse(f"HS256 text:{SECRET}")]
    )
    named, unnamed = (one.keys[0] for one in ring.sets)
    assert ring.find("HS256", "a") == [named, unnamed]
    assert ring.find("HS256", "b") == [unnamed]
    assert ring.find("HS256", None) == [named, unnamed]
    assert ring.find("HS512", "a") == []
    assert candidates([named], "HS256", "A") == []
    assert not named.verify("HS512", b"x", b"y")


def test_few_keys_are_tried_for_one_token() -> None:
    ring = KeyRing([KeySource.parse(f"HS256 text:{SECRET}{number}") for number in range(50)])
    assert len(ring.find("HS256", None)) == MOST_TRIED


def test_when_a_set_is_asked_for() -> None:
    ring = KeyRing([KeySource.parse("ES256 jwks:https://login.example/jwks.json")])
    (one,) = ring.sets
    assert one.is_old(0.0)
    assert ring.is_missing("ES256")
    one.asked(0.0)
    assert not one.is_old(1.0)
    assert ring.to_ask("ES256", 1.0) == [one]  # it is under way: to be waited for
    one.answered()
    assert ring.to_ask("ES256", 1.0) == []
    assert ring.to_ask("ES256", LEAST_SECONDS) == [one]
    assert ring.to_ask("RS256", LEAST_SECONDS) == []
    one.take(json.dumps({"keys": [jwk("EC", kid="a")]}).encode(), 5.0)
    assert not ring.is_missing("ES256")
    assert not one.is_old(5.0 + OLD_SECONDS - 0.1)
    assert one.is_old(5.0 + OLD_SECONDS)
    with pytest.raises(InvalidKey):
        one.take(b"nonsense", 6.0)
    assert ring.knows("a")
    assert not ring.knows("b")
