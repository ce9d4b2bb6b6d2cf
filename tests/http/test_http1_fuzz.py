"""One promise: a request, or a `RemoteProtocolError` or `LimitExceeded`, whatever comes."""

from hypothesis import given
from hypothesis import strategies as st

from sse_server.http.request import Request
from tests.http.corpus import HEADS
from tests.http.damage import BASES, TOKENS, cut_in_pieces, outcomes
from tests.http.exchange import byte_by_byte


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    raw = draw(st.sampled_from(BASES)) + draw(st.sampled_from([b"", *BASES]))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(raw)))
        cut = draw(st.sampled_from([0, 0, 1, 2, 10]))
        token = draw(st.one_of(st.sampled_from(TOKENS), st.binary(max_size=4)))
        raw = raw[:at] + token + raw[at + cut :]
    return raw


@given(mutated(), st.lists(st.integers(0, 5_000), max_size=5))
def test_mutated_requests_come_out_the_same_however_they_arrive(
    raw: bytes, cuts: list[int]
) -> None:
    whole = outcomes([raw] if raw else [])
    assert outcomes(byte_by_byte(raw)) == whole
    assert outcomes(cut_in_pieces(raw, cuts)) == whole


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5))
def test_random_bytes_come_out_the_same_however_they_arrive(raw: bytes, cuts: list[int]) -> None:
    assert outcomes(cut_in_pieces(raw, cuts)) == outcomes([raw] if raw else [])


@given(
    st.lists(st.sampled_from([*TOKENS, b"GET / HTTP/1.1\r\n", b"Host: a\r\n", b"x"]), max_size=30)
)
def test_shuffled_tokens_are_read_or_refused(tokens: list[bytes]) -> None:
    raw = b"".join(tokens)
    assert outcomes(byte_by_byte(raw)) == outcomes([raw] if raw else [])


def test_the_requests_to_mutate_are_good_ones() -> None:
    for raw in BASES[len(HEADS) :]:
        assert all(isinstance(outcome, Request) for outcome in outcomes([raw]))
