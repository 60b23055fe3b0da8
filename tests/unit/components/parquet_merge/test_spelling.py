"""Molecules that are one structure are one molecule, however a file spells them."""

import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rdkit import Chem

from belka.demo.blocks import amine_blocks, amino_acid_blocks
from belka.demo.library import enumerate_product
from components.parquet_merge import spelling
from components.parquet_merge.spelling import EXACT_ROWS, MIN_SAMPLE, TextSample, open_samples

TARGETS = ("BRD4", "HSA", "sEH")
FIRST, AMINES = amino_acid_blocks(), amine_blocks()
BLOCKS = [(FIRST[i % 7], AMINES[i % 11], AMINES[11 + i % 13]) for i in range(60)]


def library_rows(first_id: int = 0) -> list[dict[str, Any]]:
    """Three rows of each of 60 molecules."""
    rows = []
    for i, blocks in enumerate(BLOCKS):
        listed = {f"buildingblock{place}_smiles": block.catalogue_smiles for place, block in enumerate(blocks, start=1)}
        smiles = enumerate_product(*blocks)
        for code, target in enumerate(TARGETS):
            row = {"id": first_id + 3 * i + code, **listed, "molecule_smiles": smiles, "protein_name": target}
            rows.append({**row, "binds": (i + code) % 3 // 2})
    return rows


def respelled(smiles: str, seed: int) -> str:
    """Another spelling of a structure."""
    molecule = Chem.MolFromSmiles(smiles)
    return str(Chem.MolToRandomSmilesVect(molecule, 1, randomSeed=seed, kekuleSmiles=seed % 2 == 0)[0])


def with_respelled_columns(rows: list[dict[str, Any]], *columns: str) -> list[dict[str, Any]]:
    return [{**row, **{name: respelled(row[name], 7 + i) for name in columns}} for i, row in enumerate(rows)]


@pytest.fixture(name="merged")
def fixture_merged(
    tmp_path: Path,
    write_raw: Callable[..., Path],
    merge: Callable[..., dict[str, Any]],
    read_molecules: Callable[[Path], pa.Table],
) -> Callable[..., tuple[dict[str, Any], pa.Table, pa.Table]]:
    def run(name: str, *raw: Any, **options: Any) -> tuple[dict[str, Any], pa.Table, pa.Table]:
        output = tmp_path / f"{name}-out"
        summary = merge(write_raw(tmp_path / name, *raw), output, validation_block_share=0.1, **options)
        return summary, read_molecules(output), pq.read_table(output / "blocks.parquet")

    return run


Merged = Callable[..., tuple[dict[str, Any], pa.Table, pa.Table]]


@pytest.mark.parametrize("is_sampled", [False, True])
def test_respelled_files_give_the_molecules_labels_and_splits_of_canonical_ones(
    merged: Merged, monkeypatch: pytest.MonkeyPatch, *, is_sampled: bool
) -> None:
    if is_sampled:
        monkeypatch.setattr(spelling, "EXACT_ROWS", 100)
        monkeypatch.setattr(spelling, "MIN_SAMPLE", 30)
    train, test = library_rows(), library_rows(1000)
    summary, molecules, blocks = merged("canonical", train, test)
    columns = ("molecule_smiles", "buildingblock1_smiles", "buildingblock2_smiles", "buildingblock3_smiles")
    others = with_respelled_columns(train, *columns), with_respelled_columns(test, *columns)
    again, molecules_again, blocks_again = merged("respelled", *others)
    assert summary["molecules"]["validation"]["non_shared"] > 0
    assert molecules_again.equals(molecules)
    assert blocks_again.equals(blocks)
    texts = [row["molecule_smiles"] for row in (*others[0], *others[1])]
    canonical = set(molecules["smiles"].to_pylist())
    assert again.pop("smiles_respelled") == sum(text not in canonical for text in texts) > 300
    assert again.pop("twins_joined") == len(set(texts)) - len(canonical)
    assert (summary.pop("smiles_respelled"), summary.pop("twins_joined")) == (0, 0)
    assert again["blocks"].pop("respelled") > 300
    assert summary["blocks"].pop("respelled") == 0
    for entry in (*summary["files"].values(), *again["files"].values()):
        entry.pop("bytes")
    assert again == summary


def test_opposite_labels_of_twins_are_a_conflict_and_twins_are_on_one_side_of_the_split(merged: Merged) -> None:
    train = library_rows()
    twins = [
        {**row, "id": 500 + i, "binds": 1 - row["binds"], "molecule_smiles": respelled(row["molecule_smiles"], i)}
        for i, row in enumerate(train[::3])
    ]
    summary, molecules, _ = merged("twins", [*train, *twins], library_rows(2000))
    assert summary["conflicting_pairs"] == len(twins) == 60
    structures = [Chem.CanonSmiles(text) for text, subset in _texts(molecules) if subset != 2]
    assert len(structures) == len(set(structures)) == 60
    # The test file holds the same molecules.
    assert summary["molecules_on_both_sides"] == 60
    assert summary["twins_joined"] == len({row["molecule_smiles"] for row in (*train, *twins)}) - 60


def test_two_test_ids_of_one_structure_both_get_its_prediction(merged: Merged, tmp_path: Path) -> None:
    test = library_rows(1000)
    second = [{**row, "id": row["id"] + 5000} for row in with_respelled_columns(test, "molecule_smiles")]
    summary, _, _ = merged("aliases", library_rows(), [*test, *second])
    assert summary["test_second_ids"] == len(second)
    aliases = pq.read_table(tmp_path / "aliases-out" / "test_aliases.parquet").to_pylist()
    assert {alias["id"]: alias["carrier"] for alias in aliases} == {row["id"] + 5000: row["id"] for row in test}


def test_labels_of_extra_data_are_withheld_from_validation_molecules_by_structure(merged: Merged) -> None:
    train, test = library_rows(), library_rows(1000)
    _, molecules, _ = merged("plain", train, test)
    validation = {text for text, subset in _texts(molecules) if subset == 1}
    structures = sorted({row["molecule_smiles"] for row in train})
    extra = [{"new_structure": respelled(text, i), "read_count": 3} for i, text in enumerate(structures)]
    summary, with_extra, _ = merged("extra", train, test, extra)
    assert summary["files"]["extra"]["pairs_withheld_from_validation"] == len(validation) > 0
    assert summary["molecules_in_train_and_extra"] == 60
    labels = {row["smiles"]: row["binds"] for row in with_extra.to_pylist() if row["subset"] == 1}
    given = {row["molecule_smiles"]: row["binds"] for row in train if row["protein_name"] == "sEH"}
    assert {text: binds[2] for text, binds in labels.items()} == {text: given[text] for text in validation}


def test_what_was_refused_is_listed_as_it_was_given(merged: Merged, tmp_path: Path) -> None:
    rows = with_respelled_columns(library_rows(), "molecule_smiles")
    refused = {**rows[0], "id": -1}
    merged("refused", [*rows[1:], refused], library_rows(1000))
    (listed,) = pq.read_table(tmp_path / "refused-out" / "rejected.parquet").to_pylist()
    assert listed["molecule_smiles"] == refused["molecule_smiles"]


def test_what_is_no_molecule_keeps_its_text(merged: Merged) -> None:
    odd = [{**row, "molecule_smiles": row["molecule_smiles"] + "("} for row in library_rows()[:3]]
    summary, molecules, _ = merged("odd", [*library_rows()[3:], *odd], library_rows(1000))
    assert odd[0]["molecule_smiles"] in molecules["smiles"].to_pylist()
    assert (summary["smiles_respelled"], summary["twins_joined"]) == (0, 0)


def test_several_processes_spell_as_one(merged: Merged, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = with_respelled_columns(library_rows(), "molecule_smiles")
    _, expected, _ = merged("one", rows, library_rows(1000), n_workers=1)
    monkeypatch.setattr(spelling, "FEW_TEXTS", 10)
    monkeypatch.setattr(spelling, "CHUNK_TEXTS", 7)
    _, molecules, _ = merged("several", rows, library_rows(1000), n_workers=2)
    assert molecules.equals(expected)
    assert not multiprocessing.active_children()


def test_a_sample_is_that_of_the_lowest_hashes_in_any_order_of_rows() -> None:
    keys = pa.array(range(0, 2**64 - 1, 2**54), pa.uint64())
    records = pa.table({"order_key": keys, "smiles": [f"C{i}" for i in range(len(keys))]})
    sample, backwards = TextSample(len(keys), 20), TextSample(len(keys), 20)
    sample.add(records)
    backwards.add(records.take(list(reversed(range(len(keys))))))
    assert sample.texts() == backwards.texts() == [f"C{i}" for i in range(20)]


def test_small_data_are_looked_at_wholly_and_large_ones_in_equal_parts() -> None:
    assert all(sample.is_whole for sample in open_samples({"train": EXACT_ROWS - 1, "test": 1}).values())
    large = open_samples({"train": EXACT_ROWS, "test": 1})
    assert not any(sample.is_whole for sample in large.values())
    assert {sample.size for sample in large.values()} == {MIN_SAMPLE // 2}
    assert {sample.size for sample in open_samples({"train": 295_000_000, "test": 1}).values()} == {14_750}


def _texts(molecules: pa.Table) -> list[tuple[str, int]]:
    return list(zip(molecules["smiles"].to_pylist(), molecules["subset"].to_pylist(), strict=True))


def test_as_given_keeps_the_texts(merged: Merged) -> None:
    rows = with_respelled_columns(library_rows(), "molecule_smiles")
    summary, molecules, _ = merged("given", rows, library_rows(1000), spelling="as_given")
    assert {row["molecule_smiles"] for row in rows} <= set(molecules["smiles"].to_pylist())
    assert (summary["smiles_respelled"], summary["settings"]["spelling"]) == (0, "as_given")
