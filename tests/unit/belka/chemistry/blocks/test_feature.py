"""The feature `blocks`: the bits of the three blocks as they occur in a molecule."""

import random
from typing import Any

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator

from belka.chemistry.blocks.feature import NO_BLOCKS, BlocksFeature, DirectBlocks
from belka.contract import BLOCK_BITS, BLOCKS_BYTES

CORE = "c1({b})nc({c})nc({a})n1"
GLYCINE, PROLINE = "NCC(=O)N[Dy]", "N9CCC[C@H]9C(=O)N[Dy]"
INNER = "NCCNc7nc(NC)nc(NC)n7"  # a block that holds such a core itself


def molecule(a: str, b: str, c: str) -> str:
    return str(Chem.CanonSmiles(CORE.format(a=a, b=b, c=c)))


def feature(smiles: str) -> bytes:
    return BlocksFeature().read(smiles, smiles.replace("[Dy]", "[H]"))


def by_environments(smiles: str, centres: str) -> set[int]:
    """Bits of the environments around the atoms that a SMARTS maps, told by RDKit's map of bits."""
    plain = Chem.MolFromSmiles(smiles.replace("[Dy]", "[H]"))
    output = rdFingerprintGenerator.AdditionalOutput()
    output.AllocateBitInfoMap()
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=BLOCK_BITS, includeChirality=True)
    generator.GetFingerprint(plain, additionalOutput=output)
    (atoms,) = plain.GetSubstructMatches(Chem.MolFromSmarts(centres))
    return {bit for bit, found in output.GetBitInfoMap().items() for centre, _ in found if centre in atoms}


def bits(packed: bytes) -> list[set[int]]:
    rows = np.unpackbits(np.frombuffer(packed, np.uint8)).reshape(3, BLOCK_BITS)
    return [set(np.flatnonzero(row).tolist()) for row in rows]


def test_each_block_has_the_bits_around_its_atoms_and_the_carbon_it_hangs_on() -> None:
    smiles = molecule(GLYCINE, "NCC#C", "N8CCOCC8")
    found = feature(smiles)
    assert len(found) == BLOCKS_BYTES
    linker, *amines = bits(found)
    assert linker == by_environments(smiles, "c[NX3;H1]CC(=O)[NH2]")
    expected = (by_environments(smiles, "c[NX3;H1]CC#C"), by_environments(smiles, "cN1CCOCC1"))
    assert sorted(amines, key=sorted) == sorted(expected, key=sorted)
    assert found[256:512] < found[512:]


def test_the_same_blocks_in_another_order_and_another_spelling_are_the_same_bytes() -> None:
    smiles = molecule(PROLINE, "NCC#C", "N8CCOCC8")
    assert feature(smiles) == feature(molecule(PROLINE, "N8CCOCC8", "NCC#C")) != NO_BLOCKS
    written = Chem.MolFromSmiles(smiles)
    random.seed(1)
    for text in Chem.MolToRandomSmilesVect(written, 20, randomSeed=7):
        assert feature(text) == feature(smiles), text
    assert feature(smiles) != feature(molecule(PROLINE.replace("@", "@@"), "NCC#C", "N8CCOCC8"))


@pytest.mark.parametrize(
    "smiles",
    [
        "CCO",
        "C1CC",
        "",
        molecule("NCC(=O)N", "NCC#C", "NC"),
        molecule(GLYCINE, "NCC(=O)N[Dy]", "NC"),
        molecule(GLYCINE, INNER, "NC"),
        "CNc1cc(NC)nc(NCC(=O)N[Dy])n1",
        molecule("NCC(=O)N[162Dy]", "NCC#C", "NC"),
    ],
    ids=["no core", "no molecule", "no text", "no linker", "two linkers", "two cores", "pyrimidine", "isotope"],
)
def test_what_has_no_three_blocks_with_one_linker_has_none(smiles: str) -> None:
    assert feature(smiles) == NO_BLOCKS


def test_batches_hold_zeros_where_there_are_no_blocks(library: Any, build_library: Any) -> None:
    texts = [library.molecules["smiles"][0].as_py(), "CCO", "C1CC", library.molecules["smiles"][5].as_py()]
    other = build_library(library.catalogue, [(text, None, None, None) for text in texts])
    found = DirectBlocks().compute(other.molecules.to_batches()[0])
    assert found.is_known.tolist() == [True, False, False, True]
    for row, text in enumerate(texts):
        assert found.packed[row].tobytes() == (feature(text) or bytes(BLOCKS_BYTES))
