"""The command line on places of a real S3 server."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from belka.demo.generate import make_demo_data
from belka.models.champion import model_digest

if TYPE_CHECKING:
    from tests.stores.conftest import Bucket

BELKA = Path(sys.executable).parent / "belka"


def belka(bucket: "Bucket", *arguments: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**bucket.environment(COLUMNS="250"), **more}
    return subprocess.run(
        [BELKA, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=bucket.work.parent,
    )


@pytest.fixture
def raw(bucket: "Bucket", tmp_path: Path) -> str:
    make_demo_data(tmp_path / "made", molecules=100)
    bucket.put_folder(tmp_path / "made", "raw")
    return f"{bucket.uri}/raw"


def test_raw_files_are_validated_where_they_lie(bucket: "Bucket", raw: str) -> None:
    done = belka(bucket, "validate", "--raw-dir", raw)
    assert done.returncode == 0, done.stderr
    assert "would start" in done.stdout
    bucket.put("raw/train.parquet", b"PAR1 and no footer")
    cut = belka(bucket, "validate", "--raw-dir", raw)
    assert cut.returncode == 2
    assert f"{raw}/train.parquet" in cut.stderr
    assert str(bucket.work) not in cut.stderr


def test_demo_data_are_made_there(bucket: "Bucket") -> None:
    done = belka(bucket, "make-demo-data", "--molecules", "100", "--out", f"{bucket.uri}/demo")
    assert done.returncode == 0, done.stderr
    assert {"demo/train.parquet", "demo/test.parquet"} <= bucket.names()


@pytest.mark.parametrize(
    ("wrong", "code", "said"),
    [
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, 75, "The object store does not answer"),
        ({"AWS_ENDPOINT_URL": "http://nowhere.invalid"}, 75, "The object store does not answer"),
    ],
)
def test_a_store_that_cannot_be_reached(bucket: "Bucket", wrong: dict[str, str], code: int, said: str) -> None:
    for arguments in (
        ("validate", "--raw-dir", f"{bucket.uri}/raw"),
        ("run", "--raw-dir", f"{bucket.uri}/raw", "--output-dir", f"{bucket.uri}/run"),
        ("predict", "--model", f"{bucket.uri}/model", "CCO"),
    ):
        done = belka(bucket, *arguments, **wrong)
        assert done.returncode == code, done.stderr
        assert said in done.stderr
        assert "Traceback" not in done.stderr


def test_a_folder_and_a_bucket_that_are_not_there(bucket: "Bucket") -> None:
    none = belka(bucket, "validate", "--raw-dir", f"{bucket.uri}/nothing")
    assert none.returncode == 2
    assert "The folder of raw files does not exist." in none.stderr
    assert f"{bucket.uri}/nothing" in none.stderr
    none = belka(bucket, "validate", "--raw-dir", "s3://no-such-bucket/raw")
    assert none.returncode == 2
    assert "The bucket does not exist." in none.stderr


@pytest.mark.usefixtures("needs_login")
def test_who_may_not(bucket: "Bucket") -> None:
    done = belka(bucket, "validate", "--raw-dir", f"{bucket.uri}/raw")
    assert done.returncode == 2, done.stderr
    assert "The object store refuses access." in done.stderr
    assert "is not set" not in done.stderr
    assert "not-a-secret" not in done.stderr


def test_who_has_no_credentials(bucket: "Bucket") -> None:
    bucket.put("raw/train.parquet", "x")
    none = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "HOME": str(bucket.work.parent)}
    done = belka(bucket, "validate", "--raw-dir", f"{bucket.uri}/raw", AWS_EC2_METADATA_DISABLED="true", **none)
    assert done.returncode == 2, done.stderr
    assert "The object store refuses access." in done.stderr
    assert "AWS_ACCESS_KEY_ID is not set" in done.stderr


def test_another_command_on_a_run_that_is_not_there(bucket: "Bucket") -> None:
    place = f"{bucket.uri}/run"
    for arguments in (
        ("report", place, f"{place}2"),
        ("enrichment", "--output-dir", place),
        ("champion", "list", "--models", f"{place}/model"),
        ("lineage", f"{place}/model"),
        ("clean", "--output-dir", place),
    ):
        done = belka(bucket, *arguments)
        assert done.returncode == 2, (arguments, done.stderr)
        assert place in done.stderr, arguments
        assert str(bucket.work) not in done.stderr, arguments


def test_the_champion_is_set_there(bucket: "Bucket", small_model: Path) -> None:
    for version in ("17", "18"):
        bucket.put_folder(small_model, f"model/{version}")
    done = belka(bucket, "champion", "set", "17", "--reason", "trusted", "--models", f"{bucket.uri}/model")
    assert done.returncode == 0, done.stderr
    assert f"{bucket.uri}/model/17: in production now" in done.stdout
    told: dict[str, Any] = json.loads(bucket.get("model/champion.json"))
    assert told["version"] == "17"
    listed = belka(bucket, "champion", "list", "--models", f"{bucket.uri}/model")
    assert [line.split()[:2] for line in listed.stdout.splitlines() if "->" in line] == [["->", "17"]]


def test_a_file_there_is_predicted_to_a_file_there(bucket: "Bucket", small_model: Path, tmp_path: Path) -> None:
    bucket.put_folder(small_model, "run/model/17")
    bucket.put("run/model/champion.json", json.dumps({"version": "17", "digest": model_digest(small_model)}))
    bucket.put("in/x.csv", "smiles\nCCO\nC1CC1\nno molecule\n")
    places = [f"{bucket.uri}/{name}" for name in ("in/x.csv", "out/y.csv", "run/model")]
    arguments = ("--input", places[0], "--output", places[1], "--model", places[2])
    done = belka(bucket, "predict", *arguments)
    assert done.returncode == 0, done.stderr
    assert f"{places[1]}: 3 rows" in done.stderr
    rows = list(csv.DictReader(io.StringIO(bucket.get("out/y.csv").decode())))
    assert [row["smiles"] for row in rows] == ["CCO", "C1CC1", "no molecule"]
    (tmp_path / "x.csv").write_bytes(bucket.get("in/x.csv"))
    local = ("--input", tmp_path / "x.csv", "--output", tmp_path / "y.csv", "--model", small_model)
    assert belka(bucket, "predict", *local).returncode == 0
    assert (tmp_path / "y.csv").read_bytes() == bucket.get("out/y.csv")
    same = belka(bucket, "predict", *arguments[:2], "--output", places[0], *arguments[4:])
    assert same.returncode == 2
    assert "The output would replace the input" in same.stderr
    assert places[0] in same.stderr
    assert bucket.get("in/x.csv").startswith(b"smiles\nCCO")
