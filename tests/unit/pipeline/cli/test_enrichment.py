"""`belka enrichment`: what it prints and writes, and what it refuses."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from belka.errors import InputError
from pipeline.cli.main import app

Writer = Callable[..., Path]
SMILES = ["=1+2", "NCC", "CN", "OC=O"]
ROWS: list[Any] = [
    *[("train", (3, 0, 1), (1, 0))] * 9,
    *[("train", (3, 1, 2), (0, 0))] * 50,
    *[("train", (3, 2, 1), (0, 2))] * 3,
]


@pytest.fixture
def table(molecules_writer: Writer, tmp_path: Path) -> Path:
    return molecules_writer(tmp_path / "molecules", SMILES, ROWS, ["BRD4", "HSA"])


def _enrichment(*arguments: str | Path) -> str:
    done = CliRunner().invoke(app, ["enrichment", *map(str, arguments)], env={"COLUMNS": "100"}, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_the_enriched_are_printed_and_all_are_written(table: Path, tmp_path: Path) -> None:
    told = _enrichment("--molecules", table, "--out", tmp_path / "all.parquet")
    lines = told.splitlines()
    assert lines[0].split() == ["target", "at", "odds", "x", "interval", "hits", "known", "block"]
    assert lines[1].split()[:2] == ["BRD4", "2"]
    assert lines[1].split()[-3:] == ["9", "9", "=1+2"]
    assert "62 molecules of train" in " ".join(told.split())
    written = pq.read_table(tmp_path / "all.parquet")
    assert written.num_rows == 11  # six blocks at their positions, one of them without known labels of HSA
    assert "=1+2" in written["block"].to_pylist()


def test_all_rows_are_written_and_ten_are_printed(molecules_writer: Writer, tmp_path: Path) -> None:
    blocks = ["C" * length for length in range(1, 14)]
    rows = [("train", (None, block, None), (block % 2,)) for block in range(13)]
    table = molecules_writer(tmp_path / "molecules", blocks, rows, ["HSA"])
    for options, printed, written in (((), 10, 13), (("--top", "12"), 12, 12)):
        told = _enrichment("--molecules", table, "--out", tmp_path / "all.csv", *options)
        assert f"{printed} rows; odds" in " ".join(told.split())
        assert pc.read_csv(tmp_path / "all.csv").num_rows == written


def test_pairs_of_one_target_as_csv(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "pairs.csv"
    told = _enrichment(
        "--molecules", table, "--level", "pair", "--target", "BRD4", "--top", "2", "--min-known", "4", "--out", out
    )
    rows = pc.read_csv(out).to_pylist()
    assert len(rows) == 2
    assert {row["target"] for row in rows} == {"BRD4"}
    assert min(row["known"] for row in rows) >= 4
    assert (rows[0]["first_block"], rows[0]["hits"]) in {("OC=O", 9), ("'=1+2", 9)}
    assert "'=1+2" in {row[name] for row in rows for name in ("first_block", "second_block")}
    assert "2 rows" in told


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--molecules", "a", "--output-dir", "b"], "either a run's statistics or a molecules table"),
        (["--output-dir", "absent"], "There are no statistics of blocks"),
        (["--molecules", "absent"], "summary of the molecules table"),
        (["--molecules", "TABLE", "--target", "sEH"], "no statistics of this target"),
        (["--molecules", "absent", "--out", "x.txt"], "does not tell its format"),  # before anything is counted
    ],
)
def test_wrong_use_is_told(table: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str) -> None:
    monkeypatch.chdir(table.parent)
    given = [str(table) if text == "TABLE" else text for text in arguments]
    with pytest.raises(InputError, match=message):
        CliRunner().invoke(app, ["enrichment", *given], catch_exceptions=False)


def test_it_needs_no_tensorflow(table: Path) -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from pipeline.cli.main import app\n"
        f"done = CliRunner().invoke(app, ['enrichment', '--molecules', {str(table)!r}]); assert done.exit_code == 0\n"
        "print([name for name in ('tensorflow', 'tfx', 'keras', 'apache_beam') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
