"""conflicts.parquet: how many rows say 0 and how many 1, counted row by row."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from belka.contract import EXTRA_TARGET, Subset
from components.parquet_merge.conflicts import CONFLICT_SCHEMA, find_conflicts
from components.parquet_merge.record_format import RECORD_SCHEMA
from components.parquet_merge.texts import Texts


@pytest.mark.parametrize("as_csv", [False, True])
def test_every_row_of_a_conflict_is_counted(
    *,
    tmp_path: Path,
    row: Callable[..., dict[str, Any]],
    write_raw: Callable[..., Path],
    merge: Callable[..., dict[str, Any]],
    as_csv: bool,
) -> None:
    train = [
        *(row(i, "abc", "HSA", binds) for i, binds in enumerate([0, 0, 1, 0])),  # neighbours
        row(4, "abc", "BRD4", 1),
        *(row(5 + i, "abd", "sEH", 1) for i in range(2)),
        row(7, "abe", "BRD4", 0),
        row(8, "abe", "BRD4", 0),
        row(9, "abc", "BRD4", 0),  # far from the other one
        row(10, "abc", "BRD4", 7),  # refused: no row of the conflict
    ]
    extra = [{"new_structure": "N[Dy]abd", "read_count": count} for count in (0, 0, 3, 0)]
    raw = write_raw(tmp_path / "raw", train, [row(90, "abc", "HSA")], extra)
    if as_csv:
        path = raw / "train.parquet"
        pa_csv.write_csv(pq.read_table(path), path.with_suffix(".csv"))
        path.unlink()
    summary = merge(raw, tmp_path / "out")
    listed = [tuple(line.values()) for line in pq.read_table(tmp_path / "out" / "conflicts.parquet").to_pylist()]
    assert sorted(listed) == [("N[Dy]abc", "BRD4", 1, 1), ("N[Dy]abc", "HSA", 3, 1), ("N[Dy]abd", "sEH", 3, 3)]
    assert summary["conflicting_pairs"] == 3
    assert summary["labels"]["train"]["HSA"]["positive"] == 1


def test_without_conflicts_the_list_is_empty(
    tmp_path: Path,
    row: Callable[..., dict[str, Any]],
    write_raw: Callable[..., Path],
    merge: Callable[..., dict[str, Any]],
) -> None:
    merge(write_raw(tmp_path / "raw", [row(1, "abc", "HSA", 1)], [row(2, "abc", "HSA")]), tmp_path / "out")
    assert pq.read_table(tmp_path / "out" / "conflicts.parquet").num_rows == 0


def records(rows: list[tuple[int, str, int]]) -> pa.Table:
    """Records of (order key, SMILES, bits)."""
    keys, smiles, bits = ([row[i] for row in rows] for i in range(3))
    columns = [pa.array(keys, pa.uint64()), smiles, [0] * len(rows), pa.array(bits, pa.int64()), [1] * len(rows)]
    return pa.table([pa.array(each) for each in columns], schema=RECORD_SCHEMA)


def conflicts(
    train: pa.Table, extra: pa.Table, validation: list[int], training: list[int], targets: tuple[str, ...]
) -> list[tuple[str, str, int, int]]:
    """The conflicts where the molecules of both subsets are those of some records, with all their bits."""
    both = pa.concat_tables([train, extra])
    smiles, bits = both["smiles"].to_pylist(), both["bits"].to_pylist()

    def molecules(rows: list[int]) -> pa.Table:
        own = (1 << (2 * len(targets))) - 1
        all_bits = [
            int(np.bitwise_or.reduce([b & own for text, b in zip(smiles, bits, strict=True) if text == smiles[row]]))
            for row in rows
        ]
        return pa.table({"row": pa.array(rows, pa.int64()), "bits": pa.array(all_bits, pa.int64())})

    of_subsets = {Subset.TRAIN: molecules(training), Subset.VALIDATION: molecules(validation)}
    found = find_conflicts(train, extra, Texts(lambda: both["smiles"]), of_subsets, targets)
    assert found.schema == CONFLICT_SCHEMA
    return [tuple(line.values()) for line in found.to_pylist()]


def test_conflicts_come_in_the_order_of_keys_then_smiles_then_targets() -> None:
    train = records(
        [(9, "N", 0b01_01), (9, "N", 0b10_10), (9, "C", 0b01_01), (9, "C", 0b10), (9, "O", 0b01), (3, "S", 0b11_10)]
    )
    found = conflicts(train, records([]), [5], [0, 2, 4], ("A", "B"))
    assert found == [("S", "B", 1, 1), ("C", "A", 1, 1), ("N", "A", 1, 1), ("N", "B", 1, 1)]


def test_extra_rows_count_in_training_and_are_withheld_from_validation() -> None:
    targets = ("BRD4", EXTRA_TARGET)
    zero, one = 0b01 << 4, 0b10 << 4  # labels of the extra file, above those of two targets
    train = records([(1, "C", 0b01_01), (1, "C", 0b10_00), (1, "C", 0b10), (2, "N", 0b01_00), (2, "N", 0b10_00)])
    extra = records([(1, "C", one), (1, "C", zero), (1, "C", one), (2, "N", one), (3, "O", one)])
    assert conflicts(train, extra, [], [0, 3], targets) == [
        ("C", "BRD4", 1, 1),
        ("C", EXTRA_TARGET, 2, 3),
        ("N", EXTRA_TARGET, 1, 2),
    ]
    assert conflicts(train, extra, [0, 3], [], targets) == [
        ("C", "BRD4", 1, 1),
        ("C", EXTRA_TARGET, 1, 1),
        ("N", EXTRA_TARGET, 1, 1),
    ]
    # Where that target is not asked for, its labels are of none.
    assert conflicts(train, extra, [], [0], ("BRD4", "HSA")) == [("C", "BRD4", 1, 1), ("C", "HSA", 1, 1)]


def test_a_label_of_another_target_is_no_other_half_of_a_conflict() -> None:
    train = records([(1, "C", 0b10_01), (2, "N", 0b01_10), (3, "O", 0b01_00_10)])
    assert conflicts(train, records([]), [], [0, 1, 2], ("A", "B", "D")) == []


def test_every_set_of_labels_conflicts_where_a_target_has_both() -> None:
    targets = ("A", "B", "D")
    train = records([(key, f"C{key:02}", key) for key in range(64)])  # a molecule for each set of bits
    expected = [
        (f"C{bits:02}", name, 1, 1)
        for bits in range(64)
        for target, name in enumerate(targets)
        if bits >> (2 * target) & 3 == 3
    ]
    assert conflicts(train, records([]), [], list(range(64)), targets) == expected
