"""Tables are folded to a terminal, or to COLUMNS, and nowhere else."""

import io
import re
from pathlib import Path

import pytest
from rich.table import Table

from pipeline.cli.consoles import folded, open_console

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


def test_without_a_terminal_no_line_is_filled_with_blanks(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = printed(monkeypatch, None)
    assert [line.rstrip() for line in lines] == lines


def test_columns_are_kept_to(monkeypatch: pytest.MonkeyPatch) -> None:
    assert max(map(len, printed(monkeypatch, "80"))) == 80


def test_an_error_is_folded_between_words_and_a_path_stays_whole() -> None:
    path = "/" + "folder/" * 20
    text = f"error: It is not valid.\n  received: {'word ' * 20}last\n  to do: Look at {path}"
    lines = folded(text, 80).splitlines()
    assert " ".join(" ".join(lines).split()) == " ".join(text.split())
    assert path in (line.strip() for line in lines)
    assert all(len(line) <= 80 for line in lines if path not in line)
    assert lines[0] == "error: It is not valid."
    assert lines[2].startswith("    word")


def test_whoever_prints_tables_takes_the_one_console() -> None:
    repository = Path(__file__).parents[4]
    files = [*repository.glob("pipeline/cli/*.py"), *repository.glob("benchmarks/*.py")]
    own = {path.name for path in files if re.search(r"\bConsole\(", path.read_text(encoding="utf-8"))}
    assert own == {"consoles.py", "kubeflow.py", "main.py"}  # the last two print lines alone, and fold none
