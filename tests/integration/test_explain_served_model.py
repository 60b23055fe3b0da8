"""What is said to matter does matter: models whose score is known to come from one part of a molecule."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from rdkit import Chem

from belka import contract as dc
from belka.chemistry.direct import DirectFingerprints
from belka.chemistry.fingerprints import FingerprintSettings
from belka.demo.blocks import amine_blocks, amino_acid_blocks
from belka.demo.library import enumerate_product
from belka.errors import InputError
from belka.explanation.explain import Explainer, Explanation, deletion_summary, explanation_table
from belka.explanation.write import MOST, first_smiles
from belka.predict.input_table import STANDARD_INPUT
from benchmarks.served_linear import export_linear

SETTINGS = FingerprintSettings()
FIRST, AMINES = amino_acid_blocks(), amine_blocks()
SULFONAMIDE = Chem.MolFromSmarts("S(=O)(=O)N")
BY_NAME = {block.name: block for block in (*FIRST, *AMINES)}


def product(*names: str) -> str:
    return enumerate_product(*(BY_NAME[name] for name in names))


WITH = [
    product(first, "sulfanilamide", other)
    for first in ("glycine", "L-proline", "4-aminobenzoic acid")
    for other in ("propargylamine", "morpholine", "benzylamine")
]


@pytest.fixture(scope="module")
def linear(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose log-odds of the first target are 0.7 for each bit around a sulfonamide's sulfur; else noise."""
    generator = np.random.default_rng(0)
    weights = generator.normal(scale=0.01, size=(SETTINGS.size, 2)).astype(np.float32)
    molecule = Chem.MolFromSmiles(WITH[0].replace("[Dy]", "[H]"))
    (match,) = molecule.GetSubstructMatches(SULFONAMIDE)
    packer = DirectFingerprints(SETTINGS)
    whole = np.unpackbits(packer.pack([molecule])[0])
    without = Chem.RWMol(molecule)
    without.GetAtomWithIdx(match[0]).SetAtomicNum(52)  # tellurium: other bits around it
    own = (whole == 1) & (np.unpackbits(packer.pack([without.GetMol()])[0]) == 0)
    weights[own, 0] = 0.7
    return export_linear(tmp_path_factory.mktemp("linear") / "1", weights, np.array([-3, 0], np.float32), ("A", "B"))


@pytest.fixture(scope="module")
def explained(linear: Path) -> list[Explanation]:
    return Explainer(linear).explain([*WITH, "CCO", "C1CC"])


def of_kind(explanation: Explanation, kind: str, target: int = 0) -> list[tuple[float, int]]:
    return sorted(
        ((part.contributions[target], part.place) for part in explanation.parts if part.kind == kind), reverse=True
    )


def test_the_atoms_of_the_signal_bring_most(explained: list[Explanation]) -> None:
    for smiles, each in zip(WITH, explained, strict=False):
        plain = Chem.MolFromSmiles(smiles.replace("[Dy]", "[H]"))
        (match,) = plain.GetSubstructMatches(SULFONAMIDE)
        assert of_kind(each, "atom")[0][1] == match[0]
        near = set(np.flatnonzero(Chem.GetDistanceMatrix(plain)[match[0]] <= 3).tolist())
        assert {place for _, place in of_kind(each, "atom")[:4]} <= near


def test_the_block_of_the_signal_brings_most(explained: list[Explanation]) -> None:
    for each in explained[: len(WITH)]:
        blocks = [part for part in each.parts if part.kind == "block"]
        assert [part.place for part in blocks] == [1, 2, 3]
        best = max(blocks, key=lambda part: part.contributions[0])
        assert "S(N)(=O)=O" in best.name
        assert best.contributions[0] > 2
        assert sorted(part.contributions[0] for part in blocks)[1] < 1


def test_taking_away_what_matters_lowers_the_score_more_than_as_much_at_random(explained: list[Explanation]) -> None:
    lost = np.array([each.lost for each in explained[: len(WITH)]])
    at_random = np.array([each.lost_at_random for each in explained[: len(WITH)]])
    assert (lost > at_random).all()  # the second target is noise alone: there, too, the order is right
    # Hiding any atom near it takes some of the eight bits away, and hiding the best ones all of them.
    np.testing.assert_allclose(lost[:, 0], 8 * 0.7, atol=0.1)
    assert (lost[:, 0] > 1.3 * at_random[:, 0]).all()
    assert "hiding the 20% of atoms that bring most" in deletion_summary(explained, ("A", "B"))


def test_contributions_are_differences_of_what_the_model_says(linear: Path, explained: list[Explanation]) -> None:
    explainer = Explainer(linear, blocks=(["NCC(=O)N[Dy]"], ["NCC", "NCCC"]))
    (each,) = explainer.explain(WITH[4:5])
    swapped = [enumerate_product(FIRST[0], *(BY_NAME[name] for name in ("sulfanilamide", "morpholine")))]
    (other,) = explainer.explain(swapped)
    first = next(part for part in each.parts if part.kind == "block")
    np.testing.assert_allclose(first.contributions, each.log_odds - other.log_odds, atol=1e-6)
    np.testing.assert_allclose(each.log_odds, explained[4].log_odds)


def test_what_cannot_be_explained_says_why(explained: list[Explanation]) -> None:
    ethanol, broken = explained[-2:]
    assert {part.kind for part in ethanol.parts} == {"atom"}
    assert len(ethanol.parts) == 3
    assert broken.problem == "unparsable SMILES"
    table = explanation_table(explained, ("A", "B"))
    last = table.slice(table.num_rows - 1).to_pylist()[0]
    assert (last["row"], last["problem"], last["target"]) == (len(WITH) + 1, "unparsable SMILES", None)
    assert table.num_rows == 1 + 2 * sum(len(each.parts) for each in explained)


class _Fluorine(tf.Module):
    """A model of text alone: the log-odds are the number of F, less one."""

    def __init__(self) -> None:
        super().__init__()
        self.one = tf.Variable(1.0)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "smiles")])
    def smiles(self, smiles: Any) -> dict[str, Any]:
        without = tf.strings.regex_replace(smiles, "F", "")
        count = tf.cast(tf.strings.length(smiles) - tf.strings.length(without), tf.float32)
        return {dc.OUTPUT_PROBABILITIES: tf.math.sigmoid(count - self.one)[:, None]}


def test_a_model_of_text_alone_is_explained_by_masked_tokens(tmp_path: Path) -> None:
    model = _Fluorine()
    tf.saved_model.save(model, str(tmp_path / "1"), signatures={"smiles": model.smiles})
    described = {"model": {"mode": "clf", "max_length": 128}, "vocabulary": ["[PAD]", "[MASK]", "C"], "targets": ["A"]}
    (tmp_path / "1/belka.json").write_text(json.dumps({**described, "spelling": "canonical"}))
    (each,) = Explainer(tmp_path / "1").explain(
        [product("glycine", "3,3-difluoropyrrolidine hydrochloride", "morpholine")]
    )
    atoms = {part.place: (part.name, part.contributions[0]) for part in each.parts if part.kind == "atom"}
    for name, contribution in atoms.values():
        np.testing.assert_allclose(contribution, float(name == "F"), atol=1e-5)


def test_predict_writes_the_explanations(linear: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("smiles\n" + "".join(f"{text}\n" for text in (*WITH[:2], "C1CC")))
    model, explained = ["--model", str(linear)], ["--explain", str(tmp_path / "e.parquet")]
    files = ["--input", str(tmp_path / "in.csv"), "--output", str(tmp_path / "out.csv")]
    done = subprocess.run(
        [sys.executable, "-m", "belka", "predict", *model, *files, *explained],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "what blocks and atoms of 3 molecules bring" in done.stderr
    assert "hiding the 20% of atoms that bring most" in done.stderr
    table = pq.read_table(tmp_path / "e.parquet").to_pylist()
    assert {row["row"] for row in table} == {0, 1, 2}
    assert {row["kind"] for row in table} == {"block", "atom", None}
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 4


def test_the_first_molecules_of_an_input_are_explained(tmp_path: Path) -> None:
    (tmp_path / "in.smi").write_text("CCO name\n" * 250)
    assert first_smiles(tmp_path / "in.smi", None) == ["CCO"] * (MOST + 1)
    with pytest.raises(InputError, match="Standard input can be read only once"):
        first_smiles(STANDARD_INPUT, None)
