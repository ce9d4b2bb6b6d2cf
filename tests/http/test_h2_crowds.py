"""Those who do much on one connection and are no attackers: no budget is ever theirs to hit."""

import pytest

from sse_server.http.h2_frames import DATA, RST_STREAM, frame, window_update
from sse_server.http.http1 import Http1Options
from tests.http.http2_peer import CANCEL, Peer, head, literal, post


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


def test_a_page_with_a_hundred_sources_is_reloaded_five_times_in_ten_seconds() -> None:
    peer = Peer()
    page = Crowd(peer)
    for _ in range(6):
        page.open(100)
        peer.now += 2.0
        page.leave()
    assert (peer.requests, peer.goaways, peer.resets) == (600, [], [])


def test_one_that_is_reloaded_at_once_may_do_so_twice() -> None:
    peer = Peer()
    page = Crowd(peer)
    for _ in range(2):
        page.open(100)
        peer.now += 0.2
        page.leave()
    page.open(100)
    assert (peer.requests, peer.goaways) == (300, [])


def test_the_users_of_a_proxy_leave_at_once_and_come_back() -> None:
    peer = Peer()
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
