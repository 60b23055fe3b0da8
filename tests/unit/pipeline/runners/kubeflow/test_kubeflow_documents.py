import json
from typing import Any

import yaml
from google.protobuf import json_format
from kfp.kubernetes import kubernetes_executor_config_pb2 as messages

from pipeline.runners.kubeflow import postprocess
from pipeline.runners.kubeflow.displays import METRICS, Display, fill_displays, flat_numbers
from pipeline.runners.kubeflow.pipeline_file import container_of
from pipeline.runners.kubeflow.platform import platform_document
from pipeline.runners.kubeflow.settings import KubeflowSettings


def _spec(parameters: dict[str, Any], types: dict[str, str]) -> dict[str, Any]:
    inputs = {"parameters": {name: {"parameterType": kind} for name, kind in types.items()}}
    component = {"executorLabel": "a_executor", "inputDefinitions": inputs, "outputDefinitions": {"artifacts": {}}}
    container = {"args": [postprocess.INPUTS_SPEC_FLAG, json.dumps(inputs)]}
    task = {
        "componentRef": {"name": "a"},
        "inputs": {"parameters": parameters},
        "cachingOptions": {"enableCache": True},
    }
    return {
        "components": {"a": component},
        "deploymentSpec": {"executors": {"a_executor": {"container": container}}},
        "root": {"dag": {"tasks": {"a": task}}},
    }


def test_booleans_become_booleans_in_the_spec_and_in_what_the_pod_receives() -> None:
    spec = _spec({"flag": {"runtimeValue": {"constant": 1.0}}}, {"flag": "NUMBER_INTEGER"})
    postprocess.type_booleans(spec, [("a", "flag")])
    assert spec["root"]["dag"]["tasks"]["a"]["inputs"]["parameters"]["flag"]["runtimeValue"]["constant"] is True
    received = json.loads(container_of(spec, "a")["args"][1])
    assert received["parameters"]["flag"]["parameterType"] == "BOOLEAN"


def test_constants_become_parameters_of_the_run_with_their_value_as_default() -> None:
    spec = _spec({"raw_dir": {"runtimeValue": {"constant": "/mnt/raw"}}}, {"raw_dir": "STRING"})
    postprocess.expose_parameters(spec, ["raw_dir", "absent"])
    assert spec["root"]["inputDefinitions"]["parameters"] == {
        "raw_dir": {"parameterType": "STRING", "defaultValue": "/mnt/raw", "isOptional": True}
    }
    assert spec["root"]["dag"]["tasks"]["a"]["inputs"]["parameters"]["raw_dir"] == {
        "componentInputParameter": "raw_dir"
    }


def test_defaults_of_runtime_parameters_come_back() -> None:
    spec = _spec({}, {})
    spec["root"]["inputDefinitions"] = {"parameters": {"steps": {"parameterType": "NUMBER_INTEGER"}}}
    postprocess.restore_defaults(spec, {"steps": 7, "elsewhere": 1})
    assert spec["root"]["inputDefinitions"]["parameters"]["steps"]["defaultValue"] == 7


def test_pods_get_resources_environment_and_retries() -> None:
    spec = _spec({}, {})
    settings = KubeflowSettings.model_validate(
        {
            "env": {"B": "2", "A": "1"},
            "nodes": {"a": {"cpu": 1.5, "memory_gb": 3.0, "gpus": 2}},
            "retry": {"retries": 4},
        }
    )
    postprocess.set_pods(spec, settings)
    container = container_of(spec, "a")
    assert container["env"] == [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    assert container["resources"]["resourceCpuLimit"] == "1.5"
    assert container["resources"]["memoryLimit"] == 3.0
    assert container["resources"]["accelerator"]["resourceCount"] == "2"
    # The backend takes the last for Argo's maxDuration, counted from the first attempt: 0 and 1800s ended all retries.
    assert spec["root"]["dag"]["tasks"]["a"]["retryPolicy"] == {
        "maxRetryCount": 4,
        "backoffDuration": "60s",
        "backoffFactor": 2,
        "backoffMaxDuration": "2592000s",
    }
    assert isinstance(spec["root"]["dag"]["tasks"]["a"]["retryPolicy"]["backoffFactor"], int)


def test_a_task_without_cache_says_nothing_of_caching() -> None:
    spec = _spec({}, {})
    postprocess.forbid_cache(spec, ["a"])
    assert "cachingOptions" not in spec["root"]["dag"]["tasks"]["a"]


def test_the_platform_document_is_what_the_backend_parses() -> None:
    settings = KubeflowSettings.model_validate(
        {
            "image_pull_secrets": ["pull"],
            "secrets": [{"secret": "store", "key": "password", "variable": "PASSWORD"}],
            "nodes": {
                "a": {
                    "shm_gb": 2.0,
                    "node_selector": {"gpu": "yes"},
                    "tolerations": [{"key": "gpu", "effect": "NoSchedule"}],
                }
            },
        }
    )
    document = yaml.safe_load(yaml.safe_dump(platform_document(_spec({}, {}), settings)))
    executors = document["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    config = json_format.ParseDict(executors["a_executor"], messages.KubernetesExecutorConfig())
    assert (config.pvc_mount[0].constant, config.pvc_mount[0].mount_path) == ("belka-data", "/mnt/belka")
    assert config.secret_as_env[0].key_to_env[0].env_var == "PASSWORD"
    assert config.image_pull_secret[0].secret_name == "pull"  # noqa: S105 - a name
    assert dict(config.node_selector.labels) == {"gpu": "yes"}
    assert (config.tolerations[0].operator, config.tolerations[0].effect) == ("Exists", "NoSchedule")
    assert (config.empty_dir_mounts[0].mount_path, config.empty_dir_mounts[0].size_limit) == ("/dev/shm", "2G")  # noqa: S108


def _executor(**values: Any) -> Any:
    settings = KubeflowSettings.model_validate(values)
    document = platform_document(_spec({}, {}), settings)
    executor = document["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["a_executor"]
    return json_format.ParseDict(executor, messages.KubernetesExecutorConfig())


def test_a_queue_is_a_label_of_the_pod() -> None:
    labels = _executor(nodes={"a": {"queue": "gpus"}}, defaults={"queue": "cpus"}).pod_metadata.labels
    assert dict(labels) == {"kueue.x-k8s.io/queue-name": "gpus"}
    assert not _executor().HasField("pod_metadata")


def test_spot_nodes_are_selected_and_tolerated_besides_what_the_node_asks_for() -> None:
    gpu = {"key": "nvidia.com/gpu", "effect": "NoSchedule"}
    taint = {"key": "cloud.google.com/gke-spot", "operator": "Equal", "value": "true", "effect": "NoSchedule"}
    config = _executor(
        nodes={"a": {"spot": True, "node_selector": {"gpu": "yes"}, "tolerations": [gpu]}},
        spot={"node_selector": {"cloud.google.com/gke-spot": "true"}, "tolerations": [taint]},
    )
    assert dict(config.node_selector.labels) == {"gpu": "yes", "cloud.google.com/gke-spot": "true"}
    assert [toleration.key for toleration in config.tolerations] == ["nvidia.com/gpu", "cloud.google.com/gke-spot"]


def test_pods_run_as_a_user_and_a_group_that_are_not_root() -> None:
    security = _executor().security_context
    assert (security.run_as_user, security.run_as_group, security.run_as_non_root) == (1000, 1000, True)
    own = _executor(run_as_user=None, run_as_group=0).security_context  # a cluster that gives out users itself
    assert (own.HasField("run_as_user"), own.run_as_group, own.run_as_non_root) == (False, 0, True)
    # Backends before 2.16 do not know the field and refuse the pipeline.
    assert not _executor(run_as_user=None, run_as_group=None).HasField("security_context")


def test_numbers_are_flattened_and_what_is_none_is_left_out() -> None:
    values = {"mean": 0.5, "by": {"BRD4": {"shared": 1}}, "name": "x", "ok": True, "nan": float("nan"), "list": [1]}
    assert dict(flat_numbers(values)) == {"mean": 0.5, "by.BRD4.shared": 1.0}


def test_a_display_without_its_source_stays_empty(tmp_path: Any) -> None:
    display = Display.parse(Display("metrics", METRICS, "evaluation", "evaluation.json").as_argument())
    uris = {name: {"artifacts": [{"uri": f"s3://b/{name}"}]} for name in ("metrics", "evaluation")}
    output: dict[str, Any] = {}
    fill_displays([display], {"outputs": {"artifacts": uris}}, output, tmp_path)
    assert output == {}
