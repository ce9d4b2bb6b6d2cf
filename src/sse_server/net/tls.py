"""TLS: one context for all listeners, whose certificate can be changed while it serves."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from sse_server.errors import ConfigurationError

_SETTING = "--tls-cert"


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsOptions:
    """Where the certificate is. TCP listeners speak TLS then; Unix sockets stay in clear."""

    cert_file: str
    """PEM: the server's certificate, and those between it and the root."""
    key_file: str
    """PEM: its private key, without a passphrase."""
    handshake_timeout_seconds: float = 10.0
    """From the connection's beginning. Sending slowly does not stretch it."""


class Tls:
    """What connections are made with."""

    __slots__ = ("_options", "context")

    def __init__(self, options: TlsOptions) -> None:
        """TLS 1.2 at least, HTTP/2 where the client speaks it.

        Raises:
            ConfigurationError: the certificate cannot be used.
        """
        self._options = options
        self.context = _new_context()
        self.reload()

    @property
    def handshake_timeout_seconds(self) -> float:
        """How long a handshake may take."""
        return self._options.handshake_timeout_seconds

    def reload(self) -> None:
        """Read certificate and key again, for connections made from now on.

        Raises:
            ConfigurationError: they cannot be used; those that were there before still are.
        """
        _load(_new_context(), self._options)  # half of a new pair would be worse than the old one
        _load(self.context, self._options)


def _new_context() -> ssl.SSLContext:
    # Sessions are resumed by tickets, which is OpenSSL's default: nothing is kept here. Ciphers are
    # those that Python has chosen; all of them are good for HTTP/2 (RFC 9113 section 9.2.2).
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


def _load(context: ssl.SSLContext, options: TlsOptions) -> None:
    try:
        context.load_cert_chain(options.cert_file, options.key_file, password=_no_password)
    except (OSError, ValueError) as error:  # SSLError is an OSError
        reason = getattr(error, "strerror", None) or error
        raise ConfigurationError(
            setting=_SETTING,
            problem=f"{options.cert_file} with {options.key_file} cannot be used ({reason})",
            mend="name a certificate and its private key, both PEM",
        ) from error


def _no_password() -> str:
    """Never ask at a terminal."""
    message = "the key has a passphrase"
    raise ValueError(message)
