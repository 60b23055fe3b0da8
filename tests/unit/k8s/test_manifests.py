"""The manifests hold what the API server cannot check: limits, no root, no secrets, existing files, set images."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

K8S = Path(__file__).parents[3] / "k8s"
FOLDERS = [K8S / "base", *sorted(path for path in (K8S / "overlays").iterdir())]
COMPONENTS = sorted((K8S / "components").iterdir())
IMAGES = K8S / "components" / "images" / "kustomization.yaml"
RESERVED = {"kustomization.yaml", "config.yaml", "names.yaml"}
DIGEST = "sha256:" + "1f" * 32


def _documents(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob("*.yaml")):
        if path.name not in RESERVED:
            yield from yaml.safe_load_all(path.read_text(encoding="utf-8"))


def _kustomization(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    return content


def _of_kind(*kinds: str) -> list[Any]:
    return [
        pytest.param(document, id=f"{folder.name}/{document['metadata']['name']}")
        for folder in FOLDERS
        for document in _documents(folder)
        if document["kind"] in kinds
    ]


def _jobs() -> list[Any]:
    """Jobs, and those that a TrainJob makes of its runtime."""
    return [
        *_of_kind("Job"),
        *(
            pytest.param(job["template"], id=f"{runtime.id}/{job['name']}")
            for runtime in _of_kind("TrainingRuntime")
            for job in runtime.values[0]["spec"]["template"]["spec"]["replicatedJobs"]
        ),
    ]


def _pods() -> list[Any]:
    """The templates of all pods; of an InferenceService KServe makes one of each component."""
    return [
        *(pytest.param(p.values[0]["spec"]["template"], id=p.id) for p in (*_jobs(), *_of_kind("Deployment"))),
        *(
            pytest.param({"metadata": {"labels": component["labels"]}, "spec": component}, id=f"{service.id}/{name}")
            for service in _of_kind("InferenceService")
            for name, component in service.values[0]["spec"].items()
        ),
    ]


def _containers(template: dict[str, Any]) -> list[dict[str, Any]]:
    spec = template["spec"]
    return [*spec.get("initContainers", ()), *spec["containers"]]


def _render(folder: Path) -> list[dict[str, Any]]:
    """What `kubectl apply -k` would send."""
    tool = next((words for words in (["kustomize", "build"], ["kubectl", "kustomize"]) if shutil.which(words[0])), None)
    if tool is None:
        pytest.skip("neither kustomize nor kubectl is installed")
    run = subprocess.run([*tool, str(folder)], check=True, capture_output=True, text=True)
    return [document for document in yaml.safe_load_all(run.stdout) if document]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the manifests that a test may edit."""
    return Path(shutil.copytree(K8S, tmp_path / "k8s"))


def _edit(path: Path, change: Any) -> None:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(yaml.safe_dump(content), encoding="utf-8")


def _set_images(copy: Path) -> None:
    """What `kustomize edit set image NAME=ghcr.io/you/NAME@sha256:...` writes, for each image, in the one folder."""

    def change(content: dict[str, Any]) -> None:
        for image in content["images"]:
            image.update(newName=f"ghcr.io/you/{image['name']}", digest=DIGEST)

    _edit(copy / IMAGES.relative_to(K8S), change)


@pytest.mark.parametrize("folder", [*FOLDERS, *COMPONENTS], ids=lambda path: path.name)
def test_every_file_is_listed_and_every_listed_file_exists(folder: Path) -> None:
    listed = _kustomization(folder)
    files = {name for name in listed.get("resources", ()) if name.endswith(".yaml")}
    files |= {name for generator in listed.get("configMapGenerator", ()) for name in generator.get("files", ())}
    files |= set(_kustomization(folder).get("configurations", ()))
    assert files == {path.name for path in folder.iterdir()} - {"kustomization.yaml"}
    assert all((folder / name).exists() for name in (*listed.get("resources", ()), *listed.get("components", ())))


def test_images_have_one_place_and_no_tags() -> None:
    listed = yaml.safe_load(IMAGES.read_text(encoding="utf-8"))["images"]
    used = {container["image"] for pod in _pods() for container in _containers(pod.values[0])}
    assert used == {image["name"] for image in listed}
    assert all("newTag" not in image and image["digest"].startswith("sha256:") for image in listed)
    for folder in [*FOLDERS, *COMPONENTS]:
        assert ("images" in _kustomization(folder)) == (folder == IMAGES.parent)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_nothing_is_left_to_fill_in_after_the_documented_step(folder: Path, copy: Path) -> None:
    _set_images(copy)
    documents = _render(copy / folder.relative_to(K8S))
    assert documents
    text = yaml.safe_dump_all(documents)
    assert not re.findall(r"SET-ME|REGISTRY|registry\.example|REPLACE", text)
    for document in documents:
        for image in _images(document):
            assert re.fullmatch(r"ghcr\.io/you/[a-z-]+@sha256:[0-9a-f]{64}", image)


def _images(document: Any) -> Iterator[str]:
    """Every image that a document names, however deep."""
    if isinstance(document, dict):
        yield from ([document["image"]] if isinstance(document.get("image"), str) else ())
        document = list(document.values())
    if isinstance(document, list):
        for part in document:
            yield from _images(part)


def test_one_node_goes_with_any_overlay(copy: Path) -> None:
    folder = copy / "overlays" / "train-gpu"
    _edit(folder / "kustomization.yaml", lambda content: content["components"].append("../../components/single-node"))
    (claim,) = (document for document in _render(folder) if document["kind"] == "PersistentVolumeClaim")
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]


@pytest.mark.parametrize("template", _pods())
def test_pods_are_bounded_and_powerless(template: dict[str, Any]) -> None:
    spec = template["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["terminationGracePeriodSeconds"] >= 30
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert template["metadata"]["labels"]["app.kubernetes.io/part-of"] == "belka"  # the network policy's label
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    assert all("sizeLimit" in volume["emptyDir"] for volume in volumes.values() if "emptyDir" in volume)
    for container in _containers(template):
        assert {"cpu", "memory", "ephemeral-storage"} <= container["resources"]["limits"].keys()
        assert {"cpu", "memory", "ephemeral-storage"} <= container["resources"]["requests"].keys()
        security = container["securityContext"]
        assert security["allowPrivilegeEscalation"] is False
        assert security["readOnlyRootFilesystem"] is True
        assert security["capabilities"] == {"drop": ["ALL"]}
        mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
        assert {mount["name"] for mount in mounts.values()} <= volumes.keys()
        assert "emptyDir" in volumes[mounts["/tmp"]["name"]]  # noqa: S108 - the container's


@pytest.mark.parametrize("job", _jobs())
def test_jobs_end_and_start_again_only_where_that_helps(job: dict[str, Any]) -> None:
    spec = job["spec"]
    assert spec["activeDeadlineSeconds"] > 0
    assert "kind" not in job or spec["ttlSecondsAfterFinished"] > 0  # of a TrainJob's Jobs its owner disposes
    assert spec["template"]["spec"]["restartPolicy"] == "Never"  # what a failure policy asks for
    assert spec["backoffLimit"] >= 2
    assert [_action(spec["podFailurePolicy"], code) for code in (1, 2, 3, 75, 130, 143)] == [
        "FailJob",  # failed for good
        "FailJob",  # wrong use or input
        "FailJob",  # all outputs are there, the model is not pushed
        "Count",  # the same command goes on
        "Count",
        "Count",  # SIGTERM, the state is saved
    ]
    assert _action(spec["podFailurePolicy"], None) == "Ignore"  # evicted, preempted, drained


def _action(policy: dict[str, Any], code: int | None) -> str:
    """The first rule that matches a container's exit code, or a pod that was disrupted (None); else it counts."""
    for rule in policy["rules"]:
        codes = rule.get("onExitCodes", {})
        inside = code in codes.get("values", ())
        if codes and code is not None and inside == (codes["operator"] == "In"):
            return str(rule["action"])
        if code is None and {"type": "DisruptionTarget"}.items() <= rule.get("onPodConditions", [{}])[0].items():
            return str(rule["action"])
    return "Count"


@pytest.mark.parametrize("policy", _of_kind("NetworkPolicy"))
def test_rules_of_the_network_name_whom_and_which_port(policy: dict[str, Any]) -> None:
    spec = policy["spec"]
    rules = [(rule.get("to"), rule.get("ports")) for rule in spec.get("egress", ())]
    rules += [(rule.get("from"), rule.get("ports")) for rule in spec.get("ingress", ())]
    for peers, ports in rules:
        assert peers, "a rule without peers means everywhere"
        assert all(peer.get("podSelector") or peer.get("ipBlock") or peer.get("namespaceSelector") for peer in peers)
        assert ports, "a rule without ports means every port"
        assert all(port["port"] for port in ports)


def test_the_addresses_of_the_api_server_are_a_setting(copy: Path) -> None:
    folder = copy / "overlays" / "kubeflow"

    def change(content: dict[str, Any]) -> None:
        content["configMapGenerator"][0]["literals"] = ["api_server_cidr=10.1.0.0/16"]

    _edit(folder / "kustomization.yaml", change)
    documents = {document["metadata"]["name"]: document for document in _render(folder)}
    blocks = [
        peer["ipBlock"]["cidr"]
        for rule in documents["belka-pipelines"]["spec"]["egress"]
        for peer in rule["to"]
        if "ipBlock" in peer
    ]
    assert blocks == ["10.1.0.0/16"]
    assert not any("network-settings" in name for name in documents)  # it is for kustomize alone


def test_serving_is_reached_by_clients_that_carry_its_label() -> None:
    (policy,) = (d for d in _documents(K8S / "overlays" / "serving") if d["kind"] == "NetworkPolicy")
    (rule,) = policy["spec"]["ingress"]
    assert rule["from"][0]["podSelector"]["matchLabels"] == {"belka-serving-client": "true"}
    assert {port["port"] for port in rule["ports"]} == {8500, 8501}


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


def test_pods_of_pipelines_reach_beams_job_server_and_nothing_else_of_flink() -> None:
    """A rule on both sides, since both kinds of pods are closed otherwise."""
    documents = {folder.name: list(_documents(folder)) for folder in FOLDERS}
    (server,) = (d for d in documents["flink"] if d["kind"] == "Service" and d["metadata"]["name"] == "beam-job-server")
    ports = {port["name"]: port["port"] for port in server["spec"]["ports"]}
    (flink,) = (d["spec"] for d in documents["flink"] if d["kind"] == "NetworkPolicy")
    (pipelines,) = (d["spec"] for d in documents["kubeflow"] if d["kind"] == "NetworkPolicy")
    (admitted,) = (rule for rule in flink["ingress"] if rule["from"] == [{"podSelector": pipelines["podSelector"]}])
    label = {"podSelector": {"matchLabels": server["spec"]["selector"]}}
    (reached,) = (rule for rule in pipelines["egress"] if rule["to"] == [label])
    for rule in (admitted, reached):
        (span,) = rule["ports"]
        assert (span["port"], span["endPort"]) == (ports["artifact"], ports["job"])
    pods = {d["metadata"]["name"]: d["spec"]["template"] for d in documents["flink"] if d["kind"] == "Deployment"}
    assert server["spec"]["selector"].items() <= pods["beam-job-server"]["metadata"]["labels"].items()
    workers = {c["name"]: c for c in pods["flink-taskmanager"]["spec"]["containers"]}["beam-workers"]
    assert {"name": "data", "mountPath": "/mnt/belka"} in workers["volumeMounts"]  # the default of kubeflow.volumes


def test_there_are_no_secrets() -> None:
    for folder in FOLDERS:
        assert all(document["kind"] != "Secret" for document in _documents(folder))


def test_the_jobs_run_what_the_command_line_understands(monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.main import get_command

    from pipeline.cli.main import app

    commands = get_command(app).commands  # type: ignore[attr-defined]  # a group, which typer does not say
    words = [
        c["args"]
        for template in _pods()
        for c in _containers(template.values[0])
        if c["image"].startswith("belka") and "args" in c
    ]
    assert len(words) == 5
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "0")
    for name, *arguments in words:
        monkeypatch.setenv("WORKERS", "2")
        monkeypatch.setenv("WORKER_ADDRESS", "j-{index}.s:2222")
        parsed = commands[name].make_context(name, list(arguments))
        assert str(parsed.params["config"]) == "/etc/belka/config.yaml"


def test_the_configuration_is_valid() -> None:
    from pipeline.config.files import load_config

    assert load_config(K8S / "base" / "config.yaml").data.output_dir == "/mnt/belka/output"
