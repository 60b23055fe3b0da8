"""The whole pipeline through the command line on demo data: results, cache, steps alone."""

import csv
import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml
from tfx.types.standard_artifacts import Examples, Model, ModelRun, TransformGraph

from belka.contract import Subset
from belka.examples import read_examples
from belka.molecules import list_shards
from components.tfx_own import TrainerExecutor
from pipeline.config.files import load_config
from pipeline.create_pipeline import create_pipeline
from pipeline.runners.outcomes import read_outcomes

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
    assert "average precision of the gate" in demo.first.stdout
    assert yaml.safe_load((demo.output / "config.yaml").read_text(encoding="utf-8"))["training"]["epochs"] == 1


def test_console_stays_readable(demo: "Demo") -> None:
    """The libraries' chatter goes to the log."""
    assert "WARNING" not in demo.first.stdout + demo.first.stderr
    on_the_way = re.compile(r"\w+ \([\w-]+\): .+: [\d,]+ ")  # every 30 s
    assert len([line for line in demo.first.stdout.splitlines() if not on_the_way.match(line)]) < 80


def test_unusable_rows_are_accounted_for(demo: "Demo") -> None:
    rejected = pq.read_table(demo.output / "rejected.parquet").to_pylist()
    # What make-demo-data puts in at this size: one bad label in train, one unparsable SMILES in test.
    assert {row["reason"] for row in rejected} == {"label is not 0 or 1", "unparsable SMILES"}


def test_metrics_hold_every_step_and_score(demo: "Demo") -> None:
    metrics = _metrics(demo.output)
    assert set(metrics) >= {"data", "examples", "evaluation", "submission", "steps"}
    assert {"parquet-merge", "trainer-clf", "submission-writer"} <= set(metrics["steps"])
    assert 0 < metrics["evaluation"]["mean_average_precision"] <= 1


@pytest.mark.parametrize("use_test_molecules", [False, True])
def test_no_stage_receives_a_file_with_a_held_out_molecule(
    demo: "Demo", tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, use_test_molecules: bool
) -> None:
    """The Trainers of the pipeline, run by TFX, with a run_fn that only says which files it got."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    config = load_config(demo.output / "config.yaml", [f"training.use_test_molecules={use_test_molecules}"])
    outcomes = read_outcomes(demo.output / "metadata.db", config.pipeline_name)
    transform = outcomes["molecule-transform"].outputs
    examples, graph = Examples(), TransformGraph()
    examples.uri, graph.uri = str(transform["examples"]), str(transform["transform_graph"])
    examples.split_names = json.dumps([subset.split for subset in Subset])
    ids: dict[str, dict[str, set[int]]] = {}
    trainers = {node.id: node for node in create_pipeline(config).components if node.id.startswith("trainer-")}
    for name, trainer in trainers.items():
        model, run = Model(), ModelRun()
        model.uri, run.uri = str(tmp_path / name / "model"), str(tmp_path / name / "run")
        parameters = {**trainer.exec_properties, "run_fn": "training_files.run_fn"}
        inputs = {"examples": [examples], "transform_graph": [graph]}
        TrainerExecutor().Do(inputs, {"model": [model], "model_run": [run]}, parameters)
        files = json.loads(next(Path(run.uri).rglob("files.json")).read_text(encoding="utf-8"))
        ids[name] = {
            kind: {
                int(i)
                for batch in read_examples(list(map(Path, paths)), ("molecule_id",), n_targets=3, batch_size=512)
                for i in batch.columns["molecule_id"]
            }
            for kind, paths in files.items()
        }
    assert list(ids) == ["trainer-mlm", "trainer-fps", "trainer-clf"]
    shards = list_shards(outcomes["parquet-merge"].outputs["molecules"])
    table = pa.concat_tables(pq.read_table(shard.path, columns=["molecule_id", "subset", "smiles"]) for shard in shards)
    of_split = {code: set(table.filter(pc.equal(table["subset"], code))["molecule_id"].to_pylist()) for code in Subset}
    spelled = dict(zip(table["molecule_id"].to_pylist(), table["smiles"].to_pylist(), strict=True))
    for name, found in ids.items():
        assert found["train"]
        assert found["eval"]
        assert found["eval"] <= of_split[Subset.VALIDATION]
        assert not found["train"] & of_split[Subset.VALIDATION]
        assert not {spelled[i] for i in found["train"]} & {spelled[i] for i in of_split[Subset.VALIDATION]}
        assert bool(found["train"] & of_split[Subset.TEST]) == (use_test_molecules and name != "trainer-clf")


def test_the_closing_table_tells_what_was_refused(demo: "Demo") -> None:
    told = " ".join(demo.first.stdout.split())
    assert "refused, train.parquet 1 x label is not 0 or 1" in told
    assert "x unparsable SMILES" in told
    assert f"listed in {demo.output / 'rejected.parquet'}" in told
    assert "0.0 (data.rejected_prediction)" in told
    assert "conflicting pairs" not in told


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
    options = ["--raw-dir", str(other), "--set", "training.learning_rate=0.7654321"]  # no figure has as many digits
    done = demo.run("step", "evaluate_model", "--no-resume", "--output-dir", demo.output, *options)
    assert done.returncode == 0, done.stderr
    (card,) = (demo.output / "model").glob("*/model_card.md")
    for text in ((demo.output / "report.html").read_text(encoding="utf-8"), card.read_text(encoding="utf-8")):
        assert str(other) not in text
        assert "0.7654321" not in text
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


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_demo_as_shipped_pushes_a_model_that_beats_its_baseline(demo: "Demo", tmp_path: Path) -> None:
    raw, output = tmp_path / "raw", tmp_path / "output"
    assert demo.run("make-demo-data", "--molecules", "5000", "--out", raw).returncode == 0
    shipped = Path(__file__).parents[2] / "configs" / "demo.yaml"
    done = demo.run("run", "--config", shipped, "--raw-dir", raw, "--output-dir", output)
    assert done.returncode == 0, done.stdout + done.stderr
    evaluation = _metrics(output)["evaluation"]
    assert evaluation["gate"]["must_beat"] == ["logistic"]
    assert evaluation["verdict"]["blessed"]
    assert evaluation["baselines"]["models"]["logistic"]["gains"][0]["value"] > 0
    assert (output / "model" / "champion.json").is_file()
