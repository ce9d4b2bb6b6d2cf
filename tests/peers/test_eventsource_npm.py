"""The npm client `eventsource`, as Node programs use it."""

import json
import signal
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.conftest import Serve
from tests.peers.conftest import NodeRun, ServeBriskly
from tests.peers.cutting_proxy import CuttingProxy
from tests.peers.publisher import publish, wait_for_clients

# Follows an address until it has heard so many events, and prints them.
FOLLOW = """
import { EventSource } from "eventsource";
const [address, count, types] = process.argv.slice(1);
const source = new EventSource(address);
const heard = [];
const staysAlive = setInterval(() => {}, 1000); // a client that waits to reconnect does not
for (const type of ["message", "gap", ...JSON.parse(types)]) {
  source.addEventListener(type, (event) => {
    heard.push([event.type, event.data, event.lastEventId]);
    if (heard.length === Number(count)) {
      source.close();
      clearInterval(staysAlive);
      console.log(JSON.stringify(heard));
    }
  });
}
"""


class Follower:
    """Runs the client beside the test."""

    def __init__(self, pool: ThreadPoolExecutor, node_run: NodeRun) -> None:
        self._pool = pool
        self._node_run = node_run

    def follow(self, address: str, count: int, *types: str) -> Future[str]:
        return self._pool.submit(self._node_run, FOLLOW, address, str(count), json.dumps(types))


@pytest.fixture
def follower(node_run: NodeRun) -> Iterator[Follower]:
    with ThreadPoolExecutor(4) as pool:
        yield Follower(pool, node_run)


def heard(future: Future[str]) -> list[list[str]]:
    """Type, data and lastEventId of each event."""
    events: list[list[str]] = json.loads(future.result())
    return events


def test_eventsource_hears_messages_and_named_events(serve: Serve, follower: Follower) -> None:
    url = serve().url
    following = follower.follow(f"{url}/events/news", 3, "price")
    wait_for_clients(url, "news")
    first = publish(url, "news", "hello")
    second = publish(url, "news", "41.7", event="price")
    last = publish(url, "news", "several\nlines")
    assert heard(following) == [
        ["message", "hello", first],
        ["price", "41.7", second],
        ["message", "several\nlines", last],
    ]


def test_eventsource_follows_a_personal_channel_beside_a_shared_one(
    serve: Serve, follower: Follower
) -> None:
    url = serve().url
    followings = {
        user: follower.follow(f"{url}/events?channel=news&channel=user:{user}", 3) for user in "ab"
    }
    wait_for_clients(url, "news", 2)
    expected: dict[str, list[list[str]]] = {"a": [], "b": []}
    for number, to in enumerate(["news", "a", "b", "news"]):
        position = publish(url, to if to == "news" else f"user:{to}", f"{number} to {to}")
        for user in followings if to == "news" else [to]:
            expected[user].append(["message", f"{number} to {to}", position])
    for user, following in followings.items():
        assert heard(following) == expected[user]


def test_eventsource_outlives_a_killed_server_and_is_told_the_gap_once(
    serve: Serve, follower: Follower
) -> None:
    served = serve()
    begins = publish(served.url, "news", "before it came")
    following = follower.follow(f"{served.url}/events/news", 3)
    wait_for_clients(served.url, "news")
    served.stop(signal.SIGKILL)
    url = serve(port=served.port).url
    away = publish(url, "news", "while it was away")
    wait_for_clients(url, "news")
    later = publish(url, "news", "later")
    gap, *rest = heard(following)
    told = json.loads(gap[1])
    assert (gap[0], told["reason"], told["requested"]) == ("gap", "foreign-epoch", begins)
    assert rest == [["message", "while it was away", away], ["message", "later", later]]


def test_eventsource_cut_before_its_first_event_misses_nothing(
    serve: Serve, follower: Follower
) -> None:
    served = serve()
    publish(served.url, "news", "before it came")
    with CuttingProxy(served, "/events/news") as proxy:
        following = follower.follow(f"{proxy.url}/events/news", 3)
        proxy.wait_until_cut()
        wait_for_clients(served.url, "news", 0)
        expected = [
            ["message", f"away {number}", publish(served.url, "news", f"away {number}")]
            for number in range(3)
        ]
        assert heard(following) == expected
    assert proxy.last_event_ids == [None, proxy.opening_id]


def test_heartbeats_keep_the_id_of_a_quiet_channel_recent(
    serve_briskly: ServeBriskly, follower: Follower
) -> None:
    served = serve_briskly()
    with CuttingProxy(served, "/events/quiet", waits=True) as proxy:
        following = follower.follow(f"{proxy.url}/events/quiet", 1)
        wait_for_clients(served.url, "quiet")
        recent = publish(served.url, "busy", "not for this stream")
        proxy.wait_for(rb"\n:\nid: %b\n\n" % recent.encode())
        proxy.cut()
        away = publish(served.url, "quiet", "while it was away")
        assert heard(following) == [["message", "while it was away", away]]
    assert proxy.last_event_ids == [None, recent]
