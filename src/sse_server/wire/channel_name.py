"""What a channel may be called, and patterns that name several."""

import re

from sse_server.errors import InvalidChannel

MAX_CHANNEL_CHARACTERS = 200
"""All ASCII, so bytes too. Names are kept once per group and travel in addresses."""

# Clients and proxies remove dot segments before they get here (RFC 3986 section 5.2.4).
_SEGMENT = r"(?!\.{1,2}(?:/|\Z))[A-Za-z0-9_.:@=-]+"
_CHANNEL = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*")
_PATTERN = re.compile(r"(?=.)[A-Za-z0-9_.:@/=-]{0,200}\*?")
_UNFIT = re.compile(r"[^A-Za-z0-9_.:@/=-]")


def check_channel(name: str) -> str:
    """Return `name` if a channel can be called that.

    1 to 200 of `[A-Za-z0-9_.:@/=-]`; no empty, `.` or `..` segment, so no slash at either end.

    Raises:
        InvalidChannel: it cannot, and why.
    """
    if len(name) <= MAX_CHANNEL_CHARACTERS and _CHANNEL.fullmatch(name):
        return name
    raise InvalidChannel(name, _problem(name))


def is_pattern(text: str) -> bool:
    """Whether `text` is an exact name, `prefix*` or `*`."""
    return _PATTERN.fullmatch(text) is not None


def matches_all(pattern: str, other: str) -> bool:
    """Whether every channel that the pattern `other` names is named by `pattern`, too."""
    if pattern.endswith("*"):
        return other.removesuffix("*").startswith(pattern[:-1])
    return other == pattern


def _problem(name: str) -> str:
    """Say what is wrong with a name that was refused."""
    if not name:
        return "is empty"
    if len(name) > MAX_CHANNEL_CHARACTERS:
        return f"is longer than {MAX_CHANNEL_CHARACTERS} characters"
    unfit = _UNFIT.search(name)
    if unfit is not None:
        return f"has {unfit[0]!a} at character {unfit.start()}; use only A-Z a-z 0-9 _ . : @ / = -"
    if name.startswith("/") or name.endswith("/"):
        return "begins or ends with a slash: leave it out"
    if "//" in name:
        return "has an empty segment: write one slash where there are two"
    return "has a segment that is . or .., which clients and proxies resolve away"
