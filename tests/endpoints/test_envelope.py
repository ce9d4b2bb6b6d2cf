import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_server.endpoints.envelope import compact_json, parse_json, priority_named, publication
from sse_server.engines.base import Publication
from sse_server.errors import InvalidChannel, InvalidEvent, InvalidRequest, RequestError
from sse_server.wire.event import Event, Priority

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = ["channel", "event", "data", "id", "retry", "priority", "key"]


def test_an_envelope_with_everything() -> None:
    envelope = {
        "channel": "a/b",
        "event": "tick",
        "data": "hello",
        "id": "order-7",
        "retry": 2500,
        "priority": "low",
        "key": "price",
    }
    event = Event(
        "hello", type="tick", id="order-7", retry_ms=2500, priority=Priority.LOW, key="price"
    )
    assert publication(envelope) == Publication("a/b", event)


def test_an_envelope_needs_only_data() -> None:
    assert publication({"data": "hello"}) == Publication("global", Event("hello"))


def test_null_is_as_good_as_nothing_except_as_data() -> None:
    envelope: dict[str, object] = dict.fromkeys(MEMBERS)
    assert publication(envelope) == Publication("global", Event(b"null"))


@pytest.mark.parametrize(
    ("data", "sent"),
    [
        ({"a": [1, 2.5, "é"]}, '{"a":[1,2.5,"é"]}'.encode()),
        ([], b"[]"),
        (7, b"7"),
        (False, b"false"),
    ],
)
def test_data_that_is_no_string_is_sent_as_compact_json(data: object, sent: bytes) -> None:
    assert publication({"data": data}).event.data == sent


@pytest.mark.parametrize("value", [None, [], "data", 7, [{"data": "x"}]])
def test_what_is_no_object_is_no_envelope(value: object) -> None:
    with pytest.raises(InvalidRequest, match="JSON object"):
        publication(value)


def test_an_unknown_member_is_refused_by_name() -> None:
    with pytest.raises(InvalidRequest, match=r"'evnet'; known are channel, data, event"):
        publication({"data": "x", "evnet": "tick"})


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("event", 5),
        ("event", ""),
        ("event", "gap"),
        ("event", "a\nb"),
        ("id", 7),
        ("retry", "5"),
        ("retry", True),
        ("retry", 1.0),
        ("retry", -1),
        ("priority", "high"),
        ("priority", []),
        ("priority", {}),
        ("key", {}),
    ],
)
def test_a_member_that_cannot_be_sent_is_refused(member: str, value: object) -> None:
    with pytest.raises(InvalidEvent):
        publication({"data": "x", member: value})


def test_data_cannot_be_left_out() -> None:
    with pytest.raises(InvalidEvent, match="data is missing"):
        publication({"event": "tick"})


def test_a_channel_is_checked() -> None:
    with pytest.raises(InvalidChannel):
        publication({"data": "x", "channel": "a b"})
    with pytest.raises(InvalidRequest, match="channel must be a string"):
        publication({"data": "x", "channel": ["a"]})


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"NaN", b"\xff", b"\xef\xbb\xbf1", b'"\\ud800"', b"1e999", b"[" * 100_000],
)
def test_what_is_not_json_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidRequest, match="the body is not JSON"):
        parse_json(text, "the body")


@pytest.mark.parametrize("levels", [255, 1000, 1024])
def test_data_nested_deeper_than_can_be_written_is_refused(levels: int) -> None:
    nested = parse_json(b"[" * levels + b"]" * levels, "the body")
    with pytest.raises(InvalidEvent, match="254 levels"):
        publication({"data": nested})


def test_data_nested_as_deep_as_can_be_written_is_sent() -> None:
    text = b"[" * 254 + b"]" * 254
    assert compact_json(parse_json(text, "the body")) == text


@given(st.dictionaries(st.sampled_from([*MEMBERS, "other"]), json_values))
def test_an_object_is_an_envelope_or_refused(envelope: dict[str, object]) -> None:
    try:
        checked = publication(parse_json(orjson.dumps(envelope), "the body"))
    except RequestError:
        return
    data = envelope["data"]
    assert "other" not in envelope
    assert checked.event.data == (data if isinstance(data, str) else orjson.dumps(data))


@given(st.binary(max_size=60) | st.text('[]{}":,data01e-. \\u', max_size=30).map(str.encode))
def test_any_bytes_are_an_envelope_or_refused(text: bytes) -> None:
    try:
        checked = publication(parse_json(text, "the body"))
    except RequestError:
        return
    assert isinstance(checked, Publication)


def test_a_priority_has_a_name() -> None:
    assert priority_named(None) is Priority.NORMAL
    assert priority_named("low") is Priority.LOW
    with pytest.raises(InvalidEvent, match="normal or low"):
        priority_named("")
