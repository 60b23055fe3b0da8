"""What a network does to telling a tracking server of a run: an error that names the address, and no half-told run."""

import logging
from typing import TYPE_CHECKING

import pytest

from belka.errors import BelkaError
from pipeline.tracking import server as module
from pipeline.tracking.record import RunRecord
from pipeline.tracking.server import MlflowServer
from pipeline.tracking.track import track_run
from tests.unit.pipeline.conftest import FAULTS, Fault, faulty

if TYPE_CHECKING:
    from tests.unit.pipeline.tracking.conftest import Stub


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("after", [0, 3])
def test_every_fault_is_explained(stub: "Stub", monkeypatch: pytest.MonkeyPatch, fault: Fault, after: int) -> None:
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.3)
    with faulty(stub.uri, fault, after=after) as uri, pytest.raises(BelkaError) as told:
        track_run(MlflowServer(uri), "belka", RunRecord("run", "digest"))
    assert uri in str(told.value)
    assert told.value.action
    assert not stub.sent("runs/set-tag"), "a run that was not told whole is told anew"


def test_a_token_in_an_address_is_in_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), pytest.raises(BelkaError):
        track_run(MlflowServer("http://127.0.0.1:9/mlflow?token=pa55"), "belka", RunRecord("run", "digest"))
    assert "pa55" not in caplog.text
