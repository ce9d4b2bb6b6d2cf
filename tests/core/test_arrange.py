from sse_server.core.arrange import arrange
from sse_server.core.channel import Channel
from sse_server.core.start import Beginning
from sse_server.core.subscriber import Subscriber
from sse_server.core.window import ChannelOptions, Window
from tests.core.fakes import Recorder


def channel(name: str, clients: int = 1, beside: int = 0) -> Channel:
    made = Channel(Window(name, ChannelOptions(), lost=0, uncertain=-1))
    made.clients = clients
    for _ in range(beside):
        made.beside[Subscriber(Recorder(), Beginning(0, 0, None), 0.0)] = None
    return made


def names(channels: tuple[Channel, ...]) -> list[str]:
    return [channel.window.name for channel in channels]


def test_one_channel_makes_the_group() -> None:
    only = channel("a")
    assert arrange([only], (), 16) == ((only,), ())


def test_the_channel_that_most_follow_makes_the_group_and_the_others_stand_beside_it() -> None:
    shared, beside = arrange([channel("c"), channel("a", clients=9), channel("b")], (), 16)
    assert names(shared) == ["a"]
    assert names(beside) == ["c", "b"]


def test_a_combination_that_is_a_group_already_is_joined_in_whatever_order() -> None:
    shared, beside = arrange([channel("b", clients=9), channel("a")], {("a", "b")}, 16)
    assert names(shared) == ["a", "b"]
    assert beside == ()


def test_a_channel_that_enough_follow_by_themselves_belongs_to_the_group() -> None:
    full, room = channel("full", beside=2), channel("room", beside=1)
    shared, beside = arrange([room, channel("big", clients=9), full], (), 2)
    assert names(shared) == ["big", "full"]
    assert names(beside) == ["room"]


def test_the_channels_of_a_group_are_in_one_order_whatever_a_client_asks_for() -> None:
    one, two = channel("a"), channel("b")
    assert arrange([one, two], (), 0).shared == arrange([two, one], (), 0).shared == (one, two)
