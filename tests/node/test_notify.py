"""What the service manager is told, and that nothing comes of it when it does not listen."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sse_server.node.notify import Manager
from tests.node.service_manager import ServiceManager


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ServiceManager]:
    path = f"{tmp_path}/notify"
    with ServiceManager(path if request.param == "path" else f"@{path}") as manager:
        yield manager


@pytest.fixture
def manager(systemd: ServiceManager) -> Iterator[Manager]:
    manager = Manager(systemd.address)
    yield manager
    manager.close()


def test_it_hears_of_a_life(manager: Manager, systemd: ServiceManager) -> None:
    manager.ready()
    manager.alive("2 streams open")
    manager.stopping(15.5)
    assert systemd.hear() == {"READY": "1"}
    assert systemd.hear() == {"WATCHDOG": "1", "STATUS": "2 streams open"}
    last = systemd.hear()
    assert last.pop("STATUS").startswith("ending")
    assert last == {"STOPPING": "1", "EXTEND_TIMEOUT_USEC": "15500000"}


def test_a_reload_begins_with_the_time_and_ends_ready(
    manager: Manager, systemd: ServiceManager
) -> None:
    before = time.monotonic_ns() // 1_000
    with manager.reloading():
        message = systemd.hear()
        assert not systemd.has_more
    assert message.pop("RELOADING") == "1"
    assert before <= int(message.pop("MONOTONIC_USEC")) <= time.monotonic_ns() // 1_000
    assert message == {}
    assert systemd.hear() == {"READY": "1"}


def test_a_reload_that_fails_ends_ready_too(manager: Manager, systemd: ServiceManager) -> None:
    with pytest.raises(ZeroDivisionError), manager.reloading():
        raise ZeroDivisionError
    assert "RELOADING" in systemd.hear()
    assert systemd.hear() == {"READY": "1"}


@pytest.mark.parametrize("address", ["", "vsock:2:9999", "relative"])
def test_where_there_is_no_manager_nothing_is_told(
    address: str, caplog: pytest.LogCaptureFixture
) -> None:
    manager = Manager(address)
    manager.ready()
    with manager.reloading():
        manager.alive("")
    manager.stopping(1)
    manager.close()
    manager.alive("")
    assert caplog.text == ""


@pytest.mark.parametrize(
    "address", ["/nonexistent/notify", f"/{'a' * 200}", f"@{os.getpid()}-nobody"]
)
def test_a_manager_that_is_gone_ends_nothing(
    address: str, caplog: pytest.LogCaptureFixture
) -> None:
    manager = Manager(address)
    manager.ready()
    manager.alive("")
    manager.close()
    assert "did not hear READY=1" in caplog.text


def test_a_manager_that_reads_nothing_keeps_no_sign_of_life_waiting(
    manager: Manager, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("sse_server.node.notify._WAIT_SECONDS", 0.01)
    while "WATCHDOG=1" not in caplog.text:  # until the queue of its socket is full
        manager.alive("x" * 1_000)
    manager.ready()
    assert "did not hear READY=1: timed out" in caplog.text


def test_the_environment_names_it_and_keeps_nothing() -> None:
    environ = {
        "NOTIFY_SOCKET": "/run/notify",
        "WATCHDOG_USEC": "1500000",
        "WATCHDOG_PID": str(os.getpid()),
        "HOME": "/",
    }
    manager = Manager.of(environ)
    assert manager.watchdog_seconds == 1.5
    assert environ == {"HOME": "/"}
    manager.close()


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "2000000"}, 2.0),
        ({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "٣"}, None),
        ({"WATCHDOG_USEC": ""}, None),
    ],
)
def test_a_watchdog_is_heeded_when_it_is_for_us(
    variables: dict[str, str], expected: float | None
) -> None:
    assert Manager.of(variables).watchdog_seconds == expected
