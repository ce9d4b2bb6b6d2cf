"""What a request says in its address: a channel in the path, parameters in the query.

A path is percent-decoded once, here, where the channel is taken from it: `/events/a%2Fb` and
`/events/a/b` are channel `a/b`, and `/events/a%252Fb` is refused, as `a%2Fb` cannot be a channel.
Names are compared as the bytes that remain.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

from sse_server.errors import InvalidRequest, quoted
from sse_server.http.request import Request, percent_decode
from sse_server.wire.channel_name import check_channel

DEFAULT_CHANNEL = "global"
"""Where a request goes that names no channel."""

_NUMBER = re.compile(rb"[0-9]{1,18}")  # int() takes signs, underscores and thousands of digits


def channel_name(raw: bytes) -> str:
    """The channel that `raw`, already percent-decoded, names.

    Raises:
        InvalidChannel: no channel can be called that.
    """
    # A byte that is not UTF-8 becomes an escape. Its backslash is refused in turn, so that no
    # name made this way can be mistaken for another.
    return check_channel(raw.decode(errors="backslashreplace"))


@lru_cache(maxsize=1024)  # publishers and reconnecting clients come to the same addresses
def channel_in_path(path: bytes, prefix: bytes, suffix: bytes = b"") -> str:
    """The channel between `prefix` and `suffix`, with which the raw `path` begins and ends.

    Raises:
        InvalidRequest: bad percent-encoding.
        InvalidChannel: no channel can be called that.
    """
    return channel_name(percent_decode(path[len(prefix) : len(path) - len(suffix)]))


def single_parameters(request: Request, names: frozenset[bytes]) -> dict[bytes, bytes]:
    """The query's parameters out of `names`, each of which may be there once. Others are ignored.

    Raises:
        InvalidRequest: one is there twice, or bad percent-encoding.
    """
    single: dict[bytes, bytes] = {}
    for name, value in request.parameters:
        if name in names:
            if name in single:
                raise InvalidRequest(f"the query has {name.decode()} more than once: send one")
            single[name] = value
    return single


def only_parameters(request: Request, names: frozenset[bytes]) -> dict[bytes, bytes]:
    """As `single_parameters`, for requests that change something: a typing error is not ignored.

    Raises:
        InvalidRequest: a parameter that is not in `names`, or what `single_parameters` raises.
    """
    for name, _ in request.parameters:
        if name not in names:
            known = ", ".join(sorted(known.decode() for known in names))
            raise InvalidRequest(
                f"the query has {quoted(name.decode(errors='backslashreplace'))}, "
                f"which means nothing here{f'; it may have {known}' if known else ': leave it out'}"
            )
    return single_parameters(request, names)


def text(parameters: Mapping[bytes, bytes], name: bytes) -> str | None:
    """The parameter `name` as text, or None.

    Raises:
        InvalidRequest: it is not UTF-8.
    """
    value = parameters.get(name)
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise InvalidRequest(f"the query's {name.decode()} is not UTF-8") from None


def number(parameters: Mapping[bytes, bytes], name: bytes) -> int | None:
    """The parameter `name` as a number from 0 on, or None.

    Raises:
        InvalidRequest: it is something else than up to 18 decimal digits.
    """
    value = parameters.get(name)
    if value is None:
        return None
    if not _NUMBER.fullmatch(value):
        raise InvalidRequest(f"the query's {name.decode()} must be a whole number")
    return int(value)


def page_limit(parameters: Mapping[bytes, bytes], default: int, most: int) -> int:
    """The parameter `limit`, 1 to `most`.

    Raises:
        InvalidRequest: it is not.
    """
    limit = number(parameters, b"limit")
    if limit is None:
        return default
    if not 1 <= limit <= most:
        raise InvalidRequest(f"the query's limit must be 1 to {most}")
    return limit
