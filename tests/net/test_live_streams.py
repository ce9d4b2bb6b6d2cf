"""Open streams that are looked at, changed and ended, on real sockets."""

import re
import socket
from collections.abc import Callable

import orjson

from sse_server import ServerOptions
from sse_server.core.hub_options import HubOptions
from sse_server.core.log_options import LogOptions
from sse_server.core.window import ChannelOptions
from sse_server.wire.flow import CloseReason
from sse_server.wire.parser import EventStreamParser, StreamEvent
from tests.net.conftest import StartServer
from tests.running_server import Client, RunningServer, wait_until

LARGE = HubOptions(log=LogOptions(channel=ChannelOptions(max_bytes=1 << 30)))
MORE_THAN_KERNELS_HOLD = 30  # events of 400 KB


def ask(running: RunningServer, method: str, target: str, body: str = "") -> dict[str, object]:
    with running.client() as client:
        client.send(
            f"{method} {target} HTTP/1.1\r\nHost: localhost\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        )
        answer = client.read_answer()
        assert answer.status == 200, answer
        value = orjson.loads(answer.body)
        assert isinstance(value, dict)
        return value


def change(running: RunningServer, name: str, **names: list[str]) -> dict[str, object]:
    return ask(running, "POST", f"/subscribers/{name}/channels", orjson.dumps(names).decode())


def history(running: RunningServer, channel: str, until: object) -> list[str]:
    target = f"/channels/{channel}/events?limit=1000&until={until}"
    events = ask(running, "GET", target)["events"]
    assert isinstance(events, list)
    return [event["data"] for event in events]


class Follower:
    """Reads a stream whose chunks it takes apart."""

    def __init__(self, client: Client, target: str) -> None:
        self._client = client
        self._parser = EventStreamParser()
        self.events: list[StreamEvent] = []
        client.get(target, "User-Agent: follower/1\r\n")
        assert client.read_answer().status == 200
        self.read_until(lambda: len(self.events) == 1)
        control = orjson.loads(self.events.pop().data)
        self.name: str = control["subscriber"]
        self.channels: list[str] = control["channels"]

    def read_until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            assert self._read_chunk(), "the stream has ended"

    def read_to_end(self) -> None:
        while self._read_chunk():
            pass

    def _read_chunk(self) -> bool:
        size = int(self._client.read_until(b"\r\n"), 16)
        self.events += self._parser.feed(self._client.read_exactly(size))
        assert self._client.read_exactly(2) == b"\r\n"
        return size > 0


def test_what_is_added_and_its_history_meet_on_a_stream_that_is_paused(
    start_server: StartServer,
) -> None:
    running = start_server(ServerOptions(bind=("127.0.0.1:0",), drain_seconds=0.2, hub=LARGE))
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", running.port))
    with Client(sock) as client:
        follower = Follower(client, "/events/a?control=1")
        assert follower.channels == ["a"]
        running.publish("b", *(f"b{number}" for number in range(10)))
        padding = "." * 400_000
        for number in range(MORE_THAN_KERNELS_HOLD):
            running.publish("a", f"a{number} {padding}")
        wait_until(lambda: len(running.server.hub.stalls) == 1, "it is paused")
        running.publish("b", *(f"b{number}" for number in range(10, 20)))
        running.publish("b", *(f"b{number}" for number in range(20, 30)))
        doing = ask(running, "GET", f"/subscribers/{follower.name}")
        assert (doing["state"], doing["channels"]) == ("paused", ["a"])
        answer = change(running, follower.name, add=["b"])
        assert answer == {"position": doing["position"], "channels": ["a", "b"]}
        before = history(running, "b", answer["position"])
        assert 10 <= len(before) < 30
        running.publish("b", "last")
        follower.read_until(
            lambda: follower.events[-1:] != [] and follower.events[-1].data == "last"
        )
        data = [event.data.split()[0] for event in follower.events]
        assert [text for text in data if text[0] == "a"] == [
            f"a{number}" for number in range(MORE_THAN_KERNELS_HOLD)
        ]
        sent = [text for text in data if text[0] != "a"]
        assert before + sent == [*(f"b{number}" for number in range(30)), "last"]
        ids = [int(event.last_event_id.rpartition("-")[2]) for event in follower.events]
        assert ids == sorted(set(ids))


def test_what_is_removed_ends_at_once_and_a_reconnect_has_the_channels_of_its_address(
    running: RunningServer,
) -> None:
    with running.client() as client:
        follower = Follower(client, "/events?channel=a&channel=b&control=1")
        change(running, follower.name, add=["c"], remove=["a"])
        running.publish("a", "not any more")
        running.publish("c", "from now on")
        follower.read_until(lambda: bool(follower.events))
        (event,) = follower.events
        assert event.data == "from now on"
        last_id = event.last_event_id
    running.wait_until_empty()
    running.publish("a", "again")
    with running.client() as client:
        returned = Follower(
            client, f"/events?channel=a&channel=b&control=1&last_event_id={last_id}"
        )
        assert returned.name != follower.name
        assert returned.channels == ["a", "b"]
        returned.read_until(lambda: bool(returned.events))
        assert [event.data for event in returned.events] == ["again"]


def test_a_stream_is_seen_and_ended(running: RunningServer) -> None:
    other = running.subscriber("/events/b")
    with running.client() as client:
        follower = Follower(client, "/events/a?control=1")
        doing = ask(running, "GET", f"/subscribers/{follower.name}")
        host, port = client.socket.getsockname()
        assert doing["address"] == f"{host}:{port}"
        assert doing["user_agent"] == "follower/1"
        assert doing["state"] == "standing"
        listed = ask(running, "GET", "/subscribers?channel=a")["subscribers"]
        assert isinstance(listed, list)
        (one,) = listed
        assert one["subscriber"] == follower.name
        ask(running, "DELETE", f"/subscribers/{follower.name}")
        follower.read_to_end()
        assert [event.type for event in follower.events] == ["stream-ended"]
        assert client.is_ended()
    wait_until(lambda: running.site_sizes == (0, 1), "the other is left")
    assert running.server.hub.closed == {CloseReason.KICKED: 1}
    running.publish("b", "still there")
    assert other.read_events(1) == ["still there"]


def test_a_stream_that_takes_nothing_is_ended_at_once(running: RunningServer) -> None:
    with running.client() as client:
        follower = Follower(client, "/events/a?control=1")
        padding = "." * 400_000
        for _ in range(MORE_THAN_KERNELS_HOLD):
            running.publish("a", padding)
        wait_until(lambda: len(running.server.hub.stalls) == 1, "it is paused")
        ask(running, "DELETE", f"/subscribers/{follower.name}")
        wait_until(lambda: running.site_sizes[1] == 0, "it is gone")
    assert running.server.hub.closed == {CloseReason.KICKED: 1}


def test_what_a_client_calls_itself_is_held_once_and_cut_short(running: RunningServer) -> None:
    clients = [running.subscriber(fields=f"User-Agent: {'x' * 1_000}\r\n") for _ in range(3)]
    streams = running.call(lambda: list(running.server._site.streams))
    assert len({id(stream._agent) for stream in streams}) == 1
    listed = ask(running, "GET", "/subscribers")["subscribers"]
    assert isinstance(listed, list)
    assert [one["user_agent"] for one in listed] == ["x" * 200] * len(clients)
    for number in range(1_100):  # more names than are kept
        running.server._site.agents.shared(b"%d" % number)
    assert len(running.server._site.agents._names) <= 1_000


def test_a_client_without_a_name_is_listed_without(running: RunningServer) -> None:
    client = running.subscriber()
    with running.client() as other:
        other.get("/subscribers")
        text = other.read_answer().body.decode()
    assert re.search(r'"user_agent":null', text)
    assert f":{client.socket.getsockname()[1]}" in text
