"""Addresses that the server asks others at: for keys, and about sessions."""

import re
from urllib.parse import urlsplit

_HOST = re.compile(r"[A-Za-z0-9._:-]+")


def asked_host(address: str) -> tuple[str, str] | None:
    """Scheme and host of `address`; None: nobody can be asked there."""
    try:
        parts = urlsplit(address)
        scheme, host, port = parts.scheme, parts.hostname or "", parts.port
    except ValueError:  # brackets without an address in them, a port beyond 65,535
        return None
    if scheme not in {"http", "https"} or not _HOST.fullmatch(host) or port == 0:
        return None
    return scheme, host
