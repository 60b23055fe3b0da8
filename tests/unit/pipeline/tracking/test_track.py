"""What is told of a run, in which order; a run that is known; a server without a place for files."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from typer.testing import CliRunner

from belka.chemistry.fingerprints import FingerprintSettings
from belka.errors import InputError
from belka.models.description import ModelDescription, write_description
from pipeline.cli.main import app
from pipeline.tracking.record import Metric, RunRecord
from pipeline.tracking.server import MlflowServer
from pipeline.tracking.track import DIGEST_TAG, PARENT_TAG, track_run

if TYPE_CHECKING:
    from tests.unit.pipeline.tracking.conftest import Stub

DIGEST = "d" * 64


def _record(tmp_path: Path, members: tuple[str, ...] = ("transformer",)) -> RunRecord:
    model, page = tmp_path / "model" / "3", tmp_path / "report.html"
    (model / "variables").mkdir(parents=True)
    (model / "saved_model.pb").write_bytes(b"graph")
    (model / "variables" / "variables.index").write_bytes(b"index")
    description = ModelDescription(targets=("BRD4", "HSA"), ecfp=FingerprintSettings(), members=members)
    write_description(model, description)
    page.write_text("<html>", encoding="utf-8")
    stage = RunRecord(
        "clf", "c" * 64, {"learning_rate": "0.001"}, (Metric("val_loss", 0.5, 10), Metric("val_loss", 0.25, 20))
    )
    return RunRecord(
        "belka output", DIGEST, {"data.seed": "1"}, (Metric("evaluation/BRD4/shared/average_precision", 0.9),),
        {"belka.gate": "passed"}, (page,), (stage,), model,
    )  # fmt: skip


def test_a_run_has_a_child_for_each_stage_with_its_curves(stub: "Stub", tmp_path: Path) -> None:
    assert track_run(MlflowServer(stub.uri), "screens", _record(tmp_path)) == "run1"
    parent, child = stub.sent("runs/create")
    assert (parent["run_name"], child["run_name"]) == ("belka output", "clf")
    assert {"key": PARENT_TAG, "value": "run1"} in child["tags"]
    assert {"key": "belka.gate", "value": "passed"} in parent["tags"]
    curves = [part["metrics"] for part in stub.sent("runs/log-batch") if part["run_id"] == "run2" and "metrics" in part]
    assert [(m["key"], m["value"], m["step"]) for m in curves[0]] == [("val_loss", 0.5, 10), ("val_loss", 0.25, 20)]
    assert [sent["run_id"] for sent in stub.sent("runs/update")] == ["run2", "run1"]


def test_the_digest_is_said_last_so_that_a_run_that_was_cut_off_is_told_anew(stub: "Stub", tmp_path: Path) -> None:
    track_run(MlflowServer(stub.uri), "screens", _record(tmp_path))
    assert stub.sent("runs/set-tag") == [{"run_id": "run1", "key": DIGEST_TAG, "value": DIGEST}]
    paths = [path for _, path, _ in stub.calls]
    assert paths.index("runs/set-tag") == len(paths) - 2
    assert all(DIGEST not in str(sent) for sent in stub.sent("runs/create"))


def test_a_folder_without_a_run_is_told_to_nobody(stub: "Stub", tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        result = CliRunner().invoke(app, ["track", "--output-dir", str(folder), "--uri", stub.uri])
        assert isinstance(result.exception, InputError)
        assert "no run to tell of" in str(result.exception)
    assert not stub.calls


def test_a_run_that_is_known_is_not_told_again(stub: "Stub", tmp_path: Path) -> None:
    stub.known_run = "run9"
    assert track_run(MlflowServer(stub.uri), "screens", _record(tmp_path)) == "run9"
    assert not stub.sent("runs/create")
    (asked,) = stub.sent("runs/search")
    assert asked["filter"] == f"tags.`{DIGEST_TAG}` = '{DIGEST}'"


@pytest.mark.parametrize(
    ("members", "signature", "inputs"),
    [
        (("transformer",), "smiles", ["smiles"]),
        (("transformer", "linear"), "features", ["smiles", "ecfp", "blocks"]),
    ],
)
def test_the_model_goes_with_every_file_and_says_what_it_takes(
    stub: "Stub", tmp_path: Path, members: tuple[str, ...], signature: str, inputs: list[str]
) -> None:
    track_run(MlflowServer(stub.uri), "screens", _record(tmp_path, members))
    prefix = "/api/2.0/mlflow-artifacts/artifacts/7/models/m1/"
    stored = {path.removeprefix(prefix): content for _, path, content in stub.calls if path.startswith(prefix)}
    assert stored.pop("tfmodel/saved_model.pb") == b"graph"
    described = yaml.safe_load(stored.pop("MLmodel"))
    assert set(stored) == {"tfmodel/belka.json", "tfmodel/variables/variables.index"}
    assert described["flavors"]["tensorflow"]["signature_def_key"] == signature
    assert [each["name"] for each in yaml.safe_load(described["signature"]["inputs"])] == inputs
    assert stub.sent("runs/outputs") == [{"run_id": "run1", "models": [{"model_id": "m1", "step": 0}]}]


def test_files_that_the_server_does_not_take_are_named(
    stub: "Stub", tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stub.artifact_root = "s3://bucket"
    track_run(MlflowServer(stub.uri), "screens", _record(tmp_path))
    assert "report.html" in caplog.text
    assert not [path for method, path, _ in stub.calls if method == "PUT"]
