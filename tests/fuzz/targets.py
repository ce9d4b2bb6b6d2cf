"""What is fuzzed: functions of any bytes, which return when a promise is kept and raise when not.

Each is run by `tests/fuzz/fuzz.py` under atheris, which looks for new ways through the code, and by
`tests/fuzz/test_fuzz.py` over its seeds alone.
"""

from collections.abc import Callable
from typing import NamedTuple

import orjson

from sse_server.auth.grant import InvalidGrant
from sse_server.auth.keys import InvalidKey, key_set, secret_key
from sse_server.auth.session import session_grant
from sse_server.auth.tokens import Expected, Parts, is_signed_by, take_apart, token_of
from sse_server.endpoints.address import channel_in_path
from sse_server.endpoints.envelope import compact_json, parse_json, publication
from sse_server.endpoints.publish import PublishEndpoint
from sse_server.endpoints.router import Router
from sse_server.errors import LimitExceeded, RemoteProtocolError, RequestError, Unauthorized
from sse_server.http.fast_head import parse_canonical
from sse_server.http.request_head import HeadLimits, read_head
from sse_server.wire.channel_name import check_channel
from sse_server.wire.encoder import encode, frame
from sse_server.wire.parser import EventStreamParser, StreamEvent
from sse_server.wire.position import PositionFault, Positions
from tests.auth.makers import jwk
from tests.endpoints.fakes import JSON, NDJSON, Recorder, post, respond, value_of
from tests.http.corpus import HEADS
from tests.http.damage import BASES, TOKENS, cut_in_pieces, outcomes
from tests.http.exchange import byte_by_byte
from tests.http.test_chunked import read_by_h11, read_by_us
from tests.http.test_fast_head import hold_against_h11

_MEMBERS = ["channel", "event", "data", "id", "retry", "priority", "key", "unknown"]
_LONGEST = 2_000  # of what is fed byte by byte: the same bytes cost more and find no more


class Target(NamedTuple):
    """One of them."""

    check: Callable[[bytes], None]
    seeds: list[bytes]
    tokens: list[bytes]
    """What input of this kind is made of."""


def exchange(data: bytes) -> None:
    """A connection's whole input: requests or one refusal, the same however it arrives."""
    data = data[:_LONGEST]
    whole = outcomes([data] if data else [])
    assert outcomes(byte_by_byte(data)) == whole
    assert outcomes(cut_in_pieces(data, [len(data) // 3, data.find(b"\r\n") + 1])) == whole


def head(data: bytes) -> None:
    """A request's head: what is read without h11, h11 reads the same; all else is refused."""
    end = data.find(b"\r\n\r\n")
    raw = data[: end + 4] if end >= 0 else data + b"\r\n\r\n"
    hold_against_h11(raw)
    try:
        request, length, _, _ = read_head(raw, HeadLimits())
    except (RemoteProtocolError, LimitExceeded):
        return
    assert length is None or 0 <= length < 10**19
    assert request.path.startswith(b"/") or request.path == b"*"
    for name, value in request.headers:
        assert name == name.lower()
        assert not {*b"\r\n\0"}.intersection(name + value)
    if parse_canonical(raw) is None:
        assert len(raw) <= HeadLimits().max_head_bytes


def chunked(data: bytes) -> None:
    """A chunked body: what is taken h11 takes and reads the same, however it arrives."""
    data = data[:_LONGEST]
    body = read_by_us(data)
    assert read_by_us(data, byte_by_byte(data)) == body
    if body is not None:
        assert read_by_h11(data) == body


def envelope(data: bytes) -> None:
    """An envelope: refused, or an event that comes out of its frame as it was meant."""
    try:
        whole = parse_json(data, "the body")
    except RequestError:
        whole = None
    # Hardly any bytes are JSON: so each line is a member's name and its value, too.
    members = {
        _MEMBERS[line[0] % len(_MEMBERS)]: _value(line[1:]) for line in data.split(b"\n") if line
    }
    for value in (whole, members):
        try:
            channel, event = publication(value)
        except RequestError:
            continue
        assert check_channel(channel) == channel
        assert isinstance(value, dict)
        sent = value["data"]
        text = sent if isinstance(sent, str) else compact_json(sent).decode()
        parser = EventStreamParser()
        received = parser.feed(frame(b"a-1", encode(event)))
        expected = text.replace("\r\n", "\n").replace("\r", "\n")
        assert received == [StreamEvent(event.type or "message", expected, "a-1")]
        assert parser.retry_ms == event.retry_ms


def _value(text: bytes) -> object:
    try:
        return parse_json(text, "a value")
    except RequestError:
        return text.decode(errors="replace")


def batch(data: bytes) -> None:
    """A publisher's body, JSON or lines of it: all of it published, or none and why."""
    for kind in (JSON, NDJSON):
        engine, router = Recorder(), Router()
        PublishEndpoint(engine.publish).add_to(router)
        response = respond(router, post(b"/events", data, kind))
        assert response.status in {200, 400}
        assert response.status == 200 or not engine.calls
        value = value_of(response)
        assert ("error" in value) == (response.status == 400)


def position(data: bytes) -> None:
    """A position: an offset that is written as it was read, or a fault. Nothing else, ever."""
    positions = Positions(b"epoch123")
    parsed = positions.parse(data)
    if isinstance(parsed, PositionFault):
        assert parsed in {PositionFault.MALFORMED, PositionFault.FOREIGN_EPOCH}
    else:
        assert positions.encode(parsed) == data
        assert 0 <= parsed < 10**19


def address(data: bytes) -> None:
    """An address: a channel that can be one and values that were sent, or a refusal."""
    path, _, query = data.partition(b"?")
    try:
        channel = channel_in_path(b"/events/" + path, b"/events/")
        assert check_channel(channel) == channel
        request = post(b"/events?" + query)
        for name, value in request.parameters:
            assert len(name) + len(value) <= len(query)
    except RequestError:
        return


def event_stream(data: bytes) -> None:
    """An event stream: the same events however it arrives; too large is the peer's fault."""

    def read(pieces: list[bytes], most: int) -> tuple[list[StreamEvent], str, int | None] | str:
        parser = EventStreamParser(max_event_bytes=most)
        try:
            events = [event for piece in pieces for event in parser.feed(piece)]
        except RemoteProtocolError as error:
            return error.code
        return events, parser.last_event_id, parser.retry_ms

    data = data[:_LONGEST]
    for most in (10, 1_000_000):
        whole = read([data], most)
        assert read(byte_by_byte(data), most) == whole
        assert read(cut_in_pieces(data, [len(data) // 2]), most) == whole
    assert whole != "event-too-large"


def token(data: bytes) -> None:
    """A token: taken apart and held by nobody's signature, or refused."""
    try:
        parts = take_apart(data)
    except Unauthorized:
        return
    assert not is_signed_by(parts, _KEYS)


def claims(data: bytes) -> None:
    """What a token says: a grant of what it says, or a refusal."""
    try:
        found = token_of(Parts("HS256", None, b"", data, b""), Expected(audience="sse"))
    except Unauthorized:
        return
    grant = found.grant
    assert not grant.may_operate
    assert grant.subject is None or grant.may_subscribe(f"user:{grant.subject}")
    if b"*" not in data and b"another" not in data and b"\\" not in data:
        assert not grant.may_subscribe("user:another")
        assert not grant.may_publish("another")


def session(data: bytes) -> None:
    """What an application says of a session: a grant, or none."""
    try:
        grant = session_grant(data, 1_000.0, 900.0)
    except InvalidGrant:
        return
    assert not grant.may_operate
    assert grant.ends_at >= 0


def keys(data: bytes) -> None:
    """A set of keys that somebody publishes: public ones of the kinds that are wanted, or none."""
    try:
        found = key_set(("RS256", "ES256", "EdDSA"), data)
    except InvalidKey:
        return
    assert all(key.algorithms <= {"RS256", "ES256", "EdDSA"} for key in found)


_KEYS = [secret_key(("HS256",), b"k" * 32)]
_CLAIMS = [
    b'{"aud":"sse","exp":1800000000,"iat":1,"nbf":2,"sub":"7","jti":"a","tenant":"t","until":5}',
    b'{"aud":["a","sse"],"exp":1e9,"channels":{"subscribe":["a","b:c"],"publish":[]}}',
]
_CLAIM_TOKENS = [
    *[orjson.dumps(name) for name in ("aud", "exp", "iat", "nbf", "sub", "jti", "tenant", "until")],
    *[orjson.dumps(name) for name in ("channels", "subscribe", "publish", "sse", "user:7")],
    *[b"{", b"}", b"[", b"]", b":", b",", b"null", b"true", b"1e400", b"-1", b"9" * 30],
]

_HEAD_TOKENS = [token for token in TOKENS if token]
_ENVELOPES = [
    b'{"data":"x"}',
    b'{"channel":"a/b","event":"e","data":{"a":[1,2.5e3,null]},"id":"i","retry":5,"key":"k"}',
    b'{"data":"\\u2028\\r\\n\\u0000\\ud83d\\ude00","priority":"low"}',
]
_JSON_TOKENS = [
    *[orjson.dumps(name) for name in (*_MEMBERS, "low", "global")],
    *[b"{", b"}", b"[", b"]", b":", b",", b"null", b"true", b"1e400", b"\\ud800", b"\\n", b"\\r"],
    b"-0",
]

TARGETS = {
    "exchange": Target(exchange, BASES, _HEAD_TOKENS),
    "head": Target(head, [*HEADS.values(), *BASES], _HEAD_TOKENS),
    "chunked": Target(
        chunked,
        [b"5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n", b"1\r\na\r\n" * 5 + b"0\r\n\r\n", b"00A\r\n"],
        [b"\r\n", b"0\r\n\r\n", b";", b"=", b"ffffffffffffffff", b": "],
    ),
    "envelope": Target(
        envelope,
        [*_ENVELOPES, b'\x00"a/b"\n\x01e\n\x02{"a":1}\n\x03i\n\x0412\n\x05low\n\x06k', b"\x02x"],
        [*_JSON_TOKENS, *[b"\n%c" % at for at in range(len(_MEMBERS))]],
    ),
    "batch": Target(
        batch,
        [*_ENVELOPES, b"[" + b",".join(_ENVELOPES) + b"]", b"\n".join(_ENVELOPES)],
        [*_JSON_TOKENS, b"\n", b"\r\n"],
    ),
    "token": Target(
        token,
        [
            b"eyJhbGciOiJIUzI1NiJ9.e30.AAAA",
            b"eyJhbGciOiJub25lIn0.e30.",
            b"eyJhbGciOiJIUzI1NiIsImtpZCI6ImEiLCJjcml0IjpbXX0.eyJhIjoxfQ.AA",
        ],
        [b".", b"e30", b"=", b"eyJ", b"-", b"_", b"W10"],
    ),
    "claims": Target(claims, _CLAIMS, _CLAIM_TOKENS),
    "session": Target(session, [*_CLAIMS, b"{}"], _CLAIM_TOKENS),
    "keys": Target(
        keys,
        [
            orjson.dumps({"keys": [{**jwk("EC"), "kid": "a", "use": "sig"}, jwk("Ed25519")]}),
            orjson.dumps({"keys": [jwk("RSA"), {"kty": "oct", "k": "AAAA", "kid": "b"}]}),
        ],
        [orjson.dumps(name) for name in ("keys", "kty", "crv", "x", "y", "n", "e", "alg", "d")],
    ),
    "position": Target(
        position,
        [b"epoch123-0", b"epoch123-9999999999999999999", b"other-7", b"earliest"],
        [b"epoch123", b"-", b"\n", b"\xd9\xa1"],
    ),
    "address": Target(
        address,
        [b"a/b%2Fc?event=a+b&id=%c3%a4&retry=5", b"%25?x&=y&&last_event_id=a-1"],
        [b"%00", b"%0d%0a", b"%c3", b"..", b"//", b"&", b"=", b"%2F"],
    ),
    "event_stream": Target(
        event_stream,
        [
            b"id: a-1\nevent: e\ndata: x\ndata: y\nretry: 5\n\n",
            b"\xef\xbb\xbf: c\r\n\r\ndata\r\r",
            b"data: xxxx\n\n",
        ],
        [b"data: ", b"id: ", b"event: ", b"retry: ", b"\r\n", b"\r", b"\n\n", b"\0", b"\xef\xbb"],
    ),
}
