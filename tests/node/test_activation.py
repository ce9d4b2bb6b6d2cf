"""Sockets that are passed: seen from the process that they are passed to."""

import json
import os
import socket
import sys
from pathlib import Path

import pytest

from sse_server.node.activation import inherited_sockets
from tests.node.service_manager import ServiceManager

# In a process of its own: the numbers from 3 on are taken here.
LOOK = """
import json, os, sys
from sse_server.errors import ConfigurationError
from sse_server.node.activation import inherited_sockets
{before}
try:
    sockets = inherited_sockets(os.environ)
    print(json.dumps({{
        "names": [sock.getsockname() for sock in sockets],
        "inherited": [sock.get_inheritable() for sock in sockets],
        "left": [name for name in os.environ if name.startswith("LISTEN_")],
        "again": len(inherited_sockets(os.environ)),
    }}))
except ConfigurationError as error:
    print(json.dumps(str(error)))
"""


def _look(tmp_path: Path, *sockets: socket.socket, before: str = "") -> object:
    log = tmp_path / "log"
    with ServiceManager(f"{tmp_path}/notify") as systemd:
        code = LOOK.format(before=before)
        assert systemd.start([sys.executable, "-c", code], sockets, log=log).wait(30) == 0, log
    return json.loads(log.read_text())


def test_sockets_are_taken_once_and_kept_from_children(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as unix,
    ):
        unix.bind(f"{tmp_path}/socket")
        assert _look(tmp_path, tcp, unix) == {
            "names": [list(tcp.getsockname()), f"{tmp_path}/socket"],
            "inherited": [False, False],
            "left": [],
            "again": 0,
        }


@pytest.mark.parametrize(
    ("before", "problem"),
    [
        ("os.close(3)", "descriptor 3 of 'web' is no socket"),
        ("os.dup2(os.open('/dev/null', os.O_RDONLY), 3)", "descriptor 3 of 'web' is no socket"),
        ("os.environ['LISTEN_FDS'] = 'x'", "'x' is no number of sockets"),
        ("os.environ['LISTEN_FDS'] = '-1'", "'-1' is no number of sockets"),
        ("os.environ['LISTEN_FDS'] = '999999999'", "is no socket"),
    ],
)
def test_what_is_no_socket_is_refused(tmp_path: Path, before: str, problem: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as tcp:
        message = _look(tmp_path, tcp, before=before)
    assert isinstance(message, str)
    assert message.startswith("LISTEN_FDS: ")
    assert problem in message
    assert "ListenStream=" in message


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"LISTEN_FDS": "1"},
        {"LISTEN_FDS": "1", "LISTEN_PID": "1"},
        {"LISTEN_FDS": "0", "LISTEN_PID": str(os.getpid())},
        {"LISTEN_PID": str(os.getpid()), "LISTEN_FDNAMES": "web"},
    ],
)
def test_what_is_for_another_process_is_left_alone(variables: dict[str, str]) -> None:
    assert inherited_sockets(variables) == []
    assert variables == {}


def test_serve_says_in_one_line_what_is_wrong_with_them(tmp_path: Path) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
        ServiceManager(f"{tmp_path}/notify") as systemd,
    ):
        datagrams.bind(("127.0.0.1", 0))
        command = [sys.executable, "-m", "sse_server", "serve"]
        process = systemd.start(command, [datagrams], log=tmp_path / "log")
        assert process.wait(30) == 2
        assert not systemd.has_more
    line = (tmp_path / "log").read_text()
    assert line == (
        "sse-server: sockets: descriptor 3 is no stream socket; pass bound stream sockets; "
        "in a systemd socket unit: ListenStream=, no Accept=\n"
    )
