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
        self.streams: list[tuple[asyncio.StreamWriter, set[str]]] = []
        self.published = itertools.count(1)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await self.answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.streams = [stream for stream in self.streams if stream[0] is not writer]
            writer.close()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split(b" ", 2)[1].decode().removeprefix("/")
        if head.startswith(b"GET"):
            refused = self.fault == "refuse" and not self.streams
            writer.write(BUSY if refused else HEAD)
            self.streams.append((writer, set(path.split(","))))
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r")[0])
        body = await reader.readexactly(length)
        if path:
            self.publish(path, body)
        else:
            for line in body.splitlines():
                channel, _, data = line.partition(b" ")
                self.publish(channel.decode(), data)
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    def publish(self, channel: str, data: bytes) -> None:
        number = next(self.published)
        body = b"data: %s\n\n" % data
        event = b"%x\r\n%s\r\n" % (len(body), body)
        for index, (stream, channels) in enumerate(self.streams):
            fault = self.fault if number == 5 and index == 0 else ""
            if channel not in channels:
                continue
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
