"""Tables are folded to a terminal, or to COLUMNS, and nowhere else."""

import io

import pytest
from rich.table import Table

from pipeline.cli.consoles import open_console

LONG = "x" * 300


def printed(monkeypatch: pytest.MonkeyPatch, columns: str | None) -> list[str]:
    if columns is None:
        monkeypatch.delenv("COLUMNS", raising=False)
    else:
        monkeypatch.setenv("COLUMNS", columns)
    stream = io.StringIO()
    table = Table("a", box=None, pad_edge=False)
    table.add_column("b", overflow="fold")
    table.add_row("name", LONG)
    open_console(stream).print(table)
    return stream.getvalue().splitlines()


def test_without_a_terminal_a_line_stays_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    assert any(LONG in line for line in printed(monkeypatch, None))


def test_columns_are_kept_to(monkeypatch: pytest.MonkeyPatch) -> None:
    assert max(map(len, printed(monkeypatch, "80"))) == 80
