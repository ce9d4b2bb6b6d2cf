"""Text of others, made fit for a terminal.

What a publisher sends may be meant for the terminal of who reads it: control characters move the
cursor, change the title, write to the clipboard, and bidirectional overrides show another text than
is there.
"""

import re

# C0 but for tab and line feed, DEL, C1; line separators, overrides and isolates of direction.
_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    r"""`text` with every control character written as `\x1b` is."""
    return _UNFIT.sub(_escape, text)


def one_line(text: str) -> str:
    """`text` as one line that is `printable`."""
    return printable(" ".join(text.split()))


def printable_json(text: str) -> str:
    """JSON text, the same JSON: what is unfit can only stand in its strings."""
    return _UNFIT.sub(_json_escape, text)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"  # noqa: PLR2004 (two digits)


def _json_escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
