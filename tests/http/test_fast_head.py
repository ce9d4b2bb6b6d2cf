import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_server.errors import LimitExceeded, RemoteProtocolError
from sse_server.http import fast_head, request_head
from sse_server.http.fast_head import ParsedHead, parse_canonical
from sse_server.http.request import Request
from sse_server.http.request_head import HeadLimits, read_head
from tests.http.corpus import HEADS
from tests.http.exchange import OK, accepted, head, new_machine, read


def parse_with_h11(raw: bytes) -> tuple[bytes, bytes, bytes, list[tuple[bytes, bytes]]]:
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(raw)
    event = connection.next_event()
    assert isinstance(event, h11.Request)
    return event.method, event.target, event.http_version, list(event.headers)


def hold_against_h11(raw: bytes) -> bool:
    """Whether the head is canonical; if it is, h11 reads it the same, and so does all behind it."""
    parsed = parse_canonical(raw)
    if parsed is None:
        return False
    fields = list(parsed.headers)
    if b"host" not in parsed.fields:
        with pytest.raises(h11.RemoteProtocolError):
            parse_with_h11(raw)
        raw = raw.replace(b"\r\n", b"\r\nHost: a\r\n", 1)
        fields.insert(0, (b"host", b"a"))
    assert parse_with_h11(raw) == (parsed.method, parsed.target, parsed.version, fields)
    assert dict(parsed.headers) == parsed.fields
    return True


def judged(raw: bytes) -> object:
    try:
        return read_head(raw, HeadLimits())
    except (RemoteProtocolError, LimitExceeded) as error:
        return error.status


@pytest.mark.parametrize("name", HEADS)
def test_the_heads_of_real_clients_are_canonical_and_read_as_h11_reads_them(name: str) -> None:
    assert hold_against_h11(HEADS[name])
    parsed = parse_canonical(HEADS[name])
    assert parsed is not None
    length = int(parsed.fields.get(b"content-length", b"0"))
    assert accepted(HEADS[name] + b"x" * length).body == b"x" * length


def test_no_h11_connection_is_made_for_a_canonical_head(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(h11, "Connection")
    for raw in HEADS.values():
        read(new_machine(), [raw])
    with pytest.raises(AttributeError):
        read(new_machine(), [head(b"X:not canonical")])


@pytest.mark.parametrize("name", HEADS)
def test_a_field_is_read_once_and_the_same_again(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fast_head, "_known_fields", {})
    first = parse_canonical(HEADS[name])
    read_again = []

    def read_field(line: bytes) -> tuple[bytes, bytes]:
        read_again.append(line)
        return first_read(line)

    first_read = fast_head._read_field
    monkeypatch.setattr(fast_head, "_read_field", read_field)
    assert parse_canonical(HEADS[name]) == first
    assert all(line.lower().startswith((b"cookie", b"authorization")) for line in read_again)


def test_known_fields_are_within_bounds_and_none_says_who_a_client_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known: dict[bytes, tuple[bytes, bytes]] = {}
    monkeypatch.setattr(fast_head, "_known_fields", known)
    parse_canonical(head(b"Authorization: Bearer a", b"cookie: a=b", b"X: " + b"a" * 300))
    assert list(known) == [b"Host: a"]
    for number in range(3_000):
        assert parse_canonical(head(b"X: %d" % number)) is not None
        assert len(known) <= fast_head._MAX_KNOWN_FIELDS


@pytest.mark.parametrize("name", HEADS)
def test_every_mutation_of_one_byte_is_left_to_h11_or_read_as_it_reads_it(name: str) -> None:
    raw = HEADS[name]
    canonical = 0
    for at in range(len(raw) - 4):
        for byte in (b"", b"\r", b"\n", b" ", b"\t", b":", b"\x00", b"\xff", b"#", b"\r\n "):
            canonical += hold_against_h11(raw[:at] + byte + raw[at + 1 :])
    assert canonical


NOT_CANONICAL = [
    head(line=b"GET / HTTP/1.0"),
    head(line=b"GET * HTTP/1.1"),
    head(line=b"GET http://a/ HTTP/1.1"),
    head(line=b"GET /#a HTTP/1.1"),
    head(line=b"get / HTTP/1.1"),
    head(b"X:a"),
    head(b"X:  a"),
    head(b"X: a "),
    head(b"X: a\tb"),
    head(b"X: "),
    head(b"X:"),
    head(b"X: \xc3\xa4"),
    head(b"X : a"),
    head(b"X_Y: a"),
    head(b"X: a", b"x: b"),
    head(b"X: a", b" b"),
    head(b"Host: b"),
    head(b"Transfer-Encoding: chunked"),
    head(b"Content-Length: 2, 2"),
    head(b"Content-Length: +2"),
    head(b"Content-Length: 18446744073709551621"),
    b"GET / HTTP/1.1\r\nHost: a\r\nX: b\rY: c\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: b\nY: c\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\nHost: a\r\n\r\n",
]


@pytest.mark.parametrize("raw", NOT_CANONICAL)
def test_what_is_spelled_in_another_way_is_left_to_h11(raw: bytes) -> None:
    assert parse_canonical(raw) is None


NAMES = st.sampled_from(
    [
        *[b"Host", b"host", b"Accept", b"Cookie", b"X", b"x-y", b"X Y", b"", b"X\t", b"Connection"],
        *[b"Content-Length", b"content-length", b"Transfer-Encoding", b"Expect", b"X_Y", b"\xe4"],
    ]
)
VALUES = st.one_of(
    st.sampled_from(
        [
            *[b"a", b"", b"a b", b"1", b"19", b"0x1", b"+1", b"1, 1", b"chunked", b"100-continue"],
            *[b"keep-alive", b"close", b"a\tb", b"a ", b" a", b"[::1]:80", b"a\r\n b", b"a\x00b"],
        ]
    ),
    st.binary(max_size=6),
    st.text("ab:/ ,;=", max_size=10).map(str.encode),
)
COLONS = st.sampled_from([b": "] * 6 + [b":", b":  ", b" : ", b":\t", b""])
ENDS = st.sampled_from([b"\r\n"] * 12 + [b"\n", b"\r", b"\r\n\r\n"])
FIELDS = st.tuples(NAMES, COLONS, VALUES, ENDS).map(b"".join)
LINES = st.tuples(
    st.sampled_from([b"GET", b"POST", b"HEAD", b"OPTIONS", b"get", b"", b"G T"]),
    st.sampled_from([b" "] * 6 + [b"  ", b"\t", b""]),
    st.one_of(
        st.sampled_from([b"/", b"/a?b", b"*", b"http://b/x", b"a:1", b"/a#b", b"/\x80", b"/a b"]),
        st.text("/?ab%&=.~\"'#|", max_size=8).map(lambda text: b"/" + text.encode()),
    ),
    st.sampled_from([b" HTTP/1.1"] * 6 + [b" HTTP/1.0", b" HTTP/2.0", b" HTTP/1.2", b" x", b""]),
    ENDS,
).map(b"".join)


@st.composite
def any_heads(draw: st.DrawFn) -> bytes:
    raw = draw(LINES) + b"".join(draw(st.lists(FIELDS, max_size=5))) + b"\r\n"
    end = raw.find(b"\r\n\r\n")  # where the machine would cut it
    return raw[: end + 4] if end >= 0 else raw + b"\r\n"


@given(any_heads())
def test_whatever_is_taken_h11_takes_and_reads_the_same(raw: bytes) -> None:
    hold_against_h11(raw)


@given(any_heads())
def test_the_verdict_is_the_same_without_the_shortcut(raw: bytes) -> None:
    judged_fast = judged(raw)

    def never(_: bytes) -> ParsedHead | None:
        return None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(request_head, "parse_canonical", never)
        assert judged(raw) == judged_fast


@given(
    st.sampled_from(["GET", "POST", "DELETE"]),
    st.text("/?ab%&=.~\"'|", max_size=20),
    st.dictionaries(
        st.text("abcxyz019-", max_size=10).map("x".__add__),  # none that means something
        st.text([chr(code) for code in range(33, 127)], min_size=1, max_size=20),
        max_size=12,
    ),
)
def test_ordinary_heads_are_canonical(method: str, target: str, fields: dict[str, str]) -> None:
    lines = [f"{name.title()}: {value}".encode() for name, value in fields.items()]
    raw = head(*lines, line=f"{method} /{target} HTTP/1.1".encode())
    assert hold_against_h11(raw)
    assert isinstance(read(new_machine(), [raw]), Request)


def test_a_connection_option_is_heeded_on_the_shortcut_too() -> None:
    assert b"\r\nConnection: close\r\n" in HEADS["urllib"]
    machine = new_machine()
    assert isinstance(read(machine, [HEADS["urllib"]]), Request)
    machine.respond(OK)
    assert machine.must_close
