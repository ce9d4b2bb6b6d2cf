"""What every engine is: it orders events, keeps them, and hands them up in order.

The rules, which `tests/engines/test_contract.py` holds every engine to:

1. **Publishing.** `publish` answers when the engine has the events, with their positions, in the
   order given. What is answered survives whatever the engine is there to survive.
2. **`Unavailable`** (503) means "not known to be stored". Trying again with the same `id` is safe:
   an event whose `id` was published to the same channel within the idempotency window is not
   published again; its receipt names the first position, with `duplicate` set. An `id` is known as
   soon as its event is ordered, and forgotten when that could not be stored.
3. **Order.** Every node is handed all events that it is to have in the order of their offsets,
   which only grow, not always by one. Nothing is handed up that is not stored, and an event is
   handed up before its publisher is answered.
4. **Batches** are stored all or not at all where the engine can. One that cannot, and a batch that
   was published in parts because subscribers were behind, answer event by event: `PartlyStored` has
   a receipt for each that is stored; of the others it is not known.
5. **History.** `history` reads what is kept, in pages, in order, up to a place that the page names.
   Whatever was handed up can be read, and is kept at least as long as the log keeps it. What
   retention has taken is told as lost: never left out without a word.
6. **How far it is.** When `open` has returned, `newest` is the newest offset there is; the log
   begins there, and asks `history` for what lies before. An engine that hands up only what is
   watched says how far it has read by `Upward.advance`, so that the heartbeats of quiet channels
   move on.
7. **Watching.** An engine that is `selective` hands up only channels that are watched: `watch` and
   `unwatch` return at once, and from when on a channel is handed up without a hole is told by
   `Upward.complete`, before anything of it is; it keeps history, which has what lies before.
   Unwatching ends that, at once.
8. **Epochs.** A position names the epoch that gave it. An engine whose newest position is below one
   that was handed out (it was restored from an older copy, say) goes on in a new epoch, stored by
   compare-and-set where nodes share it, so that what was lost is told as a gap and never mistaken
   for what came in its place. A node that is running calls `Upward.begin_anew` before anything
   else is handed up.
"""

from collections.abc import Awaitable, Sequence
from typing import NamedTuple, Protocol

from sse_server.core.engine_counters import EngineCounters
from sse_server.core.history import Page, Question
from sse_server.errors import Unavailable
from sse_server.wire.event import Event
from sse_server.wire.position import Positions

MAX_RECEIPTS = 1_000
"""Of a larger batch the answer counts instead of listing: 1,000 receipts are 50 KB already."""


class Publication(NamedTuple):
    """One event on its way to one channel, both checked."""

    channel: str
    event: Event


class Receipt(NamedTuple):
    """What a publisher is told: where the event stands, and whether it had been sent before."""

    position: bytes
    duplicate: bool


class PartlyStored(Unavailable):
    """A batch of which some events are stored, and the others are not known to be."""

    def __init__(
        self,
        message: str,
        receipts: Sequence[Receipt | None],
        *,
        retry_after_seconds: int | None = None,
    ) -> None:
        """`receipts`: of each event in the order given; None: it is not known to be stored."""
        super().__init__(message, retry_after_seconds=retry_after_seconds)
        self.receipts = receipts
        stored = receipts.index(None) if None in receipts else len(receipts)
        self.details = {"stored": stored, **told_of(receipts)}


def told_of(receipts: Sequence[Receipt | None]) -> dict[str, object]:
    """What a publisher is told of a batch; None: an event that is not known to be stored."""
    known = [receipt for receipt in receipts if receipt is not None]
    new = [receipt.position for receipt in known if not receipt.duplicate]
    answer: dict[str, object] = {
        "published": len(new),
        "duplicates": len(known) - len(new),
        "first": new[0].decode() if new else None,
        "last": new[-1].decode() if new else None,
    }
    if len(receipts) <= MAX_RECEIPTS:
        answer["events"] = [
            {"error": Unavailable.code}
            if receipt is None
            else {"id": receipt.position.decode(), "duplicate": receipt.duplicate}
            for receipt in receipts
        ]
    return answer


class Upward(Protocol):
    """The hub, as an engine sees it."""

    def deliver(self, channel: str, offset: int, event: Event, block: bytes | None = None) -> None:
        """The next event, and its frame if the engine has made one."""
        ...

    def advance(self, offset: int) -> None:
        """Everything up to here that is watched has been handed up."""
        ...

    def begin_anew(self, epoch: bytes, newest: int) -> None:
        """The newest event there is stands at `newest`, below what was handed up."""
        ...

    def complete(self, channel: str, offset: int) -> None:
        """A channel that is watched is handed up without a hole beyond `offset`."""
        ...


class Engine(Protocol):
    """The store behind the log; the rules stand above."""

    @property
    def positions(self) -> Positions:
        """Makes and parses this engine's positions. Known when `open` has returned."""
        ...

    @property
    def newest(self) -> int:
        """The newest offset of all. Known when `open` has returned."""
        ...

    @property
    def keeps_history(self) -> bool:
        """Whether there is more to read than what was handed up."""
        ...

    @property
    def selective(self) -> bool:
        """Whether only channels that are watched are handed up."""
        ...

    @property
    def trouble(self) -> str | None:
        """Why events cannot be stored now, in a few words; None: they can."""
        ...

    @property
    def counters(self) -> EngineCounters:
        """What it has stored."""
        ...

    async def open(self) -> None:
        """Get hold of what is kept. Called once.

        Raises:
            ConfigurationError: it cannot be had.
        """
        ...

    def start(self, upward: Upward) -> None:
        """Begin to hand up. Called once, after `open` and before the first publish."""
        ...

    def publish(
        self, publications: Sequence[Publication]
    ) -> list[Receipt] | Awaitable[list[Receipt]]:
        """Store `publications` and say where they stand; at once where no input or output is due.

        An engine that stores for many at once answers with promises: they cost no task.

        Raises:
            Unavailable: not known to be stored; a retry with the same id is safe.
            PartlyStored: some of them are; raised by what is awaited alone.
        """
        ...

    async def history(self, question: Question, max_frames: int, max_bytes: int) -> Page:
        """Read what is kept. A page has at least one frame if there is one.

        Raises:
            Unavailable: it cannot be read now.
        """
        ...

    def watch(self, channel: str) -> None:
        """Somebody follows `channel`."""
        ...

    def unwatch(self, channel: str) -> None:
        """Nobody does any more."""
        ...

    async def close(self) -> None:
        """Release everything; what was taken in is stored before. Idempotent."""
        ...
