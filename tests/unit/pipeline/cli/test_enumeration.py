"""`belka enumerate` by odds of pairs of blocks; by a model it is tried in tests/integration."""

import json
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[2] / "belka" / "enumeration"))

from demo_tables import raw_rows, write_molecules  # type: ignore[import-not-found]

from belka.contract import RAW_BLOCKS
from belka.errors import InputError
from belka.provenance import folder_digest
from belka.statistics.compute import compute_statistics
from pipeline.cli.main import app


@pytest.fixture(scope="module")
def molecules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = raw_rows(200)
    good = {rows[0][RAW_BLOCKS[0]], rows[3][RAW_BLOCKS[1]]}
    labels = [int(len(good & set(row.values())) > 0) for row in rows]
    return Path(write_molecules(tmp_path_factory.mktemp("table") / "molecules", rows, labels))


def run(*arguments: object) -> str:
    done = CliRunner().invoke(app, ["enumerate", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_the_best_by_odds_of_pairs_come_from_blocks_that_bind(molecules: Path, tmp_path: Path) -> None:
    told = run("--top", 15, "--library", molecules, "--odds", molecules, "--out", tmp_path / "a.parquet")
    assert "15 molecules" in told
    table = pq.read_table(tmp_path / "a.parquet")
    rows = raw_rows(4)
    good = {rows[0][RAW_BLOCKS[0]], rows[3][RAW_BLOCKS[1]]}
    blocks = [set(row.values()) for row in table.select(["block1", "block2", "block3"]).to_pylist()]
    assert all(good & each for each in blocks)
    record = json.loads((tmp_path / "a.parquet.provenance.json").read_text())
    assert (record["score"], record["target"], record["molecules"]) == ("odds of pairs", "sEH", 15)
    assert record["library"] == {"path": str(molecules), "digest": folder_digest(molecules)}
    # Statistics that were computed before give the same table.
    compute_statistics(molecules, tmp_path / "statistics", n_workers=1)
    run("--top", 15, "--library", molecules, "--odds", tmp_path / "statistics", "--out", tmp_path / "b.parquet")
    assert pq.read_table(tmp_path / "b.parquet").equals(table)


def test_molecules_may_have_to_differ(molecules: Path, tmp_path: Path) -> None:
    arguments = ["--top", 5, "--library", molecules, "--odds", molecules, "--out", tmp_path / "a.parquet"]
    told = run(*arguments, "--per-block", 1, "--max-similarity", 0.6)
    table = pq.read_table(tmp_path / "a.parquet")
    assert table.num_rows == 5
    for name in ("block1", "block2", "block3"):
        assert len(set(table[name].to_pylist())) == 5
    assert "by block" in told


def test_what_cannot_be_found_is_told(molecules: Path, tmp_path: Path) -> None:
    told = run(
        "--top", 5, "--library", molecules, "--odds", molecules, "--filter", "mw<10", "--out", tmp_path / "a.csv"
    )
    assert "0 molecules" in told
    assert "no more than these" in told
    assert (tmp_path / "a.csv").read_text().count("\n") == 1


def test_a_file_whose_name_tells_no_format_is_refused_before_the_work(tmp_path: Path) -> None:
    arguments = ["--top", "5", "--library", str(tmp_path), "--odds", str(tmp_path), "--out", str(tmp_path / "a.txt")]
    with pytest.raises(InputError, match="does not tell its format"):
        CliRunner().invoke(app, ["enumerate", *arguments], catch_exceptions=False)
