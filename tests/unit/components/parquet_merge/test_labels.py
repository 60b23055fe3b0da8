"""Where labels end and read counts begin, to the row; what the message counts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from belka.errors import InputError
from belka.raw_directory import TRAIN, RawFile
from belka.settings import DataSettings, LabelSettings
from components.parquet_merge.labels import ReadCountsError, check_counts, check_threshold

FILE = RawFile(TRAIN, Path("train.parquet"))


def engine_of(labels: Sequence[float | None]) -> Any:
    engine = duckdb.connect()
    engine.execute("CREATE TABLE train_raw AS SELECT unnest(?::DOUBLE[]) AS label", [list(labels)])
    return engine


def are_counts(labels: Sequence[float | None]) -> bool:
    try:
        check_counts(engine_of(labels), FILE)
    except ReadCountsError:
        return True
    return False


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        pytest.param([0, 1, 2, 3, 4], True, id="three values above 1"),
        pytest.param([0, 1, 2, 3, 3, 3], False, id="two values above 1"),
        pytest.param([0] * 900 + [1] * 296 + [2, 3, 4], True, id="3 of 299 hits are above 1"),
        pytest.param([0] * 900 + [1] * 297 + [2, 3, 4], False, id="3 of 300, which is a hundredth"),
        pytest.param([0, 1, 2, 3, 4, 5, 6, 7, 8, 0.5], True, id="9 of 10 are whole"),
        pytest.param([0, 1, 2, 3, 4, 5, 6, 7, -1, 0.5], False, id="8 of 10 are whole numbers from 0"),
        pytest.param([2, 3, 4, float("inf"), float("nan")], False, id="what is not finite is no count"),
        pytest.param([2, 3, 4, None, None], True, id="a missing label is none"),
    ],
)
def test_counts_begin_where_labels_end(labels: list[float | None], expected: bool) -> None:
    assert are_counts(labels) is expected


def test_the_message_counts_what_each_threshold_makes_positive() -> None:
    with pytest.raises(ReadCountsError) as raised:
        check_counts(engine_of([0, 0, 1, 2, 3, 4, 5, 9, 10, 19, 20, 49, 50, 99, 100]), FILE)
    assert raised.value.received == (
        "12 different whole numbers from 2 to 100 in train.parquet; rows: 13 of 1 or more; 12 of 2 or more; 11 of 3 or "
        "more; 9 of 5 or more; 7 of 10 or more; 5 of 20 or more; 3 of 50 or more; 1 of 100 or more"
    )
    with pytest.raises(ReadCountsError) as raised:
        check_counts(engine_of([2, 3, 4]), FILE)
    assert raised.value.received.endswith("rows: 3 of 1 or more; 3 of 2 or more; 2 of 3 or more")
    # Single reads come by chance: the least threshold to try leaves them out, and no more.
    assert raised.value.least_threshold == 2


@pytest.mark.parametrize(
    ("labels", "threshold", "is_refused"),
    [([0, 5], 5, False), ([0, 4], 5, True), ([4, 6], 5, False), ([], 5, False), ([None], 5, False), ([0], None, False)],
)
def test_some_row_must_reach_the_threshold(labels: list[float | None], threshold: int | None, is_refused: bool) -> None:
    data = DataSettings(binds=LabelSettings(threshold=threshold) if threshold else None)
    if not is_refused:
        check_threshold(engine_of(labels), FILE, data)
        return
    with pytest.raises(InputError, match=r"counts up to 4 in train.parquet, threshold 5"):
        check_threshold(engine_of(labels), FILE, data)
