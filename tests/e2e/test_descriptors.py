"""The stage mtr through `belka run`, and through the simulator of Kubeflow, which gives the same submission."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from belka.contract import DESCRIPTORS_FILE, Node
from pipeline.runners.kubeflow.pipeline_file import read_pipeline
from pipeline.runners.kubeflow.simulator.run import Simulation, TaskState, simulate

if TYPE_CHECKING:
    from tests.e2e.conftest import Demo

IMAGE = "registry.example/belka@sha256:" + "0" * 64
CLAIM = "belka-data"
STAGES = ("--set", "training.stages=[mtr, clf]", "--set", "descriptors.molecules=300")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_descriptors_are_learnt_here_and_on_the_cluster(demo: "Demo", tmp_path: Path) -> None:
    options, output = (*demo.options(), *STAGES), tmp_path / "output"
    run = demo.run("run", *options, "--raw-dir", demo.raw, "--output-dir", output)
    assert run.returncode == 0, run.stdout + run.stderr
    (scale,) = (output / "pipeline_root" / "trainer-mtr" / "model").rglob(DESCRIPTORS_FILE)
    content = json.loads(scale.read_text())
    assert 0 < content["recombined"] <= 150
    assert content["molecules"]["train"] > content["recombined"]
    lineage = demo.run("lineage", output / "model")
    assert Node.DESCRIPTOR_SAMPLE in lineage.stdout, lineage.stdout + lineage.stderr
    changed = demo.run(
        "run", "--plan", *options, "--set", "descriptors.molecules=301", "--raw-dir", demo.raw, "--output-dir", output
    )
    assert re.search(r"descriptor-sample +descriptors\.molecules: 300 -> 301", changed.stdout), changed.stdout
    assert re.search(r"trainer-mtr +descriptor-sample runs", changed.stdout), changed.stdout
    assert "molecule-transform runs" not in changed.stdout

    volume, package = tmp_path / "volume", tmp_path / "pipeline.yaml"
    volume.mkdir()
    (volume / "data").symlink_to(demo.raw)
    named = ("--set", "data.raw_digest=demo-1", "--set", "data.raw_dir=data", "--set", "data.output_dir=output")
    compiled = demo.run("compile", "--out", package, "--image", IMAGE, *options, *named)
    assert compiled.returncode == 0, compiled.stderr
    simulation = Simulation(work_dir=tmp_path / "cluster", volumes={CLAIM: volume})
    results = {result.name: result for result in simulate(read_pipeline(package), simulation)}
    assert {name: result.state for name, result in results.items()} == dict.fromkeys(results, TaskState.SUCCEEDED)
    assert {"descriptor-sample", "trainer-mtr"} <= results.keys()
    submission = results[Node.SUBMISSION_WRITER].outputs["submission"] / "submission.csv"
    assert submission.read_bytes() == (output / "submission.csv").read_bytes()
