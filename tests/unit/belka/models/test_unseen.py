"""What a pushed model tells of its training: exact where molecules are listed, careful where they are not."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from belka.contract import BLOCK_IDS, SMILES, Subset
from belka.errors import InputError
from belka.models.unseen import Unseen, block_key, find_unseen, molecule_hashes, read_unseen, write_unseen

CATALOGUE = ["CN.Cl", "CCN", "CCCN", "CCCCN"]
# Split -> molecules with their blocks; molecule "V2" is held out and in the test file.
MOLECULES: dict[Subset, list[tuple[str, tuple[int | None, ...]]]] = {
    Subset.TRAIN: [("T1", (0, 0, 1)), ("T2", (0, 1, 1)), ("EXTRA", (None,) * 3)],
    Subset.VALIDATION: [("V1", (0, 1, 2)), ("V2", (2, 2, 2)), ("V3", (1, 1, 0))],
    Subset.TEST: [("V2", (2, 2, 2)), ("X1", (3, 3, 3))],
}


@pytest.fixture
def molecules(tmp_path: Path) -> Path:
    folder = tmp_path / "molecules"
    for subset, rows in MOLECULES.items():
        (folder / f"Split-{subset.split}").mkdir(parents=True)
        blocks = {name: pa.array([ids[i] for _, ids in rows], pa.int32()) for i, name in enumerate(BLOCK_IDS)}
        table = pa.table({SMILES: [smiles for smiles, _ in rows], **blocks})
        pq.write_table(table, folder / f"Split-{subset.split}" / "molecules-00000.parquet")
    pq.write_table(pa.table({"smiles": CATALOGUE}), folder / "blocks.parquet")
    return folder


def listed(*smiles: str) -> list[int]:
    return sorted(molecule_hashes(pa.array(list(smiles))).tolist())


@pytest.mark.parametrize(
    ("seen", "unseen", "blocks"),
    [
        ([Subset.TRAIN], ("V1", "V2", "V3"), {"CN", "CCN"}),
        ([Subset.TRAIN, Subset.TEST], ("V1", "V3"), {"CN", "CCN", "CCCN", "CCCCN"}),
        ([Subset.TRAIN, Subset.VALIDATION, Subset.TEST], (), {"CN", "CCN", "CCCN", "CCCCN"}),
    ],
)
def test_what_was_never_seen_follows_from_what_trained(
    molecules: Path, seen: list[Subset], unseen: tuple[str, ...], blocks: set[str]
) -> None:
    found = find_unseen(molecules, seen)
    assert found.molecules.tolist() == listed(*unseen)
    assert found.seen_molecules.tolist() == listed("EXTRA")
    assert found.seen_blocks == blocks
    assert found.unseen_blocks == {"CN", "CCN", "CCCN", "CCCCN"} - blocks


def test_molecules_of_other_data_are_unseen_by_their_blocks_and_in_doubt_seen() -> None:
    model = Unseen(
        np.array(listed("V1"), np.uint64), np.array(listed("EXTRA"), np.uint64), frozenset({"CN", "CCN"}), frozenset()
    )
    catalogue = ["CCN.Cl", "NC.Cl", "CCCCCN"]
    cases = {
        "V1": (0, 0, 1),  # listed
        "new": (0, 1, 2),  # has a block that the model never saw
        "other": (0, 1, 0),  # all its blocks were seen, the one as another salt
        "EXTRA": (2, 2, 2),  # seen without its blocks
        "alone": (-1, -1, -1),  # not listed, and no block tells
    }
    marked = model.never_saw(molecule_hashes(pa.array(list(cases))), np.array(list(cases.values())), catalogue)
    assert dict(zip(cases, marked.tolist(), strict=True)) == {
        "V1": True,
        "new": True,
        "other": False,
        "EXTRA": False,
        "alone": False,
    }


def test_a_model_saw_what_the_one_saw_that_it_started_from(molecules: Path) -> None:
    base = Unseen(np.array(listed("V3"), np.uint64), np.array(listed("OLD"), np.uint64), frozenset({"CN", "CCCN"}))
    found = find_unseen(molecules, [Subset.TRAIN], base)
    # V1 and V2 have no block that the base never saw, but V1 has CCN.
    assert found.molecules.tolist() == listed("V1", "V3")
    assert found.seen_molecules.tolist() == listed("EXTRA", "OLD")
    assert found.seen_blocks == {"CN", "CCN", "CCCN"}


def test_the_record_reads_back_at_eight_bytes_a_molecule(molecules: Path, tmp_path: Path) -> None:
    found = find_unseen(molecules, [Subset.TRAIN])
    write_unseen(found, tmp_path)
    again = read_unseen(tmp_path)
    assert again is not None
    assert again.molecules.tolist() == found.molecules.tolist()
    assert again.seen_molecules.tolist() == found.seen_molecules.tolist()
    assert (again.seen_blocks, again.unseen_blocks) == (found.seen_blocks, found.unseen_blocks)
    small = (tmp_path / "unseen.parquet").stat().st_size
    hashes = np.unique(np.random.default_rng(1).integers(0, 2**63, 100_000, np.uint64))
    write_unseen(Unseen(hashes), tmp_path)
    assert 7 * len(hashes) < (tmp_path / "unseen.parquet").stat().st_size < 9 * len(hashes) + small


def test_no_record_and_a_damaged_one(tmp_path: Path) -> None:
    assert read_unseen(tmp_path) is None
    (tmp_path / "unseen.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match="cannot be read"):
        read_unseen(tmp_path)


def test_blocks_are_named_by_structure() -> None:
    assert block_key("OCC") == block_key("CCO") == block_key("CCO.Cl") == "CCO"
    assert block_key("C[C@H](N)O") != block_key("C[C@@H](N)O")
    assert block_key("no block") == "no block"
