"""A certificate for the servers that speak TLS, which the driver does not ask about."""

import ssl
from pathlib import Path

import trustme


def write_certificate(folder: Path) -> tuple[Path, Path]:
    """A new one for this machine (ECDSA, P-256), and its key."""
    issued = trustme.CA().issue_cert("127.0.0.1")
    cert, key = folder / "cert.pem", folder / "key.pem"
    for pem in issued.cert_chain_pems:
        pem.write_to_path(str(cert), append=True)
    issued.private_key_pem.write_to_path(str(key))
    return cert, key


def client_context(*protocols: str) -> ssl.SSLContext:
    """What a client speaks TLS with, and these protocols inside (ALPN)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(protocols)
    return context
