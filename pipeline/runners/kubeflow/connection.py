"""What may go wrong between this machine and the API server of Kubeflow Pipelines, as errors that say what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from urllib3.exceptions import HTTPError

from belka.errors import InputError
from pipeline.runners.kubeflow.settings import KubeflowSettings

INSTALLATION_NAMESPACE: Final = "kubeflow"  # where the UI's service lies; runs may have a namespace of their own
TIMEOUT_SECONDS: Final = 30  # whole seconds: their client takes no others, and waits without end
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
        with explain_refusal(settings):
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
def explain_refusal(settings: KubeflowSettings) -> Iterator[None]:
    """Turn a refusal of the server into an error with its own words; a server that stays silent is not waited for.

    Args:
        settings: The section `kubeflow` of the configuration.

    Raises:
        InputError: The server refuses.
    """
    import kfp_server_api  # type: ignore[import-untyped]  # ships no types

    try:
        with _bounded(TIMEOUT_SECONDS):
            yield
    except kfp_server_api.ApiException as error:
        raise InputError(
            "Kubeflow Pipelines refuses the request.",
            received=f"HTTP {error.status} {error.reason} of {settings.endpoint}: {str(error.body).strip()[:1000]}",
            expected="a request that the account may make, and a pipeline that the server can read",
            action="Check kubeflow.auth and kubeflow.namespace (401, 403), or compile again (400).",
        ) from error


def told_id(found: object, settings: KubeflowSettings) -> str:
    """The id of something that the server says it made. A page of a gateway has none, and kfp takes it for an answer.

    Args:
        found: What the server answered.
        settings: The section `kubeflow` of the configuration.

    Raises:
        InputError: It has no id.
    """
    if not isinstance(found, str) or not found:
        raise InputError(
            "What answers at the endpoint is no Kubeflow Pipelines.",
            received=f"an answer of {settings.endpoint} without the id of what was asked for",
            expected="the URL of the API server or of the UI (kubeflow.endpoint), past any page to sign in",
            action="Correct kubeflow.endpoint, or give kubeflow.auth what the gateway asks for.",
        )
    return found


@contextmanager
def _bounded(seconds: int) -> Iterator[None]:
    """Bound the wait for each answer: kfp's client asks for none, and its methods pass none on."""
    from kfp_server_api.rest import RESTClientObject  # type: ignore[import-untyped]  # ships no types

    whole = RESTClientObject.request

    def request(
        self: Any,
        method: str,
        url: str,
        query_params: Any = None,
        headers: Any = None,
        body: Any = None,
        post_params: Any = None,
        _preload_content: bool = True,
        _request_timeout: Any = None,
    ) -> Any:
        patience = _request_timeout or seconds
        return whole(self, method, url, query_params, headers, body, post_params, _preload_content, patience)

    RESTClientObject.request = request
    try:
        yield
    finally:
        RESTClientObject.request = whole
