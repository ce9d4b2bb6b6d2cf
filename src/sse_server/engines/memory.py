"""The memory engine: the log is all there is. What is published is gone with the process."""

from collections.abc import Callable, Sequence

from sse_server.core.engine_counters import EngineCounters
from sse_server.core.history import Page, Question
from sse_server.engines.base import Publication, Receipt, Upward
from sse_server.engines.idempotency import IdempotencyKeys, IdempotencyOptions
from sse_server.errors import Unavailable
from sse_server.wire.encoder import encode, frame
from sse_server.wire.position import Positions, new_epoch


class MemoryEngine:
    """Orders events and keeps nothing but their publishers' keys. Answers at once."""

    keeps_history = False
    selective = False

    def __init__(
        self, clock: Callable[[], float], idempotency: IdempotencyOptions | None = None
    ) -> None:
        """A new epoch begins. `clock` gives monotonic seconds."""
        self.positions = Positions(new_epoch())
        self._clock = clock
        self._keys = IdempotencyKeys(idempotency or IdempotencyOptions())
        self.newest = 0
        self.trouble: str | None = None
        self.counters = EngineCounters()  # it stores nothing: all remain at zero
        self._upward: Upward | None = None

    async def open(self) -> None:
        """Nothing is kept."""

    def start(self, upward: Upward) -> None:
        """Begin to hand up."""
        self._upward = upward

    def publish(self, publications: Sequence[Publication]) -> list[Receipt]:
        """Order and deliver `publications`; says where they stand."""
        assert self._upward is not None, "published before start"
        deliver = self._upward.deliver
        position = self.positions.encode
        receipts = []
        for channel, event in publications:
            if event.id is not None:
                now = self._clock()
                first = self._keys.find(channel, event.id, now)
                if first is not None:
                    receipts.append(Receipt(position(first), duplicate=True))
                    continue
                self._keys.remember(channel, event.id, self.newest + 1, now)
            self.newest = offset = self.newest + 1
            name = position(offset)
            deliver(channel, offset, event, frame(name, encode(event)))
            receipts.append(Receipt(name, duplicate=False))
        return receipts

    async def history(self, question: Question, max_frames: int, max_bytes: int) -> Page:  # noqa: ARG002 (the contract's)
        """Nobody asks: `keeps_history` says so.

        Raises:
            Unavailable: always.
        """
        raise Unavailable("what was published is kept in memory alone")

    def watch(self, channel: str) -> None:
        """Everything is handed up."""

    def unwatch(self, channel: str) -> None:
        """Everything is handed up."""

    async def close(self) -> None:
        """Nothing to release."""
