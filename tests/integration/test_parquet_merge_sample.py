"""ParquetMerge on 60,000 rows of the real library: every label found again, none invented."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from belka.settings import DataSettings, SystemSettings
from components.parquet_merge.merge import merge_raw_files
from components.parquet_merge.validate import validate_raw_files

TARGETS = ["BRD4", "HSA", "sEH"]
SAMPLE = Path(__file__).parents[2].parent / "shared" / "data" / "leash_sample"

pytestmark = pytest.mark.skipif(not SAMPLE.is_dir(), reason=f"the real sample is not at {SAMPLE}")


def merge(raw_dir: Path, output_dir: Path, **changes: Any) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "targets": TARGETS,
        "seed": 42,
        "validation_block_share": 0.03,
        "validation_shared_share": 0.01,
        "use_extra_data": True,
        "max_rejected_share": 0.0,
        "rows_per_shard": 10_000,
        "memory_limit_gb": 2.0,
        "n_workers": 2,
    }
    both = {**settings, **changes}
    data = {key: value for key, value in both.items() if key in DataSettings.model_fields}
    system = {key: value for key, value in both.items() if key in SystemSettings.model_fields}
    # Copies, because the ranges of a configuration allow no shards as small as those of tests.
    return merge_raw_files(
        raw_dir,
        output_dir,
        data=DataSettings().model_copy(update=data),
        system=SystemSettings().model_copy(update=system),
    )


@pytest.fixture(name="merged", scope="module")
def fixture_merged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    output = tmp_path_factory.mktemp("sample") / "molecules"
    return output, merge(SAMPLE, output)


def read_split(output: Path, split: str) -> pa.Table:
    return pq.read_table(output / f"Split-{split}")


def test_every_training_label_is_found_again_and_none_is_invented(merged: tuple[Path, dict[str, Any]]) -> None:
    output, summary = merged
    assert (summary["smiles_respelled"], summary["twins_joined"]) == (0, 0)
    raw = pq.read_table(SAMPLE / "train.parquet")
    given = set(zip(*(raw[name].to_pylist() for name in ("molecule_smiles", "protein_name", "binds")), strict=True))
    assert len(given) == raw.num_rows == 42_032
    found: set[tuple[str, str, int]] = set()
    for split in ("train", "validation"):
        table = read_split(output, split)
        for smiles, binds in zip(table["smiles"].to_pylist(), table["binds"].to_pylist(), strict=True):
            labels = [(smiles, target, label) for target, label in zip(TARGETS, binds, strict=True) if label != 2]
            assert labels, "a training molecule without any label"
            assert not found & set(labels), "a molecule occurs twice"
            found.update(labels)
    assert found == given
    assert summary["files"]["train"]["pairs_kept"] == 42_032


def test_every_test_id_is_found_again_with_its_molecule_and_protein(merged: tuple[Path, dict[str, Any]]) -> None:
    output, summary = merged
    raw = pq.read_table(SAMPLE / "test.parquet")
    given = set(zip(*(raw[name].to_pylist() for name in ("molecule_smiles", "protein_name", "id")), strict=True))
    table = read_split(output, "test")
    found = {
        (smiles, target, row_id)
        for smiles, ids in zip(table["smiles"].to_pylist(), table["ids"].to_pylist(), strict=True)
        for target, row_id in zip(TARGETS, ids, strict=True)
        if row_id is not None
    }
    assert found == given
    assert len(found) == summary["files"]["test"]["pairs_kept"] == 17_968
    assert set(np.ravel(table["binds"].to_pylist())) == {2}


def test_blocks_of_each_molecule_are_those_of_its_raw_rows(merged: tuple[Path, dict[str, Any]]) -> None:
    output, _ = merged
    names = pq.read_table(output / "blocks.parquet")["smiles"].to_pylist()
    held_out = pq.read_table(output / "blocks.parquet")["in_validation"].to_numpy()
    raw_columns = ["molecule_smiles", *(f"buildingblock{i}_smiles" for i in (1, 2, 3))]
    raw = {
        line[0]: line[1:]
        for source in ("train", "test")
        for line in zip(
            *(pq.read_table(SAMPLE / f"{source}.parquet")[name].to_pylist() for name in raw_columns), strict=True
        )
    }
    for split in ("train", "validation", "test"):
        table = read_split(output, split)
        ids = np.stack([table[f"block{i}_id"].to_numpy() for i in (1, 2, 3)], axis=1)
        for smiles, blocks in zip(table["smiles"].to_pylist(), ids, strict=True):
            assert tuple(names[block] for block in blocks) == raw[smiles]
        if split != "test":
            assert (table["split_group"].to_numpy() == held_out[ids].any(axis=1)).all()
    assert held_out.sum() == round(0.03 * 1077)


def test_shuffled_csv_on_one_worker_gives_the_same_bytes(merged: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    output, _ = merged
    raw_dir = tmp_path / "raw"
    raw_dir.mkdir()
    for source in ("train", "test"):
        table = pq.read_table(SAMPLE / f"{source}.parquet")
        order = np.random.default_rng(1).permutation(table.num_rows)
        table.take(pa.array(order)).to_pandas().to_csv(raw_dir / f"{source}.csv", index=False)
    # Without looking at the spelling, which is tens of seconds on one worker: the bytes show that it changes nothing.
    merge(raw_dir, tmp_path / "out", n_workers=1, memory_limit_gb=0.5, spelling="as_given")
    shards = sorted(path.relative_to(output) for path in output.glob("Split-*/*.parquet"))
    assert len(shards) == 4 + 1 + 2
    for shard in (*shards, Path("blocks.parquet")):
        assert (tmp_path / "out" / shard).read_bytes() == (output / shard).read_bytes()


def test_validation_of_the_folder_finds_nothing_to_reject() -> None:
    report = validate_raw_files(
        SAMPLE, data=DataSettings(targets=tuple(TARGETS), max_rejected_share=0.0), system=SystemSettings()
    )
    assert [(file.source, file.n_rows, file.rejected) for file in report.files] == [
        ("train", 42_032, ()),
        ("test", 17_968, ()),
    ]
    assert (report.n_blocks, report.n_test_only_blocks) == (1145, 68)
