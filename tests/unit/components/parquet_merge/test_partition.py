"""Records dealt out to partition files, plain at first and compressed from some size on."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from components.parquet_merge.partition import Partitions
from components.parquet_merge.record_format import RECORD_SCHEMA

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
