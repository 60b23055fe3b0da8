"""A whole run with raw files and results on a real S3 server: as on a disk, and from the cache on a fresh machine."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from belka.places.uri import store_uri, work_copy_of
from tests.e2e.conftest import SMALL, run_belka

if TYPE_CHECKING:
    from tests.stores.conftest import Bucket
    from tests.unit.pipeline.tracking.conftest import Stub

BELKA = Path(sys.executable).parent / "belka"


def _run(bucket: "Bucket", *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = bucket.environment(COLUMNS="250", **more)
    return subprocess.run(
        [BELKA, "run", *SMALL, *arguments], capture_output=True, text=True, check=False, env=environment
    )


def _begun(bucket: "Bucket", raw: Path) -> "tuple[subprocess.Popen[bytes], tuple[str, ...]]":
    """A run of two steps that has been started, and its options."""
    assert run_belka("make-demo-data", "--molecules", "300", "--out", raw).returncode == 0
    bucket.put_folder(raw, "raw")
    places = ("--raw-dir", f"{bucket.uri}/raw", "--output-dir", f"{bucket.uri}/run", "--to", "get_vocab")
    process = subprocess.Popen([BELKA, "run", *SMALL, *places], env=bucket.environment(), stdout=subprocess.DEVNULL)
    return process, places


def _states(bucket: "Bucket", run: str) -> set[str]:
    metrics: dict[str, Any] = json.loads(bucket.get(f"{run}/metrics.json"))
    return {step["state"] for step in metrics["steps"].values()}


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_run_there_is_a_run_here(bucket: "Bucket", tmp_path: Path, tracking: "Stub") -> None:
    raw, output = tmp_path / "raw", tmp_path / "output"
    assert run_belka("make-demo-data", "--molecules", "300", "--out", raw).returncode == 0
    local = run_belka("run", *SMALL, "--raw-dir", raw, "--output-dir", output)
    assert local.returncode == 0, local.stderr
    bucket.put_folder(raw, "raw")
    places = ("--raw-dir", f"{bucket.uri}/raw", "--output-dir", f"{bucket.uri}/run")
    first = _run(bucket, *places, "--set", f"tracking.uri={tracking.uri}")
    assert first.returncode == 0, first.stdout + first.stderr
    _check_told(tracking, bucket)
    assert f"{bucket.uri}/run/submission.csv" in first.stdout
    assert bucket.get("run/submission.csv") == (output / "submission.csv").read_bytes()
    published = bucket.names("run/")
    for name in ("metadata.db", "report.html", "metrics.json", "config.yaml", "model/champion.json"):
        assert f"run/{name}" in published
    # Nothing on the store names a folder of this machine, nor a secret; logs tell what libraries did where.
    for key in sorted(key for key in published if not key.startswith(("run/logs/", "run/checkpoints/"))):
        content = bucket.get(key)
        assert b"not-a-secret" not in content, key
        assert str(bucket.work).encode() not in content, key
    for key in published:
        assert b"not-a-secret" not in bucket.get(key), key
    provenance = json.loads(
        next(bucket.get(key) for key in published if "trainer-clf/model/" in key and key.endswith("/provenance.json"))
    )
    origin = next(record for record in provenance["upstream"] if record["raw_files"])
    assert origin["inputs"][0]["uri"] == f"{bucket.uri}/raw"
    assert provenance["uri"].startswith(f"{bucket.uri}/run/pipeline_root/trainer-clf/model/")

    # A fresh machine, whose folder for copies lies elsewhere.
    for number, folder in enumerate(("b", "work")):
        again = _run(bucket, *places, BELKA_WORK_DIR=str(tmp_path / folder))
        assert again.returncode == 0, again.stdout + again.stderr
        assert _states(bucket, "run") == {"cached"}, number
        assert bucket.get("run/submission.csv") == (output / "submission.csv").read_bytes()
    subprocess.run(["rm", "-r", tmp_path / "b", tmp_path / "work"], check=True)
    again = _run(bucket, *places)
    assert again.returncode == 0, again.stdout + again.stderr
    assert _states(bucket, "run") == {"cached"}
    _read_elsewhere(bucket, output)


def _check_told(tracking: "Stub", bucket: "Bucket") -> None:
    """The curves came while the run went on, and nothing that the server heard names a folder of this machine."""
    assert [each["run_name"] for each in tracking.sent("runs/create")] == ["belka run", "mlm", "fps", "clf"]
    paths = [path for _, path, _ in tracking.calls]
    curves = [i for i, path in enumerate(paths) if path == "runs/log-batch"]
    assert curves[0] < paths.index("runs/update")
    assert {"run_id": "run1", "key": "belka.output_dir", "value": f"{bucket.uri}/run"} in tracking.sent("runs/set-tag")
    assert {each["status"] for each in tracking.sent("runs/update")} == {"FINISHED"}
    assert str(bucket.work) not in str(tracking.calls)


def _read_elsewhere(bucket: "Bucket", output: Path) -> None:
    """What other commands tell of a run there and of the same run here."""
    run, environment = f"{bucket.uri}/run", bucket.environment(COLUMNS="250")

    def told(*arguments: str | Path) -> str:
        command = [str(BELKA), *map(str, arguments)]
        done: subprocess.CompletedProcess[str] = subprocess.run(
            command, capture_output=True, text=True, check=False, env=environment, cwd=output.parent
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert told("predict", "--model", f"{run}/model", "CCO") == told("predict", "--model", output / "model", "CCO")
    assert told("enrichment", "--output-dir", run) == told("enrichment", "--output-dir", output)
    assert f"{bucket.uri}/raw" in told("lineage", f"{run}/model")
    assert "average precision" in told("report", output, run, "--out", f"{bucket.uri}/told/comparison.html")
    page = bucket.get("told/comparison.html").decode()
    assert "<html" in page
    assert str(bucket.work) not in page
    beside = [told("lineage", f"{place}/model", "--croissant", f"{place}/croissant.json") for place in (output, run)]
    assert [line.split(": ")[0] for line in beside] == [str(output / "croissant.json"), f"{run}/croissant.json"]
    here, there = json.loads((output / "croissant.json").read_text()), json.loads(bucket.get("run/croissant.json"))
    names = [{each["contentUrl"] for each in found["distribution"] if "contentUrl" in each} for found in (here, there)]
    assert names[0] == names[1]
    plan = told("run", *SMALL, "--raw-dir", f"{bucket.uri}/raw", "--output-dir", run, "--plan")
    assert "cache" in plan
    assert told("clean", "--output-dir", run, "--yes")


@pytest.mark.slow
def test_a_run_that_is_stopped_loses_no_finished_step(bucket: "Bucket", tmp_path: Path) -> None:
    process, places = _begun(bucket, tmp_path / "raw")
    for _ in range(1200):
        if "run/metadata.db" in bucket.names():  # the first step is there; the second runs
            break
        time.sleep(0.05)
    process.terminate()
    assert process.wait() == 143
    assert "run/run.lock" not in bucket.names()
    # Another machine, which has nothing of it but what is on the store.
    again = _run(bucket, *places, BELKA_WORK_DIR=str(tmp_path / "b"))
    assert again.returncode == 0, again.stdout + again.stderr
    metrics: dict[str, Any] = json.loads(bucket.get("run/metrics.json"))
    assert metrics["steps"]["parquet-merge"]["state"] == "cached"
    assert any("smiles-vocab" in key for key in bucket.names("run/pipeline_root"))


@pytest.mark.slow
def test_a_run_that_is_killed_while_it_publishes_is_finished(bucket: "Bucket", tmp_path: Path) -> None:
    process, places = _begun(bucket, tmp_path / "raw")
    for _ in range(1200):
        # The first step is on its way, and what names it is not there yet.
        if any("parquet-merge" in key for key in bucket.names("run/pipeline_root")):
            break
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert "run/run.lock" in bucket.names()
    again = _run(bucket, *places)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "ended without a word" in again.stdout + again.stderr
    assert "run/run.lock" not in bucket.names()
    assert any("smiles-vocab" in key for key in bucket.names("run/pipeline_root"))
    subprocess.run(["rm", "-r", work_copy_of(store_uri(f"{bucket.uri}/run"))], check=True)
    assert _run(bucket, *places).returncode == 0
    assert _states(bucket, "run") == {"cached"}
