"""Traffic: events by name, counted one by one for the busiest names and together for the rest.

Each event is counted in exactly one tally, of its name or of all others, and no tally is ever
lowered. So the tallies that can be shown stay few, however many names there are, and rates that are
computed from them are right; a name that is overtaken takes its tally along, and goes on with it
when it comes back.

Which names are busy is found out by samples: one event in sixteen is looked at, in no regular step.
Their counts are kept for a bounded number of names (Misra and Gries, 1982: when there are too many,
each loses one, so that a name with more than its share stays), and halved with every look, so that
what is busy now counts more than what was. Nothing here ever looks at all names.
"""

from collections import OrderedDict

OTHER = "other"
"""The tally of all names that have none of their own; a channel of this name is counted there."""

_SAMPLE_EVERY = 16  # on average: then a sample costs a publish about 30 ns
_SAMPLED_PER_TALLY = 8  # names whose samples are counted
_REMEMBERED_PER_TALLY = 10  # tallies of names that were overtaken
_LOOK_SECONDS = 15.0


class Tally:
    """The events of one name, or of all others."""

    __slots__ = ("events", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.events = 0


class Traffic:
    """Which names have a tally of their own, and which share one."""

    __slots__ = (
        "_limit",
        "_look_at",
        "_overtaken",
        "_own",
        "_samples",
        "_seed",
        "forgotten",
        "other",
        "sample_at",
    )

    def __init__(self, limit: int) -> None:
        """At most `limit` names have their own."""
        self._limit = limit
        self._own: dict[str, Tally] = {}
        self._overtaken: OrderedDict[str, Tally] = OrderedDict()
        self._samples: dict[str, int] = {}
        self._seed = 1
        self._look_at = 0.0
        self.other = Tally(OTHER)
        self.forgotten = 0  # events in tallies of names that were overtaken long ago
        self.sample_at = 0  # the number of the event that is the next sample

    def __len__(self) -> int:
        """Names that have a tally of their own."""
        return len(self._own)

    @property
    def tallies(self) -> list[Tally]:
        """What can be shown: each name's own, and the others'."""
        return [*self._own.values(), self.other]

    @property
    def total(self) -> int:
        """All events: those in `tallies`, and those of names that were overtaken."""
        overtaken = sum(tally.events for tally in self._overtaken.values())
        return sum(tally.events for tally in self.tallies) + overtaken + self.forgotten

    def tally(self, name: str) -> Tally:
        """Where the next events of `name` are counted. Good until `look` names it."""
        own = self._own.get(name)
        if own is None and len(self._own) < self._limit and name != OTHER:
            return self._enter(name)
        return own or self.other

    def sample(self, name: str, number: int) -> None:
        """Look at the event `number`, which is of `name`."""
        self._seed = (self._seed * 1_103_515_245 + 12_345) & 0x7FFF_FFFF  # of ANSI C's example
        self.sample_at = number + 1 + (self._seed >> 16) % (2 * _SAMPLE_EVERY - 1)
        samples = self._samples
        if name in samples or len(samples) < self._limit * _SAMPLED_PER_TALLY:
            samples[name] = samples.get(name, 0) + 1
        else:
            self._samples = {name: count - 1 for name, count in samples.items() if count > 1}

    def look(self, now: float) -> list[str]:
        """Give tallies to names that have become busier than others; returns whom that touches.

        Called about once a second; something may change every fifteen.
        """
        if now < self._look_at:
            return []
        self._look_at = now + _LOOK_SECONDS
        samples = self._samples
        busy = sorted(
            (name for name in samples if name not in self._own and name != OTHER),
            key=samples.__getitem__,
            reverse=True,
        )
        quiet = sorted(self._own, key=lambda name: samples.get(name, 0))
        touched = []
        for entering, leaving in zip(busy, quiet, strict=False):
            # Twice as busy, so that equals do not take turns.
            if samples[entering] <= 2 * samples.get(leaving, 0) + 1:
                break
            self._leave(leaving)
            self._enter(entering)
            touched += [leaving, entering]
        self._samples = {name: count // 2 for name, count in samples.items() if count > 1}
        return touched

    def _enter(self, name: str) -> Tally:
        tally = self._overtaken.pop(name) if name in self._overtaken else Tally(name)
        self._own[name] = tally
        return tally

    def _leave(self, name: str) -> None:
        self._overtaken[name] = self._own.pop(name)
        if len(self._overtaken) > self._limit * _REMEMBERED_PER_TALLY:
            _, oldest = self._overtaken.popitem(last=False)
            self.forgotten += oldest.events
