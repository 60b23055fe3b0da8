"""Every executor leaves provenance.json, whatever its kind: a function, a class of ours, one of TFX's."""

import importlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.types.standard_artifacts import PushedModel, Schema
from tfx.utils import io_utils

from belka.errors import InputError
from belka.places.names import named_places
from belka.provenance import Record, changed_files, read_provenance, write_provenance
from components.artifact_types import Molecules, Vocabulary
from components.recording import Recording, read_raw_files, recorded, recorded_component


@recorded_component
def Copy(  # noqa: N802 - as TFX names components
    molecules: InputArtifact[Molecules], vocabulary: OutputArtifact[Vocabulary], settings: Parameter[str] = "{}"
) -> None:
    """Copy a file."""
    del settings
    (Path(vocabulary.uri) / "vocab.txt").write_bytes((Path(molecules.uri) / "a").read_bytes())


@recorded
class Push(BaseExecutor):
    """Push a model."""

    def Do(  # noqa: N802
        self, input_dict: dict[str, Any], output_dict: dict[str, Any], exec_properties: dict[str, Any]
    ) -> None:
        """Write it."""
        del input_dict
        (pushed,) = output_dict["pushed_model"]
        for folder in (Path(pushed.uri), Path(exec_properties["to"])):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "saved_model.pb").write_text(exec_properties["content"])
        pushed.set_string_custom_property("pushed_destination", exec_properties["to"])


@recorded
class Merge(BaseExecutor):
    """Read raw files."""

    def Do(  # noqa: N802
        self, input_dict: dict[str, Any], output_dict: dict[str, Any], exec_properties: dict[str, Any]
    ) -> None:
        """Tell which."""
        del input_dict, exec_properties
        read_raw_files(output_dict["molecules"][0], Path("/raw"), "train.csv=aa test.csv=bb")


def artifact(kind: Any, folder: Path) -> Any:
    folder.mkdir(parents=True, exist_ok=True)
    made = kind()
    made.uri = str(folder)
    return made


def test_a_function_component_records_settings_code_inputs_and_files(tmp_path: Path) -> None:
    molecules, vocabulary = artifact(Molecules, tmp_path / "in"), artifact(Vocabulary, tmp_path / "out")
    (tmp_path / "in" / "a").write_text("C")
    executor = Copy.EXECUTOR_SPEC.executor_class
    # What a pod imports by name is what records.
    assert executor is getattr(importlib.import_module(executor.__module__), executor.__name__)
    parameters = {"settings": json.dumps({"data": {"targets": ["BRD4"]}}), "node": "copy", "code_version": "1"}
    context = BaseExecutor.Context(pipeline_run_id="run-7")
    before = datetime.now(UTC).replace(microsecond=0)
    executor(context).Do({"molecules": [molecules]}, {"vocabulary": [vocabulary]}, parameters)
    known = read_provenance(tmp_path / "out")
    assert known is not None
    times = [datetime.fromisoformat(known.started), datetime.fromisoformat(known.finished)]
    assert times == sorted([before, *times, datetime.now(UTC)])[1:3], "begun, then ended"
    assert (known.step, known.run, known.output) == ("copy", "run-7", "vocabulary")
    assert known.settings == {"settings": {"data": {"targets": ["BRD4"]}}}
    assert [(each.name, each.uri) for each in known.inputs] == [("molecules", molecules.uri)]
    assert list(known.files) == ["vocab.txt"]
    assert {"pyarrow", "tfx"} & known.libraries.keys() or known.code_version
    assert changed_files(tmp_path / "out") == []


def test_a_pods_run_is_read_from_its_uri(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").touch()
    out = artifact(Vocabulary, tmp_path / "out")
    with named_places({out.uri: "s3://bucket/root/belka/belka-2026/copy/5f/vocabulary"}):
        executor = Copy.EXECUTOR_SPEC.executor_class(BaseExecutor.Context())
        executor.Do({"molecules": [artifact(Molecules, tmp_path / "in")]}, {"vocabulary": [out]}, {"node": "copy"})
    known = read_provenance(tmp_path / "out")
    assert known is not None
    assert (known.run, known.uri) == ("belka-2026", "s3://bucket/root/belka/belka-2026/copy/5f/vocabulary")


def test_raw_files_are_told_by_the_executor(tmp_path: Path) -> None:
    out = artifact(Molecules, tmp_path / "out")
    Merge().Do({}, {"molecules": [out]}, {"node": "parquet-merge"})
    known = read_provenance(tmp_path / "out")
    assert known is not None
    assert known.raw_files == {"train.csv": "aa", "test.csv": "bb"}
    assert known.origin.inputs[0].uri == "/raw"


def test_a_pushed_folder_keeps_the_record_of_its_own_training(tmp_path: Path) -> None:
    pushed = artifact(PushedModel, tmp_path / "artifact")
    parameters = {"to": str(tmp_path / "model" / "17"), "content": "weights", "node": "pusher"}
    for run in ("first", "second"):
        Push(BaseExecutor.Context(pipeline_run_id=run)).Do({}, {"pushed_model": [pushed]}, parameters)
    own, delivered = read_provenance(tmp_path / "artifact"), read_provenance(tmp_path / "model" / "17")
    assert own is not None
    assert delivered is not None
    assert own.delivered == {parameters["to"]: delivered.digest}
    assert (own.run, delivered.run) == ("second", "first")
    assert changed_files(tmp_path / "model" / "17") == []


@recorded
class ReadSchema(BaseExecutor):
    """Read a schema as TFX does."""

    def Do(  # noqa: N802
        self, input_dict: dict[str, Any], output_dict: dict[str, Any], exec_properties: dict[str, Any]
    ) -> None:
        """Find its only file."""
        del exec_properties
        found = io_utils.get_only_uri_in_dir(input_dict["schema"][0].uri)
        (Path(output_dict["vocabulary"][0].uri) / "name").write_text(Path(found).name)


def test_a_schema_with_provenance_is_still_the_only_file_that_tfx_sees(tmp_path: Path) -> None:
    schema, out = artifact(Schema, tmp_path / "schema"), artifact(Vocabulary, tmp_path / "out")
    (tmp_path / "schema" / "schema.pbtxt").touch()
    write_provenance(tmp_path / "schema", Record(step="schema-gen"))
    ReadSchema().Do({"schema": [schema]}, {"vocabulary": [out]}, {"node": "read"})
    assert (tmp_path / "out" / "name").read_text() == "schema.pbtxt"
    known = read_provenance(tmp_path / "out")
    assert known is not None
    assert [record.step for record in known.history] == ["schema-gen", "read"]
    assert known.inputs[0].uri == schema.uri


@pytest.mark.parametrize("executor", [Push, Merge])
def test_the_class_keeps_its_name(executor: Any) -> None:
    assert issubclass(executor, Recording)
    assert getattr(importlib.import_module(executor.__module__), executor.__name__) is executor


def test_an_input_that_is_wired_and_not_there_is_refused_though_tfx_calls_it_optional(tmp_path: Path) -> None:
    out = artifact(PushedModel, tmp_path / "out")
    with pytest.raises(InputError, match=r"no base_model(.|\n)*Run the earlier steps first"):
        Push().Do({"base_model": []}, {"pushed_model": [out]}, {"node": "push", "to": str(tmp_path), "content": "x"})
    assert not list((tmp_path / "out").iterdir())
