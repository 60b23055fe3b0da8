"""What earlier runs left goes, what counts stays."""

import os
from pathlib import Path

import pytest
from ml_metadata.proto import metadata_store_pb2
from typer.testing import CliRunner

from belka.errors import InputError
from belka.files import machine
from pipeline.cli.main import app
from pipeline.runners.last_outputs import complete_last_run
from pipeline.runners.metadata_store import back_up, connect
from pipeline.runners.outcomes import read_outcomes

Execution, Artifact, Event = metadata_store_pb2.Execution, metadata_store_pb2.Artifact, metadata_store_pb2.Event


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Two finished runs of one node and a killed one, a half file, a damaged one, and what users look at."""
    store = connect(tmp_path / "metadata.db")
    types = {
        name: store.put_context_type(metadata_store_pb2.ContextType(name=name))
        for name in ("pipeline", "pipeline_run", "node")
    }
    named = (("pipeline", "belka"), ("node", "belka.merge"))
    contexts = store.put_contexts([metadata_store_pb2.Context(type_id=types[kind], name=name) for kind, name in named])
    kind = store.put_execution_type(metadata_store_pb2.ExecutionType(name="merge"))
    molecules = store.put_artifact_type(metadata_store_pb2.ArtifactType(name="Molecules"))
    for number, state in ((1, Execution.COMPLETE), (2, Execution.COMPLETE), (3, Execution.RUNNING)):
        folder = tmp_path / "pipeline_root" / "merge" / "molecules" / str(number)
        folder.mkdir(parents=True)
        (folder / "shard").write_bytes(b"x" * 1000)
        (execution,) = store.put_executions([Execution(type_id=kind, last_known_state=state)])
        link = metadata_store_pb2.Association(context_id=contexts[1], execution_id=execution)
        store.put_attributions_and_associations([], [link])
        (artifact,) = store.put_artifacts([Artifact(type_id=molecules, uri=str(folder), state=Artifact.LIVE)])
        event = Event(artifact_id=artifact, execution_id=execution, type=Event.OUTPUT)
        event.path.steps.add().key = "molecules"
        if state == Execution.COMPLETE:
            store.put_events([event])
    (tmp_path / "metrics.json.damaged-1").write_text("{", encoding="utf-8")
    gone = next(number for number in range(4_000_000, 2**22) if not Path(f"/proc/{number}").exists())
    for process in (gone, os.getpid()):
        (tmp_path / f".tmp-{machine()}-{process}-{'0' * 12}-report.html").write_text("half", encoding="utf-8")
    for name in ("submission.csv", "model/17/saved_model.pb", "checkpoints/clf-1/best.keras", "logs/1.log"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - {"run.lock"}


def test_it_lists_with_sizes_and_asks(output: Path) -> None:
    before = files(output)
    shown = CliRunner().invoke(app, ["clean", "--output-dir", str(output)], input="n\n")
    assert shown.exit_code == 0, shown.output
    assert "merge/molecules/1" in shown.output
    assert "merge/molecules/3" in shown.output
    assert "merge/molecules/2" not in shown.output
    assert "2,005" in shown.output  # two outputs of 1,000 bytes, one of 4, one of 1
    assert files(output) == before


def test_where_nobody_answers_it_says_so_and_removes_nothing(output: Path) -> None:
    before = files(output)
    shown = CliRunner().invoke(app, ["clean", "--output-dir", str(output)], input="")
    assert isinstance(shown.exception, InputError)
    assert "--yes" in str(shown.exception)
    assert files(output) == before


def test_it_removes_what_it_lists_and_nothing_else(output: Path) -> None:
    before = files(output)
    assert CliRunner().invoke(app, ["clean", "--output-dir", str(output), "--yes"]).exit_code == 0
    assert before - files(output) == {
        "pipeline_root/merge/molecules/1/shard",
        "pipeline_root/merge/molecules/3/shard",
        "metrics.json.damaged-1",
        *(name for name in before if name.startswith(".tmp-") and f"-{os.getpid()}-" not in name),
    }
    states = {Path(each.uri).name: each.state for each in connect(output / "metadata.db").get_artifacts()}
    assert states == {"1": Artifact.DELETED, "2": Artifact.LIVE, "3": Artifact.DELETED}
    (kept,) = read_outcomes(output / "metadata.db", "belka").values()
    assert kept.outputs["molecules"].name == "2"
    assert complete_last_run(output / "metadata.db", "belka") == []
    assert "nothing to remove" in CliRunner().invoke(app, ["clean", "--output-dir", str(output), "--yes"]).output


def test_without_a_store_no_output_is_taken_for_a_leftover(output: Path) -> None:
    (output / "metadata.db").write_bytes(b"")
    CliRunner().invoke(app, ["clean", "--output-dir", str(output), "--yes"])
    assert len([name for name in files(output) if name.endswith("shard")]) == 3


@pytest.mark.parametrize("has_copy", [True, False])
def test_a_damaged_store_is_set_aside_first(output: Path, has_copy: bool) -> None:
    if has_copy:
        back_up(output / "metadata.db")
    (output / "metadata.db").write_text("no database at all", encoding="utf-8")
    done = CliRunner().invoke(app, ["clean", "--output-dir", str(output), "--yes"])
    assert (done.exit_code, done.exception) == (0, None)
    # What the store did not tell of is not known to be left over.
    left = [name for name in files(output) if name.endswith("shard")]
    assert left == ["pipeline_root/merge/molecules/2/shard"] if has_copy else len(left) == 3


def test_no_such_folder(tmp_path: Path) -> None:
    assert CliRunner().invoke(app, ["clean", "--output-dir", str(tmp_path / "none")]).exit_code != 0
