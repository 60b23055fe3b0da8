"""What runs in a pod of Kubeflow Pipelines: translates between its launcher and TFX's own container entrypoint.

Settings that a run may choose (`runtime_settings`) are written where components read them. The launcher of Kubeflow
Pipelines v2 and TFX 1.21 disagree in five ways, each repaired by one function here:

- `drop_outputs`: the launcher adds an output `executor-logs` of type system.Artifact, and the compiled pipeline adds
  the outputs that the UI can draw; TFX cannot import their types.
- `restore_input_types`: inputs read back from the metadata store have an empty type; TFX fails on it. The compiled
  inputs spec, which the pod receives as an argument, knows the types.
- `map_to_local_paths` and `restore_uris`: the launcher copies s3://, minio:// and gs:// to local folders and back; TFX
  would open the URI itself. It must read and write the local path, while the metadata store must learn the URI.
- `make_output_folders`: nobody creates the folders that components write into, as TFX's local launcher does.

Beam pipelines that an engine outside the pod runs need more: `sent_to_engine` names the task's jobs, and a folder that
the engine's workers see.

Errors go to the pod's log and, in short, to its termination message.
"""

import argparse
import contextlib
import copy
import json
import logging
import os
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from belka.beam_flags import with_job_name
from belka.errors import explained
from belka.files import own_temporary_folder
from belka.interrupts import leave, stop_of, stoppable, stopped_error
from pipeline.log_records import told_to
from pipeline.runners.kubeflow.displays import Display, fill_displays
from pipeline.runners.kubeflow.protocol import (
    EXECUTOR_LOGS,
    RUNTIME_SETTING_FLAG,
    SHARED_FOLDER_FLAG,
    STORE_ROOT_VARIABLE,
    Json,
    artifacts_of,
    local_path,
    task_folder,
    title_of,
)

TERMINATION_LOG: Final = Path("/dev/termination-log")
TERMINATION_LIMIT: Final = 4000  # Kubernetes keeps 4096 bytes
VALUE_TYPES: Final = frozenset(f"tfx.{name}" for name in ("String", "Integer", "Float", "Boolean", "JsonValue"))


def main(argv: Sequence[str] | None = None, environment: Mapping[str, str] = os.environ) -> int:
    """Run one component.

    Args:
        argv: Arguments as compiled: those of TFX's entrypoint, plus `--display` for each output the UI draws,
            `--runtime_setting` for each setting that the run may choose, `--shared_folder` where Beam runs elsewhere.
        environment: Environment variables.

    Returns:
        0, or the exit code of the error, or of the signal that ended what runs elsewhere.
    """
    # The pod's log holds what the components say, not only warnings; their events are among it.
    logging.basicConfig(level=logging.INFO, handlers=[told_to(logging.StreamHandler())])
    try:
        with own_temporary_folder():
            run_component(sys.argv[1:] if argv is None else argv, Path(environment.get(STORE_ROOT_VARIABLE, "/")))
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last place that can say why the pod failed
        traceback.print_exc()
        stop = stop_of(error)
        known = stopped_error(stop, action="Retry the run: the task starts anew.") if stop else explained(error)
        message = str(known) if known else "".join(traceback.format_exception_only(error)).strip()
        sys.stderr.write(f"\ncomponent failed: {message}\n")
        write_termination_message(message)
        return known.exit_code if known else 1
    return 0


def run_component(argv: Sequence[str], store_root: Path) -> None:
    """Repair what the launcher hands over, let TFX run the executor, and repair what it hands back.

    Args:
        argv: See `main`.
        store_root: Folder that holds the launcher's copies of buckets.
    """
    from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_run_executor

    from belka.places.names import named_places
    from pipeline.runners.kubeflow.runtime_settings import apply_settings

    args, rest = _parse(argv)
    executor_input: Json = json.loads(args.json_serialized_invocation_args)
    inputs_spec: Json = json.loads(args.json_serialized_inputs_spec_args)
    displays = [Display.parse(text) for text in args.display]
    original = copy.deepcopy(executor_input)

    apply_settings(executor_input.get("inputs", {}).get("parameterValues", {}), args.runtime_setting)
    drop_outputs(executor_input, {EXECUTOR_LOGS, *(display.name for display in displays)})
    kept = copy.deepcopy(executor_input)
    restore_input_types(executor_input, inputs_spec)
    map_to_local_paths(executor_input, store_root)
    make_output_folders(executor_input)
    args.json_serialized_invocation_args = json.dumps(executor_input)
    places = dict(zip(_uris(executor_input), _uris(kept), strict=True))
    with named_places(places), sent_to_engine(args.shared_folder, kept, rest) as flags:
        kubeflow_v2_run_executor.main((args, flags))

    output_file = Path(executor_input["outputs"]["outputFile"])
    executor_output: Json = json.loads(output_file.read_text(encoding="utf-8"))
    restore_uris(executor_output, original)
    fill_displays(displays, original, executor_output, store_root)
    output_file.write_text(json.dumps(executor_output), encoding="utf-8")


@contextlib.contextmanager
def sent_to_engine(shared: Path | None, executor_input: Json, flags: Sequence[str]) -> Iterator[Sequence[str]]:
    """Have the Beam pipelines of a task run on the engine that its flags name, and end with the pod.

    Args:
        shared: Folder on a volume that the engine's workers see; None = Beam runs in the pod.
        executor_input: The ExecutorInput with bucket URIs.
        flags: Beam's flags as compiled.

    Yields:
        The flags, with a name of the task's jobs.
    """
    if shared is None:
        yield flags
        return
    from components.engine_folder import shared_folder

    _, artifact = next(artifacts_of(executor_input["outputs"]))
    task = task_folder(artifact["uri"])
    with stoppable(), shared_folder(shared / task):
        yield with_job_name(flags, *task.parts)


def drop_outputs(executor_input: Json, names: set[str]) -> None:
    """Remove from an ExecutorInput, in place, the outputs whose types TFX does not know."""
    artifacts = executor_input.get("outputs", {}).get("artifacts", {})
    for name in names & artifacts.keys():
        del artifacts[name]


def restore_input_types(executor_input: Json, inputs_spec: Json) -> None:
    """Give every input artifact of an ExecutorInput, in place, the type that its component's definitions declare."""
    declared = inputs_spec.get("artifacts", {})
    for name, artifact in artifacts_of(executor_input.get("inputs", {})):
        if name in declared:
            artifact["type"] = declared[name]["artifactType"]


def map_to_local_paths(executor_input: Json, store_root: Path) -> None:
    """Replace every bucket URI of an ExecutorInput, in place, by the folder that the launcher copies it to or from."""
    for side in ("inputs", "outputs"):
        for _, artifact in artifacts_of(executor_input.get(side, {})):
            artifact["uri"] = str(local_path(artifact["uri"], store_root))


def make_output_folders(executor_input: Json) -> None:
    """Create the folder of every output artifact; of a value artifact, which is a file, the folder it lies in."""
    for _, artifact in artifacts_of(executor_input.get("outputs", {})):
        path = Path(artifact["uri"])
        folder = path.parent if title_of(artifact.get("type", {})) in VALUE_TYPES else path
        if not folder.exists():  # the launcher may have put a file there
            folder.mkdir(parents=True)


def restore_uris(executor_output: Json, original: Json) -> None:
    """Write the bucket URIs back: without them the launcher uploads nothing and records a path no other pod has.

    Args:
        executor_output: What TFX wrote, changed in place.
        original: The ExecutorInput as the launcher handed it over.
    """
    outputs = original["outputs"].get("artifacts", {})
    for name, listed in executor_output.get("artifacts", {}).items():
        for artifact, given in zip(listed["artifacts"], outputs[name]["artifacts"], strict=True):
            artifact["uri"] = given["uri"]


def _uris(executor_input: Json) -> list[str]:
    sides = (executor_input.get("inputs", {}), executor_input.get("outputs", {}))
    return [artifact["uri"] for side in sides for _, artifact in artifacts_of(side)]


def write_termination_message(message: str, target: Path = TERMINATION_LOG) -> None:
    """Leave the reason where Kubernetes shows it beside the pod's state.

    Args:
        message: The reason; cut to what Kubernetes keeps.
        target: The file; outside a pod there is none, and nothing is written. Where it cannot be written, the log still
            has the reason.
    """
    if target.exists():
        encoded = message.encode("utf-8")[:TERMINATION_LIMIT]
        with contextlib.suppress(OSError):
            target.write_text(encoded.decode("utf-8", errors="ignore"), encoding="utf-8")


def _parse(argv: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(prog="pipeline.runners.kubeflow.entrypoint", allow_abbrev=False)
    parser.add_argument("--executor_class_path", required=True)
    parser.add_argument("--json_serialized_invocation_args", required=True)
    parser.add_argument("--json_serialized_inputs_spec_args", default="{}")
    parser.add_argument("--display", action="append", default=[])
    parser.add_argument(SHARED_FOLDER_FLAG, type=Path)
    parser.add_argument(RUNTIME_SETTING_FLAG, action="append", default=[])
    return parser.parse_known_args(argv)


if __name__ == "__main__":
    leave(main())
