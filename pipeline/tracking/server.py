"""MLflow's server, spoken to over its documented REST interface: its own client does not install beside TFX.

Source: https://mlflow.org/docs/latest/rest-api.html (2.0), and for files `mlflow-artifacts` of the same server.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote

from belka.errors import BelkaError
from pipeline.json_server import TIMEOUT_SECONDS, JsonServer, basic, bearer

# Limits of one request of runs/log-batch.
MAX_METRICS: Final = 1000
MAX_TEXTS: Final = 100
MAX_TEXT_LENGTH: Final = 5000  # of a tag or a parameter; the server's limits are 8000 and 6000

_PROXIED: Final = "mlflow-artifacts:"  # what the server itself stores for its clients


class MlflowServer(JsonServer):
    """One server.

    Args:
        uri: Its address.
        environment: Where a token, or a user's name and password, may stand.
    """

    def __init__(self, uri: str, environment: Mapping[str, str] = os.environ) -> None:
        super().__init__(uri, _authorization(environment), timeout=TIMEOUT_SECONDS)

    def experiment(self, name: str) -> str:
        """Id of an experiment, which is made where there is none."""
        found = self._call("GET", f"experiments/get-by-name?experiment_name={quote(name, safe='')}", missing_ok=True)
        if found:
            return str(self.part(found, "experiment", "experiment_id"))
        return str(self.part(self._call("POST", "experiments/create", {"name": name}), "experiment_id"))

    def find_run(self, experiment: str, tag: str, value: str) -> str | None:
        """Id of a run that carries a tag; None where there is none."""
        wanted = {"experiment_ids": [experiment], "filter": f"tags.`{tag}` = '{value}'", "max_results": 1}
        runs = self._call("POST", "runs/search", wanted).get("runs", [])
        return str(self.part(runs[0], "info", "run_id")) if runs else None

    def start_run(self, experiment: str, name: str, tags: Mapping[str, str], started: int) -> dict[str, Any]:
        """Make a run.

        Args:
            experiment: Id of its experiment.
            name: What a reader sees.
            tags: Its tags.
            started: Milliseconds since 1970.

        Returns:
            What the server calls the run's info: run_id, artifact_uri and others.
        """
        asked = {"experiment_id": experiment, "run_name": name, "start_time": started, "tags": _pairs(tags)}
        info: dict[str, Any] = self.part(self._call("POST", "runs/create", asked), "run", "info")
        return info

    def log(self, run: str, metrics: Sequence[Mapping[str, Any]], params: Mapping[str, str]) -> None:
        """Add numbers and settings to a run."""
        for start in range(0, len(metrics), MAX_METRICS):
            part = list(metrics[start : start + MAX_METRICS])
            self._call("POST", "runs/log-batch", {"run_id": run, "metrics": part})
        texts = _pairs(params)
        for start in range(0, len(texts), MAX_TEXTS):
            self._call("POST", "runs/log-batch", {"run_id": run, "params": texts[start : start + MAX_TEXTS]})

    def tag(self, run: str, name: str, value: str) -> None:
        """Set a tag of a run."""
        self._call("POST", "runs/set-tag", {"run_id": run, "key": name, "value": value})

    def end_run(self, run: str, ended: int, status: Literal["FINISHED", "FAILED", "KILLED"] = "FINISHED") -> None:
        """Say that a run has ended.

        Args:
            run: Its id.
            ended: Milliseconds since 1970.
            status: How.
        """
        self._call("POST", "runs/update", {"run_id": run, "status": status, "end_time": ended})

    def delete_run(self, run: str) -> None:
        """Take a run from the lists; the server keeps it for a while."""
        self._call("POST", "runs/delete", {"run_id": run})

    def start_model(self, experiment: str, run: str, name: str) -> dict[str, Any]:
        """Announce a model; its files follow.

        Returns:
            What the server calls the model's info: model_id, artifact_uri and others.
        """
        asked = {"experiment_id": experiment, "name": name, "source_run_id": run}
        info: dict[str, Any] = self.part(self._call("POST", "logged-models", asked), "model", "info")
        return info

    def end_model(self, model: str, run: str) -> None:
        """Say that all files of a model are there, and which run it is of."""
        self._call("PATCH", f"logged-models/{model}", {"model_id": model, "status": "LOGGED_MODEL_READY"})
        self._call("POST", "runs/outputs", {"run_id": run, "models": [{"model_id": model, "step": 0}]})

    def takes_files(self, artifact_uri: str) -> bool:
        """Whether the server stores files itself; else they go to a bucket that only MLflow's own client reaches."""
        return artifact_uri.startswith(_PROXIED)

    def upload(self, artifact_uri: str, files: Mapping[str, Path]) -> None:
        """Store files.

        Args:
            artifact_uri: Of the run or of the model; `takes_files` says yes to it.
            files: Path there -> file here.
        """
        folder = artifact_uri.removeprefix(_PROXIED).lstrip("/")
        for name, file in files.items():
            address = f"{self.uri}/api/2.0/mlflow-artifacts/artifacts/{quote(f'{folder}/{name}')}"
            with file.open("rb") as stream:
                self.send("PUT", address, stream)

    def refused(self, status: int, address: str, text: str) -> BelkaError:
        """It may not be written to, or is of another version."""
        return BelkaError(
            "The tracking server refuses a request.",
            received=f"HTTP {status} of {address}: {text}",
            expected="an MLflow server of version 3 that this account may write to",
            action="Check tracking.uri, MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and _PASSWORD.",
        )

    def unreadable(self, address: str, text: str) -> BelkaError:
        """Something else listens there."""
        return BelkaError(
            "What answers at tracking.uri is no MLflow server.",
            received=f"{address}: {text.strip()[:200]}",
            expected="JSON of MLflow's REST interface",
            action="Correct tracking.uri.",
        )

    def unreachable(self, address: str, error: Exception) -> BelkaError:
        """It is down, or elsewhere."""
        return BelkaError(
            "Nothing answers at tracking.uri.",
            received=f"{address}: {type(error).__name__}",
            expected="the address of an MLflow server",
            action="Start it, or correct tracking.uri; `belka track` tells it of the run later.",
        )

    def _call(
        self, method: str, path: str, content: Mapping[str, Any] | None = None, *, missing_ok: bool = False
    ) -> dict[str, Any]:
        return self.ask(method, f"{self.uri}/api/2.0/mlflow/{path}", content, missing_ok=missing_ok)


def _authorization(environment: Mapping[str, str]) -> dict[str, str]:
    if token := environment.get("MLFLOW_TRACKING_TOKEN"):
        return bearer(token)
    if name := environment.get("MLFLOW_TRACKING_USERNAME"):
        return basic(name, environment.get("MLFLOW_TRACKING_PASSWORD", ""))
    return {}


def _pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": name, "value": value[:MAX_TEXT_LENGTH]} for name, value in values.items()]
