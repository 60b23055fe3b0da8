"""Which raw rows can be used: one table of rules, and their SQL, which merge and validation read."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from belka.contract import LABEL_NEGATIVE, LABEL_POSITIVE, RAW_BLOCKS
from belka.queries import explained_errors, fetch_row, sql_string
from belka.raw_directory import EXTRA, TEST, TRAIN, RawFile
from belka.rejections import OTHER_PROTEIN
from belka.settings import DataSettings
from components.parquet_merge.blocks import CODE_BITS, MAX_BLOCKS, BlockTexts
from components.parquet_merge.usable_smiles import usable_smiles_sql

NOT_BINARY = "label is not 0 or 1"
DUPLICATE_ID = "duplicate id: another pair has it"
# What tells names of proteins apart: BRD4, "brd-4" and "BRD4 " are one protein, of which only one is spelled as set.
_NAME = "regexp_replace(lower({}), '[^a-z0-9]', '', 'g')"
# One bit per id: 10^9 ids, three times the range of the full library, take 125 MB.
MAX_ID_RANGE = 1_000_000_000
# Batches that fit into the processor's cache.
BATCH_ROWS = 1 << 16


@dataclass(frozen=True)
class Rule:
    """What a row must fulfil to be usable; every reader of raw rows applies it, in SQL or to Arrow's columns.

    Attributes:
        reason: Why a row that breaks it cannot be used.
        columns: Columns of the coded rows, see `create_checked_view`, each of which must hold a value.
        at_least: Lower bound of each value; None = no bound.
        among: The values allowed; empty = all.
        is_whole: Whether a value must be a whole number.
    """

    reason: str
    columns: tuple[str, ...]
    at_least: int | None = None
    among: tuple[int, ...] = ()
    is_whole: bool = False

    def broken_sql(self) -> str:
        """SQL of whether a row breaks the rule; never null."""
        broken = [f"{column} IS NULL" for column in self.columns]
        if self.at_least is not None:
            broken += [f"{column} < {self.at_least}" for column in self.columns]
        if self.among:
            broken += [f"{column} NOT IN ({', '.join(map(str, self.among))})" for column in self.columns]
        if self.is_whole:
            broken += [f"NOT isfinite({column}) OR {column} <> trunc({column})" for column in self.columns]
        return " OR ".join(broken)

    def kept(self, columns: Mapping[str, pa.Array]) -> npt.NDArray[np.bool_]:
        """Which rows keep the rule, bool [n]; `columns` holds those of the rule, and maybe others."""
        kept = np.ones(len(columns[self.columns[0]]), dtype=np.bool_)
        for column in (columns[name] for name in self.columns):
            if column.null_count:
                kept &= column.is_valid().to_numpy(zero_copy_only=False)
            if self.at_least is not None or self.among or self.is_whole:
                # numpy compares numbers in a third of Arrow's time.
                values = (pc.fill_null(column, 0) if column.null_count else column).to_numpy()
                if self.at_least is not None:
                    kept &= values >= self.at_least
                if self.among:
                    kept &= np.logical_or.reduce([values == value for value in self.among])
                if self.is_whole and values.dtype.kind == "f":
                    kept &= np.isfinite(values) & (values == np.trunc(values))
        return kept


def row_rules(source: str, blocks: BlockTexts, data: DataSettings) -> list[Rule]:
    """The rules about one row but that of its SMILES, which comes first; in the order in which they are tried.

    Args:
        source: `train`, `test` or `extra`.
        blocks: The texts of building blocks: a position that the training file leaves empty needs none.
        data: Whether the labels are 0 and 1, or read counts.
    """
    if source == EXTRA:
        return [Rule("read_count is not a number of 0 or more", ("label",), at_least=0)]
    row_id = Rule("id is missing, or a number below 0", ("id",), at_least=0)
    protein = Rule("unknown protein", ("protein_code",))
    if source == TEST:
        return [row_id, protein]
    needed = tuple(f"code{i}" for i, used in enumerate(blocks.training_positions, start=1) if used)
    block = [Rule("building block is missing", needed, at_least=1)] if needed else []
    label = (
        Rule("label is not a whole number of 0 or more", ("label",), at_least=0, is_whole=True)
        if data.binds
        else Rule(NOT_BINARY, ("label",), among=(LABEL_NEGATIVE, LABEL_POSITIVE))
    )
    return [*block, row_id, protein, label]


def create_checked_view(engine: Any, file: RawFile, *, data: DataSettings, blocks: BlockTexts) -> bool:
    """Make the view `<source>_checked`: the raw columns and how they are coded, and why a row cannot be used.

    It adds protein_code TINYINT, triple BIGINT (the codes of the three blocks), smiles_text VARCHAR (the text as given,
    `smiles` is the SMILES found in it, in the one spelling; null where there is none) and reason VARCHAR (null =
    usable). A row of a protein that is no target is left out before any rule. Rules that look at one row come first.
    Among the rows they leave, an id that several pairs share keeps the pair that sorts first by (SMILES, protein),
    independent of the order of rows.

    Args:
        engine: DuckDB connection with the raw view.
        file: The raw file.
        data: Names of the proteins, in the order of their codes, and what the labels are.
        blocks: The texts of building blocks.

    Returns:
        Whether the rules about one row decide alone.
    """
    source = file.source
    triple = " | ".join(f"(code{i + 1} << {CODE_BITS * i})" for i in range(len(RAW_BLOCKS)))
    rules = row_rules(source, blocks, data)
    cases = " ".join(f"WHEN {rule.broken_sql()} THEN {sql_string(rule.reason)}" for rule in rules)
    other = "" if source == EXTRA else f"WHEN {_other_protein_sql(data.targets)} THEN {sql_string(OTHER_PROTEIN)}"
    engine.execute(
        f"CREATE VIEW {source}_rows AS SELECT * EXCLUDE (code1, code2, code3), {triple} AS triple, "  # noqa: S608 - quoted, or names of ours
        f"CASE WHEN defect IS NOT NULL THEN defect {other} WHEN smiles IS NULL THEN read_smiles(smiles_text).reason "
        f"{cases} END AS row_reason FROM ({_coded_rows(source, data)})"
    )
    joins, repeats = "", ""
    with explained_errors(f"reading {file.path}"):
        if source != EXTRA and ids_repeat(engine, source):
            _keep_one_pair_per_id(engine, source)
            joins += f" LEFT JOIN {source}_kept_pair USING (id)"
            repeats += (
                " WHEN kept_pair.smiles <> smiles OR kept_pair.protein_code <> protein_code "
                f"THEN {sql_string(DUPLICATE_ID)}"
            )
    engine.execute(
        f"CREATE VIEW {source}_checked AS SELECT * EXCLUDE (row_reason), "  # noqa: S608 - quoted, or names of ours
        f"CASE WHEN row_reason IS NOT NULL THEN row_reason{repeats} END AS reason FROM {source}_rows{joins}"
    )
    return not joins


def _other_protein_sql(targets: Sequence[str]) -> str:
    """SQL of whether a row is of a protein that is no target, and not of one that is spelled otherwise."""
    names = ", ".join(_NAME.format(sql_string(name)) for name in targets)
    return f"protein_code IS NULL AND trim(protein) <> '' AND {_NAME.format('protein')} NOT IN ({names})"


def find_training_positions(engine: Any, file: RawFile, *, data: DataSettings, blocks: BlockTexts) -> BlockTexts:
    """Find in which positions the training library has blocks: a text in a row that is refused anyway makes none.

    Args:
        engine: DuckDB connection with the raw view.
        file: The training file.
        data: Names of the proteins, and what the labels are.
        blocks: The texts of building blocks, and the positions in question.

    Returns:
        The texts with the positions found.
    """
    rules = row_rules(TRAIN, replace(blocks, training_positions=(False,) * len(RAW_BLOCKS)), data)
    broken = " OR ".join(rule.broken_sql() for rule in rules)
    first = f"FROM ({_coded_rows(TRAIN, data)}) WHERE defect IS NULL AND smiles IS NOT NULL AND NOT ({broken})"
    with explained_errors(f"reading {file.path}"):
        found = [
            # Ends at the first such row, which is the file's first where all is well.
            has_text and bool(engine.execute(f"SELECT 1 {first} AND code{i} > 0 LIMIT 1").fetchall())
            for i, has_text in enumerate(blocks.training_positions, start=1)
        ]
    return replace(blocks, training_positions=tuple(found))


def used_texts(engine: Any, file: RawFile, blocks: BlockTexts) -> npt.NDArray[np.bool_]:
    """Which texts of building blocks the usable rows of a file have, bool[n_texts + 1] by code; reads the file once."""
    with explained_errors(f"reading {file.path}"):
        rows = f"SELECT DISTINCT triple FROM {file.source}_checked WHERE reason IS NULL"  # noqa: S608 - a name of ours
        lists = ", ".join(f"list(DISTINCT (triple >> {CODE_BITS * i}) & {MAX_BLOCKS})" for i in range(len(RAW_BLOCKS)))
        found = fetch_row(engine, f"SELECT {lists} FROM ({rows})")  # noqa: S608 - names of ours
    used = blocks.codes(frozenset())
    used[[code for codes in found for code in codes or ()]] = True
    return used


def _coded_rows(source: str, data: DataSettings) -> str:
    """SQL of the raw rows with smiles_text, protein_code and the codes of the texts of building blocks."""
    names = " ".join(f"WHEN {sql_string(name)} THEN {code}" for code, name in enumerate(data.targets))
    protein_code = "0" if source == EXTRA else f"(CASE protein {names} END)"
    coded = ", ".join(f"block_code(block{i}) AS code{i}" for i in (1, 2, 3))
    return (
        f"SELECT * REPLACE (coalesce(smiles_spelled, {usable_smiles_sql('smiles')}) AS smiles), smiles AS smiles_text, "  # noqa: S608 - quoted, or names of ours
        f"{protein_code}::TINYINT AS protein_code, {coded} FROM {source}_raw"
    )


def ids_repeat(engine: Any, source: str) -> bool:
    """Whether an id of 0 or more occurs twice in a file.

    Ids in increasing order, as the real ones are, are proven by one comparison per row; others by setting one bit per
    id and counting the bits, and those over too wide a range for that by grouping, which may spill.

    Args:
        engine: DuckDB connection with the raw view.
        source: `train` or `test`.
    """
    n_ids, lowest, highest, last, is_increasing = 0, np.iinfo(np.int64).max, -1, -1, True
    for ids in _ids(engine, source):
        is_increasing = is_increasing and bool(ids[0] > last) and bool((ids[1:] > ids[:-1]).all())
        n_ids, last = n_ids + len(ids), int(ids[-1])
        lowest, highest = min(lowest, int(ids.min())), max(highest, int(ids.max()))
    if is_increasing:
        return False
    if highest - lowest >= MAX_ID_RANGE:
        sql = f"SELECT count(*) FROM (SELECT DISTINCT id FROM {source}_raw WHERE id >= 0)"  # noqa: S608 - a name of ours
        return bool(fetch_row(engine, sql)[0] < n_ids)
    seen = np.zeros((highest - lowest) // 8 + 1, dtype=np.uint8)
    for ids in _ids(engine, source):
        place = ids - lowest
        for bit in range(8):
            # One bit at a time: numpy's indexed |= is lost on repeated indices unless all of them set the same bit.
            seen[place[place & 7 == bit] >> 3] |= np.uint8(1 << bit)
    return int(np.bitwise_count(seen).sum(dtype=np.int64)) != n_ids


def _ids(engine: Any, source: str) -> Iterator[npt.NDArray[np.int64]]:
    """The ids of 0 or more; no batch is empty."""
    sql = f"SELECT id FROM {source}_raw WHERE id >= 0"  # noqa: S608 - a name of ours
    for batch in engine.sql(sql).to_arrow_reader(BATCH_ROWS):
        if batch.num_rows:
            yield batch["id"].to_numpy()


def _keep_one_pair_per_id(engine: Any, source: str) -> None:
    """Table `<source>_kept_pair`: the pair each id keeps, for ids that several pairs share."""
    rows = f"{source}_rows"
    engine.execute(
        f"CREATE TABLE {source}_kept_pair AS "  # noqa: S608 - names of ours
        "SELECT id, min(struct_pack(smiles := smiles, protein_code := protein_code)) AS kept_pair "
        f"FROM {rows} WHERE row_reason IS NULL "
        f"AND id IN (SELECT id FROM {rows} WHERE row_reason IS NULL GROUP BY id HAVING count(*) > 1) "
        "GROUP BY id HAVING count(DISTINCT struct_pack(smiles := smiles, protein_code := protein_code)) > 1"
    )
