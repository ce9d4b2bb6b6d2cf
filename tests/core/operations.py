"""What can be done to streams, by whoever does it."""

from functools import partial

from sse_server.wire.flow import CloseReason
from tests.core.client import Carrier, Stream
from tests.core.invariants import Invariants
from tests.core.model import EPOCH, History, Ledger
from tests.core.scene import FAREWELL, FAULTS, Action, Manner, Script, followed

MAX_STREAMS = 40
MAX_AWAY = 10


class Operations(Invariants):
    """A machine that opens, changes and ends streams."""

    history: History
    """What can be read at all: what the log holds, or what an engine keeps."""
    at_hand: History
    """What is looked at to find the oldest."""
    carriers: list[Carrier | None]
    writes: int
    heartbeats: int
    away: list[Stream]
    """Those whose clients were sent away, and have not come back."""

    def act(self, action: Action, writing: Stream) -> None:
        """What happens inside a write."""
        raise NotImplementedError

    def lacks(self, stream: Stream) -> bool:
        """Whether what it is to be sent next is not in the log, but the next server has it."""
        return False

    def _open(
        self,
        channels: list[str],
        last_id: bytes | None,
        manner: Manner,
        script: Script,
        untold: dict[str, set[int]],
    ) -> None:
        if len(self.streams) >= MAX_STREAMS:
            return
        carried = {channel: untold[channel] for channel in followed(channels) if channel in untold}
        ledger = self._ledger(followed(channels), last_id, carried)
        framing, tells_positions, number = manner
        carrier = self.carriers[number]
        stream = Stream(self, channels, framing, tells_positions, script, ledger, carrier)
        subscriber = self.hub.subscribe(
            stream, framing, channels, last_id, tells_positions=tells_positions
        )
        stream.last_id = last_id
        if subscriber.start is not None and subscriber.start.unresolved:
            ledger.unresolve()
        stream.opened(subscriber, self.hub.opening_position(subscriber))
        stream.silent_since = self.now
        self.streams.append(stream)
        self.opened += 1

    def _ledger(
        self, channels: list[str], last_id: bytes | None, carried: dict[str, set[int]]
    ) -> Ledger:
        history = self.history
        newest = history.newest
        ledger = partial(Ledger, history, is_all=history is self.memory)
        if last_id is None:
            return ledger(newest, dict.fromkeys(channels, newest))
        place, _, offset = last_id.rpartition(b"-")
        known = place == EPOCH and offset == b"%d" % int(offset or b"0" if offset.isdigit() else 0)
        if known and int(offset) <= newest:
            at = int(offset)
            countable = self.hub.log._floor <= at and all(history.lost(c) <= at for c in channels)
            upto = dict.fromkeys(channels, at)
            return ledger(at, upto, countable=countable, carried=carried)
        oldest = self.at_hand.oldest(channels)
        at = newest if oldest is None else oldest - 1
        forgiven = {
            lost
            for channel in channels
            for lost in history.between(channel, at, newest)
            if not history.is_held(lost)
        }
        fault = None if last_id == b"earliest" else FAULTS.get(last_id, "malformed")
        upto = dict.fromkeys(channels, at)
        return ledger(at, upto, fault=fault, forgiven=forgiven)

    def _pick(self, pick: int, *, paused: bool | None = None) -> Stream | None:
        streams = [s for s in self.streams if paused is None or s.paused is paused]
        return streams[pick % len(streams)] if streams else None

    def _pause(self, stream: Stream | None) -> None:
        if stream is not None and stream.is_open:
            assert stream.subscriber is not None
            stream.paused = True
            stream.silent_since = self.now
            stream.subscriber.pause()
            assert stream.subscriber.lane is None

    def _resume(self, stream: Stream | None) -> None:
        if stream is not None and stream.is_open and stream.paused:
            assert stream.subscriber is not None
            stream.paused = False
            stream.silent_since = self.now  # it was taking what had been written
            stream.subscriber.resume()

    def _finish(self, stream: Stream | None) -> None:
        if stream is not None and stream.is_open:
            assert stream.subscriber is not None
            stream.finishing = True
            stream.subscriber.finish(FAREWELL)

    def _leave(self, stream: Stream | None) -> None:
        if stream is not None and stream.is_open:
            assert stream.subscriber is not None
            self.closed(stream)
            stream.subscriber.gone(CloseReason.LOST)
            stream.subscriber.gone(CloseReason.LOST)
            assert stream.subscriber.delivered[0] == stream.frames

    def sent_away(self, stream: Stream) -> None:
        """Its last block was the farewell."""
        self.closed(stream)
        self.away = [*self.away, stream][-MAX_AWAY:]

    def closed(self, stream: Stream) -> None:
        stream.is_open = False
        self.streams.remove(stream)
        self.left += 1

    def _change(self, stream: Stream | None, channels: list[str]) -> None:
        if stream is None or not stream.is_open:
            return
        subscriber = stream.subscriber
        assert subscriber is not None
        stood = subscriber.lane is not None and stream.ledger.has_everything
        place = self.hub.change(subscriber, channels)
        stream.channels = channels
        stream.ledger.floor = self.hub.log._floor
        stream.ledger.change(followed(channels), place)
        if stood:
            assert place == self.history.newest
            assert subscriber.lane is not None or self.history is not self.memory
        stream.snapshots = [stream.ledger.snapshot(stream.last_id)]
