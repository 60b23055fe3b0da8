"""The same on Google Cloud Storage, as far as fake-gcs-server is it."""

from pathlib import Path

import pytest

from belka.errors import InputError, RunAgainError
from belka.places import store as module
from belka.places.copies import copied, sent_file
from belka.places.uri import store_uri
from tests.stores.conftest import make_gcs_bucket


@pytest.fixture
def google(gcs_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs_server)
    monkeypatch.setenv("BELKA_WORK_DIR", str(tmp_path / "work"))
    name = f"test-{abs(hash(request.node.nodeid)):x}"
    make_gcs_bucket(gcs_server, name)
    return f"gs://{name}"


def test_files_go_there_and_come_back(google: str) -> None:
    content = bytes(range(256)) * 1000
    for name in ("out/a.csv", "out/b/c d.csv", "other.csv"):
        with sent_file(store_uri(f"{google}/{name}")) as file:
            file.write_bytes(content)
    with copied(store_uri(f"{google}/out")) as folder:
        found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
        assert set(found) == {"a.csv", "b/c d.csv"}
        assert found["a.csv"].read_bytes() == content
        before = found["a.csv"].stat().st_ino
    with sent_file(store_uri(f"{google}/out/b/c d.csv")) as file:
        file.write_bytes(content[::-1])
    with copied(store_uri(f"{google}/out")) as folder:
        assert (folder / "a.csv").stat().st_ino == before
        assert (folder / "b" / "c d.csv").read_bytes() == content[::-1]
    with copied(store_uri(f"{google}/other.csv")) as file:
        assert file.read_bytes() == content


@pytest.mark.usefixtures("google")
def test_a_bucket_that_is_not_there() -> None:
    with pytest.raises(InputError, match="The bucket does not exist"), copied(store_uri("gs://no-such-bucket/a")):
        pytest.fail("there is none")


@pytest.mark.usefixtures("google")
def test_a_store_that_cannot_be_reached_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_GOOGLE_SECONDS", 2)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    with pytest.raises(RunAgainError, match="does not answer"), copied(store_uri("gs://bucket/a")):
        pytest.fail("nobody listens")
