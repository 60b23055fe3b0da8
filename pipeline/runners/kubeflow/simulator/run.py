"""Run a compiled pipeline task by task: conditions, cache, retries, and a result for each."""

import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from belka.errors import BelkaError, InputError
from pipeline.runners.kubeflow.pipeline_file import PipelineFile, TaskSpec, run_parameters
from pipeline.runners.kubeflow.protocol import Json, check_bucket
from pipeline.runners.kubeflow.simulator.condition import evaluate_condition
from pipeline.runners.kubeflow.simulator.executor_input import build_executor_input
from pipeline.runners.kubeflow.simulator.launcher import Launcher, RunContainer, run_subprocess
from pipeline.runners.kubeflow.simulator.metadata import MetadataStore, cache_key, check_events
from pipeline.runners.kubeflow.simulator.retries import Cluster, Ending

DEFAULT_ROOT: Final = "minio://mlpipeline/v2/artifacts"
LOG_LINES: Final = 12


class TaskState(StrEnum):
    """How a task ended."""

    SUCCEEDED = "succeeded"
    CACHED = "cached"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True)
class TaskResult:
    """How one task went.

    Attributes:
        name: The task.
        state: How it ended.
        attempts: How often its container ran.
        seconds: Wall time of all attempts.
        log: What its last attempt printed; None where nothing ran.
        outputs: Output key -> place of the artifact on this machine.
    """

    name: str
    state: TaskState
    attempts: int = 0
    seconds: float = 0.0
    log: Path | None = None
    outputs: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Simulation:
    """How a pipeline is run.

    Attributes:
        work_dir: Keeps buckets, metadata and logs; a second run in the same folder finds its cache.
        pipeline_root: Bucket URI below which artifacts go; None = as compiled, else `DEFAULT_ROOT`.
        volumes: Local folder of each persistent volume claim.
        parameters: Values of pipeline parameters, or their texts, over the defaults.
        enable_cache: Whether the cache may serve tasks.
        cluster: What the cluster makes of retries.
        run_container: How a container's command is run.
        observe: Called with every result as it comes.
    """

    work_dir: Path
    pipeline_root: str | None = None
    volumes: Mapping[str, Path] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    enable_cache: bool = True
    cluster: Cluster = Cluster.PATCHED
    run_container: RunContainer = run_subprocess
    observe: Callable[[TaskResult], None] = lambda _: None


def simulate(pipeline: PipelineFile, simulation: Simulation) -> list[TaskResult]:
    """Run a compiled pipeline.

    Args:
        pipeline: The pipeline.
        simulation: How to run it.

    Returns:
        A result for each task, in the order they ran.

    Raises:
        InputError: A parameter is unknown or missing, a volume is missing, or the bucket is unsupported.
        BelkaError: A task failed in every attempt; the message names it and its log.
    """
    return _Run(pipeline, simulation).execute()


class _Run:
    def __init__(self, pipeline: PipelineFile, simulation: Simulation) -> None:
        self._pipeline, self._simulation = pipeline, simulation
        self._parameters = {**pipeline.parameters, **run_parameters(pipeline, simulation.parameters)}
        if missing := sorted(name for name, value in self._parameters.items() if value is None):
            raise InputError(
                "The pipeline wants a value for every parameter.",
                received=f"none for {', '.join(missing)}",
                action="Give it with --parameter NAME=VALUE.",
            )
        _check_volumes(pipeline, simulation.volumes)
        root = simulation.pipeline_root or pipeline.pipeline_root or DEFAULT_ROOT
        check_bucket(root, "The pipeline root", "Correct --pipeline-root.")
        work = simulation.work_dir.absolute()
        self._id = f"{pipeline.name}-{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:6]}"
        self._root = f"{root.rstrip('/')}/{pipeline.name}/{self._id}"
        self._logs, self._pods = work / "logs" / self._id, work / "pods" / self._id
        self._store = MetadataStore(work / "metadata.json")
        self._launcher = Launcher(work / "buckets", self._store, simulation.volumes, simulation.run_container)
        self._finished: dict[str, Json] = {}

    def execute(self) -> list[TaskResult]:
        self._logs.mkdir(parents=True)
        results: list[TaskResult] = []
        for task in self._pipeline.tasks:
            result = self._run_task(task)
            results.append(result)
            self._simulation.observe(result)
            if result.state is TaskState.FAILED:
                log = result.log.read_text(encoding="utf-8", errors="replace").splitlines() if result.log else []
                raise BelkaError(
                    f"The task {result.name} failed in {result.attempts} attempt(s).",
                    received="\n    ".join(["its log ends with", *log[-LOG_LINES:]]),
                    action=f"Read {result.log}, mend the cause and run the same command again: finished tasks come "
                    "from the cache.",
                )
        shutil.rmtree(self._pods, ignore_errors=True)
        return results

    def _run_task(self, task: TaskSpec) -> TaskResult:
        if any(name not in self._finished for name in task.upstream):
            return TaskResult(task.name, TaskState.SKIPPED)
        executor_input = build_executor_input(
            task,
            run_root=self._root,
            scratch=self._pods / task.name / "kfp_outputs",
            parameters=self._parameters,
            finished=self._finished,
            store=self._store,
        )
        check_events(task.name, executor_input)
        condition = task.task.get("triggerPolicy", {}).get("condition")
        if condition and not evaluate_condition(condition, executor_input["inputs"]):
            return TaskResult(task.name, TaskState.SKIPPED)
        use_cache = self._simulation.enable_cache and task.cached
        key = cache_key(task, executor_input)
        result, outputs = TaskResult(task.name, TaskState.CACHED), self._store.cached(key) if use_cache else None
        if outputs is None:
            result, outputs = self._attempt(task, executor_input)
            if outputs is None:
                return result
            if use_cache:
                self._store.finish(key, outputs)
        self._finished[task.name] = outputs
        places = {
            name: self._launcher.bucket_path(self._store.runtime_artifact(ids[0])["uri"])
            for name, ids in outputs["artifacts"].items()
        }
        return replace(result, outputs=places)

    def _attempt(self, task: TaskSpec, executor_input: Json) -> tuple[TaskResult, Json | None]:
        started, attempt = time.monotonic(), 0
        while True:
            attempt += 1
            log = self._logs / f"{task.name}-{attempt}.log"
            # Every attempt is a new pod: nothing of the one before is left, except in buckets and volumes.
            pod = self._pods / task.name
            shutil.rmtree(pod, ignore_errors=True)
            pod.mkdir(parents=True)
            try:
                outcome = self._launcher.launch(task, executor_input, pod, log)
            finally:
                shutil.rmtree(pod, ignore_errors=True)
            seconds = time.monotonic() - started
            if not isinstance(outcome, Ending):
                return TaskResult(task.name, TaskState.SUCCEEDED, attempt, seconds, log), outcome
            if attempt >= self._simulation.cluster.attempts(task, outcome):
                return TaskResult(task.name, TaskState.FAILED, attempt, seconds, log), None


def _check_volumes(pipeline: PipelineFile, volumes: Mapping[str, Path]) -> None:
    for task in pipeline.tasks:
        for claim, mount in task.volumes.items():
            folder = volumes.get(claim, Path(mount))
            if not folder.is_dir():
                raise InputError(
                    f"The persistent volume claim {claim} is missing: {task.name} mounts it.",
                    received=f"no folder {folder}",
                    expected=f"a folder that stands for the claim, seen by the pods as {mount}",
                    action=f"Name it with --volume {claim}=FOLDER.",
                )
