"""Patterns: how a grant names channels. An exact name, `prefix:*`, or `*`.

They stand in grants only. Who asks for a channel asks for one by its name, and a name cannot have a
`*` in it.
"""

from collections.abc import Iterable

from sse_server.errors import InvalidChannel, quoted
from sse_server.wire.channel_name import MAX_CHANNEL_CHARACTERS, check_channel, matches_all

MAX_PATTERNS = 100
"""In one list: a token is looked through at every request."""

_EVERYTHING = "*"
_END = ":*"


class InvalidPatterns(ValueError):  # noqa: N818 (named as the classes of sse_server.errors are)
    """A list that is none of patterns. The message may be shown."""


class Patterns:
    """Channels, named by a list of patterns."""

    __slots__ = ("_everything", "_exact", "_prefixes", "texts")

    def __init__(self, texts: Iterable[str] = ()) -> None:
        """`texts` are patterns.

        Raises:
            InvalidPatterns: one is none, or there are too many.
        """
        self.texts = tuple(dict.fromkeys(texts))
        if len(self.texts) > MAX_PATTERNS:
            raise InvalidPatterns(f"there are more than {MAX_PATTERNS} patterns in a list")
        self._everything = _EVERYTHING in self.texts
        self._prefixes = tuple(text[:-1] for text in self.texts if text.endswith(_END))
        others = {_EVERYTHING, *(prefix + _EVERYTHING for prefix in self._prefixes)}
        self._exact = frozenset(self.texts) - others
        for name in self._exact:
            _check(name)
        for prefix in self._prefixes:
            _check(prefix + "x")  # what a prefix begins has to be able to be a name

    def __bool__(self) -> bool:
        """Whether they name anything."""
        return bool(self.texts)

    def __eq__(self, other: object) -> bool:
        """Whether they were written alike."""
        return isinstance(other, Patterns) and other.texts == self.texts

    def __hash__(self) -> int:
        """As they are equal."""
        return hash(self.texts)

    def __repr__(self) -> str:
        """For whoever debugs."""
        return f"Patterns({list(self.texts)})"

    def match(self, channel: str) -> bool:
        """Whether they name `channel`, which is a checked name."""
        return self._everything or channel in self._exact or channel.startswith(self._prefixes)

    def cover(self, text: str) -> bool:
        """Whether they name every channel that `text`, a pattern, does."""
        return any(matches_all(pattern, text) for pattern in self.texts)


def pattern_list(value: object) -> Patterns:
    """What JSON calls patterns: a list of strings; None is none.

    Raises:
        InvalidPatterns: it is something else.
    """
    if value is None:
        return Patterns()
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise InvalidPatterns("patterns have to be a list of strings")
    if len(value) > MAX_PATTERNS:
        raise InvalidPatterns(f"there are more than {MAX_PATTERNS} patterns in a list")
    return Patterns(value)


def _check(name: str) -> None:
    try:
        check_channel(name[:MAX_CHANNEL_CHARACTERS])
    except InvalidChannel:
        pass
    else:
        if len(name) <= MAX_CHANNEL_CHARACTERS:
            return
    raise InvalidPatterns(
        f"{quoted(name)} is no pattern: write the name of a channel, prefix:* or *"
    )
