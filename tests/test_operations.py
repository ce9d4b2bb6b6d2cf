"""docs/operations.md is about this code: its tables have what there is, and nothing else."""

import ast
import asyncio
import inspect
import logging
import re
from pathlib import Path
from typing import TypeGuard

from prometheus_client import Metric

from sse_server import Server, ServerOptions
from sse_server.observe import journal
from sse_server.observe.journal import Journal

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
SUFFIXES = {"counter": "_total", "info": "_info"}
LABELS = {
    "sse_server_refusals": ["code"],
    "sse_server_tenant_open_streams": ["tenant"],
    "sse_server_http2_errors": ["kind"],
}  # no sample before the first


def rows(heading: str) -> list[list[str]]:
    """The cells of the table whose first column is called so."""
    table = re.search(rf"^\| {heading} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    assert table is not None
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[1].splitlines()]


def described(family: Metric) -> list[str]:
    """As it stands in the table."""
    labels = {label: None for sample in family.samples for label in sample.labels if label != "le"}
    names = LABELS.get(family.name, list(labels))
    return [
        f"`{family.name}{SUFFIXES.get(family.type, '')}`",
        family.type,
        ", ".join(f"`{name}`" for name in names),
        family.documentation,
    ]


def test_the_table_of_metrics_is_what_is_shown() -> None:
    async def main() -> list[list[str]]:
        async with Server(ServerOptions(bind=())) as server:
            return [described(family) for family in server._surface.metrics.registry.collect()]

    assert rows("metric") == asyncio.run(main())


def test_the_table_of_log_lines_has_all_kinds_with_their_levels() -> None:
    documented = {event.strip("`"): level for event, level, _, _ in rows("event")}
    kinds = {line.event: logging.getLevelName(line.level).lower() for line in Journal().lines}
    once = dict.fromkeys((journal.STARTED, journal.STOPPED, journal.ABLE), "info")
    assert documented == {
        **kinds,
        **once,
        journal.UNABLE: "error",
        journal.LEFT_OUT: "as those",
        **direct_messages(),
    }


def test_the_table_of_log_lines_has_all_fields() -> None:
    source = inspect.getsource(journal)
    for event, _, fields, _ in rows("event"):
        for field in re.findall(r"`(\w+)`", fields):
            known = rf"\b{field}=|\"{field}\":"
            assert field == "exception" or re.search(known, source), (event, field)


def direct_messages() -> dict[str, str]:
    """What is logged without the journal, with its level."""
    nodes = (
        node
        for path in (ROOT / "src").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    )
    return {ast.literal_eval(node.args[0]): level(node) for node in nodes if is_line(node)}


def level(line: ast.Call) -> str:
    """That of `logger.error("…")`, for example."""
    assert isinstance(line.func, ast.Attribute)
    return "error" if line.func.attr == "exception" else line.func.attr


def is_line(node: ast.AST) -> TypeGuard[ast.Call]:
    """Whether it is `logger.error("…")`, or another level."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and ast.unparse(node.func.value) == "logger"
        and node.func.attr in {"error", "exception", "warning", "info", "debug"}
        and isinstance(node.args[0], ast.Constant)
    )
