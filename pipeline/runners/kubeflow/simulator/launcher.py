"""Run one task as the launcher of Kubeflow Pipelines does: download, run the command, collect, upload, record.

Source: launcher_v2.go in kubeflow/pipelines, backend/src/v2/component.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pipeline.runners.kubeflow.pipeline_file import TaskSpec
from pipeline.runners.kubeflow.protocol import (
    EXECUTOR_LOGS,
    STORE_ROOT_VARIABLE,
    Json,
    artifacts_of,
    is_bucket_uri,
    local_path,
)
from pipeline.runners.kubeflow.simulator.metadata import MetadataStore
from pipeline.runners.kubeflow.simulator.retries import Ending

PLACEHOLDER: Final = "{{$}}"

# Runs a command with an environment in a folder, sends what it prints to the log, and returns its exit code.
RunContainer = Callable[[Sequence[str], Mapping[str, str], Path, Path], int]


@dataclass(frozen=True)
class Launcher:
    """Runs tasks.

    Attributes:
        buckets: Folder that stands for the object stores: `<buckets>/<scheme>/<bucket>/<key>`.
        store: The metadata store.
        volumes: Local folder of each persistent volume claim; a claim that is absent stays at its mount path.
        run_container: How a container's command is run.
    """

    buckets: Path
    store: MetadataStore
    volumes: Mapping[str, Path]
    run_container: RunContainer

    def launch(self, task: TaskSpec, executor_input: Json, pod: Path, log: Path) -> Json | Ending:
        """Run one attempt of a task.

        Args:
            task: The task.
            executor_input: Its ExecutorInput, with bucket URIs.
            pod: Empty folder that stands for the pod's file system.
            log: Receives what the container prints.

        Returns:
            The outputs: `artifacts` (key -> ids) and `parameters` (key -> value); or how the pod ended without success.
            A process that a signal ended is a pod that was deleted; one killed for its memory looks the same here.
        """
        for _, artifact in artifacts_of(executor_input["inputs"]):
            if is_bucket_uri(artifact["uri"]):
                _copy(self.bucket_path(artifact["uri"]), local_path(artifact["uri"], pod))
        _make_parents(executor_input, pod)
        # The launcher opens the log artifact before the command starts.
        log_copy = local_path(executor_input["outputs"]["artifacts"][EXECUTOR_LOGS]["artifacts"][0]["uri"], pod)
        log_copy.touch()
        environment = {
            **os.environ,
            **{item["name"]: self._see_volumes(item["value"], task) for item in task.container.get("env", ())},
            STORE_ROOT_VARIABLE: str(pod),
        }
        code = self.run_container(self._command(task, executor_input), environment, pod, log)
        _copy(log, log_copy)
        if code:
            return Ending.ERROR if code < 0 else Ending.FAILURE
        output_file = Path(executor_input["outputs"]["outputFile"])
        executor_output = json.loads(output_file.read_text(encoding="utf-8")) if output_file.exists() else {}
        return {
            "artifacts": self._upload(executor_input, executor_output, pod),
            "parameters": _parameters(executor_input, executor_output),
        }

    def bucket_path(self, uri: str) -> Path:
        """Where a bucket URI lies on this machine."""
        return local_path(uri, self.buckets)

    def _command(self, task: TaskSpec, executor_input: Json) -> list[str]:
        container = task.container
        words = [*container.get("command", ()), *container.get("args", ())]
        if words[0] == "python":
            words[0] = sys.executable  # the image's interpreter has no other name
        text = json.dumps(executor_input)
        return [self._see_volumes(word.replace(PLACEHOLDER, text), task) for word in words]

    def _see_volumes(self, word: str, task: TaskSpec) -> str:
        """Put the local folders of volumes in place of their mount paths, which do not exist on this machine."""
        for claim, mount in task.volumes.items():
            if claim in self.volumes:
                local = str(self.volumes[claim].absolute()).replace("\\", r"\\")
                word = re.sub(rf"(?<![\w.-]){re.escape(mount)}(?![\w.-])", local, word)
        return word

    def _upload(self, executor_input: Json, executor_output: Json, pod: Path) -> Json:
        recorded: Json = {}
        returned = dict(artifacts_of(executor_output))
        for key, provided in artifacts_of(executor_input["outputs"]):
            own = returned.get(key, {})
            uri, metadata = own.get("uri") or provided["uri"], {**provided["metadata"], **own.get("metadata", {})}
            # As in the launcher, what is no bucket URI is not uploaded, and a missing file is no error.
            if is_bucket_uri(uri):
                _copy(local_path(uri, pod), self.bucket_path(uri))
            recorded[key] = [self.store.record(key, uri, metadata)]
        return recorded


def run_subprocess(command: Sequence[str], environment: Mapping[str, str], pod: Path, log: Path) -> int:
    """Run a container's command as a fresh process."""
    with log.open("wb") as stream:
        return subprocess.run(  # noqa: S603 - running the compiled commands is what a simulator is for
            command, env=dict(environment), cwd=pod, stdout=stream, stderr=subprocess.STDOUT, check=False
        ).returncode


def _make_parents(executor_input: Json, pod: Path) -> None:
    outputs = executor_input["outputs"]
    files = [outputs["outputFile"], *(parameter["outputFile"] for parameter in outputs["parameters"].values())]
    for path in (*map(Path, files), *(local_path(artifact["uri"], pod) for _, artifact in artifacts_of(outputs))):
        path.parent.mkdir(parents=True, exist_ok=True)


def _parameters(executor_input: Json, executor_output: Json) -> dict[str, Any]:
    returned: dict[str, Any] = executor_output.get("parameterValues", {})
    files = {name: Path(parameter["outputFile"]) for name, parameter in executor_input["outputs"]["parameters"].items()}
    return {name: file.read_text(encoding="utf-8") for name, file in files.items() if name not in returned} | returned


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    elif source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
