"""The journal: so many lines of each kind a second, and never what a client may not write."""

import asyncio
import logging
from typing import cast

import pytest

from sse_server.core.window import ChannelOptions
from sse_server.errors import NotFound
from sse_server.http.request import Request
from sse_server.observe.journal import Journal, JournalOptions, peer
from tests.core.fakes import Bench


class Transport:
    """Knows its peer, or has forgotten it."""

    def __init__(self, name: object) -> None:
        self.name = name

    def get_extra_info(self, _what: str) -> object:
        if isinstance(self.name, OSError):
            raise self.name
        return self.name


@pytest.fixture(autouse=True)
def debug(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "sse_server")


def fields(record: logging.LogRecord, *names: str) -> list[object]:
    return [getattr(record, name) for name in names]


def test_beyond_its_lines_a_kind_is_counted_and_told_once_a_second(
    caplog: pytest.LogCaptureFixture,
) -> None:
    journal = Journal(JournalOptions(lines_per_second=2))
    for _ in range(5):
        journal.origin_refused(b"https://a.example")
    journal.listener_has_room("here")
    assert [record.message for record in caplog.records] == ["origin refused"] * 2 + [
        "listener has room"
    ]
    caplog.clear()
    journal.tick()
    journal.tick()
    (record,) = caplog.records
    assert record.message == "lines left out"
    assert fields(record, "kind", "count") == ["origin refused", 3]
    journal.origin_refused(b"https://a.example")
    assert caplog.records[-1].message == "origin refused"


def test_nothing_is_written_or_told_of_a_level_that_nobody_listens_to(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "sse_server")
    journal = Journal(JournalOptions(lines_per_second=1))
    for _ in range(3):
        journal.listener_has_room("here")
    journal.tick()
    assert caplog.records == []
    assert not journal.tells_events


def test_what_a_client_sent_begins_no_line(caplog: pytest.LogCaptureFixture) -> None:
    journal = Journal()
    journal.refused(NotFound("nothing"), Request(b"GET", b"/a\r\nb\x1b[2J", query=b"token=secret"))
    journal.origin_refused(b"https://\x85" + b"x" * 300)
    path, origin = caplog.records[0].__dict__["path"], caplog.records[1].__dict__["origin"]
    assert path == r"'/a\r\nb\x1b[2J'"
    assert origin.isprintable()
    assert len(origin) <= 80
    assert journal.refusals == {"not-found": 1}
    assert "secret" not in str([record.__dict__ for record in caplog.records])


@pytest.mark.parametrize(
    "origin",
    [
        b"https://a.example/?token=secret",
        b"https://user:secret@a.example",
        b"https://a#secret",
        b"",
    ],
)
def test_what_is_no_origin_is_not_written_as_one(
    origin: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    Journal().origin_refused(origin)
    assert caplog.records[0].__dict__["origin"] == "malformed"
    assert "secret" not in str(caplog.records[0].__dict__)


@pytest.mark.parametrize(
    "origin", ["null", "https://a.example:8443", "moz-extension://6f-1", "http://[::1]:80"]
)
def test_an_origin_is_written_as_it_came(origin: str, caplog: pytest.LogCaptureFixture) -> None:
    Journal().origin_refused(origin.encode())
    assert caplog.records[0].__dict__["origin"] == origin


def test_gaps_are_told_when_they_are_taken_away(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(news=ChannelOptions(max_frames=1))
    readers = [bench.pause("news")[1] for _ in range(100)]
    bench.publish("news", "one", "two")
    for reader in readers:
        bench.resume(reader)
    journal = Journal()
    journal.gaps(bench.hub.pump)
    assert len(caplog.records) == 50
    assert fields(caplog.records[0], "message", "channels", "reason", "lost", "streams") == [
        *("gap told", ["news"], "evicted", 1, 1)
    ]
    journal.gaps(bench.hub.pump)
    journal.tick()
    assert fields(caplog.records[-1], "message", "kind", "count") == [
        *("lines left out", "gap told", 50)
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (("127.0.0.1", 4), "127.0.0.1:4"),
        (("::1", 4, 0, 0), "[::1]:4"),
        ("", "unix"),
        (None, None),
        (OSError(9, "gone"), None),
    ],
)
def test_a_peer_is_written_as_an_address(name: object, text: str | None) -> None:
    assert peer(cast("asyncio.BaseTransport", Transport(name))) == text
