"""What is wrong with a file, in words: for the start, for publishers and for the log."""

from __future__ import annotations

import os
import sqlite3

from sse_server.errors import ConfigurationError, quoted

_PROBLEMS = {
    "SQLITE_FULL": "the disk is full",
    "SQLITE_READONLY": "it cannot be written",
    "SQLITE_CANTOPEN": "it cannot be opened, or the files beside it cannot",
    "SQLITE_BUSY": "another program has locked it",
    "SQLITE_CORRUPT": "it is damaged",
    "SQLITE_NOTADB": "it is not a database",
    "SQLITE_IOERR": "the disk does not work (I/O error)",
    "SQLITE_IOERR_SHMSIZE": "the disk is full",  # no room for the index of the write-ahead log
}
_MEND = "see to the disk, or name another file"
_RESTORE = "restore a copy of it, or move it away to begin anew"
_MENDS = {
    "SQLITE_FULL": "make room on the disk",
    "SQLITE_IOERR_SHMSIZE": "make room on the disk",
    "SQLITE_READONLY": "let the server's user write to the file and to its directory",
    "SQLITE_CANTOPEN": "let the server's user write to the file and to its directory",
    "SQLITE_BUSY": "end that program",
    "SQLITE_CORRUPT": _RESTORE,
    "SQLITE_NOTADB": _RESTORE,
}


def _code(error: sqlite3.Error) -> str:
    """SQLite's name for it, without what comes behind: SQLITE_BUSY_SNAPSHOT is SQLITE_BUSY."""
    name: str | None = getattr(error, "sqlite_errorname", None)  # Python 3.11
    return name if name in _PROBLEMS else "_".join((name or "").split("_")[:2])


def problem_of(error: Exception) -> str:
    """What is wrong, for people."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, sqlite3.Error):
        return _PROBLEMS.get(_code(error), str(error))
    return str(error)


def unfit(problem: str, mend: str) -> ConfigurationError:
    """What is told at the start."""
    return ConfigurationError(setting="ServerOptions.engine", problem=problem, mend=mend)


def cannot_use(path: str, error: OSError | sqlite3.Error) -> ConfigurationError:
    """What is told at the start of a file that cannot be used."""
    if isinstance(error, sqlite3.Error):
        problem = f"{quoted(path)} cannot be used: {problem_of(error)}"
        return unfit(problem, _MENDS.get(_code(error), _MEND))
    problem = f"{quoted(error.filename or path)}: {error.strerror or error}"
    if isinstance(error, FileNotFoundError):
        directory = os.path.dirname(path) or "."  # noqa: PTH120 (a string comes and goes)
        return unfit(problem, f"make the directory {quoted(directory)}, or name another file")
    mend = _MENDS["SQLITE_READONLY"] if isinstance(error, PermissionError) else _MEND
    return unfit(problem, mend)
