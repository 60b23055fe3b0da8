"""What a model is given of a molecule does not depend on how its SMILES is spelled."""

from dataclasses import replace

import pytest
import rdkit
from rdkit import Chem

from belka.demo.blocks import amine_blocks, amino_acid_blocks
from belka.demo.library import enumerate_product
from belka.predict.check import CheckSettings, SmilesChecker

FIRST, AMINES = amino_acid_blocks(), amine_blocks()
KNOWN = frozenset({"[H]", *"CNOcno()=#123", "[C@H]", "[C@@H]", "Cl", "Br", "F", "S", "s", "[nH]"})
CANONICAL = CheckSettings(KNOWN, 512, spelling="canonical", rdkit=rdkit.__version__)
LINKED = "CC(=O)N[Dy]"


def check(text: str, settings: CheckSettings = CANONICAL) -> tuple[str, str, str]:
    found = SmilesChecker(settings).check(text)
    return found.smiles, found.problem, found.warning


def test_every_spelling_is_the_canonical_text_to_the_model() -> None:
    for i in range(40):
        smiles = enumerate_product(FIRST[i % len(FIRST)], AMINES[i], AMINES[-1 - i])
        molecule = Chem.MolFromSmiles(smiles)
        for text in (
            smiles,
            smiles.replace("[Dy]", "[H]"),
            Chem.MolToSmiles(molecule, kekuleSmiles=True),
            Chem.MolToSmiles(molecule, allHsExplicit=True),
            Chem.MolToSmiles(Chem.AddHs(molecule)),
            *Chem.MolToRandomSmilesVect(molecule, 3, randomSeed=i, kekuleSmiles=True),
        ):
            assert check(text)[:2] == (smiles, "")


def test_a_model_that_does_not_say_its_spelling_or_has_none_reads_the_text_as_given() -> None:
    for spelling in ("", "as_given"):
        settings = replace(CANONICAL, spelling=spelling)
        assert check("O=C(C)N[Dy]", settings) == ("O=C(C)N[Dy]", "", "")
        assert "another spelling of a molecule has another score" in settings.notes()


def test_notes_name_another_version_of_rdkit() -> None:
    ours = replace(CANONICAL, training_blocks=pytest.importorskip("numpy").zeros((1, 256), "uint8"))
    assert ours.notes() == ""
    assert "RDKit 2020.09.1" in replace(ours, rdkit="2020.09.1").notes()


@pytest.mark.parametrize(
    ("text", "smiles", "warning"),
    [
        (LINKED, LINKED, ""),
        ("O=C(C)N[H]", LINKED, ""),
        ("O=C(C)N", "CC(N)=O", "no linker [Dy]"),
        ("Cl.O=C(C)N[Dy]", "CC(=O)N[Dy].Cl", "2 parts scored as one molecule"),
    ],
)
def test_what_a_molecule_lacks_or_has_too_much_of_is_told(text: str, smiles: str, warning: str) -> None:
    found = check(text)
    assert found[:2] == (smiles, "")
    assert [part for part in found[2].split("; ") if "unknown" not in part] == ([warning] if warning else [""])


@pytest.mark.parametrize(
    ("text", "smiles", "done"),
    [
        ("Cl.O=C(C)N[Dy]", LINKED, "standardised: the largest of 2 parts"),
        ("[Cl-].C[NH2+]CC(=O)N[Dy]", "CNCC(=O)N[Dy]", "standardised: the largest of 2 parts and uncharged"),
        ("O=C([O-])CC(=O)N[Dy]", "O=C(O)CC(=O)N[Dy]", "standardised: uncharged"),
        ("C[N+](C)(C)CC(=O)N[Dy]", "C[N+](C)(C)CC(=O)N[Dy]", ""),  # no proton carries this charge
        ("[O-][N+](=O)CC(=O)N[Dy]", "O=C(C[N+](=O)[O-])N[Dy]", ""),
        (LINKED, LINKED, ""),
        ("C1CC", "", ""),
    ],
)
def test_standardising_scores_the_neutral_parent_and_says_so(text: str, smiles: str, done: str) -> None:
    found = check(text, replace(CANONICAL, standardise=True))
    assert found[0] == smiles
    assert ("standardised" in found[2]) == bool(done)
    assert done in found[2]
    older = check(text, replace(CANONICAL, spelling="", standardise=True))
    assert older[0] == (smiles if done else check(text, replace(CANONICAL, spelling=""))[0])
