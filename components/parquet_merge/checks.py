"""Which raw rows can be used: one SQL definition, read by the merge and by the validation of a folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from belka.contract import REJECTED_COLUMNS
from belka.errors import InputError
from belka.raw_directory import EXTRA, TEST, TRAIN
from components.parquet_merge.blocks import BlockTable
from components.parquet_merge.engine import explained_errors, fetch_row, sql_string
from components.parquet_merge.raw_tables import RawTable

NO_SMILES = "molecule SMILES is missing or starts with a blank"
NO_BLOCK = "building block is missing"
BAD_ID = "id is not a whole number of 0 or more"
UNKNOWN_PROTEIN = "unknown protein"
BAD_LABEL = "label is not 0 or 1"
BAD_COUNT = "read_count is not a number of 0 or more"
DUPLICATE_ID = "duplicate id: another pair has it"
SECOND_ID = "second id of one test pair"


@dataclass(frozen=True)
class RejectedCount:
    """Rows of one file that share a reason.

    Attributes:
        source: `train`, `test` or `extra`.
        reason: Why they cannot be used.
        n_rows: How many there are, > 0.
        example: The first of them: row number from 0 and values, as text.
    """

    source: str
    reason: str
    n_rows: int
    example: str


def create_checked_view(
    engine: Any, table: RawTable, *, targets: Sequence[str], blocks: BlockTable, ids_may_repeat: bool
) -> None:
    """Make the view `<source>_checked`: the raw columns, protein_code TINYINT and reason VARCHAR (null = usable).

    Rules that look at one row come first. Among the rows they leave, an id that several pairs share keeps the pair that sorts
    first by (SMILES, protein), and a test pair with several ids keeps the smallest: both independent of the order of rows.

    Args:
        engine: DuckDB connection with the raw view.
        table: The raw table.
        targets: Names of the proteins, in the order of their codes.
        blocks: The building blocks.
        ids_may_repeat: Whether an id may occur twice; if not, the rules of one row decide about the rows of a training file.
    """
    rules = _row_rules(table.source, blocks)
    cases = " ".join(f"WHEN {condition} THEN {sql_string(reason)}" for reason, condition in rules)
    codes = " ".join(f"WHEN {sql_string(name)} THEN {code}" for code, name in enumerate(targets))
    protein_code = "0" if table.source == EXTRA else f"(CASE protein {codes} END)"
    engine.execute(
        f"CREATE VIEW {table.source}_rows AS SELECT *, CASE {cases} END AS row_reason "  # noqa: S608 - quoted, or names of ours
        f"FROM (SELECT *, {protein_code}::TINYINT AS protein_code FROM {table.view})"
    )
    joins, repeats = "", ""
    if ids_may_repeat:
        _keep_one_pair_an_id(engine, table)
        joins += f" LEFT JOIN {table.source}_kept_pair USING (id)"
        repeats += f" WHEN kept_pair.smiles <> smiles OR kept_pair.protein_code <> protein_code THEN {sql_string(DUPLICATE_ID)}"
    if table.source == TEST and _keep_one_id_a_pair(engine, joins, repeats):
        joins += " LEFT JOIN test_kept_id USING (smiles, protein_code)"
        repeats += f" WHEN kept_id <> id THEN {sql_string(SECOND_ID)}"
    engine.execute(
        f"CREATE VIEW {table.source}_checked AS SELECT * EXCLUDE (row_reason), "  # noqa: S608 - quoted, or names of ours
        f"CASE WHEN row_reason IS NOT NULL THEN row_reason{repeats} END AS reason FROM {table.source}_rows{joins}"
    )


def rejected_counts(engine: Any, table: RawTable) -> tuple[RejectedCount, ...]:
    """Count the rows of a file that cannot be used.

    Args:
        engine: DuckDB connection with the checked view.
        table: The raw table.

    Returns:
        One entry a reason, the most frequent first.
    """
    shown = {"id": "id_text", "protein": "protein", "label": "label_text", "smiles": "smiles"}
    parts = " || ".join(f"', {name} ' || coalesce({column}, 'missing')" for name, column in shown.items())
    sql = (
        f"SELECT reason, count(*), min_by('row ' || row || {parts}, row) FROM {table.source}_checked "  # noqa: S608
        "WHERE reason IS NOT NULL GROUP BY reason ORDER BY 2 DESC, 1"
    )
    with explained_errors(f"reading {table.file.path}"):
        rows = engine.execute(sql).fetchall()
    return tuple(RejectedCount(table.source, *row) for row in rows)


def rejected_rows_sql(table: RawTable) -> str:
    """SQL of the rejected rows of a file with the columns of rejected.parquet, in the order of the file.

    Args:
        table: The raw table.

    Returns:
        A SELECT statement.
    """
    values = (sql_string(table.source), "row", "id_text", "smiles", "protein", "label_text", "reason")
    columns = ", ".join(f"{value} AS {name}" for value, name in zip(values, REJECTED_COLUMNS, strict=True))
    return f"SELECT {columns} FROM {table.source}_checked WHERE reason IS NOT NULL ORDER BY row"  # noqa: S608


def check_rejected_share(table: RawTable, counts: Sequence[RejectedCount], *, max_rejected_share: float) -> None:
    """Fail when too large a part of a file cannot be used.

    Args:
        table: The raw table.
        counts: Its rejected rows by reason.
        max_rejected_share: Largest share of the file's rows that may be rejected, in [0, 1].

    Raises:
        InputError: If the share is larger, or no row of the train or test file is left; it shows an example of each of the top reasons.
    """
    n_rejected = sum(count.n_rows for count in counts)
    # A share of 1 accepts any loss, but nothing can be made of a training or test file without one usable row.
    is_hopeless = n_rejected == table.n_rows and table.source != EXTRA
    if n_rejected <= max_rejected_share * table.n_rows and not is_hopeless:
        return
    top = "; ".join(f"{count.n_rows:,} x {count.reason} ({count.example})" for count in counts[:3])
    raise InputError(
        f"Too many rows of the raw {table.source} file cannot be used.",
        received=f"{n_rejected:,} of {table.n_rows:,} rows ({n_rejected / table.n_rows:.2%}) of {table.file.path}: {top}",
        expected=f"at most {max_rejected_share:.2%} (data.max_rejected_share)",
        action="Correct the rows, or raise data.max_rejected_share if losing them is intended.",
    )


def _row_rules(source: str, blocks: BlockTable) -> list[tuple[str, str]]:
    """Reasons with their SQL conditions, never null, in the order in which they are tried."""
    # '!' is the first printable character after the blank: what sorts below it is empty or starts with white space.
    rules = [(NO_SMILES, "smiles IS NULL OR smiles < '!'")]
    if source == EXTRA:
        return [*rules, (BAD_COUNT, "label IS NULL OR isnan(label) OR label < 0")]
    needed = [f"block{i} IS NULL" for i, used in enumerate(blocks.training_positions, start=1) if used]
    if source == TRAIN and needed:
        rules.append((NO_BLOCK, " OR ".join(needed)))
    rules += [(BAD_ID, "id IS NULL OR id < 0"), (UNKNOWN_PROTEIN, "protein_code IS NULL")]
    if source == TRAIN:
        rules.append((BAD_LABEL, "label IS NULL OR label NOT IN (0, 1)"))
    return rules


def _keep_one_pair_an_id(engine: Any, table: RawTable) -> None:
    """Table `<source>_kept_pair`: the pair each id keeps, for ids that several pairs share."""
    rows = f"{table.source}_rows"
    with explained_errors(f"reading {table.file.path}"):
        engine.execute(
            f"CREATE TABLE {table.source}_kept_pair AS "  # noqa: S608 - names of ours
            "SELECT id, min(struct_pack(smiles := smiles, protein_code := protein_code)) AS kept_pair "
            f"FROM {rows} WHERE row_reason IS NULL "
            f"AND id IN (SELECT id FROM {rows} WHERE row_reason IS NULL GROUP BY id HAVING count(*) > 1) "
            "GROUP BY id HAVING count(DISTINCT struct_pack(smiles := smiles, protein_code := protein_code)) > 1"
        )


def _keep_one_id_a_pair(engine: Any, joins: str, repeats: str) -> bool:
    """Table `test_kept_id`: the id each test pair keeps, for pairs with several ids; whether there is any."""
    with explained_errors("looking for repeated pairs in the raw test file"):
        engine.execute(
            "CREATE TABLE test_kept_id AS SELECT smiles, protein_code, min(id) AS kept_id FROM "  # noqa: S608
            f"(SELECT * FROM test_rows{joins} WHERE (CASE WHEN row_reason IS NOT NULL THEN row_reason{repeats} END) IS NULL) "
            "GROUP BY smiles, protein_code HAVING min(id) <> max(id)"
        )
        (n_pairs,) = fetch_row(engine, "SELECT count(*) FROM test_kept_id")
    return bool(n_pairs > 0)
