"""Tables in, tables out: every row in its place."""

import gzip
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

from belka.errors import BelkaError, InputError
from belka.models.champion import Champion, model_digest, write_champion
from belka.models.folder import open_model_folder
from belka.predict import check_pool
from belka.predict import input_table as tables
from belka.predict.predict import PredictionSummary, predict_file, predict_smiles

ADDED = [
    "probability_BRD4",
    "probability_HSA",
    "probability_sEH",
    "problem",
    "warning",
    "unknown_tokens",
    "block_similarity",
    "new_blocks",
]
NOTE = (
    "the model has no training_blocks.parquet: building blocks were not compared with those of training; "
    "the model does not say how the SMILES of its training were spelled: those given were scored as they are, and "
    "another spelling of a molecule has another score"
)


def as_text(path: Path) -> pa.Table:
    options = pc.ConvertOptions(column_types={"unknown_tokens": pa.int32()}, strings_can_be_null=False)
    return pc.read_csv(path, convert_options=options)


def test_arguments(length_model: Path) -> None:
    table = predict_smiles(length_model, ["CCO", "C1", "", "CN[Dy]", "CN[H]", "C" * 500])
    assert table.column_names == ["smiles", *ADDED]
    assert table["smiles"].to_pylist() == ["CCO", "C1", "", "CN[Dy]", "CN[H]", "C" * 500]
    assert table["probability_HSA"].to_pylist() == pytest.approx([0.006, None, None, 0.01, 0.01, 1.0])
    assert table["unknown_tokens"].to_pylist() == [0, None, None, 0, 0, 0]
    assert predict_smiles(length_model, []).num_rows == 0


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".csv.gz", ".parquet"])
@pytest.mark.parametrize("workers", [1, 2])
def test_order_and_number_of_rows(
    length_model: Path, tmp_path: Path, suffix: str, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "CHUNK_ROWS", 100)
    monkeypatch.setattr(check_pool, "_PART_ROWS", 30)
    lengths = np.random.default_rng(1).integers(1, 60, 1000)
    smiles = ["C" * int(n) if n % 7 else "C1" for n in lengths]
    pq.write_table(pa.table({"name": [f"m{i}" for i in range(1000)], "smiles": smiles}), tmp_path / "in.parquet")
    seen: list[int] = []
    done = predict_file(
        length_model, tmp_path / "in.parquet", tmp_path / f"out{suffix}", n_workers=workers, on_progress=seen.append
    )
    if suffix == ".parquet":
        table = pq.read_table(tmp_path / "out.parquet")
    else:
        delimiter = "\t" if suffix == ".tsv" else ","
        table = pc.read_csv(tmp_path / f"out{suffix}", parse_options=pc.ParseOptions(delimiter=delimiter))
    assert table.column_names == ["name", "smiles", *ADDED]
    assert table["name"].to_pylist() == [f"m{i}" for i in range(1000)]
    assert table["smiles"].to_pylist() == smiles
    expected = [None if n % 7 == 0 else n / 1000 for n in lengths.tolist()]
    assert table["probability_BRD4"].to_pylist() == pytest.approx(expected, abs=1e-6)
    unusable = sum(n % 7 == 0 for n in lengths.tolist())
    assert done == PredictionSummary(rows=1000, scored=1000 - unusable, warned=0, note=NOTE)
    assert seen == list(range(100, 1001, 100))


def test_csv_cells_stay_as_they_are(length_model: Path, tmp_path: Path) -> None:
    rows = ["id,Molecule_SMILES,note", '007,CCO,"a, ""b"""', "1e3,,", "x,C1,nan", 'y," CC ","two\nlines"']
    (tmp_path / "in.csv").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(rows).encode())
    done = predict_file(length_model, tmp_path / "in.csv", tmp_path / "out.csv")
    table = pc.read_csv(
        tmp_path / "out.csv",
        parse_options=pc.ParseOptions(newlines_in_values=True),
        convert_options=pc.ConvertOptions(
            column_types={"id": pa.string(), "note": pa.string(), "Molecule_SMILES": pa.string()}
        ),
    )
    assert table["id"].to_pylist() == ["007", "1e3", "x", "y"]
    assert table["note"].to_pylist() == ['a, "b"', "", "nan", "two\nlines"]
    assert table["Molecule_SMILES"].to_pylist() == ["CCO", "", "C1", " CC "]
    assert table["problem"].to_pylist() == ["", "empty SMILES", "unparsable SMILES", ""]
    assert done == PredictionSummary(rows=4, scored=2, warned=0, note=NOTE)


def test_empty_lines_of_a_single_column_are_rows(length_model: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("smiles\nCC\n\nCCC\n")
    predict_file(length_model, tmp_path / "in.csv", tmp_path / "out.csv")
    assert as_text(tmp_path / "out.csv")["problem"].to_pylist() == ["", "empty SMILES", ""]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_header_alone(length_model: Path, tmp_path: Path, suffix: str) -> None:
    pq.write_table(
        pa.table({"n": pa.array([], pa.int64()), "smiles": pa.array([], pa.string())}), tmp_path / "in.parquet"
    )
    (tmp_path / "in.csv").write_text("n,smiles\n")
    done = predict_file(length_model, tmp_path / f"in{suffix}", tmp_path / "out.csv")
    assert done.rows == 0
    assert (tmp_path / "out.csv").read_text().count("\n") == 1
    assert "probability_sEH" in (tmp_path / "out.csv").read_text()


def test_other_columns_of_parquet_keep_their_types_and_nulls(length_model: Path, tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": pa.array([1, None], pa.int16()),
            "tags": [["a"], None],
            "new_structure": pa.array(["CC", None]).dictionary_encode(),
        }
    )
    pq.write_table(table, tmp_path / "in.parquet")
    predict_file(length_model, tmp_path / "in.parquet", tmp_path / "out.parquet")
    written = pq.read_table(tmp_path / "out.parquet")
    assert written.select(["id", "tags", "new_structure"]).equals(table)
    assert written["problem"].to_pylist() == ["", "empty SMILES"]
    with pytest.raises(InputError, match=r"CSV cannot hold lists(.|\n)*tags"):
        predict_file(length_model, tmp_path / "in.parquet", tmp_path / "out.csv")


def test_column_by_name(length_model: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("smiles,product\nC,CCC\n")
    predict_file(length_model, tmp_path / "in.csv", tmp_path / "out.csv", column="product")
    assert as_text(tmp_path / "out.csv")["probability_BRD4"].to_pylist() == pytest.approx([0.003])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("in.csv", "", "holds no line"),
        ("in.csv", "a,b\nC,1\n", r"no column with SMILES(.|\n)*a, b(.|\n)*molecule_smiles or smiles"),
        ("in.csv", "smiles,smiles\nC,C\n", "Two columns have one name"),
        ("in.csv", "smiles,problem\nC,C\n", r"already has a column(.|\n)*problem"),
        ("in.csv", b"smiles\xff\xfe\n", r"names of columns cannot be read(.|\n)*in\.csv line 1"),
        ("in.csv", b"PAR1 and so on", r"no text(.|\n)*parquet"),
        ("in.smi", b"\x1f\x8b\x08 and so on", r"cannot be read to its end(.|\n)*after line 0"),
        ("in.parquet", "not parquet", "cannot be read"),
        ("in.xlsx", "x", r"does not tell its format(.|\n)*in\.xlsx"),
    ],
)
def test_unusable_files_are_explained_and_nothing_is_written(
    length_model: Path, tmp_path: Path, name: str, content: str | bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=message):
        predict_file(length_model, tmp_path / name, tmp_path / "out.csv")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_damage_late_in_a_file_writes_nothing(length_model: Path, tmp_path: Path) -> None:
    whole = gzip.compress(b"smiles,n\n" + b"C,1\n" * 40_000)
    (tmp_path / "in.csv.gz").write_bytes(whole[:-9])
    with pytest.raises(InputError, match="cannot be read to its end"):
        predict_file(length_model, tmp_path / "in.csv.gz", tmp_path / "out.csv", n_workers=1)
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv.gz"]


def test_column_of_numbers_and_missing_file_and_same_file(length_model: Path, tmp_path: Path) -> None:
    pq.write_table(pa.table({"smiles": [1, 2]}), tmp_path / "in.parquet")
    with pytest.raises(InputError, match=r"no texts(.|\n)*smiles of type int64"):
        predict_file(length_model, tmp_path / "in.parquet", tmp_path / "out.parquet")
    with pytest.raises(InputError, match=re.escape(str(tmp_path / "none.csv"))):
        predict_file(length_model, tmp_path / "none.csv", tmp_path / "out.csv")
    (tmp_path / "same.csv").write_text("smiles\nC\n")
    with pytest.raises(InputError, match="would replace the input"):
        predict_file(length_model, tmp_path / "same.csv", tmp_path / "same.csv")
    with gzip.open(tmp_path / "zipped.csv.gz", "wt") as file:
        file.write("smiles\nCC\n")
    assert predict_file(length_model, tmp_path / "zipped.csv.gz", tmp_path / "out.csv").scored == 1


def test_model_folder(length_model: Path, tmp_path: Path) -> None:
    shutil.copytree(length_model, tmp_path / "artifact" / "Format-Serving")
    assert open_model_folder(tmp_path / "artifact").path.name == "Format-Serving"
    shutil.copytree(length_model, tmp_path / "model" / "18")
    with pytest.raises(InputError, match=r"no exported model(.|\n)*champion\.json"):
        open_model_folder(tmp_path / "model")
    write_champion(tmp_path / "model", Champion("18", model_digest(tmp_path / "model" / "18")))
    model = open_model_folder(tmp_path / "model")
    assert (model.path.name, model.targets, model.max_length) == ("18", ("BRD4", "HSA", "sEH"), 128)
    with pytest.raises(InputError, match="does not exist"):
        open_model_folder(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("description", "message"),
    [
        (None, "description cannot be read"),
        ({"model": {}}, "description cannot be read"),
        ({"model": {"mode": "mlm", "max_length": 9}, "targets": [], "vocabulary": []}, "does not predict affinities"),
        (
            {"model": {"mode": "clf", "max_length": 9, "ecfp_branch": True}, "targets": ["a"], "vocabulary": []},
            "description cannot be read.*\n.*ecfp",
        ),
        (
            {
                "model": {"mode": "clf", "max_length": 9, "ecfp_branch": True},
                "targets": ["a"],
                "vocabulary": [],
                "ecfp": {"size": 64, "radius": 2, "chirality": True, "kind": "map4"},
            },
            r"description cannot be read[\s\S]*belka.json[\s\S]*one of ecfp[\s\S]*'map4'",
        ),
    ],
)
def test_model_that_predicts_no_affinities(
    length_model: Path, tmp_path: Path, description: dict[str, object] | None, message: str
) -> None:
    folder = Path(shutil.copytree(length_model, tmp_path / "m"))
    (folder / "belka.json").unlink()
    if description is not None:
        (folder / "belka.json").write_text(json.dumps(description))
    with pytest.raises(InputError, match=message):
        open_model_folder(folder)


def test_broken_model(length_model: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(length_model, tmp_path / "m"))
    (folder / "saved_model.pb").write_bytes(b"broken")
    with pytest.raises(BelkaError, match="cannot be loaded"):
        predict_smiles(folder, ["C"])
