"""The table of steps: states, and what metrics.json keeps of them."""

import io

import pytest
from rich.console import Console

from pipeline.cli.progress import StepTable


def _table(nodes: list[str]) -> tuple[StepTable, io.StringIO]:
    stream = io.StringIO()
    return StepTable(Console(file=stream, width=100), nodes), stream


def test_finished_and_cached_nodes_are_told_apart() -> None:
    table, stream = _table(["a", "b", "c"])
    with table:
        for node in ("a", "b"):
            table.node_started(node)
            table.node_finished(node)
        table.mark_cached("b")
    table.print_final()
    summary = table.summary()
    assert {node: row["state"] for node, row in summary.items()} == {"a": "done", "b": "cached"}
    assert summary["a"]["peak_mb"] > 0
    assert "a: running" in stream.getvalue()
    assert "waiting" in stream.getvalue()


def _run_and_break(table: StepTable) -> None:
    with table:
        table.node_started("a")
        table.node_finished("a")
        table.node_started("b")
        raise ValueError("broken")


def test_the_running_node_is_the_failed_one() -> None:
    table, stream = _table(["a", "b"])
    with pytest.raises(ValueError, match="broken"):
        _run_and_break(table)
    assert table.failed() == "b"
    assert "b: failed" in stream.getvalue()
