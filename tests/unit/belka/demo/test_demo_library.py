import json
from pathlib import Path

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest
from rdkit import Chem, RDLogger
from sklearn.metrics import average_precision_score

from belka import contract as dc
from belka.demo.blocks import Block, amine_blocks, amino_acid_blocks
from belka.demo.generate import DemoSummary, _extra_rows, make_demo_data
from belka.demo.hidden_rule import PROTEINS, SUBSTRUCTURES, noise_free_scores, substructure_counts
from belka.demo.library import Library, enumerate_product, enumerate_urea, triple_space
from belka.errors import BelkaError, InputError

RDLogger.DisableLog("rdApp.error")

CORE = Chem.MolFromSmarts("c1(-[#7])nc(-[#7])nc(-[#7])n1")
FMOC = Chem.MolFromSmarts("[#7]C(=O)OCC1c2ccccc2-c2ccccc12")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DemoSummary]:
    folder = tmp_path_factory.mktemp("demo")
    return folder, make_demo_data(folder, molecules=2_000, seed=7)


def test_product_equals_hand_written_molecule() -> None:
    first = next(b for b in amino_acid_blocks() if b.name == "L-alanine")
    amines = {b.name: b for b in amine_blocks()}
    product = enumerate_product(first, amines["benzylamine"], amines["morpholine"])
    assert "N[Dy]" in product
    by_hand = "C[C@H](Nc1nc(NCc2ccccc2)nc(N2CCOCC2)n1)C(=O)N[Dy]"
    assert Chem.CanonSmiles(product) == Chem.CanonSmiles(by_hand)


def test_urea_equals_hand_written_molecule() -> None:
    amines = {b.name: b for b in amine_blocks()}
    assert enumerate_urea(amines["aniline"], amines["morpholine"]) == Chem.CanonSmiles("O=C(Nc1ccccc1)N1CCOCC1")


def test_broken_block_is_named() -> None:
    good = amine_blocks()[0]
    with pytest.raises(BelkaError, match="from broken, aniline, aniline"):
        enumerate_product(Block("broken", "NC(", "NC("), good, good)


@pytest.mark.parametrize("block", amino_acid_blocks(), ids=lambda b: b.name)
def test_amino_acid_is_fmoc_protected_and_keeps_its_stereo(block: Block) -> None:
    protected = Chem.MolFromSmiles(block.catalogue_smiles)
    assert len(protected.GetSubstructMatches(FMOC)) == 1
    free = Chem.MolFromSmiles(block.fragment.replace("N[Dy]", "O"))
    centres = [label for _, label in Chem.FindMolChiralCenters(free, includeUnassigned=False)]
    assert [label for _, label in Chem.FindMolChiralCenters(protected, includeUnassigned=False)] == centres
    if block.name.startswith("L-") or "-L-" in block.name:
        assert centres == ["S"]
    if block.name.startswith(("D-", "(R)")):
        assert centres == ["R"]


def test_blocks_are_distinct_after_desalting_and_some_are_salts() -> None:
    amines = amine_blocks()
    assert len({Chem.CanonSmiles(b.fragment) for b in amines}) == len(amines)
    assert len({b.catalogue_smiles for b in (*amines, *amino_acid_blocks())}) == len(amines) + len(amino_acid_blocks())
    salts = [b for b in amines if "." in b.catalogue_smiles]
    assert {b.catalogue_smiles.replace("Cl.", "").replace(".Cl", "") for b in salts} == {
        Chem.CanonSmiles(b.fragment) for b in salts
    }
    assert len(salts) >= 5


def test_triple_space_lists_each_unordered_pair_once() -> None:
    seen, novel = triple_space(2, 3, np.array([1]), np.array([2]))
    everything = np.concatenate([seen, novel])
    assert {(a, *sorted((b, c))) for a, b, c in everything.tolist()} == {
        (a, b, c) for a in range(2) for b in range(3) for c in range(b, 3)
    }
    assert len(everything) == 12
    assert {(b, c) for a, b, c in everything.tolist() if a == 0} == {(0, 0), (1, 0), (0, 2), (1, 1), (2, 1), (2, 2)}
    assert sorted((a, *sorted((b, c))) for a, b, c in seen.tolist()) == [(0, 0, 0), (0, 0, 1), (0, 1, 1)]


def test_hidden_rule_counts_by_hand() -> None:
    blocks = {b.name: b for b in amine_blocks()}
    counts = substructure_counts([blocks["4-chlorobenzylamine"], blocks["thiomorpholine 1,1-dioxide"]])
    names = list(SUBSTRUCTURES)
    assert counts[0, names.index("halogen")] == 1
    assert counts[0, names.index("benzene ring")] == 1
    assert counts[1, names.index("sulfonyl")] == 1
    assert counts[1, names.index("saturated ring carbon")] == 4
    assert PROTEINS == ("BRD4", "HSA", "sEH") == dc.DEFAULT_TARGETS
    assert noise_free_scores(np.eye(9, dtype=np.int64)[[0]]).tolist() == [[-0.5, 1.2, 0.4]]


def test_raw_schema_and_ids(demo: tuple[Path, DemoSummary]) -> None:
    folder, summary = demo
    train = pq.read_table(folder / "train.parquet")
    test = pq.read_table(folder / "test.parquet")
    columns = [dc.RAW_ID, *dc.RAW_BLOCKS, dc.RAW_SMILES, dc.RAW_PROTEIN]
    assert train.column_names == [*columns, dc.RAW_LABEL]
    assert test.column_names == columns
    assert (train.num_rows, test.num_rows) == (summary.train_rows, summary.test_rows)
    ids = test[dc.RAW_ID].to_pylist()
    assert len(set(ids)) == len(ids)
    assert min(ids) > max(train[dc.RAW_ID].to_pylist())
    assert ids != sorted(ids)


def test_every_usable_molecule_is_a_product_with_a_linker(demo: tuple[Path, DemoSummary]) -> None:
    folder, summary = demo
    query = "SELECT DISTINCT molecule_smiles FROM read_parquet(?)"
    for name, usable, unparsable in (("train", summary.train_molecules, 1), ("test", summary.test_molecules, 1)):
        smiles = [row[0] for row in duckdb.execute(query, [str(folder / f"{name}.parquet")]).fetchall()]
        molecules = [Chem.MolFromSmiles(s) for s in smiles]
        assert sum(m is None for m in molecules) == unparsable
        good = [(s, m) for s, m in zip(smiles, molecules, strict=True) if m is not None]
        assert len(good) == usable
        assert all(s.count("N[Dy]") == 1 and len(m.GetSubstructMatches(CORE)) == 1 for s, m in good)
        assert len({Chem.MolToSmiles(m) for _, m in good}) == usable


def test_unusable_rows_are_few_and_of_every_kind(demo: tuple[Path, DemoSummary]) -> None:
    folder, summary = demo
    train = str(folder / "train.parquet")

    def count(where: str) -> int:
        query = f"SELECT count(*) FROM read_parquet(?) WHERE {where}"  # noqa: S608 - constants of this test
        return int(duckdb.execute(query, [train]).fetchone()[0])

    assert count("binds NOT IN (0, 1)") == 2
    assert count("protein_name NOT IN ('BRD4', 'HSA', 'sEH')") == 2
    assert count("molecule_smiles LIKE '%('") == 2
    shared_ids = duckdb.execute(
        "SELECT list(protein_name ORDER BY protein_name), count(DISTINCT molecule_smiles) "
        "FROM read_parquet(?) GROUP BY id HAVING count(*) > 1",
        [train],
    ).fetchall()
    assert len(shared_ids) == 2
    assert all(proteins[0] == "BRD4" and proteins[1] != "BRD4" and n == 1 for proteins, n in shared_ids)
    assert summary.train_unusable_rows == 8
    assert summary.train_unusable_rows / summary.train_rows < 0.01


def test_test_molecules_are_new_and_some_have_unseen_blocks(demo: tuple[Path, DemoSummary]) -> None:
    folder, summary = demo
    train = pq.read_table(folder / "train.parquet")
    test = pq.read_table(folder / "test.parquet").to_pylist()
    assert not set(train[dc.RAW_SMILES].to_pylist()) & {row[dc.RAW_SMILES] for row in test}
    known = {s for column in dc.RAW_BLOCKS for s in train[column].to_pylist()}
    truth = {row["id"]: row["novel"] for row in pq.read_table(folder / "truth" / "test_binds.parquet").to_pylist()}
    for row in test:
        if row["id"] in truth:
            assert truth[row["id"]] == any(row[column] not in known for column in dc.RAW_BLOCKS)
    assert summary.test_novel_molecules / summary.test_molecules == pytest.approx(0.3, abs=0.05)
    assert len(truth) == summary.test_rows - summary.test_unusable_rows


def test_pairs_are_missing_but_no_molecule_is_lost(demo: tuple[Path, DemoSummary]) -> None:
    folder, summary = demo
    assert summary.train_rows - summary.train_unusable_rows == round(0.98 * 3 * summary.train_molecules)
    assert summary.test_rows - summary.test_unusable_rows == round(0.8 * 3 * summary.test_molecules)
    assert json.loads((folder / "meta.json").read_text())["counts"]["train_rows"] == summary.train_rows


def test_labels_follow_the_documented_rule(demo: tuple[Path, DemoSummary]) -> None:
    folder, summary = demo
    assert all(0.1 < share < 0.2 for share in summary.positive_share.values())
    rule = json.loads((folder / "meta.json").read_text())["rule"]
    patterns = {name: Chem.MolFromSmarts(smarts) for name, smarts in rule["substructures"].items()}
    hidden = {row["id"]: row["binds"] for row in pq.read_table(folder / "truth" / "test_binds.parquet").to_pylist()}
    test = [{**row, "binds": hidden.get(row["id"])} for row in pq.read_table(folder / "test.parquet").to_pylist()]
    fragments = {b.catalogue_smiles: Chem.MolFromSmiles(b.fragment) for b in (*amino_acid_blocks(), *amine_blocks())}
    counts = {
        key: {name: len(mol.GetSubstructMatches(p)) for name, p in patterns.items()} for key, mol in fragments.items()
    }
    for rows in (pq.read_table(folder / "train.parquet").to_pylist(), test):
        for protein, weights in rule["weights"].items():
            part = [row for row in rows if row["protein_name"] == protein and row["binds"] in (0, 1)]
            scores = [sum(w * counts[row[c]][n] for c in dc.RAW_BLOCKS for n, w in weights.items()) for row in part]
            assert average_precision_score([row["binds"] for row in part], scores) > 0.7


def test_same_seed_same_bytes_and_other_seed_other_molecules(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        make_demo_data(tmp_path / name, molecules=100, seed=seed)
    files = ("train.parquet", "test.parquet", "DNA_Labeled_Data.csv", "meta.json", "truth/test_binds.parquet")
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
        assert (tmp_path / "a" / file).read_bytes() != (tmp_path / "c" / file).read_bytes()


def test_smallest_library_has_no_unusable_training_row(tmp_path: Path) -> None:
    summary = make_demo_data(tmp_path, molecules=100)
    assert summary.train_unusable_rows == 0
    assert summary.test_unusable_rows == 1
    assert summary.test_unusable_rows / (summary.train_molecules + summary.test_molecules) < 0.01


def test_extra_file_holds_both_classes(demo: tuple[Path, DemoSummary]) -> None:
    lines = (demo[0] / dc.EXTRA_FILE).read_text().splitlines()
    assert lines[0] == "new_structure,read_count"
    reads = [int(line.rsplit(",", 1)[1]) for line in lines[1:]]
    assert len(reads) == demo[1].extra_rows == 100
    assert 0 < sum(r > 0 for r in reads) < 50


@pytest.mark.parametrize("molecules", [99, 1_000_000])
def test_size_out_of_range_says_the_range(tmp_path: Path, molecules: int) -> None:
    with pytest.raises(InputError, match=rf"received: {molecules:,} molecules(.|\n)*expected: 100 to \d+,\d+"):
        make_demo_data(tmp_path, molecules=molecules)
    assert not list(tmp_path.iterdir())


def test_largest_size_leaves_distinct_test_molecules() -> None:
    rng = np.random.default_rng(0)
    library = Library.draw(rng)
    train, test, spare = library.choose(library.capacity(), rng)
    together = np.concatenate([train, test, spare])
    assert len(np.unique(together, axis=0)) == len(together) >= round(1.2 * library.capacity())


def test_the_extra_file_of_the_largest_library_has_every_pair_of_amines_once() -> None:
    library = Library.draw(np.random.default_rng(1))
    rows = _extra_rows(library, np.zeros(len(PROTEINS)), 10_000, np.random.default_rng(2))
    assert len(rows) == len({smiles for smiles, _ in rows}) == len(library.amines) * (len(library.amines) + 1) // 2
