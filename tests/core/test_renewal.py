"""A log that goes on in a new epoch, with streams in every state."""

from sse_server.core.log_options import LogOptions
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


def test_offsets_may_be_given_again() -> None:
    bench = Bench()
    bench.hub.positions = bench.hub.log.positions = Positions(b"e")
    for epoch in (b"f", b"g", b"h"):
        bench.publish("news", "1", "2")
        bench.hub.begin_anew(epoch, 0)
    sink, _ = bench.join("news")
    bench.publish("news", "1", "2")
    bench.run()
    assert sink.data == ["1", "2"]
    bench.tick(400)
    assert not len(bench.hub.log.windows["news"])


def test_behind_a_renewal_the_oldest_frame_of_all_leaves_first() -> None:
    log = LogOptions(max_bytes=8_000)
    bench = Bench(log=log)
    bench.hub.positions = bench.hub.log.positions = Positions(b"e")
    bench.publish("other", *"123456")
    bench.publish("news", "7")
    bench.join("news")
    bench.hub.begin_anew(b"f", 0)
    bench.join("news")
    bench.publish("news", "1")
    bench.publish("other", *["x" * 500] * 5)
    bench.run()
    while bench.hub.log.windows["other"].oldest == 2:
        assert bench.hub.log.evicted < 12
        bench.publish("other", "x" * 500)
    assert bench.hub.log.windows["news"].oldest is None
