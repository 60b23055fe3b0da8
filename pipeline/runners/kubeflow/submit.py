"""Send a compiled pipeline to Kubeflow Pipelines."""

import os
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from belka.errors import InputError
from pipeline.runners.kubeflow.connection import explain_connection, told_id
from pipeline.runners.kubeflow.pipeline_file import PipelineFile, read_pipeline, run_parameters
from pipeline.runners.kubeflow.runtime_settings import check_arguments
from pipeline.runners.kubeflow.settings import KubeflowSettings


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

    def arguments(self, pipeline: PipelineFile) -> dict[str, Any]:
        """The given parameters, typed and checked.

        Args:
            pipeline: The compiled pipeline.

        Raises:
            InputError: A parameter is unknown, of another type, or a value that the configuration would not take.
        """
        given = run_parameters(pipeline, self.parameters)
        check_arguments(pipeline, given)
        return given

    def describe(self) -> dict[str, Any]:
        """What would be sent, without sending it.

        Raises:
            InputError: The package is no compiled pipeline, or a parameter is unknown or of another type.
        """
        pipeline = read_pipeline(self.package)
        given = self.arguments(pipeline)
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
        tasks: Names of its tasks, in an order in which they can run.
    """

    run_id: str
    url: str
    tasks: tuple[str, ...]


def connect(settings: KubeflowSettings) -> Any:
    """Open a client, with the credentials the settings ask for.

    Args:
        settings: The section `kubeflow` of the configuration.

    Returns:
        A `kfp.Client`.

    Raises:
        InputError: A token is missing, or nothing answers at the endpoint.
    """
    with warnings.catch_warnings(), explain_connection(settings):
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
    arguments = request.arguments(pipeline)
    with explain_connection(settings):
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
    identity = told_id(run.run_id, settings)
    page = f"{settings.endpoint.rstrip('/')}/#/runs/details/{identity}"
    return SubmittedRun(identity, page, tuple(task.name for task in pipeline.tasks))
