"""A restart under a service manager that holds the socket: nobody is refused or reset."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.faults.follower import Follower, wait_for
from tests.node.service_manager import ServiceManager
from tests.running_server import LOOPS

PUBLISHERS = 4
FOLLOWERS = 10
SERVE = [sys.executable, "-m", "sse_server", "serve"]


class Publisher:
    """Publishes for ever, each time on a connection of its own; whatever fails, fails the test."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.statuses: list[int] = []
        self.acknowledged: list[str] = []

    async def publish(self, data: str) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(
                b"POST /events/news HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                b"Content-Length: %d\r\n\r\n%s" % (len(data), data.encode())
            )
            answer = await reader.read()
        finally:
            writer.close()
        assert answer, f"no answer to {data}"
        self.statuses.append(int(answer.split(b" ", 2)[1]))
        if self.statuses[-1] == 200:
            self.acknowledged.append(data)

    async def run(self, name: int) -> None:
        number = 0
        while True:
            number += 1
            await self.publish(f"{name}/{number}")


class Service:
    """What a service manager starts and stops, again and again, on one socket."""

    def __init__(self, systemd: ServiceManager, listening: socket.socket, folder: Path) -> None:
        self.port: int = listening.getsockname()[1]
        self.environ: dict[str, str] = {}
        self._systemd = systemd
        self._listening = listening
        self._log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = self._systemd.start(
            SERVE, [self._listening], log=self._log, environ=self.environ
        )
        assert self._systemd.hear() == {"READY": "1"}

    def stop(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        self._systemd.hear_until("STOPPING")
        assert self._process.wait(20) == 0, self._log.read_text()
        assert not self._systemd.has_more
        assert "Traceback" not in self._log.read_text()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@pytest.fixture(params=LOOPS)
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    with (
        ServiceManager(f"{tmp_path}/notify") as systemd,
        socket.create_server(("127.0.0.1", 0), backlog=4_096) as listening,
    ):
        service = Service(systemd, listening, tmp_path)
        if request.param == "asyncio":
            (tmp_path / "uvloop.py").write_text("raise ImportError('not here')\n")
            path = f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
            service.environ["PYTHONPATH"] = path
        try:
            yield service
        finally:
            service.kill()


async def _follow(follower: Follower) -> None:
    while True:
        await follower.read_stream()
        await asyncio.sleep(0.02)


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        assert not task.done(), task.exception()
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def test_a_restart_refuses_and_resets_nobody(service: Service) -> None:
    publishers = [Publisher(service.port) for _ in range(PUBLISHERS)]
    followers = [Follower(service.port) for _ in range(FOLLOWERS)]

    async def main() -> None:
        await asyncio.to_thread(service.start)
        following = [asyncio.create_task(_follow(follower)) for follower in followers]
        await wait_for(lambda: all(follower.streams for follower in followers))
        publishing = [asyncio.create_task(one.run(i)) for i, one in enumerate(publishers)]

        def have(each: int) -> bool:
            broken = [task for task in (*publishing, *following) if task.done()]
            assert not broken, [task.exception() for task in broken]
            return all(len(one.acknowledged) >= each for one in publishers)

        await wait_for(lambda: have(20))
        await asyncio.to_thread(service.stop)
        before = max(len(one.acknowledged) for one in publishers)
        await asyncio.to_thread(service.start)
        await wait_for(lambda: have(before + 20))
        await _cancel(publishing)
        await publishers[0].publish("end")
        await wait_for(lambda: all("end" in follower.data for follower in followers))
        await _cancel(following)

    asyncio.run(main())
    service.stop()
    acknowledged = {data for one in publishers for data in one.acknowledged}
    assert {status for one in publishers for status in one.statuses} <= {200, 503}
    for follower in followers:
        assert acknowledged.issubset(follower.data)
        # The next server has a log of its own, and says so.
        assert [gap["reason"] for gap in follower.gaps] == ["foreign-epoch"]
        assert "server-shutdown" in {event.type for event in follower.events}


def test_sockets_of_the_manager_are_served_on_instead_of_those_of_the_options(
    tmp_path: Path,
) -> None:
    with (
        ServiceManager(f"{tmp_path}/notify") as systemd,
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as unix,
    ):
        unix.bind(f"{tmp_path}/socket")
        log = tmp_path / "log"
        process = systemd.start([*SERVE, "--bind", "127.0.0.1:1"], [tcp, unix], log=log)
        try:
            assert systemd.hear() == {"READY": "1"}
            process.send_signal(signal.SIGHUP)
            assert systemd.hear_until("RELOADING")["RELOADING"] == "1"
            assert systemd.hear_until("READY") == {"READY": "1"}
            process.send_signal(signal.SIGTERM)
            assert systemd.hear_until("STOPPING")["EXTEND_TIMEOUT_USEC"] == "15000000"
            assert process.wait(20) == 0
        finally:
            process.kill()
            process.wait()
        assert f"serves on 127.0.0.1:{tcp.getsockname()[1]}\n" in log.read_text()
        assert f"serves on unix:{tmp_path}/socket\n" in log.read_text()
        assert Path(f"{tmp_path}/socket").is_socket()


def test_a_hung_process_gives_no_sign_of_life_and_says_where_it_was(tmp_path: Path) -> None:
    with (
        ServiceManager(f"{tmp_path}/notify") as systemd,
        socket.create_server(("127.0.0.1", 0)) as tcp,
    ):
        process = systemd.start(
            SERVE,
            [tcp],
            log=tmp_path / "log",
            environ={"WATCHDOG_USEC": "200000", "PYTHONFAULTHANDLER": "1"},
        )
        try:
            assert systemd.hear() == {"READY": "1"}
            for _ in range(3):
                assert systemd.hear()["WATCHDOG"] == "1"
            process.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, process.pid, os.WSTOPPED)
            while systemd.has_more:
                systemd.hear()
            with pytest.raises(TimeoutError):
                systemd.hear(seconds=0.5)
            process.send_signal(signal.SIGCONT)
            assert systemd.hear()["STATUS"].startswith("0 streams open")
            process.send_signal(signal.SIGABRT)  # what the watchdog does
            assert process.wait(20) == -signal.SIGABRT
            assert re.search(
                r"Aborted\n.*, line \d+ in _run\n", (tmp_path / "log").read_text(), re.DOTALL
            )
        finally:
            process.kill()
            process.wait()
