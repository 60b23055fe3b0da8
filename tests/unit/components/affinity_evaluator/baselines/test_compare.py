"""A model that only memorised blocks is refused; one that beats the baselines passes. Real SavedModels."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from belka import contract as dc
from components.affinity_evaluator import units
from components.affinity_evaluator.baselines.compare import TrainingSource
from components.affinity_evaluator.bootstrap import BootstrapSettings
from components.affinity_evaluator.evaluate import Evaluation, evaluate_model
from components.affinity_evaluator.gate import MEAN
from components.affinity_evaluator.measurement import Measuring
from components.affinity_evaluator.settings import EvaluationSettings
from components.affinity_evaluator.units import NewBlocks

TARGETS = ("BRD4", "HSA")


@pytest.fixture(scope="module")
def model(export_model: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = export_model(tmp_path_factory.mktemp("model") / "serving", n_targets=2)
    (folder / "belka.json").write_text(json.dumps({"ecfp": {"size": 64, "kind": "avalon"}}))
    return folder


def evaluate(library: Any, model: Path, folder: Path, scores: NDArray[np.float32], **settings: Any) -> Evaluation:
    for old in library.files(dc.Subset.VALIDATION):
        old.unlink()
    library.write_examples(dc.Subset.VALIDATION, "data.gz", library.rows(dc.Subset.VALIDATION), scores)
    return evaluate_model(
        model,
        library.files(dc.Subset.VALIDATION),
        folder,
        targets=TARGETS,
        settings=EvaluationSettings(bootstrap_samples=50, **settings),
        seed=42,
        training=TrainingSource(library.files(dc.Subset.TRAIN), library.molecules_dir),
    )


def predictions(library: Any, file: Path) -> NDArray[np.float32]:
    """Predictions by molecule id."""
    table = pq.read_table(file)
    scores = np.zeros((len(library.labels), 2), np.float32)
    scores[table[dc.MOLECULE_ID].to_numpy()] = np.array(table[dc.OUTPUT_PROBABILITIES].to_pylist())
    return scores


def test_one_that_memorised_blocks_is_refused_and_one_that_is_better_passes(
    library: Any, model: Path, tmp_path: Path
) -> None:
    first = evaluate(library, model, tmp_path / "first", np.full((len(library.labels), 2), 0.5, np.float32))
    assert first.verdict.blessed  # nothing has to be beaten
    memorised = predictions(library, tmp_path / "first" / "blocks_predictions.parquet")
    asked: dict[str, Any] = {"must_beat": ("blocks",)}
    copied = evaluate(library, model, tmp_path / "copied", memorised, **asked)
    assert not copied.verdict.blessed
    assert "does not exceed" in copied.verdict.reasons[0]
    assert "the baseline blocks, building blocks by position" in copied.verdict.reasons[0]
    assert copied.baselines is not None
    assert {gain.value for gain in copied.baselines.models["blocks"].gains} == {0.0}
    better = np.where(library.labels == 1, 0.4 + 0.6 * memorised, 0.9 * memorised)
    good = evaluate(library, model, tmp_path / "good", better, must_beat=("blocks", "logistic", "lightgbm"))
    assert good.verdict.blessed
    worse = evaluate(library, model, tmp_path / "worse", 1 - memorised, **asked)
    assert not worse.verdict.blessed


def test_gains_are_measured_on_the_same_molecules_and_resamples_and_written(
    library: Any, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(units, "MIN_BLOCKS", 2)
    rng = np.random.default_rng(1)
    scores = np.clip(0.4 * (library.labels == 1) + 0.6 * rng.random(library.labels.shape), 0, 1).astype(np.float32)
    found = evaluate(library, model, tmp_path, scores)
    assert found.baselines is not None
    assert (found.baselines.trained_on, found.baselines.labelled) == (300, 300)
    settings = BootstrapSettings(50)
    measuring = Measuring(TARGETS, settings, NewBlocks.read(library.molecules_dir))
    own = measuring.measure(tmp_path / "predictions.parquet")
    for name, baseline in found.baselines.models.items():
        other = measuring.measure(tmp_path / dc.baseline_predictions_file(name))
        assert [gain.name for gain in baseline.gains] == [MEAN, *(part.name for part in found.slices)]
        for gain, part, before in zip(baseline.gains[1:], own.slices, other.slices, strict=True):
            assert part.average_precision is not None
            assert before.average_precision is not None
            assert before.average_precision > (before.prevalence or 0)  # it has learnt something
            assert gain.value == pytest.approx(part.average_precision - before.average_precision, abs=1e-12)
            assert gain.interval == settings.interval(own.samples[gain.name] - other.samples[gain.name])
    assert "logistic regression on Avalon bits" in found.baselines.models["logistic"].description
    written = json.loads((tmp_path / "evaluation.json").read_text())
    assert written["baselines"]["models"]["logistic"]["gains"][0]["name"] == "mean"
    assert written["gate"]["must_beat"] == []
    assert written["units"]["non_shared"] == {"kind": "blocks", "number": 2}
    assert written["units"]["shared"]["kind"] == "molecules"


def test_a_sample_is_told_and_none_are_trained_where_none_are_asked_for(
    library: Any, model: Path, tmp_path: Path
) -> None:
    scores = np.full((len(library.labels), 2), 0.5, np.float32)
    found = evaluate(library, model, tmp_path / "sample", scores, baseline_molecules=100)
    assert found.baselines is not None
    assert (found.baselines.trained_on, found.baselines.labelled) == (100, 300)
    none = evaluate(library, model, tmp_path / "none", scores, baseline_molecules=0)
    assert none.baselines is None
    assert not list((tmp_path / "none").glob("blocks_*"))
