"""Small raw folders in the real format, and a merge of them with short settings."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from belka.settings import DataSettings, SystemSettings
from components.parquet_merge.merge import merge_raw_files

Rows = list[dict[str, Any]]
PROTEINS = ("BRD4", "HSA", "sEH")
TEXT_COLUMNS = (
    "buildingblock1_smiles",
    "buildingblock2_smiles",
    "buildingblock3_smiles",
    "molecule_smiles",
    "protein_name",
)


def raw_row(
    row_id: int | None, blocks: str | None, protein: str | None, binds: int | None = None, **changes: Any
) -> dict[str, Any]:
    """One raw row: blocks 'abc' are the blocks Ca, Cb, Cc, and the molecule is named after them."""
    names = [f"C{letter}" for letter in blocks] if blocks else [None, None, None]
    row = dict(zip(TEXT_COLUMNS, [*names, f"N[Dy]{blocks}", protein], strict=True))
    return {"id": row_id, **row, "binds": binds, **changes}


def raw_table(rows: Rows, *, is_train: bool) -> pa.Table:
    columns = [("id", pa.int64()), *((name, pa.large_string()) for name in TEXT_COLUMNS)]
    if is_train:
        columns.append(("binds", pa.int64()))
    return pa.Table.from_pylist(rows, schema=pa.schema(columns))


def _write_raw(folder: Path, train: Rows, test: Rows, extra: Rows | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(raw_table(train, is_train=True), folder / "train.parquet")
    pq.write_table(raw_table(test, is_train=False), folder / "test.parquet")
    if extra is not None:
        lines = [f"{row['new_structure'] or ''},{row['read_count']}\n" for row in extra]
        (folder / "DNA_Labeled_Data.csv").write_text("new_structure,read_count\n" + "".join(lines), encoding="utf-8")
    return folder


def _merge(raw_dir: Path, output_dir: Path, **changes: Any) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "targets": ("BRD4", "HSA", "sEH"),
        "seed": 42,
        "validation_block_share": 0.0,
        "validation_shared_share": 0.0,
        "use_extra_data": True,
        "max_rejected_share": 1.0,
        "rows_per_shard": 1000,
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
        lists_dir=changes.get("lists_dir"),
    )


def _read_molecules(output_dir: Path) -> pa.Table:
    paths = [
        path for split in ("train", "validation", "test") for path in sorted((output_dir / f"Split-{split}").iterdir())
    ]
    return pa.concat_tables([pq.read_table(path) for path in paths])


@pytest.fixture(name="row")
def fixture_row() -> Callable[..., dict[str, Any]]:
    return raw_row


@pytest.fixture(name="write_raw")
def fixture_write_raw() -> Callable[..., Path]:
    return _write_raw


@pytest.fixture(name="merge")
def fixture_merge() -> Callable[..., dict[str, Any]]:
    return _merge


@pytest.fixture(name="read_molecules")
def fixture_read_molecules() -> Callable[[Path], pa.Table]:
    return _read_molecules


@pytest.fixture(name="good")
def fixture_good(row: Callable[..., dict[str, Any]]) -> tuple[Rows, Rows]:
    train = [row(i, "abc", PROTEINS[i], 0) for i in range(3)]
    test = [row(10 + i, "abd", PROTEINS[i]) for i in range(2)]
    return train, test


@pytest.fixture(name="raw_dir")
def fixture_raw_dir(tmp_path: Path, good: tuple[Rows, Rows], write_raw: Callable[..., Path]) -> Path:
    return write_raw(tmp_path / "raw", *good, [{"new_structure": "CC", "read_count": 1}])
