"""Reading and judging what TFX's validators wrote."""

import json
from pathlib import Path

import pytest
from tensorflow_metadata.proto.v0 import anomalies_pb2

from belka.errors import BelkaError, InputError
from components.data_validation.check import Anomaly, check_anomalies, read_anomalies


def write(folder: Path, found: dict[str, list[str]], *, missing: bool = False) -> None:
    result = anomalies_pb2.Anomalies(data_missing=missing)
    for feature, descriptions in found.items():
        for description in descriptions:
            result.anomaly_info[feature].reason.add(description=description)
    folder.mkdir(parents=True)
    (folder / "SchemaDiff.pb").write_bytes(result.SerializeToString())


@pytest.fixture
def results(tmp_path: Path) -> tuple[Path, Path]:
    schema, drift = tmp_path / "schema", tmp_path / "drift"
    write(schema / "Split-train", {"tokens": ["too large", "too many"], "binds": ["7"]})
    write(schema / "Split-validation", {}, missing=True)
    write(schema / "Split-test", {})
    write(drift / "SplitPair-validation_train", {"tokens": ["Comparison could not be done."]})
    write(drift / "SplitPair-test_train", {"tokens": ["far"]})
    return schema, drift


def test_the_list_is_sorted_and_an_empty_split_is_compared_with_nothing(results: tuple[Path, Path]) -> None:
    assert read_anomalies(*results) == [
        Anomaly("train", "binds", "7"),
        Anomaly("train", "tokens", "too large"),
        Anomaly("train", "tokens", "too many"),
        Anomaly("test against train", "tokens", "far"),
    ]


def test_fail_stops_with_the_list(results: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"schema says: 4 anomalies\.[\s\S]*train: binds: 7[\s\S]*test against train: tokens: far"
    ):
        check_anomalies(*results, tmp_path / "out", on_anomaly="fail")


def test_warn_keeps_the_list(results: tuple[Path, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    check_anomalies(*results, tmp_path / "out", on_anomaly="warn")
    kept = json.loads((tmp_path / "out" / "anomalies.json").read_text())
    assert len(kept["anomalies"]) == 4
    assert "train: tokens: too many" in caplog.text


def test_a_long_list_is_cut_and_says_so(results: tuple[Path, Path], tmp_path: Path) -> None:
    write(results[1] / "SplitPair-x_train", {f"f{i:02d}": ["odd"] for i in range(30)})
    with pytest.raises(InputError, match=r"34 anomalies[\s\S]*f15: odd\n    and 14 more"):
        check_anomalies(*results, tmp_path / "out", on_anomaly="fail")


def test_a_missing_or_damaged_result_is_no_clean_bill(results: tuple[Path, Path]) -> None:
    (results[0] / "Split-test" / "SchemaDiff.pb").write_bytes(b"\xff\xff")
    with pytest.raises(BelkaError, match="What the validators found cannot be read"):
        read_anomalies(*results)
    (results[0] / "Split-test" / "SchemaDiff.pb").unlink()
    with pytest.raises(BelkaError, match="What the validators found cannot be read"):
        read_anomalies(*results)
