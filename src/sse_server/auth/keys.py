"""Keys that tokens are verified with, each bound to algorithms that its kind can have.

A token says by which algorithm and with which key it was signed. That is a hint where to look and
no more: a key is tried only by an algorithm from its own list, and it was checked to be of that
algorithm's kind when it was read (CVE-2022-29217 and its kin).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import orjson

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from jwt.algorithms import Algorithm

ALGORITHMS = ("HS256", "HS384", "HS512", "RS256", "PS256", "ES256", "EdDSA")
"""All that there is; a key names those of them that it is for."""

# RFC 7518 section 3.2: a key as long as the hash. Section 3.3: 2,048 bits.
_SECRET_BYTES = {"HS256": 32, "HS384": 48, "HS512": 64}
_RSA_BITS = 2_048
_RSA = frozenset(("RS256", "PS256"))
_MAX_KEYS_OF_A_SET = 100
_PRIVATE_MEMBERS = frozenset(("d", "p", "q", "dp", "dq", "qi", "oth", "k"))


class InvalidKey(ValueError):  # noqa: N818 (named as the classes of sse_server.errors are)
    """What cannot be a key. The message may be shown: nothing of the key is in it."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key, prepared."""

    algorithms: frozenset[str]
    material: Any = field(repr=False)
    """As PyJWT's algorithms have it."""
    kid: str | None = None

    def verify(self, algorithm: str, signed: bytes, signature: bytes) -> bool:
        """Whether `signature` is this key's by `algorithm`, which has to be one of its own."""
        if algorithm not in self.algorithms:
            return False
        # The types of PyJWT's algorithms are as many as its keys.
        return bool(algorithms()[algorithm].verify(signed, self.material, signature))


_known: dict[str, Algorithm] = {}


def algorithms() -> dict[str, Algorithm]:
    """PyJWT's own, of ours those that can be had.

    Raises:
        InvalidKey: PyJWT is not installed.
    """
    if not _known:
        try:
            from jwt.algorithms import get_default_algorithms  # noqa: PLC0415 (it need not be there)
        except ImportError:
            raise InvalidKey(MISSING) from None
        known = get_default_algorithms()
        _known.update((name, known[name]) for name in ALGORITHMS if name in known)
    return _known


MISSING = "the package PyJWT is missing, install it with: pip install 'sse-server[jwt]'"


def check_algorithms(names: Collection[str]) -> frozenset[str]:
    """The algorithms that are called so.

    Raises:
        InvalidKey: one is not known, or they are for keys of different kinds.
    """
    for name in names:
        if name not in ALGORITHMS:
            raise InvalidKey(f"the algorithms are {', '.join(ALGORITHMS)}")
        if name not in algorithms():
            raise InvalidKey(MISSING.replace("PyJWT", "cryptography"))
    return frozenset(names)


def secret_key(names: Collection[str], secret: bytes, kid: str | None = None) -> Key:
    """A key for HS256 and its like.

    Raises:
        InvalidKey: it is too short, or looks like another kind of key.
    """
    own = check_algorithms(names)
    least = max(_SECRET_BYTES.get(name, 0) for name in own)
    if not own <= set(_SECRET_BYTES):
        raise InvalidKey("a secret is for HS256, HS384 and HS512 alone")
    if len(secret) < least:
        raise InvalidKey(
            f"the secret has to have {least} bytes at least: make one with openssl rand -hex 32"
        )
    return Key(own, _prepared(next(iter(own)), secret), kid)


def public_key(names: Collection[str], pem: bytes, kid: str | None = None) -> Key:
    """A public key as PEM.

    Raises:
        InvalidKey: it is none, or not for these algorithms.
    """
    own = check_algorithms(names)
    if own & set(_SECRET_BYTES):
        raise InvalidKey("a public key cannot be a secret: HS256 and its like want one")
    if b"PRIVATE KEY" in pem:
        raise InvalidKey("this is a private key: a server that verifies has the public one")
    if not own <= _RSA and len(own) > 1:
        raise InvalidKey("only RS256 and PS256 can have one key together")
    material = _prepared(next(iter(own)), pem)
    _check_kind(own, material)
    return Key(own, material, kid)


def key_set(names: Collection[str], document: bytes) -> tuple[Key, ...]:
    """The keys of a JWK set (RFC 7517) that can be used with the algorithms `names`.

    Keys of other kinds, and those that are not for signatures, are left out; a secret that is
    published is none.

    Raises:
        InvalidKey: it is no set, or has no key that can be used.
    """
    try:
        value: object = orjson.loads(document)
    except orjson.JSONDecodeError:
        raise InvalidKey("the key set is not JSON") from None
    members = value.get("keys") if isinstance(value, dict) else None
    if not isinstance(members, list):
        raise InvalidKey("the key set has no list of keys")
    if len(members) > _MAX_KEYS_OF_A_SET:
        raise InvalidKey(f"the key set has more than {_MAX_KEYS_OF_A_SET} keys")
    found: list[Key] = []
    for member in members:
        key = _key_of_set(check_algorithms(names), member)
        if key is not None:
            found.append(key)
    if not found:
        raise InvalidKey("the key set has no key for the algorithms that are allowed")
    return tuple(found)


def _key_of_set(names: frozenset[str], member: object) -> Key | None:
    """One member of a set; None: not for us."""
    if not isinstance(member, dict):
        return None
    member = cast("dict[str, object]", member)
    operations = member.get("key_ops", ["verify"])
    if member.get("use", "sig") != "sig" or not isinstance(operations, list):
        return None
    kind, curve = member.get("kty"), member.get("crv")
    if not (isinstance(kind, str) and isinstance(curve, str | None)):
        return None
    own = names & _ALGORITHMS_OF_KIND.get((kind, curve), frozenset())
    if "alg" in member:
        own &= {member["alg"]} if isinstance(member["alg"], str) else set()
    kid = member.get("kid")
    if not own or "verify" not in operations or not (kid is None or isinstance(kid, str)):
        return None
    # A set that shows private keys is a mishap of somebody else's: the public part will do.
    public = {name: part for name, part in member.items() if name not in _PRIVATE_MEMBERS}
    try:
        material = cast("Any", algorithms()[next(iter(own))]).from_jwk(public)
        _check_kind(own, material)
    except Exception:  # noqa: BLE001 (whatever it is that makes it no key, in PyJWT or below)
        return None
    return Key(own, material, kid)


_ALGORITHMS_OF_KIND: dict[tuple[str, str | None], frozenset[str]] = {
    ("RSA", None): _RSA,
    ("EC", "P-256"): frozenset(("ES256",)),
    ("OKP", "Ed25519"): frozenset(("EdDSA",)),
}


def _prepared(algorithm: str, text: bytes) -> Any:  # noqa: ANN401 (PyJWT's types are as many as its keys)
    try:
        return cast("Any", algorithms()[algorithm]).prepare_key(text)
    except Exception:  # noqa: BLE001 (PyJWT and cryptography raise many kinds; some show the key)
        raise InvalidKey(f"this is no key for {algorithm}") from None


def _check_kind(names: frozenset[str], material: object) -> None:
    """What PyJWT leaves open: how long an RSA key is, which curve, and that it is public.

    Raises:
        InvalidKey: it is not fit.
    """
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa  # noqa: PLC0415 (as above)

    match material:
        case rsa.RSAPublicKey():
            if not names <= _RSA:
                raise InvalidKey("an RSA key is for RS256 and PS256 alone")
            if material.key_size < _RSA_BITS:
                raise InvalidKey(f"an RSA key has to have {_RSA_BITS} bits at least")
        case ec.EllipticCurvePublicKey():
            if names != {"ES256"} or not isinstance(material.curve, ec.SECP256R1):
                raise InvalidKey("an EC key has to be of the curve P-256, and is for ES256 alone")
        case ed25519.Ed25519PublicKey():
            if names != {"EdDSA"}:
                raise InvalidKey("an Ed25519 key is for EdDSA alone")
        case _:
            raise InvalidKey("this is no public key of RSA, P-256 or Ed25519")


def candidates(keys: Sequence[Key], algorithm: str, kid: str | None) -> list[Key]:
    """The keys that a token with this head may have been signed with.

    One with a `kid` may have been by the key that is called so, and by those without a name.
    """
    return [
        key
        for key in keys
        if algorithm in key.algorithms and (kid is None or key.kid is None or key.kid == kid)
    ]
