"""`belka step` on a real S3 server, and what other commands read of an unfinished run there."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from belka.demo.generate import make_demo_data
from tests.stores.test_commands import belka

if TYPE_CHECKING:
    from tests.stores.conftest import Bucket
    from tests.unit.pipeline.tracking.conftest import Stub

ONE_STAGE = ("--set", "training.stages=[clf]")


@pytest.mark.timeout(600)
def test_steps_one_by_one_from_machine_to_machine(bucket: "Bucket", tmp_path: Path, tracking: "Stub") -> None:
    make_demo_data(tmp_path / "made", molecules=150)
    bucket.put_folder(tmp_path / "made", "raw")
    run, raw = f"{bucket.uri}/run", f"{bucket.uri}/raw"
    first = belka(bucket, "step", "generate_parquet", "--raw-dir", raw, "--output-dir", run, *ONE_STAGE)
    assert first.returncode == 0, first.stdout + first.stderr
    assert b"clf" in bucket.get("run/config.yaml")

    # Another machine: settings and the merged table come from the store.
    there = {"BELKA_WORK_DIR": str(tmp_path / "b")}
    second = belka(bucket, "step", "get_vocab", "--output-dir", run, **there)
    assert second.returncode == 0, second.stdout + second.stderr
    states = {name: step["state"] for name, step in json.loads(bucket.get("run/metrics.json"))["steps"].items()}
    assert states["smiles-vocab"] == "done"
    missing = belka(bucket, "step", "train_model", "--mode", "clf", "--output-dir", run, **there)
    assert missing.returncode == 2, missing.stdout + missing.stderr
    assert run in missing.stderr
    assert str(tmp_path / "b") not in missing.stderr.replace("\n", "")

    # Back on the first one.
    told = belka(bucket, "enrichment", "--output-dir", run, "--out", f"{bucket.uri}/told/blocks.parquet")
    assert told.returncode == 0, told.stderr
    assert f"{bucket.uri}/told/blocks.parquet: " in told.stdout
    rows = pq.read_table(pa.BufferReader(bucket.get("told/blocks.parquet")))
    assert rows.num_rows > 10
    (blocks,) = (name for name in bucket.names("run/pipeline_root/parquet-merge") if name.endswith("/blocks.parquet"))
    molecules = f"{bucket.uri}/{blocks.removesuffix('/blocks.parquet')}"
    again = belka(bucket, "enrichment", "--molecules", molecules, "--out", tmp_path / "t.parquet")
    assert again.returncode == 0, again.stderr
    assert pq.read_table(tmp_path / "t.parquet").equals(rows)
    _tracked(bucket, run, raw, tracking)


def _tracked(bucket: "Bucket", run: str, raw: str, tracking: "Stub") -> None:
    done = belka(bucket, "track", "--output-dir", run, "--uri", tracking.uri)
    assert done.returncode == 0, done.stderr
    (created,) = tracking.sent("runs/create")
    assert created["run_name"] == "belka run"
    assert {"key": "belka.output_dir", "value": run} in created["tags"]
    params: dict[str, Any] = {
        each["key"]: each["value"] for sent in tracking.sent("runs/log-batch") for each in sent.get("params", ())
    }
    assert (params["data.raw_dir"], params["data.output_dir"]) == (raw, run)
    assert str(bucket.work) not in str(tracking.calls)
