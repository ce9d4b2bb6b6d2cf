"""Keys and tokens, made as applications make them."""

import time
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

# What no log, metric, error or traceback may ever hold: `tests/auth/test_secrets.py` looks for it.
SECRET = "marker-of-a-secret-that-is-never-written-anywhere-0123456789abcdef-0123456789"
HS256 = f"HS256 text:{SECRET}"


def claims(now: float | None = None, seconds: float = 60, **more: object) -> dict[str, object]:
    """What stands in a token for us; None leaves a claim out."""
    now = time.time() if now is None else now
    found = {"aud": "sse", "iat": int(now), "exp": int(now + seconds), "sub": "7", **more}
    return {name: value for name, value in found.items() if value is not None}


def token(
    now: float | None = None,
    seconds: float = 60,
    *,
    subscribe: list[str] | None = None,
    publish: list[str] | None = None,
    key: Any = SECRET,  # noqa: ANN401 (PyJWT's types are as many as its keys)
    algorithm: str = "HS256",
    head: dict[str, Any] | None = None,
    **more: object,
) -> str:
    """A token that the secret, or another key, has signed."""
    channels = {"subscribe": subscribe or [], "publish": publish or []}
    payload = claims(now, seconds, **{"channels": channels, **more})
    return jwt.encode(payload, key, algorithm, headers=head)


@cache
def private_key(kind: str) -> Any:  # noqa: ANN401 (as above)
    """One of each kind; `RSA-1024` is too short."""
    match kind:
        case "RSA":
            return rsa.generate_private_key(65_537, 2_048)
        case "RSA-1024":
            return rsa.generate_private_key(65_537, 1_024)
        case "EC":
            return ec.generate_private_key(ec.SECP256R1())
        case "EC-384":
            return ec.generate_private_key(ec.SECP384R1())
        case _:
            return ed25519.Ed25519PrivateKey.generate()


KIND_OF = {"RS256": "RSA", "PS256": "RSA", "ES256": "EC", "EdDSA": "Ed25519"}


def public_pem(kind: str) -> str:
    """The public part of a `private_key`."""
    public = private_key(kind).public_key()
    pem: bytes = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return pem.decode()


def jwk(kind: str, **more: object) -> dict[str, object]:
    """The public part, as a member of a key set."""
    algorithm = next(name for name, own in KIND_OF.items() if own == kind)
    maker: Any = jwt.get_algorithm_by_name(algorithm)
    return {**maker.to_jwk(private_key(kind).public_key(), as_dict=True), **more}
