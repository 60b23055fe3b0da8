"""The model in production is told once, whole, and is never mistaken for another."""

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from belka.errors import BelkaError, DamagedError, InputError
from belka.models.champion import Champion, write_champion
from belka.provenance import Record, read_inputs, write_provenance
from pipeline.cli.main import app
from pipeline.registry import server as module
from pipeline.registry.register import register_champion
from pipeline.registry.server import RegistryServer
from tests.unit.conftest import Read
from tests.unit.pipeline.conftest import FAULTS, Fault, faulty
from tests.unit.pipeline.registry.conftest import Stub

METRIC = {"type": "average_precision", "value": 0.75, "name": "average precision, BRD4/shared"}
HEADER = {"library_name": "belka", "model-index": [{"name": "belka", "results": [{"metrics": [METRIC]}]}]}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Two pushed versions; the first is in production."""
    molecules = tmp_path / "molecules"
    molecules.mkdir()
    write_provenance(molecules, Record(step="parquet-merge", output="molecules", raw_files={"train.csv": "aa"}))
    for version in ("17", "18"):
        folder = tmp_path / "model" / version
        folder.mkdir(parents=True)
        (folder / "saved_model.pb").write_text(version)
        (folder / "model_card.md").write_text(f"---\n{yaml.safe_dump(HEADER)}---\n# Model card\n\n---\n")
        pushed = Record(step="pusher", run="run-7", code_version="0.1.0+sources.abc")
        write_provenance(folder, pushed, read_inputs({"molecules": [molecules]}))
    write_champion(tmp_path / "model", Champion("17", "d17"))
    return tmp_path / "model"


def test_digests_figures_lineage_and_place_are_told(models: Path, stub: Stub) -> None:
    told = register_champion(models, RegistryServer(stub.uri), "belka", "s3://bucket/model/17")
    assert (told.name, told.is_new) == ("17", True), "the champion, not the highest number"
    assert stub.models == [{"name": "belka", "state": "LIVE", "id": "1"}]
    (version,) = stub.versions
    assert (version["name"], version["registeredModelId"]) == ("17", "1")
    values = {key: [*value.values()][1] for key, value in version["customProperties"].items()}
    assert values.pop("made/parquet-merge/molecules").isalnum()
    assert values == {
        "digest": "d17",
        "code": "0.1.0+sources.abc",
        "raw/train.csv": "aa",
        "average precision, BRD4/shared": 0.75,
    }
    (artifact,) = stub.artifacts
    assert artifact["uri"] == "s3://bucket/model/17"
    assert (artifact["modelFormatName"], artifact["modelSourceId"], artifact["parent"]) == ("tensorflow", "run-7", "1")


def test_what_is_known_is_not_told_again_and_what_was_cut_off_is_completed(models: Path, stub: Stub) -> None:
    stub.refuses_after = 2
    with pytest.raises(BelkaError, match=r"refuses a request[\s\S]*HTTP 403"):
        register_champion(models, RegistryServer(stub.uri), "belka")
    assert (len(stub.versions), len(stub.artifacts)) == (1, 0)
    stub.refuses_after = 99
    again = [register_champion(models, RegistryServer(stub.uri), "belka") for _ in range(2)]
    assert [each.is_new for each in again] == [True, False]
    assert (len(stub.models), len(stub.versions), len(stub.artifacts)) == (1, 1, 1)
    assert stub.artifacts[0]["uri"] == (models / "17").absolute().as_uri()


def test_another_model_under_its_name_is_refused(models: Path, stub: Stub) -> None:
    register_champion(models, RegistryServer(stub.uri), "belka")
    write_champion(models, Champion("17", "another"))
    with pytest.raises(InputError, match=r"another model of this name and version[\s\S]*--name"):
        register_champion(models, RegistryServer(stub.uri), "belka")


def test_earlier_servers_and_a_token_are_known(models: Path, stub: Stub) -> None:
    stub.interface = "v1alpha3"
    register_champion(models, RegistryServer(stub.uri, {"MODEL_REGISTRY_TOKEN": "secret"}), "belka")
    assert len(stub.artifacts) == 1
    assert stub.headers["Authorization"] == "Bearer secret"


def test_a_model_that_was_changed_and_none_at_all_are_not_told(models: Path, stub: Stub, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No model is in production"):
        register_champion(tmp_path / "none", RegistryServer(stub.uri), "belka")
    (models / "17" / "saved_model.pb").write_text("others")
    with pytest.raises(DamagedError):
        register_champion(models, RegistryServer(stub.uri), "belka")
    assert not stub.posts


def test_what_is_no_registry_is_named(models: Path, stub: Stub) -> None:
    stub.body = b"<html>"
    with pytest.raises(BelkaError, match=r"is no Model Registry[\s\S]*<html>"):
        register_champion(models, RegistryServer(stub.uri), "belka")
    with pytest.raises(BelkaError, match="Nothing answers at --registry"):
        register_champion(models, RegistryServer("http://localhost:9"), "belka")


@pytest.mark.parametrize(("fault", "after"), [*((each, 0) for each in FAULTS), *(("other", n) for n in range(1, 6))])
def test_every_fault_of_the_network_is_explained(
    models: Path, stub: Stub, monkeypatch: pytest.MonkeyPatch, fault: Fault, after: int
) -> None:
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.3)
    with faulty(stub.uri, fault, after=after) as uri, pytest.raises(BelkaError) as told:
        register_champion(models, RegistryServer(uri), "belka")
    assert uri in told.value.received
    assert told.value.action
    assert not stub.artifacts, "what was not told whole is completed later"


def test_the_command_says_what_it_did(models: Path, stub: Stub) -> None:
    options = ["champion", "register", "--registry", stub.uri, "--models", str(models), "--name", "del"]
    said = [CliRunner().invoke(app, options, catch_exceptions=False).output for _ in range(2)]
    assert said == ["del 17: registered, version 1\n", "del 17: known already, version 1\n"]


@pytest.mark.metadata
@pytest.mark.slow
def test_kubeflows_client_reads_what_was_told(models: Path, stub: Stub, tmp_path: Path, read_elsewhere: Read) -> None:
    register_champion(models, RegistryServer(stub.uri), "belka", "s3://bucket/model/17")
    asked = tmp_path / "asked"
    asked.write_text(f"{stub.uri} belka 17")
    read = read_elsewhere("registry", asked)
    assert read.returncode == 0, read.stderr[-3000:]
    found = json.loads(read.stdout)
    assert (found["uri"], found["format"]) == ("s3://bucket/model/17", "tensorflow")
    assert found["properties"]["digest"] == "d17"
    assert found["properties"]["average precision, BRD4/shared"] == 0.75
