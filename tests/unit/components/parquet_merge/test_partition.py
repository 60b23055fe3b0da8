"""Rows made into records, and dealt out to partition files, plain at first and compressed from some size on."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from belka.errors import InputError
from belka.settings import DataSettings, SystemSettings
from components.parquet_merge.partition import Partitions, Records
from components.parquet_merge.raw_input import RawInput, open_raw_input
from components.parquet_merge.record_format import FLAG_BIT, RECORD_SCHEMA
from components.parquet_merge.workspace import open_engine

N_PARTITIONS = 4
GROUPS = 6
ROWS = 200


@pytest.fixture(name="groups")
def fixture_groups() -> list[pa.Table]:
    keys = np.random.default_rng(0).integers(0, 2**64, GROUPS * ROWS, dtype=np.uint64)
    texts = [f"N[Dy]{40 * 'C'}{key}" for key in keys]
    columns = [pa.array(keys), pa.array(texts), *(pa.array(np.arange(len(keys)) + i) for i in range(3))]
    table = pa.Table.from_arrays(columns, schema=RECORD_SCHEMA)
    return [table.slice(i * ROWS, ROWS) for i in range(GROUPS)]


def _kind(path: Path) -> str:
    """`plain` where the texts can be read in the file as they are: lz4 refers to the first of equal beginnings."""
    return "plain" if path.read_bytes().count(b"N[Dy]") > ROWS // N_PARTITIONS // 2 else "lz4"


@pytest.mark.parametrize("plain_groups", [0, 1, 3, GROUPS])
def test_partitions_hold_their_records_in_the_order_they_came(
    groups: list[pa.Table], plain_groups: int, tmp_path: Path
) -> None:
    # A limit between two groups: the one that crosses it is the last to be written plain.
    plain_bytes = sum(group.nbytes for group in groups[:plain_groups]) - (1 if plain_groups else 0)
    partitions = Partitions(tmp_path, "train", N_PARTITIONS, plain_bytes=plain_bytes)
    for group in groups:
        partitions.add(*partitions.arrange(group))
    partitions.close()
    everything = pa.concat_tables(groups)
    partition = everything["order_key"].to_numpy() >> np.uint64(62)
    for i in range(N_PARTITIONS):
        expected = everything.filter(pa.array(partition == i))
        assert partitions.read(i).to_pydict() == expected.drop_columns(["smiles"]).to_pydict()
        assert partitions.read_smiles(i).to_pylist() == expected["smiles"].to_pylist()
    is_there_by_kind = {"plain": plain_groups > 0, "lz4": plain_groups < GROUPS}
    for kind, is_there in is_there_by_kind.items():
        assert sum(_kind(path) == kind for path in tmp_path.iterdir()) == N_PARTITIONS * is_there


def test_plain_files_end_where_the_limit_is_crossed(groups: list[pa.Table], tmp_path: Path) -> None:
    partitions = Partitions(tmp_path, "train", 1, plain_bytes=groups[0].nbytes * 2 - 1)
    for group in groups:
        partitions.add(*partitions.arrange(group))
    partitions.close()
    plain, compressed = (pa.ipc.open_stream(path.read_bytes()).read_all() for path in sorted(tmp_path.iterdir()))
    assert (len(plain), len(compressed)) == (2 * ROWS, (GROUPS - 2) * ROWS)


def test_a_partition_that_was_removed_is_an_error_and_one_without_records_is_empty(
    groups: list[pa.Table], tmp_path: Path
) -> None:
    partitions = Partitions(tmp_path, "train", N_PARTITIONS, plain_bytes=0)
    assert len(partitions.read(3)) == len(partitions.read_smiles(3)) == 0
    partitions.add(*partitions.arrange(groups[0]))
    partitions.close()
    partitions.remove(3)
    with pytest.raises(FileNotFoundError):
        partitions.read(3)
    assert len(partitions.read(0)) > 0


@contextmanager
def _opened(raw_dir: Path) -> Iterator[tuple[Any, RawInput]]:
    with tempfile.TemporaryDirectory() as folder:
        system = SystemSettings().model_copy(update={"memory_limit_gb": 1.0, "n_workers": 2})
        with closing(open_engine(system, temp_dir=Path(folder) / "duckdb")) as engine:
            data = DataSettings(validation_block_share=0.3, use_extra_data=False)
            yield engine, open_raw_input(engine, raw_dir, data=data, seed=0, work_dir=Path(folder))


def _read(engine: Any, raw: RawInput) -> pa.Table:
    records = Records(engine, 7, 3, raw.blocks)
    return pa.concat_tables([records.of_rows(batch, "train") for batch in records.rows("train")])


def test_neighbouring_rows_with_the_same_blocks_and_smiles_are_one_run(
    row: Callable[..., dict[str, Any]], write_raw: Callable[..., Path], tmp_path: Path
) -> None:
    rows = [
        row(0, "abc", "BRD4", 1),
        row(1, "abc", "HSA", 0),
        row(2, "abc", "sEH", 0),
        row(3, "abd", "HSA", 0, molecule_smiles="N[Dy]abc"),  # the same SMILES, other blocks
        row(4, "abd", "HSA", 1, molecule_smiles="C"),  # the same blocks, another SMILES
        row(5, "abd", "XYZ", 1, molecule_smiles="C"),  # unusable, and does not part the rows around it
        row(6, "abd", "sEH", 1, molecule_smiles="C"),
    ]
    with _opened(write_raw(tmp_path / "raw", rows, [row(9, "abc", "HSA")])) as (engine, raw):
        runs = _read(engine, raw)
    assert runs["smiles"].to_pylist() == ["N[Dy]abc", "N[Dy]abc", "C"]
    assert runs["n_rows"].to_pylist() == [3, 1, 2]
    labels = runs["bits"].to_numpy() & ~(1 << FLAG_BIT)
    assert labels.tolist() == [0b01_01_10, 0b00_01_00, 0b10_10_00]


def test_smiles_that_is_not_utf8_is_an_error(
    *,
    row: Callable[..., dict[str, Any]],
    write_raw: Callable[..., Path],
    merge: Callable[..., dict[str, Any]],
    tmp_path: Path,
) -> None:
    rows = [row(i, "abc", "BRD4", 0, molecule_smiles=f"C{i}") for i in range(4)]
    raw_dir = write_raw(tmp_path / "raw", rows, [row(9, "abc", "HSA")])
    table = pq.read_table(raw_dir / "train.parquet")
    offsets, texts = np.arange(5, dtype=np.int32) * 2, bytearray(b"C0C1C2C3")
    texts[3] = 0xFF
    broken = pa.StringArray.from_buffers(4, pa.py_buffer(offsets), pa.py_buffer(bytes(texts)))
    pq.write_table(table.set_column(4, "molecule_smiles", broken), raw_dir / "train.parquet")
    with pytest.raises(InputError, match=r"(?i)utf-?8"):
        merge(raw_dir, tmp_path / "out")


def test_order_keys_follow_the_rows_whatever_the_size_of_a_batch(
    write_raw: Callable[..., Path], tmp_path: Path
) -> None:
    rows = [
        {
            "id": i,
            **{f"buildingblock{position}_smiles": "Ca" for position in (1, 2, 3)},
            "molecule_smiles": f"N[Dy]{i}",
            "protein_name": "HSA",
            "binds": 0,
        }
        for i in range(5000)
    ]
    raw_dir = write_raw(tmp_path / "raw", rows, rows[:1])
    with _opened(raw_dir) as (engine, raw):
        maker = Records(engine, 7, 3, raw.blocks)
        (rows,) = maker.rows("train")
        records = maker.of_rows(rows, "train")
        parts = [maker.of_rows(rows.slice(start, 1), "train") for start in range(0, 5000, 500)]
    assert pc.count_distinct(records["order_key"]).as_py() == len(rows)
    assert records["order_key"].to_pylist()[::500] == [part["order_key"][0].as_py() for part in parts]
