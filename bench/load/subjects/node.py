"""Node's http module, the broadcaster that guides show."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from bench.load.request import get_stream, post
from bench.load.subjects.base import Subject, said

_SCRIPT = Path(__file__).parent.parent / "node_broadcaster.js"


class Node:
    """A set of responses, `write` on each; keeps nothing for those who join later."""

    name = "node"
    replays = False
    batches = False
    drains = False
    http2_after: int | None = 1
    tls = False
    stall_timeout_seconds: float | None = None

    def missing(self) -> str | None:
        return None if shutil.which("node") else "node is not installed: apt-get install nodejs"

    def secured(self) -> Subject | None:
        return None

    def version(self) -> str:
        return f"node {said('node', '--version')}"

    def command(self, port: int, folder: Path) -> list[str]:
        return ["node", str(_SCRIPT), str(port)]

    def subscribe_request(self, *channels: str, replay: bool = False) -> bytes:
        if replay:
            raise ValueError("the node broadcaster does not replay")
        return get_stream(f"/events/{','.join(channels)}")

    def publish_request(self, channel: str, data: bytes) -> bytes:
        return post(f"/events/{channel}", data)

    def batch_request(self, events: Sequence[tuple[str, bytes]]) -> bytes:
        raise ValueError("the node broadcaster takes one event at a time")
