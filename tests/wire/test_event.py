import contextlib
import dataclasses
from typing import Any

import pytest
from hypothesis import given

from sse_server.errors import InvalidEvent, LimitExceeded
from sse_server.wire.event import MAX_DATA_BYTES, RESERVED_TYPES, Event, Priority
from tests.wire.strategies import CONTROLS, HOSTILE, NAMES, TEXT


def test_an_event_keeps_what_it_was_made_of() -> None:
    event = Event("d", type="t", id="i", retry_ms=5, priority=Priority.LOW, key="k")
    assert dataclasses.astuple(event) == ("d", "t", "i", 5, Priority.LOW, "k")
    assert Event() == Event("")


def test_an_event_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Event("x").data = "y"  # type: ignore[misc]  # the point of the test


@given(TEXT)
def test_any_text_is_data(text: str) -> None:
    assert Event(text).data == text
    assert Event(text.encode()).data == text.encode()


@given(NAMES)
def test_any_line_of_plain_text_is_an_id_and_a_key(name: str) -> None:
    event = Event(id=name, key=name)
    assert (event.id, event.key) == (name, name)


@given(HOSTILE)
def test_whatever_is_asked_for_is_an_event_or_refused(text: str) -> None:
    for field in ("data", "type", "id", "key"):
        made: dict[str, Any] = {field: text}
        with contextlib.suppress(InvalidEvent):
            assert getattr(Event(**made), field) == text


@pytest.mark.parametrize("field", ["type", "id", "key"])
@pytest.mark.parametrize("control", [*CONTROLS, chr(0xD800), chr(0xDFFF)])
def test_control_characters_and_surrogates_are_refused_in_names(field: str, control: str) -> None:
    for name in (control, f"a{control}b", f"é{control}"):
        made: dict[str, Any] = {field: name}
        with pytest.raises(InvalidEvent, match=f"the event's {field} must not have control"):
            Event(**made)


@pytest.mark.parametrize("field", ["type", "id", "key"])
def test_names_are_bounded_in_bytes(field: str) -> None:
    for name in ("x" * 200, "é" * 100, "😀" * 50):
        made: dict[str, Any] = {field: name}
        assert getattr(Event(**made), field) == name
        made = {field: name + "y"}
        with pytest.raises(InvalidEvent, match="at most 200 bytes"):
            Event(**made)


@pytest.mark.parametrize("field", ["type", "id", "key"])
def test_an_empty_name_is_refused_and_not_guessed_at(field: str) -> None:
    made: dict[str, Any] = {field: ""}
    with pytest.raises(InvalidEvent, match="leave it out"):
        Event(**made)


@pytest.mark.parametrize("name", RESERVED_TYPES)
def test_reserved_types_are_refused_with_the_reason(name: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        Event(type=name)
    assert caught.value.field == "type"
    assert RESERVED_TYPES[name] in str(caught.value)
    assert name in str(caught.value)


@pytest.mark.parametrize("name", ["message", "gaps", "Gap", "opened", "error:x", "a b", "größe"])
def test_types_that_only_look_reserved_are_taken(name: str) -> None:
    assert Event(type=name).type == name


@pytest.mark.parametrize(
    "data", [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"ok \xf0\x9f\x98", "\ud800", "a\udfffb"]
)
def test_data_that_is_not_text_is_refused(data: str | bytes) -> None:
    with pytest.raises(InvalidEvent) as caught:
        Event(data)
    assert caught.value.field == "data"


def test_binary_data_is_told_the_way_out() -> None:
    with pytest.raises(InvalidEvent, match="not UTF-8 at byte 2: send binary data as base64"):
        Event(b"ab\xff")


@pytest.mark.parametrize("data", ["a\0b", b"\0", "\ufeff", "\u2028", "\x85", "\r\n"])
def test_data_may_hold_what_names_may_not(data: str | bytes) -> None:
    assert Event(data).data == data


@pytest.mark.parametrize("retry_ms", [0, 1, 86_400_000])
def test_a_retry_up_to_a_day_is_taken(retry_ms: int) -> None:
    assert Event(retry_ms=retry_ms).retry_ms == retry_ms


@pytest.mark.parametrize("retry_ms", [-1, 86_400_001, 10**100, True, False, 1.0, "5"])
def test_another_retry_is_refused(retry_ms: object) -> None:
    made: dict[str, Any] = {"retry_ms": retry_ms}
    with pytest.raises(InvalidEvent, match="the event's retry must be"):
        Event(**made)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("data", None),
        ("data", 5),
        ("data", bytearray(b"x")),
        ("data", ["x"]),
        ("type", b"x"),
        ("type", 5),
        ("type", ["gap"]),
        ("id", 5),
        ("key", b"x"),
        ("priority", "low"),
        ("priority", None),
    ],
)
def test_a_value_of_another_type_is_refused(field: str, value: object) -> None:
    made: dict[str, Any] = {field: value}
    with pytest.raises(InvalidEvent) as caught:
        Event(**made)
    assert caught.value.field == field


class Text(str):
    __slots__ = ()


def test_subclasses_of_str_are_text() -> None:
    assert Event(Text("x"), type=Text("t"), id=Text("i")).type == "t"
    with pytest.raises(InvalidEvent):
        Event(type=Text("gap"))


@pytest.mark.parametrize("data", ["x" * (MAX_DATA_BYTES + 1), b"\xc3\xa4" * MAX_DATA_BYTES])
def test_data_has_a_limit(data: str | bytes) -> None:
    with pytest.raises(LimitExceeded) as refused:
        Event(data)
    assert refused.value.status == 413
