"""split_tokens equals atomInSmiles, the oracle of every reader of the grammar."""

import pytest
from atomInSmiles import smiles_tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st

from belka.tokens.grammar import split_tokens

PIECES = st.sampled_from(
    ["[[C]", "[]", "[", "]", "[C@@H]", "Br", "B", "r", "Cl", "C", "l", "%", "%1", "%12", "1", "\u0663", "\n"]
)
STRINGS = (
    st.lists(PIECES, max_size=8).map("".join)
    | st.text(max_size=12)
    | st.text("BCNOSPFIbcnosp().=#-+\\/:~@?>*$0123456789")
)


@given(STRINGS)
@settings(max_examples=500, deadline=None)
def test_tokens_of_any_string_equal_atom_in_smiles(text: str) -> None:
    assert split_tokens(text) == smiles_tokenizer(text)


@pytest.mark.parametrize("text", ["CC(=O)N[Dy]", "C%12CC%12", "ClBrCBrl", "*$?>~\\/:@", "[PAD]C", ""])
def test_plain_examples_equal_atom_in_smiles(text: str) -> None:
    assert split_tokens(text) == smiles_tokenizer(text)
