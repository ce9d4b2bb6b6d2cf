"""Options: who may listen and who may publish."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from sse_server.auth.api_keys import ApiKeys
from sse_server.auth.asked_address import asked_host
from sse_server.auth.key_source import KeySource
from sse_server.auth.keys import InvalidKey, check_algorithms
from sse_server.errors import ConfigurationError, quoted
from sse_server.options import RELOADABLE, Bounds, Options, Secret, SecretInUrl


class Resume(StrEnum):
    """How a client comes back with a query token whose time is over."""

    COOKIE = "cookie"
    """By the cookie that was set when its stream was opened."""
    LEASE = "lease"
    """By that, or by its Last-Event-ID and the same Origin and User-Agent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardOptions(Options):
    """Sessions that an application knows.

    It is asked with the cookie and the authorization of the request, and answers 2xx with a grant
    as JSON, 401 or 403.
    """

    url: Annotated[str | None, SecretInUrl(), RELOADABLE] = field(default=None, repr=False)
    """Where to ask, by GET. None: nobody is asked."""
    timeout_seconds: Annotated[float, Bounds(0.05, 60), RELOADABLE] = 2.0
    """How long an answer may take, all in all. After that the client gets 503."""
    cache_seconds: Annotated[float, Bounds(0, 3_600), RELOADABLE] = 5.0
    """For how long a grant is believed without asking again."""
    max_cached: Annotated[int, Bounds(0, 10_000_000), RELOADABLE] = 10_000
    """Grants that are remembered; the oldest is forgotten."""

    def __post_init__(self) -> None:
        """Refuse an address that is none.

        Raises:
            ConfigurationError: it is none.
        """
        Options.__post_init__(self)
        if self.url is None:
            return
        if asked_host(self.url) is None:
            raise ConfigurationError(
                setting="ForwardOptions.url",
                problem="this is no address that can be asked",
                mend="write for example http://127.0.0.1:3000/sse-auth",
            )
        if "@" in self.url.partition("://")[2].partition("/")[0]:
            raise ConfigurationError(
                setting="ForwardOptions.url",
                problem="the address has a user, who would be asked about in place of who asks",
                mend="leave it out: Authorization is sent as the request has it",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthOptions(Options):
    """Who may listen and who may publish.

    With any of `keys`, `api_keys` and `forward.url` everyone has to say who they are;
    docs/security.md shows how.
    """

    keys: Annotated[tuple[str, ...], Secret(), RELOADABLE] = field(default=(), repr=False)
    """Keys that tokens (JWT) are verified with, each `ALGORITHMS [kid=NAME] SOURCE:VALUE`, for
    example `HS256 file:/etc/sse-server/token.key`. Algorithms: HS256, HS384, HS512, RS256, PS256,
    ES256, EdDSA, several with a + between them. Sources: `file:`, which is read again when it
    changes, `text:`, `base64:`, `pem:` and `jwks:`, the address of a key set."""
    audience: Annotated[str, RELOADABLE] = "sse"
    """What has to stand in a token's `aud`."""
    issuer: Annotated[str | None, RELOADABLE] = None
    """What has to stand in its `iss`. None: it does not matter."""
    leeway_seconds: Annotated[float, Bounds(0, 300), RELOADABLE] = 5.0
    """How far clocks may be apart."""
    cookie: Annotated[str | None, RELOADABLE] = None
    """Name of a cookie that may hold a token. None: none may."""
    query_seconds: Annotated[float, Bounds(1, 86_400), RELOADABLE] = 120.0
    """A token in the query may live so long, from `iat` to `exp`: addresses are logged."""
    query_needs_id: Annotated[bool, RELOADABLE] = False
    """A token in the query has to have a `jti`, which makes it good for one stream."""
    grant_seconds: Annotated[float, Bounds(1, 2_592_000), RELOADABLE] = 900.0
    """How long after its `iat` the streams that such a token has opened end, reconnects included.
    A grant of forward authentication that has no end of its own lasts so long, too."""
    resume: Annotated[Resume, RELOADABLE] = Resume.COOKIE
    """How a client comes back with a token whose time is over: by the cookie that was set, or,
    with `lease`, also by its Last-Event-ID and the same Origin and User-Agent."""
    resume_window_seconds: Annotated[float, Bounds(1, 86_400), RELOADABLE] = 300.0
    """How long after its stream was cut it may."""
    max_leases: Annotated[int, Bounds(1, 100_000_000), RELOADABLE] = 100_000
    """Streams of query tokens that can be come back to. Beyond these, those that were left longest
    ago cannot. About 1 KB each."""
    max_used: Annotated[int, Bounds(1, 100_000_000)] = 400_000
    """Of tokens that come in addresses it is remembered until they expire that they have, and that
    they were used: two entries of 200 bytes each. Beyond so many, others are refused for the
    moment."""
    max_revoked: Annotated[int, Bounds(1, 10_000_000)] = 100_000
    """Tokens, and users, that can be revoked at one time; beyond these it is refused."""
    revoked_seconds: Annotated[float, Bounds(60, 315_360_000)] = 604_800.0
    """How long that is remembered. As long as the longest token lives: a week."""
    token_seconds: Annotated[float, Bounds(1, 86_400), RELOADABLE] = 60.0
    """How long a token of `POST /token` can be used to open a stream; not longer than
    `query_seconds`."""
    state_file: str | None = None
    """Where the server keeps the secret that it signs its own tokens and cookies with, and what was
    revoked; it is made if it is not there. None: both are gone with the process, and who is to come
    back after a restart needs a new token."""
    api_keys: Annotated[tuple[str, ...], Secret(), RELOADABLE] = field(default=(), repr=False)
    """Keys of programs that publish or operate, as `sse-server key new` prints them:
    `NAME sha256:HASH publish=news:*|alerts subscribe=* operate`."""
    forward: ForwardOptions = field(default_factory=ForwardOptions)

    @property
    def is_configured(self) -> bool:
        """Whether everyone has to say who they are."""
        return bool(self.keys or self.api_keys or self.forward.url)

    def __post_init__(self) -> None:
        """Refuse what cannot be verified with.

        Raises:
            ConfigurationError: a key is none, or a package is missing.
        """
        Options.__post_init__(self)
        setting = "AuthOptions.keys"
        try:
            for text in self.keys:
                KeySource.parse(text)
            setting = "AuthOptions.forward"
            if self.forward.url:
                check_algorithms(["HS256"])
            setting = "AuthOptions.api_keys"
            ApiKeys(self.api_keys)
        except InvalidKey as error:
            problem, _, mend = str(error).partition(": ")
            raise ConfigurationError(
                setting=setting, problem=problem, mend=mend or "docs/security.md shows how"
            ) from None
        if self.cookie is not None and not _is_token(self.cookie):
            raise ConfigurationError(
                setting="AuthOptions.cookie",
                problem=f"{quoted(self.cookie)} is no name of a cookie",
                mend="write the name alone, for example session",
            )


def _is_token(name: str) -> bool:
    """Whether a cookie can be called that (RFC 9110 section 5.6.2)."""
    return (
        bool(name) and name.isascii() and all(c.isalnum() or c in "!#$%&'*+-.^_`|~" for c in name)
    )
