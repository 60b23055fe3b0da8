"""The way back from a model to its raw files, in a store as TFX writes it."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2
from typer.testing import CliRunner

from belka.errors import InputError
from belka.models.champion import Champion, model_digest, write_champion
from belka.provenance import Input, Record, read_inputs, write_provenance
from pipeline.cli.lineage import _lines
from pipeline.config.settings import Config
from pipeline.lineage import trace_model

Event, Execution = metadata_store_pb2.Event, metadata_store_pb2.Execution


class Store:
    """A metadata store that is filled by hand."""

    def __init__(self, path: Path) -> None:
        config = metadata_store_pb2.ConnectionConfig()
        config.sqlite.filename_uri = str(path)
        self._store = metadata_store.MetadataStore(config)
        self._node_type = self._store.put_context_type(metadata_store_pb2.ContextType(name="node"))

    def artifact(self, kind: str, uri: Path, **custom: str) -> int:
        type_id = self._store.put_artifact_type(metadata_store_pb2.ArtifactType(name=kind))
        artifact = metadata_store_pb2.Artifact(type_id=type_id, uri=str(uri))
        for name, value in custom.items():
            artifact.custom_properties[name].string_value = value
        return int(self._store.put_artifacts([artifact])[0])

    def execution(
        self,
        node: str,
        inputs: dict[str, int],
        outputs: dict[str, int],
        *,
        state: int = Execution.COMPLETE,
        **parameters: str,
    ) -> int:
        type_id = self._store.put_execution_type(metadata_store_pb2.ExecutionType(name=node))
        execution = metadata_store_pb2.Execution(type_id=type_id, last_known_state=state)
        for name, value in parameters.items():
            execution.custom_properties[name].string_value = value
        number = self._store.put_executions([execution])[0]
        existing = self._store.get_context_by_type_and_name("node", f"belka.{node}")
        context = metadata_store_pb2.Context(type_id=self._node_type, name=f"belka.{node}")
        context_id = existing.id if existing else self._store.put_contexts([context])[0]
        association = metadata_store_pb2.Association(execution_id=number, context_id=context_id)
        self._store.put_attributions_and_associations([], [association])
        for kind, artifacts in ((Event.INPUT, inputs), (Event.OUTPUT, outputs)):
            for key, artifact in artifacts.items():
                event = metadata_store_pb2.Event(artifact_id=artifact, execution_id=number, type=kind)
                event.path.steps.add().key = key
                self._store.put_events([event])
        return int(number)


def save_model(folder: Path, content: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_text(content)
    return folder


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Two trained models of different data; the second is pushed. The cache served each step of the first once more."""
    folder = tmp_path / "output"
    folder.mkdir()
    store = Store(folder / "metadata.db")
    for number, content in enumerate(("first", "second")):
        data = store.artifact("components.Molecules", folder / f"molecules{number}")
        merge: dict[str, Any] = {
            "raw_digest": f"train.csv=aa{number} test.csv=bb",
            "raw_dir": "/raw",
            "seed": "42",
        }
        store.execution("parquet-merge", {}, {"molecules": data}, **merge)
        store.execution("parquet-merge", {}, {"molecules": data}, state=Execution.CACHED, **merge)
        model = store.artifact("Model", folder / f"trained{number}")
        settings = json.dumps({"mode": "clf", "training": {"epochs": 3 + number}})
        store.execution("trainer-clf", {"examples": data}, {"model": model}, custom_config=settings)
        save_model(folder / f"trained{number}" / "Format-Serving", content)
    pushed = save_model(folder / "model" / "17", "second")
    (pushed / "belka.json").write_text(json.dumps({"code": "0.1.0+sources.abc"}))
    write_champion(folder / "model", Champion("17", model_digest(pushed)))
    copy = store.artifact("PushedModel", folder / "pushed", model_digest=model_digest(pushed))
    store.execution("pusher", {"model": model}, {"pushed_model": copy})
    return folder


def test_the_model_in_production_leads_to_its_own_data_and_settings(output: Path) -> None:
    traced = trace_model(output / "model")
    assert traced.raw_files == {"train.csv": "aa1", "test.csv": "bb"}
    assert (traced.raw_dir, traced.code) == ("/raw", "0.1.0+sources.abc")
    assert [execution.node for execution in traced.executions] == ["parquet-merge", "trainer-clf"]
    assert traced.executions[1].parameters == {"custom_config": {"mode": "clf", "training": {"epochs": 4}}}
    assert traced.executions[1].inputs[0].uri == traced.executions[0].outputs[0].uri == str(output / "molecules1")


def test_a_copied_model_is_found_by_its_files(output: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(output / "trained0" / "Format-Serving", tmp_path / "elsewhere" / "copy"))
    with pytest.raises(InputError, match="no metadata store above the model"):
        trace_model(copy)
    assert trace_model(copy, output / "metadata.db").raw_files["train.csv"] == "aa0"


def test_a_pushed_model_is_found_when_the_trained_one_is_gone(output: Path) -> None:
    shutil.rmtree(output / "trained1")
    traced = trace_model(output / "model" / "17")
    assert [execution.node for execution in traced.executions] == ["parquet-merge", "trainer-clf", "pusher"]


def test_a_model_of_another_run_is_not_given_a_lineage(output: Path, tmp_path: Path) -> None:
    stranger = save_model(tmp_path / "stranger", "third")
    with pytest.raises(InputError, match=r"does not know the model[\s\S]*SHA-256 " + model_digest(stranger)):
        trace_model(stranger, output / "metadata.db")
    with pytest.raises(InputError, match="metadata store does not exist"):
        trace_model(stranger, tmp_path / "none.db")
    (tmp_path / "broken.db").write_text("no database" * 500)
    with pytest.raises(InputError, match="metadata store cannot be read"):
        trace_model(stranger, tmp_path / "broken.db")


def test_a_model_with_provenance_needs_no_store_and_no_other_folder(tmp_path: Path) -> None:
    molecules, trained = tmp_path / "molecules", tmp_path / "trained"
    molecules.mkdir()
    place = Input(name="raw_dir", uri="/raw", digest="")
    merged = Record(step="parquet-merge", output="molecules", raw_files={"train.csv": "aa"}, inputs=(place,))
    write_provenance(molecules, merged)
    save_model(trained / "Format-Serving", "weights")
    settings = {"custom_config": {"training": {"learning_rate": 0.001}}}
    run = Record(step="trainer-clf", run="run-7", output="model", settings=settings, code_version="0.1.0+sources.abc")
    write_provenance(trained, run, read_inputs({"examples": [molecules]}))
    pushed = save_model(tmp_path / "far" / "17", "weights")
    write_provenance(pushed, Record(step="pusher"), read_inputs({"model": [trained]}))
    for folder in (molecules, trained):
        shutil.rmtree(folder)

    traced = trace_model(pushed)
    assert [execution.node for execution in traced.executions] == ["parquet-merge", "trainer-clf", "pusher"]
    assert (traced.raw_files, traced.raw_dir, traced.changed) == ({"train.csv": "aa"}, "/raw", ())
    assert traced.executions[1].parameters == settings
    assert traced.executions[1].inputs[0].id == traced.executions[0].outputs[0].id

    (pushed / "saved_model.pb").write_text("others")
    lines = list(_lines(trace_model(pushed), {}))
    for line in (
        "         CHANGED since it was written: saved_model.pb",
        "  code 0.1.0+sources.abc",
        "  custom_config.training.learning_rate = 0.001",
    ):
        assert line in lines
    lines = list(_lines(trace_model(pushed), {"training.learning_rate": 0.001}))
    assert not any("learning_rate" in line for line in lines)
    assert "  1 more with their default values: --all-settings" in lines


def test_settings_that_have_their_defaults_are_printed_when_asked_for(output: Path) -> None:
    import typer

    from pipeline.cli import lineage

    default = Config().training.epochs
    trained = output / "trained1" / "Format-Serving"
    (output / "metadata.db").unlink()
    settings = {"custom_config": {"mode": "clf", "training": {"epochs": default}}}
    write_provenance(trained.parent, Record(step="trainer-clf", run="run-7", output="model", settings=settings))
    app = typer.Typer()
    app.command()(lineage.lineage)
    short, whole = (CliRunner().invoke(app, [str(trained), *more]).output for more in ([], ["--all-settings"]))
    assert "custom_config.mode = clf" in short
    assert "training.epochs" not in short
    assert f"custom_config.training.epochs = {default}" in whole


def test_the_command_prints_hashes_and_settings(output: Path) -> None:
    import typer

    from pipeline.cli import lineage

    app = typer.Typer()
    app.command()(lineage.lineage)
    text = CliRunner().invoke(app, [str(output / "model")]).output
    for line in (
        "train.csv SHA-256 aa1",
        "code     0.1.0+sources.abc",
        "custom_config.training.epochs = 4",
        "seed = 42",
    ):
        assert line in text
    printed: dict[str, Any] = json.loads(CliRunner().invoke(app, [str(output / "model"), "--json"]).output)
    assert printed["executions"][0]["parameters"]["raw_digest"] == "train.csv=aa1 test.csv=bb"
