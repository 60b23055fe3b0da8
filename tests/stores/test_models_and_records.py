"""A pushed model on a real S3 server: written for servers, put into production, registered, and where it is from."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from belka.models.champion import Champion, model_digest, write_champion
from belka.places.names import named_places
from belka.provenance import Record, write_provenance
from tests.stores.test_commands import belka

if TYPE_CHECKING:
    from tests.stores.conftest import Bucket

TABLE = "pipeline_root/parquet-merge/molecules/1"


@pytest.fixture
def models(bucket: "Bucket", small_model: Path, tmp_path: Path) -> str:
    """Two pushed versions; that of the lower number is in production."""
    folder = tmp_path / "pushed"
    for version in ("17", "18"):
        place = folder / version
        place.mkdir(parents=True)
        for file in small_model.rglob("*"):
            if file.is_file():
                (place / file.relative_to(small_model)).parent.mkdir(exist_ok=True)
                (place / file.relative_to(small_model)).write_bytes(file.read_bytes())
        with named_places({str(folder): f"{bucket.uri}/run/model"}):
            write_provenance(place, Record(step="pusher", output="pushed_model", run=version))
    write_champion(folder, Champion("17", model_digest(folder / "17")), reason="pushed after its evaluation")
    bucket.put_folder(folder, "run/model")
    return f"{bucket.uri}/run/model"


@pytest.fixture
def recorded(bucket: "Bucket", tmp_path: Path) -> str:
    """A run whose records name the store; the merged table is real."""
    from tests.unit.pipeline.interchange.conftest import write_run

    output, raw = tmp_path / "made" / "output", tmp_path / "made" / "raw"
    with named_places({str(output): f"{bucket.uri}/run", str(raw): f"{bucket.uri}/raw"}):
        write_run(output)
    bucket.put_folder(output, "run")
    return f"{bucket.uri}/run"


def test_servers_get_the_model_in_production_and_no_other(bucket: "Bucket", models: str) -> None:
    place = f"{bucket.uri}/served"
    done = belka(bucket, "export", place, "--models", models)
    assert done.returncode == 0, done.stderr
    assert f"{place}/belka/17: 2 requests to warm up with" in done.stdout
    assert str(bucket.work) not in done.stdout + done.stderr
    served = bucket.names("served/")
    assert {"served/models.config", "served/belka/17/assets.extra/tf_serving_warmup_requests"} <= served
    assert not any("/18/" in name for name in served)
    fetched = {path.name for path in bucket.work.rglob("model/*") if path.is_dir()}
    assert fetched == {"17"}, "versions that are not in production stay where they are"
    changed = belka(bucket, "champion", "set", "18", "--reason", "better on sEH", "--models", models)
    assert changed.returncode == 0, changed.stderr
    shown = belka(bucket, "champion", "show", "--models", models)
    assert f"{models}/18: in production, digest" in shown.stdout
    assert [line.split()[1] for line in shown.stdout.splitlines()[1:]] == ["17", "18"]
    again = belka(bucket, "export", place, "--models", models)
    assert again.returncode == 0, again.stderr
    assert "removed version 17 of an earlier export" in again.stdout
    assert not any("/17/" in name for name in bucket.names("served/"))
    assert b"versions: 18" in bucket.get("served/models.config")


def test_where_a_model_is_from_is_told_and_sent(bucket: "Bucket", recorded: str) -> None:
    events = f"{bucket.uri}/told/events.jsonl"
    done = belka(bucket, "lineage", f"{recorded}/model", "--openlineage", events)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{events}: ")
    told = [json.loads(line) for line in bucket.get("told/events.jsonl").splitlines()]
    named = {(each["namespace"], each["name"]) for event in told for each in event["inputs"] + event["outputs"]}
    assert (bucket.uri, "raw/train.parquet") in named
    assert (bucket.uri, f"run/{TABLE}") in named
    assert {place for place, _ in named} == {bucket.uri, "gs://bucket"}
    traced = json.loads(belka(bucket, "lineage", f"{recorded}/model", "--json").stdout)
    assert traced["model"] == f"{recorded}/model/17"
    assert traced["raw_dir"] == f"{bucket.uri}/raw"


def test_the_merged_table_is_described_beside_it(bucket: "Bucket", recorded: str) -> None:
    file = f"{recorded}/croissant.json"
    done = belka(bucket, "lineage", f"{recorded}/model", "--croissant", file)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{file}: ")
    described: dict[str, Any] = json.loads(bucket.get("run/croissant.json"))
    files = [each["contentUrl"] for each in described["distribution"] if each["@type"] == "cr:FileObject"]
    assert files
    assert {f"run/{name}" for name in files} <= bucket.names()
    for elsewhere in (f"{bucket.uri}/told/croissant.json", str(bucket.work.parent / "croissant.json")):
        refused = belka(bucket, "lineage", f"{recorded}/model", "--croissant", elsewhere)
        assert refused.returncode == 2, refused.stderr
        assert "must lie in a folder above it" in refused.stderr
        assert f"{recorded}/{TABLE}" in refused.stderr


@pytest.fixture
def registry() -> Iterator[Any]:
    from tests.unit.pipeline.registry.conftest import stub_server

    with stub_server() as found:
        yield found


def test_a_registry_is_told_the_uri(bucket: "Bucket", recorded: str, registry: Any) -> None:
    done = belka(bucket, "champion", "register", "--registry", registry.uri, "--models", f"{recorded}/model")
    assert done.returncode == 0, done.stderr
    assert [each["uri"] for each in registry.artifacts] == [f"{recorded}/model/17"]
