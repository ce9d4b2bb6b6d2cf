"""Counters of an engine that stores."""

from sse_server.core.histogram import SECONDS, Histogram

SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000)


class EngineCounters:
    """What an engine has stored."""

    __slots__ = (
        "batches",
        "failures",
        "page_failures",
        "page_problem",
        "pages",
        "seconds",
        "trim_failures",
        "trimmed",
    )

    def __init__(self) -> None:
        """Nothing yet."""
        self.batches = Histogram(SIZES)  # events in one commit
        self.seconds = Histogram(SECONDS)  # that a commit took
        self.failures = 0  # commits
        self.pages = 0  # of history, read
        self.page_failures = 0
        self.page_problem = ""  # of the last
        self.trimmed = 0  # events that were kept no longer
        self.trim_failures = 0

    def stored(self, events: int, seconds: float) -> None:
        """One commit."""
        self.batches.observe(events)
        self.seconds.observe(seconds)
