"""Every kind of bad raw input has an answer; nothing is lost without a count."""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from belka.errors import InputError, RunAgainError
from belka.raw_directory import raw_digest
from belka.settings import DataSettings, SystemSettings
from components.parquet_merge import partition as partition_module
from components.parquet_merge import refusals
from components.parquet_merge.validate import validate_raw_files

Rows = list[dict[str, Any]]
TARGETS = ["BRD4", "HSA", "sEH"]


Merge = Callable[..., dict[str, Any]]


def refused(merge: Merge, raw_dir: Path, **changes: Any) -> str:
    """The message, which must leave nothing behind but the list of refused rows that it names."""
    output = raw_dir.parent / "out"
    with pytest.raises(InputError) as raised:
        merge(raw_dir, output, **changes)
    assert raised.value.exit_code == 2
    kept = raw_dir.parent / "rejected.parquet"
    assert set(raw_dir.parent.iterdir()) == {raw_dir, *([kept] if str(kept) in str(raised.value) else [])}
    return str(raised.value)


def _data(max_rejected_share: float) -> DataSettings:
    return DataSettings().model_copy(update={"targets": tuple(TARGETS), "max_rejected_share": max_rejected_share})


def also_refused_by_validation(raw_dir: Path, message: str, *, max_rejected_share: float = 1.0) -> None:
    try:
        refusal = validate_raw_files(raw_dir, data=_data(max_rejected_share), system=SystemSettings()).refusal
    except InputError as error:
        refusal = error
    assert str(refusal) == message.partition(f" {raw_dir.parent / 'rejected.parquet'}")[0]


def test_missing_training_file_names_the_place_and_what_is_there(merge: Merge, raw_dir: Path) -> None:
    (raw_dir / "train.parquet").rename(raw_dir / "library.parquet")
    message = refused(merge, raw_dir)
    assert message.startswith("The raw train file is missing.\n")
    assert f"neither train.parquet nor train.csv in {raw_dir}" in message
    assert "which holds DNA_Labeled_Data.csv, library.parquet, test.parquet" in message
    assert "--set data.train_file=NAME" in message
    assert "kaggle" not in message, "who has data is not sent to the competition's"
    also_refused_by_validation(raw_dir, message)


def test_an_empty_folder_is_told_where_data_come_from(merge: Merge, raw_dir: Path) -> None:
    for path in raw_dir.iterdir():
        path.unlink()
    assert "kaggle competitions download -c leash-BELKA" in refused(merge, raw_dir)


def test_a_test_file_that_is_named_must_be_there(merge: Merge, raw_dir: Path) -> None:
    assert "The raw test file is missing." in refused(merge, raw_dir, test_file="blind")


def test_missing_folder(merge: Merge, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"The folder of raw files does not exist\.\n  received: .*/nowhere\n"):
        merge(tmp_path / "nowhere", tmp_path / "out")


def test_parquet_counts_where_csv_lies_beside_it(
    merge: Merge, raw_dir: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (raw_dir / "train.csv").write_text("id\n", encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        summary = merge(raw_dir, tmp_path / "out")
    assert summary["files"]["train"]["name"] == "train.parquet"
    assert f"train.parquet is read, and {raw_dir / 'train.csv'} is not" in caplog.text


def test_two_text_files_of_one_table_are_refused(merge: Merge, raw_dir: Path) -> None:
    (raw_dir / "train.parquet").unlink()
    for name in ("train.csv", "train.tsv.gz"):
        (raw_dir / name).write_text("id\n", encoding="utf-8")
    message = refused(merge, raw_dir)
    assert "The raw train table is there 2 times" in message
    assert "train.csv, train.tsv.gz" in message


@pytest.mark.parametrize("column", ["molecule_smiles", "protein_name", "binds"])
@pytest.mark.parametrize("as_csv", [False, True])
def test_missing_column(merge: Merge, raw_dir: Path, column: str, as_csv: bool) -> None:
    path = raw_dir / "train.parquet"
    table = pq.read_table(path).drop_columns([column])
    if as_csv:
        path.unlink()
        pa_csv.write_csv(table, path.with_suffix(".csv"))
    else:
        pq.write_table(table, path)
    message = refused(merge, raw_dir)
    assert message.startswith(f"The raw train file lacks the column {column}.\n")
    assert "expected: the columns id, molecule_smiles" in message
    assert "--set data.columns." in message
    also_refused_by_validation(raw_dir, message)


@pytest.mark.parametrize("type_", [pa.list_(pa.string()), pa.timestamp("s"), pa.struct({"a": pa.int64()})])
@pytest.mark.parametrize("column", ["id", "binds", "buildingblock1_smiles", "molecule_smiles"])
def test_wrong_column_type(*, merge: Merge, raw_dir: Path, column: str, type_: pa.DataType) -> None:
    path = raw_dir / "train.parquet"
    table = pq.read_table(path)
    index = table.column_names.index(column)
    pq.write_table(table.set_column(index, column, pa.nulls(len(table), type_)), path)
    message = refused(merge, raw_dir)
    assert f"The column {column} of the raw train file has the wrong type." in message
    assert f" in {path}" in message
    assert "expected: text or number" in message


def test_no_rows(merge: Merge, raw_dir: Path, write_raw: Callable[..., Path], good: tuple[Rows, Rows]) -> None:
    write_raw(raw_dir, good[0], [])
    message = refused(merge, raw_dir)
    assert message.startswith("The raw test file holds no rows.")
    also_refused_by_validation(raw_dir, message)


@pytest.mark.parametrize("name", ["train.parquet", "test.parquet", "DNA_Labeled_Data.csv"])
def test_zero_bytes(merge: Merge, raw_dir: Path, name: str) -> None:
    (raw_dir / name).write_bytes(b"")
    assert f"{raw_dir / name}: 0 bytes" in refused(merge, raw_dir)


def test_truncated_parquet(merge: Merge, raw_dir: Path) -> None:
    path = raw_dir / "train.parquet"
    path.write_bytes(path.read_bytes()[:-10])
    message = refused(merge, raw_dir)
    assert message.startswith("The raw train file is not a whole parquet file; it may be truncated.")
    also_refused_by_validation(raw_dir, message)


@pytest.mark.parametrize("name", ["train", "test"])
def test_a_name_of_a_column_that_is_no_text(merge: Merge, raw_dir: Path, name: str) -> None:
    path = raw_dir / f"{name}.parquet"
    path.write_bytes(path.read_bytes().replace(b"protein_name", b"protein_n\xf3me"))
    message = refused(merge, raw_dir)
    assert message.startswith(f"A column of the raw {name} file has a name that is no text in UTF-8.")
    assert r"protein_n\xf3me" in message
    also_refused_by_validation(raw_dir, message)


def test_damaged_parquet_pages(
    merge: Merge, raw_dir: Path, row: Callable[..., dict[str, Any]], write_raw: Callable[..., Path]
) -> None:
    rows = [row(i, "abc", "HSA", 0, molecule_smiles=f"C{i}") for i in range(5000)]
    write_raw(raw_dir, rows, [row(1, "abc", "HSA")])
    path = raw_dir / "train.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 3 : len(content) // 2] = bytes(len(content) // 2 - len(content) // 3)
    path.write_bytes(content)
    assert f"An error occurred while reading {path}." in refused(merge, raw_dir)


def test_extra_file_with_wrong_columns(merge: Merge, raw_dir: Path) -> None:
    (raw_dir / "DNA_Labeled_Data.csv").write_text("smiles,count\nCC,1\n", encoding="utf-8")
    message = refused(merge, raw_dir)
    assert "The raw extra file lacks the column new_structure, read_count." in message
    assert "with the columns smiles, count" in message


def test_lines_that_are_no_rows_are_counted_with_their_number(merge: Merge, raw_dir: Path) -> None:
    (raw_dir / "DNA_Labeled_Data.csv").write_text(
        'new_structure,read_count\nCC,1\nCC,1,5,6\nCCC,0\nC\n"C,1\nCCN,1\n', encoding="utf-8"
    )
    message = refused(merge, raw_dir, max_rejected_share=0.1)
    assert "3 of 6 rows (50.00%)" in message
    assert "1 x line has too many cells (line 3," in message
    assert "1 x line has too few cells (line 5," in message
    assert "1 x line has a stray quote, or one that is not closed on the line (line 6," in message
    also_refused_by_validation(raw_dir, message, max_rejected_share=0.1)


def test_too_many_rejected_rows_show_reasons_with_examples(
    merge: Merge,
    raw_dir: Path,
    row: Callable[..., dict[str, Any]],
    good: tuple[Rows, Rows],
    write_raw: Callable[..., Path],
) -> None:
    bad = [row(3, "abc", "HSA", 2), row(4, "abc", "HSA", None), row(5, "abc", "brd-4", 0)]
    write_raw(raw_dir, [*good[0], *bad], good[1])
    message = refused(merge, raw_dir, max_rejected_share=0.25)
    assert "Too many rows of the raw train file cannot be used." in message
    assert "3 of 6 rows (50.00%)" in message
    assert "2 x label is not 0 or 1 (row 3, id 3, protein HSA, label 2, smiles N[Dy]abc)" in message
    assert "1 x unknown protein (row 5, id 5, protein brd-4, label 0, smiles N[Dy]abc)" in message
    assert "expected: at most 25.00% (data.max_rejected_share)" in message
    assert message.endswith(f" {raw_dir.parent / 'rejected.parquet'} lists the rows (up to 1,000,000 of a file).")
    reasons = pq.read_table(raw_dir.parent / "rejected.parquet")["reason"].to_pylist()
    assert reasons == ["label is not 0 or 1"] * 2 + ["unknown protein"]
    also_refused_by_validation(raw_dir, message, max_rejected_share=0.25)
    report = validate_raw_files(raw_dir, data=_data(0.5), system=SystemSettings())
    assert [(file.source, file.n_rows, sum(count.n_rows for count in file.rejected)) for file in report.files] == [
        ("train", 6, 3),
        ("test", 2, 0),
        ("extra", 1, 0),
    ]


def test_file_without_one_usable_row_is_refused_at_any_share(
    merge: Merge,
    raw_dir: Path,
    row: Callable[..., dict[str, Any]],
    good: tuple[Rows, Rows],
    write_raw: Callable[..., Path],
) -> None:
    write_raw(raw_dir, good[0], [row(1, "abc", "XYZ")])
    assert "1 of 1 rows (100.00%)" in refused(merge, raw_dir, max_rejected_share=1.0)


def test_rows_of_other_proteins_are_left_out_and_count_in_no_share(
    *,
    merge: Merge,
    raw_dir: Path,
    row: Callable[..., dict[str, Any]],
    read_molecules: Callable[[Path], pa.Table],
    write_raw: Callable[..., Path],
    tmp_path: Path,
) -> None:
    train = [
        row(3 * i + j, f"ab{letter}", protein, 0) for i, letter in enumerate("cde") for j, protein in enumerate(TARGETS)
    ]
    test = [row(20 + j, "abf", protein) for j, protein in enumerate(TARGETS)]
    summary = merge(write_raw(raw_dir, train, test), tmp_path / "out", targets=("BRD4",), max_rejected_share=0.0)
    for source, n_left in (("train", 6), ("test", 2)):
        entry = summary["files"][source]
        assert (entry["other_proteins"], entry["rejected"], entry["rejected_by_reason"]) == (n_left, 0, {})
        assert entry["pairs_kept"] == len(TARGETS) * n_left // 2 - n_left
    assert read_molecules(tmp_path / "out")["binds"].to_pylist() == [[0], [0], [0], [2]]
    listed = pq.read_table(tmp_path / "out" / "rejected.parquet").select(["source", "id", "reason"]).to_pylist()
    # Each is a row of the submission; those of the training file are counted only.
    reason = "protein is not among data.targets"
    assert [tuple(line.values()) for line in listed] == [("test", "21", reason), ("test", "22", reason)]
    report = validate_raw_files(
        raw_dir, data=DataSettings(targets=("BRD4",), max_rejected_share=0.0), system=SystemSettings()
    )
    assert [sum(count.n_rows for count in file.rejected) for file in report.files] == [6, 2]


def test_unusable_rows_are_a_share_of_those_of_the_targets(
    merge: Merge,
    raw_dir: Path,
    row: Callable[..., dict[str, Any]],
    good: tuple[Rows, Rows],
    write_raw: Callable[..., Path],
) -> None:
    write_raw(raw_dir, [*good[0], row(5, "abd", "BRD4", 7)], good[1])
    message = refused(merge, raw_dir, targets=("BRD4",), max_rejected_share=0.4)
    assert "1 of 2 rows (50.00%)" in message
    assert "not among" not in message


def test_a_target_without_a_training_row_is_refused_where_other_proteins_have_some(merge: Merge, raw_dir: Path) -> None:
    message = refused(merge, raw_dir, targets=("BRD4", "HAS"))
    assert "no row of HAS; 1 of BRD4, 1 of HSA, 1 of sEH" in message
    assert "Correct the names in data.targets" in message


def test_the_list_of_a_refused_run_goes_where_it_is_wanted_and_no_further_than_its_limit(
    *, merge: Merge, raw_dir: Path, row: Callable[..., dict[str, Any]], write_raw: Callable[..., Path], tmp_path: Path
) -> None:
    write_raw(raw_dir, [row(i, "abc", "HSA", 0) for i in range(3)], [row(i, "abc", "XYZ") for i in range(5)])
    wanted = tmp_path / "output" / "rejected.parquet"
    with patch.object(refusals, "MAX_LISTED_ROWS", 4), pytest.raises(InputError) as raised:
        merge(raw_dir, tmp_path / "out", lists_dir=wanted.parent)
    assert f"{wanted} lists the rows (up to 4 of a file)" in raised.value.action
    assert pq.read_table(wanted)["row"].to_pylist() == [0, 1, 2, 3]
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="5 x protein is not among") as raised:
        merge(raw_dir, tmp_path / "out", lists_dir=tmp_path / "file" / "output")
    assert "lists the rows" not in raised.value.action


def test_rejected_rows_are_written_as_given(
    *,
    merge: Merge,
    raw_dir: Path,
    row: Callable[..., dict[str, Any]],
    good: tuple[Rows, Rows],
    write_raw: Callable[..., Path],
    tmp_path: Path,
) -> None:
    train = [
        *good[0],
        row(3, "abc", "HSA", 7),
        row(1, "abd", "HSA", 1),
        row(1, "abd", "HSA", 1),
        row(4, "abc", "HSA", 1, molecule_smiles=""),
        row(5, "abc", "HSA", 1, buildingblock3_smiles=None),
        row(None, "abc", "HSA", 1),
        row(-7, "abc", "HSA", 1),
    ]
    test = [*good[1], row(99, "abd", "HSA"), row(98, None, "sEH"), row(50, "abd", None)]
    train.append(row(8, "abc", "HSA", 1, molecule_smiles="C\u200bC"))
    extra = [{"new_structure": "CC", "read_count": "3"}, {"new_structure": "CC", "read_count": "many"}]
    summary = merge(write_raw(raw_dir, train, test, extra), tmp_path / "out")
    rejected = pq.read_table(tmp_path / "out" / "rejected.parquet")
    assert [str(field.type) for field in rejected.schema] == ["string", "int64", *["string"] * 5]
    assert [tuple(line.values()) for line in rejected.to_pylist()] == [
        ("train", 3, "3", "N[Dy]abc", "HSA", "7", "label is not 0 or 1"),
        ("train", 4, "1", "N[Dy]abd", "HSA", "1", "duplicate id: another pair has it"),
        ("train", 5, "1", "N[Dy]abd", "HSA", "1", "duplicate id: another pair has it"),
        ("train", 6, "4", "", "HSA", "1", "empty SMILES"),
        ("train", 7, "5", "N[Dy]abc", "HSA", "1", "building block is missing"),
        ("train", 8, None, "N[Dy]abc", "HSA", "1", "id is missing, or a number below 0"),
        ("train", 9, "-7", "N[Dy]abc", "HSA", "1", "id is missing, or a number below 0"),
        ("train", 10, "8", "C\u200bC", "HSA", "1", "SMILES with a character other than printable ASCII"),
        ("test", 4, "50", "N[Dy]abd", None, None, "unknown protein"),
        ("extra", 1, None, "CC", None, "many", "read_count is not a number of 0 or more"),
    ]
    for source, n_rejected in (("train", 8), ("test", 1), ("extra", 1)):
        entry = summary["files"][source]
        assert entry["rejected"] == n_rejected
        assert entry["rows_read"] == entry["pairs_kept"] + entry["duplicates"] + entry["rejected"]


def test_too_many_targets(merge: Merge, raw_dir: Path) -> None:
    message = refused(merge, raw_dir, targets=tuple(f"P{i}" for i in range(31)))
    assert "There are too many targets." in message


@pytest.mark.parametrize("targets", [(), ("HSA", "HSA"), ("HSA", "")])
def test_unusable_targets_are_refused_by_the_settings(targets: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError, match="targets"):
        DataSettings(targets=targets)


def test_spill_disk_without_room(merge: Merge, raw_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    huge = partition_module.Estimate(records=1, spill=10**18, output=0)
    monkeypatch.setattr(partition_module, "estimate_bytes", lambda *_: huge)
    with pytest.raises(RunAgainError) as told:
        merge(raw_dir, raw_dir.parent / "out")
    assert "There is not enough room for temporary files and the output." in str(told.value)
    assert "expected: about 1,000,000,000,000.0 MB" in str(told.value)


def test_fingerprint_follows_content_and_nothing_else(raw_dir: Path, tmp_path: Path) -> None:
    before = raw_digest(raw_dir, DataSettings())
    moved = tmp_path / "moved"
    shutil.copytree(raw_dir, moved, copy_function=shutil.copyfile)
    assert raw_digest(moved, DataSettings()) == before
    extra = moved / "DNA_Labeled_Data.csv"
    extra.write_text(extra.read_text(encoding="utf-8").replace("CC,1", "CC,2"), encoding="utf-8")
    assert raw_digest(moved, DataSettings()) != before
    extra.unlink()
    assert raw_digest(moved, DataSettings()) != before
