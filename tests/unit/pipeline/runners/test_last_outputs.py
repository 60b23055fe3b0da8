"""A run that was killed does not hide what earlier ones finished."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from ml_metadata.proto import metadata_store_pb2

from pipeline.runners.last_outputs import complete_last_run, without_input
from pipeline.runners.metadata_store import connect

Execution, Artifact, Event = metadata_store_pb2.Execution, metadata_store_pb2.Artifact, metadata_store_pb2.Event


class Runs:
    """A store as TFX writes it: a context per run and per node."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, connect(folder / "metadata.db")
        self._types = {
            name: self.store.put_context_type(metadata_store_pb2.ContextType(name=name))
            for name in ("pipeline", "pipeline_run", "node")
        }
        self._pipeline = self._context("pipeline", "belka")
        self._execution_type = self.store.put_execution_type(metadata_store_pb2.ExecutionType(name="any"))
        self._artifact_type = self.store.put_artifact_type(metadata_store_pb2.ArtifactType(name="any"))

    def _context(self, kind: str, name: str) -> int:
        known = self.store.get_context_by_type_and_name(kind, name)
        new = metadata_store_pb2.Context(type_id=self._types[kind], name=name)
        return int(known.id if known else self.store.put_contexts([new])[0])

    def run(self, name: str, **states: int) -> dict[str, int]:
        """A run with a node in each of the given states; returns their executions."""
        context, executions = self._context("pipeline_run", name), {}
        self.store.put_parent_contexts([metadata_store_pb2.ParentContext(child_id=context, parent_id=self._pipeline)])
        for node, state in states.items():
            new = Execution(type_id=self._execution_type, last_known_state=state)
            (number,) = self.store.put_executions([new])
            contexts = (context, self._context("node", f"belka.{node}"))
            self.store.put_attributions_and_associations(
                [], [metadata_store_pb2.Association(context_id=each, execution_id=number) for each in contexts]
            )
            if state == Execution.COMPLETE:
                self._write(name, node, number)
            executions[node] = number
        return executions

    def _write(self, run: str, node: str, execution: int) -> None:
        folder = self.folder / node / run
        folder.mkdir(parents=True)
        live = Artifact(type_id=self._artifact_type, uri=str(folder), state=Artifact.LIVE)
        (artifact,) = self.store.put_artifacts([live])
        self.store.put_events([Event(artifact_id=artifact, execution_id=execution, type=Event.OUTPUT)])

    def of(self, run: str) -> set[int]:
        found: Any = self.store.get_executions_by_context(self._context("pipeline_run", run))
        return {execution.id for execution in found}


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


def test_what_the_killed_run_did_not_finish_is_taken_from_the_run_before(runs: Runs) -> None:
    first = runs.run("1", merge=Execution.COMPLETE, vocab=Execution.COMPLETE)
    killed = runs.run("2", merge=Execution.RUNNING)
    assert complete_last_run(runs.folder / "metadata.db", "belka") == ["merge", "vocab"]
    assert runs.of("2") == {killed["merge"], first["merge"], first["vocab"]}
    assert complete_last_run(runs.folder / "metadata.db", "belka") == []


def test_the_newest_whole_output_is_taken_and_a_lost_one_is_not(runs: Runs) -> None:
    first, second = runs.run("1", merge=Execution.COMPLETE), runs.run("2", merge=Execution.COMPLETE)
    third = runs.run("3", merge=Execution.COMPLETE)
    runs.run("4", merge=Execution.FAILED)
    shutil.rmtree(runs.folder / "merge" / "3")
    assert complete_last_run(runs.folder / "metadata.db", "belka") == ["merge"]
    assert second["merge"] in runs.of("4")
    assert not {first["merge"], third["merge"]} & runs.of("4")


def test_what_never_finished_stays_missing(runs: Runs, tmp_path: Path) -> None:
    runs.run("1", merge=Execution.RUNNING)
    assert complete_last_run(runs.folder / "metadata.db", "belka") == []
    assert complete_last_run(runs.folder / "metadata.db", "another") == []
    assert complete_last_run(tmp_path / "none" / "metadata.db", "belka") == []


def test_what_the_latest_run_could_not_begin_is_named_in_its_order(runs: Runs) -> None:
    runs.run("1", merge=Execution.FAILED)
    assert without_input(runs.folder / "metadata.db", "belka") == ["merge"]
    runs.run("2", vocab=Execution.FAILED, merge=Execution.COMPLETE, clf=Execution.FAILED)
    assert without_input(runs.folder / "metadata.db", "belka") == ["vocab", "clf"]
    assert without_input(runs.folder / "metadata.db", "another") == []
    runs.run("3", merge=Execution.COMPLETE)
    assert without_input(runs.folder / "metadata.db", "belka") == []
