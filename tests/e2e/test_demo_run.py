"""The whole pipeline through the command line on demo data: results, cache, steps alone."""

import csv
import hashlib
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

if TYPE_CHECKING:
    from tests.e2e.conftest import Demo


def _metrics(output: Path) -> dict[str, Any]:
    metrics: dict[str, Any] = json.loads((output / "metrics.json").read_text(encoding="utf-8"))
    return metrics


def test_submission_holds_exactly_the_raw_test_ids(demo: "Demo") -> None:
    with (demo.output / "submission.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    ids = [int(row["id"]) for row in rows]
    raw = pq.read_table(demo.raw / "test.parquet", columns=["id"])["id"].to_pylist()
    assert ids == sorted(set(raw))
    values = np.array([float(row["binds"]) for row in rows])
    assert np.isfinite(values).all()
    assert ((values >= 0) & (values <= 1)).all()
    assert len(set(values.tolist())) > 10


def test_every_result_is_where_the_readme_says(demo: "Demo") -> None:
    for name in ("submission.csv", "metrics.json", "config.yaml", "rejected.parquet", "metadata.db", "pipeline_root"):
        assert (demo.output / name).exists(), name
    assert list((demo.output / "model").glob("*/saved_model.pb"))
    assert list((demo.output / "logs").glob("*.log"))
    assert "validation average precision" in demo.first.stdout
    assert yaml.safe_load((demo.output / "config.yaml").read_text(encoding="utf-8"))["training"]["epochs"] == 1


def test_console_stays_readable(demo: "Demo") -> None:
    """The libraries' chatter goes to the log."""
    assert "WARNING" not in demo.first.stdout + demo.first.stderr
    assert len(demo.first.stdout.splitlines()) < 70


def test_unusable_rows_are_accounted_for(demo: "Demo") -> None:
    rejected = pq.read_table(demo.output / "rejected.parquet").to_pylist()
    # What make-demo-data puts in at this size: one bad label in train, one unparsable SMILES in test.
    assert {row["reason"] for row in rejected} == {"label is not 0 or 1", "unparsable SMILES"}


def test_metrics_hold_every_step_and_score(demo: "Demo") -> None:
    metrics = _metrics(demo.output)
    assert set(metrics) >= {"data", "examples", "evaluation", "submission", "steps"}
    assert {"parquet-merge", "trainer-clf", "submission-writer"} <= set(metrics["steps"])
    assert 0 < metrics["evaluation"]["mean_average_precision"] <= 1


def test_second_run_comes_from_the_cache(demo: "Demo") -> None:
    before = (demo.output / "submission.csv").read_bytes()
    again = demo.run("run", *demo.arguments())
    assert again.returncode == 0, again.stderr
    assert {row["state"] for row in _metrics(demo.output)["steps"].values()} == {"cached"}
    assert (demo.output / "submission.csv").read_bytes() == before


def test_a_run_whose_model_is_not_pushed_ends_with_its_own_exit_code_and_a_step_with_none(demo: "Demo") -> None:
    before = (demo.output / "submission.csv").read_bytes()
    floor = ("--set", "evaluation.min_mean_average_precision=1.0")
    done = demo.run("run", *demo.arguments(), *floor)
    assert done.returncode == 3, done.stderr
    assert done.stderr == ""
    assert "below the floor min_mean_average_precision 1.0" in " ".join(done.stdout.split())
    assert (demo.output / "submission.csv").read_bytes() == before
    assert demo.run("step", "evaluate_model", *demo.arguments(), *floor).returncode == 0
    assert demo.run("run", *demo.arguments(), *floor, "--to", "get_vocab").returncode == 0


@pytest.mark.slow
def test_steps_run_one_after_the_other(demo: "Demo", tmp_path: Path) -> None:
    arguments = [*demo.arguments()[:-1], str(tmp_path / "steps")]
    early = demo.run("step", "make_dataset", *arguments)
    assert early.returncode == 2
    assert early.stderr.startswith("error: block-fingerprints, molecule-transform, ")
    assert "anomaly-gate cannot run: what an earlier step leaves is not in the output directory" in early.stderr
    for step in ("generate_parquet", "get_vocab", "make_dataset", "train_model", "evaluate_model", "make_submission"):
        result = demo.run("step", step, *arguments)
        assert result.returncode == 0, f"{step}: {result.stderr}"
    assert (tmp_path / "steps" / "submission.csv").read_bytes() == (demo.output / "submission.csv").read_bytes()


@pytest.mark.slow
def test_report_and_card_tell_of_the_run_that_trained(demo: "Demo", tmp_path: Path) -> None:
    other = tmp_path / "other"
    assert demo.run("make-demo-data", "--molecules", "300", "--seed", "9", "--out", other).returncode == 0
    before = yaml.safe_load((demo.output / "config.yaml").read_text(encoding="utf-8"))
    options = ["--raw-dir", str(other), "--set", "training.learning_rate=0.77"]
    done = demo.run("step", "evaluate_model", "--no-resume", "--output-dir", demo.output, *options)
    assert done.returncode == 0, done.stderr
    (card,) = (demo.output / "model").glob("*/model_card.md")
    for text in ((demo.output / "report.html").read_text(encoding="utf-8"), card.read_text(encoding="utf-8")):
        assert str(other) not in text
        assert "0.77" not in text
        assert str(demo.raw) in text
        assert hashlib.sha256((demo.raw / "train.parquet").read_bytes()).hexdigest() in text
    after = yaml.safe_load((demo.output / "config.yaml").read_text(encoding="utf-8"))
    assert after == before


@pytest.mark.slow
def test_a_model_that_was_removed_is_pushed_again(demo: "Demo") -> None:
    shutil.rmtree(demo.output / "model")
    again = demo.run("run", *demo.arguments())
    assert again.returncode == 0, again.stderr
    states = {node: row["state"] for node, row in _metrics(demo.output)["steps"].items()}
    assert {node for node, state in states.items() if state != "cached"} == {"pusher"}
    assert list((demo.output / "model").glob("*/saved_model.pb"))
    lineage = demo.run("lineage", demo.output / "model")
    assert "trainer-clf" in lineage.stdout
    assert "CHANGED" not in lineage.stdout


def test_quiet_prints_nothing(demo: "Demo") -> None:
    result = demo.run("step", "get_vocab", "--quiet", *demo.arguments())
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_missing_raw_folder_names_file_and_place(demo: "Demo", tmp_path: Path) -> None:
    result = demo.run("run", *demo.arguments(), "--raw-dir", tmp_path / "nowhere")
    assert result.returncode == 2
    assert "train.parquet" in result.stderr
    assert str(tmp_path / "nowhere") in result.stderr
    assert "Traceback" not in result.stderr
