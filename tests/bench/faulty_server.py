"""A tiny broadcaster that does wrong on purpose: `faulty_server.py PORT FAULT`.

Faults, on the stream opened first: gap (event 5 is left out), repeat (event 5 is sent twice), drop
(its connection is closed before event 5), refuse (it is answered 503); none.
"""

import asyncio
import itertools
import sys

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


class Broadcaster:
    def __init__(self, fault: str) -> None:
        self.fault = fault
        self.streams: list[asyncio.StreamWriter] = []
        self.published = itertools.count(1)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            if head.startswith(b"GET"):
                refused = self.fault == "refuse" and not self.streams
                writer.write(BUSY if refused else HEAD)
                self.streams.append(writer)
            else:
                length = int(head.lower().partition(b"content-length:")[2].split(b"\r")[0])
                self.publish(await reader.readexactly(length))
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    def publish(self, data: bytes) -> None:
        number = next(self.published)
        body = b"data: %s\n\n" % data
        event = b"%x\r\n%s\r\n" % (len(body), body)
        for index, stream in enumerate(self.streams):
            fault = self.fault if number == 5 and index == 0 else ""
            if fault == "drop":
                stream.close()
            elif fault != "gap":
                stream.write(event * (2 if fault == "repeat" else 1))


async def main() -> None:
    broadcaster = Broadcaster(sys.argv[2])
    server = await asyncio.start_server(broadcaster.serve, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
