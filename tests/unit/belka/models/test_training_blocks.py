"""How far a molecule's building blocks are from those of training."""

from itertools import product
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rdkit import Chem, DataStructs

from belka import contract as dc
from belka.chemistry.direct import DirectFingerprints
from belka.chemistry.fingerprints import FingerprintSettings
from belka.chemistry.reader import Chemistry, TrainingBlocks, packed_block
from belka.errors import InputError
from belka.models.training_blocks import read_training_blocks, write_training_blocks
from belka.predict.check import CheckSettings, SmilesChecker

VOCABULARY = frozenset([*"CNOcnOF()=12345", "[H]", "[C@@H]"])
FIRST = ("N[C@@H](C)C(=O)N[Dy]", "NCC(=O)N[Dy]")
OTHERS = ("NCC", "Nc3ccccc3", "NCC3CC3", "NC(C)C")
FAR = "Nc3c(F)c(F)c(F)c(F)c3F"


def molecule(first: str, second: str, third: str) -> str:
    return f"{first.replace('N', 'N(c1nc({2})nc({3})n1)', 1)}".replace("{2}", second).replace("{3}", third)


def write_molecules(folder: Path, smiles: list[str]) -> None:
    ids = [(a, b, c) for a, b, c in product(range(2), (2, 3), (4, 5))]
    (folder / "Split-train").mkdir(parents=True)
    columns = {
        name: pa.array([row[i] for row in ids][: len(smiles)], pa.int32()) for i, name in enumerate(dc.BLOCK_IDS)
    }
    plain = [text.replace(dc.LINKER, dc.LINKER_REPLACEMENT) for text in smiles]
    pq.write_table(
        pa.table({dc.SMILES_NO_LINKER: plain, **columns}), folder / "Split-train" / "molecules-00000.parquet"
    )
    pq.write_table(pa.table({"smiles": ["x"] * 6}), folder / dc.BLOCKS_FILE)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("library")
    write_molecules(folder, [molecule(a, b, c) for a, b, c in product(FIRST, OTHERS[:2], OTHERS[2:])])
    assert write_training_blocks(folder, folder) == 6
    return folder


@pytest.fixture(scope="module")
def checker(library: Path) -> SmilesChecker:
    return SmilesChecker(CheckSettings(VOCABULARY, 128, training_blocks=read_training_blocks(library)))


def test_known_blocks_in_a_new_order_are_near(checker: SmilesChecker) -> None:
    found = checker.check(molecule(FIRST[0], OTHERS[3], OTHERS[1]))
    assert (found.block_similarity, found.warning) == (1.0, "")
    assert found.new_blocks == ()


def test_new_blocks_are_those_that_no_training_molecule_has(checker: SmilesChecker) -> None:
    one = checker.check(molecule(FIRST[0], OTHERS[3], FAR)).new_blocks
    assert one is not None
    assert len(one) == 1
    for smiles in (molecule(FIRST[1], FAR, OTHERS[0]), molecule(FIRST[0], FAR, FAR)):
        found = checker.check(smiles).new_blocks
        assert found is not None
        assert set(found) == set(one)
    assert checker.check("CCO").new_blocks is None


def test_the_linker_makes_no_difference(checker: SmilesChecker) -> None:
    smiles = molecule(FIRST[1], OTHERS[0], FAR)
    plain = smiles.replace("[Dy]", "[H]")
    assert checker.check(smiles).block_similarity == checker.check(plain).block_similarity


def test_a_strange_block_is_far_wherever_it_hangs(checker: SmilesChecker) -> None:
    for smiles in (molecule(FIRST[0], FAR, OTHERS[0]), molecule(FIRST[0], OTHERS[0], FAR)):
        found = checker.check(smiles)
        assert found.block_similarity is not None
        assert found.block_similarity < 0.4
        assert (
            f"a building block is far from those of training (similarity {found.block_similarity:.2f})" in found.warning
        )


def test_a_molecule_without_the_core_says_so(checker: SmilesChecker) -> None:
    found = checker.check("CCO")
    assert found.block_similarity is None
    assert found.warning == "not of the training library: no triazine core with three building blocks"


def test_similarity_is_the_largest_tanimoto_of_rdkit() -> None:
    generator = np.random.default_rng(3)
    flags = generator.random((20, dc.BLOCK_BITS)) < 0.02
    vectors = []
    for row in flags:
        vector = DataStructs.ExplicitBitVect(dc.BLOCK_BITS)
        vector.SetBitsFromList(np.flatnonzero(row).tolist())
        vectors.append(vector)
    blocks = TrainingBlocks(np.packbits(flags[1:], axis=1))
    expected = max(DataStructs.BulkTanimotoSimilarity(vectors[0], vectors[1:]))
    assert blocks.similarity(frozenset(np.flatnonzero(flags[0]).tolist())) == pytest.approx(expected, abs=1e-12)


def test_blocks_have_the_bits_centred_on_their_atoms() -> None:
    chemistry = Chemistry()
    parsed = Chem.MolFromSmiles(molecule(*FIRST[:1], *OTHERS[:2]).replace("[Dy]", "[H]"))
    packed = b"".join(map(packed_block, chemistry.blocks(parsed)))
    whole = np.unpackbits(np.frombuffer(packed, np.uint8).reshape(3, -1), axis=1)
    from rdkit.Chem import rdFingerprintGenerator

    direct = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=dc.BLOCK_BITS, includeChirality=True)
    assert not np.any(whole.max(axis=0) & ~direct.GetFingerprintAsNumPy(parsed).astype(bool))
    assert (whole.sum(axis=1) > 2).all()


@pytest.mark.parametrize(
    "ecfp",
    [
        None,
        FingerprintSettings(),
        FingerprintSettings(chirality=False),
        FingerprintSettings(size=64, radius=3),
        FingerprintSettings(kind="fcfp"),
        FingerprintSettings(kind="maccs", size=168),
    ],
)
def test_one_pass_gives_what_two_give(ecfp: FingerprintSettings | None) -> None:
    chemistry = Chemistry(ecfp)
    for smiles in (molecule(FIRST[0], OTHERS[0], OTHERS[1]), "CCO"):
        parsed = Chem.MolFromSmiles(smiles.replace("[Dy]", "[H]"))
        fingerprint, blocks = chemistry.ecfp_and_blocks(parsed)
        assert (fingerprint, blocks) == (chemistry.ecfp(parsed), Chemistry().blocks(parsed))
        assert len(blocks) == (0 if smiles == "CCO" else 3)
        if ecfp is not None:
            direct = DirectFingerprints(ecfp).compute(
                pa.RecordBatch.from_pydict({dc.SMILES_NO_LINKER: [smiles.replace("[Dy]", "[H]")]})
            )
            assert fingerprint == direct.packed.tobytes()


def test_without_blocks_nothing_is_claimed() -> None:
    unknown = CheckSettings(VOCABULARY, 128)
    assert "no training_blocks.parquet" in unknown.notes()
    found = SmilesChecker(unknown).check("CCO")
    assert (found.block_similarity, found.warning) == (None, "")


def test_a_library_without_the_core_has_no_file(tmp_path: Path) -> None:
    write_molecules(tmp_path, ["CCO", "CCN"])
    assert write_training_blocks(tmp_path, tmp_path / "out") == 0
    assert read_training_blocks(tmp_path / "out") is None


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "training_blocks.parquet").write_bytes(b"damaged")
    with pytest.raises(InputError, match="training blocks of the model cannot be read"):
        read_training_blocks(tmp_path)
