"""Beam on an engine outside the pods: what the configuration must say of it, and what the tasks that use it get."""

import ipaddress
from collections.abc import Sequence
from typing import Final

from belka.beam_flags import JOB_SERVER_RUNNER, flag_value
from belka.contract import Node
from belka.errors import InputError
from pipeline.config.settings import BeamSettings
from pipeline.runners.kubeflow.pipeline_file import container_of, tasks_of
from pipeline.runners.kubeflow.protocol import SHARED_FOLDER_FLAG, Json

ENGINE_NODES: Final = (Node.MOLECULE_TRANSFORM, Node.STATISTICS_GEN, Node.BULK_INFERRER)
_IN_POD: Final = ("--runner=", "--direct_")  # how the flags of Beam inside a pod begin
_OVERLAY: Final = "k8s/overlays/flink has them (docs/kubeflow.md)"


def check_engine(beam: BeamSettings) -> None:
    """Check what the pods are told of an engine.

    Args:
        beam: The section `beam`.

    Raises:
        InputError: The pods could not reach it, or its workers would not be of this project's image.
    """
    if beam.runner != JOB_SERVER_RUNNER:
        raise InputError(
            "On Kubeflow, Beam runs inside the pods or on an engine behind a Beam job server.",
            received=f"beam.runner: {beam.runner}",
            expected=f"beam.runner: local or {JOB_SERVER_RUNNER}",
            action=f"Name the engine's job server: beam.runner={JOB_SERVER_RUNNER}, and --job_endpoint=HOST:PORT in "
            "beam.options.",
        )
    for name, is_needed in (("job_endpoint", True), ("artifact_endpoint", False)):
        _check_endpoint(beam.options, name, is_needed=is_needed)
    kind, place = (flag_value(beam.options, f"environment_{part}") for part in ("type", "config"))
    if kind != "EXTERNAL" or not place:
        raise InputError(
            "The engine's workers would not be those of this project: Beam would start workers of its own kind.",
            received=f"beam.options: --environment_type={kind}, --environment_config={place}",
            expected="a pool of workers in the pods' own image beside each task manager: --environment_type=EXTERNAL "
            "and --environment_config=HOST:PORT, as the task manager reaches it",
            action=f"Correct beam.options; {_OVERLAY}.",
        )


def send_to_engine(spec: Json, nodes: Sequence[str], flags: Sequence[str], folder: str) -> None:
    """Have the Beam pipelines of some tasks run on an engine; the other tasks, and their cache keys, stay as they are.

    Args:
        spec: The compiled pipeline, changed in place.
        nodes: The tasks; those the pipeline does not have are left out.
        flags: Beam's flags for the engine; they take the place of those for Beam inside the pod.
        folder: Folder on a volume that the engine's workers mount at the same path.
    """
    for task in tasks_of(spec).keys() & set(nodes):
        container = container_of(spec, task)
        others = [argument for argument in container["args"] if not argument.startswith(_IN_POD)]
        container["args"] = [*others, SHARED_FOLDER_FLAG, folder, *flags]


def _check_endpoint(options: Sequence[str], name: str, *, is_needed: bool) -> None:
    endpoint = flag_value(options, name)
    if endpoint is None and not is_needed:
        return
    host, _, port = (endpoint or "").rpartition(":")
    if not host or not port.isdigit():
        problem = "The address of Beam's job server is missing." if endpoint is None else "An address is malformed."
    elif _is_loopback(host):
        problem = "A pod that asks this address asks itself."
    else:
        return
    raise InputError(
        problem,
        received=f"beam.options: --{name}={endpoint}" if endpoint is not None else f"beam.options without --{name}",
        expected=f"--{name}=HOST:PORT of a service that the pods reach",
        action=f"Name it, for instance --{name}=beam-job-server:{8099 if is_needed else 8098}; {_OVERLAY}.",
    )


def _is_loopback(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host.lower() == "localhost" or host.lower().endswith(".localhost")
    return address.is_loopback or address.is_unspecified
