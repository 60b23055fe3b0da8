"""Read counts in the column binds: recognised, never dropped as bad labels, and turned into labels by a threshold."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from belka.errors import InputError
from belka.settings import DataSettings, LabelSettings, SystemSettings
from components.parquet_merge.validate import validate_raw_files

Row = Callable[..., dict[str, Any]]
Merge = Callable[..., dict[str, Any]]
WriteRaw = Callable[..., Path]
MANY_ZEROS = [*[0] * 900, *[1] * 60, 2, 2, 3, 5, 8, 40]


def _raw_dir(
    folder: Path, counts: list[Any], row: Row, write_raw: WriteRaw, kind: pa.DataType, *, as_csv: bool
) -> Path:
    """A molecule for each count, all of them pairs with HSA."""
    rows = [row(i, "abc", "HSA", 0, molecule_smiles=f"C{i}") for i in range(len(counts))]
    raw = write_raw(folder / "raw", rows, [row(10_000, "abd", "HSA")])
    path = raw / "train.parquet"
    table = pq.read_table(path)
    table = table.set_column(table.num_columns - 1, "binds", pa.array(counts, kind))
    if as_csv:
        path.unlink()
        pa_csv.write_csv(table, path.with_suffix(".csv"))
    else:
        pq.write_table(table, path)
    return raw


def _labels(output: Path, read_molecules: Callable[[Path], pa.Table]) -> dict[str, int]:
    rows = read_molecules(output).to_pylist()
    return {line["smiles"]: line["binds"][1] for line in rows if line["subset"] != 2}


@pytest.mark.parametrize("share", [0.01, 0.99])
@pytest.mark.parametrize("as_csv", [False, True])
def test_counts_are_recognised_however_few_exceed_one(
    *, tmp_path: Path, row: Row, write_raw: WriteRaw, merge: Merge, share: float, as_csv: bool
) -> None:
    raw = _raw_dir(tmp_path, MANY_ZEROS, row, write_raw, pa.int32(), as_csv=as_csv)
    with pytest.raises(InputError) as raised:
        merge(raw, tmp_path / "out", max_rejected_share=share)
    message = str(raised.value)
    assert message.startswith("The labels of the raw train file look like read counts.")
    assert "5 different whole numbers from 2 to 40" in message
    assert "66 of 1 or more; 6 of 2 or more; 4 of 3 or more; 3 of 5 or more; 1 of 10 or more" in message
    assert "--set 'data.binds={threshold: N}'" in message
    assert "max_rejected_share" not in message
    report = validate_raw_files(raw, data=DataSettings(max_rejected_share=share), system=SystemSettings())
    assert str(report.refusal) == message


@pytest.mark.parametrize(
    ("kind", "as_csv"), [(pa.int64(), False), (pa.uint8(), False), (pa.float64(), False), (pa.int64(), True)]
)
@pytest.mark.parametrize("threshold", [1, 3, 40])
def test_a_threshold_makes_labels_of_counts(
    *,
    tmp_path: Path,
    row: Row,
    write_raw: WriteRaw,
    merge: Merge,
    read_molecules: Callable[[Path], pa.Table],
    kind: pa.DataType,
    as_csv: bool,
    threshold: int,
) -> None:
    counts = [0, 1, 2, 3, 4, 40, 200]
    raw = _raw_dir(tmp_path, counts, row, write_raw, kind, as_csv=as_csv)
    summary = merge(raw, tmp_path / "out", binds=LabelSettings(threshold=threshold), max_rejected_share=0.0)
    assert _labels(tmp_path / "out", read_molecules) == {
        f"C{i}": int(count >= threshold) for i, count in enumerate(counts)
    }
    assert summary["settings"]["binds"] == {"threshold": threshold}


def test_what_is_no_count_is_refused_by_its_reason(
    tmp_path: Path, row: Row, write_raw: WriteRaw, merge: Merge, read_molecules: Callable[[Path], pa.Table]
) -> None:
    counts = ["5", "-1", "2.5", "inf", "nan", "many", None, "1e1", "4.0"]
    raw = _raw_dir(tmp_path, counts, row, write_raw, pa.string(), as_csv=True)
    summary = merge(raw, tmp_path / "out", binds=LabelSettings(threshold=5))
    assert summary["files"]["train"]["rejected_by_reason"] == {"label is not a whole number of 0 or more": 6}
    assert _labels(tmp_path / "out", read_molecules) == {"C0": 1, "C7": 1, "C8": 0}


def test_negative_counts_in_parquet_are_refused(tmp_path: Path, row: Row, write_raw: WriteRaw, merge: Merge) -> None:
    raw = _raw_dir(tmp_path, [5, -1, None, 0], row, write_raw, pa.int64(), as_csv=False)
    summary = merge(raw, tmp_path / "out", binds=LabelSettings(threshold=2))
    assert summary["files"]["train"]["rejected_by_reason"] == {"label is not a whole number of 0 or more": 2}
    assert summary["labels"]["train"]["HSA"] == {"negative": 1, "positive": 1, "unknown": 0}


def test_a_threshold_that_no_row_reaches(tmp_path: Path, row: Row, write_raw: WriteRaw, merge: Merge) -> None:
    raw = _raw_dir(tmp_path, [0, 1, 1], row, write_raw, pa.int64(), as_csv=False)
    with pytest.raises(InputError, match=r"No row of the raw train file reaches data\.binds\.(.|\n)*up to 1 in"):
        merge(raw, tmp_path / "out", binds=LabelSettings(threshold=2))


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param([0, 1] * 40 + [2, 2], id="a third class"),
        pytest.param([0, 1] * 1000 + [2, 3, 4, 7], id="strays"),
        pytest.param([0, 1, -1, -2, -3, -4], id="below 0"),
    ],
)
def test_other_bad_labels_are_no_counts(
    tmp_path: Path, row: Row, write_raw: WriteRaw, merge: Merge, labels: list[int]
) -> None:
    raw = _raw_dir(tmp_path, labels, row, write_raw, pa.int64(), as_csv=False)
    summary = merge(raw, tmp_path / "out")
    assert set(summary["files"]["train"]["rejected_by_reason"]) == {"label is not 0 or 1"}


def test_a_threshold_below_one_is_no_threshold() -> None:
    with pytest.raises(ValidationError, match="threshold"):
        LabelSettings(threshold=0)


def test_the_extra_file_keeps_its_own_rule(tmp_path: Path, row: Row, write_raw: WriteRaw, merge: Merge) -> None:
    train = [row(0, "abc", "HSA", 9), row(1, "abd", "HSA", 2)]
    extra = [{"new_structure": "CC", "read_count": 1}, {"new_structure": "CN", "read_count": 0}]
    raw = write_raw(tmp_path / "raw", train, [row(7, "abe", "HSA")], extra)
    summary = merge(raw, tmp_path / "out", binds=LabelSettings(threshold=5))
    assert summary["labels"]["train"]["sEH"] == {"negative": 1, "positive": 1, "unknown": 2}
    assert summary["labels"]["train"]["HSA"] == {"negative": 1, "positive": 1, "unknown": 2}


def test_a_larger_share_is_no_advice_where_most_rows_have_one_fault(
    tmp_path: Path, row: Row, write_raw: WriteRaw, merge: Merge
) -> None:
    train = [row(i, "abc", "hsa" if i else "HSA", 0) for i in range(4)]
    raw = write_raw(tmp_path / "raw", train, [row(7, "abe", "HSA")])
    with pytest.raises(InputError, match="3 x unknown protein") as raised:
        merge(raw, tmp_path / "out", max_rejected_share=0.5)
    assert "raise" not in raised.value.action
    assert "mend that" in raised.value.action
