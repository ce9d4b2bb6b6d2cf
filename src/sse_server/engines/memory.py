"""The memory engine: the log is all there is. What is published is gone with the process."""

from collections.abc import Callable, Sequence

from sse_server.engines.base import Deliver, Publication, Receipt
from sse_server.engines.idempotency import IdempotencyKeys, IdempotencyOptions
from sse_server.wire.position import Positions, new_epoch


class MemoryEngine:
    """Orders events and keeps nothing but their publishers' keys. Answers at once."""

    def __init__(
        self, clock: Callable[[], float], idempotency: IdempotencyOptions | None = None
    ) -> None:
        """A new epoch begins. `clock` gives monotonic seconds."""
        self.positions = Positions(new_epoch())
        self._clock = clock
        self._keys = IdempotencyKeys(idempotency or IdempotencyOptions())
        self._newest = 0
        self._deliver: Deliver | None = None

    async def start(self, deliver: Deliver) -> None:
        """Begin to deliver."""
        self._deliver = deliver

    def publish(self, publications: Sequence[Publication]) -> list[Receipt]:
        """Order and deliver `publications`; says where they stand."""
        deliver = self._deliver
        assert deliver is not None, "published before start"
        encode = self.positions.encode
        receipts = []
        for channel, event in publications:
            if event.id is not None:
                now = self._clock()
                first = self._keys.find(channel, event.id, now)
                if first is not None:
                    receipts.append(Receipt(encode(first), duplicate=True))
                    continue
                self._keys.remember(channel, event.id, self._newest + 1, now)
            self._newest = offset = self._newest + 1
            deliver(channel, offset, event)
            receipts.append(Receipt(encode(offset), duplicate=False))
        return receipts

    async def close(self) -> None:
        """Nothing to release."""
