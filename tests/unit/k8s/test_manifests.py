"""The manifests hold what the API server cannot check: limits, no root, no secrets, existing files, set images."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

K8S = Path(__file__).parents[3] / "k8s"
FOLDERS = [K8S / "base", *sorted(path for path in (K8S / "overlays").iterdir())]
RESERVED = {"kustomization.yaml", "config.yaml"}


def _documents(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob("*.yaml")):
        if path.name not in RESERVED:
            yield from yaml.safe_load_all(path.read_text(encoding="utf-8"))


def _pods() -> list[Any]:
    return [
        pytest.param(document["spec"]["template"], id=f"{folder.name}/{document['metadata']['name']}")
        for folder in FOLDERS
        for document in _documents(folder)
        if document["kind"] in {"Job", "Deployment"}
    ]


def _containers(template: dict[str, Any]) -> list[dict[str, Any]]:
    spec = template["spec"]
    return [*spec.get("initContainers", ()), *spec["containers"]]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_every_file_is_listed_and_every_listed_file_exists(folder: Path) -> None:
    listed = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    files = {name for name in listed["resources"] if name.endswith(".yaml")}
    files |= {name for generator in listed.get("configMapGenerator", ()) for name in generator["files"]}
    assert files == {path.name for path in folder.iterdir()} - {"kustomization.yaml"}
    assert all((folder / name).exists() for name in listed["resources"])


@pytest.mark.parametrize("template", _pods())
def test_pods_are_bounded_and_powerless(template: dict[str, Any]) -> None:
    spec = template["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert template["metadata"]["labels"]["app.kubernetes.io/part-of"] == "belka"  # the network policy's label
    mounted = {volume["name"] for volume in spec["volumes"]}
    for container in _containers(template):
        assert {"cpu", "memory"} <= container["resources"]["limits"].keys()
        assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert {mount["name"] for mount in container.get("volumeMounts", ())} <= mounted


def test_a_pod_of_a_pipeline_asks_for_hardly_more_than_its_task_does() -> None:
    """Argo's init and wait containers name no requests: the LimitRange's land on them (seen on 2.17.0)."""
    (limits,) = (d["spec"]["limits"][0] for d in _documents(K8S / "base") if d["kind"] == "LimitRange")
    added, task = limits["defaultRequest"], {"cpu": 2.0, "memory": 8e9}
    for resource, parse in (("cpu", _cores), ("memory", _bytes)):
        pod = max(task[resource] + parse(added[resource]), parse(added[resource]))  # main and wait together, or init
        assert pod <= 1.03 * task[resource], f"{resource}: the pod asks for {pod}, its task for {task[resource]}"
    # The quota counts limits too, and so refuses a container without them.
    assert limits["default"].keys() == {"cpu", "memory"}
    assert _bytes(limits["default"]["memory"]) >= 256 * 2**20  # Argo's wait container sends logs and results


def _cores(text: str) -> float:
    return float(text.removesuffix("m")) / (1000 if text.endswith("m") else 1)


def _bytes(text: str) -> float:
    units = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "k": 1e3, "M": 1e6, "G": 1e9}
    unit = next((unit for unit in units if text.endswith(unit)), "")
    return float(text.removesuffix(unit)) * units.get(unit, 1)


def test_serving_is_probed() -> None:
    (deployment,) = (d for d in _documents(K8S / "overlays" / "serving") if d["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys()


def test_flink_has_a_slot_and_a_python_process_for_each_part_of_the_job() -> None:
    documents = {d["metadata"]["name"]: d for d in _documents(K8S / "overlays" / "flink") if d["kind"] != "Service"}
    slots = yaml.safe_load(documents["flink-config"]["data"]["config.yaml"])["taskmanager.numberOfTaskSlots"]
    (container,) = documents["belka-make-dataset"]["spec"]["template"]["spec"]["containers"]
    (options,) = (argument for argument in container["args"] if argument.startswith("beam.options="))
    values = dict(option.split("=", 1) for option in yaml.safe_load(options.removeprefix("beam.options=")))
    assert int(values["--parallelism"]) == slots * documents["flink-taskmanager"]["spec"]["replicas"]
    assert int(values["--sdk_worker_parallelism"]) == slots


def test_there_are_no_secrets() -> None:
    for folder in FOLDERS:
        assert all(document["kind"] != "Secret" for document in _documents(folder))


def test_the_jobs_run_what_the_command_line_understands() -> None:
    from typer.main import get_command

    from pipeline.cli.main import app

    commands = get_command(app).commands  # type: ignore[attr-defined]  # a group, which typer does not say
    words = [
        c["args"]
        for template in _pods()
        for c in _containers(template.values[0])
        if c["image"].startswith("belka") and "args" in c
    ]
    assert len(words) == 3
    for name, *arguments in words:
        parsed = commands[name].make_context(name, list(arguments))
        assert str(parsed.params["config"]) == "/etc/belka/config.yaml"


def test_the_configuration_is_valid() -> None:
    from pipeline.config.files import load_config

    assert load_config(K8S / "base" / "config.yaml").data.output_dir == "/mnt/belka/output"


@pytest.mark.parametrize("index", ["0", "1"])
def test_each_worker_names_all_workers_and_only_the_first_writes_results(index: str, tmp_path: Path) -> None:
    script = (K8S / "overlays" / "train-multi-worker" / "worker.sh").read_text(encoding="utf-8")
    volume, work, tools = tmp_path / "mnt", tmp_path / "work", tmp_path / "bin"
    (volume / "output").mkdir(parents=True)
    (volume / "output" / "metadata.db").write_text("db", encoding="utf-8")
    tools.mkdir()
    belka = tools / "belka"
    belka.write_text('#!/bin/sh\necho "$TF_CONFIG"\necho "$@"\n', encoding="utf-8")
    belka.chmod(0o755)
    run = subprocess.run(
        ["sh", "-c", script.replace("/mnt/belka", str(volume)).replace("/work/", f"{work}/")],
        env={
            "PATH": f"{tools}:/usr/bin:/bin",
            "WORKERS": "2",
            "JOB_NAME": "j",
            "SERVICE": "s",
            "JOB_COMPLETION_INDEX": index,
        },
        check=True,
        capture_output=True,
        text=True,
    )
    config, command = run.stdout.splitlines()
    assert json.loads(config) == {
        "cluster": {"worker": ["j-0.s:2222", "j-1.s:2222"]},
        "task": {"type": "worker", "index": int(index)},
    }
    assert command.startswith("step train_model")
    assert "--no-resume" not in command, "a restart continues from worker 0's checkpoint"
    assert (str(volume / "output") in command) == (index == "0")
    assert (work / "output" / "metadata.db").exists() == (index == "1")
