"""`belka submit` says what the cluster makes of retries. Versions and configmaps are those of a run on 2.17.0."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer
import yaml
from typer.testing import CliRunner

from pipeline.cli import kubeflow

if TYPE_CHECKING:
    from tests.unit.pipeline.runners.kubeflow.conftest import Api

CONFIG_MAP = "/api/v1/namespaces/kubeflow/configmaps/workflow-controller-configmap"
PATCH = Path(__file__).parents[5] / "k8s" / "cluster" / "retries.yaml"
AS_INSTALLED = "spec: {templateDefaults: {retryStrategy: {limit: 2, retryPolicy: OnError}}}"
BOTH = "a container that fails is tried again, a pod that is lost is tried again"
LOST_ONLY = "a container that fails is not tried again, a pod that is lost is tried again"
FAILED_ONLY = "a container that fails is tried again, a pod that is lost is not tried again"


def _said(api: "Api", package: Path) -> str:
    app = typer.Typer()
    app.command("submit")(kubeflow.submit)
    ended = CliRunner().invoke(app, [str(package), "--endpoint", api.url])
    assert ended.exit_code == 0, ended.output
    (line,) = [line for line in ended.output.splitlines() if line.startswith("retries: ")]
    return line


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (yaml.safe_load(PATCH.read_text(encoding="utf-8"))["data"], BOTH),
        ({"workflowDefaults": AS_INSTALLED}, LOST_ONLY),
        ({"config": yaml.safe_dump({"workflowDefaults": yaml.safe_load(AS_INSTALLED)})}, LOST_ONLY),
        ({"executor": "imagePullPolicy: IfNotPresent"}, FAILED_ONLY),
    ],
)
def test_the_controller_s_own_configuration_decides_where_it_can_be_read(
    api: "Api", package: Path, data: dict[str, str], said: str
) -> None:
    api.health = {"tag_name": "2.17.0"}
    api.kubernetes[CONFIG_MAP] = {"data": data}
    line = _said(api, package)
    assert said in line
    assert "workflow-controller-configmap of kubectl's context test" in line
    assert ("k8s/cluster/retries.yaml" in line) == (said is not BOTH)


def test_defaults_that_are_neither_are_told_as_they_are(api: "Api", package: Path) -> None:
    api.kubernetes[CONFIG_MAP] = {"data": {"workflowDefaults": AS_INSTALLED.replace("OnError", "OnFailure")}}
    assert "retryStrategy is {limit: 2, retryPolicy: OnFailure}" in _said(api, package)


@pytest.mark.parametrize("health", [{"tag_name": "2.14.3"}, {"apiServerTagName": "v2.14.3", "apiServerReady": True}])
def test_otherwise_the_version_of_the_backend_says_how_it_is_installed(
    api: "Api", package: Path, health: dict[str, object]
) -> None:
    api.health = health  # of the API server, and of the UI before it
    line = _said(api, package)
    assert FAILED_ONLY in line
    assert "2.14.3 as it is installed" in line
    api.health = {"tag_name": "2.18.0"}
    line = _said(api, package)
    assert LOST_ONLY in line
    assert "kubectl get configmap -n kubeflow workflow-controller-configmap -o yaml" in line


def test_what_cannot_be_seen_is_said_with_what_to_check(api: "Api", package: Path) -> None:
    api.health = {"tag_name": "unknown"}
    line = _said(api, package)
    assert "cannot be seen from here" in line
    assert "kubectl get configmap -n kubeflow workflow-controller-configmap -o yaml" in line
