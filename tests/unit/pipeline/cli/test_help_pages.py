"""Help at 80 columns: no word is cut, paragraphs are folded once, flags show no type."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from pipeline.cli.main import app


def _commands(command: Any, *names: str) -> Iterator[tuple[str, ...]]:
    yield names
    for name, below in getattr(command, "commands", {}).items():
        yield from _commands(below, *names, name)


ALL = list(_commands(typer.main.get_command(app)))


@pytest.fixture(scope="module", name="pages")
def pages_() -> dict[tuple[str, ...], str]:
    runner = CliRunner(env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"})
    return {names: runner.invoke(app, [*names, "--help"]).stdout for names in ALL}


@pytest.mark.parametrize("names", ALL, ids=" ".join)
def test_help_is_whole_at_80_columns_and_shows_flags_without_a_type(
    names: tuple[str, ...], pages: dict[tuple[str, ...], str]
) -> None:
    page = pages[names]
    assert "--help" in page
    assert max(map(len, page.splitlines())) <= 80
    assert "…" not in page
    assert "<bool>" not in page


@pytest.mark.parametrize("names", ALL, ids=" ".join)
def test_a_line_ends_where_its_next_word_would_not_fit(
    names: tuple[str, ...], pages: dict[tuple[str, ...], str]
) -> None:
    lines = [line.strip() for line in pages[names].partition("╭")[0].splitlines()]
    for line, following in pairwise(lines):
        if line and following:
            assert len(f" {line} {following.split()[0]}") > 79


def test_flag_is_told_from_an_option_with_a_value(pages: dict[tuple[str, ...], str]) -> None:
    lines = pages["run",].splitlines()
    assert any("--config" in line and "<path>" in line for line in lines)
    assert any("--plan" in line and "<" not in line for line in lines)
