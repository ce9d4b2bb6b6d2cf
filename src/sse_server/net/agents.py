"""What clients call themselves: each name is held once, however many streams have it."""

_MOST_NAMES = 1_000


class Agents:
    """Shares names, so that a stream of a common browser costs none of its own."""

    __slots__ = ("_names",)

    def __init__(self) -> None:
        self._names: dict[bytes, bytes] = {}

    def shared(self, name: bytes | None) -> bytes | None:
        """The same name, as it is held already."""
        if name is None:
            return None
        known = self._names.get(name)
        if known is None:
            if len(self._names) >= _MOST_NAMES:  # open streams keep theirs
                self._names.clear()
            known = self._names[name] = name
        return known
