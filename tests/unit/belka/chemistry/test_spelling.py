"""Every spelling of a structure becomes one text, which is that of the real files."""

import pytest
from rdkit import Chem

from belka.chemistry.spelling import canonical_spelling, spell
from belka.demo.blocks import amine_blocks, amino_acid_blocks
from belka.demo.library import enumerate_product

# A molecule of the published sample, as given.
REAL = "C#CCOc1ccc(CNc2nc(NCC(C)(C)CCC#N)nc(N[C@@H](CC3CC3)C(=O)N[Dy])n2)cc1"
FIRST, AMINES = amino_acid_blocks(), amine_blocks()
LIBRARY = [REAL, *(enumerate_product(FIRST[i % len(FIRST)], AMINES[i], AMINES[-i]) for i in range(1, 40))]


@pytest.mark.parametrize("smiles", LIBRARY)
def test_every_spelling_of_a_molecule_becomes_the_one_of_the_files(smiles: str) -> None:
    molecule = Chem.MolFromSmiles(smiles)
    others = [
        *Chem.MolToRandomSmilesVect(molecule, 5, randomSeed=1),
        *Chem.MolToRandomSmilesVect(molecule, 5, randomSeed=2, kekuleSmiles=True),
        Chem.MolToSmiles(molecule, allHsExplicit=True),
        Chem.MolToSmiles(molecule, allBondsExplicit=True),
        Chem.MolToSmiles(Chem.AddHs(molecule)),
    ]
    assert len({smiles, *others}) > 10
    assert {canonical_spelling(text) for text in (smiles, *others)} == {smiles}


@pytest.mark.parametrize(
    ("smiles", "other"),
    [
        ("N[C@@H](C)C(=O)O", "N[C@H](C)C(=O)O"),  # the other enantiomer
        ("N[C@@H](C)C(=O)O", "NC(C)C(=O)O"),  # unknown stereo
        ("CCO", "[13CH3]CO"),  # an isotope
        ("CC(=O)C", "CC(O)=C"),  # a tautomer
        ("CC(=O)O", "CC(=O)[O-]"),  # a protonation state
        ("CC(=O)N[Dy]", "CC(=O)N"),  # without the linker
        ("CCN", "CCN.Cl"),  # a salt
    ],
)
def test_what_is_another_structure_keeps_another_text(smiles: str, other: str) -> None:
    assert canonical_spelling(smiles) != canonical_spelling(other)


@pytest.mark.parametrize("text", ["", "C1CC", "c1cccc1", "N[Dy](", "."])
def test_what_is_no_molecule_has_no_spelling(text: str) -> None:
    assert canonical_spelling(text) is None


def test_the_text_after_the_linker_is_replaced_is_no_spelling_so_the_order_matters() -> None:
    plain = REAL.replace("[Dy]", "[H]")
    assert canonical_spelling(plain) != plain
    assert spell(Chem.MolFromSmiles(REAL)).replace("[Dy]", "[H]") == plain
