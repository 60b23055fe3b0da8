"""Checks before anything is submitted: what the cluster would refuse, or run wrongly, ends here with a message that says what to do."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Final

import yaml

from belka.errors import InputError
from pipeline.runners.kubeflow.platform import mounts_of
from pipeline.runners.kubeflow.postprocess import Spec, component_of, condition_inputs, tasks_of
from pipeline.runners.kubeflow.settings import KubeflowSettings
from pipeline.runners.kubeflow.uris import FOLDERS, is_bucket_uri

PIPELINE_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,21}")
# Argo makes a pod's name of the task's; a pod's name and label end at 63 characters.
TASK_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")
ARTIFACT_TITLE: Final = re.compile(r"[a-z][a-z0-9-_]{2,20}\.[A-Z][a-zA-Z0-9-_]{2,49}")
IMAGE: Final = re.compile(
    r"(?P<name>[a-z0-9]+([._/:-]+[a-z0-9]+)*?)(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?P<digest>@sha256:[0-9a-f]{64})?"
)
SCHEMA_VERSION: Final = "2.1.0"


def check_settings(settings: KubeflowSettings, nodes: Sequence[str]) -> list[str]:
    """Check the section `kubeflow` against the pipeline's nodes.

    Args:
        settings: The section.
        nodes: Node ids of the pipeline.

    Returns:
        Warnings: what may be meant so but usually is not.

    Raises:
        InputError: An unknown node, an image that is missing or mutable, or an unsupported bucket.
    """
    named = {*settings.nodes, *(node for volume in settings.volumes for node in volume.nodes)}
    unknown = sorted(named - set(nodes))
    if unknown:
        raise InputError(
            "kubeflow.nodes or kubeflow.volumes names a node the pipeline does not have",
            received=", ".join(unknown),
            expected=f"some of {', '.join(nodes)}",
            action="correct the node ids in the section kubeflow",
        )
    if settings.pipeline_root is not None and not is_bucket_uri(settings.pipeline_root):
        raise InputError(
            "kubeflow.pipeline_root is no bucket that Kubeflow Pipelines supports",
            received=settings.pipeline_root,
            expected=f"one of {', '.join(f'{scheme}://bucket/prefix' for scheme in FOLDERS)}",
            action="name a supported bucket, or null for the installation's default",
        )
    for node in nodes:
        check_image(settings.node_image(node), node, allow_tag=settings.allow_image_tag)
    return [
        f"{node} asks for {settings.node(node).gpus} {settings.node(node).gpu_type} without a node selector or toleration: the pod waits "
        f"for ever where no untainted node has one (set kubeflow.nodes.{node}.node_selector or .tolerations)"
        for node in nodes
        if settings.node(node).gpus and not settings.node(node).node_selector and not settings.node(node).tolerations
    ]


def check_image(image: str | None, node: str, *, allow_tag: bool) -> None:
    """Check that an image reference always means the same bytes.

    Args:
        image: The reference.
        node: The node it is for.
        allow_tag: Whether a tag is enough.

    Raises:
        InputError: It is missing, malformed or mutable.
    """
    action = "push the image and take the digest the push prints: --set kubeflow.image=registry/belka@sha256:..."
    expected = "registry/name@sha256:<64 hexadecimal digits>"
    if image is None:
        raise InputError(f"no image for {node}", received="kubeflow.image: null", expected=expected, action=action)
    match = IMAGE.fullmatch(image)
    if match is None:
        raise InputError(f"the image of {node} is no image reference", received=image, expected=expected, action=action)
    if match["digest"]:
        return
    if not allow_tag:
        raise InputError(
            f"the image of {node} has no digest: what it means can change, and the cache knows the text only",
            received=image,
            expected=expected,
            action=f"{action}; or accept tags with --set kubeflow.allow_image_tag=true",
        )
    if match["tag"] in {None, "latest"}:
        raise InputError(
            f"the image of {node} has no tag of its own: two builds would share one cache",
            received=image,
            expected="name:tag with a tag that is never used twice",
            action="give every build its own tag",
        )


def check_beam(runner: str) -> None:
    """Check that Beam runs where the artifacts are.

    Args:
        runner: `beam.runner`.

    Raises:
        InputError: A remote engine would look for folders that only the pod has.
    """
    if runner != "local":
        raise InputError(
            "on Kubeflow, Beam must run inside the pod: artifacts lie in the pod's own folders, which a remote engine does not see",
            received=f"beam.runner: {runner}",
            expected="beam.runner: local",
            action="give molecule-transform more cores (kubeflow.nodes), or make the dataset with k8s/overlays/flink",
        )


def check_local(key: str, folder: str) -> None:
    """Check that a folder of the section `data` is a path of the pods' file system.

    Args:
        key: The configuration's key.
        folder: Its value.

    Raises:
        InputError: It is a URI. Components open files; the launcher copies artifacts from and to buckets, not these folders.
    """
    if "://" in folder:
        raise InputError(
            f"{key} is no folder",
            received=f"{key}: {folder}",
            expected="a folder on one of kubeflow.volumes; buckets are for artifacts only (kubeflow.pipeline_root)",
            action="copy the files onto the volume (docs/kubeflow.md, section 3)",
        )


def check_folders(settings: KubeflowSettings, folders: Mapping[str, tuple[str, Iterable[str]]]) -> None:
    """Check that the folders a node reads or writes lie on a volume it mounts.

    Args:
        settings: The section `kubeflow`.
        folders: Configuration key -> (absolute path, nodes that use it).

    Raises:
        InputError: A folder would vanish with its pod.
    """
    for key, (folder, nodes) in folders.items():
        for node in nodes:
            mounts = mounts_of(settings, node)
            if not any(PurePosixPath(folder).is_relative_to(volume.mount_path) for volume in mounts):
                mounted = ", ".join(f"{volume.claim} at {volume.mount_path}" for volume in mounts) or "no volume"
                raise InputError(
                    f"{key} lies on no persistent volume that {node} mounts",
                    received=f"{key}: {folder}; {node} mounts {mounted}",
                    expected="a folder below the mount_path of one of kubeflow.volumes",
                    action=f"add the claim to kubeflow.volumes, or move {key} below one that is there",
                )


def check_spec(spec: Spec) -> None:
    """Check names and types of the compiled pipeline.

    Args:
        spec: The compiled pipeline, post-processed.

    Raises:
        InputError: The API server or the workflow engine would refuse it; every problem is named.
    """
    problems = list(_spec_problems(spec))
    if problems:
        raise InputError(
            "Kubeflow Pipelines would refuse this pipeline",
            received="; ".join(problems),
            expected="names and types as docs/kubeflow.md lists them",
            action="rename or retype what is named above",
        )


def _spec_problems(spec: Spec) -> Iterable[str]:
    if spec.get("schemaVersion") != SCHEMA_VERSION:
        yield f"schema version {spec.get('schemaVersion')!r}, not {SCHEMA_VERSION}"
    name = spec["pipelineInfo"]["name"]
    if not PIPELINE_NAME.fullmatch(name):
        yield f"pipeline name {name!r} does not match {PIPELINE_NAME.pattern}"
    tasks = tasks_of(spec)
    for task_name, task in tasks.items():
        if not TASK_NAME.fullmatch(task_name):
            yield f"task name {task_name!r} does not match {TASK_NAME.pattern} (use .with_id)"
        executor = spec["deploymentSpec"]["executors"][component_of(spec, task_name)["executorLabel"]]
        if "container" not in executor:
            yield f"task {task_name!r} is a {', '.join(executor)}, which the backend does not run"
        yield from _artifact_problems(task_name, component_of(spec, task_name))
        for parameter_name, parameter in task.get("inputs", {}).get("parameters", {}).items():
            producer = parameter.get("taskOutputParameter", {}).get("producerTask")
            if producer is not None and producer not in tasks:
                yield f"parameter {parameter_name!r} of {task_name!r} comes from {producer!r}, which is no task"
        for name in sorted(condition_inputs(task) - task.get("inputs", {}).get("artifacts", {}).keys()):
            yield f"the condition of {task_name!r} names {name!r}, which is no input of it"


def _artifact_problems(task: str, component: Mapping[str, Any]) -> Iterable[str]:
    for side in ("inputDefinitions", "outputDefinitions"):
        for key, artifact in component.get(side, {}).get("artifacts", {}).items():
            kind = artifact["artifactType"]
            title = kind.get("schemaTitle") or yaml.safe_load(kind.get("instanceSchema", "")).get("title", "")
            if not ARTIFACT_TITLE.fullmatch(title):
                yield f"artifact {key!r} of {task!r} has the type {title!r}, which does not match {ARTIFACT_TITLE.pattern}"
