"""Publishers side by side: as many connections, each with one request on its way.

This is how programs publish: on connections that stay, and waiting for each answer. Nobody listens,
so these events are not numbered; each answer is checked.
"""

import contextlib
import select
import socket
import time

from bench.load.answers import Answers


def post_side_by_side(
    address: tuple[str, int], request: bytes, connections: int, seconds: float
) -> int:
    """How many requests were accepted in so many seconds.

    Raises:
        ConnectionError: one was refused.
        TimeoutError: one was not answered.
    """
    with contextlib.ExitStack() as stack:
        epoll = stack.enter_context(select.epoll())
        waiting: dict[int, tuple[socket.socket, Answers]] = {}
        for _ in range(connections):
            sock = stack.enter_context(socket.create_connection(address, timeout=10))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            epoll.register(sock.fileno(), select.EPOLLIN)
            waiting[sock.fileno()] = sock, Answers()
        accepted = 0
        deadline = time.monotonic() + seconds
        for sock, _ in waiting.values():
            sock.sendall(request)
        unanswered = connections
        while unanswered:
            ready = epoll.poll(10)
            if not ready:
                raise TimeoutError(f"{unanswered} publishers wait for an answer")
            goes_on = time.monotonic() < deadline
            for fd, _ in ready:
                sock, answers = waiting[fd]
                data = sock.recv(65536)
                if not data:
                    raise ConnectionError("the server closed a publisher's connection")
                if answers.feed(data):
                    accepted += 1
                    if goes_on:
                        sock.sendall(request)
                    else:
                        unanswered -= 1
        return accepted
