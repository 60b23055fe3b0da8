"""One rule says what a usable molecule is, and why a text is none."""

import pytest
from rdkit import Chem

from belka.chemistry.smiles import EMPTY_SMILES, UNPARSABLE_SMILES, parse


@pytest.mark.parametrize("smiles", ["C", "[H]", "C1=CC=CC=C1", "[Na+].[Cl-]", "C[C@@H](N)C(=O)N[Dy]"])
def test_a_readable_smiles_is_a_molecule(smiles: str) -> None:
    molecule = parse(smiles)
    assert not isinstance(molecule, str)
    assert Chem.MolToSmiles(molecule) == Chem.CanonSmiles(smiles)


@pytest.mark.parametrize(
    ("smiles", "reason"),
    [
        (None, EMPTY_SMILES),
        ("", EMPTY_SMILES),
        (" ", EMPTY_SMILES),
        (".", UNPARSABLE_SMILES),
        ("C1CC", UNPARSABLE_SMILES),
        ("c1cccc1", UNPARSABLE_SMILES),  # cannot be kekulized
        ("C(C)(C)(C)(C)C", UNPARSABLE_SMILES),  # five bonds
    ],
)
def test_anything_else_is_its_reason_and_rdkit_says_nothing(
    smiles: str | None, reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert parse(smiles) == reason
    assert not capfd.readouterr().err
