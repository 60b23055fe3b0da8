"""What is taken of ranked molecules."""

import itertools
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdkit import Chem, DataStructs
from rdkit.Chem import AllChem, Descriptors

from belka.chemistry.direct import DirectFingerprints
from belka.chemistry.fingerprints import FingerprintSettings
from belka.enumeration.properties import PROPERTIES, PropertyFilter, compute, parse_filters
from belka.enumeration.select import Ranked, Wanted, choose
from belka.errors import InputError

SMILES = ["CCN[Dy]", "CCCCN[Dy]", "c1ccccc1CN[Dy]", "CCO", "CCCCCCCCN[Dy]"]


def ranked(blocks: list[list[int]]) -> Ranked:
    return Ranked(np.array(blocks, np.int64).reshape(-1, 3), lambda row: SMILES[row % len(SMILES)])


@given(st.lists(st.tuples(*[st.integers(0, 3)] * 3), max_size=60), st.integers(1, 3), st.integers(1, 3))
def test_no_block_and_no_pair_is_taken_too_often(
    rows: list[tuple[int, int, int]], per_block: int, per_pair: int
) -> None:
    blocks = [list(row) for row in rows]
    for wanted in (Wanted(40, per_block=per_block), Wanted(40, per_pair=per_pair)):
        chosen = choose(ranked(blocks), wanted)
        taken = [blocks[row] for row in chosen.rows]
        keys = [
            {("a", a), ("b", b), ("b", c)}
            if wanted.per_block
            else {("ab", a, b), ("ab", a, c), ("bc", *sorted((b, c)))}
            for a, b, c in blocks
        ]
        most = wanted.per_block or wanted.per_pair or 0
        uses = Counter(key for row in chosen.rows for key in keys[row])
        assert max(uses.values(), default=0) <= most
        # Greedy: whatever was passed over was used up by better ones.
        for row in set(range(len(blocks))) - set(chosen.rows):
            better = Counter(key for other in chosen.rows if other < row for key in keys[other])
            assert any(better[key] >= most for key in keys[row])
        assert len(taken) + chosen.passed_over.total() == len(blocks)


def test_what_follows_below_changes_nothing() -> None:
    blocks = [list(row) for row in itertools.product(range(3), repeat=3)]
    wanted = Wanted(4, per_pair=1)
    assert choose(ranked(blocks), wanted).rows == choose(ranked(blocks[:15]), wanted).rows[:4]


def test_filters_read_the_molecule_without_its_linker() -> None:
    weights = [Descriptors.MolWt(Chem.MolFromSmiles(text.replace("[Dy]", "[H]"))) for text in SMILES]
    chosen = choose(ranked([[i, i, i] for i in range(5)]), Wanted(5, parse_filters(["mw<100", "MW >= 46"])))
    assert chosen.rows == [row for row, weight in enumerate(weights) if 46 <= weight < 100] == [1, 3]
    assert chosen.properties == [[weights[1]], [weights[3]]]
    assert chosen.passed_over == {"filters": 3}


def test_every_property_is_a_number_and_every_comparison_is_its_own() -> None:
    assert len(compute(list(PROPERTIES), Chem.MolFromSmiles("CCO"))) == len(PROPERTIES)
    passes = {text: PropertyFilter("mw", text, 2.0) for text in ("<", "<=", ">", ">=")}
    assert {text: [each.passes(value) for value in (1.0, 2.0, 3.0)] for text, each in passes.items()} == {
        "<": [True, False, False],
        "<=": [True, True, False],
        ">": [False, False, True],
        ">=": [False, True, True],
    }


@pytest.mark.parametrize("text", ["mw=3", "weight<3", "mw<", "mw<a", "<3", ""])
def test_a_filter_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="The filter is none"):
        parse_filters([text])


def test_molecules_too_like_one_that_was_taken_are_passed_over() -> None:
    texts = ["CCCCCCO", "CCCCCCCO", "c1ccccc1O", "Cc1ccccc1O", "CCCCCCCCO"]
    packed = DirectFingerprints(FingerprintSettings()).compute(pa.record_batch({"smiles_no_linker": texts})).packed
    vectors = [
        AllChem.GetMorganFingerprintAsBitVect(Chem.MolFromSmiles(text), 2, 2048, useChirality=True) for text in texts
    ]
    for least in (0.2, 0.45, 0.9):
        expected: list[int] = []
        for row, vector in enumerate(vectors):
            if all(DataStructs.TanimotoSimilarity(vector, vectors[other]) < least for other in expected):
                expected.append(row)
        molecules = Ranked(np.arange(15).reshape(5, 3), texts.__getitem__, packed)
        assert choose(molecules, Wanted(5, most_similar=least)).rows == expected
