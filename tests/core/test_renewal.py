"""A log that goes on in a new epoch, with streams in every state."""

from sse_server.wire.flow import CloseReason
from sse_server.wire.position import PositionFault, Positions
from tests.core.fakes import Bench


def test_every_stream_ends_and_who_had_what_is_gone_is_told_first() -> None:
    positions = Positions(b"e")
    bench = Bench()
    bench.hub.positions = bench.hub.log.positions = positions
    standing = [bench.join("news")[0] for _ in range(3)]
    bench.publish("news", "1", "2", "3")
    bench.run()
    paused, _ = bench.pause("news")
    bench.publish("news", "4")  # whoever stands has not been sent it yet
    walking, _ = bench.join("news", last_id=b"e-1")
    bench.hub.begin_anew(b"f", 2)
    assert bench.hub.subscribers == 0
    for sink in standing:
        assert sink.data == ["1", "2", "3"]
        (gap,) = sink.gaps
        assert (gap["id"], gap["reason"]) == ("e-2", "foreign-epoch")
        assert sink.ended is CloseReason.GAP
    assert paused.aborted is CloseReason.GAP
    assert walking.ended is CloseReason.GAP
    assert walking.gaps == []
    bench.run()
    back, _ = bench.join("news", last_id=b"e-2")
    late, _ = bench.join("news", last_id=b"e-3")
    bench.publish("news", "other")
    bench.run()
    assert back.data == ["other"]
    assert back.last_id == "f-3"
    assert [gap["reason"] for gap in late.gaps] == ["foreign-epoch"]
    assert late.data == ["other"]
    assert positions.parse(b"f-3") == 3
    assert positions.parse(b"e-3") is PositionFault.FOREIGN_EPOCH
