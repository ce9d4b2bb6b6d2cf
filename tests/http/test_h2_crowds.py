"""Those who do much on one connection and are no attackers: no budget is ever theirs to hit."""

import pytest
from h2.errors import ErrorCodes

from sse_server.http.h2_budgets import MAX_SMALL_PIECES
from sse_server.http.h2_frames import DATA, END_STREAM, RST_STREAM, frame, window_update
from sse_server.http.http1 import Http1Options
from sse_server.http.response import Response
from tests.http.http2_peer import CANCEL, Peer, head, literal, post, setting


class Crowd:
    """Clients behind one connection."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.first = 1  # of the streams that were opened last
        self.next = 1

    def open(self, count: int) -> None:
        self.first = self.next
        self.next += 2 * count
        self.peer.tell(b"".join(head(number) for number in range(self.first, self.next, 2)))

    def leave(self) -> None:
        """All at once."""
        numbers = range(self.first, self.next, 2)
        self.peer.tell(b"".join(frame(RST_STREAM, 0, number, CANCEL) for number in numbers))


def followers() -> Peer:
    """One whose requests are answered by events."""
    peer = Peer()
    peer.follows = True
    return peer


@pytest.mark.parametrize("open_seconds", [0.0, 0.5, 2.0])
def test_a_page_with_a_hundred_sources_is_reloaded_five_times_in_ten_seconds(
    open_seconds: float,
) -> None:
    peer = followers()
    page = Crowd(peer)
    for _ in range(6):
        page.open(100)
        peer.now += open_seconds
        page.leave()
        peer.now += 2.0 - open_seconds
    assert (peer.requests, peer.goaways, peer.resets) == (600, [], [])
    assert peer.bench.hub.subscribers == 0


def test_one_that_is_reloaded_at_once_may_do_so_three_times() -> None:
    peer = followers()
    page = Crowd(peer)
    for _ in range(3):
        page.open(100)
        page.leave()
    page.open(100)
    assert (peer.requests, peer.goaways) == (400, [])
    page.leave()
    assert (peer.goaways, peer.kind) == ([ErrorCodes.ENHANCE_YOUR_CALM], "resets")


def test_who_does_not_wait_for_answers_has_fewer_resets() -> None:
    peer = Peer()
    page = Crowd(peer)
    for _ in range(2):
        page.open(100)
        page.leave()
    assert not peer.goaways
    page.open(1)
    page.leave()
    assert (peer.goaways, peer.kind) == ([ErrorCodes.ENHANCE_YOUR_CALM], "resets")


def test_the_users_of_a_proxy_leave_at_once_and_come_back() -> None:
    peer = followers()
    users = Crowd(peer)
    for _ in range(10):
        users.open(250)
        peer.now += 1.0
        users.leave()
    assert (peer.requests, peer.goaways, peer.resets) == (2_500, [], [])


def test_who_opens_too_many_before_it_knows_our_settings_is_served() -> None:
    peer = Peer()
    peer.tell(b"".join(head(number) for number in range(1, 2_001, 2)))
    assert (peer.requests, len(peer.resets), peer.goaways) == (256, 744, [])


def test_uploads_that_are_refused_do_not_count_for_what_is_on_its_way() -> None:
    peer = Peer(limits=Http1Options(max_body_bytes=100_000))
    for upload in range(10):
        peer.tell(post(2 * upload + 1, literal(b"content-length", b"1000000")))
        assert peer.statuses[2 * upload + 1][-3:] == b"413"
        for _ in range(61):
            peer.tell(frame(DATA, 0, 2 * upload + 1, b"x" * 16_384))
    assert not peer.goaways


def test_a_batch_that_is_sent_line_by_line_has_no_small_pieces() -> None:
    peer = Peer()
    line = b'{"channel":"a","data":"b"}\n'
    for number in range(1, 400, 2):
        body = frame(DATA, 0, number, line) * 200 + frame(DATA, END_STREAM, number)
        peer.tell(post(number) + body)
    assert (peer.requests, peer.goaways) == (200, [])


def test_a_body_that_is_sent_a_few_bytes_at_a_time_is_read() -> None:
    peer = Peer()
    body = frame(DATA, 0, 1, b"four") * 24_000 + frame(DATA, END_STREAM, 1, b"last")
    peer.tell(post(1) + body)
    assert (peer.requests, peer.goaways) == (1, [])


def test_a_client_that_writes_each_body_in_two_steps_may_send_a_thousand_a_second() -> None:
    peer = Peer()
    peer.answers = True
    number = 1
    for _ in range(20):
        for _ in range(1_000):
            peer.tell(
                post(number) + frame(DATA, 0, number, b"{") + frame(DATA, END_STREAM, number, b"}")
            )
            number += 2
        peer.now += 1.0
        peer.carrier.written.clear()
        peer.tell(window_update(0, 1))
    assert (peer.requests, peer.kind) == (20_000, "")


def test_short_answers_may_be_taken_byte_by_byte() -> None:
    """As by `h2load -w 1`."""
    peer = Peer()
    peer.tell(setting(4, 0))
    for number in range(1, 41, 2):
        peer.tell(head(number))
    for stream in list(peer.server.flow.streams.values()):
        peer.server.respond(stream, Response(200, body=b"x" * 256))
    for _ in range(256):
        for number in range(1, 41, 2):
            peer.tell(window_update(number, 1))
    assert not peer.server.flow.streams
    assert not peer.goaways


@pytest.mark.parametrize("window", [64, 100, 1_023])
def test_who_has_small_windows_reads_on(window: int) -> None:
    """The rest of a window is a small piece now and then."""
    peer = followers()
    peer.tell(setting(4, window) + head(1) + head(3))
    for _ in range(1_000):
        peer.publish("x" * 230)
        for _ in range(5):
            peer.tell(b"".join(window_update(number, window) for number in (0, 0, 1, 3)))
    assert (peer.goaways, peer.kind) == ([], "")
    assert peer.bench.hub.subscribers == 2


def test_turns_that_we_make_short_are_nobody_s_fault() -> None:
    peer = Peer(turn_bytes=10)
    peer.tell(setting(4, 0) + head(1) + head(3))
    for stream in list(peer.server.flow.streams.values()):
        peer.server.respond(stream, Response(200, body=b"x" * 30_000))
    peer.tell(setting(4, 65_535))
    assert not peer.server.flow.streams
    assert not peer.goaways


def test_who_reads_events_byte_by_byte_is_ended() -> None:
    peer = followers()
    peer.tell(setting(4, 0) + head(1) + window_update(1, 6))  # the opening
    peer.publish("x" * 3_000)
    for _ in range(MAX_SMALL_PIECES):
        peer.tell(window_update(1, 1))
    assert not peer.goaways
    peer.tell(window_update(1, 1))
    assert (peer.goaways, peer.kind) == ([ErrorCodes.ENHANCE_YOUR_CALM], "small-windows")


@pytest.mark.slow
def test_a_connection_lives_through_100_000_streams() -> None:
    peer = Peer()
    peer.answers = True
    for number in range(1, 200_001, 2):
        peer.tell(head(number))
        if number % 10_000 == 1:
            peer.carrier.written.clear()
            peer.tell(window_update(0, 10_000))
    assert (peer.requests, peer.goaways, peer.kind) == (100_000, [], "")
    h2 = peer.server._h2
    assert not h2.streams
    assert not peer.server.flow.streams
    assert len(h2._closed_streams) <= h2.MAX_CLOSED_STREAMS
