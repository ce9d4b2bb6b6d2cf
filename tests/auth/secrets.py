"""What no output may ever hold: tokens, keys, cookies."""

import re

from tests.auth.makers import SECRET

_SECRETS = re.compile(
    "|".join(
        (
            r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+",  # a token: {"
            r"\bsse_[a-z0-9-]+_[A-Za-z0-9_-]{43}",  # an API key
            r"sse-lease-[0-9a-f]+-[A-Za-z0-9_-]{4}=",  # a lease's cookie
            r"\bsid=\w+",  # a session of the application in these tests
            r"-----BEGIN",
            re.escape(SECRET[:40]),
            re.escape(SECRET[::-1][:40]),
        )
    )
)


def secret_in(text: str) -> str | None:
    """The first of them that is in `text`, cut short."""
    match = _SECRETS.search(text)
    return None if match is None else f"{match[0][:12]}… at character {match.start()}"
