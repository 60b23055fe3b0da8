"""A raw table as one DuckDB view, the same for every format, layout and type that files really have."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from belka.delimited import DEFECT, LINE, open_text_table, read_text_table
from belka.errors import InputError
from belka.queries import explained_errors, fetch_row, sql_pattern, sql_string
from belka.raw_columns import BLOCKS, Columns, find_columns
from belka.raw_directory import TEST, RawFile
from belka.settings import DataSettings

INTEGER: Final = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"})
_NUMBERS: Final = INTEGER | {"UBIGINT", "HUGEINT", "UHUGEINT", "DECIMAL", "BOOLEAN", "UUID", "ENUM"}
_FLOATS: Final = frozenset({"FLOAT", "DOUBLE"})
_NO_LABEL: Final = "no target has a label"
_HIVE_NULL: Final = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True)
class RawTable:
    """A raw table that is open as the view `<source>_raw`.

    Attributes:
        file: The table's files.
        n_rows: Rows of the view, > 0: those that cannot be used too; of a table with a column per target one for each
            label that is there.
        columns: What its columns mean.
    """

    file: RawFile
    n_rows: int
    columns: Columns


@dataclass(frozen=True)
class _Scan:
    """What a view is made from.

    Attributes:
        sql: The table function.
        columns: What the columns mean.
        types: SQL name and type of each by our name; a column of labels is `label0`, `label1`, ...
        row: SQL of the number of a row, from 0, over all files.
        place: SQL of where a row stands.
        defect: SQL of why a line is no row.
    """

    sql: str
    columns: Columns
    types: dict[str, tuple[str, str]]
    row: str
    place: str
    defect: str = "NULL::VARCHAR"


def open_raw_table(engine: Any, file: RawFile, data: DataSettings, *, work_dir: Path) -> RawTable:
    """Open a raw table as the view `<source>_raw`.

    The view has the columns row (BIGINT, from 0), place (where that is), defect (why a line of text is no row), id
    (BIGINT), block1, block2, block3, smiles, protein (VARCHAR), label (DOUBLE), id_text and label_text (VARCHAR, as
    given); null where the source has no such column or the value is not of that type; and smiles_spelled (VARCHAR,
    null), which the merge fills.

    `id` is what travels through the pipeline. Where every id is a whole number as it is normally written, it is that
    number. Where one is not (000000901, 1.0, CMPD-1), it is the number of the row, in a test table that of the first
    row with that text: `id_text` says what was given.

    Args:
        engine: DuckDB connection.
        file: The table's files.
        data: Names of columns and of targets.
        work_dir: Existing folder for the parquet made of text.

    Raises:
        InputError: If a file cannot be read, a column is missing or of a type that is neither text nor number, or there
            are no rows.
    """
    source = file.source
    with explained_errors(f"reading {file.path}"):
        scan = _scan_text(file, data, work_dir) if file.is_text else _scan_parquet(engine, file, data)
        given = f"{source}_given"
        engine.execute(f"CREATE VIEW {given} AS SELECT {_view_columns(file, scan, data)} FROM {scan.sql}")  # noqa: S608
        if "id" not in scan.columns.names or scan.columns.is_wide or not _ids_are_integers(engine, given, scan):
            given = _number_ids(engine, source, given, has_ids="id" in scan.columns.names)
        if scan.columns.is_wide:
            given = _split_rows(engine, source, given, n_targets=len(data.targets))
        engine.execute(f"CREATE VIEW {source}_raw AS SELECT * FROM {given}")  # noqa: S608 - a name of ours
        (n_rows,) = fetch_row(engine, f"SELECT count(*) FROM {source}_raw")  # noqa: S608 - a name of ours
    if n_rows == 0:
        raise InputError(
            f"The raw {source} file holds no rows.",
            received=f"{file.path}: columns, 0 rows",
            expected="a row for each (molecule, protein) pair",
            action="Fetch the file again.",
        )
    return RawTable(file, int(n_rows), scan.columns)


def partition_values(file: RawFile) -> dict[str, list[str | None]]:
    """Columns that stand in the names of subfolders, `column=value`: the value of each file."""
    found: dict[str, list[str | None]] = {}
    for number, path in enumerate(file.parts if file.path.is_dir() else ()):
        for folder in path.relative_to(file.path).parts[:-1]:
            name, is_pair, value = folder.partition("=")
            if is_pair:
                values = found.setdefault(unquote(name), [None] * len(file.parts))
                values[number] = None if value == _HIVE_NULL else unquote(value)
    return found


def _scan_text(file: RawFile, data: DataSettings, work_dir: Path) -> _Scan:
    """Text is first turned into parquet, as text: a value of the wrong kind is a row to refuse, no end of reading."""
    path = work_dir / f"{file.source}.parquet"
    writer: pq.ParquetWriter | None = None
    n_rows, columns = 0, Columns({})
    for number, part in enumerate(file.files):
        table = open_text_table(part)
        part_columns = find_columns(RawFile(file.source, part), table.header, data)
        places = {name: str(table.header.index(theirs)) for name, theirs in _named(part_columns).items()}
        if writer is None:
            columns = part_columns
            texts = [(name, pa.string()) for name in places]
            schema = pa.schema(
                [*texts, (DEFECT, pa.string()), (LINE, pa.int64()), ("row", pa.int64()), ("part", pa.int32())]
            )
            writer = pq.ParquetWriter(path, schema, compression="lz4")
        elif set(_named(columns)) != set(places):
            raise InputError(
                f"Two parts of the raw {file.source} file have different columns.",
                received=f"{', '.join(_named(columns).values())} in one, {', '.join(table.header)} in {part}",
                expected="the same columns in all parts",
                action="Mend the part.",
            )
        for batch in read_text_table(table):
            numbers = np.arange(n_rows, n_rows + batch.num_rows)
            n_rows += batch.num_rows
            added = [batch[DEFECT], batch[LINE], pa.array(numbers), pa.array(np.full(batch.num_rows, number, np.int32))]
            arrays = [*(batch[places[name]] for name in schema.names[: len(places)]), *added]
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
    assert writer is not None
    writer.close()
    types = {name: (f'"{name}"', "VARCHAR") for name in _named(columns)}
    place = f"'line ' || {LINE}"
    if file.parts:
        place = f"{_list(path.name for path in file.parts)}[part + 1] || ' {place[1:]}"
    return _Scan(f"read_parquet({sql_pattern(path)})", columns, types, '"row"', place, DEFECT)


def _scan_parquet(engine: Any, file: RawFile, data: DataSettings) -> _Scan:
    paths = file.files
    patterns = ", ".join(map(sql_pattern, paths))
    # Where the files lie says nothing: `id=5` above the raw folder is no column.
    by_name = ", union_by_name = true" if len(paths) > 1 else ""
    sql = f"read_parquet([{patterns}], hive_partitioning = false{by_name})"
    described = engine.execute(f"DESCRIBE SELECT * FROM {sql}").fetchall()  # noqa: S608 - the paths are quoted
    schemas = [pq.read_schema(path).names for path in paths]
    # DuckDB renames what differs in capitals only, so in one file columns are found by place.
    theirs = schemas[0] if len(paths) == 1 else [row[0] for row in described]
    _check_capitals(file, schemas)
    found = {name: (_identifier(row[0]), row[1].split("(")[0]) for name, row in zip(theirs, described, strict=True)}
    partitions = {name: values for name, values in partition_values(file).items() if name not in found}
    for name, values in partitions.items():
        found[name] = (f"{_list(values)}[file_index::BIGINT + 1]", "VARCHAR")
    columns = find_columns(file, list(found), data)
    types = {ours: found[name] for ours, name in _named(columns).items()}
    # DuckDB's own columns give way to columns of these names in the file.
    taken = {row[0].lower() for row in described}
    if len(paths) > 1 and {"file_row_number", "file_index"} & taken:
        raise InputError(
            f"A column of the raw {file.source} file has a name that reading several files needs.",
            received=f"file_row_number or file_index in {file.path}",
            expected="other names",
            action="Rename the column.",
        )
    row = "row_number() OVER () - 1" if "file_row_number" in taken else "file_row_number"
    place = f"'row ' || ({row})"
    if len(paths) > 1:
        counts = [pq.read_metadata(path).num_rows for path in paths]
        starts = np.cumsum([0, *counts[:-1]]).tolist()
        place = f"{_list(path.name for path in paths)}[file_index::BIGINT + 1] || ' row ' || file_row_number"
        row = f"[{', '.join(map(str, starts))}][file_index::BIGINT + 1] + file_row_number"
    return _Scan(sql, columns, types, row, place)


def _check_capitals(file: RawFile, schemas: Sequence[Sequence[str]]) -> None:
    if len(schemas) > 1 and any(len({name.lower() for name in names}) < len(names) for names in schemas):
        raise InputError(
            f"Two columns of the raw {file.source} file differ in capitals only.",
            received=f"parts of {file.path}",
            expected="distinct names in a table of several parts",
            action="Rename one of them.",
        )


def _view_columns(file: RawFile, scan: _Scan, data: DataSettings) -> str:
    """SQL of the view's columns, before ids and targets are told apart; what the source does not have is null."""
    types = scan.types
    texts = {ours: _text(file, scan.columns, ours, *of_column) for ours, of_column in types.items()}
    columns = {name: texts.get(name, "NULL::VARCHAR") for name in ("smiles", "protein", *BLOCKS)}
    columns |= {"row": f"({scan.row})::BIGINT", "place": scan.place, "defect": scan.defect}
    columns["id_text"] = f"nullif({texts['id']}, '')" if "id" in texts else "NULL::VARCHAR"
    is_integer = "id" in types and types["id"][1] in INTEGER
    columns["id"] = f"TRY_CAST({types['id'][0] if is_integer else columns['id_text']} AS BIGINT)"
    columns["smiles_spelled"] = "NULL::VARCHAR"
    columns["label"], columns["label_text"] = "NULL::DOUBLE", texts.get("label", "NULL::VARCHAR")
    if "label" in types:
        name, kind = types["label"]
        columns["label"] = f"{name}::DOUBLE" if kind in INTEGER else _label(texts["label"])
    if scan.columns.is_wide:
        labels = [texts.get(f"label{code}") for code in range(len(data.targets))]
        cells = [
            f"{{'target': {sql_string(target)}, 'code': {code}, 'label_text': {text or 'NULL::VARCHAR'}}}"
            for code, (target, text) in enumerate(zip(data.targets, labels, strict=True))
        ]
        columns["cells"] = f"[{', '.join(cells)}]"
        if file.source != TEST:
            columns["cells"] = f"list_filter({columns['cells']}, lambda cell: nullif(cell.label_text, '') IS NOT NULL)"
    return ", ".join(f"{sql} AS {name}" for name, sql in columns.items())


def _ids_are_integers(engine: Any, given: str, scan: _Scan) -> bool:
    """Whether each id that is there is a whole number as it is normally written."""
    if scan.types["id"][1] in INTEGER:
        return True
    normal = "id IS NOT NULL AND regexp_full_match(id_text, '0|-?[1-9][0-9]*')"
    sql = f"SELECT count(*) FROM {given} WHERE id_text IS NOT NULL AND NOT ({normal})"  # noqa: S608 - names of ours
    return bool(fetch_row(engine, sql)[0] == 0)


def _number_ids(engine: Any, source: str, given: str, *, has_ids: bool) -> str:
    """The view with the numbers of rows as ids."""
    numbered = f"{source}_numbered"
    if source != TEST:
        is_given = "id_text IS NOT NULL" if has_ids else "true"
        number = f"CASE WHEN {is_given} THEN row END"
        engine.execute(f"CREATE VIEW {numbered} AS SELECT * REPLACE ({number} AS id) FROM {given}")  # noqa: S608
        return numbered
    engine.execute(
        f"CREATE TABLE first_rows AS SELECT id_text, min(row) AS first FROM {given} "  # noqa: S608 - names of ours
        "WHERE id_text IS NOT NULL GROUP BY id_text"
    )
    engine.execute(
        f"CREATE VIEW {numbered} AS SELECT * EXCLUDE (first) REPLACE (first AS id) "  # noqa: S608 - names of ours
        f"FROM {given} LEFT JOIN first_rows USING (id_text)"
    )
    return numbered


def _split_rows(engine: Any, source: str, given: str, *, n_targets: int) -> str:
    """The view with a row for each target of a row, in training for each that has a label there."""
    split = f"{source}_split"
    none = "[{'target': NULL::VARCHAR, 'code': 0, 'label_text': NULL::VARCHAR}]"
    is_empty = "defect IS NOT NULL OR len(cells) = 0"
    cells = f"unnest(CASE WHEN {is_empty} THEN {none} ELSE cells END)"
    engine.execute(
        f"CREATE VIEW {split} AS SELECT * EXCLUDE (cells, cell) REPLACE ("  # noqa: S608 - names of ours
        f"coalesce(defect, CASE WHEN cell.target IS NULL THEN {sql_string(_NO_LABEL)} END) AS defect, "
        f"id * {n_targets} + cell.code AS id, cell.target AS protein, cell.label_text AS label_text, "
        f"{_label('cell.label_text')} AS label) FROM (SELECT *, {cells} AS cell FROM {given})"
    )
    return split


def _named(columns: Columns) -> dict[str, str]:
    """All columns that are read: our name -> the table's."""
    return {**columns.names, **{f"label{code}": name for code, name in enumerate(columns.labels)}}


def _text(file: RawFile, columns: Columns, ours: str, name: str, kind: str) -> str:
    """SQL of a column as text: the same for the same content, whatever the type."""
    if kind == "VARCHAR":
        return name
    if kind == "BLOB":
        return f"TRY(decode({name}))"
    if kind == '"NULL"':
        return "NULL::VARCHAR"
    if kind in _FLOATS:
        # pandas says so that a value is missing.
        return f"CASE WHEN NOT isnan({name}) THEN {name}::VARCHAR END"
    if kind in _NUMBERS:
        return f"{name}::VARCHAR"
    raise InputError(
        f"The column {_named(columns)[ours]} of the raw {file.source} file has the wrong type.",
        received=f"{kind} in {file.path}",
        expected="text or number",
        action="Write the file again with one of them.",
    )


def _label(text: str) -> str:
    """SQL of a label or count given as text, DOUBLE; DuckDB alone would take 1_0 for ten."""
    number = f"regexp_full_match(trim({text}), '[+-]?[0-9]*[.]?[0-9]*([eE][+-]?[0-9]+)?')"
    return (
        f"CASE lower(trim({text})) WHEN 'true' THEN 1::DOUBLE WHEN 'false' THEN 0::DOUBLE "
        f"ELSE CASE WHEN {number} THEN TRY_CAST({text} AS DOUBLE) END END"
    )


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _list(values: Any) -> str:
    return "[" + ", ".join("NULL" if value is None else sql_string(value) for value in values) + "]"
