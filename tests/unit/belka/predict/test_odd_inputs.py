"""Every kind of odd input has a defined answer."""

import pytest

from belka.chemistry.smiles import EMPTY_SMILES, LONG_SMILES, UNPRINTABLE_SMILES
from belka.predict.check import CheckedSmiles, CheckSettings, SmilesChecker

VOCABULARY = frozenset(["[PAD]", "[MASK]", *"CNOcno()=#123", "[H]", "Cl", "Br"])
LONG = "C" * 500

# input -> (problem, warning, unknown tokens); a problem means no scores
ODD: dict[str, tuple[str | None, str, str, int]] = {
    "ordinary": ("CCO", "", "", 0),
    "missing": (None, "empty SMILES", "", 0),
    "empty": ("", "empty SMILES", "", 0),
    "white space only": (" \t\n", "empty SMILES", "", 0),
    "white space around": ("  CCO\n", "", "", 0),
    "white space inside": ("CCO ethanol", "", "cut off behind the SMILES: ethanol", 0),
    "unicode letter": ("CCé", UNPRINTABLE_SMILES, "", 0),
    "unicode minus": ("C[N\u2212]", UNPRINTABLE_SMILES, "", 0),
    "emoji": ("\U0001f9ea", UNPRINTABLE_SMILES, "", 0),
    "NUL": ("C\x00C", UNPRINTABLE_SMILES, "", 0),
    "line break inside": ("CC\nO", UNPRINTABLE_SMILES, "", 0),
    "number": ("42", "unparsable SMILES", "", 0),
    "decimal number": ("3.14", "unparsable SMILES", "", 0),
    "word": ("nan", EMPTY_SMILES, "", 0),
    "InChI": ("InChI=1S/CH4/h1H4", "unparsable SMILES", "", 0),
    "ring not closed": ("C1CC", "unparsable SMILES", "", 0),
    "parenthesis not closed": ("CC(C", "unparsable SMILES", "", 0),
    "parenthesis not opened": ("CC)C", "unparsable SMILES", "", 0),
    "bracket not closed": ("CC[N", "unparsable SMILES", "", 0),
    "reaction": ("CCO>>CC=O", "unparsable SMILES", "", 0),
    "salt": ("CC(=O)O.[Na+]", "", "tokens unknown to the model: . x1, [Na+] x1; 2 parts scored as one molecule", 2),
    "mixture": ("CCO.CN.C", "", "tokens unknown to the model: . x2; 3 parts scored as one molecule", 2),
    "500 atoms": (LONG, "", "only the first 128 of 500 tokens were read", 0),
    "too long to be a molecule": ("C" * 1001, LONG_SMILES, "", 0),
    "element the model never saw": ("C[Si](C)C", "", "tokens unknown to the model: [Si] x1", 1),
    "wildcard": ("C*", "", "tokens unknown to the model: * x1", 1),
    "special token as text": ("[MASK]", "unparsable SMILES", "", 0),
    "linker": ("CN[Dy]", "", "", 0),
    "linker replaced": ("CN[H]", "", "", 0),
    "lower-case linker": ("CN[dy]", "unparsable SMILES", "", 0),
}


@pytest.fixture
def checker() -> SmilesChecker:
    return SmilesChecker(CheckSettings(VOCABULARY, 128))


@pytest.mark.parametrize("kind", ODD)
def test_every_kind_of_input(kind: str, checker: SmilesChecker) -> None:
    text, problem, warning, unknown = ODD[kind]
    found = checker.check(text)
    assert (found.problem, found.warning, found.unknown_tokens) == (problem, warning, unknown)
    assert found.smiles == ("" if problem else (text or "").split()[0])


@pytest.mark.parametrize(
    ("text", "problem"),
    [("C(C)(C)(C)(C)C", "unparsable SMILES"), ("c1cccc1", "unparsable SMILES"), ("()", "unparsable SMILES")],
)
def test_impossible_molecules_are_refused(text: str, problem: str, checker: SmilesChecker) -> None:
    assert checker.check(text).problem == problem


def test_digits_in_pairs_are_still_no_molecule(checker: SmilesChecker) -> None:
    assert checker.check("1221").problem == "unparsable SMILES"


def test_many_keep_their_order(checker: SmilesChecker) -> None:
    found = checker.check_all(["C", None, "CC", "C1"])
    assert found == [
        CheckedSmiles("C"),
        CheckedSmiles("", "empty SMILES"),
        CheckedSmiles("CC"),
        CheckedSmiles("", "unparsable SMILES"),
    ]
