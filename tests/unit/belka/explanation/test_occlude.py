"""Hidden atoms are gone from all that a model reads."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator

from belka.chemistry.blocks.feature import read_blocks
from belka.chemistry.fingerprints import FingerprintSettings
from belka.demo.blocks import amine_blocks, amino_acid_blocks
from belka.demo.library import enumerate_product
from belka.explanation.occlude import OccludableMolecule
from belka.models.folder import ModelFolder
from belka.predict.check import CheckSettings, SmilesChecker

ECFP = FingerprintSettings(size=1024, radius=2)
MODEL = ModelFolder(
    Path("m"), ("sEH",), frozenset("CNOcn"), 128, ECFP, "canonical", "", ("transformer", "linear", "trees")
)
CHECKER = SmilesChecker(CheckSettings(MODEL.vocabulary, 128, ECFP, None, "canonical", "", block_readers=("trees",)))
FIRST, AMINES = amino_acid_blocks(), amine_blocks()


def occludable(smiles: str) -> OccludableMolecule:
    checked = CHECKER.check(smiles)
    assert not checked.problem
    return OccludableMolecule(checked, MODEL)


def product(a: int, b: int, c: int) -> str:
    return enumerate_product(FIRST[a % len(FIRST)], AMINES[b % len(AMINES)], AMINES[c % len(AMINES)])


MOLECULES = st.builds(product, st.integers(0, 35), st.integers(0, 53), st.integers(0, 53))


@given(MOLECULES)
def test_with_nothing_hidden_the_model_gets_what_prediction_gives_it(smiles: str) -> None:
    checked = CHECKER.check(smiles)
    assert occludable(smiles).occluded(()) == (checked.smiles, checked.ecfp, checked.blocks)
    assert checked.blocks == read_blocks([smiles])[0]
    molecule = occludable(smiles)
    far = molecule._environments
    assert far is not None
    whole = b"".join(
        bits
        for _, bits in sorted(
            (not block.has_linker, far.packed((), [*molecule.atoms_of(block), molecule._number[block.core_carbon]]))
            for block in molecule.blocks
        )
    )
    assert whole == checked.blocks


@given(MOLECULES, st.sets(st.integers(0, 200), min_size=1, max_size=6))
def test_bits_and_tokens_of_hidden_atoms_are_gone_and_no_others(smiles: str, numbers: set[int]) -> None:
    molecule = occludable(smiles)
    hidden = {number % molecule.n_atoms for number in numbers}
    text, ecfp, blocks = molecule.occluded(hidden)
    assert text.count("[MASK]") == len(hidden)
    plain = Chem.MolFromSmiles(smiles.replace("[Dy]", "[H]"))
    output = rdFingerprintGenerator.AdditionalOutput()
    output.AllocateBitInfoMap()
    rdFingerprintGenerator.GetMorganGenerator(2, fpSize=1024, includeChirality=True).GetFingerprint(
        plain, additionalOutput=output
    )
    expected = np.zeros(1024, np.uint8)
    for bit, places in output.GetBitInfoMap().items():
        for centre, radius in places:
            bonds = Chem.FindAtomEnvironmentOfRadiusN(plain, radius, centre) if radius else []
            atoms = {centre} | {
                end
                for bond in bonds
                for end in (plain.GetBondWithIdx(bond).GetBeginAtomIdx(), plain.GetBondWithIdx(bond).GetEndAtomIdx())
            }
            if not atoms & hidden:
                expected[bit] = 1
    assert ecfp == np.packbits(expected).tobytes()
    before, after = (np.unpackbits(np.frombuffer(bits, np.uint8)) for bits in (molecule.occluded(()).blocks, blocks))
    assert (after <= before).all()
    assert after.sum() < before.sum()


def test_the_mask_stands_where_the_atom_stood() -> None:
    molecule = occludable(product(0, 12, 5))
    symbols = [molecule.symbol(number) for number in range(molecule.n_atoms)]
    text = molecule.occluded(()).smiles
    for number, symbol in enumerate(symbols):
        before, _, after = molecule.occluded([number]).smiles.partition("[MASK]")
        assert text.startswith(before)
        assert text.endswith(after)
        token = text[len(before) : len(text) - len(after)]
        assert token.strip("[]@H+-").lower().startswith(symbol.lower())


@pytest.mark.parametrize("smiles", ["CCO", "[2H]CCO", "C[N+](C)(C)CC(=O)[O-]", "CC[H]", "BrCCCl", "c1ccc2[nH]ccc2c1"])
def test_molecules_of_other_libraries_have_atoms_but_no_blocks(smiles: str) -> None:
    molecule = occludable(smiles)
    assert molecule.blocks == ()
    assert molecule.occluded([0]).smiles.count("[MASK]") == 1
    assert molecule.occluded(range(molecule.n_atoms)).ecfp == bytes(128)
