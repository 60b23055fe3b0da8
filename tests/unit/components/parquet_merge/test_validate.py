"""What `belka validate` says of a folder, and that a merge then does what it says."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from belka.errors import InputError
from belka.settings import DataSettings, SystemSettings
from components.parquet_merge import validate as validate_module
from components.parquet_merge.validate import SideReport, ValidationReport, configured_and_found, validate_raw_files

Row = Callable[..., dict[str, Any]]
WriteRaw = Callable[..., Path]
Merge = Callable[..., dict[str, Any]]
OTHER = "CCCCCN[Dy]"
SMILES = ["CN[Dy]", "CCN[Dy]", "CCCN[Dy]", "OCCN[Dy]", "NCCN[Dy]"]


def _validate(raw_dir: Path, **changes: Any) -> ValidationReport:
    data = DataSettings(**{"max_rejected_share": 0.0, **changes})
    return validate_raw_files(raw_dir, data=data, system=SystemSettings())


def _train(row: Row, *labels: int) -> list[dict[str, Any]]:
    """A molecule for each label, cyclically of five."""
    return [row(i, "abc", "HSA", label, molecule_smiles=SMILES[i % 5]) for i, label in enumerate(labels)]


def test_it_counts_what_a_merge_makes(
    tmp_path: Path, row: Row, write_raw: WriteRaw, merge: Merge, read_molecules: Callable[..., Any]
) -> None:
    train = [*_train(row, 0, 0, 1, 0, 0, 1), row(6, "abc", "BRD4", 1, molecule_smiles=SMILES[0])]
    test = [row(20, "abd", "HSA", molecule_smiles="CCCCN[Dy]"), row(21, "abd", "sEH", molecule_smiles="CCCCN[Dy]")]
    extra = [{"new_structure": text, "read_count": 2} for text in ("CCO", SMILES[1])]
    raw = write_raw(tmp_path / "raw", train, test, extra)
    report = _validate(raw)
    assert report.refusal is None
    assert report.remedies == ()
    assert report.training == SideReport(molecules=6, pairs=8, conflicts=1, is_exact=True)
    assert report.test == SideReport(molecules=1, pairs=2, conflicts=0, is_exact=True)
    summary = merge(raw, tmp_path / "out")
    molecules = read_molecules(tmp_path / "out").to_pylist()
    assert len([line for line in molecules if line["subset"] != 2]) == report.training.molecules
    assert summary["conflicting_pairs"] == report.training.conflicts
    written = sum(label["negative"] + label["positive"] for label in summary["labels"]["train"].values())
    assert written == report.training.pairs
    assert list(configured_and_found(report, DataSettings())) == [
        "BRD4: 1 rows",
        "HSA: 6 rows",
        "sEH: not in the training file",
    ]


def test_large_files_are_estimated_and_said_to_be(tmp_path: Path, row: Row, write_raw: WriteRaw) -> None:
    train = [row(i, "abc", "HSA", 0, molecule_smiles=f"{'C' * (i // 2 + 1)}N[Dy]") for i in range(1000)]
    raw = write_raw(tmp_path / "raw", train, [row(9999, "abc", "HSA", molecule_smiles=OTHER)])
    with patch.object(validate_module, "EXACT_ROWS", 300):
        side = _validate(raw, max_rejected_share=0.5).training
    assert not side.is_exact
    assert side.molecules == pytest.approx(500, rel=0.25)
    assert side.pairs == side.molecules


def test_a_sample_of_the_smiles_is_read(tmp_path: Path, row: Row, write_raw: WriteRaw) -> None:
    texts = ["CN[Dy]", "[Dy]NC", "[Dy]NCC", "CCCCN[Dy]", "C1CC", "CCOCN[Dy]", "C(OCN[Dy])C", "[Dy]NCOCC"]
    train = [row(i, "abc", "HSA", 0, molecule_smiles=text) for i, text in enumerate(texts)]
    raw = write_raw(tmp_path / "raw", train, [row(99, "abc", "HSA", molecule_smiles="CCCN[Dy]")])
    sample = _validate(raw, max_rejected_share=0.2).sample
    assert (sample.n_smiles, sample.is_whole) == (9, True)
    assert sample.unusable == {"unparsable SMILES": 1}
    assert sample.first_unusable == "C1CC"
    # [Dy]NC is CN[Dy]; C(OCN[Dy])C and [Dy]NCOCC are CCOCN[Dy]; [Dy]NCC stands alone.
    assert (sample.respelled, sample.twins) == (4, 3)
    with patch.object(validate_module, "SAMPLE_SMILES", 4):
        sample = _validate(raw, max_rejected_share=0.5).sample
    assert (sample.n_smiles, sample.is_whole) == (5, False)


def _merges(merge: Merge, raw: Path, output: Path, report: ValidationReport) -> None:
    """The merge refuses as the report says, and starts with its remedies."""
    from pipeline.config.files import load_config

    plain = {"max_rejected_share": 0.0, "targets": DataSettings().targets}
    with pytest.raises(InputError) as raised:
        merge(raw, output, **plain)
    assert raised.value.problem == report.refusal.problem if report.refusal else False
    data = load_config(None, ["data.max_rejected_share=0", *report.remedies]).data
    changed = {name: getattr(data, name) for name in ("targets", "binds", "use_extra_data", "max_rejected_share")}
    merge(raw, output, **changed)


def test_other_targets(tmp_path: Path, row: Row, write_raw: WriteRaw, merge: Merge) -> None:
    train = [row(i, "abc", name, i % 2, molecule_smiles=SMILES[i]) for i, name in enumerate(["CA9", "HSA", "CA9", "1"])]
    raw = write_raw(tmp_path / "raw", train, [row(9, "abc", "CA9", molecule_smiles=OTHER)])
    report = _validate(raw)
    assert report.remedies == ('data.targets=["1", CA9, HSA]',)
    assert "1: 1 rows, but no target" in list(configured_and_found(report, DataSettings()))
    _merges(merge, raw, tmp_path / "out", report)


def test_read_counts_of_other_targets(tmp_path: Path, row: Row, write_raw: WriteRaw, merge: Merge) -> None:
    train = [{**line, "protein_name": "CA9"} for line in _train(row, 0, 0, 0, 5, 9, 2, 1, 7)]
    raw = write_raw(tmp_path / "raw", train, [row(9, "abc", "CA9", molecule_smiles=OTHER)])
    report = _validate(raw)
    assert set(report.remedies) == {"data.binds={threshold: 2}", "data.targets=[CA9]"}
    assert report.refusal is not None
    _merges(merge, raw, tmp_path / "out", report)


def test_a_few_unusable_rows_of_several_kinds(tmp_path: Path, row: Row, write_raw: WriteRaw, merge: Merge) -> None:
    train = [*_train(row, *[0] * 57), row(60, "abc", "HSA", None), row(61, "abc", "HSA", 0), row(None, "abc", "HSA", 0)]
    train[-2]["buildingblock3_smiles"] = None
    raw = write_raw(tmp_path / "raw", train, [row(99, "abc", "HSA", molecule_smiles=OTHER)])
    report = _validate(raw)
    assert report.remedies == ("data.max_rejected_share=0.05",)
    _merges(merge, raw, tmp_path / "out", report)


def test_an_unusable_extra_file(tmp_path: Path, row: Row, write_raw: WriteRaw, merge: Merge) -> None:
    extra = [{"new_structure": "CCO", "read_count": "many"}, {"new_structure": "CCC", "read_count": 1}]
    raw = write_raw(tmp_path / "raw", _train(row, 0, 1), [row(99, "abc", "HSA", molecule_smiles=OTHER)], extra)
    report = _validate(raw)
    assert report.remedies == ("data.use_extra_data=false",)
    _merges(merge, raw, tmp_path / "out", report)


def test_one_fault_in_most_rows_has_no_remedy(tmp_path: Path, row: Row, write_raw: WriteRaw) -> None:
    train = [row(None, "abc", "HSA", 0) for _ in range(5)] + _train(row, 0, 1)
    report = _validate(write_raw(tmp_path / "raw", train, [row(99, "abc", "HSA", molecule_smiles=OTHER)]))
    assert report.refusal is not None
    assert report.remedies == ()
    assert "raise" not in report.refusal.action


def test_smiles_that_are_no_molecules_would_stop_a_run(tmp_path: Path, row: Row, write_raw: WriteRaw) -> None:
    train = [row(i, "abc", "HSA", 0, molecule_smiles=text) for i, text in enumerate([*SMILES, "C1CC"])]
    report = _validate(write_raw(tmp_path / "raw", train, [row(99, "abc", "HSA", molecule_smiles="CCCCN[Dy]")]))
    assert report.refusal is not None
    assert "1 of 7 SMILES that RDKit read, for example C1CC" in report.refusal.received
    assert report.remedies == ("data.max_rejected_share=0.15",)
