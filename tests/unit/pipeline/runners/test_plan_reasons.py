"""What a plan says of a node that does not come from the cache."""

from belka.provenance import Record
from pipeline.runners.plan_reasons import changes

OLD = Record(
    step="trainer-clf",
    code_version="1",
    settings={"custom_config": {"training": {"epochs": 3, "seed": 1}}, "raw_digest": "train.parquet=a test.parquet=b"},
)


def test_equal_is_no_reason() -> None:
    assert list(changes(OLD, OLD.settings, "1")) == []


def test_every_key_is_named_with_both_values() -> None:
    now = {**OLD.settings, "custom_config": {"training": {"epochs": 4, "patience": 2}}}
    assert list(changes(OLD, now, "1")) == [
        "training.epochs: 3 -> 4",
        "training.patience: none -> 2",
        "training.seed: 1 -> none",
    ]


def test_code_and_raw_files() -> None:
    now = {**OLD.settings, "raw_digest": "train.parquet=x test.parquet=b"}
    assert list(changes(OLD, now, "2")) == [
        "the code that it runs has changed",
        "raw files have changed: train.parquet",
    ]


def test_long_values_are_cut() -> None:
    (reason,) = changes(OLD, {**OLD.settings, "x": "y" * 500}, "1")
    assert len(reason) < 100
