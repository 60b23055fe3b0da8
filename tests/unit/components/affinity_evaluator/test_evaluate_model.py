import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from belka import contract as dc
from belka.errors import BelkaError
from components.affinity_evaluator.bootstrap import BootstrapSettings
from components.affinity_evaluator.evaluate import Evaluation, evaluate_model
from components.affinity_evaluator.gate import judge
from components.affinity_evaluator.measurement import measure_predictions
from components.affinity_evaluator.settings import EvaluationSettings, GateSettings

TARGETS = ("BRD4", "HSA", "sEH")
Row = tuple[int, int, list[int], list[float]]


def random_rows(n: int) -> list[Row]:
    rng = np.random.default_rng(3)
    labels = rng.choice([0, 1, 2], size=(n, 3), p=[0.6, 0.2, 0.2])
    scores = rng.random((n, 3)).astype(np.float32).round(2)  # rounded, so that there are ties
    return [(1000 + i, int(rng.integers(2)), labels[i].tolist(), scores[i].tolist()) for i in range(n)]


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return random_rows(301)


@pytest.fixture(scope="module")
def evaluated(
    rows: list[Row], model_dir: Path, write_examples: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Evaluation]:
    folder = tmp_path_factory.mktemp("evaluation")
    files = [write_examples(folder / "a.gz", rows[:200]), write_examples(folder / "b", rows[200:])]
    return folder / "out", evaluate_model(
        model_dir, files, folder / "out", targets=TARGETS, settings=EvaluationSettings(batch_size=64), seed=42
    )


def test_predictions_stand_beside_the_labels_in_file_order(evaluated: tuple[Path, Evaluation], rows: list[Row]) -> None:
    table = pq.read_table(evaluated[0] / "predictions.parquet")
    assert table.column_names == [dc.MOLECULE_ID, dc.SPLIT_GROUP, dc.BINDS, dc.OUTPUT_PROBABILITIES]
    assert table[dc.MOLECULE_ID].to_pylist() == [row[0] for row in rows]
    assert table[dc.SPLIT_GROUP].to_pylist() == [row[1] for row in rows]
    assert table[dc.BINDS].to_pylist() == [row[2] for row in rows]
    assert np.array_equal(
        np.array(table[dc.OUTPUT_PROBABILITIES].to_pylist(), np.float32), np.array([r[3] for r in rows], np.float32)
    )


def test_metrics_equal_scikit_learn_on_the_exported_predictions(evaluated: tuple[Path, Evaluation]) -> None:
    folder, evaluation = evaluated
    table = pq.read_table(folder / "predictions.parquet")
    labels, groups = np.array(table[dc.BINDS].to_pylist()), np.array(table[dc.SPLIT_GROUP].to_pylist())
    probabilities = np.array(table[dc.OUTPUT_PROBABILITIES].to_pylist())
    expected = []
    for i, target in enumerate(TARGETS):
        for group, name in ((0, "shared"), (1, "non_shared")):
            mask = (groups == group) & (labels[:, i] != 2)
            part = next(s for s in evaluation.slices if (s.target, s.split_group) == (target, name))
            expected.append(average_precision_score(labels[mask, i], probabilities[mask, i]))
            assert part.average_precision == pytest.approx(expected[-1], abs=1e-12)
            assert part.roc_auc == pytest.approx(roc_auc_score(labels[mask, i], probabilities[mask, i]), abs=1e-12)
            assert (part.n, part.positives) == (mask.sum(), labels[mask, i].sum())
    assert evaluation.mean_average_precision == pytest.approx(np.mean(expected), abs=1e-12)
    assert (len(evaluation.slices), evaluation.molecules, evaluation.verdict.blessed) == (6, 301, True)


def test_a_molecule_of_unknown_labels_counts_nowhere(
    rows: list[Row],
    evaluated: tuple[Path, Evaluation],
    model_dir: Path,
    write_examples: Callable[..., Path],
    tmp_path: Path,
) -> None:
    unknown: list[Row] = [(5000 + i, i % 2, [2, 2, 2], [1.0, 0.0, 1.0]) for i in range(50)]
    file = write_examples(tmp_path / "e.gz", [*rows, *unknown])
    evaluation = evaluate_model(
        model_dir, [file], tmp_path / "out", targets=TARGETS, settings=EvaluationSettings(batch_size=100), seed=42
    )
    assert evaluation.slices == evaluated[1].slices
    assert evaluation.molecules == 351


def test_a_molecule_counts_for_the_proteins_whose_label_is_known_only(
    rows: list[Row],
    evaluated: tuple[Path, Evaluation],
    model_dir: Path,
    write_examples: Callable[..., Path],
    tmp_path: Path,
) -> None:
    partly: list[Row] = [(5000 + i, i % 2, [2, i // 2 % 2, 2], [1.0, 0.5, 0.0]) for i in range(40)]
    file = write_examples(tmp_path / "e.gz", [*rows, *partly])
    evaluation = evaluate_model(
        model_dir, [file], tmp_path / "out", targets=TARGETS, settings=EvaluationSettings(batch_size=100), seed=42
    )
    for before, after in zip(evaluated[1].slices, evaluation.slices, strict=True):
        if before.target == "HSA":
            assert (after.n, after.positives) == (before.n + 20, before.positives + 10)
        else:  # intervals resample all molecules of the group, and there are more now
            assert replace(after, intervals=None) == replace(before, intervals=None)


def test_batch_size_and_row_groups_do_not_matter(
    evaluated: tuple[Path, Evaluation],
    model_dir: Path,
    write_examples: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("components.affinity_evaluator.predictions._ROWS_PER_GROUP", 20)
    file = write_examples(tmp_path / "e.gz", random_rows(301))
    assert (
        evaluate_model(model_dir, [file], tmp_path, targets=TARGETS, settings=EvaluationSettings(batch_size=7), seed=42)
        == evaluated[1]
    )
    assert pq.read_metadata(tmp_path / "predictions.parquet").num_row_groups > 10
    assert pq.read_table(tmp_path / "predictions.parquet").equals(pq.read_table(evaluated[0] / "predictions.parquet"))


def test_slice_without_positives_is_reported_and_left_out(
    model_dir: Path, write_examples: Callable[..., Path], tmp_path: Path
) -> None:
    rows: list[Row] = [(1, 0, [1, 0, 2], [0.9, 0.1, 0.5]), (2, 0, [0, 0, 2], [0.1, 0.1, 0.5])]
    file = write_examples(tmp_path / "e.gz", rows)
    evaluation = evaluate_model(
        model_dir, [file], tmp_path, targets=TARGETS, settings=EvaluationSettings(batch_size=8), seed=42
    )
    written: dict[str, Any] = json.loads((tmp_path / "evaluation.json").read_text())
    assert [(s["target"], s["split_group"], s["average_precision"], s["reason"]) for s in written["slices"]] == [
        ("BRD4", "shared", 1.0, ""),
        ("BRD4", "non_shared", None, "no molecule with a known label"),
        ("HSA", "shared", None, "no positive"),
        ("HSA", "non_shared", None, "no molecule with a known label"),
        ("sEH", "shared", None, "no molecule with a known label"),
        ("sEH", "non_shared", None, "no molecule with a known label"),
    ]
    assert written["mean_average_precision"] == evaluation.mean_average_precision == 1.0
    assert written["verdict"] == {"blessed": True, "reasons": []}


@pytest.mark.parametrize("score", [float("nan"), float("inf"), 1.5, -0.5])
def test_unusable_predictions_are_not_blessed_even_where_labels_are_unknown(
    score: float, model_dir: Path, write_examples: Callable[..., Path], tmp_path: Path
) -> None:
    rows: list[Row] = [(1, 0, [1, 1, 1], [0.5] * 3), (2, 0, [0, 0, 0], [0.5] * 3), (3, 0, [2, 2, 2], [0.5, score, 0.5])]
    file = write_examples(tmp_path / "e.gz", rows)
    evaluation = evaluate_model(
        model_dir, [file], tmp_path, targets=TARGETS, settings=EvaluationSettings(batch_size=8), seed=42
    )
    assert not evaluation.verdict.blessed
    assert evaluation.verdict.reasons == ("1 predictions are not finite numbers from 0 to 1.",)
    assert evaluation.mean_average_precision == 0.5


def test_nothing_held_out_is_not_blessed(model_dir: Path, tmp_path: Path) -> None:
    evaluation = evaluate_model(
        model_dir, [], tmp_path, targets=TARGETS, settings=EvaluationSettings(batch_size=8), seed=42
    )
    assert (evaluation.molecules, evaluation.mean_average_precision) == (0, None)
    assert not evaluation.verdict.blessed
    assert json.loads((tmp_path / "evaluation.json").read_text())["mean_average_precision"] is None


def test_floor_is_applied_to_the_mean(evaluated: tuple[Path, Evaluation]) -> None:
    mean = evaluated[1].mean_average_precision
    assert mean is not None
    file = evaluated[0] / "predictions.parquet"
    for floor, blessed in ((mean, True), (mean + 1e-6, False)):
        measured = measure_predictions(file, targets=TARGETS)
        assert judge(measured, None, GateSettings(min_mean_average_precision=floor)).blessed is blessed


def test_other_number_of_targets_in_model_or_examples(
    export_model: Callable[..., Path], write_examples: Callable[..., Path], model_dir: Path, tmp_path: Path
) -> None:
    file = write_examples(tmp_path / "e.gz", [(1, 0, [1, 0, 2], [0.5, 0.5])])
    two = export_model(tmp_path / "two", n_targets=2)
    with pytest.raises(BelkaError, match=r"another number of targets(.|\n)*\(1, 2\)(.|\n)*\(1, 3\)"):
        evaluate_model(
            two, [file], tmp_path / "out", targets=TARGETS, settings=EvaluationSettings(batch_size=8), seed=42
        )
    with pytest.raises(BelkaError, match=r"Examples cannot be read(.|\n)*e.gz(.|\n)*2 values each in binds"):
        evaluate_model(
            model_dir, [file], tmp_path / "out", targets=TARGETS[:2], settings=EvaluationSettings(batch_size=8), seed=42
        )
    assert not (tmp_path / "out" / "predictions.parquet").exists()


def test_truncated_examples_name_the_file(
    rows: list[Row], model_dir: Path, write_examples: Callable[..., Path], tmp_path: Path
) -> None:
    file = write_examples(tmp_path / "e.gz", rows)
    file.write_bytes(file.read_bytes()[:2_000])
    with pytest.raises(BelkaError, match=r"Examples cannot be read(.|\n)*e\.gz"):
        evaluate_model(
            model_dir, [file], tmp_path / "out", targets=TARGETS, settings=EvaluationSettings(batch_size=8), seed=42
        )


def test_model_that_is_none_or_has_another_signature(export_model: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(BelkaError, match=r"cannot be loaded(.|\n)*nowhere"):
        evaluate_model(
            tmp_path / "nowhere",
            [],
            tmp_path / "out",
            targets=TARGETS,
            settings=EvaluationSettings(batch_size=8),
            seed=42,
        )
    other = export_model(tmp_path / "other", output="tokens")
    with pytest.raises(BelkaError, match=r"no usable signature(.|\n)*serving_default\(examples\) -> tokens"):
        evaluate_model(other, [], tmp_path / "out", targets=TARGETS, settings=EvaluationSettings(batch_size=8), seed=42)


def test_intervals_are_written(evaluated: tuple[Path, Evaluation]) -> None:
    written: dict[str, Any] = json.loads((evaluated[0] / "evaluation.json").read_text())
    assert written["mean_interval"]["low"] < written["mean_average_precision"] < written["mean_interval"]["high"]
    for part in written["slices"]:
        assert part["intervals"]["roc_auc"]["low"] < part["roc_auc"] < part["intervals"]["roc_auc"]["high"]
    assert written["bootstrap"] == {"samples": 1000, "confidence": 0.95, "seed": 42}
    assert written["champion"] is None


def test_two_models_are_measured_on_the_same_resamples_whatever_the_order_of_rows(
    evaluated: tuple[Path, Evaluation], tmp_path: Path
) -> None:
    file = evaluated[0] / "predictions.parquet"
    table = pq.read_table(file)
    pq.write_table(table.take(np.random.default_rng(1).permutation(table.num_rows)), tmp_path / "shuffled.parquet")
    first = measure_predictions(file, targets=TARGETS, bootstrap=BootstrapSettings(50))
    second = measure_predictions(tmp_path / "shuffled.parquet", targets=TARGETS, bootstrap=BootstrapSettings(50))
    assert set(first.samples) == {part.name for part in first.slices if not part.reason}
    for name, values in first.samples.items():
        np.testing.assert_array_equal(values, second.samples[name])


def test_interval_of_the_mean_is_that_of_the_mean_of_each_resample(evaluated: tuple[Path, Evaluation]) -> None:
    settings = BootstrapSettings(200)
    found = measure_predictions(evaluated[0] / "predictions.parquet", targets=TARGETS, bootstrap=settings)
    assert len(found.samples) == 6
    assert found.mean_interval == settings.interval(np.mean(list(found.samples.values()), axis=0))
