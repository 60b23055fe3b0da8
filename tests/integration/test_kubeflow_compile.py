"""The project's own pipeline compiles for Kubeflow Pipelines, and kfp's own loader takes the file."""

import json
import re
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from kfp import components as kfp_components
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parent))
from kubeflow_form import FORM, compiled_form  # type: ignore[import-not-found]
from kubeflow_node_status import LIMIT, status_bytes  # type: ignore[import-not-found]

from belka.contract import Node
from belka.errors import InputError
from belka.settings import COMPUTATION_VARIABLE
from pipeline.cli import kubeflow
from pipeline.config.files import load_config
from pipeline.runners.kubeflow.compile import CompiledPipeline, compile_config

CONFIGS = Path(__file__).parents[2] / "configs"
WITH_MTR = "training.stages=[mlm, mtr, fps, clf]"
IMAGE = "registry.example/belka@sha256:" + "0" * 64


def _compile(name: str, *overrides: str) -> CompiledPipeline:
    return compile_config(load_config(CONFIGS / name, [f"kubeflow.image={IMAGE}", *overrides]))


def _parameters(compiled: CompiledPipeline, task: str) -> dict[str, Any]:
    given: dict[str, Any] = compiled.spec["root"]["dag"]["tasks"][task]["inputs"]["parameters"]
    return given


@pytest.mark.parametrize(
    ("name", "absent"),
    [("demo.yaml", {Node.DESCRIPTOR_SAMPLE}), ("default.yaml", {Node.ENSEMBLE, Node.DESCRIPTOR_SAMPLE})],
)
def test_the_file_loads_with_kfp(name: str, absent: set[Node], tmp_path: Path) -> None:
    _compile(name).write(tmp_path / "pipeline.yaml")
    loaded = kfp_components.load_component_from_file(str(tmp_path / "pipeline.yaml"))
    tasks = loaded.pipeline_spec.root.dag.tasks
    trainers = {"trainer-mlm", "trainer-fps", "trainer-clf"}
    assert set(tasks) == set(Node) - {Node.TRAINER} - absent | trainers
    assert len(loaded.platform_spec.platforms["kubernetes"].deployment_spec.executors) == len(tasks)


def test_the_stage_mtr_reads_the_examples_of_its_own_node() -> None:
    compiled = _compile("default.yaml", WITH_MTR, "kubeflow.nodes={descriptor-sample: {cpu: 6.0}}")
    tasks = compiled.spec["root"]["dag"]["tasks"]

    def source(task: str, name: str) -> str:
        wired = tasks[task]["inputs"]["artifacts"][name]["taskOutputArtifact"]
        return f"{wired['producerTask']}: {wired['outputArtifactKey']}"

    assert source("trainer-mtr", "examples") == "descriptor-sample: examples"
    assert source("trainer-mtr", "base_model") == "trainer-mlm: model"
    assert source("trainer-fps", "base_model") == "trainer-mtr: model"
    assert source("descriptor-sample", "molecules") == "parquet-merge: molecules"
    assert source("descriptor-sample", "transform_graph") == "molecule-transform: transform_graph"
    assert source("affinity-evaluator", "mtr_run") == "trainer-mtr: model_run"
    container = compiled.spec["deploymentSpec"]["executors"]["descriptor-sample_executor"]["container"]
    (value,) = (v["value"] for v in container["env"] if v["name"] == COMPUTATION_VARIABLE)
    assert json.loads(value)["system"]["n_workers"] == 6


def test_every_step_that_depends_on_the_fingerprint_is_told_its_kind() -> None:
    """A parameter is part of a step's cache key."""
    compiled = _compile("default.yaml", "fingerprint.kind=maccs", "fingerprint.size=168")
    for task in (Node.BLOCK_FINGERPRINTS, Node.MOLECULE_TRANSFORM):
        given = _parameters(compiled, task)
        settings = json.loads(given["settings"]["runtimeValue"]["constant"])
        assert (settings["fingerprint"]["kind"], settings["fingerprint"]["size"]) == ("maccs", 168)
    for mode in ("mlm", "fps", "clf"):
        config = _parameters(compiled, f"trainer-{mode}")["custom_config"]["runtimeValue"]["constant"]
        assert json.loads(config)["fingerprint"]["kind"] == "maccs"


def test_the_same_configuration_gives_the_same_file() -> None:
    assert _compile("demo.yaml").as_yaml() == _compile("demo.yaml").as_yaml()


def test_the_compiled_form_changes_only_with_the_committed_one() -> None:
    """A backend has run this form; another one is another claim."""
    committed = yaml.safe_load(FORM.read_text(encoding="utf-8"))
    assert compiled_form() == committed, (
        "The compiled form has changed. Where that is meant, say in docs/kubeflow.md what has run it, and write it "
        "anew: python tests/integration/kubeflow_form.py"
    )


def test_kfp_is_pinned_to_one_minor_version() -> None:
    with (CONFIGS.parent / "pyproject.toml").open("rb") as stream:
        wanted = tomllib.load(stream)["project"]["optional-dependencies"]["kubeflow"]
    pins = {re.match(r"[\w-]+", text)[0]: text for text in wanted}  # type: ignore[index]  # every text begins so
    for name in ("kfp", "kfp-kubernetes"):
        match = re.fullmatch(rf"{name}>=2\.(\d+),<2\.(\d+)", pins[name])
        assert match, pins[name]
        assert int(match[2]) == int(match[1]) + 1
        assert version(name).startswith(f"2.{match[1]}.")


@pytest.mark.parametrize("overrides", [(), ("training.stages=[mtr, fps, clf]",)], ids=["default", "mtr"])
def test_the_status_of_a_run_stays_below_what_the_engine_compresses(overrides: tuple[str, ...]) -> None:
    """The engine counts the workflow with its status: the file's text once more, and its templates, some 20 kB."""
    compiled = _compile("default.yaml", *overrides)
    found = status_bytes(compiled.spec, compiled.platform, attempts=1)
    assert found["total"] + len(compiled.as_yaml()) + 20_000 < LIMIT, found


def test_the_file_knows_nothing_of_this_machine() -> None:
    text = _compile("default.yaml").as_yaml()
    assert str(CONFIGS.parent) not in text
    assert sys.prefix not in text
    assert str(Path.home()) not in text


def test_folders_of_the_pods_lie_on_the_volume() -> None:
    compiled = _compile("default.yaml")
    parameters = compiled.spec["root"]["inputDefinitions"]["parameters"]
    assert parameters["raw_dir"]["defaultValue"] == "/mnt/belka/data"
    (variable,) = (
        variable
        for variable in compiled.spec["deploymentSpec"]["executors"]["trainer-clf_executor"]["container"]["env"]
        if variable["name"] == COMPUTATION_VARIABLE
    )
    assert json.loads(variable["value"])["data"]["output_dir"] == "/mnt/belka/output"
    with pytest.raises(InputError, match=r"data.raw_dir is no folder[\s\S]*received: data.raw_dir: s3://bucket/raw"):
        _compile("default.yaml", "data.raw_dir=s3://bucket/raw")
    with pytest.raises(InputError, match=r"data.raw_dir lies on no persistent volume that parquet-merge mounts"):
        _compile("default.yaml", "data.raw_dir=/elsewhere")
    with pytest.raises(InputError, match=r"data.raw_dir lies on no persistent volume[\s\S]*no volume"):
        _compile("default.yaml", "kubeflow.volumes=[]", "data.raw_dir=/mnt/belka/raw")
    # The list of what a step refused would vanish with its pod.
    mounted = "[parquet-merge, submission-writer, trainer-mlm, trainer-fps, trainer-clf, affinity-evaluator, pusher]"
    with pytest.raises(InputError, match=r"data.output_dir lies on no persistent volume that molecule-tr"):
        _compile("default.yaml", f"kubeflow.volumes=[{{claim: belka-data, mount_path: /mnt/belka, nodes: {mounted}}}]")


def test_raw_files_without_a_name_for_their_content_are_never_served_from_the_cache() -> None:
    def cached(compiled: CompiledPipeline) -> set[str]:
        return {name for name, task in compiled.spec["root"]["dag"]["tasks"].items() if "cachingOptions" in task}

    unnamed, named = _compile("default.yaml"), _compile("default.yaml", "data.raw_digest=v1")
    assert cached(named) - cached(unnamed) == {Node.PARQUET_MERGE, Node.SUBMISSION_WRITER}
    assert named.spec["root"]["dag"]["tasks"].keys() - cached(named) == {Node.PUSHER}  # its model lies on a volume
    assert any("raw_digest is null" in warning for warning in unnamed.warnings)
    assert not any("raw_digest" in warning for warning in named.warnings)


def test_every_pod_runs_as_many_workers_as_it_has_cores() -> None:
    def beam_workers(compiled: CompiledPipeline, task: str) -> list[str]:
        container = compiled.spec["deploymentSpec"]["executors"][f"{task}_executor"]["container"]
        return [argument for argument in container["args"] if argument.startswith("--direct_num_workers")]

    def own_workers(compiled: CompiledPipeline, task: str) -> int:
        (workers,) = (
            json.loads(variable["value"])["system"]["n_workers"]
            for variable in compiled.spec["deploymentSpec"]["executors"][f"{task}_executor"]["container"]["env"]
            if variable["name"] == COMPUTATION_VARIABLE
        )
        return int(workers)

    nodes = "kubeflow.nodes={molecule-transform: {cpu: 7.0}, bulk-inferrer: {cpu: 4.0}, parquet-merge: {cpu: 0.5}}"
    counted = _compile("default.yaml", nodes)
    assert beam_workers(counted, Node.MOLECULE_TRANSFORM) == ["--direct_num_workers=7"]
    assert beam_workers(counted, Node.BULK_INFERRER) == ["--direct_num_workers=4"]
    assert own_workers(counted, Node.PARQUET_MERGE) == 1
    assert own_workers(counted, Node.SMILES_VOCAB) == 2  # cpu's default

    given = _compile("default.yaml", nodes, "system.n_workers=3")
    assert beam_workers(given, Node.BULK_INFERRER) == ["--direct_num_workers=3"]
    assert own_workers(given, Node.PARQUET_MERGE) == 3


def test_an_engine_elsewhere_changes_the_tasks_that_use_it_and_no_other() -> None:
    options = ["--job_endpoint=beam-job-server:8099", "--environment_type=EXTERNAL", "--environment_config=localhost:1"]
    engine = ("beam.runner=PortableRunner", f"beam.options={json.dumps(options)}")

    def containers(*overrides: str) -> dict[str, Any]:
        executors = _compile("default.yaml", *overrides).spec["deploymentSpec"]["executors"]
        return {name.removesuffix("_executor"): each["container"] for name, each in executors.items()}

    before, after = containers(), containers(*engine)
    using = {Node.MOLECULE_TRANSFORM, Node.STATISTICS_GEN, Node.BULK_INFERRER}
    assert {name for name in before if before[name] != after[name]} == using
    for task in using:
        given = after[task]["args"]
        assert given[given.index("--shared_folder") + 1] == "/mnt/belka/output/beam"
        assert {"--runner=PortableRunner", "--job_endpoint=beam-job-server:8099"} <= set(given)
        assert not [argument for argument in given if argument.startswith(("--direct_", "--runner=FnApi"))]
    others = set(before) - {Node.STATISTICS_GEN}
    volumes = f"kubeflow.volumes=[{{claim: belka-data, mount_path: /mnt/belka, nodes: [{', '.join(others)}]}}]"
    with pytest.raises(InputError, match=r"data.output_dir lies on no persistent volume that statistics-gen"):
        _compile("default.yaml", *engine, volumes)
    with pytest.raises(InputError, match="A pod that asks this address asks itself"):
        _compile("default.yaml", engine[0], engine[1].replace("beam-job-server", "localhost"))


def test_the_configuration_for_kubeflow_is_ready_to_compile() -> None:
    compiled = _compile("kubeflow.yaml")
    executors = compiled.platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    for task, executor in compiled.spec["deploymentSpec"]["executors"].items():
        asks = "accelerator" in executor["container"]["resources"]
        assert asks == task.startswith("trainer-")
        assert ("nodeSelector" in executors[task]) == asks
    assert [warning for warning in compiled.warnings if "raw_digest" not in warning] == []


def test_a_stage_with_epochs_of_its_own_has_them_whatever_the_run_is_given() -> None:
    """As demo.yaml has them: 1 for mlm, 2 for fps, 12 for all others."""
    compiled = _compile("demo.yaml")
    chosen = {mode: "epochs" in _parameters(compiled, f"trainer-{mode}") for mode in ("mlm", "fps", "clf")}
    assert chosen == {"mlm": False, "fps": False, "clf": True}
    assert compiled.spec["root"]["inputDefinitions"]["parameters"]["epochs"]["defaultValue"] == 12


def test_a_training_on_a_spot_node_saves_its_state_as_often_as_such_a_node_needs() -> None:
    spot = ("kubeflow.nodes={trainer-fps: {spot: true}}", "kubeflow.spot.node_selector={spot: 'true'}")

    def every(task: str, *overrides: str) -> object:
        env = _compile("default.yaml", *spot, *overrides).spec["deploymentSpec"]["executors"][f"{task}_executor"]
        (value,) = (v["value"] for v in env["container"]["env"] if v["name"] == COMPUTATION_VARIABLE)
        return json.loads(value)["training"]["checkpoint_every_steps"]

    assert (every("trainer-fps"), every("trainer-clf")) == (200, 1000)
    assert every("trainer-fps", "training.checkpoint_every_steps=50") == 50
    assert every("trainer-fps", "training.checkpoint_every_steps=null") == 200


def test_the_command_writes_the_file_and_says_what_is_wrong(tmp_path: Path) -> None:
    target = tmp_path / "p.yaml"
    app = typer.Typer()
    app.command("compile")(kubeflow.compile_)
    app.command("submit")(kubeflow.submit)
    result = CliRunner().invoke(app, ["compile", "--out", str(target), "--image", IMAGE])
    assert result.exit_code == 0, result.output
    spec, platform = yaml.safe_load_all(target.read_text(encoding="utf-8"))
    assert f"{len(spec['root']['dag']['tasks'])} tasks" in result.output
    assert sorted(platform) == ["platforms"]

    sent = CliRunner().invoke(
        app, ["submit", str(target), "--dry-run", "--namespace", "team", "--parameter", "raw_dir=/x"]
    )
    described = yaml.safe_load(sent.output)
    assert (described["namespace"], described["parameters"]["raw_dir"]) == ("team", "/x")

    chosen = CliRunner().invoke(app, ["submit", str(target), "--dry-run", "--parameter", "learning_rate=0.01"])
    parameters = yaml.safe_load(chosen.output)["parameters"]
    assert (parameters["learning_rate"], parameters["epochs"], parameters["seed"]) == (0.01, 1000, 42)
    refused = CliRunner().invoke(app, ["submit", str(target), "--dry-run", "--parameter", "epochs=0"])
    assert "training.epochs" in str(refused.exception)

    wrong = CliRunner().invoke(app, ["compile", "--out", str(tmp_path / "q.yaml"), "--image", "belka:latest"])
    assert isinstance(wrong.exception, InputError)
    assert "no digest" in str(wrong.exception)
    assert not (tmp_path / "q.yaml").exists()
