"""What the closing table tells of the data: everything that happened, and nothing that did not."""

from pathlib import Path

from pipeline.cli.data_rows import data_rows

OUT = Path("/out")


def test_everything_that_happened_is_told() -> None:
    metrics = {
        "data": {
            "conflicting_pairs": 1040,
            "twins_joined": 3,
            "smiles_respelled": 7,
            "smiles_names_cut": 2,
            "files": {
                "train": {"name": "screen[1].csv", "other_proteins": 2000},
                "test": {"name": "test.parquet", "other_proteins": 0},
            },
        },
        "rejected": {"train": {"unknown protein": 5, "label is not 0 or 1": 1}, "validation": {"unparsable SMILES": 4}},
        "examples": {"too_long": 6, "max_length": 128, "unknown_tokens": 9},
        "submission": {"rejected": 12},
        "data_validation": {"anomalies": [{}, {}]},
    }
    assert list(data_rows(metrics, OUT, rejected_prediction=0.25)) == [
        ("conflicting pairs", "1,040 with rows of 0 and of 1; 1 won"),
        ("", "listed in /out/conflicts.parquet"),
        ("twins joined", "3 spellings of molecules that have another one"),
        ("SMILES respelled", "7 rows with another spelling than RDKit's canonical one"),
        ("names cut", "2 rows with text after the SMILES"),
        ("too long", "6 molecules are cut after 128 tokens (model.max_length)"),
        ("unknown tokens", "9 read as masked ones: training does not show them"),
        ("left out, screen[1].csv", "2,000 rows of proteins that are not among data.targets"),
        ("refused, screen[1].csv", "5 x unknown protein"),
        ("refused, screen[1].csv", "1 x label is not 0 or 1"),
        ("refused, validation", "4 x unparsable SMILES"),
        ("", "listed in /out/rejected.parquet"),
        ("not predicted", "12 test rows get 0.25 (data.rejected_prediction)"),
        ("anomalies", "2 in the Examples; /out/metrics.json lists them"),
    ]


def test_one_row_is_one_row() -> None:
    told = list(data_rows({"submission": {"rejected": 1}}, OUT, rejected_prediction=0.0))
    assert told == [("not predicted", "1 test row gets 0.0 (data.rejected_prediction)")]


def test_what_did_not_happen_is_not_told() -> None:
    data = {"conflicting_pairs": 0, "twins_joined": 0, "files": {}}
    metrics = {
        "data": data,
        "rejected": {},
        "examples": {"too_long": 0, "unknown_tokens": 0},
        "submission": {"rejected": 0},
        "data_validation": {"anomalies": []},
    }
    assert list(data_rows(metrics, OUT, rejected_prediction=0.0)) == []
    assert list(data_rows({}, OUT, rejected_prediction=0.0)) == []


def test_before_there_is_a_submission_the_refused_test_rows_are_those_without_a_prediction() -> None:
    metrics = {"rejected": {"test": {"unknown protein": 10, "duplicate id: another pair has it": 2}}}
    assert list(data_rows(metrics, OUT, rejected_prediction=0.0))[-1] == (
        "not predicted",
        "12 test rows get 0.0 (data.rejected_prediction)",
    )
