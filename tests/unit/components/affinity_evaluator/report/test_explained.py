"""Of its highest predictions the report names the block that the model's score is known to come from."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from belka import contract as dc
from belka.chemistry.direct import DirectFingerprints
from belka.chemistry.fingerprints import FingerprintSettings
from belka.chemistry.smiles import parse
from belka.demo.blocks import amine_blocks, amino_acid_blocks
from belka.demo.library import enumerate_product
from belka.predict.predict import LoadedModel
from benchmarks.served_linear import export_linear
from components.affinity_evaluator.gate import Verdict
from components.affinity_evaluator.predictions import Predictions
from components.affinity_evaluator.report.explained import BlockShare, ExplainedBest, ExplainedMolecule, explain_best

TARGETS = ("BRD4", "HSA")
FIRST, AMINES = amino_acid_blocks(), amine_blocks()
BLOCKS = {block.name: block for block in (*FIRST, *AMINES)}
SULFA = BLOCKS["sulfanilamide"]
PLAIN = [BLOCKS[name] for name in ("morpholine", "benzylamine", "propargylamine")]
PRODUCTS = [
    *(enumerate_product(first, SULFA, other) for first, other in zip(FIRST, PLAIN, strict=False)),
    *(enumerate_product(first, PLAIN[0], other) for first, other in zip(FIRST, PLAIN, strict=False)),
]
IDS = np.arange(100, 100 + len(PRODUCTS) + 1)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bits that only molecules with a sulfonamide have raise the log-odds of the first target."""
    settings = FingerprintSettings()
    molecules = [parse(text.replace("[Dy]", "[H]")) for text in PRODUCTS]
    assert not any(isinstance(each, str) for each in molecules)
    bits = np.unpackbits(DirectFingerprints(settings).pack(molecules), axis=1) == 1
    weights = np.zeros((settings.size, 2), np.float32)
    weights[bits[:3].all(axis=0) & ~bits[3:].any(axis=0), 0] = 0.6
    return export_linear(tmp_path_factory.mktemp("model") / "1", weights, np.array([-4, -2], np.float32), TARGETS)


@pytest.fixture(scope="module")
def molecules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The products, and last what RDKit cannot read."""
    folder = tmp_path_factory.mktemp("molecules")
    (folder / "Split-validation").mkdir()
    table = pa.table({dc.MOLECULE_ID: pa.array(IDS, pa.int64()), dc.SMILES: [*PRODUCTS, "C1CC"]})
    pq.write_table(table, folder / "Split-validation" / "molecules-00000.parquet")
    return folder


@pytest.fixture(scope="module")
def found(model: Path, molecules: Path) -> ExplainedBest:
    table = LoadedModel(model).predict(PRODUCTS)
    probabilities = np.stack([table[dc.probability_name(name)].to_numpy() for name in TARGETS], axis=1)
    last = np.array([[0.0, 0.999]], np.float32)  # a prediction of the molecule that cannot be read
    labels = np.tile(np.array([[1, dc.LABEL_UNKNOWN]], np.int8), (len(IDS), 1))
    scores = np.concatenate([probabilities, last]).astype(np.float32)
    return explain_best(model, Predictions(IDS, np.zeros(len(IDS), np.int8), labels, scores), molecules, TARGETS)


def test_the_highest_of_each_target_are_explained_but_for_what_cannot_be(found: ExplainedBest) -> None:
    assert [each.target for each in found.molecules] == ["BRD4", "BRD4", "HSA"]
    assert [each.label for each in found.molecules] == [1, 1, None]
    first, second, _ = found.molecules
    assert first.probability >= second.probability > 0.5
    assert {first.smiles, second.smiles} < set(PRODUCTS[:3])


def test_the_block_that_the_score_comes_from_brings_most(found: ExplainedBest) -> None:
    for each in found.molecules[:2]:
        best = max(each.blocks, key=lambda block: block.contribution)
        assert "S(" in best.smiles
        assert best.contribution > 2
        assert all(abs(block.contribution) < 1 for block in each.blocks if block is not best)
        assert len(each.blocks) == 3
    assert all(abs(block.contribution) < 1e-3 for block in found.molecules[2].blocks)


def test_the_deletion_test_is_told(found: ExplainedBest) -> None:
    assert "hiding the 20% of atoms" in found.deletion
    assert "BRD4" in found.deletion


def test_a_model_that_takes_no_smiles_leaves_the_report_as_it_is(
    molecules: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    predictions = Predictions(IDS, IDS.astype(np.int8), np.zeros((len(IDS), 2), np.int8), np.zeros((len(IDS), 2), "f4"))
    assert explain_best(tmp_path, predictions, molecules, TARGETS) == ExplainedBest()
    assert "explains no predictions" in caplog.text


def test_the_page_shows_molecules_with_their_blocks(new_bench: Any, tmp_path: Path, written: tuple[str, str]) -> None:
    block = BlockShare(2, "*N<script>", 1.234)
    shown = ExplainedMolecule("HSA", None, 0.75, (block,), "CCO", "<svg>drawn</svg>")
    explained = ExplainedBest((shown,), "hiding costs 2 against 1")
    page, _ = new_bench(tmp_path).report(Verdict(blessed=True, reasons=()), explained=explained)
    for text in ("What the highest predictions come from", "predicted 0.750, not measured", "Check: hiding costs 2"):
        assert text in page
        assert text not in written[0]
    assert "block 2 <b>+1.23</b> *N&lt;script&gt;" in page
    assert "drawn" in page
