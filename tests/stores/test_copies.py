"""Copies of what lies on a real S3 server: only what differs is fetched, whole, and nothing is taken for it."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from belka.errors import BelkaError, InputError, RunAgainError
from belka.places import store as module
from belka.places.copies import changed_copy, copied, copied_model, sent_file
from belka.places.mirror import Mirror
from belka.places.store import Listed, ObjectStore
from belka.places.uri import StoreUri, file_of, room_of, store_uri

if TYPE_CHECKING:
    from tests.stores.conftest import Bucket, Faulty
    from tests.unit.pipeline.conftest import Fault


def _files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_is_here_with_every_name_and_byte(bucket: "Bucket") -> None:
    content = {
        "train.parquet": b"PAR1" * 9,
        "part/a b+c%20.csv": b"x",
        "part/Größe=3/d.csv": b"",
        "big.bin": bytes(range(256)) * 70_000,
    }
    for name, data in content.items():
        bucket.put(f"raw/{name}", data)
    bucket.put("raw-other/train.parquet", b"no")
    bucket.put("raw/.hidden/x", b"no")
    with copied(store_uri(f"{bucket.uri}/raw")) as folder:
        assert _files(folder) == content
        assert folder.name == "raw"


def test_only_what_differs_is_fetched_again(bucket: "Bucket") -> None:
    uri = store_uri(f"{bucket.uri}/raw")
    for name in ("same", "changed", "here", "gone/away"):
        bucket.put(f"raw/{name}", name)
    with copied(uri) as folder:
        before = {path.name: path.stat().st_ino for path in folder.rglob("*") if path.is_file()}
        (folder / "here").write_text("HERE")
        (folder / "own").write_text("nobody's")
    bucket.put("raw/changed", "CHANGED")  # the same size, and maybe the same second
    bucket.delete("raw/gone/away")
    with copied(uri) as folder:
        assert _files(folder) == {"same": b"same", "changed": b"CHANGED", "here": b"here"}
        assert (folder / "same").stat().st_ino == before["same"]
        assert (folder / "changed").stat().st_ino != before["changed"]
        assert not (folder / "gone").exists()


def test_one_object_is_a_file_here(bucket: "Bucket") -> None:
    bucket.put("in/x.csv", "smiles\nCCO\n")
    bucket.put("in/y.csv", "no")
    for _ in range(2):
        with copied(store_uri(f"{bucket.uri}/in/x.csv")) as file:
            assert file.read_text() == "smiles\nCCO\n"
            assert [path.name for path in file.parent.iterdir()] == ["x.csv"]


def test_a_place_without_objects_is_not_there(bucket: "Bucket") -> None:
    with copied(store_uri(f"{bucket.uri}/nothing")) as folder:
        assert not folder.exists()


def test_of_a_model_the_version_in_production_alone_is_fetched(bucket: "Bucket") -> None:
    for version in ("17", "171", "9"):
        bucket.put(f"model/{version}/saved_model.pb", version)
    bucket.put("model/champion.json", '{"version": "17", "digest": "d"}')
    with copied_model(store_uri(f"{bucket.uri}/model/9")) as folder:
        assert set(_files(folder)) == {"saved_model.pb"}
    with copied_model(store_uri(f"{bucket.uri}/model")) as folder:
        assert set(_files(folder)) == {"17/saved_model.pb", "champion.json"}


def test_what_a_command_changes_is_sent_when_it_ends_well(bucket: "Bucket") -> None:
    for name in ("champion.json", "17/saved_model.pb", "9/saved_model.pb"):
        bucket.put(f"model/{name}", "before")
    uri = store_uri(f"{bucket.uri}/model")
    with pytest.raises(InputError), changed_copy(uri) as folder:
        (folder / "champion.json").write_text("not this")
        raise InputError("no")
    assert bucket.get("model/champion.json") == b"before"
    with changed_copy(uri) as folder:
        assert (folder / "champion.json").read_text() == "before"
        (folder / "champion.json").write_text("after")
        (folder / "9" / "saved_model.pb").unlink()
    assert bucket.get("model/champion.json") == b"after"
    assert bucket.names("model/") == {"model/champion.json", "model/17/saved_model.pb"}


def test_a_server_that_watches_finds_no_model_that_is_not_whole(uri: StoreUri, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    upload = ObjectStore.upload

    def noting(store: ObjectStore, source: Path, name: str) -> Listed:
        done = upload(store, source, name)
        sent.append(name)
        return done

    monkeypatch.setattr(ObjectStore, "upload", noting)
    with changed_copy(uri) as folder:
        for name in ("models.config", "belka/17/saved_model.pb", "belka/17/variables/index", "belka/17/z", "a"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).touch()
    assert sent[-2:] == ["belka/17/saved_model.pb", "models.config"]


@pytest.mark.parametrize("name", ["y.csv", "y.csv.gz", "y.tsv.zst"])
def test_a_file_is_sent_when_it_is_whole(bucket: "Bucket", name: str) -> None:
    uri = store_uri(f"{bucket.uri}/out/{name}")
    with pytest.raises(InputError), sent_file(uri) as file:
        file.write_text("half")
        raise InputError("no")
    assert bucket.names() == set()
    content = bytes(range(256)) * 90_000  # in parts
    with sent_file(uri) as file:
        file.write_bytes(content)
    assert bucket.get(f"out/{name}") == content
    assert not file_of(uri).exists()
    with copied(uri) as copy:
        assert copy.read_bytes() == content


def test_input_and_output_of_one_name_are_one_file(bucket: "Bucket") -> None:
    bucket.put("x.csv", "a")
    uri = store_uri(f"{bucket.uri}/x.csv")
    with copied(uri) as source, sent_file(uri) as target:
        assert source == target
        target.write_text("b")


def test_a_copy_that_is_read_does_not_change(bucket: "Bucket") -> None:
    bucket.put("raw/a", "1")
    uri = store_uri(f"{bucket.uri}/raw")
    with copied(uri) as folder:
        with copied(uri) as again:
            assert again == folder
        bucket.put("raw/a", "2")
        with pytest.raises(InputError, match="another command on this machine") as told, copied(uri):
            pytest.fail("it changed under a reader")
        assert f"{uri}: a" in str(told.value)
        assert (folder / "a").read_text() == "1"
    with copied(uri) as folder:
        assert (folder / "a").read_text() == "2"


@pytest.mark.parametrize("name", ["../x", "a//b", "./a", ""])
def test_a_name_that_no_file_can_have(bucket: "Bucket", tmp_path: Path, name: str) -> None:
    mirror = Mirror(module.ObjectStore(store_uri(f"{bucket.uri}/raw")), tmp_path / "copy", tmp_path / "list.json")
    with pytest.raises(InputError, match="a name that no file can have"):
        mirror.fetch([name], {name: module.Listed(1)})
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("fault", "after"),
    [
        *((fault, after) for fault in ("refused", "closed", "cut", "error", "silent") for after in (0, 4)),
        ("page", 4),  # as the answer to the first question it is a list without objects
    ],
)
def test_every_fault_of_a_network_is_told_and_leaves_nothing_half(
    bucket: "Bucket", faulty: "Faulty", monkeypatch: pytest.MonkeyPatch, fault: "Fault", after: int
) -> None:
    monkeypatch.setattr(module, "_ATTEMPTS", 1)
    for number in range(3):
        bucket.put(f"raw/{number}", b"0123456789" * 100)
    uri = store_uri(f"{bucket.uri}/raw")
    with faulty(bucket.server, fault, after=after) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        with pytest.raises(BelkaError) as told, copied(uri):
            pytest.fail("it is not whole")
    assert str(uri) in told.value.received
    assert told.value.action
    assert told.value.exit_code == (1 if fault == "page" else 75)
    assert all(len(data) == 1000 for data in _files(room_of(uri) / "folder").values())
    monkeypatch.setenv("AWS_ENDPOINT_URL", bucket.server)
    with copied(uri) as folder:
        assert _files(folder) == {str(number): b"0123456789" * 100 for number in range(3)}


def test_an_upload_that_is_cut_leaves_the_object_as_it_was(
    bucket: "Bucket", faulty: "Faulty", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_ATTEMPTS", 1)
    bucket.put("out.csv", "before")
    with faulty(bucket.server, "closed", after=3) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        with pytest.raises(RunAgainError), sent_file(store_uri(f"{bucket.uri}/out.csv")) as file:
            file.write_bytes(b"after" * 5_000_000)
    assert bucket.get("out.csv") == b"before"


CUT = """
import sys
from pathlib import Path
from belka.places.store import ObjectStore
from belka.places.uri import store_uri

class Stops:  # as Ctrl-C does, or a disk that cannot be read on
    def open(self, mode):
        self.parts = [b"half" * int(sys.argv[2])]
        return self
    def __enter__(self):
        return self
    def __exit__(self, *_):
        pass
    def read(self, _):
        if self.parts:
            return self.parts.pop()
        raise KeyboardInterrupt

try:
    ObjectStore(store_uri(sys.argv[1])).upload(Stops(), "out.csv")
except KeyboardInterrupt:
    print("stopped")
"""


@pytest.mark.parametrize("parts", [10, 5_000_000])  # one request, and several
def test_an_upload_that_is_stopped_leaves_the_object_as_it_was(bucket: "Bucket", parts: int) -> None:
    bucket.put("out.csv", "before")
    command = [sys.executable, "-c", CUT, bucket.uri, str(parts)]
    done = subprocess.run(command, env=bucket.environment(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "stopped\n"), done.stderr
    assert bucket.get("out.csv") == b"before"


def test_an_object_that_is_deleted_meanwhile(bucket: "Bucket", tmp_path: Path) -> None:
    mirror = Mirror(module.ObjectStore(store_uri(f"{bucket.uri}/raw")), tmp_path / "copy", tmp_path / "list.json")
    with pytest.raises(RunAgainError, match="deleted before it was read") as told:
        mirror.fetch(["a"], {"a": module.Listed(1)})
    assert f"{bucket.uri}/raw/a" in told.value.received


def test_two_commands_do_not_write_one_object_at_once(bucket: "Bucket") -> None:
    uri = store_uri(f"{bucket.uri}/out.csv")
    with sent_file(uri) as file:
        file.write_text("first")
        with pytest.raises(InputError, match="writes the same object"), sent_file(uri):
            pytest.fail("two at once")
    assert bucket.get("out.csv") == b"first"


FETCH = """
import sys
from belka.places.copies import copied
from belka.places.mirror import Mirror
from belka.places.uri import store_uri
with copied(store_uri(sys.argv[1])) as folder:
    print("whole")
"""


def test_a_download_that_is_killed_begins_again(bucket: "Bucket", faulty: "Faulty") -> None:
    content = {str(number): bytes([number]) * 1000 for number in range(6)}
    for name, data in content.items():
        bucket.put(f"raw/{name}", data)
    uri = store_uri(f"{bucket.uri}/raw")
    with faulty(bucket.server, "silent", after=8) as address:
        environment = bucket.environment(AWS_ENDPOINT_URL=address)
        process = subprocess.Popen([sys.executable, "-c", FETCH, str(uri)], env=environment, stdout=subprocess.PIPE)
        for _ in range(200):
            if list((room_of(uri) / "folder").rglob(".tmp-*")):
                break
            time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert process.stdout is not None
        assert process.stdout.read() == b""
        process.stdout.close()
    with copied(uri) as folder:
        assert _files(folder) == content


@pytest.mark.usefixtures("bucket")
def test_a_bucket_that_is_not_there() -> None:
    for bring in (copied, copied_model, sent_file):
        with pytest.raises(InputError, match="The bucket does not exist"), bring(store_uri("s3://no-such-bucket/a/b")):
            pytest.fail("there is none")


@pytest.mark.usefixtures("needs_login")
def test_who_may_not_is_told_so(bucket: "Bucket") -> None:
    with pytest.raises(InputError, match="refuses access") as told, copied(store_uri(f"{bucket.uri}/raw")):
        pytest.fail("nobody may")
    assert "not-a-secret" not in str(told.value)
    assert "tester" not in str(told.value)
