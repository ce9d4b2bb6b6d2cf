"""TLS: one context for all listeners, whose certificate can be changed while it serves."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Annotated

from sse_server.errors import ConfigurationError, quoted
from sse_server.options import RELOADABLE, Bounds, Options

NO_HANDSHAKES = {"full": 0, "resumed": 0, "failed": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsOptions(Options):
    """TLS, 1.2 or newer, on TCP listeners, where there is a certificate.

    Unix sockets stay in clear.
    """

    cert: str | None = None
    """A PEM file: the certificate, and those between it and the root. A reload reads the file
    again. None: in clear, for this machine, closed networks, and proxies that speak TLS
    themselves."""
    key: str | None = None
    """A PEM file: its private key, without a passphrase. None: it is in the certificate's file."""
    handshake_timeout_seconds: Annotated[float, Bounds(0.01, 3_600), RELOADABLE] = 10.0
    """From the connection's beginning. Sending slowly does not stretch it."""

    def __post_init__(self) -> None:
        """Refuse a key without a certificate.

        Raises:
            ConfigurationError: there is one.
        """
        Options.__post_init__(self)
        if self.key is not None and self.cert is None:
            raise ConfigurationError(
                setting="TlsOptions.key",
                problem=f"{quoted(self.key)} is a key without a certificate",
                mend="name the certificate as well, as tls.cert or --tls-cert",
            )


class Tls:
    """What connections are made with."""

    __slots__ = ("context", "counts", "options")

    def __init__(self, options: TlsOptions) -> None:
        """TLS 1.2 at least, HTTP/2 where the client speaks it.

        Raises:
            ConfigurationError: the certificate cannot be used.
        """
        self.context = _new_context()
        self.counts = {**NO_HANDSHAKES}
        """Handshakes, by how they ended."""
        self.reload(options)

    def reload(self, options: TlsOptions) -> None:
        """Read certificate and key, for connections made from now on.

        Raises:
            ConfigurationError: they cannot be used; those that were there before still are.
        """
        _load(_new_context(), options)  # half of a new pair would be worse than the old one
        _load(self.context, options)
        self.options = options


def _new_context() -> ssl.SSLContext:
    # Sessions are resumed by tickets, which is OpenSSL's default: nothing is kept here. Ciphers are
    # those that Python has chosen; all of them are good for HTTP/2 (RFC 9113 section 9.2.2).
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


def _load(context: ssl.SSLContext, options: TlsOptions) -> None:
    assert options.cert is not None
    try:
        context.load_cert_chain(options.cert, options.key, password=_no_password)
    except (OSError, ValueError) as error:  # SSLError is an OSError
        reason = getattr(error, "strerror", None) or error
        names = options.cert if options.key is None else f"{options.cert} with {options.key}"
        raise ConfigurationError(
            setting="TlsOptions.cert",
            problem=f"{quoted(names)} cannot be used ({reason})",
            mend="name a certificate and its private key, both PEM",
        ) from error


def _no_password() -> str:
    """Never ask at a terminal."""
    message = "the key has a passphrase"
    raise ValueError(message)
