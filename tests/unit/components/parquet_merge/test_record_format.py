"""The merge's working record, against what its description says in plain Python."""

from collections.abc import Sequence

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from belka.contract import Subset
from belka.raw_directory import EXTRA, TEST, TRAIN
from belka.settings import DataSettings, LabelSettings
from components.parquet_merge.record_format import (
    FLAG_BIT,
    MAX_TARGETS,
    RECORD_SCHEMA,
    join_runs,
    label_bits_sql,
    labels_of,
    merged_schema,
    record_schema,
    tally_pairs,
)

ALL_BITS = np.arange(64, dtype=np.int64)  # of three targets
# Two bits of a target -> its label: none is unknown, and 1 wins.
LABELS = (2, 0, 1, 1)


def test_one_wins_over_zero_and_no_bit_is_unknown() -> None:
    expected = [[LABELS[bits >> (2 * target) & 3] for target in range(3)] for bits in range(64)]
    assert labels_of(ALL_BITS, 3).tolist() == expected
    with_more = ALL_BITS | (1 << FLAG_BIT) | (3 << 6)  # the flag, and a label of the extra data
    assert labels_of(with_more, 3).tolist() == expected
    assert labels_of(ALL_BITS, 3).dtype == np.int8


def test_pairs_are_counted_by_target_and_by_both_bits() -> None:
    bits = np.concatenate([ALL_BITS, ALL_BITS[:7], ALL_BITS[:7]])
    expected = [
        [sum(b >> (2 * target) & 3 == value for b in bits.tolist()) for value in range(4)] for target in range(3)
    ]
    assert tally_pairs(bits, 3).tolist() == expected


def test_bits_of_a_row_say_its_protein_and_its_label() -> None:
    engine = duckdb.connect()
    engine.execute("CREATE TABLE rows AS SELECT * FROM (VALUES (0::TINYINT), (1), (2)) p(protein_code), "
                   "(VALUES (0), (1), (2), (3)) l(label)")  # fmt: skip

    def bits(source: str, data: DataSettings) -> dict[tuple[int, int], int]:
        found = engine.execute(f"SELECT protein_code, label, {label_bits_sql(source, data)} FROM rows").fetchall()  # noqa: S608
        return {(protein, label): value for protein, label, value in found}

    pairs = [(protein, label) for protein in range(3) for label in range(4)]
    plain, counts = DataSettings(), DataSettings(binds=LabelSettings(threshold=3))
    assert bits(TRAIN, plain) == {(p, label): 1 << (2 * p + (label >= 1)) for p, label in pairs}
    assert bits(TRAIN, counts) == {(p, label): 1 << (2 * p + (label >= 3)) for p, label in pairs}
    assert bits(TEST, plain) == dict.fromkeys(pairs, 0)
    assert bits(EXTRA, counts) == {(p, label): 1 << (6 + (label > 0)) for p, label in pairs}


def test_labels_of_all_targets_and_of_the_extra_data_lie_below_the_flag() -> None:
    assert 2 * MAX_TARGETS + 2 == FLAG_BIT
    assert np.int64(1) << FLAG_BIT == np.int64(2**62)


def test_ids_are_those_of_test_molecules_alone() -> None:
    assert merged_schema(Subset.TRAIN, 2).names == ["row", "triple", "bits", "split_group"]
    assert merged_schema(Subset.VALIDATION, 2) == merged_schema(Subset.TRAIN, 3)
    assert merged_schema(Subset.TEST, 2).names == ["row", "triple", "bits", "split_group", "id_0", "id_1"]
    assert record_schema(TRAIN) == record_schema(EXTRA) == RECORD_SCHEMA
    assert record_schema(TEST).names == [*RECORD_SCHEMA.names, "protein_code", "id"]


def joined(
    smiles: Sequence[str | None], codes: Sequence[int], bits: Sequence[int]
) -> list[tuple[int, str | None, int, int]]:
    """What `join_runs` says it returns: first row, SMILES, bits and rows of each run."""
    runs: list[list[int]] = []
    for row, text in enumerate(smiles):
        same = row > 0 and text is not None and text == smiles[row - 1] and codes[row] == codes[row - 1]
        if same:
            runs[-1].append(row)
        else:
            runs.append([row])
    repeats = [len({bits[row] for row in run}) < len(run) for run in runs]
    parts = [
        part for run, each in zip(runs, repeats, strict=True) for part in ([[row] for row in run] if each else [run])
    ]
    return [(part[0], smiles[part[0]], sum({bits[row] for row in part}), len(part)) for part in parts]


ROWS = st.lists(
    st.tuples(st.sampled_from(["C", "N", None]), st.integers(0, 1), st.sampled_from([1, 2, 4])), max_size=12
)


@given(rows=ROWS)
def test_neighbours_of_one_molecule_are_joined_unless_they_repeat_a_label(
    rows: list[tuple[str | None, int, int]],
) -> None:
    smiles, codes, bits = ([row[i] for row in rows] for i in range(3))
    of_rows = (np.array(codes, dtype=np.int64), np.zeros(len(rows), dtype=np.int64))
    starts, texts, all_bits, n_rows = join_runs(pa.array(smiles, pa.string()), of_rows, np.array(bits, dtype=np.int64))
    found = list(zip(starts.tolist(), texts.to_pylist(), all_bits.tolist(), n_rows.tolist(), strict=True))
    assert found == joined(smiles, codes, bits)  # type: ignore[arg-type]


@pytest.mark.parametrize("n_same", [1, 2])
def test_any_code_that_differs_ends_a_run(n_same: int) -> None:
    codes = [np.array([5, 5]) for _ in range(n_same)] + [np.array([5, 6])]
    starts, *_ = join_runs(pa.array(["C", "C"]), codes, np.array([1, 2], dtype=np.int64))
    assert starts.tolist() == [0, 1]
