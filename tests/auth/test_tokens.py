"""Tokens: those that hold, and every way that is known to make one hold that should not."""

import base64
import contextlib
import json
import string
from typing import Any

import jwt
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_server.auth.key_ring import KeyRing
from sse_server.auth.key_source import KeySource
from sse_server.auth.minting import OWN_KID, Mint, compact, derived
from sse_server.auth.tokens import (
    MAX_TOKEN_BYTES,
    Expected,
    Token,
    is_signed_by,
    take_apart,
    token_of,
)
from sse_server.errors import Unauthorized
from tests.auth.makers import HS256, KIND_OF, SECRET, claims, private_key, public_pem, token

NOW = 1_800_000_000.0
EXPECTED = Expected(audience="sse", leeway=5.0)


def ring(*texts: str) -> KeyRing:
    return KeyRing(KeySource.parse(text) for text in texts or (HS256,))


def verified(text: str | bytes, keys: KeyRing | None = None, now: float = NOW) -> Token:
    """What a guard does with a token.

    Raises:
        Unauthorized: it does not hold.
    """
    parts = take_apart(text.encode() if isinstance(text, str) else text)
    if not is_signed_by(parts, (keys or ring()).find(parts.algorithm, parts.kid)):
        raise Unauthorized("no key has signed it")
    found = token_of(parts, EXPECTED)
    found.check_begun(now)
    if found.has_expired(now):
        raise Unauthorized("expired")
    return found


def refused(text: str | bytes, keys: KeyRing | None = None, now: float = NOW) -> str:
    """Why it does not hold; nothing of it is told."""
    with pytest.raises(Unauthorized) as info:
        verified(text, keys, now)
    message = info.value.message
    raw = text if isinstance(text, str) else text.decode("latin-1")
    for part in raw.split("."):
        assert len(part) < 8 or part not in message
    return message


def encoded(value: object) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def signed(head: object, payload: object, secret: str = SECRET) -> str:
    """A token with a head that PyJWT would not write."""
    text = f"{encoded(head)}.{encoded(payload)}"
    algorithm: Any = jwt.get_algorithm_by_name("HS256")
    return f"{text}.{encoded(algorithm.sign(text.encode(), secret.encode()))}"


def test_a_token_grants_what_it_says() -> None:
    text = token(NOW, subscribe=["news:*", "a"], publish=["b"], tenant="blue", jti="once")
    grant = verified(text).grant
    assert (grant.subject, grant.tenant, grant.token_id) == ("7", "blue", "once")
    assert grant.may_subscribe("news:today")
    assert grant.may_subscribe("a")
    assert grant.may_subscribe("user:7")
    assert not grant.may_subscribe("b")
    assert grant.may_publish("b")
    assert not grant.may_publish("a")
    assert not grant.may_operate


@pytest.mark.parametrize("algorithm", KIND_OF)
def test_public_keys_verify(algorithm: str) -> None:
    kind = KIND_OF[algorithm]
    keys = ring(f"{algorithm} pem:{public_pem(kind)}")
    assert verified(token(NOW, key=private_key(kind), algorithm=algorithm), keys)
    assert refused(token(NOW), keys)


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_secrets_verify(algorithm: str) -> None:
    keys = ring(f"{algorithm} text:{SECRET}")
    assert verified(token(NOW, algorithm=algorithm), keys)
    other = "HS512" if algorithm == "HS256" else "HS256"
    assert refused(token(NOW, algorithm=other), keys)


# --- attacks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", ""])
@pytest.mark.parametrize("signature", ["", "AA"])
def test_algorithm_none_is_refused(name: str, signature: str) -> None:
    refused(f"{encoded({'alg': name})}.{encoded(claims(NOW))}.{signature}")


def test_a_public_key_is_no_secret() -> None:
    # HS/RS confusion: what everyone may know, used as the secret of HS256.
    pem = public_pem("RSA")
    keys = ring(f"RS256 pem:{pem}")
    for secret in (pem, pem.strip(), pem + "\n"):
        refused(signed({"alg": "HS256", "typ": "JWT"}, claims(NOW), secret), keys)


def test_a_public_key_is_no_secret_where_both_kinds_are_taken() -> None:
    pem = public_pem("RSA")
    keys = ring(f"RS256 kid=a pem:{pem}", f"HS256 kid=b text:{SECRET}")
    for kid in ("a", "b", None):
        head = {"alg": "HS256", **({} if kid is None else {"kid": kid})}
        refused(signed(head, claims(NOW), pem), keys)


def test_a_token_of_another_algorithm_of_the_same_key_is_refused() -> None:
    keys = ring(f"RS256 pem:{public_pem('RSA')}")
    refused(token(NOW, key=private_key("RSA"), algorithm="PS256"), keys)


@pytest.mark.parametrize(
    "kid",
    [
        "../../../../dev/null",
        "/etc/passwd",
        "a' UNION SELECT 'key",
        "file:///dev/null",
        "\0",
        "x" * 1000,
        "",
        "sse-server",
    ],
)
def test_kid_is_compared_and_nothing_else(kid: str) -> None:
    keys = ring(f"HS256 kid=main text:{SECRET}")
    refused(token(NOW, key=" " * 32, head={"kid": kid}), keys)
    refused(token(NOW, head={"kid": kid}), keys)
    assert verified(token(NOW, head={"kid": "main"}), keys)


@pytest.mark.parametrize("kid", [7, None, ["main"], {"a": 1}, True])
def test_kid_of_another_type(kid: object) -> None:
    keys = ring(f"HS256 kid=main text:{SECRET}")
    text = signed({"alg": "HS256", "kid": kid}, claims(NOW))
    if kid is None:
        assert verified(text, keys)
    else:
        refused(text, keys)


@pytest.mark.parametrize(
    "member",
    [
        {"jwk": {"kty": "oct", "k": encoded(b"a" * 32)}},
        {"jku": "https://evil.example/jwks.json"},
        {"x5u": "https://evil.example/cert.pem"},
        {"crit": ["exp"]},
        {"crit": []},
        {"crit": ["b64"], "b64": False},
        {"b64": False},
    ],
)
def test_a_head_that_brings_its_key_or_wants_more_is_refused(member: dict[str, object]) -> None:
    head = {"alg": "HS256", **member}
    assert next(iter(member)) in refused(signed(head, claims(NOW), "a" * 32))
    assert next(iter(member)) in refused(signed(head, claims(NOW)))


def test_certificates_in_the_head_are_not_looked_at() -> None:
    verified(signed({"alg": "HS256", "x5t": "abc", "x5c": ["MII"]}, claims(NOW)))
    refused(signed({"alg": "HS256", "x5c": ["MII"]}, claims(NOW), "a" * 32))


def test_expired() -> None:
    text = token(NOW, 60)
    assert verified(text, now=NOW + 64.9)
    assert refused(text, now=NOW + 65)


@pytest.mark.parametrize("claim", ["nbf", "iat"])
def test_not_yet_valid(claim: str) -> None:
    text = signed({"alg": "HS256"}, {**claims(NOW), claim: NOW + 30})
    assert "yet" in refused(text, now=NOW + 24.9)
    assert verified(text, now=NOW + 25)


@pytest.mark.parametrize("audience", [None, "other", "SSE", "sse ", ["a", "b"], [], [["sse"]], {}])
def test_wrong_audience(audience: object) -> None:
    assert "aud" in refused(signed({"alg": "HS256"}, {**claims(NOW), "aud": audience}))


def test_one_of_several_audiences_will_do() -> None:
    assert verified(token(NOW, aud=["app", "sse"]))


def test_issuer() -> None:
    expected = Expected(audience="sse", issuer="https://login.example")
    good = take_apart(token(NOW, iss="https://login.example").encode())
    assert token_of(good, expected)
    for issuer in (None, "https://login.example.evil", "", ["https://login.example"]):
        text = signed({"alg": "HS256"}, {**claims(NOW), "iss": issuer})
        with pytest.raises(Unauthorized, match="iss"):
            token_of(take_apart(text.encode()), expected)


def test_missing_exp() -> None:
    assert "exp" in refused(token(NOW, exp=None))


@pytest.mark.parametrize(
    "value", ["1900000000", True, [], {}, -1, 1e300, float("inf"), float("nan"), 10**30]
)
@pytest.mark.parametrize("claim", ["exp", "nbf", "iat", "until"])
def test_times_that_are_none(claim: str, value: object) -> None:
    assert refused(signed({"alg": "HS256"}, {**claims(NOW), claim: value}))


@pytest.mark.parametrize("claim", ["sub", "tenant", "jti"])
@pytest.mark.parametrize("value", [7, "", "x" * 201, "a\nb", "a\0b", ["7"], {"a": 1}, True])
def test_names_that_are_none(claim: str, value: object) -> None:
    assert claim in refused(signed({"alg": "HS256"}, {**claims(NOW), claim: value}))


def test_a_token_of_100_kb() -> None:
    text = token(NOW, padding="x" * 100_000)
    assert str(MAX_TOKEN_BYTES) in refused(text)


def test_ten_thousand_patterns() -> None:
    many = [f"c{number}" for number in range(10_000)]
    payload = {**claims(NOW), "channels": {"subscribe": many}}
    parts = take_apart(signed({"alg": "HS256"}, claims(NOW)).encode())
    object.__setattr__(parts, "payload", orjson.dumps(payload))  # past the bound on a token's size
    with pytest.raises(Unauthorized, match="more than 100 patterns"):
        token_of(parts, EXPECTED)


@pytest.mark.parametrize("depth", [100, 1_000, 3_000])
@pytest.mark.parametrize("bracket", ["[]", "{}"])
def test_deep_json(depth: int, bracket: str) -> None:
    opening = "[" if bracket == "[]" else '{"a":'
    deep = (opening * depth + "1" + bracket[1] * depth).encode()
    text = b'{"alg":"HS256","x":' + deep + b"}"
    refused(f"{encoded(text)}.{encoded(claims(NOW))}.AAAA")
    refused(signed({"alg": "HS256"}, b'{"aud":"sse","channels":' + deep + b"}"))


@pytest.mark.parametrize(
    "channels",
    [
        [],
        "*",
        7,
        {"subscribe": "*"},
        {"subscribe": [7]},
        {"subscribe": ["a*"]},
        {"subscribe": ["*a"]},
        {"subscribe": ["a:*:b"]},
        {"subscribe": ["**"]},
        {"subscribe": [":*x"]},
        {"subscribe": ["a b"]},
        {"subscribe": [""]},
        {"subscribe": ["x" * 201]},
        {"publish": [None]},
        {"subcribe": ["a"]},
    ],
)
def test_channels_that_nobody_can_understand(channels: object) -> None:
    assert "channels" in refused(signed({"alg": "HS256"}, {**claims(NOW), "channels": channels}))


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "a.b",
        "a.b.c.d",
        "e30.e30.",
        " e30.e30.AA",
        "e30.e30.AA\n",
        "e30=.e30=.AA==",
        "e+30.e/30.AA",
        f"{encoded([])}.{encoded({})}.AA",
        f"{encoded(b'nonsense')}.{encoded({})}.AA",
        f"{encoded({'alg': 7})}.{encoded({})}.AA",
        f"{encoded({})}.{encoded({})}.AA",
        "é.e30.AA",
    ],
)
def test_what_is_no_token(text: str) -> None:
    refused(text)


def test_a_changed_token_is_refused() -> None:
    text = token(NOW, subscribe=["a"])
    head, _, signature = text.split(".")
    refused(f"{head}.{encoded(claims(NOW, channels={'subscribe': ['*']}))}.{signature}")


def test_two_spellings_of_a_signature_are_one_token() -> None:
    # The last character of base64 has bits that are not used.
    text = token(NOW)
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    last = alphabet.index(text[-1])
    other = text[:-1] + alphabet[last ^ 1]
    assert verified(text).digest == verified(other).digest


def test_keys_of_the_wrong_kind_are_refused_when_they_are_read() -> None:
    for text in (
        f"HS256 pem:{public_pem('RSA')}",
        f"HS256 text:{public_pem('RSA')}",
        f"HS256 text:{'x' * 31}",
        f"HS512 text:{'x' * 63}",
        "RS256 text:secret",
        f"ES256 pem:{public_pem('RSA')}",
        f"RS256 pem:{public_pem('EC')}",
        f"RS256 pem:{public_pem('RSA-1024')}",
        f"ES256 pem:{public_pem('EC-384')}",
        f"EdDSA pem:{public_pem('EC')}",
        f"RS256+ES256 pem:{public_pem('RSA')}",
        f"RS256+HS256 pem:{public_pem('RSA')}",
        "none text:",
        "HS256",
        "HS256 elsewhere:x",
        "HS256 kid= text:x",
        "RS384 file:x",
        "HS256 jwks:https://a.example/",
        "RS256 jwks:file:///etc/passwd",
        "RS256 jwks:http://login.example/jwks.json",
        "RS256 jwks:https://",
        "RS256 kid=a jwks:https://a.example/",
        "",
    ):
        with pytest.raises(ValueError, match=r".") as info:
            KeySource.parse(text)
        assert "secret" not in text or "secret:" not in str(info.value)
        assert "x" * 31 not in str(info.value)


@given(st.text(max_size=40), st.sampled_from(["7", "*", "a:*", "a", "A", "ä"]))
def test_a_name_lets_hear_its_own_channel_alone(channel: str, subject: str) -> None:
    grant = verified(token(NOW, sub=subject)).grant
    assert grant.may_subscribe(channel) == (channel == f"user:{subject}")


@given(st.binary(max_size=200))
def test_anything_is_refused_or_taken_and_nothing_else(text: bytes) -> None:
    with contextlib.suppress(Unauthorized):
        verified(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
        max_leaves=12,
    ),
    st.sampled_from(["sub", "aud", "exp", "nbf", "iat", "jti", "channels", "until", "tenant"]),
)
def test_any_claim_is_refused_or_taken_and_nothing_else(value: object, claim: str) -> None:
    with contextlib.suppress(Unauthorized):
        verified(signed({"alg": "HS256"}, {**claims(NOW), claim: value}))


_NO_TIMES: Any = {"verify_exp": False, "verify_iat": False}


@given(
    st.sampled_from(["HS256", "HS384"]),
    st.sampled_from([SECRET, SECRET[::-1]]),
    st.one_of(st.none(), st.integers(0, 200)),
)
def test_signatures_hold_where_they_hold_for_pyjwt(
    algorithm: str, secret: str, changed: int | None
) -> None:
    text = token(NOW, key=secret, algorithm=algorithm)
    if changed is not None:
        place = changed % len(text)
        text = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
    try:
        jwt.decode(text, SECRET, ["HS256"], audience="sse", options=_NO_TIMES)
        theirs = True
    except jwt.PyJWTError:
        theirs = False
    try:
        verified(text)
        ours = True
    except Unauthorized:
        ours = False
    assert ours == theirs


def test_who_has_stolen_our_secret_makes_no_publisher() -> None:
    channels = {"subscribe": ["*"], "publish": ["*"]}
    forged = compact(claims(channels=channels), derived(b"s" * 32, b"token"), OWN_KID)
    parts = take_apart(forged.encode())
    assert is_signed_by(parts, [Mint(b"s" * 32, "sse").key])
    grant = token_of(parts, Expected(audience="sse"), own=True).grant
    assert grant.may_subscribe("a")
    assert not grant.may_publish("a")
