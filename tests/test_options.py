from dataclasses import dataclass, field
from math import inf, nan
from typing import Annotated

import pytest

from sse_server import ConfigurationError, ServerOptions
from sse_server.options import (
    RELOADABLE,
    Bounds,
    Options,
    Secret,
    SecretInUrl,
    changes,
    field_facts,
    take_over,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Room(Options):
    seats: Annotated[int | None, Bounds(1, 9), RELOADABLE] = 4
    name: str = "hall"


@dataclass(frozen=True, slots=True, kw_only=True)
class House(Options):
    room: Room = field(default_factory=Room)
    height: Annotated[float, Bounds(0.5)] = 3.0
    key: Annotated[str, Secret(), RELOADABLE] = "under the mat"


@pytest.mark.parametrize("seats", [1, 9, None])
def test_what_is_in_bounds_passes(seats: int | None) -> None:
    assert Room(seats=seats).seats == seats


@pytest.mark.parametrize("seats", [0, 10, -1])
def test_what_is_out_of_bounds_is_refused_by_name(seats: int) -> None:
    with pytest.raises(ConfigurationError, match=rf"^Room\.seats: {seats} is .* from 1 to 9$"):
        Room(seats=seats)


def test_infinity_passes_where_there_is_no_upper_bound_and_what_is_no_number_nowhere() -> None:
    assert House(height=inf).height == inf
    with pytest.raises(ConfigurationError, match=r"at least 0\.5, or inf"):
        House(height=nan)


def test_changes_are_found_by_path() -> None:
    assert changes(House(), House()) == []
    other = House(room=Room(seats=2), key="lost")
    assert changes(House(), other) == [("room", "seats"), ("key",)]


def test_only_what_is_reloadable_is_taken_over_and_the_rest_is_named() -> None:
    new = House(room=Room(seats=2, name="attic"), height=1.0, key="lost")
    merged, left = take_over(House(), new)
    assert merged == House(room=Room(seats=2), key="lost")
    assert left == [("room", "name"), ("height",)]


def test_secrets_are_masked() -> None:
    assert Secret().mask("under the mat") == "***"
    mask = SecretInUrl().mask
    assert mask("redis://user:p@s/s?\n#@host:1/0") == "redis://***@host:1/0"
    assert mask("https://app.example/session?key=k\n?") == "https://app.example/session?***"
    assert mask("memory:") == "memory:"


def _classes(options: type[Options]) -> list[type[Options]]:
    found = [options]
    for facts in field_facts(options).values():
        if isinstance(facts.type, type) and issubclass(facts.type, Options):
            found += _classes(facts.type)
    return found


@pytest.mark.parametrize("options", _classes(ServerOptions))
def test_every_number_has_bounds(options: type[Options]) -> None:
    numbers = (int, float, int | None, float | None)
    for name, facts in field_facts(options).items():
        assert (facts.bounds is not None) == (facts.type in numbers), name
