"""The generated library and the bounds of the pipeline's steps."""

from io import StringIO
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from rich.console import Console

from belka.contract import RAW_BLOCKS, RAW_ID, RAW_LABEL, RAW_PROTEIN, RAW_SMILES
from belka.errors import InputError
from belka.settings import DataSettings, SystemSettings
from benchmarks.generated_library import decorated_anilines, make_library
from benchmarks.pipeline import Bound, StepCost, print_costs, run_pipeline
from components.parquet_merge.merge import merge_raw_files


def test_no_two_anilines_are_one() -> None:
    smiles = [block.catalogue_smiles for block in decorated_anilines()]
    assert len(set(smiles)) == len(smiles) == 289


def test_the_library_has_a_row_for_each_molecule_and_protein_and_new_blocks_in_half_of_test(tmp_path: Path) -> None:
    make_library(tmp_path / "raw", molecules=1000, seed=1, n_workers=1)
    train, test = (pq.read_table(tmp_path / "raw" / f"{name}.parquet") for name in ("train", "test"))
    assert (train.num_rows, test.num_rows) == (3000, 150)
    assert len(set(train[RAW_SMILES].to_pylist())) == 1000
    assert train[RAW_ID].to_pylist() == list(range(3000))
    assert train[RAW_PROTEIN].to_pylist()[:4] == ["BRD4", "HSA", "sEH", "BRD4"]
    assert 0.1 < sum(train[RAW_LABEL].to_pylist()) / 3000 < 0.2
    known = {block for name in RAW_BLOCKS for block in train[name].to_pylist()}
    novel = [row[RAW_SMILES] for row in test.to_pylist() if not known.issuperset(row[name] for name in RAW_BLOCKS)]
    assert len(set(novel)) / 50 >= 0.5
    merged = merge_raw_files(tmp_path / "raw", tmp_path / "out", data=DataSettings(), system=SystemSettings())
    assert sum(sum(groups.values()) for groups in merged["molecules"].values()) == 1050


def test_a_library_that_cannot_be_so_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not so large"):
        make_library(tmp_path, molecules=10_000_000, seed=1, n_workers=1)


@pytest.mark.parametrize(("seconds", "peak_gb", "word"), [(9, 1.9, "kept"), (11, 1.9, "broken"), (9, 2.1, "broken")])
def test_a_step_keeps_its_bound_of_time_and_of_memory(seconds: float, peak_gb: float, word: str) -> None:
    text = StringIO()
    print_costs([StepCost("parquet-merge", seconds, peak_gb, Bound(10, 2.0))], Console(file=text, width=100))
    assert word in text.getvalue()


@pytest.mark.slow
def test_the_pipeline_is_measured_step_by_step(tmp_path: Path) -> None:
    costs = run_pipeline(1000, raw_dir=None, overrides=["model.num_layers=1", "model.depth=8"], work_dir=tmp_path)
    assert (costs[0].node, costs[-1].node) == ("parquet-merge", "submission-writer")
    assert all(cost.seconds >= 0 and cost.peak_gb > 0.1 for cost in costs)
