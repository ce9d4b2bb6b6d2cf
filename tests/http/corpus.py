"""Heads of requests as browsers, command lines, libraries and a proxy send them."""

from pathlib import Path


def _read(path: Path) -> dict[str, bytes]:
    """`# name`, the lines of the head, an empty line; `##` is a remark."""
    heads = {}
    for block in path.read_text(encoding="ascii").split("\n\n"):
        name, _, lines = block.strip("\n").partition("\n")
        if name and not name.startswith("##"):
            assert name.startswith("# "), name
            heads[name[2:]] = lines.replace("\n", "\r\n").encode("ascii") + b"\r\n\r\n"
    return heads


HEADS = _read(Path(__file__).with_name("heads.txt"))
