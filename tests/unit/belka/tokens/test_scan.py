"""scan_tokens finds what atomInSmiles finds, on any string."""

import random
import re

import pyarrow as pa
import pytest
from atomInSmiles import smiles_tokenizer
from hypothesis import example, given, settings
from hypothesis import strategies as st

from belka.tokens.scan import scan_tokens
from tests.unit.belka.tokens.conftest import ODD

PIECES = st.sampled_from([*ODD, "c1ccccc1", "[H]", "[C@@H]", "N"])
STRINGS = st.lists(PIECES, max_size=6).map("".join) | st.text(max_size=12)


def expected_tokens(strings: list[str]) -> set[str]:
    return {token for string in strings for token in smiles_tokenizer(string)}


@given(st.lists(STRINGS, max_size=8))
@settings(max_examples=400, deadline=None)
@example(ODD)
@example(["C", "l"])
@example(["[C", "]"])
@example(["%", "12"])
@example(["%1", "2"])
def test_tokens_and_skipped_characters_equal_atom_in_smiles(strings: list[str]) -> None:
    scan = scan_tokens(pa.array(strings, pa.large_string()))
    assert scan.tokens == expected_tokens(strings)
    assert scan.n_skipped == sum(len(s) - len("".join(smiles_tokenizer(s))) for s in strings)
    assert (scan.example in strings and "".join(smiles_tokenizer(scan.example)) != scan.example) == bool(scan.n_skipped)


def test_slices_nulls_and_string_types_are_read_right() -> None:
    column = pa.array(["[Si]", "Br", None, "Cl", "[Na]"], pa.string()).slice(1, 3)
    assert scan_tokens(column).tokens == {"Br", "Cl"}
    assert scan_tokens(pa.array([None, None], pa.string())).tokens == set()
    assert scan_tokens(pa.array(["C", "C", "N"]).dictionary_encode()).tokens == {"C", "N"}


def test_example_is_the_first_smiles_with_a_skipped_character() -> None:
    scan = scan_tokens(pa.array(["CC", "", "CXC", "Q"]))
    assert (scan.example, scan.n_skipped) == ("CXC", 2)


@pytest.mark.parametrize("alphabet", [re.escape("[]%BrCl12é")])
def test_dense_random_strings(alphabet: str) -> None:
    generator = random.Random(7)  # noqa: S311 - reproducible odd strings
    strings = ["".join(generator.choices(alphabet, k=generator.randrange(12))) for _ in range(3000)]
    assert scan_tokens(pa.array(strings)).tokens == expected_tokens(strings)
