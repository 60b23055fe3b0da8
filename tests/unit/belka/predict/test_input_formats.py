"""Every format, by every name of the column: the same rows in, the same rows and scores out."""

import gzip
import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
import zstandard
from rdkit import Chem

from belka.errors import InputError
from belka.predict.input_table import open_input
from belka.predict.output_table import open_output
from belka.predict.predict import predict_file
from belka.predict.smiles_input import SMILES_LINES
from belka.predict.table_input import CHUNK_ROWS
from pipeline.cli.predict import predict

IDS = ["007", "1e3", "CMPD 3"]
SMILES = ["CCO", "C1", "CN[Dy]"]
SCORES = [0.003, None, 0.005]  # the length, linker replaced, in thousandths
ADDED = 8


def text_table(delimiter: str, column: str) -> bytes:
    rows = zip(["id", *IDS], [column, *SMILES], ["note", "", "x", '"a, b; c\td"'], strict=True)
    return "".join(delimiter.join(row) + "\n" for row in rows).encode()


def parquet(column: str, smiles: pa.Array) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"id": IDS, column: smiles, "note": [None, "x", "a, b; c\td"]}), sink)
    return sink.getvalue()


def sdf(column: str) -> bytes:
    """The second record is broken: the structure of a SMILES that cannot be parsed."""
    text = ""
    for name, smiles in zip(IDS, SMILES, strict=True):
        molecule = Chem.MolFromSmiles(smiles) or Chem.Mol()
        molecule.SetProp("_Name", name)
        text += Chem.MolToMolBlock(molecule) + f">  <{column}>  (1)\n{smiles}\n\n> <note>\ntwo\nlines\n\n$$$$\n"
    return text.encode()


TABLES: dict[str, Callable[[str], bytes]] = {
    "t.csv": lambda column: text_table(",", column),
    "semicolon.csv": lambda column: text_table(";", column),
    "tab.csv": lambda column: text_table("\t", column),
    "t.tsv": lambda column: text_table("\t", column),
    "bom.csv": lambda column: b"\xef\xbb\xbf" + text_table(",", column),
    "crlf.csv": lambda column: text_table(",", column).replace(b"\n", b"\r\n"),
    "utf16.csv": lambda column: text_table(",", column).decode().encode("utf-16"),
    "T.CSV": lambda column: text_table(",", column),
    "t.csv.gz": lambda column: gzip.compress(text_table(",", column)),
    "gzip.csv": lambda column: gzip.compress(text_table(",", column)),
    "t.csv.zst": lambda column: zstandard.compress(text_table(",", column)),
    "t.tsv.zst": lambda column: zstandard.compress(text_table("\t", column)),
    "t.parquet": lambda column: parquet(column, pa.array(SMILES)),
    "binary.parquet": lambda column: parquet(column, pa.array([text.encode() for text in SMILES])),
    "large.parquet": lambda column: parquet(column, pa.array(SMILES, pa.large_string())),
    "dictionary.parquet": lambda column: parquet(column, pa.array(SMILES).dictionary_encode()),
    "-": lambda column: text_table(",", column),
}
# Name of the column -> what --column says.
COLUMNS = {"molecule_smiles": None, "smiles": None, "SMILES": None, "new_structure": None, "Structure": "Structure"}


def predicted(model: Path, source: Path, column: str | None = None) -> tuple[pa.Table, str]:
    output = source.parent / "out" / "out.parquet"
    if source.name == "-":
        source = Path("-")
    done = predict_file(model, source, output, column=column, n_workers=1)
    table = pq.read_table(output)
    assert (table.num_rows, done.scored) == (done.rows, table.num_rows - table["probability_BRD4"].null_count)
    return table, done.note


def write(tmp_path: Path, name: str, content: bytes, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / name).write_bytes(content)
    if name == "-":
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    return tmp_path / name


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("name", TABLES)
def test_tables(length_model: Path, tmp_path: Path, name: str, column: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(tmp_path, name, TABLES[name](column), monkeypatch)
    table, note = predicted(length_model, source, COLUMNS[column])
    assert table.column_names[:-ADDED] == ["id", column, "note"]
    assert table["id"].to_pylist() == IDS
    assert table["note"].to_pylist() == [None, "x", "a, b; c\td"]
    assert table["probability_BRD4"].to_pylist() == pytest.approx(SCORES)
    assert table["problem"].to_pylist() == ["", "unparsable SMILES", ""]
    assert ("standard input was read as a table" in note) == (name == "-")


@pytest.mark.parametrize(
    ("name", "column"),
    [("t.smi", None), ("t.smiles", None), ("t.smi.gz", None), ("t.SMI.zst", "smiles"), ("-", None)],
)
def test_smiles_lines(
    length_model: Path, tmp_path: Path, name: str, column: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = "CCO \t007\n  C1 1e3 or so\r\n\nCN[Dy]"
    packs: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.compress, ".zst": zstandard.compress}
    content = packs.get(Path(name).suffix, bytes)(lines.encode())
    table, note = predicted(length_model, write(tmp_path, name, content, monkeypatch), column)
    assert table.column_names[:-ADDED] == ["smiles", "name"]
    assert table["smiles"].to_pylist() == ["CCO", "C1", "", "CN[Dy]"]
    assert table["name"].to_pylist() == ["007", "1e3 or so", "", ""]
    assert table["probability_BRD4"].to_pylist() == pytest.approx([*SCORES[:2], None, SCORES[2]])
    assert table["problem"].to_pylist() == ["", "unparsable SMILES", "empty SMILES", ""]
    assert ("standard input was read as one SMILES a line" in note) == (name == "-")


@pytest.mark.parametrize("name", ["t.sdf", "t.sdf.gz", "crlf.sdf"])
@pytest.mark.parametrize("column", ["name", "molecule_smiles", "smiles", "Structure"])
def test_sdf(length_model: Path, tmp_path: Path, name: str, column: str) -> None:
    content = sdf(column).replace(b"\n", b"\r\n") if name == "crlf.sdf" else sdf(column)
    source = tmp_path / name
    source.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    table, _ = predicted(length_model, source)
    title, structure = ("sdf_name" if column == "name" else "name"), ("sdf_smiles" if column == "smiles" else "smiles")
    assert table.column_names[:-ADDED] == [title, structure, column, "note"]
    assert table[title].to_pylist() == IDS
    assert table[structure].to_pylist() == ["CCO", None, "CN[Dy]"]
    assert table[column].to_pylist() == SMILES
    assert table["note"].to_pylist() == ["two\nlines"] * 3
    assert table["probability_BRD4"].to_pylist() == pytest.approx(SCORES)
    problems = table["problem"].to_pylist()
    assert problems == ["", f"line {content[: content.index(b'1e3')].count(10) + 1}: {problems[1][9:]}", ""]
    by_property, _ = predicted(length_model, source, column)
    assert by_property["probability_BRD4"].to_pylist() == pytest.approx(SCORES)


def test_folders_of_one_format(length_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "[in]"
    (folder / "more").mkdir(parents=True)
    (folder / "b.csv").write_text("smiles;id\nCC;2\nC;1;x\n")
    (folder / "a.csv.gz").write_bytes(gzip.compress(b"id,smiles\n1,C\n"))
    (folder / "_SUCCESS").touch()
    table, note = predicted(length_model, folder)
    assert table.column_names[:-ADDED] == ["id", "smiles"]
    assert table["id"].to_pylist() == ["1", "2", None]
    assert table["probability_BRD4"].to_pylist() == pytest.approx([0.001, 0.002, None])
    assert table["problem"].to_pylist() == ["", "", "b.csv line 3: has too many cells"]
    assert note.startswith(f"not read in {folder}: _SUCCESS, more; ")
    for name, content in {"c.csv": "id,SMILES\n1,C\n", "d.smi": "C\n"}.items():
        (folder / name).write_text(content)
        with pytest.raises(InputError, match=r"different columns(.|\n)*c\.csv|several formats(.|\n)*3 of CSV"):
            predicted(length_model, folder)
        (folder / name).unlink() if name == "d.smi" else (folder / name).write_text("id,smiles\n")
    with pytest.raises(InputError, match="lie among its files"):
        predict_file(length_model, folder, folder / "out.csv")
    with pytest.raises(InputError, match=r"holds no table(.|\n)*no file"):
        predicted(length_model, folder / "more")


def test_folders_of_sdf_and_parquet(length_model: Path, tmp_path: Path) -> None:
    for folder in ("sdf", "parquet"):
        (tmp_path / folder).mkdir()
    (tmp_path / "sdf" / "1.sdf").write_bytes(sdf("key"))
    (tmp_path / "sdf" / "2.sdf").write_bytes(sdf("batch"))
    table, _ = predicted(length_model, tmp_path / "sdf")
    assert table.column_names[:-ADDED] == ["name", "smiles", "key", "note", "batch"]
    assert table["key"].to_pylist() == [*SMILES, None, None, None]
    assert [problem[:6] for problem in table["problem"].to_pylist()] == ["", "1.sdf ", "", "", "2.sdf ", ""]
    pq.write_table(pa.table({"n": pa.array([1], pa.int8()), "smiles": ["C"]}), tmp_path / "parquet" / "1.parquet")
    pq.write_table(pa.table({"smiles": ["CC"], "n": pa.array([70_000])}), tmp_path / "parquet" / "2.parquet")
    table, _ = predicted(length_model, tmp_path / "parquet")
    assert table["n"].to_pylist() == [1, 70_000]
    assert table["probability_BRD4"].to_pylist() == pytest.approx([0.001, 0.002])


DEFECTS: dict[str, tuple[str | bytes, str]] = {
    "unclosed quote": ('C,"x', "has a stray quote, or one that is not closed on the line"),
    "stray quote": ('C,x"y', "has a stray quote, or one that is not closed on the line"),
    "too few cells": ("C", "has too few cells"),
    "too many cells": ("C,1,", "has too many cells"),
    "header again": ("smiles,n", "repeats the header"),
    "not UTF-8": (b"C,\xe9", "is not UTF-8"),
    "carriage return": ("C,1\rC,2", "has a carriage return inside"),
}


@pytest.mark.parametrize("kind", DEFECTS)
def test_a_defective_line_costs_itself_and_is_named(length_model: Path, tmp_path: Path, kind: str) -> None:
    line, reason = DEFECTS[kind]
    broken = line if isinstance(line, bytes) else line.encode()
    rows = [b"C" * (n % 50 + 1) + b",%d" % n for n in range(400)]
    (tmp_path / "in.csv").write_bytes(b"\n".join([b"smiles,n", *rows[:100], broken, *rows[100:]]))
    table, _ = predicted(length_model, tmp_path / "in.csv")
    assert table["problem"].to_pylist() == [""] * 100 + [f"line 102: {reason}"] + [""] * 300
    assert table["n"].to_pylist() == [*map(str, range(100)), None, *map(str, range(100, 400))]
    assert table["probability_BRD4"].null_count == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,structure\n1,C\n", r"no column with SMILES(.|\n)*id, structure"),
        ("", "holds no line"),
    ],
)
def test_standard_input_without_smiles(
    length_model: Path, tmp_path: Path, text: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write(tmp_path, "-", text.encode(), monkeypatch)
    with pytest.raises(InputError, match=message):
        predicted(length_model, source)


def test_results_go_to_standard_output(
    length_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, "-", text_table(";", "Structure"), monkeypatch)
    predict(length_model, ["-"], column="Structure", n_workers=1)
    written, told = capfd.readouterr()
    table = pc.read_csv(io.BytesIO(written.encode()), convert_options=pc.ConvertOptions(column_types={"id": "string"}))
    assert table["id"].to_pylist() == IDS
    assert table["probability_BRD4"].to_pylist() == pytest.approx(SCORES)
    assert "standard output: 3 rows" in told
    assert "note: standard input was read as a table" in told
    with pytest.raises(InputError, match="either SMILES or files"):
        predict(length_model, ["C"], output_file=tmp_path / "out.csv")


def test_a_reader_that_leaves_ends_it_quietly(length_model: Path, tmp_path: Path) -> None:
    (tmp_path / "in.smi").write_text("C\n" * 3 * CHUNK_ROWS)
    command = [sys.executable, "-m", "belka", "predict", "--model", str(length_model), "--workers", "1"]
    command += ["--input", str(tmp_path / "in.smi")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b'"smiles","name","probability_BRD4"')
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


def test_a_line_of_smiles_is_cut_by_the_rule_of_a_smiles(tmp_path: Path) -> None:
    file = tmp_path / "s.smi"
    file.write_bytes("CCO\u00a0ethanol\nCCN amine\u00a0one\n \tCCC\tpropane \n".encode())
    schema, _ = SMILES_LINES.open([file], None)
    (rows,) = SMILES_LINES.read(file, schema)
    assert rows.batch.column(0).to_pylist() == ["CCO\u00a0ethanol", "CCN", "CCC"]
    assert rows.batch.column(1).to_pylist() == ["", "amine\u00a0one", "propane"]


@pytest.mark.parametrize("name", ["wide.csv", "wide.parquet"])
def test_a_table_of_endless_width_is_refused(tmp_path: Path, name: str) -> None:
    names = ["smiles", *map(str, range(10_000))]
    if name == "wide.csv":
        (tmp_path / name).write_text(",".join(names) + "\n", encoding="utf-8")
    else:
        pq.write_table(pa.table(dict.fromkeys(names, pa.array(["CCO"]))), tmp_path / name)
    with pytest.raises(InputError, match="too many columns") as caught, open_input(tmp_path / name, None):
        pass
    assert "10,001 columns" in caught.value.received


def test_no_cell_of_written_csv_is_a_formula(tmp_path: Path) -> None:
    batch = pa.RecordBatch.from_pydict({"=1+1": ["=2+2", "CCO"], "smiles": ["CCO", "@x"]})
    with open_output(tmp_path / "out.csv", batch.schema) as writer:
        writer.write_batch(batch)
    with open_output(tmp_path / "out.parquet", batch.schema) as writer:
        writer.write_batch(batch)
    assert pc.read_csv(tmp_path / "out.csv").to_pydict() == {"'=1+1": ["'=2+2", "CCO"], "smiles": ["CCO", "'@x"]}
    assert pq.read_table(tmp_path / "out.parquet").to_pydict() == batch.to_pydict()


def test_a_name_of_a_column_that_is_no_text_is_told(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table({"smiles": ["CCO"], "number": [1]}), path)
    path.write_bytes(path.read_bytes().replace(b"number", b"n\xf3mber"))
    with pytest.raises(InputError, match="cannot be read") as caught, open_input(path, None):
        pass
    assert str(path) in caught.value.received
