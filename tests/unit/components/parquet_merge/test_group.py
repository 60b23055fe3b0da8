"""Records of one SMILES are told apart by their text, whatever their hashes."""

from random import Random
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.parquet_merge import texts as texts_module
from components.parquet_merge.group import group_test, group_training
from components.parquet_merge.record_format import RECORD_SCHEMA, TEST_SCHEMA, tally_pairs
from components.parquet_merge.texts import Texts

Row = tuple[int, str, int, int, int]


def records(rows: list[Row]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(RECORD_SCHEMA)
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, RECORD_SCHEMA, strict=True)],
        schema=RECORD_SCHEMA,
    )


def texts(*tables: pa.Table) -> Texts:
    return Texts(lambda: pa.concat_tables(tables)["smiles"])


def test_two_smiles_with_one_key_stay_two_molecules() -> None:
    rows = [(7, "N", 0, 1, 1), (7, "C", 3, 2, 1), (7, "N", 4, 4, 2), (7, "C", 3, 8, 1), (5, "O", 0, 16, 1)]
    of_rows = texts(records(rows))
    grouped = group_training(records(rows), records([]), of_rows)
    assert of_rows.take(grouped["row"].to_numpy()).to_pylist() == ["O", "C", "N"]
    assert grouped["order_key"].to_pylist() == [5, 7, 7]
    assert grouped["bits"].to_pylist() == [16, 10, 5]
    assert grouped["triple"].to_pylist() == [0, 3, 4]
    assert grouped["n_rows"].to_pylist() == [1, 2, 3]
    assert grouped["has_several_triples"].to_pylist() == [False, False, False]


def test_smiles_are_not_read_where_the_keys_tell_all_records_apart() -> None:
    def fail() -> pa.ChunkedArray:
        pytest.fail("the SMILES were read")

    rows = [(7, "N", 0, 1, 1), (5, "O", 0, 16, 1)]
    assert group_training(records(rows), records([]), Texts(fail))["row"].to_pylist() == [1, 0]
    with pytest.raises(pytest.fail.Exception):
        group_training(records(rows), records(rows), Texts(fail))


def test_pairs_are_tallied_by_target_and_label() -> None:
    bits = np.array([0b00_01, 0b00_01, 0b11_10, 0b10_00], dtype=np.int64)
    assert tally_pairs(bits, 2).tolist() == [[1, 2, 1, 0], [2, 0, 1, 1]]
    assert tally_pairs(bits[:0], 2).tolist() == [[0] * 4] * 2


def test_a_test_pair_keeps_its_smallest_id_and_an_absent_one_is_null() -> None:
    rows = [(7, "N", 9, 0, 1, 1, 30), (7, "C", 0, 0, 1, 0, 20), (7, "N", 8, 0, 1, 1, 10), (7, "N", 8, 0, 1, 1, 30)]
    columns = [pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), TEST_SCHEMA, strict=True)]
    test = pa.table(columns, schema=TEST_SCHEMA)
    grouped, aliases = group_test(test, texts(test), 2)
    assert texts(test).take(grouped["row"].to_numpy()).to_pylist() == ["C", "N"]
    assert grouped["id_0"].to_pylist() == [20, None]
    assert grouped["id_1"].to_pylist() == [None, 10]
    assert grouped["n_rows"].to_pylist() == [1, 3]
    assert grouped["has_several_triples"].to_pylist() == [False, True]
    assert aliases.to_pylist() == [{"id": 30, "carrier": 10}]


# Few keys for many SMILES: most runs hold several molecules.
ROWS = st.lists(
    st.tuples(st.sampled_from("CNOFé𝄞"), st.integers(0, 3), st.integers(0, 7), st.integers(1, 3)), max_size=40
)


@settings(deadline=None)
@given(
    train=ROWS,
    extra=ROWS,
    shuffle=st.randoms(),
    few=st.sampled_from([0, texts_module.FEW_TEXTS]),
    n_others=st.sampled_from([0, 200]),
)
def test_groups_are_those_of_a_dictionary_in_any_order(
    train: list[tuple[str, int, int, int]],
    extra: list[tuple[str, int, int, int]],
    shuffle: Random,
    few: int,
    n_others: int,
) -> None:
    keyed = {
        name: [(ord(smiles) % 2, smiles, triple, bits, n) for smiles, triple, bits, n in rows]
        for name, rows in (("train", train), ("extra", extra))
    }
    # Among many molecules of one record each, those of several are a few.
    keyed["train"] += [(2 + i, f"{i}", i, 1, 1) for i in range(n_others)]
    expected: dict[tuple[int, str], tuple[set[int], int, int, int]] = {}
    for name, rows in keyed.items():
        for key, smiles, triple, bits, n in rows:
            old = expected.get((key, smiles), (set[int](), 0, 0, 0))
            is_train = name == "train"
            expected[key, smiles] = (
                old[0] | {triple},
                old[1] | bits,
                old[2] + n * is_train,
                old[3] + n * (not is_train),
            )
        shuffle.shuffle(rows)
    tables = records(keyed["train"]), records(keyed["extra"])
    with patch.object(texts_module, "FEW_TEXTS", few):
        grouped = group_training(*tables, texts(*tables))
    smiles = texts(*tables).take(grouped["row"].to_numpy()).to_pylist()
    assert list(zip(grouped["order_key"].to_pylist(), smiles, strict=True)) == sorted(expected)
    for text, row in zip(smiles, grouped.to_pylist(), strict=True):
        triples, bits, n_rows, n_extra = expected[row["order_key"], text]
        assert (row["triple"], row["bits"], row["n_rows"], row["n_extra"]) == (max(triples), bits, n_rows, n_extra)
        assert row["has_several_triples"] == (len(triples - {0}) > 1)
