"""The same content gives the same rows, whatever the format, the types, the names and the number of files."""

import gzip
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from belka.errors import InputError
from belka.raw_directory import TRAIN, RawFile, locate_raw_files, raw_digest
from belka.raw_table import RawTable, open_raw_table
from belka.settings import ColumnSettings, DataSettings

Rows = list[dict[str, Any]]
DATA = DataSettings()
TEXTS = {
    "buildingblock1_smiles": ["Ca", "Ca", None, "Cb"],
    "buildingblock2_smiles": ["Cc"] * 4,
    "molecule_smiles": ["C[Dy]", "N[Dy]C", "é,\"'", "C[Dy]"],
    "protein_name": ["HSA", "BRD4", "HSA", "sEH"],
}
INTEGERS = {"id": [901, 2, 3, 290_001_000], "binds": [0, 1, 1, 0]}
TABLE = pa.table({**INTEGERS, **TEXTS})


def view(file: RawFile, data: DataSettings = DATA, columns: str = "* EXCLUDE (place)") -> tuple[RawTable, Rows]:
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as engine:
        table = open_raw_table(engine, file, data, work_dir=Path(folder))
        found = engine.sql(f"SELECT {columns} FROM {file.source}_raw ORDER BY row, id")  # noqa: S608 - names of ours
        return table, found.to_arrow_table().to_pylist()


def rows_of(folder: Path, data: DataSettings = DATA, source: str = TRAIN) -> Rows:
    files = {file.source: file for file in locate_raw_files(folder, data, use_extra_data=False)}
    return view(files[source], data)[1]


def as_csv(table: pa.Table, path: Path, delimiter: str = ",") -> None:
    pa_csv.write_csv(table, path, pa_csv.WriteOptions(delimiter=delimiter))


def cast(table: pa.Table, **types: pa.DataType) -> pa.Table:
    fields = [field.with_type(types.get(field.name, field.type)) for field in table.schema]
    return table.cast(pa.schema(fields))


def replaced(table: pa.Table, **columns: pa.Array) -> pa.Table:
    for name, column in columns.items():
        table = table.set_column(table.column_names.index(name), name, column)
    return table


SAME = {
    "int32": cast(TABLE, id=pa.int32(), binds=pa.int8()),
    "unsigned": cast(TABLE, id=pa.uint64(), binds=pa.uint8()),
    "text": cast(TABLE, id=pa.string()),
    "large text": cast(TABLE, **dict.fromkeys(TEXTS, pa.large_string())),
    "binary": cast(TABLE, **dict.fromkeys(TEXTS, pa.binary())),
    "fixed decimals": cast(TABLE, id=pa.decimal128(19, 0)),
    "dictionary": replaced(TABLE, **{name: TABLE[name].dictionary_encode() for name in TEXTS}),
    "other order": TABLE.select(TABLE.column_names[::-1]),
    "other columns": TABLE.append_column("file_row_number", pa.array([9, 9, 9, 9])).append_column("part", TABLE["id"]),
    "capitals": TABLE.rename_columns([name.upper() for name in TABLE.column_names]),
    "exact name wins": TABLE.add_column(0, "Binds", pa.array([1, 0, 0, 1])).append_column("BINDS", TABLE["id"]),
    "empty third block": TABLE.append_column("buildingblock3_smiles", pa.nulls(4)),
    "third block of no numbers": TABLE.append_column("buildingblock3_smiles", pa.array([float("nan")] * 4)),
}


# Text has no types: there only names and places can differ.
IN_TEXT = ("other order", "other columns", "capitals", "exact name wins", "third block of no numbers")


@pytest.mark.parametrize(
    ("kind", "suffix"),
    [*((kind, ".parquet") for kind in SAME), *((kind, ".csv") for kind in IN_TEXT), ("capitals", ".tsv")],
)
def test_types_and_names_do_not_matter(tmp_path: Path, kind: str, suffix: str) -> None:
    pq.write_table(TABLE, tmp_path / "train.parquet")
    expected = rows_of(tmp_path)
    assert [row["id"] for row in expected] == INTEGERS["id"]
    assert [row["smiles"] for row in expected] == TEXTS["molecule_smiles"]
    assert [row["protein"] for row in expected] == TEXTS["protein_name"]
    assert [row["label"] for row in expected] == INTEGERS["binds"]
    (tmp_path / "train.parquet").unlink()
    table, path = SAME[kind], tmp_path / f"train{suffix}"
    if suffix == ".parquet":
        pq.write_table(table, path)
    else:
        nans = {name: pa.nulls(4) for name in table.column_names if "third" in kind and "block3" in name}
        as_csv(replaced(table, **nans), path, "\t" if suffix == ".tsv" else ",")
    assert rows_of(tmp_path) == expected


# Ids and labels in each spelling, as parquet's types and as text; what is the same must come out the same.
SPELLINGS: dict[str, tuple[list[Any], pa.DataType, list[str]]] = {
    "booleans": ([False, True, True, None], pa.bool_(), ["False", "True", "true", ""]),
    "floats": ([0.0, 1.0, 1.0, None], pa.float64(), ["0.0", "1.0", "1", ""]),
    "pandas": ([0.0, 1.0, 1.0, float("nan")], pa.float32(), ["0", "1", " 1 ", ""]),
    "decimals": ([0, 1, 1, None], pa.decimal128(12, 2), ["0.00", "1.00", "1e0", ""]),
    "text": (["0", "TRUE", "1", "yes"], pa.string(), ["0", "TRUE", "1", "yes"]),
    "binary": ([b"0", b"1", b"true", b"1_0"], pa.binary(), ["0", "1", "true", "1_0"]),
}


@pytest.mark.parametrize("kind", SPELLINGS)
def test_labels_are_one_thing_in_every_spelling(tmp_path: Path, kind: str) -> None:
    values, type_, texts = SPELLINGS[kind]
    pq.write_table(replaced(TABLE, binds=pa.array(values, type_)), tmp_path / "train.parquet")
    as_csv(replaced(TABLE, binds=pa.array(texts)), tmp_path / "labels.csv")
    for data in (DATA, DataSettings(train_file="labels.csv")):
        assert [row["label"] for row in rows_of(tmp_path, data)] == [0, 1, 1, None]


@pytest.mark.parametrize(
    ("values", "type_", "texts"),
    [
        ([901.0, 2.0, 3.0, None], pa.float64(), ["901.0", "2.0", "3.0", ""]),
        (["000000901", "1.0", "2.90001E+08", "CMPD-1"], pa.string(), ["000000901", "1.0", "2.90001E+08", "CMPD-1"]),
        ([b"1", b"01", b"x", b""], pa.binary(), ["1", "01", "x", ""]),
        ([1, 2, 2**64 - 1, None], pa.uint64(), ["1", "2", "18446744073709551615", ""]),
        ([1, 1, -1, 7], pa.int64(), ["1", "1", "-1", "7"]),
    ],
)
@pytest.mark.parametrize("source", ["train", "test"])
def test_ids_are_kept_as_they_were_given(
    *, tmp_path: Path, source: str, values: list[Any], type_: pa.DataType, texts: list[str]
) -> None:
    pq.write_table(replaced(TABLE, id=pa.array(values, type_)), tmp_path / "ids.parquet")
    as_csv(replaced(TABLE, id=pa.array(texts)), tmp_path / "ids.csv")
    of_parquet, of_text = (view(RawFile(source, tmp_path / name))[1] for name in ("ids.parquet", "ids.csv"))
    assert of_parquet == of_text
    assert [row["id_text"] for row in of_text] == [text or None for text in texts]
    numbers = list(range(4)) if "x" in texts or "." in texts[1] or "1844" in texts[2] else [int(t) for t in texts]
    assert [row["id"] for row in of_text] == [n if text else None for n, text in zip(numbers, texts, strict=True)]


def test_two_rows_of_one_odd_id_have_one_number(tmp_path: Path) -> None:
    as_csv(replaced(TABLE, id=pa.array(["x", "y", "x", "y"])), tmp_path / "test.csv")
    assert [row["id"] for row in view(RawFile("test", tmp_path / "test.csv"))[1]] == [0, 1, 0, 1]


def test_columns_that_differ_in_capitals_only_are_not_guessed(tmp_path: Path) -> None:
    names = ["id", "Binds", "b1", "b2", "molecule_smiles", "protein_name"]
    table = TABLE.rename_columns(names).append_column("BINDS", TABLE["binds"])
    pq.write_table(table, tmp_path / "train.parquet")
    with pytest.raises(InputError, match=r"Several columns (.|\n)*Binds, BINDS"):
        rows_of(tmp_path)


WIDE = pa.table(
    {
        "Compound": ["A-1", "A-2", "A-3"],
        "SMILES": ["C[Dy]", "N[Dy]C", "O"],
        "bb1": ["Ca", "Ca", "Cb"],
        "BB2": ["Cc", "Cd", "Cc"],
        "CDK2": [1, None, None],
        "PDE5": ["True", "false", ""],
    }
)
OWN = DataSettings(
    targets=("CDK2", "PDE5"), columns=ColumnSettings(id="Compound", smiles="SMILES", block1="bb1", block2="bb2")
)


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_column_of_labels_for_each_target(tmp_path: Path, suffix: str) -> None:
    (pq.write_table if suffix == ".parquet" else as_csv)(WIDE, tmp_path / f"train{suffix}")
    found = rows_of(tmp_path, OWN)
    assert [
        (row["row"], row["smiles"], row["protein"], row["label"], row["block2"], row["defect"]) for row in found
    ] == [
        (0, "C[Dy]", "CDK2", 1, "Cc", None),
        (0, "C[Dy]", "PDE5", 1, "Cc", None),
        (1, "N[Dy]C", "PDE5", 0, "Cd", None),
        (2, "O", None, None, "Cc", "no target has a label"),
    ]
    assert len({row["id"] for row in found}) == len(found)
    asked = view(RawFile("test", tmp_path / f"train{suffix}"), OWN)[1]
    assert [(row["id"], row["id_text"], row["protein"]) for row in asked] == [
        (2 * place + code, f"A-{place + 1}", target) for place in range(3) for code, target in enumerate(OWN.targets)
    ]


@pytest.mark.parametrize(
    ("table", "data", "message"),
    [
        (WIDE, OWN.model_copy(update={"targets": ("CDK2", "KRAS")}), r"lacks the column KRAS"),
        (WIDE.drop_columns(["SMILES"]), OWN, r"lacks the column SMILES(.|\n)*--set data.columns.smiles=NAME"),
        (WIDE, DataSettings(columns=ColumnSettings(smiles="SMILES", block3="bb9")), r"lacks the column protein_name"),
        (WIDE.drop_columns(["bb1"]), OWN, r"lacks the column bb1"),
        (TABLE.append_column("buildingblock4_smiles", TABLE["id"]), DATA, r"four building blocks are not supported"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, table: pa.Table, data: DataSettings, message: str) -> None:
    pq.write_table(table, tmp_path / "train.parquet")
    with pytest.raises(InputError, match=message) as raised:
        rows_of(tmp_path, data)
    assert "kaggle" not in str(raised.value)


def whole(folder: Path) -> None:
    pq.write_table(TABLE, folder / "train.parquet")


def shards(folder: Path) -> None:
    for i in range(3):
        pq.write_table(TABLE.slice(2 * i - i // 2, 2 - i // 1 % 2), folder / f"train-{i:05d}-of-00003.parquet")


def spark(folder: Path) -> None:
    """What Spark leaves: parts with long names, an empty one, a flag and check sums."""
    (folder / "train.parquet").mkdir()
    for i, rows in enumerate((TABLE.slice(0, 3), TABLE.slice(0, 0), TABLE.slice(3))):
        pq.write_table(rows, folder / "train.parquet" / f"part-{i:05d}-8f2d-c000.snappy.parquet", compression="snappy")
        (folder / "train.parquet" / f".part-{i:05d}-8f2d-c000.snappy.parquet.crc").write_bytes(b"crc")
    (folder / "train.parquet" / "_SUCCESS").touch()


def csv_parts(folder: Path) -> None:
    (folder / "train.csv").mkdir()
    as_csv(TABLE.slice(0, 1), folder / "train.csv" / "part-0.csv")
    as_csv(TABLE.slice(1).select(TABLE.column_names[::-1]), folder / "train.csv" / "part-1.csv")
    plain = (folder / "train.csv" / "part-1.csv").read_bytes()
    (folder / "train.csv" / "part-1.csv").unlink()
    (folder / "train.csv" / "part-1.csv.gz").write_bytes(gzip.compress(plain))


def other_schemas(folder: Path) -> None:
    (folder / "train").mkdir()
    pq.write_table(cast(TABLE.slice(0, 2), id=pa.int32()), folder / "train" / "a.parquet")
    pq.write_table(TABLE.slice(2).select(TABLE.column_names[::-1]), folder / "train" / "b.parquet")


def duckdb_v2(folder: Path) -> None:
    with duckdb.connect() as engine:
        engine.register("given", TABLE)
        engine.execute(f"COPY given TO '{folder}/train.parquet' (FORMAT parquet, PARQUET_VERSION v2)")


def pandas_like(folder: Path) -> None:
    TABLE.to_pandas().to_parquet(folder / "train.parquet")


@pytest.mark.parametrize(
    "layout", [shards, spark, csv_parts, other_schemas, duckdb_v2, pandas_like], ids=lambda each: each.__name__
)
def test_every_layout_of_files_is_the_table(tmp_path: Path, layout: Callable[[Path], None]) -> None:
    # A folder that looks like a partition is none: only those below the table's own are.
    one, many = tmp_path / "id=5", tmp_path / "binds=1"
    for folder, write in ((one, whole), (many, layout)):
        folder.mkdir()
        write(folder)
    assert rows_of(many) == rows_of(one)


CODECS = ("none", "snappy", "gzip", "brotli", "lz4", "zstd")
# As other programs write: those that are not installed here are imitated by pyarrow's options.
WRITERS: dict[str, dict[str, Any]] = {
    "fastparquet": {"version": "1.0", "data_page_version": "1.0", "use_dictionary": False},
    "delta ids": {
        "data_page_version": "2.0",
        "use_dictionary": False,
        "column_encoding": {"id": "DELTA_BINARY_PACKED"},
    },
    "delta texts": {"use_dictionary": False, "column_encoding": {"protein_name": "DELTA_BYTE_ARRAY"}},
    "delta lengths": {"use_dictionary": False, "column_encoding": {"molecule_smiles": "DELTA_LENGTH_BYTE_ARRAY"}},
    "impala": {"store_schema": False, "use_deprecated_int96_timestamps": True, "row_group_size": 1},
}


@pytest.mark.parametrize(
    ("codec", "writer"),
    [*((codec, {}) for codec in CODECS), *(("snappy", writer) for writer in WRITERS.values())],
    ids=[*CODECS, *WRITERS],
)
def test_every_codec_and_encoding(tmp_path: Path, codec: str, writer: dict[str, Any]) -> None:
    whole(tmp_path)
    expected = rows_of(tmp_path)
    pq.write_table(TABLE, tmp_path / "train.parquet", compression=codec, **writer)
    assert rows_of(tmp_path) == expected


def test_partitions_stand_in_the_names_of_folders(tmp_path: Path) -> None:
    table = replaced(TABLE, protein_name=pa.array(["a b/c", "HSA", None, "HSA"]))
    partitioning = ds.partitioning(pa.schema([("protein_name", pa.string())]), flavor="hive")
    ds.write_dataset(table, tmp_path / "train", format="parquet", partitioning=partitioning)
    found = rows_of(tmp_path)
    by_id = dict(zip(table["id"].to_pylist(), table["protein_name"].to_pylist(), strict=True))
    assert {row["id"]: row["protein"] for row in found} == by_id
    assert sorted(row["row"] for row in found) == [0, 1, 2, 3]


def test_the_place_of_a_row_names_the_file(tmp_path: Path) -> None:
    for folder, layout in (("a", spark), ("b", csv_parts), ("c", whole)):
        (tmp_path / folder).mkdir()
        layout(tmp_path / folder)
    places = {}
    for folder in "abc":
        (file,) = locate_raw_files(tmp_path / folder, DATA, use_extra_data=False)
        places[folder] = [row["place"] for row in view(file, columns="place, row, id")[1]]
    assert places["a"][2:] == [f"part-{part:05d}-8f2d-c000.snappy.parquet row {row}" for part, row in ((0, 2), (2, 0))]
    assert places["b"] == ["part-0.csv line 2", *(f"part-1.csv.gz line {line}" for line in (2, 3, 4))]
    assert places["c"] == [f"row {row}" for row in range(4)]


def test_a_missing_shard_is_not_left_out_in_silence(tmp_path: Path) -> None:
    shards(tmp_path)
    (tmp_path / "train-00001-of-00003.parquet").unlink()
    with pytest.raises(InputError, match=r"shards of train.parquet are missing(.|\n)*number 1"):
        rows_of(tmp_path)


def test_the_digest_covers_all_parts(tmp_path: Path) -> None:
    shards(tmp_path)
    before = raw_digest(tmp_path, DATA)
    part = tmp_path / "train-00002-of-00003.parquet"
    pq.write_table(replaced(pq.read_table(part), binds=pa.array([1])), part)
    assert raw_digest(tmp_path, DATA) != before


def test_two_parts_of_text_with_other_columns(tmp_path: Path) -> None:
    csv_parts(tmp_path)
    as_csv(TABLE.drop_columns(["buildingblock1_smiles"]), tmp_path / "train.csv" / "part-2.csv")
    with pytest.raises(InputError, match=r"different columns(.|\n)*part-2.csv"):
        rows_of(tmp_path)


@pytest.mark.parametrize("names", [["library.csv"], ["parts"], ["mine-00000-of-00001.csv"], ["data.bin"]])
def test_own_names_of_files(tmp_path: Path, names: Sequence[str]) -> None:
    (path,) = (tmp_path / name for name in names)
    if path.name == "parts":
        path.mkdir()
        path = path / "a.csv"
    (pq.write_table if path.suffix == ".bin" else as_csv)(TABLE, path)
    name = names[0].split("-00000")[0]
    assert len(rows_of(tmp_path, DataSettings(train_file=name))) == len(TABLE)
