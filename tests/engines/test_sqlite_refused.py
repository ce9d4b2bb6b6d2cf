"""Files that no server starts on: one line that says what is wrong, and what to do."""

import contextlib
import fcntl
import os
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.served import fill, overwrite, publish, refused, served, small_disk

NOBODY = 65_534


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    problem = refused(tmp_path / "no" / "events.db")
    assert problem.endswith(f"make the directory '{tmp_path}/no', or name another file")


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    assert "Is a directory" in refused(tmp_path)


def test_a_file_of_two_servers_is_refused_to_the_second(tmp_path: Path) -> None:
    with served(tmp_path / "events.db"):
        assert refused(tmp_path / "events.db") == (
            f"'{tmp_path}/events.db' is used by another server; stop that one, or give each a file "
            "of its own"
        )
    with served(tmp_path / "events.db") as running:
        assert publish(running)[0] == 200


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    path.write_text("my diary " * 1_000)
    assert "it is not a database; restore a copy of it" in refused(path)
    assert path.read_text() == "my diary " * 1_000


def test_the_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
    before = path.read_bytes()
    assert "is the database of another program; name another file" in refused(path)
    assert path.read_bytes() == before


def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with served(path):
        pass
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    assert "was written by a newer version" in refused(path)


def test_a_file_that_is_damaged_at_the_start_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with served(path) as running:
        assert publish(running)[0] == 200
    overwrite(path, 100, b"\xff" * 4_096)
    assert "it is damaged; restore a copy of it" in refused(path)


def test_a_file_locked_by_another_program_is_told_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with served(path):
        pass
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        assert "another program has locked it; end that program" in refused(path)


def test_a_disk_that_is_full_at_the_start_is_told(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        with served(disk / "events.db") as running:
            assert publish(running)[0] == 200
        fill(disk / "ballast")
        problem = refused(disk / "events.db")
        assert problem.endswith("cannot be used: the disk is full; make room on the disk")
        (disk / "ballast").unlink()
        with served(disk / "events.db") as running:
            assert publish(running)[0] == 200


def test_a_disk_that_cannot_be_written_to_is_told_at_the_start(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        with served(disk / "events.db") as running:
            assert publish(running)[0] == 200
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        problem = refused(disk / "events.db")
        assert problem.endswith(": Read-only file system; see to the disk, or name another file")


@contextlib.contextmanager
def as_nobody() -> Iterator[Path]:
    """A folder of a user that may do nothing special, and be that user."""
    with tempfile.TemporaryDirectory() as folder:
        user = os.geteuid()
        os.chown(folder, NOBODY if user == 0 else user, -1)
        if user == 0:
            os.seteuid(NOBODY)
        try:
            yield Path(folder)
        finally:
            os.seteuid(user)


@pytest.mark.parametrize("name", ["events.db", "events.db-lock"])
def test_a_file_that_its_user_may_not_write_is_told_at_the_start(name: str) -> None:
    with as_nobody() as folder:
        path = folder / "events.db"
        with served(path) as running:
            assert publish(running)[0] == 200
        (folder / name).chmod(0o400)
        assert refused(path).endswith(
            ": Permission denied; let the server's user write to the file and to its directory"
        )


def test_a_directory_that_its_user_may_not_write_is_told_at_the_start() -> None:
    with as_nobody() as folder:
        folder.chmod(0o500)
        try:
            assert "let the server's user write to the file and to its directory" in refused(
                folder / "events.db"
            )
        finally:
            folder.chmod(0o700)


def test_a_file_whose_schema_is_damaged_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with served(path) as running:
        assert publish(running)[0] == 200
    overwrite(path, 0, b"\0" * 100)
    assert "restore a copy of it, or move it away to begin anew" in refused(path)


def test_the_file_is_for_its_user_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with served(tmp_path / "events.db") as running:
            assert publish(running)[0] == 200
            modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert set(modes.values()) == {0o600}
    assert {"events.db", "events.db-wal", "events.db-lock"} <= modes.keys()


def test_the_lock_is_let_go_of_when_the_start_fails(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    path.write_text("no database" * 100)
    refused(path)
    with (tmp_path / "events.db-lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
