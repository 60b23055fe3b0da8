"""An output directory on a real S3 server: what is there is whole at any moment, and goes on from any machine."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ml_metadata.proto import metadata_store_pb2

from belka.errors import BelkaError, InputError, RunAgainError
from belka.places.names import place_of
from belka.places.store import Listed, ObjectStore
from belka.places.uri import StoreUri, room_of, store_uri, work_copy_of
from pipeline.runners.metadata_store import connect
from pipeline.runners.store.lease import Lease, LostLeaseError, read_holder
from pipeline.runners.store.working_folder import looked_into, publish_step, worked_on

if TYPE_CHECKING:
    from tests.stores.conftest import Bucket


def make_artifact(folder: Path, number: int, content: str = "data") -> Path:
    """What a step leaves: an artifact, and its row in the metadata store."""
    made = folder / "pipeline_root" / "merge" / "molecules" / str(number)
    made.mkdir(parents=True)
    (made / "a.parquet").write_text(content)
    (made / "provenance.json").write_text(content)
    store = connect(folder / "metadata.db")
    kind = store.put_artifact_type(metadata_store_pb2.ArtifactType(name="Molecules"))
    store.put_artifacts([metadata_store_pb2.Artifact(type_id=kind, uri=str(made))])
    return made


def known_artifacts(folder: Path) -> list[str]:
    return [artifact.uri for artifact in connect(folder / "metadata.db").get_artifacts()]


@contextmanager
def broken_at(monkeypatch: pytest.MonkeyPatch, breaks: Callable[[str], bool]) -> Iterator[list[str]]:
    """Publishing ends at the first name that `breaks` tells, as by a kill; yields the names that were sent."""
    sent: list[str] = []
    upload = ObjectStore.upload

    def breaking(store: ObjectStore, source: Path, name: str) -> Listed:
        if breaks(name):
            raise RunAgainError("cut off")
        sent.append(name)
        return upload(store, source, name)

    with monkeypatch.context() as patch:
        patch.setattr(ObjectStore, "upload", breaking)
        yield sent


def test_what_a_run_leaves_is_there_and_on_a_fresh_machine(
    bucket: "Bucket", uri: StoreUri, elsewhere: Callable[[str], None]
) -> None:
    with worked_on(uri) as folder:
        assert folder.name == "run"
        made = make_artifact(folder, 1)
        for name in ("submission.csv", "model/champion.json", "logs/1.log", "metadata.db.backup", ".tmp-x"):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(name)
        (made.parent / ".system").mkdir()
        (made.parent / ".system" / "state").touch()
        assert place_of(made) == f"{uri}/pipeline_root/merge/molecules/1"
    assert bucket.names("run/") == {
        f"run/{name}"
        for name in (
            "submission.csv",
            "model/champion.json",
            "logs/1.log",
            "metadata.db",
            "pipeline_root/merge/molecules/1/a.parquet",
            "pipeline_root/merge/molecules/1/provenance.json",
        )
    }
    elsewhere("b")
    with worked_on(uri) as fresh:
        assert fresh != folder
        assert (fresh / "submission.csv").read_text() == "submission.csv"
        assert known_artifacts(fresh) == [str(fresh / "pipeline_root" / "merge" / "molecules" / "1")]
        assert (fresh / "pipeline_root" / "merge" / "molecules" / "1" / "a.parquet").read_text() == "data"
        make_artifact(fresh, 2)
    elsewhere("work")
    with worked_on(uri) as again:
        assert again == folder
        assert known_artifacts(again) == [str(again / "pipeline_root" / "merge" / "molecules" / n) for n in ("1", "2")]


def test_what_says_that_others_are_whole_is_sent_last(
    bucket: "Bucket", uri: StoreUri, monkeypatch: pytest.MonkeyPatch
) -> None:
    with broken_at(monkeypatch, lambda _: False) as sent, worked_on(uri) as folder:
        make_artifact(folder, 1)
        for name in ("aaa.csv", "zzz.csv", "model/17/saved_model.pb", "model/champion.json"):
            (folder / name).parent.mkdir(exist_ok=True, parents=True)
            (folder / name).touch()
    assert sent[-3:] == ["pipeline_root/merge/molecules/1/provenance.json", "model/champion.json", "metadata.db"]
    assert bucket.names("run/run.lock") == set()


@pytest.mark.parametrize("breaks", ["a.parquet", "provenance.json", "champion.json", "metadata.db"])
def test_a_publication_that_was_cut_off_is_completed(
    uri: StoreUri, monkeypatch: pytest.MonkeyPatch, elsewhere: Callable[[str], None], breaks: str
) -> None:
    with worked_on(uri) as folder:
        make_artifact(folder, 1)
    with (
        broken_at(monkeypatch, lambda name: name.endswith(breaks)),
        pytest.raises(RunAgainError, match="cut off"),
        worked_on(uri) as folder,
    ):
        make_artifact(folder, 2)
        (folder / "model").mkdir()
        (folder / "model" / "champion.json").touch()
    # Another machine finds what was whole before, and nothing of what was not.
    elsewhere("reader")
    with looked_into(uri) as there:
        assert known_artifacts(there) == [str(there / "pipeline_root" / "merge" / "molecules" / "1")]
        assert not (there / "pipeline_root" / "merge" / "molecules" / "2").exists()
    # The next run here sends what is missing.
    elsewhere("work")
    with worked_on(uri) as folder:
        assert len(known_artifacts(folder)) == 2
    elsewhere("b")
    with worked_on(uri) as fresh:
        assert len(known_artifacts(fresh)) == 2
        assert (fresh / "pipeline_root" / "merge" / "molecules" / "2" / "a.parquet").read_text() == "data"


def test_what_a_lost_machine_had_sent_and_nothing_names_is_deleted(
    bucket: "Bucket", uri: StoreUri, monkeypatch: pytest.MonkeyPatch, elsewhere: Callable[[str], None]
) -> None:
    with worked_on(uri) as folder:
        make_artifact(folder, 1)
    with (
        broken_at(monkeypatch, lambda name: name == "metadata.db"),
        pytest.raises(RunAgainError),
        worked_on(uri) as folder,
    ):
        (make_artifact(folder, 2) / "b.parquet").touch()
    assert "run/pipeline_root/merge/molecules/2/b.parquet" in bucket.names()
    elsewhere("b")
    with worked_on(uri) as fresh:
        assert not (fresh / "pipeline_root" / "merge" / "molecules" / "2").exists()
        make_artifact(fresh, 2, "new")
    assert bucket.get("run/pipeline_root/merge/molecules/2/a.parquet") == b"new"
    assert "run/pipeline_root/merge/molecules/2/b.parquet" not in bucket.names()


def test_what_a_lost_machine_had_sent_before_its_first_step_ended_is_deleted(
    bucket: "Bucket", uri: StoreUri, monkeypatch: pytest.MonkeyPatch, elsewhere: Callable[[str], None]
) -> None:
    with (
        broken_at(monkeypatch, lambda name: name == "metadata.db"),
        pytest.raises(RunAgainError),
        worked_on(uri) as folder,
    ):
        (make_artifact(folder, 1) / "b.parquet").touch()
        (folder / "logs").mkdir()
        (folder / "logs" / "1.log").touch()
    elsewhere("b")
    with worked_on(uri) as fresh:
        assert not (fresh / "pipeline_root").exists()
        assert (fresh / "logs" / "1.log").exists()
    assert bucket.names() == {"run/logs/1.log"}


def test_a_journal_of_the_store_that_is_replaced_goes_with_it(uri: StoreUri, elsewhere: Callable[[str], None]) -> None:
    with worked_on(uri) as folder:
        make_artifact(folder, 1)
    elsewhere("b")
    with worked_on(uri) as other:
        make_artifact(other, 2)
    elsewhere("work")
    for beside in ("metadata.db-journal", "metadata.db.backup"):
        (folder / beside).write_text("of the old one")
    with worked_on(uri) as folder:
        assert not (folder / "metadata.db-journal").exists()
        assert not (folder / "metadata.db.backup").exists()
        assert len(known_artifacts(folder)) == 2


def test_another_machine_that_published_since_is_the_truth(uri: StoreUri, elsewhere: Callable[[str], None]) -> None:
    with worked_on(uri) as folder:
        make_artifact(folder, 1)
    elsewhere("b")
    with worked_on(uri) as other:
        make_artifact(other, 2, "of b")
    elsewhere("work")
    make_artifact(folder, 2, "never published")
    (folder / "pipeline_root" / "merge" / "molecules" / "2" / "more.parquet").touch()
    with worked_on(uri) as folder:
        assert len(known_artifacts(folder)) == 2
        made = folder / "pipeline_root" / "merge" / "molecules" / "2"
        assert {path.name: path.read_text() for path in made.iterdir()} == {
            "a.parquet": "of b",
            "provenance.json": "of b",
        }


def test_what_was_made_here_and_not_published_stays(bucket: "Bucket", uri: StoreUri) -> None:
    with worked_on(uri) as folder:
        make_artifact(folder, 1)
        (folder / "submission.csv").write_text("1")
    make_artifact(folder, 2)
    (folder / "submission.csv").write_text("2")
    bucket.put("run/model/champion.json", "set elsewhere")
    with worked_on(uri) as folder:
        assert (folder / "submission.csv").read_text() == "2"
        assert (folder / "model" / "champion.json").read_text() == "set elsewhere"
        assert len(known_artifacts(folder)) == 2
    assert bucket.get("run/submission.csv") == b"2"


@pytest.mark.parametrize("lost", ["folder", "list", "room"])
def test_a_working_folder_that_was_removed_takes_nothing_with_it(bucket: "Bucket", uri: StoreUri, lost: str) -> None:
    with worked_on(uri) as folder:
        make_artifact(folder, 1)
        (folder / "submission.csv").touch()
    before = bucket.names()
    place = {"folder": work_copy_of(uri), "list": room_of(uri) / "work.json", "room": room_of(uri)}[lost]
    subprocess.run(["rm", "-r", place], check=True)
    with worked_on(uri) as folder:
        assert (folder / "submission.csv").exists()
        assert len(known_artifacts(folder)) == 1
    assert bucket.names() == before


def test_what_is_removed_here_is_removed_there(bucket: "Bucket", uri: StoreUri) -> None:
    with worked_on(uri) as folder:
        make_artifact(folder, 1)
        (folder / "old.log").touch()
    with worked_on(uri) as folder:
        (folder / "old.log").unlink()
    assert "run/old.log" not in bucket.names()
    assert "run/metadata.db" in bucket.names()


def test_an_output_directory_that_was_deleted_there_is_empty_here(bucket: "Bucket", uri: StoreUri) -> None:
    with worked_on(uri) as folder:
        make_artifact(folder, 1)
    for key in bucket.names():
        bucket.delete(key)
    with worked_on(uri) as folder:
        assert [path for path in folder.rglob("*") if path.is_file()] == []


def test_each_step_is_published_and_a_failure_too(
    bucket: "Bucket", uri: StoreUri, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    publish_step()  # no store: nothing happens
    with pytest.raises(InputError, match="the step failed"), worked_on(uri) as folder:
        make_artifact(folder, 1)
        publish_step()
        assert "run/metadata.db" in bucket.names()
        make_artifact(folder, 2)
        with broken_at(monkeypatch, lambda _: True):
            publish_step()  # the network is away: the run goes on
        assert "could not be brought up to date" in caplog.text
        (folder / "checkpoint").touch()
        raise InputError("the step failed")
    assert {"run/checkpoint", "run/pipeline_root/merge/molecules/2/a.parquet"} <= bucket.names()
    assert "run/run.lock" not in bucket.names()


def test_a_checkpoint_says_that_it_is_whole_when_it_is(
    bucket: "Bucket", uri: StoreUri, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = ("best.keras", "step-000000010/state.json", "step-000000010/variables.keras")
    with broken_at(monkeypatch, lambda _: False) as sent, worked_on(uri) as folder:
        for name in written:
            file = folder / "checkpoints" / "clf-1" / name
            file.parent.mkdir(exist_ok=True, parents=True)
            file.touch()
    assert sent[-1] == "checkpoints/clf-1/step-000000010/state.json"
    assert {f"run/checkpoints/clf-1/{name}" for name in written} <= bucket.names()


def test_a_model_that_is_put_into_production_meanwhile_is_known_to_the_next_step(
    bucket: "Bucket", uri: StoreUri
) -> None:
    with worked_on(uri) as folder:
        pointer = folder / "model" / "champion.json"
        pointer.parent.mkdir(parents=True)
        pointer.write_text("17")
    with worked_on(uri):
        bucket.put("run/model/champion.json", "18, set elsewhere")
        publish_step()
        assert pointer.read_text() == "18, set elsewhere"
        bucket.delete("run/model/champion.json")
        publish_step()
        assert not pointer.exists()
        pointer.parent.mkdir(exist_ok=True)
        pointer.write_text("19, pushed here")
    assert bucket.get("run/model/champion.json") == b"19, pushed here"


def test_a_run_that_is_taken_for_gone_while_it_publishes_ends_there(
    bucket: "Bucket", uri: StoreUri, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, upload = ObjectStore(uri), ObjectStore.upload
    monkeypatch.setattr("pipeline.runners.store.working_folder._LEASE_SECONDS", 0.0)

    def taken(self: ObjectStore, source: Path, name: str) -> Listed:
        if name.endswith("provenance.json"):  # the process is held up here, and another run begins
            own = read_holder(store)
            assert own is not None
            store.write("run.lock", json.dumps(replace(own, run="other").__dict__).encode())
        return upload(self, source, name)

    monkeypatch.setattr(ObjectStore, "upload", taken)
    with pytest.raises(LostLeaseError), worked_on(uri) as folder:
        make_artifact(folder, 1)
        publish_step()
    assert "run/metadata.db" not in bucket.names()


def test_who_is_stopped_publishes_nothing_and_the_next_run_does(bucket: "Bucket", uri: StoreUri) -> None:
    with pytest.raises(KeyboardInterrupt), worked_on(uri) as folder:
        make_artifact(folder, 1)
        raise KeyboardInterrupt
    assert bucket.names() == set()
    with worked_on(uri):
        pass
    assert "run/metadata.db" in bucket.names()


def test_a_run_that_was_taken_for_gone_publishes_nothing_more(bucket: "Bucket", uri: StoreUri) -> None:
    store = ObjectStore(uri)
    with pytest.raises(LostLeaseError), worked_on(uri) as folder:
        make_artifact(folder, 1)
        own = read_holder(store)
        assert own is not None
        other = replace(own, run="other", machine="far")
        store.write("run.lock", json.dumps(other.__dict__).encode())
        Lease(store, own).renew()
        assert read_holder(store) == other, "its sign of life leaves the other's alone"
        publish_step()
    assert bucket.names() == {"run/run.lock"}
    assert read_holder(store) == other


@pytest.mark.usefixtures("bucket")
def test_a_bucket_that_is_not_there_is_told_before_any_work() -> None:
    for enter in (worked_on, looked_into):
        with pytest.raises(BelkaError, match="The bucket does not exist"), enter(store_uri("s3://no-such-bucket/run")):
            pytest.fail("there is none")
