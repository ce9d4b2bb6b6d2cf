"""Servers that are killed, networks that cut: nothing is lost, nothing comes twice."""

import asyncio
import json
import urllib.error
from itertools import pairwise
from random import Random

import pytest

from tests.conftest import Serve
from tests.faults.follower import Follower, following, wait_for
from tests.faults.proxy import BadNetwork
from tests.peers.publisher import publish, wait_for_clients

CLIENTS = 20
EVENTS = 600


def have(followers: list[Follower], newest: str) -> bool:
    """Whether each has the event with this data; one that was on its way may come behind it."""
    return all(newest in follower.data for follower in followers)


def is_in_order(follower: Follower) -> bool:
    """Whether the offsets of what it got only grow, within each epoch."""
    ids = [event.last_event_id.split("-") for event in follower.events]
    return all(
        int(before[1]) < int(after[1]) for before, after in pairwise(ids) if before[0] == after[0]
    )


async def publish_for_ever(url: str, channel: str, acknowledged: list[tuple[str, str]]) -> None:
    """Publish numbers, whatever happens to the server; notes (position, number)."""
    number = 0
    while True:
        number += 1
        try:
            position = await asyncio.to_thread(publish, url, channel, str(number))
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            await asyncio.sleep(0.02)
        else:
            acknowledged.append((position, str(number)))


def test_nothing_acknowledged_after_a_kill_is_lost(serve: Serve) -> None:
    served = serve()
    followers = [Follower(served.port) for _ in range(CLIENTS)]
    acknowledged: list[tuple[str, str]] = []

    async def main() -> None:
        async with following(followers):
            await asyncio.to_thread(wait_for_clients, served.url, "news", CLIENTS)
            publishing = asyncio.create_task(publish_for_ever(served.url, "news", acknowledged))
            await wait_for(lambda: len(acknowledged) >= 100)
            served.process.kill()
            served.process.wait()
            until_kill = len(acknowledged)
            await asyncio.to_thread(serve, port=served.port)
            await wait_for(lambda: len(acknowledged) >= until_kill + 200)
            publishing.cancel()
            await asyncio.gather(publishing, return_exceptions=True)
            newest = await asyncio.to_thread(publish, served.url, "news", "end")
            acknowledged.append((newest, "end"))
            await wait_for(lambda: have(followers, "end"))

    asyncio.run(main())
    epoch = acknowledged[-1][0].partition("-")[0]
    first_epoch = acknowledged[0][0].partition("-")[0]
    assert epoch != first_epoch
    afterwards = [one for one in acknowledged if one[0].startswith(epoch)]
    for follower in followers:
        got = [(event.last_event_id, event.data) for event in follower.events]
        # What was being acknowledged when the publisher was stopped may have been published, too.
        of_epoch = [one for one in got if one[0].startswith(epoch) and one[1][0] != "{"]
        assert [one for one in of_epoch if one in afterwards] == afterwards
        assert len(of_epoch) - len(afterwards) <= 1
        assert [gap["reason"] for gap in follower.gaps] == ["foreign-epoch"]
        assert follower.gaps[0]["requested"].startswith(first_epoch)
        assert is_in_order(follower)


@pytest.mark.slow
def test_a_network_that_delays_stalls_and_cuts_loses_and_repeats_nothing(serve: Serve) -> None:
    served = serve()
    random = Random(11)
    with BadNetwork(served.port, random, bytes_to_cut=2_500) as network:
        followers = [Follower(network.port, last_event_id="earliest") for _ in range(CLIENTS)]

        async def main() -> None:
            async with following(followers):
                for number in range(EVENTS):
                    data = json.dumps([number, "x" * random.randrange(200)])
                    await asyncio.to_thread(publish, served.url, "news", data)
                await asyncio.to_thread(publish, served.url, "news", "end")
                # Who is far behind still has its cuts before it.
                await wait_for(lambda: all(follower.streams > 5 for follower in followers))
                network.is_good = True
                await wait_for(lambda: have(followers, "end"))

        asyncio.run(main())
    for follower in followers:
        assert [json.loads(data)[0] for data in follower.data[:-1]] == list(range(EVENTS))
        assert follower.gaps == []
        assert is_in_order(follower)
    assert network.cuts > 10 * CLIENTS
