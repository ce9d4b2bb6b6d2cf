"""Values as they are written, checked against the type and the bounds of their key.

A list in a variable is written with commas, and nothing, where that is allowed, as `none`.
"""

from __future__ import annotations

import json
from enum import Enum
from functools import cache
from math import inf
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, cast, get_args, get_origin

from pydantic import TypeAdapter

if TYPE_CHECKING:
    from sse_server.config.keys import Key

NONE = "none"

_KINDS: dict[object, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    tuple: "a list of texts",
}


@cache
def _adapter(kind: object) -> TypeAdapter[Any]:
    return TypeAdapter(cast("type[Any]", kind))


def read_value(key: Key, value: object) -> object:
    """What a value of a TOML file stands for.

    Raises:
        ValueError: it is of another type, or out of bounds.
    """
    if value == NONE and _allows_none(key):
        return None
    try:
        # As JSON, which has TOML's lists and no tuples; what JSON has not fits no key.
        text = json.dumps(value)
    except TypeError as error:
        raise ValueError(str(error)) from error
    return _within_bounds(key, _adapter(key.facts.type).validate_json(text, strict=True))


def read_text(key: Key, text: str) -> object:
    """What the text of a variable stands for.

    Raises:
        ValueError: it is of another type, or out of bounds.
    """
    if text == NONE and _allows_none(key):
        return None
    if get_origin(key.facts.type) is tuple:
        return tuple(part.strip() for part in text.split(",")) if text.strip() else ()
    return _within_bounds(key, _adapter(key.facts.type).validate_strings(text))


def wanted(key: Key) -> str:
    """What may be written for `key`, to stand behind "write"."""
    kinds = [kind for kind in _alternatives(key.facts.type) if kind is not NoneType]
    assert len(kinds) == 1, key.name
    (kind,) = kinds
    choices = _choices(kind)
    if choices:
        text = ", ".join(choices[:-1]) + f" or {choices[-1]}"
    else:
        text = _KINDS[get_origin(kind) or kind]
    if key.facts.bounds is not None:
        text += f" {key.facts.bounds}"
    return f'{text}, or "{NONE}"' if _allows_none(key) else text


def as_toml(value: object) -> str:
    """A value as a TOML file has it."""
    match value:
        case None:
            return as_toml(NONE)
        case bool():
            return "true" if value else "false"
        case float():
            return "inf" if value == inf else repr(value)
        case int():
            return str(value)
        case str():  # enums of texts, too; what JSON does not escape and TOML does is DEL
            return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
        case tuple():
            return f"[{', '.join(map(as_toml, value))}]"
        case _:
            raise TypeError(type(value))


def _within_bounds(key: Key, value: object) -> object:
    bounds = key.facts.bounds
    if bounds is not None:
        assert isinstance(value, int | float), key.name
        if not bounds.allow(value):
            raise ValueError
    return value


def _alternatives(kind: object) -> tuple[object, ...]:
    return get_args(kind) if isinstance(kind, UnionType) else (kind,)


def _allows_none(key: Key) -> bool:
    return NoneType in _alternatives(key.facts.type)


def _choices(kind: object) -> list[str]:
    if get_origin(kind) is Literal:
        return [str(choice) for choice in get_args(kind)]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return [str(choice.value) for choice in kind]
    return []
