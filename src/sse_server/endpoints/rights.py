"""What the sender of a request has to be allowed: asked where a channel's name is known.

Where nobody has to say who they are a request has no rights with it, and everything is allowed.
"""

from collections.abc import Hashable, Iterable

from sse_server.errors import NotGranted, quoted
from sse_server.http.request import Request


def holder(request: Request) -> Hashable:
    """Who sends a request, as the holder of streams; None: nobody in particular."""
    return None if request.rights is None else request.rights.holder


def check_subscribe(request: Request, channels: Iterable[str]) -> None:
    """Let nobody hear, or read back, what is not theirs.

    Raises:
        NotGranted: one of `channels`, checked names, is not.
    """
    rights = request.rights
    if rights is None:
        return
    for channel in channels:
        if not rights.may_subscribe(channel):
            raise NotGranted(f"you may not follow {quoted(channel)}")


def check_publish(request: Request, channels: Iterable[str]) -> None:
    """Let nobody publish where they may not.

    Raises:
        NotGranted: to one of `channels`, checked names.
    """
    rights = request.rights
    if rights is None:
        return
    for channel in channels:
        if not rights.may_publish(channel):
            raise NotGranted(f"you may not publish to {quoted(channel)}")


def check_operate(request: Request) -> None:
    """Let nobody but operators see and end what is others'.

    Raises:
        NotGranted: the sender is none.
    """
    if request.rights is not None and not request.rights.may_operate:
        raise NotGranted("this is for operators: it takes an API key with operate")


def check_look(request: Request, channel: str) -> None:
    """Let those look at a channel who may follow it, and operators.

    Raises:
        NotGranted: the sender is neither.
    """
    if request.rights is None or not request.rights.may_operate:
        check_subscribe(request, (channel,))
