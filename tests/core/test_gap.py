import json

from sse_server.core.gap import Gap
from sse_server.wire.parser import EventStreamParser
from tests.core.fakes import POSITIONS, window_of


def test_a_gap_is_an_event_with_an_id_from_which_the_stream_goes_on() -> None:
    windows = [window_of(7, 9, lost=5), window_of(lost=4)]
    gap = Gap(windows=windows, at=5, requested=b"e-2", reason="evicted", lost=3)
    (event,) = EventStreamParser().feed(gap.block(POSITIONS, 9))
    assert event.type == "gap"
    assert event.last_event_id == "e-5"
    assert json.loads(event.data) == {
        "channels": ["news", "news"],
        "requested": "e-2",
        "oldest": "e-7",
        "newest": "e-9",
        "reason": "evicted",
        "lost": 3,
    }


def test_a_gap_of_what_holds_nothing_and_cannot_be_counted_says_so() -> None:
    gap = Gap(windows=[window_of()], at=0, requested=b"", reason="malformed", lost=None)
    (event,) = EventStreamParser().feed(gap.block(POSITIONS, 9))
    data = json.loads(event.data)
    assert (data["oldest"], data["lost"], data["requested"]) == (None, None, "")


def test_what_a_client_sent_comes_back_to_it_as_text_and_not_at_length() -> None:
    hostile = b"\xff\n\ndata: x\n\n" + b"y" * 1_000
    gap = Gap(windows=[window_of()], at=0, requested=hostile, reason="malformed", lost=None)
    (event,) = EventStreamParser().feed(gap.block(POSITIONS, 9))
    assert json.loads(event.data)["requested"] == hostile.decode("utf-8", "replace")[:80]
