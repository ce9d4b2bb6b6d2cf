"""Publishing that is reported: where each event stands, to a journal that wants to know."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Never, Protocol

from sse_server.engines.base import PartlyStored
from sse_server.promise import after

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from sse_server.engines.base import Publication, Receipt
    from sse_server.engines.gated import GatedEngine


class Journal(Protocol):
    """Who is told of events."""

    @property
    def tells_events(self) -> bool:
        """Whether it wants to know."""
        ...

    def published(self, channel: str, position: bytes, size: int, *, duplicate: bool) -> None:
        """An event of `size` characters stands at `position`."""
        ...


class ReportedPublishing:
    """Publishes to an engine; nothing else is done while nobody wants to know."""

    __slots__ = ("_engine", "_journal")

    def __init__(self, engine: GatedEngine, journal: Journal) -> None:
        """Every part of a server publishes by this."""
        self._engine = engine
        self._journal = journal

    def publish(
        self, publications: Sequence[Publication]
    ) -> list[Receipt] | Awaitable[list[Receipt]]:
        """As `engines.base.Engine.publish`."""
        receipts = self._engine.publish(publications)
        if not self._journal.tells_events:
            return receipts
        if isinstance(receipts, list):
            return self._report(publications, receipts)
        make, mend = partial(self._report, publications), partial(self._report_partly, publications)
        return after(receipts, make, mend)

    def _report(
        self, publications: Sequence[Publication], receipts: list[Receipt]
    ) -> list[Receipt]:
        self._tell(publications, receipts)
        return receipts

    def _report_partly(self, publications: Sequence[Publication], error: Exception) -> Never:
        if isinstance(error, PartlyStored):
            self._tell(publications, error.receipts)
        raise error

    def _tell(
        self, publications: Sequence[Publication], receipts: Sequence[Receipt | None]
    ) -> None:
        for (channel, event), receipt in zip(publications, receipts, strict=True):
            if receipt is not None:
                position, size = receipt.position, len(event.data)
                self._journal.published(channel, position, size, duplicate=receipt.duplicate)
