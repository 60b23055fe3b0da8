"""The model in production on the candidate's data: the six cases with real SavedModels."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator
from skfp.fingerprints import AvalonFingerprint
from sklearn.metrics import average_precision_score

from belka import contract as dc
from belka.errors import InputError
from belka.models.description import ModelDescription, read_description
from components.affinity_evaluator.bootstrap import BootstrapSettings
from components.affinity_evaluator.comparison import _reads_examples_of
from components.affinity_evaluator.gate import MEAN
from components.affinity_evaluator.measurement import measure_predictions
from tests.unit.components.affinity_evaluator.conftest import TARGETS, Bench, N, export_bit_counter


def test_first_model_has_no_champion(bench: Bench) -> None:
    evaluation = bench.evaluate(bench.model("good"))
    assert evaluation.champion is None
    assert evaluation.verdict.blessed


def test_win_and_lose(bench: Bench) -> None:
    good, bad = bench.model("good"), bench.model("bad", reverse=True)
    bench.push(bad, "1")
    won = bench.evaluate(good)
    assert won.verdict.blessed
    bench.push(good, "2")
    lost = bench.evaluate(bad)
    assert not lost.verdict.blessed
    assert "is below" in lost.verdict.reasons[0]
    assert won.champion is not None
    assert lost.champion is not None
    assert (won.champion.version, lost.champion.version) == ("1", "2")
    assert won.champion.mean_average_precision == lost.mean_average_precision
    assert lost.champion.mean_average_precision == won.mean_average_precision
    assert lost.champion.slices == won.slices
    for before, after in zip(won.champion.gains, lost.champion.gains, strict=True):
        assert (before.name, before.value) == (after.name, -after.value)
        assert before.interval is not None
        assert after.interval is not None
        assert (before.interval.low, before.interval.high) == pytest.approx((-after.interval.high, -after.interval.low))


def test_gain_over_the_champion_has_an_interval_on_the_same_resamples(bench: Bench) -> None:
    bench.push(bench.model("bad", reverse=True))
    champion = bench.evaluate(bench.model("good")).champion
    assert champion is not None
    assert [gain.name for gain in champion.gains] == [MEAN, *(part.name for part in champion.slices)]
    settings = BootstrapSettings(samples=20)
    new, old = (
        measure_predictions(bench.folder / "out" / name, targets=TARGETS, bootstrap=settings)
        for name in ("predictions.parquet", "champion_predictions.parquet")
    )
    assert new.mean_average_precision is not None
    assert old.mean_average_precision is not None
    mean, first, *_ = champion.gains
    assert mean.value == pytest.approx(new.mean_average_precision - old.mean_average_precision, abs=1e-12)
    assert first.interval == settings.interval(new.samples[first.name] - old.samples[first.name])


def test_tie_of_another_model_keeps_the_champion(bench: Bench) -> None:
    bench.push(bench.model("good"))
    twin = bench.evaluate(bench.model("twin", note="other files, same predictions"))
    assert not twin.verdict.blessed
    assert "It ties with the model in production, version 17, which stays" in twin.verdict.reasons[0]


def test_champion_judged_again_stays_blessed_and_is_not_scored_twice(bench: Bench) -> None:
    good = bench.model("good")
    bench.push(good)
    again = bench.evaluate(good)
    assert again.verdict.blessed
    assert again.champion is not None
    assert again.champion.same_model
    assert again.champion.mean_average_precision == again.mean_average_precision
    assert not (bench.folder / "out" / "champion_predictions.parquet").exists()


def test_missing_champion_lets_nothing_through(bench: Bench) -> None:
    shutil.rmtree(bench.push(bench.model("bad", reverse=True)))
    evaluation = bench.evaluate(bench.model("good"))
    assert not evaluation.verdict.blessed
    assert "17 is gone. Restore it, or delete champion.json" in evaluation.verdict.reasons[0]


def test_changed_champion_lets_nothing_through(bench: Bench) -> None:
    (bench.push(bench.model("bad", reverse=True)) / "variables" / "extra").write_text("x")
    evaluation = bench.evaluate(bench.model("good"))
    assert "its files have changed" in evaluation.verdict.reasons[0]


def test_champion_of_another_vocabulary_is_scored_from_smiles(bench: Bench) -> None:
    """Its signature for Examples would read the token ids of the new model; the one for SMILES gives length / 100."""
    bench.push(bench.model("old", vocabulary=["[PAD]", "[MASK]", "C", "N"]))
    evaluation = bench.evaluate(bench.model("good"))
    assert evaluation.champion is not None
    assert evaluation.champion.scored_by == dc.SIGNATURE_SMILES
    written = pq.read_table(bench.folder / "out" / "champion_predictions.parquet")
    assert written[dc.MOLECULE_ID].to_pylist() == list(range(100, 100 + N))
    assert np.array(written[dc.OUTPUT_PROBABILITIES].to_pylist())[:, 0] == pytest.approx(bench.lengths / 100)
    groups = np.array(written[dc.SPLIT_GROUP].to_pylist())
    part = next(s for s in evaluation.champion.slices if s.name == "HSA/shared")
    expected = average_precision_score(bench.labels[groups == 0, 1], bench.lengths[groups == 0] / 100)
    assert part.average_precision == pytest.approx(expected, abs=1e-12)
    assert evaluation.verdict.blessed


@pytest.mark.parametrize(
    ("champion", "same"),
    [
        ({"vocabulary": ["C"], "model": {}}, True),
        ({"vocabulary": ["C"], "model": {"ecfp_branch": False}, "ecfp": {"size": 64}}, True),
        ({"vocabulary": ["C"], "model": {"ecfp_branch": True}, "ecfp": {"size": 128}}, True),
        ({"vocabulary": ["C"], "model": {"ecfp_branch": True}, "ecfp": {"size": 64}}, False),
        ({"vocabulary": ["N"], "model": {"ecfp_branch": True}, "ecfp": {"size": 128}}, False),
        ({"vocabulary": ["N"], "model": {}}, False),
        ({"vocabulary": ["C"], "model": {"ecfp_branch": True}, "ecfp": {"size": 128, "kind": "ecfp"}}, True),
        ({"vocabulary": ["C"], "model": {"ecfp_branch": True}, "ecfp": {"size": 128, "kind": "avalon"}}, False),
        ({"vocabulary": ["C"], "model": {"ecfp_branch": False}, "ecfp": {"size": 128, "kind": "avalon"}}, True),
        ({"vocabulary": ["C"], "members": ["transformer", "linear"], "ecfp": {"size": 128}}, True),
        ({"vocabulary": ["C"], "members": ["transformer", "linear"], "ecfp": {"size": 64}}, False),
        ({"vocabulary": ["C"], "members": ["transformer", "kernel"]}, False),
    ],
)
def test_a_champion_reads_only_examples_of_its_own_tokens_and_fingerprints(
    champion: dict[str, Any], same: bool, tmp_path: Path
) -> None:
    candidate = {"vocabulary": ["C"], "model": {}, "ecfp": {"size": 128}}
    read: list[ModelDescription] = []
    for content in (champion, candidate):
        (tmp_path / "belka.json").write_text(json.dumps(content))
        description = read_description(tmp_path)
        assert description is not None
        read.append(description)
    assert _reads_examples_of(*read) is same


def test_champion_of_another_vocabulary_that_reads_fingerprints_gets_its_own(bench: Bench) -> None:
    """It returns one hundredth of the number of bits RDKit sets, 64 of them, for every target."""
    folder = bench.model("old", vocabulary=["[PAD]", "[MASK]", "C", "N"])
    export_bit_counter(folder)
    bench.push(folder)
    evaluation = bench.evaluate(bench.model("good"))
    assert evaluation.champion is not None
    assert (evaluation.champion.problem, evaluation.champion.scored_by) == ("", dc.SIGNATURE_SMILES)
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=64, includeChirality=True)
    bits = [generator.GetFingerprint(Chem.MolFromSmiles("C" * int(n))).GetNumOnBits() for n in bench.lengths]
    written = pq.read_table(bench.folder / "out" / "champion_predictions.parquet")
    assert np.array(written[dc.OUTPUT_PROBABILITIES].to_pylist())[:, 0] == pytest.approx(np.array(bits) / 100)


def test_champion_of_another_fingerprint_gets_its_own_though_the_vocabulary_is_the_same(bench: Bench) -> None:
    folder = bench.model("old")
    export_bit_counter(folder, "avalon")
    bench.push(folder)
    evaluation = bench.evaluate(bench.model("good"))
    assert evaluation.champion is not None
    assert (evaluation.champion.problem, evaluation.champion.scored_by) == ("", dc.SIGNATURE_SMILES)
    bits = AvalonFingerprint(fp_size=64).transform(["C" * int(n) for n in bench.lengths]).sum(axis=1)
    written = pq.read_table(bench.folder / "out" / "champion_predictions.parquet")
    assert np.array(written[dc.OUTPUT_PROBABILITIES].to_pylist())[:, 0] == pytest.approx(bits / 100)


def test_champion_of_another_vocabulary_that_wins_stops_the_push(bench: Bench) -> None:
    """Turned round: with SMILES lengths that follow the labels the old model is better than a reversed new one."""
    table = pq.read_table(bench.molecules / "Split-validation" / "molecules-00000.parquet")
    smiles = ["C"] * 3 + ["C" * (1 + 10 * int(row.sum())) for row in bench.labels]
    table = table.set_column(table.schema.get_field_index(dc.SMILES), dc.SMILES, pa.array(smiles))
    pq.write_table(table, bench.molecules / "Split-validation" / "molecules-00000.parquet")
    bench.push(bench.model("old", vocabulary=["[PAD]", "[MASK]", "C", "N"]))
    assert not bench.evaluate(bench.model("bad", reverse=True)).verdict.blessed


def test_molecules_of_another_run_are_noticed(bench: Bench) -> None:
    bench.push(bench.model("old", vocabulary=["[PAD]", "[MASK]", "C", "N"]))
    path = bench.molecules / "Split-validation" / "molecules-00000.parquet"
    pq.write_table(pq.read_table(path).slice(0, 50), path)
    evaluation = bench.evaluate(bench.model("good"))
    assert "47 of 60 molecules of the Examples" in evaluation.verdict.reasons[0]


def test_champion_of_other_targets_is_refused(bench: Bench) -> None:
    folder = bench.model("old")
    (folder / "belka.json").write_text(json.dumps({"vocabulary": [], "targets": ["HSA", "BRD4", "sEH"]}))
    bench.push(folder)
    evaluation = bench.evaluate(bench.model("good"))
    assert "it predicts HSA, BRD4, sEH, the new model BRD4, HSA, sEH" in evaluation.verdict.reasons[0]


def test_champion_that_cannot_be_loaded_is_a_reason_not_a_crash(bench: Bench) -> None:
    folder = bench.model("old")
    (folder / "saved_model.pb").write_bytes(b"not a model")
    bench.push(folder)
    evaluation = bench.evaluate(bench.model("good"))
    assert not evaluation.verdict.blessed
    assert "cannot be compared" in evaluation.verdict.reasons[0]


@pytest.mark.parametrize("content", ["", "[1]", '{"version": "1"}', "\x00"])
def test_damaged_pointer_is_an_error_not_a_first_model(bench: Bench, content: str) -> None:
    bench.models.mkdir()
    (bench.models / "champion.json").write_text(content)
    with pytest.raises(InputError, match=r"pointer to the model in production(.|\n)*champion\.json"):
        bench.evaluate(bench.model("good"))
