"""The list of descriptors is RDKit's but for what is named, and the numbers are RDKit's."""

import numpy as np
from rdkit import Chem
from rdkit.Chem import Descriptors

from belka.chemistry.descriptors import DESCRIPTORS, LEFT_OUT, describe

LINKED = "CC[C@H](NC(=O)c1nc(N)nc(NCC)n1)C(=O)N[Dy]"
SMILES = [
    "CCO",
    "C[C@H](Nc1nc(NCC#C)nc(N2CCOCC2)n1)C(=O)N[H]",
    "O=S(=O)(c1ccc(Cl)cc1)N1CCC(F)(F)C1",
    "[Na+].[O-]c1ccccc1",
    LINKED,
    "C",
    "[Fe]",
    "[Pt](Cl)(Cl)(N)N",
]


def test_the_list_is_that_of_rdkit_without_what_is_left_out() -> None:
    names = [name for name, _ in Descriptors.descList]
    assert [name for name in names if name not in LEFT_OUT] == list(DESCRIPTORS)
    assert set(LEFT_OUT) <= set(names)
    assert (len(DESCRIPTORS), len(LEFT_OUT)) == (189, 28)


def test_the_numbers_are_those_of_rdkit() -> None:
    found = describe(SMILES)
    assert found.shape == (len(SMILES), 189)
    for row, text in zip(found, SMILES, strict=True):
        expected = Descriptors.CalcMolDescriptors(Chem.MolFromSmiles(text))
        np.testing.assert_array_equal(row, [expected[name] for name in DESCRIPTORS], err_msg=text)


def test_they_are_finite_for_any_molecule_while_those_left_out_are_not() -> None:
    assert np.isfinite(describe(SMILES)).all()
    linked = Descriptors.CalcMolDescriptors(Chem.MolFromSmiles(LINKED))
    assert not np.isfinite(linked["MaxPartialCharge"])
    assert not np.isfinite(linked["BCUT2D_CHGHI"])


def test_what_is_no_molecule_has_no_numbers() -> None:
    found = describe(["CCO", "nonsense", ""])
    assert np.isfinite(found[0]).all()
    assert np.isnan(found[1:]).all()
    assert describe([]).shape == (0, 189)
