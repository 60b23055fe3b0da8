"""Send a compiled pipeline to Kubeflow Pipelines and follow its run."""

import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from urllib3.exceptions import HTTPError

from belka.errors import BelkaError, InputError
from pipeline.runners.kubeflow.pipeline_file import read_pipeline, run_parameters
from pipeline.runners.kubeflow.settings import KubeflowSettings

POLL_SECONDS: Final = 10.0
INSTALLATION_NAMESPACE: Final = "kubeflow"  # where the UI's service lies; runs may have a namespace of their own
# Looks at a run that may fail in a row while a port-forward is started anew or the API server moves: a minute.
LOST_LOOKS: Final = 6
CONNECTION_ERRORS: Final = (HTTPError, ConnectionError, TimeoutError)
FINAL_STATES: Final = frozenset({"SUCCEEDED", "FAILED", "SKIPPED", "CANCELED"})
# Steps the backend adds around ours: the run itself, the drivers, and the pod within a task.
_INTERNAL_NAMES: Final = frozenset({"root", "executor"})
_INTERNAL_SUFFIX: Final = "-driver"


@dataclass(frozen=True)
class SubmissionRequest:
    """One run to be created.

    Attributes:
        package: The compiled pipeline.
        settings: The section `kubeflow` of the configuration.
        parameters: Values of pipeline parameters, or their texts, over the defaults.
        run_name: Name of the run; None = package name and time.
        enable_cache: False forbids the cache for every task; True keeps what was compiled, as some tasks must never be
            cached.
    """

    package: Path
    settings: KubeflowSettings
    parameters: Mapping[str, Any] = field(default_factory=dict)
    run_name: str | None = None
    enable_cache: bool = True

    def describe(self) -> dict[str, Any]:
        """What would be sent, without sending it.

        Raises:
            InputError: The package is no compiled pipeline, or a parameter is unknown or of another type.
        """
        pipeline = read_pipeline(self.package)
        given = run_parameters(pipeline, self.parameters)
        settings = self.settings
        return {
            "endpoint": settings.endpoint,
            "auth": settings.auth,
            "namespace": settings.namespace,
            "experiment": settings.experiment,
            "run": self.run_name or f"{pipeline.name} (with the time)",
            "pipeline": pipeline.name,
            "package": str(self.package),
            "parameters": {**pipeline.parameters, **given},
            "pipeline_root": settings.pipeline_root or "the installation's default",
            "service_account": settings.service_account or "the installation's default",
            "cache": "as compiled" if self.enable_cache else "off for every task",
            "images": sorted({task.container["image"] for task in pipeline.tasks}),
            "tasks": [task.name for task in pipeline.tasks],
        }


@dataclass(frozen=True)
class SubmittedRun:
    """A run on the cluster.

    Attributes:
        run_id: Its id.
        url: Its page.
    """

    run_id: str
    url: str


def connect(settings: KubeflowSettings) -> Any:
    """Open a client, with the credentials the settings ask for.

    Args:
        settings: The section `kubeflow` of the configuration.

    Returns:
        A `kfp.Client`.

    Raises:
        InputError: A token is missing, or nothing answers at the endpoint.
    """
    with warnings.catch_warnings(), _explain_connection(settings):
        warnings.simplefilter("ignore", FutureWarning)
        from kfp import Client
        from kfp.client.set_volume_credentials import ServiceAccountTokenVolumeCredentials

        proof: dict[str, Any] = {}
        if settings.auth == "token":
            if not (token := os.environ.get(name := settings.token_variable)):
                raise InputError(
                    "The value of kubeflow.auth is token, but there is no token.",
                    received=f"the environment variable {name} is not set",
                    expected="a bearer token for the Kubeflow Pipelines API",
                    action=f"Run `export {name}=$(kubectl create token SERVICE_ACCOUNT --audience "
                    "pipelines.kubeflow.org)`.",
                )
            proof["existing_token"] = token
        elif settings.auth == "service_account":
            if not Path(settings.token_path).is_file():
                raise InputError(
                    "The value of kubeflow.auth is service_account, but there is no token.",
                    received=f"no file {settings.token_path}",
                    expected="a projected service account token with the audience pipelines.kubeflow.org",
                    action="Run in a pod that mounts one (docs/kubeflow.md, section 7, shows the volume), or use "
                    "--set kubeflow.auth=token.",
                )
            proof["credentials"] = ServiceAccountTokenVolumeCredentials(path=settings.token_path)
        client = Client(host=settings.endpoint, namespace=settings.namespace, **proof)
        client.list_experiments(page_size=1, namespace=settings.namespace)  # the first request shows what is wrong
    return client


def submit(client: Any, request: SubmissionRequest) -> SubmittedRun:
    """Create a run.

    Args:
        client: From `connect`.
        request: What to run.

    Raises:
        InputError: The request is wrong, or the server refuses it; its own words are in the message.
    """
    pipeline, settings = read_pipeline(request.package), request.settings
    arguments = run_parameters(pipeline, request.parameters)
    with _explain_connection(settings):
        run = client.create_run_from_pipeline_package(
            str(request.package),
            arguments=arguments,
            run_name=request.run_name or f"{pipeline.name} {time.strftime('%Y-%m-%d %H:%M:%S')}",
            experiment_name=settings.experiment,
            namespace=settings.namespace,
            pipeline_root=settings.pipeline_root,
            # True would turn the cache on for tasks that were compiled without it.
            enable_caching=None if request.enable_cache else False,
            service_account=settings.service_account,
        )
    return SubmittedRun(run.run_id, f"{settings.endpoint.rstrip('/')}/#/runs/details/{run.run_id}")


def wait(
    client: Any,
    run: SubmittedRun,
    settings: KubeflowSettings,
    observe: Callable[[str, str], None],
    poll_seconds: float = POLL_SECONDS,
) -> None:
    """Follow a run to its end.

    Args:
        client: From `connect`.
        run: The run.
        settings: The section `kubeflow` of the configuration.
        observe: Called with a task's name and state whenever that changes.
        poll_seconds: Time between two looks.

    Raises:
        InputError: The server refuses, or has not answered for `LOST_LOOKS` looks; the run itself goes on.
        BelkaError: The run did not succeed; the message names the tasks, how to see their logs and how to retry.
    """
    seen: dict[str, str] = {}
    while True:
        current = _look(client, run, settings, poll_seconds)
        listed = getattr(current.run_details, "task_details", None) or ()
        tasks = [task for task in listed if task.state and _is_ours(task.display_name)]
        for task in tasks:
            if seen.get(task.display_name) != task.state:
                seen[task.display_name] = task.state
                observe(task.display_name, task.state)
        if current.state in FINAL_STATES:
            break
        time.sleep(poll_seconds)
    if current.state != "SUCCEEDED":
        raise _run_failed(run, settings, current.state, [task for task in tasks if task.state == "FAILED"])


def _look(client: Any, run: SubmittedRun, settings: KubeflowSettings, poll_seconds: float) -> Any:
    for _ in range(LOST_LOOKS):
        try:
            with _explain_refusal():
                return client.get_run(run.run_id)
        except CONNECTION_ERRORS:
            time.sleep(poll_seconds)
    with _explain_connection(settings, f" The run goes on: {run.url}"):
        return client.get_run(run.run_id)


def _run_failed(run: SubmittedRun, settings: KubeflowSettings, state: str, failed: list[Any]) -> BelkaError:
    pods = [child.pod_name for task in failed for child in task.child_tasks or () if child.pod_name]
    logs = "; ".join(f"kubectl logs -n {settings.namespace} {pod} -c main" for pod in pods)
    reasons = [f"{task.display_name}: {getattr(task.error, 'message', None) or 'no message'}" for task in failed]
    return BelkaError(
        f"The run ended as {state}.",
        received="; ".join(reasons) or f"no failed task is reported; see {run.url}",
        action=f"Read the log ({logs or run.url}), mend the cause, then press Retry on {run.url} or submit again: "
        "finished tasks come from the cache.",
    )


def _is_ours(name: str | None) -> bool:
    return bool(name) and name not in _INTERNAL_NAMES and not str(name).endswith(_INTERNAL_SUFFIX)


@contextmanager
def _explain_connection(settings: KubeflowSettings, addition: str = "") -> Iterator[None]:
    try:
        with _explain_refusal():
            yield
    except CONNECTION_ERRORS as error:
        raise InputError(
            "Nothing answers at the endpoint of Kubeflow Pipelines.",
            received=f"{settings.endpoint}: {type(error).__name__}",
            expected="the URL of the API server or of the UI (kubeflow.endpoint)",
            action=f"Forward it: kubectl port-forward -n {INSTALLATION_NAMESPACE} svc/ml-pipeline-ui 8080:80 (where "
            f"Kubeflow Pipelines is installed), then use --endpoint http://localhost:8080.{addition}",
        ) from error


@contextmanager
def _explain_refusal() -> Iterator[None]:
    import kfp_server_api  # type: ignore[import-untyped]  # ships no types

    try:
        yield
    except kfp_server_api.ApiException as error:
        raise InputError(
            "Kubeflow Pipelines refuses the request.",
            received=f"HTTP {error.status} {error.reason}: {str(error.body).strip()[:1000]}",
            expected="a request that the account may make, and a pipeline that the server can read",
            action="Check kubeflow.auth and kubeflow.namespace (401, 403), or compile again (400).",
        ) from error
