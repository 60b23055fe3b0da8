"""The tables on disk: what they hold, that they are the same whatever the shards, and what damage is told."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import beta  # type: ignore[import-untyped]

from belka.errors import InputError
from belka.statistics.compute import compute_statistics
from belka.statistics.enrichment import as_text, most_enriched
from belka.statistics.tables import read_statistics, read_summary

SMILES = ["OC=O", "NCC", "CN", "NCCO"]  # not in the order of their SMILES
TARGETS = ("BRD4", "HSA")
Writer = Callable[..., Path]
# CN at position 2 binds BRD4; the labels of HSA are unknown beside NCCO.
ROWS: list[Any] = [
    *[("train", (0, 2, 1), (1, 0))] * 6,
    *[("train", (0, 1, 1), (0, 0))] * 20,
    *[("train", (0, 3, 2), (0, 2))] * 5,
    ("train", (0, 2, None), (0, 1)),
    *[("validation", (0, 3, 2), (1, 1))] * 50,
]


@pytest.fixture
def statistics(molecules_writer: Writer, tmp_path: Path) -> Path:
    compute_statistics(molecules_writer(tmp_path / "in", SMILES, ROWS, TARGETS), tmp_path / "out", n_workers=1)
    return tmp_path / "out"


def test_a_block_has_its_counts_and_its_odds(statistics: Path) -> None:
    rows = pa.concat_tables(read_statistics(statistics, "blocks.parquet", "BRD4")).to_pylist()
    assert [(row["position"], row["block"]) for row in rows] == [
        (1, "OC=O"),
        (2, "CN"),
        (2, "NCC"),
        (2, "NCCO"),
        (3, "CN"),
        (3, "NCC"),
    ]
    found = rows[1]
    assert (found["molecules"], found["known"], found["hits"]) == (7, 7, 6)
    about = {
        tuple(entry["positions"]): entry for entry in read_summary(statistics)["positions"] if entry["target"] == "BRD4"
    }
    mean, weight = about[(2,)]["prior_mean"], about[(2,)]["prior_weight"]
    assert mean == pytest.approx(6.5 / 33)
    assert found["mean_log_odds"] == pytest.approx(math.log(mean / (1 - mean)))
    alpha, other = mean * weight + 6, (1 - mean) * weight + 1
    assert found["log_odds"] == pytest.approx(math.log(alpha / other))
    quantiles = beta(alpha, other).ppf([0.025, 0.975])
    for name, value in zip(("log_odds_low", "log_odds_high"), quantiles, strict=True):
        assert found[name] == pytest.approx(math.log(value / (1 - value)))


def test_unknown_labels_and_validation_count_nowhere(statistics: Path) -> None:
    (row,) = (
        most_enriched(statistics, "pair", target="HSA", min_known=0)
        .filter(pa.compute.field("second_block") == "CN")
        .filter(pa.compute.field("first_position") == 2)
        .to_pylist()
    )
    assert (row["first_block"], row["molecules"], row["known"], row["hits"]) == ("NCCO", 5, 0, 0)
    assert row["odds_ratio"] == pytest.approx(1.0)


def test_the_surest_come_first(statistics: Path) -> None:
    best = most_enriched(statistics, "block", top=1).to_pylist()
    assert (best[0]["position"], best[0]["block"]) == (2, "CN")
    assert [row["target"] for row in best] == ["BRD4", "HSA"]
    assert best[0]["odds_ratio"] == pytest.approx(math.exp(best[0]["log_odds"] - best[0]["mean_log_odds"]))
    lows = most_enriched(statistics, "block", target="BRD4")["odds_ratio_low"].to_pylist()
    assert lows == sorted(lows, reverse=True)
    known = most_enriched(statistics, "pair", min_known=6)["known"].to_pylist()
    assert min(known) == 6
    everything = most_enriched(statistics, "pair", min_known=0).num_rows
    assert everything == pq.read_metadata(statistics / "pairs.parquet").num_rows == 2 * 8


def test_another_target_is_told(statistics: Path) -> None:
    with pytest.raises(InputError, match="no statistics of this target") as caught:
        most_enriched(statistics, "block", target="sEH")
    assert caught.value.expected == "BRD4 or HSA"


def test_files_are_the_same_whatever_the_shards_and_the_workers(molecules_writer: Writer, tmp_path: Path) -> None:
    files = []
    for name, rows, shards, workers in (("a", ROWS, 1, 1), ("b", ROWS[::-1], 5, 3)):
        folder = molecules_writer(tmp_path / name, SMILES, rows, TARGETS, shards)
        compute_statistics(folder, tmp_path / f"{name}-out", n_workers=workers)
        files.append({path.name: path.read_bytes() for path in (tmp_path / f"{name}-out").iterdir()})
    assert files[0] == files[1]
    assert set(files[0]) == {"blocks.parquet", "pairs.parquet", "summary.json"}


@pytest.mark.parametrize("rows", [[], [("train", (None, None, None), (1, 0))] * 3, [("validation", (0, 1, 2), (1, 0))]])
def test_a_library_without_blocks_has_empty_tables(
    molecules_writer: Writer, tmp_path: Path, caplog: pytest.LogCaptureFixture, rows: list[Any]
) -> None:
    summary = compute_statistics(molecules_writer(tmp_path / "in", SMILES, rows, TARGETS), tmp_path, n_workers=1)
    assert summary["molecules"] == sum(row[0] == "train" for row in rows)
    assert "No molecule of train has building blocks" in caplog.text
    for level in ("block", "pair"):
        assert most_enriched(tmp_path, level).num_rows == 0


def test_codes_become_text_and_numbers_stay() -> None:
    texts = ["CN", "=1+2", None]
    table = pa.table({"block": pa.array(texts).dictionary_encode(), "log_odds": pa.array([-1.0] * 3)})
    plain = as_text(table)
    assert plain.schema.field("block").type == pa.string()
    assert plain.to_pydict() == {"block": texts, "log_odds": [-1.0] * 3}


def test_damaged_statistics_are_told(statistics: Path) -> None:
    path = statistics / "pairs.parquet"
    whole = path.read_bytes()
    for content, message in ((whole[: len(whole) // 2], "pairs.parquet"), (b"", "pairs.parquet")):
        path.write_bytes(content)
        with pytest.raises(InputError, match=message):
            most_enriched(statistics, "pair")
    pq.write_table(pq.read_table(statistics / "blocks.parquet"), path)
    with pytest.raises(InputError, match="the columns target, position, block"):
        most_enriched(statistics, "pair")
    path.unlink()
    with pytest.raises(InputError, match="cannot be read"):
        most_enriched(statistics, "pair")


@pytest.mark.parametrize("content", ["", "{", "[]", json.dumps({"targets": []})])
def test_a_damaged_summary_is_told(statistics: Path, content: str) -> None:
    (statistics / "summary.json").write_text(content)
    with pytest.raises(InputError, match=r"summary\.json"):
        most_enriched(statistics, "block")


@pytest.mark.parametrize("content", ["", "{}", '{"settings": 3}', "[]"])
def test_a_molecules_table_needs_its_summary(molecules_writer: Writer, tmp_path: Path, content: str) -> None:
    folder = molecules_writer(tmp_path, SMILES, ROWS, TARGETS)
    (folder / "summary.json").write_text(content)
    with pytest.raises(InputError, match="summary of the molecules table"):
        compute_statistics(folder, tmp_path / "out", n_workers=1)
