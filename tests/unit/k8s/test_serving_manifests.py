"""Both ways to serve agree with what `belka export` writes; each container reaches whom it asks, and no others."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from belka.contract import SERVED_CONFIG_FILE
from belka.serving.export import _config
from belka.serving.warm_up import MODEL_NAME

OVERLAYS = Path(__file__).parents[3] / "k8s" / "overlays"


def _documents(overlay: str) -> list[dict[str, Any]]:
    files = [path for path in sorted((OVERLAYS / overlay).glob("*.yaml")) if path.name != "kustomization.yaml"]
    return [document for path in files for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))]


def _service() -> dict[str, Any]:
    (found,) = (each for each in _documents("kserve") if each["kind"] == "InferenceService")
    return found


def _component(name: str) -> dict[str, Any]:
    component: dict[str, Any] = _service()["spec"][name]
    return component


def _tensorflow_serving(overlay: str) -> dict[str, Any]:
    if overlay == "kserve":
        spec = _component("predictor")
    else:
        (deployment,) = (each for each in _documents(overlay) if each["kind"] == "Deployment")
        spec = deployment["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert container["image"] == "tensorflow-serving"
    found: dict[str, Any] = container
    return found


def _options(container: dict[str, Any]) -> dict[str, str]:
    return dict(argument.removeprefix("--").split("=", 1) for argument in container["args"])


def _mount(container: dict[str, Any]) -> dict[str, Any]:
    (found,) = (mount for mount in container["volumeMounts"] if mount["name"] == "data")
    mount: dict[str, Any] = found
    return mount


@pytest.mark.parametrize("overlay", ["serving", "kserve"])
def test_the_server_takes_the_version_that_the_export_names_and_never_chooses(overlay: str) -> None:
    container = _tensorflow_serving(overlay)
    options, mount = _options(container), _mount(container)
    assert mount == {"name": "data", "mountPath": "/models", "subPath": "output/served", "readOnly": True}
    assert options["model_config_file"] == f"{mount['mountPath']}/{SERVED_CONFIG_FILE}"
    assert not {"model_base_path", "model_name"} & options.keys()
    assert f'name: "{MODEL_NAME}" base_path: "{mount["mountPath"]}/{MODEL_NAME}"' in _config("17")


@pytest.mark.parametrize("overlay", ["serving", "kserve"])
def test_the_server_is_probed_as_the_model_is_called(overlay: str) -> None:
    container = _tensorflow_serving(overlay)
    assert container["startupProbe"]["httpGet"]["path"] == f"/v1/models/{MODEL_NAME}"
    ports = {port["containerPort"] for port in container["ports"]}
    assert int(_options(container)["rest_api_port"]) in ports


def test_kserve_s_two_containers_know_one_version_until_they_start_again() -> None:
    """The transformer asks for its version by number; a predictor that followed the file would refuse it."""
    assert "model_config_file_poll_wait_seconds" not in _options(_tensorflow_serving("kserve"))
    assert "model_config_file_poll_wait_seconds" in _options(_tensorflow_serving("serving"))
    (transformer,) = _component("transformer")["containers"]
    assert _mount(transformer) == _mount(_tensorflow_serving("kserve"))
    assert _options(transformer)["model_dir"] == f"/models/{MODEL_NAME}"
    assert _service()["metadata"]["name"] == MODEL_NAME  # KServe passes it on as --model_name
    assert all(each["containers"][0]["name"] == "kserve-container" for each in _service()["spec"].values())


def test_the_transformer_reaches_the_predictor_whom_nobody_else_reaches() -> None:
    policies = {
        each["metadata"]["name"]: each["spec"] for each in _documents("kserve") if each["kind"] == "NetworkPolicy"
    }
    labels = {name: _component(name)["labels"]["app.kubernetes.io/name"] for name in ("transformer", "predictor")}
    by_name = {each["podSelector"]["matchLabels"]["app.kubernetes.io/name"]: each for each in policies.values()}
    assert by_name.keys() == set(labels.values())
    (out,) = by_name[labels["transformer"]]["egress"]
    (into,) = by_name[labels["predictor"]]["ingress"]
    assert out["to"] == [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": labels["predictor"]}}}]
    assert into["from"] == [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": labels["transformer"]}}}]
    (port,) = _tensorflow_serving("kserve")["ports"]  # the first is that of KServe's Service
    assert [each["port"] for rule in (out, into) for each in rule["ports"]] == [port["containerPort"]] * 2
    (clients,) = by_name[labels["transformer"]]["ingress"]
    assert clients["from"][0]["podSelector"]["matchLabels"] == {"belka-serving-client": "true"}
