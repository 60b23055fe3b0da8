"""Which texts are places on a store, which are refused, and which folder here belongs to each."""

from pathlib import Path

import pytest

from belka.errors import InputError
from belka.files import is_pattern
from belka.places.uri import StoreUri, copy_of, file_of, is_uri, room_of, store_uri, work_copy_of, work_root


@pytest.mark.parametrize(
    ("text", "bucket", "key"),
    [
        ("s3://bucket/run", "bucket", "run"),
        ("S3://bucket/a b/c/", "bucket", "a b/c"),
        ("gs://bucket", "bucket", ""),
        ("gs://bucket/", "bucket", ""),
    ],
)
def test_a_place_is_read(text: str, bucket: str, key: str) -> None:
    found = store_uri(text)
    assert (found.bucket, found.key) == (bucket, key)
    assert str(found) == f"{text[:2].lower()}://{bucket}" + (f"/{key}" if key else "")


@pytest.mark.parametrize("text", ["run", "/data/run", "s3:/bucket", "C:\\data", "-", "a:b", ""])
def test_a_path_is_no_uri(text: str) -> None:
    assert not is_uri(text)


@pytest.mark.parametrize("text", ["ftp://host/raw", "minio://bucket/raw", "http://host/raw", "file:///raw"])
def test_another_scheme_is_told_with_those_that_are_supported(text: str) -> None:
    with pytest.raises(InputError) as told:
        store_uri(text)
    assert "s3://" in told.value.expected
    assert "gs://" in told.value.expected
    assert "AWS_ENDPOINT_URL" in told.value.action


@pytest.mark.parametrize("text", ["s3://", "s3:///key", "s3://bucket/a//b", "s3://bucket/../other", "s3://bucket/./x"])
def test_what_names_no_place_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="names no place"):
        store_uri(text)


def test_a_login_in_a_uri_is_refused_and_not_repeated() -> None:
    with pytest.raises(InputError) as told:
        store_uri("s3://AKIAEXAMPLE:verysecret@bucket/run")
    assert "verysecret" not in str(told.value)


def test_each_uri_has_a_room_of_its_own_whose_folders_have_its_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BELKA_WORK_DIR", str(tmp_path))
    run, model = store_uri("s3://bucket/run"), store_uri("s3://bucket/run/model")
    assert room_of(run) != room_of(model) != room_of(store_uri("gs://bucket/run/model"))
    assert copy_of(model).name == file_of(model).name == "model"
    assert len({copy_of(run), file_of(run), work_copy_of(run)}) == 3
    assert room_of(store_uri("s3://bucket/run/")) == room_of(run)
    odd = StoreUri("s3", "bucket", "run[1]*")
    assert not is_pattern(work_copy_of(odd).relative_to(tmp_path))
    assert file_of(odd).name == "run[1]*"


def test_copies_lie_where_the_environment_says(tmp_path: Path) -> None:
    assert work_root({"BELKA_WORK_DIR": str(tmp_path), "XDG_CACHE_HOME": "/x"}) == tmp_path
    assert work_root({"XDG_CACHE_HOME": "/x"}) == Path("/x/belka")
    assert work_root({}) == Path.home() / ".cache" / "belka"


def test_a_user_without_a_home_is_told_to_name_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:  # as Path.home is for a user who is a bare number, with no HOME
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(InputError) as told:
        work_root({})
    assert "BELKA_WORK_DIR" in told.value.action
    assert work_root({"BELKA_WORK_DIR": "/copies"}) == Path("/copies")
