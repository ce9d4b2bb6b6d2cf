"""docs/http.md is about this code: it names all of the HTTP surface and nothing else.

Its examples are run as the README's are. What the code has is found by `tests.http_surface`; a new
endpoint, parameter, error, header field, option or constant wants a row on the page.
"""

import re
from collections.abc import Awaitable, Iterator
from pathlib import Path

import orjson
import pytest

from sse_server import ServerOptions
from sse_server.auth import open_streams
from sse_server.core import gap
from sse_server.endpoints import control, subscribe, subscribers
from sse_server.endpoints.envelope import Envelope
from sse_server.endpoints.router import Router
from sse_server.endpoints.subscribe import _OPENINGS
from sse_server.http.heads import CONTINUE
from sse_server.http.request import Request
from sse_server.http.response import Answer
from sse_server.net.farewell import Farewell
from sse_server.wire.event import RESERVED_TYPES
from sse_server.wire.parser import EventStreamParser
from sse_server.wire.position import PositionFault, Positions
from tests import http_surface
from tests.conftest import Serve
from tests.running_server import RunningServer, run_server
from tests.snippets import ROOT, Section, cases, play, sections

PAGE = (ROOT / "docs" / "http.md").read_text(encoding="utf-8")
SECTIONS = sections(PAGE)
PROSE = re.sub(r"(?ms)^```.*?^```$", "", PAGE)

ENDPOINTS = {
    (match["method"], match["pattern"]): match["text"]
    for match in re.finditer(
        r"(?ms)^### `(?P<method>[A-Z]+) (?P<pattern>/\S*)`$(?P<text>.*?)(?=^##)", PAGE
    )
}

# How the server does its work, and what clients cannot tell.
NOT_ON_THE_PAGE = {
    "auth.cookie",  # a name, and so on: no numbers
    "auth.forward.url",
    "auth.issuer",
    "auth.state_file",
    "connection.socket.keepalive_idle_seconds",
    "connection.socket.keepalive_interval_seconds",
    "connection.socket.not_sent_low_water_bytes",
    "connection.socket.user_timeout_seconds",
    "http1.max_pipelined_bytes",
    "hub.beside_limit",
    "hub.busiest_channels",
    "hub.lane_size",
    "hub.log.max_burst_bytes",
    "hub.log.max_memo_bytes",
    "hub.log.max_tombstones",
    "hub.writes_per_run",
    "journal.lines_per_second",
    "sqlite.lock_wait_seconds",
    "http.h2_budgets.MAX_IN_SPAN",
    "http.h2_budgets.MAX_SAVED_WINDOW_UPDATES",
    "tls.cert",
    "tls.key",
    "wire.parser.MAX_EVENT_BYTES",  # of streams that we read
}

FIXED = {
    "channel when none is named": "endpoints.address.DEFAULT_CHANNEL",
    "length of a channel's name": "wire.channel_name.MAX_CHANNEL_CHARACTERS",
    "channels of one stream": "endpoints.subscribe.MAX_CHANNELS",
    "length of a token": "auth.tokens.MAX_TOKEN_BYTES",
    "patterns in a list of a token": "auth.patterns.MAX_PATTERNS",
    "`sub`, `tenant` and `jti` of a token, each": "auth.grant.MAX_NAME_CHARACTERS",
    "data of one event": "wire.event.MAX_DATA_BYTES",
    "type, id and key of an event, each": "wire.event.MAX_NAME_BYTES",
    "`retry` of an event": "wire.event.MAX_RETRY_MS",
    "nesting of data that is JSON": "endpoints.envelope._MOST_LEVELS",
    "events in one request": "endpoints.publish.MAX_BATCH",
    "lines in one request, blank ones too": "endpoints.publish.MAX_LINES",
    "events listed in the answer to a batch": "engines.base.MAX_RECEIPTS",
    "events in a page of history, unless the query says": "endpoints.history.DEFAULT_EVENTS",
    "events in a page of history": "endpoints.history.MAX_EVENTS",
    "bytes in a page of history": "endpoints.history.MAX_PAGE_BYTES",
    "channels in a page, unless the query says": "endpoints.channels.DEFAULT_CHANNELS",
    "channels in a page": "endpoints.channels.MAX_CHANNELS",
    "streams in a page, unless the query says": "endpoints.subscribers.DEFAULT_SUBSCRIBERS",
    "streams in a page": "endpoints.subscribers.MAX_SUBSCRIBERS",
    "channels of streams in a page": "endpoints.subscribers.MAX_LISTED_CHANNELS",
    "trailers of a chunked body": "http.chunked._MAX_TRAILER_BYTES",
    "HTTP/2: a frame": "http.h2_frames.MAX_FRAME_BYTES",
    "HTTP/2: CONTINUATION frames of one header block": "http.h2_scanner.MAX_CONTINUATIONS",
    "HTTP/2: settings in one frame": "http.h2_scanner.MAX_SETTINGS",
    "HTTP/2: streams reset within a second of their opening, at once": (
        "http.h2_budgets.MAX_QUICK_RESETS"
    ),
    "HTTP/2: frames of WINDOW_UPDATE beside 10 for each of DATA that we send": (
        "http.h2_budgets.MAX_WINDOW_UPDATES"
    ),
    "HTTP/2: frames of DATA that end no body, at once": "http.h2_budgets.MAX_DATA",
    "HTTP/2: those of them with less than 16 bytes": "http.h2_budgets.MAX_SMALL_DATA",
    "HTTP/2: pieces of less than 64 bytes that windows make, beside one for each larger": (
        "http.h2_budgets.MAX_SMALL_PIECES"
    ),
}

# Which numbers stand beside a parameter, as constants or options: what else is there is a number
# that nobody looks after.
NAMED = ("wire.event.MAX_NAME_BYTES",)
BOUNDS: dict[str, tuple[str, ...]] = {
    "GET /events channel": ("endpoints.subscribe.MAX_CHANNELS",),
    "POST /events/{channel} event": NAMED,
    "POST /events/{channel} id": (*NAMED, "idempotency.window_seconds"),
    "POST /events/{channel} key": NAMED,
    "POST /events/{channel} retry": ("wire.event.MAX_RETRY_MS",),
    "POST /events data": ("wire.event.MAX_DATA_BYTES", "endpoints.envelope._MOST_LEVELS"),
    "DELETE /subscribers/{id} retry": ("wire.event.MAX_RETRY_MS",),
    "GET /subscribers limit": (
        "endpoints.subscribers.DEFAULT_SUBSCRIBERS",
        "endpoints.subscribers.MAX_SUBSCRIBERS",
        "endpoints.subscribers.MAX_LISTED_CHANNELS",
    ),
    "POST /subscribers/{id}/channels add": ("endpoints.subscribe.MAX_CHANNELS",),
    "POST /subscribers/{id}/channels remove": ("endpoints.subscribe.MAX_CHANNELS",),
    "GET /channels limit": (
        "endpoints.channels.DEFAULT_CHANNELS",
        "endpoints.channels.MAX_CHANNELS",
    ),
    "GET /channels/{channel}/events limit": (
        "endpoints.history.DEFAULT_EVENTS",
        "endpoints.history.MAX_EVENTS",
        "endpoints.history.MAX_PAGE_BYTES",
    ),
}
SIZES = {"": 1, "bytes": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
UNITS = SIZES | {"ms": 1, "s": 1, "min": 60, "days": 86_400}

Row = list[str]


def tables(text: str, head: str) -> list[Row]:
    """The rows of all tables whose first column is called `head`."""
    rows: list[Row] = []
    for table in re.findall(r"(?m)(?:^\|.*\|\n)+", text):
        first, _, *others = [
            [cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()
        ]
        rows += others if first[0] == head else []
    return [[cell.strip("| ") for cell in row] for row in rows]


def named(rows: list[Row]) -> set[str]:
    """What stands as code in the first column."""
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row[0])}


def quantity(text: str) -> float | str | None:
    """What `8 KiB`, `10,000` or `` `word` `` stands for; None where no number is."""
    if word := re.fullmatch("`(.+)`", text):
        return word[1]
    number = re.fullmatch(r"([0-9.,]+) ?(\w*)", text)
    return float(number[1].replace(",", "")) * UNITS[number[2]] if number else None


def bound(dotted: str) -> float:
    """The number that a constant or an option has."""
    value = http_surface.numbers(ServerOptions()).get(dotted) or http_surface.constant(dotted)
    assert isinstance(value, int | float)
    return value


def keys_of(block: bytes) -> set[str]:
    """The keys of an event's JSON."""
    (event,) = EventStreamParser().feed(block)
    return set(orjson.loads(event.data))


@pytest.fixture(scope="module")
def running() -> Iterator[RunningServer]:
    with run_server("asyncio", ServerOptions(bind=(), drain_seconds=0.2)) as running:
        yield running


@pytest.fixture(scope="module")
def router(running: RunningServer) -> Router:
    endpoint = running.server._site.endpoint
    assert isinstance(endpoint, Router)
    return endpoint


def test_every_endpoint_is_on_the_page_and_no_other(router: Router) -> None:
    assert set(ENDPOINTS) == {(method.decode(), pattern) for method, pattern in router.routes}


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=" ".join)
def test_parameters_are_those_of_the_endpoint(
    endpoint: tuple[str, str], running: RunningServer, router: Router
) -> None:
    method, pattern = endpoint

    def ask(request: Request) -> Answer:
        answer = running.call(lambda: router(request))
        assert not isinstance(answer, Awaitable)
        return answer

    path = re.sub(r"\{\w+\}", "news", pattern).encode()
    found = http_surface.parameters(ask, method.encode(), path)
    assert named(tables(ENDPOINTS[endpoint], "query")) == found


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=" ".join)
def test_answer_is_the_one_that_the_example_shows(endpoint: tuple[str, str]) -> None:
    shown = re.findall(r"(?ms)^```text\n(.*?)^```$", ENDPOINTS[endpoint])
    lines = [line for text in shown for line in text.splitlines() if line.startswith("{")]
    keys = {key for line in lines for key in re.findall(r'"(\w+)":', line)}
    assert named(tables(ENDPOINTS[endpoint], "answer")) == keys


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=" ".join)
def test_endpoint_has_an_example(endpoint: tuple[str, str]) -> None:
    examples = re.findall(r"(?ms)^```sh\n(.*?)^```$", ENDPOINTS[endpoint])
    address = re.sub(r"\\\{\w+\\\}", r"[\\w:$]+", re.escape(endpoint[1]))
    assert re.search(rf"curl .*127\.0\.0\.1:8000{address}(?:[?'\"\s]|$)", "\n".join(examples))


def test_body_of_a_change_has_the_members_that_it_has() -> None:
    assert named(tables(PAGE, "body")) == set(control._MEMBERS)


def test_envelope_has_the_members_that_it_has() -> None:
    assert named(tables(PAGE, "envelope")) == set(Envelope.__annotations__)


@pytest.mark.parametrize(
    ("name", "row"),
    [
        (f"{' '.join(endpoint)} {name}", row)
        for endpoint, text in ENDPOINTS.items()
        for kind in ("query", "body", "envelope")
        for row in tables(text, kind)
        for name in named([row])
    ],
)
def test_bounds_of_a_parameter(name: str, row: Row) -> None:
    text = re.sub(r"\(400\)", "", " ".join(row[2:]))
    found = {float(number.replace(",", "")) for number in re.findall(r"\d[\d,]*\d|\d", text)}
    assert found - {0, 1} == {bound(dotted) for dotted in BOUNDS.get(name, ())}


def test_errors_are_those_of_the_code() -> None:
    rows = tables(PAGE, "status")
    assert {(int(row[0]), row[1].strip("`")) for row in rows} == http_surface.errors()


def test_errors_that_are_named_in_passing_exist() -> None:
    spans = re.findall(r"`(\d{3}) ([a-z-]+)`", PROSE)
    assert spans
    assert {(int(status), code) for status, code in spans} <= http_surface.errors()


def test_successes_are_those_of_the_code() -> None:
    found = {int(row[0]) for row in tables(PAGE, "success")}
    assert found == http_surface.successes() | {int(CONTINUE.split()[1])}


def test_header_fields_are_those_of_the_code() -> None:
    rows = tables(PAGE, "we read") + tables(PAGE, "we send")
    assert {name.lower() for name in named(rows)} == http_surface.header_fields()


def test_settings_have_the_defaults_that_they_have() -> None:
    rows = [row for row in tables(PAGE, "limit") if len(row) == 3]
    options = http_surface.numbers(ServerOptions())
    assert {row[2].strip("`"): quantity(row[1]) for row in rows} == {
        name: value for name, value in options.items() if name not in NOT_ON_THE_PAGE
    }


def test_what_is_fixed_is_as_it_is() -> None:
    rows = [row for row in tables(PAGE, "limit") if len(row) == 2]
    assert {row[0]: quantity(row[1]) for row in rows} == {
        text: http_surface.constant(dotted) for text, dotted in FIXED.items()
    }
    assert http_surface.constants() <= set(FIXED.values()) | NOT_ON_THE_PAGE


def test_what_is_left_out_exists() -> None:
    known = set(http_surface.numbers(ServerOptions())) | http_surface.constants()
    assert known >= NOT_ON_THE_PAGE


def test_reserved_types_are_those_of_the_code() -> None:
    assert named(tables(PAGE, "type")) == set(RESERVED_TYPES)


def test_server_s_own_events_have_the_fields_that_they_have() -> None:
    told = gap.Gap(windows=(), at=1, requested=b"", reason=gap.EVICTED, lost=None)
    assert named(tables(PAGE, "`gap`")) == keys_of(told.block(Positions(b"e"), 1))
    for data in (open_streams.EXPIRED_DATA, open_streams.REVOKED_DATA):
        assert named(tables(PAGE, "`token-expired`")) == set(orjson.loads(data))
    ended = subscribers.end_event(0, comes_back=True)
    assert named(tables(PAGE, "`stream-ended`")) == keys_of(ended)
    assert named(tables(PAGE, "`control`")) == keys_of(subscribe.control_event("", []))
    assert named(tables(PAGE, "`server-shutdown`")) == keys_of(Farewell(1.0, 1.0).block())


def test_reasons_of_gaps_are_those_of_the_code() -> None:
    constants = {name: value for name, value in vars(gap).items() if name.isupper()}
    reasons = {value for value in constants.values() if isinstance(value, str)}
    assert named(tables(PAGE, "reason")) == reasons | set(PositionFault)


def test_opening_has_the_times_to_wait_that_it_has() -> None:
    times = [int(re.findall(rb"retry: (\d+)", opening)[0]) for opening in _OPENINGS]
    assert f"`retry:` of {min(times):,} to {max(times):,} ms" in PAGE


def test_links_into_the_page_lead_somewhere() -> None:
    titles = re.findall(r"(?m)^#+ (.*)$", PROSE)
    anchors = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(#([^)]+)\)", PROSE) + re.findall(r"\(docs/http\.md#([^)]+)\)", readme)
    assert set(links) <= anchors


@pytest.mark.parametrize("section", cases(SECTIONS, with_page=False))
def test_example_does_what_it_says(section: Section, tmp_path: Path, serve: Serve) -> None:
    play(section, tmp_path, serve, None)
