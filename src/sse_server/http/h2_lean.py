"""The parts of an h2 connection, in a tenth of the memory.

There are thousands of connections, most with one stream or a few, and as h2 makes them each takes
18 KB. What is here behaves as what it takes the place of (`tests/http/test_h2_lean.py`).
"""

from __future__ import annotations

from collections import OrderedDict
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Never

from h2.settings import ChangedSetting, SettingCodes, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from h2.connection import H2Connection

_DEFAULTS = {
    key: (value,)
    for client in (True, False)
    for key, value in Settings(client=client).items()
    if key is not SettingCodes.ENABLE_PUSH
}


class _Nothing(OrderedDict[Any, Any]):
    """What is empty on nearly all connections nearly always: one for all, which stays empty."""

    def __setitem__(self, key: object, value: object) -> Never:
        raise AssertionError("what all connections share stays empty")


NOTHING: OrderedDict[Any, Any] = _Nothing()
"""In the place of an empty dictionary; whoever has something to put into one makes it. An empty one
takes 80 bytes, an ordered one 450."""


class LeanSettings(Settings):
    """Settings whose values, the one in force and those not yet acknowledged, are tuples.

    A deque takes 760 bytes, and there would be a dozen in each connection.
    """

    def __init__(self, initial_values: Mapping[SettingCodes, int], *, client: bool) -> None:
        """`client`: whose settings they are."""
        self._client = client
        values: dict[SettingCodes | int, tuple[int | None, ...]] = {
            **_DEFAULTS,
            SettingCodes.ENABLE_PUSH: _PUSH[client],
        }
        values.update((key, (value,)) for key, value in initial_values.items())
        self._settings = values  # type: ignore[assignment] # it is read in the same way

    def acknowledge(self) -> dict[SettingCodes | int, ChangedSetting]:
        """The next value of each that has one is in force."""
        changed: dict[SettingCodes | int, ChangedSetting] = {}
        settings: dict[Any, Any] = self._settings
        for key, values in settings.items():
            if len(values) > 1:
                settings[key] = values[1:]
                changed[key] = ChangedSetting(key, values[0], values[1])
        return changed

    def __setitem__(self, key: SettingCodes | int, value: int) -> None:
        """A value that is not acknowledged yet; what nobody has defined is not kept."""
        if key not in _KNOWN:
            return
        self.validate_received_setting(key, value)
        settings: dict[Any, Any] = self._settings
        settings[key] = (*settings.get(key, (None,)), value)

    def copy(self) -> LeanSettings:
        """The same, to be changed."""
        other = LeanSettings({}, client=self._client)
        other._settings.update(self._settings)
        return other

    def shared(self) -> LeanSettings:
        """The same, one object for all who have these: it is not to be changed."""
        key = tuple(self._settings.items())
        known = _shared.get(key)
        if known is None:
            if len(_shared) >= _MAX_SHARED:
                _shared.clear()
            known = _shared[key] = self
        return known


_shared: dict[tuple[object, ...], LeanSettings] = {}  # of clients
_MAX_SHARED = 256

_PUSH = {True: (1,), False: (0,)}
_KNOWN = frozenset(SettingCodes)


CLIENTS_DEFAULTS = LeanSettings({}, client=True)
"""What a client's are before it has said anything, for all connections: not to be changed."""


@lru_cache(maxsize=16)
def own_settings(max_streams: int, max_head_bytes: int, window_bytes: int) -> LeanSettings:
    """The server's own, which never change: one object for all connections."""
    return LeanSettings(
        {
            SettingCodes.MAX_CONCURRENT_STREAMS: max_streams,
            SettingCodes.MAX_HEADER_LIST_SIZE: max_head_bytes,
            SettingCodes.INITIAL_WINDOW_SIZE: window_bytes,
        },
        client=False,
    )


class NoEncoder:
    """Stands where h2 has its encoder, which is never used: one for all connections."""

    header_table_size = 0

    def __setattr__(self, name: str, value: object) -> None:
        """What a client allows for a table that we do not have is not kept."""


class Handlers:
    """What h2 does with a frame of a class: found when it comes, and not held."""

    __slots__ = ("_connection",)

    def __init__(self, connection: H2Connection) -> None:
        """`connection` has them as methods."""
        self._connection = connection

    def __getitem__(self, kind: type) -> Callable[..., Any]:
        """The method for frames of `kind`."""
        found: Callable[..., Any] = getattr(self._connection, METHODS[kind])
        return found


def _methods() -> dict[type, str]:
    from h2.connection import H2Connection  # noqa: PLC0415 (once)

    table = H2Connection()._frame_dispatch_table  # noqa: SLF001
    return {kind: method.__name__ for kind, method in table.items()}


METHODS = _methods()
"""By class of frame, as h2 itself has them."""
