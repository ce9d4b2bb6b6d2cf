"""HTTP/1.1 requests, the same for every subject."""

_BROWSER = (
    b"Host: 127.0.0.1\r\n"
    b"Connection: keep-alive\r\n"
    b'sec-ch-ua: "Chromium";v="140", "Not=A?Brand";v="24"\r\n'
    b'sec-ch-ua-platform: "Linux"\r\n'
    b"Cache-Control: no-cache\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    b"Chrome/140.0.0.0 Safari/537.36\r\n"
    b"Accept: text/event-stream\r\n"
    b"sec-ch-ua-mobile: ?0\r\n"
    b"Sec-Fetch-Site: same-origin\r\n"
    b"Sec-Fetch-Mode: cors\r\n"
    b"Sec-Fetch-Dest: empty\r\n"
    b"Referer: http://127.0.0.1/\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\n"
    b"Accept-Language: en-US,en;q=0.9\r\n"
)
"""What Chromium's EventSource sends, since reading it is most of what a new stream costs."""


def get_stream(path: str) -> bytes:
    """A subscription as a browser makes it."""
    return b"GET %s HTTP/1.1\r\n%s\r\n" % (path.encode(), _BROWSER)


def post(path: str, data: bytes, kind: str = "text/plain") -> bytes:
    """A publish as a program makes it, on a connection that stays."""
    return (
        b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s"
        % (
            path.encode(),
            kind.encode(),
            len(data),
            data,
        )
    )
