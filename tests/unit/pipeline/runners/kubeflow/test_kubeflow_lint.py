import copy
from typing import Any

import pytest

from belka.errors import InputError
from pipeline.runners.kubeflow.lint import check_beam_options, check_folders, check_image, check_settings, check_spec
from pipeline.runners.kubeflow.settings import KubeflowSettings

DIGEST = "@sha256:" + "a1" * 32
IMAGE = f"registry.example:5000/team/belka{DIGEST}"
NODES = ["parquet-merge", "trainer-clf"]


def _settings(**values: Any) -> KubeflowSettings:
    return KubeflowSettings.model_validate({"image": IMAGE, **values})


def _spec() -> dict[str, Any]:
    kind = {"instanceSchema": "title: components.Molecules\ntype: object\n"}
    outputs = {"artifacts": {"m": {"artifactType": kind}}}
    return {
        "schemaVersion": "2.1.0",
        "pipelineInfo": {"name": "belka"},
        "components": {"make": {"executorLabel": "e", "outputDefinitions": outputs}},
        "deploymentSpec": {"executors": {"e": {"container": {"image": IMAGE}}}},
        "root": {"dag": {"tasks": {"make": {"componentRef": {"name": "make"}}}}},
    }


@pytest.mark.parametrize(
    "image", [IMAGE, f"belka{DIGEST}", f"ghcr.io/a/b-c/belka:0.1.0{DIGEST}", f"localhost:5000/belka{DIGEST}"]
)
def test_images_with_a_digest_pass(image: str) -> None:
    check_image(image, "n", allow_tag=False)


@pytest.mark.parametrize(
    ("image", "allow_tag", "message"),
    [
        (None, False, r"no image for parquet-merge"),
        ("registry.example/belka:0.1.0", False, r"image of parquet-merge has no digest[\s\S]*allow_image_tag=true"),
        ("registry.example/belka:latest", True, r"has no tag of its own"),
        ("registry.example/belka", True, r"has no tag of its own"),
        ("registry.example:5000/belka", True, r"has no tag of its own"),
        ("Registry/Bel ka@sha256:12", False, r"is no image reference"),
        ("belka@sha256:12", False, r"is no image reference"),
    ],
)
def test_mutable_images_are_refused(image: str | None, allow_tag: bool, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_image(image, "parquet-merge", allow_tag=allow_tag)


def test_a_tag_passes_when_tags_are_allowed() -> None:
    check_image("registry.example/belka:0.1.0", "n", allow_tag=True)


def test_an_unknown_node_is_named_with_those_that_exist() -> None:
    with pytest.raises(InputError, match=r"received: trainer-cls[\s\S]*parquet-merge, trainer-clf"):
        check_settings(_settings(nodes={"trainer-cls": {"gpus": 1}}), NODES)
    with pytest.raises(InputError, match="received: merge"):
        check_settings(_settings(volumes=[{"claim": "c", "mount_path": "/m", "nodes": ["merge"]}]), NODES)


@pytest.mark.parametrize("root", ["abfs://container/x", "/local/folder", "s3://", "hdfs://host/x"])
def test_an_unsupported_bucket_is_refused(root: str) -> None:
    with pytest.raises(InputError, match=r"no bucket that Kubeflow Pipelines supports[\s\S]*gs://bucket"):
        check_settings(_settings(pipeline_root=root), NODES)


def test_a_gpu_without_a_way_to_a_node_with_one_is_a_warning() -> None:
    (warning,) = check_settings(_settings(nodes={"trainer-clf": {"gpus": 2}}), NODES)
    assert warning.startswith("trainer-clf asks for 2 nvidia.com/gpu without a node selector or toleration")
    selected = {"gpus": 1, "node_selector": {"nvidia.com/gpu.present": "true"}}
    assert check_settings(_settings(nodes={"trainer-clf": selected}), NODES) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_SECRET_ACCESS_KEY", "hunter22"),
        ("DB_PASSWORD", "hunter22"),
        ("API_KEY", "hunter22"),
        ("HF_TOKEN", "hunter22"),
        ("PLACE", "AKIA" + "ABCDEFGH" * 2),
        ("LOGIN", "ghp_" + "a1B2" * 9),
        ("DATABASE", "postgres://belka:hidden@db.example/runs"),
        ("HEADER", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"),
        ("CERTIFICATE", "-----BEGIN RSA PRIVATE KEY-----"),
    ],
)
def test_what_looks_like_a_secret_is_refused_without_repeating_it(name: str, value: str) -> None:
    """It would stand in the compiled file, in the database of runs and in every pod's description."""
    with pytest.raises(InputError) as caught:
        check_settings(_settings(env={name: value, "LEVEL": "1"}), NODES)
    assert name in caught.value.received
    assert value not in str(caught.value)
    assert f"kubectl create secret generic belka-env -n kubeflow --from-literal={name}=..." in caught.value.action
    assert f"kubeflow.secrets=[{{secret: belka-env, key: {name}, variable: {name}}}]" in caught.value.action


def test_other_variables_are_no_secrets() -> None:
    env = {
        "TOKENIZERS_PARALLELISM": "false",
        "AWS_SHARED_CREDENTIALS_FILE": "/etc/x",
        "MONKEY": "1",
        "DB_PASSWORD": "",
        "HTTPS_PROXY": "http://proxy.example:3128",
        "TOKEN_PATH": "/var/run/token",
    }
    assert check_settings(_settings(env=env), NODES) == []


def test_a_spot_node_needs_a_way_to_it_and_another_attempt() -> None:
    spot = {"nodes": {"trainer-clf": {"spot": True}}}
    (warning,) = check_settings(_settings(**spot), NODES)
    assert warning.startswith("trainer-clf is to run on spot nodes, but kubeflow.spot names none")
    way = {"spot": {"node_selector": {"cloud.google.com/gke-spot": "true"}}}
    assert check_settings(_settings(**spot, **way), NODES) == []
    (warning,) = check_settings(_settings(**spot, **way, retry={"retries": 0}), NODES)
    assert "kubeflow.retry.retries is 0" in warning


def test_folders_must_lie_on_a_volume_that_the_node_mounts() -> None:
    settings = _settings(volumes=[{"claim": "data", "mount_path": "/mnt/belka", "nodes": ["parquet-merge"]}])
    check_folders(settings, {"data.raw_dir": ("/mnt/belka/raw", ["parquet-merge"])})
    with pytest.raises(
        InputError, match=r"data.raw_dir lies on no persistent volume that trainer-clf mounts[\s\S]*no volume"
    ):
        check_folders(settings, {"data.raw_dir": ("/mnt/belka/raw", NODES)})
    with pytest.raises(InputError, match=r"/mnt/belka2/raw; parquet-merge mounts data at /mnt/belka"):
        check_folders(settings, {"data.raw_dir": ("/mnt/belka2/raw", ["parquet-merge"])})


def test_a_right_spec_passes() -> None:
    check_spec(_spec())


def test_every_problem_of_a_spec_is_named() -> None:
    spec = copy.deepcopy(_spec())
    spec["schemaVersion"] = "2.0.0"
    spec["pipelineInfo"]["name"] = "Belka_Pipeline"
    spec["components"]["make"]["outputDefinitions"]["artifacts"]["m"]["artifactType"] = {"schemaTitle": "Molecules"}
    spec["root"]["dag"]["tasks"]["Make_It"] = {
        "componentRef": {"name": "make"},
        "inputs": {"parameters": {"p": {"taskOutputParameter": {"producerTask": "make_task"}}}},
    }
    spec["deploymentSpec"]["executors"]["e"] = {"resolver": {}}
    with pytest.raises(InputError) as caught:
        check_spec(spec)
    for part in (
        "schema version '2.0.0'",
        "pipeline name 'Belka_Pipeline'",
        "task name 'Make_It'",
        "task 'make' is a resolver",
        "artifact 'm' of 'make' has the type 'Molecules'",
        "parameter 'p' of 'Make_It' comes from 'make_task', which is no task",
    ):
        assert part in caught.value.received


def test_an_option_of_beam_never_brings_a_secret_into_the_compiled_file() -> None:
    check_beam_options(["--runner=FlinkRunner", "--job_name=screen", 17])
    with pytest.raises(InputError, match="secret") as caught:
        check_beam_options(["--runner=FlinkRunner", "--password=pa55"])
    assert "pa55" not in str(caught.value)
    assert "--password=" in caught.value.received
