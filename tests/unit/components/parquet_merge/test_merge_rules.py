"""Hand-computed merges: labels, sides, extra data, validation, order, shards."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from belka.contract import BLOCK_IDS, BLOCKS_FILE

Row = Callable[..., dict[str, Any]]
WriteRaw = Callable[..., Path]
Merge = Callable[..., dict[str, Any]]
Read = Callable[[Path], pa.Table]


def by_smiles(table: pa.Table) -> dict[str, dict[str, Any]]:
    return {line["smiles"]: line for line in table.to_pylist()}


def test_missing_pair_is_unknown_never_negative(row: Row, write_raw: WriteRaw, merge: Merge, tmp_path: Path) -> None:
    train = [row(0, "abc", "HSA", 0), row(1, "abd", "BRD4", 1), row(2, "abd", "sEH", 0)]
    merge(write_raw(tmp_path / "raw", train, [row(9, "abc", "sEH")]), tmp_path / "out")
    train_part = by_smiles(pq.read_table(tmp_path / "out" / "Split-train"))
    assert train_part["N[Dy]abc"]["binds"] == [2, 0, 2]
    assert train_part["N[Dy]abd"]["binds"] == [1, 2, 0]
    (test_molecule,) = pq.read_table(tmp_path / "out" / "Split-test").to_pylist()
    assert test_molecule["binds"] == [2, 2, 2]
    assert test_molecule["ids"] == [None, None, 9]
    assert test_molecule["smiles_no_linker"] == "N[H]abc"


def test_columns_are_those_of_the_contract(
    row: Row, write_raw: WriteRaw, merge: Merge, read_molecules: Read, tmp_path: Path
) -> None:
    merge(write_raw(tmp_path / "raw", [row(0, "abc", "HSA", 0)], [row(9, "abc", "sEH")]), tmp_path / "out")
    assert [(field.name, str(field.type)) for field in read_molecules(tmp_path / "out").schema] == [
        ("molecule_id", "int64"),
        ("smiles", "string"),
        ("smiles_no_linker", "string"),
        ("binds", "fixed_size_list<element: int8>[3]"),
        ("subset", "int8"),
        ("split_group", "int8"),
        ("block1_id", "int32"),
        ("block2_id", "int32"),
        ("block3_id", "int32"),
        ("ids", "fixed_size_list<element: int64>[3]"),
    ]


def test_conflicting_labels_keep_the_positive_and_are_counted(
    row: Row, write_raw: WriteRaw, merge: Merge, tmp_path: Path
) -> None:
    train = [row(0, "abc", "HSA", 1), row(1, "abd", "sEH", 0), row(2, "abc", "HSA", 0), row(3, "abd", "sEH", 0)]
    summary = merge(write_raw(tmp_path / "raw", train, [row(9, "abc", "sEH")]), tmp_path / "out")
    molecules = by_smiles(pq.read_table(tmp_path / "out" / "Split-train"))
    assert molecules["N[Dy]abc"]["binds"] == [2, 1, 2]
    assert molecules["N[Dy]abd"]["binds"] == [2, 2, 0]
    assert summary["conflicting_pairs"] == 1
    assert summary["files"]["train"]["duplicates"] == 2
    assert summary["molecules_on_both_sides"] == 1


def test_rows_of_a_molecule_far_apart(row: Row, write_raw: WriteRaw, merge: Merge, tmp_path: Path) -> None:
    filler = [row(10 + i, "abc", "HSA", 0, molecule_smiles=f"C{i}") for i in range(5000)]
    train = [row(0, "xyz", "BRD4", 1), *filler, row(1, "xyz", "HSA", 0), *filler, row(2, "xyz", "sEH", 1)]
    merge(write_raw(tmp_path / "raw", train, [row(9, "abc", "sEH")]), tmp_path / "out", rows_per_shard=10_000)
    assert by_smiles(pq.read_table(tmp_path / "out" / "Split-train"))["N[Dy]xyz"]["binds"] == [1, 0, 1]


def test_extra_data_trains_seh_only(row: Row, write_raw: WriteRaw, merge: Merge, tmp_path: Path) -> None:
    extra = [
        {"new_structure": "NEW", "read_count": 0},
        {"new_structure": "NEW2", "read_count": 5},
        {"new_structure": "N[Dy]abc", "read_count": 3},
    ]
    raw_dir = write_raw(
        tmp_path / "raw", [row(0, "abc", "HSA", 1), row(1, "abc", "sEH", 0)], [row(9, "abc", "sEH")], extra
    )
    summary = merge(raw_dir, tmp_path / "out", validation_shared_share=0.0)
    molecules = by_smiles(pq.read_table(tmp_path / "out" / "Split-train"))
    assert molecules["NEW"]["binds"] == [2, 2, 0]
    assert molecules["NEW2"]["binds"] == [2, 2, 1]
    assert molecules["NEW2"]["block1_id"] is None
    assert molecules["N[Dy]abc"]["binds"] == [2, 1, 1]
    assert molecules["N[Dy]abc"]["block1_id"] is not None
    assert (summary["conflicting_pairs"], summary["molecules_in_train_and_extra"]) == (1, 1)
    assert summary["extra_data"] == "used"


def test_extra_label_of_a_validation_molecule_is_withheld(
    row: Row, write_raw: WriteRaw, merge: Merge, tmp_path: Path
) -> None:
    train = [row(i, blocks, "HSA", 0) for i, blocks in enumerate(("abc", "ade"))]
    extra = [{"new_structure": f"N[Dy]{blocks}", "read_count": 1} for blocks in ("abc", "ade")]
    raw_dir = write_raw(tmp_path / "raw", train, [row(9, "abc", "sEH")], extra)
    summary = merge(raw_dir, tmp_path / "out", validation_block_share=0.99)
    assert summary["molecules"]["validation"] == {"shared": 0, "non_shared": 2}
    assert pq.read_table(tmp_path / "out" / "Split-validation")["binds"].to_pylist() == [[2, 0, 2]] * 2
    assert summary["files"]["extra"]["pairs_withheld_from_validation"] == 2
    assert summary["files"]["extra"]["pairs_kept"] == 0


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"use_extra_data": False}, "not used: switched off"),
        ({"targets": ["HSA"]}, "not used: sEH is not among the targets"),
    ],
)
def test_extra_data_that_is_not_used_is_said_so(
    *,
    row: Row,
    write_raw: WriteRaw,
    merge: Merge,
    read_molecules: Read,
    tmp_path: Path,
    changes: dict[str, Any],
    note: str,
) -> None:
    raw_dir = write_raw(
        tmp_path / "raw", [row(0, "abc", "HSA", 1)], [row(9, "abc", "HSA")], [{"new_structure": "C", "read_count": 1}]
    )
    summary = merge(raw_dir, tmp_path / "out", **changes)
    assert summary["extra_data"] == note
    assert read_molecules(tmp_path / "out").num_rows == 2


def test_held_out_blocks_make_the_validation_split(row: Row, write_raw: WriteRaw, merge: Merge, tmp_path: Path) -> None:
    letters = "abcdefghijklmnopqrst"
    train = [
        row(i, f"{a}{b}{b}", "HSA", 0) for i, (a, b) in enumerate((a, b) for a in letters[:10] for b in letters[10:])
    ]
    test = [row(900, "akk", "HSA"), row(901, "zkk", "HSA")]
    raw_dir = write_raw(tmp_path / "raw", train, test)
    merge(raw_dir, tmp_path / "out", validation_block_share=0.1)
    blocks = pq.read_table(tmp_path / "out" / "blocks.parquet").to_pylist()
    assert [block["smiles"] for block in blocks] == [f"C{letter}" for letter in (*letters, "z")]
    held_out = {block["smiles"][1] for block in blocks if block["in_validation"]}
    assert len(held_out) == 2
    validation = by_smiles(pq.read_table(tmp_path / "out" / "Split-validation"))
    assert set(validation) == {line["molecule_smiles"] for line in train if held_out & set(line["molecule_smiles"][5:])}
    assert {line["split_group"] for line in validation.values()} == {1}
    assert {
        name: line["split_group"] for name, line in by_smiles(pq.read_table(tmp_path / "out" / "Split-test")).items()
    } == {
        "N[Dy]akk": 0,
        "N[Dy]zkk": 1,
    }
    other_seed = merge(raw_dir, tmp_path / "other", validation_block_share=0.1, seed=7)
    assert other_seed["blocks"]["in_validation"] == 2
    other = pq.read_table(tmp_path / "other" / "blocks.parquet")
    assert {block["smiles"][1] for block in other.to_pylist() if block["in_validation"]} != held_out


def test_shared_validation_is_a_share_of_the_rest(row: Row, write_raw: WriteRaw, merge: Merge, tmp_path: Path) -> None:
    train = [row(i, "abc", "HSA", 0, molecule_smiles=f"C{i}") for i in range(4000)]
    extra = [{"new_structure": f"N{i}", "read_count": 1} for i in range(500)]
    summary = merge(
        write_raw(tmp_path / "raw", train, [row(9, "abc", "sEH")], extra), tmp_path / "out", validation_shared_share=0.1
    )
    assert summary["molecules"]["validation"]["non_shared"] == 0
    # 400 expected; five standard deviations of the binomial are 95.
    assert 305 < summary["molecules"]["validation"]["shared"] < 495
    assert all(name.startswith("C") for name in by_smiles(pq.read_table(tmp_path / "out" / "Split-validation")))


def test_one_smiles_with_two_triples_stays_one_molecule(
    row: Row, write_raw: WriteRaw, merge: Merge, tmp_path: Path
) -> None:
    train = [row(0, "abc", "HSA", 0, molecule_smiles="CC"), row(1, "acb", "BRD4", 1, molecule_smiles="CC")]
    train.append(row(2, "abc", "sEH", 1, molecule_smiles="CCC"))
    summary = merge(write_raw(tmp_path / "raw", train, [row(9, "abc", "sEH")]), tmp_path / "out")
    molecules = by_smiles(pq.read_table(tmp_path / "out" / "Split-train"))
    assert {name: line["binds"] for name, line in molecules.items()} == {"CC": [1, 0, 2], "CCC": [2, 2, 1]}
    assert summary["molecules_with_several_block_triples"] == 1


def test_test_molecule_without_a_block_is_not_of_the_library(
    row: Row, write_raw: WriteRaw, merge: Merge, tmp_path: Path
) -> None:
    test = [row(9, "abc", "HSA", buildingblock3_smiles=None), row(10, "abc", "HSA", molecule_smiles="CC")]
    summary = merge(write_raw(tmp_path / "raw", [row(0, "abc", "HSA", 0)], test), tmp_path / "out")
    assert summary["molecules"]["test"] == {"shared": 1, "non_shared": 1}
    assert by_smiles(pq.read_table(tmp_path / "out" / "Split-test"))["N[Dy]abc"]["split_group"] == 1


def test_library_with_two_positions_is_merged(row: Row, write_raw: WriteRaw, merge: Merge, tmp_path: Path) -> None:
    train = [row(i, "abc", "HSA", 0, molecule_smiles=f"C{i}", buildingblock3_smiles=None) for i in range(3)]
    test = [row(9, "abc", "HSA", buildingblock3_smiles=None)]
    summary = merge(write_raw(tmp_path / "raw", train, test), tmp_path / "out")
    assert summary["files"]["train"]["rejected"] == 0
    assert summary["molecules"]["test"] == {"shared": 1, "non_shared": 0}
    assert pq.read_table(tmp_path / "out" / "Split-train")["block3_id"].to_pylist() == [None] * 3


def test_shards_are_even_and_ids_run_through(
    row: Row, write_raw: WriteRaw, merge: Merge, read_molecules: Read, tmp_path: Path
) -> None:
    train = [row(i, "abc", "HSA", 0, molecule_smiles=f"C{i}") for i in range(1003)]
    merge(write_raw(tmp_path / "raw", train, [row(9, "abc", "sEH")]), tmp_path / "out", rows_per_shard=250)
    paths = sorted((tmp_path / "out" / "Split-train").iterdir())
    assert [path.name for path in paths] == [f"molecules-{i:05d}.parquet" for i in range(5)]
    assert [pq.read_metadata(path).num_rows for path in paths] == [200, 201, 200, 201, 201]
    assert read_molecules(tmp_path / "out")["molecule_id"].to_pylist() == list(range(1004))


def test_rows_come_shuffled_by_seed(
    row: Row, write_raw: WriteRaw, merge: Merge, read_molecules: Read, tmp_path: Path
) -> None:
    train = [row(i, "abc", "HSA", i % 2, molecule_smiles=f"C{i:04d}") for i in range(2000)]
    raw_dir = write_raw(tmp_path / "raw", train, [row(9, "abc", "sEH")])
    orders = []
    for seed in (1, 2):
        merge(raw_dir, tmp_path / f"out{seed}", seed=seed)
        orders.append(
            [name for name in read_molecules(tmp_path / f"out{seed}")["smiles"].to_pylist() if name.startswith("C")]
        )
    assert orders[0] != orders[1]
    for order in orders:
        positions = [int(name[1:]) for name in order]
        # A shuffled list rises about half of the time: 1000 of 1999 steps, standard deviation 13.
        assert 900 < sum(a < b for a, b in itertools.pairwise(positions)) < 1100


def test_an_existing_output_is_replaced_whole(row: Row, write_raw: WriteRaw, merge: Merge, tmp_path: Path) -> None:
    raw_dir = write_raw(tmp_path / "raw", [row(0, "abc", "HSA", 0)], [row(9, "abc", "sEH")])
    stale = tmp_path / "out" / "Split-train" / "molecules-00007.parquet"
    stale.parent.mkdir(parents=True)
    stale.touch()
    merge(raw_dir, tmp_path / "out")
    assert not stale.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "raw"]


def test_ids_of_a_molecule_name_its_blocks(row: Row, write_raw: WriteRaw, merge: Merge, tmp_path: Path) -> None:
    train = [row(i, name, "HSA", 0) for i, name in enumerate(("abc", "cbd", "dda"))]
    merge(write_raw(tmp_path / "raw", train, [row(9, "zab", "HSA")]), tmp_path / "out")
    blocks = pq.read_table(tmp_path / "out" / BLOCKS_FILE)["smiles"].to_pylist()
    found = [*by_smiles(pq.read_table(tmp_path / "out" / "Split-train")).items()]
    found += by_smiles(pq.read_table(tmp_path / "out" / "Split-test")).items()
    assert {smiles: "".join(blocks[line[name]][1:] for name in BLOCK_IDS) for smiles, line in found} == {
        f"N[Dy]{name}": name for name in ("abc", "cbd", "dda", "zab")
    }
