"""What a network does to `belka submit`: an error that names the address, never a traceback and no wait without end."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from belka.errors import InputError
from pipeline.runners.kubeflow import connection as module
from pipeline.runners.kubeflow import follow
from pipeline.runners.kubeflow.settings import KubeflowSettings
from pipeline.runners.kubeflow.submit import SubmissionRequest, SubmittedRun, connect, submit
from tests.unit.pipeline.conftest import FAULTS, Fault, faulty

if TYPE_CHECKING:
    from tests.unit.pipeline.runners.kubeflow.conftest import Api


@pytest.mark.timeout(60)
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("after", [0, 2])
def test_every_fault_is_explained(
    api: "Api", package: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault, after: int
) -> None:
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 1)
    with faulty(api.url, fault, after=after) as uri:
        settings = KubeflowSettings.model_validate({"endpoint": uri, "namespace": "team"})
        with pytest.raises(InputError) as told:
            submit(connect(settings), SubmissionRequest(package, settings))
    assert uri in str(told.value)
    assert told.value.action


@pytest.mark.timeout(60)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_run_that_is_no_longer_heard_of_is_not_waited_for_without_end(
    api: "Api", package: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 1)
    monkeypatch.setattr(follow, "LOST_LOOKS", 1)
    monkeypatch.setattr("pipeline.runners.kubeflow.kubernetes_api.KubernetesApi.find", lambda: None)
    run = SubmittedRun("r1", "page of the run", ())
    real = KubeflowSettings.model_validate({"endpoint": api.url, "namespace": "team"})
    submit(connect(real), SubmissionRequest(package, real))
    with faulty(api.url, fault, after=2) as uri:  # the two of connect
        settings = KubeflowSettings.model_validate({"endpoint": uri, "namespace": "team"})
        client = connect(settings)
        with pytest.raises(InputError) as told:
            follow.wait(client, run, settings, lambda *_: None, poll_seconds=0.01)
    assert uri in str(told.value)
