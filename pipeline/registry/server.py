"""Kubeflow's Model Registry, spoken to over its REST interface: its own client brings another HTTP library and more.

Source: https://www.kubeflow.org/docs/components/model-registry/reference/rest-api/ (v1alpha3) and the OpenAPI models
in its client 0.3.18 (v1); what is used here is the same in both.
"""

import os
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final
from urllib.parse import urlencode

from belka.errors import BelkaError
from pipeline.json_server import TIMEOUT_SECONDS, JsonServer, bearer

TOKEN_VARIABLE: Final = "MODEL_REGISTRY_TOKEN"  # noqa: S105 - its name, not a secret
_ROOT: Final = "api/model_registry"
_VERSIONS: Final = ("v1", "v1alpha3")


class RegistryServer(JsonServer):
    """One registry.

    Args:
        uri: Its address, without the path of the interface.
        environment: Where a token may stand.
    """

    def __init__(self, uri: str, environment: Mapping[str, str] = os.environ) -> None:
        super().__init__(uri, bearer(environment.get(TOKEN_VARIABLE, "")), timeout=TIMEOUT_SECONDS)

    def find_model(self, name: str) -> dict[str, Any]:
        """The registered model of a name; empty where there is none."""
        return self._ask("GET", f"registered_model?{urlencode({'name': name})}", missing_ok=True)

    def find_version(self, model: str, name: str) -> dict[str, Any]:
        """A version of the model with an id; empty where there is none."""
        asked = urlencode({"name": name, "parentResourceId": model})
        return self._ask("GET", f"model_version?{asked}", missing_ok=True)

    def artifacts(self, version: str) -> list[dict[str, Any]]:
        """The artifacts of the version with an id."""
        found: list[dict[str, Any]] = self._ask("GET", f"model_versions/{version}/artifacts").get("items") or []
        return found

    def add_model(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """Register a model, see RegisteredModelCreate."""
        return self._ask("POST", "registered_models", content)

    def add_version(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """Add a version to a model, see ModelVersionCreate."""
        return self._ask("POST", "model_versions", content)

    def add_artifact(self, version: str, content: Mapping[str, Any]) -> dict[str, Any]:
        """Add an artifact to the version with an id, see ModelArtifactCreate."""
        return self._ask("POST", f"model_versions/{version}/artifacts", content)

    def refused(self, status: int, address: str, text: str) -> BelkaError:
        """It may not be written to, or is of another version."""
        return BelkaError(
            "The model registry refuses a request.",
            received=f"HTTP {status} of {address}: {text}",
            expected="a Model Registry of Kubeflow that this account may write to",
            action=f"Check --registry and {TOKEN_VARIABLE}.",
        )

    def unreadable(self, address: str, text: str) -> BelkaError:
        """Something else listens there."""
        return BelkaError(
            "What answers at --registry is no Model Registry.",
            received=f"{address}: {text}",
            expected="JSON of the interface of a Model Registry",
            action="Correct --registry: the address before /api/model_registry.",
        )

    def unreachable(self, address: str, error: Exception) -> BelkaError:
        """It is down, or elsewhere."""
        return BelkaError(
            "Nothing answers at --registry.",
            received=f"{address}: {type(error).__name__}",
            expected="the address of a Model Registry of Kubeflow",
            action="Start it, or correct --registry.",
        )

    @cached_property
    def _interface(self) -> str:
        """Where the version of the interface lies that the server has; the newest where it tells of none."""
        for version in _VERSIONS:
            address = f"{self.uri}/{_ROOT}/{version}"
            if self.ask("GET", f"{address}/registered_models?pageSize=1", missing_ok=True):
                return address
        return f"{self.uri}/{_ROOT}/{_VERSIONS[0]}"

    def _ask(
        self, method: str, path: str, content: Mapping[str, Any] | None = None, *, missing_ok: bool = False
    ) -> dict[str, Any]:
        return self.ask(method, f"{self._interface}/{path}", content, missing_ok=missing_ok)
