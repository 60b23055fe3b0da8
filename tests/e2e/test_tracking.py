"""A demo run told to a real MLflow server (`make test-tracking` installs one), read back over its own interface."""

import csv
import io
import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from belka.contract import METRICS_FILE, MODELS_FOLDER, RESOLVED_CONFIG
from belka.models.champion import read_champion
from pipeline.config.files import load_resolved
from pipeline.tracking.record import read_run
from tests.e2e.conftest import BELKA, REPOSITORY

if TYPE_CHECKING:
    from tests.e2e.conftest import Demo

MLFLOW = REPOSITORY / ".envs" / "mlflow" / "bin"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if not (MLFLOW / "mlflow").is_file():
        pytest.skip("MLflow is absent; `make test-tracking` installs it")
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.create_server(("localhost", 0)) as free:
        port = free.getsockname()[1]
    command = [str(MLFLOW / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += [
        "--backend-store-uri",
        f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination",
        str(folder / "files"),
    ]
    environment = {"PATH": f"{MLFLOW}:{os.environ['PATH']}", "HOME": str(folder), "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    uri = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{uri}/health").close()  # noqa: S310 - our own server
                break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.5)
        yield uri
    finally:
        process.terminate()
        process.wait()


def test_what_is_told_of_a_run_is_what_it_found(demo: "Demo") -> None:
    config = load_resolved(demo.output / RESOLVED_CONFIG)
    record = read_run(config)
    found = json.loads((demo.output / METRICS_FILE).read_text(encoding="utf-8"))
    told = {metric.name: metric.value for metric in record.metrics}
    assert told["evaluation/mean_average_precision"] == found["evaluation"]["mean_average_precision"]
    assert told["steps/parquet-merge/seconds"] == found["steps"]["parquet-merge"]["seconds"]
    assert [stage.name for stage in record.stages] == ["mlm", "fps", "clf"]
    for stage in record.stages:
        assert stage.params["epochs"] == "1"
        assert [metric.name for metric in stage.metrics].count("val_loss") == 1
        assert all(metric.step > 0 for metric in stage.metrics)
    assert record.params["training.batch_size"] == "32"
    assert record.tags["belka.gate"] == ("passed" if found["evaluation"]["verdict"]["blessed"] else "not passed")
    # Another test may have run the same training again, whose model then ties with the champion: with itself.
    champion = read_champion(demo.output / MODELS_FOLDER)
    is_ours = champion is not None and champion.digest == found["evaluation"]["digest"]
    assert is_ours or not found["evaluation"]["verdict"]["blessed"]
    assert record.model == (demo.output / MODELS_FOLDER / champion.version if champion and is_ours else None)
    assert all(len(each.digest) == 64 for each in (record, *record.stages))
    assert read_run(config).digest == record.digest


def _ask(uri: str, path: str, content: dict[str, Any] | None = None) -> dict[str, Any]:
    data = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(f"{uri}/api/2.0/mlflow/{path}", data, {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        found: dict[str, Any] = json.load(answer)
    return found


@pytest.mark.tracking
@pytest.mark.slow
def test_a_run_is_found_on_the_server_with_curves_slices_and_model(server: str, demo: "Demo") -> None:
    told = [demo.run("track", "--output-dir", demo.output, "--uri", server) for _ in range(2)]
    assert all(each.returncode == 0 for each in told), told[0].stderr
    assert told[0].stdout == told[1].stdout, "a run that is known is not told again"

    experiment = _ask(server, "experiments/get-by-name?experiment_name=belka")["experiment"]["experiment_id"]
    runs = _ask(server, "runs/search", {"experiment_ids": [experiment], "max_results": 100})["runs"]
    (parent,) = (run for run in runs if run["info"]["run_name"].startswith("belka "))
    stages = {run["info"]["run_name"]: run for run in runs if run is not parent}
    assert stages.keys() == {"mlm", "fps", "clf"}
    assert all(run["info"]["status"] == "FINISHED" for run in runs)
    for run in stages.values():
        assert {"key": "mlflow.parentRunId", "value": parent["info"]["run_id"]} in run["data"]["tags"]

    evaluation = json.loads((demo.output / METRICS_FILE).read_text(encoding="utf-8"))["evaluation"]
    metrics = {metric["key"]: metric["value"] for metric in parent["data"]["metrics"]}
    for part in evaluation["slices"]:
        if part["average_precision"] is not None:
            place = f"evaluation/{part['target']}/{part['split_group']}/average_precision"
            assert metrics[place] == pytest.approx(part["average_precision"], abs=1e-12)

    history = json.loads(next(demo.output.glob("pipeline_root/**/trainer-clf/model_run/*/history.json")).read_text())
    asked = f"metrics/get-history?run_id={stages['clf']['info']['run_id']}&metric_key=val_loss"
    curve = [(metric["step"], metric["value"]) for metric in _ask(server, asked)["metrics"]]
    assert curve == [(row["step"], pytest.approx(row["val_loss"], abs=1e-12)) for row in history]

    files = {file["path"] for file in _ask(server, f"artifacts/list?run_id={parent['info']['run_id']}")["files"]}
    assert {"report.html", "metrics.json", "config.yaml", "model_card.md"} <= files
    found = _ask(server, "logged-models/search", {"experiment_ids": [experiment]}).get("models", [])
    assert [model["info"]["status"] for model in found] == ["LOGGED_MODEL_READY"] * (demo.output / "model").is_dir()


@pytest.mark.tracking
@pytest.mark.slow
def test_mlflow_serves_the_model_without_this_project(server: str, demo: "Demo", tmp_path: Path) -> None:
    if not (demo.output / "model").is_dir():
        pytest.skip("the demo's model was not pushed")
    experiment = _ask(server, "experiments/get-by-name?experiment_name=belka")["experiment"]["experiment_id"]
    (model,) = _ask(server, "logged-models/search", {"experiment_ids": [experiment]})["models"]
    script = (
        "import sys, mlflow, pandas\n"
        "mlflow.set_tracking_uri(sys.argv[1])\n"
        "model = mlflow.pyfunc.load_model(f'models:/{sys.argv[2]}')\n"
        "frame = model.predict(pandas.DataFrame({'smiles': ['c1ccccc1', 'CCO']}))\n"
        "print(frame.filter(like='probability_').to_json(orient='columns'))\n"
    )
    environment = {"PATH": f"{MLFLOW}:{os.environ['PATH']}", "HOME": str(tmp_path), "MLFLOW_DISABLE_TELEMETRY": "true"}
    arguments = [MLFLOW / "python", "-c", script, server, model["info"]["model_id"]]
    served = subprocess.run(arguments, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert served.returncode == 0, served.stderr[-3000:]
    theirs = json.loads(served.stdout.splitlines()[-1])
    ours = demo.run("predict", "--model", demo.output / "model", "c1ccccc1", "CCO")
    assert ours.returncode == 0, ours.stderr
    for row, line in enumerate(csv.DictReader(io.StringIO(ours.stdout))):
        for name, values in theirs.items():
            assert values[str(row)] == pytest.approx(float(line[name]), abs=1e-6)


@pytest.mark.tracking
@pytest.mark.slow
def test_curves_are_on_the_server_while_the_run_trains(server: str, demo: "Demo", tmp_path: Path) -> None:
    """Seen by a reader who asks during the run; the whole run is told into the same runs, no row twice."""
    settings = [f"tracking.uri={server}", "tracking.experiment=live", "system.seed=2"]  # a training of its own
    words = [*demo.options(), *(word for value in settings for word in ("--set", value))]
    command: list[str | Path] = [BELKA, "run", *words, "--raw-dir", demo.raw, "--output-dir", tmp_path / "output"]
    seen: dict[str, str] = {}
    with (tmp_path / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as run:
        while run.poll() is None:
            for each in _runs(server, "live"):
                if "metrics" in each["data"]:
                    seen.setdefault(each["info"]["run_name"], each["info"]["status"])
            time.sleep(1)
    assert run.returncode == 0, (tmp_path / "log").read_text()
    assert seen["mlm"] == seen["fps"] == "RUNNING"

    runs = {each["info"]["run_name"]: each for each in _runs(server, "live")}
    assert runs.keys() == {"belka output", "mlm", "fps", "clf"}
    assert {each["info"]["status"] for each in runs.values()} == {"FINISHED"}
    for mode in ("mlm", "fps", "clf"):
        (file,) = (tmp_path / "output").glob(f"pipeline_root/trainer-{mode}/model_run/*/history.json")
        asked = f"metrics/get-history?run_id={runs[mode]['info']['run_id']}&metric_key=val_loss"
        curve = [(metric["step"], metric["value"]) for metric in _ask(server, asked)["metrics"]]
        assert curve == [
            (row["step"], pytest.approx(row["val_loss"], abs=1e-12)) for row in json.loads(file.read_text())
        ]


def _runs(uri: str, experiment: str) -> list[dict[str, Any]]:
    try:
        known = _ask(uri, f"experiments/get-by-name?experiment_name={experiment}")["experiment"]["experiment_id"]
    except urllib.error.HTTPError:
        return []
    found: list[dict[str, Any]] = _ask(uri, "runs/search", {"experiment_ids": [known]}).get("runs", [])
    return found
