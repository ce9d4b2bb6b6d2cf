"""What frozen options say of their fields beside type, default and docstring.

    @dataclass(frozen=True, slots=True, kw_only=True)
    class CrowdOptions(Options):
        max_people: Annotated[int, Bounds(1, 1_000), RELOADABLE] = 100

A class of options lives beside the code that it steers, and cannot be made with a value that its
code would choke on, whoever makes it: the configuration of the service or a program of somebody's.
"""

from dataclasses import dataclass, fields, replace
from math import inf
from re import sub
from typing import Annotated, TypeVar, get_args, get_origin, get_type_hints

from sse_server.errors import ConfigurationError

T = TypeVar("T", bound="Options")


class Bounds:
    """What a number may be, both ends included. None, where the type allows it, is not bounded."""

    __slots__ = ("least", "most")

    def __init__(self, least: float, most: float = inf) -> None:
        """`most` infinite: so may the number be."""
        self.least = least
        self.most = most

    def __str__(self) -> str:
        """As it stands in a sentence behind "a number"."""
        if self.most == inf:
            return f"of at least {self.least}, or inf"
        return f"from {self.least} to {self.most}"

    def allow(self, value: float) -> bool:
        """Whether `value` lies between them. What is no number (NaN) does not."""
        return self.least <= value <= self.most


class Reloadable:
    """Marks what a running server can take over."""


RELOADABLE = Reloadable()


class Secret:
    """Marks what is not to be shown."""

    def mask(self, value: object) -> str:  # noqa: ARG002 (nothing of it is shown)
        """What may be shown of `value`."""
        return "***"


class SecretInUrl(Secret):
    """Marks a URL, in which a password or a key is not to be shown."""

    def mask(self, value: object) -> str:
        """All but what stands between `://` and the last `@`, and the query.

        A password may have any character.
        """
        without_user = sub(r"(?s)(?<=://).*@", "***@", str(value))
        return sub(r"(?s)\?.*", "?***", without_user)


@dataclass(frozen=True, slots=True)
class FieldFacts:
    """What is known of one field of a class of options."""

    type: object
    """Without the marks."""
    bounds: Bounds | None = None
    secret: Secret | None = None
    reloadable: bool = False


_known: dict[type["Options"], dict[str, FieldFacts]] = {}


def field_facts(options: type["Options"]) -> dict[str, FieldFacts]:
    """The fields of a class of options, in order."""
    known = _known.get(options)
    if known is None:
        hints = get_type_hints(options, include_extras=True)
        known = {field.name: _facts(hints[field.name]) for field in fields(options)}
        _known[options] = known
    return known


def _facts(hint: object) -> FieldFacts:
    if get_origin(hint) is not Annotated:
        return FieldFacts(hint)
    plain, *marks = get_args(hint)
    return FieldFacts(
        plain,
        next((mark for mark in marks if isinstance(mark, Bounds)), None),
        next((mark for mark in marks if isinstance(mark, Secret)), None),
        RELOADABLE in marks,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What every class of options derives from: it refuses numbers that are out of bounds.

    A class that checks more than that calls `Options.__post_init__(self)` first.
    """

    def __post_init__(self) -> None:
        """Check the fields.

        Raises:
            ConfigurationError: one is out of bounds. It names it as `CrowdOptions.max_people`.
        """
        for name, facts in field_facts(type(self)).items():
            value, bounds = getattr(self, name), facts.bounds
            if bounds is not None and value is not None and not bounds.allow(value):
                raise ConfigurationError(
                    setting=f"{type(self).__name__}.{name}",
                    problem=f"{value} is out of bounds",
                    mend=f"write a number {bounds}",
                )


Path = tuple[str, ...]
"""Where a setting stands: the names of fields, from the outermost options on."""


def changes(old: Options, new: Options) -> list[Path]:
    """The fields that differ between two of a class, in order."""
    found: list[Path] = []
    for name in field_facts(type(old)):
        before, after = getattr(old, name), getattr(new, name)
        if isinstance(before, Options) and isinstance(after, Options):
            found += [(name, *path) for path in changes(before, after)]
        elif before != after:
            found.append((name,))
    return found


def take_over(old: T, new: T) -> tuple[T, list[Path]]:
    """`old` with what is reloadable of `new`, and the other fields that differ.

    Raises:
        ConfigurationError: the two do not go together.
    """
    taken: dict[str, object] = {}
    left: list[Path] = []
    for name, facts in field_facts(type(old)).items():
        before, after = getattr(old, name), getattr(new, name)
        if isinstance(before, Options) and isinstance(after, Options):
            taken[name], inside = take_over(before, after)
            left += [(name, *path) for path in inside]
        elif before == after:
            continue
        elif facts.reloadable:
            taken[name] = after
        else:
            left.append((name,))
    return replace(old, **taken), left
