"""What may go wrong between this machine and the API server of Kubeflow Pipelines, as errors that say what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from urllib3.exceptions import HTTPError

from belka.errors import InputError
from pipeline.runners.kubeflow.settings import KubeflowSettings

INSTALLATION_NAMESPACE: Final = "kubeflow"  # where the UI's service lies; runs may have a namespace of their own
CONNECTION_ERRORS: Final = (HTTPError, ConnectionError, TimeoutError)


@contextmanager
def explain_connection(settings: KubeflowSettings, addition: str = "") -> Iterator[None]:
    """Turn a connection that fails, or a refusal, into an error with what to do.

    Args:
        settings: The section `kubeflow` of the configuration.
        addition: A further sentence for what to do.

    Raises:
        InputError: Nothing answers, or the server refuses.
    """
    try:
        with explain_refusal():
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
def explain_refusal() -> Iterator[None]:
    """Turn a refusal of the server into an error with its own words.

    Raises:
        InputError: The server refuses.
    """
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
